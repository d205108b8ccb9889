# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several changes of a running guest in one task: those that it can take are applied, those that depend on something that
waits for a restart wait too, and no run fails of which the check didn't say so.

The changes are the cases of live_of_domain.yml and those of WAITING. A sample of the pairs and triples runs, another one
each day.
"""

from __future__ import annotations

import itertools
import random
import re
import typing as t

import libvirt
import pytest
import sample
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain import running_devices
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError
from domain_bench import Options
from guest import built, shared_lab
from test_live_of_domain import GUEST, HERE, LIVE, MAC, MORE, Room, merged

__all__ = ["shared_lab"]

TRIPLES = 500  # of them
CABLE = "52:54:00:0d:00:09"

# Changes that wait, and changes that depend on them.
WAITING: dict[str, Options] = {
    "address of the screen": {"graphics": [{"type": "vnc", "listen": "127.0.0.2"}]},
    "keymap": {"graphics": [{"type": "vnc", "keymap": "de"}]},
    "SPICE with its channel": {
        "graphics": [{"type": "spice", "password": "third"}],
        "channels": [{"name": "com.redhat.spice.0", "type": "spicevmc"}],
        "redirdevs": [{"type": "spicevmc"}],
    },
    "cache of a disk": {"disks": [{"target": "vda", "cache": "none"}]},
    "drive": {"disks": [{"target": "sda", "serial": "ONE", "cache": "none", "io": "native"}]},
    "empty drive": {"disks": [{"target": "sda", "device": "cdrom", "bus": "scsi"}]},
    "limits of a drive": {"disks": [{"target": "sda", "iotune": {"read_iops_sec": 100}}]},
    "model of an interface": {"interfaces": [{"mac": MAC, "model": "e1000e"}]},
    "size of packets": {"interfaces": [{"mac": MAC, "mtu": 1400, "network": MORE}]},
    "old card": {"interfaces": [{"mac": CABLE, "model": "rtl8139", "network": LIVE}]},
    "balloon": {"memballoon": {"model": "none"}},
    "disk on an iothread": {"iothreads": 2, "disks": [{"target": "vdc", "file": "{place}/c.qcow2", "iothread": 2}]},
    "iothread of a disk": {"iothreads": 2, "disks": [{"target": "vda", "iothread": 2}]},
    "place of an iothread": {"iothreads": 2, "cputune": {"iothreadpin": {"1": "0", "2": "0"}}},
    "disk on a new controller": {
        "controllers": [{"type": "scsi", "index": 3, "model": "virtio-scsi"}],
        "disks": [
            {"target": "sdd", "file": "{place}/c.qcow2",
             "address": {"type": "drive", "controller": 3, "bus": 0, "target": 0, "unit": 0}},
        ],
    },
    "channel on a new controller": {
        "controllers": [{"type": "virtio-serial", "index": 2}],
        "channels": [
            {"name": "org.example.2", "address": {"type": "virtio-serial", "controller": 2, "bus": 0, "port": 1}},
        ],
    },
    "more vCPUs": {"vcpus_maximum": 4, "cputune": {"vcpupin": {"0": "0", "3": "0"}}},
    "room for memory": {"memory_hotplug": {"maximum": "2 GiB", "slots": 8}},
    "sources of entropy": {"rng": [{"backend": "builtin"}, {"backend": "random", "rate_bytes": 1000}]},
    "no entropy": {"rng": []},
    "event": {"on_crash": "restart"},
}  # fmt: skip
CHANGES: dict[str, Options] = {
    **{case["case"]: case["options"] for case in HERE if "kernel" not in case and "first" not in case},
    **WAITING,
}
PAIRS = [
    *itertools.combinations(CHANGES, 2),
    *random.Random(0).sample(list(itertools.combinations(CHANGES, 3)), TRIPLES),
]
SAMPLE = sample.part(PAIRS, len(PAIRS) // 10)


def together(*several: Options) -> Options:
    """The options of several changes in one task; of what two say differently the last one counts."""
    out: Options = {}
    for key, value in ((key, value) for options in several for key, value in options.items()):
        there = out.get(key)
        if isinstance(value, dict) and isinstance(there, dict):
            out[key] = together(there, value)
        elif isinstance(value, list) and value and there:
            name = next(iter(value[0]))
            items = {item[name]: item for item in there}
            for item in value:
                items[item[name]] = {**items.get(item[name], {}), **item}
            out[key] = list(items.values())
        else:
            out[key] = value
    return out


class Guest:
    """The running guest of these tests, brought back before each."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.bench = room.bench
        del self.bench.world.kept["driver"]  # the check asks libvirt for its judgement, as it does for users
        self.bench.task(**GUEST, boot=built().boot("mkd.noagent"), state="running")
        room.lab.guest.up(300)
        self.pristine = room.lab.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE | libvirt.VIR_DOMAIN_XML_INACTIVE)

    def waiting(self, options: Options) -> list[str]:
        """What is said to wait for a restart."""
        return sorted((self.bench.describe(options) or {}).get("restart_required", []))

    def bring_back(self) -> None:
        """By a task that names the whole definition; by a start from it where that isn't enough."""
        self.bench.run({"xml": self.pristine})
        if self.waiting({}):
            self.room.lab.domain.destroy()
            self.room.lab.domain.create()
            self.room.lab.guest.up(300)


@pytest.fixture(scope="module")
def guest(shared_lab: t.Any) -> t.Iterator[Guest]:
    room = Room(shared_lab)
    try:
        yield Guest(room)
    finally:
        room.end()


@pytest.mark.parametrize("names", SAMPLE, ids=[" + ".join(names) for names in SAMPLE])
def test_a_run_does_what_its_check_says(names: tuple[str, ...], guest: Guest) -> None:
    guest.bring_back()
    apply = "restart" if sum(map(len, names)) % 3 == 0 else "live"
    options = {**guest.room.placed(merged(together(*(CHANGES[name] for name in names)))), "apply": apply, "force": True}
    try:
        check = guest.bench.plan(options)
    except KvmError as error:
        with pytest.raises(KvmError, match=re.escape(str(error))):
            guest.bench.run(options)
        return
    ran = guest.bench.run(options)
    assert (check.actions, check.before, check.after) == (ran.actions, ran.before, ran.after)
    assert check.restart_required == ran.restart_required
    assert guest.waiting(options) == sorted(ran.restart_required), ran.warnings
    again = guest.bench.plan({**options, "apply": "live"})
    assert not again.changed, (again.actions, again.before, again.after)
    assert apply == "live" or not ran.restart_required
    if ran.restart_required:
        guest.bench.run({**options, "apply": "restart"})
        assert guest.waiting(options) == []


def rngs(guest: Guest) -> list[str]:
    """The sources of entropy of the running guest, by their aliases."""
    return [alias.get("name") for alias in guest.room.lab.xml(live=True).iterfind("devices/rng/alias")]


@pytest.mark.parametrize("kept", [(1, 2), (0, 2), (0, 1), (2,), ()])
def test_devices_without_a_key_go_by_their_own_alias(kept: tuple[int, ...], guest: Guest) -> None:
    guest.bring_back()
    items = [{"backend": "random"}, {"backend": "builtin"}, {"backend": "random", "rate_bytes": 1000}]
    guest.bench.run({"rng": items})
    before = rngs(guest)
    assert len(before) == 3
    ran = guest.bench.run({"rng": [items[number] for number in kept]})
    assert not ran.warnings
    assert len(ran.actions) == 1 + 3 - len(kept)
    assert rngs(guest) == [before[number] for number in kept]
    assert guest.waiting({}) == []


def test_a_device_that_the_guest_keeps_is_said_to_be_there(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    guest.bring_back()
    monkeypatch.setattr(running_devices, "DETACH_TIMEOUT", 1)
    domain = guest.room.lab.domain
    domain.suspend()
    try:
        for _run in range(2):  # the second asks for what was asked for already
            ran = guest.bench.run({"rng": []})
            assert [("hasn't released rng[0]" in warning) for warning in ran.warnings] == [True]
            assert guest.waiting({}) == ["rng[0]"]
            assert len(rngs(guest)) == 1
    finally:
        domain.resume()
    monkeypatch.undo()
    guest.bench.run({"rng": []})
    assert rngs(guest) == []
    assert guest.waiting({}) == []


def test_a_first_password_waits_with_what_else_changes(guest: Guest) -> None:
    guest.bring_back()
    guest.bench.run({"unset": ["graphics[vnc].password"], "apply": "restart", "force": True})
    assert guest.waiting({}) == []
    options: Options = {"graphics": [{"type": "vnc", "password": "second", "listen": "127.0.0.2"}], "title": "two"}
    ran = guest.bench.run(options)
    assert sorted(ran.restart_required) == guest.waiting({}) == ["graphics[vnc].listen", "graphics[vnc].password"]
    assert guest.room.lab.xml(live=True).findtext("title") == "two"
    ran = guest.bench.run({**options, "apply": "restart", "force": True})
    assert guest.waiting({}) == []
    assert guest.room.lab.xml(live=True).find("devices/graphics").get("passwd") == "second"
