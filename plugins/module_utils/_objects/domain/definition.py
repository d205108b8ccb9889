# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that define and undefine a domain, without overwriting what somebody else did to its definition meanwhile."""

from __future__ import annotations

import typing as t

from ..._libvirt import flags
from ..._xml import document
from .. import meanwhile
from .documents import persistent_document
from .mark import OWN, drop_marks

if t.TYPE_CHECKING:
    from ..._libvirt import World

Element = document.Element

UNDEFINE = (
    "VIR_DOMAIN_UNDEFINE_MANAGED_SAVE",
    "VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA",
    "VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA",
    "VIR_DOMAIN_UNDEFINE_NVRAM",
    "VIR_DOMAIN_UNDEFINE_TPM",
)
KEEP_NVRAM = "VIR_DOMAIN_UNDEFINE_KEEP_NVRAM"
KEEP = (KEEP_NVRAM, "VIR_DOMAIN_UNDEFINE_KEEP_TPM")


def compared(root: Element) -> str:
    """A definition as it is compared: without the marks of what isn't finished, which are this collection's own."""
    root = document.clone(root)
    ours = root.find(OWN)
    if ours is not None:
        drop_marks(ours)
        if not len(ours) and not ours.attrib:
            document.remove(ours)
    metadata = root.find("metadata")
    if metadata is not None and not len(metadata):  # libvirt leaves it empty where the last mark was removed
        document.remove(metadata)
    return document.text_of(root)


def define(world: World, name: str, xml: str, planned: t.Optional[str] = None) -> None:
    """Define from the document, over the same UUID. ``planned`` is the definition that was seen when planning."""
    expect(world, name, planned)
    meanwhile.remember(world, f"domain {name}", compared(persistent_document(world.connection.defineXML(xml))))


def expect(world: World, name: str, planned: t.Optional[str]) -> None:
    """Raise where the definition isn't ``planned``, on which the plan was made; ``""`` is no domain, None isn't compared."""
    if planned is not None:
        meanwhile.compare(f"domain {name}", planned, _now(world, name))


def undo_define(world: World, name: str, xml: str) -> None:
    """Define ``xml`` again. Where it is empty, delete the definition alone: NVRAM, TPM state and saved memory stay, for
    this run didn't make them, and a guest that runs goes on. Refused if somebody else has edited the definition meanwhile.
    """
    meanwhile.refuse_edited(world, f"domain {name}", _now(world, name))
    if xml:
        world.connection.defineXML(xml)
    else:
        wanted = KEEP if world.version >= 8_009_000 else KEEP[:-1]
        world.get("domain", name).undefineFlags(flags(*wanted))


def undefine(world: World, name: str, keep_nvram: bool = False) -> None:
    """Delete the definition with what libvirt keeps beside it; storage stays, and an NVRAM file that others have too."""
    wanted: tuple[str, ...] = UNDEFINE if world.version >= 8_009_000 else UNDEFINE[:-1]
    if keep_nvram:
        wanted = tuple(KEEP_NVRAM if one == "VIR_DOMAIN_UNDEFINE_NVRAM" else one for one in wanted)
    world.get("domain", name).undefineFlags(flags(*wanted))


def _now(world: World, name: str) -> str:
    domain = world.find("domain", name)
    return "" if domain is None else compared(persistent_document(domain))
