# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks between the runs on one machine: of what a run changes, by name, and of the files and directories that it makes.

The kernel keeps them (flock), so they end with the process, however that ends. The locks of names are files in a directory
of root's or of the user's own. They are never deleted: a lock on a deleted file would exclude nobody.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import stat
import time
import typing as t

from ._plan import KvmError
from ._wait import until

TIMEOUT = 3600  # seconds that a run waits for another one
PAUSE = 0.1  # seconds between two tries

Names = t.Mapping[str, bool]  # name: whether only one run may have it; else runs that only read it share it


def directory() -> str:
    """Where the locks of names are: /run/metal.kvm; for a user who isn't root a directory of their own."""
    user = os.geteuid()
    return "/run/metal.kvm" if user == 0 else f"/tmp/metal.kvm-{user}"


class _Held:
    """A lock of this process: its open file, whether others are excluded, and how often it was taken."""

    __slots__ = ("alone", "count", "handle")

    def __init__(self, handle: int, alone: bool) -> None:
        self.handle = handle
        self.alone = alone
        self.count = 1


_held: dict[str, _Held] = {}


def take(names: Names, since: float, timeout: float = TIMEOUT) -> bool:
    """Take the locks, all or none, waiting for other runs up to ``timeout`` seconds.

    Returns whether another run may have changed one of these things after ``since``, a time of ``time.monotonic``.
    All runs take locks in the order of their names, so that no two wait for each other.
    """
    deadline = time.monotonic() + timeout
    taken: list[str] = []
    outdated = False
    try:
        for name in sorted(names):
            outdated = _take(name, names[name], since, deadline) or outdated
            taken.append(name)
    except BaseException:
        release(taken)
        raise
    return outdated


def _take(name: str, alone: bool, since: float, deadline: float) -> bool:
    there = _held.get(name)
    if there is not None:
        if alone and not there.alone:
            raise RuntimeError(f"the shared lock of {name} can't become another")
        there.count += 1
        return False
    handle = _open(name)
    try:
        waited = _wait(handle, name, alone, deadline)
        note = _read(handle)
        if alone:
            _write(handle, {"pid": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S")})
    except BaseException:
        os.close(handle)
        raise
    _held[name] = _Held(handle, alone)
    return waited or _used_since(note, since, alone)


def _used_since(note: dict[str, t.Any], since: float, alone: bool) -> bool:
    """Whether the note in the lock's file is of a run that was killed, or has ended after ``since``. Readers matter to a
    run that wants it alone."""
    last = max(note.get("ended", 0.0), note.get("read", 0.0) if alone else 0.0)
    return "pid" in note or bool(last and last >= since)


def _wait(handle: int, name: str, alone: bool, deadline: float) -> bool:
    """Lock the file; returns whether another process had it."""
    if _locked(handle, alone):
        return False
    if not until(lambda: _locked(handle, alone), deadline - time.monotonic(), PAUSE):
        raise _busy(name, _read(handle))
    return True


def _locked(handle: int, alone: bool) -> bool:
    try:
        fcntl.flock(handle, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def release(names: t.Iterable[str]) -> None:
    """Release locks that ``take`` took, each as often as it was taken."""
    for name in names:
        there = _held[name]
        there.count -= 1
        if there.count:
            continue
        del _held[name]
        try:
            note = {} if there.alone else _read(there.handle)
            _write(there.handle, {**note, "ended" if there.alone else "read": time.monotonic()})
        finally:
            os.close(there.handle)


@contextlib.contextmanager
def holding(names: Names, timeout: float = TIMEOUT) -> t.Iterator[None]:
    """Hold the locks within the block, also where this run has them already."""
    take(names, time.monotonic(), timeout)
    try:
        yield
    finally:
        release(sorted(names))


def handles() -> list[int]:
    """The open files of the locks: a program that is given them keeps the locks until it ends, also if this run is killed."""
    return [there.handle for there in _held.values()]


def claim(path: str, alone: bool = True) -> t.Optional[int]:
    """Lock a file or directory itself, without waiting. Returns the handle, to be closed by the caller or by the process's end.

    None where another process has it, or where it was deleted or renamed meanwhile.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        if _locked(handle, alone) and os.path.samestat(os.fstat(handle), os.lstat(path)):
            return handle
    except FileNotFoundError:
        pass
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return None


def _open(name: str) -> int:
    place = directory()
    try:
        os.makedirs(place, mode=0o700, exist_ok=True)
        status = os.lstat(place)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o22:
            raise KvmError(
                f"{place}, where runs lock what they change, belongs to somebody else, or others may write to it",
                "Remove it, and run the task again.",
            )
        shown = re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:80].strip("-")
        path = os.path.join(place, f"{shown}-{hashlib.sha256(name.encode()).hexdigest()[:16]}.lock")
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise KvmError(
            f"Failed to lock {name} in {place}: {error.strerror}", "Make that directory writable for the task's user."
        ) from error


def _read(handle: int) -> dict[str, t.Any]:
    try:
        note = json.loads(os.pread(handle, 4096, 0) or b"{}")
    except ValueError:  # it is being written, or its writer was killed
        return {"pid": None}
    return note if isinstance(note, dict) else {"pid": None}


def _write(handle: int, note: dict[str, t.Any]) -> None:
    text = json.dumps(note).encode()
    os.ftruncate(handle, 0)
    os.pwrite(handle, text, 0)


def _busy(name: str, note: dict[str, t.Any]) -> KvmError:
    pid = note.get("pid")
    who = "another run"
    if pid:
        alive = "" if os.path.exists(f"/proc/{pid}") else ", which was killed: a program that it began still runs"
        who = f"process {pid} (since {note.get('since')}{alive})"
    return KvmError(
        f"{name} is being changed by {who}, and this task waited for it in vain",
        "Run the task again when that has ended; or end that process if it hangs.",
        locked_by=pid,
    )
