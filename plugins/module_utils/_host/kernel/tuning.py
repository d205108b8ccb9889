# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running kernel's settings as wanted: sysctl, hugepages, KSM, transparent hugepages; now and at the next boot.

Each is a file below /proc/sys or /sys. What this kernel hasn't got is said and left out.
"""

from __future__ import annotations

import re
import typing as t

from ..._plan import KvmError, Operations, Plan, Step
from .. import files
from ..root import Root

SYSCTL_FILE, TMPFILES_FILE = "etc/sysctl.d/zz-metal-kvm.conf", "etc/tmpfiles.d/zz-metal-kvm.conf"
HEAD = "# Written by metal.kvm.kernel_tuning: changes are lost.\n"
KSM, THP = "sys/kernel/mm/ksm", "sys/kernel/mm/transparent_hugepage"
SYSCTL = re.compile(r"[a-z0-9_]+([./][A-Za-z0-9_*-]+)+")
NAME = re.compile(r"[a-z][a-z0-9_]*(/[a-z0-9_]+)?")
SIZES = {"k": 1, "m": 1024, "g": 1024 * 1024}
Params = t.Mapping[str, t.Any]


def argument_spec() -> dict[str, t.Any]:
    """The options of ``kernel_tuning``."""
    hugepages = {
        "size": {"type": "str", "default": "2 MiB"},
        "count": {"type": "int", "required": True},
        "node": {"type": "int"},
    }
    return {
        "sysctl": {"type": "dict", "default": {}},
        "unset": {"type": "list", "elements": "str", "default": []},
        "hugepages": {"type": "list", "elements": "dict", "default": [], "options": hugepages},
        "ksm": {"type": "dict", "default": {}},
        "transparent_hugepages": {"type": "dict", "default": {}},
        "persistent": {"type": "bool", "default": True},
        "sysroot": {"type": "path", "default": "/"},
    }


def operations() -> Operations:
    """The operations that the steps of ``kernel_tuning`` name."""
    return {
        **files.OPERATIONS,
        "value.write": write,
        "hugepages.write": reserve,
    }


class Setting:
    """A file of the kernel's, its wanted value, and the name that users know it by."""

    def __init__(self, name: str, path: str, value: str, kind: str) -> None:
        self.name = name
        self.path = path
        self.value = value
        self.kind = kind


def wanted(params: Params) -> list[Setting]:
    """Every setting asked for, KSM's switch last, since some of its others can only be set while it rests."""
    found = [_sysctl(name, value) for name, value in _managed(params, "sysctl").items()]
    found += [_hugepages(item) for item in params.get("hugepages") or ()]
    for option, base in (("transparent_hugepages", THP), ("ksm", KSM)):
        given = _managed(params, option)
        found += [_sysfs(option, base, name, given[name]) for name in sorted(given, key=lambda name: name == "run")]
    return found


def _managed(params: Params, option: str) -> dict[str, t.Any]:
    """What an option sets: null leaves a setting as it is."""
    return {name: value for name, value in (params.get(option) or {}).items() if value is not None}


def _sysfs(option: str, base: str, name: str, value: t.Any) -> Setting:
    if not NAME.fullmatch(name):
        raise KvmError(f"{option}: {name!r} is no name of a setting", option=option)
    return Setting(f"{option}.{name}", f"{base}/{name}", _text(value), "sysfs")


def _sysctl(name: str, value: t.Any) -> Setting:
    if not SYSCTL.fullmatch(name):
        raise KvmError(f"sysctl: {name!r} is no name of a setting", "Write it as in vm.swappiness.", option="sysctl")
    return Setting(name, f"proc/sys/{_path(name)}", " ".join(_text(value).split()), "sysctl")


def _path(name: str) -> str:
    """As sysctl has it: dots are slashes, unless a slash comes first (net/ipv4/conf/eth0.5/...)."""
    dot, slash = name.find("."), name.find("/")
    return name if slash >= 0 and (dot < 0 or slash < dot) else name.replace(".", "/")


def _text(value: t.Any) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _hugepages(item: Params) -> Setting:
    size, node = kibibytes(item.get("size") or "2 MiB"), item.get("node")
    if item["count"] < 0:
        raise KvmError(f"hugepages: count: {item['count']} is less than none", option="hugepages.count")
    base = "sys/kernel/mm" if node is None else f"sys/devices/system/node/node{node}"
    name = f"hugepages.{item.get('size') or '2 MiB'}" + ("" if node is None else f" on node {node}")
    return Setting(name, f"{base}/hugepages/hugepages-{size}kB/nr_hugepages", str(item["count"]), "hugepages")


def kibibytes(size: str) -> int:
    """2 MiB, 2M, 1G, 64 KiB as KiB."""
    found = re.fullmatch(r"\s*(\d+)\s*([kKmMgG])(?:i?[bB])?\s*", size)
    if not found:
        raise KvmError(
            f"hugepages: size: {size!r} is not a size with a unit", "Write '2 MiB' or '1 GiB'.", option="hugepages.size"
        )
    return int(found[1]) * SIZES[found[2].lower()]


def plan(params: Params) -> Plan:
    """The plan of a task."""
    return make(Root(params["sysroot"]), params)


def make(root: Root, params: Params) -> Plan:
    """What has to be done so that the kernel is as wanted, and comes up so."""
    found = Plan("tuning")
    settings = wanted(params)
    for setting in settings if root.live else ():
        plan_one = _now if root.exists(setting.path) else _absent
        plan_one(found, root, setting)
    if params.get("persistent", True):
        kept = [setting for setting in settings if _lasts(root, setting)]
        _boot(found, root, kept, params.get("unset") or ())
    found.predicted = shown(root, settings, {step.arguments.get("path"): step.arguments for step in found.steps})
    return found


def _lasts(root: Root, setting: Setting) -> bool:
    """Whether the setting is kept for the next boot: a sysctl always, others unless this kernel lacks them."""
    return setting.kind == "sysctl" or not root.live or root.exists(setting.path)


def _absent(plan: Plan, root: Root, setting: Setting) -> None:
    if setting.kind == "hugepages" and root.exists("sys/kernel/mm/hugepages"):
        sizes = ", ".join(name[10:] for name in root.names("sys/kernel/mm/hugepages"))
        raise KvmError(
            f"{setting.name}: this machine has no such hugepages",
            f"Sizes here are {sizes}; NUMA nodes are numbered from 0.",
            option="hugepages",
        )
    kept = " It is kept for the next boot." if setting.kind == "sysctl" else ""
    plan.warnings.append(f"{setting.name}: this kernel has no /{setting.path}.{kept}")


def current(root: Root, path: str) -> str:
    """A value as the kernel has it; of a choice (``always [madvise] never``) the chosen one."""
    text = " ".join((root.text(path) or "").split())
    chosen = re.search(r"\[(\S+)\]", text)
    return chosen[1] if chosen else text


def _now(plan: Plan, root: Root, setting: Setting) -> None:
    before = current(root, setting.path)
    if before == setting.value:
        return
    operation = "hugepages.write" if setting.kind == "hugepages" else "value.write"
    path = root.at(setting.path)
    step = plan.add(operation, f"set {setting.name} to {setting.value}", path=path, value=setting.value)
    step.undo = Step("value.write", f"set {setting.name} back to {before}", path=path, value=before)
    plan.differs(setting.name, before, setting.value)


def _boot(plan: Plan, root: Root, settings: t.Sequence[Setting], unset: t.Collection[str]) -> None:
    lines = {SYSCTL_FILE: _kept(root, SYSCTL_FILE, "="), TMPFILES_FILE: _kept(root, TMPFILES_FILE, " - - - - ")}
    for setting in settings:
        if setting.kind == "sysctl":
            lines[SYSCTL_FILE]["-" + setting.name] = setting.value
        else:
            lines[TMPFILES_FILE][f"w- /{setting.path}"] = setting.value
    for name in unset:
        for held in lines.values():
            held.pop(_line(name), None)
    for path, separator in ((SYSCTL_FILE, "="), (TMPFILES_FILE, " - - - - ")):
        body = "".join(f"{key}{separator}{value}\n" for key, value in sorted(lines[path].items(), key=_last_run))
        files.plan_file(plan, f"/{path}", root.at(path), root.text(path), HEAD + body if body else None)


def _line(name: str) -> str:
    """How the line of a setting begins, by the name that results have for it."""
    option, dot, rest = name.partition(".")
    if option == "hugepages":
        size, dummy, node = rest.partition(" on node ")
        return f"w- /{_hugepages({'size': size, 'node': node or None, 'count': 0}).path}"
    base = {"ksm": KSM, "transparent_hugepages": THP}.get(option)
    return f"w- /{base}/{rest}" if base else f"-{name}"


def _last_run(item: tuple[str, str]) -> tuple[bool, str]:
    return item[0].endswith("/run"), item[0]


def _kept(root: Root, path: str, separator: str) -> dict[str, str]:
    rows = [line.partition(separator) for line in root.lines(path) if line and not line.startswith("#")]
    return {key: value for key, found, value in rows if found}


def write(subject: t.Any, path: str, value: str) -> None:
    """Write a value to a file of the kernel's."""
    remedy = "The value is out of its range, or the task needs root (become: true)."
    if path.endswith("merge_across_nodes"):
        remedy = "It can only be changed while no page is shared: set run to 2 first, which unmerges all."
    files.write_value(path, value, remedy)


def reserve(subject: t.Any, path: str, value: str) -> None:
    """Reserve hugepages, and see that the kernel has found as many."""
    write(subject, path, value)
    with open(path, encoding="ascii") as file:
        got = file.read().strip()
    if int(got) != int(value):
        raise KvmError(
            f"hugepages: {value} were asked for, and the kernel found memory in one piece for {got}",
            "Ask for fewer, stop something that uses memory, or reserve them at boot (the role metal.kvm.kernel).",
            option="hugepages",
        )


def describe(params: Params) -> dict[str, t.Any]:
    """The settings after the run."""
    return shown(Root(params["sysroot"]), wanted(params), {})


def shown(root: Root, settings: t.Sequence[Setting], planned: t.Mapping[t.Any, t.Any]) -> dict[str, t.Any]:
    """Each setting's value, None for what this kernel hasn't got."""
    found = {}
    for setting in settings:
        there = root.exists(setting.path)
        value = setting.value if root.at(setting.path) in planned else current(root, setting.path)
        found[setting.name] = value if there else None
    return {"values": found, "files": [f"/{path}" for path in (SYSCTL_FILE, TMPFILES_FILE) if root.exists(path)]}
