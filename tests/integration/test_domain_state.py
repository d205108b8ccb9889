# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The states of domains: from each to each, waits and timeouts, restarts, and their end with what libvirt keeps beside."""

from __future__ import annotations

import pathlib
import time
import typing as t

import libvirt
import pytest
from cycle import Task, assert_one_paragraph
from domain_bench import Bench
from guest import NAME, OTHER, POOL, Lab, built, canonical, lab

__all__ = ["lab"]

# no system in it: nothing that could react to a request
EMPTY = {"memory": "64 MiB", "disks": [], "agent": False}


def state(lab: Lab) -> str:
    """What libvirt says, in our words."""
    number = lab.domain.state()[0]
    names = {
        libvirt.VIR_DOMAIN_RUNNING: "running",
        libvirt.VIR_DOMAIN_PAUSED: "paused",
        libvirt.VIR_DOMAIN_SHUTOFF: "stopped",
    }
    return "saved" if number == libvirt.VIR_DOMAIN_SHUTOFF and lab.domain.hasManagedSaveImage() else names[number]


def test_from_each_state_to_each(lab: Lab) -> None:
    """Each step is checked, run, and run again: the second time there's nothing to do."""
    path: list[dict[str, t.Any]] = [
        {**EMPTY, "state": "present"},
        {"state": "paused"},
        {"state": "running"},
        {"state": "paused"},
        {"state": "saved"},
        {"state": "paused"},
        {"state": "running"},
        {"state": "saved"},
        {"state": "running"},
        {"state": "stopped", "force": True},
        {"state": "running"},
        {"state": "saved"},
        {"state": "stopped", "discard_saved": True},
        {"state": "paused"},
        {"state": "stopped", "force": True},
    ]
    bench = Bench(NAME, lab.place)
    for step in path:
        wanted = "stopped" if step["state"] == "present" else step["state"]
        check, ran, again = (bench.task(check, **step) for check in (True, False, True))
        assert check[0]
        assert check[2] == ran[2]
        assert ran[2]["after"]["state"] == wanted
        assert state(lab) == wanted
        assert not again[0], again


def test_saved_memory_is_not_thrown_away_unasked(lab: Lab) -> None:
    lab.run(**EMPTY, state="running")
    lab.run(state="saved")
    for wanted in ("stopped", "absent"):
        failed = lab.fails("saved memory", "discard_saved: true", state=wanted)
        assert failed["option"] == "state"
    assert state(lab) == "saved"
    lab.run(title="changed while saved")
    assert state(lab) == "saved", "a change of the definition leaves the saved memory"
    lab.run(state="absent", discard_saved=True)
    assert not [domain for domain in lab.connection.listAllDomains() if domain.name() == NAME]


def test_a_domain_that_is_off_has_no_memory_to_save(lab: Lab) -> None:
    lab.fails("no domain", state="saved", **EMPTY)
    assert not [domain for domain in lab.connection.listAllDomains() if domain.name() == NAME]
    lab.run(**EMPTY)
    lab.fails("stopped", "saved", state="saved")
    assert state(lab) == "stopped"


def test_a_guest_that_does_not_react_is_left_running(lab: Lab) -> None:
    lab.run(**EMPTY, state="running")
    for wanted in ("stopped", "absent"):
        begin = time.monotonic()
        failed = lab.fails("still running after 1 seconds", "force: true", state=wanted, shutdown_timeout=1)
        assert failed["option"] == "shutdown_timeout"
        assert time.monotonic() - begin < 60
        assert state(lab) == "running"
    failed = lab.fails("still running", features={"pmu": False}, apply="restart", shutdown_timeout=1)
    assert state(lab) == "running"
    assert lab.run(state="absent", force=True)["actions"] == [f"power off domain {NAME}", f"undefine domain {NAME}"]


def test_a_guest_is_asked_and_goes_down(lab: Lab) -> None:
    """By its agent, and by the ACPI button where it has none."""
    lab.boots()
    stopped = lab.run(state="stopped")
    assert stopped["actions"] == [f"shut down domain {NAME}"]
    assert any("off" in line or "Power down" in line for line in lab.guest.lines())
    lab.run(agent=False, state="running")
    lab.guest.up()
    removed = lab.run(state="absent")
    assert removed["actions"] == [f"shut down domain {NAME}", f"undefine domain {NAME}"]
    assert any("Power down" in line for line in lab.guest.lines())


def test_a_restart_takes_up_what_waits_and_only_then(lab: Lab) -> None:
    first = lab.boots()
    waiting, again = lab.runs({"features": {"pmu": False}}, {})
    assert waiting["restart_required"] == ["features.pmu"]
    assert again["restart_required"] == waiting["restart_required"]
    restarted, nothing = lab.runs({"apply": "restart"}, {"apply": "restart", "state": "running"})
    assert restarted["actions"] == [f"restart domain {NAME}"]
    assert restarted["restart_required"] == []
    assert not nothing["changed"]
    second = lab.guest.up()
    assert second["boot"] != first["boot"]
    assert canonical(lab.xml()).count("restarting") == 0, "the mark of the restart is gone"


def test_a_restart_that_was_interrupted_is_finished(lab: Lab) -> None:
    """What a run that was killed between leaves: the domain is off and its metadata says that it was to come back."""
    lab.run(**EMPTY)
    mark = "<kvm restarting='yes'/>"
    lab.domain.setMetadata(2, mark, "metal", "https://metal.kvm/libvirt/1", libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    finished, again = lab.runs({}, {})
    assert finished["actions"] == [f"start domain {NAME}"]
    assert not again["changed"]
    assert state(lab) == "running"
    assert "restarting" not in canonical(lab.xml())


def test_a_transient_domain_becomes_persistent(lab: Lab) -> None:
    xml = f"""<domain type='qemu'><name>{NAME}</name><memory>65536</memory>
      <os><type arch='x86_64' machine='q35'>hvm</type></os></domain>"""
    lab.connection.createXML(xml)
    uuid = lab.domain.UUIDString()
    assert lab.info()["persistent"] is False
    kept, again = lab.runs({"title": "kept"}, {"title": "kept"})
    assert kept["actions"][0] == f"define domain {NAME} (made persistent)"
    assert kept["restart_required"] == []
    assert not again["changed"]
    assert lab.domain.isPersistent()
    assert lab.domain.isActive()
    assert lab.domain.UUIDString() == uuid
    assert lab.xml(live=True).findtext("title") == "kept"


def test_a_transient_domain_can_be_taken_away(lab: Lab) -> None:
    xml = (
        f"<domain type='qemu'><name>{NAME}</name><memory>65536</memory><os><type arch='x86_64'>hvm</type></os></domain>"
    )
    lab.connection.createXML(xml)
    removed, again = lab.runs({"state": "absent", "force": True}, {"state": "absent"})
    assert removed["actions"] == [f"power off domain {NAME}"]
    assert removed["domain"] is None
    assert not again["changed"]


def test_absent_takes_what_libvirt_keeps_beside_a_domain(lab: Lab) -> None:
    """NVRAM, snapshots and saved memory go with it; its disks stay."""
    image = lab.image("a.qcow2")
    lab.run(memory="64 MiB", firmware="efi", disks=[{"file": image}], agent=False)
    lab.domain.snapshotCreateXML("<domainsnapshot><name>one</name></domainsnapshot>")
    lab.run(state="running")
    nvram = pathlib.Path(lab.xml(live=True).findtext("os/nvram") or "")
    assert nvram.is_file()
    lab.run(state="absent", force=True)
    assert not nvram.exists()
    assert pathlib.Path(image).exists()


def test_storage_goes_only_where_it_may(lab: Lab, place: pathlib.Path) -> None:
    """The domain's own disks go; read-only, shareable, removable and backing images stay, and what another domain uses."""
    (place / "pool").mkdir()
    names = ("own.qcow2", "base.qcow2", "overlay.qcow2")
    setup = [Task("pool", {"name": POOL, "type": "dir", "path": str(place / "pool"), "state": "active"})]
    setup += [Task("volume", {"pool": POOL, "name": name, "capacity": "8 MiB"}) for name in names[:2]]
    setup += [Task("volume", {"pool": POOL, "name": names[2], "capacity": "8 MiB", "backing": names[1]})]
    for result in lab.player.play(setup):
        assert not result.failed, result.message
    shared, alone = lab.image("shared.qcow2"), lab.image("alone.qcow2")
    disks = [
        {"target": "vda", "pool": POOL, "volume": "own.qcow2"},
        {"target": "vdb", "pool": POOL, "volume": "base.qcow2"},
        {"target": "vdc", "file": alone},
        {"target": "vdd", "file": lab.image("ro.qcow2"), "read_only": True},
        {"target": "vde", "file": lab.image("share.raw", format="raw"), "shareable": True},
        {"target": "vdf", "file": shared},
        {"target": "sda", "device": "cdrom", "file": lab.iso("CD")},
    ]
    other = Task("domain", {"name": OTHER, **EMPTY, "disks": [{"file": shared}]})
    made = lab.player.play([lab.task(memory="64 MiB", disks=disks), other])
    assert not [result.message for result in made if result.failed]
    gone = lab.run(state="absent", storage="delete")
    assert gone["actions"] == [
        f"undefine domain {NAME}",
        f"delete volume {POOL}/own.qcow2",
        f"delete file {alone}",
    ]
    assert not pathlib.Path(alone).exists()
    assert {path.name for path in (place / "pool").iterdir()} == {"base.qcow2", "overlay.qcow2"}
    kept = ("shared.qcow2", "ro.qcow2", "share.raw", "CD.iso")
    assert all((lab.place / name).exists() for name in kept)
    said = " ".join(gone["warnings"])
    assert all(word in said for word in ("vdb", "vdd", "vde", "vdf", "overlay.qcow2", OTHER))


def test_waiting_for_a_guest(lab: Lab) -> None:
    """The agent's answer and the address, and the evidence where they don't come."""
    lab.run(
        memory="192 MiB",
        boot=built().boot(),
        interfaces=[{"user": True}],
        graphics=[{"type": "vnc"}],
        state="running",
    )
    (up,) = lab.player.play([lab.task(wait_for={"agent": True, "ip": True, "timeout": 60})])
    assert not up.failed, up.message
    assert not up["changed"], "waiting is no change"
    assert up["domain"]["addresses"][0]["address"] == "10.0.2.15"
    assert up["domain"]["waited"] < 60
    (info,) = lab.player.run("domain_info", name=NAME, addresses=["agent"])["domains"]
    assert "10.0.2.15" in [one["address"] for one in info["addresses"]]
    picture = lab.place / "screen.png"
    lab.player.run("domain_info", name=NAME, screenshot=str(picture))
    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_a_wait_that_ends_in_vain_shows_the_evidence(lab: Lab) -> None:
    lab.run(memory="192 MiB", boot=built().boot("mkd.noagent"), graphics=[{"type": "vnc"}], state="running")
    lab.guest.up()
    failed = lab.fails("wait_for.agent", "2 seconds", wait_for={"agent": True, "timeout": 2})
    assert "mkd: boot=" in failed["serial_tail"]
    assert pathlib.Path(failed["screenshot"]).read_bytes().startswith(b"\x89PNG")
    pathlib.Path(failed["screenshot"]).unlink()
    assert state(lab) == "running"
    lab.run(state="stopped", force=True)
    lab.fails("wait_for", "stopped", "state: running", wait_for={"agent": True})


def test_wait_for_a_guest_that_goes_off(lab: Lab) -> None:
    """A kernel that panics at once and a guest that powers off then: the wait doesn't go on to its end."""
    lab.run(memory="192 MiB", boot=built().boot("panic=-1", "rdinit=/nothing"), on_reboot="destroy")
    task = lab.task(state="running", wait_for={"agent": True, "timeout": 100})
    begin = time.monotonic()
    (failed,) = lab.player.play([task])
    assert_one_paragraph(failed)
    assert time.monotonic() - begin < 90
    assert "went off" in failed.message
    assert "panic" in failed["serial_tail"]


def test_the_acts_of_their_own(lab: Lab) -> None:
    """domain_restart: each time it's asked for; a reset leaves the staged changes waiting."""
    first = lab.boots("mkd.noagent", agent=False)
    lab.run(features={"pmu": False})
    check, reset = lab.player.play(
        [Task("domain_restart", {"name": NAME, "how": "reset"}, check) for check in (True, False)]
    )
    assert check["actions"] == reset["actions"] == [f"reset domain {NAME}"]
    assert reset["restart_required"] == ["features.pmu"]
    second = lab.guest.sees(lambda seen: seen["boot"] != first["boot"], "a reset is another boot")
    args = {"name": NAME, "only_if_required": True}
    ran, again = lab.player.play([Task("domain_restart", args), Task("domain_restart", args)])
    assert not ran.failed, ran.message
    assert ran["restart_required"] == []
    assert not again["changed"]
    lab.guest.sees(lambda seen: seen["boot"] != second["boot"], "a restart is another boot")


@pytest.mark.parametrize("firmware", ["bios", "efi"])
def test_it_starts_again_as_it_was(lab: Lab, firmware: str) -> None:
    """What a start leaves in the definition: UUID, MAC, addresses and NVRAM are the same after a restart."""
    lab.run(memory="64 MiB", firmware=firmware, interfaces=[{"user": True}], agent=False, state="running")
    before = canonical(lab.xml())
    nvram = lab.xml().findtext("os/nvram")
    lab.run(state="stopped", force=True)
    lab.run(state="running", autostart=True)
    assert canonical(lab.xml()) == before
    if nvram:
        assert pathlib.Path(nvram).exists()
    assert lab.domain.autostart()
