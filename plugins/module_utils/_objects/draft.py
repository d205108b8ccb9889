# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One object on its way from what it is to what it shall be."""

from __future__ import annotations

import functools
import typing as t

from .._plan import Step
from .._xml import document

if t.TYPE_CHECKING:
    from .._libvirt import World
    from .._plan import Plan
    from .._xml.rows import Change, Element, Values
    from .noun import Noun, Params


class Draft:
    """One object in a task.

    - ``before``, ``running``, ``after``: the documents of its definition, of what runs, and of the definition that shall be;
      ``rendered`` is ``after`` as libvirt will have it, where that is known.
    - ``wanted``, ``changes``: the task's values, and where ``after`` differs from ``before``.
    - ``active``, ``persistent``: the object as it is. ``runs``, ``autostart``: as it will be.
    """

    def __init__(self, noun: Noun, world: World, params: Params, plan: Plan) -> None:
        self.world = world
        self.noun = noun
        self.params = params
        self.plan = plan
        self.name: str = noun.key(params)
        self.state: str = params["state"] or "present"
        self.there = self.look_up()
        self.active, self.persistent = (False, False) if self.there is None else self.look()
        self.before = None if self.there is None else noun.stored_document(self.there, (self.active, self.persistent))
        self.after = document.element(noun.tag) if self.before is None else document.clone(self.before)
        self.rendered: t.Optional[Element] = None
        self.wanted: Values = {}
        self.changes: list[Change] = []
        self.runs = self.active
        self.autostart = False

    def look_up(self) -> t.Any:
        """libvirt's object, None where there is none."""
        return self.noun.find(self.world, self.name)

    def look(self) -> tuple[bool, bool]:
        """Whether the object is active, and whether it has a definition that outlives that."""
        return self.noun.status(self.there)

    @functools.cached_property
    def running(self) -> t.Optional[Element]:
        """What runs, None where nothing does."""
        return self.noun.running_document(self.there) if self.active else None

    @property
    def planned(self) -> t.Optional[str]:
        """The definition as it is compared before it is overwritten; ``""`` is no object, None isn't compared."""
        return "" if self.before is None else self.noun.compared(self.before) if self.persistent else None

    @property
    def shown(self) -> Element:
        """The definition that shall be, with what libvirt fills in where that is known beforehand."""
        return self.after if self.rendered is None else self.rendered

    @property
    def title(self) -> str:
        """The object in a sentence: ``network lab``."""
        return f"{self.noun.name} {self.name}"

    @property
    def stays(self) -> bool:
        """Whether the object runs before and after."""
        return self.active and self.state != "inactive"

    @property
    def unchanged(self) -> bool:
        """Whether the object is there and its definition stays as it is."""
        return self.before is not None and not self.changes

    def add(self, verb: str, text: str, **arguments: t.Any) -> Step:
        """Add a step on this object."""
        step = self.step(verb, text, **arguments)
        self.plan.steps.append(step)
        return step

    def step(self, verb: str, text: str, **arguments: t.Any) -> Step:
        """A step on this object for someone's ``undo``."""
        return Step(f"{self.noun.name}.{verb}", text, name=self.name, **arguments)

    def has(self, verb: str) -> bool:
        """Whether the plan has such a step."""
        return any(step.operation == f"{self.noun.name}.{verb}" for step in self.plan.steps)


def running_text(root: Element) -> str:
    """What runs, as it is compared: without libvirt's count of the guests that use it."""
    root = document.clone(root)
    for node in root.iter():
        node.attrib.pop("connections", None)
    return document.text_of(root)
