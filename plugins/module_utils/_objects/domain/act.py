# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Acts on a running domain that are done each time they're asked for: a restart, a reset."""

from __future__ import annotations

import typing as t

from ..._plan import KvmError, Plan
from ..._xml.rows import Values
from .describe import describe
from .options import TASK
from .state import OFF, observed

ARGUMENTS: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "how": {"type": "str", "choices": ["graceful", "force", "reset"], "default": "graceful"},
    "shutdown_timeout": {"type": "int", "default": TASK["shutdown_timeout"]["default"]},
    "only_if_required": {"type": "bool", "default": False},
}


def plan_restart(world: t.Any, params: Values) -> Plan:
    """Restart the domain; with ``only_if_required`` only where something waits for that."""
    plan = Plan("domain")
    name, how = params["name"], params["how"]
    domain = world.get("domain", name)
    state = observed(domain)
    there = t.cast(Values, describe(world, params))
    plan.predicted = there
    if params["only_if_required"] and not there["restart_required"]:
        return plan
    if state in OFF:
        raise KvmError(
            f"name: domain {name} is {state}, so it can't be restarted",
            "Start it: metal.kvm.domain with state: running.",
            option="name",
        )
    if how == "reset":
        plan.add("domain.reset", f"reset domain {name}", name=name)
    else:
        arguments = {"name": name, "timeout": params["shutdown_timeout"], "force": how == "force"}
        plan.add("domain.restart", f"restart domain {name}", **arguments)
        plan.predicted = {**there, "restart_required": []}
    return plan


__all__ = ["ARGUMENTS", "describe", "plan_restart"]
