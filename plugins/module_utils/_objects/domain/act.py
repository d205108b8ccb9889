# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Acts on a running domain that are done each time they're asked for: a restart, a reset."""

from __future__ import annotations

import typing as t

from ..._plan import Plan, refuse
from ..._xml.rows import Values
from .describe import describe
from .documents import persistent_document
from .observed import OFF, observed
from .options import TASK
from .restart import add_restart, interrupted
from .sharing import check_shared

if t.TYPE_CHECKING:
    from ..._libvirt import World

ARGUMENTS: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "how": {"type": "str", "choices": ["graceful", "force", "reset"], "default": "graceful"},
    "shutdown_timeout": {"type": "int", "default": TASK["shutdown_timeout"]["default"]},
    "only_if_required": {"type": "bool", "default": False},
}


def plan_restart(world: World, params: Values) -> Plan:
    """Restart the domain; with ``only_if_required`` only where something waits for that."""
    plan = Plan("domain")
    name, how = params["name"], params["how"]
    plan.lock(f"domain {name}")
    domain = world.get("domain", name)
    state = observed(domain)
    there = t.cast(Values, describe(world, params))
    plan.predicted = there
    if params["only_if_required"] and not there["restart_required"]:
        return plan
    if state in OFF:
        _finish(world, plan, domain, state, there)
    elif how == "reset":
        plan.add("domain.reset", f"reset domain {name}", name=name)
    else:
        add_restart(plan, domain, params, force=how == "force")
        check_shared(world, plan, persistent_document(domain))
        plan.predicted = {**there, "state": "running", "restart_required": []}
    return plan


def _finish(world: World, plan: Plan, domain: t.Any, state: str, there: Values) -> None:
    """Start the guest that a killed run shut down to restart it; any other guest that is off can't be restarted."""
    name = domain.name()
    if not interrupted(world, domain, persistent_document(domain, secrets=False)):
        why = f"domain {name} is {state}, so it can't be restarted"
        refuse("name", why, "Start it: metal.kvm.domain with state: running.")
    plan.add("domain.start_again", f"start domain {name}", name=name)
    check_shared(world, plan, persistent_document(domain))
    plan.predicted = {**there, "state": "running"}


__all__ = ["ARGUMENTS", "describe", "plan_restart"]
