# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs asked for what no file says, all at once and within a time limit."""

from __future__ import annotations

import shlex
import typing as t

from .._command import SYSTEM, run
from .root import Root

# One program per line of a shell, all at once; each answer follows its number, between NULs.
SCRIPT = "(answer=$(exec {} 2>/dev/null </dev/null) && printf '%s\\0%s\\0' {} \"$answer\") &\n"


def answers(root: Root, commands: t.Sequence[tuple[str, ...]], timeout: float = 5.0) -> dict[tuple[str, ...], str]:
    """What each command writes to its standard output; those that fail, hang or aren't there are left out.

    Programs of another tree are never run: there the record answers, by the command's words with blanks between.
    """
    if root.path != "/":
        told = root.record.get("commands", {})
        return {command: told[" ".join(command)] for command in commands if " ".join(command) in told}
    if not commands:
        return {}
    lines = [SCRIPT.format(shlex.join(("timeout", str(timeout), *command)), number)
             for number, command in enumerate(commands)]  # fmt: skip
    try:
        parts = run(["sh", "-c", f"{''.join(lines)}wait"], environment=SYSTEM).text.split("\0")
    except OSError:
        return {}
    return {commands[int(number)]: text for number, text in zip(parts[::2], parts[1::2])}
