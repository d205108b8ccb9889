# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that libvirt keeps of a domain: definition, running instance, saved memory, snapshots, checkpoints, backup."""

from __future__ import annotations

import functools
import typing as t

from ..._libvirt import tried
from ..._xml import document

if t.TYPE_CHECKING:
    from ..._xml.rows import Element

INACTIVE = 2  # VIR_DOMAIN_XML_INACTIVE

Description = tuple[str, "t.Optional[Element]", str]  # what it is, its document, why there is none


def descriptions(domain: t.Any, running_only: bool = False) -> t.Iterator[Description]:
    """A domain's documents, each with its name in a sentence (``""`` for the definition); one that's gone is left out."""
    state, why = tried(lambda: (bool(domain.isActive()), bool(domain.isPersistent())))
    if state is None:
        yield from _said("", None, why)
        return
    active, persistent = state
    if active or not running_only:
        yield from _read("", domain.XMLDesc)
    if running_only:
        return
    if active and persistent:
        yield from _read("", functools.partial(domain.XMLDesc, INACTIVE))
    if active:
        yield from _read("its backup", domain.backupGetXMLDesc)
    if persistent:
        yield from _saved(domain)
    yield from _listed("snapshot", domain, "listAllSnapshots")
    yield from _listed("checkpoint", domain, "listAllCheckpoints")


def _saved(domain: t.Any) -> t.Iterator[Description]:
    has, why = tried(domain.hasManagedSaveImage)
    if has:
        yield from _read("its saved memory", domain.managedSaveGetXMLDesc)
    elif why:
        yield ("its saved memory", None, why)


def _listed(what: str, domain: t.Any, method: str) -> t.Iterator[Description]:
    found, why = tried(getattr(domain, method, list))
    if why:
        yield (f"its {what}s", None, why)
    for one in found or ():
        yield from _read(f"its {what} {one.getName()}", one.getXMLDesc)


def _read(what: str, read: t.Callable[[], str]) -> t.Iterator[Description]:
    root, why = tried(lambda: document.document(read()))
    yield from _said(what, root, why)


def _said(what: str, root: t.Optional[Element], why: str) -> t.Iterator[Description]:
    """A document, or the reason why there is none; nothing of what isn't there at all."""
    if root is not None or why:
        yield (what, root, why)
