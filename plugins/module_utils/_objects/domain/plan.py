# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain: from the options and what libvirt says to a plan."""

from __future__ import annotations

import functools
import typing as t

from ..._plan import KvmError, Plan, Step
from ..._xml import document
from ..._xml.rows import REFUSED, Change, Edit, Values, apply, parse
from ..._xml.table import managed, unset_paths
from .describe import describe, described
from .documents import persistent_document, running_document
from .live import plan_live
from .mark import CLONE, INSTALL, marked
from .state import OFF, add_act, add_acts, check_steps, observed
from .table import DOMAIN

Element = document.Element


def plan_domain(world: t.Any, params: Values) -> Plan:
    """What brings the domain to the task's options; raises KvmError for what can't be."""
    plan = Plan("domain")
    _check_name(params["name"])
    domain = world.find("domain", params["name"])
    if params["state"] == "absent":
        from .absent import plan_absent

        return plan_absent(world, plan, domain, params)
    wanted = parse(DOMAIN, params)
    if domain is None and "uuid" in wanted:
        domain = world.find_uuid(wanted["uuid"])
    if domain is None:
        from .create import create

        create(world, plan, params, wanted)
    else:
        _converge(world, plan, domain, params, wanted)
    return plan


def _check_name(name: str) -> None:
    if not name.strip() or "/" in name or not name.isprintable():
        raise KvmError(
            f"name: {name!r} can't be the name of a domain",
            "Use a name without slashes, line breaks and other signs that can't be printed.",
            option="name",
        )


def _converge(world: t.Any, plan: Plan, domain: t.Any, params: Values, wanted: Values) -> None:
    name = params["name"]
    before_state = observed(domain)
    persistent = bool(domain.isPersistent())
    before = persistent_document(domain)
    if domain.name() != name:
        _rename(world, plan, before, before_state, name)
    after = _edited(world, plan, params, wanted, before)
    unfinished = params["install"] is not None and marked(before, INSTALL) is not None
    active = before_state not in OFF and not unfinished
    if set(plan.after) - {"name"} or set(plan.before) - {"name"} or not persistent:
        old = document.text_of(before) if persistent else ""
        after = define(world, plan, name, after, old, "" if persistent else " (made persistent)")
    waiting: list[str] = []
    if active:
        spoken = functools.partial(_spoken, params, wanted)
        waiting = plan_live(plan, name, spoken, before, running_document(domain), after, params["apply"] != "stage")
    if params["source_domain"] is not None and marked(before, CLONE) is not None:
        from .clone import add_copies

        add_copies(world, plan, params, after)
    if unfinished:
        from .install import go_on

        plan.no_return()
        before_state = go_on(world, plan, params, domain, before_state, after)
    autostart = bool(domain.autostart()) if persistent else False
    if params["autostart"] is not None and params["autostart"] != autostart:
        set_autostart(plan, name, params["autostart"])
        autostart = params["autostart"]
    plan.no_return()
    state = _state_steps(plan, params, before_state, waiting, before)
    check_steps(world, plan, after)
    if state in OFF or "domain.restart" in [step.operation for step in plan.steps]:
        waiting = []
    wait(plan, params, state)
    plan.restart_required = waiting
    plan.predicted = described(
        after, name=name, state=state, autostart=autostart, persistent=True, restart_required=waiting
    )


def _spoken(params: Values, wanted: Values, change: Change) -> bool:
    """Whether the task says something about the option of ``change``."""
    if params["xml"] is not None or managed(wanted, change):
        return True
    return any(change.path == path or change.path.startswith(path + ".") for path in params["unset"] or ())


def _rename(world: t.Any, plan: Plan, definition: Element, state: str, name: str) -> None:
    """The UUID is known under another name: the domain takes the task's. ``definition`` has it from here on."""
    old = definition.findtext("name")
    if state != "stopped":
        raise KvmError(
            f"name: domain {old} has this uuid and is {state}; only one that is off can be called {name}",
            "Stop it first, or leave the uuid out.",
            option="name",
        )
    _keep_nvram(world, plan, definition, old, name)
    undo = Step("domain.rename", f"call domain {name} {old} again", name=name, to=old)
    plan.add("domain.rename", f"rename domain {old} to {name}", name=old, to=name, undo=undo)
    plan.differs("name", old, name)
    definition.find("name").text = name


def _keep_nvram(world: t.Any, plan: Plan, definition: Element, old: str, name: str) -> None:
    """libvirt looks for it under the new name, and would make it anew. Moved before: a run killed between goes on."""
    from .nvram import nvram_of

    path, to = nvram_of(world, definition, old), nvram_of(world, definition, name)
    if path == to:
        return
    if not world.local:
        plan.warnings.append(
            f"name: the firmware of domain {name} forgets what it has in {path}, which can't be moved from here"
        )
        return
    undo = Step("domain.move_nvram", f"call the NVRAM of domain {old} again as it was", path=to, to=path)
    plan.add("domain.move_nvram", f"rename the NVRAM of domain {old}", path=path, to=to, undo=undo)


def _edited(world: t.Any, plan: Plan, params: Values, wanted: Values, before: Element) -> Element:
    """The persistent definition with the wanted options in it; the differences go to the plan's diff."""
    if params["xml"] is not None:
        from .whole import changed_whole

        return changed_whole(world, plan, params, before)
    after = document.clone(before)
    edit = Edit(lambda: surroundings(world, plan, after, wanted))
    apply(DOMAIN, after, wanted, "", edit)
    if params["unset"]:
        unset_paths(DOMAIN, after, params["unset"], wanted, edit)
    for change in edit.changes:
        if change.row.takes == REFUSED:
            raise KvmError(
                f"{change.path}: '{change.after}' is asked for, the domain has '{change.before}', and this can't be changed",
                "Leave the option out, or make another domain.",
                option=change.path,
            )
    _note(plan, edit.changes)
    if edit.changes:
        from .surroundings import check_references, check_sources

        check_references(world, plan, wanted, {change.path.partition("[")[0] for change in edit.changes})
        check_sources(edit)
    add_seed(world, plan, params, after, edit)
    return patched(world, plan, params, before, after)


def add_seed(world: t.Any, plan: Plan, params: Values, root: Element, edit: Edit) -> None:
    """The seed of cloud-init, where the task says something of it."""
    if params["cloud_init"] is not None:
        from .seed import plan_seed

        plan_seed(world, plan, params, root, edit)


def patched(world: t.Any, plan: Plan, params: Values, before: t.Optional[Element], after: Element) -> Element:
    """``after`` with the single places of ``xml_patch``; ``before`` where libvirt's rendering of both is the same.

    A value that libvirt rewrites or drops is a warning, and counts as applied.
    """
    if not params["xml_patch"]:
        return after
    from ..._xml.patch import apply as apply_patches
    from ..._xml.patch import rewritten
    from .rendering import ordered, rendered

    alone = before is not None and not plan.before and not plan.after
    made = apply_patches(after, params["xml_patch"])
    if not made:
        return after
    result = rendered(world, after)
    plan.warnings += rewritten(result, params["xml_patch"])
    if alone and ordered(result) == ordered(rendered(world, before)):
        return t.cast(Element, before)
    from .secrets import in_document

    hidden = {value for root in (before, after) if root is not None for value in in_document(root) if value}
    for patch in made:
        plan.differs(patch.path, _without(hidden, patch.before), _without(hidden, patch.after))
    return after


def _without(hidden: t.Iterable[str], text: t.Optional[str]) -> t.Optional[str]:
    """The text of an edit as it's shown: secret values are not."""
    for value in hidden:
        text = text and text.replace(value, "(hidden)")
    return text


def surroundings(world: t.Any, plan: Plan, root: Element, wanted: Values) -> t.Any:
    """What rows may ask of the world while they edit; looked up only when one does."""
    from .surroundings import Surroundings

    return Surroundings(world, plan, root, wanted)


def _note(plan: Plan, changes: t.Iterable[Change]) -> None:
    for change in changes:
        plan.differs(change.path, change.before, change.after)


def define(world: t.Any, plan: Plan, name: str, after: Element, old: str, remark: str = "") -> Element:
    """Add the step that defines ``after``; returns the definition as libvirt will have it.

    What libvirt would refuse is refused here, before the first step.
    """
    from .rendering import judged

    result = judged(world, after)
    undo = (
        Step("domain.define", f"define domain {name} as it was", name=name, xml=old)
        if old
        else Step("domain.undefine", f"undefine domain {name}", name=name)
    )
    plan.add("domain.define", f"define domain {name}{remark}", name=name, xml=document.text_of(after), undo=undo)
    return result


def set_autostart(plan: Plan, name: str, value: bool) -> None:
    text = f"{'start' if value else 'do not start'} domain {name} with the host"
    undo = Step("domain.set_autostart", f"set autostart of domain {name} back", name=name, value=not value)
    plan.add("domain.set_autostart", text, name=name, value=value, undo=undo)
    plan.differs("autostart", not value, value)


def _state_steps(plan: Plan, params: Values, before: str, waiting: list[str], definition: Element) -> str:
    """Steps to the wanted state; returns the state that the domain has then."""
    wanted = params["state"] if params["state"] in ("running", "stopped", "paused", "saved") else ""
    restart = params["apply"] == "restart" and waiting and before == "running" and wanted in ("", "running")
    if restart:
        arguments = {"name": params["name"], "timeout": params["shutdown_timeout"], "force": params["force"]}
        plan.add("domain.restart", f"restart domain {params['name']}", **arguments)
        return "running"
    if before == "stopped" and not wanted and _interrupted(definition):
        add_act(plan, params, "start")
        plan.differs("state", before, "running")
        return "running"
    if wanted:
        add_acts(plan, params, before, wanted)
    return wanted or before


def _interrupted(definition: Element) -> bool:
    """Whether a restart that an earlier run began was not finished: its mark is still there."""
    node = definition.find("metadata/" + document.qualified("metal:kvm"))
    return node is not None and node.get("restarting") == "yes"


def wait(plan: Plan, params: Values, state: str) -> None:
    wait = params["wait_for"]
    if not wait or not (wait["agent"] or wait["ip"]):
        return
    if state != "running":
        raise KvmError(
            f"wait_for: domain {params['name']} is {state}, so its guest can't answer",
            "Say state: running too, or leave wait_for out.",
            option="wait_for",
        )
    what = " and ".join(text for key, text in (("agent", "its agent"), ("ip", "its address")) if wait[key])
    plan.add(
        "domain.wait",
        f"wait for domain {params['name']}: {what}",
        changes=False,
        name=params["name"],
        agent=wait["agent"],
        ip=wait["ip"],
        timeout=wait["timeout"],
    )


def operations() -> t.Mapping[str, t.Callable[..., t.Any]]:
    """What the steps of a domain's plan do, by name."""
    from .steps import OPERATIONS

    return OPERATIONS


def secrets(params: Values) -> t.Iterable[str]:
    """Secret values that no option of its own covers."""
    if not (params["xml"] or params["xml_patch"] or params["cloud_init"] or params["install"]):
        return ()
    from .secrets import hidden

    return hidden(params)


__all__ = ["describe", "operations", "plan_domain", "secrets"]
