# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain that isn't there yet: its document from defaults and options, and the steps that make it."""

from __future__ import annotations

import typing as t

from ..._plan import KvmError, Plan
from ..._xml import document
from ..._xml.rows import Edit, Values, apply
from ..._xml.table import unset_paths
from .describe import described
from .new import add_hotplug_ports, new_options, new_uuid, skeleton
from .plan import add_seed, define, patched, set_autostart, surroundings, wait
from .state import add_acts, check_steps
from .surroundings import check_references
from .table import DOMAIN

Element = document.Element


def create(world: t.Any, plan: Plan, params: Values, wanted: Values) -> None:
    name = params["name"]
    if params["state"] == "saved":
        raise KvmError(
            f"state: there is no domain {name} whose memory could be saved", "Make it first.", option="state"
        )
    after = _new_document(world, plan, params, wanted)
    install = _install(world, plan, params, after)
    after = define(world, plan, name, after, "")
    if params["source_domain"] is not None:
        from .clone import add_copies

        add_copies(world, plan, params, after)
    plan.no_return()
    install()
    if params["autostart"]:
        set_autostart(plan, name, True)
    state = params["state"] if params["state"] in ("running", "paused") else "stopped"
    add_acts(plan, params, "stopped", state)
    check_steps(world, plan, after)
    plan.differs("state", "absent", state)
    wait(plan, params, state)
    plan.predicted = described(
        after, name=name, state=state, autostart=bool(params["autostart"]), persistent=True, restart_required=[]
    )


def _install(world: t.Any, plan: Plan, params: Values, root: Element) -> t.Callable[[], None]:
    """What adds the steps of an installation once ``root`` is defined."""
    if params["install"] is None:
        return lambda: None
    from .install import start_installing

    return start_installing(world, plan, params, root)


def _new_document(world: t.Any, plan: Plan, params: Values, wanted: Values) -> Element:
    if params["xml"] is not None:
        from .whole import new_whole

        return new_whole(world, plan, params)
    if params["source_domain"] is not None:
        return _cloned(world, plan, params, wanted)
    options = new_options(world, wanted, params["name"])
    root = skeleton(params["name"], options.get("uuid") or new_uuid(world, params["name"]))
    edit = Edit(lambda: surroundings(world, plan, root, options), creating=True)
    apply(DOMAIN, root, options, "", edit)
    unset_paths(DOMAIN, root, params["unset"] or (), wanted, Edit())
    for change in edit.changes:
        plan.differs(change.path, None, change.after)
    check_references(world, plan, wanted, wanted)
    add_hotplug_ports(root, options.get("machine", ""), params["hotplug_ports"])
    add_seed(world, plan, params, root, edit)
    return patched(world, plan, params, None, root)


def _cloned(world: t.Any, plan: Plan, params: Values, wanted: Values) -> Element:
    """The document of a clone, with the task's options on top."""
    from .clone import plan_clone

    root = plan_clone(world, plan, params, wanted.get("uuid") or new_uuid(world, params["name"]))
    edit = Edit(lambda: surroundings(world, plan, root, wanted), creating=True)
    apply(DOMAIN, root, wanted, "", edit)
    unset_paths(DOMAIN, root, params["unset"] or (), wanted, edit)
    for change in edit.changes:
        plan.differs(change.path, change.before, change.after)
    check_references(world, plan, wanted, wanted)
    add_seed(world, plan, params, root, edit)
    return patched(world, plan, params, None, root)
