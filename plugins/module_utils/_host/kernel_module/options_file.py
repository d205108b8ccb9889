# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our two files for a kernel module: its options in modprobe.d, its name in modules-load.d. None else is written."""

from __future__ import annotations

import typing as t

from ..root import Root
from . import modules

# Last by name among the files of modprobe.d: for an option set twice the last one counts.
OPTIONS = "etc/modprobe.d/zz-metal-kvm-{}.conf"
BOOT = "etc/modules-load.d/metal-kvm-{}.conf"
HEAD = "# Written by metal.kvm.kvm_module: changes are lost.\n"


def path(name: str) -> str:
    """Our file of a module's options, below the root."""
    return OPTIONS.format(name)


def boot_path(name: str) -> str:
    """Our file that has the module loaded at boot."""
    return BOOT.format(name)


def parse(root: Root, name: str) -> dict[str, str]:
    """The options in our file; none if it isn't there."""
    found: dict[str, str] = {}
    for setting in modules.parse(root, path(name)):
        if setting.kind == "options" and setting.module == name:
            found.update(setting.values)
    return found


def render(name: str, values: dict[str, str]) -> t.Optional[str]:
    """The file for the options, one per line, sorted; None if there are none."""
    if not values:
        return None
    return HEAD + "".join(f"options {name} {key}={quoted(value)}\n" for key, value in sorted(values.items()))


def render_boot(name: str) -> str:
    """The file that lists the module for boot."""
    return f"{HEAD}{name}\n"


def quoted(value: str) -> str:
    """A value with blanks in the quotes that both modprobe and the kernel know."""
    return f'"{value}"' if any(letter.isspace() for letter in value) else value
