# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NoCloud seed: a small ISO volume with user-data, meta-data and network-config, made so that content alone decides."""

from __future__ import annotations

import base64
import json
import os
import typing as t

from ..._libvirt import flags, missing_object
from ..._plan import Plan, Result, Step, refuse
from ..._xml import document
from ..._xml.rows import Edit
from .devices import SEED_SERIAL, is_seed
from .documents import persistent_document, running_document
from .drives import add_cdrom, add_disk, disks_of, pool_of_first_disk
from .iso import Files, Kept, make_iso, put_volume, read_iso, read_volume, upload
from .observed import OFF, observed
from .seed_files import files_of, ignored, meta_of, note

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from .draft import DomainDraft

Element = document.Element

ROOM = 1024**2  # a seed's size goes up to whole MiB, so that it can be rewritten in place
LARGE = 64 * 1024**2


def plan_seed(draft: DomainDraft, edit: Edit) -> None:
    """Steps for the seed volume, and its drive in the document of the draft."""
    world, plan, root = draft.world, draft.plan, draft.after
    wanted, drive = draft.params["cloud_init"], seed_drive(root)
    if wanted["state"] == "absent":
        _remove(draft, drive)
        return
    here = _place(root, drive)
    there = _wanted_place(draft, here)
    moved = bool(here.pool) and there.pool != here.pool
    before = _stored(world, there)
    known = _stored(world, here) if moved and before is None else before
    after = files_of(wanted, root.findtext("uuid"), draft.name, known)
    if known != after:
        plan.warnings += ignored(wanted)
        note(plan, known, after, wanted["show_user_data"])
    if before != after:
        _add_write(draft, there, before, after)
    if drive is None:
        _add_drive(root, there, edit.context)
        plan.differs("cloud_init.seed", None, str(there))
    elif not here.pool:
        _fill_drive(drive, there)
        plan.differs("cloud_init.seed", None, str(there))
    elif moved:
        _move_drive(plan, drive, here, there)


def _wanted_place(draft: DomainDraft, here: Place) -> Place:
    """The place that the seed shall have: in the task's pool, else where it is, else beside the first disk."""
    world, root = draft.world, draft.after
    pool = draft.params["cloud_init"]["pool"] or here.pool or pool_of_first_disk(world, root)
    if world.find("pool", pool) is None:
        draft.plan.assume(missing_object("pool", pool, "cloud_init.pool"))
    elif not here.pool:
        return Place(pool, _unused(world, Place(pool, here.volume), root.findtext("uuid")))
    return Place(pool, here.volume)


def _fill_drive(drive: Element, there: Place) -> None:
    """Put the seed into the drive from which somebody has ejected it."""
    drive.set("type", "volume")
    source = drive.find("source")
    if source is None:
        source = document.element("source")
        drive.find("target").addprevious(source)
    source.attrib.clear()
    source.attrib.update({"pool": there.pool, "volume": there.volume})


def _move_drive(plan: Plan, drive: Element, here: Place, there: Place) -> None:
    """Point the drive to the seed in the new pool, and delete the one in the old pool."""
    drive.find("source").set("pool", there.pool)
    _add_delete(plan, here, f"delete the seed {here.volume} of pool {here.pool}")
    plan.differs("cloud_init.seed", str(here), str(there))


def _add_delete(plan: Plan, place: Place, text: str) -> None:
    step = plan.add("seed.delete", text, pool=place.pool, volume=place.volume)
    step.undo = _undo(step, place, "write back")


def _add_write(draft: DomainDraft, place: Place, before: t.Optional[Files], after: Files) -> None:
    """The step that writes a seed. The files go as one string of base64: a step's arguments are never shown, and no
    pattern of a secret is in them."""
    others = "" if before is None else _others(draft.world, place, _name_now(draft))
    if others:
        refuse(
            "cloud_init",
            f"the seed {place} is used by {others} too, and would be another one there",
            "Take it out of those first; or remove it here (cloud_init.state: absent), and a new one is made.",
        )
    step = draft.plan.add(
        "seed.write",
        f"{'make' if before is None else 'rewrite'} the seed {place.volume}",
        pool=place.pool,
        volume=place.volume,
        files=base64.b64encode(json.dumps(after).encode()).decode(),
    )
    step.undo = _undo(step, place, "delete" if before is None else "write back")
    if before is not None and seed_drive(draft.after) is not None:
        text = f"show the guest of {draft.title} its new seed"
        draft.plan.add("seed.reload", text, changes=False, name=draft.name)
    if before is not None and draft.active:
        later = "" if draft.params["cloud_init"]["reseed"] else ", and only with reseed: true"
        draft.plan.warnings.append(
            f"cloud_init: the guest of {draft.title} runs, and uses its new seed at its next boot{later}"
        )


class Place(t.NamedTuple):
    """Where a domain's seed is: pool and volume; no pool where it isn't made yet."""

    pool: str
    volume: str

    def __str__(self) -> str:
        return f"{self.pool}/{self.volume}"


def _place(root: Element, drive: t.Optional[Element]) -> Place:
    """By the domain's definition, where it has a drive: a domain that was renamed keeps its seed."""
    place = Place("", "") if drive is None else _place_of(drive)
    return place if place.volume else Place("", f"{root.findtext('name')}-seed.iso")


def _unused(world: World, place: Place, uuid: str) -> str:
    """The name for a new seed: another domain may have one of that name, or somebody something else."""
    there = read_volume(world, place.pool, place.volume)
    if there is None:
        ours = not _is_unseen(world, place)
    else:
        ours = read_iso(there[0]) is not None or not any(there[0])  # a killed run leaves it blank
    own = world.find_uuid(uuid)
    if ours and not _others(world, place, own.name() if own else ""):
        return place.volume
    return f"{place.volume.rpartition('-seed.iso')[0]}-{uuid[:8]}-seed.iso"


def _is_unseen(world: World, place: Place) -> bool:
    """Whether the pool's directory has a file of that name that libvirt hasn't looked at yet."""
    directory = document.document(world.get("pool", place.pool).XMLDesc(0)).findtext("target/path")
    return bool(directory) and world.local and os.path.lexists(os.path.join(directory, place.volume))


def _name_now(draft: DomainDraft) -> str:
    """What the domain is called until it's renamed."""
    return str(draft.there.name()) if draft.there is not None else draft.name


def _others(world: World, place: Place, name: str) -> str:
    """The other domains that certainly have the seed; ``""`` for none. ``name`` is the domain's own."""
    from .. import storage
    from ..usage.users import Storage, shown, using

    volume = world.volume(place.pool, place.volume)
    if volume is None:
        return ""
    asked = Storage(world)
    users = using(asked, [asked.volume(storage.volume(volume, place.pool))], ("domain", name))
    return shown([user for user in users if user.noun == "domain" and not user.doubt])


def seed_drive(root: Element) -> t.Optional[Element]:
    """The drive of a domain's document that holds our seed."""
    return next(filter(is_seed, root.iterfind("devices/disk")), None)


def instance_id(world: World, root: Element) -> t.Optional[str]:
    """The instance-id in the seed of a domain's document; None where it has no seed that can be read."""
    drive = seed_drive(root)
    files = None if drive is None else _stored(world, _place_of(drive))
    return meta_of(files, None).get("instance-id") if files else None


def _place_of(drive: Element) -> Place:
    """Where the seed of a drive is; empty where the drive has no volume."""
    source = drive.find("source")
    return Place("", "") if source is None else Place(source.get("pool") or "", source.get("volume") or "")


def _remove(draft: DomainDraft, drive: t.Optional[Element]) -> None:
    """Take the drive out, and delete the seed, unless another domain has it too."""
    if drive is None:
        return
    plan, place = draft.plan, _place_of(drive)
    if draft.running is not None and seed_drive(draft.running) is not None:
        refuse(
            "cloud_init.state",
            f"the guest of {draft.title} runs, and has its seed in a drive",
            "Stop it first (state: stopped), then run this task.",
        )
    document.remove(drive)
    others = _others(draft.world, place, _name_now(draft))
    if others:
        plan.warnings.append(f"cloud_init: the seed {place.volume} is used by {others} too, and is kept")
    elif place.volume:
        _add_delete(plan, place, f"delete the seed {place.volume}")
    plan.differs("cloud_init.seed", str(place) if place.volume else "an empty drive", None)


def _undo(step: Step, place: Place, verb: str) -> Step:
    """The step that gives the volume back the bytes that it had before ``step``, or deletes it where there was none."""
    text = f"{verb} the seed {place.volume}"
    return Step("seed.put_back", text, pool=place.pool, volume=place.volume, was=Result(step))


def _add_drive(root: Element, place: Place, context: t.Any) -> None:
    """Put the seed on the bus of the guest's first disk: the guest has the driver for that, whatever else it lacks.

    Small kernels for clouds have none for SATA, where CD-ROM drives are by default. Windows finds a CD-ROM drive best.
    """
    pool, volume = place
    bus = _bus_of_first_disk(root)
    if bus == "virtio" and not _windows(root):
        drive = add_disk(root, context, pool, volume)
    else:
        drive = add_cdrom(root, context, context.removable_bus() if bus == "virtio" else bus, pool=pool, volume=volume)
    document.child(drive, "serial").text = SEED_SERIAL


def _bus_of_first_disk(root: Element) -> str:
    """``virtio`` too where there is no disk, or one on a bus without CD-ROM drives."""
    disk = next(disks_of(root), None)
    bus = "" if disk is None else disk.find("target").get("bus")
    return bus if bus in ("scsi", "sata", "ide", "usb") else "virtio"


def _windows(root: Element) -> bool:
    system = root.find("metadata/{*}libosinfo/{*}os")
    return system is not None and "microsoft.com" in (system.get("id") or "")


def _stored(world: World, place: Place) -> t.Optional[Files]:
    """The files of the seed that is there, None where there is none or it can't be read as one."""
    there = read_volume(world, place.pool, place.volume)
    return None if there is None else read_iso(there[0])


def write(world: World, pool: str, volume: str, files: str) -> t.Optional[Kept]:
    """Write the seed volume; only root and the guest's QEMU may read it. Returns what it was.

    In place where there is room: a running guest that has it as a disk reads the new content at its next boot.
    """
    content = make_iso(json.loads(base64.b64decode(files)))
    was, there = read_volume(world, pool, volume), world.volume(pool, volume)
    room = 0 if there is None else there.info()[1]
    try:
        if len(content) <= room <= LARGE:
            upload(world, there, content.ljust(room, b"\0"))
        else:
            size = -(-len(content) // ROOM) * ROOM
            put_volume(world, pool, volume, content.ljust(size, b"\0"), "cloud_init.pool")
    except Exception:
        put_back(world, pool, volume, was)
        raise
    return was


def delete(world: World, pool: str, volume: str) -> t.Optional[Kept]:
    """Delete the seed volume where it's still there. Returns what it was."""
    was = read_volume(world, pool, volume)
    if was is not None:
        world.volume(pool, volume).delete(0)
    return was


def put_back(world: World, pool: str, volume: str, was: t.Optional[Kept]) -> None:
    """Make the volume what it was; None: there was none."""
    there = world.volume(pool, volume)
    if was is None:
        if there is not None:
            there.delete(0)
    elif there is not None and there.info()[1] == len(was[0]):
        upload(world, there, was[0])
    else:
        put_volume(world, pool, volume, was[0], "cloud_init.pool", was[1])


def reload(world: World, name: str) -> None:
    """Eject the old seed from a running domain's drive and insert the new one; an idle domain sees it at its start."""
    domain = world.get("domain", name)
    if observed(domain) in OFF:
        return
    drive, wanted = seed_drive(running_document(domain)), seed_drive(persistent_document(domain))
    if drive is None or wanted is None or drive.get("device") != "cdrom":
        return
    live = flags("VIR_DOMAIN_AFFECT_LIVE", "VIR_DOMAIN_DEVICE_MODIFY_FORCE")
    empty = document.clone(drive)
    for source in empty.findall("source"):
        document.remove(source)
    domain.updateDeviceFlags(document.text_of(empty), live)
    domain.updateDeviceFlags(document.text_of(wanted), flags("VIR_DOMAIN_AFFECT_LIVE"))
