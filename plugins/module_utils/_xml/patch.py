# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits by XPath (``xml_patch``): at most one node per path, set or deleted; what a path lacks at its end is made, if that is
plain."""

from __future__ import annotations

import re
import typing as t

from .._plan import KvmError, refuse
from . import document

if t.TYPE_CHECKING:
    from .rows import Element, Values

# The steps of a path, and what of them can be made: a name with tests of attributes. An element of another namespace may
# have its place among others of its name, as the next one.
_STEPS = re.compile(r"(?:[^/\['\"]|\[(?:[^\]'\"]|'[^']*'|\"[^\"]*\")*\])+")
_PLAIN = re.compile(r"^([\w.-]+|[\w.-]+:[\w.-]+(?=\[|$))((?:\[@[\w:.-]+='[^']*'\])*)(?:\[(\d+)\])?$")
_TEST = re.compile(r"\[@([\w:.-]+)='([^']*)'\]")


class Patched:
    """One edit that changed the document: its path, the value before (None: none) and after (None: deleted)."""

    __slots__ = ("after", "before", "path")

    def __init__(self, path: str, before: t.Optional[str], after: t.Optional[str]) -> None:
        self.path = path
        self.before = before
        self.after = after


def apply(root: Element, patches: t.Sequence[Values]) -> list[Patched]:
    """Make the edits in order; returns those that changed something. They leave the object's name and UUID alone."""
    identity = {tag: root.findtext(tag) for tag in ("name", "uuid")}
    done = []
    for index, patch in enumerate(patches):
        option = f"xml_patch[{index}]"
        path, wanted = _read(patch, option)
        node = _select(root, patch, option)
        before = None if node is None else value_of(node, wanted)
        if wanted is None:
            if node is not None:
                _delete(node)
                done.append(Patched(path, before, None))
        elif before != wanted:
            _put(root, node, patch, wanted, option)
            done.append(Patched(path, before, wanted))
        _refuse_another(root, identity, f"{option}.path", path)
    return done


def _put(root: Element, node: t.Any, patch: Values, wanted: str, option: str) -> None:
    """Set the value, where a document can have it."""
    try:
        _set(root, node, patch, wanted, option)
    except ValueError as error:
        why = f"{option}: '{patch['path']}' can't be set to {wanted!r}: {error}"
        raise KvmError(why, "Correct the path or the value.", option=option) from error


def _refuse_another(root: Element, identity: dict[str, t.Optional[str]], option: str, path: str) -> None:
    """Refuse an edit that makes another object of it."""
    for tag, was in identity.items():
        if was is not None and root.findtext(tag) != was:
            refuse(option, f"'{path}' is what the object is known by", f"Use the option {tag}, or leave it as it is.")


def rewritten(root: Element, patches: t.Sequence[Values]) -> list[str]:
    """The sentences for values that libvirt's rendering ``root`` shows in another way than they were set."""
    found = []
    for index, patch in enumerate(patches):
        path, wanted = _read(patch, f"xml_patch[{index}]")
        node = _select(root, patch, f"xml_patch[{index}]")
        shown = None if node is None else value_of(node, wanted)
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
    if wanted is not None and _is_element(path, wanted):
        wanted = document.canonical(document.parse(wanted, f"{option}.set"), alone=True)
    return path, wanted


def _is_element(path: str, value: t.Optional[str]) -> bool:
    """Whether the value is the whole element that ``path`` names, as XML."""
    tag = re.match(r"\s*<(?:[\w.-]+:)?([\w.-]+)[\s/>]", value or "")
    return bool(tag and re.search(rf"(?:^|[/:]){re.escape(tag[1])}(?:\[[^/]*\])*$", path))


def _select(root: Element, patch: Values, option: str) -> t.Any:
    found = document.xpath(root, patch["path"], patch.get("namespaces"), f"{option}.path")
    if len(found) > 1:
        raise KvmError(
            f"{option}.path: '{patch['path']}' selects {len(found)} nodes; an edit is made at one",
            "Say which, for example by devices/disk[target/@dev='vda'].",
            option=f"{option}.path",
        )
    if found:
        _refuse_uneditable(root, found[0], patch["path"], option)
    return found[0] if found else None


def _refuse_uneditable(root: Element, node: t.Any, path: str, option: str) -> None:
    """An edit is made at an element below the root, at an attribute, or at the text within an element."""
    if hasattr(node, "tag"):
        if node is not root.getroottree().getroot() and isinstance(node.tag, str):
            return
        what = "a comment" if node.getparent() is not None else "the whole document"
    elif getattr(node, "is_attribute", False) or getattr(node, "is_text", False):
        return
    else:
        what = "neither an element nor an attribute"
    raise KvmError(
        f"{option}.path: '{path}' selects {what}, which can't be edited",
        "Name an element below the root or an attribute, like devices/watchdog/@action. The whole document goes into xml.",
        option=f"{option}.path",
    )


def value_of(node: t.Any, like: t.Optional[str] = None) -> str:
    """The text of what an XPath selected: an attribute, a text, or an element (whole, if something is in it, or if it's
    to be ``like`` one)."""
    if not hasattr(node, "tag"):
        return str(node)
    if len(node) or _is_element(document.bare_tag(node), like):
        return document.canonical(node, alone=True)
    return str(node.text or "") if like and like != like.strip() else (node.text or "").strip()


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
        _fill(node, value)
    elif node.is_attribute:
        node.getparent().set(node.attrname, value)
    else:
        node.getparent().text = value


def _make(root: Element, patch: Values, value: str, option: str) -> None:
    namespaces = {**document.NAMESPACES, **(patch.get("namespaces") or {})}
    path = patch["path"].removeprefix(f"/{root.tag}/")
    above, _slash, last = path.rpartition("/")
    steps, attribute = (above, last[1:]) if last.startswith("@") else (path, "")
    node = root
    for step in [""] if path.startswith("/") or "//" in path else _STEPS.findall(steps):
        found = _select(node, {**patch, "path": step}, option) if step and hasattr(node, "tag") else None
        node = _made(node, step, namespaces, option, patch["path"]) if found is None else found
    if attribute:
        node.set(_qualified(attribute, namespaces, option), value)
    else:
        _fill(node, value)


def _fill(node: Element, value: str) -> None:
    """Make the element the one that ``value`` is, or give it this text alone."""
    if _is_element(document.bare_tag(node), value):
        node.getparent().replace(node, document.parse(value))
        return
    for below in list(node):
        document.remove(below)
    node.text = value


def _made(parent: t.Any, step: str, namespaces: dict[str, str], option: str, path: str) -> Element:
    """The element that ``step`` names, new below ``parent``."""
    plain = _PLAIN.match(step)
    if plain:
        tag, tests, place = plain.groups()
        name, wanted = _qualified(tag, namespaces, option), dict(_TEST.findall(tests))
        if hasattr(parent, "tag") and (not place or (":" in tag and int(place) == _next_place(parent, name, wanted))):
            return document.subelement(parent, name, namespaces, wanted)
    raise KvmError(
        f"{option}.path: '{path}' selects nothing, and what is missing can't be made from it",
        "Only plain paths are made, like devices/watchdog/@action or cpu/feature[@name='vmx']/@policy.",
        option=f"{option}.path",
    )


def _next_place(parent: Element, name: str, wanted: dict[str, str]) -> int:
    """The position that one more child of this name with these attributes would have."""
    there = parent.iterchildren(name)
    return 1 + sum(all(one.get(key) == value for key, value in wanted.items()) for one in there)


def _qualified(tag: str, namespaces: dict[str, str], option: str) -> str:
    prefix, colon, name = tag.partition(":")
    if colon and prefix not in namespaces:
        raise KvmError(
            f"{option}.namespaces: the prefix '{prefix}' is not known",
            "Name its URI there.",
            option=f"{option}.namespaces",
        )
    return f"{{{namespaces[prefix]}}}{name}" if colon else tag
