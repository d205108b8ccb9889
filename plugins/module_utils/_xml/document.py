# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to XML: parse what anyone wrote without entities, DTDs or network; write it back; tell documents apart."""

from __future__ import annotations

import copy
import typing as t

from .._plan import KvmError

try:
    from lxml import etree

    MISSING = ""
except ImportError as error:
    etree = None
    MISSING = str(error)

Element = t.Any  # lxml's element class has no public name

NAMESPACES = {
    "qemu": "http://libvirt.org/schemas/domain/qemu/1.0",
    "dnsmasq": "http://libvirt.org/schemas/network/dnsmasq/1.0",
    "fs": "http://libvirt.org/schemas/storagepool/fs/1.0",
    "rbd": "http://libvirt.org/schemas/storagepool/rbd/1.0",
    "libosinfo": "http://libosinfo.org/xmlns/libvirt/domain/1.0",
    "metal": "https://metal.kvm/libvirt/1",
}


def parse(text: str, option: str = "xml") -> Element:
    """The root element of ``text``. Refuses a document type, and with it every entity and external reference."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(text.encode("utf-8"), parser)
    except etree.XMLSyntaxError as error:
        raise KvmError(
            f"{option}: this is not well-formed XML: {error.msg}",
            "Correct the document; `xmllint --noout` shows the place.",
            option=option,
        ) from error
    if root.getroottree().docinfo.doctype:
        raise KvmError(
            f"{option}: the document has a DOCTYPE; entities and external definitions are not read",
            "Remove the DOCTYPE and write what its entities stand for.",
            option=option,
        )
    return root


def document(text: str) -> Element:
    """The root element of a document that libvirt wrote."""
    return etree.fromstring(text)


def element(tag: str, **attributes: str) -> Element:
    """A new element; ``tag`` may carry one of the prefixes in ``NAMESPACES``."""
    return etree.Element(qualified(tag), attributes, nsmap=_prefix(tag))


def child(parent: Element, tag: str, **attributes: str) -> Element:
    """A new last child of ``parent``, placed after its siblings of the same tag if there are any."""
    name = qualified(tag)
    new = etree.Element(name, attributes, nsmap=_prefix(tag))
    siblings = parent.findall(name)
    if siblings:
        siblings[-1].addnext(new)
    else:
        parent.append(new)
    return new


def subelement(parent: Element, name: str, namespaces: dict[str, str], attributes: dict[str, str]) -> Element:
    """A new last child with a name as lxml writes it; of ``namespaces`` it declares the one that it is in."""
    prefixes = {prefix: uri for prefix, uri in namespaces.items() if name.startswith("{%s}" % uri)}
    return etree.SubElement(parent, name, attributes, nsmap=prefixes or None)


def graft(parent: Element, node: Element) -> None:
    """A copy of ``node`` as the last child of ``parent``, its names under our own prefixes whatever theirs are."""
    new = etree.SubElement(parent, node.tag, dict(node.attrib), nsmap=_prefix(node.tag))
    new.text = node.text
    for below in node.iterchildren(etree.Element):
        graft(new, below)


def tidied(root: Element, kept: t.Container[str] = ()) -> Element:
    """The document without comments, and its texts without white space around them; below ``kept`` all stays."""
    for node in list(root):
        if node.tag is etree.Comment:
            _take_out(node)
        elif node.tag not in kept:
            tidied(node, kept)
    if not len(root) and root.text:
        root.text = root.text.strip()
    return root


def _take_out(node: Element) -> None:
    """Remove ``node`` and leave the text behind it where it is."""
    before, parent = node.getprevious(), node.getparent()
    if before is None:
        parent.text = (parent.text or "") + (node.tail or "")
    else:
        before.tail = (before.tail or "") + (node.tail or "")
    parent.remove(node)


def remove(node: Element) -> None:
    """Take ``node`` out of its parent, with the white space behind it."""
    node.getparent().remove(node)


def qualified(tag: str) -> str:
    """``qemu:arg`` as lxml names it, ``{http://…}arg``; a tag without a prefix, or so named already, as it is."""
    if tag.startswith("{"):
        return tag
    prefix, colon, name = tag.partition(":")
    return "{%s}%s" % (NAMESPACES[prefix], name) if colon else tag


def text_of(root: Element) -> str:
    """The document as text, indented."""
    tidy = copy.deepcopy(root)
    etree.indent(tidy)
    return etree.tostring(tidy, encoding="unicode") + "\n"


def bare(root: Element) -> str:
    """The element as text without namespaces: libvirt's metadata calls put its own into the whole of it."""
    plain = copy.deepcopy(root)
    for node in plain.iter(etree.Element):
        node.tag = etree.QName(node).localname
    etree.cleanup_namespaces(plain)
    return str(etree.tostring(plain, encoding="unicode"))


def bare_tag(node: Element) -> str:
    """The element's name without its namespace."""
    return str(etree.QName(node).localname)


def canonical(root: Element, alone: bool = False) -> str:
    """The document as text that is the same for two documents that mean the same.

    Attributes are sorted, layout white space is left out, and a namespace is declared where it is used first. ``alone`` is
    for an element out of a document, and keeps its comments. libxml2's own C14N isn't used because it refuses documents with
    a relative namespace URI (``xmlns="unraid"``), which libvirt allows in metadata.
    """
    return "".join(_canonical(root, {}, alone))


def _canonical(node: Element, declared: dict[t.Optional[str], str], comments: bool) -> t.Iterator[str]:
    if not isinstance(node.tag, str):
        yield _comment_or_instruction(node, comments)
        return
    tag, attributes, used = _names(node)
    new = {prefix: uri for prefix, uri in used.items() if declared.get(prefix, "") != uri}
    declared = {**declared, **new}
    namespaces = sorted((f"xmlns:{prefix}" if prefix else "xmlns", uri) for prefix, uri in new.items())
    yield f"<{tag}"
    for name, value in [*namespaces, *attributes]:
        yield f' {name}="{_escaped(value, _IN_ATTRIBUTES)}"'
    yield ">"
    yield _text(node.text, layout=len(node) > 0)
    for below in node:
        yield from _canonical(below, declared, comments)
        yield _text(below.tail, layout=True)
    yield f"</{tag}>"


def _comment_or_instruction(node: Element, comments: bool) -> str:
    if node.tag is etree.Comment:
        return f"<!--{node.text}-->" if comments else ""
    return f"<?{node.target} {node.text or ''}?>"


def _text(text: t.Optional[str], layout: bool) -> str:
    """The text, escaped. White space alone is left out where it can only be ``layout``."""
    return _escaped(text, _IN_TEXT) if text and (text.strip() or not layout) else ""


def _names(node: Element) -> tuple[str, list[tuple[str, str]], dict[t.Optional[str], str]]:
    """The element's tag and its sorted attributes with prefixes, and the namespaces of the prefixes that they use."""
    name = etree.QName(node)
    used = {node.prefix: name.namespace or ""}
    attributes = []
    for key, value in node.attrib.items():
        own = etree.QName(key)
        prefix = "xml" if own.namespace == _XML else _prefix_in(node, own.namespace) if own.namespace else ""
        if own.namespace not in (None, _XML):
            used[prefix] = own.namespace
        attributes.append((own.namespace or "", own.localname, prefix, value))
    shown = [(f"{prefix}:{local}" if prefix else local, value) for _uri, local, prefix, value in sorted(attributes)]
    return f"{node.prefix}:{name.localname}" if node.prefix else name.localname, shown, used


_XML = "http://www.w3.org/XML/1998/namespace"


def _prefix_in(node: Element, uri: str) -> str:
    return next((prefix for prefix, one in sorted(node.nsmap.items(), key=str) if prefix and one == uri), "")


_IN_TEXT = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
_IN_ATTRIBUTES = {**_IN_TEXT, '"': "&quot;", "\n": "&#10;", "\t": "&#9;"}


def _escaped(text: str, escapes: dict[str, str]) -> str:
    return "".join(escapes.get(sign, sign) for sign in text)


def schema(file: str) -> t.Callable[[Element], bool]:
    """What tells whether a document fits the RELAX NG schema in ``file``. Raises OSError where there is no such file."""
    fits: t.Callable[[Element], bool] = etree.RelaxNG(etree.parse(file)).validate
    return fits


def clone(root: Element) -> Element:
    """A copy to edit, the original left as it is."""
    return copy.deepcopy(root)


def xpath(root: Element, path: str, namespaces: t.Optional[dict[str, str]], option: str) -> list[Element]:
    """What the XPath expression ``path`` selects; an expression that isn't one is the user's error."""
    try:
        found = root.xpath(path, namespaces={**NAMESPACES, **(namespaces or {})})
    except (etree.XPathError, TypeError) as error:
        raise KvmError(
            f"{option}: '{path}' is not an XPath expression: {error}",
            "Write it like devices/disk[target/@dev='vda']/driver/@cache, and name its prefixes in `namespaces`.",
            option=option,
        ) from error
    return found if isinstance(found, list) else []


def _prefix(tag: str) -> t.Optional[dict[str, str]]:
    if tag.startswith("{"):
        uri = tag[1:].partition("}")[0]
        return {prefix: uri for prefix, known in NAMESPACES.items() if known == uri}
    prefix, colon, dummy = tag.partition(":")
    return {prefix: NAMESPACES[prefix]} if colon else None
