# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a domain last started and went off, from the log that libvirt writes for it: what somebody else did between two runs."""

from __future__ import annotations

import calendar
import os
import re
import time
import typing as t

if t.TYPE_CHECKING:
    from ..._libvirt import World

TAIL = 1 << 18  # bytes of the log that are read
_LINE = re.compile(
    r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\.(\d+)\+0000: (?:(starting up)|shutting down(?:, reason=(\w+))?)", re.MULTILINE
)


class History(t.NamedTuple):
    """Seconds since the epoch; 0 where the log says nothing. ``reason`` is libvirt's word for why it went off."""

    started: float = 0.0
    stopped: float = 0.0
    reason: str = ""


def history(world: World, name: str) -> History:
    """The last start and the last end of the domain's guest. Nothing is known over a remote connection."""
    found = History()
    for day, fraction, started, reason in _LINE.findall(_tail(world, name)):
        when = calendar.timegm(time.strptime(day, "%Y-%m-%d %H:%M:%S")) + float(f"0.{fraction}")
        if started:
            found = History(when, found.stopped, "")
        else:
            found = History(found.started, when, reason)
    return found


def _tail(world: World, name: str) -> str:
    if not world.local:
        return ""
    if world.uri.endswith("/session"):
        place = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "libvirt/qemu/log")
    else:
        place = "/var/log/libvirt/qemu"
    try:
        with open(os.path.join(place, f"{name}.log"), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
