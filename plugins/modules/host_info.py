#!/usr/bin/python
# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: Read what a host can do for guests
description:
  - To be written.
extends_documentation_fragment:
  - metal.kvm._attributes.info_module
options:
  gather:
    description: What to read.
    type: list
    elements: str
    choices: [all, cpu, kvm, qemu, libvirt]
    default: [all]
  deep:
    description: Whether to make a machine by KVM_CREATE_VM.
    type: str
    choices: ["auto", "true", "false"]
    default: auto
  sysroot:
    description: The root of the host's files.
    type: path
    default: /
author:
  - metal.kvm contributors
"""

EXAMPLES = r"""
- name: Read the host
  metal.kvm.host_info:
"""

RETURN = r"""
host:
  description: The host.
  returned: success
  type: dict
"""

from ansible_collections.metal.kvm.plugins.module_utils._ansible import run_local_info
from ansible_collections.metal.kvm.plugins.module_utils._host.report import argument_spec, read


def main() -> None:
    """Read the host."""
    run_local_info(read, argument_spec())


if __name__ == "__main__":
    main()
