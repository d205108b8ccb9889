# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk declared at the target of a drive for removable media: refused where it would silently become the drive's medium."""

from __future__ import annotations

import os
import typing as t

from ..._plan import refuse
from ..._xml import document
from ..._xml.rows import Edit, Values
from ..storage import volume_or_none
from .devices import is_seed

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..draft import Draft

Element = document.Element

SOURCES = ("file", "block", "volume", "pool", "network", "nvme", "vhostuser", "dir", "type", "source")
DRIVES = {
    "cdrom": ("a CD-ROM drive", "as its medium", "Say device: cdrom"),
    "floppy": ("a floppy drive", "as its medium", "Say device: floppy"),
    "lun": ("a SCSI device passed through (device: lun)", "in its place", "Say device: lun"),
}
FLOPPY_MAX = 2880 * 1024  # bytes of the largest floppy disk
ISO_AT, ISO_MAGIC = 32769, b"CD001"


def check_media(draft: Draft, before: Element, edit: Edit) -> None:
    """Refuse a disk whose target is a drive's, unless it's said to be a disk, or its source is what goes into such a drive."""
    changed = {change.path for change in edit.changes}
    for item in draft.wanted.get("disks", ()):
        target = item.get("target")
        if changed.isdisjoint(f"disks[{target}].{name}" for name in SOURCES):
            continue
        for disk in before.iterfind("devices/disk"):
            if disk.find("target").get("dev") == target:
                _check_disk(draft.world, disk, item, edit)


def _check_disk(world: World, disk: Element, item: Values, edit: Edit) -> None:
    """Refuse the item if it would silently change ``disk``, a drive or the seed."""
    device = disk.get("device") or "disk"
    if is_seed(disk):
        _refuse(item, device, seed=True)
    if device not in DRIVES:
        return
    if "device" not in item and not _fits(world, device, item):
        _refuse(item, device, seed=False)
    if item.get("device") == "disk" and "format" not in item:
        _check_format(disk, item, edit)


def _refuse(item: Values, device: str, seed: bool) -> t.NoReturn:
    target = item["target"]
    drive, place, remedy = DRIVES.get(device, ("the disk", "in its place", ""))
    name = next((str(item[kind]) for kind in ("volume", "file", "block") if kind in item), "the new source")
    owner, more = (" with the seed of cloud_init", "") if seed else ("", f" {remedy} if that is meant.")
    why = f"the domain has {drive}{owner} at {target}, and the guest would get {name} {place}"
    refuse(f"disks[{target}]", why, f"Give the disk another target, vda for example.{more}")


def _check_format(disk: Element, item: Values, edit: Edit) -> None:
    """A drive that becomes a disk keeps its format, which may be wrong for the new source."""
    target, driver = item["target"], disk.find("driver")
    has = "raw" if driver is None else driver.get("type") or "raw"
    form = edit.context.disk_format(item)
    if form != has:
        refuse(
            f"disks[{target}].format",
            f"the drive at {target} is {has}, and the disk's source is {form}",
            f"Say format: {form} too, or give the disk another target, vda for example.",
        )


def _fits(world: World, device: str, item: Values) -> bool:
    """Whether the source is what such a drive takes: an ISO image, a floppy's image, a block device."""
    form, size, path = _looked_at(world, item)
    if device == "lun":
        return "network" in item or not (os.path.isfile(path) if world.local else "file" in item)
    if device == "floppy":
        return "dir" in item or (size is not None and size <= FLOPPY_MAX)
    return form == "iso" or _is_disc(world, item, path)


def _is_disc(world: World, item: Values, path: str) -> bool:
    """Whether the source is the host's optical drive, or an ISO image."""
    if "block" in item:
        return os.path.basename(os.path.realpath(item["block"])).startswith("sr")
    return str(item.get("volume") or path).lower().endswith(".iso") or _is_iso(world, path)


def _looked_at(world: World, item: Values) -> tuple[str, t.Optional[int], str]:
    """Format, size in bytes and path of a disk's source, as far as they're known."""
    if "volume" in item:
        there = world.volume(item.get("pool", ""), item["volume"])
        found = None if there is None else volume_or_none(there, item.get("pool", ""))
        if found is not None:
            node = found.root.find("target/format")
            return ("" if node is None else str(node.get("type"))), found.capacity, found.path
        return "", None, ""
    path = str(item.get("file") or item.get("block") or "")
    known = world.local and os.path.isfile(path)
    return "", os.path.getsize(path) if known else None, path


def _is_iso(world: World, path: str) -> bool:
    if not world.local or not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            file.seek(ISO_AT)
            return file.read(len(ISO_MAGIC)) == ISO_MAGIC
    except OSError:
        return False
