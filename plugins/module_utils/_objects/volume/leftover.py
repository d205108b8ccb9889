# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt still does in a pool for runs that were killed, or for others: a volume or a pool can't be touched meanwhile."""

from __future__ import annotations

import typing as t

from ..._libvirt import code_is
from ..._wait import retry

if t.TYPE_CHECKING:
    from ..._libvirt import World

PATIENCE = 600  # seconds that a copy which a killed run began may take to end
PAUSE = 0.5


def delete_left(world: World, pool: str, name: str) -> None:
    """Delete a volume that a killed run has left, if it's there. libvirt may still be writing it."""

    def delete() -> None:
        left = world.volume(pool, name)
        if left is not None:
            left.delete(0)

    retry(
        delete, lambda error: code_is(error, "VIR_ERR_OPERATION_INVALID", "VIR_ERR_OPERATION_FAILED"), PATIENCE, PAUSE
    )


def refresh(pool: t.Any) -> None:
    """Have libvirt read the pool's volumes again. It refuses while it makes, copies or wipes another one of them."""
    retry(
        lambda: pool.refresh(0),
        lambda error: code_is(error, "VIR_ERR_INTERNAL_ERROR") and "asynchronous jobs" in str(error),
        PATIENCE,
        PAUSE,
    )
