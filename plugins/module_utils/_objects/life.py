# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of an object that is defined, started, stopped and undefined: networks, pools. What differs is a ``Kind``."""

from __future__ import annotations

import functools
import typing as t

from .._libvirt import found_or_none
from .._plan import KvmError, Plan, Remark, Step
from .._xml import document, patch, rows, table
from .._xml.rows import REFUSED, Change, Edit, Element, Values
from . import whole

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
    **patch.SPEC,
}


class Kind:
    """What one kind of object has of its own.

    - ``noun``, ``rows``: its name in results and errors, its table.
    - ``define``: the connection's method that defines one.
    - ``identity(root)``: places that a whole document need not repeat; ``measured``: elements that libvirt fills in.
    - ``since``: option to the libvirt version that first has it. ``stored``: options that no running object uses.
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
        self.since: dict[str, int] = own.get("since", {})
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
        self.running = _clean(kind, document.document(self.there.XMLDesc(0))) if self.active else None
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
            f"name: '{name}' can't be the name of a {kind.noun}", "Use a name without slashes and line breaks.", option="name"
        )
    return name


def plan_object(world: t.Any, kind: Kind, params: Params) -> Plan:
    """What brings one object to what the options say."""
    plan = Plan(kind.noun)
    draft = Draft(world, kind, params, plan)
    if draft.state == "absent":
        _plan_absence(draft)
        return plan
    _edit(draft)
    _refuse(draft)
    kind.check(draft)
    _plan_definition(draft)
    kind.after_define(draft)
    left = _plan_live(draft)
    autostart = _plan_autostart(draft)
    plan.no_return()
    active = _plan_running(draft, left)
    plan.predicted = {
        "name": draft.name,
        **rows.read(kind.rows, draft.shown),
        "active": active,
        "autostart": autostart,
        "persistent": True,
        **({} if draft.there is None else kind.measure(draft.there, draft.active)),
    }
    return plan


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
    return _clean(kind, document.document(there.XMLDesc(flag)))


INACTIVE = 1  # VIR_NETWORK_XML_INACTIVE, VIR_STORAGE_XML_INACTIVE


def operations(kind: Kind) -> Operations:
    """What the steps of a plan of this kind can do."""
    common = {
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


def _clean(kind: Kind, root: Element) -> Element:
    for tag in kind.measured:
        for node in root.findall(tag):
            document.remove(node)
    return root


def _nothing(draft: Draft) -> None:
    """This kind has nothing to add here."""


def _as_it_runs(draft: Draft) -> Element:
    """A running object of this kind can't be changed."""
    return draft.running


def _edit(draft: Draft) -> None:
    """Bring ``after`` and ``changes`` to what the options say."""
    kind, params = draft.kind, draft.params
    if draft.before is None:
        document.child(draft.after, "name").text = draft.name
    if params.get("xml") is not None:
        return _edit_whole(draft)
    draft.wanted = rows.parse(kind.rows, params)
    edit = Edit(lambda: draft.world, creating=draft.before is None)
    rows.apply(kind.rows, draft.after, draft.wanted, "", edit)
    table.unset_paths(kind.rows, draft.after, params.get("unset") or [], draft.wanted, edit)
    draft.changes = edit.changes
    for change in draft.changes:
        draft.plan.differs(change.path, None if draft.before is None else change.before, change.after)
    if params.get("xml_patch"):
        _edit_by_path(draft)
    return None


def _edit_whole(draft: Draft) -> None:
    kind, params = draft.kind, draft.params
    whole.refuse_beside(kind.rows, params)
    after = _clean(kind, whole.definition(params["xml"], kind.noun, draft.name))
    if draft.before is not None:
        whole.carry(after, draft.before, kind.identity(after))
    labels = [row for row in kind.rows if getattr(row, "name", "") == "labels"]
    rows.apply(labels, after, rows.parse(labels, params), "", Edit())
    normal = whole.Normal(kind.define, kind.measured)
    if draft.before is not None and not whole.differs(normal, draft.before, after):
        return
    draft.wanted = rows.read(kind.rows, after)
    draft.after = after
    draft.rendered = normal(after)
    draft.changes = [Change("xml", None, None, None)]
    before = None if draft.before is None else document.text_of(normal(draft.before))
    draft.plan.differs("xml", before, document.text_of(draft.rendered))


def _edit_by_path(draft: Draft) -> None:
    """``xml_patch``: counted as a change where libvirt's rendering says that it is one."""
    patched = document.clone(draft.after)
    done = patch.apply(patched, draft.params["xml_patch"])
    if not done:
        return
    normal = whole.Normal(draft.kind.define, draft.kind.measured)
    draft.plan.warnings += patch.rewritten(normal(patched), draft.params["xml_patch"])
    if draft.before is not None and not whole.differs(normal, draft.after, patched):
        return
    draft.after = patched
    for one in done:
        draft.changes.append(Change(f"xml_patch[{one.path}]", one.before, one.after, None))
        draft.plan.differs(f"xml_patch[{one.path}]", None if draft.before is None else one.before, one.after)


def _refuse(draft: Draft) -> None:
    """What can't be changed on an object that exists, and what this libvirt doesn't know."""
    for option, version in draft.kind.since.items():
        if option in draft.wanted and draft.world.version < version:
            raise KvmError(
                f"{option}: needs libvirt {_version(version)}, this is {_version(draft.world.version)}",
                "Leave the option out, or update libvirt.",
                option=option,
            )
    for change in draft.changes if draft.before is not None else []:
        takes = getattr(change.row, "takes", None)
        if takes == REFUSED or (callable(takes) and takes(change.before, change.after) == REFUSED):
            raise KvmError(
                f"{change.path}: can't be changed from '{change.before}' to '{change.after}' on {draft.title}, which exists",
                "Keep the value it has; or remove the object with state: absent and declare it anew.",
                option=change.path,
            )


def _version(number: int) -> str:
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


def _plan_definition(draft: Draft) -> None:
    if draft.before is None:
        text = f"define {draft.title}"
        undo = draft.step("undefine", f"undefine {draft.title}")
    elif not draft.persistent:
        text = f"make the transient {draft.title} persistent"
        undo = draft.step("undefine", f"make {draft.title} transient again")
        draft.plan.differs("persistent", False, True)
    elif draft.changes:
        text = f"change {draft.title}: {', '.join(change.path for change in draft.changes)}"
        undo = draft.step("define", f"put the definition of {draft.title} back", xml=document.text_of(draft.before))
    else:
        return
    draft.add("define", text, xml=document.text_of(draft.after), undo=undo)


def _plan_live(draft: Draft) -> list[str]:
    """Add the live steps; returns the options that wait for a restart of the object."""
    if not draft.stays:
        return []
    running = draft.running
    if draft.params["apply"] != "stage":
        running = draft.kind.live(draft)
    return left_over(draft.kind, running, draft.shown)


def left_over(kind: Kind, running: Element, stored: Element) -> list[str]:
    """The options in which the running object differs from its definition."""
    paths = [change.path for change in rows.compare(kind.rows, running, stored)]
    return list(dict.fromkeys(path for path in paths if path.partition(".")[0] not in kind.stored))


def _plan_autostart(draft: Draft) -> bool:
    """Add the step that sets autostart; returns what it is then."""
    before = draft.persistent and bool(draft.there.autostart())
    wanted = draft.params["autostart"]
    if wanted is None or wanted == before:
        return before
    words = ["stop starting {} with the host", "start {} with the host"]
    undo = draft.step("autostart", "put autostart back", value=before)
    draft.add("autostart", words[wanted].format(draft.title), value=wanted, undo=undo)
    draft.plan.differs("autostart", None if draft.there is None else before, wanted)
    return bool(wanted)


def _plan_running(draft: Draft, left: list[str]) -> bool:
    """Add the steps that start, stop or restart; returns whether the object is active then."""
    plan = draft.plan
    if draft.state == "active" and not draft.active:
        draft.kind.before_start(draft)
        draft.add("start", f"start {draft.title}")
        plan.differs("state", "absent" if draft.there is None else "inactive", "active")
        return True
    if draft.state == "inactive" and draft.active:
        draft.kind.before_stop(draft)
        draft.add("stop", f"stop {draft.title}")
        plan.differs("state", "active", "inactive")
        return False
    if draft.there is None:
        plan.differs("state", "absent", "inactive")
    elif left and draft.params["apply"] == "restart":
        draft.add("stop", f"stop {draft.title} to restart it")
        draft.kind.before_start(draft)
        draft.add("start", f"start {draft.title} again")
        draft.kind.after_restart(draft)
    else:
        plan.restart_required = left
    return draft.active


def _plan_absence(draft: Draft) -> None:
    if draft.there is None:
        return
    if draft.active:
        draft.kind.before_stop(draft)
    if draft.kind.empty(draft) or draft.active:
        draft.add("stop", f"stop {draft.title}")
    draft.kind.remove(draft)
    if draft.persistent:
        draft.add("undefine", f"undefine {draft.title}")
    draft.plan.differs("state", "active" if draft.active else "inactive", "absent")


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
