# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking a domain away: from any state, with what libvirt keeps beside it; its storage only as told."""

from __future__ import annotations

import os
import typing as t

from ..._plan import KvmError, Plan
from ..._xml import document
from ..usage.users import Piece, Storage, shown, using
from .devices import SEED_SERIAL
from .mark import INSTALL, marked
from .observed import OFF
from .state import add_acts

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from .draft import DomainDraft

Element = document.Element


def plan_absent(draft: DomainDraft) -> None:
    """Stop, undefine, delete what was asked for. Everything is checked before the first step."""
    world, plan, params, name = draft.world, draft.plan, draft.params, draft.name
    state, definition = draft.observed, t.cast(Element, draft.before)
    if state == "saved" and not params["discard_saved"]:
        raise KvmError(
            f"state: domain {name} has saved memory, which would be lost",
            "Start it first, or say discard_saved: true.",
            option="state",
        )
    doomed = _doomed(world, plan, definition, name) if params["storage"] == "delete" else []
    seeds = _own_seeds(world, plan, definition, name)
    if state not in OFF:
        add_acts(plan, params, state, "stopped")
    if draft.persistent:
        kept = {"keep_nvram": True} if _shares_nvram(world, plan, definition, name) else {}
        plan.add("domain.undefine", f"undefine domain {name}", name=name, **kept)
    for source in seeds:
        plan.add(
            "seed.delete",
            f"delete the seed {source.get('volume')}",
            pool=source.get("pool"),
            volume=source.get("volume"),
        )
    _delete_installer(world, plan, name, marked(definition, INSTALL))
    for disk in doomed:
        plan.add("domain.delete_storage", f"delete {_shown(disk)}", name=name, **disk)
    plan.before.pop("state", None)
    plan.after.pop("state", None)
    plan.differs("state", state, "absent")


def _shares_nvram(world: World, plan: Plan, definition: Element, name: str) -> bool:
    """Whether another domain has the NVRAM file of this one for certain: libvirt would delete it."""
    path = definition.findtext("os/nvram") or ""
    there = Storage(world)
    used = [user for user in using(there, [there.at(path)], ("domain", name)) if not user.doubt] if path else []
    if used:
        plan.warnings.append(f"state: the NVRAM file {path} is used by {shown(used)} too, and is kept")
    return bool(used)


def _own_seeds(world: World, plan: Plan, definition: Element, name: str) -> list[Element]:
    """The sources of the domain's seeds. One that another domain has for certain stays."""
    found = [disk for disk in definition.iterfind("devices/disk") if disk.findtext("serial") == SEED_SERIAL]
    own = []
    for source in (disk.find("source") for disk in found):
        there = Storage(world)
        used = [user for user in using(there, [there.source(source)], ("domain", name)) if not user.doubt]
        if used:
            plan.warnings.append(f"storage: the seed {source.get('volume')} is used by {shown(used)} too, and is kept")
        else:
            own.append(source)
    return own


def _delete_installer(world: World, plan: Plan, name: str, mark: t.Any) -> None:
    """What an installation that isn't finished has left in a pool."""
    if mark is None:
        return
    from .install import volumes

    for volume in volumes(world, name, mark):
        plan.add("seed.delete", f"delete the installer's volume {volume}", pool=mark.get("pool"), volume=volume)


def _shown(disk: dict[str, str]) -> str:
    return f"volume {disk['pool']}/{disk['volume']}" if disk.get("pool") else f"file {disk['path']}"


def _doomed(world: World, plan: Plan, definition: Element, name: str) -> list[dict[str, str]]:
    """The storage that goes with the domain: its own disks, without what is shared, read-only or used by another."""
    going: list[tuple[str, dict[str, str], Piece]] = []
    there = Storage(world)
    for disk in definition.iterfind("devices/disk"):
        source = disk.find("source")
        if source is None or disk.get("device") not in (None, "disk", "lun") or disk.findtext("serial") == SEED_SERIAL:
            continue
        target = disk.find("target").get("dev")
        place = _place(world, source)
        if not place or not ("pool" in place or world.local):
            plan.warnings.append(f"storage: disk {target} is neither a volume nor a file within reach, and is kept")
        elif disk.find("readonly") is not None or disk.find("shareable") is not None:
            plan.warnings.append(f"storage: disk {target} is read-only or shareable, and is kept")
        else:
            going.append((target, place, there.source(source)))
    return _without_used(plan, there, going, name)


def _without_used(
    plan: Plan, there: Storage, going: list[tuple[str, dict[str, str], Piece]], name: str
) -> list[dict[str, str]]:
    """Those of the disks that nothing else uses. What is kept may need others, so they're asked about again."""
    users = there.users([piece for dummy, dummy2, piece in going], ("domain", name)) if going else []
    while True:
        pieces = [piece for dummy, dummy2, piece in going]
        own = {key for piece in pieces for key in piece.keys}
        others = [user for user in users if user.own.isdisjoint(own)]
        used = [(one, using(there, [one[2]], users=others)) for one in going]
        kept = [(one, found) for one, found in used if found]
        if not kept:
            return [place for dummy, place, dummy2 in going]
        for one, found in kept:
            going.remove(one)
            plan.warnings.append(f"storage: disk {one[0]} is used by {shown(found)} too, and is kept")


def _place(world: World, source: Element) -> dict[str, str]:
    if source.get("volume"):
        volume = world.volume(source.get("pool"), source.get("volume"))
        return {"path": volume.path(), "pool": source.get("pool"), "volume": source.get("volume")} if volume else {}
    path = source.get("file")
    if not path or (world.local and os.path.exists(path) and not os.path.isfile(path)):
        return {}  # a device's file is no storage of its own
    return {"path": path}
