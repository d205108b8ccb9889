# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run modules without Ansible's controller, which takes two seconds for each task: a process that has read them forks for each.

What a module is given and what it says is what the controller would give and get (test_player.py compares the two).
Each task has a process of its own, which opens its own connection to libvirt.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import traceback
import typing as t

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODULES = "ansible_collections.metal.kvm.plugins.modules"


class Modules:
    """The process that forks. It is started before the first task, and ends with this one."""

    def __init__(self) -> None:
        path = os.pathsep.join([str(ROOT / ".build" / "collections"), os.environ.get("PYTHONPATH", "")])
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )

    def run(self, module: str, args: dict[str, t.Any], environment: dict[str, str], place: pathlib.Path) -> t.Any:
        """What the module returned. Anything else that it prints, on any channel, is an error here."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        task = {"module": module, "args": args, "environment": environment, "place": str(place)}
        print(json.dumps(task), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        assert line, f"the process that runs modules has ended: {self.process.poll()}"
        said = json.loads(line)
        try:
            return json.loads(said)
        except ValueError:
            raise AssertionError(f"{module} said: {said[-4000:]}") from None


def serve() -> None:
    """A line of JSON for each task that comes in as one."""
    importlib.import_module("ansible.module_utils.basic")
    for line in sys.stdin:
        task = json.loads(line)
        importlib.import_module(f"{MODULES}.{task['module']}")
        with tempfile.TemporaryFile() as said:
            pid = os.fork()
            if not pid:
                _work(task, said.fileno())
            os.waitpid(pid, 0)
            said.seek(0)
            print(json.dumps(said.read().decode()), flush=True)  # noqa: T201


def _work(task: dict[str, t.Any], output: int) -> t.NoReturn:
    """In the process of one task."""
    from ansible.module_utils.testing import patch_module_args

    status = 1
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for number, to in enumerate((nothing, output, output)):
            os.dup2(to, number)
        os.environ.clear()
        os.environ.update(task["environment"])
        os.chdir(task["place"])
        with patch_module_args(task["args"]), contextlib.suppress(SystemExit):
            sys.modules[f"{MODULES}.{task['module']}"].main()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    serve()
