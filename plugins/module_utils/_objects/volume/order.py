# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One volume: what is there, and what is asked for."""

from __future__ import annotations

import os
import typing as t

from ..._creation import for_existing
from ..._libvirt import found_or_none, missing_object
from ..._plan import KvmError, refuse
from ..._xml import contradictions, document, rows
from .. import storage
from ..pool.table import FILES
from .leftover import refresh
from .limits import check_size
from .staging import Staging
from .table import CONTRADICTIONS, VOLUME

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..._plan import Plan
    from ..._xml.rows import Values

Params = dict[str, t.Any]


class Order:
    """One volume: what is there, and what is asked for."""

    def __init__(self, world: World, params: Params, plan: Plan) -> None:
        self.world = world
        self.plan = plan
        self.params = params
        self.name: str = params["name"]
        self.pool_name: str = params["pool"]
        self.wanted = rows.parse(VOLUME, params)
        contradictions.check(CONTRADICTIONS, self.wanted)
        check_size(self.wanted)
        if "/" in self.name or not self.name.strip() or self.name in (".", ".."):
            refuse("name", f"'{self.name}' can't be the name of a volume", "Use a name without slashes.")
        self.pool = active_pool(world, plan, self.pool_name, "pool")
        missing = document.element("pool", type="dir")
        root = missing if self.pool is None else document.document(self.pool.XMLDesc(0))
        self.kind: str = root.get("type")
        self.directory: str = root.findtext("target/path") or ""
        self.there = None if self.pool is None else self._look_up()
        self.before = None if self.there is None else storage.volume_or_none(self.there, self.pool_name)
        if self.there is not None and self.before is None:  # its file vanished, and libvirt hasn't noticed
            refresh(self.pool)
            self.there = None
        plan.lock(lock_of(world, root, self.pool_name, self.name))

    def leave_out(self, known: Params) -> None:
        """Drop what is for creation only; ``known`` is the module's argument spec."""
        self.params = for_existing(self.params, known)
        self.wanted = rows.parse(VOLUME, self.params)

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

    @property
    def left(self) -> bool:
        """Whether a run that was killed or failed has left something of the volume, or one is making it now."""
        return self._staging.exists

    @property
    def unfinished(self) -> bool:
        """Whether the volume that is there was begun by a run that was killed, or by one that is making it now."""
        return self.there is not None and self.left and self._staging.unfinished(self.there.key())

    @property
    def _staging(self) -> Staging:
        files = self.world.local and self.kind in FILES
        own = os.path.join(self.directory, self.name) if files else f"{self.world.uri} {self.pool_name}/{self.name}"
        return Staging(self.directory if files else "", own)

    def begin_anew(self) -> None:
        """Have the unfinished volume deleted first. Only where another one of that name can be told from it."""
        if self.kind != "logical":
            why = f"{self.title} was begun by a run that was killed, and isn't whole"
            refuse("name", why, "Delete it (state: absent), then run the task again.")
        refuse_in_use(self, "name", "be made anew")
        self.add("delete_left", f"delete {self.title}, which a killed run left unfinished")
        self.there = self.before = None

    def _look_up(self) -> t.Any:
        """The volume; a file that libvirt hasn't seen yet is looked for once."""
        there = found_or_none(lambda: self.pool.storageVolLookupByName(self.name), "VIR_ERR_NO_STORAGE_VOL")
        unseen = there is None and self.kind in FILES and self.world.local
        if unseen and os.path.lexists(os.path.join(self.directory, self.name)):
            refresh(self.pool)
            there = found_or_none(lambda: self.pool.storageVolLookupByName(self.name), "VIR_ERR_NO_STORAGE_VOL")
        return there

    def add(self, operation: str, text: str, **arguments: t.Any) -> t.Any:
        """Add a step on this volume."""
        return self.plan.add(f"volume.{operation}", text, pool=self.pool_name, name=self.name, **arguments)

    def definition(self, backing: t.Optional[Values] = None) -> str:
        """The document of a new volume, an overlay where it has a backing volume."""
        root = document.element("volume")
        document.child(root, "name").text = self.name
        wanted = {"capacity": 0, **self.wanted}
        if self.kind not in FILES and self.params["format"] is None:
            del wanted["format"]  # a device has none
        rows.apply(VOLUME, root, wanted, "", rows.Edit(creating=True))
        if backing:
            store = document.child(root, "backingStore")
            document.child(store, "path").text = backing["path"]
            document.child(store, "format", type=backing["format"])
        return document.text_of(root)


def lock_of(world: World, root: document.Element, pool: str, name: str) -> str:
    """The name by which runs that change a volume exclude each other: its path where it has one, however that is spelled.

    ``root`` is the pool's document.
    """
    directory = root.findtext("target/path") if root.get("type") in FILES else None
    return os.path.join(os.path.realpath(directory), name) if directory and world.local else f"volume {pool}/{name}"


def active_pool(world: World, plan: Plan, name: str, option: str) -> t.Any:
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
    """Nothing may use a volume whose content goes away: no domain, running or not, no overlay, no pool."""
    from ..usage.users import Storage, using

    there = Storage(order.world)
    users = using(there, [there.volume(t.cast("storage.Volume", order.before))])
    if users:
        shown = [f"its overlay {user.name}" if user.overlay else str(user) for user in users]
        raise KvmError(
            f"{option}: {order.title} can't {verb} while it is used by {', '.join(shown)}",
            "Remove those first, or take the disk out of them."
            if not all(user.doubt for user in users)
            else "What can't be found out counts as use: make it readable, or remove it.",
            option=option,
            used_by=[user.name for user in users],
        )
