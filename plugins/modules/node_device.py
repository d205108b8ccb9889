#!/usr/bin/python
# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_device
short_description: Give devices of the host to guests
description:
  - By O(name), detaches a PCI device from the host's driver so that a guest can have it, or attaches it again. That lasts
    until the host reboots; M(metal.kvm.vfio_devices) is for good.
  - Refused is a device whose IOMMU group has something in it that the host needs, such as a mounted disk, the way to the
    network or the console, and one without an IOMMU group.
  - By O(uuid), defines, starts, stops and removes a mediated device, a share of a device such as a GPU. The host needs
    C(mdevctl) for that.
extends_documentation_fragment:
  - metal.kvm._attributes
  - metal.kvm._attributes.action_group
  - metal.kvm._connection
  - metal.kvm._definition
options:
  name:
    description: A PCI device, by libvirt's name of it or by its address.
    type: str
  state:
    description:
      - V(detached) gives a PCI device to the driver for guests, V(attached) back to the host. A guest's own hostdev with
        C(managed) does the same by itself.
      - V(active) and V(inactive) start and stop a mediated device, V(present) defines it where it's missing and leaves it
        running or not, V(absent) removes it.
      - Left out, a mediated device is treated like V(present), and of a PCI device nothing is changed.
    type: str
    choices: [active, inactive, present, absent, detached, attached]
  driver:
    description: The driver for guests, V(vfio) where this is left out. A variant for one kind of device needs libvirt 10.0.
    type: str
  autostart:
    description: Whether a mediated device starts with the host. Left out, it stays as it is; off for a new one.
    type: bool
  apply:
    description:
      - V(live) and V(stage) change the definition; nothing of a mediated device can be changed while it runs.
      - V(restart) restarts a running one if something is left that only a restart brings.
    type: str
    choices: [live, stage, restart]
    default: live
  # generated from the table by nox -s docs: do not edit below
  uuid:
    description: The UUID of a mediated device, by which it is known. Guests name it.
    type: str
  parent:
    description: 'The device of the host that the mediated device is a share of: libvirt''s name of it,
      or a PCI address. A new one needs it.'
    type: str
  type:
    description: The type of mediated device, of those that the parent has (RV(metal.kvm.node_device_info#module:node_devices)).
      A new one needs it.
    type: str
  attributes:
    description: Attributes of the device that are written when it starts, in order. Given, it is the
      full list.
    type: list
    elements: dict
    suboptions:
      name:
        description: The attribute's name.
        type: str
        required: true
      value:
        description: What is written to it.
        type: str
        required: true
  # end of generated options
author:
  - metal.kvm contributors (@metal-kvm)
seealso:
  - module: metal.kvm.node_device_info
  - module: metal.kvm.vfio_devices
  - module: metal.kvm.domain
"""

EXAMPLES = r"""
- name: Take a network card from the host
  metal.kvm.node_device:
    name: "0000:3b:00.1"
    state: detached

- name: Give it back
  metal.kvm.node_device:
    name: "0000:3b:00.1"
    state: attached

- name: A virtual GPU that is there after each boot
  metal.kvm.node_device:
    uuid: 8f0f7a52-7e5b-4d0c-9d2c-0d4a6c3b1f10
    parent: "0000:00:02.0"
    type: i915-GVTg_V5_4
    state: active
    autostart: true

- name: Remove it
  metal.kvm.node_device:
    uuid: 8f0f7a52-7e5b-4d0c-9d2c-0d4a6c3b1f10
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, or in a check would be done, in order.
  returned: success
  type: list
  elements: str
  sample: ["detach pci_0000_3b_00_1 from the host"]
restart_required:
  description: The options that take effect when the mediated device is restarted.
  returned: success
  type: list
  elements: str
  sample: []
node_device:
  description: The device as RV(metal.kvm.node_device_info#module:node_devices) shows it; null after V(state=absent).
  returned: success
  type: dict
assumed:
  description: What the check planned on although it isn't there yet.
  returned: in check mode
  type: list
  elements: str
"""

from ansible_collections.metal.kvm.plugins.module_utils._ansible import run_module
from ansible_collections.metal.kvm.plugins.module_utils._objects.node_device.plan import ARGUMENT_SPEC, NOUN, RULES


def main() -> None:
    """Converge one device of the host."""
    run_module(NOUN.plan, ARGUMENT_SPEC, NOUN.operations, NOUN.describe, **RULES)


if __name__ == "__main__":
    main()
