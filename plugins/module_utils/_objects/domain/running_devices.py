# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attach, detach and update single devices of a running instance."""

from __future__ import annotations

import typing as t

from ..._libvirt import flags
from ..._plan import KvmError, Remark
from ..._wait import retry, until
from ..._xml import document
from ..._xml.rows import Edit, Map, apply, compare, read, unset
from ..._xml.table import split
from .devices import aliases, device, items_of, running_device
from .documents import persistent_document, running_document
from .hotplug import no_slot

if t.TYPE_CHECKING:
    from ..._libvirt import World

Element = document.Element

DETACH_TIMEOUT = 30  # seconds that a guest gets to release a device
STAYS = "The device is out of the definition, and leaves the running guest at its next restart, or when the guest releases it."
SOURCE_TAGS = ("source", "auth", "encryption", "backingStore")


def attach(world: World, name: str, items: str, label: str, index: int) -> str:
    """Attach to the running instance the device that the definition has, with its address where that is free.

    Returns the alias that it got there, or a remark where it found no room.
    """
    domain = world.get("domain", name)
    node = device(persistent_document(domain), items, label, index)
    if node is None:
        raise KvmError(f"{items}: the definition of domain {name} has no {label}")
    running = running_document(domain)
    address = node.find("address")
    if address is not None and _taken(running, address):
        document.remove(address)
    try:
        domain.attachDeviceFlags(document.text_of(node), flags("VIR_DOMAIN_AFFECT_LIVE"))
    except Exception as error:
        if not any(words in str(error) for words in ("No more available PCI slots", "No free USB ports")):
            raise
        return Remark(no_slot(name, f"{items}[{label}]"))
    return next(iter(aliases(running_document(domain)) - aliases(running)), "")


def _taken(running: Element, address: Element) -> bool:
    """Whether another device has the address, or the running machine hasn't got its bus."""
    wanted = dict(address.attrib)
    buses = {f"0x{int(one.get('index')):02x}" for one in running.iterfind("devices/controller[@type='pci']")}
    if wanted.get("type") == "pci" and wanted.get("bus") not in buses:
        return True
    return any(dict(there.attrib) == wanted for there in running.iterfind("devices/*/address"))


def detach(world: World, name: str, items: str, label: str, alias: str) -> t.Optional[Remark]:
    """Ask the guest to release the device and wait until it has; a remark says so where it hasn't."""
    domain = world.get("domain", name)
    node = running_device(running_document(domain), items, label, alias)
    if node is None:
        return None
    try:
        domain.detachDeviceFlags(document.text_of(node), flags("VIR_DOMAIN_AFFECT_LIVE"))
    except Exception as error:
        if "rejected by the guest" in str(error):
            return Remark(f"The guest of domain {name} refuses to release {items}[{label}]. {STAYS}")
        if "in the process of unplug" not in str(error):  # an earlier run asked, and the guest hasn't released it yet
            raise
    if until(lambda: running_device(running_document(domain), items, label, alias) is None, DETACH_TIMEOUT, 0.2):
        return None
    return Remark(
        f"The guest of domain {name} hasn't released {items}[{label}] within {DETACH_TIMEOUT} seconds. {STAYS}"
    )


def update(
    world: World, name: str, items: str, label: str, alias: str, index: int, paths: list[str], source: bool
) -> None:
    """Give a device of the running instance the definition's values of the options ``paths``, and its source.

    All else stays as it runs, for libvirt refuses a device in which something differs that waits for a restart.
    """
    domain = world.get("domain", name)
    node = running_device(running_document(domain), items, label, alias)
    wanted = device(persistent_document(domain), items, label, index)
    if node is None or wanted is None:
        raise KvmError(f"{items}: domain {name} has no {label} to update")
    if source:
        _replace_source(node, wanted)
    rows = items_of(items).rows
    values = read(rows, wanted)
    for change in compare(rows, node, wanted):
        if change.path in paths and change.after is None:
            unset(rows, node, split(change.path), "", Edit())
        elif change.path in paths:
            keys = split(change.path)
            whole = keys.index(change.row.name) + 1 if isinstance(change.row, Map) else len(keys)
            apply(rows, node, _only(values, keys[:whole]), "", Edit())
    until_open(lambda: domain.updateDeviceFlags(document.text_of(node), flags("VIR_DOMAIN_AFFECT_LIVE")))


def _only(values: t.Any, keys: list[str]) -> t.Any:
    """The values without all but the one that ``keys`` lead to; a list is taken whole."""
    name, bracket, _label = keys[0].partition("[")
    return {name: values[name] if bracket or not keys[1:] else _only(values[name], keys[1:])}


def _replace_source(node: Element, wanted: Element) -> None:
    """What a disk shows, or where an interface leads, as the definition has it."""
    for tag in SOURCE_TAGS:
        for there in node.findall(tag):
            document.remove(there)
        for there in wanted.findall(tag):
            document.graft(node, there)
    node.set("type", wanted.get("type"))
    driver = wanted.find("driver")
    if node.tag == "disk" and driver is not None and wanted.find("source") is not None:
        there = node.find("driver")
        there = document.child(node, "driver") if there is None else there
        there.attrib.update({name: driver.get(name) for name in ("name", "type") if driver.get(name)})


def until_open(change: t.Callable[[], t.Any]) -> None:
    """A guest that reads a medium keeps the drive closed: ask again until it opens, or the time is over."""
    retry(change, lambda error: "tray" in str(error).lower(), DETACH_TIMEOUT)
