# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd-networkd: whole files of ours, of which the first that fits a device counts."""

from __future__ import annotations

import re

from ..command import answers
from ..root import Root
from .wanted import Bridge

DIRECTORY = "etc/systemd/network"


def runs(root: Root) -> bool:
    """It writes down what it does."""
    return root.exists("run/systemd/netif/state")


def ours(root: Root, name: str) -> list[str]:
    """Files of a bridge of that name."""
    whole = re.compile(rf"00-metal-kvm-{re.escape(name)}(@.+)?\.(netdev|network)")
    found = [f"{DIRECTORY}/{file}" for file in root.names(DIRECTORY) if whole.fullmatch(file)]
    parts = [f"{DIRECTORY}/{file}/metal-kvm-{name}.conf" for file in root.names(DIRECTORY) if file.endswith(".d")]
    return found + [path for path in parts if root.exists(path)]


def members(root: Root, name: str) -> list[str]:
    """Devices that our files put into the bridge."""
    found = re.compile(rf"00-metal-kvm-{re.escape(name)}@(.+)\.network")
    named = [match[1] for match in map(found.fullmatch, root.names(DIRECTORY)) if match]
    return [device for device in named if f"Bridge={name}\n" in (root.text(_path(name, device)) or "")]


def _path(name: str, device: str) -> str:
    return f"{DIRECTORY}/00-metal-kvm-{name}@{device}.network"


def files(root: Root, bridge: Bridge) -> dict[str, str]:
    """The bridge, its network, and each port."""
    start = f"{DIRECTORY}/00-metal-kvm-{bridge.name}"
    found = {f"{start}.netdev": _netdev(bridge), f"{start}.network": _network(bridge)}
    for port, device in zip(bridge.ports, bridge.devices):
        size = f"[Link]\nMTUBytes={bridge.mtu}\n\n" if bridge.mtu else ""
        member = f"[Network]\nBridge={bridge.name}\nLinkLocalAddressing=no\n"
        found[f"{start}@{device}.network"] = f"[Match]\nName={device}\n\n{size}{member}"
        if bridge.vlan:
            found[f"{start}@{device}.netdev"] = f"[NetDev]\nName={device}\nKind=vlan\n\n[VLAN]\nId={bridge.vlan}\n"
            found.update(_link(root, bridge, port, device))
    return found


def _netdev(bridge: Bridge) -> str:
    lines = ["[NetDev]", f"Name={bridge.name}", "Kind=bridge"]
    lines += [f"MACAddress={bridge.mac}"] if bridge.mac else []
    lines += [f"MTUBytes={bridge.mtu}"] if bridge.mtu else []
    return "\n".join([*lines, "", "[Bridge]", f"STP={'yes' if bridge.stp else 'no'}", ""])


def _network(bridge: Bridge) -> str:
    lines = ["[Match]", f"Name={bridge.name}", "", "[Link]"]
    lines += [f"MTUBytes={bridge.mtu}"] if bridge.mtu else []
    lines += [] if bridge.here and bridge.ports else ["RequiredForOnline=no"]
    lines += ["", "[Network]", f"DHCP={'yes' if bridge.addressing == 'dhcp' else 'no'}"]
    lines += [] if bridge.here else ["LinkLocalAddressing=no", "IPv6AcceptRA=no"]
    lines += [] if bridge.ports else ["ConfigureWithoutCarrier=yes"]
    return "\n".join([*lines, *_addresses(bridge), ""])


def _addresses(bridge: Bridge) -> list[str]:
    lines = [f"Address={address}" for address in bridge.addresses]
    lines += [f"Gateway={gateway}" for gateway in bridge.gateways]
    lines += [f"DNS={server}" for server in bridge.nameservers]
    return lines + ([f"Domains={' '.join(bridge.search)}"] if bridge.search else [])


def _link(root: Root, bridge: Bridge, port: str, device: str) -> dict[str, str]:
    """A port with a VLAN keeps what it has: the VLAN is added to the file that it is configured by."""
    said = answers(root, [("networkctl", "status", "--no-pager", port)])
    path = re.search(r"Network File: (\S+)", "".join(said.values()))
    if path:
        name = path[1].rpartition("/")[2]
        return {f"{DIRECTORY}/{name}.d/metal-kvm-{bridge.name}.conf": f"[Network]\nVLAN={device}\n"}
    start = f"{DIRECTORY}/00-metal-kvm-{bridge.name}@{port}.network"
    return {start: f"[Match]\nName={port}\n\n[Network]\nVLAN={device}\nLinkLocalAddressing=no\n"}


def up(root: Root, bridge: Bridge) -> list[str]:
    """Read the files; a device that appears is configured without being asked for."""
    there = [device for device in (*bridge.ports, bridge.name) if root.exists(f"sys/class/net/{device}")]
    return ["networkctl reload", *(f"networkctl reconfigure {device}" for device in there)]


def down(root: Root, bridge: Bridge) -> list[str]:
    """Take the devices away, which networkd doesn't do, and have the ports be what they are without them."""
    made = [bridge.name, *(bridge.devices if bridge.vlan else ())]
    return [
        "networkctl reload",
        *(f"ip link delete dev {device}" for device in made),
        *(f"networkctl reconfigure {port}" for port in bridge.ports),
    ]


def free(port: str) -> list[str]:
    """Have a port be what it is without the bridge."""
    return [f"networkctl reconfigure {port}"]
