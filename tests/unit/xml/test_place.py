# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places in a document: found, made, taken away."""

from __future__ import annotations

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._xml import document, place

XML = "<d><clock><timer name='rtc'/><timer name='kvmclock' present='yes'/></clock><a x='1'/></d>"


@pytest.mark.parametrize(
    ("path", "steps", "attribute"),
    [
        ("name", (("name", {}),), ""),
        ("@type", (), "type"),
        ("os/type@arch", (("os", {}), ("type", {})), "arch"),
        ("clock/timer[@name='kvmclock']@present", (("clock", {}), ("timer", {"name": "kvmclock"})), "present"),
        ("target/features/lazy_refcounts", (("target", {}), ("features", {}), ("lazy_refcounts", {})), ""),
        ("os/feature[@name='secure-boot']@enabled", (("os", {}), ("feature", {"name": "secure-boot"})), "enabled"),
        ("qemu:commandline/qemu:arg@value", (
            ("{http://libvirt.org/schemas/domain/qemu/1.0}commandline", {}),
            ("{http://libvirt.org/schemas/domain/qemu/1.0}arg", {})), "value"),
    ],
)  # fmt: skip
def test_paths(path: str, steps: place.Steps, attribute: str) -> None:
    assert place.place(path) == (steps, attribute)


def test_find_by_attribute() -> None:
    root = document.document(XML)
    node = place.find(root, place.place("clock/timer[@name='kvmclock']")[0])
    assert node is not None
    assert node.get("present") == "yes"
    assert place.find(root, place.place("clock/timer[@name='hpet']")[0]) is None


def test_ensure_makes_only_what_is_missing() -> None:
    root = document.document(XML)
    made = place.ensure(root, place.place("clock/timer[@name='hpet']")[0])
    assert made.get("name") == "hpet"
    assert place.ensure(root, place.place("clock/timer[@name='hpet']")[0]) is made
    assert len(root.findall("clock")) == 1
    assert [one.get("name") for one in root.iterfind("clock/timer")] == ["rtc", "kvmclock", "hpet"]


@pytest.mark.parametrize("path", ["qemu:commandline/qemu:arg", "metadata/metal:kvm/metal:label[@name='a']"])
def test_ensure_keeps_prefixes(path: str) -> None:
    root = document.element("domain")
    place.ensure(root, place.place(path)[0])
    text = document.text_of(root)
    assert "ns0" not in text
    assert place.find(document.parse(text), place.place(path)[0]) is not None


def test_drop_takes_what_is_empty_then() -> None:
    root = document.document("<d><a><b><c/></b></a><k x='1'><b><c/></b></k></d>")
    place.drop(root, root.find("a/b/c"))
    assert root.find("a") is None
    place.drop(root, root.find("k/b/c"))
    assert root.find("k") is not None, "it has an attribute to say"
    assert root.find("k/b") is None
