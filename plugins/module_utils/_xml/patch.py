# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits by XPath (``xml_patch``): at most one node per path, set or deleted; what a plain path lacks is made."""

from __future__ import annotations

import re
import typing as t

from .._plan import KvmError
from . import document

if t.TYPE_CHECKING:
    from .rows import Element, Values

# devices/disk[2]/driver/@cache has a position: not plain. Names, prefixes, tests and an attribute at the end are.
_PLAIN = re.compile(r"^(?:[\w:.-]+(?:\[@[\w:.-]+='[^']*'\])*/)*(?:@[\w:.-]+|[\w:.-]+(?:\[@[\w:.-]+='[^']*'\])*)$")
_STEP = re.compile(r"([\w:.-]+)((?:\[@[\w:.-]+='[^']*'\])*)")
_TEST = re.compile(r"\[@([\w:.-]+)='([^']*)'\]")


class Patched:
    """One edit that changed the document: its path, the value before (None: none) and after (None: deleted)."""

    __slots__ = ("after", "before", "path")

    def __init__(self, path: str, before: t.Optional[str], after: t.Optional[str]) -> None:
        self.path = path
        self.before = before
        self.after = after


def apply(root: Element, patches: t.Sequence[Values]) -> list[Patched]:
    """Make the edits in order; returns those that changed something."""
    done = []
    for index, patch in enumerate(patches):
        option = f"xml_patch[{index}]"
        path, wanted = _read(patch, option)
        node = _select(root, patch, option)
        before = None if node is None else value_of(node)
        if wanted is None:
            if node is not None:
                _delete(node)
                done.append(Patched(path, before, None))
        elif before != wanted:
            _set(root, node, patch, wanted, option)
            done.append(Patched(path, before, wanted))
    return done


def rewritten(root: Element, patches: t.Sequence[Values]) -> list[str]:
    """The sentences for values that libvirt's rendering ``root`` shows in another way than they were set."""
    found = []
    for index, patch in enumerate(patches):
        path, wanted = _read(patch, f"xml_patch[{index}]")
        node = _select(root, patch, f"xml_patch[{index}]")
        shown = None if node is None else value_of(node)
        if shown != wanted:
            became = "dropped it" if shown is None else f"shows '{shown}'"
            asked = "deleted" if wanted is None else f"set to '{wanted}'"
            found.append(f"xml_patch: {path} was {asked}; libvirt {became if wanted is not None else 'put it back'}")
    return found


def _read(patch: Values, option: str) -> tuple[str, t.Optional[str]]:
    path, wanted, delete = patch["path"], patch.get("set"), patch.get("delete")
    if (wanted is None) == (not delete):
        raise KvmError(
            f"{option}: '{path}' needs either a value in `set` or `delete: true`", "Give one of the two.", option=option
        )
    return path, wanted


def _select(root: Element, patch: Values, option: str) -> t.Any:
    found = document.xpath(root, patch["path"], patch.get("namespaces"), f"{option}.path")
    if len(found) > 1:
        raise KvmError(
            f"{option}.path: '{patch['path']}' selects {len(found)} nodes; an edit is made at one",
            "Say which, for example by devices/disk[target/@dev='vda'].",
            option=f"{option}.path",
        )
    return found[0] if found else None


def value_of(node: t.Any) -> str:
    """The text of what an XPath selected: an attribute, a text, or an element (with what is in it, if there is)."""
    if not hasattr(node, "tag"):
        return str(node)
    if len(node):
        return document.canonical(node)
    return (node.text or "").strip()


def _delete(node: t.Any) -> None:
    if hasattr(node, "tag"):
        document.remove(node)
    elif node.is_attribute:
        del node.getparent().attrib[node.attrname]
    else:
        node.getparent().text = None


def _set(root: Element, node: t.Any, patch: Values, value: str, option: str) -> None:
    if node is None:
        _make(root, patch, value, option)
    elif hasattr(node, "tag"):
        for below in list(node):
            document.remove(below)
        node.text = value
    elif node.is_attribute:
        node.getparent().set(node.attrname, value)
    else:
        node.getparent().text = value


def _make(root: Element, patch: Values, value: str, option: str) -> None:
    path, namespaces = patch["path"], {**document.NAMESPACES, **(patch.get("namespaces") or {})}
    if not _PLAIN.match(path):
        raise KvmError(
            f"{option}.path: '{path}' selects nothing, and what is missing can't be made from it",
            "Only plain paths are made, like devices/watchdog/@action or cpu/feature[@name='vmx']/@policy.",
            option=f"{option}.path",
        )
    node = root
    above, _slash, last = path.rpartition("/")
    steps, attribute = (above, last[1:]) if last.startswith("@") else (path, "")
    for tag, tests in _STEP.findall(steps):
        wanted = dict(_TEST.findall(tests))
        name = _qualified(tag, namespaces, option)
        below = next((e for e in node.iterchildren(name) if all(e.get(k) == v for k, v in wanted.items())), None)
        node = document.subelement(node, name, namespaces, wanted) if below is None else below
    if attribute:
        node.set(_qualified(attribute, namespaces, option), value)
    else:
        node.text = value


def _qualified(tag: str, namespaces: dict[str, str], option: str) -> str:
    prefix, colon, name = tag.partition(":")
    if colon and prefix not in namespaces:
        raise KvmError(
            f"{option}.namespaces: the prefix '{prefix}' is not known",
            "Name its URI there.",
            option=f"{option}.namespaces",
        )
    return f"{{{namespaces[prefix]}}}{name}" if colon else tag
