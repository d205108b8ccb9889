# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody else does to a definition while a task is on it: an edit is never overwritten by a plan that didn't see it.

libvirt can't compare and define in one call. So the definition is read and compared right before it is defined.
"""

from __future__ import annotations

import typing as t

from .._plan import ChangedMeanwhileError, KvmError

if t.TYPE_CHECKING:
    from .._libvirt import World


def compare(title: str, planned: t.Optional[str], now: t.Optional[str]) -> None:
    """Raise where ``now`` isn't what the plan was made on. None for ``planned`` compares nothing, ``""`` is no object."""
    if planned is None or planned == (now or ""):
        return
    done = "created" if not planned else "changed" if now else "deleted"
    raise ChangedMeanwhileError(
        f"{title[:1].upper()}{title[1:]} was {done} by somebody else while this task was about to change it",
        "It stays as it is. Run the task again when nobody else is changing it.",
    )


def remember(world: World, title: str, now: str) -> None:
    """Note the definition that this run has made."""
    world.defined[title] = now


def refuse_edited(world: World, title: str, now: str) -> None:
    """Raise where the definition isn't the one that this run has made: it isn't this run's to undo."""
    made = world.defined.get(title)
    if made is not None and made != now:
        raise KvmError(f"the definition of {title} was changed by somebody else meanwhile, and stays as it is")
