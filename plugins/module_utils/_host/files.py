# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole files of our own: read, written in one piece, taken away. Those of others are never touched."""

from __future__ import annotations

import errno
import os
import tempfile
import typing as t

from .._plan import KvmError, Plan, Step

MODE, DIRECTORY_MODE = 0o644, 0o755
RIGHTS = "Run the task as root (become: true)."


def plan_file(
    plan: Plan,
    shown: str,
    path: str,
    before: t.Optional[str],
    after: t.Optional[str],
    mode: t.Optional[int] = None,
) -> None:
    """Add the step that takes the file from ``before`` to ``after`` (None: not there), with its way back.

    ``shown`` is the path as the host knows it, ``path`` where that is on this machine.
    """
    if before == after:
        return
    plan.differs(shown, _lines(before), _lines(after))
    undo = _step(f"put back {shown}", path, before)
    step = _step(f"{'remove' if after is None else 'write'} {shown}", path, after, mode)
    step.undo = undo
    plan.steps.append(step)


def _step(text: str, path: str, content: t.Optional[str], mode: t.Optional[int] = None) -> Step:
    if content is None:
        return Step("file.remove", text, path=path)
    if mode is not None:
        return Step("file.write", text, path=path, content=content, mode=mode)
    return Step("file.write", text, path=path, content=content)


def _lines(content: t.Optional[str]) -> t.Optional[list[str]]:
    return None if content is None else [line for line in content.splitlines() if line and not line.startswith("#")]


def write(subject: t.Any, path: str, content: str, mode: t.Optional[int] = None) -> None:
    """Replace the file in one piece; a new one is 0644 in a directory of 0755, an old one keeps mode and owner.

    ``mode`` is for files that must have just that one.
    """
    path = os.path.realpath(path)
    directory = os.path.dirname(path)
    try:
        os.makedirs(directory, DIRECTORY_MODE, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", dir=directory)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(content)
                _like(path, file.fileno())
                if mode is not None:
                    os.fchmod(file.fileno(), mode)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise refused(f"{path} could not be written", error) from error


def remove(subject: t.Any, path: str) -> None:
    """Take the file away; already gone is good."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise refused(f"{path} could not be removed", error) from error


def refused(what: str, error: OSError) -> KvmError:
    """The error for a file the system wouldn't let go of."""
    rights = error.errno in (errno.EACCES, errno.EPERM)
    remedy = RIGHTS if rights else "The file system is read-only." if error.errno == errno.EROFS else ""
    return KvmError(f"{what}: {os.strerror(error.errno or 0)}", remedy)


def _like(path: str, handle: int) -> None:
    """Give the new file the old one's mode, owner and SELinux label."""
    try:
        status = os.stat(path)
    except OSError:
        os.fchmod(handle, MODE)
        return
    os.fchmod(handle, status.st_mode & 0o7777)
    os.fchown(handle, status.st_uid, status.st_gid)
    try:
        os.setxattr(handle, "security.selinux", os.getxattr(path, "security.selinux"))
    except OSError:
        return
