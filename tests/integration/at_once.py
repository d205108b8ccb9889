# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules in processes of their own that begin at one moment, one of which may be killed on its way.

As a program it is one such process: it reads a task, loads the module, says so, waits for a line, and runs it.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import typing as t

PLUGINS = "ansible_collections.metal.kvm.plugins"
Args = dict[str, t.Any]


class Run:
    """One task in a process of its own. ``killed`` says where it kills itself: before its step of that number, or when it
    calls that function (``module:name`` below the plugins)."""

    def __init__(self, module: str, args: Args, killed: t.Union[int, str, None] = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            text=True,
        )
        self._tell(json.dumps({"module": module, "args": args, "killed": killed}))
        answer = self.process.stdout.readline()  # type: ignore[union-attr]
        assert answer == "ready\n", (answer, self.process.communicate())

    def _tell(self, line: str) -> None:
        self.process.stdin.write(line + "\n")  # type: ignore[union-attr]
        self.process.stdin.flush()  # type: ignore[union-attr]

    def go(self) -> Run:
        """Begin."""
        self._tell("go")
        return self

    def result(self) -> Args:
        """What the task returned; ``{"killed": True}`` for one that was killed."""
        said, errors = self.process.communicate(timeout=300)
        if self.process.returncode == -signal.SIGKILL:
            return {"killed": True, "failed": False, "changed": False}
        assert said.strip(), errors
        return {"failed": False, **json.loads(said.strip().splitlines()[-1])}


def at_once(*runs: Run) -> list[Args]:
    """The results of runs that begin at one moment."""
    for run in runs:
        run.go()
    return [run.result() for run in runs]


def _die(*_arguments: t.Any, **_named: t.Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _kill_at(where: t.Union[int, str]) -> None:
    if isinstance(where, str):
        module, dummy, name = where.partition(":")
        setattr(importlib.import_module(f"{PLUGINS}.module_utils.{module}"), name, _die)
        return
    converge = importlib.import_module(f"{PLUGINS}.module_utils._converge")
    whole, count = converge.run_steps, iter(range(1000))

    def before(operation: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def run(*arguments: t.Any, **named: t.Any) -> t.Any:
            if next(count) == where:
                _die()
            return operation(*arguments, **named)

        return run

    def run_steps(plan: t.Any, operations: t.Any, subject: t.Any) -> t.Any:
        return whole(plan, {name: before(act) for name, act in operations.items()}, subject)

    converge.run_steps = run_steps


def main() -> None:
    from ansible.module_utils import basic

    task = json.loads(sys.stdin.readline())
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": task["args"]}).encode()
    basic._ANSIBLE_PROFILE = "legacy"  # type: ignore[attr-defined]
    module = importlib.import_module(f"{PLUGINS}.modules.{task['module']}")
    if task["killed"] is not None:
        _kill_at(task["killed"])
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    module.main()


if __name__ == "__main__":
    main()
