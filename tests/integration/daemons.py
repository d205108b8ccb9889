# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses this machine's libvirt daemons for tests. Whoever leaves last ends what was started for the tests.

pytest and molecule may run side by side, and either may begin or end first.

usage: python tests/integration/daemons.py join|leave NAME
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import signal
import sys
import time
import typing as t

import libvirt

URI = "qemu:///system"
PLACE = pathlib.Path("/run/metal.kvm-tests")  # a file for each user; gone after a boot, as the daemons are
STARTED = "started"  # beside them: no daemon answered when the first of them came
DAEMONS = ("libvirtd", "virtlogd")


def answers() -> bool:
    """Whether a libvirtd takes connections."""
    try:
        libvirt.open(URI).close()
    except libvirt.libvirtError:
        return False
    return True


def join(name: str) -> bool:
    """Begin to use the daemons; whether they answer already. If not, the caller starts them, for all who use them."""
    with _alone():
        there = answers()
        if not there:
            (PLACE / STARTED).touch()
        (PLACE / "users" / name).touch()
    return there


def leave(name: str) -> None:
    """Use the daemons no longer. They end with their last user, if they were started for the tests."""
    with _alone():
        (PLACE / "users" / name).unlink(missing_ok=True)
        if any((PLACE / "users").iterdir()) or not (PLACE / STARTED).exists():
            return
        for daemon in DAEMONS:
            _end(pathlib.Path(f"/run/{daemon}.pid"))
        (PLACE / STARTED).unlink()


def _end(file: pathlib.Path) -> None:
    """End a daemon and wait until it's gone, so that the next run doesn't take it for the machine's own."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        os.kill(int(file.read_text()), signal.SIGTERM)
        deadline = time.monotonic() + 30
        while file.exists():
            assert time.monotonic() < deadline, f"the daemon of {file} doesn't end"
            time.sleep(0.1)


@contextlib.contextmanager
def _alone() -> t.Iterator[None]:
    (PLACE / "users").mkdir(parents=True, exist_ok=True)
    with (PLACE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    libvirt.registerErrorHandler(lambda context, error: None, None)
    {"join": join, "leave": leave}[sys.argv[1]](sys.argv[2])
