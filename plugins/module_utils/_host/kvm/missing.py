# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Something that KVM needs is missing: the processor's feature, the firmware's consent, nesting below, a module."""

from __future__ import annotations

import typing as t

from ..kernel_module import modules
from ..machine.cpu import X86, firmware_lock
from .facts import Cause, Facts

BY_FIRMWARE = ("disabled by BIOS", "disabled by bios", "disabled (by BIOS)", "not enabled (by BIOS)")
BY_PROCESSOR = ("no hardware support for", "not supported by CPU", "isn't AMD or Hygon")


def firmware(facts: Facts) -> t.Optional[Cause]:
    """Off in the firmware: CPUID still has the bit that the kernel hides, or the kernel says so."""
    if facts.arch not in X86:
        return None
    hidden = facts.flag is None and bool(facts.raw.get("vmx") or facts.raw.get("svm"))
    line = facts.kmsg.find(*BY_FIRMWARE)
    if not hidden and not line and firmware_lock(facts.root) is not True:
        return None
    evidence = (line, "CPUID has the feature, /proc/cpuinfo hasn't" if hidden else None)
    if facts.guest:
        return _nested(facts, *evidence)
    where = "SVM Mode" if facts.feature == "AMD-V" else "Intel Virtualization Technology (VT-x)"
    return Cause(
        "firmware_disabled",
        f"The processor has {facts.feature}, but the firmware (BIOS, UEFI) switched it off.",
        f"Switch it on in the firmware's setup ({where}), then take the power off and on again, not just reboot.",
        *evidence,
    )


def _nested(facts: Facts, *evidence: t.Optional[str]) -> Cause:
    below = facts.virt["hypervisor"] or "its hypervisor"
    how = {
        "kvm": "kvm_intel or kvm_amd with nested=1 there, and this guest's <cpu mode='host-passthrough'/>",
        "vmware": "'Expose hardware assisted virtualization to the guest OS'",
        "hyperv": "Set-VMProcessor -ExposeVirtualizationExtensions $true",
        "virtualbox": "VBoxManage modifyvm --nested-hw-virt on",
        "qemu": "TCG emulates it: -cpu max, or a model with +svm",
        "zvm": "SET SRVN / OPTION in the directory entry; third level is slow",
    }.get(below, "a machine type or plan with nested virtualisation")
    return Cause(
        "nested_off",
        f"This is a guest of {below}, which doesn't give it {facts.feature}.",
        f"Switch nesting on below and restart this guest ({how}); or use type qemu.",
        *evidence,
    )


def processor(facts: Facts) -> t.Optional[Cause]:
    """No flag: a guest without nesting, or a processor without the feature, as far as that can be told."""
    if facts.flag is not None or facts.arch == "aarch64":
        return None
    if facts.guest:
        return _nested(facts, facts.kmsg.find(*BY_PROCESSOR))
    if facts.arch in ("ppc64le", "ppc64"):
        return None
    line, by_cpuid = facts.kmsg.find(*BY_PROCESSOR), _denied_by_cpuid(facts)
    if facts.arch not in X86 or by_cpuid or line or _firmware_not_blamed(facts):
        return Cause(
            "cpu_unsupported",
            f"The processor has no {facts.feature}.",
            "Use another machine for KVM; here guests run by emulation (type qemu).",
            line,
            "CPUID" if by_cpuid else None,
        )
    return Cause(
        "unknown",
        f"/proc/cpuinfo shows no {facts.feature}: the processor lacks it, or the firmware switched it off.",
        "Run as root after modprobe cpuid (or msr) to tell the two apart; look at the firmware's setup first.",
    )


def _denied_by_cpuid(facts: Facts) -> bool:
    return facts.arch in X86 and facts.raw.get("vmx") is False and facts.raw.get("svm") is False


def _firmware_not_blamed(facts: Facts) -> bool:
    """Whether the kernel would have blamed firmware (for VT-x since 5.6, for AMD-V since 6.7), and no message is lost."""
    if not facts.kmsg.complete:
        return False
    release = (facts.root.release() or "0.0").split(".")
    number = tuple(int("".join(ch for ch in part if ch.isdigit()) or 0) for part in release[:2])
    return number >= ((6, 7) if facts.feature == "AMD-V" else (5, 6))


def arm(facts: Facts) -> t.Optional[Cause]:
    """KVM is part of every arm64 kernel that has it; it comes up if the kernel was started in EL2."""
    if facts.arch != "aarch64":
        return None
    line = facts.kmsg.find("HYP mode not available")
    if facts.guest:
        return _nested(facts, line)
    if line:
        return Cause(
            "firmware_disabled",
            "The kernel was started in EL1, so it can't run guests.",
            "The boot firmware must hand over in EL2: update it or change its setup.",
            line,
        )
    if not modules.loaded(facts.root, "kvm"):
        return Cause(
            "module_missing", "This kernel was built without KVM.", "Install the distribution's standard kernel."
        )
    return None


def power(facts: Facts) -> t.Optional[Cause]:
    if facts.arch not in ("ppc64le", "ppc64") or facts.present:
        return None
    active = facts.root.number("sys/devices/system/cpu/smt/active")
    if facts.virt["guest"] is False and active and "POWER8" in (facts.root.text("proc/cpuinfo") or ""):
        return Cause(
            "not_loaded",
            "On POWER8 KVM needs simultaneous multithreading off on the host.",
            "ppc64_cpu --smt=off, then load kvm_hv.",
            "sys/devices/system/cpu/smt/active: 1",
        )
    return None


def missing(facts: Facts) -> t.Optional[Cause]:
    name = facts.module
    if name is None or modules.available(facts.root, name) or modules.loaded(facts.root, name):
        return None
    release, others = facts.root.release(), modules.kernels(facts.root)
    if modules.tree(facts.root) is None and others:
        return Cause(
            "stale_kernel",
            f"The modules of the running kernel {release} are gone: an upgrade took them away.",
            f"Reboot into an installed kernel ({', '.join(others)}).",
            f"/lib/modules/{release} isn't there",
        )
    remedy = "Install the distribution's standard kernel with its modules."
    if facts.family == "suse":
        remedy = "Install kernel-default and remove kernel-default-base, which has no KVM; then reboot."
    elif facts.family == "redhat":
        remedy = f"Install kernel-modules-core-{release}."
    return Cause("module_missing", f"The running kernel {release} has no module {name}.", remedy)


def blocked(facts: Facts) -> t.Optional[Cause]:
    name = facts.module
    if name is None or modules.loaded(facts.root, name):
        return None
    found = [*modules.blocks(facts.root, name), *modules.blocks(facts.root, "kvm")]
    if found:
        first = found[0]
        how = {"blacklist": "is on a blacklist in", "install": "is replaced by a command in"}.get(
            first.kind, "is kept out by"
        )
        return Cause(
            "module_blocked",
            f"The module {name} {how} {first.source}.",
            f"Take that line away, then load {name}." if "/" in first.source else "Take it away and reboot.",
            *(f"{setting.source}: {setting.kind} {setting.module}" for setting in found),
        )
    if facts.root.word("proc/sys/kernel/modules_disabled") == "1":
        return Cause(
            "module_blocked",
            "Loading of modules was switched off for good (kernel.modules_disabled=1).",
            f"Take the setting away, list {name} in /etc/modules-load.d, and reboot.",
        )
    line = facts.kmsg.find(f"{name}: module verification failed", "Lockdown: modprobe: unsigned module loading")
    if line and "Lockdown" in line:
        return Cause(
            "module_blocked",
            f"Secure Boot's lockdown refuses the unsigned module {name}.",
            "Use the distribution's signed kernel, or enrol the key that signed the module.",
            line,
        )
    return None


def idle(facts: Facts) -> t.Optional[Cause]:
    name = facts.module
    if name is None or modules.loaded(facts.root, name):
        return None
    return Cause(
        "not_loaded",
        f"The module {name} isn't loaded.",
        "Load it: metal.kvm.kvm_module with name vendor and state loaded.",
    )
