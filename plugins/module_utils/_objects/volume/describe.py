# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What results say of volumes."""

from __future__ import annotations

import functools
import typing as t

from ..._libvirt import documents, tried
from ..._xml import rows
from .. import storage
from ..pool.table import FILES
from . import records
from .table import VOLUME

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..._xml.rows import Values
    from .order import Params


def describe(world: World, params: Params) -> t.Optional[Values]:
    """The volume after the run."""
    there = world.volume(params["pool"], params["name"])
    found = None if there is None else storage.volume_or_none(there, params["pool"])
    return None if found is None else describe_volume(world, found)


def describe_volume(world: World, found: storage.Volume, known: t.Optional[dict[str, storage.Volume]] = None) -> Values:
    """A volume as results show it; ``known`` are volumes by path that needn't be asked for."""
    values: Values = {"name": found.name, "pool": found.pool, "path": found.path}
    values.update(lasting(rows.read(VOLUME, found.root)))
    values.setdefault("format", found.format)
    values["type"] = found.root.get("type") or "file"
    values["allocation"] = int(found.root.findtext("allocation") or 0)
    physical = found.root.findtext("physical")
    if physical is not None:
        values["physical"] = int(physical)
    node = found.root.find("backingStore/format")
    if found.backing:
        values["backing"] = {"path": found.backing, "format": "raw" if node is None else node.get("type")}
        values["backing_chain"] = _chain(world, found, known or {})
    return values


def lasting(values: Values) -> Values:
    """Without what libvirt knows only until it reads the pool again: with which secret a volume is encrypted."""
    if "encryption" in values:
        values["encryption"] = {key: value for key, value in values["encryption"].items() if key == "format"}
    return values


def _chain(world: World, top: storage.Volume, known: dict[str, storage.Volume]) -> list[str]:
    """The paths below a volume, as far as libvirt knows the volumes there."""
    chain, path = [], top.backing
    while path and path not in chain:
        chain.append(path)
        below = known.get(path)
        if below is None:
            below = tried(functools.partial(storage.by_path, world, path))[0]
        path = "" if below is None else below.backing
    return chain


INFO_SPEC = {"pool": {"type": "str"}, "name": {"type": "str"}}


def read_volumes(world: World, params: Params) -> Values:
    """The result of volume_info."""
    name = params.get("pool")
    pools = [world.get("pool", name, "pool")] if name else world.connection.listAllStoragePools()
    warnings: list[str] = []
    found = [one for pool in pools for one in _volumes(pool, bool(name), warnings)]
    known = {one.path: one for one in found}
    asked = [one for one in found if params.get("name") in (None, one.name)]
    described = [describe_volume(world, one, known) for one in asked]
    directories = list(_directories(pools, warnings))
    return {
        "volumes": sorted(described, key=lambda one: (one["pool"], one["name"])),
        "downloads": records.under_way(directories) if world.local else [],
        "warnings": list(dict.fromkeys(warnings)),
    }


def _volumes(pool: t.Any, asked: bool, warnings: list[str]) -> list[storage.Volume]:
    """A pool's volumes. A pool that can't be read is an error if it was ``asked`` for, else a warning."""
    if asked:
        return storage.volumes(pool)
    found, why = tried(lambda: storage.volumes(pool))
    if why:
        warnings.append(f"pool {tried(pool.name)[0]} can't be read: {why}")
    return found or []


def _directories(pools: t.Iterable[t.Any], missed: list[str]) -> t.Iterator[str]:
    for dummy, root in documents("pool", pools, missed):
        if root.get("type") in FILES:
            yield root.findtext("target/path") or ""
