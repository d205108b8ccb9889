#!/usr/bin/python
# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kernel_tuning
short_description: Set what the running kernel does for guests
description:
  - Sets sysctl values, reserves hugepages, and sets KSM and transparent hugepages, now and for the next boot.
  - What isn't named is left as it is. What this kernel hasn't got is a warning.
extends_documentation_fragment:
  - metal.kvm._attributes
options:
  sysctl:
    description:
      - Values by name, as in C(vm.swappiness). One that this kernel doesn't know yet is kept for the next boot.
    type: dict
    default: {}
  unset:
    description:
      - Names to take out of this module's files, such as V(vm.swappiness), V(ksm.run),
        V(transparent_hugepages.enabled), V(hugepages.1 GiB) or V(hugepages.2 MiB on node 0). The running kernel's
        value stays until the next boot.
    type: list
    elements: str
    default: []
  hugepages:
    description: Hugepages to reserve. If the kernel doesn't find memory for all of them that is an error.
    type: list
    elements: dict
    default: []
    suboptions:
      size:
        description: Their size.
        type: str
        default: 2 MiB
      count:
        description: How many.
        type: int
        required: true
      node:
        description: The NUMA node to reserve them on. If not given, on any.
        type: int
  ksm:
    description:
      - Settings of KSM, by the names in C(/sys/kernel/mm/ksm), such as V(run), V(pages_to_scan), V(sleep_millisecs).
      - Guests can find out by it what others have in memory. Leave it off where they don't trust each other.
    type: dict
    default: {}
  transparent_hugepages:
    description:
      - Settings by the names in C(/sys/kernel/mm/transparent_hugepage), such as V(enabled) or V(khugepaged/defrag).
    type: dict
    default: {}
  persistent:
    description: Whether to keep it for the next boot, in C(/etc/sysctl.d) and C(/etc/tmpfiles.d).
    type: bool
    default: true
  sysroot:
    description: The root of the host's files. Below any other than V(/) only files are written.
    type: path
    default: /
author:
  - metal.kvm contributors (@metal-kvm)
seealso:
  - module: metal.kvm.kernel_command_line
"""

EXAMPLES = r"""
- name: Reserve hugepages on each NUMA node, swap late, share no memory
  metal.kvm.kernel_tuning:
    hugepages:
      - {count: 4096, node: 0}
      - {count: 4096, node: 1}
    sysctl:
      vm.swappiness: 10
    ksm:
      run: 0
    transparent_hugepages:
      enabled: madvise
"""

RETURN = r"""
tuning:
  description: The settings after the run; in a check, as they would be.
  returned: success
  type: dict
  contains:
    values:
      description: By name; null for what this kernel hasn't got.
      type: dict
      returned: always
    files:
      description: Files of this module's that are there.
      type: list
      elements: str
      returned: always
  sample:
    values: {vm.swappiness: "10", ksm.run: "0"}
    files: [/etc/sysctl.d/zz-metal-kvm.conf, /etc/tmpfiles.d/zz-metal-kvm.conf]
actions:
  description: What was done, or in a check would be, in order.
  returned: success
  type: list
  elements: str
  sample: ["set vm.swappiness to 10", "write /etc/sysctl.d/zz-metal-kvm.conf"]
"""

from ansible_collections.metal.kvm.plugins.module_utils._ansible import run_local
from ansible_collections.metal.kvm.plugins.module_utils._host.kernel.tuning import (
    argument_spec,
    describe,
    operations,
    plan,
)


def main() -> None:
    """Converge settings of the kernel."""
    run_local(plan, argument_spec(), operations, describe)


if __name__ == "__main__":
    main()
