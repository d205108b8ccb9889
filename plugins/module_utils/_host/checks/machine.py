# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the processor, KVM, devices and memory. Each takes the host as read and returns a finding."""

from __future__ import annotations

import typing as t

from ..kernel_module.parameter import text_of
from ..kvm.refused import OTHER_HYPERVISORS
from ..pci.iommu import torn_groups
from .finding import Finding, absent, bad, count, good, said, skipped

Host = t.Mapping[str, t.Any]

GIB = 1024**3
RESERVE = GIB  # what the host itself should have left
VENDOR_MODULES = ("kvm_intel", "kvm_amd")
FAST_CLOCKS = ("tsc", "kvm-clock", "arch_sys_counter", "tod", "timebase", "riscv_clocksource",
               "hyperv_clocksource_tsc_page")  # fmt: skip


def kvm_device(host: Host) -> Finding:
    device = host["kvm"]["device"]
    if host["kvm"]["usable"]:
        return good("/dev/kvm opens and speaks API 12.", **_node(device))
    return bad(f"/dev/kvm can't be used: {host['kvm']['message']}", host["kvm"]["remedy"], **_node(device))


def kvm_create(host: Host) -> Finding:
    result = host["kvm"]["create_vm"]
    if result == "ok":
        return good("A machine can be made (KVM_CREATE_VM).")
    if result == "skipped":
        return skipped("Making a machine wasn't tried: opening /dev/kvm proves enough here, or it doesn't open.")
    return bad(f"Making a machine fails with {result}.", host["kvm"]["remedy"], errno=result)


def kvm_cause(host: Host) -> Finding:
    kvm = host["kvm"]
    if kvm["cause"] is None:
        return good(kvm["message"])
    return bad(kvm["message"], kvm["remedy"], cause=kvm["cause"], seen=kvm["evidence"])


def kvm_hardware(host: Host) -> Finding:
    if host["kvm"]["hardware"]:
        return good("The processor's own virtualisation is there.", flag=host["cpu"]["flag"])
    return bad(
        "The processor's own virtualisation isn't there; guests of type kvm may not start.",
        host["kvm"]["remedy"] or "Use type qemu, or another machine.",
    )


def kvm_modules(host: Host) -> Finding:
    loaded = [module["name"] for module in host["kvm"]["modules"] if module["name"].startswith("kvm")]
    waits = [item for item in host["pending"] if item["kind"] == "module_reload"]
    if waits:
        return bad(
            "; ".join(item["reason"] for item in waits),
            "metal.kvm.kvm_module loads the module anew while no guest runs.",
            pending=waits,
        )
    return good(f"Loaded or built in: {', '.join(loaded)}.") if loaded else skipped("No module of KVM is loaded.")


def kvm_conflict(host: Host) -> Finding:
    found = host["kvm"]["conflicts"]
    if not found:
        return good("No other hypervisor's modules are loaded.")
    names = " and ".join(OTHER_HYPERVISORS[name] for name in found)
    at_load = host["kvm"]["at_load"]
    beside = (
        " KVM has it from its load on (kvm.enable_virt_at_load); set that to false to take turns." if at_load else ""
    )
    return bad(
        f"Modules of {names} are loaded; one hypervisor at a time can have the processor.",
        f"Unload them (modprobe -r {' '.join(found)}), or don't run their machines beside KVM's.{beside}",
        modules=found,
        enable_virt_at_load=at_load,
    )


def kvm_options(host: Host) -> Finding:
    """What modprobe and the boot will do: one parameter set twice, and a module for another processor."""
    kvm = host["kvm"]
    twice = _contradictions(kvm)
    if twice:
        last = [f"{name}={list(values.values())[-1]} of {list(values)[-1]} counts" for name, values in twice.items()]
        return bad(f"Set in several places, and not alike: {'; '.join(last)}.", "Keep one of them.", settings=twice)
    listed = {name: path for name, path in kvm["loads_at_boot"].items() if name in VENDOR_MODULES}
    wrong = ", ".join(f"{name} in {path}" for name, path in listed.items() if name != kvm["vendor_module"])
    if wrong and (len(listed) > 1 or kvm["vendor_module"] in VENDOR_MODULES):
        return bad(
            f"Listed to be loaded at boot, and for other processors: {wrong}; systemd-modules-load fails of it.",
            "Take it out.",
            listed=listed,
        )
    return good("Nobody contradicts another about KVM's modules.", configured=kvm["configured"])


def _contradictions(kvm: t.Mapping[str, t.Any]) -> dict[str, dict[str, str]]:
    """Parameters that several places set, and not alike: each place and its value, in the order in which they count."""
    told: dict[str, dict[str, str]] = {}
    for source, found in [*kvm["configured"].items(), ("the kernel's command line", kvm["cmdline"])]:
        for module, values in found.items():
            for name, value in values.items():
                told.setdefault(f"{module}.{name}", {})[source] = text_of(name, value)
    return {name: values for name, values in told.items() if len(set(values.values())) > 1}


def cpu_paging(host: Host) -> Finding:
    cpu = host["cpu"]
    if cpu["flag"] not in ("vmx", "svm"):
        return skipped("Only VT-x and AMD-V have this choice.")
    missing = [feature["name"] for feature in cpu["features"] if not feature["present"]]
    kind = cpu["paging"]["kind"]
    if kind is None:
        return bad(
            "The processor has no two-level paging (EPT, NPT): guests will be slow.",
            "Use a newer processor.",
            missing=missing,
        )
    off = [row["parameter"] for row in cpu["features"] if row["name"] == kind and row["effective"] in (False, 0)]
    if off:
        return bad(
            f"Two-level paging ({kind}) is switched off.", f"Set the module's parameter {kind} to true.", parameter=off
        )
    return good(f"Two-level paging by {kind}.", missing=missing)


def cpu_mitigations(host: Host) -> Finding:
    weak = {name: entry["text"] for name, entry in host["cpu"]["mitigations"].items() if entry["state"] == "vulnerable"}
    if not host["cpu"]["mitigations"]:
        return skipped("The kernel doesn't tell the processor's weaknesses.")
    if weak:
        return bad(
            f"The processor is open to {', '.join(sorted(weak))}: a guest may read what isn't its own.",
            "Update microcode and kernel; take mitigations=off away; see nosmt where text says SMT.",
            vulnerable=weak,
            smt=host["cpu"]["smt"],
        )
    return good("No known weakness of the processor is open.", smt=host["cpu"]["smt"])


def nested(host: Host) -> Finding:
    found = host["kvm"]["nested"]
    if found["enabled"]:
        return good("Guests can be hypervisors themselves.", parameter=found["parameter"])
    if found["supported"] is None:
        return skipped("KVM wasn't asked.")
    if not found["supported"]:
        return bad("Guests can't be hypervisors: this KVM has no nesting.", "Use a host with VT-x or AMD-V of its own.")
    return bad(
        "Guests can't be hypervisors: nesting is off.", f"Set {found['parameter']} to true (metal.kvm.kvm_module)."
    )


def secure(kind: str) -> t.Callable[[Host], Finding]:
    """The check of one kind of confidential guests."""

    def check(host: Host) -> Finding:
        found = host["secure"][kind]
        if found["enabled"]:
            return good(f"{kind.upper()} guests are possible.", **found)
        if found["supported"]:
            return bad(f"The processor has {kind.upper()}, but it isn't on.", found["reason"])
        return absent(f"The processor has no {kind.upper()}.", "Use another machine.")

    return check


def irq_clock(host: Host) -> Finding:
    found = host["irq_clock"]
    if found["irqchip"] is None:
        return skipped("KVM wasn't asked.")
    has = [
        name for name in ("irqchip", "split_irqchip", "pit", "kvmclock", "tsc_control", "tsc_deadline") if found[name]
    ]
    return said(f"KVM offers {', '.join(has) or 'none of its interrupt chips and clocks'}.", **found)


def clock_source(host: Host) -> Finding:
    found = host["irq_clock"]
    current = found["host_clocksource"]
    if current is None:
        return skipped("The kernel doesn't tell its clock source.")
    if current in FAST_CLOCKS:
        return good(f"The host's clock source is {current}.", available=found["host_clocksources"])
    return bad(
        f"The host's clock source is {current}: kvm-clock in guests is slow, or not stable.",
        "See dmesg for why the TSC was given up; tsc=reliable only where the firmware is known to be good.",
        available=found["host_clocksources"],
    )


def device(name: str, what: str, module: str) -> t.Callable[[Host], Finding]:
    """The check of one device node."""

    def check(host: Host) -> Finding:
        found = host["devices"][name]
        if found["exists"]:
            return good(f"{what} is there.", **_node(found))
        return bad(f"{what} isn't there.", f"Load {module} (metal.kvm.kvm_module).")

    return check


def cgroups(host: Host) -> Finding:
    found = host["cgroup"]
    if found["version"] is None:
        return bad(
            "No cgroups are mounted: limits of guests have no effect.", "Mount them, or boot with an init that does."
        )
    wanted = {"cpu", "cpuset", "memory", "devices"} if found["version"] != "v2" else {"cpu", "cpuset", "memory", "io"}
    missing = sorted(wanted - set(found["controllers"]) - ({"devices"} if found["version"] == "hybrid" else set()))
    if missing:
        return bad(
            f"Controllers of cgroups are missing: {', '.join(missing)}; what they limit can't be limited.",
            "See cgroup_disable= on the kernel's command line, and the kernel's configuration.",
            **found,
        )
    return good(f"cgroups {found['version']} with what libvirt uses.", **found)


def iommu(host: Host) -> Finding:
    found = host["iommu"]
    seen = {"type": found["type"], "groups": len(found["groups"]), "interrupt_remapping": found["interrupt_remapping"]}
    if not found["present"]:
        return bad(
            "There is no IOMMU: no device can be passed through.", "Switch VT-d or AMD-Vi on in the firmware.", **seen
        )
    if not found["enabled"]:
        word = "intel_iommu=on" if found["type"] == "intel" else "the IOMMU in firmware and kernel"
        return bad(
            "The IOMMU is there, but not in use.", f"Switch on {word}; for a word of the command line, reboot.", **seen
        )
    if found["interrupt_remapping"] is False:
        return bad(
            "The IOMMU doesn't remap interrupts: a passed-through device could forge them.",
            "Switch interrupt remapping on in the firmware; allow_unsafe_interrupts only where guests are trusted.",
            **seen,
        )
    if found["acs_override"]:
        return bad(
            "IOMMU groups are made smaller than the hardware is (pcie_acs_override): devices of two guests may reach"
            " each other's memory.",
            "Take it from the kernel's command line, and give devices to guests by whole groups.",
            **seen,
        )
    return good(f"The IOMMU is in use ({count(len(found['groups']), 'group')}).", **seen)


def vfio(host: Host) -> Finding:
    torn = torn_groups(host["iommu"]["groups"])
    if torn:
        return bad(
            f"IOMMU group {', '.join(str(group['id']) for group in torn)} is shared by guests' and host's drivers.",
            "Bind every device of the group to vfio-pci, or none.",
            groups=torn,
        )
    kept = [f"{device['address']} ({device['driver']})" for device in _devices(host) if _wants_vfio(device)]
    if kept:
        return bad(
            f"Meant for guests, but not bound to vfio-pci: {', '.join(kept)}.",
            "See what on the host uses it (metal.kvm.vfio_devices says so), or reboot.",
            devices=kept,
        )
    if host["iommu"]["unsafe_interrupts"]:
        return bad("VFIO allows unsafe interrupts.", "Take vfio_iommu_type1.allow_unsafe_interrupts away.")
    bound = [device["address"] for device in _devices(host) if device["driver"] == "vfio-pci"]
    if bound:
        return good("Devices for guests have their groups to themselves.", bound=bound)
    return said("No device is bound to VFIO.")


def _devices(host: Host) -> list[dict[str, t.Any]]:
    """The devices of all IOMMU groups."""
    return [device for group in host["iommu"]["groups"] for device in group["devices"]]


def _wants_vfio(device: t.Mapping[str, t.Any]) -> bool:
    """Whether a device is meant for vfio-pci, and hasn't got it."""
    return bool(device["override"] == "vfio-pci" and device["driver"] != "vfio-pci")


def hugepages(host: Host) -> Finding:
    asked, got = host["memory"]["hugepages_asked"], host["memory"]["hugepages"]
    totals: dict[str, int] = {}
    for page in got:
        totals[str(page["size"])] = totals.get(str(page["size"]), 0) + (page["total"] or 0)
    short = {
        size: f"{totals.get(size, 0)} of {number}" for size, number in asked.items() if totals.get(size, 0) < number
    }
    if short:
        return bad(
            "Fewer huge pages than configured: "
            + ", ".join(f"{text} of {size} bytes" for size, text in short.items())
            + ".",
            "Memory was fragmented: reserve them at boot (hugepages= on the kernel's command line), or reboot.",
            per_node=got,
        )
    if not any(totals.values()):
        return said("No huge pages are reserved.")
    if not host["memory"]["mounts"]:
        return bad(
            "Huge pages are reserved, but no hugetlbfs is mounted, through which guests get them.",
            "Mount it on /dev/hugepages (systemd: dev-hugepages.mount), then restart libvirt's daemon.",
            per_node=got,
        )
    return good("Huge pages are there as configured.", per_node=got)


def memory(host: Host) -> Finding:
    found = host["memory"]
    if found["total"] is None:
        return skipped("The kernel doesn't tell its memory.")
    if (found["available"] or 0) < min(RESERVE, found["total"] // 4):
        return bad(
            f"Only {(found['available'] or 0) // 2**20} MiB of memory are left for the host and new guests.",
            "Give guests less, or the host more; leave at least 1 GiB to the host.",
            available=found["available"],
        )
    return good(
        "The host has memory left.", available=found["available"], swap=found["swap"], overcommit=found["overcommit"]
    )


def ksm(host: Host) -> Finding:
    found = host["memory"]["ksm"]
    if found is None:
        return said("The kernel merges no pages (no KSM).")
    if found["run"] == 1:
        return bad(
            "Equal pages of guests are merged (KSM): a guest can find out by timing what others have in memory.",
            "Switch it off where guests of different owners run: echo 2 > /sys/kernel/mm/ksm/run.",
            **found,
        )
    return good("Guests' pages aren't merged.")


def numa(host: Host) -> Finding:
    found = host["numa"]
    nodes = len(found["nodes"])
    return said(f"{count(max(nodes, 1), 'memory node')}.", balancing=found["balancing"], thp=host["memory"]["thp"])


def _node(device: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {key: device[key] for key in ("major_minor", "mode", "owner", "group") if device.get(key) is not None}
