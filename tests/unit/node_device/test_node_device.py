# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of the host as libvirt's documents describe them: recorded ones, and those of the test driver."""

from __future__ import annotations

import typing as t

from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible_collections.metal.kvm.plugins.module_utils._libvirt import World
from ansible_collections.metal.kvm.plugins.module_utils._objects.export import ADOPT_SPEC
from ansible_collections.metal.kvm.plugins.module_utils._objects.node_device import plan as devices
from ansible_collections.metal.kvm.plugins.module_utils._objects.node_device.describe import described
from ansible_collections.metal.kvm.plugins.module_utils._objects.node_device.table import device_name

NIC = """<device>
  <name>pci_0000_3b_00_0</name>
  <path>/sys/devices/pci0000:3a/0000:3a:00.0/0000:3b:00.0</path>
  <parent>pci_0000_3a_00_0</parent>
  <driver><name>ixgbe</name></driver>
  <capability type='pci'>
    <class>0x020000</class>
    <domain>0</domain><bus>59</bus><slot>0</slot><function>0</function>
    <product id='0x1563'>Ethernet Controller X550</product>
    <vendor id='0x8086'>Intel Corporation</vendor>
    <capability type='virt_functions' maxCount='63'>
      <address domain='0x0000' bus='0x3b' slot='0x10' function='0x0'/>
      <address domain='0x0000' bus='0x3b' slot='0x10' function='0x2'/>
    </capability>
    <iommuGroup number='34'><address domain='0x0000' bus='0x3b' slot='0x00' function='0x0'/></iommuGroup>
    <numa node='1'/>
    <pci-express><link validity='cap' port='0' speed='8' width='4'/></pci-express>
  </capability>
</device>"""

GPU = """<device>
  <name>pci_0000_00_02_0</name>
  <parent>computer</parent>
  <driver><name>i915</name></driver>
  <capability type='pci'>
    <class>0x030000</class>
    <domain>0</domain><bus>0</bus><slot>2</slot><function>0</function>
    <product id='0x5916'>HD Graphics 620</product>
    <vendor id='0x8086'>Intel Corporation</vendor>
    <capability type='phys_function'><address domain='0x0000' bus='0x00' slot='0x01' function='0x7'/></capability>
    <capability type='mdev_types'>
      <type id='i915-GVTg_V5_4'><name>GVTg_V5_4</name><deviceAPI>vfio-pci</deviceAPI>
        <availableInstances>1</availableInstances></type>
      <type id='i915-GVTg_V5_8'><deviceAPI>vfio-pci</deviceAPI><availableInstances>0</availableInstances></type>
    </capability>
  </capability>
</device>"""

MDEV = """<device>
  <name>mdev_8f0f7a52_7e5b_4d0c_9d2c_0d4a6c3b1f10_0000_00_02_0</name>
  <parent>pci_0000_00_02_0</parent>
  <capability type='mdev'>
    <type id='i915-GVTg_V5_4'/>
    <uuid>8f0f7a52-7e5b-4d0c-9d2c-0d4a6c3b1f10</uuid>
    <parent_addr>0000:00:02.0</parent_addr>
    <iommuGroup number='12'/>
    <attr name='one' value='1'/>
  </capability>
</device>"""


class Recorded:
    """A device whose document was kept."""

    def __init__(self, text: str, persistent: bool = False) -> None:
        self.text = text
        self.persistent = persistent

    def XMLDesc(self, flags: int) -> str:  # noqa: N802
        del flags
        return self.text

    def isActive(self) -> int:  # noqa: N802
        return 1

    def isPersistent(self) -> int:  # noqa: N802
        return int(self.persistent)

    def autostart(self) -> int:
        return int(self.persistent)


def test_a_network_card_with_virtual_functions() -> None:
    assert described(Recorded(NIC)) == {
        "name": "pci_0000_3b_00_0", "capability": "pci", "parent": "pci_0000_3a_00_0", "driver": "ixgbe",
        "path": "/sys/devices/pci0000:3a/0000:3a:00.0/0000:3b:00.0", "address": "0000:3b:00.0", "class": "0x020000",
        "vendor": "Intel Corporation", "vendor_id": "0x8086", "product": "Ethernet Controller X550", "product_id": "0x1563",
        "iommu_group": 34, "iommu_devices": ["0000:3b:00.0"], "numa_node": 1, "virtual_functions_max": 63,
        "virtual_functions": ["0000:3b:10.0", "0000:3b:10.2"],
    }  # fmt: skip


def test_a_device_with_mediated_types() -> None:
    seen = described(Recorded(GPU))
    assert seen["physical_function"] == "0000:00:01.7"
    assert seen["mdev_types"] == [
        {"id": "i915-GVTg_V5_4", "name": "GVTg_V5_4", "device_api": "vfio-pci", "available": 1},
        {"id": "i915-GVTg_V5_8", "name": None, "device_api": "vfio-pci", "available": 0},
    ]


def test_a_mediated_device() -> None:
    seen = described(Recorded(MDEV, persistent=True))
    assert seen["uuid"] == "8f0f7a52-7e5b-4d0c-9d2c-0d4a6c3b1f10"
    assert (seen["type"], seen["parent"], seen["iommu_group"]) == ("i915-GVTg_V5_4", "pci_0000_00_02_0", 12)
    assert seen["attributes"] == [{"name": "one", "value": "1"}]
    assert seen["persistent"]
    assert seen["autostart"]


def info(**args: t.Any) -> t.Any:
    spec = {**devices.INFO_SPEC, **ADOPT_SPEC}
    result = ModuleArgumentSpecValidator(spec, **devices.INFO_RULES).validate(args)
    assert not result.error_messages, result.error_messages
    return devices.NOUN.info(World("test:///default"), result.validated_parameters)


def test_the_test_drivers_devices() -> None:
    """All, one, of a kind, and none."""
    every = info()["node_devices"]
    assert [one["name"] for one in every] == ["computer", "scsi_host1", "scsi_host11", "scsi_host2"]
    (one,) = info(name="scsi_host11")["node_devices"]
    assert (one["parent"], one["host"], one["wwnn"]) == ("scsi_host1", 11, "2000000034563456")
    assert len(info(capability="scsi_host")["node_devices"]) == 3
    assert info(name="none")["node_devices"] == []
    assert info(**{"as": "options"})["options"] == []


def test_names_of_devices() -> None:
    assert device_name("0000:3B:00.1") == "pci_0000_3b_00_1"
    assert device_name("3b:00.1") == "pci_0000_3b_00_1"
    assert device_name("pci_0000_3b_00_1") == "pci_0000_3b_00_1"
