# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of guests on a switch that isn't a Linux bridge: which type has which parameters, and which VLANs."""

from __future__ import annotations

import typing as t

from .._xml import document
from .._xml.contradictions import Rule, only

if t.TYPE_CHECKING:
    from .._xml.rows import Element

# the types that have a parameter
PARAMETERS: dict[str, tuple[str, ...]] = {
    "interfaceid": ("openvswitch", "midonet"),
    "profileid": ("openvswitch", "802.1Qbh"),
    "managerid": ("802.1Qbg",),
    "typeid": ("802.1Qbg",),
    "typeidversion": ("802.1Qbg",),
    "instanceid": ("802.1Qbg",),
}

REQUIRED = {"802.1Qbg": ("managerid", "typeid", "typeidversion"), "802.1Qbh": ("profileid",)}


def put_type(port: Element, kind: str) -> None:
    """Set the type, and remove the parameters of another type."""
    port.set("type", kind)
    node = port.find("parameters")
    if node is None:
        return
    for name, kinds in PARAMETERS.items():
        if kind not in kinds:
            node.attrib.pop(name, None)
    if not node.attrib:
        document.remove(node)


def rules(below: str) -> tuple[Rule, ...]:
    """What contradicts each other in the ``virtualport`` at ``below``."""
    return tuple(only("type", kinds, name, below) for name, kinds in PARAMETERS.items())


def trunk(below: str) -> Rule:
    """A port with several VLANs is a trunk."""
    why = "a port with several tags is a trunk"
    return Rule("trunk", "tags", why, lambda one, tags: one is False and len(tags) > 1, below)
