# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage that two disks have, and MAC addresses that two guests have: warned about when they're declared, refused where
both would run."""

from __future__ import annotations

import itertools
import typing as t

from ..._plan import Plan, refuse
from ..._xml import document
from ..usage.descriptions import descriptions
from ..usage.identity import Key
from ..usage.users import Storage

if t.TYPE_CHECKING:
    from ..._libvirt import World

Element = document.Element

DECLARED = ("disks", "interfaces", "xml", "devices")  # what the paths of such changes begin with
STARTS = ("domain.start", "domain.start_paused", "domain.start_again", "install.boot")


class Used:
    """A disk of a guest: its target, whether the guest writes it, whether it's declared as shared."""

    __slots__ = ("keys", "shareable", "target", "writes")

    def __init__(self, target: str, keys: set[Key], writes: bool, shareable: bool) -> None:
        self.target = target
        self.keys = keys
        self.writes = writes
        self.shareable = shareable

    def clashes(self, other: Used) -> bool:
        """Whether both at once would corrupt what they have in common: one writes, and they don't say that they share."""
        return (
            (self.writes or other.writes)
            and not (self.shareable and other.shareable)
            and not self.keys.isdisjoint(other.keys)
        )


def check_shared(world: World, plan: Plan, root: Element) -> None:
    """Look at the other guests if this plan declares disks or interfaces, or starts the guest."""
    starts = any(step.operation in STARTS for step in plan.steps)
    declares = _declares(plan)
    if not starts and not declares:
        return
    there = Storage(world)
    own = _disks(there, root, chains=True)
    _check_twice(plan, starts, root.findtext("name"), own)
    macs = _macs(root)
    for other in _other_domains(world, root, running_only=not declares):
        name = other.findtext("name")
        for disk, theirs in _clashes(own, _disks(there, other)):
            if starts and other.get("id") is not None:  # it runs
                _refuse(root.findtext("name"), disk, name, theirs)
            _warn(plan, f"disks: {disk.target} is storage that domain {name} has too ({theirs.target}), and both"
                  " running at once would corrupt it; give each its own, or say read_only or shareable for both")  # fmt: skip
        for mac in sorted(macs & _macs(other)):
            _warn(plan, f"interfaces: the MAC address {mac} is one that domain {name} has too")


def _other_domains(world: World, root: Element, running_only: bool) -> t.Iterator[Element]:
    """The documents of all domains but this one, as far as they can be read."""
    for domain in world.connection.listAllDomains():
        for what, other, _why in descriptions(domain, running_only):
            if not what and other is not None and other.findtext("uuid") != root.findtext("uuid"):
                yield other


def _declares(plan: Plan) -> bool:
    defines = [step for step in plan.steps if step.operation == "domain.define"]
    new = any(step.undo is not None and step.undo.operation == "domain.undefine" for step in defines)
    return bool(defines) and (new or any(path.startswith(DECLARED) for path in (*plan.before, *plan.after)))


def _check_twice(plan: Plan, starts: bool, name: str, own: list[Used]) -> None:
    """One image as two disks of the same guest: QEMU locks it for the first, and doesn't start with the second."""
    for disk, second in itertools.combinations(own, 2):
        if disk.target == second.target or not disk.clashes(second):
            continue
        said = f"{disk.target} and {second.target} of domain {name} are the same storage"
        if starts:
            refuse(
                "disks", f"{said}, and QEMU doesn't open an image twice to write it", "Give each disk its own storage."
            )
        _warn(plan, f"disks: {said}, so that the domain can't start; give each its own")


def _refuse(name: str, disk: Used, other: str, theirs: Used) -> t.NoReturn:
    refuse(
        "disks",
        f"domain {name} can't start while domain {other} runs: its disk {disk.target} and {theirs.target} of domain"
        f" {other} are the same storage, which would be corrupted",
        f"Stop domain {other} first, or give each its own storage. Say shareable: true for both if their file system is"
        " made for that.",
    )


def _warn(plan: Plan, text: str) -> None:
    if text not in plan.warnings:
        plan.warnings.append(text)


def _clashes(own: list[Used], others: list[Used]) -> t.Iterator[tuple[Used, Used]]:
    return ((disk, other) for disk in own for other in others if disk.clashes(other))


def _disks(there: Storage, root: Element, chains: bool = False) -> list[Used]:
    """A guest's disks, and what is below them, which it only reads: as its document says, with ``chains`` as the images say."""
    found = []
    for disk in root.iterfind("devices/disk"):
        source, target = disk.find("source"), str(disk.find("target").get("dev"))
        if source is None:
            continue
        reads = disk.get("device") == "cdrom" or any(disk.find(tag) is not None for tag in ("readonly", "transient"))
        shareable = disk.find("shareable") is not None
        top = there.source(source)
        found.append(Used(target, top.keys, not reads, shareable))
        below = {key for one in disk.iterfind(".//backingStore/source") for key in there.source(one).keys}
        if chains and top.path:
            below |= there.images.chain(top.path).keys
        found.append(Used(target, below - top.keys, False, shareable))
    return found


def _macs(root: Element) -> set[str]:
    return {str(mac.get("address")).lower() for mac in root.iterfind("devices/interface/mac")}
