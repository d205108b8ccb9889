# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole document instead of options (``xml``): completed with the identity of what is there, judged by libvirt itself."""

from __future__ import annotations

import typing as t

from ..._plan import KvmError, Plan
from ..._xml import document
from ..._xml.items import Items
from ..._xml.rows import Values, read
from ..whole import carry, definition
from .devices import DEVICES
from .new import new_uuid
from .rendering import ordered, rendered
from .secrets import IN_XML

Element = document.Element


def new_whole(world: t.Any, plan: Plan, params: Values) -> Element:
    """The document of a domain that isn't there yet."""
    root = definition(params["xml"], "domain", params["name"])
    if root.find("uuid") is None:
        document.child(root, "uuid").text = new_uuid(world, params["name"])
    _labels(root, params)
    plan.differs("xml", None, masked(root))
    return root


def changed_whole(world: t.Any, plan: Plan, params: Values, before: Element) -> Element:
    """The definition as it's wanted: ``before`` itself where libvirt renders both alike."""
    root = definition(params["xml"], "domain", params["name"])
    there, here = before.findtext("uuid"), root.findtext("uuid")
    if here is not None and here.strip().replace("-", "").lower() != str(there).replace("-", ""):
        raise KvmError(
            f"xml: the document's uuid is {here.strip()}, domain {params['name']} has {there}",
            "Leave the uuid out, or make another domain.",
            option="xml",
        )
    carry(root, before, ("uuid",))
    _carry_devices(root, before)
    _labels(root, params)
    if document.canonical(root) == document.canonical(before):
        return before
    old, new = rendered(world, before), rendered(world, root)
    if ordered(old) == ordered(new):
        return before
    plan.differs("xml", masked(old), masked(new))
    return root


def _labels(root: Element, params: Values) -> None:
    from ..._xml.rows import Edit
    from .table import DOMAIN

    row = next(row for row in DOMAIN if getattr(row, "name", "") == "labels")
    row.edit(root, row.parse(params, ""), "", Edit())


def _carry_devices(root: Element, before: Element) -> None:
    """MAC addresses and device addresses that the document leaves out, from the device that is the same."""
    taken = {document.canonical(node) for node in root.iterfind("devices/*/address")}
    for items in DEVICES:
        if not isinstance(items, Items):
            continue
        nodes = items.elements(root)
        pairs, dummy = items.match([read(items.rows, node) for node in nodes], before)
        for node, (dummy_item, there) in zip(nodes, pairs):
            if there is None:
                continue
            if node.tag == "interface" and node.find("mac") is None and there.find("mac") is not None:
                node.append(document.clone(there.find("mac")))
            _carry_address(node, there, taken)


def _carry_address(node: Element, there: Element, taken: set[str]) -> None:
    address = there.find("address")
    if address is None or node.find("address") is not None or _bus(node) != _bus(there):
        return
    if document.canonical(address) not in taken:
        node.append(document.clone(address))


def _bus(node: Element) -> t.Optional[str]:
    target = node.find("target")
    return None if target is None else target.get("bus")


def masked(root: Element) -> str:
    """The document for a diff: without what is secret in it."""
    shown = document.clone(root)
    for path in IN_XML:
        for value in document.xpath(shown, path, None, "xml"):
            value.getparent().set(value.attrname, "(hidden)")
    return document.text_of(shown)
