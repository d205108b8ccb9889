#!/usr/bin/python
# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: network
short_description: Declare a virtual network
description:
  - Defines, changes, starts and stops a network of libvirt. Only what differs is changed, in place, and while guests
    use the network where libvirt can do that.
  - DHCP ranges and hosts, DNS hosts, TXT and SRV records, and portgroups of an active network change at once and
    without cutting a guest off. What else differs then is named in RV(restart_required).
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
      - V(active) and V(inactive) start and stop the network, V(present) makes it where it's missing and leaves it
        running or not, V(absent) removes it.
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
      - V(restart) restarts a running network if something is left that only a restart brings, and plugs running guests
        back in.
    type: str
    choices: [live, stage, restart]
    default: live
  force:
    description: Stop the network even though running guests are plugged in, which cuts them off.
    type: bool
    default: false
  # generated from the table by nox -s docs: do not edit below
  uuid:
    description: The network's UUID. It can't be changed.
    type: str
  title:
    description: A short title. Needs libvirt 9.7.
    type: str
  description:
    description: A description, any text. Needs libvirt 9.7.
    type: str
  labels:
    description: 'Labels of your own, kept in the network''s metadata: name to value. Full when given.'
    type: dict
  forward:
    description:
      - 'Where the guests'' traffic goes. V(nat), V(route) and V(open) lead out of the host: behind its
        address, as it is, and as it is without any firewall rule of libvirt. V(isolated) stays on the
        host.'
      - V(bridge) is a bridge that the host has already, named by O(bridge), or with O(forward_dev) a
        macvtap bridge. V(private), V(vepa), V(passthrough) are the other macvtap modes, V(hostdev) gives
        whole devices away.
      - A new network is isolated where this is left out.
    type: str
    choices: [isolated, nat, route, open, bridge, private, vepa, passthrough, hostdev]
  forward_dev:
    description: The host's device that the traffic goes out by.
    type: str
  forward_interfaces:
    description: A pool of the host's devices, for the macvtap modes.
    type: list
    elements: str
  forward_addresses:
    description: A pool of the host's devices by PCI address, for V(hostdev).
    type: list
    elements: str
  forward_pf:
    description: The SR-IOV device whose virtual functions are the pool.
    type: str
  forward_managed:
    description: Whether libvirt takes devices from their drivers and gives them back.
    type: bool
  forward_driver:
    description: The driver that gives devices away.
    type: str
    choices: [vfio, kvm, xen]
  nat:
    description: Details of V(forward=nat).
    type: dict
    suboptions:
      ipv6:
        description: Whether IPv6 goes behind the host's address too.
        type: bool
      addresses:
        description: The addresses that the traffic shows outside.
        type: dict
        suboptions:
          start:
            description: The first.
            type: str
          end:
            description: The last.
            type: str
      ports:
        description: The ports that the traffic shows outside.
        type: dict
        suboptions:
          start:
            description: The first.
            type: int
          end:
            description: The last.
            type: int
  bridge:
    description: 'The bridge''s name: with V(forward=bridge) one that the host has, else the one that
      libvirt makes; it finds a free name where this is left out, or for a pattern, V(virbr%d).'
    type: str
  stp:
    description: Whether the bridge takes part in the spanning tree protocol.
    type: bool
  delay:
    description: The bridge's forward delay, in seconds.
    type: int
  zone:
    description: The firewalld zone of the bridge.
    type: str
  mac_table_manager:
    description: Who keeps the bridge's table of addresses.
    type: str
    choices: [kernel, libvirt]
  mac:
    description: The bridge's MAC address.
    type: str
  mtu:
    description: The MTU of the bridge and of the guests' devices.
    type: int
  domain:
    description: The DNS domain of the guests.
    type: str
  domain_local_only:
    description: Whether names in the domain are never asked for outside.
    type: bool
  domain_register:
    description: Whether the host's systemd-resolved asks this network for names in the domain. Needs
      libvirt 10.1.
    type: bool
  ipv6:
    description: Whether guests may speak IPv6 with each other where the network has no IPv6 address.
    type: bool
  trust_guest_rx_filters:
    description: Whether a guest may change its filters and MAC address.
    type: bool
  port_isolated:
    description: Whether guests can reach the host and the outside only, not each other.
    type: bool
  dns:
    description: The DNS server of the network.
    type: dict
    suboptions:
      enable:
        description: Whether there is a DNS server.
        type: bool
      forward_plain_names:
        description: Whether names without a dot are asked for outside.
        type: bool
      forwarders:
        description: Servers that are asked for names of the outside, instead of the host's.
        type: list
        elements: dict
        suboptions:
          domain:
            description: Only for names in this domain.
            type: str
          address:
            description: The server that is asked.
            type: str
      hosts:
        description: Names that the DNS server knows. Matched by address.
        type: list
        elements: dict
        suboptions:
          ip:
            description: The address.
            type: str
            required: true
          hostnames:
            description: The names that stand for it.
            type: list
            elements: str
      txt:
        description: TXT records.
        type: list
        elements: dict
        suboptions:
          name:
            description: The name.
            type: str
            required: true
          value:
            description: The text.
            type: str
            required: true
      srv:
        description: SRV records.
        type: list
        elements: dict
        suboptions:
          service:
            description: The service, V(ldap).
            type: str
            required: true
          protocol:
            description: The protocol, V(tcp).
            type: str
            required: true
          domain:
            description: The domain; the network's own where it's left out.
            type: str
          target:
            description: The host that offers the service.
            type: str
          port:
            description: Its port.
            type: int
          priority:
            description: The priority.
            type: int
          weight:
            description: The weight.
            type: int
  ips:
    description: The host's addresses in the network, one per subnet, with the DHCP server of each. Matched
      by subnet.
    type: list
    elements: dict
    suboptions:
      address:
        description: 'The host''s own address in the subnet, with the prefix length: V(10.20.0.1/24) or
          V(fd00:20::1/64).'
        type: str
        required: true
      local_ptr:
        description: Whether reverse look-ups in this subnet stay in it.
        type: bool
      tftp_root:
        description: A directory on the hypervisor that is offered by TFTP.
        type: str
      dhcp:
        description: The DHCP server of this subnet.
        type: dict
        suboptions:
          ranges:
            description: The ranges from which addresses are given out.
            type: list
            elements: dict
            suboptions:
              start:
                description: The first address of the range.
                type: str
                required: true
              end:
                description: The last address of the range.
                type: str
                required: true
              lease:
                description: How long an address is leased.
                type: dict
                suboptions:
                  expiry:
                    description: How long, in O(ips[].dhcp.ranges[].lease.unit); V(0) is for ever.
                    type: int
                  unit:
                    description: The unit of the expiry; libvirt takes minutes where it's left out.
                    type: str
                    choices: [seconds, minutes, hours]
          hosts:
            description: Addresses reserved for certain guests. Matched by MAC address, else by DUID,
              else by address.
            type: list
            elements: dict
            suboptions:
              mac:
                description: The guest's MAC address (IPv4).
                type: str
              id:
                description: The guest's DUID (IPv6).
                type: str
              ip:
                description: The address that it always gets.
                type: str
                required: true
              name:
                description: The name that it gets, and under which DNS knows it.
                type: str
              lease:
                description: How long an address is leased.
                type: dict
                suboptions:
                  expiry:
                    description: How long, in O(ips[].dhcp.ranges[].lease.unit); V(0) is for ever.
                    type: int
                  unit:
                    description: The unit of the expiry; libvirt takes minutes where it's left out.
                    type: str
                    choices: [seconds, minutes, hours]
          bootp:
            description: What a guest is told that boots from the network.
            type: dict
            suboptions:
              file:
                description: The file that a guest boots.
                type: str
              server:
                description: The TFTP server it comes from; this network's own where it's left out.
                type: str
  routes:
    description: Routes that the host gets while the network is active. Matched by subnet.
    type: list
    elements: dict
    suboptions:
      address:
        description: The subnet that is reached.
        type: str
        required: true
      gateway:
        description: The address in this network that leads there.
        type: str
        required: true
      metric:
        description: The metric.
        type: int
  bandwidth:
    description: Limits of the traffic.
    type: dict
    suboptions:
      inbound:
        description: To the guests.
        type: dict
        suboptions:
          average:
            description: The average, in KiB/s.
            type: int
          peak:
            description: The most for a moment, in KiB/s.
            type: int
          burst:
            description: How much can be sent at the peak, in KiB.
            type: int
      outbound:
        description: From the guests.
        type: dict
        suboptions:
          average:
            description: The average, in KiB/s.
            type: int
          peak:
            description: The most for a moment, in KiB/s.
            type: int
          burst:
            description: How much can be sent at the peak, in KiB.
            type: int
  vlan:
    description: VLANs, on Open vSwitch and SR-IOV networks.
    type: dict
    suboptions:
      trunk:
        description: Whether the port is a trunk; libvirt sets it where there are several tags.
        type: bool
      tags:
        description: The VLANs.
        type: list
        elements: dict
        suboptions:
          id:
            description: The VLAN's number.
            type: int
            required: true
          native_mode:
            description: The VLAN of frames without a tag (Open vSwitch).
            type: str
            choices: [tagged, untagged]
  virtualport:
    description: How guests' ports are made on a switch that isn't libvirt's own bridge.
    type: dict
    suboptions:
      type:
        description: What the ports are connected to.
        type: str
        choices: [openvswitch, midonet, 802.1Qbg, 802.1Qbh]
      interfaceid:
        description: The interface's UUID.
        type: str
      profileid:
        description: The port profile.
        type: str
      managerid:
        description: The VSI manager (802.1Qbg).
        type: str
      typeid:
        description: The VSI type (802.1Qbg).
        type: str
      typeidversion:
        description: The version of the VSI type (802.1Qbg).
        type: str
      instanceid:
        description: The VSI instance (802.1Qbg).
        type: str
  portgroups:
    description: Classes of ports that a guest's interface can choose. Matched by name.
    type: list
    elements: dict
    suboptions:
      name:
        description: The portgroup's name.
        type: str
        required: true
      default:
        description: Whether a guest that names none is in this one.
        type: bool
      trust_guest_rx_filters:
        description: Whether a guest may change its filters and MAC address.
        type: bool
      vlan:
        description: VLANs, on Open vSwitch and SR-IOV networks.
        type: dict
        suboptions:
          trunk:
            description: Whether the port is a trunk; libvirt sets it where there are several tags.
            type: bool
          tags:
            description: The VLANs.
            type: list
            elements: dict
            suboptions:
              id:
                description: The VLAN's number.
                type: int
                required: true
              native_mode:
                description: The VLAN of frames without a tag (Open vSwitch).
                type: str
                choices: [tagged, untagged]
      virtualport:
        description: How guests' ports are made on a switch that isn't libvirt's own bridge.
        type: dict
        suboptions:
          type:
            description: What the ports are connected to.
            type: str
            choices: [openvswitch, midonet, 802.1Qbg, 802.1Qbh]
          interfaceid:
            description: The interface's UUID.
            type: str
          profileid:
            description: The port profile.
            type: str
          managerid:
            description: The VSI manager (802.1Qbg).
            type: str
          typeid:
            description: The VSI type (802.1Qbg).
            type: str
          typeidversion:
            description: The version of the VSI type (802.1Qbg).
            type: str
          instanceid:
            description: The VSI instance (802.1Qbg).
            type: str
      bandwidth:
        description: Limits of the traffic.
        type: dict
        suboptions:
          inbound:
            description: To the guests.
            type: dict
            suboptions:
              average:
                description: The average, in KiB/s.
                type: int
              peak:
                description: The most for a moment, in KiB/s.
                type: int
              burst:
                description: How much can be sent at the peak, in KiB.
                type: int
          outbound:
            description: From the guests.
            type: dict
            suboptions:
              average:
                description: The average, in KiB/s.
                type: int
              peak:
                description: The most for a moment, in KiB/s.
                type: int
              burst:
                description: How much can be sent at the peak, in KiB.
                type: int
  dnsmasq_options:
    description: Lines for dnsmasq's own configuration.
    type: list
    elements: str
  # end of generated options
author:
  - metal.kvm contributors (@metal-kvm)
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

- name: VLANs of Open vSwitch, for guests to choose by portgroup
  metal.kvm.network:
    name: switched
    forward: bridge
    bridge: ovsbr0
    virtualport: {type: openvswitch}
    portgroups:
      - {name: office, default: true, vlan: {tags: [{id: 10}]}}
      - {name: trunk, vlan: {trunk: true, tags: [{id: 10}, {id: 20}]}}
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
  description: The network as RV(metal.kvm.network_info#module:networks) shows it; null after V(state=absent). In a
    check without leases and connections.
  returned: success
  type: dict
assumed:
  description: What the check planned on although it isn't there yet.
  returned: in check mode
  type: list
  elements: str
"""

from ansible_collections.metal.kvm.plugins.module_utils._ansible import run_module
from ansible_collections.metal.kvm.plugins.module_utils._objects.network.plan import ARGUMENT_SPEC, NOUN


def main() -> None:
    """Converge one network."""
    run_module(NOUN.plan, ARGUMENT_SPEC, NOUN.operations, NOUN.describe)


if __name__ == "__main__":
    main()
