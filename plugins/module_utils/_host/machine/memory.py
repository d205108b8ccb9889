# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory and its nodes: how much, huge pages asked for and got, what is merged and swapped. Sizes in bytes."""

from __future__ import annotations

import re
import typing as t

from ..kernel_module import modules
from ..root import Root
from .cpu import cpu_list

KIB = 1024
KSM = ("run", "pages_sharing", "pages_shared", "merge_across_nodes", "use_zero_pages", "pages_to_scan",
       "sleep_millisecs")  # fmt: skip
SYSCTL_DIRS = ("etc/sysctl.d", "run/sysctl.d", "usr/local/lib/sysctl.d", "usr/lib/sysctl.d", "lib/sysctl.d")
NODES = "sys/devices/system/node"


def memory(root: Root) -> dict[str, t.Any]:
    """The ``memory`` part."""
    info = _meminfo(root.text("proc/meminfo"))
    thp = "sys/kernel/mm/transparent_hugepage"
    return {
        "total": info.get("MemTotal"),
        "available": info.get("MemAvailable"),
        "swap": {"total": info.get("SwapTotal"), "free": info.get("SwapFree"), "devices": _swaps(root)},
        "hugepages": hugepages(root),
        "hugepages_asked": asked(root),
        "default_hugepage": info.get("Hugepagesize"),
        "mounts": _mounts(root),
        "thp": {name: _chosen(root.word(f"{thp}/{name}")) for name in ("enabled", "defrag", "use_zero_page")},
        "ksm": {name: root.number(f"sys/kernel/mm/ksm/{name}") for name in KSM}
        if root.exists("sys/kernel/mm/ksm")
        else None,
        "overcommit": root.number("proc/sys/vm/overcommit_memory"),
        "swappiness": root.number("proc/sys/vm/swappiness"),
    }


def numa(root: Root) -> dict[str, t.Any]:
    """The ``numa`` part: nodes with their processors, memory and distances."""
    found = []
    for name in sorted(
        (name for name in root.names(NODES) if re.fullmatch(r"node\d+", name)), key=lambda name: int(name[4:])
    ):
        info = _meminfo(root.text(f"{NODES}/{name}/meminfo"))
        found.append(
            {
                "id": int(name[4:]),
                "cpus": cpu_list(root.word(f"{NODES}/{name}/cpulist")),
                "total": info.get("MemTotal"),
                "free": info.get("MemFree"),
                "distances": [int(word) for word in (root.text(f"{NODES}/{name}/distance") or "").split()],
            }
        )
    balancing = root.number("proc/sys/kernel/numa_balancing")
    return {"nodes": found, "balancing": None if balancing is None else bool(balancing)}


def hugepages(root: Root) -> list[dict[str, t.Any]]:
    """Each size on each node: ``total``, ``free``; where there are no nodes, on the host (node None)."""
    found = []
    places: list[tuple[t.Optional[int], str]] = [
        (int(name[4:]), f"{NODES}/{name}/hugepages") for name in root.names(NODES) if re.fullmatch(r"node\d+", name)
    ]
    for node, base in places or [(None, "sys/kernel/mm/hugepages")]:
        for name in root.names(base):
            size = re.fullmatch(r"hugepages-(\d+)kB", name)
            if size:
                total, free = root.number(f"{base}/{name}/nr_hugepages"), root.number(f"{base}/{name}/free_hugepages")
                found.append({"size": int(size[1]) * KIB, "node": node, "total": total, "free": free})
    return sorted(found, key=lambda page: (page["node"] or 0, page["size"]))


def asked(root: Root) -> dict[str, int]:
    """Huge pages that the configuration asks for, by size in bytes as text: the command line, then sysctl.d."""
    info = _meminfo(root.text("proc/meminfo"))
    default = size = info.get("Hugepagesize") or 2 * KIB * KIB
    wanted: dict[int, int] = {}
    for word in modules.command_line(root):
        name, value = word.partition("=")[::2]
        if name == "hugepagesz":
            size = _size(value) or size
        elif name == "hugepages" and value.isdigit():
            wanted[size] = int(value)
    value = sysctl(root).get("vm.nr_hugepages", "")
    if value.isdigit():
        wanted[default] = int(value)
    return {str(key): count for key, count in sorted(wanted.items())}


def sysctl(root: Root) -> dict[str, str]:
    """What the files of sysctl.d set at boot: of one name in several directories /etc's counts, the last line wins."""
    values = {}
    for path in [*modules.conf_files(root, SYSCTL_DIRS), "etc/sysctl.conf"]:
        for line in root.lines(path):
            name, equals, value = line.partition("=")
            if equals and line.strip()[0] not in "#;":
                values[name.strip().lstrip("-").replace("/", ".")] = value.strip()
    return values


def _meminfo(text: t.Optional[str]) -> dict[str, int]:
    found = re.findall(r"^(?:Node \d+ )?(\w+):\s+(\d+) kB", text or "", re.MULTILINE)
    return {name: int(number) * KIB for name, number in found}


def _size(text: str) -> t.Optional[int]:
    found = re.fullmatch(r"(\d+)([KMG]?)", text.upper())
    return int(found[1]) * KIB ** " KMG".index(found[2] or " ") if found else None


def _swaps(root: Root) -> list[str]:
    return [words[0] for words in root.rows("proc/swaps", 1, 1)]


def _mounts(root: Root) -> list[dict[str, t.Any]]:
    found = []
    for words in root.mounts("hugetlbfs"):
        size = re.search(r"pagesize=(\w+)", words[3])
        found.append({"path": words[1], "size": _size(size[1]) if size else None})
    return found


def _chosen(text: t.Optional[str]) -> t.Optional[str]:
    found = re.search(r"\[(\S+)\]", text or "")
    return found[1] if found else text
