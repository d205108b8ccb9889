# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random domains from libvirt's own schema: a base, and on it elements and devices that nobody thought of.

Of a whole random document libvirt refuses nearly all. So each part is made by itself; while libvirt refuses it, it loses
what it says bit by bit.
"""

from __future__ import annotations

import copy
import pathlib
import typing as t

from lxml import etree
from schemas import Schema, alone

# What the expressions of the schema leave open: these make domains that fit together more often.
FITTING = {
    "absFilePath": ["{place}/a.raw", "{place}/b.raw", "{place}/a.qcow2", "{place}/x & y"],
    "filePath": ["{place}/a.raw", "{place}/c"],
    "absDirPath": ["{place}/dir", "{place}//d/"],
    "deviceName": ["eth0", "br0", "tap{host}"],
    "diskTarget": ["vda", "vdb", "sda", "sdb", "hda", "hdc", "fda", "sdc"],
    "diskTargetDev": ["vda", "vdb", "sda", "sdb", "hda", "hdc", "fda", "sdc"],
    "uniMacAddr": ["52:54:00:{hex}:00:AB", "52:54:00:00:{hex}:01"],
    "cpuset": ["0", "0-1", "0-2,^1", "1"],
    "PortNumber": ["5901", "7000", "-1"],
    "archnames": ["x86_64"],
    "dnsName": ["a.example", "b"],
    "ipv4Addr": ["192.168.7.{host}", "127.0.0.1"],
    "ipv6Addr": ["fd00:91::{hex}", "::1"],
    "anyURI": ["urn:a"],
}
NUMBERS = (0, 1, 2, 3, 10, 500, 4096)
DEVICES = [
    "disk", "disk", "disk", "controller", "filesystem", "interface", "interface", "interface", "input", "sound",
    "audio", "hostdev", "hostdev", "graphic", "graphic", "video", "console", "parallel", "serial", "serial",
    "channel", "channel", "smartcard", "hub", "redirdev", "redirfilter", "rng", "tpm", "shmem", "memorydev",
    "watchdog", "memballoon", "panic", "iommu", "vsock", "lease",
]  # fmt: skip
OTHERS = [
    "guestcpu", "guestcpu", "sysinfo", "clock", "clock", "resources", "resources", "features", "features", "events",
    "pm", "perf", "seclabel", "keywrap", "launchSecurity", "metadata", "qemucmdline", "qemudeprecation",
    "qemucapabilities", "qemuoverride", "title", "description", "idmap",
]  # fmt: skip
ONE = {"watchdog", "memballoon", "iommu", "vsock"}  # of these a domain has one at most
PARTS, TRIES, LOSSES = (1, 1, 2, 3, 4), 12, 7
SHALLOW = 14  # a part's own depth to begin with: it ends that much sooner


class Domains(Schema):
    """Domains made from the schema by a seed; what ``accepts`` a text says whether libvirt takes it."""

    fitting = FITTING
    values: t.ClassVar[dict[str, list[str]]] = {}
    always: t.ClassVar[set[tuple[str, str]]] = set()
    never: t.ClassVar[set[str]] = set()

    def __init__(self, place: pathlib.Path, bases: list[str], accepts: t.Callable[[str], bool]) -> None:
        super().__init__("domain.rng", place)
        self.bases = bases
        self.accepts = accepts

    def domain(self, seed: int) -> str:
        """One that libvirt accepts; the base as it is where it refuses each part."""
        self.random.seed(seed)
        text = self.bases[seed % len(self.bases)]
        left = self.random.choice(PARTS)
        for _part in range(TRIES):
            device = self.random.random() < 0.68
            grown = self._grown(text, self.random.choice(DEVICES if device else OTHERS), device)
            text, left = grown or text, left - bool(grown)
            if not left:
                break
        return text

    def _grown(self, text: str, name: str, device: bool) -> str:
        """The text with one part more, as much of it as libvirt accepts; empty where that is nothing."""
        holder = etree.Element("holder")
        self._all(holder, self.defines[name], SHALLOW)
        alone(holder)
        for _loss in range(LOSSES if len(holder) else 0):
            root = etree.fromstring(text)
            _put(root.find("devices") if device else root, holder, device)
            grown = str(etree.tostring(root, encoding="unicode"))
            if self.accepts(grown):
                return grown
            if not self._lose(holder):
                break
        return ""

    def _lose(self, holder: t.Any) -> bool:
        """Take one attribute or inner element out; false where there is none."""
        nodes = [node for node in holder.iter() if node is not holder]
        spots = [
            (node, name) for node in nodes for name in (*node.attrib, "") if name or node.getparent() is not holder
        ]
        if not spots:
            return False
        node, name = self.random.choice(spots)
        if name:
            del node.attrib[name]
        else:
            node.getparent().remove(node)
        return True

    def _data(self, parent: t.Any, pattern: t.Any, depth: int) -> None:
        limits = {node.get("name"): node.text for node in pattern if isinstance(node.tag, str)}
        if pattern.get("type") == "dateTime":
            self._write(parent, "2030-01-01T00:00:01")
        elif "pattern" in limits or pattern.get("type") != "string":
            low, high = int(limits.get("minInclusive", 0)), int(limits.get("maxInclusive", 10**6))
            number = str(min(max(self.random.choice(NUMBERS), low), high))
            self._write(parent, self._like(limits["pattern"]) if "pattern" in limits else number)
        else:
            self._text(parent, pattern, depth)


def _put(parent: t.Any, holder: t.Any, device: bool) -> None:
    for node in holder:
        there = parent.find(node.tag)
        if there is not None and (not device or node.tag in ONE):
            parent.remove(there)
        parent.append(copy.deepcopy(node))
