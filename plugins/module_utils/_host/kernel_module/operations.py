# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done to the running kernel's modules: load, unload, write a parameter; and what came of it, remembered.

The first argument of each operation is the frame's subject, which modules of the host itself haven't got.
"""

from __future__ import annotations

import json
import typing as t

from ..._command import SYSTEM, run
from ..._plan import KvmError, Remark
from .. import files
from ..root import Root
from . import modules
from .parameter import same

RECORD = "run/metal.kvm/kernel_modules.json"
TIMEOUT = 120

# What modprobe says, and what to do about it.
REMEDIES = (
    ("Operation not permitted", "Run the task as root (become: true), on the host itself and not in a container."),
    (
        "Key was rejected",
        "Secure Boot refuses the module: use the distribution's kernel, or enrol the key that signed it.",
    ),
    (
        "Operation not supported",
        "The processor lacks the feature, or firmware switched it off: metal.kvm.host_info says which.",
    ),
    (
        "Input/output error",
        "Another hypervisor holds the processor's feature, or the one below gives half of it: see dmesg.",
    ),
    ("Invalid argument", "The kernel refuses a value: see dmesg, and the parameters in /etc/modprobe.d."),
    ("Unknown symbol", "A parameter or a module isn't of this kernel: see dmesg; after an upgrade, reboot."),
    ("not found in directory", "Install the kernel's modules; after an upgrade of the kernel, reboot."),
    ("Exec format error", "The module is of another kernel: after an upgrade, reboot."),
)


def operations() -> dict[str, t.Callable[..., t.Any]]:
    """The operations that the steps of ``kvm_module`` name."""
    return {
        **files.OPERATIONS,
        "module.load": load,
        "module.unload": unload,
        "parameter.write": write,
        "parameters.read": settle,
        "initramfs.update": rebuild,
    }


def load(subject: t.Any, names: list[str], program: str, parameters: t.Optional[dict[str, str]] = None) -> None:
    """Load modules in order, with what modprobe.d says and, after that, the first with ``parameters``."""
    for name in names:
        words = [f"{parameter}={value}" for parameter, value in (parameters or {}).items()] if name == names[0] else []
        failure = _run([program, name, *words])
        if failure:
            raise _explained(f"The module {name} could not be loaded", failure)


def unload(subject: t.Any, names: list[str], program: str) -> t.Optional[Remark]:
    """Unload modules, users first. Taken into use since the plan was made: it stays, and the remark says so."""
    for name in names:
        failure = _run([program, name])
        if "in use" in failure or "busy" in failure:
            return Remark(f"{name} was taken into use meanwhile and stays loaded: its parameters wait for a reload.")
        if failure and "not currently loaded" not in failure:
            raise _explained(f"The module {name} could not be unloaded", failure)
    return None


def write(subject: t.Any, path: str, value: str) -> None:
    """Write a parameter of a loaded module."""
    remedy = "The value is out of its range, or the task needs root (become: true)."
    if "nx_huge_pages" in path:
        remedy = "After nx_huge_pages=never, or while guests run, only a reload of kvm can change it."
    files.write_value(path, value, remedy, option="parameters")


def settle(subject: t.Any, sysroot: str, name: str, asked: dict[str, str]) -> t.Optional[Remark]:
    """Read back what the kernel made of the parameters, and remember it for the time the kernel runs."""
    root = Root(sysroot, live=True)
    shown = modules.parameters(root, name)
    outcome = {parameter: [value, shown.get(parameter, {}).get("raw")] for parameter, value in asked.items()}
    known = _remembered(root)
    known.setdefault(name, {}).update(outcome)
    files.write(None, root.at(RECORD), json.dumps({"boot": _boot(root), "modules": known}, indent=1, sort_keys=True))
    other = [
        f"{parameter}={value} reads {raw}"
        for parameter, (value, raw) in outcome.items()
        if raw is not None and not same(parameter, str(value), raw)
    ]
    return Remark(untaken(name, other)) if other else None


def untaken(name: str, found: t.Iterable[str]) -> str:
    """The sentence for parameters that the kernel was given and set back."""
    why = "the kernel was given it and set it back, since this processor or firmware lacks it."
    return f"{name}: {', '.join(found)}: {why}"


def remembered(root: Root, name: str) -> dict[str, list[t.Optional[str]]]:
    """What this kernel, since it booted, made of values given by us: parameter to [asked, shown]."""
    return _remembered(root).get(name, {})


def _remembered(root: Root) -> dict[str, dict[str, list[t.Optional[str]]]]:
    try:
        found = json.loads(root.raw(RECORD) or b"{}")
    except ValueError:
        return {}
    return found.get("modules", {}) if isinstance(found, dict) and found.get("boot") == _boot(root) else {}


def _boot(root: Root) -> t.Optional[str]:
    return root.word("proc/sys/kernel/random/boot_id")


def rebuild(subject: t.Any, command: list[str]) -> None:
    """Rebuild the initramfs."""
    failure = _run(command, timeout=900)
    if failure:
        raise KvmError(f"{' '.join(command)} failed: {failure}", "Run it by hand and see what it says.")


def _run(command: list[str], timeout: int = TIMEOUT) -> str:
    """Run a command; what it complained of if it failed, else an empty text."""
    try:
        done = run(command, timeout=timeout, environment=SYSTEM)
    except OSError as error:
        return f"{command[0]}: {error.strerror}"
    return done.complaint if done.status else ""


def _explained(what: str, failure: str) -> KvmError:
    remedy = next((remedy for part, remedy in REMEDIES if part in failure), "See the kernel's messages (dmesg).")
    return KvmError(f"{what}: {failure}", remedy, option="name")
