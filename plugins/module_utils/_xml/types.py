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

    def said(self, node: Element, attribute: str) -> t.Any:
        """The value of an element that is there for it: a text is empty where it says none."""
        value = self.get(node, attribute)
        return "" if value is None and self.spec == "str" else value

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
        return not (len(node) or node.attrib)


class Text(Type):
    """Any text, its white space too."""

    def get(self, node: Element, attribute: str) -> t.Optional[str]:
        text = node.get(attribute) if attribute else node.text
        return None if text is None else str(text)


class Presence(Type):
    """True where the element is there: ``<acpi/>``."""

    def get(self, node: Element, attribute: str) -> bool:
        return True

    def clear(self, node: Element, attribute: str) -> bool:
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

    def clear(self, node: Element, attribute: str) -> bool:
        if self.beside:
            node.attrib.pop(self.beside, None)
        return super().clear(node, attribute)


class PowerSize(Size):
    """Bytes that libvirt rounds up to a power of two of the unit."""

    __slots__ = ()

    def __init__(self, unit: str, beside: str = "unit") -> None:
        super().__init__(unit, beside)
        whole, step = self.parse, units.factor(unit)
        self.parse = lambda value: _power(whole(value) // step) * step


def _power(number: int) -> int:
    """The least power of two that isn't less; 0 for 0."""
    return 1 << (number - 1).bit_length() if number else 0


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

    def clear(self, node: Element, attribute: str) -> bool:
        for name in ("type", "domain", "bus", "slot", "function"):
            node.attrib.pop(name, None)
        return not (len(node) or node.attrib)


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


_AUTOMATIC = "; to leave it to libvirt, for which its XML has -1, leave the option out"


def _from(least: int, most: t.Optional[int] = None) -> t.Callable[[t.Any], int]:
    """What takes a number from ``least``, up to ``most`` where there is a limit."""

    def parse(value: t.Any) -> int:
        if int(value) < least or (most is not None and int(value) > most):
            limits = f"must be {least} or more" if most is None else f"must be from {least} to {most}"
            raise ValueError(limits + (_AUTOMATIC if int(value) == -1 else ""))
        return int(value)

    return parse


def _stripped(value: t.Any) -> t.Any:
    """The text as documents are read: without white space around it."""
    return value.strip() if isinstance(value, str) else value


def _port(value: t.Any) -> int:
    if not 0 < int(value) < 65536:
        raise ValueError("a port is a number from 1 to 65535" + ("" if int(value) > 0 else _AUTOMATIC))
    return int(value)


def mode(value: t.Any) -> str:
    """A file's mode as four octal digits: what Ansible's file module takes, if it can mean one thing only.

    YAML reads an unquoted 0711 as the number 457, which is as good; but 711 without quotes is a number that nobody means.
    """
    if isinstance(value, int):
        digits = str(value)
        literal = set(digits) <= set("01234567") and len(digits) < 5 and _usual(int(digits, 8))
        if value < 0 or literal or not _usual(value):
            raise ValueError(
                f"an octal mode in quotes: '0750', '1777' ({value} without quotes may mean '{value:04d}' or '{value:04o}')"
            )
        return f"{value:04o}"
    text = str(value).strip().lower().removeprefix("0o")
    if not text or set(text) - set("01234567") or len(text.lstrip("0")) > 4:
        raise ValueError("an octal mode in quotes: '0750', '1777'")
    return f"{int(text, 8):04o}"


def _usual(bits: int) -> bool:
    """Whether others may do no more than the group, and that no more than the owner."""
    owner, group, others = bits >> 6, bits >> 3 & 7, bits & 7
    return owner < 8 and group & owner == group and others & group == others


def _boolean(text: str) -> bool:
    return text in ("yes", "on", "true", "1")


STR = Type("str", str, parse=_stripped)
TEXT = Text("str", str)
INT = Type("int", _number)
WHOLE = Type("int", _number, parse=_from(0))
POSITIVE = Type("int", _number, parse=_from(1))
BYTE = Type("int", _number, parse=_from(0, 255))
COUNT = Type("int", _number, parse=_from(0, 65535))  # libvirt has room made for so many at once
SOME = Type("int", _number, parse=_from(1, 65535))
PATH = Type("str", units.path, parse=units.path)
YES_NO = Type("bool", _boolean, lambda value: "yes" if value else "no")
ON_OFF = Type("bool", _boolean, lambda value: "on" if value else "off")
PRESENT = Presence("bool", _boolean, lambda value: "")
CPUSET = Type("str", units.cpuset, parse=units.cpuset)
HEX = Type("str", lambda text: int(text, 0), hex, units.number, hex)
PORT = Type("int", _number, parse=_port)
MODE = Type("raw", lambda text: f"{int(text, 8) & 0o7777:04o}", parse=mode)
USB_ID = Type("raw", str, parse=lambda value: f"0x{units.digits(value, 4, '8087'):04X}")
USB_CLASS = Type("raw", str, parse=lambda value: f"0x{units.digits(value, 2, '08'):02X}")
HEX4 = Type("raw", str, parse=lambda value: f"0x{units.digits(value, 4, '8087'):04x}")
PCI = PciAddress("str", str, parse=units.pci)
PLAIN_PCI = PlainPciAddress("str", str, parse=units.pci)
MAC = Type("str", units.mac, parse=units.mac)
UUID = Type("str", units.uuid, parse=units.uuid)
KIB = Size("KiB")
SOME_KIB = Size("KiB", least=1024)
MIB = Size("MiB")
SOME_MIB = Size("MiB", least=1)
KIB_ALONE = Size("KiB", "")
VIDEO_KIB = PowerSize("KiB", "")
BYTES_ALONE = Size("bytes", "")
BYTES = Size("bytes")
