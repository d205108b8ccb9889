# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a domain's EFI firmware remembers: the file that libvirt names after the domain."""

from __future__ import annotations

import contextlib
import os
import shutil
import typing as t

from ..._plan import refuse
from ..._xml import document

if t.TYPE_CHECKING:
    from ..._libvirt import World


def nvram_of(world: World, root: document.Element, name: str) -> str:
    """The file by a domain's definition, or where libvirt puts it when the domain starts; ``""`` without EFI."""
    path, system = root.findtext("os/nvram"), root.find("os")
    if path or system is None or system.get("firmware") != "efi":
        return path or ""
    return os.path.join(_folder(world), "qemu", "nvram", f"{name}_VARS.fd")


def _folder(world: World) -> str:
    if world.uri.endswith("/system"):
        return "/var/lib/libvirt"
    return os.path.join(os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"), "libvirt")


def refuse_existing(path: str, option: str) -> None:
    """Raise where the file is there already: it holds what the firmware of another domain, or of an earlier one, knows."""
    if os.path.exists(path):
        why = f"the NVRAM file {path} exists already and would be overwritten"
        refuse(option, why, "Move it away or delete it, or choose another name.")


def copy_nvram(world: World, path: str, to: str, resumed: bool = False) -> None:
    """Copy the file where it is there already, owner and mode included; over an old one only if a killed run may have left it."""
    if world.local and os.path.exists(path):
        if not resumed:
            refuse_existing(to, "source_domain")
        shutil.copy2(path, to)
        status = os.stat(path)
        os.chown(to, status.st_uid, status.st_gid)


def delete_nvram(world: World, path: str) -> None:
    """Delete a copy that this run made."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def move_nvram(world: World, path: str, to: str, moved: t.Optional[bool] = True) -> bool:
    """Give the file of a domain that is renamed the name under which libvirt looks for it. Returns whether it was there.

    ``moved`` is what the step returned that this one undoes: what it didn't move isn't moved back.
    """
    if not moved or not os.path.exists(path):
        return False
    refuse_existing(to, "name")
    os.rename(path, to)
    return True
