# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where volumes came from: a file each on the hypervisor, outside the pools, since every file in a pool is a volume."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import typing as t

from ... import _temporary

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..._xml.rows import Values
_LOGIN = re.compile(r"^(\w+://)[^/@]*@")


def without_login(url: str) -> str:
    """The URL without user and password: ``https://user:password@host/x`` as ``https://host/x``."""
    return _LOGIN.sub(r"\1", url)


def state_directory() -> str:
    """/var/lib/metal.kvm; for a user who isn't root a directory of their own."""
    if os.geteuid() == 0:
        return "/var/lib/metal.kvm"
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(home, "metal.kvm")


def _file(path: str) -> str:
    return os.path.join(state_directory(), "volumes", hashlib.sha256(path.encode()).hexdigest()[:32] + ".json")


def read(path: str) -> Values:
    """What is recorded of the volume at ``path``; ``{}`` where nothing is."""
    try:
        with open(_file(path), encoding="utf-8") as file:
            record = json.load(file)
    except (OSError, ValueError):
        return {}
    return t.cast("Values", record) if isinstance(record, dict) and record.get("path") == path else {}


def write(path: str, record: Values) -> None:
    """Record where the volume at ``path`` came from."""
    target = _file(path)
    os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
    with _temporary.replacing(target) as file:
        os.fchmod(file.fileno(), 0o644)
        file.write(json.dumps({"path": path, **record}, indent=1, sort_keys=True).encode())


def forget(path: str) -> None:
    """The volume at ``path`` is gone."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_file(path))


def delete(world: World, volume: t.Any) -> None:
    """Delete libvirt's volume, and forget where it came from; another machine's records aren't this one's."""
    path = volume.path()
    volume.delete(0)
    if world.local:
        forget(path)


def words(record: Values) -> str:
    """The recorded source in a sentence."""
    source = record.get("source", {})
    return str(source.get("url") or source.get("file") or f"volume {source.get('volume')} of pool {source.get('pool')}")


def stat_of(path: str) -> list[int]:
    """What tells whether a file was written since: size and time."""
    status = os.stat(path)
    return [status.st_size, status.st_mtime_ns]


def beside(directory: str) -> str:
    """Where the content of a volume in a pool's directory is prepared: on the same file system, outside the pool."""
    return os.path.join(os.path.dirname(directory.rstrip("/")) or "/", ".metal.kvm")


def elsewhere() -> str:
    """Where content is prepared that can't be beside its pool."""
    return os.path.join(state_directory(), "staging")


def under_way(directories: t.Iterable[str]) -> list[Values]:
    """Downloads for pools in these directories that run, or broke off and will go on: url, bytes received, size."""
    found = []
    for place in sorted({elsewhere(), *(beside(directory) for directory in directories if directory)}):
        for name in sorted(os.listdir(place) if os.access(place, os.R_OK | os.X_OK) else ()):
            found += _received(os.path.join(place, name, "content.part.json"))
    return found


def _received(note: str) -> list[Values]:
    """One download, none where it ended meanwhile."""
    try:
        with open(note, encoding="utf-8") as file:
            state = json.load(file)
        received = os.path.getsize(note[: -len(".json")])
    except (OSError, ValueError):
        return []
    return [{"url": state.get("url"), "received": received, "size": state.get("size")}]
