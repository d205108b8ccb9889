# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a network: every option, its place and its type."""

from __future__ import annotations

import ipaddress
import typing as t

from ..._xml import document
from ..._xml.items import Items
from ..._xml.rows import REFUSED, Element, Field, Group, Map, ValueList, Values
from ..._xml.types import MAC, ON_OFF, PCI, POSITIVE, STR, UUID, WHOLE, YES_NO, Type

BRIDGED = ("isolated", "nat", "route", "open")  # libvirt makes the bridge
FORWARDS = (*BRIDGED, "bridge", "private", "vepa", "passthrough", "hostdev")


def ip(value: t.Any) -> str:
    """One IPv4 or IPv6 address in its short spelling."""
    try:
        return str(ipaddress.ip_address(str(value).strip()))
    except ValueError:
        raise ValueError("an IPv4 or IPv6 address: 10.20.0.10, fd00:20::10") from None


def interface(value: t.Any) -> str:
    """An address with its subnet's prefix length: ``10.20.0.1/24``."""
    text = str(value).strip()
    try:
        parsed = ipaddress.ip_interface(text)
    except ValueError:
        raise ValueError("an address with a prefix length: 10.20.0.1/24, fd00:20::1/64") from None
    if "/" not in text:
        raise ValueError(f"the prefix length is missing: {text}/{24 if parsed.version == 4 else 64}")
    return str(parsed.with_prefixlen)


def subnet(value: t.Any) -> str:
    """A subnet: ``10.30.0.0/16``."""
    try:
        return str(ipaddress.ip_network(str(value).strip()))
    except ValueError:
        raise ValueError("a subnet with a prefix length and no host bits: 10.30.0.0/16") from None


def _filled_in(attribute: str) -> t.Callable[[Element, Element], bool]:
    """A running network shows what libvirt chose where the definition says nothing."""
    return lambda stored, running: stored.get(attribute) is None


def _address(node: Element) -> t.Optional[str]:
    """``<ip address= netmask=>``, ``prefix=`` or neither (then the class of the address) as ``10.20.0.1/24``."""
    address = node.get("address")
    if address is None:
        return None
    version = ipaddress.ip_address(address).version
    prefix = node.get("prefix") or node.get("netmask")
    if prefix is None:
        first = int(address.partition(".")[0]) if version == 4 else 0
        prefix = "64" if version == 6 else "8" if first < 128 else "16" if first < 192 else "24"
    return str(ipaddress.ip_interface(f"{address}/{prefix}").with_prefixlen)


def _put_address(node: Element, value: str) -> None:
    parsed = ipaddress.ip_interface(value)
    node.attrib.pop("netmask", None)
    node.attrib.pop("family", None)
    if parsed.version == 6:
        node.set("family", "ipv6")
    node.set("address", str(parsed.ip))
    node.set("prefix", str(parsed.network.prefixlen))


def _forward(network: Element) -> str:
    node = network.find("forward")
    return "isolated" if node is None else node.get("mode") or "nat"


def _put_forward(network: Element, mode: str) -> None:
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


def _put_forward_dev(network: Element, value: str) -> None:
    node = network.find("forward")
    if node is None:
        node = document.child(network, "forward")
    for below in node.findall("interface"):
        document.remove(below)
    node.set("dev", value)


IP = Type("str", ip, parse=ip)
INTERFACE = Type("str", interface, parse=interface)
SUBNET = Type("str", subnet, parse=subnet)


def network_of(item: Values) -> t.Optional[str]:
    """The identity of an ``ips`` item: its subnet's first address."""
    address = item.get("address")
    return None if address is None else str(ipaddress.ip_interface(address).network.network_address)


def _forwarder(item: Values) -> str:
    return f"{item.get('domain', '')}@{item.get('address', '')}"


def _text_record(item: Values) -> str:
    return f"{item.get('name', '')}={item.get('value', '')}"


def _service(item: Values) -> str:
    names = ("service", "protocol", "domain", "target", "port")
    return ".".join(str(item[name]) for name in names if name in item)


def _range(item: Values) -> str:
    return f"{item.get('start', '')}-{item.get('end', '')}"


LEASE = Group(
    "lease",
    "lease",
    (
        Field("expiry", "@expiry", WHOLE, "How long, in O(ips[].dhcp.ranges[].lease.unit); V(0) is for ever."),
        Field(
            "unit",
            "@unit",
            STR,
            "The unit of the expiry; libvirt takes minutes where it's left out.",
            choices=("seconds", "minutes", "hours"),
        ),
    ),
    "How long an address is leased.",
)

DHCP = Group(
    "dhcp",
    "dhcp",
    (
        Items(
            "ranges",
            "range",
            (
                Field("start", "@start", IP, "The first address of the range.", required=True),
                Field("end", "@end", IP, "The last address of the range.", required=True),
                LEASE,
            ),
            keys=(_range,),
            ordered=False,
            doc="The ranges from which addresses are given out.",
            live="network_update",
        ),
        Items(
            "hosts",
            "host",
            (
                Field("mac", "@mac", MAC, "The guest's MAC address (IPv4)."),
                Field("id", "@id", STR, "The guest's DUID (IPv6)."),
                Field("ip", "@ip", IP, "The address that it always gets.", required=True),
                Field("name", "@name", STR, "The name that it gets, and under which DNS knows it."),
                LEASE,
            ),
            keys=("mac", "id", "ip"),
            ordered=False,
            doc="Addresses reserved for certain guests. Matched by MAC address, else by DUID, else by address.",
            live="network_update",
        ),
        Group(
            "bootp",
            "bootp",
            (
                Field("file", "@file", STR, "The file that a guest boots."),
                Field(
                    "server", "@server", STR, "The TFTP server it comes from; this network's own where it's left out."
                ),
            ),
            "What a guest is told that boots from the network.",
        ),
    ),
    "The DHCP server of this subnet.",
)

IPS = Items(
    "ips",
    "ip",
    (
        Field(
            "address",
            "@address",
            INTERFACE,
            "The host's own address in the subnet, with the prefix length: V(10.20.0.1/24) or V(fd00:20::1/64).",
            get=_address,
            put=_put_address,
            required=True,
        ),
        Field("local_ptr", "@localPtr", YES_NO, "Whether reverse look-ups in this subnet stay in it."),
        Field("tftp_root", "tftp@root", STR, "A directory on the hypervisor that is offered by TFTP."),
        DHCP,
    ),
    keys=(network_of,),
    ordered=False,
    doc="The host's addresses in the network, one per subnet, with the DHCP server of each. Matched by subnet.",
)

DNS = Group(
    "dns",
    "dns",
    (
        Field("enable", "@enable", YES_NO, "Whether there is a DNS server."),
        Field(
            "forward_plain_names", "@forwardPlainNames", YES_NO, "Whether names without a dot are asked for outside."
        ),
        Items(
            "forwarders",
            "forwarder",
            (
                Field("domain", "@domain", STR, "Only for names in this domain."),
                Field("address", "@addr", IP, "The server that is asked."),
            ),
            keys=(_forwarder,),
            ordered=False,
            doc="Servers that are asked for names of the outside, instead of the host's.",
        ),
        Items(
            "hosts",
            "host",
            (
                Field("ip", "@ip", IP, "The address.", required=True),
                ValueList("hostnames", "hostname", STR, "The names that stand for it."),
            ),
            keys=("ip",),
            ordered=False,
            doc="Names that the DNS server knows. Matched by address.",
            live="network_update",
        ),
        Items(
            "txt",
            "txt",
            (
                Field("name", "@name", STR, "The name.", required=True),
                Field("value", "@value", STR, "The text.", required=True),
            ),
            keys=(_text_record,),
            ordered=False,
            doc="TXT records.",
            live="network_update",
        ),
        Items(
            "srv",
            "srv",
            (
                Field("service", "@service", STR, "The service, V(ldap).", required=True),
                Field("protocol", "@protocol", STR, "The protocol, V(tcp).", required=True),
                Field("domain", "@domain", STR, "The domain; the network's own where it's left out."),
                Field("target", "@target", STR, "The host that offers the service."),
                Field("port", "@port", POSITIVE, "Its port."),
                Field("priority", "@priority", WHOLE, "The priority."),
                Field("weight", "@weight", WHOLE, "The weight."),
            ),
            keys=(_service,),
            ordered=False,
            doc="SRV records.",
            live="network_update",
        ),
    ),
    "The DNS server of the network.",
)


def _rate(name: str, doc: str) -> Group:
    return Group(
        name,
        name,
        (
            Field("average", "@average", WHOLE, "The average, in KiB/s."),
            Field("peak", "@peak", WHOLE, "The most for a moment, in KiB/s."),
            Field("burst", "@burst", WHOLE, "How much can be sent at the peak, in KiB."),
        ),
        doc,
    )


BANDWIDTH = Group(
    "bandwidth",
    "bandwidth",
    (
        _rate("inbound", "To the guests."),
        _rate("outbound", "From the guests."),
    ),
    "Limits of the traffic.",
)

VLAN = Group(
    "vlan",
    "vlan",
    (
        Field("trunk", "@trunk", YES_NO, "Whether the port is a trunk; libvirt sets it where there are several tags."),
        Items(
            "tags",
            "tag",
            (
                Field("id", "@id", WHOLE, "The VLAN's number.", required=True),
                Field(
                    "native_mode",
                    "@nativeMode",
                    STR,
                    "The VLAN of frames without a tag (Open vSwitch).",
                    choices=("tagged", "untagged"),
                ),
            ),
            keys=("id",),
            ordered=False,
            doc="The VLANs.",
        ),
    ),
    "VLANs, on Open vSwitch and SR-IOV networks.",
)

VIRTUALPORT = Group(
    "virtualport",
    "virtualport",
    (
        Field(
            "type",
            "@type",
            STR,
            "What the ports are connected to.",
            choices=("openvswitch", "midonet", "802.1Qbg", "802.1Qbh"),
        ),
        Field("interfaceid", "parameters@interfaceid", STR, "The interface's UUID."),
        Field("profileid", "parameters@profileid", STR, "The port profile."),
        Field("managerid", "parameters@managerid", STR, "The VSI manager (802.1Qbg)."),
        Field("typeid", "parameters@typeid", STR, "The VSI type (802.1Qbg)."),
        Field("typeidversion", "parameters@typeidversion", STR, "The version of the VSI type (802.1Qbg)."),
        Field("instanceid", "parameters@instanceid", STR, "The VSI instance (802.1Qbg)."),
    ),
    "How guests' ports are made on a switch that isn't libvirt's own bridge.",
)

PORTGROUPS = Items(
    "portgroups",
    "portgroup",
    (
        Field("name", "@name", STR, "The portgroup's name.", required=True),
        Field("default", "@default", YES_NO, "Whether a guest that names none is in this one."),
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
        get=_forward,
        put=_put_forward,
    ),
    Field("forward_dev", "forward@dev", STR, "The host's device that the traffic goes out by.", put=_put_forward_dev),
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
    Field("forward_driver", "forward/driver@name", STR, "The driver that gives devices away.", choices=("vfio",)),
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
                    Field("start", "@start", POSITIVE, "The first.", volatile=_filled_in("start")),
                    Field("end", "@end", POSITIVE, "The last.", volatile=_filled_in("end")),
                ),
                "The ports that the traffic shows outside.",
            ),
        ),
        "Details of V(forward=nat).",
    ),
    Field(
        "bridge",
        "bridge@name",
        STR,
        "The bridge's name: with V(forward=bridge) one that the host has, else the"
        " one that"
        " libvirt makes; it finds a free name where this is left out.",
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
    Field("mac", "mac@address", MAC, "The bridge's MAC address."),
    Field("mtu", "mtu@size", POSITIVE, "The MTU of the bridge and of the guests' devices."),
    Field("domain", "domain@name", STR, "The DNS domain of the guests."),
    Field("domain_local_only", "domain@localOnly", YES_NO, "Whether names in the domain are never asked for outside."),
    Field(
        "ipv6", "@ipv6", YES_NO, "Whether guests may speak IPv6 with each other where the network has no IPv6 address."
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
                get=_address,
                put=_put_address,
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
    ValueList("dnsmasq_options", "dnsmasq:options/dnsmasq:option@value", STR, "Lines for dnsmasq's own configuration."),
)
