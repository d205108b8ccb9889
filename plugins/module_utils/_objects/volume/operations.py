# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the steps of a volume's plan do."""

from __future__ import annotations

import typing as t

from ..._libvirt import constant
from ..._xml import document
from .. import permissions as rights
from .. import storage
from . import records
from .copying import clone, copy, settle, share
from .image import patiently
from .leftover import delete_left, refresh
from .sending import upload
from .source import looked_up

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..._plan import Operations
    from ..._xml.rows import Values


def _make(world: World, pool: str, name: str, xml: str, preallocate: bool) -> None:
    flag = constant("VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA") if preallocate else 0
    made = patiently(world.get("pool", pool, "pool").createXML, xml, flag)
    if world.local:
        records.forget(made.path())  # of one that somebody else deleted


def _delete(world: World, pool: str, name: str) -> None:
    records.delete(world, looked_up(world, pool, name))


def _wipe(world: World, pool: str, name: str, algorithm: str) -> None:
    looked_up(world, pool, name).wipePattern(constant(f"VIR_STORAGE_VOL_WIPE_ALG_{algorithm.upper()}"), 0)


def _grow(world: World, pool: str, name: str, capacity: int) -> None:
    looked_up(world, pool, name).resize(capacity, 0)


def _grow_live(world: World, pool: str, name: str, domain: str, path: str, capacity: int) -> None:
    from ..usage.users import Storage

    there = Storage(world)
    keys = there.volume(storage.volume(looked_up(world, pool, name), pool)).keys
    guest = world.get("domain", domain)
    sources = document.document(guest.XMLDesc(0)).iterfind("devices/disk/source")
    own = (one.getparent() for one in sources if not keys.isdisjoint(there.source(one).keys))
    target = next((str(disk.find("target").get("dev")) for disk in own), path)
    guest.blockResize(target, capacity, constant("VIR_DOMAIN_BLOCK_RESIZE_BYTES"))


def _permit(world: World, pool: str, name: str, path: str, wanted: Values) -> None:
    rights.give(path, wanted)
    refresh(world.get("pool", pool, "pool"))


OPERATIONS: Operations = {
    "volume.make": _make,
    "volume.delete": _delete,
    "volume.delete_left": delete_left,
    "volume.grow": _grow,
    "volume.grow_live": _grow_live,
    "volume.permit": _permit,
    "volume.clone": clone,
    "volume.share": share,
    "volume.copy": copy,
    "volume.upload": upload,
    "volume.wipe": _wipe,
    "volume.settle": settle,
}
