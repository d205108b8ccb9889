# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What depends on the options that a task changes: addresses on a bus or a model, the bus topology on the machine."""

from __future__ import annotations

from ..._xml import document
from ..._xml.rows import Change, Edit, Group, Values, compare
from ..._xml.table import split
from .addresses import Pairs, given_addresses, kind, remove_unfit
from .table import DOMAIN

Element = document.Element


def settle(before: Element, after: Element, devices: Pairs, wanted: Values, edit: Edit, ports: int) -> list[str]:
    """Bring what depends on the changed options in line with them, and complete ``edit.changes``. Returns remarks.

    ``devices``: those of both documents, paired before the edit. ``ports``: the option ``hotplug_ports``.
    """
    remarks = []
    asked = given_addresses(after, wanted)
    if any(kind(new) == "drive scsi" != kind(old) for old, new in devices):
        edit.context.need_scsi()
    if any(change.path == "machine" for change in edit.changes):
        from .machine_change import change_machine

        remarks = change_machine(before, after, asked, ports)
    remove_unfit(devices, after, asked)
    _note_more(before, after, devices, edit)
    return remarks


def _note_more(before: Element, after: Element, devices: Pairs, edit: Edit) -> None:
    """Note what went with a changed option: its row knows what depends on it."""
    noted = {change.path for change in edit.changes}
    olds = {new: old for old, new in devices}
    more: list[Change] = []
    for change in edit.changes:
        if change.new in olds and change.row is not change.items:
            first = len(more)
            compare(change.items.rows, olds[change.new], change.new, split(change.path)[0] + ".", more)
            for one in more[first:]:
                one.items, one.key, one.new = change.items, change.key, change.new
    for row in DOMAIN:
        if isinstance(row, Group) and any(path.startswith(row.name + ".") for path in noted):
            row.compare(before, after, "", more)
    edit.changes += {one.path: one for one in more if one.path not in noted}.values()
