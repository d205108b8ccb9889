# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that make a volume of another one, of a file or of a URL: prepared apart, and put in place at once."""

from __future__ import annotations

import os
import typing as t

from ..._command import run
from ..._libvirt import flags
from ..._plan import refuse
from ..._xml import document
from .. import permissions as rights
from ..formats import image_info
from ..pool.table import FILES
from . import records
from .image import patiently, qemu_img, shaped
from .leftover import delete_left, refresh
from .source import Origin, looked_up
from .staging import ENDING, Staging

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..._xml.rows import Values


class Place:
    """Where a volume is made: its pool, the directory of a pool of files, and where its content is prepared."""

    def __init__(self, world: World, pool: str, name: str) -> None:
        self.pool = world.get("pool", pool, "pool")
        root = document.document(self.pool.XMLDesc(0))
        self.files = world.local and root.get("type") in FILES
        self.directory: str = (root.findtext("target/path") or "") if self.files else ""
        self.target = os.path.join(self.directory, name) if self.files else ""
        self.near = self.target + ENDING
        self.staging = Staging(self.directory, self.target or f"{world.uri} {pool}/{name}")


def clone(
    world: World,
    pool: str,
    name: str,
    xml: str,
    source: Values,
    capacity: t.Optional[int],
    metadata: bool = False,
    reflink: bool = False,
) -> None:
    """A copy of another volume by libvirt, then grown; under its name once it's whole where that can be."""
    original, place = looked_up(world, source["pool"], source["volume"]), Place(world, pool, name)
    record = {"source": {"volume": source["volume"], "pool": source["pool"]}}
    flag = _creation_flags(PREALLOC_METADATA=metadata, REFLINK=reflink)
    place.staging.make()
    if place.files:
        delete_left(world, pool, name + ENDING)
        root = document.document(xml)
        root.find("name").text = name + ENDING
        xml = document.text_of(root)
    else:
        place.staging.begin()
    made = None
    try:
        made = patiently(place.pool.createXMLFrom, xml, original, flag)
        if capacity is not None and capacity > made.info()[1]:
            made.resize(capacity, 0)
        if place.files:
            take_place(place, place.near, record, replace=False)
    except Exception:
        if made is not None:
            made.delete(0)
        place.staging.abandon()
        raise
    finish(place, record, place.target or (made.path() if world.local else ""))


def _creation_flags(**wanted: bool) -> int:
    return flags(*(f"VIR_STORAGE_VOL_CREATE_{name}" for name, is_wanted in wanted.items() if is_wanted))


def share(
    world: World, pool: str, name: str, source: Values, form: str, capacity: t.Optional[int], permissions: Values
) -> None:
    """A copy of another volume's file with the same blocks, then grown; under its name once it's whole."""
    original, place = looked_up(world, source["pool"], source["volume"]).path(), Place(world, pool, name)
    record = {"source": {"volume": source["volume"], "pool": source["pool"]}}
    place.staging.make()
    try:
        done = run(["cp", "--reflink=always", "--", original, place.near], keep_locks=True)
        if done.status:
            refuse(
                "source.reflink",
                f"volume {name} can't share the blocks of {original}: {done.complaint}",
                "Leave reflink out, or have both in one file system that can, such as btrfs and XFS.",
            )
        if capacity is not None and capacity > int(image_info(place.near, "source")["virtual-size"]):
            qemu_img("resize", "-q", "-f", form, place.near, str(capacity))
        put_in_place(place, place.near, permissions, False, record)
    except BaseException:
        place.staging.drop([place.near])
        raise
    finish(place, record, place.target)


def copy(
    world: World,
    pool: str,
    name: str,
    xml: str,
    source: Values,
    form: str,
    capacity: t.Optional[int],
    options: list[str],
    permissions: Values,
    files: bool,
    replace: bool,
) -> None:
    """Prepare the content outside the pool, verified, in its format and size; then put it in place at once."""
    from .fetch import fetched

    place, found = Place(world, pool, name), Origin(source)
    made: list[str] = []
    place.staging.make()
    try:
        if source.get("volume"):
            content, record = looked_up(world, source["pool"], source["volume"]).path(), {"source": found.shown}
        else:
            content, record = fetched(found, place.staging.content)
            made.append(content)
        image = shaped(content, place.staging, source.get("format"), (form, options), capacity, made)
        if files:
            put_in_place(place, image, permissions, replace, record)
            path = place.target
        else:
            path = write_device(place, name, xml, image, form, replace)
    except BaseException:
        place.staging.drop(made)
        raise
    finish(place, record, path)


def put_in_place(place: Place, image: str, permissions: Values, replace: bool, record: Values) -> None:
    """Give the file its rights and its final name at once: nobody ever sees half of it."""
    target, wanted = place.target, {"mode": "0600", **permissions}
    if replace and os.path.exists(target):
        wanted = {**rights.of_file(target), **permissions}
    try:
        if os.stat(image).st_dev != os.stat(place.directory).st_dev:
            done = run(["cp", "--sparse=always", "--", image, place.near], keep_locks=True)
            if done.status:
                refuse("source", f"{place.near} can't be written: {done.complaint}", "")
            image = place.near
        rights.give(image, wanted)
        with open(image, "rb") as file:
            os.fsync(file.fileno())
        take_place(place, image, record, replace)
    except BaseException:
        place.staging.drop([place.near])
        raise


def take_place(place: Place, image: str, record: Values, replace: bool) -> None:
    """Rename the whole image to the volume; a run that is killed then is finished by the next one."""
    if os.path.lexists(place.target) and not replace:
        refuse("name", f"{place.target} is there already, and is no volume of the pool", "")
    place.staging.note(image, record)
    os.rename(image, place.target)


def finish(place: Place, record: Values, path: str) -> None:
    """Have libvirt see the volume, write the record of its path where it has one here, and remove what was prepared."""
    if place.files:
        refresh(place.pool)
    if path:
        records.write(path, record)
    place.staging.clear()


def settle(world: World, pool: str, name: str) -> None:
    """Complete what a killed run began with the volume, and remove what it left."""
    place = Place(world, pool, name)
    if place.files:
        delete_left(world, pool, name + ENDING)
        place.staging.settle(place.target)
    place.staging.drop([place.near] if place.files else [])
    place.staging.clear()


def write_device(place: Place, name: str, xml: str, image: str, form: str, replace: bool) -> str:
    """A volume that is no file is made first, then written; libvirt can't rename one, so on failure it goes away."""
    size = int(image_info(image, "source")["virtual-size"])
    place.staging.begin()
    if replace:
        there = place.pool.storageVolLookupByName(name)
        if there.info()[1] < size:
            there.resize(size, 0)
    else:
        root = document.document(xml)
        root.find("capacity").text = str(max(size, int(root.findtext("capacity") or 0)))
        there = _made(place, document.text_of(root))
    place.staging.begin(there.key())
    try:
        qemu_img("convert", "-n", "-f", form, "-O", "raw", image, there.path())
    except Exception:
        if not replace:
            there.delete(0)
            place.staging.abandon()
        raise
    return str(there.path())


def _made(place: Place, xml: str) -> t.Any:
    try:
        return place.pool.createXML(xml, 0)
    except Exception:
        place.staging.abandon()
        raise
