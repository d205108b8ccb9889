# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kind of object that is defined, started, stopped and undefined; one such object on its way; what results say."""

from __future__ import annotations

import functools
import typing as t

from .._libvirt import found_or_none
from .._plan import KvmError, Remark, Step
from .._xml import document, rows

if t.TYPE_CHECKING:
    from .._plan import Plan
    from .._xml.rows import Change, Element, Values

Params = dict[str, t.Any]
Operations = t.Mapping[str, t.Callable[..., t.Any]]

STATES = ("active", "inactive", "present", "absent")

LIFE_SPEC: Values = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": list(STATES)},
    "autostart": {"type": "bool"},
    "apply": {"type": "str", "choices": ["live", "stage", "restart"], "default": "live"},
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

INACTIVE = 1  # VIR_NETWORK_XML_INACTIVE, VIR_STORAGE_XML_INACTIVE


class Kind:
    """What one kind of object has of its own.

    - ``noun``, ``rows``: its name in results and errors, its table.
    - ``define``: the connection's method that defines one.
    - ``identity(root)``: places that a whole document need not repeat; ``measured``: elements that libvirt fills in.
    - ``stored``: options that no running object uses.
    - ``check(draft)``: refuses what libvirt would refuse later or not at all.
    - ``live(draft)``: adds the steps that bring the running object up to date; returns its document after them.
    - ``after_define(draft)``, ``before_start(draft)``, ``before_stop(draft)``, ``after_restart(draft)``: steps and
      refusals around those.
    - ``empty(draft)``, ``remove(draft)``: steps of state absent, before the stop (returns whether the object runs then
      although it didn't) and between the stop and the undefine.
    - ``measure(there, active)``: what a result shows beside the rows; ``operations``: the steps of its own.
    """

    def __init__(self, noun: str, table: t.Sequence[t.Any], define: str, **own: t.Any) -> None:
        self.noun = noun
        self.rows = table
        self.define = define
        self.identity: t.Callable[[Element], tuple[str, ...]] = own.get("identity", lambda root: ("uuid",))
        self.measured: tuple[str, ...] = own.get("measured", ())
        self.stored: tuple[str, ...] = own.get("stored", ())
        self.check: t.Callable[[Draft], None] = own.get("check", _nothing)
        self.live: t.Callable[[Draft], Element] = own.get("live", _as_it_runs)
        self.after_define: t.Callable[[Draft], None] = own.get("after_define", _nothing)
        self.before_start: t.Callable[[Draft], None] = own.get("before_start", _nothing)
        self.before_stop: t.Callable[[Draft], None] = own.get("before_stop", _nothing)
        self.after_restart: t.Callable[[Draft], None] = own.get("after_restart", _nothing)
        self.empty: t.Callable[[Draft], t.Any] = own.get("empty", _nothing)
        self.remove: t.Callable[[Draft], None] = own.get("remove", _nothing)
        self.measure: t.Callable[[t.Any, bool], Values] = own.get("measure", lambda there, active: {})
        self.operations: Operations = own.get("operations", {})


class Draft:
    """One object on its way from what it is to what it shall be."""

    def __init__(self, world: t.Any, kind: Kind, params: Params, plan: Plan) -> None:
        self.world = world
        self.kind = kind
        self.params = params
        self.plan = plan
        self.name: str = _named(kind, params["name"])
        self.state: str = params["state"] or "present"
        self.there = world.find(kind.noun, self.name)
        self.active = self.there is not None and bool(self.there.isActive())
        self.persistent = self.there is not None and bool(self.there.isPersistent())
        self.before = None if self.there is None else stored_document(kind, self.there, self.active)
        self.running = clean(kind, document.document(self.there.XMLDesc(0))) if self.active else None
        self.after = document.element(kind.noun) if self.before is None else document.clone(self.before)
        self.rendered: t.Optional[Element] = None
        self.wanted: Values = {}
        self.changes: list[Change] = []

    @property
    def shown(self) -> Element:
        """The definition that shall be, with what libvirt fills in where that is known beforehand."""
        return self.after if self.rendered is None else self.rendered

    @property
    def title(self) -> str:
        """The object in a sentence: ``network lab``."""
        return f"{self.kind.noun} {self.name}"

    def add(self, operation: str, text: str, **arguments: t.Any) -> Step:
        """Add a step on this object."""
        return self.plan.add(operation, text, name=self.name, **arguments)

    def step(self, operation: str, text: str, **arguments: t.Any) -> Step:
        """A step on this object for someone's ``undo``."""
        return Step(operation, text, name=self.name, **arguments)

    @property
    def stays(self) -> bool:
        """Whether the object runs before and after."""
        return self.active and self.state != "inactive"


def _named(kind: Kind, name: str) -> str:
    if not name.strip() or "/" in name or "\n" in name:
        raise KvmError(
            f"name: '{name}' can't be the name of a {kind.noun}",
            "Use a name without slashes and line breaks.",
            option="name",
        )
    return name


def describe(world: t.Any, kind: Kind, params: Params) -> t.Optional[Values]:
    """The object as it is now, None where there is none."""
    there = world.find(kind.noun, params["name"])
    return None if there is None else described(kind, there)


def described(kind: Kind, there: t.Any) -> Values:
    """Options as the definition says, and what only libvirt knows."""
    active, persistent = bool(there.isActive()), bool(there.isPersistent())
    return {
        "name": there.name(),
        **rows.read(kind.rows, stored_document(kind, there, active)),
        "active": active,
        "autostart": persistent and bool(there.autostart()),
        "persistent": persistent,
        **kind.measure(there, active),
    }


def stored_document(kind: Kind, there: t.Any, active: bool) -> Element:
    """The persistent definition; a transient object's only one."""
    flag = INACTIVE if active and there.isPersistent() else 0
    text = found_or_none(functools.partial(there.XMLDesc, flag), "VIR_ERR_INVALID_ARG")
    return clean(kind, document.document(text or there.XMLDesc(0)))  # a driver without a definition of its own


def operations(kind: Kind) -> Operations:
    """What the steps of a plan of this kind can do."""
    common: dict[str, t.Callable[..., t.Any]] = {
        "define": _define,
        "undefine": lambda world, there: there.undefine(),
        "start": lambda world, there: there.create(),
        "stop": lambda world, there: there.destroy(),
        "autostart": lambda world, there, value: there.setAutostart(value),
    }
    common.update(kind.operations)
    return {name: functools.partial(_on_object, kind, act, name) for name, act in common.items()}


def _on_object(
    kind: Kind, act: t.Callable[..., t.Any], operation: str, world: t.Any, name: str, **arguments: t.Any
) -> t.Any:
    if operation == "define":
        return act(world, kind, name, **arguments)
    return act(world, world.get(kind.noun, name), **arguments)


def _define(world: t.Any, kind: Kind, name: str, xml: str) -> t.Any:
    """Define, read back; what libvirt left out of it is said."""
    there = getattr(world.connection, kind.define)(xml)
    got = stored_document(kind, there, bool(there.isActive()))
    lost = [
        change.path
        for change in rows.compare(kind.rows, document.document(xml), got)
        if change.before is not None and change.before != change.after
    ]
    if lost:
        return Remark(f"libvirt did not take over as given: {', '.join(lost)} of {kind.noun} {name}")
    return None


def clean(kind: Kind, root: Element) -> Element:
    for tag in kind.measured:
        for node in root.findall(tag):
            document.remove(node)
    return root


def _nothing(draft: Draft) -> None:
    """This kind has nothing to add here."""


def _as_it_runs(draft: Draft) -> Element:
    """A running object of this kind can't be changed."""
    return draft.running


def read_all(world: t.Any, kind: Kind, params: Params, plural: str, listing: t.Callable[[], list[t.Any]]) -> Values:
    """The result of an ``_info`` module: the objects under ``plural``, or with ``as: options`` what makes them."""
    name = params.get("name")
    if params.get("as", "info") == "info":
        return {plural: listed(world, kind, listing, name)}
    from .export import exported

    found = [] if name is None else [there for there in [world.find(kind.noun, name)] if there is not None]
    results = []
    for there in sorted(listing() if name is None else found, key=lambda one: str(one.name())):
        active, persistent = bool(there.isActive()), bool(there.isPersistent())
        autostart = persistent and bool(there.autostart())
        stored = stored_document(kind, there, active)
        results.append(exported(kind, there.name(), stored, active, autostart, params["identity"]))
    if name is not None and results:
        return results[0]
    return {key: [one[key] for one in results] for key in ("options", "not_exported", "secrets_needed")}


def listed(world: t.Any, kind: Kind, listing: t.Callable[[], list[t.Any]], name: t.Optional[str]) -> list[Values]:
    """All objects of a kind, or the one of that name if it is there; sorted by name."""
    if name is not None:
        there = world.find(kind.noun, name)
        return [] if there is None else [described(kind, there)]
    found = []
    for there in listing():
        one = found_or_none(functools.partial(described, kind, there), "VIR_ERR_NO_NETWORK", "VIR_ERR_NO_STORAGE_POOL")
        found += [] if one is None else [one]
    return sorted(found, key=lambda item: str(item["name"]))
