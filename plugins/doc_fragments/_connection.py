# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of every module that connects to libvirt: CONNECTION_SPEC of module_utils/_ansible.py. Private."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
requirements:
  - python >= 3.9 on the hypervisor
  - libvirt >= 8.0 and its Python bindings (C(python3-libvirt)) there
  - lxml (C(python3-lxml)) there
options:
  uri:
    description:
      - Which libvirt to connect to, as seen from the machine that runs the module.
      - V(qemu:///system) is the system's instance, V(qemu:///session) the one of the user who runs the module.
    type: str
    default: qemu:///system
"""
