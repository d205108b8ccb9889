# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs asked for what no file says, all at once and within a time limit."""

from __future__ import annotations

import os
import subprocess
import typing as t

from .root import Root

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
AT_ONCE = 8


def answers(root: Root, commands: t.Sequence[tuple[str, ...]], timeout: float = 5.0) -> dict[tuple[str, ...], str]:
    """What each command writes to its standard output; those that fail, hang or aren't there are left out.

    Programs of another tree are never run: there the record answers, by the command's words with blanks between.
    """
    if root.path != "/":
        told = root.record.get("commands", {})
        return {command: told[" ".join(command)] for command in commands if " ".join(command) in told}
    found: dict[tuple[str, ...], str] = {}
    for start in range(0, len(commands), AT_ONCE):
        running = [(command, _start(command)) for command in commands[start : start + AT_ONCE]]
        for command, process in running:
            output = _output(process, timeout)
            if output is not None:
                found[command] = output
    return found


def _start(command: tuple[str, ...]) -> t.Optional[subprocess.Popen[bytes]]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**ENVIRONMENT, "HOME": os.environ.get("HOME", "/")},
            cwd="/",
        )
    except OSError:
        return None


def _output(process: t.Optional[subprocess.Popen[bytes]], timeout: float) -> t.Optional[str]:
    if process is None:
        return None
    try:
        output = process.communicate(timeout=timeout)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None
    return output.decode("utf-8", "replace") if process.returncode == 0 else None
