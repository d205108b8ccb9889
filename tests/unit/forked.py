# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A function in a process of its own, for tests of what several processes do at once and of processes that are killed."""

from __future__ import annotations

import os
import pathlib
import time
import typing as t


def elsewhere(act: t.Callable[[], object], ready: t.Optional[pathlib.Path] = None) -> int:
    """Begin ``act`` in a process of its own; returns its number, with ``ready`` once that file is there."""
    child = os.fork()
    if not child:
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    deadline = time.monotonic() + 30
    while ready is not None and not ready.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return child


def ended(child: int) -> int:
    """Wait for the process to end; returns its exit code, or the signal that ended it as a negative number."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
