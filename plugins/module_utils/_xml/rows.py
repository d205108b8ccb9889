# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of a table: each says once what an option is called, where it lives, what it takes and when it takes effect.

From a row come its argument spec, its docs, the reader, the editor, the diff and what must happen to a running object.
Every row answers the same calls:

- ``spec()``: option name to Ansible's argument spec, docs included under ``doc``.
- ``parse(given, where)``: the canonical values of what was given; raises KvmError that names ``where``.
- ``read(parent)``: option name to value, as the document says; what it doesn't say is left out.
- ``edit(parent, wanted, path, edit)``: put the wanted values in, noting each change.
- ``compare(before, after, path, changes)``: note what differs between two documents.
- ``unset(parent, keys, path, edit)``: back to libvirt's default by deleting the node.
"""

from __future__ import annotations

from .groups import Group, Map, Union, ValueList
from .row import (
    LIVE,
    RECREATE,
    REFUSED,
    RESTART,
    Change,
    Edit,
    Element,
    Field,
    Row,
    Values,
    apply,
    bad_value,
    compare,
    parse,
    read,
    specs,
    unset,
)

__all__ = [
    "LIVE",
    "RECREATE",
    "REFUSED",
    "RESTART",
    "Change",
    "Edit",
    "Element",
    "Field",
    "Group",
    "Map",
    "Row",
    "Union",
    "ValueList",
    "Values",
    "apply",
    "bad_value",
    "compare",
    "parse",
    "read",
    "specs",
    "unset",
]
