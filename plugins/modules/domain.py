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
  - metal.kvm._attributes.action_group
  - metal.kvm._connection
# generated from the table by nox -s docs: do not edit below
options:
  name:
    description: 'The domain''s name: its identity.'
    type: str
    required: true
  state:
    description:
      - The state to bring it to. Left out, or V(present), a missing domain is made (and is off), and
        one that is there keeps its state.
      - V(saved) stops it with its memory on disk. V(absent) removes it from any state; see O(storage).
    type: str
    choices: [running, stopped, paused, saved, present, absent]
  memory:
    description: The memory that the guest has, V(2 GiB). Raises the maximum where that is lower.
    type: str
  vcpus:
    description: How many vCPUs the guest has. Raises the maximum where that is lower.
    type: int
  disks:
    description: All disks, CD-ROM and floppy drives. What isn't listed is detached; its data stay.
    type: list
    elements: dict
    suboptions:
      target:
        description: 'The device name in the guest, V(vda), V(sdb): the disk''s identity.'
        type: str
      device:
        description: What the guest sees.
        type: str
        choices: [disk, cdrom, floppy, lun]
      size:
        description:
          - The size of the disk's volume, V(20 GiB). A volume that isn't there is made in O(disks[].pool),
            one that is smaller grows, in a running guest too. It never shrinks, and it's never deleted
            for it.
          - Left out, O(disks[].volume) is the volume that the disk has, for a new one V(web1-vdb.qcow2)
            after the domain and the target.
        type: str
      backing:
        description: 'What a new volume is an overlay of, as O(metal.kvm.volume#module:backing) has it:
          a volume of the same pool, or a dict.'
        type: raw
      source:
        description: What a new volume is a copy of, as O(metal.kvm.volume#module:source) has it.
        type: dict
        suboptions:
          url:
            description: An address to download the content from.
            type: str
          file:
            description: A file on the machine that runs the module.
            type: path
          volume:
            description: A volume to copy.
            type: str
          pool:
            description: The pool of O(disks[].source.volume), where it's another one.
            type: str
          checksum:
            description: V(sha256:) or V(sha512:) and the digits, or the address of a list like SHA256SUMS.
            type: str
          format:
            description: The format of the source, where it shall not be read from it.
            type: str
      file:
        description: A file on the hypervisor.
        type: str
      block:
        description: A block device on the hypervisor.
        type: str
      pool:
        description: The pool of O(disks[].volume).
        type: str
      volume:
        description: A volume of a storage pool.
        type: str
      volume_mode:
        description: Whether an iSCSI volume is reached by the host's device or by QEMU itself.
        type: str
        choices: [host, direct]
      network:
        description: 'A disk on the network: Ceph (V(rbd)), iSCSI, NBD and others. O(disks[].auth) is
          for its login.'
        type: dict
        suboptions:
          protocol:
            description: How the disk is reached.
            type: str
            choices: [rbd, nbd, iscsi, http, https, ftp, ftps, tftp, sheepdog, gluster, ssh, nfs, vxhs]
          name:
            description: 'What is reached: V(pool/image) for rbd, the export for nbd, V(target/lun) for
              iscsi, the path for http.'
            type: str
          query:
            description: What follows the question mark of an http or https address.
            type: str
          hosts:
            description: Where the servers are.
            type: list
            elements: dict
            suboptions:
              name:
                description: Host name or address.
                type: str
              port:
                description: TCP port.
                type: int
              transport:
                description: Transport.
                type: str
                choices: [tcp, rdma, unix]
              socket:
                description: Path of the UNIX socket.
                type: str
          tls:
            description: Whether the connection is encrypted (nbd).
            type: bool
          tls_hostname:
            description: The name that the server's certificate must be for (nbd).
            type: str
          snapshot:
            description: A snapshot of the image (rbd).
            type: str
          config:
            description: A configuration file for the client (rbd).
            type: str
          user:
            description: The user by name, or by number like V(+1000) (nfs).
            type: str
          group:
            description: The group by name, or by number like V(+1000) (nfs).
            type: str
          initiator:
            description: The initiator's own name (iscsi).
            type: str
          ssl_verify:
            description: Whether the server's certificate is checked (https, ftps).
            type: bool
          cookies:
            description: Cookies by name (http, https). Full when given.
            type: dict
          readahead:
            description: How much is read ahead (http, https, ftp, ftps).
            type: str
          timeout:
            description: How long to wait for an answer, in seconds (http, https, ftp, ftps).
            type: int
          reconnect_delay:
            description: How long to try to connect again, in seconds (nbd).
            type: int
      nvme:
        description: A namespace of an NVMe device given to QEMU.
        type: dict
        suboptions:
          address:
            description: The device's PCI address, V(0000:01:00.0).
            type: str
          namespace:
            description: The number of the namespace.
            type: int
          managed:
            description: Whether libvirt takes the device from its driver and gives it back.
            type: bool
      vhostuser:
        description: A disk served by another process.
        type: dict
        suboptions:
          path:
            description: Path of the UNIX socket.
            type: str
          reconnect:
            description: Whether to connect again when the other process is gone.
            type: bool
          reconnect_timeout:
            description: How long between two tries, in seconds.
            type: int
      dir:
        description: A directory shown as a FAT file system.
        type: str
      bus:
        description: How it's attached; from the target's name where it's left out.
        type: str
        choices: [virtio, scsi, sata, usb, ide, fdc, sd]
      model:
        description: The virtio device.
        type: str
        choices: [virtio, virtio-transitional, virtio-non-transitional]
      format:
        description: The format of the image. A new disk takes the volume's, or reads the file's once;
          never probed again.
        type: str
      cache:
        description: The host's cache mode.
        type: str
        choices: [default, none, writethrough, writeback, directsync, unsafe]
      io:
        description: How QEMU does input and output.
        type: str
        choices: [threads, native, io_uring]
      discard:
        description: Whether discarded blocks are given back.
        type: str
        choices: [unmap, ignore]
      detect_zeroes:
        description: What becomes of written zeroes.
        type: str
        choices: ['off', 'on', unmap]
      discard_no_unref:
        description: Whether discarded clusters of a qcow2 image keep their place.
        type: bool
      copy_on_read:
        description: Whether what is read from the backing image is copied.
        type: bool
      error_policy:
        description: What follows a failed write.
        type: str
        choices: [stop, report, ignore, enospace]
      rerror_policy:
        description: What follows a failed read.
        type: str
        choices: [stop, report, ignore]
      queues:
        description: Number of virtio queues.
        type: int
      queue_size:
        description: Length of each virtio queue.
        type: int
      iothread:
        description: The iothread that serves it.
        type: int
      ioeventfd:
        description: Whether requests are taken outside of the vCPU's thread.
        type: bool
      event_idx:
        description: Whether interrupts and exits are saved.
        type: bool
      metadata_cache:
        description: The most memory for the metadata of a qcow2 image.
        type: str
      read_only:
        description: Whether the guest may only read.
        type: bool
      shareable:
        description: Whether several guests may use it at once.
        type: bool
      transient:
        description: Whether all that is written is lost when the guest goes off.
        type: bool
      serial:
        description: Serial number that the guest sees.
        type: str
      wwn:
        description: World Wide Name, 16 hexadecimal digits.
        type: str
      vendor:
        description: Vendor that the guest sees, up to 8 characters (SCSI).
        type: str
      product:
        description: Product that the guest sees, up to 16 characters (SCSI).
        type: str
      boot_order:
        description: Place in the boot order, from 1. Not together with O(boot.order).
        type: int
      startup_policy:
        description: What a missing source does to a start of the guest.
        type: str
        choices: [mandatory, requisite, optional]
      snapshot:
        description: What a snapshot of the guest does with it.
        type: str
        choices: [internal, external, 'no', manual]
      tray:
        description: Whether the drive's tray is open at the start.
        type: str
        choices: [open, closed]
      removable:
        description: Whether the guest sees a removable disk (USB, SCSI).
        type: bool
      rotation_rate:
        description: Revolutions per minute that the guest sees; V(1) for none.
        type: int
      rawio:
        description: Whether the guest may send any SCSI command (V(device=lun)).
        type: bool
      sgio:
        description: Whether SCSI commands of the guest are filtered (V(device=lun)).
        type: str
        choices: [filtered, unfiltered]
      auth:
        description: How to log in to a disk on the network, O(disks[].network).
        type: dict
        suboptions:
          username:
            description: The name to log in with.
            type: str
          secret_type:
            description: What the secret is for. Left out, it's what the protocol takes.
            type: str
            choices: [ceph, iscsi]
          secret_uuid:
            description: The UUID of libvirt's secret.
            type: str
          secret_usage:
            description: The usage name of libvirt's secret, instead of its UUID.
            type: str
      encryption:
        description: How the image is encrypted; QEMU opens it with one of libvirt's secrets.
        type: dict
        suboptions:
          format:
            description: The kind of encryption.
            type: str
            choices: [luks, luks2, luks-any, qcow]
          engine:
            description: Who decrypts.
            type: str
            choices: [qemu, librbd]
          secret_uuid:
            description: The UUID of libvirt's secret.
            type: str
          secret_usage:
            description: The usage name of libvirt's secret, instead of its UUID.
            type: str
      iotune:
        description: Limits of its throughput.
        type: dict
        suboptions:
          total_bytes_sec:
            description: Bytes per second, read and written together. V(0) for no limit.
            type: int
          read_bytes_sec:
            description: Bytes per second, read. V(0) for no limit.
            type: int
          write_bytes_sec:
            description: Bytes per second, written. V(0) for no limit.
            type: int
          total_iops_sec:
            description: Operations per second, read and written together. V(0) for no limit.
            type: int
          read_iops_sec:
            description: Operations per second, read. V(0) for no limit.
            type: int
          write_iops_sec:
            description: Operations per second, written. V(0) for no limit.
            type: int
          total_bytes_sec_max:
            description: Bytes per second in a burst, read and written together. V(0) for no limit.
            type: int
          read_bytes_sec_max:
            description: Bytes per second in a burst, read. V(0) for no limit.
            type: int
          write_bytes_sec_max:
            description: Bytes per second in a burst, written. V(0) for no limit.
            type: int
          total_iops_sec_max:
            description: Operations per second in a burst, read and written together. V(0) for no limit.
            type: int
          read_iops_sec_max:
            description: Operations per second in a burst, read. V(0) for no limit.
            type: int
          write_iops_sec_max:
            description: Operations per second in a burst, written. V(0) for no limit.
            type: int
          total_bytes_sec_max_length:
            description: Length of a burst of bytes, in seconds, read and written together. V(0) for no
              limit.
            type: int
          read_bytes_sec_max_length:
            description: Length of a burst of bytes, in seconds, read. V(0) for no limit.
            type: int
          write_bytes_sec_max_length:
            description: Length of a burst of bytes, in seconds, written. V(0) for no limit.
            type: int
          total_iops_sec_max_length:
            description: Length of a burst of operations, in seconds, read and written together. V(0)
              for no limit.
            type: int
          read_iops_sec_max_length:
            description: Length of a burst of operations, in seconds, read. V(0) for no limit.
            type: int
          write_iops_sec_max_length:
            description: Length of a burst of operations, in seconds, written. V(0) for no limit.
            type: int
          size_iops_sec:
            description: How many bytes count as one operation.
            type: int
          group_name:
            description: A name that disks share that share the limits.
            type: str
      geometry:
        description: The geometry that the guest sees.
        type: dict
        suboptions:
          cyls:
            description: Cylinders.
            type: int
          heads:
            description: Heads.
            type: int
          secs:
            description: Sectors in a track.
            type: int
          trans:
            description: The BIOS's translation.
            type: str
            choices: [auto, none, lba]
      block_io:
        description: The sizes of sectors that the guest sees.
        type: dict
        suboptions:
          logical_block_size:
            description: Logical sector, in bytes.
            type: int
          physical_block_size:
            description: Physical sector, in bytes.
            type: int
          discard_granularity:
            description: The least that can be discarded, in bytes.
            type: int
      reservations:
        description: Persistent reservations (V(device=lun)).
        type: dict
        suboptions:
          managed:
            description: Whether libvirt runs the process that does them.
            type: bool
          path:
            description: Path of the UNIX socket of a process of your own.
            type: str
      slice:
        description: The part of the source that is the disk.
        type: dict
        suboptions:
          offset:
            description: Where it begins, in bytes.
            type: int
          size:
            description: How long it is, in bytes.
            type: int
      virtio:
        description: The virtio transport.
        type: dict
        suboptions:
          iommu:
            description: Whether it goes through the guest's IOMMU.
            type: bool
          ats:
            description: Whether it uses address translation services.
            type: bool
          packed:
            description: Whether it uses packed virtqueues.
            type: bool
          page_per_vq:
            description: Whether each queue's notifications have a page of their own.
            type: bool
      alias:
        description: A name of your own for it, starting with V(ua-).
        type: str
      acpi_index:
        description: 'Number that the guest''s firmware shows for it: names C(eno1) and so on.'
        type: int
      address:
        description: 'Where it sits, in libvirt''s words: V(type), V(bus), V(slot) and so on. libvirt
          finds a place where it''s left out, and it stays. When the device gets another bus or model,
          libvirt finds another place.'
        type: dict
  interfaces:
    description: All network interfaces.
    type: list
    elements: dict
    suboptions:
      network:
        description: A libvirt network.
        type: str
      portgroup:
        description: A portgroup of the network.
        type: str
      bridge:
        description: A bridge of the host.
        type: str
      direct:
        description: A macvtap on an interface of the host.
        type: dict
        suboptions:
          dev:
            description: The host's interface.
            type: str
          mode:
            description: How they're coupled.
            type: str
            choices: [bridge, vepa, private, passthrough]
      user:
        description: 'User-mode networking: out only, no rights needed.'
        type: bool
      ethernet:
        description: A tap device of the host, see O(interfaces[].target_dev).
        type: bool
      hostdev:
        description: A device of the host given to the guest.
        type: dict
        suboptions:
          address:
            description: The device's PCI address, V(0000:3b:02.0).
            type: str
          managed:
            description: Whether libvirt takes the device from its driver and gives it back.
            type: bool
          driver:
            description: The driver that gives it away.
            type: str
            choices: [vfio]
      vhostuser:
        description: A switch in another process (DPDK).
        type: dict
        suboptions:
          path:
            description: Path of the UNIX socket.
            type: str
          mode:
            description: Whether QEMU is the V(server) or the V(client).
            type: str
            choices: [server, client]
          reconnect:
            description: Whether a client connects again.
            type: bool
          reconnect_timeout:
            description: How long between two tries, in seconds.
            type: int
      vdpa:
        description: A vDPA device of the host, V(/dev/vhost-vdpa-0).
        type: str
      mcast:
        description: A multicast group that guests share.
        type: dict
        suboptions:
          address:
            description: IP address.
            type: str
          port:
            description: Port.
            type: int
      server:
        description: A TCP socket that another guest connects to.
        type: dict
        suboptions:
          address:
            description: IP address.
            type: str
          port:
            description: Port.
            type: int
      client:
        description: A TCP socket of another guest.
        type: dict
        suboptions:
          address:
            description: IP address.
            type: str
          port:
            description: Port.
            type: int
      udp:
        description: A UDP tunnel to another guest.
        type: dict
        suboptions:
          address:
            description: IP address.
            type: str
          port:
            description: Port.
            type: int
          local_address:
            description: IP address of this side.
            type: str
          local_port:
            description: Port of this side.
            type: int
      unconnected:
        description: 'Nothing on the other side: libvirt can''t start a guest of QEMU with it.'
        type: bool
      mac:
        description: 'The MAC address: the interface''s identity. A new one is made up where it''s left
          out.'
        type: str
      alias:
        description: A name of your own for it, starting with V(ua-).
        type: str
      model:
        description: 'The network card that the guest sees: V(virtio), V(e1000e) and others.'
        type: str
      mtu:
        description: Largest packet, in bytes.
        type: int
      link:
        description: Whether the cable is plugged in.
        type: str
        choices: [up, down]
      boot_order:
        description: Place in the boot order, from 1. Not together with O(boot.order).
        type: int
      target_dev:
        description: The name of the host's side; libvirt makes one up where it's left out.
        type: str
      target_managed:
        description: Whether libvirt makes the tap device, or finds it (O(interfaces[].ethernet)).
        type: bool
      filter:
        description: The network filter of its traffic.
        type: dict
        suboptions:
          name:
            description: The filter's name.
            type: str
          parameters:
            description: Parameters by name; a list for one with several values. Full when given.
            type: dict
      bandwidth:
        description: Limits of its traffic, from the guest's view.
        type: dict
        suboptions:
          inbound:
            description: To the guest.
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
              floor:
                description: What it always gets, in KiB/s, on a network with limits of its own.
                type: int
          outbound:
            description: From the guest.
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
        description: VLANs, on Open vSwitch and SR-IOV.
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
        description: The port on a switch that isn't a Linux bridge.
        type: dict
        suboptions:
          type:
            description: What the port is on.
            type: str
            choices: [openvswitch, midonet, 802.1Qbg, 802.1Qbh]
          interfaceid:
            description: The interface's UUID; libvirt makes one up (Open vSwitch).
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
      driver:
        description: The driver on the host's side.
        type: dict
        suboptions:
          name:
            description: Where virtio's queues are served.
            type: str
            choices: [vhost, qemu]
          queues:
            description: Number of queue pairs.
            type: int
          rx_queue_size:
            description: Length of each receive queue.
            type: int
          tx_queue_size:
            description: Length of each send queue.
            type: int
          txmode:
            description: How packets are sent.
            type: str
            choices: [iothread, timer]
          ioeventfd:
            description: Whether requests are taken outside of the vCPU's thread.
            type: bool
          event_idx:
            description: Whether interrupts and exits are saved.
            type: bool
          rss:
            description: Whether packets are spread over the queues.
            type: bool
          rss_hash_report:
            description: Whether the guest is told the hash of each packet.
            type: bool
          host:
            description: What the host takes off the guest.
            type: dict
            suboptions:
              csum:
                description: For checksums.
                type: bool
              gso:
                description: For segments of any kind.
                type: bool
              tso4:
                description: For TCP segments over IPv4.
                type: bool
              tso6:
                description: For TCP segments over IPv6.
                type: bool
              ecn:
                description: For TCP segments with ECN.
                type: bool
              ufo:
                description: For UDP fragments.
                type: bool
              mrg_rxbuf:
                description: For packets in several buffers.
                type: bool
          guest:
            description: What the guest takes as the host has it.
            type: dict
            suboptions:
              csum:
                description: For checksums.
                type: bool
              tso4:
                description: For TCP segments over IPv4.
                type: bool
              tso6:
                description: For TCP segments over IPv6.
                type: bool
              ecn:
                description: For TCP segments with ECN.
                type: bool
              ufo:
                description: For UDP fragments.
                type: bool
      backend:
        description: Who carries the traffic.
        type: dict
        suboptions:
          type:
            description: The process that does user-mode networking.
            type: str
            choices: [passt, default]
          log_file:
            description: The log of passt.
            type: str
          tap:
            description: The tap device's file, where it isn't /dev/net/tun.
            type: str
          vhost:
            description: The vhost device's file, where it isn't /dev/vhost-net.
            type: str
      port_isolated:
        description: Whether it reaches the host and the outside only, not other guests.
        type: bool
      trust_guest_rx_filters:
        description: Whether the guest may change its filters and MAC address.
        type: bool
      coalesce:
        description: How many packets the host's side collects before it passes them on.
        type: int
      sndbuf:
        description: The send buffer of the host's side, in bytes; V(0) for no limit.
        type: int
      script:
        description: A program that sets the host's side up (O(interfaces[].ethernet)).
        type: str
      downscript:
        description: A program that takes the host's side down (O(interfaces[].ethernet)).
        type: str
      mac_type:
        description: Whether a MAC address in VMware's range was made up.
        type: str
        choices: [generated, static]
      mac_check:
        description: Whether a MAC address in VMware's range is checked.
        type: bool
      rom:
        description: The card's boot ROM.
        type: dict
        suboptions:
          enabled:
            description: Whether it's shown to the guest.
            type: bool
          bar:
            description: Whether it's in the guest's memory map.
            type: bool
          file:
            description: Another one, from this file on the hypervisor.
            type: str
      teaming:
        description: A virtio card that stands in for a device given to the guest.
        type: dict
        suboptions:
          type:
            description: Which of the pair it is.
            type: str
            choices: [persistent, transient]
          persistent:
            description: The alias of the one that stays, for V(transient).
            type: str
      ips:
        description: Addresses that the guest is given (V(user)).
        type: list
        elements: dict
        suboptions:
          address:
            description: The address.
            type: str
            required: true
          family:
            description: Which IP it is.
            type: str
            choices: [ipv4, ipv6]
          prefix:
            description: The length of its subnet's prefix.
            type: int
          peer:
            description: The address on the other side.
            type: str
      host_ips:
        description: Addresses of the host's side (V(ethernet)).
        type: list
        elements: dict
        suboptions:
          address:
            description: The address.
            type: str
            required: true
          family:
            description: Which IP it is.
            type: str
            choices: [ipv4, ipv6]
          prefix:
            description: The length of its subnet's prefix.
            type: int
          peer:
            description: The address on the other side.
            type: str
      host_routes:
        description: Routes by the host's side (V(ethernet)).
        type: list
        elements: dict
        suboptions:
          address:
            description: The subnet that is reached.
            type: str
            required: true
          family:
            description: Which IP it is.
            type: str
            choices: [ipv4, ipv6]
          prefix:
            description: The length of its prefix.
            type: int
          gateway:
            description: The address that leads there.
            type: str
          metric:
            description: The metric.
            type: int
      port_forwards:
        description: Ports of the host that lead to the guest, with V(user) and O(interfaces[].backend.type=passt).
        type: list
        elements: dict
        suboptions:
          protocol:
            description: The protocol.
            type: str
            required: true
            choices: [tcp, udp]
          address:
            description: The host's address; all where it's left out.
            type: str
          dev:
            description: The host's interface; all where it's left out.
            type: str
          ranges:
            description: The ports; all where none are said.
            type: list
            elements: dict
            suboptions:
              start:
                description: The first port.
                type: int
                required: true
              end:
                description: The last port; the first where it's left out.
                type: int
              to:
                description: The guest's first port; the same where it's left out.
                type: int
              exclude:
                description: Whether these are left out of the others.
                type: bool
      virtio:
        description: The virtio transport.
        type: dict
        suboptions:
          iommu:
            description: Whether it goes through the guest's IOMMU.
            type: bool
          ats:
            description: Whether it uses address translation services.
            type: bool
          packed:
            description: Whether it uses packed virtqueues.
            type: bool
          page_per_vq:
            description: Whether each queue's notifications have a page of their own.
            type: bool
      acpi_index:
        description: 'Number that the guest''s firmware shows for it: names C(eno1) and so on.'
        type: int
      address:
        description: 'Where it sits, in libvirt''s words: V(type), V(bus), V(slot) and so on. libvirt
          finds a place where it''s left out, and it stays. When the device gets another bus or model,
          libvirt finds another place.'
        type: dict
  autostart:
    description: Whether it starts with the host. A new domain doesn't unless told.
    type: bool
  apply:
    description:
      - V(live) changes the definition, and the running guest where libvirt can; the rest is in RV(restart_required).
      - V(stage) changes the definition only.
      - V(restart) restarts a running guest gracefully if, and only if, something is left over.
    type: str
    choices: [live, stage, restart]
    default: live
  force:
    description: Pull the plug instead of asking the guest, where a stop is asked for.
    type: bool
    default: false
  shutdown_timeout:
    description: How long a guest that was asked to shut down may take, in seconds. After that the task
      fails and it still runs.
    type: int
    default: 120
  discard_saved:
    description: Allow V(state=stopped) and V(state=absent) to throw saved memory away.
    type: bool
    default: false
  storage:
    description: What V(state=absent) does with the disks. V(delete) never touches read-only, shareable,
      CD-ROM or backing images, nor what anything else uses or may use. A warning names what is kept and
      why.
    type: str
    choices: [keep, delete]
    default: keep
  hotplug_ports:
    description: Spare PCIe ports that a new domain gets, so that as many devices can be attached while
      it runs. V(0) leaves the ports to libvirt. A domain that changes from a O(machine) without such
      ports to one with them gets them too.
    type: int
    default: 12
  creation_only:
    description:
      - Options of this task that are for creation only. If the domain exists already, the task is run
        as if they were left out.
      - An entry is the name of an option, or of an option of a list's items, as in V(interfaces[].network).
      - This is how a role gives defaults to a new domain without changing one that exists.
    type: list
    elements: str
  unset:
    description: Paths of options that go back to libvirt's own default, V(features.ioapic), V(disks[vda].cache).
    type: list
    elements: str
  cloud_init:
    description:
      - 'The NoCloud seed: a small volume beside the first disk from which cloud-init configures the guest.'
      - The guest sees it as a read-only disk if its first disk is a virtio one, else as a CD-ROM drive
        on the bus of the first disk. The seed of a domain that exists stays where it is. O(wait_for.cloud_init)
        tells whether the guest has used it.
    type: dict
    suboptions:
      user_data:
        description: A dict for C(#cloud-config), or the text of the file.
        type: raw
      meta_data:
        description: Added to C(instance-id) (the UUID) and C(local-hostname) (the name).
        type: dict
      network_config:
        description: A dict in version 1 or 2 of cloud-init's network format, or its text.
        type: raw
      vendor_data:
        description: What the site wants of all its guests, in the form of O(cloud_init.user_data), which
          goes before it.
        type: raw
      pool:
        description: The pool for the seed, where it isn't the first disk's.
        type: str
      reseed:
        description: Give a changed seed a new C(instance-id), so that cloud-init runs anew at the next
          boot.
        type: bool
        default: false
      show_user_data:
        description: Show the seed's files in diffs in full, instead of their keys and a digest. Values
          that look like passwords stay hidden.
        type: bool
        default: false
      state:
        description: V(absent) removes the drive and deletes the seed.
        type: str
        choices: [present, absent]
        default: present
  source_domain:
    description:
      - 'Make a domain that isn''t there yet from another: its definition with a new UUID, new MAC addresses
        and its own NVRAM, and a new volume for each writable disk. The task''s options go on top.'
      - The other domain must be off. On a domain that is there this option does nothing.
    type: dict
    suboptions:
      name:
        description: The domain to clone.
        type: str
        required: true
      disks:
        description: V(overlay) backs the new volumes by the old ones, which then must not be written
          any more.
        type: str
        choices: [copy, overlay]
        default: copy
  install:
    description:
      - 'Install a domain that isn''t there yet: its first boot is from the installer''s medium, with
        the answers given, and undoes itself. When the guest goes off, or reboots, the medium is gone,
        and the domain starts from its disk as O(state) says. The definition never has anything of it.'
      - A run that is killed on the way is finished by the next one. On a domain that is there, and not
        being installed, this option does nothing.
      - Of the answers one kind is given at most. None of them is ever shown; the volume that carries
        them is deleted at the end.
    type: dict
    suboptions:
      iso:
        description: 'The installer''s medium: its path on the hypervisor, or the volume of O(install.media_pool).'
        type: str
      drivers:
        description: A second medium, like virtio-win.iso for Windows, by path or volume like O(install.iso).
        type: str
      media_pool:
        description: The pool of which O(install.iso) and O(install.drivers) are volumes.
        type: str
      preseed:
        description: 'Answers for Debian''s installer: the text of a preseed file. They''re put into its
          initial RAM disk.'
        type: str
      autoinstall:
        description: Answers for Ubuntu's installer, a dict of autoinstall's keys or the text of C(user-data),
          on a volume labelled C(cidata).
        type: raw
      kickstart:
        description: Answers for Anaconda (Fedora, RHEL and its family), on a volume labelled C(OEMDRV).
        type: str
      autounattend:
        description: 'Answers for Windows Setup: the text of C(autounattend.xml), on a volume of its own.
          Have them shut the machine down at the end.'
        type: str
      kernel:
        description: The installer's kernel, a path on the hypervisor or, as C(iso:/path), on the medium.
          Where it's left out and words for it are needed, it's looked for where Debian, Ubuntu, Fedora
          and SUSE have it.
        type: str
      initrd:
        description: Its initial RAM disk, likewise.
        type: str
      cmdline:
        description: Words for that kernel beyond those that the answers need, C(console=ttyS0).
        type: str
      bus:
        description: Where the drives of the media are; V(sata) on x86, else V(scsi).
        type: str
        choices: [sata, scsi, usb, ide]
      pool:
        description: The pool for the answers and the installer's kernel while it runs, where it isn't
          the first disk's.
        type: str
      reboots:
        description: Whether the installer reboots on its way, so that only powering off is its end. The
          disk is then booted first, once it can be. True with O(install.autounattend), else a reboot
          is the end.
        type: bool
      until:
        description: V(agent) takes the answer of the guest's agent for the end, and shuts the guest down.
        type: str
        choices: ['off', agent]
        default: 'off'
      timeout:
        description: How long it may take, in seconds.
        type: int
        default: 3600
  wait_for:
    description: Wait until the running guest answers; the error of a wait that ends in vain shows the
      end of its serial log.
    type: dict
    suboptions:
      agent:
        description: Until the QEMU guest agent answers.
        type: bool
        default: false
      ip:
        description: Until an address is known, from a lease, the agent or ARP.
        type: bool
        default: false
      cloud_init:
        description:
          - Until cloud-init in the guest has ended. The QEMU guest agent reads this from the guest's
            files.
          - 'It''s an error if cloud-init ended with errors, or if its instance-id isn''t the one of the
            seed (O(cloud_init)): then the guest ignored its seed.'
        type: bool
        default: false
      timeout:
        description: How long to wait, in seconds.
        type: int
        default: 300
  xml:
    description:
      - The whole definition, instead of options. Beside it only O(name), O(state), O(autostart), O(apply)
        and O(wait_for).
      - A UUID, MAC addresses, device addresses and our own metadata that it leaves out are kept; all
        else that it leaves out goes away.
    type: str
  xml_patch:
    description: Single places of the definition, for what has no option. Always staged.
    type: list
    elements: dict
    suboptions:
      path:
        description: XPath from the domain element; selects at most one node.
        type: str
        required: true
      set:
        description: The text or attribute value to put there, or the whole element that the path names,
          as XML. Missing elements at the end of the path are made where they are plain.
        type: str
      delete:
        description: Delete the node.
        type: bool
      namespaces:
        description: Prefixes used in the path, and their namespaces.
        type: dict
  uuid:
    description: The domain's UUID. It can't be changed.
    type: str
  title:
    description: A short title.
    type: str
  description:
    description: A description, any text.
    type: str
  labels:
    description: 'Labels of your own, kept in the domain''s metadata: name to value. Full when given.'
    type: dict
  osinfo:
    description: The guest's system by libosinfo's id, V(http://debian.org/debian/12), or by its short
      id, V(debian12), where the host has osinfo-db.
    type: str
  genid:
    description:
      - The VM generation ID, by which the guest knows that it was cloned or set back.
      - V(new) makes one where there is none.
    type: str
  type:
    description:
      - 'Who runs the guest''s processors: V(kvm) the hardware, V(qemu) emulation.'
      - V(auto) takes V(kvm) where VT-x or AMD-V is really there and the architecture is the host's, else
        V(qemu); it's decided when the domain is made, and that is the default then.
    type: str
    choices: [auto, kvm, qemu]
  vcpus_maximum:
    description: The number up to which vCPUs can be added while the guest runs.
    type: int
  vcpus_placement:
    description: Whether the vCPUs' places are given, or numad is asked.
    type: str
    choices: [static, auto]
  vcpus_cpuset:
    description: The host's CPUs that vCPUs run on which O(cputune.vcpupin) doesn't name.
    type: str
  vcpu_states:
    description: Single vCPUs, where some are to be there and others not.
    type: list
    elements: dict
    suboptions:
      id:
        description: 'Its number: its identity.'
        type: int
        required: true
      enabled:
        description: Whether the guest has it.
        type: bool
      hotpluggable:
        description: Whether it can be taken away while the guest runs.
        type: bool
      order:
        description: Its place in the order of plugging in.
        type: int
  memory_maximum:
    description: The memory up to which the guest can be given more while it runs.
    type: str
  memory_dump_core:
    description: Whether a core dump of QEMU has the guest's memory in it.
    type: bool
  memory_hotplug:
    description: Room for O(memory_devices) beyond O(memory_maximum). The guest needs a NUMA cell, O(cpu.numa).
    type: dict
    suboptions:
      maximum:
        description: The memory that the guest can have with all O(memory_devices).
        type: str
      slots:
        description: How many of them.
        type: int
  memory_backing:
    description: What the guest's memory is made of.
    type: dict
    suboptions:
      hugepage_sizes:
        description: Which huge pages, where it isn't the host's default size.
        type: list
        elements: dict
        suboptions:
          size:
            description: 'Size of the pages: its identity.'
            type: str
            required: true
          nodeset:
            description: The guest's NUMA nodes; all where it's left out.
            type: str
      hugepages:
        description: Whether it's made of huge pages; the host must have them.
        type: bool
      nosharepages:
        description: Whether equal pages are kept apart (no KSM).
        type: bool
      locked:
        description: Whether it's never swapped out; set O(memtune.hard_limit) with it.
        type: bool
      source:
        description: What it's made of.
        type: str
        choices: [anonymous, file, memfd]
      access:
        description: 'Whether other processes may share it: V(shared) for virtiofs and vhostuser.'
        type: str
        choices: [shared, private]
      allocation:
        description: When it's taken.
        type: str
        choices: [immediate, ondemand]
      allocation_threads:
        description: How many threads take it.
        type: int
      discard:
        description: Whether its content is thrown away at the end.
        type: bool
  memtune:
    description: Limits of the memory on the host.
    type: dict
    suboptions:
      hard_limit:
        description: The most memory that QEMU and guest may use on the host.
        type: str
      soft_limit:
        description: The same when the host's memory is short.
        type: str
      swap_hard_limit:
        description: The most memory and swap together.
        type: str
  numatune:
    description: The host's NUMA nodes that memory comes from.
    type: dict
    suboptions:
      mode:
        description: How strictly memory comes from these nodes.
        type: str
        choices: [strict, preferred, interleave, restrictive]
      nodeset:
        description: The host's NUMA nodes.
        type: str
      placement:
        description: Whether they are given, or numad is asked.
        type: str
        choices: [static, auto]
      memnodes:
        description: The same for single cells.
        type: list
        elements: dict
        suboptions:
          cellid:
            description: 'The guest''s NUMA cell: its identity.'
            type: int
            required: true
          mode:
            description: As above.
            type: str
            choices: [strict, preferred, interleave, restrictive]
          nodeset:
            description: The host's NUMA nodes.
            type: str
  cputune:
    description: Where vCPUs and other threads run, and how much.
    type: dict
    suboptions:
      shares:
        description: Weight among all guests when the host is busy.
        type: int
      global_period:
        description: The period in microseconds over which the whole guest is counted.
        type: int
      global_quota:
        description: How many microseconds of each period the whole guest may run; V(-1) or V(0) for no
          limit.
        type: int
      period:
        description: The period in microseconds over which each vCPU is counted.
        type: int
      quota:
        description: How many microseconds of each period each vCPU may run; V(-1) or V(0) for no limit.
        type: int
      emulator_period:
        description: The period in microseconds over which QEMU's own threads together are counted.
        type: int
      emulator_quota:
        description: How many microseconds of each period QEMU's own threads together may run; V(-1) or
          V(0) for no limit.
        type: int
      iothread_period:
        description: The period in microseconds over which each iothread is counted.
        type: int
      iothread_quota:
        description: How many microseconds of each period each iothread may run; V(-1) or V(0) for no
          limit.
        type: int
      vcpupin:
        description: 'The host''s CPUs that each vCPU may run on: number to set, V({0: 0-1}). Full when
          given.'
        type: dict
      emulatorpin:
        description: The host's CPUs that QEMU's own threads may run on.
        type: str
      iothreadpin:
        description: 'The host''s CPUs that each iothread may run on: number to set. Full when given.'
        type: dict
      vcpusched:
        description: 'The scheduler of each vCPU by number or set: V(batch), V(idle), V(fifo 1), V(rr
          1). Full when given.'
        type: dict
      iothreadsched:
        description: The same of each iothread. Full when given.
        type: dict
      emulatorsched:
        description: The scheduler of QEMU's own threads.
        type: str
        choices: [batch, idle, fifo, rr]
      emulatorsched_priority:
        description: Its priority (V(fifo), V(rr)).
        type: int
      cachetune:
        description: Parts of the host's caches for vCPUs (resctrl).
        type: list
        elements: dict
        suboptions:
          vcpus:
            description: 'The vCPUs: their identity.'
            type: str
            required: true
          caches:
            description: Their parts of caches.
            type: list
            elements: dict
            suboptions:
              id:
                description: The host's cache by number.
                type: int
                required: true
              level:
                description: Its level.
                type: int
                required: true
              type:
                description: What it keeps.
                type: str
                required: true
                choices: [both, code, data]
              size:
                description: How much of it.
                type: str
          monitors:
            description: What is measured.
            type: list
            elements: dict
            suboptions:
              level:
                description: The level that is watched.
                type: int
                required: true
              vcpus:
                description: The vCPUs that are watched.
                type: str
                required: true
      memorytune:
        description: Parts of the host's memory bandwidth for vCPUs (resctrl).
        type: list
        elements: dict
        suboptions:
          vcpus:
            description: 'The vCPUs: their identity.'
            type: str
            required: true
          nodes:
            description: 'The host''s NUMA nodes: number to percent of its bandwidth. Full when given.'
            type: dict
  blkiotune:
    description: How much the guest may use the host's block devices.
    type: dict
    suboptions:
      weight:
        description: Weight among all guests, from 1 to 1000.
        type: int
      devices:
        description: Limits on the host's block devices.
        type: list
        elements: dict
        suboptions:
          path:
            description: 'A block device of the host: its identity.'
            type: str
            required: true
          weight:
            description: Weight on it, where its I/O scheduler is CFQ (Linux before 5.0).
            type: int
          read_bytes_sec:
            description: Bytes read, each second. V(0) for no limit.
            type: int
          read_iops_sec:
            description: Operations read, each second. V(0) for no limit.
            type: int
          write_bytes_sec:
            description: Bytes written, each second. V(0) for no limit.
            type: int
          write_iops_sec:
            description: Operations written, each second. V(0) for no limit.
            type: int
  iothreads:
    description: How many threads there are for disks that ask for one.
    type: int
  iothread_ids:
    description: The iothreads by number, where they aren't simply counted.
    type: list
    elements: dict
    suboptions:
      id:
        description: 'Its number: its identity.'
        type: int
        required: true
      thread_pool_min:
        description: The least worker threads.
        type: int
      thread_pool_max:
        description: The most worker threads.
        type: int
  default_iothread:
    description: Worker threads of QEMU's main loop.
    type: dict
    suboptions:
      thread_pool_min:
        description: The least worker threads.
        type: int
      thread_pool_max:
        description: The most worker threads.
        type: int
  partition:
    description: The resource partition of the host, V(/machine).
    type: str
  fibrechannel_appid:
    description: The name of the guest in Fibre Channel fabrics.
    type: str
  arch:
    description: 'The guest''s architecture, V(x86_64), V(aarch64) ...: the host''s where it''s left out.'
    type: str
  machine:
    description:
      - The machine type; an alias like V(q35) stands for the newest of its kind.
      - A domain can change from one kind to another, V(pc) to V(q35). Its devices then get other addresses,
        so that network interfaces in the guest may have other names. What the new machine can't have
        is refused by name.
    type: str
  firmware:
    description: 'The firmware: V(efi) is UEFI, of which libvirt chooses the files, V(bios) what the machine
      has without. New domains of x86 get V(bios) unless told, those of aarch64 V(efi).'
    type: str
    choices: [bios, efi]
  secure_boot:
    description: Whether the firmware checks signatures (Secure Boot), with V(firmware=efi). New domains
      don't have it unless told. Windows 11 asks for it and for O(tpm).
    type: bool
  enrolled_keys:
    description: Whether the firmware begins with the vendors' keys, with V(secure_boot=true).
    type: bool
  loader:
    description: The firmware by file, where libvirt isn't to choose by O(firmware).
    type: dict
    suboptions:
      path:
        description: The firmware's file; libvirt chooses one for V(firmware=efi).
        type: str
      type:
        description: How the guest sees it.
        type: str
        choices: [rom, pflash]
      read_only:
        description: Whether the guest may only read it.
        type: bool
      secure:
        description: Whether it needs System Management Mode.
        type: bool
      stateless:
        description: Whether it keeps no variables.
        type: bool
      format:
        description: The format of the file.
        type: str
        choices: [raw, qcow2]
  nvram:
    description: The variables of the firmware V(efi).
    type: dict
    suboptions:
      path:
        description: The file of the firmware's variables; libvirt chooses one.
        type: str
      template:
        description: The file that it begins as.
        type: str
      format:
        description: The format of the file.
        type: str
        choices: [raw, qcow2]
  boot:
    description: What the guest boots.
    type: dict
    suboptions:
      order:
        description: Kinds of devices to boot from, in order.
        type: list
        elements: str
        choices: [hd, cdrom, network, fd]
      menu:
        description: Whether the firmware offers a menu.
        type: bool
      menu_timeout:
        description: How long the menu waits, in milliseconds.
        type: int
      kernel:
        description: A kernel on the hypervisor to start directly.
        type: str
      initrd:
        description: The initial RAM disk of O(boot.kernel).
        type: str
      cmdline:
        description: The command line of O(boot.kernel).
        type: str
      shim:
        description: The first loader of O(boot.kernel) under secure boot.
        type: str
      dtb:
        description: The device tree of O(boot.kernel).
        type: str
      bios_serial:
        description: Whether the BIOS shows its messages on the serial console.
        type: bool
      reboot_timeout:
        description: How long to wait before booting again when nothing boots, in milliseconds; V(-1)
          for never.
        type: int
      acpi_table:
        description: A file with a SLIC table for the guest's ACPI.
        type: str
  cpu:
    description: The guest's processor.
    type: dict
    suboptions:
      mode:
        description: Which processor the guest sees.
        type: str
        choices: [host-passthrough, host-model, maximum, custom]
      model:
        description: The model by name (V(cpu.mode=custom)).
        type: str
      fallback:
        description: Whether another model may do where this one isn't supported.
        type: str
        choices: [allow, forbid]
      vendor_id:
        description: The vendor that the guest sees, 12 characters.
        type: str
      vendor:
        description: The vendor that the host's processor must be of (V(cpu.mode=custom)).
        type: str
      match:
        description: How the host's processor must fit (V(cpu.mode=custom)).
        type: str
        choices: [minimum, exact, strict]
      check:
        description: What is checked at start.
        type: str
        choices: [none, partial, full]
      migratable:
        description: Whether features that stand in a migration's way are left out.
        type: bool
      features:
        description: 'Features by name, with what is asked of them: V(require), V(disable), V(optional),
          V(force), V(forbid). Full when given.'
        type: dict
      topology:
        description: How the vCPUs are arranged; their product is the maximum number of vCPUs.
        type: dict
        suboptions:
          sockets:
            description: Sockets.
            type: int
          dies:
            description: Dies in a socket.
            type: int
          clusters:
            description: Clusters in a die.
            type: int
          cores:
            description: Cores in a die, or in a cluster.
            type: int
          threads:
            description: Threads in a core.
            type: int
      cache_mode:
        description: Which cache the guest sees.
        type: str
        choices: [emulate, passthrough, disable]
      cache_level:
        description: The level that is meant, V(3) with V(cpu.cache_mode=emulate).
        type: int
      maxphysaddr:
        description: How wide physical addresses are.
        type: dict
        suboptions:
          mode:
            description: The host's width or one of its own.
            type: str
            choices: [passthrough, emulate]
          bits:
            description: The width in bits (V(cpu.maxphysaddr.mode=emulate)).
            type: int
          limit:
            description: The most bits (V(cpu.maxphysaddr.mode=passthrough)).
            type: int
      numa:
        description: The NUMA cells that the guest sees; their memory is all that it has at start.
        type: list
        elements: dict
        suboptions:
          id:
            description: 'The cell''s number: its identity.'
            type: int
          cpus:
            description: Its vCPUs, V(0-3).
            type: str
          memory:
            description: Its memory.
            type: str
          mem_access:
            description: Whether it's shared with other processes.
            type: str
            choices: [shared, private]
          discard:
            description: Whether its content is thrown away at the end.
            type: bool
          distances:
            description: 'Distances to other cells: the cell to a number from 10. Full when given.'
            type: dict
          caches:
            description: Its memory side caches.
            type: list
            elements: dict
            suboptions:
              level:
                description: 'Level: its identity.'
                type: int
                required: true
              associativity:
                description: How it's looked up.
                type: str
                choices: [none, direct, full]
              policy:
                description: How it's written.
                type: str
                choices: [none, writeback, writethrough]
              size:
                description: Its size.
                type: str
              line:
                description: The size of a line.
                type: str
      latencies:
        description: Latencies between NUMA cells.
        type: list
        elements: dict
        suboptions:
          initiator:
            description: The cell that asks.
            type: int
            required: true
          target:
            description: The cell that is asked.
            type: int
            required: true
          cache:
            description: The level of the cache that answers.
            type: int
          type:
            description: What is asked.
            type: str
            choices: [access, read, write]
          value:
            description: The latency, in nanoseconds.
            type: int
      bandwidths:
        description: Bandwidths between NUMA cells.
        type: list
        elements: dict
        suboptions:
          initiator:
            description: The cell that asks.
            type: int
            required: true
          target:
            description: The cell that is asked.
            type: int
            required: true
          cache:
            description: The level of the cache that answers.
            type: int
          type:
            description: What is asked.
            type: str
            choices: [access, read, write]
          value:
            description: The bandwidth, each second.
            type: str
  clock:
    description: The guest's clock and timers.
    type: dict
    suboptions:
      offset:
        description: What the guest's clock starts from.
        type: str
        choices: [utc, localtime, timezone, variable, absolute]
      timezone:
        description: The time zone (V(clock.offset=timezone)).
        type: str
      adjustment:
        description: Seconds beside it (V(clock.offset=variable)), or V(reset) to forget the guest's own
          changes (V(utc), V(localtime)).
        type: str
      basis:
        description: What the seconds are beside (V(clock.offset=variable)).
        type: str
        choices: [utc, localtime]
      start:
        description: Seconds since 1970 (V(clock.offset=absolute)).
        type: int
      rtc:
        description: Whether the guest has the RTC.
        type: bool
      rtc_tickpolicy:
        description: What becomes of ticks that the RTC missed.
        type: str
        choices: [delay, catchup, merge, discard]
      rtc_track:
        description: What the RTC follows.
        type: str
        choices: [boot, guest, wall, realtime]
      rtc_catchup:
        description: How fast the RTC catches up (V(catchup)).
        type: dict
        suboptions:
          threshold:
            description: From how many nanoseconds on.
            type: int
          slew:
            description: How many missed ticks a second.
            type: int
          limit:
            description: The most nanoseconds that are caught up.
            type: int
      pit:
        description: Whether the guest has the PIT.
        type: bool
      pit_tickpolicy:
        description: What becomes of ticks that the PIT missed.
        type: str
        choices: [delay, catchup, merge, discard]
      pit_catchup:
        description: How fast the PIT catches up (V(catchup)).
        type: dict
        suboptions:
          threshold:
            description: From how many nanoseconds on.
            type: int
          slew:
            description: How many missed ticks a second.
            type: int
          limit:
            description: The most nanoseconds that are caught up.
            type: int
      hpet:
        description: Whether the guest has an HPET.
        type: bool
      hpet_tickpolicy:
        description: What becomes of ticks that an HPET missed.
        type: str
        choices: [delay, catchup, merge, discard]
      kvmclock:
        description: Whether the guest has kvm-clock.
        type: bool
      hypervclock:
        description: Whether the guest has the Hyper-V clock.
        type: bool
      tsc:
        description: Whether the guest has the TSC.
        type: bool
      tsc_tickpolicy:
        description: What becomes of ticks that the TSC missed.
        type: str
        choices: [delay, catchup, merge, discard]
      tsc_frequency:
        description: The TSC's frequency, in hertz.
        type: int
      tsc_mode:
        description: How the TSC is read.
        type: str
        choices: [auto, native, emulate, paravirt, smpsafe]
      armvtimer:
        description: Whether the guest has Arm's virtual timer.
        type: bool
      armvtimer_tickpolicy:
        description: What becomes of ticks that Arm's virtual timer missed.
        type: str
        choices: [delay, catchup, merge, discard]
  features:
    description: Features of the machine.
    type: dict
    suboptions:
      acpi:
        description: Whether the guest has ACPI. Without it it can't be asked to shut down.
        type: bool
      apic:
        description: Whether the guest has an APIC.
        type: bool
      apic_eoi:
        description: Whether the end of interrupts is told without an exit.
        type: bool
      pae:
        description: Whether 32-bit guests can address more than 4 GiB.
        type: bool
      hap:
        description: Whether the hardware walks the guest's page tables.
        type: bool
      ioapic:
        description: 'Where the I/O APIC is: V(kvm) in the kernel, V(qemu) in QEMU (the split irqchip).
          Only for V(type=kvm).'
        type: str
        choices: [kvm, qemu]
      pmu:
        description: Whether the guest has performance counters.
        type: bool
      smm:
        description: Whether the guest has System Management Mode; firmware that libvirt chooses may ask
          for it.
        type: bool
      smm_tseg:
        description: The size of TSEG (q35).
        type: str
      vmport:
        description: Whether VMware's port is emulated.
        type: bool
      vmcoreinfo:
        description: Whether the guest can say how its memory is read after a crash.
        type: bool
      pvspinlock:
        description: Whether spinlocks yield to the hypervisor.
        type: bool
      ps2:
        description: Whether the machine has a PS/2 controller.
        type: bool
      async_teardown:
        description: Whether memory is given back after QEMU is gone.
        type: bool
      gic:
        description: The version of the interrupt controller (Arm).
        type: str
        choices: [host, '2', '3']
      aia:
        description: The interrupt architecture (RISC-V).
        type: str
        choices: [aplic, aplic-imsic, none]
      ras:
        description: Whether memory errors are told to the guest (Arm).
        type: bool
      hpt_resizing:
        description: Whether the hashed page table may be resized (POWER).
        type: str
        choices: [enabled, disabled, required]
      hpt_maxpagesize:
        description: The largest page of the hashed page table (POWER).
        type: str
      htm:
        description: Whether the guest has transactional memory (POWER).
        type: bool
      nested_hv:
        description: Whether the guest may run guests (POWER).
        type: bool
      ccf_assist:
        description: Whether the count cache is flushed by hardware (POWER).
        type: bool
      cfpc:
        description: Cache flush on privilege change (POWER).
        type: str
        choices: [broken, workaround, fixed]
      sbbc:
        description: Speculation barrier bounds checking (POWER).
        type: str
        choices: [broken, workaround, fixed]
      ibs:
        description: Indirect branch speculation (POWER).
        type: str
        choices: [broken, workaround, fixed-ibs, fixed-ccd, fixed-na]
      msrs_unknown:
        description: What becomes of accesses to unknown model specific registers.
        type: str
        choices: [ignore, fault]
      tb_cache:
        description: The cache of translated code (V(type=qemu)).
        type: str
      hyperv_mode:
        description: Whether the guest gets the enlightenments below, or all that there are.
        type: str
        choices: [custom, passthrough]
      hyperv:
        description:
          - 'Hyper-V enlightenments by libvirt''s names: true, false, or what is on beyond that, V(spinlocks:
            8191), V(vendor_id: text), V(stimer: direct). Full when given.'
        type: dict
      kvm:
        description: What KVM offers beyond hardware.
        type: dict
        suboptions:
          hidden:
            description: Whether KVM hides itself from the guest.
            type: bool
          hint_dedicated:
            description: Whether the guest is told that its vCPUs are never taken away.
            type: bool
          poll_control:
            description: Whether the guest may decide how long the host polls.
            type: bool
          pv_ipi:
            description: Whether the guest sends interrupts between vCPUs by hypercall.
            type: bool
          dirty_ring:
            description: Whether changed pages are told by rings.
            type: bool
          dirty_ring_size:
            description: Entries of each ring, a power of two from 1024 to 65536.
            type: int
  on_poweroff:
    description: What follows when the guest powers off.
    type: str
    choices: [destroy, restart, preserve, rename-restart]
  on_reboot:
    description: What follows when the guest reboots.
    type: str
    choices: [destroy, restart, preserve, rename-restart]
  on_crash:
    description: What follows when the guest crashes.
    type: str
    choices: [destroy, restart, preserve, rename-restart, coredump-destroy, coredump-restart]
  on_lockfailure:
    description: What follows when a lock on its resources is lost.
    type: str
    choices: [poweroff, restart, pause, ignore]
  suspend_to_mem:
    description: Whether the guest is offered sleep (S3).
    type: bool
  suspend_to_disk:
    description: Whether the guest is offered hibernation (S4).
    type: bool
  smbios:
    description: Where the guest's SMBIOS is from; V(sysinfo) with O(sysinfo).
    type: str
    choices: [emulate, host, sysinfo]
  sysinfo:
    description: What SMBIOS and the firmware's configuration tell the guest.
    type: dict
    suboptions:
      bios:
        description: V(vendor), V(version), V(date), V(release). Full when given.
        type: dict
      system:
        description: V(manufacturer), V(product), V(version), V(serial), V(uuid), V(sku), V(family). A
          UUID must be the domain's. Full when given.
        type: dict
      base_boards:
        description: Base boards.
        type: list
        elements: dict
        suboptions:
          entries:
            description: V(manufacturer), V(product), V(version), V(serial), V(asset), V(location). Full
              when given.
            type: dict
      chassis:
        description: V(manufacturer), V(version), V(serial), V(asset), V(sku). Full when given.
        type: dict
      oem_strings:
        description: Any texts.
        type: list
        elements: str
      fwcfg:
        description: Entries of QEMU's firmware configuration device.
        type: list
        elements: dict
        suboptions:
          name:
            description: 'Its name, V(opt/org.example/key): its identity.'
            type: str
            required: true
          value:
            description: Its content.
            type: str
          file:
            description: A file on the hypervisor with its content, instead.
            type: str
  launch_security:
    description: Memory that the host can't read.
    type: dict
    suboptions:
      type:
        description: The technique; the host and its firmware must have it.
        type: str
        choices: [sev, sev-snp, s390-pv, tdx]
      policy:
        description: What the owner allows, V(0x0003) (V(sev), V(sev-snp), V(tdx)).
        type: str
      cbitpos:
        description: The address bit that means encrypted; the host's where it's left out (V(sev), V(sev-snp)).
        type: int
      reduced_phys_bits:
        description: Address bits that encryption takes (V(sev), V(sev-snp)).
        type: int
      kernel_hashes:
        description: Whether O(boot.kernel) is measured (V(sev), V(sev-snp)).
        type: bool
      dh_cert:
        description: The owner's Diffie-Hellman key, base64 (V(sev)).
        type: str
      session:
        description: The owner's session blob, base64 (V(sev)).
        type: str
      author_key:
        description: Whether O(launch_security.id_auth) holds the author's key (V(sev-snp)).
        type: bool
      vcek:
        description: Whether reports are signed by the chip's own key (V(sev-snp)).
        type: bool
      guest_visible_workarounds:
        description: Base64 (V(sev-snp)).
        type: str
      id_block:
        description: The identity that the guest must have, base64 (V(sev-snp)).
        type: str
      id_auth:
        description: The signature of the identity, base64 (V(sev-snp)).
        type: str
      host_data:
        description: Data of the host in reports, base64 (V(sev-snp)).
        type: str
      mr_config_id:
        description: Identity of the configuration, base64 (V(tdx)).
        type: str
      mr_owner:
        description: Identity of the owner, base64 (V(tdx)).
        type: str
      mr_owner_config:
        description: Identity of the owner's configuration, base64 (V(tdx)).
        type: str
      quote_generation_service:
        description: The socket of the service that signs reports (V(tdx)).
        type: str
  keywrap:
    description: Key wrapping by cipher, V(aes) and V(dea) (s390x). Full when given.
    type: dict
  seclabels:
    description: Security labels beyond those that libvirt makes.
    type: list
    elements: dict
    suboptions:
      model:
        description: 'The driver: V(selinux), V(apparmor), V(dac): its identity.'
        type: str
      type:
        description: Whether libvirt makes the label, it's given here, or there is none.
        type: str
        choices: [dynamic, static, none]
      relabel:
        description: Whether what the guest uses gets the label too.
        type: bool
      label:
        description: The label (V(type=static)).
        type: str
      baselabel:
        description: What a made label begins with (V(type=dynamic)).
        type: str
  perf:
    description: Performance events that the host measures, by libvirt's names. Full when given.
    type: dict
  qemu:
    description: Words to QEMU beyond libvirt's. They taint the domain.
    type: dict
    suboptions:
      args:
        description: Arguments for QEMU, in order. They taint the domain.
        type: list
        elements: str
      env:
        description: Environment variables for QEMU by name. Full when given.
        type: dict
      add_capabilities:
        description: Capabilities of QEMU that libvirt should assume.
        type: list
        elements: str
      del_capabilities:
        description: Capabilities of QEMU that libvirt should forget.
        type: list
        elements: str
      deprecation:
        description: What becomes of deprecated words to QEMU.
        type: str
        choices: [none, omit, reject, crash]
      override:
        description: Properties of QEMU's devices that libvirt would set otherwise.
        type: list
        elements: dict
        suboptions:
          alias:
            description: 'The device''s alias: its identity.'
            type: str
            required: true
          properties:
            description: Properties of the device.
            type: list
            elements: dict
            suboptions:
              name:
                description: 'The property: its identity.'
                type: str
                required: true
              type:
                description: Its type.
                type: str
                choices: [string, signed, unsigned, bool, remove]
              value:
                description: Its value.
                type: str
  agent:
    description: Whether there's a channel for the QEMU guest agent.
    type: bool
  emulator:
    description: The program that runs the guest, where it isn't the one that libvirt finds.
    type: str
  hostdevs:
    description: 'Devices of the host that the guest has: PCI, USB, SCSI and mediated devices, each by
      one of the options that name it.'
    type: list
    elements: dict
    suboptions:
      pci:
        description: A PCI device by its address, V(0000:3b:00.0), or by libvirt's name of it, V(pci_0000_3b_00_0).
        type: str
      usb:
        description: A USB device by vendor and product, or by bus and device.
        type: dict
        suboptions:
          vendor:
            description: Vendor, V(0x0781).
            type: raw
          product:
            description: Product, V(0x5583).
            type: raw
          bus:
            description: Bus number.
            type: int
          device:
            description: 'Device number on the bus: another one at each plugging in.'
            type: int
          guest_reset:
            description: Whether the guest may reset it.
            type: str
            choices: ['off', uninitialized, 'on']
      mdev:
        description: A mediated device by its UUID.
        type: str
      scsi:
        description: A SCSI device, by the host's adapter or by iSCSI.
        type: dict
        suboptions:
          adapter:
            description: The host's adapter, V(scsi_host0).
            type: str
          bus:
            description: Bus on the adapter.
            type: int
          target:
            description: Target on the bus.
            type: int
          unit:
            description: Unit of the target.
            type: int
          iscsi:
            description: An iSCSI target and unit instead, V(iqn.2024-01.com.example:disk/1).
            type: str
          hosts:
            description: Where the iSCSI target is.
            type: list
            elements: dict
            suboptions:
              name:
                description: Host name or address.
                type: str
              port:
                description: TCP port.
                type: int
          auth:
            description: How to log in to the iSCSI target.
            type: dict
            suboptions:
              username:
                description: The name to log in with.
                type: str
              secret_type:
                description: What the secret is for. Left out, it's what the protocol takes.
                type: str
                choices: [ceph, iscsi]
              secret_uuid:
                description: The UUID of libvirt's secret.
                type: str
              secret_usage:
                description: The usage name of libvirt's secret, instead of its UUID.
                type: str
          initiator:
            description: The initiator's own name (iSCSI).
            type: str
      vhost_scsi:
        description: A vhost-scsi target by its name, V(naa.5123456789abcde0).
        type: str
      managed:
        description: Whether libvirt takes a PCI device from its driver and gives it back. True for a
          new one where it's left out.
        type: bool
      model:
        description: 'What the guest sees of a mediated device or a vhost-scsi target: V(vfio-pci), V(vfio-ccw),
          V(vfio-ap), V(virtio) and its transitional forms.'
        type: str
      driver:
        description: The driver that gives a PCI device away.
        type: str
        choices: [vfio]
      driver_model:
        description: The vfio driver by name.
        type: str
      startup_policy:
        description: What a missing device does to a start of the guest.
        type: str
        choices: [mandatory, requisite, optional]
      display:
        description: Whether a mediated device draws on the guest's screen.
        type: bool
      ramfb:
        description: Whether a mediated device draws before the guest's driver is up.
        type: bool
      rawio:
        description: Whether the guest may send any SCSI command.
        type: bool
      sgio:
        description: Whether SCSI commands are filtered.
        type: str
        choices: [filtered, unfiltered]
      read_only:
        description: Whether the guest may only read (SCSI).
        type: bool
      shareable:
        description: Whether several guests may use it at once (SCSI).
        type: bool
      rom:
        description: The device's boot ROM.
        type: dict
        suboptions:
          enabled:
            description: Whether it's shown to the guest.
            type: bool
          bar:
            description: Whether it's in the guest's memory map.
            type: bool
          file:
            description: Another one, from this file on the hypervisor.
            type: str
      teaming:
        description: The virtio interface that stands in for it.
        type: dict
        suboptions:
          type:
            description: Which of the pair it is.
            type: str
            choices: [persistent, transient]
          persistent:
            description: The alias of the one that stays, for V(transient).
            type: str
      boot_order:
        description: Place in the boot order, from 1. Not together with O(boot.order).
        type: int
      alias:
        description: A name of your own for it, starting with V(ua-).
        type: str
      acpi_index:
        description: 'Number that the guest''s firmware shows for it: names C(eno1) and so on.'
        type: int
      address:
        description: 'Where it sits, in libvirt''s words: V(type), V(bus), V(slot) and so on. libvirt
          finds a place where it''s left out, and it stays. When the device gets another bus or model,
          libvirt finds another place.'
        type: dict
  filesystems:
    description: Directories that the guest sees.
    type: list
    elements: dict
    suboptions:
      target:
        description: 'The name by which the guest mounts it: its identity.'
        type: str
      source:
        description: The directory on the hypervisor.
        type: str
      socket:
        description: The socket of a virtiofsd of your own, instead of O(filesystems[].source).
        type: str
      driver:
        description: V(virtiofs) needs shared memory (O(memory_backing.access)); V(path) is 9p.
        type: str
        choices: [virtiofs, path, handle, mtp]
      read_only:
        description: Whether the guest may only read.
        type: bool
      accessmode:
        description: With whose rights files are made (9p).
        type: str
        choices: [passthrough, mapped, squash]
      multidevs:
        description: What becomes of several devices below it (9p).
        type: str
        choices: [default, remap, forbid, warn]
      fmode:
        description: Mode of new files, V('0644') (9p, V(accessmode=mapped)).
        type: raw
      dmode:
        description: Mode of new directories, V('0755') (9p, V(accessmode=mapped)).
        type: raw
      model:
        description: The virtio device.
        type: str
        choices: [virtio, virtio-transitional, virtio-non-transitional]
      queue_size:
        description: Length of the queue (virtiofs).
        type: int
      wrpolicy:
        description: Whether writes are flushed at once (9p).
        type: str
        choices: [immediate]
      binary:
        description: The virtiofsd that libvirt runs.
        type: dict
        suboptions:
          path:
            description: The program; libvirt finds one where it's left out.
            type: str
          xattr:
            description: Whether extended attributes are shown.
            type: bool
          cache:
            description: What the guest caches.
            type: str
            choices: [none, always]
          sandbox:
            description: How it's shut in.
            type: str
            choices: [namespace, chroot]
          posix_lock:
            description: Whether POSIX locks are passed on.
            type: bool
          flock:
            description: Whether BSD locks are passed on.
            type: bool
          thread_pool_size:
            description: The most threads.
            type: int
          openfiles:
            description: The most open files.
            type: int
      space_hard_limit:
        description: The most space.
        type: str
      space_soft_limit:
        description: The most space for long.
        type: str
      virtio:
        description: The virtio transport.
        type: dict
        suboptions:
          iommu:
            description: Whether it goes through the guest's IOMMU.
            type: bool
          ats:
            description: Whether it uses address translation services.
            type: bool
          packed:
            description: Whether it uses packed virtqueues.
            type: bool
          page_per_vq:
            description: Whether each queue's notifications have a page of their own.
            type: bool
      boot_order:
        description: Place in the boot order, from 1. Not together with O(boot.order).
        type: int
      alias:
        description: A name of your own for it, starting with V(ua-).
        type: str
      acpi_index:
        description: 'Number that the guest''s firmware shows for it: names C(eno1) and so on.'
        type: int
      address:
        description: 'Where it sits, in libvirt''s words: V(type), V(bus), V(slot) and so on. libvirt
          finds a place where it''s left out, and it stays. When the device gets another bus or model,
          libvirt finds another place.'
        type: dict
  graphics:
    description: All graphical consoles.
    type: list
    elements: dict
    suboptions:
      type:
        description: The protocol.
        type: str
        required: true
        choices: [vnc, spice, sdl, egl-headless, dbus]
      autoport:
        description: Whether ports are chosen at each start; a port that is given says no.
        type: bool
      port:
        description: TCP port; chosen at each start where it's left out.
        type: int
      tls_port:
        description: TCP port with TLS (V(type=spice)).
        type: int
      websocket:
        description: Port for web browsers, V(-1) for one that is chosen (V(type=vnc)).
        type: str
      listen:
        description: Address to listen on. libvirt's default is 127.0.0.1.
        type: str
      listen_network:
        description: A libvirt network on whose address to listen.
        type: str
      listen_socket:
        description: Path of a UNIX socket to listen on.
        type: str
      password:
        description: Password; VNC uses its first 8 characters.
        type: str
      password_valid_to:
        description: When the password ends, V(2030-01-31T12:00:00) in UTC. Without a password it says
          nothing.
        type: str
      connected:
        description: What becomes of who is connected when the password changes. Without a password it
          says nothing.
        type: str
        choices: [keep, disconnect, fail]
      share_policy:
        description: Whether several may watch (V(type=vnc)).
        type: str
        choices: [allow-exclusive, force-shared, ignore]
      power_control:
        description: Whether a VNC client may switch the guest off.
        type: bool
      keymap:
        description: Keyboard layout, V(en-us).
        type: str
      default_mode:
        description: Whether channels are encrypted (V(type=spice)).
        type: str
        choices: [any, secure, insecure]
      channels:
        description: Channels by name, each V(any), V(secure) or V(insecure) (V(type=spice)). Full when
          given.
        type: dict
      image_compression:
        description: Compression of pictures (V(type=spice)).
        type: str
        choices: [auto_glz, auto_lz, quic, glz, lz, 'off']
      jpeg_compression:
        description: Lossy compression (V(type=spice)).
        type: str
        choices: [auto, never, always]
      zlib_compression:
        description: Compression over slow lines (V(type=spice)).
        type: str
        choices: [auto, never, always]
      playback_compression:
        description: Compression of sound (V(type=spice)).
        type: bool
      streaming:
        description: Which regions are sent as video (V(type=spice)).
        type: str
        choices: [filter, all, 'off']
      copypaste:
        description: Whether the clipboard is shared (V(type=spice)).
        type: bool
      mouse:
        description: Whose mouse counts (V(type=spice)).
        type: str
        choices: [server, client]
      file_transfer:
        description: Whether files can be dropped into the guest (V(type=spice)).
        type: bool
      gl:
        description: Whether OpenGL is used (V(type=spice), V(type=sdl), V(type=dbus)).
        type: bool
      rendernode:
        description: The host's device that draws, V(/dev/dri/renderD128).
        type: str
      audio:
        description: The O(audio[].id) that is heard over it.
        type: int
      display:
        description: The X display (V(type=sdl)).
        type: str
      xauth:
        description: The X authority file (V(type=sdl)).
        type: str
      fullscreen:
        description: Whether the window fills the screen (V(type=sdl)).
        type: bool
      p2p:
        description: Whether clients connect without a bus (V(type=dbus)).
        type: bool
      bus_address:
        description: The address of the bus (V(type=dbus)).
        type: str
  video:
    description: All display adapters; V(none) as the only model for none.
    type: list
    elements: dict
    suboptions:
      model:
        description: 'The display adapter: V(virtio), V(vga), V(qxl), V(bochs), V(ramfb), V(cirrus), V(none).'
        type: str
      heads:
        description: Number of displays.
        type: int
      primary:
        description: Whether the guest begins on it.
        type: bool
      vram:
        description: Video memory, where the model has a choice.
        type: str
      ram:
        description: The primary memory (V(model=qxl)).
        type: str
      vgamem:
        description: The memory of its VGA side (V(model=qxl)).
        type: str
      vram64:
        description: The memory that 64-bit guests map (V(model=qxl)).
        type: str
      blob:
        description: Whether resources are shared without a copy (V(model=virtio)).
        type: bool
      accel3d:
        description: Whether 3D is drawn by the host (V(model=virtio)).
        type: bool
      accel2d:
        description: Whether 2D is drawn by the host.
        type: bool
      rendernode:
        description: The host's device that draws (O(video[].driver=vhostuser)).
        type: str
      width:
        description: Preferred width, in pixels.
        type: int
      height:
        description: Preferred height, in pixels.
        type: int
      driver:
        description: Who drives it.
        type: str
        choices: [qemu, vhostuser]
      vgaconf:
        description: VGA configuration cycles.
        type: str
        choices: [io, 'on', 'off']
      virtio:
        description: The virtio transport.
        type: dict
        suboptions:
          iommu:
            description: Whether it goes through the guest's IOMMU.
            type: bool
          ats:
            description: Whether it uses address translation services.
            type: bool
          packed:
            description: Whether it uses packed virtqueues.
            type: bool
          page_per_vq:
            description: Whether each queue's notifications have a page of their own.
            type: bool
      alias:
        description: A name of your own for it, starting with V(ua-).
        type: str
      acpi_index:
        description: 'Number that the guest''s firmware shows for it: names C(eno1) and so on.'
        type: int
      address:
        description: 'Where it sits, in libvirt''s words: V(type), V(bus), V(slot) and so on. libvirt
          finds a place where it''s left out, and it stays. When the device gets another bus or model,
          libvirt finds another place.'
        type: dict
  inputs:
    description: Keyboards, mice and tablets beyond the implied PS/2 ones, and the host's own by V(evdev).
    type: list
    elements: dict
    suboptions:
      type:
        description: What it is.
        type: str
        choices: [tablet, mouse, keyboard, passthrough, evdev]
      bus:
        description: How it's attached.
        type: str
        choices: [usb, ps2, virtio, xen]
      model:
        description: The virtio device.
        type: str
        choices: [virtio, virtio-transitional, virtio-non-transitional]
      path:
        description: The host's device, V(/dev/input/event3) (V(type=passthrough), V(type=evdev)).
        type: str
      grab:
        description: Whether all of the host's devices are taken with it (V(type=evdev)).
        type: str
        choices: [all]
      grab_toggle:
        description: The keys that take and give it back (V(type=evdev)).
        type: str
        choices: [ctrl-ctrl, alt-alt, shift-shift, meta-meta, scrolllock, ctrl-scrolllock]
      repeat:
        description: Whether keys repeat (V(type=evdev)).
        type: bool
      virtio:
        description: The virtio transport.
        type: dict
        suboptions:
          iommu:
            description: Whether it goes through the guest's IOMMU.
            type: bool
          ats:
            description: Whether it uses address translation services.
            type: bool
          packed:
            description: Whether it uses packed virtqueues.
            type: bool
          page_per_vq:
            description: Whether each queue's notifications have a page of their own.
            type: bool
      alias:
        description: A name of your own for it, starting with V(ua-).
        type: str
      address:
        description: 'Where it sits, in libvirt''s words: V(type), V(bus), V(slot) and so on. libvirt
          finds a place where it''s left out, and it stays. When the device gets another bus or model,
          libvirt finds another place.'
        type: dict
  sound:
    description: Sound devices.
    type: list
    elements: dict
    suboptions:
      model:
        description: 'The sound device: V(ich9), V(usb), V(ac97), V(virtio) and others.'
        type: str
      codecs:
        description: Codecs of an HDA device.
        type: list
        elements: str
        choices: [duplex, micro, output]
      audio:
        description: The O(audio[].id) that it plays on; the first where it's left out.
        type: int
      multichannel:
        description: Whether it has more than two channels (V(model=usb)).
        type: bool
      streams:
        description: Number of streams (V(model=virtio)).
        type: int
      alias:
        description: A name of your own for it, starting with V(ua-).
        type: str
      acpi_index:
        description: 'Number that the guest''s firmware shows for it: names C(eno1) and so on.'
        type: int
      address:
        description: 'Where it sits, in libvirt''s words: V(type), V(bus), V(slot) and so on. libvirt
          finds a place where it''s left out, and it stays. When the device gets another bus or model,
          libvirt finds another place.'
        type: dict
  audio:
    description: Where the host plays and records. libvirt makes one where it's needed.
    type: list
    elements: dict
    suboptions:
      id:
        description: 'Number by which sound devices mean it: its identity.'
        type: int
      type:
        description: Where the sound goes.
        type: str
        required: true
        choices: [none, alsa, coreaudio, dbus, jack, oss, pipewire, pulseaudio, sdl, spice, file]
      timer_period:
        description: How often it's served, in microseconds.
        type: int
      path:
        description: The file (V(type=file)).
        type: str
      server_name:
        description: The server (V(type=pulseaudio)).
        type: str
      runtime_dir:
        description: The runtime directory (V(type=pipewire)).
        type: str
      driver:
        description: The driver of V(type=sdl).
        type: str
        choices: [esd, alsa, arts, pulseaudio]
      try_mmap:
        description: Whether the device's memory is mapped (V(type=oss)).
        type: bool
      exclusive:
        description: Whether the device is kept from others (V(type=oss)).
        type: bool
      dsp_policy:
        description: Timing policy, from V(0) to V(10) (V(type=oss)).
        type: int
      input:
        description: Recording.
        type: dict
        suboptions:
          mixing_engine:
            description: Whether QEMU mixes and converts.
            type: bool
          fixed_settings:
            description: Whether it's always opened with the settings below.
            type: bool
          voices:
            description: Number of voices.
            type: int
          buffer_length:
            description: Length of the buffer, in microseconds.
            type: int
          buffer_count:
            description: Number of buffers (oss, sdl, coreaudio).
            type: int
          frequency:
            description: Sample rate, in hertz.
            type: int
          channels:
            description: Number of channels.
            type: int
          format:
            description: Sample format.
            type: str
            choices: [s8, u8, s16, u16, s32, u32, f32]
          dev:
            description: The host's device (alsa, oss).
            type: str
          name:
            description: The sink or source (pulseaudio, pipewire).
            type: str
          stream_name:
            description: The stream's name (pulseaudio, pipewire).
            type: str
          latency:
            description: Wanted latency, in microseconds (pulseaudio, pipewire).
            type: int
          try_poll:
            description: Whether it's polled (oss, alsa).
            type: bool
          server_name:
            description: The server (jack).
            type: str
          client_name:
            description: The client's name (jack).
            type: str
          connect_ports:
            description: Ports to connect to, a regular expression (jack).
            type: str
          exact_name:
            description: Whether the client's name must be free (jack).
            type: bool
      output:
        description: Playing.
        type: dict
        suboptions:
          mixing_engine:
            description: Whether QEMU mixes and converts.
            type: bool
          fixed_settings:
            description: Whether it's always opened with the settings below.
            type: bool
          voices:
            description: Number of voices.
            type: int
          buffer_length:
            description: Length of the buffer, in microseconds.
            type: int
          buffer_count:
            description: Number of buffers (oss, sdl, coreaudio).
            type: int
          frequency:
            description: Sample rate, in hertz.
            type: int
          channels:
            description: Number of channels.
            type: int
          format:
            description: Sample format.
            type: str
            choices: [s8, u8, s16, u16, s32, u32, f32]
          dev:
            description: The host's device (alsa, oss).
            type: str
          name:
            description: The sink or source (pulseaudio, pipewire).
            type: str
          stream_name:
            description: The stream's name (pulseaudio, pipewire).
            type: str
          latency:
            description: Wanted latency, in microseconds (pulseaudio, pipewire).
            type: int
          try_poll:
            description: Whether it's polled (oss, alsa).
            type: bool
          server_name:
            description: The server (jack).
            type: str
          client_name:
            description: The client's name (jack).
            type: str
          connect_ports:
            description: Ports to connect to, a regular expression (jack).
            type: str
          exact_name:
            description: Whether the client's name must be free (jack).
            type: bool
  serials:
    description: All serial ports. Port 0 is the serial console.
    type: list
    elements: dict
    suboptions:
      port:
        description: 'Number of the port: its identity.'
        type: int
      target_type:
        description: 'The kind of port: V(isa-serial), V(usb-serial), V(pci-serial) and others.'
        type: str
        choices: [isa-serial, usb-serial, pci-serial, spapr-vio-serial, system-serial, sclp-serial, isa-debug]
      target_model:
        description: 'The device that the guest sees: V(isa-serial), V(pl011), V(16550a) and others.'
        type: str
      type:
        description: 'What the host''s side is: V(pty) for C(virsh console), V(file), V(tcp), V(unix),
          V(null) ...'
        type: str
        choices: [pty, file, unix, tcp, udp, 'null', dev, pipe, stdio, vc, spicevmc, spiceport, qemu-vdagent,
          dbus, nmdm]
      path:
        description: Path of the host's side, for V(file), V(unix), V(dev), V(pipe) and V(pty); libvirt
          chooses one for a channel where it's left out.
        type: str
      append:
        description: Whether the file goes on where it ended (V(file)).
        type: bool
      mode:
        description: Who connects to whom (V(unix), V(tcp)).
        type: str
        choices: [bind, connect]
      host:
        description: Address of the socket, for V(udp) of the other side (V(tcp), V(udp)).
        type: str
      service:
        description: Port of the socket, for V(udp) of the other side (V(tcp), V(udp)).
        type: str
      bind_host:
        description: Address of this side (V(udp)).
        type: str
      bind_service:
        description: Port of this side (V(udp)).
        type: str
      protocol:
        description: What is spoken (V(tcp)).
        type: str
        choices: [raw, telnet, telnets, tls]
      tls:
        description: Whether it's encrypted (V(tcp)).
        type: bool
      reconnect:
        description: Whether to connect again (V(unix), V(tcp) with V(mode=connect)).
        type: bool
      reconnect_timeout:
        description: How long between two tries, in seconds.
        type: int
      spice_channel:
        description: The name of the channel (V(spiceport), V(dbus)).
        type: str
      copypaste:
        description: Whether the clipboard is shared (V(qemu-vdagent)).
        type: bool
      mouse:
        description: Whose mouse counts (V(qemu-vdagent)).
        type: str
        choices: [server, client]
      log:
        description: A file on the hypervisor to which all output is copied.
        type: str
      log_append:
        description: Whether the log goes on where it ended, or is begun anew at each start.
        type: bool
      alias:
        description: A name of your own for it, starting with V(ua-).
        type: str
      address:
        description: 'Where it sits, in libvirt''s words: V(type), V(bus), V(slot) and so on. libvirt
          finds a place where it''s left out, and it stays. When the device gets another bus or model,
          libvirt finds another place.'
        type: dict
  parallels:
    description: All parallel ports.
    type: list
    elements: dict
    suboptions:
      port:
        description: 'Number of the port: its identity.'
        type: int
      type:
        description: 'What the host''s side is: V(pty) for C(virsh console), V(file), V(tcp), V(unix),
          V(null) ...'
        type: str
        choices: [pty, file, unix, tcp, udp, 'null', dev, pipe, stdio, vc, spicevmc, spiceport, qemu-vdagent,
          dbus, nmdm]
      path:
        description: Path of the host's side, for V(file), V(unix), V(dev), V(pipe) and V(pty); libvirt
          chooses one for a channel where it's left out.
        type: str
      append:
        description: Whether the file goes on where it ended (V(file)).
        type: bool
      mode:
        description: Who connects to whom (V(unix), V(tcp)).
        type: str
        choices: [bind, connect]
      host:
        description: Address of the socket, for V(udp) of the other side (V(tcp), V(udp)).
        type: str
      service:
        description: Port of the socket, for V(udp) of the other side (V(tcp), V(udp)).
        type: str
      bind_host:
        description: Address of this side (V(udp)).
        type: str
      bind_service:
        description: Port of this side (V(udp)).
        type: str
      protocol:
        description: What is spoken (V(tcp)).
        type: str
        choices: [raw, telnet, telnets, tls]
      tls:
        description: Whether it's encrypted (V(tcp)).
        type: bool
      reconnect:
        description: Whether to connect again (V(unix), V(tcp) with V(mode=connect)).
        type: bool
      reconnect_timeout:
        description: How long between two tries, in seconds.
        type: int
      spice_channel:
        description: The name of the channel (V(spiceport), V(dbus)).
        type: str
      copypaste:
        description: Whether the clipboard is shared (V(qemu-vdagent)).
        type: bool
      mouse:
        description: Whose mouse counts (V(qemu-vdagent)).
        type: str
        choices: [server, client]
      log:
        description: A file on the hypervisor to which all output is copied.
        type: str
      log_append:
        description: Whether the log goes on where it ended, or is begun anew at each start.
        type: bool
      alias:
        description: A name of your own for it, starting with V(ua-).
        type: str
      address:
        description: 'Where it sits, in libvirt''s words: V(type), V(bus), V(slot) and so on. libvirt
          finds a place where it''s left out, and it stays. When the device gets another bus or model,
          libvirt finds another place.'
        type: dict
  consoles:
    description: Consoles beyond serial port 0, in order.
    type: list
    elements: dict
    suboptions:
      target_type:
        description: What the guest sees.
        type: str
        choices: [virtio, serial, sclp, sclplm]
      type:
        description: 'What the host''s side is: V(pty) for C(virsh console), V(file), V(tcp), V(unix),
          V(null) ...'
        type: str
        choices: [pty, file, unix, tcp, udp, 'null', dev, pipe, stdio, vc, spicevmc, spiceport, qemu-vdagent,
          dbus, nmdm]
      path:
        description: Path of the host's side, for V(file), V(unix), V(dev), V(pipe) and V(pty); libvirt
          chooses one for a channel where it's left out.
        type: str
      append:
        description: Whether the file goes on where it ended (V(file)).
        type: bool
      mode:
        description: Who connects to whom (V(unix), V(tcp)).
        type: str
        choices: [bind, connect]
      host:
        description: Address of the socket, for V(udp) of the other side (V(tcp), V(udp)).
        type: str
      service:
        description: Port of the socket, for V(udp) of the other side (V(tcp), V(udp)).
        type: str
      bind_host:
        description: Address of this side (V(udp)).
        type: str
      bind_service:
        description: Port of this side (V(udp)).
        type: str
      protocol:
        description: What is spoken (V(tcp)).
        type: str
        choices: [raw, telnet, telnets, tls]
      tls:
        description: Whether it's encrypted (V(tcp)).
        type: bool
      reconnect:
        description: Whether to connect again (V(unix), V(tcp) with V(mode=connect)).
        type: bool
      reconnect_timeout:
        description: How long between two tries, in seconds.
        type: int
      spice_channel:
        description: The name of the channel (V(spiceport), V(dbus)).
        type: str
      copypaste:
        description: Whether the clipboard is shared (V(qemu-vdagent)).
        type: bool
      mouse:
        description: Whose mouse counts (V(qemu-vdagent)).
        type: str
        choices: [server, client]
      log:
        description: A file on the hypervisor to which all output is copied.
        type: str
      log_append:
        description: Whether the log goes on where it ended, or is begun anew at each start.
        type: bool
      alias:
        description: A name of your own for it, starting with V(ua-).
        type: str
      address:
        description: 'Where it sits, in libvirt''s words: V(type), V(bus), V(slot) and so on. libvirt
          finds a place where it''s left out, and it stays. When the device gets another bus or model,
          libvirt finds another place.'
        type: dict
  channels:
    description: Channels between host and guest, without the agent's (see O(agent)).
    type: list
    elements: dict
    suboptions:
      name:
        description: 'The port''s name in the guest: its identity.'
        type: str
      target_type:
        description: 'How the guest sees it: a V(virtio) port, or a TCP address.'
        type: str
        choices: [virtio, guestfwd]
      target_address:
        description: The IP address in the guest's network (V(target_type=guestfwd)).
        type: str
      target_port:
        description: The TCP port at that address.
        type: int
      type:
        description: 'What the host''s side is: V(pty) for C(virsh console), V(file), V(tcp), V(unix),
          V(null) ...'
        type: str
        choices: [pty, file, unix, tcp, udp, 'null', dev, pipe, stdio, vc, spicevmc, spiceport, qemu-vdagent,
          dbus, nmdm]
      path:
        description: Path of the host's side, for V(file), V(unix), V(dev), V(pipe) and V(pty); libvirt
          chooses one for a channel where it's left out.
        type: str
      append:
        description: Whether the file goes on where it ended (V(file)).
        type: bool
      mode:
        description: Who connects to whom (V(unix), V(tcp)).
        type: str
        choices: [bind, connect]
      host:
        description: Address of the socket, for V(udp) of the other side (V(tcp), V(udp)).
        type: str
      service:
        description: Port of the socket, for V(udp) of the other side (V(tcp), V(udp)).
        type: str
      bind_host:
        description: Address of this side (V(udp)).
        type: str
      bind_service:
        description: Port of this side (V(udp)).
        type: str
      protocol:
        description: What is spoken (V(tcp)).
        type: str
        choices: [raw, telnet, telnets, tls]
      tls:
        description: Whether it's encrypted (V(tcp)).
        type: bool
      reconnect:
        description: Whether to connect again (V(unix), V(tcp) with V(mode=connect)).
        type: bool
      reconnect_timeout:
        description: How long between two tries, in seconds.
        type: int
      spice_channel:
        description: The name of the channel (V(spiceport), V(dbus)).
        type: str
      copypaste:
        description: Whether the clipboard is shared (V(qemu-vdagent)).
        type: bool
      mouse:
        description: Whose mouse counts (V(qemu-vdagent)).
        type: str
        choices: [server, client]
      log:
        description: A file on the hypervisor to which all output is copied.
        type: str
      log_append:
        description: Whether the log goes on where it ended, or is begun anew at each start.
        type: bool
      alias:
        description: A name of your own for it, starting with V(ua-).
        type: str
      address:
        description: 'Where it sits, in libvirt''s words: V(type), V(bus), V(slot) and so on. libvirt
          finds a place where it''s left out, and it stays. When the device gets another bus or model,
          libvirt finds another place.'
        type: dict
  rng:
    description: Sources of random numbers.
    type: list
    elements: dict
    suboptions:
      model:
        description: The device.
        type: str
        choices: [virtio, virtio-transitional, virtio-non-transitional]
      backend:
        description: Where its numbers come from.
        type: str
        choices: [random, builtin, egd]
      source:
        description: The host's device (V(backend=random)). libvirt's default is /dev/urandom.
        type: str
      egd:
        description: 'The daemon that gives them (V(backend=egd)): V(unix), V(tcp) or V(udp).'
        type: dict
        suboptions:
          type:
            description: 'What the host''s side is: V(pty) for C(virsh console), V(file), V(tcp), V(unix),
              V(null) ...'
            type: str
            choices: [pty, file, unix, tcp, udp, 'null', dev, pipe, stdio, vc, spicevmc, spiceport, qemu-vdagent,
              dbus, nmdm]
          path:
            description: Path of the host's side, for V(file), V(unix), V(dev), V(pipe) and V(pty); libvirt
              chooses one for a channel where it's left out.
            type: str
          append:
            description: Whether the file goes on where it ended (V(file)).
            type: bool
          mode:
            description: Who connects to whom (V(unix), V(tcp)).
            type: str
            choices: [bind, connect]
          host:
            description: Address of the socket, for V(udp) of the other side (V(tcp), V(udp)).
            type: str
          service:
            description: Port of the socket, for V(udp) of the other side (V(tcp), V(udp)).
            type: str
          bind_host:
            description: Address of this side (V(udp)).
            type: str
          bind_service:
            description: Port of this side (V(udp)).
            type: str
          protocol:
            description: What is spoken (V(tcp)).
            type: str
            choices: [raw, telnet, telnets, tls]
          tls:
            description: Whether it's encrypted (V(tcp)).
            type: bool
          reconnect:
            description: Whether to connect again (V(unix), V(tcp) with V(mode=connect)).
            type: bool
          reconnect_timeout:
            description: How long between two tries, in seconds.
            type: int
          spice_channel:
            description: The name of the channel (V(spiceport), V(dbus)).
            type: str
          copypaste:
            description: Whether the clipboard is shared (V(qemu-vdagent)).
            type: bool
          mouse:
            description: Whose mouse counts (V(qemu-vdagent)).
            type: str
            choices: [server, client]
      rate_bytes:
        description: Bytes that the guest may take in O(rng[].rate_period).
        type: int
      rate_period:
        description: The period in milliseconds.
        type: int
      virtio:
        description: The virtio transport.
        type: dict
        suboptions:
          iommu:
            description: Whether it goes through the guest's IOMMU.
            type: bool
          ats:
            description: Whether it uses address translation services.
            type: bool
          packed:
            description: Whether it uses packed virtqueues.
            type: bool
          page_per_vq:
            description: Whether each queue's notifications have a page of their own.
            type: bool
      alias:
        description: A name of your own for it, starting with V(ua-).
        type: str
      acpi_index:
        description: 'Number that the guest''s firmware shows for it: names C(eno1) and so on.'
        type: int
      address:
        description: 'Where it sits, in libvirt''s words: V(type), V(bus), V(slot) and so on. libvirt
          finds a place where it''s left out, and it stays. When the device gets another bus or model,
          libvirt finds another place.'
        type: dict
  tpm:
    description: 'The TPM: one, on POWER a proxy beside it.'
    type: list
    elements: dict
    suboptions:
      model:
        description: The device.
        type: str
        choices: [tpm-tis, tpm-crb, tpm-spapr, spapr-tpm-proxy]
      type:
        description: 'Where it''s from: emulated by swtpm, the host''s own, or another process.'
        type: str
        choices: [emulator, passthrough, external]
      version:
        description: Its version (V(type=emulator)).
        type: str
        choices: ['1.2', '2.0']
      persistent_state:
        description: Whether its state outlives a transient domain (V(type=emulator)).
        type: bool
      encryption_secret:
        description: The UUID of libvirt's secret that its state is encrypted with.
        type: str
      active_pcr_banks:
        description: The PCR banks that are on (V(version=2.0)).
        type: dict
        suboptions:
          sha1:
            description: SHA1.
            type: bool
          sha256:
            description: SHA256.
            type: bool
          sha384:
            description: SHA384.
            type: bool
          sha512:
            description: SHA512.
            type: bool
      profile:
        description: The profile of algorithms of a new TPM.
        type: str
      path:
        description: The host's device (V(type=passthrough)).
        type: str
      socket:
        description: The socket of the other process (V(type=external)).
        type: str
      alias:
        description: A name of your own for it, starting with V(ua-).
        type: str
      address:
        description: 'Where it sits, in libvirt''s words: V(type), V(bus), V(slot) and so on. libvirt
          finds a place where it''s left out, and it stays. When the device gets another bus or model,
          libvirt finds another place.'
        type: dict
  watchdog:
    description: Watchdogs beyond the chipset's own.
    type: list
    elements: dict
    suboptions:
      model:
        description: The device.
        type: str
        required: true
        choices: [i6300esb, ib700, diag288, itco]
      action:
        description: What follows when the guest hangs.
        type: str
        choices: [reset, shutdown, poweroff, pause, none, dump, inject-nmi]
      alias:
        description: A name of your own for it, starting with V(ua-).
        type: str
      acpi_index:
        description: 'Number that the guest''s firmware shows for it: names C(eno1) and so on.'
        type: int
      address:
        description: 'Where it sits, in libvirt''s words: V(type), V(bus), V(slot) and so on. libvirt
          finds a place where it''s left out, and it stays. When the device gets another bus or model,
          libvirt finds another place.'
        type: dict
  panic:
    description: Panic notifiers beyond the machine's own.
    type: list
    elements: dict
    suboptions:
      model:
        description: The device by which the guest says that it crashed.
        type: str
        choices: [isa, pvpanic, pseries, hyperv, s390]
      alias:
        description: A name of your own for it, starting with V(ua-).
        type: str
      address:
        description: 'Where it sits, in libvirt''s words: V(type), V(bus), V(slot) and so on. libvirt
          finds a place where it''s left out, and it stays. When the device gets another bus or model,
          libvirt finds another place.'
        type: dict
  vsock:
    description: 'The socket between host and guest: one at most.'
    type: list
    elements: dict
    suboptions:
      cid:
        description: The guest's number, from 3.
        type: int
      auto:
        description: Whether a free number is found at each start.
        type: bool
      model:
        description: The virtio device.
        type: str
        choices: [virtio, virtio-transitional, virtio-non-transitional]
      virtio:
        description: The virtio transport.
        type: dict
        suboptions:
          iommu:
            description: Whether it goes through the guest's IOMMU.
            type: bool
          ats:
            description: Whether it uses address translation services.
            type: bool
          packed:
            description: Whether it uses packed virtqueues.
            type: bool
          page_per_vq:
            description: Whether each queue's notifications have a page of their own.
            type: bool
      alias:
        description: A name of your own for it, starting with V(ua-).
        type: str
      acpi_index:
        description: 'Number that the guest''s firmware shows for it: names C(eno1) and so on.'
        type: int
      address:
        description: 'Where it sits, in libvirt''s words: V(type), V(bus), V(slot) and so on. libvirt
          finds a place where it''s left out, and it stays. When the device gets another bus or model,
          libvirt finds another place.'
        type: dict
  iommu:
    description: 'The guest''s IOMMU: one at most.'
    type: list
    elements: dict
    suboptions:
      model:
        description: The device.
        type: str
        required: true
        choices: [intel, smmuv3, virtio, amd]
      intremap:
        description: Interrupt remapping; needs O(features.ioapic=qemu) (V(model=intel)).
        type: bool
      caching_mode:
        description: For devices given to the guest (V(model=intel)).
        type: bool
      eim:
        description: More than 255 vCPUs (V(model=intel)).
        type: bool
      iotlb:
        description: For virtio devices with O(disks[].virtio.ats).
        type: bool
      aw_bits:
        description: 'Width of addresses: V(39) or V(48).'
        type: int
      dma_translation:
        description: Whether addresses are translated at all.
        type: bool
      alias:
        description: A name of your own for it, starting with V(ua-).
        type: str
      address:
        description: 'Where it sits, in libvirt''s words: V(type), V(bus), V(slot) and so on. libvirt
          finds a place where it''s left out, and it stays. When the device gets another bus or model,
          libvirt finds another place.'
        type: dict
  memory_devices:
    description: Memory beyond what the guest starts with; it needs room, O(memory_hotplug), but for V(nvdimm).
    type: list
    elements: dict
    suboptions:
      model:
        description: What it is.
        type: str
        required: true
        choices: [dimm, nvdimm, virtio-pmem, virtio-mem, sgx-epc]
      size:
        description: Its size.
        type: str
      node:
        description: The guest's NUMA node that it's in.
        type: int
      requested:
        description: How much of it the guest is given (V(model=virtio-mem)).
        type: str
      block:
        description: The least that is given or taken (V(model=virtio-mem)).
        type: str
      dynamic_memslots:
        description: Whether it takes memory slots as it grows (V(model=virtio-mem)).
        type: bool
      label_size:
        description: The size of its label area (V(model=nvdimm)).
        type: str
      read_only:
        description: Whether the guest may only read (V(model=nvdimm)).
        type: bool
      path:
        description: The file behind it (V(model=nvdimm), V(model=virtio-pmem)).
        type: str
      alignsize:
        description: The alignment of the mapping (V(model=nvdimm)).
        type: str
      pmem:
        description: Whether the file is in persistent memory (V(model=nvdimm)).
        type: bool
      pagesize:
        description: The size of the host's pages behind it (V(model=dimm), V(model=virtio-mem)).
        type: str
      nodemask:
        description: The host's NUMA nodes that it's taken from.
        type: str
      access:
        description: Whether it's shared with other processes.
        type: str
        choices: [shared, private]
      discard:
        description: Whether its content is thrown away at the end.
        type: bool
      uuid:
        description: Its UUID (V(model=nvdimm) on ppc64).
        type: str
      alias:
        description: A name of your own for it, starting with V(ua-).
        type: str
      acpi_index:
        description: 'Number that the guest''s firmware shows for it: names C(eno1) and so on.'
        type: int
      address:
        description: 'Where it sits, in libvirt''s words: V(type), V(bus), V(slot) and so on. libvirt
          finds a place where it''s left out, and it stays. When the device gets another bus or model,
          libvirt finds another place.'
        type: dict
  shmem:
    description: Memory shared with other guests, or with programs of the host such as Looking Glass (ivshmem).
    type: list
    elements: dict
    suboptions:
      name:
        description: 'Its name on the hypervisor: its identity.'
        type: str
        required: true
      model:
        description: The device.
        type: str
        choices: [ivshmem, ivshmem-plain, ivshmem-doorbell]
      role:
        description: Whether it's copied in a migration.
        type: str
        choices: [master, peer]
      size:
        description: Its size, in whole MiB.
        type: str
      server:
        description: Path of the server's socket (V(model=ivshmem-doorbell)).
        type: str
      vectors:
        description: Number of interrupt vectors (V(model=ivshmem-doorbell)).
        type: int
      ioeventfd:
        description: Whether doorbells are taken outside of the vCPU's thread.
        type: bool
      alias:
        description: A name of your own for it, starting with V(ua-).
        type: str
      acpi_index:
        description: 'Number that the guest''s firmware shows for it: names C(eno1) and so on.'
        type: int
      address:
        description: 'Where it sits, in libvirt''s words: V(type), V(bus), V(slot) and so on. libvirt
          finds a place where it''s left out, and it stays. When the device gets another bus or model,
          libvirt finds another place.'
        type: dict
  redirdevs:
    description: 'USB redirection: ports into which whoever watches by SPICE can plug a device.'
    type: list
    elements: dict
    suboptions:
      bus:
        description: The bus.
        type: str
        choices: [usb]
      type:
        description: 'What the host''s side is: V(pty) for C(virsh console), V(file), V(tcp), V(unix),
          V(null) ...'
        type: str
        choices: [pty, file, unix, tcp, udp, 'null', dev, pipe, stdio, vc, spicevmc, spiceport, qemu-vdagent,
          dbus, nmdm]
      path:
        description: Path of the host's side, for V(file), V(unix), V(dev), V(pipe) and V(pty); libvirt
          chooses one for a channel where it's left out.
        type: str
      append:
        description: Whether the file goes on where it ended (V(file)).
        type: bool
      mode:
        description: Who connects to whom (V(unix), V(tcp)).
        type: str
        choices: [bind, connect]
      host:
        description: Address of the socket, for V(udp) of the other side (V(tcp), V(udp)).
        type: str
      service:
        description: Port of the socket, for V(udp) of the other side (V(tcp), V(udp)).
        type: str
      bind_host:
        description: Address of this side (V(udp)).
        type: str
      bind_service:
        description: Port of this side (V(udp)).
        type: str
      protocol:
        description: What is spoken (V(tcp)).
        type: str
        choices: [raw, telnet, telnets, tls]
      tls:
        description: Whether it's encrypted (V(tcp)).
        type: bool
      reconnect:
        description: Whether to connect again (V(unix), V(tcp) with V(mode=connect)).
        type: bool
      reconnect_timeout:
        description: How long between two tries, in seconds.
        type: int
      spice_channel:
        description: The name of the channel (V(spiceport), V(dbus)).
        type: str
      copypaste:
        description: Whether the clipboard is shared (V(qemu-vdagent)).
        type: bool
      mouse:
        description: Whose mouse counts (V(qemu-vdagent)).
        type: str
        choices: [server, client]
      boot_order:
        description: Place in the boot order, from 1. Not together with O(boot.order).
        type: int
      alias:
        description: A name of your own for it, starting with V(ua-).
        type: str
      address:
        description: 'Where it sits, in libvirt''s words: V(type), V(bus), V(slot) and so on. libvirt
          finds a place where it''s left out, and it stays. When the device gets another bus or model,
          libvirt finds another place.'
        type: dict
  redirfilter:
    description: Rules for redirected USB devices, in order; the first that fits counts.
    type: list
    elements: dict
    suboptions:
      allow:
        description: Whether devices that fit may be redirected.
        type: bool
        required: true
      class:
        description: Device class, V(0x08); any where it's left out.
        type: raw
      vendor:
        description: Vendor, V(0x0781); any where it's left out.
        type: raw
      product:
        description: Product, V(0x5583); any where it's left out.
        type: raw
      version:
        description: Version, V(1.10); any where it's left out.
        type: str
  smartcard:
    description: 'The smart card: one at most.'
    type: list
    elements: dict
    suboptions:
      mode:
        description: 'Whose card it is: the host''s, one made of certificates, or one at the end of a
          connection.'
        type: str
        choices: [host, host-certificates, passthrough]
      certificates:
        description: The names of three certificates (V(mode=host-certificates)).
        type: list
        elements: str
      database:
        description: The directory of the certificates.
        type: str
      source:
        description: The connection (V(mode=passthrough)).
        type: dict
        suboptions:
          type:
            description: 'What the host''s side is: V(pty) for C(virsh console), V(file), V(tcp), V(unix),
              V(null) ...'
            type: str
            choices: [pty, file, unix, tcp, udp, 'null', dev, pipe, stdio, vc, spicevmc, spiceport, qemu-vdagent,
              dbus, nmdm]
          path:
            description: Path of the host's side, for V(file), V(unix), V(dev), V(pipe) and V(pty); libvirt
              chooses one for a channel where it's left out.
            type: str
          append:
            description: Whether the file goes on where it ended (V(file)).
            type: bool
          mode:
            description: Who connects to whom (V(unix), V(tcp)).
            type: str
            choices: [bind, connect]
          host:
            description: Address of the socket, for V(udp) of the other side (V(tcp), V(udp)).
            type: str
          service:
            description: Port of the socket, for V(udp) of the other side (V(tcp), V(udp)).
            type: str
          bind_host:
            description: Address of this side (V(udp)).
            type: str
          bind_service:
            description: Port of this side (V(udp)).
            type: str
          protocol:
            description: What is spoken (V(tcp)).
            type: str
            choices: [raw, telnet, telnets, tls]
          tls:
            description: Whether it's encrypted (V(tcp)).
            type: bool
          reconnect:
            description: Whether to connect again (V(unix), V(tcp) with V(mode=connect)).
            type: bool
          reconnect_timeout:
            description: How long between two tries, in seconds.
            type: int
          spice_channel:
            description: The name of the channel (V(spiceport), V(dbus)).
            type: str
          copypaste:
            description: Whether the clipboard is shared (V(qemu-vdagent)).
            type: bool
          mouse:
            description: Whose mouse counts (V(qemu-vdagent)).
            type: str
            choices: [server, client]
      address:
        description: 'Where it sits, in libvirt''s words: V(type), V(bus), V(slot) and so on. libvirt
          finds a place where it''s left out, and it stays. When the device gets another bus or model,
          libvirt finds another place.'
        type: dict
  leases:
    description: Leases of a lock manager.
    type: list
    elements: dict
    suboptions:
      key:
        description: 'The lease''s name: its identity.'
        type: str
        required: true
      lockspace:
        description: The lock space.
        type: str
      path:
        description: The file of the lock space.
        type: str
      offset:
        description: Where the lease is in the file, in bytes.
        type: int
  hub:
    description: USB hubs beyond those that libvirt makes.
    type: list
    elements: dict
    suboptions:
      type:
        description: The bus.
        type: str
        choices: [usb]
      alias:
        description: A name of your own for it, starting with V(ua-).
        type: str
      address:
        description: 'Where it sits, in libvirt''s words: V(type), V(bus), V(slot) and so on. libvirt
          finds a place where it''s left out, and it stays. When the device gets another bus or model,
          libvirt finds another place.'
        type: dict
  crypto:
    description: Cryptographic devices.
    type: list
    elements: dict
    suboptions:
      model:
        description: The device.
        type: str
        choices: [virtio]
      type:
        description: Who does the work.
        type: str
        choices: [qemu]
      backend:
        description: How.
        type: str
        choices: [builtin, lkcf]
      queues:
        description: Number of queues.
        type: int
      alias:
        description: A name of your own for it, starting with V(ua-).
        type: str
      address:
        description: 'Where it sits, in libvirt''s words: V(type), V(bus), V(slot) and so on. libvirt
          finds a place where it''s left out, and it stays. When the device gets another bus or model,
          libvirt finds another place.'
        type: dict
  controllers:
    description: Controllers to add or change; those not listed stay, for libvirt makes what the devices
      need.
    type: list
    elements: dict
    suboptions:
      type:
        description: What is attached to it.
        type: str
        required: true
        choices: [pci, usb, scsi, sata, ide, virtio-serial, fdc, ccid, isa, nvme]
      index:
        description: Its number among those of its type.
        type: int
      model:
        description: 'The model: V(virtio-scsi), V(qemu-xhci), V(pcie-root-port) and others.'
        type: str
      model_name:
        description: QEMU's device for the model, V(ioh3420), where libvirt's own choice isn't wanted
          (V(type=pci)).
        type: str
      ports:
        description: Number of ports (V(type=usb), V(type=virtio-serial)).
        type: int
      vectors:
        description: Number of interrupt vectors (V(type=virtio-serial)).
        type: int
      queues:
        description: Number of virtio queues (V(model=virtio-scsi)).
        type: int
      iothread:
        description: The iothread that serves it (V(model=virtio-scsi)).
        type: int
      ioeventfd:
        description: Whether requests are taken outside of the vCPU's thread.
        type: bool
      cmd_per_lun:
        description: The most commands for a device at once (V(model=virtio-scsi)).
        type: int
      max_sectors:
        description: The most sectors in a command (V(model=virtio-scsi)).
        type: int
      target:
        description: How it's seen (V(type=pci)).
        type: dict
        suboptions:
          chassis:
            description: Chassis number of a port.
            type: int
          port:
            description: Port number.
            type: str
          chassis_nr:
            description: Chassis number of a bridge.
            type: int
          bus_nr:
            description: Bus number of an expander bus.
            type: int
          index:
            description: Number of a host bridge (pseries).
            type: int
          hotplug:
            description: Whether devices can be plugged in while the guest runs.
            type: bool
          node:
            description: The guest's NUMA node of an expander bus.
            type: int
      pcihole64:
        description: The room for 64-bit addresses of PCI devices (a root).
        type: str
      master_startport:
        description: The first port of a companion (V(type=usb)).
        type: int
      virtio:
        description: The virtio transport.
        type: dict
        suboptions:
          iommu:
            description: Whether it goes through the guest's IOMMU.
            type: bool
          ats:
            description: Whether it uses address translation services.
            type: bool
          packed:
            description: Whether it uses packed virtqueues.
            type: bool
          page_per_vq:
            description: Whether each queue's notifications have a page of their own.
            type: bool
      alias:
        description: A name of your own for it, starting with V(ua-).
        type: str
      address:
        description: 'Where it sits, in libvirt''s words: V(type), V(bus), V(slot) and so on. libvirt
          finds a place where it''s left out, and it stays. When the device gets another bus or model,
          libvirt finds another place.'
        type: dict
  memballoon:
    description: The memory balloon.
    type: dict
    suboptions:
      model:
        description: The device by which memory is taken back and given.
        type: str
        choices: [virtio, virtio-transitional, virtio-non-transitional, none]
      free_page_reporting:
        description: Whether the guest reports free pages.
        type: bool
      autodeflate:
        description: Whether memory is given back before the guest kills for it.
        type: bool
      stats_period:
        description: How often the guest says how its memory is used, in seconds.
        type: int
      virtio:
        description: The virtio transport.
        type: dict
        suboptions:
          iommu:
            description: Whether it goes through the guest's IOMMU.
            type: bool
          ats:
            description: Whether it uses address translation services.
            type: bool
          packed:
            description: Whether it uses packed virtqueues.
            type: bool
          page_per_vq:
            description: Whether each queue's notifications have a page of their own.
            type: bool
      alias:
        description: A name of your own for it, starting with V(ua-).
        type: str
      acpi_index:
        description: 'Number that the guest''s firmware shows for it: names C(eno1) and so on.'
        type: int
      address:
        description: 'Where it sits, in libvirt''s words: V(type), V(bus), V(slot) and so on. libvirt
          finds a place where it''s left out, and it stays. When the device gets another bus or model,
          libvirt finds another place.'
        type: dict
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

- name: A guest that Debian's installer makes, by its answers
  metal.kvm.domain:
    name: web2
    memory: 2 GiB
    vcpus: 2
    disks:
      - {target: vda, pool: images, volume: web2.qcow2}
    interfaces:
      - {network: lab}
    install:
      iso: /srv/iso/debian-netinst.iso
      preseed: "{{ lookup('ansible.builtin.template', 'preseed.cfg.j2') }}"
      cmdline: console=ttyS0
      timeout: 3600
    state: running

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

- name: Windows 11, with Secure Boot, a TPM and a graphics card of the host
  metal.kvm.domain:
    name: win11
    osinfo: http://microsoft.com/win/11
    memory: 16 GiB
    vcpus: 8
    firmware: efi
    secure_boot: true
    enrolled_keys: true
    features:
      smm: true
      hyperv: {relaxed: true, vapic: true, spinlocks: 8191, vpindex: true, synic: true, stimer: true}
      kvm: {hidden: true}
    clock: {offset: localtime, hypervclock: true}
    cpu: {mode: host-passthrough, topology: {sockets: 1, cores: 4, threads: 2}}
    cputune:
      vcpupin: {0: "2", 1: "10", 2: "3", 3: "11", 4: "4", 5: "12", 6: "5", 7: "13"}
    memory_backing: {hugepages: true}
    tpm: [{model: tpm-crb, type: emulator, version: "2.0"}]
    disks:
      - {target: vda, pool: images, volume: win11.qcow2}
      - {target: sda, device: cdrom, file: /srv/iso/win11.iso}
      - {target: sdb, device: cdrom, file: /srv/iso/virtio-win.iso}
    hostdevs:
      - {pci: "01:00.0"}
      - {pci: "01:00.1"}
    inputs:
      - {type: evdev, path: /dev/input/by-id/usb-keyboard-event-kbd, grab: all, repeat: true}

- name: A directory of the host in the guest, by virtiofs
  metal.kvm.domain:
    name: web1
    memory_backing: {source: memfd, access: shared}
    filesystems:
      - {target: data, source: /srv/data, driver: virtiofs}

- name: A disk in Ceph
  metal.kvm.domain:
    name: web1
    disks:
      - target: vda
        network: {protocol: rbd, name: vms/web1, hosts: [{name: mon1.example.com}, {name: mon2.example.com}]}
        auth: {username: libvirt, secret_uuid: 2a7f0e5e-0f0f-4a0e-8b0a-3b1c5d7e9f10}

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
    - The options of this module as the persistent definition has them, and the keys below. Sizes are numbers
      of bytes; given back as options they need the unit C(B).
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
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.plan import NOUN


def main() -> None:
    run_module(NOUN.plan, ARGUMENTS, NOUN.operations, NOUN.describe, **RULES)


if __name__ == "__main__":
    main()
