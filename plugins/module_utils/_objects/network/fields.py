# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields of a network that have their own way in its document: the forward mode, what it owns, and what libvirt fills in."""

from __future__ import annotations

import typing as t

from ..._xml import document, place, units
from ..._xml.rows import Element, Field

BRIDGED = ("isolated", "nat", "route", "open")  # libvirt makes the bridge
ON_BRIDGES = (*BRIDGED, "bridge")  # there is one, of libvirt or of the host
FORWARDS = (*BRIDGED, "bridge", "private", "vepa", "passthrough", "hostdev")


def mode_of(network: Element) -> str:
    """The forward mode of a network's document."""
    node = network.find("forward")
    return "isolated" if node is None else node.get("mode") or "nat"


def put_forward(network: Element, mode: str) -> None:
    """Set the forward mode, and remove what only another mode has."""
    node = network.find("forward")
    if mode == "isolated":
        if node is not None:
            document.remove(node)
        return
    if node is None:
        node = document.child(network, "forward")
    node.set("mode", mode)
    if mode != "nat":
        for nat in node.findall("nat"):
            document.remove(nat)
    if mode not in BRIDGED:
        _give_up_bridge(network, mode)


def _give_up_bridge(network: Element, mode: str) -> None:
    """What only a bridge of libvirt's own has goes: its address, spanning tree; without a bridge also its name."""
    for tag in ("mac", "bridge") if mode != "bridge" else ("mac",):
        for node in network.findall(tag):
            document.remove(node)
    for node in network.findall("bridge"):
        for name in ("stp", "delay", "zone", "macTableManager"):
            node.attrib.pop(name, None)


class ForwardDev(Field):
    """The device that the traffic goes out by: libvirt lists it as an interface too."""

    __slots__ = ()

    def delete(self, parent: Element) -> None:
        for node in parent.findall("forward/interface"):
            if node.get("dev") == self.value(parent):
                document.remove(node)
        super().delete(parent)


def numbered(bridge: str) -> bool:
    """Whether libvirt may have chosen the bridge's name."""
    return bool(units.numbered("virbr%d", bridge))


def of_libvirt(mac: str) -> bool:
    """Whether libvirt may have chosen the bridge's MAC address."""
    return mac.startswith("52:54:00:")


def chosen(path: str, own: t.Callable[[str], bool]) -> t.Callable[[Element, Element], bool]:
    """True where only the definition has a value, and libvirt may have chosen it: for a bridge that the next start makes."""
    return lambda stored, running: place.value(running, path) is None and own(place.value(stored, path) or "")


def put_forward_dev(network: Element, value: str) -> None:
    """Set the device, in place of the devices that are listed."""
    node = network.find("forward")
    if node is None:
        node = document.child(network, "forward")
    for below in node.findall("interface"):
        document.remove(below)
    node.set("dev", value)
