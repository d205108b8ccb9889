# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a value is written in an option and in the document; each type is an instance of one plain class."""

from __future__ import annotations

import typing as t

from . import document, units

Element = document.Element


class Type:
    """A kind of value.

    - ``spec``: Ansible's type of the option.
    - ``parse(value)``: the canonical value of what the user gave; raises ValueError with what would be right.
    - ``decode(text)``, ``encode(value)``: between the canonical value and the text in the document.
    - ``show(value)``: for diffs and errors.
    """

    __slots__ = ("decode", "encode", "parse", "show", "spec")

    def __init__(
        self,
        spec: str,
        decode: t.Callable[[str], t.Any],
        encode: t.Callable[[t.Any], str] = str,
        parse: t.Optional[t.Callable[[t.Any], t.Any]] = None,
        show: t.Optional[t.Callable[[t.Any], t.Any]] = None,
    ) -> None:
        self.spec = spec
        self.decode = decode
        self.encode = encode
        self.parse = parse or (lambda value: value)
        self.show = show or (lambda value: value)

    def get(self, node: Element, attribute: str) -> t.Any:
        """The value at an element's attribute, or in its text; None where there is none."""
        text = node.get(attribute) if attribute else (node.text or "").strip() or None
        return None if text is None else self.decode(text.strip())

    def put(self, node: Element, attribute: str, value: t.Any) -> None:
        """Write the value at an element's attribute, or as its text."""
        if attribute:
            node.set(attribute, self.encode(value))
        else:
            node.text = self.encode(value)

    def clear(self, node: Element, attribute: str) -> bool:
        """Take the value away; true where the element has nothing left to say."""
        if attribute:
            node.attrib.pop(attribute, None)
            return not (len(node) or node.attrib or (node.text or "").strip())
        node.text = None
        return True


class Text(Type):
    """Any text, its white space too."""

    def get(self, node: Element, attribute: str) -> t.Optional[str]:
        return str(node.text) if node.text else None


class Presence(Type):
    """True where the element is there: ``<acpi/>``."""

    def get(self, node: Element, attribute: str) -> bool:
        return True


class Size(Type):
    """Bytes, in an element or attribute with its unit beside it: ``<memory unit='KiB'>1048576</memory>``."""

    __slots__ = ("beside", "unit")

    def __init__(self, unit: str, beside: str = "unit", least: int = 0) -> None:
        step = units.factor(unit)
        super().__init__(
            "str", int, str, lambda value: -(-_least(units.size(value), least) // step) * step, units.shown
        )
        self.unit = unit
        self.beside = beside

    def get(self, node: Element, attribute: str) -> t.Optional[int]:
        number = super().get(node, attribute)
        return None if number is None else number * units.factor((self.beside and node.get(self.beside)) or self.unit)

    def put(self, node: Element, attribute: str, value: int) -> None:
        step = units.factor(self.unit)
        super().put(node, attribute, -(-value // step))
        if self.beside:
            node.set(self.beside, self.unit)


class PciAddress(Type):
    """``<address type='pci' domain='0x0000' bus='0x3b' slot='0x02' function='0x0'/>`` as ``0000:3b:02.0``."""

    def get(self, node: Element, attribute: str) -> str:
        number = {name: int(node.get(name) or "0", 0) for name in ("domain", "bus", "slot", "function")}
        return "{domain:04x}:{bus:02x}:{slot:02x}.{function:x}".format(**number)

    def put(self, node: Element, attribute: str, value: str) -> None:
        domain, bus, rest = value.split(":")
        slot, function = rest.split(".")
        for name, digits in (("domain", domain), ("bus", bus), ("slot", slot), ("function", function)):
            node.set(name, "0x" + digits)
        node.set("type", "pci")


class PlainPciAddress(PciAddress):
    """The same without a type: ``<address domain='0x0000' bus='0x3b' slot='0x02' function='0x0'/>``."""

    def put(self, node: Element, attribute: str, value: str) -> None:
        super().put(node, attribute, value)
        del node.attrib["type"]


def _least(size: int, least: int) -> int:
    if size < least:
        raise ValueError(f"must be {units.shown(least)} or more")
    return size


def _number(text: str) -> int:
    return int(text, 16 if text[:2] in ("0x", "0X") else 10)  # in a document that somebody wrote


def _whole(value: t.Any) -> int:
    if int(value) < 0:
        raise ValueError("must be 0 or more")
    return int(value)


def _positive(value: t.Any) -> int:
    if int(value) < 1:
        raise ValueError("must be 1 or more")
    return int(value)


def _boolean(text: str) -> bool:
    return text in ("yes", "on", "true", "1")


STR = Type("str", str)
TEXT = Text("str", str)
INT = Type("int", _number)
WHOLE = Type("int", _number, parse=_whole)
POSITIVE = Type("int", _number, parse=_positive)
YES_NO = Type("bool", _boolean, lambda value: "yes" if value else "no")
ON_OFF = Type("bool", _boolean, lambda value: "on" if value else "off")
PRESENT = Presence("bool", _boolean, lambda value: "")
CPUSET = Type("str", units.cpuset, parse=units.cpuset)
HEX = Type("str", lambda text: int(text, 0), hex, units.number, hex)
USB_ID = Type("str", str, parse=lambda value: f"0x{units.number(value):04X}")
USB_CLASS = Type("str", str, parse=lambda value: f"0x{units.number(value):02X}")
HEX4 = Type("str", str, parse=lambda value: f"0x{units.number(value):04x}")
PCI = PciAddress("str", str, parse=units.pci)
PLAIN_PCI = PlainPciAddress("str", str, parse=units.pci)
MAC = Type("str", units.mac, parse=units.mac)
UUID = Type("str", units.uuid, parse=units.uuid)
KIB = Size("KiB")
SOME_KIB = Size("KiB", least=1024)
MIB = Size("MiB")
SOME_MIB = Size("MiB", least=1)
KIB_ALONE = Size("KiB", "")
BYTES_ALONE = Size("bytes", "")
BYTES = Size("bytes")
