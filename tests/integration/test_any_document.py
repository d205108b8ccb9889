# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any network and any pool that this libvirt accepts: applied twice changes once, a check says what a run does, exported and
fed back nothing changes, and what runs right after its start waits for nothing."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml

pytest.register_assert_rewrite("documents")
import documents  # noqa: E402

HERE = pathlib.Path(__file__).parent
Case = dict[str, t.Any]


def cases(noun: str, *needed: str) -> t.Any:
    """The documents of a noun, as parameters."""
    read = yaml.safe_load((HERE / f"any_{noun}.yml").read_text(encoding="utf-8"))
    found = [case for case in read if all(key in case for key in needed)]
    return pytest.mark.parametrize("case", found, ids=[case["case"] for case in found])


@pytest.fixture(scope="module")
def networks(connection: t.Any) -> documents.Bench:
    del connection
    return documents.Bench("network")


@pytest.fixture(scope="module")
def pools(connection: t.Any) -> documents.Bench:
    del connection
    return documents.Bench("pool")


@cases("network")
def test_network(networks: documents.Bench, case: Case) -> None:
    documents.converges(networks, case["xml"], case.get("lost", ()))


@cases("network", "start")
def test_running_network(networks: documents.Bench, case: Case) -> None:
    documents.runs(networks, case["xml"])


@cases("pool")
def test_pool(pools: documents.Bench, case: Case, place: pathlib.Path) -> None:
    documents.converges(pools, case["xml"].replace("{place}", str(place)))


@cases("pool", "start")
def test_running_pool(pools: documents.Bench, case: Case, place: pathlib.Path) -> None:
    documents.runs(pools, case["xml"].replace("{place}", str(place)))
