# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host itself does with a PCI device: disks that are mounted, the way to the network, the console."""

from __future__ import annotations

import os
import typing as t

if t.TYPE_CHECKING:
    from ..root import Root

PCI = "sys/bus/pci/devices"
DEPTH_MAX = 8


def uses(root: Root, address: str) -> list[str]:
    """Why the host can't do without the device; empty if it can."""
    found = [
        f"{name} on it holds {what}"
        for name, what in _storage(root)
        if _below(root, f"sys/class/block/{name}", address)
    ]
    routes = default_routes(root)
    for name in root.names("sys/class/net"):
        if _below(root, f"sys/class/net/{name}/device", address):
            above = [name, *_masters(root, name)]
            way = next((one for one in above if one in routes), None)
            found += [
                f"{name} on it is the host's way to the network{f' (through {way})' if way != name else ''}"
            ] * bool(way)
    if root.word(f"{PCI}/{address}/boot_vga") == "1":
        found.append("it is the display that the machine booted with")
    return found


def guests(root: Root, group: str) -> list[str]:
    """Processes (by name and id) that have the group's device open: guests that have it."""
    device, found = f"/dev/vfio/{group}", []
    for pid in root.names("proc"):
        if pid.isdigit():
            links = (root.link(f"proc/{pid}/fd/{fd}") for fd in root.names(f"proc/{pid}/fd"))
            if device in links:
                found.append(f"{root.word(f'proc/{pid}/comm')} ({pid})")
    return found


def _below(root: Root, path: str, address: str) -> bool:
    """Whether a link in /sys leads to something that hangs on the device."""
    return f"/{address}" in os.path.realpath(root.at(path)) and root.exists(path)


def _storage(root: Root) -> list[tuple[str, str]]:
    """Block devices in use, each with what for; below a mapper, RAID or the like the disks that make it."""
    mounts = [words for words in root.rows("proc/self/mountinfo", 7) if "-" in words]
    rows = [(_mounted(root, words), words[4]) for words in mounts]
    rows += [(_block(root, words[0]), "swap") for words in root.rows("proc/swaps", 1, 1)]
    return [(part, what) for name, what in rows if name for part in _parts(root, name)]


def _mounted(root: Root, words: t.Sequence[str]) -> str:
    """The block device of a line of mountinfo: by its number, else by the source after the dash."""
    source = words[words.index("-") + 2]
    return os.path.basename(root.link(f"sys/dev/block/{words[2]}") or "") or _block(root, source)


def _block(root: Root, source: str) -> str:
    if not source.startswith("/dev/"):
        return ""
    return os.path.basename(os.path.realpath(root.at(source.lstrip("/"))))


def _parts(root: Root, name: str, depth: int = 0) -> list[str]:
    slaves = root.names(f"sys/class/block/{name}/slaves") if depth < DEPTH_MAX else []
    return [name] + [part for slave in slaves for part in _parts(root, slave, depth + 1)]


def _masters(root: Root, name: str) -> list[str]:
    """Bridges, bonds and VLANs above an interface."""
    found: list[str] = []
    for other in root.names(f"sys/class/net/{name}"):
        if other.startswith("upper_"):
            above = other[len("upper_") :]
            found += [above, *_masters(root, above)] if above not in found else []
    return found


def default_routes(root: Root) -> set[str]:
    """Interfaces that a default route goes through."""
    found = {row[0] for row in root.rows("proc/net/route", 8, 1) if row[1] == row[7] == "00000000"}
    rows = root.rows("proc/net/ipv6_route", 10)
    return found | {row[9] for row in rows if row[:2] == ["0" * 32, "00"] and row[9] != "lo"}
