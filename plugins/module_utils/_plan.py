# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task will do, as data: made without acting, run by one loop, or shown and left alone in check mode."""

from __future__ import annotations

import time
import typing as t

Operations = t.Mapping[str, t.Callable[..., t.Any]]


ASSUMED = "The check goes on as if an earlier task of this run provided it. If none does: "


class KvmError(Exception):
    """What went wrong, on what, and the remedy: one paragraph for the user.

    ``details`` become keys of the failed result (``option``, ``code``, ``serial_tail`` ...).
    """

    def __init__(self, message: str, remedy: str = "", **details: t.Any) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.details = details

    def __str__(self) -> str:
        return f"{self.message.rstrip('.')}. {self.remedy}".strip() if self.remedy else self.message

    def assumed(self) -> str:
        """The warning of a check that goes on in spite of it: what the same run creates earlier isn't there in a check."""
        return f"{self.message.rstrip('.')}. {ASSUMED}{self.remedy or 'Correct it.'}"


class ChangedMeanwhileError(KvmError):
    """Somebody else changed an object after the plan was made: another plan may do."""


def refuse(option: str, why: str, remedy: str) -> t.NoReturn:
    """An option that can't be as it's given: what it is, why, and what to say instead."""
    raise KvmError(f"{option}: {why}", remedy, option=option)


class Remark(str):
    """What an operation returns when it succeeded with something left over: shown as a warning."""

    __slots__ = ()


class Result:
    """Stands in a step's arguments for what an earlier step of the same plan returned."""

    __slots__ = ("step",)

    def __init__(self, step: Step) -> None:
        self.step = step


class Step:
    """One operation: its name, its arguments, the sentence shown to the user.

    - ``changes`` is false for observations (a wait, a ping).
    - ``undo`` is the step that takes this one back when a later step fails before the plan's point of no return.
    - ``live``: it changes the running object alone, so a stop of the object ends what it did.
    - ``stops``: it stops the running object. Its ``undo`` starts the object as it ran before the plan's first step.
    - ``restarts``: it starts what this plan has stopped. Its failure undoes all steps, also after the point of no return.
    """

    __slots__ = ("arguments", "changes", "live", "operation", "restarts", "stops", "text", "undo")

    def __init__(
        self, operation: str, text: str, changes: bool = True, undo: t.Optional[Step] = None, **arguments: t.Any
    ) -> None:
        self.operation = operation
        self.text = text
        self.changes = changes
        self.undo = undo
        self.live = False
        self.stops = False
        self.restarts = False
        self.arguments = arguments


class Plan:
    """Steps, and what they lead from and to.

    - ``before``, ``after``: option path to value, for the options that differ (the task's diff).
    - ``steps``: in order. Those from ``commit`` on come after the point of no return: their failure undoes nothing,
      except that of a step that ``restarts``.
    - ``restart_required``: option paths that wait for a restart of the object once the steps have run.
    - ``noun``, ``predicted``: the key under which the object is returned and what it would be, for check mode.
    - ``assumed``: references to something missing that a check planned on; in a run the first of them is an error.
    - ``targets``: what the steps change, ``network lab`` or a path, and whether a run needs it for itself alone. Runs
      that change the same thing wait for each other.
    - ``makes``: what the steps make that isn't there yet, ``volume images/web1.qcow2``, and its format: later steps need it.
    - ``repairs``: whether steps that don't count as changes need that too: they complete what a killed run began.
    - ``began``: the time of ``time.monotonic`` before which the world was looked at.
    """

    __slots__ = (
        "after",
        "assumed",
        "before",
        "began",
        "commit",
        "extra",
        "makes",
        "noun",
        "predicted",
        "repairs",
        "restart_required",
        "steps",
        "targets",
        "warnings",
    )

    def __init__(self, noun: str, predicted: t.Optional[dict[str, t.Any]] = None) -> None:
        self.noun = noun
        self.predicted = predicted
        self.before: dict[str, t.Any] = {}
        self.after: dict[str, t.Any] = {}
        self.steps: list[Step] = []
        self.commit: t.Optional[int] = None
        self.restart_required: list[str] = []
        self.warnings: list[str] = []
        self.assumed: list[KvmError] = []
        self.extra: dict[str, t.Any] = {}
        self.targets: dict[str, bool] = {}
        self.makes: dict[str, str] = {}
        self.repairs = False
        self.began = time.monotonic()

    def add(self, operation: str, text: str, **arguments: t.Any) -> Step:
        """Append a step and return it, so that a later one can point at its result."""
        step = Step(operation, text, **arguments)
        self.steps.append(step)
        return step

    def differs(self, path: str, before: t.Any, after: t.Any) -> None:
        """Note in the diff that the option at ``path`` goes from ``before`` to ``after``."""
        self.before[path] = before
        self.after[path] = after

    def no_return(self) -> None:
        """From here on a failure leaves what was done: definition and devices are as wanted."""
        if self.commit is None:
            self.commit = len(self.steps)

    def lock(self, *names: str, alone: bool = True) -> None:
        """Have runs that change one of these wait for each other; those that only read it (not ``alone``) don't."""
        for name in names:
            self.targets[name] = alone or self.targets.get(name, False)

    def takes_back(self, index: int) -> bool:
        """Whether a failure of the step at ``index`` undoes the steps before it."""
        return self.commit is None or index < self.commit or self.steps[index].restarts

    def assume(self, error: KvmError) -> None:
        """Plan on a reference that is missing: an error in a run, a warning in a check."""
        self.assumed.append(error)

    @property
    def changed(self) -> bool:
        """Whether any step changes something."""
        return any(step.changes for step in self.steps)

    @property
    def actions(self) -> list[str]:
        """The sentences of the steps that change something, in order."""
        return [step.text for step in self.steps if step.changes]
