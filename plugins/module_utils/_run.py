# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one loop that carries a plan out, and takes it back when a step fails."""

from __future__ import annotations

import typing as t

from ._plan import Operations, Plan, Remark, Result, Step


def run_steps(plan: Plan, operations: Operations, subject: t.Any) -> list[str]:
    """Run the plan's steps in order; on failure undo what this run did, then raise.

    ``subject`` is the first argument of each operation (the connection's world, or the host). Returns the remarks of
    operations that did less than asked (an operation returns ``Remark`` for that).
    """
    results: dict[int, t.Any] = {}
    remarks: list[str] = []
    for index, step in enumerate(plan.steps):
        try:
            result = _run(step, operations, subject, results)
        except Exception as error:
            done = plan.steps[:index] if plan.commit is None or index < plan.commit else []
            _undo(error, done, step, operations, subject, results)
            raise
        results[id(step)] = result
        if isinstance(result, Remark):
            remarks.append(result)
    return remarks


def _run(step: Step, operations: Operations, subject: t.Any, results: dict[int, t.Any]) -> t.Any:
    arguments = {
        name: results.get(id(value.step)) if isinstance(value, Result) else value
        for name, value in step.arguments.items()
    }
    return operations[step.operation](subject, **arguments)


def _undo(
    error: Exception,
    done: list[Step],
    failed: Step,
    operations: Operations,
    subject: t.Any,
    results: dict[int, t.Any],
) -> None:
    """Take back ``done`` in reverse order and note on ``error`` which step failed and what came of the rest."""
    undone, stuck = [], []
    for step in reversed([step for step in done if step.undo is not None]):
        undo = t.cast(Step, step.undo)
        try:
            _run(undo, operations, subject, results)
            undone.append(undo.text)
        except Exception as second:
            stuck.append(f"{undo.text}: {second}")
    error.step = failed.text  # type: ignore[attr-defined]
    error.rolled_back = undone  # type: ignore[attr-defined]
    error.rollback_failed = stuck  # type: ignore[attr-defined]
