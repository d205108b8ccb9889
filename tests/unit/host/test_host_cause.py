# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why KVM can't be used: every known way to fail, per architecture, to one cause and a remedy that fits."""

from __future__ import annotations

import errno
import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._host.kvm import report as kvm
from ansible_collections.metal.kvm.plugins.module_utils._host.kvm.accelerator import accelerator
from ansible_collections.metal.kvm.plugins.module_utils._host.machine import cpu, system

if t.TYPE_CHECKING:
    from ansible_collections.metal.kvm.plugins.module_utils._host.root import Root

BOOT = "Linux version 6.1.0-test (build@host)\n"
STATIC_NODE = {"/dev/kvm": {"major_minor": "10:232", "mode": "0660", "owner": "root", "group": "kvm"}}
Make = t.Callable[[t.Any], t.Any]

# name: the host, the cause, words that the remedy has, whether the hardware is there
CASES: dict[str, tuple[Make, t.Optional[str], str, bool]] = {
    # usable
    "usable intel": (lambda h: h.intel().loaded("kvm_intel", nested="Y").usable(), None, "", True),
    "usable amd": (lambda h: h.amd().loaded("kvm_amd", nested="1").usable(), None, "", True),
    "usable arm": (lambda h: h.arm().builtin("kvm").usable(), None, "", True),
    "usable s390": (lambda h: h.s390().loaded("kvm", nested="0").usable(), None, "", True),
    "usable power": (lambda h: h.power().loaded("kvm_hv").usable(), None, "", True),
    "usable riscv": (lambda h: h.riscv().loaded("kvm").usable(), None, "", True),
    # a: the processor lacks it
    "a intel by cpuid": (lambda h: h.intel(flag=False), "cpu_unsupported", "type qemu", False),
    "a amd by cpuid": (lambda h: h.amd(flag=False), "cpu_unsupported", "type qemu", False),
    "a intel by a whole log": (
        lambda h: h.intel(flag=False, cpuid={}, kmsg=BOOT),
        "cpu_unsupported",
        "type qemu",
        False,
    ),
    "a intel by modprobe": (
        lambda h: h.intel(flag=False, cpuid={}, kmsg="kvm_intel: VMX not supported by CPU 0"),
        "cpu_unsupported",
        "qemu",
        False,
    ),
    "a amd on a kernel that wouldn't say": (
        lambda h: h.amd(flag=False, cpuid={}, kmsg=BOOT, uname={"machine": "x86_64", "release": "6.1.0"}),
        "unknown",
        "modprobe cpuid",
        False,
    ),
    "a riscv": (lambda h: h.riscv(hypervisor=False), "cpu_unsupported", "type qemu", False),
    "a s390": (lambda h: h.s390(sie=False), "cpu_unsupported", "type qemu", False),
    "a or b": (lambda h: h.intel(flag=False, cpuid={}), "unknown", "modprobe cpuid", False),
    # b: firmware switched it off
    "b intel by cpuid": (
        lambda h: h.intel(flag=False, cpuid={"0x1": [0, 0, 1 << 5, 0]}),
        "firmware_disabled",
        "Intel Virtualization",
        False,
    ),
    "b intel by boot log": (
        lambda h: h.intel(flag=False, cpuid={}, kmsg=BOOT + "x86/cpu: VMX (outside TXT) disabled by BIOS"),
        "firmware_disabled",
        "Intel Virtualization",
        False,
    ),
    "b intel by register, old kernel": (
        lambda h: h.intel(msr={"0x3a": 1}),
        "firmware_disabled",
        "not just reboot",
        False,
    ),
    "b amd by cpuid": (
        lambda h: h.amd(flag=False, cpuid={"0x1": [0, 0, 0, 0], "0x80000001": [0, 0, 4, 0]}),
        "firmware_disabled",
        "SVM Mode",
        False,
    ),
    "b amd by register": (lambda h: h.amd(msr={"0xc0010114": 1 << 4 | 1 << 3}), "firmware_disabled", "SVM Mode", False),
    "b amd by modprobe": (
        lambda h: h.amd(kmsg="kvm: support for 'kvm_amd' disabled by bios"),
        "firmware_disabled",
        "SVM Mode",
        True,
    ),
    "b amd by newer modprobe": (
        lambda h: h.amd(flag=False, cpuid={}, kmsg="kvm_amd: SVM disabled (by BIOS) in MSR_VM_CR on CPU 0"),
        "firmware_disabled",
        "SVM Mode",
        False,
    ),
    "b arm": (
        lambda h: h.arm(kmsg=BOOT + "kvm [1]: HYP mode not available").builtin("kvm"),
        "firmware_disabled",
        "EL2",
        False,
    ),
    # c: another hypervisor holds it
    "c intel before 6.12": (
        lambda h: (
            h.intel()
            .loaded("kvm_intel")
            .loaded("vboxdrv", 2)
            .usable()
            .also(kvm={"open": 0, "api_version": 12, "create_vm": errno.EBUSY})
        ),
        "in_use",
        "vboxdrv",
        True,
    ),
    "c amd since 6.12": (
        lambda h: (
            h.amd(kmsg="kvm: enabling virtualization on CPU0 failed").loaded("vmmon", 1).available("kvm", "kvm_amd")
        ),
        "in_use",
        "vmmon",
        True,
    ),
    "c intel since 6.12": (
        lambda h: (
            h.intel(kmsg="kvm: enabling virtualization on CPU3 failed")
            .loaded("vboxdrv", 1)
            .available("kvm", "kvm_intel")
        ),
        "in_use",
        "vboxdrv",
        True,
    ),
    "c amd before 6.12": (
        lambda h: h.amd().loaded("kvm_amd").usable().also(kvm={"open": 0, "api_version": 12, "create_vm": errno.EBUSY}),
        "in_use",
        "unload its modules",
        True,
    ),
    # d: missing, or not loaded
    "d not loaded intel": (lambda h: h.intel().available("kvm", "kvm_intel"), "not_loaded", "kvm_module", True),
    "d not loaded amd": (lambda h: h.amd().available("kvm", "kvm_amd"), "not_loaded", "kvm_module", True),
    "d not loaded s390": (
        lambda h: h.s390().available("kvm").also(nodes=STATIC_NODE, kvm={"open": errno.ENODEV}),
        "not_loaded",
        "kvm_module",
        True,
    ),
    "d not loaded power": (
        lambda h: h.power().available("kvm", "kvm_hv").also(nodes=STATIC_NODE, kvm={"open": errno.ENODEV}),
        "not_loaded",
        "kvm_module",
        True,
    ),
    "d missing intel": (lambda h: h.intel().available("ext4"), "module_missing", "standard kernel", True),
    "d missing intel on SUSE": (
        lambda h: h.intel().available("ext4").also({"etc/os-release": "ID=sles\nID_LIKE=suse\n"}),
        "module_missing",
        "kernel-default-base",
        True,
    ),
    "d missing arm": (lambda h: h.arm(), "module_missing", "standard kernel", False),
    "d missing amd on Red Hat": (
        lambda h: h.amd().available("ext4").also({"etc/os-release": "ID=rhel\n"}),
        "module_missing",
        "kernel-modules-core",
        True,
    ),
    "d missing s390": (lambda h: h.s390().available("ext4"), "module_missing", "standard kernel", True),
    "d missing power": (lambda h: h.power().available("ext4"), "module_missing", "standard kernel", True),
    "d no device": (
        lambda h: h.amd().loaded("kvm_amd").also({"dev/kvm": ""}, kvm={"open": errno.ENOTTY}),
        "device_missing",
        "mknod",
        True,
    ),
    "d blacklisted": (
        lambda h: h.intel().available("kvm", "kvm_intel").also({"etc/modprobe.d/no.conf": "blacklist kvm-intel\n"}),
        "module_blocked",
        "load kvm_intel",
        True,
    ),
    "d install false": (
        lambda h: h.amd().available("kvm", "kvm_amd").also({"etc/modprobe.d/no.conf": "install kvm /bin/false\n"}),
        "module_blocked",
        "Take that line away",
        True,
    ),
    "d forbidden at boot": (
        lambda h: h.amd().available("kvm", "kvm_amd").also({"proc/cmdline": "quiet module_blacklist=kvm_amd\n"}),
        "module_blocked",
        "reboot",
        True,
    ),
    "d modules disabled": (
        lambda h: h.amd().available("kvm", "kvm_amd").also({"proc/sys/kernel/modules_disabled": "1\n"}),
        "module_blocked",
        "reboot",
        True,
    ),
    "d locked down": (
        lambda h: h.amd(kmsg="Lockdown: modprobe: unsigned module loading is restricted").available("kvm", "kvm_amd"),
        "module_blocked",
        "signed kernel",
        True,
    ),
    "d flag cleared": (
        lambda h: h.amd(flag=False).also({"proc/cmdline": "quiet clearcpuid=svm\n"}),
        "module_blocked",
        "reboot",
        False,
    ),
    "d arm switched off": (
        lambda h: h.arm().builtin("kvm").also({"proc/cmdline": "kvm-arm.mode=none\n"}),
        "module_blocked",
        "reboot",
        False,
    ),
    "d node missing": (
        lambda h: h.amd().loaded("kvm_amd").also({"proc/misc": "232 kvm\n"}),
        "device_missing",
        "mknod",
        True,
    ),
    "d POWER8 with SMT": (
        lambda h: h.power(cpu="POWER8E (raw), altivec supported").also({"sys/devices/system/cpu/smt/active": "1\n"}),
        "not_loaded",
        "--smt=off",
        True,
    ),
    # e: a guest without nesting
    "e intel": (lambda h: h.guest(h.intel(flag=False)), "nested_off", "nested=1", False),
    "e amd": (lambda h: h.guest(h.amd(flag=False)), "nested_off", "nested=1", False),
    "e half exposed": (
        lambda h: h.guest(h.intel(flag=False, cpuid={"0x1": [0, 0, 1 << 5, 0]})),
        "nested_off",
        "nested=1",
        False,
    ),
    "e arm": (
        lambda h: (
            h.arm(kmsg="kvm [1]: HYP mode not available").builtin("kvm").also({"sys/class/dmi/id/sys_vendor": "QEMU\n"})
        ),
        "nested_off",
        "type qemu",
        False,
    ),
    "e s390": (
        lambda h: h.s390(sie=False).also({"proc/sysinfo": "VM00 Name: g1\nVM00 Control Program: KVM/Linux\n"}),
        "nested_off",
        "type qemu",
        False,
    ),
    "e VMware": (
        lambda h: h.guest(h.intel(flag=False)).also(
            cpuid={"0x1": [0, 0, 1 << 31, 0], "0x40000000": [0x40000010, 0x61774D56, 0x4D566572, 0x65726177]}
        ),
        "nested_off",
        "Expose hardware assisted",
        False,
    ),
    "e power": (lambda h: h.power("pSeries").available("kvm", "kvm_hv"), "nested_off", "type qemu", False),
    "e riscv": (
        lambda h: h.riscv(hypervisor=False).also({"proc/device-tree/hypervisor/compatible": "linux,kvm\0"}),
        "nested_off",
        "type qemu",
        False,
    ),
    # f: built in
    "f intel": (lambda h: h.intel().builtin("kvm").builtin("kvm_intel", nested="Y").usable(), None, "", True),
    "f amd": (lambda h: h.amd().builtin("kvm").builtin("kvm_amd", nested="1").usable(), None, "", True),
    "f arm": (lambda h: h.arm().builtin("kvm").usable(), None, "", True),
    "f s390": (lambda h: h.s390().builtin("kvm", nested="1").usable(), None, "", True),
    "f power": (lambda h: h.power().builtin("kvm").builtin("kvm_hv", nested="Y").usable(), None, "", True),
    # g: other architectures are among the rest; one that has no KVM
    "g unsupported": (lambda h: type(h.arm())("armv7l", "Hardware : board\n"), "unsupported_arch", "type qemu", False),
    # h: a container
    "h intel without the device": (
        lambda h: (
            h.intel().loaded("kvm_intel").also({"proc/misc": "232 kvm\n", "proc/self/ns/pid": "->pid:[4026532001]"})
        ),
        "container",
        "--device /dev/kvm",
        True,
    ),
    "h amd refused": (
        lambda h: (
            h.amd()
            .loaded("kvm_amd")
            .also(
                {"proc/misc": "232 kvm\n", "proc/self/ns/pid": "->pid:[4026532001]"},
                nodes=STATIC_NODE,
                kvm={"open": errno.EPERM},
            )
        ),
        "container",
        "DeviceAllow",
        True,
    ),
    "h amd on a host not prepared": (
        lambda h: h.amd().also({"proc/self/ns/pid": "->pid:[4026532001]"}),
        "container",
        "Prepare the host",
        True,
    ),
    "h arm without the device": (
        lambda h: h.arm().builtin("kvm").also({"proc/misc": "232 kvm\n", "proc/self/ns/pid": "->pid:[4026532001]"}),
        "container",
        "--device /dev/kvm",
        True,
    ),
    "h s390 refused": (
        lambda h: (
            h.s390()
            .loaded("kvm")
            .also(
                {"proc/misc": "232 kvm\n", "proc/self/ns/pid": "->pid:[4026532001]"},
                nodes=STATIC_NODE,
                kvm={"open": errno.EPERM},
            )
        ),
        "container",
        "DeviceAllow",
        True,
    ),
    "h power on a host not prepared": (
        lambda h: h.power().also({"proc/self/ns/pid": "->pid:[4026532001]"}),
        "container",
        "Prepare the host",
        True,
    ),
    "h only looks like one": (lambda h: h.amd().loaded("kvm_amd").usable().also({".dockerenv": ""}), None, "", True),
    # i: another vendor module, no flag at all
    "i intel pvm": (lambda h: h.guest(h.intel(flag=False)).builtin("kvm").builtin("kvm_pvm").usable(), None, "", False),
    "i amd pvm": (lambda h: h.guest(h.amd(flag=False)).loaded("kvm").loaded("kvm_pvm").usable(), None, "", False),
    "i power pr": (lambda h: h.power("pSeries").loaded("kvm").loaded("kvm_pr").usable(), None, "", False),
    # j: Xen, confidential guests
    "j intel dom0": (
        lambda h: h.intel(flag=False).also({"sys/hypervisor/type": "xen\n", "proc/xen/capabilities": "control_d\n"}),
        "xen_dom0",
        "without Xen",
        False,
    ),
    "j amd dom0": (
        lambda h: h.amd(flag=False).also({"sys/hypervisor/type": "xen\n", "proc/xen/capabilities": "control_d\n"}),
        "xen_dom0",
        "xen:///system",
        False,
    ),
    "j arm dom0": (
        lambda h: h.arm().builtin("kvm").also({"sys/hypervisor/type": "xen\n", "proc/xen/capabilities": "control_d\n"}),
        "xen_dom0",
        "without Xen",
        False,
    ),
    "j intel tdx": (
        lambda h: h.guest(h.intel(flag=False)).also(nodes={"/dev/tdx_guest": {}}),
        "confidential_guest",
        "isn't confidential",
        False,
    ),
    "j amd sev": (
        lambda h: h.guest(h.amd(flag=False)).also(nodes={"/dev/sev-guest": {}}),
        "confidential_guest",
        "isn't confidential",
        False,
    ),
    "j s390 pv": (
        lambda h: h.s390(sie=False).also({"sys/firmware/uv/prot_virt_guest": "1\n"}),
        "confidential_guest",
        "isn't confidential",
        False,
    ),
    # k: the running kernel's modules are gone
    "k intel": (
        lambda h: h.intel().also(
            {f"lib/modules/{h.kernel}/modules.builtin": None, "lib/modules/6.1.0-newer/modules.dep": "\n"}
        ),
        "stale_kernel",
        "6.1.0-newer",
        True,
    ),
    **{
        f"k {name}": (
            lambda h, name=name: getattr(h, name)().also(
                {f"lib/modules/{h.kernel}/modules.builtin": None, "usr/lib/modules/6.1.0-newer/modules.dep": "\n"}
            ),
            "stale_kernel",
            "Reboot into an installed kernel (6.1.0-newer)",
            True,
        )
        for name in ("amd", "s390", "power")
    },
    # rights
    "no right": (
        lambda h: h.amd().loaded("kvm_amd").usable().also(uid=1000, kvm={"open": errno.EACCES}),
        "no_permission",
        "group kvm",
        True,
    ),
    "root refused": (
        lambda h: h.amd().loaded("kvm_amd").usable().also(kvm={"open": errno.EPERM}),
        "no_permission",
        "AppArmor",
        True,
    ),
    "odd api": (
        lambda h: h.amd().loaded("kvm_amd").usable().also(kvm={"open": 0, "api_version": 11}),
        "unknown",
        "driver",
        True,
    ),
}


# Where a case can be met at all. Firmware can't switch the feature off on s390x and POWER, and there is no processor of
# these without it but in a guest; arm64 has KVM built in, and a processor without EL2 looks like firmware that left it.
MET = {
    "a": ("intel", "amd", "s390", "riscv"),
    "b": ("intel", "amd", "arm"),
    "c": ("intel", "amd"),
    "d": ("intel", "amd", "arm", "s390", "power"),
    "e": ("intel", "amd", "arm", "s390", "power", "riscv"),
    "f": ("intel", "amd", "arm", "s390", "power"),
    "h": ("intel", "amd", "arm", "s390", "power"),
    "i": ("intel", "amd", "power"),
    "j": ("intel", "amd", "arm", "s390"),
    "k": ("intel", "amd", "s390", "power"),
}


def test_every_case_is_told_on_every_architecture() -> None:
    there = {(name.split()[0], word) for name in CASES for word in name.split()[1:]}
    assert [(case, kind) for case, kinds in MET.items() for kind in kinds if (case, kind) not in there] == []


def read(root: Root, deep: str = "true") -> dict[str, t.Any]:
    return kvm.report(root, cpu.report(root), system.report(root), deep)


@pytest.mark.parametrize("name", CASES)
def test_cause(name: str, hosts: t.Any, root: t.Callable[[t.Any], Root]) -> None:
    make, cause, remedy, hardware = CASES[name]
    found = read(root(make(hosts)))
    assert (found["cause"], found["hardware"]) == (cause, hardware), found["message"]
    assert found["usable"] is (cause is None)
    assert found["message"].endswith(".")
    assert (found["remedy"] is None) is (cause is None)
    assert remedy in (found["remedy"] or ""), found["remedy"]


@pytest.mark.parametrize("name", CASES)
def test_accelerator_agrees(name: str, hosts: t.Any, root: t.Callable[[t.Any], Root]) -> None:
    """The quick question has the same answer as the long one, but for what only the long one can see."""
    make, cause, dummy, hardware = CASES[name]
    place = root(make(hosts))
    opens = place.record["kvm"]["open"] == 0
    assert accelerator(place.path) == ("kvm" if opens and hardware else "qemu")
    if cause is None:
        assert opens


def test_create_only_where_opening_proves_nothing(hosts: t.Any, root: t.Callable[[t.Any], Root]) -> None:
    at_load = hosts.intel().loaded("kvm_intel").loaded("kvm", enable_virt_at_load="Y").usable()
    place = root(at_load)
    assert read(place, "auto")["create_vm"] == "skipped"
    assert read(place, "true")["create_vm"] == "ok"
    with open(place.at("sys/module/kvm/parameters/enable_virt_at_load"), "w", encoding="ascii") as file:
        file.write("N\n")
    assert read(type(place)(place.path), "auto")["create_vm"] == "ok"


def test_words_are_whole(hosts: t.Any, root: t.Callable[[t.Any], Root]) -> None:
    """``svm_lock`` and the line ``vmx flags`` look like the flags, and aren't."""
    host = hosts.amd(flag=False)
    host.files["proc/cpuinfo"] = (
        host.files["proc/cpuinfo"].replace("flags\t: ", "flags\t: svm_lock ") + "vmx flags\t: vmx svm\n"
    )
    assert cpu.report(root(host))["flag"] is None


def test_pvm_recording(recording: t.Callable[[str], Root]) -> None:
    """A microVM whose kernel has kvm_pvm built in: no flag, no modprobe, no systemd, and yet KVM."""
    place = recording("microvm_kvm_pvm")
    found = read(place)
    assert (found["usable"], found["hardware"], found["cause"], found["vendor_module"]) == (
        True,
        False,
        None,
        "kvm_pvm",
    )
    assert {module["name"]: module["builtin"] for module in found["modules"]} == {
        "kvm": True,
        "kvm_pvm": True,
        "tun": True,
    }
    assert system.report(place)["service_mgr"] not in ("systemd", None)
    assert system.report(place)["virt"]["role"] == "guest"
    assert accelerator(place.path) == "qemu"
