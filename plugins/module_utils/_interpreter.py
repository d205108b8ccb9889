# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a task again under an interpreter of the system that has libvirt's bindings, where its own has none.

That is Ansible's own way (``respawn``), as the modules dnf and apt go it: a task on ``localhost`` runs under the interpreter
of Ansible's virtual environment, and the bindings are a package of the distribution. Read only where bindings are missing.
"""

from __future__ import annotations

import contextlib
import os
import sys

from ansible.module_utils.common.respawn import has_respawned, respawn_module

from . import _command

NEEDED = ("libvirt", "lxml.etree")
PLACES = (
    *("/usr/bin/python3", "/usr/libexec/platform-python", "/usr/local/bin/python3"),
    *(f"/usr/bin/python3.{minor}" for minor in range(14, 8, -1)),
)
REMEMBERED = "~/.ansible/metal.kvm/interpreter"


def use_another() -> None:
    """Run this module again under an interpreter that has the bindings, and end this process with its result.

    Returns where there is none, or where this is the second run already.
    """
    if has_respawned():
        with contextlib.suppress(OSError):
            os.unlink(os.path.expanduser(REMEMBERED))
        return
    known = _remembered()
    found = known or next(filter(_has_bindings, PLACES), "")
    if not found:
        return
    if not known:
        _remember(found)
    respawn_module(found)


def _has_bindings(interpreter: str) -> bool:
    """Whether it's there, another one than this, and imports what is needed. One of a virtual environment is another one."""
    if interpreter == sys.executable or not os.access(interpreter, os.X_OK):
        return False
    return not _command.run([interpreter, "-I", "-c", f"import {', '.join(NEEDED)}"]).status


def _remembered() -> str:
    """The interpreter that an earlier task has found, if it's still there. The file is this user's alone."""
    path = os.path.expanduser(REMEMBERED)
    with contextlib.suppress(OSError):
        status = os.lstat(path)
        if status.st_uid == os.geteuid() and not status.st_mode & 0o22:
            with open(path, encoding="utf-8") as file:
                found = file.read()
            return found if found in PLACES and os.access(found, os.X_OK) else ""
    return ""


def _remember(found: str) -> None:
    path = os.path.expanduser(REMEMBERED)
    with contextlib.suppress(OSError):
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(path, "w", encoding="utf-8", opener=_private) as file:
            file.write(found)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)
