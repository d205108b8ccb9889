# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""KVM is refused: by the architecture, another hypervisor, a container, rights, or the administrator."""

from __future__ import annotations

import errno
import os
import typing as t

from ..kernel_module import modules
from ..machine.cpu import X86
from ..machine.device import API_VERSION, node
from .facts import Cause, Facts

ARCHITECTURES = (*X86, "aarch64", "s390x", "ppc64le", "ppc64", "riscv64", "loongarch64", "mips64")
KVM_DEVICE = "10:232"
OTHER_HYPERVISORS = {"vboxdrv": "VirtualBox", "vmmon": "VMware", "nvmm": "NVMM"}


def arch(facts: Facts) -> t.Optional[Cause]:
    if facts.arch in ARCHITECTURES:
        return None
    return Cause(
        "unsupported_arch",
        f"Linux has no KVM for the architecture {facts.arch or 'of this tree'}.",
        "Use type qemu: guests run by emulation.",
    )


def api(facts: Facts) -> t.Optional[Cause]:
    version = facts.answer["api_version"]
    if facts.answer["open"] != 0 or version == API_VERSION:
        return None
    return Cause(
        "unknown",
        f"/dev/kvm opens, but answers API version {version} where {API_VERSION} is expected.",
        "See which driver owns /dev/kvm: it isn't the kernel's KVM.",
    )


def node_kind(facts: Facts) -> t.Optional[Cause]:
    found = node(facts.root, "/dev/kvm")
    right = found["major_minor"] in (None, KVM_DEVICE) and found["char"]
    if facts.answer["open"] == 0 or not found["exists"] or right:
        return None
    return Cause(
        "device_missing",
        "/dev/kvm is there, but isn't KVM's device.",
        "Remove it; then udevadm trigger --name-match=kvm, or mknod /dev/kvm c 10 232.",
        f"/dev/kvm: {found['major_minor'] or 'no device'}",
    )


def create(facts: Facts) -> t.Optional[Cause]:
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


def container(facts: Facts) -> t.Optional[Cause]:
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


def permission(facts: Facts) -> t.Optional[Cause]:
    number = facts.answer["open"]
    if number not in (errno.EACCES, errno.EPERM):
        return None
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


def xen(facts: Facts) -> t.Optional[Cause]:
    if not facts.virt["xen_dom0"]:
        return None
    return Cause(
        "xen_dom0",
        f"This is Xen's dom0: Xen itself holds {facts.feature}.",
        "Boot the kernel without Xen to use KVM, or run the guests with Xen (xen:///system).",
        "/proc/xen/capabilities: control_d",
    )


def confidential(facts: Facts) -> t.Optional[Cause]:
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


def registered(facts: Facts) -> t.Optional[Cause]:
    if not facts.driver or facts.node or facts.answer["open"] == 0:
        return None
    return Cause(
        "device_missing",
        "The kernel has KVM ready, but there is no node /dev/kvm.",
        "udevadm trigger --name-match=kvm, or mknod /dev/kvm c 10 232; see what removed it.",
        "/proc/misc: 232 kvm",
    )


def cleared(facts: Facts) -> t.Optional[Cause]:
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


def taken(facts: Facts) -> t.Optional[Cause]:
    """Another hypervisor keeps kvm_intel or kvm_amd from loading (since Linux 6.12 the load itself fails)."""
    line = facts.kmsg.find("kvm: enabling virtualization on CPU")
    found = [name for name in OTHER_HYPERVISORS if modules.loaded(facts.root, name)]
    if facts.present or not (line or found):
        return None
    return _other(facts, line, *(f"/sys/module/{name}" for name in found))
