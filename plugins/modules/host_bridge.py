#!/usr/bin/python
# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_bridge
short_description: Put interfaces of the host into a bridge, and go back if the host can't be reached then
description:
  - Has whoever keeps the host's network (netplan, NetworkManager, systemd-networkd or ifupdown) make a bridge that guests
    can be in together with the host's own interfaces.
  - What is declared is the whole of the bridge. Files are this module's own; only where ifupdown configures a port already
    its stanzas are put behind a mark, and come back with O(state=absent).
  - The change is made by a program that goes on by itself once the module has answered. It takes everything back unless
    a second task with O(confirm=true) says within O(timeout) that the host can be reached. The role C(bridge) does both.
  - What would cut the host off for sure is refused - a port that isn't there, is wireless or in another bridge; a bridge
    without an address over the only way out.
extends_documentation_fragment:
  - metal.kvm._attributes
options:
  name:
    description: The bridge.
    type: str
    required: true
  ports:
    description: Interfaces of the host that are in it. None is a bridge of guests alone.
    type: list
    elements: str
  vlan:
    description: A VLAN's number. Of each port only this VLAN is in the bridge, and the port itself keeps what it has.
    type: int
  addressing:
    description:
      - How the host itself is on the bridge's network. With V(none), which is what it is if left out, it isn't.
      - The host's addressing on a port ends when that is in the bridge.
    type: str
    choices: [dhcp, static, none]
  addresses:
    description: Addresses with prefixes, of IPv4 and IPv6.
    type: list
    elements: str
  gateways:
    description: Default gateways, one of IPv4 and one of IPv6 at most.
    type: list
    elements: str
  nameservers:
    description: DNS servers.
    type: list
    elements: str
  search:
    description: Domains that names without one are looked for in.
    type: list
    elements: str
  stp:
    description: Whether the bridge takes part in the spanning tree protocol.
    type: bool
    default: false
  mtu:
    description: The largest packet, in bytes.
    type: int
  mac:
    description: The bridge's MAC address. By default it has the first port's, so that a DHCP server knows the host again.
    type: str
  backend:
    description: Who keeps the network. V(auto) is the first of these that the host runs.
    type: str
    choices: [auto, netplan, networkmanager, networkd, ifupdown]
    default: auto
  timeout:
    description: Seconds within which the change has to be confirmed.
    type: int
    default: 60
  state:
    description: Whether the bridge is there. Left out, it is.
    type: str
    choices: [present, absent]
  confirm:
    description: Do nothing but have a change of this bridge stay that waits for that. Fails if it has been taken back.
    type: bool
    default: false
  sysroot:
    description: The root of the host's files.
    type: path
    default: /
author:
  - metal.kvm contributors (@metal-kvm)
seealso:
  - module: metal.kvm.network
"""

EXAMPLES = r"""
- name: Have guests on the network that the host is on
  metal.kvm.host_bridge:
    name: br0
    ports: [eno1]
    addressing: dhcp
  register: bridge

- name: See that the host can still be reached
  ansible.builtin.wait_for_connection:
    delay: 5
    timeout: 50
  when: bridge.changed

- name: Have it stay so
  metal.kvm.host_bridge:
    name: br0
    confirm: true
  when: bridge.changed
"""

RETURN = r"""
bridge:
  description: The bridge as it's declared; with O(confirm=true) as the kernel has it; null if it's absent.
  returned: success
  type: dict
  contains:
    name:
      description: Its name.
      type: str
      returned: always
    backend:
      description: Who keeps it.
      type: str
      returned: always
    ports:
      description: What is in it.
      type: list
      elements: str
      returned: always
    addressing:
      description: How the host is on its network; null if it wasn't asked for.
      type: str
      returned: always
  sample:
    name: br0
    backend: networkd
    ports: [eno1]
    addressing: dhcp
confirm_within:
  description: Seconds within which the change has to be confirmed; null if nothing was changed.
  returned: success
  type: int
log:
  description: What the commands said.
  returned: if a change was taken back
  type: list
  elements: str
actions:
  description: What was done, or in a check would be, in order.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.metal.kvm.plugins.module_utils._ansible import run_local
from ansible_collections.metal.kvm.plugins.module_utils._host.bridge.plan import (
    argument_spec,
    describe,
    operations,
    plan,
)


def main() -> None:
    """Converge a bridge of the host, or have a change of it stay."""
    run_local(plan, argument_spec(), operations, describe)


if __name__ == "__main__":
    main()
