# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own element of a domain's metadata: what a run that is killed leaves for the next one to go on from."""

from __future__ import annotations

import typing as t

from ..._libvirt import flags
from ..._xml import document

Element = document.Element

OWN = "metadata/" + document.qualified("metal:kvm")
INSTALL = document.qualified("metal:install")


def own(root: Element) -> Element:
    """Our own element of the document, a new one where there is none."""
    node = root.find(OWN)
    return document.element("metal:kvm") if node is None else node


def put_own(domain: t.Any, node: Element) -> None:
    """Write our own element into the definition; an empty one goes."""
    text = document.bare(node) if len(node) or node.attrib else None
    domain.setMetadata(2, text, "metal", document.NAMESPACES["metal"], flags("VIR_DOMAIN_AFFECT_CONFIG"))


def installing(root: Element) -> t.Optional[Element]:
    """The mark of an installation that isn't finished, with ``step`` and ``pool``; None where there is none."""
    return root.find(f"{OWN}/{INSTALL}")


def mark_installing(root: Element, **attributes: str) -> None:
    """Put the mark of an installation into the document."""
    metadata = root.find("metadata")
    metadata = document.child(root, "metadata") if metadata is None else metadata
    node = root.find(OWN)
    node = document.child(metadata, "metal:kvm") if node is None else node
    there = node.find(INSTALL)
    there = document.child(node, "metal:install") if there is None else there
    there.attrib.update(attributes)
