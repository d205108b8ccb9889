# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new domain from one that is there: its definition under a new identity, its disks copied or overlaid."""

from __future__ import annotations

import os
import shutil
import typing as t

from ..._libvirt import found_or_none
from ..._plan import KvmError, Plan, Step
from ..._xml import document
from ..._xml.rows import Values
from ..formats import by_ending
from .devices import SEED_SERIAL
from .documents import persistent_document
from .mark import INSTALL
from .state import OFF, observed
from .surroundings import Surroundings

Element = document.Element


def plan_clone(world: t.Any, plan: Plan, params: Values, uuid: str) -> Element:
    """The document of the clone; the steps for its disks and its NVRAM are on the plan."""
    wanted, name = params["source_domain"], params["name"]
    source = world.get("domain", wanted["name"], "source_domain.name")
    state = observed(source)
    if state not in OFF:
        raise KvmError(
            f"source_domain.name: domain {wanted['name']} is {state}, and the disks of a running guest can't be copied",
            "Stop it first.",
            option="source_domain.name",
        )
    root = persistent_document(source)
    old = root.findtext("name")
    root.find("name").text = name
    root.find("uuid").text = uuid
    _new_identity(root, Surroundings(world, plan, root, {}), old, name)
    for disk in root.findall("devices/disk"):
        if disk.findtext("serial") == SEED_SERIAL:
            document.remove(disk)
        elif disk.get("device") in (None, "disk") and disk.find("readonly") is None:
            _disk(world, plan, disk, wanted, name)
    _nvram(plan, root, old, name)
    plan.differs("source_domain", None, old)
    return root


def _new_identity(root: Element, surroundings: Surroundings, old: str, name: str) -> None:
    """New MAC addresses; paths that libvirt made from the old name are left for it to make anew."""
    for mac in root.iterfind("devices/interface/mac"):
        mac.set("address", surroundings.new_mac())
    for log in root.iterfind("devices/*/log"):
        log.set("file", (log.get("file") or "").replace(f"/{old}-", f"/{name}-"))
    for source in root.findall("devices/channel/source"):
        if source.get("mode") == "bind":
            document.remove(source)
    ours = root.find("metadata/" + document.qualified("metal:kvm"))
    if ours is not None:
        ours.attrib.pop("restarting", None)
        for mark in ours.findall(INSTALL):
            document.remove(mark)


def _disk(world: t.Any, plan: Plan, disk: Element, wanted: Values, name: str) -> None:
    """A new volume beside the disk's, and the disk of the clone on it."""
    target = disk.find("target").get("dev")
    source = disk.find("source")
    if source is None:
        return
    volume = _volume(world, source)
    if volume is None:
        raise KvmError(
            f"source_domain: disk {target} of domain {wanted['name']} is in no storage pool, so it can't be copied",
            "Make a pool of its directory (metal.kvm.pool), or take the disk out first.",
            option="source_domain",
        )
    pool = volume.storagePoolLookupByVolume().name()
    kind = (disk.find("driver").get("type") if disk.find("driver") is not None else None) or by_ending(volume.name())
    overlay = wanted["disks"] == "overlay"
    new = f"{name}-{target}.{'qcow2' if overlay or kind == 'qcow2' else 'raw' if kind == 'raw' else kind}"
    if world.volume(pool, new) is not None:
        raise KvmError(
            f"source_domain: pool {pool} has a volume {new} already",
            "Delete it, or choose another name.",
            option="source_domain",
        )
    undo = Step("domain.delete_storage", f"delete volume {pool}/{new}", name=name, path="", pool=pool, volume=new)
    plan.add(
        "domain.copy_disk",
        f"{'overlay' if overlay else 'copy'} {pool}/{volume.name()} as {new}",
        pool=pool,
        volume=volume.name(),
        to=new,
        kind=kind,
        overlay=overlay,
        undo=undo,
    )
    disk.set("type", "volume")
    for node in [source, *disk.findall("backingStore")]:
        document.remove(node)
    document.child(disk, "source", pool=pool, volume=new)
    driver = disk.find("driver")
    if driver is not None:
        driver.set("type", "qcow2" if overlay else kind)


def _volume(world: t.Any, source: Element) -> t.Any:
    if source.get("volume"):
        return world.volume(source.get("pool"), source.get("volume"))
    path = source.get("file") or source.get("dev")
    missing = ("VIR_ERR_NO_STORAGE_VOL", "VIR_ERR_NO_STORAGE_POOL")
    return found_or_none(lambda: world.connection.storageVolLookupByPath(path), *missing) if path else None


def _nvram(plan: Plan, root: Element, old: str, name: str) -> None:
    """The clone's own NVRAM with what the firmware of the old one remembers."""
    node = root.find("os/nvram")
    if node is None or not node.text:
        return
    path = node.text
    new = os.path.join(os.path.dirname(path), os.path.basename(path).replace(old, name, 1))
    node.text = new
    if new != path:
        plan.add("domain.copy_nvram", f"copy the NVRAM of domain {old}", path=path, to=new)


def copy_disk(world: t.Any, pool: str, volume: str, to: str, kind: str, overlay: bool) -> None:
    """A full copy by libvirt, or a qcow2 volume backed by the old one."""
    there = world.volume(pool, volume)
    folder = world.get("pool", pool)
    root = document.element("volume")
    document.child(root, "name").text = to
    document.child(root, "capacity", unit="bytes").text = str(there.info()[1])
    document.child(document.child(root, "target"), "format", type="qcow2" if overlay else kind)
    if not overlay:
        folder.createXMLFrom(document.text_of(root), there, 0)
        return
    backing = document.child(root, "backingStore")
    document.child(backing, "path").text = there.path()
    document.child(backing, "format", type=kind)
    folder.createXML(document.text_of(root), 0)


def copy_nvram(world: t.Any, path: str, to: str) -> None:
    """Copy the firmware's variables where they are there already, owner and mode included."""
    if world.local and os.path.exists(path):
        shutil.copy2(path, to)
        status = os.stat(path)
        os.chown(to, status.st_uid, status.st_gid)
