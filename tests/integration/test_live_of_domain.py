# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every row of a domain's table with a live operation, changed on one running guest: it's in the running instance then, by
the guest's own word where it can say it, nothing waits, a second task changes nothing, and the boot is the same.

The cases are in live_of_domain.yml, in the order in which they are run.
"""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
import time
import typing as t

import cycle as cycles
import guest as guests
import libvirt
import pytest
import sample
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.documents import running_document
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.table import DOMAIN
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError
from ansible_collections.metal.kvm.plugins.module_utils._run import run_steps
from ansible_collections.metal.kvm.plugins.module_utils._xml.rows import read
from domain_bench import Bench, Options
from guest import NAME, Lab, built, shared_lab

sys.path.insert(0, str(cycles.ROOT / "tools"))
from proofs import KVM_HOST, SYSTEM, cases, runnable

__all__ = ["shared_lab"]

CASES = cases("live")
HERE = sorted(runnable(CASES), key=lambda case: bool(case.get("last")))
MAC = "52:54:00:0d:00:01"
LIVE = f"{guests.PREFIX}live"
MORE = f"{guests.PREFIX}more"
CPUS = "0-1" if len(os.sched_getaffinity(0)) > 1 else "0"
GUEST: Options = {
    "type": "kvm" if SYSTEM == KVM_HOST else "qemu", "title": "one", "memory": "192 MiB", "memory_maximum": "256 MiB", "vcpus": 1, "vcpus_maximum": 3,
    "iothreads": 1, "agent": False,
    "cpu": {"numa": [{"id": 0, "cpus": "0-2", "memory": "256 MiB"}]},
    "memory_hotplug": {"maximum": "1 GiB", "slots": 4},
    "memory_backing": {"source": "memfd", "access": "shared"},
    "cputune": {
        "shares": 1024, "period": 100000, "quota": -1, "global_period": 100000, "global_quota": -1, "emulator_period": 100000,
        "emulator_quota": -1, "iothread_period": 100000, "iothread_quota": -1, "vcpupin": {"0": CPUS}, "emulatorpin": CPUS,
        "iothreadpin": {"1": CPUS},
    },
    "controllers": [
        {"type": "pci", "index": 20, "model": "pcie-to-pci-bridge"},
        {"type": "scsi", "index": 0, "model": "virtio-scsi"},
        {"type": "virtio-serial", "index": 0},
    ],
    "disks": [
        {"target": "vda", "file": "{place}/a.qcow2"},
        {"target": "sda", "device": "cdrom", "bus": "scsi", "file": "{place}/ONE.iso", "format": "raw"},
    ],
    "interfaces": [{"mac": MAC, "network": LIVE, "link": "up"}],
    "graphics": [{"type": "vnc", "password": "first"}],
    "rng": [{"backend": "random"}],
    "serials": [{"port": 0, "type": "pty", "log": str(guests.LOGS / f"{NAME}-serial.log")}],
    "memballoon": {"model": "virtio", "stats_period": 5},
}  # fmt: skip
if SYSTEM == KVM_HOST:
    GUEST["numatune"] = {"mode": "restrictive", "nodeset": "0-1"}
    GUEST["blkiotune"] = {"weight": 100, "devices": []}
SOURCES = {"disks": ("file", "block", "pool", "volume", "network"), "interfaces": ("network", "portgroup", "bridge")}
MISSING = re.compile(
    r"cgroup|not supported|not mounted|tc (qdisc|class|filter)|No such file|swap|Operation not permitted", re.IGNORECASE
)


def merged(options: Options) -> Options:
    """The options with their lists as GUEST has them, each item in place of the one with the same first key."""
    return {key: _items(key, value) if isinstance(value, list) and value else value for key, value in options.items()}


def _items(name: str, items: list[Options]) -> list[Options]:
    key = next(iter(items[0]))
    there = {item[key]: item for item in GUEST.get(name, []) if key in item}
    for item in items:
        old = there.get(item[key], {})
        if set(SOURCES.get(name, ())) & set(item):
            old = {option: value for option, value in old.items() if option not in SOURCES[name]}
        there[item[key]] = {**old, **item}
    return list(there.values())


def back(options: Options) -> Options:
    """The options that lead back to GUEST."""
    unset = [name for name, value in options.items() if name not in GUEST and not isinstance(value, list)]
    lists = {name: GUEST.get(name, []) for name, value in options.items() if isinstance(value, list)}
    return {**{name: GUEST[name] for name in options if name in GUEST}, **lists, **({"unset": unset} if unset else {})}


class Room:
    """The running guest and what its devices are made of."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.bench = Bench(NAME, lab.place)
        for letter in "abc":
            lab.image(f"{letter}.qcow2")
        (lab.place / "dir").mkdir()
        (lab.place / "lease").touch()
        for label in ("ONE", "TWO"):
            lab.iso(label)
        self.loop = self._run("losetup", "-r", "-f", "--show", str(lab.place / "TWO.iso"))
        self.device = "/dev/" + next(
            path.name
            for path in sorted(pathlib.Path("/sys/block").iterdir())
            if not re.match("loop|ram|zram|sr", path.name)
        )
        nodes = [
            f"driver=file,node-name={label},filename={lab.place}/{label}.iso,read-only=on" for label in ("ONE", "TWO")
        ]
        exports = [f"type=nbd,id={label},node-name={label},name={label.lower()}" for label in ("ONE", "TWO")]
        words = [*(f"--blockdev={node}" for node in nodes), f"--nbd-server=addr.type=unix,addr.path={lab.place}/nbd"]
        self.server = subprocess.Popen(["qemu-storage-daemon", *words, *(f"--export={export}" for export in exports)])
        while not (lab.place / "nbd").exists():
            assert self.server.poll() is None
            time.sleep(0.05)
        (lab.place / "nbd").chmod(0o777)
        self._networks()

    def _networks(self) -> None:
        limits = "<bandwidth><inbound average='100000'/></bandwidth>"
        groups = "<portgroup name='fast' default='yes'/><portgroup name='slow'/>"
        for name, bridge, more in ((LIVE, "mkd-br1", limits + groups), (MORE, "mkd-br2", "")):
            xml = f"<network><name>{name}</name><bridge name='{bridge}'/>{more}</network>"
            network = self.lab.connection.networkDefineXML(xml)
            try:
                network.create()
            except libvirt.libvirtError as error:  # a kernel without queueing disciplines
                if "tc qdisc" not in str(error):
                    raise
                network.undefine()
                self.lab.connection.networkDefineXML(xml.replace(limits, "")).create()
        (self.lab.place / "more").mkdir()
        (self.lab.place / "more" / "TWO.iso").hardlink_to(self.lab.place / "TWO.iso")
        for name, path in ((LIVE, self.lab.place), (MORE, self.lab.place / "more")):
            xml = f"<pool type='dir'><name>{name}</name><target><path>{path}</path></target></pool>"
            self.lab.connection.storagePoolDefineXML(xml).create()

    def _run(self, *words: str) -> str:
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()

    def end(self) -> None:
        self.server.terminate()
        self.server.wait()
        self._run("losetup", "-d", self.loop)

    def placed(self, options: Options) -> Options:
        """The options with the names of this room in them."""
        return t.cast("Options", _named(options, {"{loop}": self.loop, "{device}": self.device}))


def _named(value: t.Any, names: dict[str, str]) -> t.Any:
    if isinstance(value, dict):
        return {key: _named(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_named(inner, names) for inner in value]
    return names.get(value, value) if isinstance(value, str) else value


@pytest.fixture(scope="module")
def booted(shared_lab: Lab) -> t.Iterator[tuple[Room, str]]:
    """The room with its guest up, and the guest's boot id."""
    made = Room(shared_lab)
    made.bench.task(**GUEST, boot=built().boot("mkd.noagent"), state="running")
    try:
        yield made, shared_lab.guest.up(300)["boot"]
    finally:
        made.end()


@pytest.mark.parametrize("case", HERE, ids=[case["case"] for case in HERE])
def test_changes_at_once(case: Options, booted: tuple[Room, str]) -> None:
    room, boot = booted
    options = room.placed(merged(case["options"]))
    if "first" in case:
        room.bench.task(**room.placed(merged(case["first"])))
    try:
        foreseen = room.bench.task(check=True, **options)
        changed, waiting, said = room.bench.task(**options)
    except Exception as error:
        if "kernel" in case and MISSING.search(str(error)):
            pytest.skip(f"needs of the host's kernel: {case['kernel']}: {error}")
        raise
    assert changed
    assert waiting == [], said
    assert foreseen[:2] == (True, []), foreseen
    assert settled(room, options) == []
    changed, _waiting, said = room.bench.task(check=True, **options)
    assert not changed, said
    if "guest" in case:
        wanted = case["guest"].items()
        room.lab.guest.sees(lambda seen: all(value in seen[key].split(",") for key, value in wanted), str(wanted))
    assert room.lab.guest.reports()[-1]["boot"] == boot, "the guest was restarted"
    if not case.get("last"):
        _changed, waiting, said = room.bench.task(**back(options), **case.get("back", {}))
        assert waiting == [], said


UNDONE = sample.part([case for case in HERE if not case.get("last")], 6, lambda case: str(case["case"]))


@pytest.mark.parametrize("case", UNDONE, ids=[case["case"] for case in UNDONE])
def test_a_change_at_once_is_undone(case: Options, booted: tuple[Room, str]) -> None:
    """An error after the last step: definition and running instance are as they were, or the error says what isn't."""
    room, boot = booted
    options = room.placed(merged(case["options"]))
    if "first" in case:
        room.bench.task(**room.placed(merged(case["first"])))
    before = documents(room)
    plan = room.bench.plan(options)
    plan.commit = None
    plan.add("test.fail", "fail")
    with pytest.raises(KvmError, match="an error of the test") as caught:
        run_steps(plan, {**room.bench.operations(), "test.fail": fail}, room.bench.world)
    error: t.Any = caught.value
    assert all("can't be undone" in one for one in error.rollback_failed), error.rollback_failed
    after = documents(room)
    assert after[0] == before[0]
    assert after[1] == before[1] or error.rollback_failed
    assert room.lab.guest.reports()[-1]["boot"] == boot, "the guest was restarted"
    if "first" in case or error.rollback_failed:
        room.bench.task(**options)
        room.bench.task(**back(options), **case.get("back", {}))


def fail(world: t.Any) -> None:
    raise KvmError("an error of the test")


def documents(room: Room) -> tuple[str, Options]:
    """The definition; and the running instance as options, for libvirt counts anew what comes back. The balloon follows later."""
    domain = room.bench.world.get("domain", NAME)
    values = read(DOMAIN, running_document(domain))
    return guests.canonical(room.lab.xml(), "metadata[not(*)]"), {**values, "memory": None}


def test_a_weight_that_cannot_be_given_is_refused(booted: tuple[Room, str]) -> None:
    """Before anything is done: libvirt 9.0's daemon can end of it."""
    room, _boot = booted
    options = {"blkiotune": {"devices": [{"path": room.loop, "weight": 300}]}}
    with pytest.raises(KvmError, match="CFQ"):
        room.bench.task(**options)
    assert room.bench.differences(**options)
    assert room.bench.task(**options, apply="stage")[0], "the definition may have it, for another host"
    assert room.bench.task(blkiotune={"devices": []})[0]


def settled(room: Room, options: Options) -> list[str]:
    """Where the running instance doesn't say what these options ask for; the guest has some seconds to follow."""
    deadline = time.monotonic() + 15
    while True:
        left = room.bench.differences(live=True, **options)
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.2)
