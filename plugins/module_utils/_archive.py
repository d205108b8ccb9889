# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compile this collection's code once on a host, not in every task.

Ansible sends a module as a zip archive, from which Python reads and compiles every file anew: for us that is a fifth of what
an unchanged task costs. So the files of ``module_utils`` are unpacked beside Ansible's own temporary files, compiled, and
imported from there by every later task with the same files. Where that can't be, they are imported from the archive.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
import typing as t
import zipimport
import zlib

DAYS = 30  # after so many days without use, a directory of compiled files is a version that nobody sends any more
TRIES = 5


def use(package: str, base: str = "~/.ansible/metal.kvm") -> None:
    """Have the modules of ``package`` that are imported from here on come from compiled files."""
    there = sys.modules[package]
    archive = getattr(there.__loader__, "archive", None)
    if archive is None:
        return
    inside = package.replace(".", os.sep) + os.sep
    try:
        # The archive's directory as Python has read it; that is where pkgutil takes it from, too.
        files = zipimport._zip_directory_cache[archive]  # type: ignore[attr-defined]
        place = _unpacked(os.path.expanduser(base), archive, inside, _key(files, inside))
    except (OSError, KeyError, AttributeError):
        return
    there.__path__.insert(0, os.path.join(place, inside.rstrip(os.sep)))


def _key(files: t.Mapping[str, t.Any], inside: str) -> str:
    """What tells these files from others: their names and checksums as the archive's directory has them, and the Python."""
    said = sorted((name, entry[3], entry[7]) for name, entry in files.items() if name.startswith(inside))
    return f"{zlib.crc32(repr(said).encode()):08x}-{len(said)}-{sum(size for dummy, size, checksum in said)}-{sys.implementation.cache_tag}"


def _unpacked(base: str, archive: str, inside: str, key: str) -> str:
    """The directory of that key, made if it isn't there. Only a directory that is this user's alone is used."""
    place = os.path.join(base, key)
    for dummy in range(TRIES):
        if not os.path.isdir(place):
            os.makedirs(base, mode=0o700, exist_ok=True)
            _own(base)
            _unpack(base, archive, inside, place)
        _own(base)
        if _kept(place):
            return place
    raise FileNotFoundError(place)


def _kept(place: str) -> bool:
    """Keep the directory from being removed as long as this process lives: it imports from there at any time.

    False where it is just being removed.
    """
    try:
        handle = _claim(place, fcntl.LOCK_SH)
    except OSError:
        return False
    if time.time() - os.fstat(handle).st_mtime > 86400:
        os.utime(place)
    return True


def _claim(path: str, how: int) -> int:
    """A lock on a directory, which the kernel keeps until its handle is closed or the process ends. OSError without."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(handle), os.stat(path)):
            return handle
        raise FileNotFoundError(path)
    except OSError:
        os.close(handle)
        raise


def _own(path: str) -> None:
    status = os.lstat(path)
    if status.st_uid != os.geteuid() or status.st_mode & 0o22:
        raise PermissionError(path)


def _unpack(base: str, archive: str, inside: str, place: str) -> None:
    """Unpack and compile beside ``place``, then take its name: two tasks at once don't see each other's halves."""
    import compileall
    import shutil
    import tempfile
    import zipfile

    for name in os.listdir(base):
        _remove_unused(os.path.join(base, name))
    new = tempfile.mkdtemp(dir=base, prefix="new-")
    try:
        with zipfile.ZipFile(archive) as files:
            files.extractall(new, [name for name in files.namelist() if name.startswith(inside)])
        compileall.compile_dir(new, quiet=2, ddir=place)
        os.rename(new, place)
    except OSError:
        shutil.rmtree(new, ignore_errors=True)
        if not os.path.isdir(place):
            raise


def _remove_unused(old: str) -> None:
    """Remove a directory that no process uses and none has used for long; of a run that was killed while it unpacked, sooner."""
    import contextlib
    import shutil

    with contextlib.suppress(OSError):
        unfinished = os.path.basename(old).startswith(("new-", "old-"))
        if time.time() - os.lstat(old).st_mtime <= (3600 if unfinished else DAYS * 86400):
            return
        handle = _claim(old, fcntl.LOCK_EX)
        try:
            gone = os.path.join(os.path.dirname(old), f"old-{os.getpid()}-{os.path.basename(old)}")
            os.rename(old, gone)  # at once: nobody sees half of it
            shutil.rmtree(gone, ignore_errors=True)
        finally:
            os.close(handle)
