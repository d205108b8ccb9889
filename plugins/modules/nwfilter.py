#!/usr/bin/python
# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nwfilter
short_description: Declare a network filter
description:
  - Defines, changes and removes a network filter of libvirt, firewall rules for the interfaces of guests that name it.
  - A change takes effect at once on all running guests that use the filter, itself or through others. libvirt does that
    when the filter is defined; where it can't, the old rules stay and the task fails.
  - libvirt enforces filters with ebtables, iptables and ip6tables, which the host needs.
extends_documentation_fragment:
  - metal.kvm._attributes
  - metal.kvm._attributes.action_group
  - metal.kvm._connection
  - metal.kvm._definition
options:
  name:
    description: The filter's name.
    type: str
    required: true
  state:
    description:
      - V(present) makes the filter where it's missing, V(absent) removes it. Left out it is like V(present).
      - V(absent) is refused while a guest, running or not, or another filter refers to it.
    type: str
    choices: [present, absent]
  # generated from the table by nox -s docs: do not edit below
  uuid:
    description: The filter's UUID. It can't be changed.
    type: str
  chain:
    description:
      - The chain that the rules are in, V(root) for a new filter where this is left out.
      - 'Others get only the traffic that their name begins with: V(mac), V(stp), V(vlan), V(arp), V(rarp),
        V(ipv4) or V(ipv6). V(ipv4-web) is a chain of its own for IPv4.'
    type: str
  priority:
    description: When the chain is asked, from -1000 to 1000; lower ones are asked first. Left out, it's
      the one that libvirt gives to chains of that name.
    type: int
  rules:
    description:
      - What is let through and what isn't, in order. Given, it is the full list.
      - An item is a rule, of O(rules[].action), O(rules[].direction) and at most one protocol; or with
        O(rules[].filterref) a reference.
      - A value may be a variable, V($IP), that references and guests' interfaces set.
    type: list
    elements: dict
    suboptions:
      filterref:
        description: 'In place of a rule: the name of a filter whose rules are taken in here.'
        type: str
      parameters:
        description: 'With O(rules[].filterref), values for its variables: name to value, or to a list
          of them.'
        type: dict
      action:
        description: What is done with traffic that matches. A rule needs it.
        type: str
        choices: [accept, drop, reject, return, continue]
      direction:
        description: V(in) is to the guest, V(out) from the guest. A rule needs it.
        type: str
        choices: [in, out, inout]
      priority:
        description: From -1000 to 1000; lower ones are asked first. V(500) where it's left out.
        type: int
      statematch:
        description: Whether the state of connections is followed. It is where this is left out.
        type: bool
      mac:
        description:
          - Ethernet frames. Its keys are libvirt's attributes; an empty dict matches all of it.
          - V(srcmacaddr), V(srcmacmask), V(dstmacaddr), V(dstmacmask), V(protocolid), V(comment).
          - V(not) is a dict of the same of what must not match.
        type: dict
      vlan:
        description:
          - Frames with a VLAN tag. Its keys are libvirt's attributes; an empty dict matches all of it.
          - V(srcmacaddr), V(srcmacmask), V(dstmacaddr), V(dstmacmask), V(vlanid), V(encap-protocol),
            V(comment).
          - V(not) is a dict of the same of what must not match.
        type: dict
      stp:
        description:
          - Spanning tree. Its keys are libvirt's attributes; an empty dict matches all of it.
          - V(srcmacaddr), V(srcmacmask), V(type), V(flags), V(root-priority), V(root-priority-hi), V(root-cost),
            V(root-cost-hi), V(sender-priority), V(sender-priority-hi), V(port), V(port-hi), V(age), V(age-hi),
            V(max-age), V(max-age-hi), V(hello-time), V(hello-time-hi), V(forward-delay), V(forward-delay-hi),
            V(root-address), V(root-address-mask), V(sender-address), V(sender-address-mask), V(comment).
          - V(not) is a dict of the same of what must not match.
        type: dict
      arp:
        description:
          - ARP. Its keys are libvirt's attributes; an empty dict matches all of it.
          - V(srcmacaddr), V(srcmacmask), V(dstmacaddr), V(dstmacmask), V(hwtype), V(protocoltype), V(opcode),
            V(arpsrcmacaddr), V(arpdstmacaddr), V(arpsrcipaddr), V(arpsrcipmask), V(arpdstipaddr), V(arpdstipmask),
            V(gratuitous), V(comment).
          - V(not) is a dict of the same of what must not match.
        type: dict
      rarp:
        description:
          - RARP, like ARP. Its keys are libvirt's attributes; an empty dict matches all of it.
          - V(srcmacaddr), V(srcmacmask), V(dstmacaddr), V(dstmacmask), V(hwtype), V(protocoltype), V(opcode),
            V(arpsrcmacaddr), V(arpdstmacaddr), V(arpsrcipaddr), V(arpsrcipmask), V(arpdstipaddr), V(arpdstipmask),
            V(gratuitous), V(comment).
          - V(not) is a dict of the same of what must not match.
        type: dict
      ip:
        description:
          - IPv4, in ebtables. Its keys are libvirt's attributes; an empty dict matches all of it.
          - V(srcmacaddr), V(srcmacmask), V(dstmacaddr), V(dstmacmask), V(srcipaddr), V(srcipmask), V(dstipaddr),
            V(dstipmask), V(protocol), V(srcportstart), V(srcportend), V(dstportstart), V(dstportend),
            V(dscp), V(comment).
          - V(not) is a dict of the same of what must not match.
        type: dict
      ipv6:
        description:
          - IPv6, in ebtables. Its keys are libvirt's attributes; an empty dict matches all of it.
          - V(srcmacaddr), V(srcmacmask), V(dstmacaddr), V(dstmacmask), V(srcipaddr), V(srcipmask), V(dstipaddr),
            V(dstipmask), V(protocol), V(srcportstart), V(srcportend), V(dstportstart), V(dstportend),
            V(type), V(typeend), V(code), V(codeend), V(comment).
          - V(not) is a dict of the same of what must not match.
        type: dict
      tcp:
        description:
          - TCP over IPv4, in iptables. Its keys are libvirt's attributes; an empty dict matches all of
            it.
          - V(srcmacaddr), V(srcipaddr), V(srcipmask), V(dstipaddr), V(dstipmask), V(srcipfrom), V(srcipto),
            V(dstipfrom), V(dstipto), V(dscp), V(connlimit-above), V(state), V(ipset), V(srcportstart),
            V(srcportend), V(dstportstart), V(dstportend), V(option), V(flags), V(comment).
          - V(not) is a dict of the same of what must not match.
        type: dict
      udp:
        description:
          - UDP over IPv4, in iptables. Its keys are libvirt's attributes; an empty dict matches all of
            it.
          - V(srcmacaddr), V(srcipaddr), V(srcipmask), V(dstipaddr), V(dstipmask), V(srcipfrom), V(srcipto),
            V(dstipfrom), V(dstipto), V(dscp), V(connlimit-above), V(state), V(ipset), V(srcportstart),
            V(srcportend), V(dstportstart), V(dstportend), V(comment).
          - V(not) is a dict of the same of what must not match.
        type: dict
      sctp:
        description:
          - SCTP over IPv4, in iptables. Its keys are libvirt's attributes; an empty dict matches all
            of it.
          - V(srcmacaddr), V(srcipaddr), V(srcipmask), V(dstipaddr), V(dstipmask), V(srcipfrom), V(srcipto),
            V(dstipfrom), V(dstipto), V(dscp), V(connlimit-above), V(state), V(ipset), V(srcportstart),
            V(srcportend), V(dstportstart), V(dstportend), V(comment).
          - V(not) is a dict of the same of what must not match.
        type: dict
      icmp:
        description:
          - ICMP over IPv4, in iptables. Its keys are libvirt's attributes; an empty dict matches all
            of it.
          - V(srcmacaddr), V(srcipaddr), V(srcipmask), V(dstipaddr), V(dstipmask), V(srcipfrom), V(srcipto),
            V(dstipfrom), V(dstipto), V(dscp), V(connlimit-above), V(state), V(ipset), V(type), V(code),
            V(comment).
          - V(not) is a dict of the same of what must not match.
        type: dict
      igmp:
        description:
          - IGMP over IPv4, in iptables. Its keys are libvirt's attributes; an empty dict matches all
            of it.
          - V(srcmacaddr), V(srcipaddr), V(srcipmask), V(dstipaddr), V(dstipmask), V(srcipfrom), V(srcipto),
            V(dstipfrom), V(dstipto), V(dscp), V(connlimit-above), V(state), V(ipset), V(comment).
          - V(not) is a dict of the same of what must not match.
        type: dict
      esp:
        description:
          - ESP over IPv4, in iptables. Its keys are libvirt's attributes; an empty dict matches all of
            it.
          - V(srcmacaddr), V(srcipaddr), V(srcipmask), V(dstipaddr), V(dstipmask), V(srcipfrom), V(srcipto),
            V(dstipfrom), V(dstipto), V(dscp), V(connlimit-above), V(state), V(ipset), V(comment).
          - V(not) is a dict of the same of what must not match.
        type: dict
      ah:
        description:
          - AH over IPv4, in iptables. Its keys are libvirt's attributes; an empty dict matches all of
            it.
          - V(srcmacaddr), V(srcipaddr), V(srcipmask), V(dstipaddr), V(dstipmask), V(srcipfrom), V(srcipto),
            V(dstipfrom), V(dstipto), V(dscp), V(connlimit-above), V(state), V(ipset), V(comment).
          - V(not) is a dict of the same of what must not match.
        type: dict
      udplite:
        description:
          - UDPLITE over IPv4, in iptables. Its keys are libvirt's attributes; an empty dict matches all
            of it.
          - V(srcmacaddr), V(srcipaddr), V(srcipmask), V(dstipaddr), V(dstipmask), V(srcipfrom), V(srcipto),
            V(dstipfrom), V(dstipto), V(dscp), V(connlimit-above), V(state), V(ipset), V(comment).
          - V(not) is a dict of the same of what must not match.
        type: dict
      all:
        description:
          - IPv4 of any protocol, in iptables. Its keys are libvirt's attributes; an empty dict matches
            all of it.
          - V(srcmacaddr), V(srcipaddr), V(srcipmask), V(dstipaddr), V(dstipmask), V(srcipfrom), V(srcipto),
            V(dstipfrom), V(dstipto), V(dscp), V(connlimit-above), V(state), V(ipset), V(comment).
          - V(not) is a dict of the same of what must not match.
        type: dict
      tcp_ipv6:
        description:
          - TCP over IPv6, in ip6tables. Its keys are libvirt's attributes; an empty dict matches all
            of it.
          - V(srcmacaddr), V(srcipaddr), V(srcipmask), V(dstipaddr), V(dstipmask), V(srcipfrom), V(srcipto),
            V(dstipfrom), V(dstipto), V(dscp), V(connlimit-above), V(state), V(ipset), V(srcportstart),
            V(srcportend), V(dstportstart), V(dstportend), V(option), V(comment).
          - V(not) is a dict of the same of what must not match.
        type: dict
      udp_ipv6:
        description:
          - UDP over IPv6, in ip6tables. Its keys are libvirt's attributes; an empty dict matches all
            of it.
          - V(srcmacaddr), V(srcipaddr), V(srcipmask), V(dstipaddr), V(dstipmask), V(srcipfrom), V(srcipto),
            V(dstipfrom), V(dstipto), V(dscp), V(connlimit-above), V(state), V(ipset), V(srcportstart),
            V(srcportend), V(dstportstart), V(dstportend), V(comment).
          - V(not) is a dict of the same of what must not match.
        type: dict
      sctp_ipv6:
        description:
          - SCTP over IPv6, in ip6tables. Its keys are libvirt's attributes; an empty dict matches all
            of it.
          - V(srcmacaddr), V(srcipaddr), V(srcipmask), V(dstipaddr), V(dstipmask), V(srcipfrom), V(srcipto),
            V(dstipfrom), V(dstipto), V(dscp), V(connlimit-above), V(state), V(ipset), V(srcportstart),
            V(srcportend), V(dstportstart), V(dstportend), V(comment).
          - V(not) is a dict of the same of what must not match.
        type: dict
      icmpv6:
        description:
          - ICMP over IPv6, in ip6tables. Its keys are libvirt's attributes; an empty dict matches all
            of it.
          - V(srcmacaddr), V(srcipaddr), V(srcipmask), V(dstipaddr), V(dstipmask), V(srcipfrom), V(srcipto),
            V(dstipfrom), V(dstipto), V(dscp), V(connlimit-above), V(state), V(ipset), V(type), V(code),
            V(comment).
          - V(not) is a dict of the same of what must not match.
        type: dict
      esp_ipv6:
        description:
          - ESP over IPv6, in ip6tables. Its keys are libvirt's attributes; an empty dict matches all
            of it.
          - V(srcmacaddr), V(srcipaddr), V(srcipmask), V(dstipaddr), V(dstipmask), V(srcipfrom), V(srcipto),
            V(dstipfrom), V(dstipto), V(dscp), V(connlimit-above), V(state), V(ipset), V(comment).
          - V(not) is a dict of the same of what must not match.
        type: dict
      ah_ipv6:
        description:
          - AH over IPv6, in ip6tables. Its keys are libvirt's attributes; an empty dict matches all of
            it.
          - V(srcmacaddr), V(srcipaddr), V(srcipmask), V(dstipaddr), V(dstipmask), V(srcipfrom), V(srcipto),
            V(dstipfrom), V(dstipto), V(dscp), V(connlimit-above), V(state), V(ipset), V(comment).
          - V(not) is a dict of the same of what must not match.
        type: dict
      udplite_ipv6:
        description:
          - UDPLITE over IPv6, in ip6tables. Its keys are libvirt's attributes; an empty dict matches
            all of it.
          - V(srcmacaddr), V(srcipaddr), V(srcipmask), V(dstipaddr), V(dstipmask), V(srcipfrom), V(srcipto),
            V(dstipfrom), V(dstipto), V(dscp), V(connlimit-above), V(state), V(ipset), V(comment).
          - V(not) is a dict of the same of what must not match.
        type: dict
      all_ipv6:
        description:
          - IPv6 of any protocol, in ip6tables. Its keys are libvirt's attributes; an empty dict matches
            all of it.
          - V(srcmacaddr), V(srcipaddr), V(srcipmask), V(dstipaddr), V(dstipmask), V(srcipfrom), V(srcipto),
            V(dstipfrom), V(dstipto), V(dscp), V(connlimit-above), V(state), V(ipset), V(comment).
          - V(not) is a dict of the same of what must not match.
        type: dict
  # end of generated options
author:
  - metal.kvm contributors (@metal-kvm)
seealso:
  - module: metal.kvm.nwfilter_info
  - module: metal.kvm.domain
  - name: libvirt's network filters
    description: What each attribute matches.
    link: https://libvirt.org/formatnwfilter.html
"""

EXAMPLES = r"""
- name: Web servers, reached by SSH from one network only
  metal.kvm.nwfilter:
    name: web
    rules:
      - filterref: clean-traffic
      - {action: accept, direction: in, tcp: {dstportstart: 80}}
      - {action: accept, direction: in, tcp: {dstportstart: 443}}
      - {action: accept, direction: in, tcp: {srcipaddr: 10.20.0.0, srcipmask: 24, dstportstart: 22}}
      - {action: accept, direction: out, all: {}}
      - {action: drop, direction: in, priority: 1000, all: {}}

- name: Only the gateway that the guest's interface names may answer with router advertisements
  metal.kvm.nwfilter:
    name: no-foreign-router
    chain: ipv6-ra
    rules:
      - action: drop
        direction: in
        ipv6:
          protocol: icmpv6
          type: 134
          not: {srcmacaddr: $GATEWAY_MAC}

- name: A filter that gives another one its variables
  metal.kvm.nwfilter:
    name: web1
    rules:
      - filterref: clean-traffic
        parameters: {IP: [10.20.0.10, 10.20.0.11]}

- name: Use it
  metal.kvm.domain:
    name: web1
    interfaces:
      - network: lab
        filter: {name: web}

- name: Remove a filter
  metal.kvm.nwfilter:
    name: web1
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, or in a check would be done, in order.
  returned: success
  type: list
  elements: str
  sample: ["change nwfilter web: rules[1]"]
restart_required:
  description: Always empty, for all changes of a filter take effect at once.
  returned: success
  type: list
  elements: str
  sample: []
nwfilter:
  description: The filter as RV(metal.kvm.nwfilter_info#module:nwfilters) shows it; null after V(state=absent).
  returned: success
  type: dict
assumed:
  description: What the check planned on although it isn't there yet.
  returned: in check mode
  type: list
  elements: str
"""

from ansible_collections.metal.kvm.plugins.module_utils._ansible import run_module
from ansible_collections.metal.kvm.plugins.module_utils._objects.nwfilter.plan import ARGUMENT_SPEC, NOUN


def main() -> None:
    """Converge one network filter."""
    run_module(NOUN.plan, ARGUMENT_SPEC, NOUN.operations, NOUN.describe)


if __name__ == "__main__":
    main()
