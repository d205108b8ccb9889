# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PCI device of the host on its way to guests and back: detached from the host's driver, attached to it again."""

from __future__ import annotations

import typing as t

from ..._host.pci import usage, vfio
from ..._host.root import Root
from ..._libvirt import missing_object
from ..._plan import KvmError, Plan
from .describe import described
from .table import device_name

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..._xml.rows import Values

VFIO = "vfio-pci"


def plan_passthrough(world: World, params: Values) -> Plan:
    """What detaches a device from the host's driver, or gives it back; where neither is told, nothing."""
    name = device_name(params["name"])
    there = world.find("node_device", name)
    if there is None:
        raise missing(params["name"])
    plan = Plan("node_device")
    device = described(there)
    if not world.local and params["state"] is not None:
        raise KvmError(
            f"uri: whether the host needs {name} can't be seen over {world.uri}",
            "Run this task on the hypervisor.",
            option="uri",
        )
    plan_driver(plan, Root("/"), device, params)
    return plan


def missing(name: str) -> KvmError:
    """The error for a device that the host hasn't got."""
    error = missing_object("node_device", name, "name")
    error.remedy = "metal.kvm.node_device_info and `virsh nodedev-list` show what there is."
    return error


def plan_driver(plan: Plan, root: Root, device: Values, params: Values) -> None:
    """The steps for ``device``, as node_device_info shows it, on the host below ``root``."""
    state, driver = params["state"], params["driver"]
    if device["capability"] != "pci":
        raise KvmError(
            f"name: {device['name']} is a device of kind {device['capability']}, and only PCI devices are detached",
            "Name the PCI device that it hangs on: its parent.",
            option="name",
        )
    before, away = device.get("driver"), is_vfio(device.get("driver"))
    plan.predicted = dict(device)
    if state == "detached" and not away:
        _refuse(plan, root, device["address"])
        wanted = VFIO if driver in (None, "vfio") else driver
        plan.add("detach", f"detach {device['name']} from the host", name=device["name"], driver=driver)
        plan.differs("driver", before, wanted)
        plan.predicted["driver"] = wanted
    elif state == "attached" and away:
        holders = usage.guests(root, vfio.group(root, device["address"]) or "")
        if holders:
            raise KvmError(
                f"state: {', '.join(holders)} has {device['name']}, or another device of its IOMMU group",
                "Detach it from the guest, or shut that down, first.",
                option="state",
            )
        plan.add("attach", f"attach {device['name']} to the host", name=device["name"])
        plan.differs("driver", before, "the host's driver")
        plan.predicted.pop("driver")


def is_vfio(driver: t.Optional[str]) -> bool:
    """Whether a driver is for guests: vfio-pci, or a variant of it for one kind of device."""
    return driver is not None and driver.replace("_", "-").endswith(VFIO)


def _refuse(plan: Plan, root: Root, address: str) -> None:
    """A group is given away whole: nothing in it may be needed here. What still has a driver is said."""
    number = vfio.isolated(root, address, "name")
    group = sorted({address, *vfio.members(root, number)})
    for one in group:
        vfio.spared(root, one, "name")
    bound = [one for one in group if one != address and not is_vfio(vfio.driver(root, one)) and vfio.driver(root, one)]
    if bound:
        plan.warnings.append(
            f"{address} is in the IOMMU group {number} together with {', '.join(bound)}: no guest can have it before"
            " they are detached too"
        )


def detach(world: World, name: str, driver: t.Optional[str]) -> None:
    """Give the device to the driver for guests."""
    world.get("node_device", name).detachFlags(driver, 0)


def attach(world: World, name: str) -> None:
    """Give the device back to the host's driver."""
    world.get("node_device", name).reAttach()
