# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another machine under a guest that exists: pc to q35 and back.

What libvirt made for the old machine goes: PCI addresses, buses and the chipset's controllers. libvirt makes the new machine's.
Disks, interfaces with their MAC addresses, and all else stay.
"""

from __future__ import annotations

import re
import typing as t

from ..._plan import refuse
from ..._xml import document
from .addresses import MAIN_BUS, drives
from .devices import items_of
from .new import PCIE_MACHINES, add_hotplug_ports

Element = document.Element

ROOTS = ("pci-root", "pcie-root")
REMARK = (
    "machine: with the new machine libvirt gives the guest's PCI devices other addresses, so that network interfaces in the"
    " guest may have other names"
)


def family(domain: Element) -> str:
    """The machine type without its version: ``pc-q35-7.2`` and ``q35`` are both ``q35``."""
    machine = domain.find("os/type").get("machine") or ""
    name = re.sub(r"-\d.*", "", machine)
    return {"pc-q35": "q35", "pc-i440fx": "pc"}.get(name, name)


def change_machine(before: Element, after: Element, asked: t.Container[Element], ports: int) -> list[str]:
    """Remove from ``after`` what belongs to the machine of ``before``; returns remarks on it.

    ``asked``: the devices whose address is in the task's options, which stay. ``ports``: how many spare PCIe ports a
    machine gets that has such ports, if the old one had none. Raises KvmError for what the new machine can't have.
    """
    old, new = family(before), family(after)
    if old == new:
        return []
    machine = after.find("os/type").get("machine")
    if not machine:
        why = "without a machine type libvirt would choose one, with other hardware than the domain has"
        refuse("unset", why, "Name the one that is meant, for example machine: q35.")
    _refuse_buses(after, machine, new)
    for address in after.findall("devices/*/address"):
        if address.get("type") in MAIN_BUS and address.getparent() not in asked:
            document.remove(address)
    _change_controllers(after, machine)
    if new != "q35":
        _remove_watchdog(after)
    _choose_firmware_anew(after)
    if machine.startswith(PCIE_MACHINES) and not before.find("os/type").get("machine").startswith(PCIE_MACHINES):
        add_hotplug_ports(after, machine, ports)
    return [REMARK]


def _refuse_buses(after: Element, machine: str, new: str) -> None:
    """q35 has no IDE; libvirt says so, but not of which disk."""
    targets = [node.get("dev") for node in after.iterfind("devices/disk/target[@bus='ide']")] if new == "q35" else []
    if targets:
        refuse(
            "machine",
            f"{machine} has no IDE bus, and the domain has disks on it: {', '.join(targets)}",
            f"Give them another bus in the same task, for example disks: [{{target: {targets[0]}, bus: sata}}].",
        )


def _change_controllers(after: Element, machine: str) -> None:
    """Fit the PCI controllers to the new machine's root, and remove what belonged to the old chipset."""
    made = t.cast("t.Callable[[Element], bool]", items_of("controllers").implied)
    used = {bus for _node, bus in drives(after)}
    for node in after.findall("devices/controller"):
        type = node.get("type")
        if type == "pci":
            _change_pci(node, machine, made(node))
        elif type in ("ide", "sata", "fdc") and type not in used and made(node):
            document.remove(node)
        elif type == "usb" and node.get("model") == "piix3-uhci":
            document.remove(node)  # a part of the old chipset; libvirt gives the machine its own


def _change_pci(node: Element, machine: str, made: bool) -> None:
    """Fit a PCI controller to the new machine's root; ``made``: libvirt made it for the old one."""
    model, root = node.get("model"), ROOTS[machine.startswith(PCIE_MACHINES)]
    if model in ROOTS:
        node.set("model", root)
    elif made:
        document.remove(node)
    elif model.startswith(("pcie-", "dmi-")) and root == "pci-root":
        refuse(
            "machine",
            f"{machine} can't have the PCI controller {node.get('index')} ({model}) that the domain has",
            "Remove it with xml_patch: [{path: \"devices/controller[@type='pci'][@index='"
            f"{node.get('index')}']\", delete: true}}], then change the machine.",
        )


def _remove_watchdog(after: Element) -> None:
    """Remove the one of q35's chipset."""
    for watchdog in after.findall("devices/watchdog[@model='itco'][@action='reset']"):
        document.remove(watchdog)


def _choose_firmware_anew(after: Element) -> None:
    """With ``firmware: efi`` libvirt chose the file for the old machine. The variables stay."""
    system = after.find("os")
    if system.get("firmware") == "efi":
        for node in system.findall("loader"):
            document.remove(node)
        for node in system.findall("nvram"):
            node.attrib.pop("template", None)
