# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of what is defined, started, stopped and undefined: from what is there to a plan."""

from __future__ import annotations

import typing as t

from .._libvirt import KINDS
from .._plan import KvmError, Plan, Result
from .._xml import contradictions, document, place, rows, table, units
from .._xml.rows import REFUSED, Change, Edit
from .draft import running_text

if t.TYPE_CHECKING:
    from .._libvirt import World
    from .._xml.rows import Element, Values
    from .draft import Draft
    from .noun import Noun, Params


def plan_object(noun: Noun, world: World, params: Params) -> Plan:
    """What brings one object to what the options say: the phases of every noun's plan, in their order."""
    plan = Plan(noun.name)
    draft = noun.draft(world, params, plan)
    plan.lock(draft.title)
    if draft.state == "absent":
        if draft.there is not None:
            noun.absent(draft)
        return plan
    noun.edit(draft)
    noun.judge(draft)
    _plan_definition(draft)
    noun.after_define(draft)
    left = noun.bring_live(draft) if draft.stays else []
    if noun.runs:
        noun.plan_autostart(draft)
    plan.no_return()
    noun.reach(draft, left)
    plan.predicted = noun.predicted(draft)
    return plan


def predicted(draft: Draft) -> Values:
    """The object as its ``_info`` module will show it."""
    noun, there = draft.noun, draft.there
    running = {"active": draft.runs, "autostart": draft.autostart, "persistent": True}
    return {
        **({"name": draft.name} if noun.naming else {}),
        **rows.read(noun.rows, draft.shown),
        **(running if noun.runs else {}),
        **({} if there is None else noun.measure(there, draft.active)),
    }


def edit(draft: Draft) -> None:
    """Bring ``after`` and ``changes`` to what the options say."""
    noun, params = draft.noun, draft.params
    if draft.before is None and noun.naming:
        place.put(draft.after, noun.naming, draft.name)
    if params.get("xml") is not None:
        _edit_whole(draft)
        return
    draft.wanted = rows.parse(noun.rows, params)
    contradiction = contradictions.first_of(noun.contradictions, draft.wanted)
    edit = Edit(lambda: draft.world, creating=draft.before is None)
    rows.apply(noun.rows, draft.after, draft.wanted, "", edit)
    table.unset_paths(noun.rows, draft.after, params.get("unset") or [], draft.wanted, edit)
    draft.changes = edit.changes
    if contradiction is not None and not draft.unchanged:  # what is there already may be so
        raise contradiction
    for change in draft.changes:
        draft.plan.differs(change.path, None if draft.before is None else change.before, change.after)
    if params.get("xml_patch"):
        _edit_by_path(draft)


def _edit_whole(draft: Draft) -> None:
    from .._secret import masked
    from . import whole

    noun, params = draft.noun, draft.params
    whole.refuse_beside(noun.rows, params, noun.beside)
    after = noun.clean(whole.definition(params["xml"], noun.tag, draft.name, noun.naming))
    if draft.before is not None:
        whole.carry(after, draft.before, noun.identity(after))
    labels = [row for row in noun.rows if getattr(row, "name", "") == "labels"]
    rows.apply(labels, after, rows.parse(labels, params), "", Edit())
    normal = noun.normal()
    draft.plan.warnings += whole.warnings(after, lambda: normal(after))
    if draft.before is not None and not whole.differs(normal, draft.before, after):
        return
    draft.wanted = rows.read(noun.rows, after)
    draft.after = after
    draft.rendered = normal(after)
    draft.changes = [Change("xml", None, None, None)]
    before = None if draft.before is None else masked(normal(draft.before))
    draft.plan.differs("xml", before, masked(draft.rendered))


def _edit_by_path(draft: Draft) -> None:
    """``xml_patch``: counted as a change where libvirt's rendering says that it is one."""
    from .._secret import learn, shown_edits
    from .._xml import patch
    from . import whole

    patched = document.clone(draft.after)
    done = patch.apply(patched, draft.params["xml_patch"])
    if not done:
        return
    contradictions.check_patches(draft.noun.rows, draft.after, patched, draft.wanted, lambda: Edit(lambda: draft.world))
    normal = draft.noun.normal()
    rendered = normal(patched)
    learn(draft.before, rendered)
    draft.plan.warnings += patch.rewritten(rendered, draft.params["xml_patch"])
    if draft.before is not None and not whole.differs(normal, draft.after, patched):
        return
    draft.after = patched
    for path, old, new in shown_edits(done, draft.before, patched):
        draft.changes.append(Change(f"xml_patch[{path}]", old, new, None))
        draft.plan.differs(f"xml_patch[{path}]", None if draft.before is None else old, new)


def judge(draft: Draft) -> None:
    """Refuse what can't be: the task's own contradictions with the world, and what libvirt would say of the new definition."""
    noun = draft.noun
    refuse_others(draft)
    refuse_unchangeable(draft)
    noun.check(draft)
    if draft.changes and draft.world.local and noun.judged:
        _judge_by_libvirt(draft)
    elif draft.changes and draft.params.get("unset") and not noun.judged:
        _keep(draft, noun.normal()(draft.after))


def _judge_by_libvirt(draft: Draft) -> None:
    """Raise what libvirt would say of the new definition. Values that it doesn't keep are no changes, and a warning each."""
    from .._xml import kept
    from . import whole

    noun = draft.noun
    whole.judge(noun, draft.after)
    if draft.params.get("xml") is not None:
        return
    result = noun.normal()(draft.after)
    kept.forget(draft.plan, kept.lost(noun.rows, draft.wanted, document.clone(result), Edit(lambda: draft.world)))
    _keep(draft, result)


def _keep(draft: Draft, result: Element) -> None:
    """Forget the changes that make no difference in libvirt's rendering of the new definition; else that one is shown."""
    if draft.before is not None:
        from .._xml import kept

        differing = rows.compare(draft.noun.rows, draft.before, result)
        kept.filled_in(draft.plan, draft.params.get("unset") or (), differing)
        if not draft.plan.after and not differing:
            draft.after, draft.changes = draft.before, []
            return
    draft.rendered = result
    draft.changes = [change for change in draft.changes if change.path in draft.plan.after] or draft.changes


def refuse_others(draft: Draft) -> None:
    """Refuse another object's UUID."""
    if draft.changes and draft.noun.name in KINDS:
        from .identity import refuse_others_uuid

        option = "xml" if draft.params.get("xml") is not None else "uuid"
        refuse_others_uuid(draft.world, draft.noun.name, draft.name, draft.after, option, draft.before)


def refuse_unchangeable(draft: Draft) -> None:
    """Refuse what can't be changed on an object that exists."""
    for change in draft.changes if draft.before is not None else []:
        takes = getattr(change.row, "takes", None)
        if takes == REFUSED or (callable(takes) and takes(change.before, change.after) == REFUSED):
            before, after = units.written(change.before), units.written(change.after)
            raise KvmError(
                f"{change.path}: {draft.title} has '{before}', and that can't be changed to '{after}'",
                "Keep the value it has; or remove the object with state: absent and declare it anew.",
                option=change.path,
            )


def _plan_definition(draft: Draft) -> None:
    """Add the step that defines, with its undo; none where the definition stays as it is."""
    words, undo = draft.noun.defining(draft)
    if not words:
        return
    if draft.before is not None and not draft.persistent:
        draft.plan.differs("persistent", False, True)
    before = document.text_of(draft.before) if draft.before is not None and draft.persistent else ""
    taken_back = draft.step("undo_define", undo, xml=before)
    draft.add("define", words, xml=document.text_of(draft.after), planned=draft.planned, undo=taken_back)


def defining(draft: Draft) -> tuple[str, str]:
    """The sentences of the step that defines and of its undo; empty where there is nothing to define."""
    if draft.before is None:
        return f"define {draft.title}", f"undefine {draft.title}"
    if not draft.persistent:
        return f"make the transient {draft.title} persistent", f"make {draft.title} transient again"
    if draft.changes:
        paths = ", ".join(change.path for change in draft.changes)
        return f"change {draft.title}: {paths}", f"put the definition of {draft.title} back"
    return "", ""


def bring_live(draft: Draft) -> list[str]:
    """Add the live steps; returns the options that wait for a restart of the object."""
    running, steps = draft.running, draft.plan.steps
    if draft.params["apply"] != "stage":
        count, before = len(steps), running_text(running)
        running = draft.noun.live(draft)
        if len(steps) > count:
            _see_running(draft, before)
    return left_over(draft.noun, running, draft.shown)


def _see_running(draft: Draft, running: str) -> None:
    """Have the first step see that nobody else has changed the object: the one that defines it, else one for that alone."""
    steps = draft.plan.steps
    if steps[0].operation != f"{draft.noun.name}.define":
        text = f"see that {draft.title} is as it was"
        steps.insert(0, draft.step("expect", text, changes=False, planned=draft.planned))
    steps[0].arguments["running"] = running


def left_over(noun: Noun, running: Element, stored: Element) -> list[str]:
    """The options in which the running object differs from its definition."""
    left = []
    for change in rows.compare(noun.rows, running, stored):
        option = change.path.partition(".")[0]
        if option not in noun.stored and not (change.after is None and option in noun.filled):
            left.append(change.path)
    return list(dict.fromkeys(left))


def plan_autostart(draft: Draft) -> None:
    """Add the step that sets autostart, where it's another one than asked."""
    before = draft.persistent and bool(draft.there.autostart())
    wanted = draft.params["autostart"]
    draft.autostart = before if wanted is None else bool(wanted)
    if draft.autostart == before:
        return
    words = ["stop starting {} with the host", "start {} with the host"]
    undo = draft.step("autostart", "put autostart back", value=before)
    draft.add("autostart", words[draft.autostart].format(draft.title), value=wanted, undo=undo)
    draft.plan.differs("autostart", None if draft.there is None else before, wanted)


def reach(draft: Draft, left: list[str]) -> None:
    """Add the steps that start, stop or restart; ``left`` waits for a restart."""
    plan, noun = draft.plan, draft.noun
    draft.runs = draft.active
    if draft.there is None and draft.state != "active":
        plan.differs("state", "absent", "inactive" if noun.runs else "present")
    elif draft.state == "active" and not draft.active:
        _plan_start(draft)
    elif draft.state == "inactive" and draft.active:
        noun.before_stop(draft)
        draft.add("stop", f"stop {draft.title}")
        plan.differs("state", "active", "inactive")
        draft.runs = False
    elif left and draft.params["apply"] == "restart":
        noun.before_restart(draft)
        _plan_restart(draft)
    else:
        plan.restart_required = left


def _plan_start(draft: Draft) -> None:
    """Add the steps that start the object."""
    draft.noun.before_start(draft)
    draft.add("start", f"start {draft.title}")
    draft.noun.after_start(draft, None)
    draft.plan.differs("state", "absent" if draft.there is None else "inactive", "active")
    draft.runs = True


def _plan_restart(draft: Draft) -> None:
    """Stop and start. If the object can't be started again, it runs as before, of the definition that it had."""
    count = len(draft.plan.steps)
    stop = draft.add("stop_to_restart", f"stop {draft.title} to restart it")
    stop.stops = True
    draft.noun.before_start(draft)
    draft.add("start", f"start {draft.title} again")
    for step in draft.plan.steps[count + 1 :]:
        step.restarts = True
    same = draft.persistent and not left_over(draft.noun, draft.running, t.cast("Element", draft.before))
    stop.undo = draft.step(
        "start_as_before",
        f"start {draft.title} as it ran before",
        definition=document.text_of(draft.before) if same else "",
        running="" if same else document.text_of(draft.running),
        was=Result(stop),
    )
    draft.noun.after_start(draft, stop)


def absent(draft: Draft) -> None:
    """Add the steps that stop and undefine the object."""
    noun = draft.noun
    if draft.active:
        noun.before_stop(draft)
    if noun.empty(draft) or draft.active:
        draft.add("stop", f"stop {draft.title}")
    noun.remove(draft)
    if draft.persistent:
        draft.add("undefine", f"undefine {draft.title}")
    draft.plan.differs("state", ("active" if draft.active else "inactive") if noun.runs else "present", "absent")
