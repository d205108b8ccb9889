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
from ..identity import refuse_others_uuid
from .addresses import place_drives
from .beside import add_seed, set_autostart, surroundings, wait
from .describe import described
from .mark import put_start_mark
from .new import add_hotplug_ports, new_options, new_uuid, skeleton
from .patches import patched
from .redefinition import define
from .rendering import settled
from .start_checks import check_steps
from .state import add_acts
from .surroundings import check_references
from .table import DOMAIN

if t.TYPE_CHECKING:
    from ..._libvirt import World

Element = document.Element


def create(world: World, plan: Plan, params: Values, wanted: Values) -> None:
    name = params["name"]
    if params["state"] == "saved":
        raise KvmError(
            f"state: there is no domain {name} whose memory could be saved", "Make it first.", option="state"
        )
    after = _new_document(world, plan, params, wanted)
    install = _install(world, plan, params, after)
    marked = params["state"] == "running" and "state" in (params["creation_only"] or ())
    if marked:
        put_start_mark(after)
    define(plan, name, after, "", "")
    after = settled(world, plan, wanted, after)
    if params["source_domain"] is not None:
        from .clone import add_copies

        add_copies(world, plan, params, after)
    plan.no_return()
    install()
    if params["autostart"]:
        set_autostart(plan, name, True)
    state = params["state"] if params["state"] in ("running", "paused") else "stopped"
    add_acts(plan, params, "stopped", state)
    if marked:
        plan.add("domain.end_restart", f"note that domain {name} has started", changes=False, name=name)
    check_steps(world, plan, after)
    plan.differs("state", "absent", state)
    wait(plan, params, state)
    plan.predicted = described(
        after, name=name, state=state, autostart=bool(params["autostart"]), persistent=True, restart_required=[]
    )


def _install(world: World, plan: Plan, params: Values, root: Element) -> t.Callable[[], None]:
    """What adds the steps of an installation once ``root`` is defined."""
    if params["install"] is None:
        return lambda: None
    from .install import start_installing

    return start_installing(world, plan, params, root)


def _new_document(world: World, plan: Plan, params: Values, wanted: Values) -> Element:
    if params["xml"] is not None:
        from .whole import new_whole

        return new_whole(world, plan, params)
    if params["source_domain"] is not None:
        return _cloned(world, plan, params, wanted)
    options = new_options(world, wanted, params["name"])
    smbios = options.get("sysinfo", {}).get("system", {}).get("uuid")
    root = skeleton(params["name"], options.get("uuid") or new_uuid(world, params["name"], smbios))
    refuse_others_uuid(world, "domain", params["name"], root, "sysinfo.system.uuid" if smbios else "uuid")
    edit = Edit(lambda: surroundings(world, plan, root, options), creating=True)
    apply(DOMAIN, root, options, "", edit)
    unset_paths(DOMAIN, root, params["unset"] or (), wanted, Edit())
    place_drives(root)
    for change in edit.changes:
        plan.differs(change.path, None, change.after)
    check_references(world, plan, wanted, wanted)
    add_hotplug_ports(root, options.get("machine", ""), params["hotplug_ports"])
    add_seed(world, plan, params, root, edit)
    return patched(world, plan, params, None, root, wanted=wanted)


def _cloned(world: World, plan: Plan, params: Values, wanted: Values) -> Element:
    """The document of a clone, with the task's options on top."""
    from .clone import plan_clone

    root = plan_clone(world, plan, params, wanted.get("uuid") or new_uuid(world, params["name"]))
    edit = Edit(lambda: surroundings(world, plan, root, wanted), creating=True)
    apply(DOMAIN, root, wanted, "", edit)
    unset_paths(DOMAIN, root, params["unset"] or (), wanted, edit)
    place_drives(root)
    for change in edit.changes:
        plan.differs(change.path, change.before, change.after)
    check_references(world, plan, wanted, wanted)
    add_seed(world, plan, params, root, edit)
    return patched(world, plan, params, None, root, wanted=wanted)
