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
  - Returns one domain, some or all of them, each with the options that M(metal.kvm.domain) takes, its state, its addresses
    and what waits for a restart; and, where O(include) asks for it, disks with their backing chains, statistics, what the
    guest says of itself, and the state of the running machine.
  - Reads with a connection that can't change anything, unless something that is asked for needs more. Where the user hasn't
    got that right, such keys are null, and a warning says so.
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
  names:
    description: Several domains to read. Those that aren't there are left out.
    type: list
    elements: str
  include:
    description:
      - What to read beside options, state and addresses.
      - V(storage) is the disks with their sizes and backing chains, V(statistics) all that libvirt measures, of all domains
        in one question.
      - V(guest) is what the guest says through its agent, which gets O(agent_timeout) seconds. Needs the right to write.
      - V(machine_state) is the state of the running machine as QEMU and KVM keep it, for diagnosis. It's read with monitor commands
        of QEMU, and with the agent for the guest's clock source. Needs the right to write; libvirt marks the domain as tainted
        until it's restarted.
    type: list
    elements: str
    choices: [storage, statistics, guest, machine_state]
    default: []
  addresses:
    description:
      - Where to ask for the addresses of running guests, in order.
      - V(lease) is what libvirt's DHCP server gave out, V(agent) asks the guest (and needs the right to write), V(arp) is
        what the host's kernel heard.
    type: list
    elements: str
    choices: [lease, agent, arp]
    default: [lease]
  agent_timeout:
    description:
      - How long a guest's agent may take for an answer, in seconds. One that doesn't answer is waited for once.
      - For that time libvirt's own limit for this domain's agent is set to it; then to libvirt's default, none.
    type: int
    default: 5
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
    description: With V(as=options), whether the UUID, the generation ID and the MAC addresses are among them, or V(new) ones are
      made elsewhere.
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

- name: How full are the disks of all guests, and what are they based on?
  metal.kvm.domain_info:
    include: [storage, statistics]
  register: measured

- name: Show what each guest's images take
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.storage | map(attribute='allocation') | sum | human_readable }}"
  loop: "{{ measured.domains }}"
  loop_control:
    label: "{{ item.name }}"

- name: What does the guest say of itself?
  metal.kvm.domain_info:
    names: [web1, web2]
    include: [guest]
    addresses: [agent, lease]
    agent_timeout: 2

- name: Why does this guest hang?
  metal.kvm.domain_info:
    name: web1
    include: [machine_state]
    screenshot: /tmp/web1.png
  register: web1

- name: Where its processors are, and who keeps its interrupt controllers
  ansible.builtin.debug:
    msg: "{{ web1.domains[0].machine_state.registers | map(attribute='registers.RIP') }} {{ web1.domains[0].machine_state.irqchip }}"

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
      and the keys below. Sizes are numbers of bytes; given back as
      options they need the unit C(B).
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
      description: The guest's addresses, each with C(address), C(prefix), C(mac), C(interface) and C(source). Loopback
        and link-local ones are left out.
      type: list
      elements: dict
      returned: always
    storage:
      description:
        - The disks that have a medium, each with C(target), C(path), C(format), C(capacity) (what the guest sees),
          C(allocation) and C(physical) (what it takes on the host), and C(backing), the images below it, the nearest first,
          with the same keys. null is what libvirt doesn't know.
        - While the guest runs C(allocation) is how far it has written since, and C(physical) the space that the file takes;
          of a guest that is off C(physical) is the length of the file.
      type: list
      elements: dict
      returned: with V(storage) in O(include)
      sample:
        - {target: vda, path: /srv/images/web1.qcow2, format: qcow2, capacity: 21474836480, allocation: 200704,
           physical: 196616, backing: [{path: /srv/images/debian.qcow2, format: qcow2, capacity: 3221225472,
           allocation: 1288490188, physical: 1288519680}]}
    statistics:
      description:
        - What libvirt measures, in its own words and units (times in nanoseconds, memory in KiB, traffic in bytes), as groups
          C(state), C(cpu), C(balloon), C(vcpu), C(dirtyrate) ... and lists C(vcpus), C(interfaces), C(disks), C(iothreads).
        - Under KVM each of C(vcpus) has what the kernel counts of it (exits, halts, injected interrupts) where QEMU is 7.1 or
          newer.
      type: dict
      returned: with V(statistics) in O(include)
      sample: {cpu: {time: 4537281048, user: 3910000000, system: 610000000}, balloon: {current: 196608, maximum: 196608},
        vcpu: {current: 1, maximum: 1}, vcpus: [{id: 0, state: 1, time: 2710000000}],
        disks: [{name: vda, rd: {reqs: 2, bytes: 4608, times: 169172}, capacity: 8388608}]}
    guest:
      description:
        - What the guest's agent says, C(hostname), C(os), C(timezone), C(users), C(filesystems), C(disks), C(interfaces);
          what it doesn't know is left out. null where the guest is off or its agent doesn't answer.
      type: dict
      returned: with V(guest) in O(include)
      sample: {hostname: web1, os: {id: debian, version_id: "12", kernel_release: 6.1.0-13-amd64}, users: [],
        filesystems: [{mountpoint: /, fstype: ext4, name: vda1, total_bytes: 21003628544, used_bytes: 1288490188}],
        interfaces: [{name: eth0, hwaddr: "52:54:00:00:00:0a", addresses: [{type: ipv4, addr: 10.20.0.10, prefix: 24}]}]}
    machine_state:
      description: The state of the running machine. null where the domain is off.
      type: dict
      returned: with V(machine_state) in O(include)
      contains:
        accelerator:
          description: V(kvm), or V(tcg), QEMU's emulation.
          type: str
          returned: always
        registers:
          description: The registers of each vCPU, C(vcpu) its number, C(registers) in QEMU's names and figures.
          type: list
          elements: dict
          returned: always
        memory_map:
          description: What the processors see at which physical address, each with C(start), C(end), C(kind) and C(name).
          type: list
          elements: dict
          returned: always
        irqchip:
          description:
            - Who keeps the interrupt controllers. V(kernel) is KVM for all of them, V(split) KVM for the local APICs and QEMU
              for the rest, V(qemu) QEMU for all. null on machines without APIC.
          type: str
          returned: always
        ioapics:
          description: The I/O APICs, each with its C(pins), their C(vector), C(destination) and whether they're C(masked).
          type: list
          elements: dict
          returned: always
        pics:
          description: The registers of the older interrupt controllers.
          type: list
          elements: dict
          returned: always
        local_apics:
          description: The registers of each vCPU's local APIC.
          type: list
          elements: dict
          returned: always
        clock:
          description:
            - C(source) is the clock source that the guest's Linux uses (V(kvm-clock), V(tsc), V(hpet) ...) and C(available)
              those it could use, by its agent; null and none without one. C(devices) are the clocks that the machine has,
              C(rtc) is the time that its real-time clock shows.
          type: dict
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
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.inventory import ARGUMENTS, RULES, read_domains


def main() -> None:
    run_info(read_domains, ARGUMENTS, **RULES)


if __name__ == "__main__":
    main()
