# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking a domain away: from any state, with what libvirt keeps beside it; its storage only as told."""

from __future__ import annotations

import os
import typing as t

from ..._xml import document
from ..usage.users import Piece, Storage, User, shown, using
from .devices import is_seed
from .mark import INSTALL, marked
from .observed import OFF
from .state import add_acts, refuse_lost_memory

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from .draft import DomainDraft

Element = document.Element


def plan_absent(draft: DomainDraft) -> None:
    """Stop, undefine, delete what was asked for. Everything is checked before the first step."""
    state, plan = draft.observed, draft.plan
    if state == "saved":
        refuse_lost_memory(draft)
    doomed = _doomed(draft) if draft.params["storage"] == "delete" else []
    seeds = _own_seeds(draft)
    if state not in OFF:
        add_acts(draft, state, "stopped")
    if draft.persistent:
        draft.add("undefine", f"undefine {draft.title}", **({"keep_nvram": True} if _shares_nvram(draft) else {}))
    for source in seeds:
        pool, volume = source.get("pool"), source.get("volume")
        plan.add("seed.delete", f"delete the seed {volume}", pool=pool, volume=volume)
    _delete_installer(draft)
    for disk in doomed:
        draft.add("delete_storage", f"delete {_shown(disk)}", **disk)
    plan.before.pop("state", None)
    plan.after.pop("state", None)
    plan.differs("state", state, "absent")


def _shares_nvram(draft: DomainDraft) -> bool:
    """Whether another domain has the NVRAM file of this one for certain: libvirt would delete it."""
    path = t.cast(Element, draft.before).findtext("os/nvram") or ""
    there = Storage(draft.world)
    used = _certain_users(draft, there, there.at(path)) if path else []
    if used:
        draft.plan.warnings.append(f"state: the NVRAM file {path} is used by {shown(used)} too, and is kept")
    return bool(used)


def _certain_users(draft: DomainDraft, there: Storage, piece: Piece) -> list[User]:
    """The other objects that certainly use the piece."""
    return [user for user in using(there, [piece], ("domain", draft.name)) if not user.doubt]


def _own_seeds(draft: DomainDraft) -> list[Element]:
    """The sources of the domain's seeds. One that another domain has for certain stays."""
    own = []
    for disk in filter(is_seed, t.cast(Element, draft.before).iterfind("devices/disk")):
        source, there = disk.find("source"), Storage(draft.world)
        if source is None or not source.get("volume"):  # somebody has ejected it
            continue
        used = _certain_users(draft, there, there.source(source))
        if used:
            words = f"storage: the seed {source.get('volume')} is used by {shown(used)} too, and is kept"
            draft.plan.warnings.append(words)
        else:
            own.append(source)
    return own


def _delete_installer(draft: DomainDraft) -> None:
    """What an installation that isn't finished has left in a pool."""
    mark = marked(t.cast(Element, draft.before), INSTALL)
    if mark is None:
        return
    from .install import volumes

    for volume in volumes(draft.world, draft.name, mark):
        text = f"delete the installer's volume {volume}"
        draft.plan.add("seed.delete", text, pool=mark.get("pool"), volume=volume)


def _shown(disk: dict[str, str]) -> str:
    return f"volume {disk['pool']}/{disk['volume']}" if disk.get("pool") else f"file {disk['path']}"


class _Disk(t.NamedTuple):
    """A disk whose storage goes: its target, where that is, and what it is to those who use it too."""

    target: str
    place: dict[str, str]
    piece: Piece


def _doomed(draft: DomainDraft) -> list[dict[str, str]]:
    """The storage that goes with the domain: its own disks, without what is shared, read-only or used by another."""
    there = Storage(draft.world)
    going = list(_own_disks(draft, there))
    users = there.users([disk.piece for disk in going], ("domain", draft.name)) if going else []
    while kept := _disks_in_use(there, going, users):
        for disk, found in kept:
            going.remove(disk)
            draft.plan.warnings.append(f"storage: disk {disk.target} is used by {shown(found)} too, and is kept")
    return [disk.place for disk in going]


def _own_disks(draft: DomainDraft, there: Storage) -> t.Iterator[_Disk]:
    """The disks that are the domain's own by its definition, with a warning for each that isn't."""
    world, warnings = draft.world, draft.plan.warnings
    for disk in t.cast(Element, draft.before).iterfind("devices/disk"):
        source = disk.find("source")
        if source is None or disk.get("device") not in (None, "disk", "lun") or is_seed(disk):
            continue
        target = disk.find("target").get("dev")
        place = _place(world, source)
        if not place or not ("pool" in place or world.local):
            warnings.append(f"storage: disk {target} is neither a volume nor a file within reach, and is kept")
        elif disk.find("readonly") is not None or disk.find("shareable") is not None:
            warnings.append(f"storage: disk {target} is read-only or shareable, and is kept")
        else:
            yield _Disk(target, place, there.source(source))


def _disks_in_use(there: Storage, going: list[_Disk], users: list[User]) -> list[tuple[_Disk, list[User]]]:
    """The disks that something else uses. A disk that is kept may be an overlay of others, so ask again without it."""
    own = {key for disk in going for key in disk.piece.keys}
    others = [user for user in users if user.own.isdisjoint(own)]
    used = ((disk, using(there, [disk.piece], users=others)) for disk in going)
    return [(disk, found) for disk, found in used if found]


def _place(world: World, source: Element) -> dict[str, str]:
    if source.get("volume"):
        volume = world.volume(source.get("pool"), source.get("volume"))
        return {"path": volume.path(), "pool": source.get("pool"), "volume": source.get("volume")} if volume else {}
    path = source.get("file")
    if not path or (world.local and os.path.exists(path) and not os.path.isfile(path)):
        return {}  # a device's file is no storage of its own
    return {"path": path}
