# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Temporary files and directories with names that no two runs share. The kernel knows whose process still lives, so a later
run removes what killed ones have left."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import typing as t

from . import _lock

MARK = ".metal-kvm-"


@contextlib.contextmanager
def replacing(path: str) -> t.Iterator[t.BinaryIO]:
    """A new file beside ``path`` that takes its place in one piece when the block ends; on an error it is removed."""
    folder, base = os.path.split(path)
    prefix = f".{base}{MARK}"
    sweep(folder, prefix)
    handle, temporary = _claimed(lambda: tempfile.mkstemp(prefix=prefix, dir=folder))
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(handle)
            os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def folder_of_process(above: str, prefix: str) -> str:
    """A new directory in ``above``, kept by this process as long as it lives."""
    sweep(above, prefix)

    def made() -> tuple[int, str]:
        path = tempfile.mkdtemp(prefix=prefix, dir=above)
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), path

    return _claimed(made)[1]


def _claimed(make: t.Callable[[], tuple[int, str]]) -> tuple[int, str]:
    """What ``make`` makes, locked; made again where another run took it for left behind before that."""
    while True:
        handle, path = make()
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            if os.path.samestat(os.fstat(handle), os.lstat(path)):
                return handle, path
        except FileNotFoundError:
            pass
        os.close(handle)


def sweep(folder: str, prefix: str) -> None:
    """Remove what begins with ``prefix`` and is no living process's."""
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        if not name.startswith(prefix):
            continue
        path = os.path.join(folder, name)
        with contextlib.suppress(OSError):
            handle = _lock.claim(path)
            if handle is None:
                continue
            try:
                if stat.S_ISDIR(os.fstat(handle).st_mode):
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    os.unlink(path)
            finally:
                os.close(handle)
