# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What isn't a file: /dev/kvm's ioctls, CPUID, model-specific registers, device nodes and the kernel's messages.

Each function answers from the machine below ``/`` and from the record (``.metal-kvm/host.json``) in another tree.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import typing as t

from ..root import Root

API_VERSION = 12

# linux/kvm.h: _IO(0xAE, n). Architectures whose _IOC_NONE is 1 (powerpc, mips) have bit 29 set.
GET_API_VERSION, CREATE_VM, CHECK_EXTENSION = 0xAE00, 0xAE01, 0xAE03
IOC_NONE_IS_ONE = ("ppc64", "ppc64le", "ppc", "mips", "mips64")

# linux/kvm.h: KVM_CAP_<NAME>, in lower case here. What an administrator can use; architectures in the second table.
CAPS: dict[str, int] = {
    "nr_vcpus": 9,
    "max_vcpus": 66,
    "max_vcpu_id": 128,
    "nr_memslots": 10,
    "irqfd": 32,
    "ioeventfd": 36,
    "readonly_mem": 81,
    "device_ctrl": 89,
    "manual_dirty_log_protect2": 168,
    "dirty_log_ring": 192,
    "dirty_log_ring_acq_rel": 223,
    "steal_time": 187,
    "memory_attributes": 233,
    "guest_memfd": 234,
}
X86_CAPS: dict[str, int] = {
    "irqchip": 0,
    "pit2": 33,
    "split_irqchip": 121,
    "clocksource": 8,
    "adjust_clock": 39,
    "tsc_control": 60,
    "get_tsc_khz": 61,
    "vm_tsc_control": 214,
    "tsc_deadline_timer": 72,
    "x2apic_api": 129,
    "x86_smm": 117,
    "x86_disable_exits": 143,
    "nested_state": 157,
    "pmu_capability": 212,
    "enforce_pv_feature_cpuid": 190,
    "hyperv": 44,
    "hyperv_time": 96,
    "hyperv_synic": 123,
    "hyperv_synic2": 148,
    "hyperv_tlbflush": 155,
    "hyperv_enlightened_vmcs": 163,
    "hyperv_cpuid": 167,
    "xen_hvm": 38,
    "sgx_attribute": 196,
    "vm_types": 235,
}
ARCH_CAPS: dict[str, dict[str, int]] = {
    "x86_64": X86_CAPS,
    "i686": X86_CAPS,
    "aarch64": {
        "irqchip": 0,
        "arm_vm_ipa_size": 165,
        "arm_pmu_v3": 126,
        "arm_sve": 170,
        "arm_ptrauth_address": 171,
        "arm_mte": 205,
        "arm_el1_32bit": 93,
        "arm_el2": 240,
    },
    "s390x": {"s390_hpage_1m": 156, "s390_protected": 180},
    "ppc64le": {"ppc_smt": 64, "ppc_nested_hv": 160, "ppc_mmu_radix": 134, "ppc_mmu_hash_v3": 135},
    "ppc64": {"ppc_smt": 64, "ppc_nested_hv": 160, "ppc_mmu_radix": 134, "ppc_mmu_hash_v3": 135},
}
IPA_SIZE_DEFAULT = 40


def kvm(root: Root, create: bool) -> dict[str, t.Any]:
    """What /dev/kvm answers: ``open`` and ``create_vm`` are 0 or an errno (``create_vm`` None when not tried).

    ``create`` asks for a virtual machine that is thrown away at once: on kernels that enable VT-x or AMD-V on demand
    only this tells whether another hypervisor holds the processors.
    """
    if root.path != "/":
        told = root.record.get("kvm", {})
        answer = {"open": told.get("open"), "api_version": told.get("api_version"), "caps": dict(told.get("caps", {}))}
        answer["create_vm"] = told.get("create_vm") if create else None
        return answer
    try:
        handle = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return {"open": error.errno, "api_version": None, "create_vm": None, "caps": {}}
    try:
        return _ask(handle, root.arch(), create)
    finally:
        os.close(handle)


def _ask(handle: int, arch: str, create: bool) -> dict[str, t.Any]:
    from fcntl import ioctl

    none = 1 << 29 if arch in IOC_NONE_IS_ONE else 0
    answer: dict[str, t.Any] = {"open": 0, "api_version": None, "create_vm": None, "caps": {}}
    try:
        answer["api_version"] = ioctl(handle, none | GET_API_VERSION)
    except OSError as error:
        answer["open"] = error.errno
        return answer
    for name, number in {**CAPS, **ARCH_CAPS.get(arch, {})}.items():
        try:
            answer["caps"][name] = ioctl(handle, none | CHECK_EXTENSION, number)
        except OSError:
            answer["caps"][name] = 0
    if create:
        ipa = answer["caps"].get("arm_vm_ipa_size") or 0
        try:
            # On arm64 a machine's type is the width of its addresses; 0 stands for 40 bits, which small cores lack.
            os.close(ioctl(handle, none | CREATE_VM, ipa if 0 < ipa < IPA_SIZE_DEFAULT else 0))
            answer["create_vm"] = 0
        except OSError as error:
            answer["create_vm"] = error.errno
    return answer


def cpuid(root: Root, leaf: int, subleaf: int = 0) -> t.Optional[tuple[int, int, int, int]]:
    """EAX, EBX, ECX, EDX of a CPUID leaf of processor 0, from the ``cpuid`` driver; None where it isn't loaded.

    The driver answers for a leaf at the offset of its number, the subleaf in the upper half, in 16 bytes.
    """
    if root.path != "/":
        told = root.record.get("cpuid", {})
        values = told.get(f"{leaf:#x}/{subleaf}", told.get(f"{leaf:#x}") if not subleaf else None)
        return None if values is None else tuple(int(value) for value in values)  # type: ignore[return-value]
    raw = _register(root, "cpuid", leaf | subleaf << 32, 16)
    return None if raw is None else struct.unpack("<4I", raw)


def msr(root: Root, number: int) -> t.Optional[int]:
    """A model-specific register of processor 0; None without the ``msr`` driver, the right, or the register."""
    if root.path != "/":
        value = root.record.get("msr", {}).get(f"{number:#x}")
        return None if value is None else int(value)
    raw = _register(root, "msr", number, 8)
    return None if raw is None else struct.unpack("<Q", raw)[0]


def _register(root: Root, driver: str, offset: int, size: int) -> t.Optional[bytes]:
    path = f"/dev/cpu/0/{driver}"
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            root.note(f"{path} could not be read for want of rights: run as root to know more.")
        return None
    try:
        raw = os.pread(handle, size, offset)
        return raw if len(raw) == size else None
    except OSError:
        return None
    finally:
        os.close(handle)


def node(root: Root, path: str) -> dict[str, t.Any]:
    """A device node: ``exists``, ``char``, ``major_minor``, ``mode`` ('0660'), ``owner``, ``group``."""
    told = root.record.get("nodes", {}).get(path)
    if told is not None:
        return {**_absent(), "exists": True, "char": True, **told}
    status = root.status(path)
    if status is None:
        return _absent()
    import grp
    import pwd

    char = stat.S_ISCHR(status.st_mode)
    return {
        "exists": True,
        "char": char,
        "major_minor": f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}" if char else None,
        "mode": f"{stat.S_IMODE(status.st_mode):04o}",
        "owner": _name(pwd.getpwuid, status.st_uid),
        "group": _name(grp.getgrgid, status.st_gid),
    }


def _absent() -> dict[str, t.Any]:
    return {"exists": False, "char": None, "major_minor": None, "mode": None, "owner": None, "group": None}


def _name(lookup: t.Callable[[int], t.Sequence[t.Any]], number: int) -> str:
    """The name of a user or a group; the number of one that isn't known here."""
    try:
        return str(lookup(number)[0])
    except KeyError:
        return str(number)


class Messages:
    """The kernel's messages since boot: ``text``, and whether the first ones are still among them."""

    __slots__ = ("complete", "readable", "text")

    def __init__(self, text: str, readable: bool, complete: bool) -> None:
        self.text = text
        self.readable = readable
        self.complete = complete

    def find(self, *parts: str) -> t.Optional[str]:
        """The last line that holds one of the parts, or None."""
        for line in reversed(self.text.splitlines()):
            if any(part in line for part in parts):
                return line.strip()
        return None


def messages(root: Root) -> Messages:
    """The kernel's ring buffer, read without consuming it."""
    if root.path != "/":
        text = root.record.get("kmsg")
        return Messages(text or "", text is not None, "Linux version " in (text or ""))
    try:
        handle = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            root.note("The kernel's messages could not be read for want of rights: run as root to know more.")
        return Messages("", False, False)
    lines: list[str] = []
    try:
        _drain(handle, lines)
    finally:
        os.close(handle)
    return Messages("\n".join(lines), True, any("Linux version " in line for line in lines[:50]))


def _drain(handle: int, lines: list[str]) -> None:
    """One read is one record, ``priority,sequence,time,flags;text``; EPIPE says that older ones were overwritten."""
    while True:
        try:
            record = os.read(handle, 8192)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EPIPE:
                return
            continue
        if not record:
            return
        lines.append(record.decode("utf-8", "replace").partition(";")[2].partition("\n")[0])
