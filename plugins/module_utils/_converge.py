# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry a plan out while no other run of this machine changes the same things.

A plan is made without a lock. Before its first step the run locks what the plan changes. Where another run changed that
since the plan was made, it is made again, so that the second of two equal tasks finds the work done.
"""

from __future__ import annotations

import typing as t

from . import _lock
from ._plan import ChangedMeanwhileError, Operations, Plan
from ._run import run_steps

TRIES = 10  # plans in a row that each name other things to lock


def carry_out(
    plan: Plan, plan_again: t.Callable[[], Plan], operations: Operations, subject: t.Any, scope: str
) -> tuple[Plan, list[str]]:
    """Run the plan. Returns the plan that was run, and the remarks of its operations.

    ``plan_again`` makes the plan anew. ``scope`` is the connection's URI, within which names are meant.
    """
    for dummy in range(TRIES):
        names = _names(plan, scope)
        outdated = _lock.take(names, plan.began)
        try:
            if outdated:
                plan = plan_again()
                if any(item not in names.items() for item in _names(plan, scope).items()):
                    continue
            return _run(plan, plan_again, operations, subject)
        finally:
            _lock.release(sorted(names))
    return plan, run_steps(plan, operations, subject)


def _names(plan: Plan, scope: str) -> dict[str, bool]:
    """The locks that the plan needs: none if it only waits and looks."""
    if not (plan.changed or plan.repairs):
        return {}
    return {name if name.startswith("/") else f"{name} of {scope}": alone for name, alone in plan.targets.items()}


def _run(
    plan: Plan, plan_again: t.Callable[[], Plan], operations: Operations, subject: t.Any
) -> tuple[Plan, list[str]]:
    """Run the plan. If somebody else changed a definition before this run did, plan again once."""
    try:
        return plan, run_steps(plan, operations, subject)
    except ChangedMeanwhileError as error:
        if _left_behind(plan, error):
            raise
    plan = plan_again()
    return plan, run_steps(plan, operations, subject)


def _left_behind(plan: Plan, error: ChangedMeanwhileError) -> bool:
    """Whether something of the failed run stays, so that another plan would hide it."""
    step = getattr(error, "step", "")
    failed = next((index for index, one in enumerate(plan.steps) if one.text == step), 0)
    done = [one for one in plan.steps[:failed] if one.changes]
    taken_back = plan.commit is None or failed < plan.commit
    return bool(getattr(error, "rollback_failed", None)) or not (
        taken_back and all(one.undo is not None for one in done)
    )
