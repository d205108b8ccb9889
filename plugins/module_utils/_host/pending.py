# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is configured but not in effect, told from reality each time: what waits for a reboot, a reload, a login ..."""

from __future__ import annotations

import os
import re
import shlex
import typing as t

from .kernel_module import modules
from .kernel_module.operations import remembered
from .kernel_module.parameter import lacking, moot, same, text_of
from .kernel_module.values import since_boot
from .machine.cpu import processor_words
from .root import Root

# Words of the kernel's command line that matter to a hypervisor.
WORDS = ("intel_iommu", "amd_iommu", "iommu", "hugepages", "hugepagesz", "default_hugepagesz", "transparent_hugepage",
         "isolcpus", "nohz_full", "rcu_nocbs", "irqaffinity", "mitigations", "nosmt", "kvm", "kvm_intel", "kvm_amd",
         "kvm-intel", "kvm-amd", "kvm-arm", "vfio-pci", "vfio_iommu_type1", "prot_virt", "mem_encrypt", "pci",
         "pcie_acs_override", "clocksource", "tsc", "module_blacklist", "systemd.unified_cgroup_hierarchy")  # fmt: skip
GRUB = re.compile(r"^\s*(?:export\s+)?(GRUB_CMDLINE_LINUX(?:_DEFAULT)?)(\+?)=(.*)$")
DELETED = " (deleted)"
DAEMONS = ("libvirtd", "virtqemud", "virtnetworkd", "virtstoraged", "virtproxyd", "virtlogd", "virtlockd")


def report(root: Root) -> list[dict[str, t.Any]]:
    """All that waits: ``kind`` (reboot, module_reload, relogin, daemon_restart, guest_restart), ``reason``, ``source``,
    ``wanted``, ``current``."""
    found = [*_kernel(root), *_command_line(root), *_parameters(root), *_restarts(root)]
    return found + (_login(root) if root.path == "/" else [])


def _item(
    kind: str, reason: str, source: t.Optional[str] = None, wanted: t.Any = None, current: t.Any = None
) -> dict[str, t.Any]:
    return {"kind": kind, "reason": reason, "source": source, "wanted": wanted, "current": current}


def _kernel(root: Root) -> list[dict[str, t.Any]]:
    running, installed = root.release(), modules.kernels(root)
    newest = max(installed, key=release_order, default=None)
    if running and newest and release_order(newest) > release_order(running):
        why = "A newer kernel is installed than the one that runs."
        return [_item("reboot", why, f"/lib/modules/{newest}", newest, running)]
    if root.exists("run/reboot-required"):
        why = ", ".join(root.lines("run/reboot-required.pkgs")) or "a package"
        return [_item("reboot", f"Asked for by {why}.", "/run/reboot-required")]
    return []


def release_order(release: str) -> list[tuple[int, str]]:
    """A key to sort kernel releases by: numbers as numbers."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"\d+|[a-z]+", release.lower())]


def _command_line(root: Root) -> list[dict[str, t.Any]]:
    running = modules.command_line(root)
    if not running:
        return []
    found = []
    for source, words in staged(root).items():
        for word in words:
            name = word.partition("=")[0]
            if name.partition(".")[0] in WORDS and word not in running:
                now = next((other for other in running if other.partition("=")[0] == name), None)
                found.append(_item("reboot", f"{word} is staged for the kernel's command line.", source, word, now))
    return found


def staged(root: Root) -> dict[str, list[str]]:
    """Words that the boot loader's configuration has for the next boot, by file."""
    found: dict[str, list[str]] = {}
    grub: dict[str, tuple[str, str]] = {}
    for path in ["etc/default/grub"] + [f"etc/default/grub.d/{name}" for name in root.names("etc/default/grub.d")]:
        for line in root.lines(path):
            match = GRUB.match(line)
            if match:
                before = grub.get(match[1], ("", ""))[0] if match[2] else ""
                text = " ".join(_words(match[3])).replace(f"${match[1]}", grub.get(match[1], ("", ""))[0])
                grub[match[1]] = (f"{before} {text}".strip(), f"/{path}")
    for text, path in grub.values():
        found.setdefault(path, []).extend(_words(text))
    for path in ("etc/kernel/cmdline", "etc/cmdline"):
        if root.exists(path):
            found[f"/{path}"] = (root.word(path) or "").split()
    return found


def _words(text: str) -> list[str]:
    """A text as the words of a shell."""
    try:
        return shlex.split(text, comments=True)
    except ValueError:
        return text.split()


def _parameters(root: Root) -> list[dict[str, t.Any]]:
    """Parameters of loaded modules that modprobe.d or the command line has otherwise than they are in effect."""
    last: dict[tuple[str, str], tuple[str, str]] = {}
    for setting in modules.configured(root):
        for parameter, value in setting.values.items():
            last[setting.module, parameter] = (text_of(parameter, value), setting.source)
    found = []
    for (module, parameter), (value, source) in sorted(last.items()):
        shown = modules.parameters(root, module).get(parameter)
        if shown is None or same(parameter, value, shown["raw"]):
            continue
        if _settled(root, module, parameter, value, shown["raw"], source):
            continue
        builtin = modules.builtin(root, module)
        kind = "reboot" if builtin or source == modules.COMMAND_LINE else "module_reload"
        found.append(_item(kind, f"{module}.{parameter} isn't what is configured.", source, value, shown["raw"]))
    return found


def _settled(root: Root, module: str, parameter: str, value: str, raw: t.Optional[str], source: str) -> bool:
    """Whether the kernel has had the value and set it back: nothing waits then."""
    if moot(raw) or remembered(root, module).get(parameter) == [value, raw] or source == modules.COMMAND_LINE:
        return True
    return bool(lacking(module, parameter, value, processor_words(root, module))) or since_boot(
        root, source.lstrip("/")
    )


def _restarts(root: Root) -> list[dict[str, t.Any]]:
    """Daemons and guests that run programs which an upgrade has replaced."""
    found = []
    for name in DAEMONS:
        path, why = f"run/{name}.pid", f"{name} was upgraded and still runs the old program."
        if _replaced(root, path):
            found.append(_item("daemon_restart", why, f"/{path}"))
    for name in root.names("run/libvirt/qemu"):
        path, why = f"run/libvirt/qemu/{name}", f"QEMU was upgraded; {name[: -len('.pid')]} still runs the old one."
        if name.endswith(".pid") and _replaced(root, path):
            found.append(_item("guest_restart", why, f"/{path}"))
    return found


def _replaced(root: Root, pid_file: str) -> bool:
    pid = root.number(pid_file)
    return pid is not None and (root.link(f"proc/{pid}/exe") or "").endswith(DELETED)


def _login(root: Root) -> list[dict[str, t.Any]]:
    """Groups that this user has been given since it logged in."""
    import grp
    import pwd

    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return []
    found = []
    for group in ("libvirt", "kvm"):
        try:
            entry = grp.getgrnam(group)
        except KeyError:
            continue
        if name in entry.gr_mem and entry.gr_gid not in os.getgroups() and os.getuid() != 0:
            why = f"{name} is in the group {group} since after it logged in."
            found.append(_item("relogin", why, "/etc/group", group))
    return found
