# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt's document says of any device of the host, in words of its own level: no nested capabilities."""

from __future__ import annotations

import typing as t

from ... import _libvirt
from ..._xml import document, rows
from ..._xml.types import PCI
from .table import NODE_DEVICE

if t.TYPE_CHECKING:
    from ..._xml.rows import Element, Values

# Capability, then what is shown to where it stands below it; the value is an attribute after @, else the text.
TEXTS: dict[str, dict[str, str]] = {
    "pci": {
        "class": "class", "vendor": "vendor", "vendor_id": "vendor@id", "product": "product", "product_id": "product@id",
        "iommu_group": "iommuGroup@number", "numa_node": "numa@node",
        "virtual_functions_max": "capability[@type='virt_functions']@maxCount",
    },
    "mdev": {"iommu_group": "iommuGroup@number"},
    "net": {"interface": "interface", "mac": "address", "link": "link@state"},
    "storage": {"block": "block", "model": "model", "serial": "serial", "size": "size", "drive_type": "drive_type"},
    "usb_device": {
        "bus": "bus", "device": "device", "vendor": "vendor", "vendor_id": "vendor@id", "product": "product",
        "product_id": "product@id",
    },
    "scsi_host": {
        "host": "host", "wwnn": "capability[@type='fc_host']/wwnn", "wwpn": "capability[@type='fc_host']/wwpn",
    },
    "drm": {"drm_type": "type"},
    "vdpa": {"chardev": "chardev"},
}  # fmt: skip
NUMBERS = ("iommu_group", "numa_node", "virtual_functions_max", "size", "bus", "device", "host")
ADDRESSES = {
    "iommu_devices": "iommuGroup/address",
    "virtual_functions": "capability[@type='virt_functions']/address",
    "physical_function": "capability[@type='phys_function']/address",
}


def described(there: t.Any) -> Values:
    """A device: its name, parent, driver and what its kind has."""
    root = document.document(there.XMLDesc(0))
    node = root.find("capability")
    kind = "" if node is None else node.get("type") or ""
    values: Values = {"name": root.findtext("name"), "capability": kind}
    for key, path in (("parent", "parent"), ("path", "path"), ("driver", "driver/name")):
        if root.findtext(path) is not None:
            values[key] = root.findtext(path)
    if node is not None:
        values.update(_texts(node, TEXTS.get(kind, {})))
    if kind == "pci":
        values.update(_pci(node))
    if kind == "mdev":
        values.update(rows.read(NODE_DEVICE, root))
        values.update(_life(there))
    types = [_mdev_type(one) for one in root.iterfind("capability//capability[@type='mdev_types']/type")]
    return {**values, **({"mdev_types": types} if types else {})}


def _life(there: t.Any) -> Values:
    """Of all devices only mediated ones may be there without being active; autostart is told to writers only."""
    active, persistent = bool(there.isActive()), bool(there.isPersistent())
    try:
        autostart: t.Optional[bool] = persistent and bool(there.autostart())
    except Exception as error:
        if not _libvirt.code_is(error, "VIR_ERR_OPERATION_DENIED"):
            raise
        autostart = None
    return {"active": active, "autostart": autostart, "persistent": persistent}


def _texts(node: Element, places: dict[str, str]) -> Values:
    found: Values = {}
    for key, path in places.items():
        steps, dummy, attribute = _split(path)
        below = node.find(steps)
        text = None if below is None else below.get(attribute) if attribute else below.text
        if text:
            found[key] = int(text) if key in NUMBERS else text.strip()
    return found


def _split(path: str) -> tuple[str, str, str]:
    """The element's path and the attribute at the end; an @ within brackets is no end."""
    steps, at, attribute = path.rpartition("@")
    return (path, "", "") if not at or "]" in attribute else (steps, at, attribute)


def _pci(node: Element) -> Values:
    number = {name: int(node.findtext(name) or "0", 0) for name in ("domain", "bus", "slot", "function")}
    found: Values = {"address": "{domain:04x}:{bus:02x}:{slot:02x}.{function:x}".format(**number)}
    for key, path in ADDRESSES.items():
        addresses = [PCI.get(one, "") for one in node.iterfind(path)]
        if addresses:
            found[key] = addresses[0] if key == "physical_function" else addresses
    return found


def _mdev_type(node: Element) -> Values:
    available = node.findtext("availableInstances")
    return {
        "id": node.get("id"),
        "name": node.findtext("name"),
        "device_api": node.findtext("deviceAPI"),
        "available": None if available is None else int(available),
    }
