# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``unset`` of every option that an object has: refused by the check, with a remedy, or done, and no change the second time.

Much of it libvirt fills in again by itself."""

from __future__ import annotations

import pathlib
import typing as t

import bench
import cycle as cycles
import pytest
import values

NAME = f"{cycles.PREFIX}unset"
OBJECTS: dict[str, t.Any] = {
    "domain": {
        "memory": "64 MiB",
        "vcpus": 2,
        "title": "one",
        "on_crash": "restart",
        "cpu": {"mode": "custom", "model": "qemu64", "topology": {"sockets": 1, "cores": 2, "threads": 1}},
        "clock": {"offset": "localtime"},
        "graphics": [{"type": "vnc"}],
        "interfaces": [{"user": True, "mac": "52:54:00:0e:00:09"}],
        "video": [{"model": "vga"}],
    },
    "network": {"ips": [{"address": "192.168.231.1/24"}], "mtu": 1400, "bridge": "mkt-unset0", "domain": "one.example"},
    "pool": {"type": "dir", "path": "{place}/pool", "permissions": {"mode": "0755", "owner": 0, "group": 0}},
    "nwfilter": {"chain": "ipv4", "priority": -500, "rules": [{"action": "drop", "direction": "in", "tcp": {}}]},
}


def paths(value: t.Any, above: str = "") -> t.Iterator[str]:
    """The paths of options in what is read of an object."""
    for key, inner in value.items():
        yield f"{above}{key}"
        if isinstance(inner, dict):
            yield from paths(inner, f"{above}{key}.")


@pytest.mark.parametrize("noun", OBJECTS)
def test_unset_is_a_change_once(noun: str, place: pathlib.Path, connection: t.Any) -> None:
    del connection
    tasks = bench.Bench(noun, name=NAME)
    made = {
        key: value.replace("{place}", str(place)) if isinstance(value, str) else value
        for key, value in OBJECTS[noun].items()
    }
    tasks.run(made)
    there = tasks.describe({})
    found = []
    for path in paths(there):
        said = values.wrong(tasks, {"unset": [path]})
        found += [f"{path}: {said}"] if said else []
        tasks.run(made)
    assert found == [], "\n".join(found)


def test_what_libvirt_fills_in_again_is_no_change(connection: t.Any) -> None:
    del connection
    tasks = bench.Bench("domain", name=NAME)
    tasks.run({"memory": "64 MiB", "title": "one"})
    plan = tasks.run({"unset": ["on_crash", "title", "clock"]})
    assert (plan.before, plan.after) == ({"title": "one"}, {"title": None})
    assert not tasks.plan({"unset": ["on_crash", "title", "clock"]}).steps
