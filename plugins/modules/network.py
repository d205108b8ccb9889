#!/usr/bin/python
# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: network
short_description: Declare a virtual network
description:
  - Defines, changes, starts and stops a network of libvirt. Only what differs is changed, in place, and while guests use the
    network where libvirt can do that.
  - DHCP ranges and hosts, DNS hosts, TXT and SRV records, and portgroups of an active network change at once and without
    cutting a guest off. What else differs then is named in RV(restart_required).
extends_documentation_fragment:
  - metal.kvm._attributes
  - metal.kvm._attributes.action_group
  - metal.kvm._connection
  - metal.kvm._definition
options:
  name:
    description: The network's name.
    type: str
    required: true
  state:
    description:
      - V(active) and V(inactive) start and stop the network, V(present) makes it where it's missing and leaves it running or
        not, V(absent) removes it.
      - Left out it is like V(present).
    type: str
    choices: [active, inactive, present, absent]
  autostart:
    description: Whether the network starts with the host. Left out, it stays as it is; off for a new one.
    type: bool
  apply:
    description:
      - V(live) changes the definition and, where libvirt can, the running network.
      - V(stage) changes the definition only.
      - V(restart) restarts a running network if something is left that only a restart brings.
    type: str
    choices: [live, stage, restart]
    default: live
  force:
    description: Stop the network even though running guests are plugged in, which cuts them off.
    type: bool
    default: false
  # generated from the table by nox -s docs: do not edit below
  # end of generated options
author:
  - metal.kvm contributors
seealso:
  - module: metal.kvm.network_info
"""

EXAMPLES = r"""
- name: A network behind the host's address, with DHCP and a reserved address
  metal.kvm.network:
    name: lab
    forward: nat
    domain: lab.example
    ips:
      - address: 10.20.0.1/24
        dhcp:
          ranges: [{start: 10.20.0.100, end: 10.20.0.199}]
          hosts: [{mac: "52:54:00:00:00:0a", ip: 10.20.0.10, name: web1}]
    state: active
    autostart: true

- name: A bridge that the host has
  metal.kvm.network:
    name: office
    forward: bridge
    bridge: br0
    state: active

- name: Change the MTU, and restart the network for it
  metal.kvm.network:
    name: lab
    mtu: 1400
    apply: restart

- name: Give the domain name up
  metal.kvm.network:
    name: lab
    unset: [domain]

- name: An element that has no option
  metal.kvm.network:
    name: lab
    xml_patch:
      - path: domain/@register
        set: "yes"

- name: Remove a network
  metal.kvm.network:
    name: lab
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, or in a check would be done, in order.
  returned: success
  type: list
  elements: str
  sample: ["define network lab", "start network lab with the host", "start network lab"]
restart_required:
  description: The options that take effect when the network is restarted.
  returned: success
  type: list
  elements: str
  sample: [mtu]
network:
  description: The network as RV(metal.kvm.network_info#module:networks) shows it; null after V(state=absent). In a check
    without leases and connections.
  returned: success
  type: dict
assumed:
  description: What the check planned on although it isn't there yet.
  returned: in check mode
  type: list
  elements: str
"""

from ansible_collections.metal.kvm.plugins.module_utils._ansible import run_module
from ansible_collections.metal.kvm.plugins.module_utils._objects.network.plan import (
    ARGUMENT_SPEC,
    describe,
    operations,
    plan_network,
)


def main() -> None:
    """Converge one network."""
    run_module(plan_network, ARGUMENT_SPEC, operations, describe)


if __name__ == "__main__":
    main()
