# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From every kind of a thing to every other, on a guest that is off and on one that runs: what the second task asks for is
there, at once or after a restart, and a third task changes nothing. What can't be is refused by the check, by its name.

A part of the transitions is run, another one each day.
"""

from __future__ import annotations

import pathlib
import typing as t

import libvirt
import pytest
import sample
import test_rows_of_domain as rows
import transitions
from domain_bench import Bench, Options
from prover import Prover
from transitions import Transition

__all__ = ["place"]

place = rows.place
SOME = {"off": 150, "running": 12}  # how many a day
EVERY = transitions.of_domains().transitions()


def chosen(what: str) -> list[Transition]:
    """The transitions of today."""
    those = EVERY if what == "off" else [one for one in EVERY if one.often]
    return sample.part(those, len(those) // SOME[what])


class DomainProver(Prover):
    """Tasks on one domain, refused as the module refuses them: with libvirt's own judgement before anything is done."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench, rows.BASE, {"state": "paused"})
        bench.world.kept.pop("driver", None)

    def gone(self) -> None:
        domain = self.there
        if domain is not None:
            if domain.isActive():
                domain.destroy()
            domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM | libvirt.VIR_DOMAIN_UNDEFINE_TPM)

    def left(self, options: Options) -> list[str]:
        return t.cast("list[str]", self.bench.differences(**options))


@pytest.fixture
def prover(place: pathlib.Path, connection: t.Any) -> DomainProver:
    return DomainProver(rows.made_bench(place, connection))


@pytest.mark.timeout(0 if sample.WHOLE else 300)
@pytest.mark.parametrize("what", ["off", "running"])
def test_every_transition(what: str, prover: Prover) -> None:
    faults = {}
    for one in chosen(what):
        fault = prover.fault(one, what == "running")
        if fault:
            faults[str(one)] = fault
    prover.gone()
    assert not faults, "\n".join(f"{name}: {fault}" for name, fault in faults.items())


RICH: Options = {
    "title": "one",
    "labels": {"a": "b"},
    "disks": [
        {"target": "vda", "file": "{place}/a.qcow2"},
        {"target": "sda", "bus": "sata", "file": "{place}/b.raw", "format": "raw"},
        {"target": "sdb", "bus": "usb", "device": "cdrom", "file": "{place}/a.iso"},
    ],
    "interfaces": [
        {"mac": "52:54:00:aa:bb:01", "user": True},
        {"mac": "52:54:00:aa:bb:02", "user": True, "model": "e1000"},
    ],
    "graphics": [{"type": "vnc"}],
    "sound": [{"model": "ich9"}],
    "agent": True,
}


@pytest.mark.parametrize(("one", "other"), [("q35", "pc"), ("pc", "q35")])
def test_another_machine_keeps_what_is_the_users(one: str, other: str, prover: Prover) -> None:
    """UUID, MAC addresses, disks and all options stay; what hung on the machine is the new one's, and QEMU starts it."""
    bench = prover.bench
    bench.task(**{**rows.BASE, **RICH}, machine=one)
    before = bench.world.get("domain", bench.name).UUIDString()
    changed, _waiting, said = bench.task(machine=other)
    assert changed
    assert set(said["after"]) == {"machine"}, said
    assert bench.world.get("domain", bench.name).UUIDString() == before
    assert bench.differences(**RICH, machine=other) == []
    assert not bench.task(check=True, **RICH, machine=other)[0]
    assert bench.task(machine=other, state="paused")[1] == []
    prover.gone()


def test_what_the_other_machine_lacks_is_named(prover: Prover) -> None:
    bench = prover.bench
    disk = {"target": "hda", "bus": "ide", "file": "{place}/a.raw", "format": "raw"}
    bench.task(**{**rows.BASE, "hotplug_ports": 0}, machine="pc", disks=[disk])
    assert "hda" in bench.refused(machine="q35")
    assert "bus: sata" in bench.refused(machine="q35")
    assert bench.task(machine="q35", disks=[{"target": "hda", "bus": "sata"}])[0]
    prover.gone()
    bench.task(**rows.BASE, machine="q35", features={"smm": True, "smm_tseg": "48 MiB"})
    assert "unset: [features.smm_tseg]" in bench.refused(machine="pc")
    assert bench.task(machine="pc", unset=["features.smm_tseg"])[0]
    prover.gone()


def test_an_address_of_the_users_stays_or_is_refused_by_its_name(prover: Prover) -> None:
    bench = prover.bench
    address = {"type": "pci", "domain": "0", "bus": "1", "slot": "0", "function": "0"}
    disk = {"target": "vda", "file": "{place}/a.raw", "format": "raw", "address": address}
    bench.task(**rows.BASE, disks=[{**disk, "bus": "virtio"}])
    assert bench.refused(disks=[{**disk, "bus": "sata"}]).startswith("disks[vda].address: ")
    place = {"type": "drive", "controller": "0", "bus": "0", "target": "0", "unit": "3"}
    assert bench.task(disks=[{**disk, "bus": "sata", "address": place}])[0]
    node = bench.world.get("domain", bench.name).XMLDesc()
    assert "unit='3'" in node
    prover.gone()


def test_a_drive_finds_a_free_place(prover: Prover) -> None:
    """Where its name stands for the place of another: vda and sda are both the first."""
    bench = prover.bench
    first = {"target": "sda", "bus": "sata", "device": "cdrom"}
    second = {"target": "vda", "bus": "sata", "file": "{place}/a.raw", "format": "raw"}
    bench.task(**rows.BASE, disks=[first, second])
    assert bench.differences(disks=[first, second]) == []
    prover.gone()
    bench.task(**rows.BASE, disks=[first, {**second, "bus": "virtio"}])
    assert bench.task(disks=[first, second])[0]
    assert bench.differences(disks=[first, second]) == []
    assert bench.task(disks=[first, second, {**second, "target": "vdb", "file": "{place}/b.raw"}])[0]
    prover.gone()


def test_xml_patch_of_a_bus_takes_the_address_with_it(prover: Prover) -> None:
    bench = prover.bench
    bench.task(**rows.BASE, disks=[{"target": "vda", "file": "{place}/a.raw", "format": "raw"}])
    patch = {"path": "devices/disk[target/@dev='vda']/target/@bus", "set": "sata"}
    assert bench.task(xml_patch=[patch])[0]
    assert bench.differences(disks=[{"target": "vda", "bus": "sata"}]) == []
    assert not bench.task(check=True, xml_patch=[patch])[0]
    prover.gone()
