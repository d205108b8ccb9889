# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking a domain away: from any state, with what libvirt keeps beside it; its storage only as told."""

from __future__ import annotations

import typing as t

from ..._plan import KvmError, Plan
from ..._xml import document
from ..._xml.rows import Values
from .devices import SEED_SERIAL
from .documents import persistent_document
from .mark import INSTALL, marked
from .state import OFF, add_acts, observed

Element = document.Element


def plan_absent(world: t.Any, plan: Plan, domain: t.Any, params: Values) -> Plan:
    """Stop, undefine, delete what was asked for. Everything is checked before the first step."""
    name = params["name"]
    if domain is None:
        return plan
    state = observed(domain)
    definition = persistent_document(domain)
    if state == "saved" and not params["discard_saved"]:
        raise KvmError(
            f"state: domain {name} has saved memory, which would be lost",
            "Start it first, or say discard_saved: true.",
            option="state",
        )
    doomed = _doomed(world, plan, definition, name) if params["storage"] == "delete" else []
    if state not in OFF:
        add_acts(plan, params, state, "stopped")
    if domain.isPersistent():
        plan.add("domain.undefine", f"undefine domain {name}", name=name)
    for disk in definition.iterfind("devices/disk"):
        if disk.findtext("serial") == SEED_SERIAL:
            source = disk.find("source")
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
    return plan


def _delete_installer(world: t.Any, plan: Plan, name: str, mark: t.Any) -> None:
    """What an installation that isn't finished has left in a pool."""
    if mark is None:
        return
    from .install import volumes

    for volume in volumes(world, name, mark):
        plan.add("seed.delete", f"delete the installer's volume {volume}", pool=mark.get("pool"), volume=volume)


def _shown(disk: dict[str, str]) -> str:
    return f"volume {disk['pool']}/{disk['volume']}" if disk.get("pool") else f"file {disk['path']}"


def _doomed(world: t.Any, plan: Plan, definition: Element, name: str) -> list[dict[str, str]]:
    """The storage that goes with the domain: its own disks, without what is shared, read-only or used by another."""
    doomed = []
    used = _used_elsewhere(world, name)
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
        elif place["path"] in used:
            plan.warnings.append(f"storage: disk {target} is used by {used[place['path']]} too, and is kept")
        else:
            doomed.append(place)
    return doomed


def _place(world: t.Any, source: Element) -> dict[str, str]:
    if source.get("volume"):
        volume = world.volume(source.get("pool"), source.get("volume"))
        return {"path": volume.path(), "pool": source.get("pool"), "volume": source.get("volume")} if volume else {}
    return {"path": source.get("file")} if source.get("file") else {}


def _used_elsewhere(world: t.Any, name: str) -> dict[str, str]:
    """Path to what else uses it: other domains' disks and their chains, and volumes that it backs."""
    used: dict[str, str] = {}
    for other in world.connection.listAllDomains():
        if other.name() == name:
            continue
        root = document.document(other.XMLDesc(0))
        for source in root.iter("source"):
            place = _place(world, source)
            if place:
                used[place["path"]] = f"domain {other.name()}"
    for pool in world.connection.listAllStoragePools():
        if not pool.isActive():
            continue
        for volume in pool.listAllVolumes():
            backing = document.document(volume.XMLDesc(0)).findtext("backingStore/path")
            if backing:
                used[backing] = f"volume {pool.name()}/{volume.name()}"
    return used
