# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine as a whole: distribution, service manager, kernel hardening, and whether it is a guest or a container."""

from __future__ import annotations

import re
import shlex
import struct
import typing as t

from ..root import Root
from .cpu import X86, information, raw_cpuid

# CPUID's hypervisor signature to a name.
SIGNATURES = {
    "KVMKVMKVM": "kvm",
    "Linux KVM Hv": "kvm",
    "TCGTCGTCGTCG": "qemu",
    "Microsoft Hv": "hyperv",
    "VMwareVMware": "vmware",
    "XenVMMXenVMM": "xen",
    "VBoxVBoxVBox": "virtualbox",
    "bhyve bhyve ": "bhyve",
    "ACRNACRNACRN": "acrn",
    " prl hyperv  ": "parallels",
}
# Start of the firmware's vendor or product name to a hypervisor, for architectures without a signature.
FIRMWARE = (
    ("QEMU", "qemu"),
    ("KVM", "kvm"),
    ("Amazon EC2", "kvm"),
    ("Google Compute", "kvm"),
    ("OpenStack", "kvm"),
    ("VMware", "vmware"),
    ("innotek", "virtualbox"),
    ("VirtualBox", "virtualbox"),
    ("Xen", "xen"),
    ("Bochs", "qemu"),
    ("Parallels", "parallels"),
    ("Apple Virtualization", "apple"),
)
FAMILIES = {
    "debian": "debian",
    "ubuntu": "debian",
    "rhel": "redhat",
    "fedora": "redhat",
    "centos": "redhat",
    "suse": "suse",
    "opensuse": "suse",
    "sles": "suse",
    "arch": "archlinux",
    "alpine": "alpine",
    "gentoo": "gentoo",
}
PID_NAMESPACE_FIRST = "pid:[4026531836]"  # include/linux/proc_ns.h: PROC_PID_INIT_INO
CAPABILITIES = {"sys_module": 16, "sys_rawio": 17, "sys_admin": 21}  # linux/capability.h
SECURE_BOOT = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"


def report(root: Root) -> dict[str, t.Any]:
    """The keys of the host that stand outside a section."""
    release = _os_release(root)
    return {
        "arch": root.arch() or None,
        "kernel": root.release(),
        "distribution": release.get("ID"),
        "distribution_version": release.get("VERSION_ID"),
        "os_family": os_family(root),
        "service_mgr": service_manager(root),
        "selinux": _selinux(root),
        "apparmor": _apparmor(root),
        "lockdown": _bracketed(root.word("sys/kernel/security/lockdown")),
        "secure_boot": _secure_boot(root),
        "virt": virtualisation(root),
    }


def os_family(root: Root) -> t.Optional[str]:
    """The distribution's family: debian, redhat, suse, archlinux, alpine, gentoo, else its ID."""
    release = _os_release(root)
    words = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    for word in words:
        for start, family in FAMILIES.items():
            if word == start or word.startswith(f"{start}-"):
                return family
    return words[0] or None


def service_manager(root: Root) -> t.Optional[str]:
    """``systemd``, ``openrc``, or the name of process 1."""
    if root.exists("run/systemd/system"):
        return "systemd"
    return "openrc" if root.exists("run/openrc/softlevel") else root.word("proc/1/comm")


def virtualisation(root: Root) -> dict[str, t.Any]:
    """``role`` (bare_metal, guest, container, unknown), the ``hypervisor`` below, and what hints at a container."""
    container = _container(root)
    hypervisor = _hypervisor(root)
    guest = _is_guest(root, hypervisor)
    role = "container" if container["inside"] else "unknown" if guest is None else "guest" if guest else "bare_metal"
    return {
        "role": role,
        "guest": guest,
        "hypervisor": hypervisor,
        "nested_level_hint": None if guest is None else int(guest),
        "container_hint": container["hint"],
        "xen_dom0": _xen_dom0(root),
        "confidential": confidential(root),
    }


def confidential(root: Root) -> t.Optional[str]:
    """The kind of confidential guest this is (``sev``, ``tdx``, ``s390_pv``), where no guests can run inside."""
    if root.exists("dev/tdx_guest") or "tdx_guest" in _words(root):
        return "tdx"
    if root.exists("dev/sev-guest"):
        return "sev"
    return "s390_pv" if root.word("sys/firmware/uv/prot_virt_guest") == "1" else None


def capable(root: Root, name: str) -> t.Optional[bool]:
    """Whether this process has one of CAPABILITIES; None where the tree doesn't tell."""
    for line in root.lines("proc/self/status"):
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> CAPABILITIES[name] & 1)
    return None


def _container(root: Root) -> dict[str, t.Any]:
    """Files such as /.dockerenv are a hint only: a machine whose disk was made from an image has them too."""
    hint = None
    for name, kind in (("run/.containerenv", "podman"), (".dockerenv", "docker"), ("run/systemd/container", None)):
        if root.exists(name):
            hint = kind or root.word(name) or "container"
    namespace = root.link("proc/self/ns/pid")
    inside = None if namespace is None else namespace != PID_NAMESPACE_FIRST
    if inside is None and root.exists("run/systemd/container"):
        inside = True
    if inside and hint is None:
        hint = "namespaces"
    return {"inside": bool(inside), "hint": hint}


def _hypervisor(root: Root) -> t.Optional[str]:
    """The hypervisor below, by whichever source names it first."""
    return (
        _by_cpuid(root)
        or root.word("sys/hypervisor/type")
        or _by_device_tree(root)
        or _by_control_program(root)
        or _by_firmware(root)
    )


def _by_cpuid(root: Root) -> t.Optional[str]:
    signature = raw_cpuid(root)["signature"] if root.arch() in X86 else None
    return SIGNATURES.get(signature, signature) if signature else None


def _by_device_tree(root: Root) -> t.Optional[str]:
    if not root.exists("proc/device-tree/hypervisor/compatible"):
        return None
    compatible = root.word("proc/device-tree/hypervisor/compatible") or ""
    return "kvm" if "kvm" in compatible else compatible.partition(",")[0] or "unknown"


def _by_control_program(root: Root) -> t.Optional[str]:
    """s390x names what runs it as a guest."""
    control = re.search(r"^VM00 Control Program:\s*(\S+)", root.text("proc/sysinfo") or "", re.MULTILINE)
    return {"KVM/Linux": "kvm", "z/VM": "zvm"}.get(control[1], control[1]) if control else None


def _by_firmware(root: Root) -> t.Optional[str]:
    """By vendor and product; clouds rent whole machines too, under product names that say metal."""
    names = ("sys_vendor", "product_name", "bios_vendor", "board_vendor")
    texts = [root.word(f"sys/class/dmi/id/{name}") or "" for name in names]
    if "metal" in texts[1]:
        return None
    return next((kind for text in texts for start, kind in FIRMWARE if text.startswith(start)), None)


def _is_guest(root: Root, hypervisor: t.Optional[str]) -> t.Optional[bool]:
    if _xen_dom0(root):
        return False
    return True if hypervisor else _says_guest(root, root.arch())


def _says_guest(root: Root, arch: str) -> t.Optional[bool]:
    """Whether this is a guest, by what each architecture shows where no hypervisor gives its name."""
    if arch in X86:
        words = _words(root)
        return ("hypervisor" in words) if words else None
    if arch in ("ppc64le", "ppc64"):
        text = root.text("proc/cpuinfo") or ""
        return True if "pSeries" in text else False if "PowerNV" in text else None
    if arch == "s390x":
        return False if root.text("proc/sysinfo") else None
    return False if any(map(root.exists, ("sys/class/dmi/id/sys_vendor", "proc/device-tree/model"))) else None


def _xen_dom0(root: Root) -> bool:
    return root.word("sys/hypervisor/type") == "xen" and "control_d" in (root.text("proc/xen/capabilities") or "")


def _words(root: Root) -> set[str]:
    entry = information(root)
    return set(entry.get("flags", entry.get("features", "")).split())


def _os_release(root: Root) -> dict[str, str]:
    values = {}
    for line in root.lines("etc/os-release") or root.lines("usr/lib/os-release"):
        name, equals, value = line.partition("=")
        if equals and not name.startswith("#"):
            try:
                values[name.strip()] = "".join(shlex.split(value))
            except ValueError:
                values[name.strip()] = value.strip()
    return values


def _selinux(root: Root) -> t.Optional[str]:
    enforce = root.word("sys/fs/selinux/enforce")
    if enforce is not None:
        return "enforcing" if enforce == "1" else "permissive"
    return "disabled"


def _apparmor(root: Root) -> str:
    return "enabled" if root.word("sys/module/apparmor/parameters/enabled") == "Y" else "disabled"


def _bracketed(text: t.Optional[str]) -> t.Optional[str]:
    """The choice the kernel marks: ``[none] integrity`` is ``none``."""
    found = re.search(r"\[(\S+)\]", text or "")
    return found[1] if found else None


def _secure_boot(root: Root) -> t.Optional[bool]:
    if not root.exists("sys/firmware/efi"):
        return False if root.exists("sys/firmware") else None
    raw = root.raw(SECURE_BOOT)
    return None if raw is None or len(raw) < 5 else bool(struct.unpack("<IB", raw[:5])[1])
