# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of what the guest shares with the host: its devices, its directories, its memory."""

from __future__ import annotations

import typing as t

from ...._xml import document
from ...._xml.items import Items
from ...._xml.rows import Field, Group, Union
from ...._xml.types import (
    BYTES,
    CPUSET,
    HEX4,
    KIB,
    MODE,
    ON_OFF,
    PATH,
    PCI,
    PORT,
    POSITIVE,
    PRESENT,
    SOME_MIB,
    STR,
    UUID,
    WHOLE,
    YES_NO,
)
from . import later
from .common import (
    ACPI_INDEX,
    ADDRESS,
    ALIAS,
    BOOT_ORDER,
    PLACED,
    VIRTIO,
    VIRTIO_MODELS,
    always,
    instead,
    put_pci,
    unsaid,
)

Element = document.Element

SCSI = (
    Field("adapter", "adapter@name", STR, "The host's adapter, V(scsi_host0).", put=instead("adapter@name")),
    Field("bus", "address@bus", WHOLE, "Bus on the adapter."),
    Field("target", "address@target", WHOLE, "Target on the bus."),
    Field("unit", "address@unit", WHOLE, "Unit of the target."),
    Field("iscsi", "@name", STR, "An iSCSI target and unit instead, V(iqn.2024-01.com.example:disk/1).",
          put=instead("@name", protocol="iscsi")),
    Items("hosts", "host", (
        Field("name", "@name", STR, "Host name or address."), Field("port", "@port", PORT, "TCP port."),
    ), ("name",), "Where the iSCSI target is."),
    Group("auth", "auth", later("disk_source", "AUTH"), "How to log in to the iSCSI target."),
    Field("initiator", "initiator/iqn@name", STR, "The initiator's own name (iSCSI)."),
)  # fmt: skip
HOSTDEV = (
    Union("type", {
        "pci": (Field("pci", "source/address", PCI,
                      "A PCI device by its address, V(0000:3b:00.0), or by libvirt's name of it, V(pci_0000_3b_00_0).", put=put_pci("source/address")),),
        "usb": (
            Group("usb", "source", (
                Field("vendor", "vendor@id", HEX4, "Vendor, V(0x0781)."),
                Field("product", "product@id", HEX4, "Product, V(0x5583)."),
                Field("bus", "address@bus", WHOLE, "Bus number.", volatile=unsaid("address@bus")),
                Field("device", "address@device", WHOLE, "Device number on the bus: another one at each plugging in.",
                      volatile=unsaid("address@device")),
                Field("guest_reset", "@guestReset", STR, "Whether the guest may reset it.", choices=("off", "uninitialized", "on")),
            ), "A USB device by vendor and product, or by bus and device."),
        ),
        "mdev": (Field("mdev", "source/address@uuid", UUID, "A mediated device by its UUID."),),
        "scsi": (Group("scsi", "source", SCSI, "A SCSI device, by the host's adapter or by iSCSI."),),
        "scsi_host": (Field("vhost_scsi", "source@wwpn", STR, "A vhost-scsi target by its name, V(naa.5123456789abcde0).",
                            put=instead("source@wwpn", protocol="vhost")),),
    }, owns=("source",)),
    Field("managed", "@managed", YES_NO, "Whether libvirt takes a PCI device from its driver and gives it back."
          " True for a new one where it's left out."),
    Field("model", "@model", STR, "What the guest sees of a mediated device or a vhost-scsi target: V(vfio-pci), V(vfio-ccw),"
          " V(vfio-ap), V(virtio) and its transitional forms."),
    Field("driver", "driver@name", STR, "The driver that gives a PCI device away.", choices=("vfio",),
          volatile=unsaid("driver@name")),
    Field("driver_model", "driver@model", STR, "The vfio driver by name.", since=10_000_000),
    Field("startup_policy", "source@startupPolicy", STR, "What a missing device does to a start of the guest.",
          choices=("mandatory", "requisite", "optional")),
    Field("display", "@display", ON_OFF, "Whether a mediated device draws on the guest's screen."),
    Field("ramfb", "@ramfb", ON_OFF, "Whether a mediated device draws before the guest's driver is up."),
    Field("rawio", "@rawio", YES_NO, "Whether the guest may send any SCSI command."),
    Field("sgio", "@sgio", STR, "Whether SCSI commands are filtered.", choices=("filtered", "unfiltered")),
    Field("read_only", "readonly", PRESENT, "Whether the guest may only read (SCSI)."),
    Field("shareable", "shareable", PRESENT, "Whether several guests may use it at once (SCSI)."),
    Group("rom", "rom", later("interface_source", "ROM"), "The device's boot ROM."),
    Group("teaming", "teaming", later("interface_source", "TEAMING"), "The virtio interface that stands in for it."),
    BOOT_ORDER, *PLACED,
)  # fmt: skip
FILESYSTEM = (
    Field("target", "target@dir", STR, "The name by which the guest mounts it: its identity."),
    Field("source", "source@dir", PATH, "The directory on the hypervisor.", put=instead("source@dir", "socket")),
    Field("socket", "source@socket", PATH, "The socket of a virtiofsd of your own, instead of O(filesystems[].source).",
          put=instead("source@socket", "dir")),
    Field("driver", "driver@type", STR, "V(virtiofs) needs shared memory (O(memory_backing.access)); V(path) is 9p.",
          choices=("virtiofs", "path", "handle", "mtp")),
    Field("read_only", "readonly", PRESENT, "Whether the guest may only read."),
    Field("accessmode", "@accessmode", STR, "With whose rights files are made (9p).", choices=("passthrough", "mapped", "squash")),
    Field("multidevs", "@multidevs", STR, "What becomes of several devices below it (9p).",
          choices=("default", "remap", "forbid", "warn"), silent="default"),
    Field("fmode", "@fmode", MODE, "Mode of new files, V('0644') (9p, V(accessmode=mapped)).", silent="0000"),
    Field("dmode", "@dmode", MODE, "Mode of new directories, V('0755') (9p, V(accessmode=mapped)).", silent="0000"),
    Field("model", "@model", STR, "The virtio device.", choices=VIRTIO_MODELS),
    Field("queue_size", "driver@queue", POSITIVE, "Length of the queue (virtiofs)."),
    Field("wrpolicy", "driver@wrpolicy", STR, "Whether writes are flushed at once (9p).", choices=("immediate",)),
    Group("binary", "binary", (
        Field("path", "@path", PATH, "The program; libvirt finds one where it's left out.", volatile=always),
        Field("xattr", "@xattr", ON_OFF, "Whether extended attributes are shown."),
        Field("cache", "cache@mode", STR, "What the guest caches.", choices=("none", "always")),
        Field("sandbox", "sandbox@mode", STR, "How it's shut in.", choices=("namespace", "chroot")),
        Field("posix_lock", "lock@posix", ON_OFF, "Whether POSIX locks are passed on."),
        Field("flock", "lock@flock", ON_OFF, "Whether BSD locks are passed on."),
        Field("thread_pool_size", "thread_pool@size", WHOLE, "The most threads."),
        Field("openfiles", "openfiles@max", POSITIVE, "The most open files.", since=10_006_000),
    ), "The virtiofsd that libvirt runs."),
    Field("space_hard_limit", "space_hard_limit", BYTES, "The most space.", silent=0),
    Field("space_soft_limit", "space_soft_limit", BYTES, "The most space for long.", silent=0),
    VIRTIO, BOOT_ORDER, *PLACED,
)  # fmt: skip


def _shared(shmem: Element) -> t.Optional[int]:
    """libvirt shows a size below its least, a whole MiB, as none, and takes that for 4 MiB."""
    size = shmem.find("size")
    return (None if size is None else SOME_MIB.get(size, "")) or None


SHMEM = (
    Field("name", "@name", STR, "Its name on the hypervisor: its identity.", required=True),
    Field("model", "model@type", STR, "The device.", choices=("ivshmem", "ivshmem-plain", "ivshmem-doorbell")),
    Field("role", "@role", STR, "Whether it's copied in a migration.", choices=("master", "peer")),
    Field("size", "size", SOME_MIB, "Its size, in whole MiB.", get=_shared),
    Field("server", "server@path", PATH, "Path of the server's socket (V(model=ivshmem-doorbell))."),
    Field("vectors", "msi@vectors", POSITIVE, "Number of interrupt vectors (V(model=ivshmem-doorbell))."),
    Field("ioeventfd", "msi@ioeventfd", ON_OFF, "Whether doorbells are taken outside of the vCPU's thread."),
    ALIAS, ACPI_INDEX, ADDRESS,
)  # fmt: skip
MEMORY = (
    Field("model", "@model", STR, "What it is.", choices=("dimm", "nvdimm", "virtio-pmem", "virtio-mem", "sgx-epc"), required=True),
    Field("size", "target/size", KIB, "Its size."),
    Field("node", "target/node", WHOLE, "The guest's NUMA node that it's in."),
    Field("requested", "target/requested", KIB, "How much of it the guest is given (V(model=virtio-mem)).", live="memory_device"),
    Field("block", "target/block", KIB, "The least that is given or taken (V(model=virtio-mem))."),
    Field("dynamic_memslots", "target@dynamicMemslots", YES_NO, "Whether it takes memory slots as it grows (V(model=virtio-mem)).",
          since=10_001_000),
    Field("label_size", "target/label/size", KIB, "The size of its label area (V(model=nvdimm))."),
    Field("read_only", "target/readonly", PRESENT, "Whether the guest may only read (V(model=nvdimm))."),
    Field("path", "source/path", PATH, "The file behind it (V(model=nvdimm), V(model=virtio-pmem))."),
    Field("alignsize", "source/alignsize", KIB, "The alignment of the mapping (V(model=nvdimm))."),
    Field("pmem", "source/pmem", PRESENT, "Whether the file is in persistent memory (V(model=nvdimm))."),
    Field("pagesize", "source/pagesize", KIB, "The size of the host's pages behind it (V(model=dimm), V(model=virtio-mem))."),
    Field("nodemask", "source/nodemask", CPUSET, "The host's NUMA nodes that it's taken from."),
    Field("access", "@access", STR, "Whether it's shared with other processes.", choices=("shared", "private")),
    Field("discard", "@discard", YES_NO, "Whether its content is thrown away at the end."),
    Field("uuid", "uuid", UUID, "Its UUID (V(model=nvdimm) on ppc64)."),
    ALIAS, ACPI_INDEX, ADDRESS,
)  # fmt: skip
LEASE = (
    Field("key", "key", STR, "The lease's name: its identity.", required=True),
    Field("lockspace", "lockspace", STR, "The lock space."),
    Field("path", "target@path", PATH, "The file of the lock space."),
    Field("offset", "target@offset", WHOLE, "Where the lease is in the file, in bytes.", silent=0),
)
