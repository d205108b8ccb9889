# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record this host for the tests: `sudo python3 tests/unit/host/record.py > tests/unit/host/recordings/<name>.json`.

The files that host_info reads go in (those below /etc and in modprobe.d without their comments), and beside them what
isn't a file: ioctls, CPUID, registers, nodes, versions; with `--messages` the kernel's messages too. The command line
isn't recorded. Read the result before you give it away.
"""

from __future__ import annotations

import glob
import json
import os
import pathlib
import stat
import sys
import typing as t

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / ".build" / "collections"))

from ansible_collections.metal.kvm.plugins.module_utils._host.command import answers
from ansible_collections.metal.kvm.plugins.module_utils._host.kvm import emulators
from ansible_collections.metal.kvm.plugins.module_utils._host.libvirt import installed
from ansible_collections.metal.kvm.plugins.module_utils._host.machine import device
from ansible_collections.metal.kvm.plugins.module_utils._host.root import Root

FILES = (
    "/proc/cpuinfo", "/proc/meminfo", "/proc/misc", "/proc/sysinfo", "/proc/swaps", "/proc/mounts",
    "/proc/self/status", "/proc/1/comm", "/proc/xen/capabilities", "/proc/net/unix",
    "/proc/cgroups", "/proc/sys/kernel/osrelease", "/proc/sys/kernel/modules_disabled",
    "/proc/sys/kernel/numa_balancing",
    "/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding", "/proc/sys/net/bridge/*",
    "/proc/sys/net/ipv4/conf/all/rp_filter", "/proc/sys/vm/overcommit_memory", "/proc/sys/vm/swappiness",
    "/sys/module/kvm*/*", "/sys/module/kvm*/parameters/*", "/sys/module/vhost*/parameters/*",
    "/sys/module/vfio*/parameters/*", "/sys/hypervisor/type",
    "/sys/devices/system/cpu/online", "/sys/devices/system/cpu/smt/*", "/sys/devices/system/cpu/vulnerabilities/*",
    "/sys/devices/system/clocksource/clocksource0/*", "/sys/devices/system/node/node*/cpulist",
    "/sys/devices/system/node/node*/meminfo", "/sys/devices/system/node/node*/hugepages/*/*",
    "/sys/kernel/mm/hugepages/*/*", "/sys/kernel/mm/ksm/*", "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/class/dmi/id/sys_vendor", "/sys/class/dmi/id/product_name", "/sys/firmware/uv/*",
    "/sys/kernel/security/lockdown",
    "/sys/fs/cgroup/cgroup.controllers", "/sys/fs/selinux/enforce", "/sys/module/apparmor/parameters/enabled",
    "/etc/os-release", "/etc/modprobe.d/*", "/usr/lib/modprobe.d/*", "/etc/modules-load.d/*", "/etc/modules",
    "/etc/libvirt/*.conf", "/etc/default/libvirt*", "/run/*.pid", "/.dockerenv", "/run/.containerenv",
)  # fmt: skip
DIRECTORIES = (
    "/sys/module/kvm*",
    "/sys/module/kvm*/holders",
    "/sys/kernel/iommu_groups",
    "/sys/class/iommu",
    "/run/systemd/system",
)
LINKS = ("/proc/self/ns/pid", "/usr/lib/*/libvirt.so.0", "/usr/lib64/libvirt.so.0",
         "/etc/systemd/system/*.wants/*virt*",
         "/sys/module/kvm*/holders/*")  # fmt: skip
NODES = (
    "/dev/kvm",
    "/dev/vhost-net",
    "/dev/vhost-vsock",
    "/dev/net/tun",
    "/dev/vfio/vfio",
    "/dev/sev",
    "/dev/userfaultfd",
)
LEAVES = (0x1, 0x7, 0x40000000, 0x80000001, 0x8000000A, 0x8000001F)
REGISTERS = (0x3A, 0xC0010114)
LIMIT = 200_000


def record() -> dict[str, t.Any]:
    """The recording."""
    root = Root()
    asked = device.kvm(root, create=True)
    commands = [(binary, "--version") for dummy, binary in emulators.emulators(root)]
    programs = [*(binary for binary, dummy in commands), *filter(None, map(root.program, installed.DAEMONS))]
    return {
        "files": {name[1:]: text for name in _names(FILES, os.path.isfile) if (text := _text(name)) is not None},
        "directories": sorted(name[1:] for name in _names(DIRECTORIES, os.path.isdir)),
        "links": {name[1:]: os.readlink(name) for name in _names(LINKS, os.path.islink)},
        "programs": programs,
        "record": {
            "uname": {"machine": os.uname().machine, "release": os.uname().release},
            "uid": os.geteuid(),
            "kvm": asked,
            "cpuid": {f"{leaf:#x}": device.cpuid(root, leaf) for leaf in LEAVES if device.cpuid(root, leaf)},
            "msr": {
                f"{number:#x}": device.msr(root, number) for number in REGISTERS if device.msr(root, number) is not None
            },
            "nodes": {path: device.node(root, path) for path in NODES if _is_char(path)},
            "commands": {" ".join(command): text for command, text in answers(root, commands).items()},
            **({"kmsg": device.messages(root).text} if "--messages" in sys.argv else {}),
        },
    }


def _names(patterns: t.Iterable[str], keep: t.Callable[[str], bool]) -> list[str]:
    return sorted({name for pattern in patterns for name in glob.glob(pattern) if keep(name)})


def _text(name: str) -> t.Optional[str]:
    try:
        text = pathlib.Path(name).read_bytes()[:LIMIT].decode("utf-8", "replace")
    except OSError:
        return None
    if not name.startswith("/etc/") and "/modprobe.d/" not in name:
        return text
    return "".join(f"{line}\n" for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))


def _is_char(path: str) -> bool:
    try:
        return stat.S_ISCHR(os.stat(path).st_mode)
    except OSError:
        return False


if __name__ == "__main__":
    json.dump(record(), sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")
