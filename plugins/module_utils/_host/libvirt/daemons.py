# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's daemons as wanted: layout, listeners, drop-ins, restarts; with systemd, with init scripts, or by hand."""

from __future__ import annotations

import os
import typing as t

from ..._plan import KvmError, Operations, Plan, Step
from .. import files
from ..libvirt_conf.editing import entries
from ..root import Root
from . import control, drop_in, installed, units

Params = t.Mapping[str, t.Any]
PKI = ("etc/pki/CA/cacert.pem", "etc/pki/libvirt/servercert.pem", "etc/pki/libvirt/private/serverkey.pem")
PKI_KEYS = ("ca_file", "cert_file", "key_file")

# Files that whoever listens for other machines reads, by the name in restart_for.
SHARED = {"pki": (*PKI, "etc/pki/CA/crl.pem"), "sasl": ("etc/sasl2/libvirt.conf",)}


def argument_spec() -> dict[str, t.Any]:
    """The options of ``libvirt_daemons``."""
    return {
        "layout": {"type": "str", "choices": ["keep", "monolithic", "modular"], "default": "keep"},
        "tls": {"type": "bool"},
        "tcp": {"type": "bool"},
        "drop_ins": {"type": "dict", "default": {}},
        "restart_for": {"type": "list", "elements": "str", "default": []},
    }


def operations() -> Operations:
    """The operations that the steps of ``libvirt_daemons`` name."""
    return {
        **files.OPERATIONS,
        "unit.run": control.systemctl,
        "service.run": control.service,
        "daemon.start": control.start,
        "daemon.stop": control.stop,
        "daemon.answer": control.answer,
    }


def plan(params: Params) -> Plan:
    """The plan of a task."""
    return make(Root(), params)


def describe(params: Params) -> dict[str, t.Any]:
    """The daemons after the run."""
    return shown(Root())


def manager(root: Root) -> str:
    """Who starts daemons here: systemd, service (init scripts), or none."""
    if root.exists("run/systemd/system"):
        return "systemd"
    scripts = any(root.exists(f"etc/init.d/{name}") for name in (installed.MONOLITHIC, "virtqemud"))
    return "service" if scripts else "none"


def shown(root: Root) -> dict[str, t.Any]:
    """The layout, who starts daemons, and the daemons that are there."""
    found = installed.report(root)
    return {"layout": found["mode"], "manager": manager(root), "units": found["units"]}


def make(root: Root, params: Params, told: t.Optional[units.Units] = None) -> Plan:
    """What has to be done; ``told`` are systemd's units where a test says them."""
    found = Plan("daemons")
    found.predicted = shown(root)
    if not installed.report(root)["installed"]:
        found.assume(KvmError("libvirt isn't installed", "Install it first (metal.kvm.host).", option="libvirt"))
        return found
    listen = {kind: params.get(kind) for kind in units.REMOTE}
    if manager(root) == "systemd":
        there = told if told is not None else units.parse(control.show(root, units.names()))
        layout = _layout(units.layout(there), params)
        _pki(found, root, layout, listen)
        _systemd(found, root, params, there, layout, listen)
    else:
        layout = _layout(found.predicted["layout"], params)
        _pki(found, root, layout, listen)
        _by_hand(found, root, params, layout, listen)
    if any(_starts_daemon(step, layout) for step in found.steps):
        found.add("daemon.answer", "see that libvirt answers", changes=False)
    found.predicted = {**found.predicted, "layout": layout}
    return found


def _starts_daemon(step: Step, layout: str) -> bool:
    """Whether a step starts a daemon that clients speak to."""
    given = step.arguments
    begun = given.get("names", (given.get("name") or os.path.basename(given.get("program", "")),))
    return (
        step.operation in ("unit.run", "service.run", "daemon.start")
        and given.get("verb", "start") in ("start", "restart")
        and any(name.split(".service")[0] in units.DAEMONS[layout] for name in begun)
    )


def _layout(now: str, params: Params) -> str:
    if params.get("layout", "keep") != "keep":
        return t.cast(str, params["layout"])
    if now == "mixed":
        raise KvmError(
            "layout: libvirtd and the daemons per driver (virtqemud ...) are both enabled or running, and each stops"
            " the other",
            "Say which shall be, with layout: monolithic or layout: modular.",
            option="layout",
        )
    if now == "none":
        raise KvmError(
            "layout: libvirt is installed, and none of its daemons that drive QEMU can be started here: neither libvirtd nor"
            " virtqemud has a unit or a script, or both are masked",
            "Install the package with the daemons (Debian: libvirt-daemon-system), or unmask one of them.",
            option="layout",
        )
    return now


def _pki(plan: Plan, root: Root, layout: str, listen: t.Mapping[str, t.Optional[bool]]) -> None:
    """A daemon that shall listen with TLS and hasn't got its certificate fails at its start: say so before."""
    if not listen["tls"]:
        return
    path = f"etc/libvirt/{units.FRONT[layout]}.conf"
    held = {entry.key: str(entry.value) for entry in entries(root.text(path) or "", "libvirt", f"/{path}")}
    for key, usual in zip(PKI_KEYS, PKI):
        file = held.get(key) or usual
        if not root.exists(file):
            plan.assume(
                KvmError(
                    f"tls: /{file.lstrip('/')} is not there, without which no daemon listens with TLS",
                    "Have certificates made or placed (the role metal.kvm.remote does).",
                    option="tls",
                )
            )
            return


def _systemd(
    plan: Plan, root: Root, params: Params, there: units.Units, layout: str, listen: t.Mapping[str, t.Optional[bool]]
) -> None:
    changed = _drop_ins(plan, root, params)
    sockets = [unit for unit in changed if unit.endswith(".socket")]
    services = [unit[: -len(".service")] for unit in changed if unit.endswith(".service")]
    restart = [*services, *_restart(root, params, layout)]
    for verb, names in units.actions(there, layout, listen, sockets, list(dict.fromkeys(restart))):
        plan.add("unit.run", f"{verb} {', '.join(names)}", verb=verb, names=names)
    if plan.steps and units.layout(there) != layout:
        plan.differs("layout", units.layout(there), layout)


def _drop_ins(plan: Plan, root: Root, params: Params) -> list[str]:
    """Add the steps that write our drop-ins; the units whose drop-in differs."""
    changed = drop_in.plan(root, params.get("drop_ins") or {})
    for unit, (before, after) in changed.items():
        path = drop_in.path(unit)
        files.plan_file(plan, f"/{path}", root.at(path), before, after)
    if changed:
        plan.add("unit.run", "have systemd read its units", verb="daemon-reload", names=())
    return list(changed)


def _restart(root: Root, params: Params, layout: str) -> list[str]:
    """Daemons that started before a file that they read was last written."""
    found = []
    for name in params.get("restart_for") or ():
        daemon = units.FRONT[layout] if name in SHARED else units.reader(name, layout)
        if daemon and _older(root, daemon, SHARED.get(name, (f"etc/libvirt/{name}.conf",))):
            found.append(daemon)
    return list(dict.fromkeys(found))


def _older(root: Root, daemon: str, paths: t.Iterable[str]) -> bool:
    """Whether the daemon runs, and started before one of the files was last written."""
    started = root.status(f"run/{daemon}.pid")
    written = [status.st_mtime_ns for status in map(root.status, paths) if status]
    return started is not None and any(time > started.st_mtime_ns for time in written)


def _by_hand(plan: Plan, root: Root, params: Params, layout: str, listen: t.Mapping[str, t.Optional[bool]]) -> None:
    """Without systemd: the daemons of the layout run, those of the other don't."""
    state = plan.predicted["units"] if plan.predicted else {}
    going = [name for name in units.DAEMONS[units.OTHER[layout]] if state.get(name, {}).get("running")]
    for name in going:
        plan.add("daemon.stop", f"stop {name}", name=name, sysroot=root.path)
        plan.differs(name, "running", "stopped")
    if params.get("drop_ins"):
        plan.warnings.append("drop_ins: there is no systemd here, so they are left out.")
    restart = _restart(root, params, layout)
    for name in ("virtlogd", *units.DAEMONS[layout]):
        unit = state.get(name, {"installed": False, "running": False})
        if not unit["installed"]:
            continue
        if manager(root) == "service":
            _by_script(plan, root, name, unit["running"], name in restart)
        else:
            _daemon(plan, root, name, unit["running"], name in restart, listen)


def _by_script(plan: Plan, root: Root, name: str, running: bool, restart: bool) -> None:
    if root.exists(f"etc/init.d/{name}") and (restart or not running):
        verb = "restart" if running else "start"
        plan.add("service.run", f"{verb} {name}", verb=verb, name=name)


def _daemon(
    plan: Plan, root: Root, name: str, running: bool, restart: bool, listen: t.Mapping[str, t.Optional[bool]]
) -> None:
    """A daemon without a service manager: in the background, with ``--listen`` if it shall hear other machines."""
    hears = running and not {"-l", "--listen"}.isdisjoint(control.command_line(root, name))
    # virtproxyd goes by its configuration alone.
    wanted = name == installed.MONOLITHIC and _shall_hear(listen, hears)
    if running and not restart and wanted == hears:
        return
    if running and name in units.HELPERS:
        plan.warnings.append(f"{name} holds the logs of running guests, so it isn't restarted.")
        return
    if running:
        plan.add("daemon.stop", f"stop {name}", name=name, sysroot=root.path)
    program = root.program(name) or os.path.join("/usr/sbin", name)
    flags = ["--listen"] * wanted
    plan.add("daemon.start", f"start {' '.join([name, *flags])}", program=program, flags=flags)
    plan.differs(name, _state(running, hears), _state(True, wanted))


def _shall_hear(listen: t.Mapping[str, t.Optional[bool]], now: bool) -> bool:
    """Whether a daemon shall hear other machines: as it does now, unless tls or tcp says."""
    told = [value for value in listen.values() if value is not None]
    return any(told) if told else now


def _state(running: bool, hears: bool) -> str:
    return "stopped" if not running else "running --listen" if hears else "running"
