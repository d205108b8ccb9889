# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain that takes another name, and the files that are called after it."""

from __future__ import annotations

import os
import typing as t

from ..._plan import KvmError, Plan, Result, Step
from ..._xml import document
from ..._xml.rows import compare
from .mark import CLONE, INSTALL, marked
from .nvram import nvram_of, refuse_existing
from .table import DOMAIN

if t.TYPE_CHECKING:
    from ..._libvirt import World

Element = document.Element


def rename(world: World, plan: Plan, definition: Element, state: str, name: str) -> Element:
    """Rename the domain of ``definition``, which the task knows by its UUID; returns the definition to go on from.

    ``definition`` has the new name from here on. The one returned has files of the new name too: otherwise a new domain
    of the old name would share them. The seed is found by the definition, and keeps its name.
    """
    old = definition.findtext("name")
    _check(definition, old, state, name)
    definition.find("name").text = name
    after = document.clone(definition)
    for log in after.iterfind("devices/*/log"):
        log.set("file", (log.get("file") or "").replace(f"/{old}-", f"/{name}-"))
    _keep_nvram(world, plan, after, old, name)
    undo = Step("domain.rename", f"call domain {name} {old} again", name=name, to=old)
    plan.add("domain.rename", f"rename domain {old} to {name}", name=old, to=name, undo=undo)
    plan.differs("name", old, name)
    for change in compare(DOMAIN, definition, after):
        plan.differs(change.path, change.before, change.after)
    return after


def _check(definition: Element, old: str, state: str, name: str) -> None:
    if state != "stopped":
        raise KvmError(
            f"name: domain {old} has this uuid and is {state}; only one that is off can be called {name}",
            "Stop it first, or leave the uuid out.",
            option="name",
        )
    for mark, what in ((INSTALL, "installed"), (CLONE, "cloned")):
        if marked(definition, mark) is not None:
            raise KvmError(
                f"name: domain {old} has this uuid and is still being {what}; only a finished one can be called {name}",
                f"Run the task that began it once more, with the name {old}.",
                option="name",
            )


def _keep_nvram(world: World, plan: Plan, after: Element, old: str, name: str) -> None:
    """libvirt looks for it under the new name, and would create it anew. Moved before: a run killed between goes on."""
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
