# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of what is defined, started, stopped and undefined: from what is there to a plan."""

from __future__ import annotations

import typing as t

from .._plan import KvmError, Plan
from .._xml import document, place, rows, table
from .._xml.rows import REFUSED, Change, Edit
from .kind import Draft, clean

if t.TYPE_CHECKING:
    from .._xml.rows import Element, Values
    from .kind import Kind, Params


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
    if draft.changes and world.local and kind.judged:
        from .whole import judge

        judge(kind, draft.after)
    _plan_definition(draft)
    kind.after_define(draft)
    left = _plan_live(draft)
    running: Values = {}
    if kind.runs:
        running["autostart"] = _plan_autostart(draft)
        plan.no_return()
        running = {"active": _plan_running(draft, left), **running, "persistent": True}
    elif draft.there is None:
        plan.differs("state", "absent", "present")
    plan.predicted = {
        **({"name": draft.name} if kind.naming else {}),
        **rows.read(kind.rows, draft.shown),
        **running,
        **({} if draft.there is None else kind.measure(draft.there, draft.active)),
    }
    return plan


def _edit(draft: Draft) -> None:
    """Bring ``after`` and ``changes`` to what the options say."""
    kind, params = draft.kind, draft.params
    if draft.before is None and kind.naming:
        place.put(draft.after, kind.naming, draft.name)
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
    from . import whole

    kind, params = draft.kind, draft.params
    whole.refuse_beside(kind.rows, params, kind.beside)
    after = clean(kind, whole.definition(params["xml"], kind.tag, draft.name, kind.naming))
    if draft.before is not None:
        whole.carry(after, draft.before, kind.identity(after))
    labels = [row for row in kind.rows if getattr(row, "name", "") == "labels"]
    rows.apply(labels, after, rows.parse(labels, params), "", Edit())
    normal = kind.normal(kind)
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
    from .._xml import patch
    from . import whole

    patched = document.clone(draft.after)
    done = patch.apply(patched, draft.params["xml_patch"])
    if not done:
        return
    normal = draft.kind.normal(draft.kind)
    draft.plan.warnings += patch.rewritten(normal(patched), draft.params["xml_patch"])
    if draft.before is not None and not whole.differs(normal, draft.after, patched):
        return
    draft.after = patched
    for one in done:
        draft.changes.append(Change(f"xml_patch[{one.path}]", one.before, one.after, None))
        draft.plan.differs(f"xml_patch[{one.path}]", None if draft.before is None else one.before, one.after)


def _refuse(draft: Draft) -> None:
    """What can't be changed on an object that exists."""
    for change in draft.changes if draft.before is not None else []:
        takes = getattr(change.row, "takes", None)
        if takes == REFUSED or (callable(takes) and takes(change.before, change.after) == REFUSED):
            raise KvmError(
                f"{change.path}: {draft.title} has '{change.before}', and that can't be changed to '{change.after}'",
                "Keep the value it has; or remove the object with state: absent and declare it anew.",
                option=change.path,
            )


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
    there = ("active" if draft.active else "inactive") if draft.kind.runs else "present"
    draft.plan.differs("state", there, "absent")
