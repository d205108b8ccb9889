# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of guests: what the documents of a network and of a guest's interface say of them alike.

Their type and its parameters on a switch that isn't a Linux bridge, their VLANs, the limits of their traffic.
"""

from __future__ import annotations

import typing as t

from .._xml import document
from .._xml.contradictions import Rule, only
from .._xml.items import Items
from .._xml.rows import Field
from .._xml.types import STR, UUID, WHOLE, YES_NO

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


def port_rows(type_doc: str, interfaceid_doc: str) -> tuple[Field, ...]:
    """The rows of a ``virtualport``."""
    choices = ("openvswitch", "midonet", "802.1Qbg", "802.1Qbh")
    return (
        Field("type", "@type", STR, type_doc, choices=choices, put=put_type),
        Field("interfaceid", "parameters@interfaceid", UUID, interfaceid_doc),
        Field("profileid", "parameters@profileid", STR, "The port profile."),
        Field("managerid", "parameters@managerid", STR, "The VSI manager (802.1Qbg)."),
        Field("typeid", "parameters@typeid", STR, "The VSI type (802.1Qbg)."),
        Field("typeidversion", "parameters@typeidversion", STR, "The version of the VSI type (802.1Qbg)."),
        Field("instanceid", "parameters@instanceid", UUID, "The VSI instance (802.1Qbg)."),
    )


def vlan_rows() -> tuple[t.Any, ...]:
    """The rows of a ``vlan``."""
    modes = ("tagged", "untagged")
    tag = (
        Field("id", "@id", WHOLE, "The VLAN's number.", required=True),
        Field("native_mode", "@nativeMode", STR, "The VLAN of frames without a tag (Open vSwitch).", choices=modes),
    )
    return (
        Field("trunk", "@trunk", YES_NO, "Whether the port is a trunk; libvirt sets it where there are several tags."),
        Items("tags", "tag", tag, keys=("id",), ordered=False, doc="The VLANs."),
    )


def rate_rows(live: str = "") -> tuple[Field, ...]:
    """The rows of one direction of a ``bandwidth``; ``live`` is the operation that changes it on a running object."""
    return (
        Field("average", "@average", WHOLE, "The average, in KiB/s.", live=live, silent=0),
        Field("peak", "@peak", WHOLE, "The most for a moment, in KiB/s.", live=live, silent=0),
        Field("burst", "@burst", WHOLE, "How much can be sent at the peak, in KiB.", live=live, silent=0),
    )


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
