# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The states of a domain, and the acts that lead from any observed one to any wanted one, or the refusal."""

from __future__ import annotations

import typing as t

from ..._plan import KvmError, Plan, Step
from .mark import restarting
from .observed import OFF

if t.TYPE_CHECKING:
    from ..._libvirt import World

# (observed, wanted): the acts in order. An act is a row of ACTS; "!text" refuses with that remedy.
_NO_MEMORY = "!There is no memory to save: start the domain first, or leave `state` out."
MATRIX: dict[tuple[str, str], tuple[str, ...]] = {
    ("running", "running"): (),
    ("running", "stopped"): ("shutdown",),
    ("running", "paused"): ("suspend",),
    ("running", "saved"): ("save",),
    ("paused", "running"): ("resume",),
    ("paused", "stopped"): ("resume", "shutdown"),
    ("paused", "paused"): (),
    ("paused", "saved"): ("save",),
    ("pmsuspended", "running"): ("wakeup",),
    ("pmsuspended", "stopped"): ("wakeup", "shutdown"),
    ("pmsuspended", "paused"): ("wakeup", "suspend"),
    ("pmsuspended", "saved"): ("wakeup", "save"),
    ("stopping", "running"): ("await_off", "start"),
    ("stopping", "stopped"): ("await_off",),
    ("stopping", "paused"): ("await_off", "start_paused"),
    ("stopping", "saved"): ("!The domain is shutting down: wait until it's off.",),
    ("stopped", "running"): ("start",),
    ("stopped", "stopped"): (),
    ("stopped", "paused"): ("start_paused",),
    ("stopped", "saved"): (_NO_MEMORY,),
    ("saved", "running"): ("start",),
    ("saved", "stopped"): ("discard_saved",),
    ("saved", "paused"): ("start_paused",),
    ("saved", "saved"): (),
    ("crashed", "running"): ("destroy", "start"),
    ("crashed", "stopped"): ("destroy",),
    ("crashed", "paused"): ("destroy", "start_paused"),
    ("crashed", "saved"): (_NO_MEMORY,),
}
ACTS = {
    "shutdown": "shut down domain {name}",
    "destroy": "power off domain {name}",
    "await_off": "wait until domain {name} is off",
    "start": "start domain {name}",
    "start_paused": "start domain {name} paused",
    "suspend": "pause domain {name}",
    "resume": "resume domain {name}",
    "wakeup": "wake up domain {name}",
    "save": "save the memory of domain {name} and stop it",
    "discard_saved": "throw away the saved memory of domain {name}",
}
TIMED = ("shutdown", "await_off")


def add_acts(plan: Plan, params: dict[str, t.Any], before: str, wanted: str) -> None:
    """Steps from the state ``before`` to ``wanted``. ``force`` pulls the plug where a guest would be asked."""
    name, force = params["name"], params["force"]
    for act in MATRIX[before, wanted]:
        if act.startswith("!"):
            raise KvmError(f"state: domain {name} is {before} and can't become {wanted}", act[1:], option="state")
        if act == "discard_saved" and not params["discard_saved"]:
            raise KvmError(
                f"state: domain {name} has saved memory, which would be lost",
                "Start it first, or say discard_saved: true.",
                option="state",
            )
        if act == "resume" and force and wanted == "stopped":
            continue
        add_act(plan, params, "destroy" if force and act in TIMED else act)
    if MATRIX[before, wanted]:
        plan.differs("state", before, wanted)


def add_act(plan: Plan, params: dict[str, t.Any], act: str) -> None:
    """One act as a step."""
    arguments = {"timeout": params["shutdown_timeout"]} if act in TIMED else {}
    plan.add(
        f"domain.{act}",
        ACTS[act].format(name=params["name"]),
        changes=act != "await_off",
        name=params["name"],
        **arguments,
    )


def reach(
    world: World,
    plan: Plan,
    params: dict[str, t.Any],
    domain: t.Any,
    before: str,
    waiting: list[str],
    definition: t.Any,
) -> str:
    """Steps to the wanted state, and the end of an earlier run's restart; returns the state that the domain has then.

    ``definition`` is the one before this plan.
    """
    count = len(plan.steps)
    state = _state_steps(world, plan, params, domain, before, waiting, definition)
    _end_restart(plan, params["name"], before not in OFF, definition, count)
    return state


def _state_steps(
    world: World,
    plan: Plan,
    params: dict[str, t.Any],
    domain: t.Any,
    before: str,
    waiting: list[str],
    definition: t.Any,
) -> str:
    wanted = params["state"] if params["state"] in ("running", "stopped", "paused", "saved") else ""
    restart = (before == "running" and wanted in ("", "running")) or (before, wanted) == ("paused", "running")
    if params["apply"] == "restart" and waiting and restart:
        from .restart import add_restart

        add_restart(plan, domain, params, params["force"])
        if before != "running":
            plan.differs("state", before, "running")
        return "running"
    if before == "stopped" and not wanted and _interrupted(world, domain, definition):
        add_act(plan, params, "start")
        plan.differs("state", before, "running")
        return "running"
    if wanted:
        add_acts(plan, params, before, wanted)
    return wanted or before


def _interrupted(world: World, domain: t.Any, definition: t.Any) -> bool:
    """Whether the guest is off because of a restart that a killed run began."""
    if not restarting(definition):
        return False
    from .restart import interrupted

    return interrupted(world, domain, definition)


def _end_restart(plan: Plan, name: str, active: bool, definition: t.Any, count: int) -> None:
    """Remove the mark of a restart that an earlier run began, unless its guest may still be shutting down.

    An act that the task asks for, from the step ``count`` on, ends the restart before it begins. The one that finishes the
    restart comes first.
    """
    if not restarting(definition) or any(step.restarts for step in plan.steps):
        return
    from .restart import under_way

    acts = [step.operation for step in plan.steps[count:]]
    if active and not acts and under_way(definition):
        return
    step = Step("domain.end_restart", f"note that the restart of domain {name} is over", changes=False, name=name)
    plan.steps.insert(count + 1 if acts == ["domain.start"] else count, step)
    plan.repairs = True
