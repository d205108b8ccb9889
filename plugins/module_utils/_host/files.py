# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole files of our own: read, written in one piece, taken away. Those of others are never touched."""

from __future__ import annotations

import errno
import os
import stat
import typing as t

from .. import _temporary
from .._plan import KvmError, Plan, Result, Step

MODE, DIRECTORY_MODE = 0o644, 0o755
RIGHTS = "Run the task as root (become: true)."


def plan_file(
    plan: Plan, shown: str, path: str, before: t.Optional[str], after: t.Optional[str], mode: t.Optional[int] = None
) -> None:
    """Add the step that takes the file from ``before`` to ``after`` (None: not there), with its way back.

    ``shown`` is the path as the host knows it, ``path`` where that is on this machine.
    """
    if before == after:
        return
    plan.differs(shown, settings(before), settings(after))
    add_step(plan, shown, path, after, mode)


def add_step(plan: Plan, shown: str, path: str, content: t.Optional[str], mode: t.Optional[int] = None) -> Step:
    """Add the step that writes the file, or removes it (None), and the undo that restores it exactly as it was."""
    verb = "remove" if content is None else "write"
    step = plan.add(f"file.{verb}", f"{verb} {shown}", path=path)
    if content is not None:
        step.arguments["content"] = content
        if mode is not None:
            step.arguments["mode"] = mode
    step.undo = Step("file.restore", f"put back {shown}", was=Result(step))
    return step


def settings(content: t.Optional[str]) -> t.Optional[list[str]]:
    """The lines of a file for the diff, without comments and blank ones; None if there is no file."""
    return None if content is None else [line for line in content.splitlines() if line and not line.startswith("#")]


class Saved(t.NamedTuple):
    """A file as it was: its bytes, mode and owner, or where a link points. All empty: there was none."""

    path: str
    content: t.Optional[bytes] = None
    link: t.Optional[str] = None
    mode: int = 0
    owner: tuple[int, int] = (0, 0)


def saved(path: str) -> Saved:
    """What ``restore`` needs to make the file what it is now."""
    try:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            return Saved(path, link=os.readlink(path))
        with open(path, "rb") as file:
            return Saved(path, file.read(), None, stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid))
    except FileNotFoundError:
        return Saved(path)


def restore(subject: t.Any, was: Saved) -> None:
    """Make the file what it was, byte by byte, with its mode and owner."""
    if was.link is not None:
        os.symlink(was.link, was.path)
    elif was.content is None:
        remove(subject, was.path)
    else:
        write(subject, was.path, was.content, was.mode)
        os.chown(was.path, *was.owner)


def write(subject: t.Any, path: str, content: t.Union[str, bytes], mode: t.Optional[int] = None) -> Saved:
    """Replace the file in one piece; a new one is 0644 in a directory of 0755, an old one keeps mode and owner.

    ``mode`` is for files that must have just that one. Returns the file as it was.
    """
    path = os.path.realpath(path)
    directory = os.path.dirname(path)
    try:
        was = saved(path)
        os.makedirs(directory, DIRECTORY_MODE, exist_ok=True)
        with _temporary.replacing(path) as file:
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
            _like(path, file.fileno())
            if mode is not None:
                os.fchmod(file.fileno(), mode)
    except OSError as error:
        raise refused(f"{path} could not be written", error) from error
    return was


def write_value(path: str, value: str, remedy: str, **details: t.Any) -> None:
    """Write a value to a file of the kernel's own, below /proc or /sys."""
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(value)
    except OSError as error:
        raise KvmError(f"{path} refuses {value!r}: {os.strerror(error.errno or 0)}", remedy, **details) from error


def remove(subject: t.Any, path: str) -> Saved:
    """Take the file away; already gone is good. Returns the file as it was."""
    try:
        was = saved(path)
        os.unlink(path)
    except FileNotFoundError:
        return Saved(path)
    except OSError as error:
        raise refused(f"{path} could not be removed", error) from error
    return was


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


# What steps on files of our own name.
OPERATIONS: dict[str, t.Callable[..., t.Any]] = {"file.write": write, "file.remove": remove, "file.restore": restore}
