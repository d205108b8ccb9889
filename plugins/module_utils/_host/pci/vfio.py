# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PCI devices set apart for guests: bound to vfio-pci now, and kept from the host's drivers at boot.

All devices of an IOMMU group go together, and none that the host itself needs.
"""

from __future__ import annotations

import os
import re
import typing as t

from ..._command import SYSTEM, run
from ..._plan import KvmError, Operations, Plan
from .. import files
from ..root import Root
from . import usage

PCI, DRIVER = "sys/bus/pci/devices", "vfio-pci"
RULES = "etc/udev/rules.d/20-metal-kvm-vfio.rules"
LOAD = "etc/modules-load.d/metal-kvm-passthrough.conf"  # kvm_module has a file of its own for vfio-pci
HEAD = "# Written by metal.kvm.vfio_devices: changes are lost.\n"
RULE = 'ACTION=="add", SUBSYSTEM=="pci", KERNEL=="{}", ATTR{{driver_override}}="vfio-pci"\n'
ADDRESS = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]")
BRIDGE = "0x0604"
Params = t.Mapping[str, t.Any]


def argument_spec() -> dict[str, t.Any]:
    """The options of ``vfio_devices``."""
    return {
        "devices": {"type": "list", "elements": "str", "required": True},
        "sysroot": {"type": "path", "default": "/"},
    }


def operations() -> Operations:
    """The operations that the steps of ``vfio_devices`` name."""
    return {
        **files.OPERATIONS,
        "driver.load": load,
        "device.bind": bind,
    }


def plan(params: Params) -> Plan:
    """The plan of a task."""
    return make(Root(params["sysroot"]), params)


def make(root: Root, params: Params) -> Plan:
    """What has to be done so that just these devices are set apart."""
    asked = [_address(name) for name in params["devices"]]
    found = Plan("vfio")
    for address in asked:
        _check(root, address, asked)
    back = _no_longer_asked(root, asked)
    for address in back:
        _free(root, address)
    _boot(found, root, asked)
    if root.live:
        _now(found, root, asked, back)
    found.predicted = shown(root, asked)
    return found


def _no_longer_asked(root: Root, asked: t.Collection[str]) -> list[str]:
    """Devices that our rules name, that are there and that nobody asks for any more."""
    ours = [match[1] for match in re.finditer(r'KERNEL=="([^"]+)"', root.text(RULES) or "")]
    return [address for address in ours if address not in asked and root.exists(f"{PCI}/{address}")]


def _now(plan: Plan, root: Root, asked: t.Sequence[str], back: t.Sequence[str]) -> None:
    """Bind the devices to vfio-pci, and give those no longer asked for back to the host."""
    away = [address for address in asked if driver(root, address) != DRIVER]
    if away and not root.exists("sys/bus/pci/drivers/vfio-pci"):
        plan.add("driver.load", "load vfio_pci", program=root.at(root.program("modprobe") or "sbin/modprobe"))
    for address in away:
        _bind(plan, root, address, DRIVER)
    for address in back:
        if driver(root, address) == DRIVER:
            _bind(plan, root, address, None)


def _address(name: str) -> str:
    """An address in full; the domain 0000 may be left out."""
    full = name.lower() if name.count(":") == 2 else f"0000:{name.lower()}"
    if not ADDRESS.fullmatch(full):
        raise KvmError(
            f"devices: {name!r} is no address of a PCI device", "Write it as in 0000:01:00.0.", option="devices"
        )
    return full


def driver(root: Root, address: str) -> t.Optional[str]:
    """The driver that a device is bound to."""
    return root.target(f"{PCI}/{address}/driver")


def group(root: Root, address: str) -> t.Optional[str]:
    """The number of a device's IOMMU group."""
    return root.target(f"{PCI}/{address}/iommu_group")


def _check(root: Root, address: str, asked: t.Collection[str]) -> None:
    """Refuse a device that isn't there, that can't be isolated, or that the host needs."""
    if not root.exists(f"{PCI}/{address}"):
        there = ", ".join(root.names(PCI)) or "none"
        raise KvmError(f"devices: {address} is not there", f"PCI devices here are: {there}.", option="devices")
    number = isolated(root, address)
    torn = [one for one in members(root, number) if one not in asked and driver(root, one) is not None]
    if torn:
        raise KvmError(
            f"devices: {address} is in the IOMMU group {number} together with {', '.join(torn)}, which would stay with"
            " the host",
            "Name them too: a group can only be given away whole. Another slot may be in a group of its own.",
            option="devices",
        )
    if driver(root, address) != DRIVER:
        spared(root, address)


def isolated(root: Root, address: str, option: str = "devices") -> str:
    """The number of a device's IOMMU group; one without can't be given away."""
    number = group(root, address)
    if number is None:
        raise KvmError(
            f"{option}: {address} is in no IOMMU group, so nothing would keep a guest that has it from all memory",
            "Switch the IOMMU on in the firmware and for the kernel (the role metal.kvm.kernel with kernel_iommu: on),"
            " and reboot.",
            option=option,
        )
    return number


def members(root: Root, number: str) -> list[str]:
    """The devices of an IOMMU group, without bridges: those stay with the host."""
    found = root.names(f"sys/kernel/iommu_groups/{number}/devices")
    return [one for one in found if not (root.word(f"{PCI}/{one}/class") or "").startswith(BRIDGE)]


def spared(root: Root, address: str, option: str = "devices") -> None:
    """Refuse a device that the host itself needs."""
    needed = usage.uses(root, address)
    if needed:
        raise KvmError(
            f"{option}: the host needs {address}: {'; '.join(needed)}", "Name another device.", option=option
        )


def _free(root: Root, address: str) -> None:
    """Refuse to take a device back from a guest that has it."""
    users = usage.guests(root, group(root, address) or "")
    if driver(root, address) == DRIVER and users:
        raise KvmError(
            f"devices: {address} is no longer named, but {', '.join(users)} has it",
            "Detach it from the guest, or shut that down, first.",
            option="devices",
        )


def _boot(plan: Plan, root: Root, asked: t.Sequence[str]) -> None:
    """Before udev loads drivers (rules from 80 on) these devices are told that theirs is vfio-pci."""
    rules = HEAD + "".join(RULE.format(address) for address in sorted(asked)) if asked else None
    for path, text in ((RULES, rules), (LOAD, f"{HEAD}vfio-pci\n" if asked else None)):
        files.plan_file(plan, f"/{path}", root.at(path), root.text(path), text)


def _bind(plan: Plan, root: Root, address: str, wanted: t.Optional[str]) -> None:
    before = driver(root, address)
    text = f"bind {address} to {wanted}" if wanted else f"give {address} back to the host"
    plan.add("device.bind", text, sysroot=root.path, address=address, wanted=wanted)
    plan.differs(address, before or "no driver", wanted or "the host's driver")


def load(subject: t.Any, program: str) -> None:
    """Load vfio-pci."""
    done = run([program, "vfio-pci"], environment=SYSTEM)
    if done.status:
        raise KvmError(
            f"vfio-pci could not be loaded: {done.complaint}", "Install the kernel's modules; after an upgrade, reboot."
        )


def bind(subject: t.Any, sysroot: str, address: str, wanted: t.Optional[str]) -> None:
    """Take a device from its driver and have the kernel find it one: ``wanted``, or with None whichever fits."""
    root = Root(sysroot, live=True)
    _tell(root.at(f"{PCI}/{address}/driver_override"), wanted or "\n")
    if root.exists(f"{PCI}/{address}/driver"):
        _tell(root.at(f"{PCI}/{address}/driver/unbind"), address)
    _tell(root.at("sys/bus/pci/drivers_probe"), address)
    got = driver(root, address)
    if wanted and got != wanted:
        raise KvmError(
            f"{address} is bound to {got or 'no driver'}, not to {wanted}", "See the kernel's messages (dmesg)."
        )


def _tell(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
    except OSError as error:
        raise KvmError(f"{path} refuses {text.strip()!r}: {os.strerror(error.errno or 0)}", files.RIGHTS) from error


def describe(params: Params) -> dict[str, t.Any]:
    """The devices after the run."""
    return shown(Root(params["sysroot"]), [_address(name) for name in params["devices"]])


def shown(root: Root, asked: t.Sequence[str]) -> dict[str, t.Any]:
    """Each device's group and driver."""
    rows = [(address, group(root, address), driver(root, address)) for address in asked]
    return {"devices": [{"address": address, "group": number, "driver": bound} for address, number, bound in rows]}
