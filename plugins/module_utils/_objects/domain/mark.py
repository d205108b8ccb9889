# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own element of a domain's metadata: what a run that is killed leaves for the next one to go on from."""

from __future__ import annotations

import typing as t

from ..._libvirt import flags
from ..._xml import document
from .documents import persistent_document

Element = document.Element

OWN = "metadata/" + document.qualified("metal:kvm")
INSTALL, CLONE = "metal:install", "metal:clone"  # what isn't finished


def own(root: Element) -> Element:
    """Our own element of the document, a new one where there is none."""
    node = root.find(OWN)
    return document.element("metal:kvm") if node is None else node


def put_own(domain: t.Any, node: Element) -> None:
    """Write our own element into the definition; an empty one goes."""
    text = document.bare(node) if len(node) or node.attrib else None
    domain.setMetadata(2, text, "metal", document.NAMESPACES["metal"], flags("VIR_DOMAIN_AFFECT_CONFIG"))


def marked(root: Element, kind: str) -> t.Optional[Element]:
    """The mark of what isn't finished, an installation or a clone; None where there is none."""
    return root.find(f"{OWN}/{document.qualified(kind)}")


def _ensure_own(root: Element) -> Element:
    metadata = root.find("metadata")
    metadata = document.child(root, "metadata") if metadata is None else metadata
    node = root.find(OWN)
    return document.child(metadata, "metal:kvm") if node is None else node


def put_mark(root: Element, kind: str, **attributes: str) -> None:
    """Put such a mark into the document."""
    node = _ensure_own(root)
    there = node.find(document.qualified(kind))
    there = document.child(node, kind) if there is None else there
    there.attrib.update(attributes)


def put_start_mark(root: Element) -> None:
    """Mark a new definition as about to start, as an interrupted restart is: if this run fails, the next one starts it."""
    _ensure_own(root).set("restarting", "yes")


def drop_marks(node: Element) -> None:
    """Take all marks out of our own element."""
    drop_restart(node)
    for kind in (INSTALL, CLONE):
        for mark in node.findall(document.qualified(kind)):
            document.remove(mark)


def restarting(root: Element) -> bool:
    """Whether the document has the mark of a restart."""
    node = root.find(OWN)
    return node is not None and bool(node.get("restarting"))


RESTART = ("restarting", "since", "until", "forced")  # attributes of our own element while a guest is restarted


def drop_restart(node: Element) -> None:
    """Take the mark of a restart out of our own element."""
    for name in RESTART:
        node.attrib.pop(name, None)


def finish(domain: t.Any) -> None:
    """What the mark stood for is done."""
    node = own(persistent_document(domain))
    drop_marks(node)
    put_own(domain, node)
