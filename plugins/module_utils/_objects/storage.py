# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses a volume: domains with a disk on it, volumes that are overlays of it. Asked before anything is destroyed."""

from __future__ import annotations

import functools
import typing as t

from .._libvirt import found_or_none
from .._xml import document

if t.TYPE_CHECKING:
    from .._xml.rows import Element

Named = tuple[str, str]  # pool and volume


class Volume:
    """A volume as libvirt describes it: pool, name, path and its document."""

    __slots__ = ("name", "path", "pool", "root")

    def __init__(self, pool: str, root: Element) -> None:
        self.pool = pool
        self.root = root
        self.name = root.findtext("name") or ""
        self.path = root.findtext("target/path") or root.findtext("key") or ""

    @property
    def backing(self) -> str:
        """The path of what it is an overlay of, ``""`` for none."""
        return self.root.findtext("backingStore/path") or ""

    @property
    def format(self) -> str:
        """The format that libvirt reports; ``raw`` where it has none to report."""
        node = self.root.find("target/format")
        found = "raw" if node is None else node.get("type")
        return "raw" if found in ("iso", "unknown", "none", "auto", None) else str(found)

    @property
    def capacity(self) -> int:
        """Its size as a guest sees it, in bytes."""
        return int(self.root.findtext("capacity") or 0)


def volume(there: t.Any, pool: str) -> Volume:
    """What libvirt says about a volume."""
    return Volume(pool, document.document(there.XMLDesc(0)))


def volumes(pool: t.Any) -> list[Volume]:
    """All volumes of a pool, none where it isn't active; one that goes away meanwhile is left out."""
    found: list[Volume] = []
    if not pool.isActive():
        return found
    for there in pool.listAllVolumes():
        one = found_or_none(functools.partial(volume, there, pool.name()), "VIR_ERR_NO_STORAGE_VOL")
        found += [] if one is None else [one]
    return found


def disks(domain: t.Any, active_only: bool = False) -> list[Element]:
    """The disks of a domain, as defined and as they are while it runs."""
    active = bool(domain.isActive())
    if active_only and not active:
        return []
    flags = (0, 2) if active and domain.isPersistent() else (0,)  # VIR_DOMAIN_XML_INACTIVE
    return [disk for flag in flags for disk in document.document(domain.XMLDesc(flag)).iterfind("devices/disk")]


def sources(disk: Element) -> t.Iterator[tuple[str, Named]]:
    """Paths, and pools with volumes, that a disk reads or writes: its own and its backing chain's."""
    for source in disk.iter("source"):
        path = source.get("file") or source.get("dev") or source.get("dir") or source.get("name") or ""
        yield path, (source.get("pool") or "", source.get("volume") or "")


def users(world: t.Any, wanted: t.Sequence[Volume], active_only: bool = False) -> dict[str, list[str]]:
    """The domains that use any of these volumes: name to the volumes' names."""
    paths = {one.path: one.name for one in wanted}
    names = {(one.pool, one.name): one.name for one in wanted}
    found: dict[str, list[str]] = {}
    for domain in world.connection.listAllDomains():
        for disk in found_or_none(functools.partial(disks, domain, active_only), "VIR_ERR_NO_DOMAIN") or []:
            for path, named in sources(disk):
                name = paths.get(path) or names.get(named)
                if name and name not in found.setdefault(domain.name(), []):
                    found[domain.name()].append(name)
    return {name: used for name, used in found.items() if used}


def overlays(world: t.Any, base: Volume) -> list[str]:
    """The volumes, as ``pool/name``, of all active pools whose backing store is this one."""
    found = []
    for pool in world.connection.listAllStoragePools():
        listed = found_or_none(functools.partial(volumes, pool), "VIR_ERR_NO_STORAGE_POOL", "VIR_ERR_OPERATION_INVALID")
        found += [f"{one.pool}/{one.name}" for one in listed or [] if one.backing and one.backing == base.path]
    return found
