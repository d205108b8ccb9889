# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The states of a domain, and the acts that lead from any observed one to any wanted one, or the refusal."""

from __future__ import annotations

import typing as t

from ..._plan import refuse
from .mark import restarting
from .observed import OFF

if t.TYPE_CHECKING:
    from .draft import DomainDraft

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
WANTED = ("running", "stopped", "paused", "saved")
# (observed, wanted): where a restart leads to what is wanted; "" stands for a task that doesn't say the state
RESTARTED = (("running", ""), ("running", "running"), ("paused", "running"))


def add_acts(draft: DomainDraft, before: str, wanted: str) -> None:
    """Steps from the state ``before`` to ``wanted``."""
    for act in _acts(before, wanted, draft.params["force"]):
        if act.startswith("!"):
            refuse("state", f"{draft.title} is {before} and can't become {wanted}", act[1:])
        if act == "discard_saved":
            refuse_lost_memory(draft)
        add_act(draft, act)
    if MATRIX[before, wanted]:
        draft.plan.differs("state", before, wanted)


def _acts(before: str, wanted: str, force: bool) -> t.Sequence[str]:
    """The acts in order. With ``force`` the guest is powered off instead of asked to shut down."""
    acts = MATRIX[before, wanted]
    if not force:
        return acts
    return ["destroy" if act in TIMED else act for act in acts if (act, wanted) != ("resume", "stopped")]


def refuse_lost_memory(draft: DomainDraft) -> None:
    """Refuse to discard saved memory unless the task says so."""
    if not draft.params["discard_saved"]:
        why = f"{draft.title} has saved memory, which would be lost"
        refuse("state", why, "Start it first, or say discard_saved: true.")


def add_act(draft: DomainDraft, act: str) -> None:
    """One act as a step."""
    arguments = {"timeout": draft.params["shutdown_timeout"]} if act in TIMED else {}
    draft.add(act, ACTS[act].format(name=draft.name), changes=act != "await_off", **arguments)


def reach(draft: DomainDraft, waiting: list[str]) -> str:
    """Steps from the state reached so far to the wanted one, and the end of an earlier run's restart; returns the state then.

    ``waiting`` are the options that wait for a restart.
    """
    count = len(draft.plan.steps)
    active = draft.reached not in OFF
    state = _add_state_steps(draft, waiting)
    _end_restart(draft, active, count)
    return state


def _add_state_steps(draft: DomainDraft, waiting: list[str]) -> str:
    before, state = draft.reached, draft.params["state"]
    wanted = state if state in WANTED else ""
    if waiting and draft.params["apply"] == "restart" and (before, wanted) in RESTARTED:
        from .restart import add_restart

        add_restart(draft.plan, draft.there, draft.params, draft.params["force"])
        if before != "running":
            draft.plan.differs("state", before, "running")
        return "running"
    if not wanted and _interrupted(draft):
        add_act(draft, "start")
        draft.plan.differs("state", before, "running")
        return "running"
    if wanted:
        add_acts(draft, before, wanted)
    return wanted or before


def _interrupted(draft: DomainDraft) -> bool:
    """Whether the guest is off because of a restart that a killed run began."""
    if draft.reached != "stopped" or not restarting(draft.before):
        return False
    from .restart import interrupted

    return interrupted(draft.world, draft.there, draft.before)


def _end_restart(draft: DomainDraft, active: bool, count: int) -> None:
    """Remove the mark of a restart that an earlier run began, unless its guest may still be shutting down.

    An act that the task asks for, from the step ``count`` on, ends the restart before it begins. The one that finishes the
    restart comes first.
    """
    plan = draft.plan
    if not restarting(draft.before) or any(step.restarts for step in plan.steps):
        return
    from .restart import under_way

    acts = [step.operation for step in plan.steps[count:]]
    if active and not acts and under_way(draft.before):
        return
    step = draft.step("end_restart", f"note that the restart of {draft.title} is over", changes=False)
    plan.steps.insert(count + 1 if acts == ["domain.start"] else count, step)
    plan.repairs = True
