# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done to libvirt's daemons: systemd's verbs, init scripts, and processes where there is neither."""

from __future__ import annotations

import os
import signal
import typing as t

from ..._command import SYSTEM, found, run
from ..._plan import KvmError, Remark
from ..._wait import until
from ..root import Root

STOP_SECONDS, START_SECONDS = 30, 120
PROPERTIES = "--property=Id,LoadState,ActiveState,UnitFileState"


def show(root: Root, names: t.Sequence[str]) -> str:
    """What systemd says of units."""
    words = ["systemctl", "show", PROPERTIES, *names]
    return _run(words, "systemctl show failed", "See whether systemd runs on this machine.")


def systemctl(subject: t.Any, verb: str, names: t.Sequence[str]) -> None:
    """One verb for some units; a unit that fails is an error with what systemd says."""
    remedy = "journalctl --unit with the unit's name says why."
    _run(["systemctl", "--quiet", verb, *names], f"systemctl {verb} {' '.join(names)}", remedy)


def service(subject: t.Any, verb: str, name: str) -> None:
    """One verb for an init script."""
    _run(["service", name, verb], f"service {name} {verb}", "See the daemon's messages in the log.")


def start(subject: t.Any, program: str, flags: t.Sequence[str]) -> None:
    """Start a daemon in the background; it reports back when it answers, or says why it doesn't."""
    _run([program, "--daemon", *flags], f"{program} --daemon {' '.join(flags)}", "Mend what it complains of.")


def answer(subject: t.Any) -> t.Optional[Remark]:
    """Ask libvirt for something: a daemon that started well can end a moment later, of what a driver finds wrong."""
    if not found("virsh"):
        return Remark("virsh isn't installed, so libvirt wasn't asked whether it answers after its restart.")
    _run(
        ["virsh", "--readonly", "--connect", "qemu:///system", "uri"],
        "libvirt was started and doesn't answer",
        "Its log says why (journalctl --unit libvirtd, or virtqemud); what was configured last is the likeliest.",
    )
    return None


def stop(subject: t.Any, name: str, sysroot: str) -> None:
    """End a daemon, and wait until it is gone. Guests go on without it."""
    root = Root(sysroot)
    pid = root.number(f"run/{name}.pid")
    if pid is None or root.word(f"proc/{pid}/comm") != name[:15]:
        return
    os.kill(pid, signal.SIGTERM)
    if not until(lambda: _has_ended(pid, name, sysroot), STOP_SECONDS, 0.05):
        raise KvmError(f"{name} (process {pid}) doesn't end within {STOP_SECONDS} seconds", "See its log.")


def _has_ended(pid: int, name: str, sysroot: str) -> bool:
    there = os.path.lexists(f"/proc/{pid}/exe")
    return not there or Root(sysroot).word(f"proc/{pid}/comm") != name[:15] or _zombie(pid)


def _zombie(pid: int) -> bool:
    """Whether it has ended and its parent hasn't noticed."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except (OSError, IndexError):
        return True


def command_line(root: Root, name: str) -> list[str]:
    """The words that a running daemon was started with."""
    pid = root.number(f"run/{name}.pid")
    raw = root.raw(f"proc/{pid}/cmdline") if pid is not None else None
    return [word.decode("utf-8", "replace") for word in (raw or b"").split(b"\0") if word]


def _run(words: list[str], failing: str, remedy: str) -> str:
    """What a program writes; its complaint is an error that begins with ``failing``."""
    try:
        done = run(words, timeout=START_SECONDS, environment=SYSTEM)
    except OSError as error:
        raise KvmError(f"{words[0]}: {error.strerror}") from error
    if done.status:
        raise KvmError(f"{failing}: {done.complaint}", remedy)
    return done.text
