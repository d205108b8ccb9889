# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules, and functions of the tests, in processes of their own that start in milliseconds: a server imports everything once
and forks for each request. So each has connections of its own, any can be killed, and libvirt's daemon may come and go.

As a program it is that server: it reads a request a line, and answers with a line.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import typing as t

PLUGINS = "ansible_collections.metal.kvm.plugins"
OBJECTS = f"{PLUGINS}.module_utils._objects"
NOUNS = ("domain", "network", "nwfilter", "pool", "secret", "volume")
MODULES = [*NOUNS, *(f"{noun}_info" for noun in NOUNS)]
Args = dict[str, t.Any]

# Calls by which a run changes something on the host: libvirt's, the system's, and programs that it begins.
CHANGING = re.compile(
    r"vir\w+(Attach|Create|Define|Delete|Destroy|Detach|Pin|Refresh|Rename|Resize|Resume|Set|Shutdown|Suspend|Undefine|Update|"
    r"Upload|Save|Wipe|Build)\w*$|(fork_exec|ftruncate|link|mkdir|pwrite|rename|replace|rmdir|symlink|unlink)$"
)


class Forks:
    """A client of the server. ``words``: a command that runs another one, on the host where it is to be. ``modules`` have the
    functions to call."""

    def __init__(self, words: t.Callable[..., list[str]], *modules: str) -> None:
        path = os.pathsep.join(sys.path)
        self.process = subprocess.Popen(
            words("env", f"PYTHONPATH={path}", sys.executable, __file__, *modules),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        """End the server."""
        self.process.stdin.close()  # type: ignore[union-attr]
        self.process.wait(30)

    def call(self, function: str, *arguments: t.Any) -> t.Any:
        """What a function (``module:name``) returns there."""
        return self._ask({"function": function, "arguments": arguments})

    def task(self, module: str, args: Args, check: bool = False, killed: t.Optional[tuple[int, bool]] = None) -> Args:
        """What the module returns, ``{"killed": True}`` if it was killed.

        ``killed``: it kills itself at its changing call of that number, after the call or before it.
        """
        return t.cast("Args", self._ask({"module": module, "args": args, "check": check, "killed": killed}))

    def _ask(self, request: Args) -> t.Any:
        self.process.stdin.write(json.dumps(request) + "\n")  # type: ignore[union-attr]
        self.process.stdin.flush()  # type: ignore[union-attr]
        answer = json.loads(self.process.stdout.readline())  # type: ignore[union-attr]
        if os.WIFSIGNALED(answer["status"]) and request.get("killed"):
            assert os.WTERMSIG(answer["status"]) == signal.SIGKILL, answer
            return {"killed": True}
        assert answer["status"] == 0, (request, answer["said"])
        return json.loads(answer["said"].strip().splitlines()[-1])


def _serve() -> None:
    ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: what killed runs leave running is waited for
    for module in MODULES:
        importlib.import_module(f"{PLUGINS}.modules.{module}")
    for noun in NOUNS:
        importlib.import_module(f"{OBJECTS}.{noun}.plan")
    for module in sys.argv[1:]:
        importlib.import_module(module)
    for line in sys.stdin:
        with tempfile.TemporaryFile() as said:
            child = os.fork()
            if not child:
                _answer(json.loads(line), said.fileno())
            status = os.waitpid(child, 0)[1]
            _wait_for_orphans()
            said.seek(0)
            answer = {"status": status, "said": said.read().decode(errors="replace")}
        print(json.dumps(answer), flush=True)  # noqa: T201


def _wait_for_orphans(timeout: float = 20) -> None:
    deadline = time.monotonic() + timeout
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.01)


def _answer(request: Args, said: int) -> t.NoReturn:
    import atexit

    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(said, 1)
    os.dup2(said, 2)
    status = 0
    try:
        if "function" in request:
            module, dummy, name = request["function"].partition(":")
            result = getattr(importlib.import_module(module), name)(*request["arguments"])
            sys.stdout.write("\n" + json.dumps(result))
        else:
            _run(request)
    except SystemExit:
        pass
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    atexit._run_exitfuncs()
    os._exit(status)


def _run(request: Args) -> None:
    from ansible.module_utils import basic

    given = {**request["args"], "_ansible_check_mode": request["check"], "_ansible_diff": True}
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": given}).encode()
    basic._ANSIBLE_PROFILE = "legacy"  # type: ignore[attr-defined]
    # a guest without a system lets go of nothing
    importlib.import_module(f"{OBJECTS}.domain.running_devices").DETACH_TIMEOUT = 1  # type: ignore[attr-defined]
    importlib.import_module(f"{OBJECTS}.domain.steps").BALLOON_TIMEOUT = 1  # type: ignore[attr-defined]
    if request["killed"]:
        _kill_at(*request["killed"])
    importlib.import_module(f"{PLUGINS}.modules.{request['module']}").main()


def _kill_at(number: int, after: bool) -> None:
    converge = importlib.import_module(f"{PLUGINS}.module_utils._converge")
    whole, count = converge.carry_out, iter(range(10**6))
    at = "c_return" if after else "c_call"

    def see(_frame: t.Any, event: str, called: t.Any) -> None:
        if event == at and CHANGING.match(getattr(called, "__name__", "")) and next(count) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def carry_out(*arguments: t.Any) -> t.Any:
        sys.setprofile(see)
        try:
            return whole(*arguments)
        finally:
            sys.setprofile(None)

    converge.carry_out = carry_out


if __name__ == "__main__":
    _serve()
