# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bridge as it is asked for: checked by itself and against the interfaces of the host."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ..._plan import KvmError
from ..network import NET, routes
from ..root import Root

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,14}")
PORT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@:-]{0,14}")
Params = t.Mapping[str, t.Any]


class Bridge:
    """What was asked for. ``devices`` are what is in the bridge: its ports, or a VLAN of each."""

    def __init__(self, root: Root, params: Params) -> None:
        self.name: str = params["name"]
        self.ports = _texts(params, "ports")
        self.vlan: t.Optional[int] = params.get("vlan")
        self.addressing: str = params.get("addressing") or "none"
        self.addresses = _texts(params, "addresses")
        self.gateways = _texts(params, "gateways")
        self.nameservers = _texts(params, "nameservers")
        self.search = _texts(params, "search")
        self.stp = bool(params.get("stp"))
        self.mtu: t.Optional[int] = params.get("mtu")
        self.devices = [f"{port}.{self.vlan}" if self.vlan else port for port in self.ports]
        first = self.ports[0] if self.ports else None
        # Without one, some would make one up, and a DHCP server would take the host for another.
        self.mac: t.Optional[str] = params.get("mac") or (first and root.word(f"{NET}/{first}/address")) or None

    @property
    def here(self) -> bool:
        """Whether the host itself is on the bridge's network."""
        return self.addressing != "none"

    def of(self, version: int, values: t.Sequence[str]) -> list[str]:
        """Those of the values that are of this version of IP."""
        return [value for value in values if ipaddress.ip_interface(value).version == version]


def _texts(params: Params, option: str) -> list[str]:
    return list(params.get(option) or ())


def check(root: Root, bridge: Bridge) -> None:
    """Refuse what can't be meant, and what would cut the host off."""
    if not NAME.fullmatch(bridge.name):
        raise _refused("name", bridge.name, "is no name of a bridge", "Use up to 15 letters, digits, - and _.")
    if root.exists(f"{NET}/{bridge.name}") and not root.exists(f"{NET}/{bridge.name}/bridge"):
        raise _refused("name", bridge.name, "is an interface here that is no bridge", "Give the bridge another name.")
    for port, device in zip(bridge.ports, bridge.devices):
        _port(root, bridge, port, device)
    _once("ports", bridge.ports)
    if bridge.vlan and any(len(device) > 15 for device in bridge.devices):
        raise _refused("vlan", str(bridge.vlan), "makes a name of more than 15 letters", "Rename the port.")
    _addressing(bridge)
    _way_out(root, bridge)


def _way_out(root: Root, bridge: Bridge) -> None:
    """Refuse to take the ports by which the host reaches others, unless the bridge has an address instead."""
    held = [route["device"] for route in routes(root) if route["destination"] == "0.0.0.0/0"]
    if not bridge.here and not bridge.vlan and held and set(held) <= set(bridge.ports):
        raise KvmError(
            f"addressing: the host reaches others through {held[0]}, and would be cut off",
            "Give the bridge the addressing that the port has: dhcp or static.",
            option="addressing",
        )


def _port(root: Root, bridge: Bridge, port: str, device: str) -> None:
    base = f"{NET}/{port}"
    if not PORT.fullmatch(port) or not root.exists(base):
        there = [name for name in root.names(NET) if name != "lo"]
        raise _refused("ports", port, "is not there", f"Interfaces here are: {', '.join(there) or 'none'}.")
    if root.exists(f"{base}/wireless") or root.exists(f"{base}/phy80211"):
        raise _refused(
            "ports", port, "is wireless, and can't be in a bridge", "Use a routed or NAT network of libvirt."
        )
    if port == "lo" or root.exists(f"{base}/bridge"):
        raise _refused("ports", port, "can't be in a bridge itself", "Name an interface of the host.")
    _master(root, bridge, port, device)


def _master(root: Root, bridge: Bridge, port: str, device: str) -> None:
    """Refuse a port that another bridge, bond or team has."""
    master = root.target(f"{NET}/{device}/master")
    if master and master != bridge.name:
        kind = "the bridge" if root.exists(f"{NET}/{master}/bridge") else "the bond or team"
        raise _refused(
            "ports", port, f"is in {kind} {master} already", "Take it out there first, or name another port."
        )


def _addressing(bridge: Bridge) -> None:
    _only_if_static(bridge)
    nets = [_interface("addresses", value, "/" in value).network for value in bridge.addresses]
    for gateway in bridge.gateways:
        _gateway(gateway, nets)
    for server in bridge.nameservers:
        _interface("nameservers", server, "/" not in server)
    for option in ("addresses", "gateways"):
        _once(option, getattr(bridge, option))
    if len(bridge.gateways) > len({ipaddress.ip_address(gateway).version for gateway in bridge.gateways}):
        raise KvmError("gateways: there can be one of IPv4 and one of IPv6", option="gateways")


def _only_if_static(bridge: Bridge) -> None:
    if bridge.addressing == "static":
        if not bridge.addresses:
            raise KvmError("addresses: none is given, but addressing is static", option="addresses")
        return
    for option in ("addresses", "gateways"):
        if getattr(bridge, option):
            raise KvmError(
                f"{option}: given, but addressing is {bridge.addressing}", "Set addressing: static.", option=option
            )


def _gateway(gateway: str, nets: t.Sequence[t.Any]) -> None:
    found = _interface("gateways", gateway, "/" not in gateway).ip
    if not found.is_link_local and not any(found in net for net in nets if net.version == found.version):
        raise _refused("gateways", gateway, "is in none of the addresses' networks", "Check the prefix of addresses.")


def _interface(option: str, value: str, formed: bool) -> t.Any:
    try:
        if not formed:
            raise ValueError
        return ipaddress.ip_interface(value)
    except ValueError:
        form = "192.0.2.2/24" if option == "addresses" else "192.0.2.1"
        raise _refused(option, value, "is not an address", f"Write it as in {form}.") from None


def _once(option: str, values: t.Sequence[str]) -> None:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise _refused(option, value, "is named twice", "Name it once.")


def _refused(option: str, value: str, why: str, remedy: str) -> KvmError:
    return KvmError(f"{option}: {value} {why}", remedy, option=option)
