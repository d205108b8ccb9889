# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of the host on a real libvirtd: what it has, and mediated devices as mdevctl defines them.

No machine here has hardware that makes mediated devices, so that none is started; and none has an IOMMU, so that
detaching is shown to be refused. What a host with both does is shown on recorded trees and documents in tests/unit.
"""

from __future__ import annotations

import shutil
import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._objects.node_device import plan as devices
from ansible_collections.metal.kvm.plugins.module_utils._run import run_steps
from bench import Bench, assert_refused, assert_settles

UUID = "6d6b7400-6a0e-4a7e-8f5b-6d5c1c0d7e20"
OTHER = "6d6b7400-6a0e-4a7e-8f5b-6d5c1c0d7e21"


@pytest.fixture(scope="module")
def bench(daemon: None) -> Bench:
    return Bench("node_device")


@pytest.fixture
def addresses(bench: Bench) -> list[str]:
    """PCI devices of this machine."""
    found = [one["address"] for one in bench.info({"capability": "pci"})["node_devices"]]
    if len(found) < 2 or not shutil.which("mdevctl"):
        pytest.skip("needs a PCI bus and mdevctl")
    return found


@pytest.fixture(autouse=True)
def no_mdevs(bench: Bench) -> t.Iterator[None]:
    yield
    for uuid in (UUID, OTHER):
        bench.run({"uuid": uuid, "state": "absent"})


def test_cycle(cycle: t.Any, addresses: list[str]) -> None:
    name = "pci_" + addresses[-1].replace(":", "_").replace(".", "_")
    seen = cycle(
        "node_device",
        create={"uuid": UUID.upper(), "parent": addresses[-1], "type": "mkt-type", "autostart": True},
        change={"uuid": UUID, "attributes": [{"name": "b", "value": "2"}, {"name": "a", "value": "1"}]},
        remove={"uuid": UUID, "state": "absent"},
        info={"uuid": UUID},
        warnings=True,
    )
    assert seen.create.run["actions"] == [f"define node_device {UUID}", f"start node_device {UUID} with the host"]
    assert seen.create.run["node_device"]["parent"] == name
    assert seen.create.run["node_device"]["autostart"]
    assert "no types of mediated devices" in seen.create.run["warnings"][0]
    assert [one["name"] for one in seen.change.run["node_device"]["attributes"]] == ["b", "a"]
    assert seen.change.run["node_device"]["autostart"], "what the task doesn't say stays"


def test_changes_xml_and_export(bench: Bench, addresses: list[str]) -> None:
    one, other = addresses[:2]
    assert_settles(
        bench, {"uuid": UUID, "parent": one, "type": "mkt-type", "attributes": [{"name": "a", "value": "1"}]}
    )
    assert_settles(bench, {"uuid": UUID, "parent": other, "type": "mkt-other"})
    assert_settles(bench, {"uuid": UUID, "attributes": []})
    adopted = bench.info({"uuid": UUID, "as": "options"})
    name = "pci_" + other.replace(":", "_").replace(".", "_")
    assert adopted["options"] == {
        "uuid": UUID, "parent": name, "type": "mkt-other", "state": "inactive", "autostart": False,
    }  # fmt: skip
    assert adopted["not_exported"] == []
    assert not bench.plan(adopted["options"]).actions
    assert adopted["options"] in bench.info({"capability": "mdev", "as": "options"})["options"]
    xml = f"<device><parent>{name}</parent><capability type='mdev'><type id='mkt-xml'/><uuid>%s</uuid></capability></device>"
    assert_settles(bench, {"uuid": UUID, "xml": xml % UUID})
    assert_settles(bench, {"uuid": OTHER, "xml": xml % OTHER})
    assert bench.info({"uuid": OTHER})["node_devices"][0]["type"] == "mkt-xml"


def test_a_definition_that_is_refused_leaves_the_old_one(bench: Bench, addresses: list[str]) -> None:
    bench.run({"uuid": UUID, "parent": addresses[0], "type": "mkt-type", "autostart": True})
    plan = bench.plan({"uuid": UUID, "type": "mkt-other"})
    plan.steps[0].arguments["xml"] = plan.steps[0].arguments["xml"].replace("capability", "nothing")
    with pytest.raises(Exception, match="no device capabilities"):
        run_steps(plan, devices.NOUN.operations(), bench.world)
    (there,) = bench.info({"uuid": UUID})["node_devices"]
    assert there["type"] == "mkt-type"
    assert there["autostart"]


def test_bad_input_is_refused(bench: Bench, player: t.Any, addresses: list[str]) -> None:
    new = {"uuid": UUID, "parent": addresses[0], "type": "mkt-type"}
    cases: dict[str, tuple[dict[str, t.Any], list[str]]] = {
        "nothing that names it": ({"state": "detached"}, ["name", "uuid"]),
        "both": ({"name": addresses[0], "uuid": UUID}, ["name", "uuid"]),
        "no parent": ({"uuid": UUID, "type": "mkt-type"}, ["parent", "0000:3b:00.0"]),
        "no type": ({"uuid": UUID, "parent": addresses[0]}, ["type"]),
        "a parent that isn't there": ({**new, "parent": "ffff:ff:1f.7"}, ["parent", "pci_ffff_ff_1f_7"]),
        "not an address": ({**new, "parent": "0000:zz"}, ["parent", "0000:3b:00.0"]),
        "not a uuid": ({**new, "uuid": "8f0f"}, ["uuid", "32 hexadecimal digits"]),
        "a mediated device is not detached": ({**new, "state": "detached"}, ["state", "active"]),
        "a driver of a mediated device": ({**new, "driver": "vfio"}, ["driver"]),
        "a PCI device is not started": ({"name": addresses[0], "state": "active"}, ["state", "detached", "uuid"]),
        "a type of a PCI device": ({"name": addresses[0], "type": "x"}, ["type", "uuid"]),
        "no such device": ({"name": "ffff:ff:1f.7", "state": "detached"}, ["name", "ffff:ff:1f.7", "nodedev-list"]),
        "not a PCI device": ({"name": "computer", "state": "detached"}, ["name", "system", "parent"]),
        "options beside xml": ({**new, "xml": "<device/>"}, ["parent", "xml"]),
    }
    assert_refused(bench, cases)
    few = ("no parent", "no such device")
    player.refuse_all("node_device", {case: cases[case] for case in few})
    assert bench.info({"uuid": UUID})["node_devices"] == []


def test_detaching_needs_an_iommu(bench: Bench) -> None:
    """Here there is none, and the device keeps its driver; as it is, it's attached, so that attaching changes nothing."""
    found = [one for one in bench.info({"capability": "pci"})["node_devices"] if "iommu_group" not in one]
    if not found:
        pytest.skip("needs a PCI device without an IOMMU group")
    name = found[-1]["address"]
    assert_refused(bench, {"detach": ({"name": name, "state": "detached"}, ["name", name, "IOMMU", "Switch"])})
    assert not bench.plan({"name": name, "state": "attached"}).actions
    assert not bench.plan({"name": name}).actions
    assert bench.info({"name": name})["node_devices"] == [found[-1]]
    assert bench.info({"name": name, "as": "options"})["options"] == {"name": found[-1]["name"], "state": "attached"}


def test_info_reads_what_the_host_has(player: t.Any) -> None:
    read = player.run("node_device_info")["node_devices"]
    assert [one["name"] for one in read] == sorted(one["name"] for one in read)
    assert {"computer"} <= {one["name"] for one in read}
    assert player.run("node_device_info", name="none")["node_devices"] == []
