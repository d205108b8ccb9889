# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pairs of a domain's options that contradict each other."""

from __future__ import annotations

from ..._xml.contradictions import either, limit, most, without
from .. import virtualport

_RATES = ("bytes_sec", "iops_sec", "bytes_sec_max", "iops_sec_max")
_LOGINS = ("disks[].auth", "disks[].encryption", "hostdevs[].scsi.auth")

CONTRADICTIONS = (
    *virtualport.rules("interfaces[].virtualport"),
    virtualport.trunk("interfaces[].vlan"),
    most("vcpus", "vcpus_maximum"),
    most("memory", "memory_maximum", size=True),
    most("memory", "memory_hotplug.maximum", size=True),
    most("memory_maximum", "memory_hotplug.maximum", size=True),
    most("soft_limit", "hard_limit", "memtune", size=True),
    most("hard_limit", "swap_hard_limit", "memtune", size=True),
    most("thread_pool_min", "thread_pool_max", "iothread_ids[]"),
    most("thread_pool_min", "thread_pool_max", "default_iothread"),
    most("requested", "size", "memory_devices[]", size=True),
    most("space_soft_limit", "space_hard_limit", "filesystems[]", size=True),
    without("firmware", "bios", "secure_boot"),
    without("firmware", "bios", "enrolled_keys"),
    without("secure_boot", False, "enrolled_keys"),
    without("placement", "auto", "nodeset", "numatune"),
    without("mode", "host-passthrough", "model", "cpu"),
    without("mode", "host-model", "model", "cpu"),
    without("mode", "maximum", "model", "cpu"),
    *(without("autoport", True, port, "graphics[]") for port in ("port", "tls_port")),
    *(
        either(one, other, "graphics[]")
        for one, other in (
            ("listen", "listen_network"),
            ("listen", "listen_socket"),
            ("listen_network", "listen_socket"),
            ("port", "listen_socket"),
        )
    ),
    either("source", "socket", "filesystems[]"),
    either("adapter", "iscsi", "hostdevs[].scsi"),
    either("value", "file", "sysinfo.fwcfg[]"),
    *(either("secret_uuid", "secret_usage", below) for below in _LOGINS),
    *(limit(f"total_{rate}", f"{way}_{rate}", "disks[].iotune") for rate in _RATES for way in ("read", "write")),
)
