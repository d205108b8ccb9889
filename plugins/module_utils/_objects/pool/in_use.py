# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What uses a pool: asked before it is stopped, before its storage is deleted, and before its devices are formatted."""

from __future__ import annotations

import os
import typing as t

from ..._plan import KvmError
from ..._xml import document

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..._xml.rows import Element
    from ..draft import Draft
    from ..usage.users import Piece, Storage, User


def refuse_under_guests(draft: Draft) -> None:
    """A pool isn't stopped, restarted or removed while running guests use its storage, unless told."""
    if not draft.active or draft.params["force"]:
        return
    from ..usage.users import Storage, using

    there = Storage(draft.world)
    users = using(there, _pieces(there, draft.there), running_only=True)
    if users:
        option = "state" if draft.state in ("inactive", "absent") else "apply"
        raise KvmError(
            f"{option}: {draft.title} has storage that running guests use ({_named(users)}), which could be cut off",
            "Stop them first, or say force: true.",
            option=option,
        )


def refuse_in_use(world: World, pool: t.Any, option: str) -> None:
    """Nothing of the pool goes while anything beside it uses it: a domain, an overlay elsewhere, another pool."""
    from ..usage.users import Storage, using

    there = Storage(world)
    volumes = _named_volumes(there, pool)
    whole = there.pool(document.document(pool.XMLDesc(0)))
    pieces = [whole, *(piece for dummy, piece in volumes)]
    users = using(there, pieces, ("pool", pool.name()))
    if not users:
        return
    told = []
    for user in users:
        names = [] if user.doubt else [name for name, piece in volumes if user.uses(piece)]
        told.append(f"{', '.join(names)} by {user}" if names else str(user))
    raise KvmError(
        f"{option}: volumes of pool {pool.name()} are in use: {'; '.join(told)}",
        "Remove those or their disks first, or say storage: keep.",
        option=option,
    )


def refuse_lasting_directory(draft: Draft) -> None:
    """Before its volumes are deleted: libvirt can remove the directory of a pool when they are gone."""
    root = t.cast("Element", draft.before)
    path = root.findtext("target/path")
    if root.get("type") != "dir" or not path or not draft.world.local or not os.path.isdir(path):
        return
    why = _why_lasting(path)
    if why:
        raise KvmError(
            f"storage: the directory of {draft.title} can't be deleted: {why}",
            "Say storage: keep. metal.kvm.volume deletes single volumes.",
            option="storage",
        )


def _why_lasting(directory: str) -> str:
    """Why a directory stays when its volumes go, ``""`` if it doesn't."""
    if os.path.ismount(directory):
        return f"{directory} is a mount point"
    kept = [entry.name for entry in os.scandir(directory) if _lasts(entry)]
    more = " ..." if len(kept) > 3 else ""
    return f"{directory} holds what is no volume: {', '.join(sorted(kept)[:3])}{more}" if kept else ""


def _lasts(entry: os.DirEntry[str]) -> bool:
    """Whether something in a pool's directory stays when its volumes go: hidden files, directories with something in them."""
    if entry.name.startswith("."):
        return True
    return entry.is_dir(follow_symlinks=False) and any(os.scandir(entry.path))


def refuse_formatting(world: World, name: str, root: Element) -> None:
    """The devices of a new pool aren't formatted while a guest or another pool has them."""
    from ..usage.users import Storage, using

    there = Storage(world)
    users = using(there, [there.pool(root)], ("pool", name))
    if users:
        raise KvmError(
            f"build: what pool {name} would be built on is used by {', '.join(map(str, users))}",
            "Choose another device, or remove those first.",
            option="build",
        )


def _named(users: list[User]) -> str:
    return ", ".join(sorted({str(user) if user.doubt else user.name for user in users}))


def _pieces(there: Storage, pool: t.Any) -> list[Piece]:
    return [
        there.pool(document.document(pool.XMLDesc(0))),
        *(piece for dummy, piece in _named_volumes(there, pool)),
    ]


def _named_volumes(there: Storage, pool: t.Any) -> list[tuple[str, Piece]]:
    """The pool's volumes; of an inactive directory the files that will be volumes."""
    from .. import storage

    if pool.isActive():
        return [(one.name, there.volume(one)) for one in storage.volumes(pool)]
    root = document.document(pool.XMLDesc(0))
    path = root.findtext("target/path") or ""
    if root.get("type") != "dir" or not there.images.local or not os.path.isdir(path):
        return []
    return [(name, there.at(os.path.join(path, name))) for name in sorted(os.listdir(path))]
