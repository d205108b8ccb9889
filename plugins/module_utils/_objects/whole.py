# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole document instead of options (``xml``): checked, completed with the identity of what is there, and judged in
libvirt's own rendering."""

from __future__ import annotations

import os
import re
import tempfile
import typing as t

from .. import _libvirt
from .._plan import KvmError
from .._xml import document, lost, place, rows, units

if t.TYPE_CHECKING:
    from .._xml.rows import Element, Values
    from .noun import Noun

METADATA = "metadata/metal:kvm"
# libvirt's schema of a document, by its root element
SCHEMAS = {
    "device": "nodedev",
    "domain": "domain",
    "filter": "nwfilter",
    "network": "network",
    "pool": "storagepool",
    "secret": "secret",
}


def definition(text: str, tag: str, name: str, naming: str = "name") -> Element:
    """The document of an object called ``name``; its root must be ``tag``, its name that one, or left out.

    ``naming`` is the name's place, ``""`` where it has none of its own.
    """
    root = document.tidied(document.parse(text), kept=("metadata", "description"))
    if root.tag != tag:
        raise KvmError(
            f"xml: this is a <{root.tag}>, not a <{tag}>", f"Write the whole <{tag}> document.", option="xml"
        )
    if naming == "name" and root.find("name") is None:
        root.insert(0, document.child(root, "name"))
    if not naming:
        return root
    said = (place.value(root, naming) or "").strip() or name
    place.put(root, naming, said)
    if said != name:
        raise KvmError(
            f"xml: the document is called '{said}', the task's name is '{name}'",
            "Make them the same; a rename is not done this way.",
            option="xml",
        )
    return root


def refuse_beside(table: t.Iterable[t.Any], params: Values, allowed: t.Container[str] = ("labels",)) -> None:
    """``xml`` says all that rows say: an option of the table beside it is an error."""
    for option in [*rows.specs(table), "unset", "xml_patch"]:
        if params.get(option) is not None and option not in allowed:
            raise KvmError(
                f"{option}: can't be given beside xml, which is the whole definition",
                "Write it into the document, or use options only.",
                option=option,
            )


def warnings(given: Element, taken: t.Callable[[], Element]) -> list[str]:
    """A sentence if libvirt drops parts of the document that its own schema for such documents doesn't know.

    ``taken()`` is what libvirt makes of it. A host without libvirt's schemas answers nothing.
    """
    try:
        fits = document.schema(f"/usr/share/libvirt/schemas/{SCHEMAS[given.tag]}.rng")
    except OSError:
        return []
    if fits(given):
        return []
    given = document.clone(given)
    for tag in ("genid", "uuid", "name"):  # libxml2 finds fault with an ID whose name and UUID don't begin the document
        for node in given.findall(tag):
            given.insert(0, node)
    paths = lost.unknown(given, taken(), fits)
    if not paths:
        return []
    return [
        f"xml: libvirt ignores {', '.join(paths)}: its schema has no such element, attribute or value there."
        " Check the spelling and the parent element."
    ]


def carry(root: Element, before: Element, places: t.Iterable[str]) -> None:
    """Put into ``root`` what it leaves out of the identity in ``before``: at ``places``, and our own metadata."""
    for path in places:
        value, given = place.value(before, path), place.value(root, path) or ""
        if value and (not given.strip() or units.numbered(given, value)):
            place.put(root, path, value)
    kept = place.find(before, place.place(METADATA)[0])
    if kept is not None and place.find(root, place.place(METADATA)[0]) is None:
        place.ensure(root, place.place("metadata")[0]).append(document.clone(kept))


class Normal:
    """libvirt's own rendering of a document, from the test driver inside this process: nothing on the host is touched.
    What libvirt leaves as it was written is written in one way (``noun.spell``).

    Where the driver refuses a document, it stands for itself: what the real driver thinks of it is seen when it is defined.
    """

    def __init__(self, noun: Noun) -> None:
        self.noun = noun

    def __call__(self, root: Element) -> Element:
        identified = root.find("uuid") is not None  # else the driver makes one up, and the real one another
        rendered = _libvirt.found_or_none(lambda: _by_test_driver(self.noun, root), *_REFUSED, *_BEYOND)
        root = document.clone(root) if rendered is None else _with_extensions(rendered, root)
        for tag in self.noun.measured + (() if identified else ("uuid",)):
            for node in root.findall(tag):
                document.remove(node)
        self.noun.spell(root)
        return root


def judge(noun: Noun, root: Element) -> None:
    """Raise what libvirt would say to the document, as far as the test driver knows: it reads it like the real one."""
    try:
        _by_test_driver(noun, root)
    except Exception as error:
        if not _libvirt.code_is(error, *_REFUSED):
            if _libvirt.code_is(error, *_BEYOND):
                return
            raise
        raise _libvirt.refusal(error) from error


def _by_test_driver(noun: Noun, root: Element) -> str:
    """``noun.define_call``, the connection's method that takes the document, and what it made of it."""
    handle, path = tempfile.mkstemp(suffix=".xml")
    try:
        os.write(handle, b"<node/>")
        os.close(handle)
        connection = _libvirt.World(f"test://{path}").connection
        text = str(getattr(connection, noun.define_call)(document.text_of(root)).XMLDesc(0))
        _refuse_unreadable(root, text)
        return text
    finally:
        os.unlink(path)


def _refuse_unreadable(root: Element, text: str) -> None:
    """Refuse values that libvirt writes into its definitions as they stand, so that neither it nor we can read those again."""
    try:
        document.document(text)
    except SyntaxError as error:
        values = [value for node in root.iter("{*}*") for value in (*node.attrib.values(), node.text or "")]
        special = ", ".join(value for value in values if re.search("[<>&'\"]", value))
        raise KvmError(
            f"libvirt can't store {special}: it would write a definition that is not XML",
            "Leave out the characters < > & ' and \".",
        ) from error


def _with_extensions(rendered: str, root: Element) -> Element:
    """The rendering, with the elements of other namespaces that only the real driver knows (dnsmasq, mount options)."""
    normal = document.document(rendered)
    for node in root.iterchildren("{*}*"):
        if node.tag.startswith("{") and len(node) and normal.find(node.tag) is None:
            document.graft(normal, node)
    return normal


_REFUSED = ("VIR_ERR_XML_ERROR", "VIR_ERR_XML_DETAIL", "VIR_ERR_CONFIG_UNSUPPORTED", "VIR_ERR_INVALID_ARG")
_BEYOND = ("VIR_ERR_INTERNAL_ERROR", "VIR_ERR_NO_SUPPORT", "VIR_ERR_OPERATION_INVALID")  # the test driver's own limits


def differs(normal: t.Callable[[Element], Element], before: Element, after: Element) -> bool:
    """Whether the documents are different definitions: as they stand, else in libvirt's rendering of both."""
    if document.canonical(before) == document.canonical(after):
        return False
    return document.canonical(normal(before)) != document.canonical(normal(after))
