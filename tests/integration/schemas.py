# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random documents from libvirt's own schemas (RELAX NG). Most of them libvirt refuses; what it accepts is what nobody
thought of."""

from __future__ import annotations

import pathlib
import random
import re._constants as codes
import re._parser as expressions
import typing as t

from lxml import etree

DIRECTORY = pathlib.Path("/usr/share/libvirt/schemas")
RNG = "{http://relaxng.org/ns/structure/1.0}"
DEPTH = 30

# What the expressions of the schemas leave open: these make documents that fit together more often. %d counts subnets.
FITTING = {
    "ipv4Addr": ["192.168.{subnet}.{host}"],
    "ipv6Addr": ["fd00:91:{subnet}::{hex}", "FD00:91:{subnet}:0::{hex}"],
    "ipv4Prefix": ["24"],
    "ipv6Prefix": ["64"],
    "deviceName": ["eth0", "mktbr{subnet}", "br-mkt"],
    "absFilePath": ["{place}/a b", "{place}/c"],
    "absDirPath": ["{place}/a b", "{place}//d/"],
    "dnsName": ["a.example", "b", "c-d.example"],
    "filePath": ["pxelinux.0", "boot/x"],
    "anyURI": ["urn:a"],
}
VALUES = {
    "service": ["ldap", "sip"], "protocol": ["tcp", "udp"], "average": ["100", "1000"], "peak": ["2000"], "burst": ["512"],
    "connections": ["2"], "ver": ["3", "4.1"], "netmask": ["255.255.255.0", "255.255.255.128"],
}  # fmt: skip
# Libvirt needs them although its schema lets them be left out; and those that it takes elsewhere only.
ALWAYS = {("ip", "address"), ("route", "address"), ("route", "gateway"), ("forwarder", "addr"), ("inbound", "average"),
          ("outbound", "average"), ("virtualport", "type"), ("nat", "address"), ("srv", "service"), ("srv", "protocol"),
          ("srv", "target"), ("srv", "domain")}  # fmt: skip
NEVER = {"classID", "floor", "cow"}


class Schema:
    """The patterns of a schema, and documents made from them by a seed."""

    fitting, values, always, never = FITTING, VALUES, ALWAYS, NEVER

    def __init__(self, name: str, place: pathlib.Path) -> None:
        self.place = place
        self.defines: dict[str, list[t.Any]] = {}
        self.start: t.Any = None
        self._read(name)
        self.random = random.Random(0)
        self.subnet = 0

    def _read(self, name: str) -> None:
        root = etree.parse(str(DIRECTORY / name)).getroot()
        for node in root.iter(f"{RNG}include"):
            self._read(node.get("href"))
        for node in root.iter(f"{RNG}define"):
            self.defines[node.get("name")] = children(node)
        for node in root.iter(f"{RNG}start"):
            self.start = children(node)

    def document(self, seed: int, name: str) -> str:
        """One document, whose name is that name."""
        self.random.seed(seed)
        self.subnet = 0
        holder = etree.Element("holder")
        self._all(holder, self.start, 0)
        root = holder[0]
        for node in root.findall("name"):
            node.text = name
        alone(root)
        return str(etree.tostring(root, encoding="unicode"))

    def _all(self, parent: t.Any, patterns: list[t.Any], depth: int) -> None:
        for pattern in patterns:
            kind = pattern.tag[len(RNG) :]
            getattr(self, f"_{kind}", self._nothing)(parent, pattern, depth + 1)

    def _nothing(self, parent: t.Any, pattern: t.Any, depth: int) -> None:
        """``empty``, ``notAllowed``, names."""

    def _inner(self, parent: t.Any, pattern: t.Any, depth: int) -> None:
        self._all(parent, children(pattern), depth)

    _group = _mixed = _grammar = _inner

    def _interleave(self, parent: t.Any, pattern: t.Any, depth: int) -> None:
        below = children(pattern)
        self.random.shuffle(below)
        self._all(parent, below, depth)

    def _optional(self, parent: t.Any, pattern: t.Any, depth: int) -> None:
        names = {(parent.tag, node.get("name")) for node in pattern.iter(f"{RNG}attribute")}
        if names & self.always or (depth < DEPTH and self.random.random() < 0.3):
            self._inner(parent, pattern, depth)

    def _zeroOrMore(self, parent: t.Any, pattern: t.Any, depth: int) -> None:  # noqa: N802
        for _number in range(self.random.choice((0, 0, 1, 2)) if depth < DEPTH else 0):
            self._inner(parent, pattern, depth)

    def _oneOrMore(self, parent: t.Any, pattern: t.Any, depth: int) -> None:  # noqa: N802
        for _number in range(self.random.choice((1, 1, 2))):
            self._inner(parent, pattern, depth)

    def _choice(self, parent: t.Any, pattern: t.Any, depth: int) -> None:
        self._all(parent, [self.random.choice(children(pattern))], depth)

    def _ref(self, parent: t.Any, pattern: t.Any, depth: int) -> None:
        name = pattern.get("name")
        if name in self.fitting:
            self._write(parent, self.random.choice(self.fitting[name]))
        else:
            self._all(parent, self.defines[name], depth)

    def _element(self, parent: t.Any, pattern: t.Any, depth: int) -> None:
        name = pattern.get("name")
        if name in self.never:
            return
        if name is None:  # anybody's own
            etree.SubElement(parent, "{urn:mkt}any").text = "x"
            return
        space = next((node.get("ns") for node in [pattern, *pattern.iterancestors()] if node.get("ns")), "")
        self.subnet += name == "ip"
        node = etree.SubElement(parent, f"{{{space}}}{name}" if space else name)
        self._inner(node, pattern, depth)

    def _attribute(self, parent: t.Any, pattern: t.Any, depth: int) -> None:
        name, value = pattern.get("name"), etree.Element("value")
        if name in self.never:
            return
        if self.values.get(name) and "." not in parent.tag:
            parent.set(name, self.random.choice(self.values[name]))
        elif name is not None:
            self._all(value, children(pattern) or [etree.Element(f"{RNG}text")], depth)
            parent.set(name, value.text or "")

    def _value(self, parent: t.Any, pattern: t.Any, depth: int) -> None:
        del depth
        self._write(parent, pattern.text)

    def _text(self, parent: t.Any, pattern: t.Any, depth: int) -> None:
        del pattern, depth
        self._write(parent, self.random.choice(("some text", "x")))

    def _data(self, parent: t.Any, pattern: t.Any, depth: int) -> None:
        del depth
        expression = next((node.text for node in pattern if node.get("name") == "pattern"), None)
        number = str(self.random.choice((1, 2, 10, 500)))
        self._write(parent, self._like(expression) if expression else number)

    def _write(self, node: t.Any, text: str) -> None:
        host = self.random.randrange(2, 250)
        for name, value in (("place", self.place), ("subnet", self.subnet), ("host", host), ("hex", f"{host:x}")):
            text = text.replace("{%s}" % name, str(value))
        node.text = (node.text or "") + text

    def _like(self, expression: str) -> str:
        return "".join(self._piece(*one) for one in expressions.parse(expression))

    def _piece(self, code: t.Any, value: t.Any) -> str:
        if code is codes.LITERAL:
            return chr(value)
        if code is codes.IN:
            return self._letter(value)
        if code is codes.BRANCH:
            return "".join(self._piece(*one) for one in self.random.choice(value[1]))
        if code is codes.SUBPATTERN:
            return "".join(self._piece(*one) for one in value[-1])
        if code is codes.MAX_REPEAT:
            least, most, inner = value
            times = self.random.randint(least, min(int(most), least + 3))
            return "".join(self._piece(*one) for _time in range(times) for one in inner)
        return "" if code is codes.AT else "x"

    def _letter(self, ranges: list[t.Any]) -> str:
        if ranges[0][0] is codes.NEGATE:
            return "n"
        code, value = self.random.choice(ranges)
        if code is codes.RANGE:
            return chr(self.random.randint(*value))
        return chr(value) if code is codes.LITERAL else "7"


def alone(root: t.Any) -> None:
    """Take out what is there twice: no list of options can say it."""
    for parent in list(root.iter()):
        seen = set()
        for node in list(parent):
            named = node.get("name") if node.tag.endswith("option") or parent.tag == "source" else None
            mark = (node.tag, named or etree.tostring(node, method="c14n"))
            if mark in seen:
                parent.remove(node)
            seen.add(mark)


def children(node: t.Any) -> list[t.Any]:
    """The patterns below a pattern."""
    return [below for below in node if isinstance(below.tag, str)]
