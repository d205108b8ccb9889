# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What guests of this host can be given: encryption of their memory, interrupt chips, clocks, device nodes, cgroups."""

from __future__ import annotations

import typing as t

from ..kernel_module import modules
from ..root import Root
from .cpu import LEAF_ENCRYPTION, X86
from .device import cpuid, node

DEVICES = {
    "kvm": "/dev/kvm",
    "vhost_net": "/dev/vhost-net",
    "vhost_vsock": "/dev/vhost-vsock",
    "tun": "/dev/net/tun",
    "vfio": "/dev/vfio/vfio",
    "sev": "/dev/sev",
    "sgx_vepc": "/dev/sgx_vepc",
    "userfaultfd": "/dev/userfaultfd",
}
# AMD's kinds of encrypted guests, called alike in /proc/cpuinfo and by kvm_amd: the bit in EAX of LEAF_ENCRYPTION.
SEV = {"sev": 1 << 1, "sev_es": 1 << 3, "sev_snp": 1 << 4}
SEV_REMEDIES = {
    "sev": "Switch SME and SEV on in the firmware and load kvm_amd with sev=1; /dev/sev comes from the module ccp.",
    "sev_es": "Raise the SEV-ES ASID space limit in the firmware above 1, and load kvm_amd with sev_es=1 and lbrv=1.",
    "sev_snp": "Switch SNP on in the firmware.",
}
CLOCK_TSC_STABLE, CLOCK_REALTIME, CLOCK_HOST_TSC = 2, 4, 8  # linux/kvm.h: KVM_CLOCK_*
S390_SECURE_FACILITY = "158"


def devices(root: Root) -> dict[str, dict[str, t.Any]]:
    """The nodes that guests and libvirt use."""
    return {name: node(root, path) for name, path in DEVICES.items()}


def secure(root: Root, cpu: dict[str, t.Any]) -> dict[str, dict[str, t.Any]]:
    """Kinds of confidential guests: ``supported`` by the processor, ``enabled`` now, and the ``reason`` if not both."""
    flags = set(cpu["flags"])
    return {
        **_sev(root, flags),
        "tdx": _kind(
            "tdx_host_platform" in flags,
            _on(root, "kvm_intel", "tdx"),
            "Switch TDX on in the firmware and load kvm_intel with tdx=1 (Linux 6.16).",
        ),
        "sgx": _kind(
            "sgx" in flags,
            _on(root, "kvm_intel", "sgx") and root.exists("dev/sgx_vepc"),
            "Switch SGX on in the firmware; guests need /dev/sgx_vepc and kvm_intel.sgx.",
        ),
        "s390_pv": _kind(
            S390_SECURE_FACILITY in _facilities(root),
            root.word("sys/firmware/uv/prot_virt_host") == "1",
            "Put prot_virt=1 on the kernel's command line and reboot.",
        ),
    }


def _sev(root: Root, flags: set[str]) -> dict[str, dict[str, t.Any]]:
    leaf = cpuid(root, LEAF_ENCRYPTION) if "svm" in flags else None
    bits = leaf[0] if leaf else 0
    device = root.exists("dev/sev")
    remedies = dict(SEV_REMEDIES)
    if {"iommu=pt", "iommu.passthrough=1"}.intersection(modules.command_line(root)):
        remedies["sev_snp"] = "SNP needs the IOMMU, and not in passthrough: take iommu=pt away."
    found = {
        name: _kind(bool(bits & bit) or name in flags, _on(root, "kvm_amd", name) and device, remedies[name])
        for name, bit in SEV.items()
    }
    if leaf and bits & SEV["sev"]:
        # CPUID 8000_001F: ECX is how many encrypted guests there can be at once, EDX the first number without ES.
        found["sev"]["guests_max"] = max(leaf[2] - leaf[3] + 1, 0)
        found["sev_es"]["guests_max"] = max(leaf[3] - 1, 0)
    return found


def _kind(supported: bool, enabled: bool, reason: str) -> dict[str, t.Any]:
    return {
        "supported": supported,
        "enabled": supported and enabled,
        "reason": reason if supported and not enabled else None,
    }


def _on(root: Root, module: str, parameter: str) -> bool:
    return modules.value_of(root.word(f"sys/module/{module}/parameters/{parameter}")) in (True, 1)


def _facilities(root: Root) -> list[str]:
    for line in root.lines("proc/cpuinfo"):
        if line.startswith("facilities"):
            return line.partition(":")[2].split()
    return []


def irq_clock(root: Root, cpu: dict[str, t.Any], caps: dict[str, int]) -> dict[str, t.Any]:
    """Interrupt chips and clocks that KVM offers here (None where it wasn't asked), and the host's own clock source."""
    base = "sys/devices/system/clocksource/clocksource0"
    flags = set(cpu["flags"])
    clock = caps.get("adjust_clock", 0)
    return {
        "irqchip": _has(caps, "irqchip"),
        "split_irqchip": _has(caps, "split_irqchip"),
        "pit": _has(caps, "pit2"),
        "ioapic": _ioapic(root.arch(), caps),
        "kvmclock": _has(caps, "clocksource"),
        "kvmclock_tsc_stable": bool(clock & CLOCK_TSC_STABLE) if caps else None,
        "kvmclock_realtime": bool(clock & CLOCK_REALTIME) if caps else None,
        "kvmclock_host_tsc": bool(clock & CLOCK_HOST_TSC) if caps else None,
        "tsc_control": _has(caps, "tsc_control"),
        "tsc_deadline": _has(caps, "tsc_deadline_timer"),
        "tsc_invariant": {"constant_tsc", "nonstop_tsc"} <= flags if root.arch() in X86 else None,
        "hyperv_time": _has(caps, "hyperv_time"),
        "host_clocksource": root.word(f"{base}/current_clocksource"),
        "host_clocksources": (root.word(f"{base}/available_clocksource") or "").split(),
    }


def _has(caps: dict[str, int], name: str) -> t.Optional[bool]:
    return bool(caps[name]) if name in caps else None


def _ioapic(arch: str, caps: dict[str, int]) -> list[str]:
    """Values of libvirt's ``<ioapic driver=>`` that can work: all in the kernel, or split with the IOAPIC in QEMU."""
    if arch not in X86 or not caps:
        return []
    return [name for name, cap in (("kvm", "irqchip"), ("qemu", "split_irqchip")) if caps.get(cap)]


def cgroup(root: Root) -> dict[str, t.Any]:
    """The ``cgroup`` part: version (v1, v2, hybrid), the controllers in use, and those v2 hands down."""
    known = {words[0] for words in root.rows("proc/cgroups", 1, 1)}
    first = {option for words in root.mounts("cgroup") for option in words[3].split(",")} & known
    unified = [words[1].lstrip("/") for words in root.mounts("cgroup2")]
    second = _listed(root, unified, "cgroup.controllers")
    version = {(True, True): "hybrid", (True, False): "v1", (False, True): "v2"}.get((bool(first), bool(unified)))
    return {
        "version": version,
        "controllers": sorted(first | second),
        "delegated": sorted(_listed(root, unified, "cgroup.subtree_control")),
    }


def _listed(root: Root, directories: t.Iterable[str], file: str) -> set[str]:
    """The words of a file of that name in each of the directories."""
    return {word for directory in directories for word in (root.text(f"{directory}/{file}") or "").split()}
