# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a module can be loaded here at all: the right vendor, the feature, the file, the right, no prohibition."""

from __future__ import annotations

import typing as t

from ..._plan import KvmError, Plan
from ..machine import cpu, system
from ..root import Root
from . import modules

VENDOR = "vendor"
X86_ONLY = {"kvm_intel": "Intel", "kvm_amd": "AMD"}

# Causes that no load of a module can mend: the machine, or the one below, hasn't got it.
HOPELESS = ("cpu_unsupported", "firmware_disabled", "nested_off", "unsupported_arch", "xen_dom0", "confidential_guest",
            "container")  # fmt: skip

EARLY = (
    ("etc/initramfs-tools/modules", ("update-initramfs", "-u")),
    ("etc/dracut.conf", ("dracut", "-f")),
    ("etc/mkinitcpio.conf", ("mkinitcpio", "-P")),
)
EARLY_DIRS = (
    ("etc/initramfs-tools/conf.d", ("update-initramfs", "-u")),
    ("etc/dracut.conf.d", ("dracut", "-f")),
    ("etc/mkinitcpio.conf.d", ("mkinitcpio", "-P")),
)


class Verdict:
    """For modules of KVM itself: which one it is, and what KVM's state is on this host."""

    __slots__ = ("hopeless", "module")

    def __init__(self, module: str, hopeless: t.Optional[str]) -> None:
        self.module = module
        self.hopeless = hopeless

    def state(self, root: Root) -> dict[str, t.Any]:
        """``usable``, ``hardware``, ``cause``, ``message``, ``remedy``, as in ``host_info``."""
        found = _kvm(root)
        return {key: found[key] for key in ("usable", "hardware", "cause", "message", "remedy")}


def verdict(root: Root, asked: str, wanted: bool = True) -> t.Optional[Verdict]:
    """The verdict on ``vendor`` and on KVM's own modules; None for other modules.

    A module that is for other processors is an error if it is ``wanted`` (and not to be taken away).
    """
    name = modules.canonical(asked)
    if asked == VENDOR:
        return _vendor(root)
    if name in X86_ONLY and wanted:
        _check_vendor(root, name)
    return Verdict(name, None) if name == "kvm" or name in modules.VENDORS else None


def _vendor(root: Root) -> Verdict:
    module = next(iter(modules.vendor_modules(root)), None) or cpu.vendor_module(root)
    if not root.arch():
        raise KvmError(
            f"name: vendor can't be told in {root.path}, which shows no processor",
            "Name the module: kvm_intel or kvm_amd.",
            option="name",
        )
    hopeless = None
    if module is None or not modules.loaded(root, module):
        found = _kvm(root)
        lost = found["cause"] in HOPELESS or (found["cause"] == "unknown" and not found["hardware"])
        hopeless = f"{found['message']} {found['remedy']}" if lost else None
    return Verdict(module or "kvm", hopeless)


def _kvm(root: Root) -> dict[str, t.Any]:
    from ..kvm import report as kvm

    return kvm.report(root, cpu.report(root), system.report(root))


def _check_vendor(root: Root, name: str) -> None:
    right = cpu.vendor_module(root)
    if right is None or right == name or modules.loaded(root, name) or not root.arch():
        return
    maker = cpu.information(root).get("vendor_id") or root.arch()
    raise KvmError(
        f"name: {name} is for processors of {X86_ONLY[name]}, and this one is of {maker}",
        f"Use name: vendor, which is {next(iter(modules.vendor_modules(root)), right)} here.",
        option="name",
    )


def check_load(plan: Plan, root: Root, asked: str, name: str, persistent: bool) -> None:
    """Raise what stands against loading the module; what a check may plan on is noted as assumed."""
    _check_feature(root, name)
    _check_blocks(plan, root, name, persistent)
    if root.uid() == 0 and system.capable(root, "sys_module") is False:
        raise KvmError(
            f"name: {name} can't be loaded: this process may not load modules (CAP_SYS_MODULE)",
            "Run the task on the host itself, not in a container.",
            option="name",
        )
    if root.program("modprobe") is None:
        plan.assume(
            KvmError(f"name: {name} can't be loaded: there is no modprobe", "Install the package kmod.", option="name")
        )
    elif not modules.available(root, name):
        plan.assume(_missing(root, name))


def _check_feature(root: Root, name: str) -> None:
    """An explicit vendor module on a machine that can't have it."""
    if name not in modules.VENDORS:
        return
    found = _kvm(root)
    if found["cause"] in HOPELESS:
        raise KvmError(
            f"name: {name} can't be loaded: {found['message']}", found["remedy"], option="name", cause=found["cause"]
        )


def _check_blocks(plan: Plan, root: Root, name: str, persistent: bool) -> None:
    for setting in modules.blocks(root, name):
        if setting.kind == "blacklist":
            if persistent:
                plan.warnings.append(f"{setting.source} has {name} on a blacklist, so it won't be loaded at boot.")
            continue
        why, remedy = f"{setting.source} puts a command in its place", "Take that away first."
        if setting.kind == "forbidden":
            why, remedy = f"the kernel was started with {setting.source}", "Take that away first and reboot."
        raise KvmError(f"name: {name} can't be loaded: {why}", remedy, option="name")
    if root.word("proc/sys/kernel/modules_disabled") == "1":
        raise KvmError(
            f"name: {name} can't be loaded: the kernel takes no more modules (kernel.modules_disabled=1)",
            "List it for boot with state: present, and reboot.",
            option="name",
        )


def _missing(root: Root, name: str) -> KvmError:
    release, others = root.release(), modules.kernels(root)
    if modules.tree(root) is None and others:
        return KvmError(
            f"name: {name} can't be loaded: the modules of the running kernel {release} are gone",
            f"Reboot into an installed kernel ({', '.join(others)}).",
            option="name",
        )
    return KvmError(
        f"name: the running kernel {release} has no module {name}",
        "Check the name; else install the distribution's standard kernel with its modules.",
        option="name",
    )


def initramfs_command(root: Root, name: str) -> t.Optional[list[str]]:
    """What rebuilds the initramfs, where the module is told to be in it; None elsewhere."""
    paths = list(EARLY)
    for directory, command in EARLY_DIRS:
        paths += [(f"{directory}/{file}", command) for file in root.names(directory)]
    for path, command in paths:
        program = root.program(command[0])
        if program and any(name in _names(line) for line in root.lines(path)):
            return [root.at(program), *command[1:]]
    return None


def _names(line: str) -> set[str]:
    text = line.partition("#")[0]
    for letter in "\"'()=+":
        text = text.replace(letter, " ")
    return {modules.canonical(word) for word in text.split()}
