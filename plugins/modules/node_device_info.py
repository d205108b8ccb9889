#!/usr/bin/python
# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_device_info
short_description: Read the devices of the host
description:
  - Returns the devices that libvirt sees on the host, with their drivers, IOMMU groups, virtual functions and the types of
    mediated devices that they can have; and the mediated devices themselves, also those that are defined only.
extends_documentation_fragment:
  - metal.kvm._attributes.info_module
  - metal.kvm._attributes.action_group
  - metal.kvm._connection
options:
  name:
    description: Only this device, by libvirt's name of it, or a PCI device by its address. Where there is none, the list is
      empty.
    type: str
  uuid:
    description: Only the mediated device of this UUID.
    type: str
  capability:
    description: Only devices of this kind, such as V(pci), V(mdev), V(net), V(storage) or V(usb_device).
    type: str
  as:
    description:
      - V(options) returns the options of M(metal.kvm.node_device) that make the devices again, for a playbook, of mediated
        devices that have a definition, and of PCI devices that are detached from the host. Fed back they change nothing.
    type: str
    choices: [info, options]
    default: info
  identity:
    description: With O(as=options), no difference, for a mediated device is known by its UUID.
    type: str
    choices: [keep, new]
    default: keep
author:
  - metal.kvm contributors (@metal-kvm)
seealso:
  - module: metal.kvm.node_device
"""

EXAMPLES = r"""
- name: Read all PCI devices
  metal.kvm.node_device_info:
    capability: pci
  register: read

- name: Show which can make virtual functions
  ansible.builtin.debug:
    msg: "{{ read.node_devices | selectattr('virtual_functions_max', 'defined') | map(attribute='address') }}"

- name: The options that make the mediated devices again
  metal.kvm.node_device_info:
    capability: mdev
    as: options
  register: adopted
"""

RETURN = r"""
options:
  description: With O(as=options), the options that make the device again; without O(name) and O(uuid) a list of them.
  returned: with O(as=options)
  type: raw
not_exported:
  description: What the device has that no option says, as paths in its document.
  returned: with O(as=options)
  type: list
  elements: raw
secrets_needed:
  description: Always empty, for devices have no secrets.
  returned: with O(as=options)
  type: list
  elements: raw
node_devices:
  description: The devices, sorted by name.
  returned: unless O(as=options)
  type: list
  elements: dict
  contains:
    name:
      description: libvirt's name of it.
      type: str
      returned: always
    capability:
      description: What kind of device it is.
      type: str
      returned: always
    parent:
      description: The device that it hangs on.
      type: str
      returned: for all but the host itself
    path:
      description: Where it is in the host's /sys.
      type: str
      returned: where it has one
    driver:
      description: The driver that it is bound to; V(vfio-pci) for one that is detached.
      type: str
      returned: where it has one
    address:
      description: Its address.
      type: str
      returned: for PCI devices
    vendor:
      description: Who made it; RV(ignore:vendor_id), RV(ignore:product) and RV(ignore:product_id) likewise.
      type: str
      returned: for PCI and USB devices
    iommu_group:
      description: Its IOMMU group, which guests get whole.
      type: int
      returned: where the IOMMU is on
    iommu_devices:
      description: The addresses of all devices in the group.
      type: list
      elements: str
      returned: for PCI devices where the IOMMU is on
    numa_node:
      description: The NUMA node that it is near to.
      type: int
      returned: where the host says so
    virtual_functions_max:
      description: How many virtual functions it can have (SR-IOV).
      type: int
      returned: for PCI devices that can
    virtual_functions:
      description: The addresses of its virtual functions.
      type: list
      elements: str
      returned: for PCI devices that have some
    physical_function:
      description: The address of the device that it is a virtual function of.
      type: str
      returned: for virtual functions
    mdev_types:
      description: The types of mediated devices that it can have, each RV(ignore:id), RV(ignore:name),
        RV(ignore:device_api) and how many more are RV(ignore:available).
      type: list
      elements: dict
      returned: for devices that can
    uuid:
      description: Its UUID; RV(ignore:type) and RV(ignore:attributes) are as O(metal.kvm.node_device#module:type) takes them.
      type: str
      returned: for mediated devices
    active:
      description: Whether it's there now, and not defined only.
      type: bool
      returned: for mediated devices
    autostart:
      description: Whether it starts with the host; null for who may only read.
      type: bool
      returned: for mediated devices
    persistent:
      description: Whether it has a definition.
      type: bool
      returned: for mediated devices
  sample:
    - {name: pci_0000_3b_00_0, capability: pci, parent: pci_0000_3a_00_0, driver: ixgbe, address: "0000:3b:00.0",
       iommu_group: 34, iommu_devices: ["0000:3b:00.0"], virtual_functions_max: 63}
"""

from ansible_collections.metal.kvm.plugins.module_utils._ansible import run_info
from ansible_collections.metal.kvm.plugins.module_utils._objects.export import ADOPT_SPEC
from ansible_collections.metal.kvm.plugins.module_utils._objects.node_device.plan import (
    INFO_RULES,
    INFO_SPEC,
    NOUN,
)


def main() -> None:
    """Read the devices of the host."""
    run_info(NOUN.info, {**INFO_SPEC, **ADOPT_SPEC}, **INFO_RULES)


if __name__ == "__main__":
    main()
