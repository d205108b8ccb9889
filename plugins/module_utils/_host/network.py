# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's network as guests see it: bridges, forwarding, filters, firewall, and who claims which subnet."""

from __future__ import annotations

import socket
import struct
import typing as t

from .libvirt_conf import reading
from .root import Root

NET = "sys/class/net"
DEFAULT_NETWORK = "192.168.122.0/24"


def report(root: Root) -> dict[str, t.Any]:
    """The ``network`` part."""
    names = root.names(NET)
    bridges = [_bridge(root, name) for name in names if root.exists(f"{NET}/{name}/bridge")]
    return {
        "bridges": bridges,
        "virbr": [bridge["name"] for bridge in bridges if bridge["name"].startswith("virbr")],
        "ip_forward": _bool(root, "proc/sys/net/ipv4/ip_forward"),
        "ip6_forward": _bool(root, "proc/sys/net/ipv6/conf/all/forwarding"),
        "rp_filter": root.number("proc/sys/net/ipv4/conf/all/rp_filter"),
        "bridge_nf": _bridge_filters(root),
        "routes": routes(root),
        "firewall_programs": [name for name in ("nft", "iptables", "ip6tables", "ebtables") if root.program(name)],
        "firewall_backend": reading.parse(root.text("etc/libvirt/network.conf") or "").get("firewall_backend"),
        "firewalld": root.exists("run/firewalld"),
        "docker": root.exists(f"{NET}/docker0") or root.exists("run/docker.sock"),
        "hostname": _hostname(root),
        "hostname_address": hostname_address(root),
    }


def routes(root: Root) -> list[dict[str, t.Any]]:
    """The kernel's IPv4 routes: ``destination`` with its prefix, and ``device``."""
    found = []
    for words in root.rows("proc/net/route", 8, 1):
        address = socket.inet_ntoa(struct.pack("<I", int(words[1], 16)))
        found.append({"destination": f"{address}/{bin(int(words[7], 16)).count('1')}", "device": words[0]})
    return found


def hostname_address(root: Root) -> t.Optional[str]:
    """What /etc/hosts says about the host's own name; None where it is left to DNS."""
    name = _hostname(root)
    for line in root.lines("etc/hosts"):
        words = line.partition("#")[0].split()
        if name and name in words[1:]:
            return words[0]
    return None


def _hostname(root: Root) -> t.Optional[str]:
    return root.word("proc/sys/kernel/hostname") or root.word("etc/hostname")


def _bridge_filters(root: Root) -> dict[str, t.Optional[int]]:
    """Whether frames in bridges pass the host's packet filters."""
    names = [name for name in root.names("proc/sys/net/bridge") if "-call-" in name]
    return {name: root.number(f"proc/sys/net/bridge/{name}") for name in names}


def claims(routes: t.Iterable[dict[str, t.Any]], network: str = DEFAULT_NETWORK) -> list[str]:
    """Devices other than libvirt's bridges that reach into a network by a route of their own."""
    start, prefix = _net(network)
    found = []
    for route in routes:
        other, length = _net(route["destination"])
        shorter = min(prefix, length)
        mask = 0xFFFFFFFF << (32 - shorter) & 0xFFFFFFFF
        if length and start & mask == other & mask and not route["device"].startswith("virbr"):
            found.append(route["device"])
    return sorted(set(found))


def listeners(root: Root) -> list[dict[str, t.Any]]:
    """TCP ports on which something listens: ``address`` (as the kernel writes it) and ``port``, sorted."""
    found = set()
    for path in ("proc/net/tcp", "proc/net/tcp6"):
        for words in root.rows(path, 4, 1):
            if words[3] == "0A":
                address, port = words[1].split(":")
                found.add((_address(address), int(port, 16)))
    return [{"address": address, "port": port} for address, port in sorted(found, key=lambda item: item[::-1])]


def _address(text: str) -> str:
    """/proc/net/tcp has addresses as hexadecimal words in the processor's order; little-endian is assumed."""
    words = [int(text[index : index + 8], 16) for index in range(0, len(text), 8)]
    raw = struct.pack(f"<{len(words)}I", *words)
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)


def _net(text: str) -> tuple[int, int]:
    address, prefix = text.split("/")
    return struct.unpack(">I", socket.inet_aton(address))[0], int(prefix)


def _bridge(root: Root, name: str) -> dict[str, t.Any]:
    base = f"{NET}/{name}"
    return {
        "name": name,
        "ports": root.names(f"{base}/brif"),
        "stp": _bool(root, f"{base}/bridge/stp_state"),
        "vlan_filtering": _bool(root, f"{base}/bridge/vlan_filtering"),
        "up": root.word(f"{base}/operstate") == "up",
    }


def _bool(root: Root, name: str) -> t.Optional[bool]:
    number = root.number(name)
    return None if number is None else bool(number)
