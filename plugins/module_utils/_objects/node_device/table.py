# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a mediated device: a share of a device of the host, which mdevctl defines and the kernel makes."""

from __future__ import annotations

import typing as t

from ..._xml import units
from ..._xml.items import Items
from ..._xml.rows import REFUSED, Field
from ..._xml.types import STR, UUID, Text, Type

MDEV = "capability[@type='mdev']"


def device_name(value: t.Any) -> str:
    """libvirt's name of a device: that itself, or of a PCI device its address."""
    text = str(value)
    if ":" not in text:
        return text
    return "pci_" + units.pci(text).replace(":", "_").replace(".", "_")


def _value(text: str) -> str:
    if not text:
        raise ValueError("must not be empty: mdevctl keeps no attribute without a value")
    return text


VALUE = Text("str", str, parse=_value)

NODE_DEVICE: tuple[t.Any, ...] = (
    Field(
        "uuid",
        f"{MDEV}/uuid",
        UUID,
        "The UUID of a mediated device, by which it is known. Guests name it.",
        takes=REFUSED,
    ),
    Field(
        "parent",
        "parent",
        Type("str", str, parse=device_name),
        "The device of the host that the mediated device is a share of: libvirt's name of it, or a PCI address. A new one"
        " needs it.",
    ),
    Field(
        "type",
        f"{MDEV}/type@id",
        STR,
        "The type of mediated device, of those that the parent has (RV(metal.kvm.node_device_info#module:node_devices)). A"
        " new one needs it.",
    ),
    Items(
        "attributes",
        f"{MDEV}/attr",
        (
            Field("name", "@name", STR, "The attribute's name.", required=True),
            Field("value", "@value", VALUE, "What is written to it.", required=True),
        ),
        doc="Attributes of the device that are written when it starts, in order. Given, it is the full list.",
    ),
)
