# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose UUID a definition has: libvirt refuses one that is another object's, or another one than the object has."""

from __future__ import annotations

import typing as t
import uuid as uuids

from .._plan import refuse

if t.TYPE_CHECKING:
    from .._libvirt import World
    from .._xml.rows import Element


def refuse_others_uuid(
    world: World, noun: str, name: str, root: Element, option: str, before: t.Optional[Element] = None
) -> None:
    """Refuse the definition ``root`` of the object called ``name`` if its UUID isn't its own. ``option`` gave it.

    ``before`` is the definition that the object has, None for a new one.
    """
    said = _uuid(root)
    own = None if before is None else _uuid(before)
    if said is None or said == own:
        return
    if own is not None:
        refuse(option, f"the definition's uuid is {said}, {noun} {name} has {own}", "Leave the uuid out.")
    other = world.find_uuid(said, noun)
    if other is not None and other.name() != name:
        refuse(
            option,
            f"{said} is the UUID of {noun} {other.name()} already",
            "Leave the uuid out, or correct the name.",
        )


def _uuid(root: Element) -> t.Optional[str]:
    """The UUID in libvirt's spelling; None without one, or with one that libvirt refuses by itself."""
    try:
        return str(uuids.UUID((root.findtext("uuid") or "").strip()))
    except ValueError:
        return None
