# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of a guest that runs: what it sees of them at once, by its own word, and what waits for a restart.

The tests of this file share one guest; each leaves it running and as it found it.
"""

from __future__ import annotations

import pathlib
import typing as t

import libvirt
import pytest
from cycle import Result, Task, assert_one_paragraph
from guest import Lab, Seen, canonical, shared_lab

__all__ = ["shared_lab"]

MAC = "52:54:00:0d:00:01"
MORE = ["52:54:00:0d:00:02", "52:54:00:0d:00:03"]


def drive(lab: Lab, medium: str) -> dict[str, t.Any]:
    return {"target": "sda", "device": "cdrom", "bus": "scsi", "file": lab.iso(medium)}


def baseline(lab: Lab) -> dict[str, t.Any]:
    """The options of the guest to which each test returns."""
    return {
        "memory": "192 MiB",
        "memory_maximum": "256 MiB",
        "vcpus": 1,
        "vcpus_maximum": 3,
        "title": "one",
        "labels": {},
        "disks": [*lab.disks("a"), drive(lab, "ONE")],
        "interfaces": [{"user": True, "mac": MAC, "link": "up"}],
        "graphics": [{"type": "vnc", "password": "first"}],
    }


@pytest.fixture(scope="module")
def booted(shared_lab: Lab) -> tuple[Lab, str]:
    """The lab with its guest up, and the guest's boot id."""
    seen = shared_lab.boots("mkd.noagent", agent=False, **baseline(shared_lab))
    return shared_lab, seen["boot"]


@pytest.fixture
def lab(booted: tuple[Lab, str]) -> t.Iterator[Lab]:
    """The shared lab. After each test the guest is the same boot, and is brought back to where it was."""
    lab, boot = booted
    yield lab
    lab.player.play([lab.task(**baseline(lab))])
    assert lab.domain.isActive()
    assert lab.guest.reports()[-1]["boot"] == boot, "the guest was restarted"


def waits_for_nothing(result: Result) -> Result:
    assert result["restart_required"] == [], result
    return result


def macs(seen: Seen) -> set[str]:
    return set(seen.nics)


def test_nothing_waits_after_the_start(lab: Lab) -> None:
    assert lab.info()["restart_required"] == []
    again = lab.run(**baseline(lab))
    assert not again["changed"], again
    assert again["restart_required"] == []


def test_disks_come_and_go_one_after_the_other(lab: Lab) -> None:
    sets = ["a", "ab", "abc", "abcd", "abcde", "abcd", "acd", "ad", "a"]
    results = lab.runs(*({"disks": [*lab.disks(*letters), drive(lab, "ONE")]} for letters in sets[1:]))
    for result, before, after in zip(results, sets, sets[1:]):
        (moved,) = set(before) ^ set(after)
        way = "attach disk vd{} to" if moved in after else "detach disk vd{} from"
        assert result["actions"] == [f"define domain {lab.name}", f"{way.format(moved)} domain {lab.name} live"]
        waits_for_nothing(result)
    lab.guest.sees(lambda seen: list(seen.disks) == ["vda"], "only its own disk")
    seen = ["".join(sorted(name[2:] for name in report.disks)) for report in lab.guest.reports()]
    assert [one for one in sets if one in seen] == sets, "it saw each of them come and go"


def test_interfaces_come_and_go_one_after_the_other(lab: Lab) -> None:
    first, second, third = ({"mac": mac, "user": True} for mac in (MAC, *MORE))
    for result in lab.runs({"interfaces": [first, second]}, {"interfaces": [first, second, third]}):
        waits_for_nothing(result)
    lab.guest.sees(lambda seen: macs(seen) == {MAC, *MORE}, "three interfaces")
    for result in lab.runs({"interfaces": [third, first]}, {"interfaces": [first]}):
        waits_for_nothing(result)
    lab.guest.sees(lambda seen: macs(seen) == {MAC}, "only its own interface")
    assert {MAC, MORE[1]} in [macs(report) for report in lab.guest.reports()], "the second went before the third"


def test_the_cable_is_pulled_and_plugged_in(lab: Lab) -> None:
    for state, carrier in (("down", "0"), ("up", "1")):
        result = waits_for_nothing(lab.run(interfaces=[{"mac": MAC, "link": state}]))
        assert result.diff["after"][f"interfaces[{MAC}].link"] == state
        lab.guest.sees(lambda seen, carrier=carrier: seen.nics[MAC] == carrier, f"carrier {carrier}")


def test_memory_within_the_maximum(lab: Lab) -> None:
    full = int(lab.guest.reports()[-1]["mem"])
    less, again = lab.runs({"memory": "160 MiB"}, {"memory": "160 MiB"})
    waits_for_nothing(less)
    lab.guest.sees(lambda seen: abs(full - int(seen["mem"]) - 32 * 1024) < 1024, "32 MiB less")
    assert not again["changed"]
    waits_for_nothing(lab.run(memory="192 MiB"))
    lab.guest.sees(lambda seen: abs(full - int(seen["mem"])) < 1024, "all of it again")


def test_what_is_beyond_a_maximum_waits(lab: Lab) -> None:
    memory, vcpus, back = lab.runs({"memory": "512 MiB"}, {"vcpus": 4}, baseline(lab))
    assert memory["restart_required"] == ["memory"]
    assert memory["actions"] == [f"define domain {lab.name}"]
    assert vcpus["restart_required"] == ["vcpus", "memory"]
    waits_for_nothing(back)


def test_texts_and_labels(lab: Lab) -> None:
    result = waits_for_nothing(lab.run(title="two", description="a guest", labels={"stage": "test", "a.b/c": "d e"}))
    assert {action.partition(" of ")[0] for action in result["actions"][1:]} == {
        "set the title",
        "set the description",
        "set the labels",
    }
    live = lab.xml(live=True)
    assert live.findtext("title") == "two"
    assert live.findtext("description") == "a guest"
    labels = live.findall("metadata/{*}kvm/{*}label")
    assert {label.get("name"): label.get("value") for label in labels} == {"stage": "test", "a.b/c": "d e"}
    result = waits_for_nothing(lab.run(labels={}, unset=["title", "description"]))
    live = lab.xml(live=True)
    assert live.find("title") is None
    assert live.find("description") is None
    assert not live.findall("metadata/{*}kvm/{*}label")


def test_another_password_of_the_screen(lab: Lab) -> None:
    result = waits_for_nothing(lab.run(graphics=[{"type": "vnc", "password": "second"}]))
    assert "second" not in str(result)
    assert lab.xml(live=True).find("devices/graphics").get("passwd") == "second"
    assert not lab.run(graphics=[{"type": "vnc", "password": "second"}])["changed"]
    lab.run(title="another")
    assert lab.xml().find("devices/graphics").get("passwd") == "second", "another change keeps the password"


def test_the_medium_of_a_drive(lab: Lab) -> None:
    lab.guest.sees(lambda seen: seen["cd"] == "ONE", "the first medium")
    changed = waits_for_nothing(lab.run(disks=[*lab.disks("a"), drive(lab, "TWO")]))
    assert changed["actions"][-1] == f"change the medium of disk sda of domain {lab.name} live"
    lab.guest.sees(lambda seen: seen["cd"] == "TWO", "the second medium")
    waits_for_nothing(lab.run(unset=["disks[sda].file"]))
    lab.guest.sees(lambda seen: seen["cd"] == "", "no medium")


def test_a_drive_is_plugged_in_where_its_bus_can(lab: Lab) -> None:
    """A CD-ROM drive on SATA waits for the next start; one on SCSI comes and goes like a disk."""
    disks = baseline(lab)["disks"]
    staged, plugged, gone = lab.runs(
        {"disks": [*disks, {**drive(lab, "TWO"), "target": "sdc", "bus": "sata"}]},
        {"disks": [*disks, {**drive(lab, "TWO"), "target": "sdd"}]},
        {"disks": disks},
    )
    assert staged["restart_required"] == ["disks[sdc]"]
    assert staged["actions"] == [f"define domain {lab.name}"]
    assert waits_for_nothing(plugged)["actions"][1:] == [f"attach disk sdd to domain {lab.name} live"]
    assert waits_for_nothing(gone)["actions"][1:] == [f"detach disk sdd from domain {lab.name} live"]


def test_staged_changes_wait(lab: Lab) -> None:
    staged = lab.run(
        disks=[*lab.disks("a", "b"), drive(lab, "ONE")], title="staged", features={"pmu": False}, apply="stage"
    )
    assert set(staged["restart_required"]) == {"disks[vdb]", "title", "features.pmu"}
    assert staged["actions"] == [f"define domain {lab.name}"]
    assert set(lab.info()["restart_required"]) == {"disks[vdb]", "title", "features.pmu"}
    assert lab.xml(live=True).find("devices/disk/target[@dev='vdb']") is None
    live = lab.run(disks=[*lab.disks("a", "b"), drive(lab, "ONE")], title="staged")
    assert live["restart_required"] == ["features.pmu"]
    assert live["changed"]
    assert not lab.run(disks=[*lab.disks("a", "b"), drive(lab, "ONE")], title="staged")["changed"]
    waits_for_nothing(lab.run(disks=baseline(lab)["disks"], unset=["features.pmu", "title"]))


def test_an_attach_that_fails_is_taken_back(lab: Lab) -> None:
    """The second of two disks is a format that its file hasn't got: QEMU refuses it after the first was attached."""
    before, running = canonical(lab.xml()), canonical(lab.xml(live=True))
    broken = pathlib.Path(lab.image("broken.raw", format="raw"))
    disks = [*lab.disks("a", "b"), drive(lab, "ONE"), {"target": "vdc", "file": str(broken), "format": "qcow2"}]
    failed = lab.fails("attach disk vdc", title="new", disks=disks)
    assert failed["step"] == f"attach disk vdc to domain {lab.name} live"
    assert "detach disk vdb again" in failed["rolled_back"]
    assert not failed.get("rollback_failed")
    assert canonical(lab.xml()) == before
    assert canonical(lab.xml(live=True)) == running
    lab.guest.sees(lambda seen: list(seen.disks) == ["vda"], "only its own disk")


def test_a_change_by_hand_is_seen(lab: Lab, connection: t.Any) -> None:
    """virsh detaches the interface of the running guest only: that is told, and mended by the next task that lists it."""
    del connection
    device = libvirt_xml(lab, "devices/interface")
    lab.domain.detachDeviceFlags(device, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    lab.guest.sees(lambda seen: not seen.nics, "no interface")
    assert lab.info()["restart_required"] == [f"interfaces[{MAC}]"]
    mended = waits_for_nothing(lab.run(interfaces=[{"mac": MAC}]))
    assert mended["actions"] == [f"attach interface {MAC} to domain {lab.name} live"]
    lab.guest.sees(lambda seen: macs(seen) == {MAC}, "its interface")


def libvirt_xml(lab: Lab, path: str) -> str:
    from lxml import etree

    return str(etree.tostring(lab.xml(live=True).find(path)).decode())


def test_a_check_of_what_fails_says_nothing_untrue(lab: Lab) -> None:
    task = Task("domain", {"name": lab.name, "disks": [{"target": "vdb", "file": "/nonexistent"}]})
    check, run = lab.player.play([task._replace(check=True), task])
    assert not check.failed
    assert check["assumed"] == ["disks[vdb].file"]
    assert_one_paragraph(run)


def test_vcpus_within_the_maximum(lab: Lab) -> None:
    """Last of all: they can't be taken back while the guest runs, and that waits."""
    waits_for_nothing(lab.run(vcpus=3))
    lab.guest.sees(lambda seen: seen["cpus"] == "3", "3 processors")
    assert lab.run(vcpus=1)["restart_required"] == ["vcpus"]
    assert lab.guest.reports()[-1]["cpus"] == "3"


def test_a_full_machine_stages_and_says_so(lab: Lab) -> None:
    """More devices than there are slots: those without one wait, and the warning names the remedy."""
    spare = [f"52:54:00:0e:00:{number:02x}" for number in range(16)]
    interfaces = [{"mac": MAC, "user": True}, *({"mac": mac, "user": True} for mac in spare)]
    result = lab.run(interfaces=interfaces)
    staged = [path for path in result["restart_required"] if path.startswith("interfaces[")]
    plugged = [action for action in result["actions"] if action.startswith("attach interface")]
    assert staged, "they can't all fit"
    assert len(staged) + len(plugged) == len(spare)
    assert len([warning for warning in result["warnings"] if "hotplug_ports" in warning]) == len(staged)
    lab.guest.sees(lambda seen: len(seen.nics) == len(plugged) + 1, "those that were plugged in")
