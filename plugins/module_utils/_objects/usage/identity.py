# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file or device is, whatever it's called: keys that two paths share if they lead to the same storage."""

from __future__ import annotations

import os
import stat
import typing as t

Key = tuple[t.Any, ...]


def keys_of(path: str, local: bool = True) -> set[Key]:
    """The keys of a path: its resolved name, and on this machine its inode, or the number of the device that it names."""
    if not local:
        return {("path", os.path.normpath("/" + path.lstrip("/")))}
    keys: set[Key] = {("path", os.path.realpath(path))}
    try:
        status = os.stat(path)
    except OSError:
        return keys
    if stat.S_ISBLK(status.st_mode):
        keys.add(_device(status.st_rdev))
    else:
        keys.add(("inode", status.st_dev, status.st_ino))
    return keys


def volume_key(pool: str, name: str) -> Key:
    """The key of a volume as domains name it."""
    return ("volume", pool, name)


def network_key(name: str) -> Key:
    """The key of a source on a server: its name there, without protocol and host."""
    scheme, colon, rest = name.partition("://")
    if colon:
        name = rest.partition("/")[2] or rest
    elif ":" in name.partition("/")[0]:
        name = name.partition(":")[2]
    return ("network", name.strip("/"))


def device_keys(path: str) -> set[Key]:
    """The keys of what a block device of this machine is made of: its disk, its mapper's devices, its loop's file."""
    try:
        status = os.stat(path)
    except OSError:
        return set()
    return _beneath(status.st_rdev, set()) if stat.S_ISBLK(status.st_mode) else set()


def _beneath(device: int, seen: set[int]) -> set[Key]:
    if device in seen:
        return set()
    seen.add(device)
    here = os.path.realpath(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    keys: set[Key] = set()
    file = _line(f"{here}/loop/backing_file")
    if file:
        keys |= keys_of(file)
    below = [f"{here}/slaves/{name}/dev" for name in _names(f"{here}/slaves")]
    below += [f"{os.path.dirname(here)}/dev"] if os.path.exists(f"{here}/partition") else []
    for numbers in map(_line, below):
        major, colon, minor = numbers.partition(":")
        if colon:
            under = os.makedev(int(major), int(minor))
            keys |= {_device(under)} | _beneath(under, seen)
    return keys


def _device(number: int) -> Key:
    return ("device", os.major(number), os.minor(number))


def _line(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _names(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []
