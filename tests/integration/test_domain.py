# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Domains on a real libvirtd and QEMU: made, changed, removed; what a new one gets and what a change leaves alone."""

from __future__ import annotations

import typing as t

from cycle import Task
from guest import NAME, POOL, Lab, lab

__all__ = ["lab"]

REMOVE = {"name": NAME, "state": "absent", "force": True}
MAC = "52:54:00:0d:00:01"


def pool(lab: Lab, *volumes: str) -> list[Task]:
    """A pool of the lab with these volumes."""
    (lab.place / "pool").mkdir()
    made = [Task("pool", {"name": POOL, "type": "dir", "path": str(lab.place / "pool"), "state": "active"})]
    return made + [Task("volume", {"pool": POOL, "name": name, "capacity": "8 MiB"}) for name in volumes]


def test_cycle_of_a_stopped_domain(lab: Lab, cycle: t.Any) -> None:
    seen = cycle(
        "domain",
        create={
            "name": NAME,
            "title": "one",
            "memory": "128 MiB",
            "vcpus": 2,
            "disks": [{"file": lab.image("a.qcow2")}],
            "interfaces": [{"user": True, "mac": MAC}],
            "graphics": [{"type": "vnc"}],
            "labels": {"stage": "test", "owner": "us"},
            "boot": {"order": ["hd", "network"], "menu": True},
            "clock": {"offset": "utc", "kvmclock": True, "rtc_tickpolicy": "catchup"},
            "features": {"pmu": False, "kvm": {"hidden": True}},
            "autostart": True,
        },
        change={
            "name": NAME,
            "title": "two",
            "description": "of several\nlines",
            "memory": "256 MiB",
            "vcpus": 1,
            "disks": [
                {"target": "vda", "cache": "none"},
                {"target": "sda", "file": lab.image("b.raw", format="raw"), "bus": "sata"},
            ],
            "interfaces": [{"mac": MAC, "model": "e1000e"}, {"user": True, "mac": "52:54:00:0d:00:02"}],
            "graphics": [],
            "labels": {"stage": "live"},
            "boot": {"order": ["network"]},
            "clock": {"offset": "localtime"},
            "features": {"pmu": True},
            "autostart": False,
            "unset": ["boot.menu", "features.kvm.hidden"],
        },
        remove=REMOVE,
        predicted=("uuid",),
    )
    made, changed = seen.create.run["domain"], seen.change.run["domain"]
    assert made["state"] == "stopped"
    assert made["disks"][0]["target"] == "vda"
    assert made["disks"][0]["format"] == "qcow2"
    assert changed["uuid"] == made["uuid"]
    assert changed["disks"][0]["file"] == made["disks"][0]["file"], "an option left out in an item stays"
    assert changed["disks"][1]["format"] == "raw"
    assert changed["interfaces"][0]["mac"] == MAC
    assert changed["labels"] == {"stage": "live"}
    assert seen.change.run.diff["after"]["title"] == "two"
    assert "graphics" not in changed
