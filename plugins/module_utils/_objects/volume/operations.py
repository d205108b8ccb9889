# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the steps of a volume's plan do."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..._command import run
from ..._libvirt import constant, flags
from ..._plan import KvmError
from ..._xml import document, units
from .. import permissions as rights
from ..formats import image_info, written
from . import records
from .source import Origin, looked_up

if t.TYPE_CHECKING:
    from ..._xml.rows import Values


Image = tuple[str, list[str]]  # a format, and options as qemu-img takes them

# To choose how often a LUKS key is hashed, qemu-img gauges the processor; a busy one now and then makes it give up.
GAUGED_IN_VAIN, TRIES = "Unable to get accurate CPU usage", 5


def _make(world: t.Any, pool: str, name: str, xml: str, preallocate: bool) -> None:
    flag = constant("VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA") if preallocate else 0
    made = _patiently(world.get("pool", pool, "pool").createXML, xml, flag)
    if world.local:
        records.forget(made.path())  # of one that somebody else deleted


def _patiently(make: t.Callable[..., t.Any], *arguments: t.Any) -> t.Any:
    """What libvirt makes, tried again where a processor was gauged in vain."""
    for dummy in range(TRIES - 1):
        try:
            return make(*arguments)
        except Exception as error:
            if GAUGED_IN_VAIN not in str(error):
                raise
    return make(*arguments)


def _delete(world: t.Any, pool: str, name: str) -> None:
    records.delete(world, looked_up(world, pool, name))


def _wipe(world: t.Any, pool: str, name: str, algorithm: str) -> None:
    looked_up(world, pool, name).wipePattern(constant(f"VIR_STORAGE_VOL_WIPE_ALG_{algorithm.upper()}"), 0)


def _grow(world: t.Any, pool: str, name: str, capacity: int) -> None:
    looked_up(world, pool, name).resize(capacity, 0)


def _grow_live(world: t.Any, pool: str, name: str, domain: str, path: str, capacity: int) -> None:
    guest = world.get("domain", domain)
    root = document.document(guest.XMLDesc(0))
    target = next((_target(disk) for disk in root.iterfind("devices/disk") if _is_on(disk, pool, name, path)), path)
    guest.blockResize(target, capacity, constant("VIR_DOMAIN_BLOCK_RESIZE_BYTES"))


def _target(disk: document.Element) -> str:
    return str(disk.find("target").get("dev"))


def _is_on(disk: document.Element, pool: str, name: str, path: str) -> bool:
    source = disk.find("source")
    if source is None:
        return False
    return path in (source.get("file"), source.get("dev")) or (source.get("pool"), source.get("volume")) == (pool, name)


def _permit(world: t.Any, pool: str, name: str, path: str, wanted: Values) -> None:
    rights.give(path, wanted)
    world.get("pool", pool, "pool").refresh(0)


def _clone(
    world: t.Any,
    pool: str,
    name: str,
    xml: str,
    source: Values,
    capacity: t.Optional[int],
    metadata: bool = False,
    reflink: bool = False,
) -> None:
    """A copy of another volume by libvirt, then grown; taken away again if that fails."""
    original = looked_up(world, source["pool"], source["volume"])
    told = {"PREALLOC_METADATA": metadata, "REFLINK": reflink}
    flag = flags(*(f"VIR_STORAGE_VOL_CREATE_{one}" for one, wanted in told.items() if wanted))
    made = _patiently(world.get("pool", pool, "pool").createXMLFrom, xml, original, flag)
    try:
        if capacity is not None and capacity > made.info()[1]:
            made.resize(capacity, 0)
    except Exception:
        made.delete(0)
        raise
    if world.local:
        records.write(made.path(), {"source": {"volume": source["volume"], "pool": source["pool"]}})


def _share(
    world: t.Any, pool: str, name: str, source: Values, form: str, capacity: t.Optional[int], permissions: Values
) -> None:
    """A copy of another volume's file with the same blocks, then grown; under its name once it's whole."""
    there, original = world.get("pool", pool, "pool"), looked_up(world, source["pool"], source["volume"]).path()
    target = os.path.join(_directory(there), name)
    near = f"{target}.{os.getpid()}.metal-kvm"
    try:
        done = run(["cp", "--reflink=always", "--", original, near])
        if done.status:
            raise KvmError(
                f"source.reflink: volume {name} can't share the blocks of {original}: {done.complaint}",
                "Leave reflink out, or have both in one file system that can, such as btrfs and XFS.",
                option="source.reflink",
            )
        if capacity is not None and capacity > int(image_info(near, "source")["virtual-size"]):
            _qemu_img("resize", "-q", "-f", form, near, str(capacity))
        _put_in_place(near, target, permissions, replace=False)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(near)
    there.refresh(0)
    records.write(target, {"source": {"volume": source["volume"], "pool": source["pool"]}})


def _directory(pool: t.Any) -> str:
    """Where a pool of files has them."""
    return document.document(pool.XMLDesc(0)).findtext("target/path") or ""


def _copy(
    world: t.Any,
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
    from .fetch import fetched, staging

    there = world.get("pool", pool, "pool")
    directory = _directory(there) if files else ""
    place = staging(directory)
    found = Origin(source)
    made: list[str] = []
    try:
        if source.get("volume"):
            content, record = looked_up(world, source["pool"], source["volume"]).path(), {"source": found.shown}
        else:
            content, record = fetched(found, place)
            made.append(content)
        image = _shaped(content, place, source.get("format"), (form, options), capacity, made)
        if files:
            target = os.path.join(directory, name)
            _put_in_place(image, target, permissions, replace)
            there.refresh(0)
        else:
            target = _write_device(world, there, name, xml, image, form, replace)
        records.write(target, record)
    finally:
        _clear(made, place)


def _shaped(
    content: str, place: str, given: t.Optional[str], wanted: Image, capacity: t.Optional[int], made: list[str]
) -> str:
    """The image in the format, with the options, and in the size asked for: the file itself, or a converted one."""
    info = image_info(content, "source")
    _refuse_references(info, content)
    form, options = wanted
    has, form = written(given or str(info["format"])), written(form)
    size = int(info["virtual-size"])
    if capacity is not None and capacity < size:
        raise KvmError(
            f"capacity: {units.shown(capacity)} is less than the {units.shown(size)} of the source",
            "Ask for at least as much, or leave capacity out.",
            option="capacity",
        )
    own = content in made
    if has != form or options or not own:
        converted = os.path.join(place, f"{os.getpid()}.{form}")
        made.append(converted)
        told = ["compat=1.1", *options] if form == "qcow2" else options
        _qemu_img("convert", "-f", has, "-O", form, *(word for one in told for word in ("-o", one)), content, converted)
        content = converted
    if capacity is not None and capacity > size:
        _qemu_img("resize", "-f", form, content, str(capacity))
    return content


def _refuse_references(info: Values, content: str) -> None:
    """An image from elsewhere must not make a guest read other files of the hypervisor."""
    data = info.get("format-specific", {}).get("data", {})
    other = info.get("backing-filename") or data.get("data-file")
    if other:
        raise KvmError(
            f"source: the image refers to another file, {other}, and isn't whole by itself",
            "Make one image of it first: qemu-img convert.",
            option="source",
        )


def _qemu_img(*arguments: str) -> None:
    done = run(["qemu-img", *arguments])
    if done.status:
        raise KvmError(f"source: qemu-img {arguments[0]} failed: {done.last_words}", "", option="source")


def _put_in_place(image: str, target: str, permissions: Values, replace: bool) -> None:
    """Give the file its final name at once: nobody ever sees half of it."""
    wanted = {"mode": "0600", **permissions}
    if replace and os.path.exists(target):
        wanted = {**rights.of_file(target), **permissions}
    elif os.path.lexists(target):
        raise KvmError(f"name: {target} is there already, and is no volume of the pool", "", option="name")
    near = target
    if os.stat(image).st_dev != os.stat(os.path.dirname(target)).st_dev:
        near = f"{target}.{os.getpid()}.metal-kvm"
        _qemu_copy(image, near)
        image = near
    rights.give(image, wanted)
    with open(image, "rb") as file:
        os.fsync(file.fileno())
    os.rename(image, target)


def _qemu_copy(image: str, near: str) -> None:
    done = run(["cp", "--sparse=always", "--", image, near])
    if done.status:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(near)
        raise KvmError(f"source: {near} can't be written: {done.complaint}", "", option="source")


def _upload(
    world: t.Any,
    pool: str,
    name: str,
    xml: str,
    source: Values,
    form: str,
    capacity: t.Optional[int],
    options: list[str],
    files: bool,
) -> None:
    """Prepare the file here, then send it through libvirt; what libvirt can't rename is taken away on failure."""
    from .fetch import staging
    from .stream import upload

    world = world.streaming()
    there = world.get("pool", pool, "pool")
    place = staging("")
    made: list[str] = []
    try:
        image = _to_send(Origin(source), place, (form if files else "raw", options), capacity, made)
        root = document.document(xml)
        for node in root.findall("target/compat") + root.findall("target/features"):
            document.remove(node)
        format_node = root.find("target/format")
        if format_node is not None:
            format_node.set("type", "raw")  # an empty vessel: the format is in the bytes that come
        root.find("capacity").text = str(os.path.getsize(image))
        if files and root.find("allocation") is None:
            document.child(root, "allocation").text = "0"  # else libvirt allocates all of it beforehand
        volume = there.createXML(document.text_of(root), 0)
        try:
            upload(world, volume, image)
            there.refresh(0)
        except Exception:
            volume.delete(0)
            raise
    finally:
        _clear(made, place)


def _to_send(found: Origin, place: str, wanted: Image, capacity: t.Optional[int], made: list[str]) -> str:
    """The source itself where it is as it shall be, else a verified, converted, grown copy."""
    from .fetch import fetched

    content = found.file
    if found.checksum is None:
        info = image_info(content, "source")
        _refuse_references(info, content)
        enough = int(capacity or 0) <= int(info["virtual-size"])
        if wanted == (written(found.format or str(info["format"])), []) and enough:
            return content
    else:
        content = fetched(found, place)[0]
        made.append(content)
    return _shaped(content, place, found.format, wanted, capacity, made)


def _clear(made: list[str], place: str) -> None:
    for path in made:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    with contextlib.suppress(OSError):
        os.rmdir(place)


def _write_device(world: t.Any, pool: t.Any, name: str, xml: str, image: str, form: str, replace: bool) -> str:
    """A volume that is no file is made first, then written; libvirt can't rename one, so on failure it goes away."""
    size = int(image_info(image, "source")["virtual-size"])
    if replace:
        there = pool.storageVolLookupByName(name)
        if there.info()[1] < size:
            there.resize(size, 0)
    else:
        root = document.document(xml)
        root.find("capacity").text = str(max(size, int(root.findtext("capacity") or 0)))
        there = pool.createXML(document.text_of(root), 0)
    try:
        _qemu_img("convert", "-n", "-f", form, "-O", "raw", image, there.path())
    except Exception:
        if not replace:
            there.delete(0)
        raise
    return str(there.path())


def operations() -> t.Mapping[str, t.Callable[..., t.Any]]:
    """What the steps of a volume's plan can do."""
    return {
        "make": _make,
        "delete": _delete,
        "grow": _grow,
        "grow_live": _grow_live,
        "permit": _permit,
        "clone": _clone,
        "share": _share,
        "copy": _copy,
        "upload": _upload,
        "wipe": _wipe,
    }
