#!/usr/bin/python
# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kernel_command_line
short_description: Set words on the kernel's command line for the next boot
description:
  - Keeps words of its own for the kernel's command line, in the boot loader that is there, and leaves those of others.
    Under GRUB they are a fragment in C(/etc/default/grub.d); grubby and kernel-install are asked to add them.
  - What is declared is the whole of this module's words; those that it has put there before and that aren't declared
    any more are taken away.
  - Nothing is rebooted. RV(pending) says what waits for that.
extends_documentation_fragment:
  - metal.kvm._attributes
options:
  iommu:
    description:
      - V(on) has the IOMMU on, V(pt) also has the host's own devices pass by it, V(off) has it off.
      - Which words that takes depends on the processor; AMD's is on by itself. V(pt) and SEV-SNP exclude each other.
    type: str
    choices: ['on', pt, 'off']
  hugepages:
    description:
      - Hugepages to reserve at boot, where memory is still in one piece. Those of 1 GiB are best reserved here.
    type: list
    elements: dict
    default: []
    suboptions:
      size:
        description: Their size.
        type: str
        required: true
      count:
        description: How many, over all NUMA nodes.
        type: int
        required: true
      default:
        description: Whether this is the size that programs get that don't say one.
        type: bool
        default: false
  isolated_cpus:
    description: CPUs to keep free for guests that are pinned to them, as in V(2-7).
    type: str
  words:
    description: Other words, as they stand on the command line.
    type: list
    elements: str
    default: []
  sysroot:
    description: The root of the host's files. Below any other than V(/) only files are written.
    type: path
    default: /
author:
  - metal.kvm contributors (@metal-kvm)
seealso:
  - module: metal.kvm.kernel_tuning
"""

EXAMPLES = r"""
- name: Let devices be given to guests, and have memory for two large ones
  metal.kvm.kernel_command_line:
    iommu: pt
    hugepages:
      - {size: 1 GiB, count: 32, default: true}
    isolated_cpus: 4-15
  register: kernel

- name: Say what waits for a reboot
  ansible.builtin.debug:
    var: kernel.pending
"""

RETURN = r"""
command_line:
  description: The command line after the run; in a check, as it would be.
  returned: success
  type: dict
  contains:
    loader:
      description: Who keeps it; V(grub), V(grubby), V(kernel-install), or null.
      type: str
      returned: always
    words:
      description: Words for the next boot.
      type: list
      elements: str
      returned: always
    running:
      description: Words that the running kernel was given.
      type: list
      elements: str
      returned: always
  sample:
    loader: grub
    words: [intel_iommu=on, iommu=pt]
    running: [BOOT_IMAGE=/boot/vmlinuz, root=/dev/vda1, ro]
pending:
  description: What waits for a reboot.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(reboot).
      type: str
      returned: always
    reason:
      description: The word, and what is the matter with it.
      type: str
      returned: always
    source:
      description: The boot loader that has it.
      type: str
      returned: always
    wanted:
      description: The word; null for one that is no longer wanted.
      type: str
      returned: always
    current:
      description: What the running kernel has instead, or still has.
      type: str
      returned: always
actions:
  description: What was done, or in a check would be, in order.
  returned: success
  type: list
  elements: str
  sample: ["write /etc/default/grub.d/zz-metal-kvm.cfg", "have grub know"]
"""

from ansible_collections.metal.kvm.plugins.module_utils._ansible import run_local
from ansible_collections.metal.kvm.plugins.module_utils._host.kernel.command_line import (
    argument_spec,
    describe,
    operations,
    plan,
)


def main() -> None:
    """Converge the kernel's command line."""
    run_local(plan, argument_spec(), operations, describe)


if __name__ == "__main__":
    main()
