# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain: from the options and what libvirt says to a plan."""

from __future__ import annotations

import typing as t
import uuid as uuids

from ..._plan import KvmError, Plan, Step
from ..._xml import document
from ..._xml.rows import REFUSED, Change, Edit, Values, apply, parse
from ..._xml.table import unset_paths
from .describe import describe, described
from .live import plan_live
from .state import OFF, add_act, add_acts, observed
from .secrets import secrets
from .steps import operations, persistent_document, running_document
from .surroundings import Surroundings, check_references
from .table import DOMAIN

Element = document.Element


def plan_domain(world: t.Any, params: Values) -> Plan:
    """What brings the domain to the task's options; raises KvmError for what can't be."""
    plan = Plan("domain")
    domain = world.find("domain", params["name"])
    if params["state"] == "absent":
        from .absent import plan_absent

        return plan_absent(world, plan, domain, params)
    wanted = parse(DOMAIN, params)
    if domain is None:
        _create(world, plan, params, wanted)
    else:
        _converge(world, plan, domain, params, wanted)
    return plan


def _create(world: t.Any, plan: Plan, params: Values, wanted: Values) -> None:
    name = params["name"]
    if params["state"] == "saved":
        raise KvmError(f"state: there is no domain {name} whose memory could be saved", "Make it first.", option="state")
    after = _new_document(world, plan, params, wanted)
    _define(plan, name, after, "", [])
    plan.no_return()
    if params["autostart"]:
        _set_autostart(plan, name, True)
    state = params["state"] if params["state"] in ("running", "paused") else "stopped"
    add_acts(plan, params, "stopped", state)
    plan.differs("state", "absent", state)
    _wait(plan, params, state)
    plan.predicted = described(
        after, name=name, state=state, autostart=bool(params["autostart"]), persistent=True, restart_required=[]
    )


def _new_document(world: t.Any, plan: Plan, params: Values, wanted: Values) -> Element:
    if params["xml"] is not None:
        from .whole import new_whole

        return new_whole(world, plan, params)
    from .new import add_hotplug_ports, add_usb, new_options, skeleton

    options = new_options(world, wanted, params["name"])
    root = skeleton(params["name"], options.get("uuid") or str(uuids.uuid4()))
    context = Surroundings(world, plan, root, options)
    edit = Edit(context, creating=True)
    apply(DOMAIN, root, options, "", edit)
    for change in edit.changes:
        plan.differs(change.path, None, change.after)
    check_references(world, plan, wanted, wanted)
    add_hotplug_ports(root, options.get("machine", ""), params["hotplug_ports"])
    add_usb(root, options["arch"])
    _seed(world, plan, params, root, context)
    _patch(plan, params, root)
    return root


def _converge(world: t.Any, plan: Plan, domain: t.Any, params: Values, wanted: Values) -> None:
    name = params["name"]
    before_state = observed(domain)
    persistent = bool(domain.isPersistent())
    before = persistent_document(domain)
    after = _edited(world, plan, params, wanted, before)
    active = before_state not in OFF
    if plan.before or plan.after or not persistent:
        old = document.text_of(before) if persistent else ""
        _define(plan, name, after, old, [] if persistent else ["made persistent"])
    waiting: list[str] = []
    if active:
        waiting = plan_live(
            plan, name, wanted, running_document(domain), after, live=params["apply"] != "stage" and params["xml"] is None
        )
    autostart = bool(domain.autostart()) if persistent else False
    if params["autostart"] is not None and params["autostart"] != autostart:
        _set_autostart(plan, name, params["autostart"])
        autostart = params["autostart"]
    plan.no_return()
    state = _state_steps(plan, params, before_state, waiting, before)
    if state in OFF or "domain.restart" in [step.operation for step in plan.steps]:
        waiting = []
    _wait(plan, params, state)
    plan.restart_required = waiting
    plan.predicted = described(
        after, name=name, state=state, autostart=autostart, persistent=True, restart_required=waiting
    )


def _edited(world: t.Any, plan: Plan, params: Values, wanted: Values, before: Element) -> Element:
    """The persistent definition with the wanted options in it; the differences go to the plan's diff."""
    if params["xml"] is not None:
        from .whole import changed_whole

        return changed_whole(world, plan, params, before)
    after = document.clone(before)
    context = Surroundings(world, plan, after, wanted)
    edit = Edit(context)
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
        check_references(world, plan, wanted, {change.path.partition("[")[0] for change in edit.changes})
    _seed(world, plan, params, after, context)
    _patch(plan, params, after)
    return after


def _seed(world: t.Any, plan: Plan, params: Values, root: Element, context: Surroundings) -> None:
    if params["cloud_init"] is not None:
        from .seed import plan_seed

        plan_seed(world, plan, params, root, context)


def _patch(plan: Plan, params: Values, root: Element) -> None:
    if params["xml_patch"]:
        from ..._xml.patch import apply_patch

        for path, (before, after) in apply_patch(root, params["xml_patch"]).items():
            plan.differs(path, before, after)


def _note(plan: Plan, changes: t.Iterable[Change]) -> None:
    for change in changes:
        plan.differs(change.path, change.before, change.after)


def _define(plan: Plan, name: str, after: Element, old: str, why: list[str]) -> None:
    undo = (
        Step("domain.define", f"define domain {name} as it was", name=name, xml=old)
        if old
        else Step("domain.undefine", f"undefine domain {name}", name=name)
    )
    remark = f" ({why[0]})" if why else ""
    plan.add(
        "domain.define", f"define domain {name}{remark}", name=name, xml=document.text_of(after), undo=undo
    )


def _set_autostart(plan: Plan, name: str, value: bool) -> None:
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


def _wait(plan: Plan, params: Values, state: str) -> None:
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


__all__ = ["describe", "operations", "plan_domain", "secrets"]
