# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt's nouns (network, pool, secret ...) have in common: how one is found, read, defined, started, and read back.

A noun is a subclass of ``Noun`` with a table of rows and the methods in which it differs. ``life.py`` has the phases of a
plan in their order, and what each does if the noun doesn't say otherwise.
"""

from __future__ import annotations

import functools
import typing as t

from .._libvirt import found_or_none
from .._plan import KvmError
from .._xml import document, rows
from . import life
from .draft import Draft

if t.TYPE_CHECKING:
    from .._libvirt import World
    from .._plan import Operations, Plan, Step
    from .._xml.rows import Element, Values

Params = dict[str, t.Any]

STATES = ("active", "inactive", "present", "absent")

DEFINITION_SPEC: Values = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"]},
    "unset": {"type": "list", "elements": "str"},
    "xml": {"type": "str"},
    "xml_patch": {
        "type": "list",
        "elements": "dict",
        "options": {
            "path": {"type": "str", "required": True},
            "set": {"type": "str"},
            "delete": {"type": "bool"},
            "namespaces": {"type": "dict"},
        },
    },
}

LIFE_SPEC: Values = {
    **DEFINITION_SPEC,
    "state": {"type": "str", "choices": list(STATES)},
    "autostart": {"type": "bool"},
    "apply": {"type": "str", "choices": ["live", "stage", "restart"], "default": "live"},
}

INACTIVE = 1  # VIR_NETWORK_XML_INACTIVE, VIR_STORAGE_XML_INACTIVE


class Noun:
    """One of libvirt's nouns. ``there`` is libvirt's object, ``draft`` the object on its way in a task.

    - ``name``, ``plural``: its own in results and errors. ``rows``: its table.
    - ``tag``: its document's root, where that is called otherwise; ``naming``: the name's place in it, ``""`` where rows say it.
    - ``define_call``, ``list_call``: the connection's methods that define one and list all.
    - ``runs``: whether such an object is ever active; others are definitions and no more.
    - ``selectors``: the options that say which one is meant.
    - ``beside``: options of the table that may stand beside a whole document.
    - ``measured``: elements that libvirt fills in. ``stored``: options that no running object uses; ``filled``: those that
      it shows though its definition says nothing of them.
    - ``contradictions``: pairs of options that contradict each other.
    - ``judged``: whether libvirt's test driver can say beforehand what libvirt would refuse.
    """

    name = ""
    plural = ""
    rows: t.Sequence[t.Any] = ()
    tag = ""
    naming = "name"
    define_call = ""
    list_call = ""
    runs = True
    selectors: tuple[str, ...] = ("name",)
    beside: tuple[str, ...] = ("labels",)
    measured: tuple[str, ...] = ()
    stored: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()
    contradictions: t.Sequence[t.Any] = ()
    judged = True

    def __init_subclass__(cls) -> None:
        if cls.name:
            cls.plural = cls.plural or f"{cls.name}s"
            cls.tag = cls.tag or cls.name

    # Which one

    def key(self, params: Params) -> str:
        """What the task's object is called in steps and sentences, and found by."""
        name = str(params["name"])
        if not name.strip() or "/" in name or "\n" in name:
            raise KvmError(
                f"name: '{name}' can't be the name of a {self.name}",
                "Use a name without slashes and line breaks.",
                option="name",
            )
        return name

    def called(self, there: t.Any) -> str:
        """The key of an object of libvirt's."""
        return str(there.name())

    def find(self, world: World, key: str) -> t.Any:
        """The object of that key, None where there is none."""
        return world.find(self.name, key)

    def list_all(self, world: World) -> list[t.Any]:
        """All objects that libvirt has, active or defined."""
        return list(getattr(world.connection, self.list_call)())

    # What it is

    def status(self, there: t.Any) -> tuple[bool, bool]:
        """Whether the object is active, and whether it has a definition that outlives that."""
        return (bool(there.isActive()), bool(there.isPersistent())) if self.runs else (False, True)

    def starts(self, there: t.Any) -> bool:
        """Whether the object starts with the host."""
        return self.runs and bool(there.isPersistent()) and bool(there.autostart())

    def stored_document(self, there: t.Any, status: t.Optional[tuple[bool, bool]] = None) -> Element:
        """The persistent definition; a transient object's only one. ``status`` is the object's, where that is known."""
        active, persistent = status or self.status(there)
        text = None
        if active and persistent:  # a driver may have no definition of its own
            text = found_or_none(functools.partial(there.XMLDesc, INACTIVE), "VIR_ERR_INVALID_ARG")
        return self.written(self.clean(document.document(text or there.XMLDesc(0))))

    def running_document(self, there: t.Any) -> Element:
        """What runs."""
        return self.clean(document.document(there.XMLDesc(0)))

    def clean(self, root: Element) -> Element:
        """The document without what libvirt measures."""
        for tag in self.measured:
            for node in root.findall(tag):
                document.remove(node)
        return root

    def written(self, root: Element) -> Element:
        """The document of libvirt's, completed where libvirt leaves out what it doesn't fill in."""
        return root

    def compared(self, root: Element) -> str:
        """A definition as it is compared before it is overwritten."""
        return document.text_of(root)

    def measure(self, there: t.Any, active: bool) -> Values:
        """What a result shows beside the rows."""
        return {}

    def described(self, there: t.Any) -> Values:
        """Options as the definition says, and what only libvirt knows."""
        active, persistent = self.status(there)
        running = {"active": active, "autostart": self.starts(there), "persistent": persistent}
        return {
            **({"name": there.name()} if self.naming else {}),
            **rows.read(self.rows, self.stored_document(there, (active, persistent))),
            **(running if self.runs else {}),
            **self.measure(there, active),
        }

    # Documents

    def normal(self) -> t.Callable[[Element], Element]:
        """What renders a document as libvirt does."""
        from .whole import Normal

        return Normal(self)

    def identity(self, root: Element) -> tuple[str, ...]:
        """Places that a whole document need not repeat."""
        return ("uuid",)

    def spell(self, root: Element) -> None:
        """Write in one way what libvirt leaves as it was written."""

    # The phases of a plan

    def draft(self, world: World, params: Params, plan: Plan) -> Draft:
        """The object on its way from what it is to what the options say."""
        return Draft(self, world, params, plan)

    def edit(self, draft: Draft) -> None:
        """Bring ``after`` and ``changes`` to what the options say, and note the diff."""
        life.edit(draft)

    def judge(self, draft: Draft) -> None:
        """Refuse what can't be; forget what makes no difference to libvirt."""
        life.judge(draft)

    def defining(self, draft: Draft) -> tuple[str, str]:
        """The sentences of the step that defines and of its undo; empty where there is nothing to define."""
        return life.defining(draft)

    def bring_live(self, draft: Draft) -> list[str]:
        """Add the steps that change the running object; returns the options that wait for a restart of it."""
        return life.bring_live(draft)

    def plan_autostart(self, draft: Draft) -> None:
        """Add the step that sets autostart."""
        life.plan_autostart(draft)

    def reach(self, draft: Draft, left: list[str]) -> None:
        """Add the steps that lead to the state; ``left`` are the options that wait for a restart."""
        life.reach(draft, left)

    def absent(self, draft: Draft) -> None:
        """Add the steps that take the object away."""
        life.absent(draft)

    def predicted(self, draft: Draft) -> Values:
        """The object as its ``_info`` module will show it."""
        return life.predicted(draft)

    # What the phases of a plan leave to the noun

    def check(self, draft: Draft) -> None:
        """Refuse what libvirt would refuse later or not at all."""

    def live(self, draft: Draft) -> Element:
        """Add the steps that bring the running object up to date; returns its document after them."""
        return t.cast("Element", draft.running)

    def after_define(self, draft: Draft) -> None:
        """Steps after the definition."""

    def before_start(self, draft: Draft) -> None:
        """Steps and refusals before a start."""

    def after_start(self, draft: Draft, stop: t.Optional[Step]) -> None:
        """Steps after a start; ``stop`` is the step of a restart that stopped the object, None for a start alone."""

    def before_stop(self, draft: Draft) -> None:
        """Refusals of a stop."""

    def before_restart(self, draft: Draft) -> None:
        """Refusals of a restart."""
        self.before_stop(draft)

    def empty(self, draft: Draft) -> bool:
        """Steps of ``state: absent`` before the stop; returns whether the object runs then although it didn't."""
        return False

    def remove(self, draft: Draft) -> None:
        """Steps of ``state: absent`` between the stop and the undefine."""

    # What steps do

    def define(
        self, world: World, key: str, xml: str, planned: t.Optional[str] = None, running: t.Optional[str] = None
    ) -> t.Any:
        """Define, and read back. ``planned`` and ``running`` are what was seen when planning."""
        from .operations import define

        return define(self, world, key, xml, planned, running)

    def undefine(self, world: World, there: t.Any) -> None:
        """Delete the definition."""
        there.undefine()

    def start(self, world: World, there: t.Any) -> None:
        """Start the object, if it doesn't run."""
        if not there.isActive():
            there.create()

    def stop(self, world: World, there: t.Any) -> None:
        """Stop the object, if it runs."""
        if there.isActive():
            there.destroy()

    def lost(self, there: t.Any) -> t.Any:
        """What a stop takes from the running object."""

    def give_back(self, world: World, there: t.Any, lost: t.Any) -> None:
        """Give the object that runs again what it lost."""

    def own_operations(self) -> Operations:
        """What steps of this noun alone can do, by their verb: ``act(world, there, **arguments)``."""
        return {}

    # What modules call

    def plan(self, world: World, params: Params) -> Plan:
        """What brings one object to what the options say."""
        return life.plan_object(self, world, params)

    def operations(self) -> Operations:
        """What the steps of its plans can do."""
        from .operations import operations

        return operations(self)

    def describe(self, world: World, params: Params) -> t.Optional[Values]:
        """The object as it is now, None where there is none."""
        there = self.find(world, self.key(params))
        return None if there is None else self.described(there)

    def info(self, world: World, params: Params) -> Values:
        """The result of its ``_info`` module."""
        from .info import info

        return info(self, world, params)


class ByRows(Noun):
    """A noun whose rows say all that libvirt keeps: a document is rendered anew from what the rows read in it."""

    judged = False

    def complete(self, values: Values) -> Values:
        """The values with what libvirt fills in."""
        return values

    def normal(self) -> t.Callable[[Element], Element]:
        """What renders a document as libvirt does."""
        from .._xml import place

        def rendered(root: Element) -> Element:
            new = document.element(self.tag)
            if self.naming:
                place.put(new, self.naming, place.value(root, self.naming) or "")
            rows.apply(self.rows, new, self.complete(rows.read(self.rows, root)), "", rows.Edit(creating=True))
            return new

        return rendered
