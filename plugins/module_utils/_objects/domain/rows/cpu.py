# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of a guest's processor, and of the NUMA cells that it's divided into."""

from __future__ import annotations

import typing as t

from ...._xml import document
from ...._xml.items import Items
from ...._xml.maps import Distances
from ...._xml.rows import Change, Field, Group, Map
from ...._xml.types import COUNT, CPUSET, KIB, ON_OFF, POSITIVE, SOME, STR, WHOLE, YES_NO, Size
from .common import always, unsaid

Element = document.Element


def _put_mode(cpu: Element, value: str) -> None:
    if cpu.get("mode") not in (None, value):
        for node in cpu.findall("model") + cpu.findall("vendor") + cpu.findall("feature"):
            document.remove(node)
        for name in ("check", "migratable"):  # libvirt's own for each mode
            cpu.attrib.pop(name, None)
    if value != "custom":
        cpu.attrib.pop("match", None)
    cpu.set("mode", value)


def _expanded(persistent: Element, running: Element) -> bool:
    """host-model is written out when the guest starts, and a reader without rights sees all written out."""
    return running.get("expanded") == "yes" or (
        persistent.get("mode") == "host-model" and running.get("check") == "full"
    )


def _filled(persistent: Element, running: Element) -> bool:
    """Beside a model that was written out stands all that follows from it."""
    return running.get("check") == "full" and persistent.get("check") != "full"


class _Features(Map):
    """At start libvirt decides whether what is optional is there, and what is forced is required from then on."""

    __slots__ = ()

    def compare(self, before: Element, after: Element, path: str, changes: list[Change]) -> None:
        if _filled(after, before):
            return
        stored = self.value(after)
        running, wanted = (
            {
                name: policy.replace("force", "require")
                for name, policy in values.items()
                if stored.get(name) != "optional"
            }
            for values in (self.value(before), stored)
        )
        self._note(running, wanted, path, changes)


NUMA = (
    Field("id", "@id", COUNT, "The cell's number: its identity."),
    Field("cpus", "@cpus", CPUSET, "Its vCPUs, V(0-3)."),
    Field("memory", "@memory", KIB, "Its memory."),
    Field("mem_access", "@memAccess", STR, "Whether it's shared with other processes.", choices=("shared", "private")),
    Field("discard", "@discard", YES_NO, "Whether its content is thrown away at the end."),
    Distances("distances", "distances/sibling", WHOLE, "Distances to other cells: the cell to a number from 10. Full when given.",
              key="id", value_at="value"),
    Items("caches", "cache", (
        Field("level", "@level", SOME, "Level: its identity.", required=True),
        Field("associativity", "@associativity", STR, "How it's looked up.", choices=("none", "direct", "full")),
        Field("policy", "@policy", STR, "How it's written.", choices=("none", "writeback", "writethrough")),
        Field("size", "size@value", KIB, "Its size."),
        Field("line", "line@value", Size("B"), "The size of a line."),
    ), ("level",), "Its memory side caches.", ordered=False),
)  # fmt: skip
_PATH = (
    Field("initiator", "@initiator", COUNT, "The cell that asks.", required=True),
    Field("target", "@target", COUNT, "The cell that is asked.", required=True),
    Field("cache", "@cache", COUNT, "The level of the cache that answers."),
    Field("type", "@type", STR, "What is asked.", choices=("access", "read", "write")),
)


def _path(item: dict[str, t.Any]) -> t.Any:
    return tuple(item.get(name) for name in ("initiator", "target", "cache", "type"))


LATENCIES = (*_PATH, Field("value", "@value", WHOLE, "The latency, in nanoseconds."))
BANDWIDTHS = (*_PATH, Field("value", "@value", KIB, "The bandwidth, each second."))
CPU = (
    Field("mode", "@mode", STR, "Which processor the guest sees.",
          choices=("host-passthrough", "host-model", "maximum", "custom"), put=_put_mode, volatile=_expanded),
    Field("model", "model", STR, "The model by name (V(cpu.mode=custom)).", volatile=_expanded),
    Field("fallback", "model@fallback", STR, "Whether another model may do where this one isn't supported.",
          choices=("allow", "forbid"), volatile=always),
    Field("vendor_id", "model@vendor_id", STR, "The vendor that the guest sees, 12 characters."),
    Field("vendor", "vendor", STR, "The vendor that the host's processor must be of (V(cpu.mode=custom)).", volatile=_filled),
    Field("match", "@match", STR, "How the host's processor must fit (V(cpu.mode=custom)).", choices=("minimum", "exact", "strict"),
          volatile=_filled),
    Field("check", "@check", STR, "What is checked at start.", choices=("none", "partial", "full"), volatile=_filled),
    Field("migratable", "@migratable", ON_OFF, "Whether features that stand in a migration's way are left out.",
          volatile=unsaid("@migratable")),
    _Features("features", "feature", STR, value_at="policy", choices=("force", "require", "optional", "disable", "forbid"),
              doc="Features by name, with what is asked of them: V(require), V(disable), V(optional), V(force), V(forbid). Full when given."),
    Group("topology", "topology", (
        Field("sockets", "@sockets", POSITIVE, "Sockets."),
        Field("dies", "@dies", POSITIVE, "Dies in a socket."),
        Field("clusters", "@clusters", POSITIVE, "Clusters in a die.", since=10_001_000),
        Field("cores", "@cores", POSITIVE, "Cores in a die, or in a cluster."),
        Field("threads", "@threads", POSITIVE, "Threads in a core."),
    ), "How the vCPUs are arranged; their product is the maximum number of vCPUs."),
    Field("cache_mode", "cache@mode", STR, "Which cache the guest sees.", choices=("emulate", "passthrough", "disable")),
    Field("cache_level", "cache@level", POSITIVE, "The level that is meant, V(3) with V(cpu.cache_mode=emulate)."),
    Group("maxphysaddr", "maxphysaddr", (
        Field("mode", "@mode", STR, "The host's width or one of its own.", choices=("passthrough", "emulate")),
        Field("bits", "@bits", POSITIVE, "The width in bits (V(cpu.maxphysaddr.mode=emulate))."),
        Field("limit", "@limit", POSITIVE, "The most bits (V(cpu.maxphysaddr.mode=passthrough)).", since=9_003_000),
    ), "How wide physical addresses are."),
    Items("numa", "numa/cell", NUMA, ("id",), "The NUMA cells that the guest sees; their memory is all that it has at start."),
    Items("latencies", "numa/interconnects/latency", LATENCIES, (_path,), "Latencies between NUMA cells.", ordered=False),
    Items("bandwidths", "numa/interconnects/bandwidth", BANDWIDTHS, (_path,), "Bandwidths between NUMA cells.", ordered=False),
)  # fmt: skip
