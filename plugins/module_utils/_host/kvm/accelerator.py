# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a new guest gets KVM or emulation: the one question that is asked on every host, answered in microseconds."""

from __future__ import annotations

import os
import typing as t

RECORD = ".metal-kvm/host.json"

# Where the processor itself says that it can run guests: architecture to (key of /proc/cpuinfo, words).
CPU_WORDS: dict[str, tuple[str, frozenset[str]]] = {
    "x86_64": ("flags", frozenset(("vmx", "svm"))),
    "i686": ("flags", frozenset(("vmx", "svm"))),
    "s390x": ("features", frozenset(("sie",))),
    "loongarch64": ("features", frozenset(("lvz",))),
}
# On arm64 and ppc64 nothing in /proc/cpuinfo is proof; there the kernel's own answer counts: what to call it, and files
# of which one is there. OPAL is the firmware of machines on which Linux runs bare; elsewhere kvm_hv loads only if
# nesting is there.
POWER = ("hv", ("proc/device-tree/ibm,opal", "sys/module/kvm_hv"))
KERNEL_FILES = {"aarch64": ("hyp", ("sys/module/kvm", "dev/kvm")), "ppc64le": POWER, "ppc64": POWER}


def accelerator(root: str = "/") -> str:
    """``kvm`` where VT-x, AMD-V or the architecture's equivalent is there and /dev/kvm opens, else ``qemu``."""
    return "kvm" if opens(root) and cpu_word(root) is not None else "qemu"


def opens(root: str = "/") -> bool:
    """Whether /dev/kvm can be opened for reading and writing by this process (as recorded, in a recorded tree)."""
    if root != "/":
        return recorded(root).get("kvm", {}).get("open") == 0
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def cpu_word(root: str = "/", arch: t.Optional[str] = None) -> t.Optional[str]:
    """What stands for hardware virtualisation here (``vmx``, ``svm``, ``sie``, ``h``, ``hyp``, ``hv`` ...), or None.

    Words are matched whole: ``svm_lock`` and the ``vmx flags`` line prove nothing.
    """
    arch = arch or machine(root)
    if arch in KERNEL_FILES:
        word, paths = KERNEL_FILES[arch]
        return word if any(_exists(root, path) for path in paths) else None
    text = _cpuinfo(root)
    if arch == "riscv64":
        isa = _values(text, "isa")[:1]
        return "h" if isa and "h" in isa[0].split("_")[0][4:] else None
    key, words = CPU_WORDS.get(arch, ("", frozenset()))
    return min(words.intersection(_values(text, key)), default=None)


def machine(root: str = "/") -> str:
    """The kernel's architecture, as ``uname -m`` says it; empty where a tree doesn't tell."""
    if root == "/":
        return os.uname().machine
    return str(recorded(root).get("uname", {}).get("machine") or _read(root, "proc/sys/kernel/arch").strip())


def recorded(root: str) -> dict[str, t.Any]:
    """What a recorded tree says about devices, which files can't hold (see ``tests/unit/host/record.py``)."""
    import json

    text = _read(root, RECORD)
    found = json.loads(text) if text else {}
    return found if isinstance(found, dict) else {}


def _cpuinfo(root: str) -> str:
    """The first processor of /proc/cpuinfo; a large host lists hundreds, all alike."""
    return _read(root, "proc/cpuinfo", 16384)


def _values(text: str, key: str) -> list[str]:
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip().lower() == key:
            return value.split()
    return []


def _read(root: str, name: str, limit: int = -1) -> str:
    try:
        with open(os.path.join(root, name), encoding="utf-8", errors="replace") as file:
            return file.read(limit)
    except OSError:
        return ""


def _exists(root: str, name: str) -> bool:
    return os.path.exists(os.path.join(root, name))
