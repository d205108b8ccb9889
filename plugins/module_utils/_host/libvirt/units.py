# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's units under systemd: which belong to a layout, and in what order they go from what is to what is wanted.

Pure: units come in as what systemctl says of them, and go out as verbs for it. Rules, from libvirt's own unit files:
a socket can't start while its service runs without it; the two layouts stop each other; virtlogd and virtlockd hold
what running guests have open, so they are never stopped; a daemon that went idle is not a daemon that failed.
"""

from __future__ import annotations

import typing as t

from ..._plan import KvmError
from .installed import MONOLITHIC, PROXY

DRIVERS = ("virtqemud", "virtnetworkd", "virtstoraged", "virtnodedevd", "virtnwfilterd", "virtsecretd",
           "virtinterfaced")  # fmt: skip
HELPERS = ("virtlogd", "virtlockd")
DRIVING = {"monolithic": (MONOLITHIC,), "modular": DRIVERS}  # without the proxy, which drives nothing itself
DAEMONS = {"monolithic": (MONOLITHIC,), "modular": (*DRIVERS, PROXY)}
OTHER = {"monolithic": "modular", "modular": "monolithic"}
FRONT = {"monolithic": MONOLITHIC, "modular": PROXY}  # who listens for other machines
REMOTE = ("tls", "tcp")
PARTS = ("", "-ro", "-admin")

# The daemon, per layout, that reads a driver's file.
READERS = {"qemu": "virtqemud", "qemu-lockd": "virtqemud", "qemu-sanlock": "virtqemud", "network": "virtnetworkd"}


class Unit:
    """What systemctl says: whether the unit is there, runs, and starts at boot."""

    __slots__ = ("active", "enabled", "failed", "loaded", "masked")

    def __init__(self, load: str, active: str, file_state: str) -> None:
        self.loaded = load == "loaded"
        self.masked = load == "masked" or file_state.startswith("masked")
        self.active = active in ("active", "activating", "reloading")
        self.enabled = file_state != "disabled"
        self.failed = active == "failed"


Units = t.Mapping[str, Unit]
Action = tuple[str, tuple[str, ...]]


def names() -> list[str]:
    """Every unit that matters here."""
    daemons = (MONOLITHIC, *DRIVERS, PROXY, *HELPERS)
    sockets = [f"{daemon}{part}.socket" for daemon in daemons for part in _parts(daemon)]
    remote = [f"{daemon}-{kind}.socket" for daemon in FRONT.values() for kind in REMOTE]
    return [*sockets, *remote, *(f"{daemon}.service" for daemon in daemons)]


def _parts(daemon: str) -> tuple[str, ...]:
    return ("", "-admin") if daemon in HELPERS else PARTS


def parse(text: str) -> dict[str, Unit]:
    """The output of ``systemctl show --property=Id,LoadState,ActiveState,UnitFileState``."""
    found = {}
    for block in text.strip().split("\n\n"):
        said = dict(line.partition("=")[::2] for line in block.splitlines())
        states = (said.get(name, "") for name in ("LoadState", "ActiveState", "UnitFileState"))
        found[said.get("Id", "")] = Unit(*states)
    return found


def layout(units: Units) -> str:
    """The layout in force (``none``, ``monolithic``, ``modular``, ``mixed``) by what runs, else by what is enabled."""
    for test in (_runs, _starts):
        found = [name for name, daemons in DRIVING.items() if test(units, daemons)]
        if found:
            return found[0] if len(found) == 1 else "mixed"
    found = [name for name in ("modular", "monolithic") if _there(units, f"{DAEMONS[name][0]}.service")]
    return found[0] if found else "none"


def _runs(units: Units, daemons: t.Iterable[str]) -> bool:
    return any(_is(units, unit, "active") for unit in _main_units(daemons))


def _starts(units: Units, daemons: t.Iterable[str]) -> bool:
    return any(_there(units, unit) and units[unit].enabled for unit in _main_units(daemons))


def _main_units(daemons: t.Iterable[str]) -> list[str]:
    """Each daemon's service and its main socket."""
    return [f"{daemon}.{kind}" for daemon in daemons for kind in ("service", "socket")]


def _there(units: Units, name: str) -> bool:
    return name in units and units[name].loaded and not units[name].masked


def _is(units: Units, name: str, what: str) -> bool:
    return name in units and bool(getattr(units[name], what))


def actions(
    units: Units,
    wanted: str,
    listen: t.Mapping[str, t.Optional[bool]],
    changed_sockets: t.Collection[str] = (),
    restart: t.Collection[str] = (),
) -> list[Action]:
    """Verbs for systemctl, in order, that lead to the layout ``wanted``.

    ``listen``: tls and tcp to whether the daemon shall listen for it, None for as it is. ``changed_sockets``: units
    whose drop-in differs now. ``restart``: daemons that must read their files anew; those that idle will anyway.
    """
    sockets = _sockets(units, wanted, listen)
    services = [f"{name}.service" for name in DRIVING[wanted]]
    renewed = _that_are(units, "active", changed_sockets)
    missing = _missing(units, sockets)
    blocked = list(dict.fromkeys(map(_service, (*renewed, *missing))))
    stopped = _stoppable(_that_are(units, "active", blocked))
    again = _that_are(units, "active", [f"{name}.service" for name in restart])
    # systemd starts nothing anew that ended too often, until it's told to forget that.
    failed = _that_are(units, "failed", dict.fromkeys([*blocked, *missing]))
    found = [
        *_stop_layout(units, OTHER[wanted]),
        *_stop_listening(units, wanted, listen),
        ("enable", _not_enabled(units, [*sockets, *services])),
        ("reset-failed", failed),
        ("stop", stopped),
        ("restart", _stoppable(renewed)),
        ("start", missing),
        ("start", stopped),
        ("reload", tuple(unit for unit in again if unit.startswith(HELPERS))),
        ("restart", tuple(unit for unit in _stoppable(again) if unit not in stopped)),
    ]
    return [action for action in found if action[1]]


def _that_are(units: Units, what: str, names: t.Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if _is(units, name, what))


def _not_enabled(units: Units, names: t.Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if _there(units, name) and not units[name].enabled)


def _stoppable(names: t.Iterable[str]) -> tuple[str, ...]:
    """The units but those of virtlogd and virtlockd, which hold what running guests have open."""
    return tuple(name for name in names if not name.startswith(HELPERS))


def _stop_layout(units: Units, layout_name: str) -> list[Action]:
    """What stops the other layout, sockets first, so that none starts a daemon again."""
    daemons = DAEMONS[layout_name]
    sockets = [f"{name}{part}.socket" for name in daemons for part in PARTS]
    remote = [f"{FRONT[layout_name]}-{kind}.socket" for kind in REMOTE]
    return _stop_and_disable(units, [*sockets, *remote, *(f"{name}.service" for name in daemons)])


def _stop_listening(units: Units, wanted: str, listen: t.Mapping[str, t.Optional[bool]]) -> list[Action]:
    """What stops listening for other machines in a way that isn't wanted."""
    return _stop_and_disable(units, [f"{FRONT[wanted]}-{kind}.socket" for kind in REMOTE if listen.get(kind) is False])


def _stop_and_disable(units: Units, names: t.Iterable[str]) -> list[Action]:
    there = [unit for unit in names if _there(units, unit)]
    return [("stop", _that_are(units, "active", there)), ("disable", _that_are(units, "enabled", there))]


def _sockets(units: Units, wanted: str, listen: t.Mapping[str, t.Optional[bool]]) -> list[str]:
    """Sockets that shall be there, main ones first, since the others are bound to them."""
    daemons = (*HELPERS, *DAEMONS[wanted])
    found = [f"{name}{part}.socket" for part in PARTS for name in daemons if part in _parts(name)]
    found = [unit for unit in found if _there(units, unit)]
    for kind in REMOTE:
        unit = f"{FRONT[wanted]}-{kind}.socket"
        if listen.get(kind):
            if not _there(units, unit):
                raise KvmError(
                    f"{kind}: systemd has no {unit}",
                    "Install libvirt's remote daemon (virtproxyd, or libvirtd with its units), or unmask the unit.",
                    option=kind,
                )
            found.append(unit)
    return found


def _missing(units: Units, sockets: t.Iterable[str]) -> tuple[str, ...]:
    """Sockets to start. A helper's can't start while its service, which guests have open, runs without it."""
    return tuple(
        unit
        for unit in sockets
        if not units[unit].active and not (unit.startswith(HELPERS) and _is(units, _service(unit), "active"))
    )


def _service(socket: str) -> str:
    """The service that a socket belongs to."""
    name = socket[: -len(".socket")]
    for part in ("-ro", "-admin", "-tls", "-tcp"):
        if name.endswith(part):
            name = name[: -len(part)]
    return f"{name}.service"


def reader(conf: str, layout_name: str) -> t.Optional[str]:
    """The daemon that reads a configuration file in this layout; None for files that are for clients."""
    if conf in (*HELPERS, *DAEMONS[layout_name]):
        return conf
    driver = READERS.get(conf)
    return None if driver is None else MONOLITHIC if layout_name == "monolithic" else driver
