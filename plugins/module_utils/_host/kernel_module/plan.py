# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kernel module as wanted: what is asked, what is there, and the plan that leads from one to the other.

Files first, then the kernel: a load that fails for a bad value finds the old file again when it is taken back.
"""

from __future__ import annotations

import re
import typing as t

from ..._plan import KvmError, Plan
from ..files import plan_file
from ..root import Root
from . import modules, options_file
from . import values as kernel_values
from .loading import Verdict, check_load, initramfs_command, verdict

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
GOING = ("unloaded", "absent")
Params = t.Mapping[str, t.Any]


def argument_spec() -> dict[str, t.Any]:
    """The options of ``kvm_module``."""
    return {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "loaded", "unloaded", "absent"]},
        "parameters": {"type": "dict"},
        "unset": {"type": "list", "elements": "str"},
        "persistent": {"type": "bool", "default": True},
        "reload": {"type": "str", "choices": ["when_idle", "never"], "default": "when_idle"},
        "initramfs": {"type": "str", "choices": ["auto", "never"], "default": "auto"},
        "sysroot": {"type": "path", "default": "/"},
    }


def plan(params: Params) -> Plan:
    """The plan of a task."""
    return make(Root(params["sysroot"]), params)


def describe(params: Params) -> dict[str, t.Any]:
    """The module after the run."""
    root = Root(params["sysroot"])
    return shown(root, Wanted(root, params))


class Wanted:
    """The options, made plain: the module's own name, parameters as text for the kernel."""

    def __init__(self, root: Root, params: Params) -> None:
        self.asked: str = params["name"]
        if not NAME.fullmatch(self.asked):
            raise KvmError(
                f"name: {self.asked!r} is no name of a kernel module",
                "Give one such as kvm_amd, or vendor.",
                option="name",
            )
        self.state: t.Optional[str] = params.get("state")
        self.persistent: bool = params.get("persistent", True)
        self.reload: bool = params.get("reload", "when_idle") == "when_idle"
        self.initramfs: bool = params.get("initramfs", "auto") == "auto"
        self.unset = [kernel_values.parameter_name(name) for name in params.get("unset") or ()]
        self.parameters = kernel_values.asked(params.get("parameters") or {})
        both = sorted(set(self.unset).intersection(self.parameters))
        if both:
            raise KvmError(
                f"unset: {both[0]} is also set", "Name it in parameters or in unset, not in both.", option="unset"
            )
        self.verdict: t.Optional[Verdict] = verdict(root, self.asked, self.state not in GOING)
        self.name: str = self.verdict.module if self.verdict else modules.canonical(self.asked)

    @property
    def hopeless(self) -> t.Optional[str]:
        """Why no module for this processor can drive it, where ``vendor`` was asked for."""
        return self.verdict.hopeless if self.verdict else None


def make(root: Root, params: Params) -> Plan:
    """What has to be done so that the module is as wanted."""
    wanted = Wanted(root, params)
    found = Plan("kernel_module")
    found.extra["pending"] = []
    if wanted.hopeless and wanted.state not in GOING:
        _hopeless(found, wanted)
    elif wanted.state in GOING:
        _take_away(found, root, wanted)
    else:
        _provide(found, root, wanted)
    found.predicted = _predicted(found, root, wanted)
    return found


def _hopeless(plan: Plan, wanted: Wanted) -> None:
    """No VT-x or AMD-V: nothing to load. A host role goes on with emulation; a parameter asked for is an error."""
    reason = t.cast(str, wanted.hopeless)
    if wanted.parameters:
        name = next(iter(wanted.parameters))
        raise KvmError(
            f"parameters: {name} can't be set, since no vendor module can be loaded: {reason}", option="parameters"
        )
    plan.warnings.append(f"No vendor module of KVM is loaded: {reason}")


def _take_away(plan: Plan, root: Root, wanted: Wanted) -> None:
    name = wanted.name
    order = _unload_order(root, wanted) if root.live and modules.loaded(root, name) else []
    ours = [options_file.boot_path(name), *([options_file.path(name)] if wanted.state == "absent" else [])]
    for path in ours:
        plan_file(plan, f"/{path}", root.at(path), root.text(path), None)
    if order:
        _unload(plan, root, order)
        plan.differs("state", "loaded", "unloaded")
    elsewhere = modules.loads_at_boot(root).get(name)
    if elsewhere and elsewhere[1:] != options_file.boot_path(name):
        plan.warnings.append(f"{elsewhere} still loads {name} at boot; that file isn't this collection's.")


def _unload_order(root: Root, wanted: Wanted) -> list[str]:
    """The modules to unload, users first; none where it is built in, of which only our files can be absent."""
    name = wanted.name
    if modules.builtin(root, name):
        if wanted.state == "unloaded":
            raise KvmError(
                f"name: {name} is built into this kernel and can't be unloaded",
                "Use another kernel, or leave it: unused it does nothing.",
                option="state",
            )
        return []
    if not modules.idle(root, name):
        raise KvmError(
            f"state: {name} is in use ({kernel_values.use(root, name)}) and can't be unloaded",
            "Stop the guests and other users of it first (metal.kvm.domain with state stopped).",
            option="state",
        )
    return kernel_values.unload_order(root, name)


def _provide(plan: Plan, root: Root, wanted: Wanted) -> None:
    name = wanted.name
    there = root.live and modules.loaded(root, name)
    builtin = modules.builtin(root, name)
    missing = wanted.state == "loaded" and root.live and not there and not builtin
    if missing:
        check_load(plan, root, wanted.asked, name, wanted.persistent)
    values = kernel_values.compare(root, name, wanted, there, builtin)
    plan.warnings += values.warnings
    order = _reload_order(plan, root, wanted, values)
    if order:
        _unload(plan, root, order)
    _write_files(plan, root, wanted, builtin)
    for parameter, value in values.live.items():
        path = root.at(f"sys/module/{name}/parameters/{parameter}")
        plan.add("parameter.write", f"set {name}.{parameter} to {value}", path=path, value=value)
    _load(plan, root, wanted, values, order, missing)
    _note(plan, values, missing or bool(order))


def _write_files(plan: Plan, root: Root, wanted: Wanted, builtin: bool) -> None:
    """Our files, for modules that modprobe loads; an old file for a built-in one is brought up to date too."""
    persistent = wanted.persistent and not builtin
    before = options_file.parse(root, wanted.name)
    if persistent or before:
        _write_options(plan, root, wanted, before)
    if persistent and wanted.state == "loaded":
        _load_at_boot(plan, root, wanted.name)


def _note(plan: Plan, values: kernel_values.Values, loads: bool) -> None:
    """The diff of the parameters that change now: all if the module is loaded, else those that are written."""
    for parameter, (current, new) in values.changes().items():
        if loads or parameter in values.live:
            plan.differs(f"parameters.{parameter}", current, new)


def _reload_order(plan: Plan, root: Root, wanted: Wanted, values: kernel_values.Values) -> list[str]:
    """The modules to take out for new values, users first; none where it must wait, which is then in ``pending``."""
    name = wanted.name
    if not values.reload:
        return []
    why = "reload: never" if not wanted.reload else ""
    if not why and not modules.idle(root, name):
        why = kernel_values.use(root, name)
    if not why and not (root.program("rmmod") and root.program("modprobe")):
        why = "modprobe and rmmod aren't installed"
    if not why:
        return kernel_values.unload_order(root, name)
    for parameter, value in values.reload.items():
        plan.extra["pending"].append(
            {
                "kind": "module_reload",
                "reason": f"{name}.{parameter} is read when the module is loaded; not reloaded now: {why}",
                "source": f"/{options_file.path(name)}",
                "wanted": value,
                "current": values.current.get(parameter),
            }
        )
    return []


def _write_options(plan: Plan, root: Root, wanted: Wanted, before: dict[str, str]) -> None:
    name = wanted.name
    after = {**before, **(wanted.parameters if wanted.persistent else {})}
    for parameter in wanted.unset:
        after.pop(parameter, None)
    path = options_file.path(name)
    old = root.text(path)
    new = old if after == before else options_file.render(name, after)
    plan_file(plan, f"/{path}", root.at(path), old, new)
    command = initramfs_command(root, name) if old != new and root.live and wanted.initramfs else None
    if command:
        plan.add("initramfs.update", f"rebuild the initramfs, which holds {name}", command=command)


def _load_at_boot(plan: Plan, root: Root, name: str) -> None:
    """List the module for boot, once; and never both vendor modules, since the wrong one fails there."""
    for other in ("kvm_intel", "kvm_amd"):
        if name in ("kvm_intel", "kvm_amd") and other != name:
            path = options_file.boot_path(other)
            plan_file(plan, f"/{path}", root.at(path), root.text(path), None)
    if name in modules.loads_at_boot(root):
        return
    path = options_file.boot_path(name)
    plan_file(plan, f"/{path}", root.at(path), root.text(path), options_file.render_boot(name))


def _load(
    plan: Plan, root: Root, wanted: Wanted, values: kernel_values.Values, order: list[str], missing: bool
) -> None:
    """Load what isn't there, or again what was taken out, and see what the kernel made of the values."""
    name = wanted.name
    loads = missing or bool(order)
    if loads:
        names = order[::-1] or [name]
        given = {} if wanted.persistent else dict(wanted.parameters)
        program = _program(root, "modprobe")
        plan.add("module.load", f"load {', '.join(names)}", names=names, program=program, parameters=given)
    if missing:
        plan.differs("state", "unloaded", "loaded")
    asked = dict(wanted.parameters) if loads else values.live
    if asked and root.live:
        plan.add("parameters.read", f"read back {name}", changes=False, sysroot=root.path, name=name, asked=asked)


def _unload(plan: Plan, root: Root, order: list[str]) -> None:
    step = plan.add("module.unload", f"unload {', '.join(order)}", names=order, program=_program(root, "rmmod"))
    step.undo = kernel_values.load_again(order, _program(root, "modprobe"))


def _program(root: Root, name: str) -> str:
    return root.at(root.program(name) or f"sbin/{name}")


def _predicted(plan: Plan, root: Root, wanted: Wanted) -> dict[str, t.Any]:
    """The module as it would be, for a check."""
    found = shown(root, wanted)
    if "state" in plan.after:
        found["loaded"] = plan.after["state"] == "loaded"
    for parameter in wanted.parameters:
        if f"parameters.{parameter}" in plan.after and parameter in found["parameters"]:
            raw = plan.after[f"parameters.{parameter}"]
            found["parameters"][parameter].update(raw=raw, value=modules.value_of(raw))
    return found


def shown(root: Root, wanted: Wanted) -> dict[str, t.Any]:
    """The module: as in ``host_info``, with what sets it, loads it and keeps it out, and whether KVM is usable."""
    from ..kvm.report import describe as one

    name = wanted.name
    sources: dict[str, dict[str, str]] = {}
    for setting in modules.configured(root, name):
        sources.setdefault(setting.source, {}).update(setting.values)
    listed = modules.loads_at_boot(root).get(name)
    state: dict[str, t.Any] = {"usable": None, "hardware": None, "cause": None, "message": None, "remedy": None}
    if wanted.verdict:
        state = wanted.verdict.state(root)
    return {
        **one(root, name),
        "available": modules.available(root, name) or modules.loaded(root, name),
        "holders": modules.holders(root, name),
        "configured": sources,
        "loaded_at_boot": listed,
        "blocked": [f"{s.source}: {s.kind} {s.module}" for s in modules.blocks(root, name)],
        **state,
    }
