# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a domain: every option that isn't a device list, and all of them together."""

from __future__ import annotations

import typing as t

from ..._xml import document
from ..._xml.rows import REFUSED, Field, Group, Map, ValueList
from ..._xml.types import KIB, ON_OFF, POSITIVE, PRESENT, STR, UUID, WHOLE, YES_NO
from .devices import AGENT, DEVICES

Element = document.Element

LABELS = "metadata/metal:kvm/metal:label"


def _boot_memory(domain: Element) -> t.Optional[int]:
    for name in ("currentMemory", "memory"):
        node = domain.find(name)
        if node is not None:
            return t.cast(int, KIB.get(node, ""))
    return None


def _put_memory(domain: Element, value: int) -> None:
    """What the guest has: the boot value, and the maximum where it's lower."""
    current, maximum = _child(domain, "currentMemory"), _child(domain, "memory")
    KIB.put(current, "", value)
    if maximum.text is None or t.cast(int, KIB.get(maximum, "")) < value:
        KIB.put(maximum, "", value)


def _boot_vcpus(domain: Element) -> t.Optional[int]:
    vcpu = domain.find("vcpu")
    return None if vcpu is None else int(vcpu.get("current") or vcpu.text)


def _put_vcpus(domain: Element, value: int) -> None:
    vcpu = _child(domain, "vcpu")
    if vcpu.text is None or int(vcpu.text) <= value:
        vcpu.text = str(value)
        vcpu.attrib.pop("current", None)
    else:
        vcpu.set("current", str(value))


def _put_vcpus_maximum(domain: Element, value: int) -> None:
    vcpu = _child(domain, "vcpu")
    current = _boot_vcpus(domain) if vcpu.text else None
    vcpu.text = str(value)
    if current is not None and current < value:
        vcpu.set("current", str(current))
    elif current is not None:
        vcpu.attrib.pop("current", None)


def _child(domain: Element, tag: str) -> Element:
    node = domain.find(tag)
    return document.child(domain, tag) if node is None else node


def _firmware(domain: Element) -> t.Optional[str]:
    system = domain.find("os")
    if system is None:
        return None
    loader = system.find("loader")
    pflash = loader is not None and loader.get("type") == "pflash"
    return "efi" if system.get("firmware") == "efi" or pflash else "bios"


def _put_firmware(domain: Element, value: str) -> None:
    system = _child(domain, "os")
    if value == "efi":
        system.set("firmware", "efi")
        return
    system.attrib.pop("firmware", None)
    for tag in ("firmware", "loader", "nvram"):
        for node in system.findall(tag):
            document.remove(node)


def _put_cpu_mode(cpu: Element, value: str) -> None:
    cpu.set("mode", value)
    if value in ("host-passthrough", "maximum"):
        for node in cpu.findall("model") + cpu.findall("feature"):
            document.remove(node)
    if value != "custom":
        cpu.attrib.pop("match", None)


def _expanded(persistent: Element, running: Element) -> bool:
    """A host-model CPU is written out in full while the domain runs."""
    return bool(persistent.get("mode") == "host-model")


def _agent(domain: Element) -> bool:
    return any(node.get("name") == AGENT for node in domain.iterfind("devices/channel/target"))


def _put_agent(domain: Element, value: bool) -> None:
    devices = _child(domain, "devices")
    if value:
        channel = document.child(devices, "channel", type="unix")
        document.child(channel, "target", type="virtio", name=AGENT)
        return
    for target in devices.findall("channel/target"):
        if target.get("name") == AGENT:
            document.remove(target.getparent())


def machine_alias(one: str, other: str) -> bool:
    """``q35`` stands for the newest ``pc-q35-…``, ``virt`` for the newest ``virt-…``."""
    stems = {"q35": "pc-q35-", "pc": "pc-i440fx-"}
    short, long = sorted((one, other), key=len)
    return long.startswith(stems.get(short, short + "-"))


EVENT_ACTIONS = ("destroy", "restart", "preserve", "rename-restart")

DOMAIN: tuple[t.Any, ...] = (
    Field("uuid", "uuid", UUID, "The domain's UUID. It can't be changed.", takes=REFUSED),
    Field("title", "title", STR, "A short title.", live="metadata"),
    Field("description", "description", STR, "A description, any text.", live="metadata"),
    Map("labels", LABELS, doc="Labels of your own, kept in the domain's metadata: name to value. Full when given.",
        live="metadata"),
    Field("type", "@type", STR, [
        "Who runs the guest's processors: V(kvm) the hardware, V(qemu) emulation.",
        "V(auto) takes V(kvm) where VT-x or AMD-V is really there and the architecture is the host's, else V(qemu);"
        " it's decided when the domain is made, and that is the default then.",
    ], choices=("auto", "kvm", "qemu"), same=lambda a, b: "auto" in (a, b)),
    Field("vcpus_maximum", "vcpu", POSITIVE, "The number up to which vCPUs can be added while the guest runs.",
          put=_put_vcpus_maximum),
    Field("vcpus", "vcpu@current", POSITIVE, "How many vCPUs the guest has. Raises the maximum where that is lower.",
          get=_boot_vcpus, put=_put_vcpus, live="vcpus"),
    Field("memory_maximum", "memory", KIB, "The memory up to which the guest can be given more while it runs."),
    Field("memory", "currentMemory", KIB, "The memory that the guest has, V(2 GiB). Raises the maximum where that is lower.",
          get=_boot_memory, put=_put_memory, live="memory"),
    Field("arch", "os/type@arch", STR, "The guest's architecture, V(x86_64), V(aarch64) ...: the host's where it's left out.",
          takes=REFUSED),
    Field("machine", "os/type@machine", STR, "The machine type; an alias like V(q35) stands for the newest of its kind.",
          same=machine_alias),
    Field("firmware", "os@firmware", STR, "The firmware.", choices=("bios", "efi"), get=_firmware, put=_put_firmware),
    Field("secure_boot", "os/firmware/feature[@name='secure-boot']@enabled", YES_NO,
          "Whether the firmware checks signatures, with V(firmware=efi)."),
    Group("boot", "os", (
        ValueList("order", "boot@dev", STR, "Kinds of devices to boot from, in order.",
                  choices=("hd", "cdrom", "network", "fd")),
        Field("menu", "bootmenu@enable", YES_NO, "Whether the firmware offers a menu."),
        Field("menu_timeout", "bootmenu@timeout", WHOLE, "How long the menu waits, in milliseconds."),
        Field("kernel", "kernel", STR, "A kernel on the hypervisor to start directly."),
        Field("initrd", "initrd", STR, "The initial RAM disk of O(boot.kernel)."),
        Field("cmdline", "cmdline", STR, "The command line of O(boot.kernel)."),
        Field("dtb", "dtb", STR, "The device tree of O(boot.kernel)."),
    ), "What the guest boots."),
    Group("cpu", "cpu", (
        Field("mode", "@mode", STR, "Which processor the guest sees.",
              choices=("host-passthrough", "host-model", "maximum", "custom"), put=_put_cpu_mode, volatile=_expanded),
        Field("model", "model", STR, "The model by name, with V(cpu.mode=custom).", volatile=_expanded),
        Field("check", "@check", STR, "What is checked at start.", choices=("none", "partial", "full"), volatile=lambda p, r: True),
        Field("migratable", "@migratable", ON_OFF, "Whether features that stand in a migration's way are left out.",
              volatile=lambda p, r: p.get("migratable") is None),
        Map("features", "feature", value_at="policy", choices=("force", "require", "optional", "disable", "forbid"),
            doc="Features by name, with what is asked of them: V(require), V(disable), V(optional), V(force), V(forbid). Full when given."),
        Group("topology", "topology", (
            Field("sockets", "@sockets", POSITIVE, "Sockets."),
            Field("dies", "@dies", POSITIVE, "Dies in a socket."),
            Field("cores", "@cores", POSITIVE, "Cores in a die."),
            Field("threads", "@threads", POSITIVE, "Threads in a core."),
        ), "How the vCPUs are arranged; their product is the maximum number of vCPUs."),
    ), "The guest's processor."),
    Group("clock", "clock", (
        Field("offset", "@offset", STR, "What the guest's clock starts from.",
              choices=("utc", "localtime", "timezone", "variable", "absolute")),
        Field("timezone", "@timezone", STR, "The time zone, with V(clock.offset=timezone)."),
        Field("kvmclock", "timer[@name='kvmclock']@present", YES_NO, "Whether the guest is offered kvm-clock."),
        Field("hypervclock", "timer[@name='hypervclock']@present", YES_NO, "Whether the guest is offered the Hyper-V clock."),
        Field("hpet", "timer[@name='hpet']@present", YES_NO, "Whether the guest has an HPET."),
        Field("pit_tickpolicy", "timer[@name='pit']@tickpolicy", STR, "What becomes of ticks that the PIT missed.",
              choices=("delay", "catchup", "merge", "discard")),
        Field("rtc_tickpolicy", "timer[@name='rtc']@tickpolicy", STR, "What becomes of ticks that the RTC missed.",
              choices=("delay", "catchup", "merge", "discard")),
    ), "The guest's clock and timers."),
    Group("features", "features", (
        Field("acpi", "acpi", PRESENT, "Whether the guest has ACPI. Without it it can't be asked to shut down."),
        Field("apic", "apic", PRESENT, "Whether the guest has an APIC."),
        Field("pae", "pae", PRESENT, "Whether 32-bit guests can address more than 4 GiB."),
        Field("ioapic", "ioapic@driver", STR,
              "Where the I/O APIC is: V(kvm) in the kernel, V(qemu) in QEMU (the split irqchip). Only for V(type=kvm).",
              choices=("kvm", "qemu")),
        Field("pmu", "pmu@state", ON_OFF, "Whether the guest has performance counters."),
        Field("smm", "smm@state", ON_OFF, "Whether the guest has System Management Mode."),
        Field("vmport", "vmport@state", ON_OFF, "Whether VMware's port is emulated."),
        Group("kvm", "kvm", (
            Field("hidden", "hidden@state", ON_OFF, "Whether KVM hides itself from the guest."),
            Field("hint_dedicated", "hint-dedicated@state", ON_OFF, "Whether the guest is told that its vCPUs are never taken away."),
            Field("poll_control", "poll-control@state", ON_OFF, "Whether the guest may decide how long the host polls."),
            Field("pv_ipi", "pv-ipi@state", ON_OFF, "Whether the guest sends interrupts between vCPUs by hypercall."),
        ), "What KVM offers beyond hardware."),
    ), "Features of the machine."),
    Field("on_poweroff", "on_poweroff", STR, "What follows when the guest powers off.", choices=EVENT_ACTIONS),
    Field("on_reboot", "on_reboot", STR, "What follows when the guest reboots.", choices=EVENT_ACTIONS),
    Field("on_crash", "on_crash", STR, "What follows when the guest crashes.",
          choices=(*EVENT_ACTIONS, "coredump-destroy", "coredump-restart")),
    Field("agent", "devices/channel", PRESENT, "Whether there's a channel for the QEMU guest agent.", get=_agent, put=_put_agent,
          live="agent"),
    *DEVICES,
)  # fmt: skip
