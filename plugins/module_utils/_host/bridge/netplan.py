# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""netplan: a file of ours, which is read after those of others and goes over what they say of a port."""

from __future__ import annotations

import re
import typing as t

from ..._plan import KvmError
from ..root import Root
from .wanted import Bridge

DIRECTORY = "etc/netplan"
KEY = re.compile(r"""^( *)["']?([^\s"':#-][^\s"':]*)["']? *:( +\S.*)?$""")
SECTIONS = ("ethernets", "bonds", "vlans", "dummy-devices", "modems", "tunnels")
LISTS = ("addresses", "routes", "gateway4", "gateway6")  # can be added to by another file, but not taken away

Entry = tuple[tuple[str, ...], str, str]  # keys from the top, value, path of the file


def runs(root: Root) -> bool:
    """Its program and a file are there."""
    return root.program("netplan") is not None and any(name.endswith(".yaml") for name in root.names(DIRECTORY))


def _path(name: str) -> str:
    return f"{DIRECTORY}/90-metal-kvm-{name}.yaml"


def ours(root: Root, name: str) -> list[str]:
    """The file of a bridge of that name."""
    return [_path(name)] if root.exists(_path(name)) else []


def members(root: Root, name: str) -> list[str]:
    """Devices that our file puts into the bridge."""
    found = re.search(r"^      interfaces: \[(.*)\]$", root.text(_path(name)) or "", re.MULTILINE)
    return [word for word in found[1].split(", ") if word] if found else []


def files(root: Root, bridge: Bridge) -> dict[str, str]:
    """One file."""
    told = [entry for entry in entries(root) if entry[2] != _path(bridge.name)]
    lines = ["network:", "  version: 2"]
    sections: dict[str, list[str]] = {}
    names = []
    for port in bridge.ports:
        section, name = _definition(told, port)
        names.append(name)
        if not bridge.vlan:
            _free(told, section, name)
        sections.setdefault(section, []).append(f"    {name}: {{{_port(bridge)}}}")
    if bridge.vlan:
        for name, device in zip(names, bridge.devices):
            sections.setdefault("vlans", []).append(f"    {device}: {{id: {bridge.vlan}, link: {name}}}")
    for section, written in sections.items():
        lines += [f"  {section}:", *written]
    inside = bridge.devices if bridge.vlan else names
    lines += ["  bridges:", f"    {bridge.name}:", f"      interfaces: [{', '.join(inside)}]"]
    return {_path(bridge.name): "\n".join([*lines, *(f"      {line}" for line in _bridge(bridge)), ""])}


def _port(bridge: Bridge) -> str:
    """What we say of a port: it has no addresses of its own; nothing, if only a VLAN of it is in the bridge."""
    if bridge.vlan:
        return ""
    return "dhcp4: false, dhcp6: false, accept-ra: false" + (f", mtu: {bridge.mtu}" if bridge.mtu else "")


def _bridge(bridge: Bridge) -> list[str]:
    dhcp = bridge.addressing == "dhcp"
    found = [f"macaddress: {bridge.mac}"] if bridge.mac else []
    found += [f"mtu: {bridge.mtu}"] if bridge.mtu else []
    found += [f"parameters: {{stp: {_truth(bridge.stp)}}}", f"dhcp4: {_truth(dhcp)}"]
    found += ["dhcp6: true"] if dhcp else []
    found += [] if bridge.here else ["link-local: []"]
    found += _block("addresses", [f'- "{address}"' for address in bridge.addresses])
    routes = [f'- {{to: "{_everywhere(gateway)}", via: "{gateway}"}}' for gateway in bridge.gateways]
    found += _block("routes", routes)
    return found + _block("nameservers", [*_row("addresses", bridge.nameservers), *_row("search", bridge.search)])


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _block(key: str, lines: t.Sequence[str]) -> list[str]:
    """A key with lines below it; nothing without any."""
    return [f"{key}:", *(f"  {line}" for line in lines)] if lines else []


def _row(key: str, words: t.Sequence[str]) -> list[str]:
    """A key with its list in one line; nothing without any words."""
    return [f"{key}: [{', '.join(_quoted(words))}]"] if words else []


def _everywhere(gateway: str) -> str:
    return "::/0" if ":" in gateway else "0.0.0.0/0"


def _quoted(words: t.Sequence[str]) -> list[str]:
    return [f'"{word}"' for word in words]


def entries(root: Root) -> list[Entry]:
    """What all files say, as far as it is written one key a line."""
    found: list[Entry] = []
    for file in root.names(DIRECTORY):
        path = f"{DIRECTORY}/{file}"
        above: list[tuple[int, str]] = []
        for line in root.lines(path) if file.endswith(".yaml") else []:
            match = KEY.match(line.split(" #")[0].rstrip())
            if match:
                depth = len(match[1])
                above = [*(pair for pair in above if pair[0] < depth), (depth, match[2])]
                found.append((tuple(key for dummy, key in above), (match[3] or "").strip(), path))
    return found


def _definition(told: t.Sequence[Entry], port: str) -> tuple[str, str]:
    """The section in which a port is defined, and the name by which: its own, or that of an entry that names it."""
    for keys, value, dummy in told:
        named = keys[3:] == ("set-name",) and value.strip("\"'") == port
        if keys[:1] == ("network",) and len(keys) > 2 and keys[1] in SECTIONS and (named or keys[2] == port):
            return keys[1], keys[2]
    return "ethernets", port


def _free(told: t.Sequence[Entry], section: str, name: str) -> None:
    """Refuse a port that another file gives addresses: they would stay on it, beside the bridge's."""
    for keys, dummy, path in told:
        if keys[1:3] == (section, name) and len(keys) == 4 and keys[3] in LISTS:
            raise KvmError(
                f"ports: /{path} gives {name} {keys[3]}, and no other file can take them away",
                f"Take {keys[3]} of {name} out of it; the bridge gets them by addresses and gateways.",
                option="ports",
            )


def up(root: Root, bridge: Bridge) -> list[str]:
    """Read the files and do by them."""
    return ["netplan apply"]


def down(root: Root, bridge: Bridge) -> list[str]:
    """Take the devices away, which netplan doesn't do, and have the ports be what they are without them."""
    made = [bridge.name, *(bridge.devices if bridge.vlan else ())]
    return ["netplan generate", *(f"ip link delete dev {device}" for device in made), "netplan apply"]


def free(port: str) -> list[str]:
    """Nothing more: who is told of all is told of a port that's left out."""
    return []
