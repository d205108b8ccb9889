# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values as users write them."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._xml import units
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("0", 0),
        (0, 0),
        ("4096 B", 4096),
        ("4096 bytes", 4096),
        ("1 KiB", 1024),
        ("1k", 1024),
        ("1 KB", 1000),
        ("2 GiB", 2 * 1024**3),
        ("20G", 20 * 1024**3),
        ("512M", 512 * 1024**2),
        ("512 MiB", 512 * 1024**2),
        ("1 TB", 10**12),
        ("1.5 GiB", 3 * 512 * 1024**2),
        ("7 bytes", 7),
        ("  8 b ", 8),
        ("1 EiB", 1024**6),
        ("9007199254740993 B", 9007199254740993),  # one more than a float can tell apart
    ],
)
def test_sizes(written: t.Any, size: int) -> None:
    assert units.size(written) == size


@pytest.mark.parametrize("written", ["", "ten", "-1", "1 XiB", "1 GiBs", "1,5 GiB", "0x10", "1 2", "GiB", None, "1e3"])
def test_sizes_that_are_none(written: t.Any) -> None:
    with pytest.raises(ValueError, match=r"size"):
        units.size(written)


@pytest.mark.parametrize(
    ("written", "ways"),
    [
        (2048, ["'2048 MiB'", "'2048 GiB'"]),
        ("20", ["'20 MiB'", "'20 GiB'"]),
        ("1.5", ["'1.5 MiB'", "'1.5 GiB'"]),
        ("2147483648", ["'2 GiB'", "'2147483648 B'"]),
        ("2147483649", ["'2147483649 bytes'"]),
    ],
)
def test_a_number_without_a_unit_is_refused_with_what_to_write(written: t.Any, ways: list[str]) -> None:
    with pytest.raises(ValueError, match=r"no unit") as caught:
        units.size(written)
    assert all(way in str(caught.value) for way in ways)


@given(st.integers(min_value=0, max_value=2**63))
def test_a_size_as_shown_is_the_same_size(size: int) -> None:
    assert units.size(units.shown(size)) == size


@pytest.mark.parametrize(
    ("written", "mac"),
    [
        ("52:54:00:0A:0B:0C", "52:54:00:0a:0b:0c"),
        ("52-54-0-a-b-c", "52:54:00:0a:0b:0c"),
        (" 52:54:00:0a:0b:0c ", "52:54:00:0a:0b:0c"),
    ],
)
def test_mac_addresses(written: str, mac: str) -> None:
    assert units.mac(written) == mac


@pytest.mark.parametrize(
    "written", ["", "52:54:00:0a:0b", "52:54:00:0a:0b:0c:0d", "52:54:00:0a:0b:gg", "53:54:00:0a:0b:0c"]
)
def test_mac_addresses_that_are_none(written: str) -> None:
    with pytest.raises(ValueError, match=r"MAC|multicast"):
        units.mac(written)


@given(st.uuids())
def test_uuids(uuid: t.Any) -> None:
    assert units.uuid(str(uuid).upper()) == str(uuid)
    assert units.uuid(uuid.hex) == str(uuid)


@pytest.mark.parametrize("written", ["", "8f0f7a52", "8f0f7a52-7e5b-4d0c-9d2c-0d4a6c3b1f1g"])
def test_uuids_that_are_none(written: str) -> None:
    with pytest.raises(ValueError, match="UUID"):
        units.uuid(written)
