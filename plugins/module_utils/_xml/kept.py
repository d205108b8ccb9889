# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt keeps of the values that a task gives. It rounds some, and drops what it takes for its default or has no use for.
What a task unsets, it may fill in again.

A row that knows its default (``silent``) never differs by it. This is for all else: libvirt's own rendering of the new
definition shows which values it doesn't keep. Such a value counts as applied, or it would be a change in every run.
"""

from __future__ import annotations

import typing as t

from . import rows

if t.TYPE_CHECKING:
    from .._plan import Plan
    from .rows import Change, Edit, Element, Values

NOTHING: tuple[t.Any, ...] = (None, False, 0, "", "0 bytes", "default", [], {})  # what may be dropped without a word


def lost(table: t.Iterable[t.Any], wanted: Values, rendering: Element, edit: Edit) -> list[Change]:
    """The values that libvirt's rendering doesn't have as they're wanted, and the next run would change again.

    They are put into ``rendering``.
    """
    rows.apply(table, rendering, wanted, "", edit)
    return edit.changes


def forget(plan: Plan, changes: t.Iterable[Change]) -> None:
    """Show in the plan's diff what libvirt makes of these values, nothing where that is there already; and warn of each."""
    for change in changes:
        path, made = change.path, change.before
        if path in plan.after and plan.after[path] == change.after:
            plan.differs(path, plan.before[path], made)
            if plan.before[path] == made:
                del plan.before[path], plan.after[path]
        if change.after not in ("", [], {}) and not (change.after in NOTHING and made in NOTHING):
            does = "drops it" if made in NOTHING else f"makes '{made}' of it"
            plan.warnings.append(f"{path}: '{change.after}' is asked for, and libvirt {does}")


def filled_in(plan: Plan, unset: t.Iterable[str], differences: t.Iterable[Change]) -> None:
    """Take out of the plan's diff what the task unsets and libvirt fills in again as it was.

    ``differences`` are those between the definition that is there and libvirt's rendering of the new one.
    """
    differing = [change.path for change in differences]
    for path in [path for path in plan.after if any(_within(path, one) for one in unset)]:
        if not any(_within(one, path) for one in differing):
            del plan.before[path], plan.after[path]


def _within(path: str, above: str) -> bool:
    return path == above or path.startswith((f"{above}.", f"{above}["))
