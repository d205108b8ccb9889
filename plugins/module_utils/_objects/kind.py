# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kind of object that is defined and undefined, and most of them started and stopped; one such object on its way; what
results say."""

from __future__ import annotations

import functools
import typing as t

from .._libvirt import found_or_none, missing_object
from .._plan import KvmError, Remark, Step
from .._xml import document, place, rows

if t.TYPE_CHECKING:
    from .._plan import Plan
    from .._xml.rows import Change, Element, Values

Params = dict[str, t.Any]
Operations = t.Mapping[str, t.Callable[..., t.Any]]

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


class Kind:
    """What one kind of object has of its own.

    - ``noun``, ``rows``: its name in results and errors, its table.
    - ``define``: the connection's method that defines one.
    - ``runs``: whether such an object is ever active; others are definitions and no more.
    - ``tag``: its document's root, where that isn't the noun; ``naming``: the name's place in it, ``""`` where rows say it.
    - ``name(params)``, ``called(there)``, ``find(world, name)``: what one is called in steps and sentences, by the task and
      by libvirt, and how it is looked up by that; ``selectors`` are the options that say it.
    - ``normal(kind)``: makes what renders a document as libvirt does, where libvirt's test driver can't; ``judged``: whether
      that driver can, and so says beforehand what libvirt would refuse.
    - ``written(root)``: completes a document of libvirt's, where it leaves out what it doesn't fill in.
    - ``identity(root)``: places that a whole document need not repeat; ``measured``: elements that libvirt fills in.
    - ``beside``: options of the table that may stand beside a whole document.
    - ``spell(root)``: writes in one way what libvirt leaves as it was written.
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
        self.runs: bool = own.get("runs", True)
        self.tag: str = own.get("tag", noun)
        self.naming: str = own.get("naming", "name")
        self.name: t.Callable[[Params], str] = own.get("name", lambda params: _named(noun, params["name"]))
        self.selectors: tuple[str, ...] = own.get("selectors", ("name",))
        self.find: t.Callable[[t.Any, str], t.Any] = own.get("find", lambda world, name: world.find(noun, name))
        self.called: t.Callable[[t.Any], str] = own.get("called", lambda there: str(there.name()))
        self.normal: t.Callable[[Kind], t.Callable[[Element], Element]] = own.get("normal", _by_libvirt)
        self.judged: bool = "normal" not in own
        self.identity: t.Callable[[Element], tuple[str, ...]] = own.get("identity", lambda root: ("uuid",))
        self.beside: tuple[str, ...] = own.get("beside", ("labels",))
        self.written: t.Callable[[Element], Element] = own.get("written", lambda root: root)
        self.measured: tuple[str, ...] = own.get("measured", ())
        self.spell: t.Callable[[Element], None] = own.get("spell", lambda root: None)
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
        self.name: str = kind.name(params)
        self.state: str = params["state"] or "present"
        self.there = kind.find(world, self.name)
        self.active, self.persistent = (False, False) if self.there is None else status(kind, self.there)
        self.before = None if self.there is None else stored_document(kind, self.there, self.active)
        self.running = clean(kind, document.document(self.there.XMLDesc(0))) if self.active else None
        self.after = document.element(kind.tag) if self.before is None else document.clone(self.before)
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


def _named(noun: str, name: str) -> str:
    if not name.strip() or "/" in name or "\n" in name:
        raise KvmError(
            f"name: '{name}' can't be the name of a {noun}",
            "Use a name without slashes and line breaks.",
            option="name",
        )
    return name


def describe(world: t.Any, kind: Kind, params: Params) -> t.Optional[Values]:
    """The object as it is now, None where there is none."""
    there = kind.find(world, kind.name(params))
    return None if there is None else described(kind, there)


def described(kind: Kind, there: t.Any) -> Values:
    """Options as the definition says, and what only libvirt knows."""
    active, persistent = status(kind, there)
    running = {"active": active, "autostart": starts(kind, there), "persistent": persistent}
    return {
        **({"name": there.name()} if kind.naming else {}),
        **rows.read(kind.rows, stored_document(kind, there, active)),
        **(running if kind.runs else {}),
        **kind.measure(there, active),
    }


def status(kind: Kind, there: t.Any) -> tuple[bool, bool]:
    """Whether the object is active, and whether it has a definition that outlives that."""
    return (bool(there.isActive()), bool(there.isPersistent())) if kind.runs else (False, True)


def starts(kind: Kind, there: t.Any) -> bool:
    """Whether the object starts with the host."""
    return kind.runs and bool(there.isPersistent()) and bool(there.autostart())


def stored_document(kind: Kind, there: t.Any, active: bool) -> Element:
    """The persistent definition; a transient object's only one."""
    flag = INACTIVE if active and there.isPersistent() else 0
    if not flag:
        return kind.written(clean(kind, document.document(there.XMLDesc(0))))
    text = found_or_none(functools.partial(there.XMLDesc, flag), "VIR_ERR_INVALID_ARG")
    return kind.written(
        clean(kind, document.document(text or there.XMLDesc(0)))
    )  # a driver without a definition of its own


def operations(kind: Kind) -> Operations:
    """What the steps of a plan of this kind can do."""
    common: dict[str, t.Callable[..., t.Any]] = {
        "define": define,
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
    there = kind.find(world, name)
    if there is None:
        raise missing_object(kind.noun, name, "name")
    return act(world, there, **arguments)


def define(world: t.Any, kind: Kind, name: str, xml: str) -> t.Any:
    """Define, read back; what libvirt left out of it is said."""
    there = getattr(world.connection, kind.define)(xml)
    got = stored_document(kind, there, status(kind, there)[0])
    lost = [
        change.path
        for change in rows.compare(kind.rows, document.document(xml), got)
        if change.before not in (None, [], {}) and change.before != change.after
    ]
    if lost:
        return Remark(f"libvirt did not take over as given: {', '.join(lost)} of {kind.noun} {name}")
    return None


def clean(kind: Kind, root: Element) -> Element:
    for tag in kind.measured:
        for node in root.findall(tag):
            document.remove(node)
    return root


def _by_libvirt(kind: Kind) -> t.Callable[[Element], Element]:
    from .whole import Normal

    return Normal(kind)


def rebuilt(complete: t.Callable[[Values], Values]) -> t.Callable[[Kind], t.Callable[[Element], Element]]:
    """A ``normal`` for kinds whose rows say all that libvirt keeps: the document made anew from what the rows read in it.

    ``complete(values)`` adds what libvirt fills in.
    """

    def normal(kind: Kind) -> t.Callable[[Element], Element]:
        def rendered(root: Element) -> Element:
            new = document.element(kind.tag)
            if kind.naming:
                place.put(new, kind.naming, place.value(root, kind.naming) or "")
            rows.apply(kind.rows, new, complete(rows.read(kind.rows, root)), "", rows.Edit(creating=True))
            return new

        return rendered

    return normal


def _nothing(draft: Draft) -> None:
    """This kind has nothing to add here."""


def _as_it_runs(draft: Draft) -> Element:
    """A running object of this kind can't be changed."""
    return draft.running


def read_all(world: t.Any, kind: Kind, params: Params, plural: str, listing: t.Callable[[], list[t.Any]]) -> Values:
    """The result of an ``_info`` module: the objects under ``plural``, or with ``as: options`` what makes them."""
    one = kind.name(params) if any(params.get(option) is not None for option in kind.selectors) else None
    if params.get("as", "info") == "info":
        return {plural: listed(world, kind, listing, one)}
    from .export import exported

    found = sorted(listing() if one is None else _found(world, kind, one), key=kind.called)
    results = [exported(kind, there, params["identity"]) for there in found]
    left = [(there, result["not_exported"]) for there, result in zip(found, results) if result["not_exported"]]
    said = [f"as: no option says {', '.join(paths)} of {kind.noun} {kind.called(there)}" for there, paths in left]
    warned: Values = {"warnings": said} if said else {}
    if one is not None and results:
        return {**results[0], **warned}
    return {**{key: [one[key] for one in results] for key in ("options", "not_exported", "secrets_needed")}, **warned}


GONE = (
    "VIR_ERR_NO_NETWORK",
    "VIR_ERR_NO_STORAGE_POOL",
    "VIR_ERR_NO_NWFILTER",
    "VIR_ERR_NO_SECRET",
    "VIR_ERR_NO_NODE_DEVICE",
)


def listed(world: t.Any, kind: Kind, listing: t.Callable[[], list[t.Any]], name: t.Optional[str]) -> list[Values]:
    """All objects of a kind, or the one of that name if it is there; sorted by name."""
    if name is not None:
        return [described(kind, there) for there in _found(world, kind, name)]
    found = []
    for there in sorted(listing(), key=kind.called):
        one = found_or_none(functools.partial(described, kind, there), *GONE)
        found += [] if one is None else [one]
    return found


def _found(world: t.Any, kind: Kind, name: str) -> list[t.Any]:
    there = kind.find(world, name)
    return [] if there is None else [there]
