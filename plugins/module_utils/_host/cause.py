# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why KVM can't be used: one cause out of a closed list, in words, with the remedy and what it was told from.

The truth is what /dev/kvm answers. Processor flags, registers, modules and messages only explain a refusal: firmware's
"off" and a processor without the feature look the same in /proc/cpuinfo, since the kernel clears the flag of both.
"""

from __future__ import annotations

import errno
import os
import typing as t

from . import modules
from .cpu import X86, firmware_lock, vendor_module
from .device import API_VERSION, Messages, messages
from .root import Root

ARCHITECTURES = (*X86, "aarch64", "s390x", "ppc64le", "ppc64", "riscv64", "loongarch64", "mips64")
OTHER_HYPERVISORS = {"vboxdrv": "VirtualBox", "vmmon": "VMware", "nvmm": "NVMM"}
FEATURE = {"Intel": "VT-x", "AMD": "AMD-V", "Hygon": "AMD-V", "VIA": "VT-x", "Zhaoxin": "VT-x"}

BY_FIRMWARE = ("disabled by BIOS", "disabled by bios", "disabled (by BIOS)", "not enabled (by BIOS)")
BY_PROCESSOR = ("no hardware support for", "not supported by CPU", "isn't AMD or Hygon")


class Facts:
    """What the rules look at; messages are read only when a rule asks."""

    def __init__(self, root: Root, answer: dict[str, t.Any], cpu: dict[str, t.Any], system: dict[str, t.Any]) -> None:
        self.root = root
        self.answer = answer
        self.arch: str = root.arch()
        self.flag: t.Optional[str] = cpu["flag"]
        self.vendor: str = cpu["vendor"] or "unknown"
        self.raw: dict[str, t.Any] = cpu["raw_cpuid"] or {}
        self.virt: dict[str, t.Any] = system["virt"]
        self.family: t.Optional[str] = system["os_family"]
        self.module = vendor_module(root)
        self.present = modules.vendor_modules(root)
        self._messages: t.Optional[Messages] = None

    @property
    def kmsg(self) -> Messages:
        if self._messages is None:
            self._messages = messages(self.root)
        return self._messages

    @property
    def feature(self) -> str:
        """What the processor's virtualisation is called here."""
        if self.arch in X86:
            return FEATURE.get(self.vendor, "VT-x or AMD-V")
        return "hardware virtualisation"

    @property
    def guest(self) -> bool:
        return bool(self.virt["guest"])

    @property
    def node(self) -> bool:
        return self.root.exists("dev/kvm")

    @property
    def driver(self) -> bool:
        """Whether the kernel has registered /dev/kvm, whatever /dev shows."""
        return any(line.split()[1:] == ["kvm"] for line in self.root.lines("proc/misc"))


class Cause:
    """A rule's answer."""

    __slots__ = ("evidence", "message", "name", "remedy")

    def __init__(self, name: str, message: str, remedy: str, *evidence: t.Optional[str]) -> None:
        self.name = name
        self.message = message
        self.remedy = remedy
        self.evidence = [text for text in evidence if text]


Rule = t.Callable[[Facts], t.Optional[Cause]]


def explain(facts: Facts) -> t.Optional[Cause]:
    """The first rule that knows why KVM can't be used; None where it can."""
    if usable(facts.answer):
        return None
    for rule in RULES:
        found = rule(facts)
        if found is not None:
            return found
    return _unknown(facts)


def usable(answer: dict[str, t.Any]) -> bool:
    """Whether /dev/kvm opened, speaks the one stable API, and made a machine where that was tried."""
    return answer["open"] == 0 and answer["api_version"] == API_VERSION and answer["create_vm"] in (None, 0)


def hardware(facts: Facts) -> bool:
    """Whether the processor's own virtualisation is there for guests: a flag that firmware or an L0 doesn't belie."""
    if facts.flag is None or facts.virt["confidential"]:
        return False
    if facts.arch in X86:
        return firmware_lock(facts.root) is not True
    if facts.arch == "aarch64":
        return usable(facts.answer) or facts.driver or facts.answer["open"] in (errno.EACCES, errno.EPERM)
    return True


def works(facts: Facts) -> str:
    """One sentence on how KVM works here."""
    by = ", ".join(facts.present) or "kvm"
    if hardware(facts):
        return f"KVM is usable: {facts.feature} through {by}."
    return f"KVM is usable through {by}, without {facts.feature}: guests that need the processor's own may not start."


def _arch(facts: Facts) -> t.Optional[Cause]:
    if facts.arch in ARCHITECTURES:
        return None
    return Cause(
        "unsupported_arch",
        f"Linux has no KVM for the architecture {facts.arch or 'of this tree'}.",
        "Use type qemu: guests run by emulation.",
    )


def _api(facts: Facts) -> t.Optional[Cause]:
    version = facts.answer["api_version"]
    if facts.answer["open"] != 0 or version == API_VERSION:
        return None
    return Cause(
        "unknown",
        f"/dev/kvm opens, but answers API version {version} where {API_VERSION} is expected.",
        "See which driver owns /dev/kvm: it isn't the kernel's KVM.",
    )


def _create(facts: Facts) -> t.Optional[Cause]:
    number = facts.answer["create_vm"]
    if not number:
        return None
    if number == errno.EBUSY:
        return _other(facts, "KVM_CREATE_VM: device or resource busy")
    return Cause(
        "unknown",
        f"/dev/kvm opens, but making a machine fails: {os.strerror(number)}.",
        "See the kernel's messages (dmesg) of this moment.",
        facts.kmsg.find("kvm"),
    )


def _other(facts: Facts, *evidence: t.Optional[str]) -> Cause:
    found = [name for name in OTHER_HYPERVISORS if modules.loaded(facts.root, name)]
    who = " and ".join(OTHER_HYPERVISORS[name] for name in found) or "another hypervisor"
    unload = " ".join(found) or "its modules"
    return Cause(
        "in_use",
        f"{who} holds {facts.feature}, so KVM can't have it.",
        f"Stop its machines and unload {unload} (modprobe -r {unload}), then load {facts.module or 'kvm'}.",
        *evidence,
    )


def _container(facts: Facts) -> t.Optional[Cause]:
    number = facts.answer["open"]
    inside = facts.virt["role"] == "container"
    if not inside or number == 0:
        return None
    denied = number in (errno.EPERM, errno.EACCES)
    if not denied and not facts.driver and not facts.present:
        return Cause(
            "container",
            "This is a container, and the host's kernel has no KVM loaded.",
            "Prepare the host below first; then pass /dev/kvm into the container.",
        )
    how = "may not be used" if denied else "isn't there"
    return Cause(
        "container",
        f"This is a container, and /dev/kvm {how} in it.",
        "Pass the device in, and allow it in the device cgroup: --device /dev/kvm (docker, podman), "
        "DeviceAllow=/dev/kvm rwm and Bind=/dev/kvm (systemd-nspawn), dev0: /dev/kvm (Proxmox LXC).",
        f"open: {os.strerror(number)}" if number else None,
    )


def _permission(facts: Facts) -> t.Optional[Cause]:
    number = facts.answer["open"]
    if number not in (errno.EACCES, errno.EPERM):
        return None
    from .device import node

    found = node(facts.root, "/dev/kvm")
    seen = f"/dev/kvm: {found['owner']}:{found['group']} {found['mode']}"
    if number == errno.EACCES and facts.root.uid() != 0:
        return Cause(
            "no_permission",
            "This user may not open /dev/kvm.",
            f"Add the user to the group {found['group']} and log in again, or run with become: true.",
            seen,
        )
    return Cause(
        "no_permission",
        "/dev/kvm is there, but opening it is refused.",
        "Look at its mode, at the device cgroup of this session and at AppArmor or SELinux denials.",
        seen,
        f"open: {os.strerror(number)}",
    )


def _xen(facts: Facts) -> t.Optional[Cause]:
    if not facts.virt["xen_dom0"]:
        return None
    return Cause(
        "xen_dom0",
        f"This is Xen's dom0: Xen itself holds {facts.feature}.",
        "Boot the kernel without Xen to use KVM, or run the guests with Xen (xen:///system).",
        "/proc/xen/capabilities: control_d",
    )


def _confidential(facts: Facts) -> t.Optional[Cause]:
    kind = facts.virt["confidential"]
    line = None if kind else facts.kmsg.find("KVM is unsupported when running as an SEV guest")
    if not kind and not line:
        return None
    name = {"tdx": "a TDX", "sev": "an SEV", "s390_pv": "a Secure Execution"}.get(kind or "sev", kind)
    return Cause(
        "confidential_guest",
        f"This is {name} guest, in which KVM can't run guests of its own.",
        "Use a host, or a guest that isn't confidential and has nesting; or type qemu.",
        line,
    )


def _registered(facts: Facts) -> t.Optional[Cause]:
    if not facts.driver or facts.node or facts.answer["open"] == 0:
        return None
    return Cause(
        "device_missing",
        "The kernel has KVM ready, but there is no node /dev/kvm.",
        "udevadm trigger --name-match=kvm, or mknod /dev/kvm c 10 232; see what removed it.",
        "/proc/misc: 232 kvm",
    )


def _cleared(facts: Facts) -> t.Optional[Cause]:
    """The administrator took the flag away on the kernel's command line."""
    for word in modules.command_line(facts.root):
        name, equals, value = word.partition("=")
        off = name == "clearcpuid" and {"vmx", "svm"}.intersection(value.split(","))
        if off or word in ("kvm-arm.mode=none",) or (name == "nokvm" and not equals):
            return Cause(
                "module_blocked",
                f"The kernel was started with {word}, which switches KVM off.",
                "Take it from the kernel's command line and reboot.",
                word,
            )
    return None


def _firmware(facts: Facts) -> t.Optional[Cause]:
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


def _processor(facts: Facts) -> t.Optional[Cause]:
    """No flag: a guest without nesting, or a processor without the feature, as far as that can be told."""
    if facts.flag is not None or facts.arch == "aarch64":
        return None
    if facts.guest:
        return _nested(facts, facts.kmsg.find(*BY_PROCESSOR))
    if facts.arch in ("ppc64le", "ppc64"):
        return None
    known = facts.arch not in X86 or (facts.raw.get("vmx") is False and facts.raw.get("svm") is False)
    line = facts.kmsg.find(*BY_PROCESSOR)
    if known or line or (facts.kmsg.complete and _says_firmware(facts)):
        return Cause(
            "cpu_unsupported",
            f"The processor has no {facts.feature}.",
            "Use another machine for KVM; here guests run by emulation (type qemu).",
            line,
            "CPUID" if known and facts.arch in X86 else None,
        )
    return Cause(
        "unknown",
        f"/proc/cpuinfo shows no {facts.feature}: the processor lacks it, or the firmware switched it off.",
        "Run as root after modprobe cpuid (or msr) to tell the two apart; look at the firmware's setup first.",
    )


def _says_firmware(facts: Facts) -> bool:
    """Whether this kernel would have said that firmware is to blame: for VT-x since 5.6, for AMD-V since 6.7."""
    release = (facts.root.release() or "0.0").split(".")
    number = tuple(int("".join(ch for ch in part if ch.isdigit()) or 0) for part in release[:2])
    return number >= ((6, 7) if facts.feature == "AMD-V" else (5, 6))


def _arm(facts: Facts) -> t.Optional[Cause]:
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


def _power(facts: Facts) -> t.Optional[Cause]:
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


def _taken(facts: Facts) -> t.Optional[Cause]:
    """Another hypervisor keeps kvm_intel or kvm_amd from loading (since Linux 6.12 the load itself fails)."""
    line = facts.kmsg.find("kvm: enabling virtualization on CPU")
    found = [name for name in OTHER_HYPERVISORS if modules.loaded(facts.root, name)]
    if facts.present or not (line or found):
        return None
    return _other(facts, line, *(f"/sys/module/{name}" for name in found))


def _missing(facts: Facts) -> t.Optional[Cause]:
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


def _blocked(facts: Facts) -> t.Optional[Cause]:
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


def _idle(facts: Facts) -> t.Optional[Cause]:
    name = facts.module
    if name is None or modules.loaded(facts.root, name):
        return None
    return Cause(
        "not_loaded",
        f"The module {name} isn't loaded.",
        "Load it: metal.kvm.kvm_module with name vendor and state loaded.",
    )


def _unknown(facts: Facts) -> Cause:
    number = facts.answer["open"]
    return Cause(
        "unknown",
        "/dev/kvm can't be used" + (f": {os.strerror(number)}." if number else "."),
        "See the kernel's messages: dmesg | grep -i kvm.",
        facts.kmsg.find("kvm"),
    )


# In this order: who refuses comes before what is missing, and what is missing before what is merely not done.
RULES: tuple[Rule, ...] = (
    _arch,
    _api,
    _create,
    _container,
    _permission,
    _xen,
    _confidential,
    _registered,
    _cleared,
    _firmware,
    _processor,
    _arm,
    _power,
    _taken,
    _missing,
    _blocked,
    _idle,
)
