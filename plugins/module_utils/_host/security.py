# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the host confines guests and who may reach them: QEMU's settings, MAC, groups, listeners, its identity."""

from __future__ import annotations

import os
import typing as t

from .root import Root

GROUPS = ("libvirt", "kvm", "libvirt-qemu", "qemu")
PROFILES = ("libvirtd", "virtqemud")
TIME_SERVICES = {
    "chronyd": ("run/chrony/chronyd.pid", "run/chronyd.pid"),
    "ntpd": ("run/ntpd.pid",),
    "ntpsec": ("run/ntpsec/ntpd.pid",),
    "systemd-timesyncd": ("run/systemd/timesync/synchronized",),
}
# TCP ports of libvirt and its guests: from, to, what for.
PORTS = ((16509, 16509, "libvirt"), (16514, 16514, "libvirt TLS"), (5700, 5799, "VNC websocket"),
         (5900, 5999, "console"),
         (49152, 49215, "migration"))  # fmt: skip
ANYWHERE = ("0.0.0.0", "::")
DISKS = ("var/lib/libvirt", "var/log")


def report(root: Root, conf: dict[str, dict[str, t.Any]]) -> dict[str, t.Any]:
    """The ``security`` part. ``conf`` is what ``libvirt_conf.reading.report`` found."""
    qemu = conf.get("qemu", {}).get("values", {})
    return {
        "qemu": {
            "user": qemu.get("user"),
            "group": qemu.get("group"),
            "drivers": _drivers(qemu.get("security_driver")),
            "default_confined": qemu.get("security_default_confined", 1) == 1,
            "seccomp": qemu.get("seccomp_sandbox") != 0,
            "namespaces": qemu.get("namespaces", ["mount"]),
            "migrate_tls_force": qemu.get("migrate_tls_force") == 1,
        },
        "apparmor_profiles": _profiles(root),
        "groups": _groups(root),
        "listeners": listeners(root),
        "audit": root.exists("run/auditd.pid"),
        "time_service": next((name for name, paths in TIME_SERVICES.items() if any(map(root.exists, paths))), None),
        "host_uuid": _uuid(root, conf),
        "disks": [_disk(root, path) for path in DISKS if root.exists(path)],
    }


def listeners(root: Root) -> list[dict[str, t.Any]]:
    """TCP ports of libvirt and its guests that are open: ``port``, ``address``, ``use``, ``anywhere``."""
    from .network import listeners as all_listeners

    found = []
    for listener in all_listeners(root):
        for first, last, use in PORTS:
            if first <= listener["port"] <= last:
                found.append({**listener, "use": use, "anywhere": listener["address"] in ANYWHERE})
    return found


def _drivers(value: t.Any) -> t.Optional[list[str]]:
    """``security_driver`` may be one name or a list; unset, libvirt takes what the host has."""
    return None if value is None else [value] if isinstance(value, str) else list(value)


def _profiles(root: Root) -> list[str]:
    """AppArmor's profiles of libvirt's daemons and of running guests, with their mode."""
    found = []
    for line in root.lines("sys/kernel/security/apparmor/profiles"):
        name = line.partition(" ")[0]
        if name.startswith("libvirt-") or name.rpartition("/")[2] in PROFILES or name == "virt-aa-helper":
            found.append(line)
    return sorted(found)


def _groups(root: Root) -> dict[str, list[str]]:
    rows = [line.split(":") for line in root.lines("etc/group")]
    members = {words[0]: words[3] for words in rows if len(words) > 3 and words[0] in GROUPS}
    return {name: [user for user in users.split(",") if user] for name, users in members.items()}


def _uuid(root: Root, conf: dict[str, dict[str, t.Any]]) -> t.Optional[str]:
    """What tells this host from others in a migration: ``host_uuid`` of the configuration, else the firmware's."""
    for name in ("virtqemud", "libvirtd"):
        value = conf.get(name, {}).get("values", {}).get("host_uuid")
        if value:
            return str(value)
    return root.word("sys/class/dmi/id/product_uuid")


def _disk(root: Root, path: str) -> dict[str, t.Any]:
    try:
        found = os.statvfs(root.at(path))
    except OSError:
        return {"path": f"/{path}", "total": None, "free": None}
    return {"path": f"/{path}", "total": found.f_blocks * found.f_frsize, "free": found.f_bavail * found.f_frsize}
