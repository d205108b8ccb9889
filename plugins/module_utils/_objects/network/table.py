# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a network: every option, its place and its type."""

from __future__ import annotations

import typing as t

from ..._xml import units
from ..._xml.items import Items
from ..._xml.rows import REFUSED, Field, Group, Map, ValueList
from ..._xml.types import MAC, ON_OFF, PCI, POSITIVE, STR, TEXT, UUID, WHOLE, YES_NO, Type
from ..virtualport import port_rows, rate_rows, vlan_rows
from .addresses import DNS, IP, IPS, SUBNET, cidr, filled_in, put_cidr
from .fields import FORWARDS, ForwardDev, chosen, mode_of, numbered, of_libvirt, put_forward, put_forward_dev

BRIDGE = Type("str", str, parse=lambda value: value.strip() or "virbr%d")

BANDWIDTH = Group(
    "bandwidth",
    "bandwidth",
    (
        Group("inbound", "inbound", rate_rows(), "To the guests."),
        Group("outbound", "outbound", rate_rows(), "From the guests."),
    ),
    "Limits of the traffic.",
)

VLAN = Group("vlan", "vlan", vlan_rows(), "VLANs, on Open vSwitch and SR-IOV networks.")

VIRTUALPORT = Group(
    "virtualport",
    "virtualport",
    port_rows("What the ports are connected to.", "The interface's UUID."),
    "How guests' ports are made on a switch that isn't libvirt's own bridge.",
)

PORTGROUPS = Items(
    "portgroups",
    "portgroup",
    (
        Field("name", "@name", STR, "The portgroup's name.", required=True),
        Field("default", "@default", YES_NO, "Whether a guest that names none is in this one.", silent=False),
        Field(
            "trust_guest_rx_filters",
            "@trustGuestRxFilters",
            YES_NO,
            "Whether a guest may change its filters and MAC address.",
        ),
        VLAN,
        VIRTUALPORT,
        BANDWIDTH,
    ),
    keys=("name",),
    ordered=False,
    doc="Classes of ports that a guest's interface can choose. Matched by name.",
    live="network_update",
)

NETWORK: tuple[t.Any, ...] = (
    Field("uuid", "uuid", UUID, "The network's UUID. It can't be changed.", takes=REFUSED),
    Field("title", "title", STR, "A short title. Needs libvirt 9.7.", since=9_007_000),
    Field("description", "description", STR, "A description, any text. Needs libvirt 9.7.", since=9_007_000),
    Map(
        "labels",
        "metadata/metal:kvm/metal:label",
        TEXT,
        doc="Labels of your own, kept in the network's metadata: name to value. Full when given.",
    ),
    Field(
        "forward",
        "forward",
        STR,
        [
            "Where the guests' traffic goes. V(nat), V(route) and V(open) lead out of the host: behind its address, as"
            " it is, and"
            " as it is without any firewall rule of libvirt. V(isolated) stays on the host.",
            "V(bridge) is a bridge that the host has already, named by O(bridge), or with O(forward_dev) a macvtap bridge."
            " V(private), V(vepa), V(passthrough) are the other macvtap modes, V(hostdev) gives whole devices away.",
            "A new network is isolated where this is left out.",
        ],
        choices=FORWARDS,
        get=mode_of,
        put=put_forward,
    ),
    ForwardDev(
        "forward_dev", "forward@dev", STR, "The host's device that the traffic goes out by.", put=put_forward_dev
    ),
    ValueList(
        "forward_interfaces", "forward/interface@dev", STR, "A pool of the host's devices, for the macvtap modes."
    ),
    ValueList(
        "forward_addresses", "forward/address", PCI, "A pool of the host's devices by PCI address, for V(hostdev)."
    ),
    Field("forward_pf", "forward/pf@dev", STR, "The SR-IOV device whose virtual functions are the pool."),
    Field(
        "forward_managed",
        "forward@managed",
        YES_NO,
        "Whether libvirt takes devices from their drivers and gives them back.",
    ),
    Field(
        "forward_driver",
        "forward/driver@name",
        STR,
        "The driver that gives devices away.",
        choices=("vfio", "kvm", "xen"),
    ),
    Group(
        "nat",
        "forward/nat",
        (
            Field("ipv6", "@ipv6", YES_NO, "Whether IPv6 goes behind the host's address too."),
            Group(
                "addresses",
                "address",
                (
                    Field("start", "@start", IP, "The first."),
                    Field("end", "@end", IP, "The last."),
                ),
                "The addresses that the traffic shows outside.",
            ),
            Group(
                "ports",
                "port",
                (
                    Field("start", "@start", POSITIVE, "The first.", volatile=filled_in("start")),
                    Field("end", "@end", POSITIVE, "The last.", volatile=filled_in("end")),
                ),
                "The ports that the traffic shows outside.",
            ),
        ),
        "Details of V(forward=nat).",
    ),
    Field(
        "bridge",
        "bridge@name",
        BRIDGE,
        "The bridge's name: with V(forward=bridge) one that the host has, else the"
        " one that"
        " libvirt makes; it finds a free name where this is left out, or for a pattern, V(virbr%d).",
        same=lambda one, other: units.numbered(one, other) or units.numbered(other, one),
        filled=numbered,
        volatile=chosen("bridge@name", numbered),
    ),
    Field("stp", "bridge@stp", ON_OFF, "Whether the bridge takes part in the spanning tree protocol."),
    Field("delay", "bridge@delay", WHOLE, "The bridge's forward delay, in seconds."),
    Field("zone", "bridge@zone", STR, "The firewalld zone of the bridge."),
    Field(
        "mac_table_manager",
        "bridge@macTableManager",
        STR,
        "Who keeps the bridge's table of addresses.",
        choices=("kernel", "libvirt"),
    ),
    Field(
        "mac",
        "mac@address",
        MAC,
        "The bridge's MAC address.",
        filled=of_libvirt,
        volatile=chosen("mac@address", of_libvirt),
    ),
    Field("mtu", "mtu@size", POSITIVE, "The MTU of the bridge and of the guests' devices."),
    Field("domain", "domain@name", STR, "The DNS domain of the guests."),
    Field("domain_local_only", "domain@localOnly", YES_NO, "Whether names in the domain are never asked for outside."),
    Field(
        "domain_register",
        "domain@register",
        YES_NO,
        "Whether the host's systemd-resolved asks this network for names in the domain. Needs libvirt 10.1.",
        since=10_001_000,
    ),
    Field(
        "ipv6",
        "@ipv6",
        YES_NO,
        "Whether guests may speak IPv6 with each other where the network has no IPv6 address.",
        silent=False,
    ),
    Field(
        "trust_guest_rx_filters",
        "@trustGuestRxFilters",
        YES_NO,
        "Whether a guest may change its filters and MAC address.",
    ),
    Field(
        "port_isolated",
        "port@isolated",
        YES_NO,
        "Whether guests can reach the host and the outside only, not each other.",
    ),
    DNS,
    IPS,
    Items(
        "routes",
        "route",
        (
            Field(
                "address",
                "@address",
                SUBNET,
                "The subnet that is reached.",
                required=True,
                get=cidr,
                put=put_cidr,
            ),
            Field("gateway", "@gateway", IP, "The address in this network that leads there.", required=True),
            Field("metric", "@metric", POSITIVE, "The metric."),
        ),
        keys=("address",),
        ordered=False,
        doc="Routes that the host gets while the network is active. Matched by subnet.",
    ),
    BANDWIDTH,
    VLAN,
    VIRTUALPORT,
    PORTGROUPS,
    ValueList(
        "dnsmasq_options", "dnsmasq:options/dnsmasq:option@value", TEXT, "Lines for dnsmasq's own configuration."
    ),
)
