# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The step that makes a volume: from nothing, on a backing volume, or from a source."""

from __future__ import annotations

import os
import typing as t

from ..._libvirt import found_or_none
from ..._plan import KvmError, refuse
from ..._xml import document, units
from .. import storage
from ..formats import by_ending, of_file
from ..pool.table import FILES
from .describe import lasting
from .limits import GROWING, check_format, check_pool, check_room
from .order import active_pool, lock_of
from .table import VOLUME

if t.TYPE_CHECKING:
    from ..._xml.rows import Values
    from .order import Order
    from .source import Origin


def plan_making(order: Order) -> None:
    """The one step that makes the volume from nothing, on a backing volume, or from a source."""
    from . import source

    wanted, params = order.wanted, order.params
    check_pool(order)
    if params["backing"] is not None and params["source"] is not None:
        raise KvmError(
            "backing, source: a new volume is an overlay or a copy, not both",
            "Keep the one that is meant.",
            option="source",
        )
    backing = backing_of(order)
    origin = source.looked_at(order) if params["source"] is not None else None
    _set_format(order, backing, origin)
    _set_capacity(order, backing, origin)
    check_room(order)
    if wanted.get("encryption"):
        from ..secret.reference import need_secrets

        need_secrets(order.world, order.plan, "volume", wanted["encryption"], "encryption")
    _note_making(order, backing, origin)
    xml = order.definition(backing)
    if origin is None:
        text = f"make {order.title} ({_size(wanted)}{wanted['format']}{', on ' + backing['path'] if backing else ''})"
        order.add("make", text, xml=xml, preallocate=params["preallocation"] == "metadata")
    else:
        source.plan_copy(order, origin, xml)
    order.plan.predicted = _predicted(order, backing)


def _set_format(order: Order, backing: t.Optional[Values], origin: t.Optional[Origin]) -> None:
    """The wanted format, else the pool's or the source's; a new qcow2 image is of version 3, one that shares blocks as it is."""
    order.wanted.setdefault("format", _format(order, origin))
    check_format(order, backing)
    shares = origin is not None and origin.given.get("reflink")
    if order.wanted["format"] == "qcow2" and not shares:
        order.wanted.setdefault("compat", "1.1")


def _set_capacity(order: Order, backing: t.Optional[Values], origin: t.Optional[Origin]) -> None:
    """The wanted size, else that of what the volume is made from, which it can't be less than."""
    wanted, known = order.wanted, _known_size(backing, origin)
    if known:
        wanted.setdefault("capacity", known)
    if wanted["format"] == "dir":
        return
    later = backing is not None and (backing.get("capacity") is not None or order.plan.assumed)
    if "capacity" not in wanted and origin is None and not later:
        why = f"{order.title} isn't there yet, and a new one needs a size"
        refuse("capacity", why, "Say capacity: 20 GiB, for example.")
    if wanted.get("capacity") == 0:
        refuse("capacity", "a volume of 0 bytes is none", "Say capacity: 20 GiB, for example.")
    if known:
        _check_source_size(known, wanted["capacity"], wanted["format"])


def _known_size(backing: t.Optional[Values], origin: t.Optional[Origin]) -> t.Optional[int]:
    size = backing.get("capacity") if backing else None
    return size or (origin.capacity if origin else None)


def _check_source_size(known: int, asked: int, form: str) -> None:
    """Refuse a size that what the volume is made from, of size ``known``, can't be brought to."""
    if asked > known and form not in GROWING:
        refuse(
            "capacity",
            f"{units.shown(asked)} is more than the {units.shown(known)} that it is made from, and {form} images can't grow",
            "Leave capacity out, or say another format.",
        )
    if asked < known:
        why = f"{units.shown(asked)} is less than the {units.shown(known)} it is made from"
        refuse("capacity", why, "Ask for at least as much.")


def _size(wanted: Values) -> str:
    return f"{units.shown(wanted['capacity'])}, " if "capacity" in wanted else ""


def _note_making(order: Order, backing: t.Optional[Values], origin: t.Optional[Origin]) -> None:
    plan = order.plan
    plan.differs("state", "absent", "present")
    for row in VOLUME:
        if row.name in order.wanted and order.wanted[row.name] is not False:
            show = getattr(getattr(row, "type", None), "show", lambda value: value)
            plan.differs(row.name, None, show(order.wanted[row.name]))
    if backing:
        plan.differs("backing", None, {key: backing[key] for key in ("path", "format") if backing.get(key)})
    if origin is not None:
        plan.differs("source", None, origin.shown)


def _format(order: Order, origin: t.Optional[Origin]) -> str:
    """The format of a new volume where nobody says it."""
    if order.kind not in FILES:
        return "raw"
    if origin is not None and origin.format:
        return str(origin.format)
    return by_ending(order.name)


def backing_of(order: Order) -> t.Optional[Values]:
    """Path, format and capacity of what the volume is an overlay of; None for nothing."""
    given = order.params["backing"]
    if given is None:
        return None
    if isinstance(given, str):
        given = {"volume": given}
    if not isinstance(given, dict) or ("volume" in given) == ("path" in given):
        refuse(
            "backing",
            f"'{given}' is neither a volume nor a path",
            "Write the name of a volume in the same pool, or {pool: ..., volume: ...}, or {path: ..., format: ...}.",
        )
    return _backing_file(order, given) if "path" in given else _backing_volume(order, given)


def _backing_volume(order: Order, given: Values) -> Values:
    name, pool_name = str(given["volume"]), str(given.get("pool") or order.pool_name)
    pool = (
        order.pool if pool_name == order.pool_name else active_pool(order.world, order.plan, pool_name, "backing.pool")
    )
    there = None if pool is None else found_or_none(lambda: pool.storageVolLookupByName(name), "VIR_ERR_NO_STORAGE_VOL")
    if there is None:
        if pool is not None:
            remedy = "Declare it first (metal.kvm.volume), or correct the name."
            message = f"backing: pool {pool_name} has no volume named '{name}'"
            order.plan.assume(KvmError(message, remedy, option="backing"))
        return {"path": os.path.join(order.directory, name), "format": given.get("format") or by_ending(name)}
    found = storage.volume(there, pool_name)
    order.plan.lock(lock_of(order.world, document.document(pool.XMLDesc(0)), pool_name, name), alone=False)
    return {"path": found.path, "format": given.get("format") or found.format, "capacity": found.capacity}


def _backing_file(order: Order, given: Values) -> Values:
    path = str(given["path"])
    if not order.world.local:
        if not given.get("format"):
            why = f"the format of {path} can't be read over {order.world.uri}"
            refuse("backing.format", why, "Say the format, or run this task on the hypervisor.")
        return {"path": path, "format": given["format"]}
    if not os.path.exists(path):
        order.plan.assume(KvmError(f"backing.path: {path} does not exist", "Correct the path.", option="backing.path"))
        return {"path": path, "format": given.get("format") or by_ending(path)}
    from ..formats import image_info

    size = int(image_info(path, "backing.path")["virtual-size"])
    return {"path": path, "format": given.get("format") or of_file(path, "backing.format"), "capacity": size}


def _predicted(order: Order, backing: t.Optional[Values]) -> Values:
    values = {"name": order.name, "pool": order.pool_name, **lasting(dict(order.wanted))}
    values.pop("allocation", None)
    if order.path:
        values["path"] = order.path
    if backing:
        values["backing"] = {key: backing[key] for key in ("path", "format")}
    return values
