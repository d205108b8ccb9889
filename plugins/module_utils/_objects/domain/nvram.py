# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a domain's EFI firmware remembers: the file that libvirt names after the domain."""

from __future__ import annotations

import os
import shutil
import typing as t

from ..._xml import document


def nvram_of(world: t.Any, root: document.Element, name: str) -> str:
    """The file by a domain's definition, or where libvirt puts it when the domain starts; ``""`` without EFI."""
    path, system = root.findtext("os/nvram"), root.find("os")
    if path or system is None or system.get("firmware") != "efi":
        return path or ""
    return os.path.join(_folder(world), "qemu", "nvram", f"{name}_VARS.fd")


def _folder(world: t.Any) -> str:
    if world.uri.endswith("/system"):
        return "/var/lib/libvirt"
    return os.path.join(os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"), "libvirt")


def copy_nvram(world: t.Any, path: str, to: str) -> None:
    """Copy the file where it is there already, owner and mode included."""
    if world.local and os.path.exists(path):
        shutil.copy2(path, to)
        status = os.stat(path)
        os.chown(to, status.st_uid, status.st_gid)


def move_nvram(world: t.Any, path: str, to: str) -> None:
    """Give the file of a domain that was renamed the name under which libvirt looks for it."""
    if os.path.exists(path):
        os.replace(path, to)
