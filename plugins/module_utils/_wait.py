# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one way to wait: look, pause, look again, until the time is over. A signal ends it like any other code."""

from __future__ import annotations

import time
import typing as t

T = t.TypeVar("T")


def until(look: t.Callable[[], T], timeout: float, pause: float = 0.5) -> T:
    """What ``look`` returns as soon as that is true; its last, false answer once ``timeout`` seconds are over.

    It looks once at least, and ``pause`` seconds after each false answer. What ``look`` raises ends the wait.
    """
    deadline = time.monotonic() + timeout
    while True:
        found = look()
        if found or time.monotonic() >= deadline:
            return found
        time.sleep(pause)


def retry(act: t.Callable[[], T], passes: t.Callable[[Exception], bool], timeout: float, pause: float = 0.5) -> T:
    """What ``act`` returns once it raises no error any more of which ``passes`` says that it passes.

    Any other error is raised at once, and the last one once ``timeout`` seconds are over.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            return act()
        except Exception as error:
            if not passes(error) or time.monotonic() >= deadline:
                raise
        time.sleep(pause)
