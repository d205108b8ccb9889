# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU's emulators on the host: one for each architecture that a guest may have."""

from __future__ import annotations

import re
import typing as t

from ..command import answers
from ..root import Root

PREFIX = "qemu-system-"
DIRECTORIES = ("usr/bin", "usr/local/bin")
# Red Hat's only emulator, for the host's own architecture, isn't in PATH.
NATIVE = "usr/libexec/qemu-kvm"

# Emulators that can use KVM on a host: what the processor runs itself, 32 bit included.
WITH_KVM = {
    "x86_64": ("x86_64", "i386"),
    "i686": ("i386",),
    "aarch64": ("aarch64", "arm"),
    "s390x": ("s390x",),
    "ppc64le": ("ppc64",),
    "ppc64": ("ppc64", "ppc"),
    "riscv64": ("riscv64",),
    "loongarch64": ("loongarch64",),
    "mips64": ("mips64", "mips64el"),
}


def report(root: Root, usable: t.Optional[bool]) -> list[dict[str, t.Any]]:
    """Each emulator: ``arch``, ``binary``, ``version``, and whether it can use KVM here (None if that isn't known)."""
    found = emulators(root)
    told = answers(root, [(binary, "--version") for dummy, binary in found])
    native = WITH_KVM.get(root.arch(), ())
    return [
        {
            "arch": arch,
            "binary": binary,
            "version": _version(told.get((binary, "--version"))),
            "kvm": usable if arch in native else False,
        }
        for arch, binary in found
    ]


def emulators(root: Root) -> list[tuple[str, str]]:
    """Architecture and path, one per architecture; wrappers such as ``qemu-system-x86_64-microvm`` aren't emulators."""
    found: dict[str, str] = {}
    for directory in DIRECTORIES:
        for name in root.names(directory):
            arch = name[len(PREFIX) :] if name.startswith(PREFIX) else ""
            if arch.isidentifier():
                found.setdefault(arch, f"/{directory}/{name}")
    native = WITH_KVM.get(root.arch(), ())
    if native and root.exists(NATIVE):
        found.setdefault(native[0], f"/{NATIVE}")
    return sorted(found.items())


def _version(text: t.Optional[str]) -> t.Optional[str]:
    found = re.search(r"version (\d+(?:\.\d+)+)", text or "")
    return found[1] if found else None
