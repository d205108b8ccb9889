# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain that isn't there yet: its document from defaults and options, and the steps beside its definition."""

from __future__ import annotations

import typing as t

from ..._plan import KvmError
from ..._xml import document
from ..._xml.rows import Edit, Values, apply
from ..._xml.table import unset_paths
from ..identity import refuse_others_uuid
from .addresses import place_drives
from .beside import add_seed, surroundings
from .mark import put_start_mark
from .new import add_hotplug_ports, new_options, new_uuid, skeleton
from .patches import patched
from .state import add_acts
from .surroundings import check_references
from .table import DOMAIN

if t.TYPE_CHECKING:
    from .draft import DomainDraft

Element = document.Element


def write(draft: DomainDraft) -> None:
    """Write the definition of a new domain."""
    params = draft.params
    if params["state"] == "saved":
        raise KvmError(
            f"state: there is no domain {draft.name} whose memory could be saved", "Make it first.", option="state"
        )
    draft.after = _new_document(draft)
    if params["install"] is not None:
        from .install import start_installing

        draft.install = start_installing(draft.world, draft.plan, params, draft.after)
    if _starts_once(params):
        put_start_mark(draft.after)


def _starts_once(params: Values) -> bool:
    """Whether the domain is started because it is new: a later task wouldn't, so the next run has to if this one fails."""
    return params["state"] == "running" and "state" in (params["creation_only"] or ())


def reach_new(draft: DomainDraft) -> str:
    """Add the steps that install a new domain and lead to its state, which is returned."""
    plan, params = draft.plan, draft.params
    if draft.install is not None:
        draft.install()
    state = params["state"] if params["state"] in ("running", "paused") else "stopped"
    add_acts(plan, params, "stopped", state)
    if _starts_once(params):
        plan.add("domain.end_restart", f"note that domain {draft.name} has started", changes=False, name=draft.name)
    return str(state)


def _new_document(draft: DomainDraft) -> Element:
    world, plan, params, wanted = draft.world, draft.plan, draft.params, draft.wanted
    if params["xml"] is not None:
        from .whole import new_whole

        return new_whole(world, plan, params)
    if params["source_domain"] is not None:
        return _cloned(draft)
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
    draft.after = root
    return patched(draft, None)


def _cloned(draft: DomainDraft) -> Element:
    """The document of a clone, with the task's options on top."""
    from .clone import plan_clone

    world, plan, params, wanted = draft.world, draft.plan, draft.params, draft.wanted
    root = plan_clone(world, plan, params, wanted.get("uuid") or new_uuid(world, params["name"]))
    edit = Edit(lambda: surroundings(world, plan, root, wanted), creating=True)
    apply(DOMAIN, root, wanted, "", edit)
    unset_paths(DOMAIN, root, params["unset"] or (), wanted, edit)
    place_drives(root)
    for change in edit.changes:
        plan.differs(change.path, change.before, change.after)
    check_references(world, plan, wanted, wanted)
    add_seed(world, plan, params, root, edit)
    draft.after = root
    return patched(draft, None)
