# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What other tools do to domains that must not happen here, a test each.

Of some the test is beside others of its kind: storage that goes with a domain unasked, in pools and outside
(test_domain_state: storage goes only where it may); everything destroyed before the first look at the options
(test_domain_refused); a shutdown that nobody waits for (test_domain_state: a guest is asked and goes down); drift of a running
guest that isn't told (test_domain_live: a change by hand is seen); a run that is killed (test_domain_interrupted).
"""

from __future__ import annotations

import pathlib
import typing as t

import libvirt
import pytest
from cycle import Task
from domain_bench import Bench
from guest import NAME, Lab, canonical, lab

__all__ = ["lab"]

MAC = "52:54:00:0d:00:01"
EMPTY: dict[str, t.Any] = {"memory": "64 MiB", "agent": False}


@pytest.fixture
def bench(lab: Lab) -> Bench:
    return Bench(NAME, lab.place)


def test_forced_removal_keeps_disks_and_the_medium_in_the_drive(lab: Lab, bench: Bench) -> None:
    disks = [*lab.disks("a"), {"target": "sda", "device": "cdrom", "file": lab.iso("CD")}]
    bench.task(**EMPTY, disks=disks, state="running")
    bench.task(state="absent", force=True)
    assert pathlib.Path(lab.image("a.qcow2")).stat().st_size
    assert pathlib.Path(lab.iso("CD")).stat().st_size


def test_removal_of_firmware_and_tpm_leaves_nothing_half_removed(lab: Lab, bench: Bench) -> None:
    bench.task(
        **EMPTY, firmware="efi", tpm=[{"model": "tpm-crb", "version": "2.0"}], disks=lab.disks("a"), state="running"
    )
    uuid = lab.domain.UUIDString()
    nvram = pathlib.Path(lab.xml(live=True).findtext("os/nvram"))
    state = pathlib.Path("/var/lib/libvirt/swtpm") / uuid
    assert nvram.exists()
    assert state.exists()
    assert bench.task(state="absent", force=True)[0]
    assert bench.world.find("domain", NAME) is None
    assert not nvram.exists()
    assert not state.exists()


def test_removal_of_what_is_not_there_changes_nothing(bench: Bench) -> None:
    for check in (True, False):
        assert bench.task(check, state="absent")[0] is False


def test_a_change_is_made_over_the_same_domain_never_by_making_it_anew(lab: Lab, bench: Bench) -> None:
    """A running guest is the same instance after each kind of change; UUID, MAC and addresses stay; so does what is unknown."""
    bench.task(**EMPTY, interfaces=[{"user": True}], disks=lab.disks("a"), state="running")
    xml = lab.xml()
    own = "<own xmlns='urn:example'>of somebody else</own>"
    lab.domain.setMetadata(
        libvirt.VIR_DOMAIN_METADATA_ELEMENT, own, "own", "urn:example", libvirt.VIR_DOMAIN_AFFECT_CONFIG
    )
    number, mac = lab.domain.ID(), xml.find("devices/interface/mac").get("address")
    for options in (
        {"title": "two"},
        {"features": {"pmu": False}},
        {"cpu": {"mode": "custom", "model": "qemu64"}},
        {"video": []},
    ):
        bench.task(**options)
    after = lab.xml()
    assert lab.domain.ID() == number
    assert after.findtext("uuid") == xml.findtext("uuid")
    assert after.find("devices/interface/mac").get("address") == mac
    for device in ("interface", "disk"):
        address = f"devices/{device}/address"
        assert dict(after.find(address).attrib) == dict(xml.find(address).attrib)
    assert after.findtext("metadata/{urn:example}own") == "of somebody else"


def test_a_definition_without_mac_or_uuid_is_the_same_the_second_time(lab: Lab) -> None:
    xml = f"""<domain type='qemu'><name>{NAME}</name><memory unit='MiB'>64</memory><os><type>hvm</type></os>
      <devices><interface type='user'><model type='virtio'/></interface></devices></domain>"""
    made, check, again = lab.player.play([lab.task(xml=xml), lab.task(True, xml=xml), lab.task(xml=xml)])
    assert not made.failed, made.message
    assert made["changed"]
    before = canonical(lab.xml())
    assert not check["changed"], check.diff
    assert not again["changed"], again.diff
    assert canonical(lab.xml()) == before


def test_another_password_is_a_change_and_is_never_shown(lab: Lab, bench: Bench) -> None:
    bench.task(**EMPTY, graphics=[{"type": "vnc", "password": "first"}])
    changed, _waiting, said = bench.task(graphics=[{"type": "vnc", "password": "second"}])
    assert changed
    assert "second" not in str(said)
    assert lab.xml().find("devices/graphics").get("passwd") == "second"
    assert not bench.task(True, graphics=[{"type": "vnc", "password": "second"}])[0]
    bench.task(title="another")
    assert lab.xml().find("devices/graphics").get("passwd") == "second", "another change doesn't wipe it"


def test_autostart_counts_beside_a_state(bench: Bench) -> None:
    bench.task(**EMPTY, state="stopped", autostart=True)
    assert bench.world.get("domain", NAME).autostart() == 1
    bench.task(state="running", autostart=False)
    assert bench.world.get("domain", NAME).autostart() == 0


def test_a_check_removes_and_defines_nothing(lab: Lab, bench: Bench) -> None:
    bench.task(**EMPTY)
    before = canonical(lab.xml())
    for options in ({"state": "absent"}, {"title": "two"}, {"state": "running"}, {"autostart": True}):
        assert bench.task(True, **options)[0]
    assert canonical(lab.xml()) == before
    assert not lab.domain.isActive()
    assert not lab.domain.autostart()


def test_sizes_in_the_units_of_libvirt_mean_what_they_say(lab: Lab, bench: Bench) -> None:
    bench.task(**{**EMPTY, "memory": "65536 KiB"})
    for size in ("64 MiB", "64M", "67108864 B", "65536KiB"):
        assert not bench.task(True, memory=size)[0], size
    assert lab.xml().findtext("memory") == "65536"


def test_interfaces_without_a_source_are_read(lab: Lab, bench: Bench) -> None:
    bench.task(**EMPTY, interfaces=[{"user": True, "mac": MAC}, {"unconnected": True, "mac": "52:54:00:0d:00:02"}])
    (info,) = lab.player.play([Task("domain_info", {"name": NAME})])
    assert [nic["mac"] for nic in info["domains"][0]["interfaces"]] == [MAC, "52:54:00:0d:00:02"]


def test_memory_of_a_saved_guest_survives_a_change(lab: Lab, bench: Bench) -> None:
    bench.task(**EMPTY, state="running")
    bench.task(state="saved")
    bench.task(title="two")
    assert lab.domain.hasManagedSaveImage()
    bench.task(state="running")
    assert lab.domain.isActive()


def test_snapshots_survive_a_change(lab: Lab, bench: Bench) -> None:
    bench.task(**EMPTY, disks=lab.disks("a"))
    lab.domain.snapshotCreateXML("<domainsnapshot><name>one</name></domainsnapshot>")
    bench.task(title="two", features={"pmu": False})
    assert [one.getName() for one in lab.domain.listAllSnapshots()] == ["one"]
