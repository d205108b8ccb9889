# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processor: who made it, what it says about virtualisation in three ways, and its known weaknesses."""

from __future__ import annotations

import struct
import typing as t

from ..kvm.accelerator import cpu_word
from ..root import Root
from .device import cpuid, msr

X86 = ("x86_64", "i686")

# vendor_id of CPUID to libvirt's vendor name and the module that drives such a processor.
X86_VENDORS: dict[str, tuple[str, str]] = {
    "GenuineIntel": ("Intel", "kvm_intel"),
    "AuthenticAMD": ("AMD", "kvm_amd"),
    "HygonGenuine": ("Hygon", "kvm_amd"),
    "CentaurHauls": ("VIA", "kvm_intel"),
    "  Shanghai  ": ("Zhaoxin", "kvm_intel"),
}
# "CPU implementer" of arm64 (Arm's MIDR_EL1) to a name.
ARM_VENDORS = {0x41: "Arm", 0x42: "Broadcom", 0x43: "Cavium", 0x46: "Fujitsu", 0x48: "HiSilicon", 0x4E: "NVIDIA",
               0x50: "APM", 0x51: "Qualcomm", 0x61: "Apple", 0x6D: "Microsoft", 0xC0: "Ampere"}  # fmt: skip

FEAT_CTL, VM_CR = 0x3A, 0xC0010114
FEAT_CTL_LOCKED, FEAT_CTL_VMX = 1 << 0, 1 << 2
VM_CR_SVM_DISABLED = 1 << 4
LEAF_HYPERVISOR, LEAF_SVM, LEAF_ENCRYPTION = 0x40000000, 0x80000001, 0x8000001F

# Flags of `flags` that older kernels give where newer ones have the line `vmx flags`.
LEGACY_VMX = {"tpr_shadow": "vtpr", "flexpriority": "flexpriority", "vnmi": "vnmi", "ept": "ept", "vpid": "vpid",
              "ept_ad": "ept_ad"}  # fmt: skip
SVM_WORDS = ("npt", "lbrv", "svm_lock", "nrip_save", "tsc_scale", "vmcb_clean", "flushbyasid", "decodeassists",
             "pausefilter", "pfthreshold", "avic", "v_vmsave_vmload", "vgif", "x2avic", "v_spec_ctrl", "vnmi",
             "sme", "sev", "sev_es", "sev_snp", "debug_swap")  # fmt: skip


def information(root: Root) -> dict[str, str]:
    """The first processor's entry of /proc/cpuinfo, keys in lower case."""
    entry: dict[str, str] = {}
    for line in root.lines("proc/cpuinfo"):
        name, colon, value = line.partition(":")
        if not colon:
            continue
        name = name.strip().lower()
        if name == "processor" and name in entry:
            break
        entry.setdefault(name, value.strip())
    return entry


def report(root: Root) -> dict[str, t.Any]:
    """The ``cpu`` part of the host."""
    arch, entry = root.arch(), information(root)
    flags = set(entry.get("flags", entry.get("features", "")).split())
    vendor, model = _identity(root, arch, entry)
    flag = cpu_word(root.path, arch)
    vmx_flags = _vmx_flags(flags, entry) if arch in X86 else []
    svm_flags = [word for word in SVM_WORDS if word in flags] if arch in X86 and "svm" in flags else []
    return {
        "vendor": vendor,
        "model": model,
        "count": _count(root),
        "flag": flag,
        "flags": sorted(flags),
        "raw_cpuid": raw_cpuid(root) if arch in X86 else None,
        "vmx_flags": vmx_flags,
        "svm_flags": svm_flags,
        "paging": _paging(flag, flags, vmx_flags),
        "msr": {"feat_ctl": msr(root, FEAT_CTL), "vm_cr": msr(root, VM_CR)} if arch in X86 else None,
        "microcode": entry.get("microcode"),
        "mitigations": mitigations(root),
        "smt": _smt(root),
    }


def raw_cpuid(root: Root) -> dict[str, t.Any]:
    """What CPUID says before the kernel hides anything; each value None where the ``cpuid`` driver isn't there."""
    first, extended = cpuid(root, 1), cpuid(root, LEAF_SVM)
    hypervisor = None if first is None else bool(first[2] >> 31 & 1)
    signature = None
    if hypervisor:
        leaf = cpuid(root, LEAF_HYPERVISOR)
        signature = leaf and struct.pack("<3I", *leaf[1:]).rstrip(b"\0").decode("ascii", "replace")
    return {
        "vmx": None if first is None else bool(first[2] >> 5 & 1),
        "svm": None if extended is None else bool(extended[2] >> 2 & 1),
        "hypervisor": hypervisor,
        "signature": signature,
    }


def vendor_module(root: Root) -> t.Optional[str]:
    """The module that drives this kind of processor (``kvm_intel``, ``kvm_hv``, ``kvm`` ...), loaded or not."""
    arch = root.arch()
    if arch in X86:
        return X86_VENDORS.get(_vendor_id(root), ("", None))[1]
    if arch in ("ppc64le", "ppc64"):
        return "kvm_hv"
    return "kvm" if arch in ("aarch64", "s390x", "riscv64", "loongarch64") else None


def firmware_lock(root: Root) -> t.Optional[bool]:
    """Whether the registers say that firmware switched VT-x or AMD-V off; None if they can't be read."""
    feat_ctl, vm_cr = msr(root, FEAT_CTL), msr(root, VM_CR)
    if feat_ctl is None and vm_cr is None:
        return None
    if feat_ctl is not None and feat_ctl & FEAT_CTL_LOCKED and not feat_ctl & FEAT_CTL_VMX:
        return True
    return bool(vm_cr is not None and vm_cr & VM_CR_SVM_DISABLED)


def processor_words(root: Root, module: str) -> set[str]:
    """What the processor can do, as the module's parameters need it; nothing where an old kernel tells only part."""
    entry = information(root)
    if module == "kvm_intel" and "vmx flags" not in entry:
        return set()
    return {*entry.get("flags", "").split(), *entry.get("vmx flags", "").split()}


def mitigations(root: Root) -> dict[str, dict[str, str]]:
    """Each weakness the kernel knows: ``state`` (not_affected, mitigated, vulnerable, unknown) and its own ``text``."""
    base = "sys/devices/system/cpu/vulnerabilities"
    texts = {name: root.word(f"{base}/{name}") for name in root.names(base)}
    return {name: {"state": _weakness(text), "text": text} for name, text in texts.items() if text is not None}


def _weakness(text: str) -> str:
    for state, start in (("not_affected", "Not affected"), ("mitigated", "Mitigation"), ("vulnerable", "Vulnerable")):
        if text.startswith(start):
            return state
    # itlb_multihit speaks of KVM first: "KVM: Mitigation: Split huge pages", "KVM: Vulnerable".
    return _weakness(text[5:]) if text.startswith("KVM: ") else "unknown"


def _identity(root: Root, arch: str, entry: dict[str, str]) -> tuple[t.Optional[str], t.Optional[str]]:
    """The processor's maker and model."""
    if arch in X86:
        vendor_id = _vendor_id(root)
        return X86_VENDORS.get(vendor_id, (vendor_id or None,))[0], entry.get("model name")
    if arch == "aarch64":
        return _arm_identity(root, entry)
    if arch == "s390x":
        return "IBM", _s390_model(root)
    if arch in ("ppc64le", "ppc64"):
        return "IBM", entry.get("cpu")
    return entry.get("mvendorid"), entry.get("uarch") or entry.get("model name") or entry.get("cpu family")


def _arm_identity(root: Root, entry: dict[str, str]) -> tuple[t.Optional[str], t.Optional[str]]:
    implementer, part = entry.get("cpu implementer", ""), entry.get("cpu part")
    vendor = ARM_VENDORS.get(int(implementer, 16)) if implementer.startswith("0x") else None
    model = root.word("proc/device-tree/model") or root.word("sys/class/dmi/id/product_name")
    return vendor, entry.get("model name") or (f"part {part}" if part else model)


def _s390_model(root: Root) -> t.Optional[str]:
    lines = (line for line in root.lines("proc/cpuinfo") if "machine =" in line)
    kind = next((line.rpartition("=")[2].strip() for line in lines), None)
    return kind and f"machine type {kind}"


def _vendor_id(root: Root) -> str:
    """As CPUID has it, blanks included (Zhaoxin's begins with two)."""
    for line in root.lines("proc/cpuinfo"):
        name, value = line.partition(":")[::2]
        if name.strip() == "vendor_id":
            return value[1:] if value[1:] in X86_VENDORS else value.strip()
    return ""


def _vmx_flags(flags: set[str], entry: dict[str, str]) -> list[str]:
    if "vmx flags" in entry:
        return sorted(entry["vmx flags"].split())
    return sorted(LEGACY_VMX[word] for word in flags.intersection(LEGACY_VMX)) if "vmx" in flags else []


def _paging(flag: t.Optional[str], flags: set[str], vmx_flags: list[str]) -> dict[str, t.Any]:
    """``kind`` of two-level paging (ept, npt, or None) and whether it takes 1 GiB pages."""
    if flag == "vmx":
        return {"kind": "ept" if "ept" in vmx_flags else None, "one_gb": "ept_1gb" in vmx_flags}
    if flag == "svm":
        return {"kind": "npt" if "npt" in flags else None, "one_gb": "npt" in flags and "pdpe1gb" in flags}
    return {"kind": None, "one_gb": None}


def _count(root: Root) -> t.Optional[int]:
    online = root.word("sys/devices/system/cpu/online")
    return len(cpu_list(online)) if online else None


def cpu_list(text: t.Optional[str]) -> list[int]:
    """The numbers of a list such as ``0-3,8``."""
    found: list[int] = []
    for part in (text or "").split(","):
        first, last = part.strip().partition("-")[::2]
        if first.isdigit():
            found += range(int(first), int(last) + 1) if last.isdigit() else [int(first)]
    return found


def _smt(root: Root) -> dict[str, t.Any]:
    active = root.number("sys/devices/system/cpu/smt/active")
    return {
        "active": None if active is None else bool(active),
        "control": root.word("sys/devices/system/cpu/smt/control"),
    }
