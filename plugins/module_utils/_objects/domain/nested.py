# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt answers in bulk, ``block.0.rd.bytes: 5``, as dicts and lists."""

from __future__ import annotations

import typing as t

Values = dict[str, t.Any]

# libvirt's word for one of several: ours for all of them
PLURALS = {
    "addr": "addresses",
    "block": "disks",
    "disk": "disks",
    "dependency": "dependencies",
    "fs": "filesystems",
    "if": "interfaces",
    "iothread": "iothreads",
    "net": "interfaces",
    "node": "nodes",
    "user": "users",
    "vcpu": "vcpus",
}
NUMBERED = ("iothread", "vcpu")  # their number is theirs, not only their place in the list


def nested(flat: Values) -> Values:
    """``{block.count: 1, block.0.rd.bytes: 5}`` as ``{disks: [{rd: {bytes: 5}}]}``; ``-`` in names as ``_``."""
    tree: Values = {}
    for path, value in flat.items():
        *above, last = path.split(".")
        node = tree
        for part in above:
            below = node.setdefault(part, {})
            if not isinstance(below, dict):  # a value that has parts too
                below = node[part] = {"value": below}
            node = below
        node[last] = value
    return _named(tree)


def _named(tree: Values) -> Values:
    out: Values = {}
    for name, value in tree.items():
        if not isinstance(value, dict):
            out[name.replace("-", "_")] = value
            continue
        numbers = sorted(filter(str.isdigit, value), key=int)
        rest = {key: inner for key, inner in value.items() if key not in ("count", *numbers)}
        if numbers or "count" in value:
            out[PLURALS.get(name, name)] = [_one(name, number, value[number]) for number in numbers]
        if rest:
            out[name.replace("-", "_")] = _named(rest)
    return out


def _one(name: str, number: str, value: t.Any) -> t.Any:
    if not isinstance(value, dict):
        return value
    return {**({"id": int(number)} if name in NUMBERED else {}), **_named(value)}
