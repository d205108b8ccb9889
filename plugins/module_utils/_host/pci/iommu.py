# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands between devices and memory: the IOMMU, its groups, virtual functions, and what is bound to VFIO."""

from __future__ import annotations

import re
import typing as t

from ..kernel_module import modules
from ..root import Root

GROUPS = "sys/kernel/iommu_groups"
PCI = "sys/bus/pci/devices"
TABLES = {"DMAR": "intel", "IVRS": "amd", "IORT": "arm", "VIOT": "virtio", "RIMT": "riscv"}
BRIDGE = "0x0604"


def report(root: Root) -> dict[str, t.Any]:
    """The ``iommu`` part."""
    tables = [name for name in root.names("sys/firmware/acpi/tables") if name in TABLES]
    units = root.names("sys/class/iommu")
    groups = [_group(root, number) for number in sorted(map(int, filter(str.isdigit, root.names(GROUPS))))]
    kinds = {group["type"] for group in groups if group["type"]}
    return {
        "present": bool(tables or units or groups),
        "enabled": bool(groups),
        "type": _type(root, tables, units),
        "tables": tables,
        "interrupt_remapping": _remapping(root),
        "passthrough": kinds == {"identity"} if kinds else None,
        "unsafe_interrupts": modules.value_of(
            root.word("sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts")
        ),
        "acs_override": any(word.startswith("pcie_acs_override=") for word in modules.command_line(root)),
        "groups": groups,
    }


def sriov(root: Root) -> list[dict[str, t.Any]]:
    """Devices that can have virtual functions: ``device``, its network ``interfaces``, ``total``, ``current``."""
    totals = {address: root.number(f"{PCI}/{address}/sriov_totalvfs") for address in root.names(PCI)}
    return [
        {
            "device": address,
            "interfaces": root.names(f"{PCI}/{address}/net"),
            "driver": root.target(f"{PCI}/{address}/driver"),
            "total": total,
            "current": root.number(f"{PCI}/{address}/sriov_numvfs"),
        }
        for address, total in totals.items()
        if total
    ]


def torn_groups(groups: t.Iterable[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Groups in which one device is bound to VFIO and another to a driver of the host: none can be passed through."""
    torn = []
    for group in groups:
        drivers = [device["driver"] for device in group["devices"] if not (device["class"] or "").startswith(BRIDGE)]
        if "vfio-pci" in drivers and any(driver not in (None, "vfio-pci", "pci-stub") for driver in drivers):
            torn.append(group)
    return torn


def _group(root: Root, number: int) -> dict[str, t.Any]:
    base = f"{GROUPS}/{number}/devices"
    devices = []
    for address in root.names(base):
        words = [root.word(f"{base}/{address}/{name}") for name in ("vendor", "device")]
        devices.append(
            {
                "address": address,
                "driver": root.target(f"{base}/{address}/driver"),
                "override": _override(root, f"{base}/{address}"),
                "class": root.word(f"{base}/{address}/class"),
                "vendor_device": ":".join(word[2:] for word in words if word) or None,
            }
        )
    return {"id": number, "type": root.word(f"{GROUPS}/{number}/type"), "devices": devices}


def _override(root: Root, base: str) -> t.Optional[str]:
    """The driver that an administrator chose for the device, whichever has it now."""
    found = root.word(f"{base}/driver_override")
    return None if found in ("", "(null)") else found


def _type(root: Root, tables: list[str], units: list[str]) -> t.Optional[str]:
    if tables:
        return TABLES[tables[0]]
    for start, kind in (("dmar", "intel"), ("ivhd", "amd"), ("smmu", "arm"), ("iommu", "virtio")):
        if any(unit.startswith(start) for unit in units):
            return kind
    return {"s390x": "s390", "ppc64le": "ppc", "ppc64": "ppc"}.get(root.arch()) if root.names(GROUPS) else None


def _remapping(root: Root) -> t.Optional[bool]:
    """On x86 the interrupt chips of a remapping host are named IR-IO-APIC, IR-PCI-MSI ..."""
    text = root.text("proc/interrupts")
    if text is None or root.arch() not in ("x86_64", "i686"):
        return None
    return re.search(r"\bIR-", text) is not None
