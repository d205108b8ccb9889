#!/usr/bin/python
# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: Read what a host can do for guests, and why not
description:
  - Reads the processor, KVM, the kernel's modules, memory, IOMMU, network, emulators and libvirt of a host, and judges
    them by one table of checks. Where KVM can't be used it says why, in one word and in a sentence, with a remedy.
  - The truth is what C(/dev/kvm) answers. Processor flags, CPUID, registers, modules and the kernel's messages only
    explain a refusal.
  - It needs nothing but Python, loads and writes nothing, and works for any user. What can't be read for want of rights
    is null, and named in RV(host.notes).
  - With O(uri) it also asks libvirt; only for that the bindings of libvirt and lxml are used.
extends_documentation_fragment:
  - metal.kvm._attributes.info_module
options:
  gather:
    description:
      - The sections to read; the others are null. Sections that one is told from are read with it.
      - V(checks) looks at everything. The keys of RV(host) that stand outside a section are always there.
    type: list
    elements: str
    choices:
      - all
      - cpu
      - kvm
      - secure
      - irq_clock
      - devices
      - iommu
      - sriov
      - cgroup
      - memory
      - numa
      - qemu
      - libvirt
      - network
      - security
      - checks
      - pending
    default: [all]
  require:
    description:
      - What this host must have. A check that finds it missing has the status V(fail), not V(warn), V(info) or
        V(skipped). The module itself doesn't fail.
      - V(kvm) is a usable C(/dev/kvm), V(hardware) the processor's own virtualisation, V(hugepages) as many huge
        pages as configured, V(migration) an identity that other hosts can rely on.
    type: list
    elements: str
    choices:
      - kvm
      - hardware
      - nested
      - iommu
      - vfio
      - hugepages
      - sev
      - sev_es
      - sev_snp
      - tdx
      - sgx
      - s390_pv
      - vhost_net
      - tun
      - migration
    default: []
  strict:
    description: Whether what weakens the separation of guests is a failure, not a warning.
    type: bool
    default: false
  deep:
    description:
      - Whether to make a machine (C(KVM_CREATE_VM)), which is thrown away at once. It finds out whether another
        hypervisor holds the processor.
      - With V(auto) only where the kernel doesn't switch VT-x or AMD-V on at load, so that opening the device proves
        less.
    type: str
    choices: ["auto", "true", "false"]
    default: auto
  uri:
    description:
      - The connection to ask for what only libvirt knows, such as V(qemu:///system). Without it libvirt isn't asked.
      - A connection that fails is no error; see RV(host.libvirt.reachable).
    type: str
  sysroot:
    description:
      - The root of the host's files. Below any other than V(/) no device is touched and no program run. What they would
        say comes from the file C(.metal-kvm/host.json) there, where the tree was recorded from a host.
    type: path
    default: /
author:
  - metal.kvm contributors (@metal-kvm)
seealso:
  - module: metal.kvm.kvm_module
"""

EXAMPLES = r"""
- name: Read everything
  metal.kvm.host_info:
  register: read

- name: Say whether KVM can be used, or why not and what to do
  ansible.builtin.debug:
    msg: "{{ read.host.kvm.message }} {{ read.host.kvm.remedy or '' }}"

- name: Read only what is needed to choose between KVM and emulation
  metal.kvm.host_info:
    gather: [kvm]
  register: read

- name: Judge a host that must have KVM with nesting and an IOMMU, and whose guests have different owners
  metal.kvm.host_info:
    require: [kvm, hardware, nested, iommu]
    strict: true
    uri: qemu:///system
  register: read

- name: Stop where something is missing
  ansible.builtin.assert:
    that: failed | length == 0
    fail_msg: "{{ failed | map(attribute='message') | join(' ') }}"
  vars:
    failed: "{{ read.host.checks | selectattr('status', 'eq', 'fail') }}"

- name: Reboot where that is what a setting waits for
  ansible.builtin.reboot:
  when: read.host.pending | selectattr('kind', 'eq', 'reboot') | length > 0
"""

RETURN = r"""
host:
  description: The host. All keys are always there; they are null where something isn't known or wasn't asked for.
  returned: success
  type: dict
  contains:
    arch:
      description: The architecture, as C(uname -m) says it.
      type: str
      returned: always
      sample: x86_64
    kernel:
      description: The running kernel's release.
      type: str
      returned: always
    distribution:
      description: The distribution's ID in C(/etc/os-release).
      type: str
      returned: always
      sample: debian
    distribution_version:
      description: Its version.
      type: str
      returned: always
      sample: "13"
    os_family:
      description: Its family (V(debian), V(redhat), V(suse), V(archlinux) ...).
      type: str
      returned: always
    service_mgr:
      description: V(systemd), V(openrc), or the name of process 1.
      type: str
      returned: always
    selinux:
      description: V(enforcing), V(permissive) or V(disabled).
      type: str
      returned: always
    apparmor:
      description: V(enabled) or V(disabled).
      type: str
      returned: always
    lockdown:
      description: How far the kernel is locked down (V(none), V(integrity), V(confidentiality)).
      type: str
      returned: always
    secure_boot:
      description: Whether the firmware started a signed kernel only.
      type: bool
      returned: always
    virt:
      description: Whether the host is itself a guest or a container.
      type: dict
      returned: always
      contains:
        role:
          description: V(bare_metal), V(guest), V(container) or V(unknown).
          type: str
          returned: always
        guest:
          description: Whether there is a hypervisor below.
          type: bool
          returned: always
        hypervisor:
          description: Which one (V(kvm), V(vmware), V(hyperv), V(xen), V(zvm) ...).
          type: str
          returned: always
        nested_level_hint:
          description: V(1) in a guest, V(0) on a machine. Deeper levels look alike.
          type: int
          returned: always
        container_hint:
          description: What looks like a container; it may only look so.
          type: str
          returned: always
        xen_dom0:
          description: Whether this is Xen's own control domain.
          type: bool
          returned: always
        confidential:
          description: The kind of confidential guest this is (V(sev), V(tdx), V(s390_pv)).
          type: str
          returned: always
    cpu:
      description: The processor.
      type: dict
      returned: always
      contains:
        vendor:
          description: Its maker, by libvirt's name.
          type: str
          returned: always
          sample: AMD
        model:
          description: Its model.
          type: str
          returned: always
        count:
          description: Processors that are online.
          type: int
          returned: always
        flag:
          description: What stands for hardware virtualisation (V(vmx), V(svm), V(sie), V(hyp), V(hv), V(h), V(lvz)).
          type: str
          returned: always
        flags:
          description: All flags of the first processor.
          type: list
          elements: str
          returned: always
        raw_cpuid:
          description: What CPUID says before the kernel hides anything; null where its driver isn't loaded, or not on
            x86.
          type: dict
          returned: always
          contains:
            vmx:
              description: VT-x.
              type: bool
              returned: always
            svm:
              description: AMD-V.
              type: bool
              returned: always
            hypervisor:
              description: A hypervisor below.
              type: bool
              returned: always
            signature:
              description: That hypervisor's signature.
              type: str
              returned: always
        vmx_flags:
          description: What the VMCS can do, in the kernel's words.
          type: list
          elements: str
          returned: always
        svm_flags:
          description: What the VMCB can do, in the kernel's words.
          type: list
          elements: str
          returned: always
        features:
          description: The same, one by one, with what each means for guests. Null unless the section V(kvm) was read.
          type: list
          elements: dict
          returned: with the section V(kvm)
          contains:
            name:
              description: The kernel's word, such as V(ept), V(vpid), V(shadow_vmcs), V(npt), V(avic).
              type: str
              returned: always
            present:
              description: Whether the processor has it.
              type: bool
              returned: always
            parameter:
              description: The parameter of the vendor's module that uses it.
              type: str
              returned: always
            effective:
              description: That parameter's effective value.
              type: raw
              returned: always
            meaning:
              description: What guests get of it.
              type: str
              returned: always
        paging:
          description: Two-level paging.
          type: dict
          returned: always
          contains:
            kind:
              description: V(ept) or V(npt).
              type: str
              returned: always
            one_gb:
              description: Whether it takes pages of 1 GiB.
              type: bool
              returned: always
        msr:
          description: Registers that say whether firmware switched VT-x or AMD-V off; null without the C(msr) driver.
          type: dict
          returned: always
          contains:
            feat_ctl:
              description: IA32_FEAT_CTL (0x3A).
              type: int
              returned: always
            vm_cr:
              description: VM_CR (0xC0010114).
              type: int
              returned: always
        microcode:
          description: The microcode's revision.
          type: str
          returned: always
        mitigations:
          description: Each known weakness, with its C(state) (V(not_affected), V(mitigated), V(vulnerable),
            V(unknown)) and the kernel's C(text).
          type: dict
          returned: always
        smt:
          description: Simultaneous multithreading.
          type: dict
          returned: always
          contains:
            active:
              description: Whether it is on.
              type: bool
              returned: always
            control:
              description: The kernel's word for how it is controlled.
              type: str
              returned: always
    kvm:
      description: KVM.
      type: dict
      returned: always
      contains:
        usable:
          description: Whether this user can use C(/dev/kvm).
          type: bool
          returned: always
        hardware:
          description: Whether VT-x, AMD-V or the architecture's equivalent is there, so that guests of type V(kvm)
            make sense.
          type: bool
          returned: always
        cause:
          description:
            - Why KVM can't be used; null where it can.
            - One of V(cpu_unsupported), V(firmware_disabled), V(in_use), V(module_missing), V(module_blocked),
              V(not_loaded), V(device_missing), V(nested_off), V(no_permission), V(container), V(stale_kernel),
              V(unsupported_arch), V(xen_dom0), V(confidential_guest), V(unknown).
          type: str
          returned: always
        message:
          description: The same as a sentence; where KVM works, how.
          type: str
          returned: always
          sample: The processor has AMD-V, but the firmware (BIOS, UEFI) switched it off.
        remedy:
          description: What to do about it.
          type: str
          returned: always
        evidence:
          description: What it was told from.
          type: list
          elements: str
          returned: always
        vendor_module:
          description: The module that drives this processor, loaded or not.
          type: str
          returned: always
          sample: kvm_amd
        api_version:
          description: What C(/dev/kvm) answers; V(12) is right.
          type: int
          returned: always
        device:
          description: The node C(/dev/kvm).
          type: dict
          returned: always
          contains:
            exists:
              description: Whether it is there.
              type: bool
              returned: always
            char:
              description: Whether it is a character device.
              type: bool
              returned: always
            major_minor:
              description: Its number.
              type: str
              returned: always
            mode:
              description: Its mode.
              type: str
              returned: always
            owner:
              description: Its owner.
              type: str
              returned: always
            group:
              description: Its group.
              type: str
              returned: always
            openable:
              description: Whether this user can open it.
              type: bool
              returned: always
            errno:
              description: The error's number where not.
              type: int
              returned: always
        create_vm:
          description: V(ok), V(skipped), or the error's name.
          type: str
          returned: always
        caps:
          description: KVM's capabilities by name (C(KVM_CAP_) and in capitals in the kernel), as
            C(KVM_CHECK_EXTENSION) says.
          type: dict
          returned: always
        max_vcpus:
          description: Virtual processors that one guest can have.
          type: int
          returned: always
        recommended_vcpus:
          description: Virtual processors that one guest should have at most.
          type: int
          returned: always
        modules:
          description: Modules of KVM, vhost and VFIO that are loaded or built in.
          type: list
          elements: dict
          returned: always
          contains:
            name:
              description: The module's name.
              type: str
              returned: always
            builtin:
              description: Whether it is part of the kernel.
              type: bool
              returned: always
            loaded:
              description: Always true here.
              type: bool
              returned: always
            refcnt:
              description: How many hold it.
              type: int
              returned: always
            vendor:
              description: For vendor modules, which (V(intel), V(amd), V(hv), V(pr), V(pvm)).
              type: str
              returned: always
            parameters:
              description: Effective parameters by name, each with C(value), C(raw), C(mode), C(live).
              type: dict
              returned: always
        configured:
          description: What modprobe.d sets; file to module to parameter to value.
          type: dict
          returned: always
        cmdline:
          description: What the kernel's command line sets; module to parameter to value.
          type: dict
          returned: always
        loads_at_boot:
          description: Modules of KVM and its friends that are listed to be loaded at boot; module to file.
          type: dict
          returned: always
        at_load:
          description: Whether KVM takes the processor's virtualisation when it is loaded (C(kvm.enable_virt_at_load)).
          type: bool
          returned: always
        conflicts:
          description: Modules of other hypervisors that are loaded.
          type: list
          elements: str
          returned: always
        blocked:
          description: What keeps modules of KVM from being loaded.
          type: list
          elements: str
          returned: always
        nested:
          description: Whether guests can be hypervisors.
          type: dict
          returned: always
          contains:
            supported:
              description: Whether this KVM can do it.
              type: bool
              returned: always
            enabled:
              description: Whether it is on.
              type: bool
              returned: always
            parameter:
              description: The parameter that switches it.
              type: str
              returned: always
    secure:
      description: Kinds of confidential guests, each with C(supported), C(enabled), C(reason) and, for SEV,
        C(guests_max).
      type: dict
      returned: always
      contains:
        sev:
          description: Encrypted memory (AMD).
          type: dict
          returned: always
        sev_es:
          description: Encrypted registers too.
          type: dict
          returned: always
        sev_snp:
          description: Memory that the host can't rearrange either.
          type: dict
          returned: always
        tdx:
          description: Trust domains (Intel).
          type: dict
          returned: always
        sgx:
          description: Enclaves in guests (Intel).
          type: dict
          returned: always
        s390_pv:
          description: Secure Execution (IBM Z).
          type: dict
          returned: always
    irq_clock:
      description: Interrupt chips and clocks.
      type: dict
      returned: always
      contains:
        irqchip:
          description: PIC, IOAPIC and local APIC (or the architecture's own) in the kernel.
          type: bool
          returned: always
        split_irqchip:
          description: The local APIC in the kernel, the rest in QEMU.
          type: bool
          returned: always
        pit:
          description: The PIT in the kernel.
          type: bool
          returned: always
        ioapic:
          description: Values of a domain's C(features.ioapic) that work here.
          type: list
          elements: str
          returned: always
        kvmclock:
          description: kvm-clock can be offered to guests.
          type: bool
          returned: always
        kvmclock_tsc_stable:
          description: It rests on a stable TSC.
          type: bool
          returned: always
        kvmclock_realtime:
          description: It can be set by wall-clock time.
          type: bool
          returned: always
        kvmclock_host_tsc:
          description: It tells the host's TSC.
          type: bool
          returned: always
        tsc_control:
          description: A guest's TSC can run at another rate.
          type: bool
          returned: always
        tsc_deadline:
          description: Guests have the TSC deadline timer.
          type: bool
          returned: always
        tsc_invariant:
          description: The host's TSC runs at one rate, asleep too.
          type: bool
          returned: always
        hyperv_time:
          description: Hyper-V's clock can be offered to guests.
          type: bool
          returned: always
        host_clocksource:
          description: The clock source that the host uses.
          type: str
          returned: always
        host_clocksources:
          description: Those that it could use.
          type: list
          elements: str
          returned: always
    devices:
      description: Device nodes that guests and libvirt use, by name (C(kvm), C(vhost_net), C(vhost_vsock), C(tun),
        C(vfio), C(sev), C(sgx_vepc), C(userfaultfd)), each as RV(host.kvm.device) without C(openable) and C(errno).
      type: dict
      returned: always
    iommu:
      description: The IOMMU.
      type: dict
      returned: always
      contains:
        present:
          description: Whether there is one.
          type: bool
          returned: always
        enabled:
          description: Whether the kernel uses it.
          type: bool
          returned: always
        type:
          description: V(intel), V(amd), V(arm), V(virtio), V(riscv), V(s390) or V(ppc).
          type: str
          returned: always
        tables:
          description: The firmware's tables that tell of it.
          type: list
          elements: str
          returned: always
        interrupt_remapping:
          description: Whether it remaps interrupts (x86).
          type: bool
          returned: always
        passthrough:
          description: Whether the host's own devices go past it.
          type: bool
          returned: always
        unsafe_interrupts:
          description: Whether VFIO goes without interrupt remapping.
          type: bool
          returned: always
        acs_override:
          description: Whether groups are made smaller than the hardware is (C(pcie_acs_override)).
          type: bool
          returned: always
        groups:
          description: Groups with C(id), C(type) and C(devices), which have C(address), C(driver), C(override) (the
            driver that was chosen), C(class), C(vendor_device).
          type: list
          elements: dict
          returned: always
    sriov:
      description: Devices with virtual functions.
      type: list
      elements: dict
      returned: always
      contains:
        device:
          description: The PCI address.
          type: str
          returned: always
        interfaces:
          description: Its network interfaces.
          type: list
          elements: str
          returned: always
        driver:
          description: Its driver.
          type: str
          returned: always
        total:
          description: Functions that it can have.
          type: int
          returned: always
        current:
          description: Functions that it has.
          type: int
          returned: always
    cgroup:
      description: Control groups.
      type: dict
      returned: always
      contains:
        version:
          description: V(v1), V(v2) or V(hybrid).
          type: str
          returned: always
        controllers:
          description: Controllers in use.
          type: list
          elements: str
          returned: always
        delegated:
          description: Those that the root of v2 hands down to groups below it.
          type: list
          elements: str
          returned: always
    memory:
      description: Memory; sizes in bytes.
      type: dict
      returned: always
      contains:
        total:
          description: What there is.
          type: int
          returned: always
        available:
          description: What could be used without swapping.
          type: int
          returned: always
        swap:
          description: C(total), C(free) and C(devices).
          type: dict
          returned: always
        hugepages:
          description: C(total) and C(free) pages by C(size) and C(node).
          type: list
          elements: dict
          returned: always
        hugepages_asked:
          description: Pages that the configuration asks for, by size.
          type: dict
          returned: always
        default_hugepage:
          description: The size that is meant where none is named.
          type: int
          returned: always
        mounts:
          description: Where huge pages are mounted, with C(path) and C(size).
          type: list
          elements: dict
          returned: always
        thp:
          description: Transparent huge pages (C(enabled), C(defrag), C(use_zero_page)).
          type: dict
          returned: always
        ksm:
          description: Merging of equal pages, the kernel's own names.
          type: dict
          returned: always
        overcommit:
          description: C(vm.overcommit_memory).
          type: int
          returned: always
        swappiness:
          description: C(vm.swappiness).
          type: int
          returned: always
    numa:
      description: Memory nodes.
      type: dict
      returned: always
      contains:
        nodes:
          description: Each with C(id), C(cpus), C(total), C(free), C(distances).
          type: list
          elements: dict
          returned: always
        balancing:
          description: Whether the kernel moves memory to where it is used.
          type: bool
          returned: always
    qemu:
      description: QEMU's emulators, one for each architecture that a guest may have.
      type: list
      elements: dict
      returned: always
      contains:
        arch:
          description: The architecture.
          type: str
          returned: always
        binary:
          description: The program.
          type: str
          returned: always
        version:
          description: Its version.
          type: str
          returned: always
        kvm:
          description: Whether it can use KVM here.
          type: bool
          returned: always
    libvirt:
      description: libvirt.
      type: dict
      returned: always
      contains:
        installed:
          description: Whether a daemon of it is installed.
          type: bool
          returned: always
        version:
          description: Its version.
          type: str
          returned: always
          sample: 9.0.0
        mode:
          description: How it runs; V(none), V(monolithic) (libvirtd), V(modular) (virtqemud and others), V(mixed).
          type: str
          returned: always
        default_boot_mode:
          description: How it comes up at boot.
          type: str
          returned: always
        units:
          description: Each daemon, with C(installed), C(running), C(listening), C(enabled).
          type: dict
          returned: always
        drivers:
          description: Drivers that are installed, such as V(qemu), V(network), V(storage).
          type: list
          elements: str
          returned: always
        active_sockets:
          description: Names below C(/run/libvirt) on which something listens.
          type: list
          elements: str
          returned: always
        guests_service:
          description: Whether C(libvirt-guests.service) is enabled.
          type: bool
          returned: always
        conf:
          description: Configuration files by name, with C(mode), C(values) (secrets as true), C(unknown) keys, and what
            is C(unmet), by key what its value needs on this host and doesn't find.
          type: dict
          returned: always
        tls:
          description: Whether it is C(enabled); C(certificates) (C(use), C(path), and of the first of C(count) in the
            file C(subject), C(issuer), C(san), C(not_after)); private keys that others can read (C(open_keys)).
          type: dict
          returned: always
        uri:
          description: The connection that was asked; null without O(uri), and so are the following keys.
          type: str
          returned: always
        reachable:
          description: Whether it answers.
          type: bool
          returned: always
        error:
          description: Why not.
          type: str
          returned: always
        hypervisor_version:
          description: QEMU's version as libvirt sees it.
          type: str
          returned: always
        security:
          description: Security drivers in use.
          type: list
          elements: str
          returned: always
        pool_backends:
          description: Kinds of storage pools, and whether libvirt can have them.
          type: dict
          returned: always
        domcaps:
          description: What domains of the host's architecture may have.
          type: dict
          returned: always
    network:
      description: The network.
      type: dict
      returned: always
      contains:
        bridges:
          description: Each with C(name), C(ports), C(stp), C(vlan_filtering), C(up).
          type: list
          elements: dict
          returned: always
        virbr:
          description: Those that libvirt made.
          type: list
          elements: str
          returned: always
        ip_forward:
          description: Whether IPv4 is forwarded.
          type: bool
          returned: always
        ip6_forward:
          description: Whether IPv6 is forwarded.
          type: bool
          returned: always
        rp_filter:
          description: C(net.ipv4.conf.all.rp_filter).
          type: int
          returned: always
        bridge_nf:
          description: Whether bridged frames pass the firewall, by the kernel's names.
          type: dict
          returned: always
        routes:
          description: IPv4 routes with C(destination) and C(device).
          type: list
          elements: dict
          returned: always
        firewall_programs:
          description: Firewall programs that are installed.
          type: list
          elements: str
          returned: always
        firewall_backend:
          description: What libvirt is told to use; null where that is left to it.
          type: str
          returned: always
        firewalld:
          description: Whether firewalld runs.
          type: bool
          returned: always
        docker:
          description: Whether Docker is here, which changes the firewall.
          type: bool
          returned: always
        hostname:
          description: The host's name.
          type: str
          returned: always
        hostname_address:
          description: Its address in C(/etc/hosts).
          type: str
          returned: always
    security:
      description: How guests are confined, and who may reach what.
      type: dict
      returned: always
      contains:
        qemu:
          description: Settings of C(/etc/libvirt/qemu.conf) that confine QEMU, defaults filled in.
          type: dict
          returned: always
        apparmor_profiles:
          description: AppArmor's profiles of libvirt and its guests.
          type: list
          elements: str
          returned: always
        groups:
          description: Members of the groups that matter.
          type: dict
          returned: always
        listeners:
          description: TCP ports of libvirt and guests that are open, with C(address), C(port), C(use), C(anywhere).
          type: list
          elements: dict
          returned: always
        audit:
          description: Whether auditd runs.
          type: bool
          returned: always
        time_service:
          description: The service that keeps the time.
          type: str
          returned: always
        host_uuid:
          description: The UUID that tells this host from others.
          type: str
          returned: always
        disks:
          description: Room where images and logs lie, with C(path), C(total), C(free).
          type: list
          elements: dict
          returned: always
    checks:
      description: The checks, in a fixed order; empty unless V(checks) or V(all) was asked for.
      type: list
      elements: dict
      returned: always
      contains:
        id:
          description: The check's name, such as V(kvm.device), V(iommu), V(sec.listen).
          type: str
          returned: always
        status:
          description: V(ok), V(info), V(warn), V(fail) or V(skipped).
          type: str
          returned: always
        message:
          description: What was found.
          type: str
          returned: always
        remedy:
          description: What to do about it.
          type: str
          returned: always
        evidence:
          description: What it was told from.
          type: dict
          returned: always
    pending:
      description: What is configured and not yet in effect.
      type: list
      elements: dict
      returned: always
      contains:
        kind:
          description: What it waits for; V(reboot), V(module_reload), V(relogin), V(daemon_restart) or
            V(guest_restart).
          type: str
          returned: always
        reason:
          description: Why.
          type: str
          returned: always
        source:
          description: The file that has it.
          type: str
          returned: always
        wanted:
          description: What it shall be.
          type: str
          returned: always
        current:
          description: What it is.
          type: str
          returned: always
    notes:
      description: What could not be found out, and why.
      type: list
      elements: str
      returned: always
"""

import typing as t

from ansible_collections.metal.kvm.plugins.module_utils._ansible import run_local_info
from ansible_collections.metal.kvm.plugins.module_utils._host.report import argument_spec, read


def ask(uri: str) -> dict[str, t.Any]:
    """What libvirt says on a connection; its bindings are loaded only now."""
    from ansible_collections.metal.kvm.plugins.module_utils._objects.connection import report

    return report(uri)


def main() -> None:
    """Read the host."""
    run_local_info(lambda params: read(params, ask), argument_spec())


if __name__ == "__main__":
    main()
