# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of a network's addresses: subnets, DHCP, DNS."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ..._xml.items import Items
from ..._xml.rows import Element, Field, Group, ValueList, Values
from ..._xml.types import MAC, POSITIVE, STR, TEXT, WHOLE, YES_NO, Type


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
    ends = (parsed.network.network_address, parsed.network.broadcast_address if parsed.version == 4 else None)
    if parsed.ip in ends and parsed.network.num_addresses > 2:
        own = f"{parsed.network.network_address + 1}/{parsed.network.prefixlen}"
        raise ValueError(
            f"this is the subnet's own address or its broadcast address; say the host's address in it, {own}"
        )
    return str(parsed.with_prefixlen)


def subnet(value: t.Any) -> str:
    """A subnet: ``10.30.0.0/16``."""
    try:
        return str(ipaddress.ip_network(str(value).strip()))
    except ValueError:
        raise ValueError("a subnet with a prefix length and no host bits: 10.30.0.0/16") from None


def filled_in(attribute: str) -> t.Callable[[Element, Element], bool]:
    """A running network shows what libvirt chose where the definition says nothing."""
    return lambda stored, running: stored.get(attribute) is None


def cidr(node: Element) -> t.Optional[str]:
    """``<ip address= netmask=>``, ``prefix=`` or neither (then the class of the address) as ``10.20.0.1/24``.

    None where the netmask is none, which libvirt takes and can't start.
    """
    address = node.get("address")
    if address is None:
        return None
    version = ipaddress.ip_address(address).version
    prefix = node.get("prefix") or node.get("netmask")
    if prefix is None:
        first = int(address.partition(".")[0]) if version == 4 else 0
        prefix = "64" if version == 6 else "8" if first < 128 else "16" if first < 192 else "24"
    try:
        return str(ipaddress.ip_interface(f"{address}/{prefix}").with_prefixlen)
    except ValueError:
        return None


def put_cidr(node: Element, value: str) -> None:
    parsed = ipaddress.ip_interface(value)
    node.attrib.pop("netmask", None)
    node.attrib.pop("family", None)
    if parsed.version == 6:
        node.set("family", "ipv6")
    node.set("address", str(parsed.ip))
    node.set("prefix", str(parsed.network.prefixlen))


def spell(network: Element) -> None:
    """Subnets and MAC addresses in the way in which options show them, no metadata that says nothing; libvirt keeps them as
    they were written."""
    for node in [*network.findall("ip"), *network.findall("route")]:
        value = cidr(node)
        if value is not None:
            put_cidr(node, value)
    for node in network.iterfind("ip/dhcp/host[@mac]"):
        node.set("mac", node.get("mac").lower())
    for node in network.findall("metadata"):
        if not len(node):
            network.remove(node)


def duid(value: t.Any) -> str:
    """A DHCP unique identifier, bytes in hexadecimal: ``0:1:0:1:18:aa:62:fe:0:16:3e:44:55:66``."""
    text = str(value).strip()
    if not re.fullmatch(r"[0-9A-Fa-f]{1,2}(:[0-9A-Fa-f]{1,2})*", text):
        raise ValueError("a DUID is bytes in hexadecimal: 0:1:0:1:18:aa:62:fe:0:16:3e:44:55:66")
    return text


IP = Type("str", ip, parse=ip)
DUID = Type("str", str, parse=duid)
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
                Field("id", "@id", DUID, "The guest's DUID (IPv6)."),
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
                    "server", "@server", IP, "The TFTP server it comes from; this network's own where it's left out."
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
            get=cidr,
            put=put_cidr,
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
                Field("value", "@value", TEXT, "The text.", required=True),
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
                Field("priority", "@priority", WHOLE, "The priority.", silent=0),
                Field("weight", "@weight", WHOLE, "The weight.", silent=0),
            ),
            keys=(_service,),
            ordered=False,
            doc="SRV records.",
            live="network_update",
        ),
    ),
    "The DNS server of the network.",
)
