# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bridge of the host: the plan that makes it, changes it or takes it away, and that can be taken back in time."""

from __future__ import annotations

import typing as t

from ..._plan import KvmError, Operations, Plan
from ..files import settings
from ..network import NET
from ..root import Root
from . import switch
from .backend import BACKENDS, Backend, File, choose, files
from .wanted import NAME, Bridge, check

Params = t.Mapping[str, t.Any]


def argument_spec() -> dict[str, t.Any]:
    """The options of ``host_bridge``."""
    words: dict[str, t.Any] = {"type": "list", "elements": "str"}
    return {
        "name": {"type": "str", "required": True},
        "ports": words,
        "vlan": {"type": "int"},
        "addressing": {"type": "str", "choices": ["dhcp", "static", "none"]},
        "addresses": words,
        "gateways": words,
        "nameservers": words,
        "search": words,
        "stp": {"type": "bool", "default": False},
        "mtu": {"type": "int"},
        "mac": {"type": "str"},
        "backend": {"type": "str", "choices": ["auto", *BACKENDS], "default": "auto"},
        "timeout": {"type": "int", "default": 60},
        "state": {"type": "str", "choices": ["present", "absent"]},
        "confirm": {"type": "bool", "default": False},
        "sysroot": {"type": "path", "default": "/"},
    }


def operations() -> Operations:
    """The operations that the steps of ``host_bridge`` name."""
    return {"bridge.switch": switch.start, "bridge.confirm": switch.confirm}


def plan(params: Params) -> Plan:
    """The plan of a task."""
    return make(Root(params["sysroot"]), params)


def describe(params: Params) -> t.Optional[dict[str, t.Any]]:
    """The bridge after the run."""
    root = Root(params["sysroot"])
    if params.get("state") == "absent":
        return None
    backend = choose(root, params["backend"])
    return seen(root, backend, params["name"]) if params["confirm"] else shown(backend, Bridge(root, params))


def make(root: Root, params: Params) -> Plan:
    """What has to be done so that the bridge is as wanted, or so that it stays."""
    if not NAME.fullmatch(params["name"]):
        raise KvmError(f"name: {params['name']!r} is no name of a bridge", option="name")
    backend = choose(root, params["backend"])
    return _confirmed(root, backend, params) if params["confirm"] else _made(root, backend, params)


def _confirmed(root: Root, backend: Backend, params: Params) -> Plan:
    found = Plan("bridge")
    state, name = switch.state(root, params["name"]), params["name"]
    if state in switch.UNDONE:
        raise KvmError(
            f"{name}: what was changed has been taken back: {switch.reason(root, name)}",
            "Run the task again with what is right, or with a longer timeout.",
            log=switch.log(root, name),
        )
    if state is not None:
        step = found.add("bridge.confirm", f"keep {name} as it is now", sysroot=root.path, name=name)
        step.changes = False
    found.predicted = seen(root, backend, name)
    return found


def _made(root: Root, backend: Backend, params: Params) -> Plan:
    bridge, present = Bridge(root, params), params.get("state") != "absent"
    _none_waits(root, bridge.name)
    held = backend.rules.members(root, bridge.name)
    live = root.names(f"{NET}/{bridge.name}/brif")
    if present:
        check(root, bridge)
    else:
        bridge.ports = bridge.devices = held
        _unused(bridge, live)
    found = Plan("bridge", shown(backend, bridge) if present else None)
    found.extra["confirm_within"] = None
    edits = files(root, backend, bridge, present)
    if not edits and (not present or _in_place(root, bridge, live)):
        return found
    for file in edits:
        before = root.text(file.path)
        found.differs(f"/{file.path}", settings(before), settings(file.text))
    found.add(
        "bridge.switch",
        f"{_changes(backend, bridge, present, edits)}; taken back unless it is confirmed within {params['timeout']} s",
        sysroot=root.path,
        name=bridge.name,
        files=[(file.path, root.text(file.path), file.text, _mode(root, file)) for file in edits],
        timeout=params["timeout"],
        **_there_and_back(root, backend, bridge, present, held),
    )
    found.extra["confirm_within"] = params["timeout"]
    return found


def _there_and_back(
    root: Root, backend: Backend, bridge: Bridge, present: bool, held: t.Sequence[str]
) -> dict[str, tuple[list[str], list[str]]]:
    """The commands of the change, and those that take it back. ``held`` are the devices that are in the bridge now."""
    leaving, coming = set(held) - set(bridge.devices), set(bridge.devices) - set(held)
    had = bool(backend.rules.ours(root, bridge.name))
    return {
        "forth": _commands(root, backend, bridge, present, sorted(leaving)),
        "back": _commands(root, backend, bridge, had, sorted(coming)),
    }


def _none_waits(root: Root, name: str) -> None:
    """Refuse a change while an earlier one may still be taken back."""
    state = switch.state(root, name)
    if state is not None and state not in switch.UNDONE:
        raise KvmError(
            f"{name}: an earlier change waits to be confirmed, and is taken back if it isn't",
            "Confirm it (confirm: true), or wait.",
        )


def _changes(backend: Backend, bridge: Bridge, present: bool, edits: t.Sequence[File]) -> str:
    """The edits and what comes of them, in words."""
    texts = [f"{'write' if file.text is not None else 'remove'} /{file.path}" for file in edits]
    return ", ".join([*texts, f"have {backend.name} {'make' if present else 'take away'} {bridge.name}"])


def _unused(bridge: Bridge, live: t.Sequence[str]) -> None:
    """Refuse to take a bridge away from guests."""
    others = [device for device in live if device not in bridge.devices]
    if others:
        raise KvmError(
            f"{bridge.name}: {', '.join(others)} would be cut off, which somebody else has put into the bridge",
            "Shut those guests down, or move their interfaces to another network, first.",
            option="state",
        )


def _in_place(root: Root, bridge: Bridge, live: t.Sequence[str]) -> bool:
    """Whether the kernel has the bridge with all of its devices; of another tree only the files count."""
    return not root.live or (root.exists(f"{NET}/{bridge.name}/bridge") and set(live) >= set(bridge.devices))


def _commands(
    root: Root, backend: Backend, bridge: Bridge, present: bool, leaving: t.Sequence[str]
) -> tuple[list[str], list[str]]:
    """Commands before and after the files are changed. ``leaving`` are devices that go out of a bridge that stays; guests'
    interfaces stay in it."""
    rules = backend.rules
    if not present:
        return backend.before(bridge), rules.down(root, bridge)
    out = [f"ip link set dev {device} nomaster || true" for device in leaving]
    free = [f"{command} || true" for device in leaving for command in rules.free(device)]
    return backend.before(bridge), [*out, *rules.up(root, bridge), *free]


def _mode(root: Root, file: File) -> int:
    there = root.mode(file.path)
    return file.mode if there is None else there


def shown(backend: Backend, bridge: Bridge) -> dict[str, t.Any]:
    """The bridge as its files say it."""
    return {"name": bridge.name, "backend": backend.name, "ports": bridge.devices, "addressing": bridge.addressing}


def seen(root: Root, backend: Backend, name: str) -> dict[str, t.Any]:
    """The bridge as the kernel has it."""
    fresh = Root(root.path, root.live)
    return {"name": name, "backend": backend.name, "ports": fresh.names(f"{NET}/{name}/brif"), "addressing": None}
