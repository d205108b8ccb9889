# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ifupdown: a file of ours in interfaces.d; what others say of a port is put behind a mark, and comes back with it."""

from __future__ import annotations

import re
import typing as t

from ..root import Root
from .wanted import Bridge

MAIN, DIRECTORY = "etc/network/interfaces", "etc/network/interfaces.d"
SOURCE = re.compile(r"^\s*source(-directory)?\s+/?etc/network/interfaces\.d", re.MULTILINE)
STANZA = re.compile(r"^\s*(auto|allow-\S+|iface|mapping|source|source-directory|no-auto-down|no-scripts)\b")
HOOK = f"source /{DIRECTORY}/metal-kvm-*"


def runs(root: Root) -> bool:
    """Its program and its file are there."""
    return root.program("ifup") is not None and root.exists(MAIN)


def ours(root: Root, name: str) -> list[str]:
    """The file of a bridge of that name."""
    path = _path(name)
    return [path] if root.exists(path) else []


def members(root: Root, name: str) -> list[str]:
    """Devices that our file puts into the bridge."""
    return re.findall(
        rf"^    pre-up ip link set dev (\S+) master {re.escape(name)}$", root.text(_path(name)) or "", re.M
    )


def _path(name: str) -> str:
    return f"{DIRECTORY}/metal-kvm-{name}"


def files(root: Root, bridge: Bridge) -> dict[str, str]:
    """One file; it needs no other program than ip."""
    lines = [f"auto {bridge.name}"]
    for index, (family, method, options) in enumerate(_families(bridge)):
        lines += [f"iface {bridge.name} {family} {method}", *(f"    {option}" for option in options)]
        lines += [f"    {command}" for command in _commands(bridge)] if index == 0 else []
    return {_path(bridge.name): "\n".join([*lines, ""])}


def _families(bridge: Bridge) -> list[tuple[str, str, list[str]]]:
    """Stanzas: family, method, options. A second address is a stanza of its own."""
    if bridge.addressing != "static":
        return [("inet", "dhcp" if bridge.addressing == "dhcp" else "manual", [])]
    found = []
    names = [f"dns-nameservers {' '.join(bridge.nameservers)}"] if bridge.nameservers else []
    names += [f"dns-search {' '.join(bridge.search)}"] if bridge.search else []
    for version, family in ((4, "inet"), (6, "inet6")):
        gateways = [f"gateway {gateway}" for gateway in bridge.of(version, bridge.gateways)]
        for address in bridge.of(version, bridge.addresses):
            found.append((family, "static", [f"address {address}", *gateways, *names]))
            gateways, names = [], []
    return found


def _commands(bridge: Bridge) -> list[str]:
    """What makes the bridge before it is configured. It stays when it's there: guests may be in it."""
    name = bridge.name
    there = f"ip link show dev {name} >/dev/null 2>&1"
    found = [f"pre-up {there} || ip link add name {name} type bridge"]
    found += [f"pre-up ip link set dev {name} type bridge stp_state {int(bridge.stp)}"]
    found += [f"pre-up ip link set dev {name} address {bridge.mac}"] if bridge.mac else []
    for port, device in zip(bridge.ports, bridge.devices):
        if bridge.vlan:
            made = f"ip link add link {port} name {device} type vlan id {bridge.vlan}"
            found += [
                f"pre-up ip link show dev {device} >/dev/null 2>&1 || {made}",
                f"pre-up ip link set dev {port} up",
            ]
        found += [f"pre-up ip link set dev {device} mtu {bridge.mtu}"] if bridge.mtu else []
        found += [f"pre-up ip link set dev {device} master {name}", f"pre-up ip link set dev {device} up"]
    found += [f"pre-up ip link set dev {name} mtu {bridge.mtu}"] if bridge.mtu else []
    return [*found, f"up ip link set dev {name} up"]


def edits(root: Root, bridge: Bridge, present: bool) -> dict[str, t.Optional[str]]:
    """Files of others, in which the ports' stanzas are behind our mark, or (``present`` is false) no longer are."""
    found: dict[str, t.Optional[str]] = {}
    ports = () if bridge.vlan or not present else bridge.ports
    mark = f"#metal-kvm-{bridge.name} "
    for path in [MAIN, *(f"{DIRECTORY}/{file}" for file in root.names(DIRECTORY))]:
        text = root.text(path)
        if text is not None and path != _path(bridge.name):
            found[path] = _hidden(text, ports, mark)
    main = found.get(MAIN) or ""
    if present and not _reads_ours(main):
        found[MAIN] = f"{main}\n{HOOK}\n"
    return found


def _reads_ours(main: str) -> bool:
    """Whether ifupdown's main file has it read the directory, or at least our files in it."""
    return SOURCE.search(main) is not None or HOOK in main


def _hidden(text: str, ports: t.Collection[str], mark: str) -> str:
    """The text with the ports' stanzas, and no other lines, behind the mark."""
    lines, hiding = [], False
    for line in text.split("\n"):
        plain = line.removeprefix(mark)
        words = plain.split()
        if STANZA.match(plain):
            hiding = words[0] == "iface" and len(words) > 1 and words[1].partition(":")[0] in ports
            if words[0] == "auto" or words[0].startswith("allow-"):
                lines += _split(plain, ports, mark)
                continue
        comment = plain.lstrip().startswith("#") or not words
        lines.append(f"{mark}{plain}" if hiding and not comment else plain)
    return "\n".join(lines)


def _split(line: str, ports: t.Collection[str], mark: str) -> list[str]:
    """A line that names ports goes behind the mark; other interfaces that it names stay, in a line of their own."""
    verb, *names = line.split()
    hidden = [name for name in names if name in ports]
    if not hidden:
        return [line]
    kept = [name for name in names if name not in ports]
    return [*([" ".join([verb, *kept])] if kept else []), f"{mark}{' '.join([verb, *hidden])}"]


def before(bridge: Bridge) -> list[str]:
    """Have what is configured let go of, DHCP clients too; addresses that are left are nobody's."""
    found = [f"ifdown --force {device}" for device in (bridge.name, *(() if bridge.vlan else bridge.ports))]
    return found + [f"ip address flush dev {port} scope global" for port in (() if bridge.vlan else bridge.ports)]


def up(root: Root, bridge: Bridge) -> list[str]:
    """Configure the bridge."""
    return [f"ifup --force {bridge.name}"]


def down(root: Root, bridge: Bridge) -> list[str]:
    """Take the devices away, and have the ports configured by what others say."""
    made = [bridge.name, *(bridge.devices if bridge.vlan else ())]
    again = () if bridge.vlan else bridge.ports
    return [*(f"ip link delete dev {device}" for device in made), *(f"ifup --force {port}" for port in again)]


def free(port: str) -> list[str]:
    """Have a port configured by what others say."""
    return [f"ifup --force {port}"]
