# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a host: below ``/``, or below a tree that was recorded or mounted elsewhere."""

from __future__ import annotations

import errno
import os
import stat
import typing as t

from .kvm.accelerator import machine, recorded

PROGRAM_DIRS = ("usr/sbin", "usr/bin", "sbin", "bin", "usr/local/sbin", "usr/local/bin")
LINKS_MAX = 40


class Root:
    """Reads below one directory; what can't be read is None (or empty) and, for want of rights, noted.

    ``live``: the running kernel's own files are below it, so devices may be asked and modules loaded. True for ``/``
    only, unless a test says otherwise about a tree of its own.
    """

    def __init__(self, path: str = "/", live: t.Optional[bool] = None) -> None:
        self.path = os.path.abspath(path)
        self.live = self.path == "/" if live is None else live
        self.notes: list[str] = []
        self._record: t.Optional[dict[str, t.Any]] = None
        self._kept: dict[str, t.Optional[str]] = {}

    @property
    def record(self) -> dict[str, t.Any]:
        """What a recorded tree says about devices; empty for ``/``, whose devices answer themselves."""
        if self._record is None:
            self._record = {} if self.path == "/" else recorded(self.path)
        return self._record

    def at(self, name: str) -> str:
        """The path of ``name`` on this machine. Below another root an absolute link stays below that root."""
        if self.path == "/":
            return "/" + name.lstrip("/")
        return _resolve(self.path, name)

    def note(self, text: str) -> None:
        """Remember once what could not be found out, and why."""
        if text not in self.notes:
            self.notes.append(text)

    def raw(self, name: str, limit: int = -1) -> t.Optional[bytes]:
        """The bytes of a file, at most ``limit`` of them; None if it isn't there or can't be read."""
        try:
            with open(self.at(name), "rb", buffering=0) as file:
                return file.read() if limit < 0 else file.read(limit)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM):
                self.note(f"/{name.lstrip('/')} could not be read for want of rights: run as root to know more.")
            return None

    def text(self, name: str) -> t.Optional[str]:
        """The text of a file, read once per root; None if it isn't there or can't be read."""
        if name not in self._kept:
            raw = self.raw(name)
            self._kept[name] = None if raw is None else raw.decode("utf-8", "replace")
        return self._kept[name]

    def word(self, name: str) -> t.Optional[str]:
        """The text of a one-line file without its newline (and without NULs, as in a device tree)."""
        text = self.text(name)
        return None if text is None else text.strip().strip("\0")

    def lines(self, name: str) -> list[str]:
        """The lines of a file; none if it isn't there."""
        return (self.text(name) or "").splitlines()

    def rows(self, name: str, columns: int, head: int = 0) -> list[list[str]]:
        """The lines of a table as words, without its ``head`` and without lines that have fewer words than columns."""
        return [words for words in map(str.split, self.lines(name)[head:]) if len(words) >= columns]

    def mounts(self, kind: str) -> list[list[str]]:
        """The lines of /proc/mounts for one kind of file system, as words."""
        return [words for words in self.rows("proc/mounts", 4) if words[2] == kind]

    def number(self, name: str) -> t.Optional[int]:
        """The first word of a file as a whole number, decimal or with 0x; None if it is neither."""
        words = (self.text(name) or "").split()
        try:
            return int(words[0], 0) if words else None
        except ValueError:
            return None

    def names(self, name: str) -> list[str]:
        """What a directory holds, sorted; nothing if it isn't there."""
        try:
            return sorted(os.listdir(self.at(name)))
        except OSError:
            return []

    def exists(self, name: str) -> bool:
        """Whether a file, directory or device is there."""
        return os.path.exists(self.at(name)) or f"/{name.lstrip('/')}" in self.record.get("nodes", {})

    def link(self, name: str) -> t.Optional[str]:
        """Where a symbolic link points, as written; None if it isn't one."""
        head, tail = os.path.split(name)
        try:
            return os.readlink(os.path.join(self.at(head), tail))
        except OSError:
            return None

    def target(self, name: str) -> t.Optional[str]:
        """The last part of where a symbolic link points: the driver of a device, its IOMMU group ..."""
        link = self.link(name)
        return os.path.basename(link) if link else None

    def status(self, name: str) -> t.Optional[os.stat_result]:
        """The status of a file, or None if it isn't there."""
        try:
            return os.stat(self.at(name))
        except OSError:
            return None

    def mode(self, name: str) -> t.Optional[int]:
        """The permission bits of a file, or None if it isn't there."""
        status = self.status(name)
        return None if status is None else stat.S_IMODE(status.st_mode)

    def program(self, name: str) -> t.Optional[str]:
        """The path, below this root, of a program in one of the usual directories (``sbin`` may be missing in PATH)."""
        for directory in PROGRAM_DIRS:
            path = f"/{directory}/{name}"
            if os.access(self.at(path), os.X_OK) and not os.path.isdir(self.at(path)):
                return path
        return None

    def arch(self) -> str:
        """The architecture as ``uname -m`` says it; empty where the tree doesn't tell."""
        return os.uname().machine if self.path == "/" else machine(self.path)

    def release(self) -> t.Optional[str]:
        """The running kernel's release; None for a tree that wasn't recorded from a running kernel."""
        if self.path == "/":
            return os.uname().release
        return self.record.get("uname", {}).get("release") or self.word("proc/sys/kernel/osrelease")

    def uid(self) -> int:
        """The user that asks, or that asked when the tree was recorded."""
        return os.geteuid() if self.path == "/" else int(self.record.get("uid", 0))


def _resolve(root: str, name: str) -> str:
    """``name`` below ``root`` with its links followed as if ``root`` were ``/``; a loop ends where it started."""
    parts = list(filter(None, name.split("/")))
    path, links = root, 0
    while parts:
        part = parts.pop(0)
        if part == ".":
            continue
        if part == "..":
            path = root if path == root else os.path.dirname(path)
            continue
        step = os.path.join(path, part)
        try:
            link = os.readlink(step)
        except OSError:
            path = step
            continue
        links += 1
        if links > LINKS_MAX:
            return step
        path = root if link.startswith("/") else path
        parts = [*filter(None, link.split("/")), *parts]
    return path
