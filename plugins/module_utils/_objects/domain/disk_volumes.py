# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes that a disk's own options make and grow, so that a disk is one line: ``{target: vdb, pool: images, size: 20 GiB}``.

What the volume is to be is planned as the module volume plans it. Its steps come first.
"""

from __future__ import annotations

import typing as t

from ..._plan import KvmError, Step, refuse
from ..._xml import document
from .. import storage
from ..pool.table import FILES
from ..usage.users import Storage, shown, using
from ..volume.plan import ARGUMENT_SPEC, FILLING, NOUN
from .beside import says_volume
from .mark import CLONE, marked

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..._plan import Plan
    from ..._xml.rows import Values
    from .draft import DomainDraft

    Element = document.Element

# The option of a disk, and the one of the module volume that says the same.
SAID = {"size": "capacity", "backing": "backing", "source": "source"}
SOURCES = ("file", "block", "network", "nvme", "vhostuser", "dir")
NEW = (*FILLING, "volume.make")


def named(world: World, name: str, disks: t.Sequence[Values], before: t.Optional[Element]) -> list[Values]:
    """The disks of the domain ``name`` with the volumes that are theirs, where they say how large those are or what of.

    ``before`` is the domain's definition: a disk that is there keeps its volume.
    """
    return [
        _named(world, name, disk, f"disks[{index}]", before) if _says(disk) else disk
        for index, disk in enumerate(disks)
    ]


def _says(disk: Values) -> bool:
    return any(disk.get(option) is not None for option in SAID)


def _named(world: World, name: str, disk: Values, where: str, before: t.Optional[Element]) -> Values:
    _refuse_unfit(disk, where)
    volume = disk.get("volume") or _of_target(before, disk) or _new_name(world, name, disk)
    return {**disk, "volume": volume}


def _refuse_unfit(disk: Values, where: str) -> None:
    """Such a disk is on a volume, whose pool and name are known."""
    said = f"{where}.{next(option for option in SAID if disk.get(option) is not None)}"
    other = next((option for option in SOURCES if disk.get(option) is not None), "")
    drive = disk.get("device") if disk.get("device") in ("cdrom", "floppy") else ""
    for wrong, why, remedy in (
        (other, f"this is for a disk on a volume, and {other} is given", f"Say pool in place of {other}, or leave it out."),
        (drive, f"this is for a disk, and the device is a {drive}", "Leave it out."),
        (disk.get("encryption"), "the volume would be made without encryption", "Make it with metal.kvm.volume, and leave this out."),
        (not disk.get("pool"), "the disk has no pool in which its volume is", "Say pool too."),
        (_is_nameless(disk), "the disk has neither a target nor a volume", "Say target (vda, vdb ...), or volume."),
    ):  # fmt: skip
        if wrong:
            refuse(said, why, remedy)


def _is_nameless(disk: Values) -> bool:
    return not (disk.get("target") or disk.get("volume"))


def _of_target(before: t.Optional[Element], disk: Values) -> str:
    """The volume that the disk of that target has; ``""`` for a new disk. One that is elsewhere isn't replaced unasked."""
    for there in () if before is None else before.iterfind("devices/disk"):
        source = there.find("source")
        if there.find("target").get("dev") != disk["target"] or source is None:
            continue
        if source.get("pool") == disk["pool"]:
            return str(source.get("volume"))
        where = source.get("file") or source.get("dev") or f"volume {source.get('volume')} of pool {source.get('pool')}"
        refuse(
            f"disks[{disk['target']}].pool",
            f"the disk is on {where}, and not on a volume of pool {disk['pool']}",
            "Leave size, backing and source out; or say volume, to have another one in its place.",
        )
    return ""


def _new_name(world: World, name: str, disk: Values) -> str:
    """``web1-vdb.qcow2``; of a pool that has no files, ``web1-vdb``."""
    pool = world.find("pool", disk["pool"])
    if pool is not None and document.document(pool.XMLDesc(0)).get("type") not in FILES:
        return f"{name}-{disk['target']}"
    return f"{name}-{disk['target']}.{disk.get('format') or 'qcow2'}"


def plan_volumes(draft: DomainDraft) -> None:
    """Add the steps that make and grow the volumes of the disks."""
    for index, disk in enumerate(draft.params["disks"] or ()):
        if not says_volume(disk):
            continue
        label = f"disks[{disk.get('target') or disk['volume']}]"
        _refuse_clone(draft, label)
        _refuse_others(draft, disk, label)
        plan = _planned(draft.world, disk, label)
        _take_over(draft, label, plan)
        if not disk.get("format") and plan.predicted:
            draft.wanted["disks"][index]["format"] = plan.predicted.get("format") or "raw"


def _refuse_clone(draft: DomainDraft, label: str) -> None:
    """A clone's disks are copies until it's whole."""
    if draft.params["source_domain"] is None:
        return
    if draft.before is None or marked(draft.before, CLONE) is not None:
        refuse(label, "a clone gets copies of the other domain's disks", "Say size, backing or source in a later task.")


def _is_own(before: t.Optional[Element], disk: Values) -> bool:
    """Whether the domain has the volume already."""
    sources = [] if before is None else before.iterfind("devices/disk/source")
    return any((one.get("pool"), one.get("volume")) == (disk["pool"], disk["volume"]) for one in sources)


def _refuse_others(draft: DomainDraft, disk: Values, label: str) -> None:
    """A volume that is there under a new disk's name isn't taken from another domain."""
    volume = draft.world.volume(disk["pool"], disk["volume"])
    if volume is None or disk.get("shareable") or _is_own(draft.before, disk):
        return
    there = Storage(draft.world)
    own = draft.name if draft.there is None else str(draft.there.name())
    piece = there.volume(storage.volume(volume, disk["pool"]))
    others = [user for user in using(there, [piece], ("domain", own)) if user.noun == "domain" and not user.doubt]
    if others:
        refuse(
            label,
            f"volume {disk['volume']} of pool {disk['pool']} is used by {shown(others)}",
            "Name a volume of the disk's own.",
        )
    if draft.before is None:
        draft.plan.warnings.append(
            f"{label}: volume {disk['volume']} of pool {disk['pool']} is there already, and is taken with what is in it"
        )


def _planned(world: World, disk: Values, label: str) -> Plan:
    asked = {option: spec.get("default") for option, spec in ARGUMENT_SPEC.items()}
    asked.update({theirs: disk.get(ours) for ours, theirs in SAID.items()})
    asked.update(pool=disk["pool"], name=disk["volume"], format=disk.get("format"))
    try:
        return NOUN.plan(world, asked)
    except KvmError as error:
        raise _as_disk(error, label) from error


def _take_over(draft: DomainDraft, label: str, plan: Plan) -> None:
    """Have the domain's plan do what the volume's plan does."""
    ours = {theirs: option for option, theirs in SAID.items()}
    for option in {**plan.before, **plan.after}:
        if option in ours:
            path = f"{label}.{ours[option]}"
            draft.plan.differs(path, plan.before.get(option), plan.after.get(option))
            draft.beside.add(path)
    _note_new(draft, plan)
    draft.plan.repairs = draft.plan.repairs or plan.repairs
    draft.plan.steps += plan.steps
    draft.plan.warnings += plan.warnings
    draft.plan.assumed += [_as_disk(error, label) for error in plan.assumed]
    for name, alone in plan.targets.items():
        draft.plan.lock(name, alone=alone)


def _note_new(draft: DomainDraft, plan: Plan) -> None:
    """What the volume's plan makes goes again if a later step fails, and later steps need not find it yet."""
    for step in plan.steps:
        if step.operation in NEW:
            pool, volume = step.arguments["pool"], step.arguments["name"]
            step.undo = Step("volume.delete", f"delete volume {volume} of pool {pool} again", pool=pool, name=volume)
            draft.plan.makes[f"volume {pool}/{volume}"] = str((plan.predicted or {}).get("format") or "raw")


def _as_disk(error: KvmError, label: str) -> KvmError:
    """The volume's error in the words of the disk."""
    option = str(error.details.get("option") or "")
    theirs, dot, rest = option.partition(".")
    ours = next((one for one, other in SAID.items() if other == theirs), theirs)
    said = error.message.removeprefix(f"{option}: ")
    path = f"{label}.{ours}{dot}{rest}" if option else label
    return KvmError(f"{path}: {said}", error.remedy, **{**error.details, "option": path})
