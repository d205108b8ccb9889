# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage volumes: what makes, grows, replaces and deletes one."""

from __future__ import annotations

import os
import typing as t

from ..._command import found
from ..._plan import Plan, refuse
from ..._xml import rows, table, units
from .. import storage
from ..formats import written
from ..noun import Noun
from ..pool.table import FILES, GIVEN
from .describe import INFO_SPEC, describe, describe_volume, read_volumes
from .limits import GROWING
from .order import Order, refuse_in_use
from .table import MADE_WITH, VOLUME

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..._plan import Operations
    from ..._xml.rows import Values
    from .order import Params

WIPES = ("zero", "nnsa", "dod", "bsi", "gutmann", "schneier", "pfitzner7", "pfitzner33", "random", "trim")

ARGUMENT_SPEC: Values = {
    "pool": {"type": "str", "required": True},
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"]},
    "creation_only": {"type": "list", "elements": "str"},
    "backing": {"type": "raw"},
    "source": {
        "type": "dict",
        "options": {
            "url": {"type": "str"},
            "file": {"type": "path"},
            "volume": {"type": "str"},
            "pool": {"type": "str"},
            "checksum": {"type": "str"},
            "format": {"type": "str"},
            "reflink": {"type": "bool"},
            "keyring": {"type": "path"},
            "signature": {"type": "str"},
        },
    },
    "refresh": {"type": "bool", "default": False},
    "preallocation": {"type": "str", "choices": ["none", "metadata"], "default": "none"},
    "wipe": {"type": "str", "choices": list(WIPES)},
    **table.argument_spec(VOLUME),
}


class Volume(Noun):
    """A volume: named by its pool and its name, and known by what it contains. It has no definition that is edited."""

    name = "volume"
    rows = VOLUME
    runs = False
    selectors = ("pool", "name")

    def key(self, params: Params) -> str:
        """``images/web1.qcow2``."""
        return f"{params['pool']}/{params['name']}"

    def called(self, there: t.Any) -> str:
        """The key of an object of libvirt's."""
        return f"{there.storagePoolLookupByVolume().name()}/{there.name()}"

    def find(self, world: World, key: str) -> t.Any:
        """The volume of that key, None where there is none, or its pool isn't active."""
        pool, dummy, name = key.partition("/")
        return world.volume(pool, name)

    def plan(self, world: World, params: Params) -> Plan:
        """What makes, grows, replaces or deletes the volume."""
        plan = Plan(self.name)
        if params["state"] == "absent" and world.find("pool", params["pool"]) is None:
            return plan
        order = Order(world, params, plan)
        if params["state"] == "absent":
            _plan_absence(order)
            return _settled(order)
        if order.unfinished:
            order.begin_anew()
        if order.before is None:
            from .making import plan_making

            plan_making(order)
        else:
            if params["creation_only"]:
                order.leave_out(ARGUMENT_SPEC)
            _plan_change(order)
        return _settled(order)

    def operations(self) -> Operations:
        """What the steps of its plans can do."""
        from .operations import OPERATIONS

        return OPERATIONS

    def describe(self, world: World, params: Params) -> t.Optional[Values]:
        """The volume as it is now, None where there is none."""
        return describe(world, params)

    def info(self, world: World, params: Params) -> Values:
        """The result of volume_info."""
        return read_volumes(world, params)


NOUN = Volume()


FILLING = ("volume.copy", "volume.clone", "volume.share", "volume.upload")  # they end what a killed run began


def _settled(order: Order) -> Plan:
    """The plan, with a step that completes or removes what a killed run has left, unless another step does."""
    if order.left and not any(step.operation in FILLING for step in order.plan.steps):
        order.add("settle", f"remove what a killed run has left of {order.title}", changes=False)
        order.plan.repairs = True
    return order.plan


def _plan_absence(order: Order) -> None:
    if order.before is None:
        return
    if order.kind in GIVEN:
        why = f"{order.title} is what the storage of a pool of type {order.kind} has, and libvirt can't delete it"
        refuse("state", why, "Take it away on the storage's own side; then run metal.kvm.pool with refresh: true.")
    refuse_in_use(order, "state", "be deleted")
    if order.params["wipe"] is not None:
        _check_wipe(order)
        order.add("wipe", f"wipe {order.title} ({order.params['wipe']})", algorithm=order.params["wipe"])
    order.add("delete", f"delete {order.title}")
    order.plan.differs("state", "present", "absent")


def _check_wipe(order: Order) -> None:
    """What overwrites volumes in that way is there."""
    wipe = order.params["wipe"]
    if wipe == "trim" and order.kind != "rbd":
        why = f"trim is for volumes of Ceph (rbd), and pool {order.pool_name} is of type {order.kind}"
        refuse("wipe", why, "Say zero, for example.")
    if wipe not in ("zero", "trim") and order.world.local and not found("scrub"):
        why = f"{wipe} needs the program scrub, which this machine hasn't got"
        refuse("wipe", why, "Install scrub, or say wipe: zero.")


def _plan_change(order: Order) -> None:
    """What of an existing volume is other than asked: its size, its permissions, its source; the rest stays as made."""
    before = t.cast("storage.Volume", order.before)
    order.plan.predicted = describe_volume(order.world, before)
    _refuse_remaking(order, before)
    replaced = False
    if order.params["source"] is not None:
        from . import source

        replaced = source.plan_refresh(order)
    if not replaced:
        _plan_growth(order, before)
        _plan_permissions(order, before)


def _refuse_remaking(order: Order, before: storage.Volume) -> None:
    """Refuse what is other than asked and stays as it was made."""
    has = rows.read(VOLUME, before.root)
    asked = order.wanted.get("format")
    if asked and written(asked) not in (written(has.get("format") or ""), written(before.format)):
        _refuse(order, "format", has.get("format"), asked)
    if order.params["backing"] is not None:
        from .making import backing_of

        backing = backing_of(order)
        if backing and os.path.realpath(backing["path"]) != os.path.realpath(before.backing):
            _refuse(order, "backing", before.backing or None, backing["path"])
    for name in MADE_WITH:
        _refuse_changed(order, name, has.get(name))


def _refuse_changed(order: Order, name: str, has: t.Any) -> None:
    asked = order.wanted.get(name)
    if isinstance(asked, dict):
        asked, has = asked.get("format"), (has or {}).get("format")
    if name == "compat" and has is None:
        has = "0.10"
    if asked is not None and asked != has and not (name == "cluster_size" and has is None):
        _refuse(order, name, has, asked)


def _refuse(order: Order, option: str, has: t.Any, asked: t.Any) -> t.NoReturn:
    made, keep = (
        (f"with '{units.written(has)}'", "Keep the value it has")
        if has is not None
        else (f"without {option}", "Leave it out")
    )
    why = f"{order.title} was made {made}, and that can't be changed to '{units.written(asked)}'"
    refuse(option, why, f"{keep}; or make a new volume beside it.")


# pools and formats whose sizes go up to whole extents, or cylinders
RESIZED = (*FILES, "rbd", "sheepdog")  # types of pools whose backends can
ROUNDED = {"logical": 128 * 1024**2, "disk": 16 * 1024**2, "zfs": 1024**2, "vpc": 2 * 1024**2}


def _plan_growth(order: Order, before: storage.Volume) -> None:
    asked = order.wanted.get("capacity")
    if asked is None:
        return
    if before.format == "dir":
        refuse("capacity", f"{order.title} is a directory, which has no size", "Leave capacity out.")
    if _has_size(order, before, asked):
        return
    _check_growth(order, before, asked)
    from ..usage.users import running_users

    running = running_users(order.world, before)
    if running:
        domain = running[0]
        text = f"grow {order.title} to {units.shown(asked)} in the running domain {domain}"
        order.add("grow_live", text, domain=domain, path=before.path, capacity=asked)
    else:
        order.add("grow", f"grow {order.title} to {units.shown(asked)}", capacity=asked)
    order.plan.differs("capacity", units.shown(before.capacity), units.shown(asked))
    t.cast("dict[str, t.Any]", order.plan.predicted)["capacity"] = asked


def _has_size(order: Order, before: storage.Volume, asked: int) -> bool:
    """Whether the volume has the size that is asked for as its storage and its format round that."""
    if asked < before.capacity:
        return before.capacity - asked < max(ROUNDED.get(order.kind, 1024), ROUNDED.get(before.format, 0))
    return asked <= -(-before.capacity // 512) * 512


def _check_growth(order: Order, before: storage.Volume, asked: int) -> None:
    """Refuse a size that the volume can't be brought to."""
    if before.capacity > asked:
        why = f"{order.title} has {units.shown(before.capacity)} and can't shrink to {units.shown(asked)}"
        refuse("capacity", why, "Ask for at least what it has; or make a new volume and move the data.")
    if order.kind not in RESIZED:
        refuse(
            "capacity",
            f"{order.title} is of a pool of type {order.kind}, whose volumes libvirt can't grow",
            "Grow it with the storage's own tool, such as lvextend; then run metal.kvm.pool with refresh: true.",
        )
    if order.kind in FILES and before.format not in GROWING:
        refuse(
            "capacity",
            f"{order.title} is a {before.format} image, which can't grow",
            f"Keep {units.shown(before.capacity)}; or make a new volume in another format from this one.",
        )


def _plan_permissions(order: Order, before: storage.Volume) -> None:
    """A volume's file gets what is asked."""
    has = rows.read(VOLUME, before.root).get("permissions", {})
    differing = _differing_permissions(order, before, has)
    if not differing:
        return
    if not order.world.local or order.kind not in FILES:
        why = f"those of {order.title} can't be changed over {order.world.uri} (pool of type {order.kind})"
        refuse("permissions", why, "Run this task on the hypervisor, on a pool of files.")
    order.add("permit", f"set {', '.join(differing)} of {order.title}", path=before.path, wanted=differing)
    for key, value in differing.items():
        order.plan.differs(f"permissions.{key}", has.get(key), value)
    predicted = t.cast("dict[str, t.Any]", order.plan.predicted)
    predicted["permissions"] = {**predicted.get("permissions", {}), **differing}


def _differing_permissions(order: Order, before: storage.Volume, has: Values) -> Values:
    """What is other than asked. Whose a file is while a guest has it open is libvirt's affair."""
    asked = order.wanted.get("permissions", {})
    differing = {key: value for key, value in asked.items() if has.get(key) != value and key != "label"}
    from ..usage.users import running_users

    if differing.keys() <= {"mode"} or not running_users(order.world, before):
        return differing
    return {key: value for key, value in differing.items() if key == "mode"}


__all__ = ["ARGUMENT_SPEC", "INFO_SPEC", "NOUN"]
