# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a guest to shut down, and wait until it is off."""

from __future__ import annotations

import time
import typing as t

from ..._libvirt import code_is, found_or_none
from ..._plan import KvmError
from ..._wait import until

if t.TYPE_CHECKING:
    from ..._libvirt import World


def shutdown(world: World, name: str, timeout: int) -> None:
    """Ask the guest, and wait until it's off; after the time it still runs, and nothing was forced."""
    domain = world.get("domain", name)
    asked = 0.0

    def is_off() -> bool:
        nonlocal asked
        off = _is_off(domain)
        if not off and time.monotonic() - asked > 15:  # a guest that was still booting didn't hear the first call
            _ask_to_shut_down(domain)
            asked = time.monotonic()
        return off

    if not until(is_off, timeout, 0.25):
        raise KvmError(
            f"state: domain {name} was asked to shut down and is still running after {timeout} seconds",
            "Look at its console, give it longer with shutdown_timeout, or say force: true to pull the plug.",
            option="shutdown_timeout",
        )


def _ask_to_shut_down(domain: t.Any) -> None:
    try:
        domain.shutdown()
    except Exception as error:
        if not code_is(error, "VIR_ERR_OPERATION_INVALID"):  # it went off meanwhile
            raise


def _is_off(domain: t.Any) -> bool:
    gone = found_or_none(domain.isActive, "VIR_ERR_NO_DOMAIN")
    return gone is None or not gone


def await_off(world: World, name: str, timeout: int) -> None:
    """Wait for a shutdown that is under way."""
    shutdown(world, name, timeout)
