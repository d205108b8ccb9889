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
from ..pool.table import FILES
from ..volume.plan import ARGUMENT_SPEC, FILLING, NOUN
from .beside import says_volume

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
    if other:
        refuse(
            said,
            f"this is for a disk on a volume, and {other} is given",
            f"Say pool in place of {other}, or leave it out.",
        )
    if disk.get("device") in ("cdrom", "floppy"):
        refuse(said, f"this is for a disk, and the device is a {disk['device']}", "Leave it out.")
    if not disk.get("pool"):
        refuse(said, "the disk has no pool in which its volume is", "Say pool too.")
    if not (disk.get("target") or disk.get("volume")):
        refuse(said, "the disk has neither a target nor a volume", "Say target (vda, vdb ...), or volume.")


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
    for disk in draft.params["disks"] or ():
        if says_volume(disk):
            label = f"disks[{disk.get('target') or disk['volume']}]"
            _take_over(draft, label, _planned(draft.world, disk, label))


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
    for step in plan.steps:
        if step.operation in NEW:
            pool, volume = step.arguments["pool"], step.arguments["name"]
            step.undo = Step("volume.delete", f"delete volume {volume} of pool {pool} again", pool=pool, name=volume)
            draft.plan.makes[f"volume {pool}/{volume}"] = str((plan.predicted or {}).get("format") or "raw")
    draft.plan.steps += plan.steps
    draft.plan.warnings += plan.warnings
    draft.plan.assumed += [_as_disk(error, label) for error in plan.assumed]
    for name, alone in plan.targets.items():
        draft.plan.lock(name, alone=alone)


def _as_disk(error: KvmError, label: str) -> KvmError:
    """The volume's error in the words of the disk."""
    option = str(error.details.get("option") or "")
    theirs, dot, rest = option.partition(".")
    ours = next((one for one, other in SAID.items() if other == theirs), theirs)
    said = error.message.removeprefix(f"{option}: ")
    path = f"{label}.{ours}{dot}{rest}" if option else label
    return KvmError(f"{path}: {said}", error.remedy, **{**error.details, "option": path})
