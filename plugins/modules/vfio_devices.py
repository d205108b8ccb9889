#!/usr/bin/python
# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vfio_devices
short_description: Set PCI devices apart for guests
description:
  - Binds PCI devices to C(vfio-pci), now and at boot, so that the host's drivers leave them alone. Devices that this
    module has set apart before and that aren't named any more are given back.
  - Refuses devices without an IOMMU group, a group that would be torn apart, and devices that the host needs (mounted
    disks, swap, its way to the network, the display that it booted with). Does so before anything is changed.
  - A guest's device with C(managed='yes') is bound by libvirt when the guest starts. This module is for devices that
    the host shall never touch.
extends_documentation_fragment:
  - metal.kvm._attributes
options:
  devices:
    description: Addresses of the devices, such as V(0000:01:00.0). An empty list gives all back.
    type: list
    elements: str
    required: true
  sysroot:
    description: The root of the host's files. Below any other than V(/) only files are written.
    type: path
    default: /
notes:
  - A driver that is built into the kernel, or loaded by the initramfs, has its device before the rule is read. There
    the device is bound when the module runs next.
author:
  - metal.kvm contributors (@metal-kvm)
seealso:
  - module: metal.kvm.host_info
  - module: metal.kvm.kernel_command_line
"""

EXAMPLES = r"""
- name: Keep a graphics card and its sound for guests
  metal.kvm.vfio_devices:
    devices: ["0000:01:00.0", "0000:01:00.1"]
"""

RETURN = r"""
vfio:
  description: The devices after the run; in a check, as they are.
  returned: success
  type: dict
  contains:
    devices:
      description: Each with its C(address), its IOMMU C(group) and its C(driver).
      type: list
      elements: dict
      returned: always
  sample:
    devices:
      - {address: "0000:01:00.0", group: "12", driver: vfio-pci}
actions:
  description: What was done, or in a check would be, in order.
  returned: success
  type: list
  elements: str
  sample: ["write /etc/udev/rules.d/20-metal-kvm-vfio.rules", "bind 0000:01:00.0 to vfio-pci"]
"""

from ansible_collections.metal.kvm.plugins.module_utils._ansible import run_local
from ansible_collections.metal.kvm.plugins.module_utils._host.pci.vfio import argument_spec, describe, operations, plan


def main() -> None:
    """Converge devices for guests."""
    run_local(plan, argument_spec(), operations, describe)


if __name__ == "__main__":
    main()
