# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of the machine: clock and timers, features, what it boots, its firmware's files."""

from __future__ import annotations

import re
import typing as t

from ...._xml import document
from ...._xml.kinds import Switches
from ...._xml.rows import Field, Group, ValueList
from ...._xml.types import INT, KIB, MIB, ON_OFF, PATH, POSITIVE, PRESENT, STR, TEXT, WHOLE, YES_NO, Type
from .common import always, kind, unsaid

Element = document.Element


def _adjustment(value: t.Any) -> str:
    """Seconds, or ``reset``; libvirt takes any other text for 0."""
    text = str(value).strip()
    if text and not re.fullmatch(r"reset|[+-]?\d+", text):
        raise ValueError("a number of seconds, or reset")
    return text


ADJUSTMENT = Type("str", str, parse=_adjustment)
EVENT_ACTIONS = ("destroy", "restart", "preserve", "rename-restart")
FIXED = ("broken", "workaround", "fixed")
TICKS = ("delay", "catchup", "merge", "discard")


def _timer(name: str, what: str, *more: str) -> tuple[Field | Group, ...]:
    """The rows of one timer: whether it's there, and what more it knows."""
    at = f"timer[@name='{name}']"
    rows: dict[str, t.Any] = {
        "tickpolicy": Field(
            f"{name}_tickpolicy", f"{at}@tickpolicy", STR, f"What becomes of ticks that {what} missed.", choices=TICKS
        ),
        "track": Field(
            f"{name}_track", f"{at}@track", STR, f"What {what} follows.", choices=("boot", "guest", "wall", "realtime")
        ),
        "catchup": Group(f"{name}_catchup", f"{at}/catchup", CATCHUP, f"How fast {what} catches up (V(catchup))."),
    }
    return (Field(name, f"{at}@present", YES_NO, f"Whether the guest has {what}."), *(rows[one] for one in more))


CATCHUP = (
    Field("threshold", "@threshold", POSITIVE, "From how many nanoseconds on."),
    Field("slew", "@slew", POSITIVE, "How many missed ticks a second."),
    Field("limit", "@limit", POSITIVE, "The most nanoseconds that are caught up."),
)
CLOCK = (
    Field("offset", "@offset", STR, "What the guest's clock starts from.",
          choices=("utc", "localtime", "timezone", "variable", "absolute"),
          put=kind("@timezone", "@adjustment", "@basis", "@start", at="@offset")),
    Field("timezone", "@timezone", STR, "The time zone (V(clock.offset=timezone))."),
    Field("adjustment", "@adjustment", ADJUSTMENT, "Seconds beside it (V(clock.offset=variable)), or V(reset) to forget the guest's own"
          " changes (V(utc), V(localtime)).", volatile=always),
    Field("basis", "@basis", STR, "What the seconds are beside (V(clock.offset=variable)).", choices=("utc", "localtime")),
    Field("start", "@start", WHOLE, "Seconds since 1970 (V(clock.offset=absolute))."),
    *_timer("rtc", "the RTC", "tickpolicy", "track", "catchup"),
    *_timer("pit", "the PIT", "tickpolicy", "catchup"),
    *_timer("hpet", "an HPET", "tickpolicy"),
    *_timer("kvmclock", "kvm-clock"),
    *_timer("hypervclock", "the Hyper-V clock"),
    *_timer("tsc", "the TSC", "tickpolicy"),
    Field("tsc_frequency", "timer[@name='tsc']@frequency", POSITIVE, "The TSC's frequency, in hertz."),
    Field("tsc_mode", "timer[@name='tsc']@mode", STR, "How the TSC is read.",
          choices=("auto", "native", "emulate", "paravirt", "smpsafe")),
    *_timer("armvtimer", "Arm's virtual timer", "tickpolicy"),
)  # fmt: skip
FEATURES = (
    Field("acpi", "acpi", PRESENT, "Whether the guest has ACPI. Without it it can't be asked to shut down."),
    Field("apic", "apic", PRESENT, "Whether the guest has an APIC."),
    Field("apic_eoi", "apic@eoi", ON_OFF, "Whether the end of interrupts is told without an exit."),
    Field("pae", "pae", PRESENT, "Whether 32-bit guests can address more than 4 GiB."),
    Field("hap", "hap@state", ON_OFF, "Whether the hardware walks the guest's page tables."),
    Field("ioapic", "ioapic@driver", STR,
          "Where the I/O APIC is: V(kvm) in the kernel, V(qemu) in QEMU (the split irqchip). Only for V(type=kvm).",
          choices=("kvm", "qemu")),
    Field("pmu", "pmu@state", ON_OFF, "Whether the guest has performance counters."),
    Field("smm", "smm@state", ON_OFF, "Whether the guest has System Management Mode; firmware that libvirt chooses may ask for it.",
          volatile=unsaid("smm@state")),
    Field("smm_tseg", "smm/tseg", MIB, "The size of TSEG (q35)."),
    Field("vmport", "vmport@state", ON_OFF, "Whether VMware's port is emulated."),
    Field("vmcoreinfo", "vmcoreinfo@state", ON_OFF, "Whether the guest can say how its memory is read after a crash."),
    Field("pvspinlock", "pvspinlock@state", ON_OFF, "Whether spinlocks yield to the hypervisor."),
    Field("ps2", "ps2@state", ON_OFF, "Whether the machine has a PS/2 controller.", since=10_007_000),
    Field("async_teardown", "async-teardown@enabled", YES_NO, "Whether memory is given back after QEMU is gone.", since=9_006_000),
    Field("gic", "gic@version", STR, "The version of the interrupt controller (Arm).", choices=("host", "2", "3"),
          volatile=unsaid("gic@version")),
    Field("aia", "aia@value", STR, "The interrupt architecture (RISC-V).", choices=("aplic", "aplic-imsic", "none"), since=11_001_000),
    Field("ras", "ras@state", ON_OFF, "Whether memory errors are told to the guest (Arm).", since=10_004_000),
    Field("hpt_resizing", "hpt@resizing", STR, "Whether the hashed page table may be resized (POWER).",
          choices=("enabled", "disabled", "required")),
    Field("hpt_maxpagesize", "hpt/maxpagesize", KIB, "The largest page of the hashed page table (POWER).", silent=0),
    Field("htm", "htm@state", ON_OFF, "Whether the guest has transactional memory (POWER)."),
    Field("nested_hv", "nested-hv@state", ON_OFF, "Whether the guest may run guests (POWER)."),
    Field("ccf_assist", "ccf-assist@state", ON_OFF, "Whether the count cache is flushed by hardware (POWER)."),
    Field("cfpc", "cfpc@value", STR, "Cache flush on privilege change (POWER).", choices=FIXED),
    Field("sbbc", "sbbc@value", STR, "Speculation barrier bounds checking (POWER).", choices=FIXED),
    Field("ibs", "ibs@value", STR, "Indirect branch speculation (POWER).",
          choices=("broken", "workaround", "fixed-ibs", "fixed-ccd", "fixed-na")),
    Field("msrs_unknown", "msrs@unknown", STR, "What becomes of accesses to unknown model specific registers.", choices=("ignore", "fault")),
    Field("tb_cache", "tcg/tb-cache", MIB, "The cache of translated code (V(type=qemu)).", silent=0),
    Field("hyperv_mode", "hyperv@mode", STR, "Whether the guest gets the enlightenments below, or all that there are.",
          choices=("custom", "passthrough")),
    Switches("hyperv", "hyperv", doc=[
        "Hyper-V enlightenments by libvirt's names: true, false, or what is on beyond that, V(spinlocks: 8191),"
        " V(vendor_id: text), V(stimer: direct). Full when given.",
    ]),
    Group("kvm", "kvm", (
        Field("hidden", "hidden@state", ON_OFF, "Whether KVM hides itself from the guest."),
        Field("hint_dedicated", "hint-dedicated@state", ON_OFF, "Whether the guest is told that its vCPUs are never taken away."),
        Field("poll_control", "poll-control@state", ON_OFF, "Whether the guest may decide how long the host polls."),
        Field("pv_ipi", "pv-ipi@state", ON_OFF, "Whether the guest sends interrupts between vCPUs by hypercall."),
        Field("dirty_ring", "dirty-ring@state", ON_OFF, "Whether changed pages are told by rings."),
        Field("dirty_ring_size", "dirty-ring@size", POSITIVE, "Entries of each ring, a power of two from 1024 to 65536."),
    ), "What KVM offers beyond hardware."),
)  # fmt: skip
BOOT = (
    ValueList("order", "boot@dev", STR, "Kinds of devices to boot from, in order.", choices=("hd", "cdrom", "network", "fd")),
    Field("menu", "bootmenu@enable", YES_NO, "Whether the firmware offers a menu."),
    Field("menu_timeout", "bootmenu@timeout", WHOLE, "How long the menu waits, in milliseconds."),
    Field("kernel", "kernel", PATH, "A kernel on the hypervisor to start directly."),
    Field("initrd", "initrd", PATH, "The initial RAM disk of O(boot.kernel)."),
    Field("cmdline", "cmdline", TEXT, "The command line of O(boot.kernel)."),
    Field("shim", "shim", PATH, "The first loader of O(boot.kernel) under secure boot.", since=10_001_000),
    Field("dtb", "dtb", PATH, "The device tree of O(boot.kernel)."),
    Field("bios_serial", "bios@useserial", YES_NO, "Whether the BIOS shows its messages on the serial console."),
    Field("reboot_timeout", "bios@rebootTimeout", INT, "How long to wait before booting again when nothing boots, in milliseconds;"
          " V(-1) for never."),
    Field("acpi_table", "acpi/table[@type='slic']", PATH, "A file with a SLIC table for the guest's ACPI."),
)  # fmt: skip


def _named(loader: Element, path: str) -> None:
    """Firmware by file: libvirt is not to choose one too."""
    loader.text = path
    system = loader.getparent()
    system.attrib.pop("firmware", None)
    for node in system.findall("firmware"):
        document.remove(node)


LOADER = (
    Field("path", "", PATH, "The firmware's file; libvirt chooses one for V(firmware=efi).", volatile=unsaid(""), put=_named),
    Field("type", "@type", STR, "How the guest sees it.", choices=("rom", "pflash"), volatile=unsaid("@type")),
    Field("read_only", "@readonly", YES_NO, "Whether the guest may only read it.", volatile=unsaid("@readonly")),
    Field("secure", "@secure", YES_NO, "Whether it needs System Management Mode.", volatile=unsaid("@secure")),
    Field("stateless", "@stateless", YES_NO, "Whether it keeps no variables."),
    Field("format", "@format", STR, "The format of the file.", choices=("raw", "qcow2"), since=9_002_000, volatile=unsaid("@format")),
)  # fmt: skip
NVRAM = (
    Field("path", "", PATH, "The file of the firmware's variables; libvirt chooses one.", volatile=unsaid("")),
    Field("template", "@template", PATH, "The file that it begins as.", volatile=unsaid("@template")),
    Field(
        "format",
        "@format",
        STR,
        "The format of the file.",
        choices=("raw", "qcow2"),
        since=9_002_000,
        volatile=unsaid("@format"),
    ),
)
