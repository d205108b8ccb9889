# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of the kernel's command line as wanted: IOMMU, hugepages, isolated CPUs, others; what waits for a reboot."""

from __future__ import annotations

import re
import typing as t

from ..._plan import KvmError, Operations, Plan
from .. import files
from ..root import Root
from . import boot_loader
from .tuning import kibibytes

CPUS = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")
WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*(=[^\s\"'$`\\]*)?")
UNITS = ((1024 * 1024, "G"), (1024, "M"), (1, "K"))
Params = t.Mapping[str, t.Any]


def argument_spec() -> dict[str, t.Any]:
    """The options of ``kernel_command_line``."""
    hugepages = {
        "size": {"type": "str", "required": True},
        "count": {"type": "int", "required": True},
        "default": {"type": "bool", "default": False},
    }
    return {
        "iommu": {"type": "str", "choices": ["on", "pt", "off"]},
        "hugepages": {"type": "list", "elements": "dict", "default": [], "options": hugepages},
        "isolated_cpus": {"type": "str"},
        "words": {"type": "list", "elements": "str", "default": []},
        "sysroot": {"type": "path", "default": "/"},
    }


def operations() -> Operations:
    """The operations that the steps of ``kernel_command_line`` name."""
    return {
        **files.OPERATIONS,
        "loader.update": boot_loader.update,
    }


def words(root: Root, params: Params) -> list[str]:
    """What is asked for, as words, in an order that the kernel understands."""
    found = _iommu(root, params.get("iommu"))
    for item in params.get("hugepages") or ():
        found += _hugepages(item)
    cpus = params.get("isolated_cpus")
    if cpus:
        if not CPUS.fullmatch(cpus):
            raise KvmError(
                f"isolated_cpus: {cpus!r} is no list of CPUs", "Write it as in 2-7,10.", option="isolated_cpus"
            )
        found += [f"isolcpus=managed_irq,domain,{cpus}", f"nohz_full={cpus}", f"rcu_nocbs={cpus}"]
    for word in params.get("words") or ():
        if not WORD.fullmatch(word):
            raise KvmError(f"words: {word!r} can't stand on the kernel's command line", option="words")
        if word in ("amd_iommu=on", "nomodule"):
            raise KvmError(
                f"words: {word} is nothing that the kernel knows", "AMD's IOMMU is on by itself.", option="words"
            )
        found.append(word)
    return found


def _hugepages(item: Params) -> list[str]:
    size = kibibytes(item["size"])
    text = next(f"{size // unit}{letter}" for unit, letter in UNITS if size % unit == 0)
    default = [f"default_hugepagesz={text}"] if item.get("default") else []
    return [*default, f"hugepagesz={text}", f"hugepages={item['count']}"]


def _iommu(root: Root, wanted: t.Optional[str]) -> list[str]:
    """Intel's has to be switched on unless the kernel was built so; AMD's and others' are on by themselves."""
    if wanted is None:
        return []
    vendor = _iommu_vendor(root)
    if wanted == "off":
        return [f"{vendor}_iommu=off"] if vendor else ["iommu.passthrough=1"]
    found = ["intel_iommu=on"] if vendor == "intel" else []
    if wanted == "pt":
        if root.word("sys/module/kvm_amd/parameters/sev_snp") in ("Y", "1"):
            raise KvmError("iommu: pt switches off SEV-SNP, which this host has", "Use iommu: on.", option="iommu")
        found.append("iommu=pt" if vendor else "iommu.passthrough=1")
    return found


def _iommu_vendor(root: Root) -> t.Optional[str]:
    text = root.text("proc/cpuinfo") or ""
    return "intel" if "GenuineIntel" in text else "amd" if re.search("AuthenticAMD|HygonGenuine", text) else None


def plan(params: Params) -> Plan:
    """The plan of a task."""
    return make(Root(params["sysroot"]), params)


def make(root: Root, params: Params) -> Plan:
    """What has to be done so that the next boot has the words."""
    asked = words(root, params)
    loader = boot_loader.kind(root)
    found = Plan("command_line")
    found.extra["pending"] = pending(root, asked, loader)
    if loader is None:
        if asked:
            found.warnings.append(
                "There is no boot loader here that this module knows (GRUB, grubby, kernel-install). Whatever starts"
                f" this machine has to give the kernel: {' '.join(asked)}"
            )
        found.predicted = shown(root, loader, asked)
        return found
    before = boot_loader.ours(root, loader)
    edits = boot_loader.changes(root, loader, asked)
    for path, _old, new in edits:
        files.add_step(found, f"/{path}", root.at(path), new)
    if edits:
        if root.live:
            commands = boot_loader.command(root, loader, asked)
            found.add("loader.update", f"have {loader} know", commands=commands)
        found.differs("words", before, asked)
    found.predicted = shown(root, loader, asked)
    return found


def pending(root: Root, asked: t.Sequence[str], loader: t.Optional[str]) -> list[dict[str, t.Any]]:
    """Words that the running kernel hasn't got, or still has."""
    now = (root.text("proc/cmdline") or "").split()
    if not now:
        return []
    ours = boot_loader.ours(root, loader) if loader else []
    missing = [
        _reboot(loader, f"{word} is not on the running kernel's command line.", word, _same(now, word))
        for word in asked
        if word not in now
    ]
    gone = [word for word in ours if word not in asked and word in now]
    return missing + [
        _reboot(loader, f"{word} is still on the running kernel's command line.", None, word) for word in gone
    ]


def _reboot(
    loader: t.Optional[str], reason: str, wanted: t.Optional[str], current: t.Optional[str]
) -> dict[str, t.Any]:
    return {"kind": "reboot", "reason": reason, "source": loader, "wanted": wanted, "current": current}


def _same(now: t.Sequence[str], word: str) -> t.Optional[str]:
    name = word.partition("=")[0]
    return next((other for other in now if other.partition("=")[0] == name), None)


def describe(params: Params) -> dict[str, t.Any]:
    """The command line after the run."""
    root = Root(params["sysroot"])
    return shown(root, boot_loader.kind(root), words(root, params))


def shown(root: Root, loader: t.Optional[str], asked: t.Sequence[str]) -> dict[str, t.Any]:
    """Words wanted for the next boot, words of the running kernel, and who keeps them."""
    return {"loader": loader, "words": list(asked), "running": (root.text("proc/cmdline") or "").split()}
