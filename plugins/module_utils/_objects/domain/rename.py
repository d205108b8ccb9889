# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain that takes another name, and the files that are called after it."""

from __future__ import annotations

import os
import typing as t

from ..._plan import Result, Step, refuse
from ..._xml import document
from ..._xml.rows import compare
from .mark import CLONE, INSTALL, marked
from .nvram import nvram_of, refuse_existing
from .redefinition import expect
from .table import DOMAIN

if t.TYPE_CHECKING:
    from .draft import DomainDraft

Element = document.Element


def rename(draft: DomainDraft) -> None:
    """Rename the domain, which the task knows by its UUID.

    ``before`` has the new name from here on. ``after`` has files of the new name too: otherwise a new domain of the old
    name would share them. The seed is found by the definition, and keeps its name.
    """
    plan, name, definition = draft.plan, draft.name, t.cast(Element, draft.before)
    old = definition.findtext("name")
    plan.lock(f"domain {old}")
    _check(draft, old)
    expect(plan, old, definition)
    definition.find("name").text = name
    draft.after = document.clone(definition)
    for log in draft.after.iterfind("devices/*/log"):
        log.set("file", (log.get("file") or "").replace(f"/{old}-", f"/{name}-"))
    _keep_nvram(draft, old)
    undo = Step("domain.rename", f"call domain {name} {old} again", name=name, to=old)
    plan.add("domain.rename", f"rename domain {old} to {name}", name=old, to=name, undo=undo)
    plan.differs("name", old, name)
    for change in compare(DOMAIN, definition, draft.after):
        plan.differs(change.path, change.before, change.after)


def _check(draft: DomainDraft, old: str) -> None:
    state, name = draft.observed, draft.name
    if state != "stopped":
        why = f"domain {old} has this uuid and is {state}; only one that is off can be called {name}"
        refuse("name", why, "Stop it first, or leave the uuid out.")
    for mark, what in ((INSTALL, "installed"), (CLONE, "cloned")):
        if marked(t.cast(Element, draft.before), mark) is not None:
            why = f"domain {old} has this uuid and is still being {what}; only a finished one can be called {name}"
            refuse("name", why, f"Run the task that began it once more, with the name {old}.")


def _keep_nvram(draft: DomainDraft, old: str) -> None:
    """libvirt looks for it under the new name, and would create it anew. Moved before: a run killed between goes on."""
    world, plan, after, name = draft.world, draft.plan, draft.after, draft.name
    path, node = nvram_of(world, after, old), after.find("os/nvram")
    to = nvram_of(world, after, name)
    if node is not None and node.text and os.path.basename(path) == f"{old}_VARS.fd":
        to = os.path.join(os.path.dirname(path), f"{name}_VARS.fd")
    if path == to:
        return
    if not world.local:
        plan.warnings.append(
            f"name: the firmware of domain {name} forgets what it has in {path}, which can't be moved from here"
        )
        return
    if node is not None and node.text:
        node.text = to
    if os.path.exists(path):
        refuse_existing(to, "name")
    step = plan.add("domain.move_nvram", f"rename the NVRAM of domain {old}", path=path, to=to)
    text = f"call the NVRAM of domain {old} again as it was"
    step.undo = Step("domain.move_nvram", text, path=to, to=path, moved=Result(step))
