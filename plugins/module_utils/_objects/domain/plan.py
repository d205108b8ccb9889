# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain: from the options and what libvirt says to a plan."""

from __future__ import annotations

import contextlib
import functools
import typing as t

from ..._creation import for_existing
from ..._plan import KvmError, Plan
from ..._xml import document
from ..._xml.contradictions import check as check_contradictions
from ..._xml.rows import REFUSED, Change, Edit, Values, apply, parse
from ..._xml.table import managed, unset_paths
from .beside import add_seed, set_autostart, surroundings, wait
from .contradictions import CONTRADICTIONS
from .describe import describe, described
from .documents import persistent_document, running_document
from .live import plan_live
from .mark import CLONE, INSTALL, marked
from .observed import OFF, observed
from .patches import patched
from .state import reach
from .table import DOMAIN

if t.TYPE_CHECKING:
    from ..._libvirt import World

Element = document.Element


def plan_domain(world: World, params: Values) -> Plan:
    """What brings the domain to the task's options; raises KvmError for what can't be."""
    plan = Plan("domain")
    _check_name(params["name"])
    plan.lock(f"domain {params['name']}")
    domain = world.find("domain", params["name"])
    if params["state"] == "absent":
        from .absent import plan_absent

        return plan_absent(world, plan, domain, params)
    wanted = parse(DOMAIN, params)
    check_contradictions(CONTRADICTIONS, wanted)
    if "uuid" in wanted:
        plan.lock(f"domain {wanted['uuid']}")
    if domain is None and "uuid" in wanted:
        domain = world.find_uuid(wanted["uuid"])
    if domain is None:
        from .create import create

        create(world, plan, params, wanted)
    else:
        if params["creation_only"]:
            params = for_existing(params, _arguments())
            wanted = parse(DOMAIN, params)
        _converge(world, plan, domain, params, wanted)
    return plan


def _arguments() -> Values:
    """The module's argument spec."""
    from .options import ARGUMENTS

    return ARGUMENTS


def _check_name(name: str) -> None:
    if not name.strip() or "/" in name or not name.isprintable():
        raise KvmError(
            f"name: {name!r} can't be the name of a domain",
            "Use a name without slashes, line breaks and other signs that can't be printed.",
            option="name",
        )


def _converge(world: World, plan: Plan, domain: t.Any, params: Values, wanted: Values) -> None:
    name = params["name"]
    before_state = observed(domain)
    persistent = bool(domain.isPersistent())
    before = persistent_document(domain)
    renamed = domain.name() != name
    base = _renamed(world, plan, domain, before, before_state, name) if renamed else before
    after, changes = _edited(world, plan, params, wanted, base)
    unfinished = params["install"] is not None and marked(before, INSTALL) is not None
    active = before_state not in OFF and not unfinished
    with _naming_conflicts(world, after, wanted, changes):
        after = _redefined(world, plan, params, wanted, before, after, persistent, renamed)
    waiting: list[str] = []
    if active:
        spoken = functools.partial(_spoken, params, wanted)
        count = len(plan.steps)
        running, live = running_document(domain), params["apply"] != "stage"
        waiting = plan_live(plan, name, spoken, before, running, after, live, world)
        if len(plan.steps) > count and after is before:
            from .redefinition import expect

            expect(plan, name, before)
    if params["source_domain"] is not None and marked(before, CLONE) is not None:
        from .clone import finish_copies

        finish_copies(world, plan, params, domain, after)
    if unfinished:
        from .install import go_on

        plan.no_return()
        before_state = go_on(world, plan, params, domain, before_state, after)
    autostart = bool(domain.autostart()) if persistent else False
    if params["autostart"] is not None and params["autostart"] != autostart:
        set_autostart(plan, name, params["autostart"])
        autostart = params["autostart"]
    plan.no_return()
    state = reach(world, plan, params, domain, before_state, waiting, before)
    _check_steps(world, plan, after)
    if state in OFF or any(step.restarts for step in plan.steps):
        waiting = []
    wait(plan, params, state)
    plan.restart_required = waiting
    plan.predicted = described(
        after, name=name, state=state, autostart=autostart, persistent=True, restart_required=waiting
    )


def _check_steps(world: World, plan: Plan, root: Element) -> None:
    if plan.steps:
        from .start_checks import check_steps  # an unchanged domain doesn't pay for it

        check_steps(world, plan, root)


@contextlib.contextmanager
def _naming_conflicts(world: World, after: Element, wanted: Values, changes: list[Change]) -> t.Iterator[None]:
    """Where libvirt refuses ``after``, name the option that the task doesn't mention and that stands in the way."""
    try:
        yield
    except KvmError as error:
        from .conflicts import explained

        raise explained(world, error, after, wanted, changes) from error


def _redefined(
    world: World,
    plan: Plan,
    params: Values,
    wanted: Values,
    before: Element,
    after: Element,
    persistent: bool,
    renamed: bool,
) -> Element:
    """The definition as it will be, with the step that makes it so; ``before`` itself where that is what is there."""
    if persistent and not {*plan.before, *plan.after} - {"name"}:
        return before
    from .redefinition import redefine

    unset = params["unset"] or ()
    return redefine(world, plan, params["name"], wanted, before, after, persistent, renamed, unset)


def _spoken(params: Values, wanted: Values, change: Change) -> bool:
    """Whether the task says something about the option of ``change``."""
    if params["xml"] is not None or managed(wanted, change):
        return True
    return any(change.path == path or change.path.startswith(path + ".") for path in params["unset"] or ())


def _renamed(world: World, plan: Plan, domain: t.Any, before: Element, state: str, name: str) -> Element:
    """The UUID is known under another name: the domain takes the task's. ``before`` has it from here on."""
    from .redefinition import expect
    from .rename import rename

    plan.lock(f"domain {domain.name()}")
    expect(plan, domain.name(), before)
    return rename(world, plan, before, state, name)


def _edited(world: World, plan: Plan, params: Values, wanted: Values, before: Element) -> tuple[Element, list[Change]]:
    """The persistent definition with the wanted options in it, and the changes; the differences go to the plan's diff."""
    if params["xml"] is not None:
        from .whole import changed_whole

        return changed_whole(world, plan, params, before), []
    after = document.clone(before)
    edit = Edit(lambda: surroundings(world, plan, after, wanted))
    devices = list(zip(before.iterfind("devices/*"), after.iterfind("devices/*")))
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
    if edit.changes:
        from .dependents import settle

        plan.warnings += settle(before, after, devices, wanted, edit, params["hotplug_ports"])
    _note(plan, edit.changes)
    if edit.changes:
        from .surroundings import check_references, check_sources

        check_references(world, plan, wanted, {change.path.partition("[")[0] for change in edit.changes})
        check_sources(edit)
        if any(change.path.startswith("disks[") for change in edit.changes):
            from .medium import check_media

            check_media(world, before, wanted, edit)
    add_seed(world, plan, params, after, edit)
    return patched(world, plan, params, before, after, devices, wanted), edit.changes


def _note(plan: Plan, changes: t.Iterable[Change]) -> None:
    for change in changes:
        plan.differs(change.path, change.before, change.after)


def operations() -> t.Mapping[str, t.Callable[..., t.Any]]:
    """What the steps of a domain's plan do, by name."""
    from .steps import OPERATIONS

    return OPERATIONS


__all__ = ["describe", "operations", "plan_domain"]
