# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What depends on the options that a task changes: addresses on a bus or a model, the bus topology on the machine."""

from __future__ import annotations

import typing as t

from ..._xml import document
from ..._xml.rows import Change, Edit, Group, compare
from ..._xml.table import split
from .addresses import Pairs, given_addresses, kind, remove_unfit
from .table import DOMAIN

if t.TYPE_CHECKING:
    from ..draft import Draft

Element = document.Element


def settle(draft: Draft, before: Element, devices: Pairs, edit: Edit) -> None:
    """Bring what depends on the changed options in line with them, and complete ``edit.changes``.

    ``devices``: those of both documents, paired before the edit.
    """
    after = draft.after
    asked = given_addresses(after, draft.wanted)
    if any(kind(new) == "drive scsi" != kind(old) for old, new in devices):
        edit.context.need_scsi()
    if any(change.path == "machine" for change in edit.changes):
        from .machine_change import change_machine

        draft.plan.warnings += change_machine(before, after, asked, draft.params["hotplug_ports"])
    remove_unfit(devices, after, asked)
    _note_more(before, after, devices, edit)


def _note_more(before: Element, after: Element, devices: Pairs, edit: Edit) -> None:
    """Note what went with a changed option: its row knows what depends on it."""
    noted = {change.path for change in edit.changes}
    olds = {new: old for old, new in devices}
    more = [one for change in edit.changes if change.new in olds for one in _changes_within(olds[change.new], change)]
    compare(_changed_groups(noted), before, after, "", more)
    edit.changes += {one.path: one for one in more if one.path not in noted}.values()


def _changed_groups(noted: t.Iterable[str]) -> list[Group]:
    names = {path.partition(".")[0] for path in noted if "." in path}
    return [row for row in DOMAIN if isinstance(row, Group) and row.name in names]


def _changes_within(old: Element, change: Change) -> list[Change]:
    """All that differs in a device of which an option has changed."""
    if change.row is change.items:
        return []
    found = compare(change.items.rows, old, change.new, split(change.path)[0] + ".")
    for one in found:
        one.items, one.key, one.new = change.items, change.key, change.new
    return found
