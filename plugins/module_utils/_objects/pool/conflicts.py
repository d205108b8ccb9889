# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two pools on one directory, file system, volume group or target: libvirt refuses the second one."""

from __future__ import annotations

import os
import typing as t

from ..._libvirt import documents
from ..._plan import KvmError

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..._xml.rows import Element

# Type of pool: what in its definition is its own, and the option that says it.
PLACES = {
    "dir": (("target/path",), "path"),
    "disk": (("source/device",), "source.devices"),
    "fs": (("source/device",), "source.devices"),
    "iscsi": (("source/host", "source/device", "source/initiator"), "source"),
    "logical": (("source/name", "source/device"), "source"),
    "netfs": (("source/host", "source/dir"), "source"),
    "scsi": (("source/adapter",), "source.adapter"),
    "zfs": (("source/name",), "source.name"),
}


def check_conflict(world: World, name: str, root: Element) -> None:
    """Refuse a pool that stands on the same storage as another pool of its type."""
    if root.get("type") not in PLACES:
        return
    own = _place(root, world.local)
    for other, there in documents("pool", world.connection.listAllStoragePools()):
        if other != name and own and _place(there, world.local) == own:
            option = PLACES[root.get("type")][1]
            raise KvmError(
                f"{option}: pool {other} is on {', '.join(_words(root))} already",
                f"Use pool {other}, or choose another place.",
                option=option,
            )


def _nodes(root: Element) -> list[Element]:
    paths, dummy = PLACES.get(root.get("type"), ((), ""))
    return [node for path in paths for node in root.iterfind(path)]


def _place(root: Element, local: bool) -> t.Any:
    """The pool's type and what of its storage tells it apart; None where its definition says nothing of it."""
    if root.get("type") == "dir":
        path = (root.findtext("target/path") or "").strip()
        return ("dir", os.path.realpath(path) if local else os.path.normpath(path)) if path else None
    found = sorted(
        (node.tag, (node.text or "").strip(), tuple(sorted(node.attrib.items())))
        for node in _nodes(root)
        if node.tag != "device" or node.get("path")
    )
    return (root.get("type"), found) if found else None


def _words(root: Element) -> list[str]:
    """What the pool stands on, for a sentence."""
    shown = ((node.text or "").strip() or next(iter(node.attrib.values()), "") for node in _nodes(root))
    return [words for words in shown if words]
