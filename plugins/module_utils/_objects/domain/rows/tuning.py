# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of what the host gives a guest and takes from it: where it runs, how much, on which memory."""

from __future__ import annotations

from ...._xml.items import Items
from ...._xml.maps import Schedulers
from ...._xml.rows import Field, Map
from ...._xml.types import COUNT, CPUSET, INT, KIB, PATH, POSITIVE, PRESENT, SOME, STR, WHOLE, YES_NO
from .common import Element, unsaid

_PERIOD = "The period in microseconds over which {0} counted."
_QUOTA = "How many microseconds of each period {0} may run; V(-1) or V(0) for no limit."
_CACHE = (
    Field("id", "@id", COUNT, "The host's cache by number.", required=True),
    Field("level", "@level", SOME, "Its level.", required=True),
    Field("type", "@type", STR, "What it keeps.", choices=("both", "code", "data"), required=True),
    Field("size", "@size", KIB, "How much of it."),
)
CPUTUNE = (
    Field("shares", "shares", POSITIVE, "Weight among all guests when the host is busy.", live="scheduler"),
    *(Field(name, name, type, text.format(who), live="scheduler", silent=silent)
      for prefix, who, verb in (("global_", "the whole guest", "is"), ("", "each vCPU", "is"),
                                ("emulator_", "QEMU's own threads together", "are"), ("iothread_", "each iothread", "is"))
      for name, type, text, who, silent in ((prefix + "period", POSITIVE, _PERIOD, f"{who} {verb}", 100_000),
                                            (prefix + "quota", INT, _QUOTA, who, (-1, 0)))),
    Map("vcpupin", "vcpupin", CPUSET, "The host's CPUs that each vCPU may run on: number to set, V({0: 0-1}). Full when given.",
        key="vcpu", value_at="cpuset", live="pin"),
    Field("emulatorpin", "emulatorpin@cpuset", CPUSET, "The host's CPUs that QEMU's own threads may run on.", live="pin"),
    Map("iothreadpin", "iothreadpin", CPUSET, "The host's CPUs that each iothread may run on: number to set. Full when given.",
        key="iothread", value_at="cpuset", live="pin"),
    Schedulers("vcpusched", "vcpusched", STR, "The scheduler of each vCPU by number or set: V(batch), V(idle), V(fifo 1), V(rr 1)."
               " Full when given.", key="vcpus"),
    Schedulers("iothreadsched", "iothreadsched", STR, "The same of each iothread. Full when given.", key="iothreads"),
    Field("emulatorsched", "emulatorsched@scheduler", STR, "The scheduler of QEMU's own threads.",
          choices=("batch", "idle", "fifo", "rr")),
    Field("emulatorsched_priority", "emulatorsched@priority", WHOLE, "Its priority (V(fifo), V(rr))."),
    Items("cachetune", "cachetune", (
        Field("vcpus", "@vcpus", CPUSET, "The vCPUs: their identity.", required=True),
        Items("caches", "cache", _CACHE, (lambda item: (item.get("id"), item.get("level"), item.get("type")),), "Their parts of caches."),
        Items("monitors", "monitor", (
            Field("level", "@level", SOME, "The level that is watched.", required=True),
            Field("vcpus", "@vcpus", CPUSET, "The vCPUs that are watched.", required=True),
        ), (lambda item: (item.get("level"), item.get("vcpus")),), "What is measured."),
    ), ("vcpus",), "Parts of the host's caches for vCPUs (resctrl).", ordered=False),
    Items("memorytune", "memorytune", (
        Field("vcpus", "@vcpus", CPUSET, "The vCPUs: their identity.", required=True),
        Map("nodes", "node", WHOLE, "The host's NUMA nodes: number to percent of its bandwidth. Full when given.",
            key="id", value_at="bandwidth"),
    ), ("vcpus",), "Parts of the host's memory bandwidth for vCPUs (resctrl).", ordered=False),
)  # fmt: skip
NUMATUNE = (
    Field("mode", "memory@mode", STR, "How strictly memory comes from these nodes.",
          choices=("strict", "preferred", "interleave", "restrictive")),
    Field("nodeset", "memory@nodeset", CPUSET, "The host's NUMA nodes.", live="numatune"),
    Field("placement", "memory@placement", STR, "Whether they are given, or numad is asked.", choices=("static", "auto"),
          volatile=unsaid("memory@placement")),
    Items("memnodes", "memnode", (
        Field("cellid", "@cellid", COUNT, "The guest's NUMA cell: its identity.", required=True),
        Field("mode", "@mode", STR, "As above.", choices=("strict", "preferred", "interleave", "restrictive")),
        Field("nodeset", "@nodeset", CPUSET, "The host's NUMA nodes."),
    ), ("cellid",), "The same for single cells.", ordered=False),
)  # fmt: skip
MEMORY_BACKING = (
    Items("hugepage_sizes", "hugepages/page", (
        Field("size", "@size", KIB, "Size of the pages: its identity.", required=True),
        Field("nodeset", "@nodeset", CPUSET, "The guest's NUMA nodes; all where it's left out."),
    ), ("size",), "Which huge pages, where it isn't the host's default size."),
    Field("hugepages", "hugepages", PRESENT, "Whether it's made of huge pages; the host must have them."),
    Field("nosharepages", "nosharepages", PRESENT, "Whether equal pages are kept apart (no KSM)."),
    Field("locked", "locked", PRESENT, "Whether it's never swapped out; set O(memtune.hard_limit) with it."),
    Field("source", "source@type", STR, "What it's made of.", choices=("anonymous", "file", "memfd")),
    Field("access", "access@mode", STR, "Whether other processes may share it: V(shared) for virtiofs and vhostuser.",
          choices=("shared", "private")),
    Field("allocation", "allocation@mode", STR, "When it's taken.", choices=("immediate", "ondemand")),
    Field("allocation_threads", "allocation@threads", POSITIVE, "How many threads take it."),
    Field("discard", "discard", PRESENT, "Whether its content is thrown away at the end."),
)  # fmt: skip
MEMTUNE = (
    Field("hard_limit", "hard_limit", KIB, "The most memory that QEMU and guest may use on the host.", live="memtune"),
    Field("soft_limit", "soft_limit", KIB, "The same when the host's memory is short.", live="memtune"),
    Field("swap_hard_limit", "swap_hard_limit", KIB, "The most memory and swap together.", live="memtune"),
)


def _as_bfq(persistent: Element, running: Element) -> bool:
    """True where the running weight is the given one as the kernel counts it for the scheduler BFQ: libvirt writes to one file
    and reads from the other, so 200 becomes 109 (block/bfq-cgroup.c: 100 to 10000 onto 100 to 1000)."""
    given, read = (int(node.findtext("weight") or 0) for node in (persistent, running))
    return given > 100 and read == 100 + ((given - 100) * 900 + 4950) // 9900


BLKIOTUNE = (
    Field("weight", "weight", POSITIVE, "Weight among all guests, from 1 to 1000.", live="blkiotune", volatile=_as_bfq),
    Items("devices", "device", (
        Field("path", "path", PATH, "A block device of the host: its identity.", required=True),
        Field("weight", "weight", WHOLE, "Weight on it, where its I/O scheduler is CFQ (Linux before 5.0).", live="blkiotune", silent=0),
        *(Field(f"{way}_{limit}", f"{way}_{limit}", WHOLE, f"{text} {done}, each second. V(0) for no limit.", live="blkiotune", silent=0)
          for way, done in (("read", "read"), ("write", "written"))
          for limit, text in (("bytes_sec", "Bytes"), ("iops_sec", "Operations"))),
    ), ("path",), "Limits on the host's block devices.", ordered=False, live="blkiotune"),
)  # fmt: skip
IOTHREAD = (
    Field("id", "@id", SOME, "Its number: its identity.", required=True),
    Field("thread_pool_min", "@thread_pool_min", WHOLE, "The least worker threads."),
    Field("thread_pool_max", "@thread_pool_max", POSITIVE, "The most worker threads."),
)
VCPU = (
    Field("id", "@id", COUNT, "Its number: its identity.", required=True),
    Field("enabled", "@enabled", YES_NO, "Whether the guest has it."),
    Field(
        "hotpluggable",
        "@hotpluggable",
        YES_NO,
        "Whether it can be taken away while the guest runs.",
        volatile=unsaid("@hotpluggable"),
    ),
    Field("order", "@order", POSITIVE, "Its place in the order of plugging in.", volatile=unsaid("@order")),
)
THREAD_POOL = IOTHREAD[1:]
