# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What domain_info reads of real guests: their disks, what libvirt measures, what they say, the state of their machine.

All tests look at the same three guests: one that runs and answers, one whose agent holds its port open and never answers,
one that is off. What they look at is read in one play.
"""

from __future__ import annotations

import base64
import pathlib
import subprocess
import time
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.metal.kvm.plugins.module_utils._libvirt import World
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.inventory import ARGUMENTS, read_domains
from cycle import Result, Task
from guest import Guest, Lab, built, shared_lab

__all__ = ["shared_lab"]

MUTE, OFF = "mkd-mute", "mkd-off"
EVERYTHING = ["storage", "statistics", "guest", "machine_state"]
MIB = 1024**2


def overlay(place: pathlib.Path, name: str) -> str:
    """An image over another over a third; returns the path of the top one."""
    for level, below in (("base", ""), ("middle", "base"), ("top", "middle")):
        path = place / f"{name}-{level}.qcow2"
        backing = ["-b", str(place / f"{name}-{below}.qcow2"), "-F", "qcow2"] if below else []
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, str(path), "8M"], check=True)
    return str(place / f"{name}-top.qcow2")


@pytest.fixture(scope="module")
def lab(shared_lab: Lab) -> Lab:
    """The three guests, up as far as they go up."""
    lab = shared_lab
    (lab.place / "pool").mkdir()
    pool = {"name": "mkd-info", "type": "dir", "path": str(lab.place / "pool"), "state": "active"}
    common = {"memory": "128 MiB"}
    results = lab.player.play(
        [
            Task("pool", pool),
            Task("volume", {"pool": "mkd-info", "name": "base.qcow2", "capacity": "8 MiB"}),
            Task("volume", {"pool": "mkd-info", "name": "over.qcow2", "capacity": "16 MiB", "backing": "base.qcow2"}),
            lab.task(
                **common,
                vcpus=2,
                disks=[{"file": overlay(lab.place, "one")}, {"target": "sda", "device": "cdrom"}],
                interfaces=[{"user": True, "mac": "52:54:00:0d:00:01"}],
                boot=built().boot(),
                state="running",
            ),
            Task("domain", {"name": MUTE, **common, "boot": built().boot("mkd.mute"), "state": "running"}),
            Task(
                "domain",
                {
                    "name": OFF,
                    **common,
                    "disks": [{"pool": "mkd-info", "volume": "over.qcow2"}, {"file": overlay(lab.place, "off")}],
                },
            ),
        ]
    )
    assert not [result.message for result in results if result.failed]
    lab.guest.sees(lambda seen: "10.0.2.15" in seen["nics"], "its address", 60)
    for name in (lab.name, MUTE):
        deadline = time.monotonic() + 60
        while "state='connected'" not in lab.connection.lookupByName(name).XMLDesc():
            assert time.monotonic() < deadline, f"{name}: {Guest(name).lines()[-5:]}"
            time.sleep(0.1)
    return lab


@pytest.fixture(scope="module")
def read(lab: Lab) -> dict[str, Result]:
    """What several readers read, by name."""
    names = [lab.name, MUTE, OFF, "mkd-missing"]
    tasks = {
        "before": Task("domain_info", {"name": lab.name, "include": ["storage", "statistics"]}),
        "agent": Task("domain_info", {"name": lab.name, "addresses": ["agent"], "include": ["guest"]}),
        "untainted": Task("ansible.builtin.slurp", {"src": f"/var/log/libvirt/qemu/{lab.name}.log"}),
        "all": Task(
            "domain_info", {"names": names, "include": EVERYTHING, "addresses": ["agent"], "agent_timeout": 1}
        ),
        "every": Task("domain_info", {}),
        "both": Task("domain_info", {"name": lab.name, "names": names}),
    }  # fmt: skip
    results = dict(zip(tasks, lab.player.play(list(tasks.values()))))
    assert [name for name, result in results.items() if result.failed] == ["both"], results
    return results


def one(result: Result, name: str) -> dict[str, t.Any]:
    return next(domain for domain in result["domains"] if domain["name"] == name)


def test_some_and_all(lab: Lab, read: dict[str, Result]) -> None:
    assert [domain["name"] for domain in read["all"]["domains"]] == [MUTE, OFF, lab.name]
    assert {MUTE, OFF, lab.name} <= {domain["name"] for domain in read["every"]["domains"]}
    assert not {*EVERYTHING} & {key for domain in read["every"]["domains"] for key in domain}
    assert "name|names" in read["both"].message


def test_disks_of_a_running_guest(lab: Lab, read: dict[str, Result]) -> None:
    (disk,) = one(read["before"], lab.name)["storage"]
    images = [disk, *disk["backing"]]
    assert disk["target"] == "vda"
    assert [image["path"].rpartition("-")[2] for image in images] == ["top.qcow2", "middle.qcow2", "base.qcow2"]
    assert {(image["format"], image["capacity"]) for image in images} == {("qcow2", 8 * MIB)}
    for image in images:
        assert image["physical"] == pathlib.Path(image["path"]).stat().st_blocks * 512
        assert image["allocation"] is not None


def test_disks_of_a_guest_that_is_off(lab: Lab, read: dict[str, Result]) -> None:
    volume, file = one(read["all"], OFF)["storage"]
    pool = lab.place / "pool"
    assert [one["path"] for one in (volume, *volume["backing"])] == [f"{pool}/over.qcow2", f"{pool}/base.qcow2"]
    assert [one["capacity"] for one in (volume, *volume["backing"])] == [16 * MIB, 8 * MIB]
    assert volume["allocation"] > 0
    assert volume["physical"] == (pool / "over.qcow2").stat().st_size
    assert [image["path"].rpartition("-")[2] for image in (file, *file["backing"])] == [
        "top.qcow2",
        "middle.qcow2",
        "base.qcow2",
    ]
    assert {image["capacity"] for image in (file, *file["backing"])} == {8 * MIB}


def test_statistics(lab: Lab, read: dict[str, Result]) -> None:
    measures = one(read["before"], lab.name)["statistics"]
    assert measures["cpu"]["time"] > 0
    assert measures["vcpu"] == {"current": 2, "maximum": 2}
    assert [vcpu["id"] for vcpu in measures["vcpus"]] == [0, 1]
    assert measures["vcpus"][0]["time"] > 0
    assert measures["balloon"]["current"] == 128 * 1024
    assert [disk["name"] for disk in measures["disks"]] == ["vda", "sda"], "of a chain only the top"
    assert measures["disks"][0]["rd"]["bytes"] > 0, "the guest read its partition table"
    assert one(read["all"], OFF)["statistics"]["vcpu"] == {"current": 1, "maximum": 1}


def test_what_a_guest_says(lab: Lab, read: dict[str, Result]) -> None:
    said = one(read["agent"], lab.name)
    assert said["guest"]["hostname"] == "mkd"
    assert said["guest"]["os"]["machine"] == "x86_64"
    assert said["guest"]["users"] == []
    (nic,) = [nic for nic in said["guest"]["interfaces"] if nic["name"] != "lo"]
    assert nic["hwaddr"] == "52:54:00:0d:00:01"
    assert "10.0.2.15" in [address["addr"] for address in nic["addresses"]]
    (address,) = [address for address in said["addresses"] if "." in address["address"]]
    assert address == {
        "address": "10.0.2.15",
        "prefix": 24,
        "mac": "52:54:00:0d:00:01",
        "interface": "eth0",
        "source": "agent",
    }
    assert one(read["all"], OFF)["guest"] is None


def test_a_dead_agent_holds_nobody_up(lab: Lab, read: dict[str, Result]) -> None:
    mute = one(read["all"], MUTE)
    assert mute["guest"] is None
    assert mute["addresses"] == []
    assert mute["machine_state"]["clock"]["source"] is None
    assert [warning for warning in read["all"]["warnings"] if MUTE in warning and "within 1 seconds" in warning]
    begin = time.monotonic()
    lab.player.run("domain_info", name=MUTE, include=["guest"], addresses=["agent"], agent_timeout=1)
    assert time.monotonic() - begin < 30
    assert one(read["all"], lab.name)["guest"]["hostname"] == "mkd", "the others are read all the same"


def test_the_state_of_the_machine(lab: Lab, read: dict[str, Result]) -> None:
    machine = one(read["all"], lab.name)["machine_state"]
    assert machine["accelerator"] == "tcg"
    assert [vcpu["vcpu"] for vcpu in machine["registers"]] == [0, 1]
    first = machine["registers"][0]["registers"]
    assert int(first["RIP"], 16) > 0
    assert int(first["EFER"], 16) & 1 << 10, "in long mode"
    assert int(first["CR0"], 16) & 1, "in protected mode"
    assert {"RAX", "R15", "RFL", "CPL", "CS", "GDT", "CR3", "EFER"} <= set(first)
    ram = [region for region in machine["memory_map"] if region["kind"] == "ram"]
    assert sum(int(region["end"], 16) + 1 - int(region["start"], 16) for region in ram) >= 120 * MIB
    assert [region["start"] for region in machine["memory_map"] if region["name"] == "ioapic"] == ["0x00000000fec00000"]
    assert machine["irqchip"] == "qemu"
    (ioapic,) = machine["ioapics"]
    assert len(ioapic["pins"]) == 24
    assert any(not pin["masked"] and pin["vector"] >= 32 for pin in ioapic["pins"]), "Linux listens to some"
    assert {pic["name"] for pic in machine["pics"]} == {"pic0", "pic1"}
    assert machine["pics"][0]["imr"] == "ff"
    assert [apic["vcpu"] for apic in machine["local_apics"]] == [0, 1]
    assert "APIC enabled" in machine["local_apics"][0]["registers"]["SPIV"]
    clock = machine["clock"]
    assert clock["source"] in clock["available"]
    assert {"rtc", "pit"} <= set(clock["devices"])
    assert clock["rtc"].startswith("20")
    assert one(read["all"], OFF)["machine_state"] is None


def test_only_the_state_of_the_machine_taints(lab: Lab, read: dict[str, Result]) -> None:
    before = base64.b64decode(read["untainted"]["content"]).decode()
    after = pathlib.Path(f"/var/log/libvirt/qemu/{lab.name}.log").read_text(encoding="utf-8")
    assert "custom-" not in before
    assert {"custom-monitor", "custom-ga-command"} <= set(after.split())


def test_a_reader_without_rights(lab: Lab, read: dict[str, Result]) -> None:
    """Whom libvirt lets read and not write. Who that is, the host says; here the way to write leads nowhere."""
    options = {"names": [lab.name, MUTE, OFF], "include": EVERYTHING, "addresses": ["lease", "agent"]}
    world = World("qemu:///system", readonly=True)
    world.uri = "qemu:///system?socket=/nonexistent"
    result = Result(read_domains(world, ArgumentSpecValidator(ARGUMENTS).validate(options).validated_parameters))
    (warning,) = [warning for warning in result["warnings"] if "the right to write" in warning]
    assert all(part in warning for part in ("guest", "machine_state", "addresses: agent"))
    running = one(result, lab.name)
    assert running["guest"] is None
    assert running["machine_state"] is None
    assert running["storage"][0]["capacity"] == 8 * MIB
    assert running["statistics"]["cpu"]["time"] > 0
    assert running["state"] == "running"
