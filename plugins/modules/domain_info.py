#!/usr/bin/python
# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: domain_info
short_description: Read KVM guests
version_added: 0.1.0
description:
  - Returns one domain or all of them, each with the options that M(metal.kvm.domain) takes, its state, its addresses and
    what waits for a restart.
author:
  - metal.kvm contributors (@metal-kvm)
extends_documentation_fragment:
  - metal.kvm._attributes
  - metal.kvm._attributes.info_module
  - metal.kvm._attributes.action_group
  - metal.kvm._connection
options:
  name:
    description: The domain to read; all where it's left out. One that isn't there gives an empty list.
    type: str
  addresses:
    description:
      - Where to ask for the addresses of running guests, in order.
      - V(lease) is what libvirt's DHCP server gave out, V(agent) asks the guest, V(arp) is what the host's kernel heard.
    type: list
    elements: str
    choices: [lease, agent, arp]
    default: [lease]
  screenshot:
    description: Write a PNG of the guest's screen to this path on the hypervisor. Needs O(name).
    type: path
  as:
    description:
      - V(options) returns the domain as the fewest options of M(metal.kvm.domain) that make it, for a playbook. Fed back
        they change nothing; on another host they make an equal guest.
      - It asks libvirt many questions in a private place, and takes a few seconds for each domain.
    type: str
    choices: [info, options]
    default: info
  identity:
    description: With V(as=options), whether the UUID and the MAC addresses are among them, or V(new) ones are made elsewhere.
    type: str
    choices: [keep, new]
    default: keep
seealso:
  - module: metal.kvm.domain
"""

EXAMPLES = r"""
- name: Read one guest
  metal.kvm.domain_info:
    name: web1
  register: web1

- name: All guests that wait for a restart
  metal.kvm.domain_info:
  register: all_guests

- name: Show them
  ansible.builtin.debug:
    msg: "{{ all_guests.domains | selectattr('restart_required') | map(attribute='name') }}"

- name: A guest that was made by hand, as YAML
  metal.kvm.domain_info:
    name: web1
    as: options
  register: adopted

- name: Fed back it changes nothing
  metal.kvm.domain: "{{ adopted.options }}"

- name: What is on the screen of a guest?
  metal.kvm.domain_info:
    name: web1
    screenshot: /tmp/web1.png
"""

RETURN = r"""
domains:
  description:
    - The domains, by name. Each has the options of M(metal.kvm.domain) as its persistent definition says, without secrets,
      and the keys below. Sizes are bytes.
  returned: with V(as=info)
  type: list
  elements: dict
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
      description: Paths of the options that differ between the running guest and its definition.
      type: list
      elements: str
      returned: always
    addresses:
      description: The guest's addresses, each with C(address), C(prefix), C(mac), C(interface) and C(source).
      type: list
      elements: dict
      returned: always
options:
  description: The options of M(metal.kvm.domain) that make the domain; with O(name) one dict, else a list of them.
  returned: with V(as=options)
  type: raw
not_exported:
  description: Paths of what neither an option nor O(metal.kvm.domain#module:xml_patch) can say; with O(name) one list.
  returned: with V(as=options)
  type: list
  elements: raw
secrets_needed:
  description: Paths of secret options that are set, whose values are not returned; with O(name) one list.
  returned: with V(as=options)
  type: list
  elements: raw
"""

from ansible_collections.metal.kvm.plugins.module_utils._ansible import run_info
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.inventory import ARGUMENTS, read_domains


def main() -> None:
    run_info(read_domains, ARGUMENTS)


if __name__ == "__main__":
    main()
