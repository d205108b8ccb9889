# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One volume: what is there, and what is asked for."""

from __future__ import annotations

import os
import typing as t

from ..._libvirt import found_or_none, missing_object
from ..._plan import KvmError
from ..._xml import document, rows
from .. import storage
from ..pool.table import FILES
from .table import VOLUME

if t.TYPE_CHECKING:
    from ..._plan import Plan

Params = dict[str, t.Any]


class Order:
    """One volume: what is there, and what is asked for."""

    def __init__(self, world: t.Any, params: Params, plan: Plan) -> None:
        self.world = world
        self.plan = plan
        self.params = params
        self.name: str = params["name"]
        self.pool_name: str = params["pool"]
        self.wanted = rows.parse(VOLUME, params)
        if "/" in self.name or not self.name.strip():
            raise KvmError(
                f"name: '{self.name}' can't be the name of a volume", "Use a name without slashes.", option="name"
            )
        self.pool = active_pool(world, plan, self.pool_name, "pool")
        root = None if self.pool is None else document.document(self.pool.XMLDesc(0))
        self.kind: str = "dir" if root is None else root.get("type")
        self.directory: str = "" if root is None else root.findtext("target/path") or ""
        self.there = None if self.pool is None else self._look_up()
        self.before = None if self.there is None else storage.volume(self.there, self.pool_name)

    @property
    def title(self) -> str:
        """The volume in a sentence: ``volume web1.qcow2 of pool images``."""
        return f"volume {self.name} of pool {self.pool_name}"

    @property
    def path(self) -> str:
        """Where its file is or will be; ``""`` where it has none."""
        if self.before is not None:
            return self.before.path
        return os.path.join(self.directory, self.name) if self.kind in FILES and self.directory else ""

    def _look_up(self) -> t.Any:
        """The volume; a file that libvirt hasn't seen yet is looked for once."""
        there = found_or_none(lambda: self.pool.storageVolLookupByName(self.name), "VIR_ERR_NO_STORAGE_VOL")
        unseen = there is None and self.kind in FILES and self.world.local
        if unseen and os.path.lexists(os.path.join(self.directory, self.name)):
            self.pool.refresh(0)
            there = found_or_none(lambda: self.pool.storageVolLookupByName(self.name), "VIR_ERR_NO_STORAGE_VOL")
        return there

    def add(self, operation: str, text: str, **arguments: t.Any) -> t.Any:
        """Add a step on this volume."""
        return self.plan.add(operation, text, pool=self.pool_name, name=self.name, **arguments)


def active_pool(world: t.Any, plan: Plan, name: str, option: str) -> t.Any:
    """The pool, None (assumed on the plan) where it isn't there or isn't active."""
    there = world.find("pool", name)
    if there is None:
        plan.assume(missing_object("pool", name, option))
        return None
    if not there.isActive():
        remedy = f"Start it first: metal.kvm.pool with name: {name} and state: active."
        plan.assume(KvmError(f"{option}: the pool '{name}' isn't active", remedy, option=option))
        return None
    return there


def refuse_in_use(order: Order, option: str, verb: str) -> None:
    """No domain, running or not, and no overlay may use a volume whose content goes away."""
    before = t.cast("storage.Volume", order.before)
    domains = sorted(storage.users(order.world, [before]))
    overlays = storage.overlays(order.world, before)
    if domains or overlays:
        users = [f"domain {name}" for name in domains] + [f"its overlay {name}" for name in overlays]
        raise KvmError(
            f"{option}: {order.title} can't {verb} while it is used by {', '.join(users)}",
            "Remove those first, or take the disk out of them.",
            option=option,
            used_by=[*domains, *overlays],
        )
