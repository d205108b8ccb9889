# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives that tasks add for media of their own, and where those are: seeds of cloud-init, what an installer reads."""

from __future__ import annotations

import typing as t

from ..._libvirt import documents
from ..._plan import KvmError
from ..._xml import document
from .devices import is_seed

if t.TYPE_CHECKING:
    from ..._libvirt import World

Element = document.Element


def disks_of(root: Element) -> t.Iterator[Element]:
    """The hard disks of a domain's document, without the seed."""
    for disk in root.iterfind("devices/disk"):
        if disk.get("device") in (None, "disk") and not is_seed(disk):
            yield disk


def add_disk(root: Element, context: t.Any, pool: str, volume: str) -> Element:
    """A read-only virtio disk, at the last free target: the first ones are for the user's own disks."""
    drive = document.child(root.find("devices"), "disk", type="volume", device="disk")
    document.child(drive, "driver", name="qemu", type="raw")
    document.child(drive, "source", pool=pool, volume=volume)
    target = next(f"vd{letter}" for letter in "zyxwvutsrqponmlkjihgfedcba" if f"vd{letter}" not in context.targets)
    context.targets.add(target)
    document.child(drive, "target", dev=target, bus="virtio")
    document.child(drive, "readonly")
    return drive


def add_cdrom(root: Element, context: t.Any, bus: str, **source: str) -> Element:
    """A CD-ROM drive with a medium, ``pool`` and ``volume`` or ``file``, at the first free target of the bus."""
    kind = "file" if "file" in source else "volume"
    drive = document.child(root.find("devices"), "disk", type=kind, device="cdrom")
    document.child(drive, "driver", name="qemu", type="raw")
    document.child(drive, "source", **source)
    target = context.free_target("hd" if bus == "ide" else "sd")
    context.targets.add(target)
    document.child(drive, "target", dev=target, bus=bus)
    document.child(drive, "readonly")
    if bus == "scsi":
        context.need_scsi()
    return drive


def pool_of_first_disk(world: World, root: Element, option: str = "cloud_init.pool", what: str = "the seed") -> str:
    """The pool for small volumes that belong to a domain: the one that its first disk is in."""
    for disk in disks_of(root):
        source = disk.find("source")
        if source is None:
            continue
        if source.get("pool"):
            return str(source.get("pool"))
        path = source.get("file")
        for pool, there in documents("pool", world.connection.listAllStoragePools()) if path else ():
            folder = there.findtext("target/path")
            if folder and path.rpartition("/")[0] == folder.rstrip("/"):
                return pool
    why = f"{option}: {what} is a volume beside the first disk, and that disk is in no storage pool"
    raise KvmError(why, f"Name the pool for {what}.", option=option)
