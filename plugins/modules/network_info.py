#!/usr/bin/python
# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: network_info
short_description: Read virtual networks
description:
  - Returns the networks of libvirt in the words of M(metal.kvm.network), with their DHCP leases and the guests
    plugged in.
extends_documentation_fragment:
  - metal.kvm._attributes.info_module
  - metal.kvm._attributes.action_group
  - metal.kvm._connection
options:
  name:
    description: Only the network of this name. Where there is none, the list is empty.
    type: str
  as:
    description:
      - V(options) returns the fewest options of M(metal.kvm.network) that make the network again, for a playbook. Fed
        back they change nothing.
    type: str
    choices: [info, options]
    default: info
  identity:
    description: With O(as=options), whether the UUID and MAC address are among them, or V(new) ones are made elsewhere.
    type: str
    choices: [keep, new]
    default: keep
author:
  - metal.kvm contributors (@metal-kvm)
seealso:
  - module: metal.kvm.network
"""

EXAMPLES = r"""
- name: The options that make a network again
  metal.kvm.network_info:
    name: lab
    as: options
  register: adopted

- name: Read all networks
  metal.kvm.network_info:
  register: read

- name: Show who has which address
  ansible.builtin.debug:
    msg: "{{ read.networks | map(attribute='leases') | flatten }}"
"""

RETURN = r"""
options:
  description: With O(as=options), the options that make the network again; without O(name) a list of them.
  returned: with O(as=options)
  type: raw
not_exported:
  description: What the network has that no option says, as paths in its document.
  returned: with O(as=options)
  type: list
  elements: raw
secrets_needed:
  description: Secrets of libvirt's that the options refer to.
  returned: with O(as=options)
  type: list
  elements: raw
networks:
  description: The networks, sorted by name.
  returned: unless O(as=options)
  type: list
  elements: dict
  contains:
    name:
      description: The network's name.
      type: str
      returned: always
    active:
      description: Whether it runs.
      type: bool
      returned: always
    autostart:
      description: Whether it starts with the host.
      type: bool
      returned: always
    persistent:
      description: Whether it has a definition that outlives it.
      type: bool
      returned: always
    forward:
      description: Where the guests' traffic goes. This and all other options of M(metal.kvm.network) are returned under
        their names, as far as the network's definition says something about them.
      type: str
      returned: always
    bridge:
      description: The bridge's name.
      type: str
      returned: for networks with a bridge
    ips:
      description: The host's addresses in the network, as the option O(metal.kvm.network#module:ips).
      type: list
      elements: dict
      returned: where there are some
    leases:
      description: The addresses that DHCP has given out.
      type: list
      elements: dict
      returned: always
      contains:
        ip:
          description: The address.
          type: str
          returned: always
        mac:
          description: The MAC address that has it.
          type: str
          returned: where known
        name:
          description: The name that the guest gave.
          type: str
          returned: where given
        client_id:
          description: The client's identifier or DUID.
          type: str
          returned: where given
        expires:
          description: When the lease ends, in seconds since 1970.
          type: int
          returned: always
    connections:
      description: The running guests' interfaces in the network.
      type: list
      elements: dict
      returned: always
      contains:
        domain:
          description: The guest.
          type: str
          returned: always
        mac:
          description: The interface's MAC address.
          type: str
          returned: always
  sample:
    - {name: lab, active: true, autostart: true, persistent: true, forward: nat, bridge: virbr1,
       ips: [{address: 10.20.0.1/24}], leases: [], connections: []}
"""

from ansible_collections.metal.kvm.plugins.module_utils._ansible import run_info
from ansible_collections.metal.kvm.plugins.module_utils._objects.export import ADOPT_SPEC
from ansible_collections.metal.kvm.plugins.module_utils._objects.network.plan import NOUN


def main() -> None:
    """Read networks."""
    run_info(NOUN.info, {"name": {"type": "str"}, **ADOPT_SPEC})


if __name__ == "__main__":
    main()
