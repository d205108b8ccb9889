# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices that have no identity: which stay when some are taken out, added or changed, and how a running one is named."""

from __future__ import annotations

import itertools
import types
import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.live import plan_live
from ansible_collections.metal.kvm.plugins.module_utils._plan import Plan, Result
from ansible_collections.metal.kvm.plugins.module_utils._xml import document
from conftest import BARE, Definition

Options = dict[str, t.Any]

# option: its items, each of another kind or with other values, and where they are
DEVICES: dict[str, tuple[str, list[Options]]] = {
    "rng": ("rng", [{"backend": "random", "rate_bytes": 100}, {"backend": "builtin"}, {"backend": "random"}]),
    "redirdevs": ("redirdev", [
        {"type": "spicevmc"}, {"type": "tcp", "mode": "bind", "host": "127.0.0.1", "service": "4000"},
        {"type": "tcp", "mode": "bind", "host": "127.0.0.1", "service": "4001"},
    ]),
    "memory_devices": ("memory", [
        {"model": "dimm", "size": "128 MiB", "node": 0}, {"model": "dimm", "size": "256 MiB", "node": 0},
        {"model": "virtio-mem", "size": "128 MiB", "node": 0, "block": "2 MiB", "requested": "0 MiB"},
    ]),
    "sound": ("sound", [{"model": "ich9"}, {"model": "usb"}, {"model": "ac97"}]),
    "video": ("video", [{"model": "qxl", "heads": 1}, {"model": "virtio", "heads": 2}, {"model": "virtio", "heads": 3}]),
    "consoles": ("console", [
        {"type": "pty", "log": "/var/log/one"}, {"type": "file", "path": "/tmp/two"}, {"type": "file", "path": "/tmp/three"},
    ]),
    "crypto": ("crypto", [{"backend": "builtin", "queues": 1}, {"backend": "builtin", "queues": 2}, {"backend": "lkcf"}]),
    "redirfilter": ("redirfilter/usbdev", [
        {"allow": True, "vendor": "0x0781"}, {"allow": True, "class": "0x08"}, {"allow": False},
    ]),
}  # fmt: skip
SEQUENCES = {"video", "consoles", "redirfilter"}
KEPT = [
    (name, count, kept)
    for name, (_path, items) in DEVICES.items()
    for count in range(1, len(items) + 1)
    for size in range(count + 1)
    for kept in itertools.combinations(range(count), size)
]


def defined(option: str, *items: Options) -> tuple[Definition, list[document.Element]]:
    """A definition with these devices, each with a serial number of the test's own, and its elements."""
    made = Definition(BARE.replace("<devices/>", "<devices><emulator>/usr/bin/qemu</emulator></devices>"))
    made.edit(**{option: list(items)})
    nodes = made.root.findall(f"devices/{DEVICES[option][0]}")
    for number, node in enumerate(nodes):
        document.child(node, "alias", name=f"{option}{number}")
    return made, nodes


def names(made: Definition, option: str) -> list[t.Optional[str]]:
    aliases = [node.find("alias") for node in made.root.iterfind(f"devices/{DEVICES[option][0]}")]
    return [None if alias is None else alias.get("name") for alias in aliases]


@pytest.mark.parametrize(("option", "count", "kept"), KEPT)
def test_those_taken_out_go_and_the_others_stay_as_they_are(option: str, count: int, kept: tuple[int, ...]) -> None:
    items = DEVICES[option][1][:count]
    made, _nodes = defined(option, *items)
    before = {node.find("alias").get("name"): document.text_of(node) for node in _nodes}
    changes = made.edit(**{option: [items[number] for number in kept]})
    assert names(made, option) == [f"{option}{number}" for number in kept]
    for node in made.root.iterfind(f"devices/{DEVICES[option][0]}"):
        assert document.text_of(node) == before[node.find("alias").get("name")]
    assert [change.after for change in changes] == [None] * (count - len(kept))
    assert not made.edit(**{option: [items[number] for number in kept]})


@pytest.mark.parametrize("option", DEVICES)
def test_one_in_front_changes_no_other(option: str) -> None:
    first, *others = DEVICES[option][1]
    made, _nodes = defined(option, *others)
    (change,) = made.edit(**{option: [first, *others]})
    assert change.before is None
    new = [None, f"{option}0", f"{option}1"]
    assert names(made, option) == (new if option in SEQUENCES else [*new[1:], None])
    assert not made.edit(**{option: [first, *others]})


@pytest.mark.parametrize("option", sorted(set(DEVICES) - SEQUENCES))
def test_their_order_means_nothing(option: str) -> None:
    items = DEVICES[option][1]
    made, _nodes = defined(option, *items)
    assert not made.edit(**{option: items[::-1]})


@pytest.mark.parametrize("option", sorted(SEQUENCES))
def test_their_order_is_kept(option: str) -> None:
    one, two, three = DEVICES[option][1]
    made, _nodes = defined(option, one, two, three)
    assert made.edit(**{option: [two, three, one]})
    assert names(made, option)[:2] == [f"{option}1", f"{option}2"]
    assert not made.edit(**{option: [two, three, one]})


def test_one_is_changed_in_its_place() -> None:
    first, second, third = DEVICES["rng"][1]
    made, _nodes = defined("rng", first, second, third)
    (change,) = made.edit(rng=[first, second, {**third, "rate_bytes": 7}])
    assert (change.path, change.after) == ("rng[2].rate_bytes", 7)
    assert names(made, "rng") == ["rng0", "rng1", "rng2"]


def live(running: Definition, persistent: Definition) -> tuple[Plan, list[str]]:
    plan = Plan("domain")
    draft = types.SimpleNamespace(
        plan=plan,
        name="one",
        before=running.root,
        running=running.root,
        shown=persistent.root,
        params={"apply": "live"},
        world=None,
    )
    waiting = plan_live(t.cast(t.Any, draft), lambda change: True)
    return plan, waiting


def without_aliases(made: Definition) -> Definition:
    copy = Definition(document.text_of(made.root))
    for alias in copy.root.findall("devices/*/alias"):
        document.remove(alias)
    return copy


@pytest.mark.parametrize("option", ["rng", "redirdevs", "memory_devices"])
@pytest.mark.parametrize("kept", [(), (0,), (1,), (2,), (0, 2)])
def test_a_running_one_is_detached_by_its_own_alias(option: str, kept: tuple[int, ...]) -> None:
    items = DEVICES[option][1]
    running, _nodes = defined(option, *items)
    persistent = without_aliases(running)
    persistent.edit(**{option: [items[number] for number in kept]})
    plan, waiting = live(running, persistent)
    gone = [f"{option}{number}" for number in range(3) if number not in kept]
    assert [(step.operation, step.arguments["alias"]) for step in plan.steps] == [
        ("domain.detach", one) for one in gone
    ]
    assert waiting == []


def test_two_that_are_the_same_are_two() -> None:
    running = Definition(
        BARE.replace("<devices/>", "<devices><controller type='usb' index='0' model='qemu-xhci'/></devices>")
    )
    persistent = without_aliases(running)
    persistent.edit(inputs=[{"type": "tablet", "bus": "usb"}, {"type": "tablet", "bus": "usb"}])
    plan, waiting = live(running, persistent)
    assert [(step.operation, step.arguments["index"]) for step in plan.steps] == [
        ("domain.attach", 0),
        ("domain.attach", 1),
    ]
    assert waiting == []
    for step in plan.steps:
        assert step.undo is not None
        assert isinstance(step.undo.arguments["alias"], Result)
        assert step.undo.arguments["alias"].step is step
