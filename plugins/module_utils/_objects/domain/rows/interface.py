# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of a network interface, but for what only a few have (interface_source.py)."""

from __future__ import annotations

import typing as t

from ...._xml import document
from ...._xml.items import Items
from ...._xml.rows import Field, Group, Union
from ...._xml.types import MAC, PATH, POSITIVE, STR, WHOLE, YES_NO, Type
from . import later
from .common import ACPI_INDEX, ADDRESS, ALIAS, BOOT_ORDER, VIRTIO, Volatile, unsaid

Element = document.Element


def _yes(value: t.Any) -> bool:
    if not value:
        raise ValueError("say true, or leave it out and name another source")
    return True


HERE = Type("bool", lambda text: True, parse=_yes)


def _there(interface: Element) -> bool:
    """The branch is there: its attribute says so."""
    return True


def _nothing(interface: Element, value: bool) -> None:
    """The attribute that names the branch says it all."""


def _link(interface: Element) -> t.Optional[str]:
    link = interface.find("link")
    return "up" if link is None else link.get("state")


def _same_network(persistent: Element, running: Element) -> bool:
    """A running interface of a network shows the bridge or device that the network gave it."""
    one, other = persistent.find("source"), running.find("source")
    wanted = None if one is None else one.get("network")
    return wanted is not None and other is not None and other.get("network") == wanted


def _made_up(persistent: Element, running: Element) -> bool:
    """libvirt makes up the name of the host's side where the definition has none."""
    return persistent.find("target") is None


def _given(tag: str) -> Volatile:
    """What a network or its portgroup gives is seen on a running interface only."""
    return lambda persistent, running: persistent.find(tag) is None and persistent.get("type") == "network"


INTERFACE = (
    Union("type", {
        "network": (
            Field("network", "source@network", STR, "A libvirt network.", live="interface"),
            Field("portgroup", "source@portgroup", STR, "A portgroup of the network.", volatile=unsaid("source@portgroup")),
        ),
        "bridge": (Field("bridge", "source@bridge", STR, "A bridge of the host.", live="interface"),),
        "direct": (
            Group("direct", "source", (
                Field("dev", "@dev", STR, "The host's interface."),
                Field("mode", "@mode", STR, "How they're coupled.", choices=("bridge", "vepa", "private", "passthrough")),
            ), "A macvtap on an interface of the host."),
        ),
        "user": (
            Field("user", "", HERE, "User-mode networking: out only, no rights needed.", get=_there, put=_nothing),
        ),
        "ethernet": (
            Field("ethernet", "", HERE, "A tap device of the host, see O(interfaces[].target_dev).", get=_there, put=_nothing),
        ),
        "hostdev": (Group("hostdev", "", later("interface_source", "HOSTDEV"), "A device of the host given to the guest."),),
        "vhostuser": (
            Group("vhostuser", "source", later("interface_source", "VHOST_USER"), "A switch in another process (DPDK)."),
        ),
        "vdpa": (Field("vdpa", "source@dev", PATH, "A vDPA device of the host, V(/dev/vhost-vdpa-0)."),),
        "mcast": (Group("mcast", "source", later("interface_source", "SOCKET"), "A multicast group that guests share."),),
        "server": (Group("server", "source", later("interface_source", "SOCKET"), "A TCP socket that another guest connects to."),),
        "client": (Group("client", "source", later("interface_source", "SOCKET"), "A TCP socket of another guest."),),
        "udp": (Group("udp", "source", later("interface_source", "UDP"), "A UDP tunnel to another guest."),),
        "null": (Field("unconnected", "", HERE, "Nothing on the other side: libvirt can't start a guest of QEMU with it.", get=_there, put=_nothing),),
    }, owns=("source", "backend", "virtualport"), live="interface", volatile=_same_network),
    Field("mac", "mac@address", MAC, "The MAC address: the interface's identity. A new one is made up where it's left out."),
    ALIAS,
    Field("model", "model@type", STR, "The network card that the guest sees: V(virtio), V(e1000e) and others."),
    Field("mtu", "mtu@size", POSITIVE, "Largest packet, in bytes.", volatile=unsaid("mtu@size")),
    Field("link", "link@state", STR, "Whether the cable is plugged in.", choices=("up", "down"), get=_link, live="interface"),
    BOOT_ORDER,
    Field("target_dev", "target@dev", STR, "The name of the host's side; libvirt makes one up where it's left out.",
          volatile=_made_up),
    Field("target_managed", "target@managed", YES_NO, "Whether libvirt makes the tap device, or finds it (O(interfaces[].ethernet))."),
    Group("filter", "filterref", later("interface_source", "FILTER"), "The network filter of its traffic."),
    Group("bandwidth", "bandwidth", later("interface_source", "BANDWIDTH"), "Limits of its traffic, from the guest's view.",
          volatile=_given("bandwidth")),
    Group("vlan", "vlan", later("interface_source", "VLAN"), "VLANs, on Open vSwitch and SR-IOV.",
          volatile=_given("vlan")),
    Group("virtualport", "virtualport", later("interface_source", "VIRTUALPORT"), "The port on a switch that isn't a Linux bridge.",
          volatile=_given("virtualport")),
    Group("driver", "driver", later("interface_source", "DRIVER"), "The driver on the host's side."),
    Group("backend", "backend", later("interface_source", "BACKEND"), "Who carries the traffic."),
    Field("port_isolated", "port@isolated", YES_NO, "Whether it reaches the host and the outside only, not other guests.",
          live="interface"),
    Field("trust_guest_rx_filters", "@trustGuestRxFilters", YES_NO, "Whether the guest may change its filters and MAC address.",
          volatile=unsaid("@trustGuestRxFilters")),
    Field("coalesce", "coalesce/rx/frames@max", WHOLE, "How many packets the host's side collects before it passes them on.",
          live="interface", silent=0),
    Field("sndbuf", "tune/sndbuf", WHOLE, "The send buffer of the host's side, in bytes; V(0) for no limit."),
    Field("script", "script@path", PATH, "A program that sets the host's side up (O(interfaces[].ethernet))."),
    Field("downscript", "downscript@path", PATH, "A program that takes the host's side down (O(interfaces[].ethernet))."),
    Field("mac_type", "mac@type", STR, "Whether a MAC address in VMware's range was made up.", choices=("generated", "static")),
    Field("mac_check", "mac@check", YES_NO, "Whether a MAC address in VMware's range is checked."),
    Group("rom", "rom", later("interface_source", "ROM"), "The card's boot ROM."),
    Group("teaming", "teaming", later("interface_source", "TEAMING"), "A virtio card that stands in for a device given to the guest."),
    Items("ips", "ip", later("interface_source", "IP"), ("address",), "Addresses that the guest is given (V(user))."),
    Items("host_ips", "source/ip", later("interface_source", "IP"), ("address",), "Addresses of the host's side (V(ethernet))."),
    Items("host_routes", "source/route", later("interface_source", "ROUTE"), ("address",), "Routes by the host's side (V(ethernet)).",
          ordered=False),
    Items("port_forwards", "portForward", later("interface_source", "PORT_FORWARD"), doc="Ports of the host that lead to the guest,"
          " with V(user) and O(interfaces[].backend.type=passt)."),
    VIRTIO, ACPI_INDEX, ADDRESS,
)  # fmt: skip
