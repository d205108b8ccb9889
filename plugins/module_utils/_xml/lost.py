# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one document has and another, made from it, lacks; and what of that no schema knows."""

from __future__ import annotations

import typing as t

from . import document

if t.TYPE_CHECKING:
    from .rows import Element


class Lost:
    """An element, or with ``attribute`` one of its attributes, that the other document lacks; its path."""

    __slots__ = ("attribute", "node", "path")

    def __init__(self, path: str, node: Element, attribute: str = "") -> None:
        self.path = path
        self.node = node
        self.attribute = attribute

    def remove(self) -> None:
        """Take it out of its document."""
        if self.attribute:
            self.node.attrib.pop(self.attribute, None)
        elif self.node.getparent() is not None:
            document.remove(self.node)


def lost(before: Element, after: Element, above: str = "") -> t.Iterator[Lost]:
    """The elements and attributes that are in ``before`` and not in ``after``; of an element that is lost, only itself."""
    return (one for one in _lost(before, after, above) if one.attribute or _says_something(one.node))


def _lost(before: Element, after: Element, above: str) -> t.Iterator[Lost]:
    for name in before.attrib:
        if name not in after.attrib:
            yield Lost(f"{above}@{name}", before, name)
    others = _Others(after)
    for node in before.iterchildren("{*}*"):
        other = others.take_likest(node)
        if other is not None:
            yield from _lost(node, other, f"{above}{node.tag}/")
        else:
            yield Lost(above + node.tag, node)


def _says_something(node: Element) -> bool:
    return bool(len(node) or node.attrib or node.text)


class _Others:
    """The children of an element to which no child of the other document was matched yet, by name."""

    def __init__(self, parent: Element) -> None:
        self._free: dict[str, list[Element]] = {}
        for node in parent.iterchildren("{*}*"):
            self._free.setdefault(node.tag, []).append(node)
        self._equal: dict[str, dict[str, list[Element]]] = {}  # by name, then by the whole text
        self._said: dict[Element, set[t.Any]] = {}

    def take_likest(self, node: Element) -> t.Optional[Element]:
        """The child of the same name that has most in common with ``node``, the first of several; None if none is left."""
        free = self._free.get(node.tag)
        if not free:
            return None
        found = free[0] if len(free) == 1 else self._equal_to(node, free)
        found = self._nearest(node, free) if found is None else found
        free.remove(found)
        return found

    def _equal_to(self, node: Element, free: list[Element]) -> t.Optional[Element]:
        if node.tag not in self._equal:
            texts = self._equal[node.tag] = {}
            for one in free:
                texts.setdefault(document.canonical(one), []).append(one)
        equal = self._equal[node.tag].get(document.canonical(node), [])
        while equal:
            one = equal.pop(0)
            if one in free:
                return one
        return None

    def _nearest(self, node: Element, free: list[Element]) -> Element:
        said = _said(node)
        for one in free:
            if one not in self._said:
                self._said[one] = _said(one)
        return max(free, key=lambda one: len(said & self._said[one]))


def _said(node: Element) -> set[t.Any]:
    """Every attribute and text within an element."""
    return {
        (one.tag, *pair) for one in node.iter("{*}*") for pair in [*one.attrib.items(), ("", (one.text or "").strip())]
    }


def unknown(given: Element, taken: Element, fits: t.Callable[[Element], bool]) -> list[str]:
    """The paths in ``given`` that ``taken``, what was made of it, lacks, and because of which it doesn't fit its schema.

    What is lost and fits is a default that is left out. Where something doesn't fit that isn't lost, nothing is said of the
    child of the root, or the device, that has it.
    """
    if fits(given):
        return []
    given = _judgeable(given, taken, fits)
    count = len(list(lost(given, taken)))
    return list(dict.fromkeys(path for number in range(count) for path in _unfit(given, taken, number, fits)))


def _bare(given: Element, taken: Element, kept: t.Optional[int] = None) -> tuple[Element, t.Optional[Lost]]:
    """``given`` without what ``taken`` lacks, but for the one of that number among ``lost``."""
    copy = document.clone(given)
    missing = list(_lost(copy, taken, ""))
    told = [one for one in missing if one.attribute or _says_something(one.node)]
    rest = None if kept is None else told[kept]
    for one in missing:
        if one is not rest:
            one.remove()
    return copy, rest


def _judgeable(given: Element, taken: Element, fits: t.Callable[[Element], bool]) -> Element:
    """``given`` without the parts that don't fit the schema even without what is lost of them."""
    if fits(_bare(given, taken)[0]):
        return given
    copy = document.clone(given)
    out: list[tuple[Element, Element, int]] = []
    for node in _parts(copy):
        out.append((node, node.getparent(), node.getparent().index(node)))
        node.getparent().remove(node)
        if fits(_bare(copy, taken)[0]):
            break
    for node, parent, place in reversed(out[:-1]):  # those that do fit
        parent.insert(place, node)
        if not fits(_bare(copy, taken)[0]):
            parent.remove(node)
    return copy


NEEDED = ("name", "os", "devices")  # without which no document of a domain fits


def _parts(root: Element) -> list[Element]:
    """What of a document can be left out by itself: devices, then the other children of the root."""
    devices = root.find("devices")
    nodes = [*(devices if devices is not None else ()), *root]
    return [node for node in nodes if isinstance(node.tag, str) and node.tag not in NEEDED]


def _unfit(given: Element, taken: Element, number: int, fits: t.Callable[[Element], bool]) -> list[str]:
    """The path of the lost part of that ``number`` if the document doesn't fit with this one and without the others."""
    copy, kept = _bare(given, taken, number)
    if kept is None or fits(copy):
        return []
    return [kept.path] if kept.attribute else [kept.path + _culprit(copy, kept.node, fits)]


def _culprit(root: Element, node: Element, fits: t.Callable[[Element], bool]) -> str:
    """The path, from ``node`` down, of the element without which ``root`` fits; ``""`` where that is ``node`` itself."""
    for below in list(node):
        if isinstance(below.tag, str):
            place = node.index(below)
            node.remove(below)
            alone = fits(root)
            node.insert(place, below)
            if alone:
                return f"/{below.tag}" + _culprit(root, below, fits)
    return ""
