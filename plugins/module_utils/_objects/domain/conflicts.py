# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which option that a task doesn't mention stands in the way of one that it changes: what libvirt refuses, said by its name.

A disk that moves from virtio to SATA can't keep ``queues``. libvirt says so, but not in the user's words. Here each option
that the task leaves alone is taken out of a copy of the definition, until libvirt accepts it.
"""

from __future__ import annotations

import typing as t

from ..._plan import KvmError
from ..._xml import document
from ..._xml.rows import Change, Edit, Group, Values, read
from ..._xml.table import split, unset_paths
from .devices import label_of
from .rendering import judged
from .table import DOMAIN

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..draft import Draft

Element = document.Element

KEPT = ("disks", "interfaces", "hostdevs", "filesystems", "controllers", "memory", "memory_maximum", "vcpus", "uuid", "machine",
        "arch", "type", "labels", "title", "description", "osinfo", "genid")  # fmt: skip
IDENTITIES = ("target", "mac", "alias", "port", "name", "type", "index", "id")  # options of list items


def explained(draft: Draft, error: KvmError) -> KvmError:
    """libvirt's refusal of the new definition with the options that have to go, or as it is if it isn't about such options."""
    after, wanted, changes = draft.after, draft.wanted, draft.changes
    stay = _unmentioned_in_items(after, wanted, changes)
    for paths in (stay, _unmentioned(after, wanted)):
        found = _culprits(draft.world, after, paths)
        if found:
            changed = ", ".join(dict.fromkeys(_shown(one) for one in changes))
            return KvmError(
                f"{found[0]}: the domain has this option, and it can't stay with the new {changed}: {error.message}",
                f"Give it a value that fits, or remove it in the same task with unset: [{', '.join(found)}].",
                option=found[0],
            )
    return error


def _shown(change: Change) -> str:
    return change.path if isinstance(change.after, (dict, list)) else f"{change.path} '{change.after}'"


def _culprits(world: World, after: Element, paths: t.Sequence[str]) -> list[str]:
    """The fewest of ``paths`` without which libvirt accepts the definition; none where it doesn't."""
    if not paths:
        return []
    if not _accepted(world, after, paths):
        return [path for path in paths if _accepted(world, after, [path])][:1]
    found = list(paths)
    for path in paths:
        fewer = [one for one in found if one != path]
        if _accepted(world, after, fewer):
            found = fewer
    return found


def _accepted(world: World, after: Element, paths: t.Sequence[str]) -> bool:
    copy = document.clone(after)
    try:
        unset_paths(DOMAIN, copy, paths, {}, Edit())
        judged(world, copy)
    except KvmError:
        return False
    return True


def _unmentioned_in_items(after: Element, wanted: Values, changes: t.Iterable[Change]) -> list[str]:
    """The options of changed items of the domain's own lists that the task doesn't give, without those that tell items apart."""
    inner = [change for change in changes if change.row is not change.items and _is_there(change)]
    paths = dict.fromkeys(path for change in inner for path in _unmentioned_in_item(after, wanted, change))
    return [path for path in paths if split(path)[-1] not in IDENTITIES]


def _is_there(change: Change) -> bool:
    """Whether the change is in an item of one of the domain's own lists, and that item stays."""
    listed = any(change.items is row for row in DOMAIN)
    return listed and change.new is not None and change.new.getparent() is not None


def _unmentioned_in_item(after: Element, wanted: Values, change: Change) -> list[str]:
    row, node = change.items, change.new
    given = next((item for item, one in row.match(wanted.get(row.name, []), after)[0] if one is node), None) or {}
    label = label_of(row, after, node)
    return [f"{row.name}[{label}].{name}" for name in read(row.rows, node) if name not in given]


def _unmentioned(after: Element, wanted: Values) -> list[str]:
    """The options beyond lists of storage and network that the task doesn't give."""
    paths: list[str] = []
    values = read(DOMAIN, after)
    for row in DOMAIN:
        value = values.get(row.name)
        if value is None or row.name in KEPT:
            continue
        if isinstance(row, Group) and isinstance(value, dict):
            paths += [f"{row.name}.{name}" for name in value if name not in wanted.get(row.name, {})]
        elif row.name not in wanted:
            paths.append(row.name)
    return paths
