# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks and devices that the machine of most tests has no kernel or no hardware for: limits by queueing disciplines, and
PCI devices behind an IOMMU that are given away and taken back. molecule's scenario `roles` has both."""

from __future__ import annotations

import pathlib
import subprocess
import typing as t

import pytest
from bench import Args, Bench, assert_cycle, assert_refused, assert_settles

NAME, BRIDGE = "mkt-limited", "mkt-br7"
PCI = pathlib.Path("/sys/bus/pci/devices")


def qdiscs(device: str) -> str:
    return subprocess.run(
        ["tc", "-s", "class", "show", "dev", device], check=True, capture_output=True, text=True
    ).stdout


def test_limits_of_a_network(connection: t.Any) -> None:
    del connection
    network = Bench("network")
    made: Args = {
        "name": NAME, "forward": "isolated", "bridge": BRIDGE, "ips": [{"address": "10.77.91.1/24"}],
        "bandwidth": {"inbound": {"average": 1000, "peak": 5000, "burst": 1024}, "outbound": {"average": 128}},
        "portgroups": [{"name": "slow", "bandwidth": {"inbound": {"average": 100}}}],
    }  # fmt: skip
    assert_cycle(
        network,
        {**made, "state": "active"},
        {"name": NAME, "bandwidth": {"inbound": {"average": 2000}}, "apply": "restart"},
        {"name": NAME, "state": "absent"},
    )
    network.run({**made, "state": "active"})
    assert "rate 8Mbit" in qdiscs(BRIDGE)
    network.run({"name": NAME, "bandwidth": {"inbound": {"average": 2000}}, "apply": "restart"})
    assert "rate 16Mbit" in qdiscs(BRIDGE)


@pytest.fixture
def spare(connection: t.Any) -> t.Iterator[dict[str, t.Any]]:
    """The machine's PCI device that nobody needs: its only network interface behind the IOMMU that is down."""
    del connection
    devices = Bench("node_device")
    found = [
        one
        for one in devices.info({"capability": "pci"})["node_devices"]
        for interface in PCI.joinpath(one["address"]).glob("virtio*/net/*")
        if (interface / "operstate").read_text().strip() == "down"
    ]
    assert len(found) == 1, found
    yield found[0]
    devices.run({"name": found[0]["name"], "state": "attached"})


def driver(device: dict[str, t.Any]) -> str:
    return PCI.joinpath(device["address"], "driver").resolve().name


def test_a_device_is_given_away_and_taken_back(spare: dict[str, t.Any]) -> None:
    devices = Bench("node_device")
    name = spare["address"]
    assert spare["iommu_group"]
    assert driver(spare) == "virtio-pci"
    assert not devices.plan({"name": name, "state": "attached"}).actions
    assert_settles(devices, {"name": name, "state": "detached"})
    assert driver(spare) == "vfio-pci"
    assert not devices.run({"name": name, "state": "detached"}).actions
    (read,) = devices.info({"name": name})["node_devices"]
    assert read["driver"] == "vfio-pci"
    adopted = devices.info({"name": name, "as": "options"})["options"]
    assert adopted == {"name": spare["name"], "state": "detached"}
    assert_settles(devices, {"name": name, "state": "attached"})
    assert driver(spare) == "virtio-pci"


def test_what_the_machine_needs_is_not_given_away(connection: t.Any) -> None:
    """A bridge has no driver to take away, and no use for a guest."""
    devices = Bench("node_device")
    bridges = [one for one in devices.info({"capability": "pci"})["node_devices"] if one["class"].startswith("0x0604")]
    assert bridges
    refused = {"name": bridges[0]["address"], "state": "detached"}
    assert_refused(devices, {"a bridge": (refused, ["name", bridges[0]["address"]])})
