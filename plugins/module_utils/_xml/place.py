# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an option lives in a document: ``features/ioapic@driver``, ``clock/timer[@name='kvmclock']@present``."""

from __future__ import annotations

import functools
import re
import typing as t

from . import document

_PLACE = re.compile(r"^((?:[^@\[]|\[[^\]]*\])*)(?:@([\w:.-]+))?$")
_STEP = re.compile(r"([\w:.-]+)((?:\[@[\w.-]+='[^']*'\])*)")
_TEST = re.compile(r"\[@([\w.-]+)='([^']*)'\]")

Steps = tuple[tuple[str, dict[str, str]], ...]


@functools.cache
def place(path: str) -> tuple[Steps, str]:
    """The steps of ``path`` (tag, attributes it must have) and the attribute at its end, ``""`` for the text."""
    if "[" not in path and ":" not in path:  # most are plain
        above, dummy, attribute = path.partition("@")
        return tuple((tag, {}) for tag in above.split("/") if tag), attribute
    match = _PLACE.match(path)
    if match is None:
        raise ValueError(f"'{path}' is not a place in a document")
    steps = tuple(
        (document.qualified(tag), dict(_TEST.findall(tests))) for tag, tests in _STEP.findall(match.group(1) or "")
    )
    return steps, match.group(2) or ""


def find(parent: document.Element, steps: Steps) -> t.Optional[document.Element]:
    """The first element that ``steps`` lead to from ``parent``, or None."""
    node = parent
    for tag, tests in steps:
        for below in node.iterchildren(tag):
            if not tests or all(below.get(name) == value for name, value in tests.items()):
                node = below
                break
        else:
            return None
    return node


def find_all(parent: document.Element, steps: Steps) -> list[document.Element]:
    """All elements that the last of ``steps`` names, in document order."""
    above = find(parent, steps[:-1])
    if above is None:
        return []
    tag, tests = steps[-1]
    return [e for e in above.iterchildren(tag) if all(e.get(name) == value for name, value in tests.items())]


def ensure(parent: document.Element, steps: Steps) -> document.Element:
    """The element that ``steps`` lead to, made with what is missing on the way."""
    node = parent
    for step in steps:
        below = find(node, (step,))
        if below is None:
            tag, tests = step
            below = document.child(node, _prefixed(tag), **tests)
        node = below
    return node


def value(parent: document.Element, path: str) -> t.Optional[str]:
    """The attribute or text that ``path`` leads to, None where there is none."""
    steps, attribute = place(path)
    node = find(parent, steps)
    if node is None:
        return None
    return t.cast("t.Optional[str]", node.get(attribute) if attribute else node.text)


def put(parent: document.Element, path: str, text: str) -> None:
    """Write the attribute or text that ``path`` leads to."""
    steps, attribute = place(path)
    node = ensure(parent, steps)
    if attribute:
        node.set(attribute, text)
    else:
        node.text = text


def bare(node: document.Element, steps: Steps) -> bool:
    """Whether the element that ``steps`` led to says nothing beyond how it's found."""
    return not (len(node) or (node.text or "").strip() or set(node.attrib) - set(steps[-1][1]))


def drop(parent: document.Element, node: document.Element, steps: Steps = ()) -> None:
    """Take ``node`` out, and those above it (below ``parent``) that say nothing then beyond how ``steps`` find them."""
    tests = [set(tests) for dummy, tests in steps[:-1]]
    while node is not parent:
        above = node.getparent()
        document.remove(node)
        if len(above) or set(above.attrib) - (tests.pop() if tests else set()) or (above.text or "").strip():
            return
        node = above


def _prefixed(tag: str) -> str:
    if not tag.startswith("{"):
        return tag
    uri, name = tag[1:].split("}")
    return next(prefix for prefix, known in document.NAMESPACES.items() if known == uri) + ":" + name
