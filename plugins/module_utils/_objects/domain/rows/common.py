# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows that many devices have, and the small functions that rows share."""

from __future__ import annotations

import re
import typing as t

from ...._xml import document, place
from ...._xml.kinds import Attributes
from ...._xml.rows import Field, Group
from ...._xml.types import ON_OFF, PCI, STR, WHOLE, Type

Element = document.Element
Get = t.Callable[[Element], t.Any]
Put = t.Callable[[Element, t.Any], None]
Volatile = t.Callable[[Element, Element], bool]

VIRTIO_MODELS = ("virtio", "virtio-transitional", "virtio-non-transitional")


def _user_alias(device: Element) -> t.Optional[str]:
    node = device.find("alias")
    name = None if node is None else node.get("name")
    return name if name and name.startswith("ua-") else None


def kind(*owned: str, at: str = "@type") -> Put:
    """The way to write an attribute that says a device's kind: with another kind goes what it owned.

    ``owned`` are places: elements (``source``) and attributes (``model@vram``).
    """
    steps, attribute = place.place(at)

    def put(node: Element, value: str) -> None:
        there = place.ensure(node, steps)
        if there.get(attribute) not in (None, value):
            for path in owned:
                _remove(node, path)
            there = place.ensure(node, steps)
        there.set(attribute, value)

    return put


def _remove(node: Element, path: str) -> None:
    steps, attribute = place.place(path)
    for below in place.find_all(node, steps) if steps else [node]:
        if attribute:
            below.attrib.pop(attribute, None)
        else:
            document.remove(below)


def instead(path: str, *others: str, **fixed: str) -> Put:
    """The way to write an attribute in place of others that say the same in another way, beside what is always the same."""
    steps, attribute = place.place(path)

    def put(node: Element, value: t.Any) -> None:
        there = place.ensure(node, steps)
        for other in others:
            there.attrib.pop(other, None)
        there.attrib.update(fixed)
        there.set(attribute, str(value))

    return put


def put_pci(path: str, **fixed: str) -> Put:
    """The way to write a PCI address in an element that has no type, beside what is always the same in its parent."""

    def put(node: Element, value: str) -> None:
        address = place.ensure(node, place.place(path)[0])
        PCI.put(address, "", value)
        del address.attrib["type"]
        address.getparent().attrib.update(fixed)

    return put


def unsaid(path: str) -> Volatile:
    """True where the definition says nothing, and a running guest shows what libvirt chose."""
    steps, attribute = place.place(path)

    def volatile(persistent: Element, running: Element) -> bool:
        node = place.find(persistent, steps)
        return node is None or (node.get(attribute) if attribute else node.text) is None

    return volatile


def always(persistent: Element, running: Element) -> bool:
    """What can never be compared with a running guest."""
    return True


def _alias(value: t.Any) -> str:
    """A name that libvirt keeps; others it drops without a word."""
    if value and not re.fullmatch(r"ua-[A-Za-z0-9_-]+", value):
        raise ValueError("it must begin with ua- and have letters, digits, _ and - only: ua-data")
    return str(value)


ALIAS = Field(
    "alias",
    "alias@name",
    Type("str", str, parse=_alias),
    "A name of your own for it, starting with V(ua-).",
    get=_user_alias,
)
ADDRESS = Attributes(
    "address",
    "address",
    STR,
    "Where it sits, in libvirt's words: V(type), V(bus), V(slot) and so on."
    " libvirt finds a place where it's left out, and it stays. When the device gets another bus or model, libvirt finds another"
    " place.",
)
ACPI_INDEX = Field(
    "acpi_index", "acpi@index", WHOLE, "Number that the guest's firmware shows for it: names C(eno1) and so on."
)
BOOT_ORDER = Field(
    "boot_order", "boot@order", WHOLE, "Place in the boot order, from 1. Not together with O(boot.order)."
)
VIRTIO = Group(
    "virtio",
    "driver",
    (
        Field("iommu", "@iommu", ON_OFF, "Whether it goes through the guest's IOMMU."),
        Field("ats", "@ats", ON_OFF, "Whether it uses address translation services."),
        Field("packed", "@packed", ON_OFF, "Whether it uses packed virtqueues."),
        Field("page_per_vq", "@page_per_vq", ON_OFF, "Whether each queue's notifications have a page of their own."),
    ),
    "The virtio transport.",
)
PLACED = (ALIAS, ACPI_INDEX, ADDRESS)
