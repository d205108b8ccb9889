# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new domain from one that is there: its definition under a new identity, its disks copied or overlaid."""

from __future__ import annotations

import os
import time
import typing as t

from ..._libvirt import found_or_none
from ..._plan import Plan, Step, refuse
from ..._xml import document
from ..formats import by_ending
from ..volume.leftover import delete_left
from .devices import is_seed
from .documents import persistent_document
from .history import history
from .mark import CLONE, drop_marks, marked, put_mark
from .mark import finish as finish_mark
from .nvram import nvram_of, refuse_existing
from .observed import OFF, observed
from .surroundings import Surroundings
from .table import NEW, put_genid

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from .draft import DomainDraft

Element = document.Element


def plan_clone(draft: DomainDraft, uuid: str) -> Element:
    """The document of the clone, with a mark that it isn't whole until its disks are copied."""
    name = draft.name
    root = persistent_document(_source(draft))
    old = root.findtext("name")
    root.find("name").text = name
    root.find("uuid").text = uuid
    _new_identity(root, Surroundings(draft.world, draft.plan, root, {}), old, name)
    for disk in filter(is_seed, root.findall("devices/disk")):
        document.remove(disk)
    for disk in _copied(root):
        copy = _Copy(draft, disk)
        if draft.world.volume(copy.pool, copy.name) is not None:
            why = f"pool {copy.pool} has a volume {copy.name} already"
            refuse("source_domain", why, "Delete it, or choose another name.")
        copy.put_into(disk)
    nvram = root.find("os/nvram")
    if nvram is not None and nvram.text:
        nvram.text = _own_nvram(nvram.text, old, name)
    put_mark(root, CLONE, source=old, at=f"{time.time():.3f}")
    draft.plan.differs("source_domain", None, old)
    return root


def finish_copies(draft: DomainDraft) -> None:
    """The steps that make a clone whole whose making was killed on the way. One that was started since is whole."""
    mark = marked(draft.shown, CLONE)
    began = float((None if mark is None else mark.get("at")) or 0)
    if draft.active or (began and history(draft.world, draft.name).started > began):
        draft.add("finish_clone", f"note that {draft.title} is a whole clone", changes=False)
        draft.plan.repairs = True
        return
    add_copies(draft, resumed=True)


def add_copies(draft: DomainDraft, resumed: bool = False) -> None:
    """The steps that make a clone whole once it is defined. ``resumed``: they replace what a killed run has left."""
    world, plan, name = draft.world, draft.plan, draft.name
    source = persistent_document(_source(draft))
    volumes = {(one.get("pool"), one.get("volume")) for one in draft.shown.iterfind("devices/disk/source")}
    for disk in _copied(source):
        copy = _Copy(draft, disk)
        if (copy.pool, copy.name) in volumes:
            copy.add_step(plan, name, resumed)
    old = source.findtext("name")
    path, own = nvram_of(world, source, old), nvram_of(world, draft.shown, name)
    if world.local and own != path and os.path.exists(path):
        if not resumed:
            refuse_existing(own, "source_domain")
        undo = Step("domain.delete_nvram", f"delete the copy of the NVRAM of domain {old}", path=own)
        plan.add("domain.copy_nvram", f"copy the NVRAM of domain {old}", path=path, to=own, resumed=resumed, undo=undo)
    draft.add("finish_clone", f"end the cloning of {draft.title}", changes=False)


def _source(draft: DomainDraft) -> t.Any:
    """The domain that is cloned; it must be off."""
    name = draft.params["source_domain"]["name"]
    source = draft.world.get("domain", name, "source_domain.name")
    state = observed(source)
    if state not in OFF:
        why = f"domain {name} is {state}, and the disks of a running guest can't be copied"
        refuse("source_domain.name", why, "Stop it first.")
    return source


def _copied(root: Element) -> list[Element]:
    """The disks of which a clone has its own: those that can be written, but the seed."""
    return [
        disk
        for disk in root.findall("devices/disk")
        if disk.get("device") in (None, "disk")
        and disk.find("readonly") is None
        and disk.find("source") is not None
        and not is_seed(disk)
    ]


def _own_nvram(path: str, old: str, name: str) -> str:
    """Where the clone keeps what its firmware remembers."""
    folder, file = os.path.split(path)
    return os.path.join(folder, file.replace(old, name, 1) if old in file else f"{name}_VARS.fd")


def _new_identity(root: Element, surroundings: Surroundings, old: str, name: str) -> None:
    """New MAC addresses and generation ID; paths that libvirt made from the old name are left for it to make anew."""
    if root.find("genid") is not None:
        put_genid(root, NEW)
    for entry in root.iterfind("sysinfo/system/entry[@name='uuid']"):
        entry.text = root.findtext("uuid")
    for mac in root.iterfind("devices/interface/mac"):
        mac.set("address", surroundings.new_mac())
    for log in root.iterfind("devices/*/log"):
        log.set("file", (log.get("file") or "").replace(f"/{old}-", f"/{name}-"))
    for source in root.findall("devices/channel/source"):
        if source.get("mode") == "bind":
            document.remove(source)
    ours = root.find("metadata/" + document.qualified("metal:kvm"))
    if ours is not None:
        drop_marks(ours)


class _Copy:
    """The clone's own volume for one disk of the source, beside that disk's."""

    def __init__(self, draft: DomainDraft, disk: Element) -> None:
        wanted, target = draft.params["source_domain"], disk.find("target").get("dev")
        volume = _volume(draft.world, disk.find("source"))
        if volume is None:
            why = f"disk {target} of domain {wanted['name']} is in no storage pool, so it can't be copied"
            refuse("source_domain", why, "Make a pool of its directory (metal.kvm.pool), or take the disk out first.")
        driver = disk.find("driver")
        self.of = volume.name()
        self.pool = volume.storagePoolLookupByVolume().name()
        self.kind = (None if driver is None else driver.get("type")) or by_ending(self.of)
        self.overlay = wanted["disks"] == "overlay"
        self.name = f"{draft.name}-{target}.{'qcow2' if self.overlay else self.kind}"

    def put_into(self, disk: Element) -> None:
        """The disk, of the clone's document, on the new volume."""
        disk.set("type", "volume")
        for node in [disk.find("source"), *disk.findall("backingStore")]:
            document.remove(node)
        document.child(disk, "source", pool=self.pool, volume=self.name)
        driver = disk.find("driver")
        if driver is not None:
            driver.set("type", "qcow2" if self.overlay else self.kind)

    def add_step(self, plan: Plan, domain: str, resumed: bool) -> None:
        where = {"pool": self.pool, "volume": self.name}
        plan.add(
            "domain.copy_disk",
            f"{'overlay' if self.overlay else 'copy'} {self.pool}/{self.of} as {self.name}",
            pool=self.pool,
            volume=self.of,
            to=self.name,
            kind=self.kind,
            overlay=self.overlay,
            resumed=resumed,
            undo=Step("domain.delete_storage", f"delete volume {self.pool}/{self.name}", name=domain, path="", **where),
        )


def _volume(world: World, source: Element) -> t.Any:
    if source.get("volume"):
        return world.volume(source.get("pool"), source.get("volume"))
    path = source.get("file") or source.get("dev")
    missing = ("VIR_ERR_NO_STORAGE_VOL", "VIR_ERR_NO_STORAGE_POOL")
    return found_or_none(lambda: world.connection.storageVolLookupByPath(path), *missing) if path else None


def copy_disk(world: World, pool: str, volume: str, to: str, kind: str, overlay: bool, resumed: bool = False) -> None:
    """A full copy by libvirt, or a qcow2 volume backed by the old one. ``resumed``: a killed run may have left some of it."""
    from ..volume.source import looked_up

    there = looked_up(world, pool, volume)
    if resumed:
        delete_left(world, pool, to)
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


def finish_clone(world: World, name: str) -> None:
    """The clone is whole: its mark goes."""
    finish_mark(world.get("domain", name))
