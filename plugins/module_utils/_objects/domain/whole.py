# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole document instead of options (``xml``): completed with the identity of what is there, judged by libvirt itself."""

from __future__ import annotations

import typing as t

from ..._plan import KvmError, refuse
from ..._secret import masked
from ..._xml import document
from ..._xml.items import Items
from ..._xml.kinds import number_or_text
from ..._xml.rows import Values, read
from ..identity import refuse_others_uuid
from ..whole import carry, definition, warnings
from .devices import DEVICES, items_of
from .new import new_uuid
from .rendering import judged, ordered, rendered

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..draft import Draft

Element = document.Element


def new_whole(draft: Draft) -> Element:
    """The document of a domain that isn't there yet."""
    world, plan, name = draft.world, draft.plan, draft.name
    root = definition(draft.params["xml"], "domain", name)
    if root.find("uuid") is None:
        smbios = root.findtext("sysinfo/system/entry[@name='uuid']")
        document.child(root, "uuid").text = new_uuid(world, name, smbios)
    refuse_others_uuid(world, "domain", name, root, "xml")
    plan.warnings += warnings(root, lambda: judged(world, root))
    _labels(root, draft.params)
    plan.differs("xml", None, masked(root))
    return root


def change_whole(draft: Draft) -> None:
    """Bring ``after`` to the task's document: to ``before`` itself where libvirt renders both alike."""
    world, plan, params = draft.world, draft.plan, draft.params
    before = draft.after  # the definition that is there, which a rename has changed
    root = definition(params["xml"], "domain", params["name"])
    there, here = before.findtext("uuid"), root.findtext("uuid")
    if here is not None and here.strip().replace("-", "").lower() != str(there).replace("-", ""):
        why = f"the document's uuid is {here.strip()}, domain {params['name']} has {there}"
        refuse("xml", why, "Leave the uuid out, or make another domain.")
    carry(root, before, ("uuid", *(("genid",) if root.find("genid") is not None else ())))
    _labels(root, params)
    plain = document.clone(root)
    try:
        _carry_devices(root, before)
    except ValueError:  # a number that is none: libvirt says so
        root = document.clone(plain)
    if document.canonical(root) == document.canonical(before):
        return
    old = _rendered(world, before)
    old = before if old is None else old  # some of what libvirt writes it doesn't take again
    new = _rendered(world, root)
    if new is None:  # on another machine devices have other places
        root, new = plain, rendered(world, plain)
    plan.warnings += warnings(root, lambda: new)
    if ordered(old) == ordered(new):
        return
    plan.differs("xml", masked(old), masked(new))
    draft.after = root


def _rendered(world: World, root: Element) -> t.Optional[Element]:
    """The document as libvirt writes it; None where it's refused."""
    try:
        return rendered(world, root)
    except KvmError:
        return None


def _labels(root: Element, params: Values) -> None:
    from ..._xml.rows import Edit
    from .table import row_of

    row = row_of("labels")
    row.edit(root, row.parse(params, ""), "", Edit())


def _carry_devices(root: Element, before: Element) -> None:
    """MAC addresses and device addresses that the document leaves out, from the device that is the same."""
    _carry_ports(root, before)
    for model in root.findall("devices/video/model[@primary='yes']"):  # libvirt puts it first
        root.find("devices/video").addprevious(model.getparent())
    taken = {_slot(node) for node in root.iterfind("devices/*/address")}
    for items in DEVICES:
        if isinstance(items, Items):
            _carry_list(items, root, before, taken)
        else:
            _carry_address(root.find(items.path), before.find(items.path), taken)


def _carry_list(items: Items, root: Element, before: Element, taken: set[t.Any]) -> None:
    nodes = items.elements(root)
    pairs, _gone = items.match([read(items.rows, node) for node in nodes], before, nodes)
    for node, (_item, there) in zip(nodes, pairs):
        if there is None or not (items.keys or _model(node) == _model(there)):
            continue
        if node.tag == "interface" and node.find("mac") is None and there.find("mac") is not None:
            node.append(document.clone(there.find("mac")))
        _carry_address(node, there, taken)


def _carry_ports(root: Element, before: Element) -> None:
    """The PCI buses that devices sit on: libvirt made them, and would make others for a document without addresses."""
    devices = root.find("devices")
    if devices is None:
        devices = document.child(root, "devices")
    said = devices.findall("controller[@type='pci']")
    numbers = {node.get("index") for node in said}
    free = [node for node in before.iterfind("devices/controller[@type='pci']") if node.get("index") not in numbers]
    for node in said:
        if node.get("index") is None:
            _carry_number(node, free)
    made = t.cast("t.Callable[[Element], bool]", items_of("controllers").implied)
    devices.extend(document.clone(node) for node in free if made(node))


def _carry_number(node: Element, free: list[Element]) -> None:
    """Give a controller the number of the first free one of its model, which isn't free any more."""
    there = next((one for one in free if one.get("model") == node.get("model")), None)
    if there is not None:
        node.set("index", there.get("index"))
        free.remove(there)


def _carry_address(node: t.Optional[Element], there: t.Optional[Element], taken: set[t.Any]) -> None:
    if node is None or there is None or node.find("address") is not None:
        return
    address = there.find("address")
    if address is not None and _bus(node) == _bus(there) and _slot(address) not in taken:
        node.append(document.clone(address))


def _model(node: Element) -> t.Any:
    model = node.find("model")
    return node.get("model") if model is None else model.get("type")


def _slot(address: Element) -> t.Any:
    """What an address says, in numbers: of two devices with the same one would be refused."""
    parts = ((name, number_or_text(value)) for name, value in address.attrib.items() if name != "multifunction")
    return frozenset(part for part in parts if part[1])


def _bus(node: Element) -> t.Any:
    """What a device's address depends on: another bus, another kind of it, another place."""
    target = node.find("target")
    return (
        node.get("type") if node.tag == "controller" else None,
        *((None, None) if target is None else (target.get("bus"), target.get("type"))),
    )
