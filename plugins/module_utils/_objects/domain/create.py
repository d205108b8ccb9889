# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain that isn't there yet: its document from defaults and options, and the steps beside its definition."""

from __future__ import annotations

import typing as t

from ..._plan import refuse
from ..._xml.rows import Edit, apply
from ..._xml.table import unset_paths
from .. import life
from ..identity import refuse_others_uuid
from .addresses import place_drives
from .beside import add_seed, editing
from .mark import put_start_mark
from .new import add_hotplug_ports, new_options, new_uuid, skeleton
from .patches import patched
from .state import add_acts
from .surroundings import check_references
from .table import DOMAIN

if t.TYPE_CHECKING:
    from .draft import DomainDraft


def write(draft: DomainDraft) -> None:
    """Write the definition of a new domain."""
    params = draft.params
    if params["state"] == "saved":
        refuse("state", f"there is no domain {draft.name} whose memory could be saved", "Make it first.")
    if params["xml"] is not None:
        from .whole import new_whole

        draft.after = new_whole(draft)
    elif params["source_domain"] is not None:
        _write_clone(draft)
    else:
        _write_new(draft)
    if params["install"] is not None:
        from .install import start_installing

        draft.install = start_installing(draft)
    if _starts_once(draft):
        put_start_mark(draft.after)


def _starts_once(draft: DomainDraft) -> bool:
    """Whether the domain is started because it is new: a later task wouldn't, so the next run has to if this one fails."""
    return draft.params["state"] == "running" and "state" in (draft.params["creation_only"] or ())


def reach_new(draft: DomainDraft) -> str:
    """Add the steps that install a new domain and lead to its state, which is returned."""
    if draft.install is not None:
        draft.install()
        life.plan_autostart(draft)
    state = draft.state if draft.state in ("running", "paused") else "stopped"
    add_acts(draft, "stopped", state)
    if _starts_once(draft):
        draft.add("end_restart", f"note that {draft.title} has started", changes=False)
    return state


def _write_new(draft: DomainDraft) -> None:
    """The document of the options and the defaults."""
    world, params, name = draft.world, draft.params, draft.name
    options = new_options(world, draft.wanted, name)
    smbios = options.get("sysinfo", {}).get("system", {}).get("uuid")
    root = draft.after = skeleton(name, options.get("uuid") or new_uuid(world, name, smbios))
    refuse_others_uuid(world, "domain", name, root, "sysinfo.system.uuid" if smbios else "uuid")
    edit = editing(draft, options, creating=True)
    apply(DOMAIN, root, options, "", edit)
    unset_paths(DOMAIN, root, params["unset"] or (), draft.wanted, Edit())
    for change in edit.changes:
        draft.plan.differs(change.path, None, change.after)
    add_hotplug_ports(root, options.get("machine", ""), params["hotplug_ports"])
    _complete(draft, edit)


def _write_clone(draft: DomainDraft) -> None:
    """The document of a clone, with the task's options on top."""
    from .clone import plan_clone

    wanted = draft.wanted
    draft.after = plan_clone(draft, wanted.get("uuid") or new_uuid(draft.world, draft.name))
    edit = editing(draft, wanted, creating=True)
    apply(DOMAIN, draft.after, wanted, "", edit)
    unset_paths(DOMAIN, draft.after, draft.params["unset"] or (), wanted, edit)
    for change in edit.changes:
        draft.plan.differs(change.path, change.before, change.after)
    _complete(draft, edit)


def _complete(draft: DomainDraft, edit: Edit) -> None:
    """What the options leave to be done with a new document."""
    place_drives(draft.after)
    check_references(draft, draft.wanted)
    add_seed(draft, edit)
    draft.after = patched(draft, None)
