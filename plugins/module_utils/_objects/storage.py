# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes as libvirt describes them. What uses them is asked in the room ``usage``."""

from __future__ import annotations

import typing as t

from .._libvirt import found_or_none
from .._xml import document

if t.TYPE_CHECKING:
    from .._libvirt import World
    from .._xml.rows import Element


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


def by_path(world: World, path: str) -> Volume:
    """The volume at a path, of whichever active pool."""
    return volume(world.connection.storageVolLookupByPath(path), "")


def volumes(pool: t.Any) -> list[Volume]:
    """All volumes of a pool, none where it isn't active; one that goes away meanwhile is left out."""
    found: list[Volume] = []
    if not pool.isActive():
        return found
    for there in pool.listAllVolumes():
        one = volume_or_none(there, pool.name())
        found += [] if one is None else [one]
    return found


def volume_or_none(there: t.Any, pool: str) -> t.Optional[Volume]:
    """What libvirt says about a volume; None for one whose file or device vanished while libvirt still lists it."""
    return t.cast("t.Optional[Volume]", found_or_none(lambda: volume(there, pool), "VIR_ERR_NO_STORAGE_VOL"))
