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
import schemas  # noqa: E402

HERE = pathlib.Path(__file__).parent
Case = dict[str, t.Any]


def read_cases(noun: str) -> list[Case]:
    return t.cast("list[Case]", yaml.safe_load((HERE / f"any_{noun}.yml").read_text(encoding="utf-8")))


def cases(noun: str, *needed: str) -> t.Any:
    """The documents of a noun, as parameters."""
    found = [case for case in read_cases(noun) if all(key in case for key in needed)]
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


def test_a_running_network_becomes_any_other(networks: documents.Bench) -> None:
    startable = [case for case in read_cases("network") if "start" in case and "uuid" not in case["xml"]]
    networks.done(xml=startable[-1]["xml"], state="active")
    for case in startable:
        try:
            documents.follows(networks, case["xml"])
        except Exception as error:
            error.add_note(f"on the way to {case['case']}")
            raise


def backends(pools: documents.Bench) -> list[str]:
    root = documents.document.document(pools.world.connection.getStoragePoolCapabilities())
    return [node.get("type") for node in root.iterfind("pool[@supported='yes']")]


@cases("pool")
def test_pool(pools: documents.Bench, case: Case, place: pathlib.Path) -> None:
    if "needs" in case and case["needs"] not in backends(pools):
        pytest.skip(f"this libvirt has no backend for pools of type {case['needs']}")
    documents.converges(pools, case["xml"].replace("{place}", str(place)))


@cases("pool", "start")
def test_running_pool(pools: documents.Bench, case: Case, place: pathlib.Path) -> None:
    documents.runs(pools, case["xml"].replace("{place}", str(place)))


def any_of_the_schema(bench: documents.Bench, schema: schemas.Schema, seeds: int) -> int:
    """How many of that many random documents libvirt took; what this collection refuses beforehand counts as refused."""
    taken = 0
    for seed in range(seeds):
        xml = schema.document(seed, documents.NAME)
        if not bench.accepts(xml) or bench.refuses(xml):
            continue
        taken += 1
        metadata = documents.document.parse(xml).find("metadata")
        try:
            documents.converges(bench, xml, [] if metadata is None or not len(metadata) else ["metadata"])
        except Exception as error:
            error.add_note(f"seed {seed}: {xml}")
            raise
        bench.gone()
    return taken


def test_networks_of_the_schema(networks: documents.Bench, place: pathlib.Path) -> None:
    assert any_of_the_schema(networks, schemas.Schema("network.rng", place), 800) > 50


def test_pools_of_the_schema(pools: documents.Bench, place: pathlib.Path) -> None:
    assert any_of_the_schema(pools, schemas.Schema("storagepool.rng", place), 110) > 60
