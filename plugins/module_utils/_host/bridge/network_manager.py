# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NetworkManager: a profile for the bridge and one for each port, preferred to those that the ports have now."""

from __future__ import annotations

import re
import uuid

from ..root import Root
from .wanted import Bridge

DIRECTORY = "etc/NetworkManager/system-connections"
SPACE = uuid.UUID("6f1c9e0a-6c1b-5f0e-9a64-5b1f6f6b766d")  # so that a profile keeps its UUID
PREFERRED = 900


def runs(root: Root) -> bool:
    """It keeps what it knows of devices below /run."""
    return root.exists("run/NetworkManager/devices")


def ours(root: Root, name: str) -> list[str]:
    """Files of a bridge of that name."""
    whole = re.compile(rf"metal-kvm-{re.escape(name)}(@.+)?\.nmconnection")
    return [f"{DIRECTORY}/{file}" for file in root.names(DIRECTORY) if whole.fullmatch(file)]


def members(root: Root, name: str) -> list[str]:
    """Devices that our files put into the bridge."""
    return [path.rpartition("@")[2].rpartition(".")[0] for path in ours(root, name) if "@" in path]


def files(root: Root, bridge: Bridge) -> dict[str, str]:
    """The bridge and each port."""
    found = {_path(bridge.name): _bridge(bridge)}
    for port, device in zip(bridge.ports, bridge.devices):
        kind = "vlan" if bridge.vlan else "ethernet"
        lines = [*_head(f"{bridge.name}@{device}", kind, device), f"master={bridge.name}", "slave-type=bridge"]
        lines += [f"autoconnect-priority={PREFERRED}"]
        lines += ["", "[vlan]", f"id={bridge.vlan}", f"parent={port}"] if bridge.vlan else []
        lines += ["", "[ethernet]", f"mtu={bridge.mtu}"] if bridge.mtu else []
        found[_path(f"{bridge.name}@{device}")] = "\n".join([*lines, ""])
    return found


def _path(name: str) -> str:
    return f"{DIRECTORY}/metal-kvm-{name}.nmconnection"


def _head(name: str, kind: str, device: str) -> list[str]:
    made = uuid.uuid5(SPACE, name)
    return ["[connection]", f"id=metal-kvm-{name}", f"uuid={made}", f"type={kind}", f"interface-name={device}"]


def _bridge(bridge: Bridge) -> str:
    lines = [*_head(bridge.name, "bridge", bridge.name), "autoconnect-slaves=1"]
    lines += ["", "[bridge]", f"stp={'true' if bridge.stp else 'false'}"]
    lines += [f"mac-address={bridge.mac}"] if bridge.mac else []
    lines += ["", "[ethernet]", f"mtu={bridge.mtu}"] if bridge.mtu else []
    for version in (4, 6):
        lines += ["", f"[ipv{version}]", f"method={_method(bridge, version)}"]
        gateways = bridge.of(version, bridge.gateways)
        lines += [f"address{index}={address}" for index, address in enumerate(bridge.of(version, bridge.addresses), 1)]
        lines += [f"gateway={gateways[0]}"] if gateways else []
        servers = bridge.of(version, bridge.nameservers)
        lines += [f"dns={';'.join(servers)};"] if servers else []
        lines += [f"dns-search={';'.join(bridge.search)};"] if bridge.search else []
    return "\n".join([*lines, ""])


def _method(bridge: Bridge, version: int) -> str:
    if bridge.addressing == "none":
        return "disabled"
    if bridge.of(version, bridge.addresses):
        return "manual"
    return "auto" if bridge.addressing == "dhcp" or version == 6 else "disabled"


def up(root: Root, bridge: Bridge) -> list[str]:
    """Read the files and go by them: ports first, since a bridge without any has nothing to ask a DHCP server."""
    names = [f"{bridge.name}@{device}" for device in bridge.devices]
    return [
        "nmcli connection reload",
        f"nmcli --wait 5 connection up metal-kvm-{bridge.name} || true",
        *(f"nmcli --wait 20 connection up metal-kvm-{name}" for name in names),
    ]


def down(root: Root, bridge: Bridge) -> list[str]:
    """Devices of profiles that are gone are let go of; a port takes the best that it has left."""
    return [
        "nmcli connection reload",
        *(_gone(device) for device in (bridge.name, *(bridge.devices if bridge.vlan else ()))),
        *(command for port in (() if bridge.vlan else bridge.ports) for command in free(port)),
    ]


def _gone(device: str) -> str:
    """NetworkManager may have taken it away by itself."""
    return f"nmcli device delete {device} || ! test -e /sys/class/net/{device}"


def free(port: str) -> list[str]:
    """Have a port take the best profile that it has left; whether it gets an address isn't for the bridge to say."""
    return [f"nmcli --wait 20 device connect {port} || true"]
