# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain on its way from what it is to what the task says."""

from __future__ import annotations

import typing as t

from ..._creation import for_existing
from ..._xml.contradictions import check as check_contradictions
from ..._xml.rows import parse
from ..draft import Draft
from .beside import says_volume
from .contradictions import CONTRADICTIONS
from .mark import INSTALL, marked
from .observed import OFF, observed
from .table import DOMAIN

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..._plan import Plan
    from ..._xml.rows import Element, Values
    from ..noun import Noun


class DomainDraft(Draft):
    """A domain in a task, which may know it by its UUID, and so give it another name.

    - ``observed``: its state now, ``absent`` for none; ``reached``: the one that the plan leads to.
    - ``renamed``: whether the task calls it otherwise. ``unfinished``: whether it is still being installed.
    - ``install``: what adds the steps of the installation of a new one.
    - ``beside``: paths in the diff that aren't the definition's: sizes of volumes.
    """

    observed = "absent"
    install: t.Optional[t.Callable[[], None]] = None

    def __init__(self, noun: Noun, world: World, params: Values, plan: Plan) -> None:
        wanted: Values = {}
        self.beside: set[str] = set()
        if params["state"] != "absent":
            wanted = parse(DOMAIN, _with_volumes(world, params, None))
            check_contradictions(CONTRADICTIONS, wanted)
        self._uuid = wanted.get("uuid")
        super().__init__(noun, world, params, plan)
        if self._uuid:
            plan.lock(f"domain {self._uuid}")
        if self.state != "absent":
            if self.there is not None and params["creation_only"]:
                from .options import ARGUMENTS

                self.params = for_existing(params, ARGUMENTS)
            self.params = _with_volumes(world, self.params, self.before)
            if self.params is not params:
                wanted = parse(DOMAIN, self.params)
        self.wanted = wanted
        self.renamed = self.there is not None and self.there.name() != self.name
        self.unfinished = (
            self.before is not None and params["install"] is not None and marked(self.before, INSTALL) is not None
        )
        self.reached = self.observed

    def look_up(self) -> t.Any:
        """The domain of the task's name, else the one of its UUID."""
        there = super().look_up()
        return self.world.find_uuid(self._uuid) if there is None and self._uuid else there

    def look(self) -> tuple[bool, bool]:
        """Whether the guest runs, and whether the domain has a definition that outlives that."""
        self.observed = observed(self.there)
        return self.observed not in OFF, bool(self.there.isPersistent())

    @property
    def planned(self) -> t.Optional[str]:
        """The definition as it is compared before it is overwritten; that of another name was compared before the rename."""
        return None if self.renamed else super().planned

    @property
    def differs(self) -> bool:
        """Whether the definition is to be another one, beyond its name."""
        return bool({*self.plan.before, *self.plan.after} - {"name"} - self.beside)

    @property
    def stays(self) -> bool:
        """Whether there is a running guest to bring up to date. What runs of an installation is another document."""
        return self.active and not self.unfinished


def _with_volumes(world: World, params: Values, before: t.Optional[Element]) -> Values:
    """The options, in which disks that say what their volumes are have those volumes' names."""
    disks = params["disks"] or ()
    if not any(map(says_volume, disks)):
        return params
    from .disk_volumes import named

    return {**params, "disks": named(world, params["name"], disks, before)}
