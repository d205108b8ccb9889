# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subnets of a network: what doesn't fit together is refused before libvirt is asked."""

from __future__ import annotations

import functools
import ipaddress
import typing as t

from ..._libvirt import tried
from ..._plan import KvmError, Plan, refuse
from ..._xml import document, place, rows
from .addresses import IPS
from .fields import BRIDGED

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..._xml.rows import Element, Values

Subnet = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


def subnets(root: Element) -> list[Subnet]:
    """The subnets of a network's document."""
    items = rows.read((IPS,), root).get("ips", [])
    return [ipaddress.ip_interface(item["address"]).network for item in items if "address" in item]


def check_addresses(values: Values) -> None:
    """Ranges and hosts lie in their subnet, no address is promised twice, and forwarding has an address."""
    ips = values.get("ips", [])
    _check_forward(values.get("forward", "isolated"), ips, values)
    for item in ips:
        if "address" not in item:
            refuse("xml", "one of the addresses has a netmask that is none", "Correct it, or write prefix='24'.")
        _check_dhcp(item, f"ips[{item['address']}].dhcp")
    _check_routes(values.get("routes", []), [ipaddress.ip_interface(item["address"]).network for item in ips])


def _check_forward(forward: str, ips: list[Values], values: Values) -> None:
    """The network has the addresses or the bridge that its forward mode needs."""
    if forward in ("nat", "route", "open") and not ips:
        why = f"forward is {forward}, which needs an address of the host in the network"
        refuse("ips", why, "Add one, for example ips: [{address: 10.20.0.1/24}].")
    if forward not in BRIDGED and ips:
        why = f"with forward {forward} the network isn't libvirt's, so it gives no addresses"
        refuse("ips", why, "Set ips: [], or another forward mode.")
    if forward == "bridge" and not any(map(values.get, ("bridge", "forward_dev", "forward_interfaces"))):
        why = "forward is bridge, which needs the name of a bridge that the host has"
        refuse("bridge", why, "Add bridge: br0 (or forward_dev for a macvtap bridge).")


def _check_routes(routes: list[Values], own: list[Subnet]) -> None:
    """A gateway is in one of the network's subnets."""
    for one in routes:
        if "gateway" not in one or "address" not in one:
            continue  # libvirt says what is missing
        where, gateway = f"routes[{one['address']}].gateway", ipaddress.ip_address(one["gateway"])
        if not any(gateway in subnet for subnet in own):
            why = f"{gateway} is in none of the network's subnets ({', '.join(map(str, own)) or 'it has none'})"
            refuse(where, why, "Name a gateway that is in one of ips, or add its subnet there.")


def _check_dhcp(item: Values, option: str) -> None:
    own = ipaddress.ip_interface(item["address"])
    dhcp = item.get("dhcp", {})
    promised: dict[str, int] = {str(own.ip): -1}
    for index, one in enumerate(dhcp.get("ranges", [])):
        for end in ("start", "end"):
            _check_within(one[end], own, f"{option}.ranges[{index}].{end}")
        if int(ipaddress.ip_address(one["start"])) > int(ipaddress.ip_address(one["end"])):
            why = f"{one['start']} comes after {one['end']}"
            refuse(f"{option}.ranges[{index}]", why, "Write the lower address as start.")
    for index, one in enumerate(dhcp.get("hosts", [])):
        where = f"{option}.hosts[{index}].ip"
        _check_within(one["ip"], own, where)
        if promised.setdefault(one["ip"], index) != index:
            other = promised[one["ip"]]
            owner = "the host itself" if other < 0 else f"hosts[{other}]"
            refuse(where, f"{one['ip']} is the address of {owner} already", "Choose another.")


def _check_within(address: str, own: t.Any, option: str) -> None:
    if ipaddress.ip_address(address) not in own.network:
        refuse(option, f"{address} is not in the subnet {own.network}", "Choose an address in the subnet.")


def check_overlaps(world: World, plan: Plan, name: str, root: Element, active: bool) -> None:
    """Subnets that this network shares with others, or with the host itself.

    Refused where this network is to be ``active`` while the other one is in use, for libvirt can't start it then; else a
    warning.
    """
    wanted = subnets(root)
    if not wanted:
        return
    networks = _networks(world)
    for other, there, runs in networks:
        if other != name:
            _say_overlap(plan, wanted, subnets(there), f"network {other} has", active and runs)
    if world.local:
        for device, connected in _subnets_beside([root, *(there for _other, there, runs in networks if runs)]):
            _say_overlap(plan, wanted, [connected], f"the host is in by its device {device}", active)


def _networks(world: World) -> list[tuple[str, Element, bool]]:
    """Name and document of each network that can be read, and whether it's active."""
    found = (tried(functools.partial(_read, network))[0] for network in world.connection.listAllNetworks())
    return [one for one in found if one is not None]


def _subnets_beside(networks: list[Element]) -> list[tuple[str, Subnet]]:
    """The devices of this machine that aren't the bridges of these networks, and the subnets that they're in."""
    bridges = {place.value(root, "bridge@name") for root in networks}
    return [(device, subnet) for device, subnet in host_subnets() if device not in bridges]


def _read(network: t.Any) -> tuple[str, Element, bool]:
    return str(network.name()), document.document(network.XMLDesc(0)), bool(network.isActive())


def _say_overlap(plan: Plan, wanted: list[Subnet], taken: list[Subnet], owner: str, refused: bool) -> None:
    for one in wanted:
        for other in taken:
            if one.version == other.version and one.overlaps(other):
                what = f"ips: the subnet {one} overlaps {other}, which {owner}"
                if refused:
                    raise KvmError(what, "Choose another subnet, or stop the other one first.", option="ips")
                plan.warnings.append(f"{what}. Only one of them can be active at a time.")


def host_subnets() -> list[tuple[str, Subnet]]:
    """Devices of this machine and the IPv4 and IPv6 subnets that they're in, from the kernel's routing tables."""
    found: list[tuple[str, Subnet]] = []
    for line in _lines("/proc/net/route")[1:]:
        fields = line.split()
        device, destination, gateway, flags, mask = *fields[:4], fields[7]
        if int(flags, 16) & 1 and gateway == "00000000" and mask != "00000000":
            address = ipaddress.IPv4Address(bytes.fromhex(destination)[::-1])
            prefix = bin(int(mask, 16)).count("1")
            found.append((device, ipaddress.IPv4Network((int(address), prefix))))
    for line in _lines("/proc/net/ipv6_route"):
        fields = line.split()
        destination, prefix, gateway, flags, device = fields[0], int(fields[1], 16), fields[4], fields[8], fields[9]
        connected = int(flags, 16) & 1 and not int(gateway, 16) and 0 < prefix < 128
        if connected and not destination.startswith(("fe80", "ff")):
            found.append((device, ipaddress.IPv6Network((int(destination, 16), prefix))))
    return found


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().splitlines()
    except OSError:
        return []
