# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt's network driver, or the kernel, would refuse although the document can be read."""

from __future__ import annotations

import ipaddress
import os
import typing as t

from ..._libvirt import documents
from ..._plan import refuse
from ..._xml import place
from .fields import BRIDGED, ON_BRIDGES
from .forward import check_way_out, sections

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..._xml.rows import Values

OF_THE_BRIDGE = ("mac", "domain", "dns", "mtu", "delay", "zone", "routes")
NAME_MAX = 15  # letters of a device's name
VLANS_ON_BRIDGES = 11_000_000  # the version of libvirt
MTU = (68, 65535)  # bytes
MTU_IPV6 = 1280  # bytes; the least that IPv6 works with


def check_limits(values: Values, version: int) -> None:
    """Refuse options that the forward mode hasn't got, and numbers that the kernel doesn't take."""
    mode = values["forward"]
    if mode not in BRIDGED:
        for option in OF_THE_BRIDGE:
            if values.get(option):
                refuse(option, f"with forward {mode} libvirt makes no bridge that could have it", "Leave it out.")
    _check_vlans(values, version)
    check_way_out(values)
    if mode in BRIDGED and len(values.get("bridge", "")) > NAME_MAX:
        refuse("bridge", f"'{values['bridge']}' is longer than {NAME_MAX} letters", "Choose a shorter name.")
    if mode != "nat" and values.get("nat"):
        refuse("nat", f"forward is {mode}", "Say forward: nat, or leave nat out.")
    _check_mtu(values)
    _check_dhcp_servers(values)
    _check_default(values.get("portgroups", []))


def _check_vlans(values: Values, version: int) -> None:
    """Refuse VLANs, of the network or of a portgroup, where libvirt has none."""
    mode, own = values["forward"], values.get("virtualport", {}).get("type")
    for where, one in sections(values):
        port = one.get("virtualport", {}).get("type") if where else None
        tagged = one.get("vlan", {}).get("tags") or values.get("vlan", {}).get("tags")
        if tagged and not _has_vlans(mode, own, port, version):
            refuse(
                f"{where}vlan",
                f"with forward {mode} and {port or own or 'no virtualport'} there are no VLANs",
                "Use forward: bridge with virtualport: {type: openvswitch}, or hostdev.",
            )


def _has_vlans(mode: str, own: t.Optional[str], port: t.Optional[str], version: int) -> bool:
    """Whether libvirt has VLANs on ports of the type ``port``, if a portgroup has one, in a network of the type ``own``.

    It has them on Open vSwitch and whole devices, and from 11.0 on Linux bridges too.
    """
    if version >= VLANS_ON_BRIDGES and mode in ON_BRIDGES and not own:
        return True
    if mode == "bridge":
        return (port or own) == "openvswitch"
    return mode in ("hostdev", "passthrough") and not port


def _check_default(portgroups: list[Values]) -> None:
    default = [one["name"] for one in portgroups if one.get("default")]
    if len(default) > 1:
        refuse(f"portgroups[{default[1]}].default", f"{default[0]} is the default already", "Choose one of them.")


def check_bridge(world: World, name: str, values: Values) -> None:
    """Refuse a name for libvirt's bridge that another network, or a device of this machine, has."""
    bridge = values.get("bridge", "")
    if values["forward"] not in BRIDGED or not bridge or "%d" in bridge:
        return
    for other, root in documents("network", world.connection.listAllNetworks()):
        if other != name and place.value(root, "bridge@name") == bridge:
            refuse("bridge", f"network {other} has '{bridge}' already", "Choose another name.")
    if world.local and not _is_own(world, name, bridge) and os.path.exists(f"/sys/class/net/{bridge}"):
        refuse("bridge", f"this machine has a device '{bridge}' already", "Choose another name.")


def _is_own(world: World, name: str, bridge: str) -> bool:
    """Whether the network is active with this bridge."""
    there = world.find("network", name)
    return bool(there is not None and there.isActive() and there.bridgeName() == bridge)


def check_functions(world: World, values: Values, devices: str = "/sys/bus/pci/devices") -> None:
    """Refuse PCI devices that aren't virtual functions of this machine: libvirt lends no other to guests."""
    for index, address in enumerate(values.get("forward_addresses", ()) if _real(world) else ()):
        if not os.path.exists(os.path.join(devices, address, "physfn")):
            there = os.path.exists(os.path.join(devices, address))
            refuse(
                f"forward_addresses[{index}]",
                f"{address} is {'no SR-IOV virtual function' if there else 'no PCI device of this machine'}",
                "Name virtual functions (`lspci -D` shows them), or give their device in forward_pf.",
            )


def _real(world: World) -> bool:
    """Whether libvirt's networks use this machine's devices."""
    return bool(world.local and world.uri.startswith("qemu:"))


def _check_mtu(values: Values) -> None:
    mtu, six = values.get("mtu"), any(":" in one["address"] for one in values.get("ips", []))
    least = MTU_IPV6 if six else MTU[0]
    if mtu is not None and not least <= mtu <= MTU[1]:
        refuse("mtu", f"{mtu} is not within {least} and {MTU[1]}{' (IPv6)' if six else ''}", "Say 1500, for example.")


def _check_dhcp_servers(values: Values) -> None:
    """libvirt gives out addresses of one subnet per family; subnets of a network don't overlap either."""
    serving: dict[int, str] = {}
    subnets: list[t.Any] = []
    for one in values.get("ips", []):
        own = ipaddress.ip_interface(one["address"])
        where, dhcp = f"ips[{one['address']}]", one.get("dhcp", {})
        if dhcp.get("ranges") or dhcp.get("hosts"):
            other = serving.setdefault(own.version, where)
            if other != where:
                refuse(f"{where}.dhcp", f"{other} has a DHCP server for IPv{own.version} already", "Leave one out.")
        for there in subnets:
            if there.version == own.version and there.overlaps(own.network):
                refuse(f"{where}.address", f"the subnet {own.network} overlaps {there}", "Choose another subnet.")
        subnets.append(own.network)
