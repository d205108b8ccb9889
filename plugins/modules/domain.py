#!/usr/bin/python
# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: domain
short_description: Declare a KVM guest
version_added: 0.1.0
description:
  - Makes, changes and removes a libvirt domain, and brings it to a state.
  - An option that is left out isn't managed; a list that is given is the full list, matched by identity.
  - A change is made in the persistent definition, in place, and reaches a running guest at once where libvirt can do
    that; the rest is named in RV(restart_required). A domain is never undefined to change it.
  - A new domain gets the defaults of its architecture, once. They are never added to a domain that is there.
author:
  - metal.kvm contributors (@metal-kvm)
extends_documentation_fragment:
  - metal.kvm._attributes
  - metal.kvm._connection
# generated from the table by nox -s docs: do not edit below
options: {}
# end of generated options
seealso:
  - module: metal.kvm.domain_info
  - module: metal.kvm.network
  - module: metal.kvm.volume
"""

EXAMPLES = r"""
- name: A guest from a cloud image, up and answering
  metal.kvm.domain:
    name: web1
    memory: 2 GiB
    vcpus: 2
    disks:
      - {target: vda, pool: images, volume: web1.qcow2}
    interfaces:
      - {network: lab, mac: "52:54:00:00:00:0a"}
    cloud_init:
      user_data:
        users:
          - name: admin
            ssh_authorized_keys: ["{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"]
    state: running
    autostart: true
    wait_for: {agent: true, timeout: 300}

- name: More memory for a running guest, at once if its maximum allows
  metal.kvm.domain:
    name: web1
    memory: 3 GiB

- name: The same, and restart it if that isn't enough
  metal.kvm.domain:
    name: web1
    memory: 8 GiB
    apply: restart

- name: A second disk, plugged in while the guest runs
  metal.kvm.domain:
    name: web1
    disks:
      - {target: vda}
      - {target: vdb, pool: images, volume: web1-data.qcow2}

- name: The clock and the interrupt controller of KVM
  metal.kvm.domain:
    name: web1
    clock: {kvmclock: true}
    features: {ioapic: kvm}

- name: Something that has no option yet
  metal.kvm.domain:
    name: web1
    xml_patch:
      - {path: "devices/watchdog/@action", set: reset}

- name: Take a guest away, with the disks that only it uses
  metal.kvm.domain:
    name: web1
    state: absent
    storage: delete
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode, in order.
  returned: always
  type: list
  elements: str
  sample: ["define domain web1", "attach disk vdb to domain web1 live"]
restart_required:
  description: Paths of the options that differ between the running guest and its definition, and wait for a restart.
  returned: always
  type: list
  elements: str
  sample: ["machine", "cpu.mode"]
domain:
  description:
    - The domain, in the same shape as in M(metal.kvm.domain_info); null if it's absent.
    - The options of this module as the persistent definition has them, and the keys below. Sizes are bytes.
  returned: always
  type: dict
  contains:
    name:
      description: Its name.
      type: str
      returned: always
    uuid:
      description: Its UUID.
      type: str
      returned: always
    state:
      description: V(running), V(paused), V(stopped), V(saved), V(stopping), V(pmsuspended) or V(crashed).
      type: str
      returned: always
    autostart:
      description: Whether it starts with the host.
      type: bool
      returned: always
    persistent:
      description: Whether it's defined beyond its running instance.
      type: bool
      returned: always
    restart_required:
      description: Paths of the options that wait for a restart.
      type: list
      elements: str
      returned: always
    addresses:
      description: The guest's addresses, each with C(address), C(prefix), C(mac), C(interface) and C(source).
      type: list
      elements: dict
      returned: after O(wait_for)
    waited:
      description: How long O(wait_for) waited, in seconds.
      type: int
      returned: after O(wait_for)
serial_tail:
  description: The end of the serial console's log.
  returned: when O(wait_for) failed
  type: str
screenshot:
  description: Path of a PNG of the guest's screen on the hypervisor.
  returned: when O(wait_for) failed and the guest has a screen
  type: str
"""

from ansible_collections.metal.kvm.plugins.module_utils._ansible import run_module
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.options import ARGUMENTS, RULES
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.plan import describe, operations, plan_domain, secrets


def main() -> None:
    run_module(plan_domain, ARGUMENTS, operations, describe, secrets, **RULES)


if __name__ == "__main__":
    main()
