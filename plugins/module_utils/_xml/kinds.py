# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of rarer kinds: maps by tag, all attributes of an element."""

from __future__ import annotations

import re
import typing as t

from . import document, place
from .rows import Change, Edit, Element, Map, Row, Values, bad_value

# What some switches are on with: the attribute that has it, its form, and an example.
_DETAIL: dict[str, tuple[str, str, t.Any]] = {
    "spinlocks": ("retries", r"\d+", 8191),
    "vendor_id": ("value", r"(?s:.+)", "KVM Hv"),
    "dirty-ring": ("size", r"\d+", 4096),
}


def _switch(value: t.Any) -> t.Any:
    text = str(value).strip()
    return {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}.get(text.lower(), text)


class Switches(Map):
    """The user's own keys, an element each by its tag: ``<relaxed state='on'/>``. Full when given.

    A value is true, false, or what is on beyond that: the attribute that says how much (``spinlocks: 8191``), or the
    switches within (``stimer: direct``).
    """

    __slots__ = ()

    def parse(self, given: Values, where: str) -> Values:
        values = given.get(self.name)
        if values is None:
            return {}
        given = {str(key): _switch(value) for key, value in values.items() if value is not None}
        for key, value in given.items():
            wrong = _wrong_switch(key, value)
            if wrong:
                raise bad_value(f"{where}{self.name}.{key}", values[key], wrong)
        return {self.name: given}

    def value(self, parent: Element) -> Values:
        above = place.find(parent, place.place(self.path)[0])
        own = () if above is None else (node for node in above.iterchildren("*") if "{" not in node.tag)
        return {node.tag: _read_switch(node) for node in own}

    def write(self, parent: Element, before: Values, after: Values) -> None:
        above = place.ensure(parent, place.place(self.path)[0])
        for key in {**before, **after}:
            if before.get(key) != after.get(key):
                for node in above.findall(key):
                    document.remove(node)
                if key in after:
                    _write_switch(document.child(above, key), after[key])
        if not (len(above) or above.attrib):
            place.drop(parent, above)


def _wrong_switch(key: str, value: t.Any) -> str:
    """What would be right, where a switch can't be this."""
    if not re.fullmatch(r"[A-Za-z_][\w.-]*", key):
        return "the name of a switch has letters, digits, dots, dashes and underscores"
    if key in _DETAIL:
        _attribute, form, example = _DETAIL[key]
        fits = value is False or (value is not True and re.fullmatch(form, value))
        return "" if fits else f"false, or what it is on with: {key}: {example}"
    fits = isinstance(value, bool) or (value != "none" and re.fullmatch(r"[a-z][\w-]*( *, *[a-z][\w-]*)*", value))
    return "" if fits else "true or false, or the names of switches within it: stimer: direct"


def _read_switch(node: Element) -> t.Any:
    if node.get("state") == "off":
        return False
    within = ",".join(below.tag for below in node.iterchildren("*") if below.get("state") == "on")
    return (node.tag in _DETAIL and node.get(_DETAIL[node.tag][0])) or within or True


def _write_switch(node: Element, value: t.Any) -> None:
    node.set("state", "on" if value else "off")
    if isinstance(value, str) and node.tag in _DETAIL:
        node.set(_DETAIL[node.tag][0], value)
    elif isinstance(value, str):
        for within in value.split(","):
            document.child(node, within.strip(), state="on")


class Attributes(Row):
    """All attributes of an element, in libvirt's own words: a device's address. Merged into what is there.

    Numbers are equal in any spelling. A running object has its own, so they're never compared with the definition's;
    and they're read only by who asks, with ``value``.
    """

    __slots__ = ()

    def spec(self) -> dict[str, Values]:
        return {self.name: {"type": "dict", "doc": self.doc, "quiet": True}}

    def parse(self, given: Values, where: str) -> Values:
        values = given.get(self.name)
        if values is None:
            return {}
        return {self.name: {str(key): str(value) for key, value in values.items() if value is not None}}

    def value(self, parent: Element) -> Values:
        """The attributes, in the document's spelling."""
        node = place.find(parent, place.place(self.path)[0])
        return {} if node is None else dict(node.attrib)

    def read(self, parent: Element) -> Values:
        return {}

    def edit(self, parent: Element, wanted: Values, path: str, edit: Edit) -> None:
        before, after = self.value(parent), wanted.get(self.name, {})
        differs = {
            key: value for key, value in after.items() if number_or_text(before.get(key)) != number_or_text(value)
        }
        if differs:
            node = place.ensure(parent, place.place(self.path)[0])
            if "type" in differs:
                node.attrib.clear()
                differs = after
            for key, value in differs.items():
                node.set(key, value)
            edit.changes.append(Change(path + self.name, before or None, dict(node.attrib), self))

    def compare(self, before: Element, after: Element, path: str, changes: list[Change]) -> None:
        return None

    def unset(self, parent: Element, keys: list[str], path: str, edit: Edit) -> bool:
        if keys != [self.name]:
            return False
        before = self.value(parent)
        if before:
            document.remove(place.find(parent, place.place(self.path)[0]))
            edit.changes.append(Change(path + self.name, before, None, self))
        return True


def number_or_text(text: t.Optional[str]) -> t.Any:
    """The number, in decimal or hexadecimal; any other text as it is."""
    try:
        return int(text or "", 0)
    except ValueError:
        return text
