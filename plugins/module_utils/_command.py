# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of the host are run here and nowhere else, by what the frame lends: AnsibleModule's run_command."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import typing as t

Runner = t.Callable[..., "tuple[int, bytes, bytes]"]

SYSTEM = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
PLAIN = {"LC_ALL": "C"}

_lent: list[Runner] = []


class Done:
    """A program that has ended: its ``status`` (0 is well), ``output`` and ``errors`` as bytes."""

    __slots__ = ("errors", "output", "status")

    def __init__(self, status: int, output: bytes, errors: bytes) -> None:
        self.status = status
        self.output = output
        self.errors = errors

    @property
    def text(self) -> str:
        """Its standard output."""
        return self.output.decode("utf-8", "replace")

    @property
    def complaint(self) -> str:
        """What it said of its failure, lines joined; never empty."""
        said = (self.errors.strip() or self.output.strip()).decode("utf-8", "replace")
        return said.replace("\n", "; ") or f"exit status {self.status}"

    @property
    def last_words(self) -> str:
        """The last line of that: what programs with much to say end with."""
        said = (self.errors.strip() or self.output.strip()).decode("utf-8", "replace").splitlines()
        return said[-1] if said else f"exit status {self.status}"


def lend(runner: Runner) -> None:
    """Have programs run by this from now on."""
    _lent[:] = [runner]


def run(
    words: t.Sequence[str],
    given: bytes = b"",
    timeout: t.Optional[float] = None,
    environment: t.Optional[dict[str, str]] = None,
    keep_locks: bool = False,
) -> Done:
    """Run a program to its end. ``given`` is its input, ``timeout`` is in seconds, ``environment`` goes over ours.

    ``keep_locks`` is for one that writes what this run has locked: if the run is killed, the locks last until the program
    ends. It isn't for programs that leave others running.

    Raises OSError if it can't be started; TimeoutError, which is one, if it had to be killed.
    """
    handles: list[int] = []
    if keep_locks:
        from . import _lock

        handles = _lock.handles()
    watch = None if timeout is None else _Watch(timeout)
    try:
        done = _lent[0](
            list(words),
            data=given or None,
            binary_data=True,
            encoding=None,
            environ_update=PLAIN if environment is None else environment,
            expand_user_and_vars=False,
            handle_exceptions=False,
            pass_fds=handles or None,
            before_communicate_callback=watch and watch.start,
        )
    finally:
        if watch:
            watch.end()
    if watch and watch.late:
        raise TimeoutError(errno.ETIMEDOUT, f"no end after {timeout:g} seconds", words[0])
    return Done(*done)


def found(program: str) -> bool:
    """Whether the program is in the places where the system has its programs, also those of root alone."""
    return bool(shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin"))


class _Watch:
    """Kills a program that takes too long."""

    def __init__(self, timeout: float) -> None:
        self.late = False
        self.timeout = timeout
        self.timer: t.Optional[threading.Timer] = None

    def start(self, process: t.Any) -> None:
        self.timer = threading.Timer(self.timeout, self.kill, [process])
        self.timer.daemon = True
        self.timer.start()

    def kill(self, process: t.Any) -> None:
        self.late = True
        process.kill()

    def end(self) -> None:
        if self.timer:
            self.timer.cancel()
            self.timer.join()
