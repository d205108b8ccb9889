# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of a disk, but for what only a few disks have (disk_source.py)."""

from __future__ import annotations

from ...._xml import document
from ...._xml.beside import Beside
from ...._xml.rows import Field, Group, Union
from ...._xml.types import KIB, ON_OFF, PATH, POSITIVE, PRESENT, STR, YES_NO
from . import later
from .common import BOOT_ORDER, PLACED, VIRTIO, VIRTIO_MODELS, always

Element = document.Element


def _format_put(disk: Element, value: str) -> None:
    driver = disk.find("driver")
    if driver is None:
        driver = document.element("driver")
        disk.insert(0, driver)
    driver.set("name", driver.get("name") or "qemu")
    driver.set("type", value)


BUSES = {
    "vd": ("virtio",),
    "hd": ("ide",),
    "fd": ("fdc",),
    "sd": ("sata", "scsi", "usb"),
}  # by a target's first letters


def _put_target(disk: Element, value: str) -> None:
    """A disk that takes another name is on the bus of that name, unless its bus is said too."""
    target = disk.find("target")
    target = document.child(disk, "target") if target is None else target
    target.set("dev", value)
    fitting = BUSES.get(value[:2])
    if fitting and target.get("bus") and target.get("bus") not in fitting:
        target.set("bus", fitting[0])


def _put_device(disk: Element, value: str) -> None:
    """libvirt makes a CD-ROM drive read-only; another device isn't for that reason."""
    if disk.get("device") == "cdrom" != value:
        for node in disk.findall("readonly"):
            document.remove(node)
        for node in disk.findall("target"):
            node.attrib.pop("tray", None)
    disk.set("device", value)


class Login(Group):
    """How to log in to what the source is on; of a volume libvirt knows it beside the source only."""

    __slots__ = ()

    def new_place(self, parent: Element) -> str:
        return "auth" if parent.get("type") == "volume" else "source/auth"


def _empty(persistent: Element, running: Element) -> bool:
    """A drive without a medium has no format."""
    return running.find("source") is None


# What makes a disk's volume; domain/disk_volumes.py plans it.
VOLUME = (
    Beside("size", [
        "The size of the disk's volume, V(20 GiB). A volume that isn't there is made in O(disks[].pool), one that is smaller"
        " grows, in a running guest too. It never shrinks, and it's never deleted for it.",
        "Left out, O(disks[].volume) is the volume that the disk has, for a new one V(web1-vdb.qcow2) after the domain and the"
        " target.",
    ], type="str"),
    Beside("backing", "What a new volume is an overlay of, as O(metal.kvm.volume#module:backing) has it: a volume of the same"
           " pool, or a dict.", type="raw"),
    Beside("source", "What a new volume is a copy of, as O(metal.kvm.volume#module:source) has it.", type="dict", options={
        "url": {"type": "str", "doc": "An address to download the content from."},
        "file": {"type": "path", "doc": "A file on the machine that runs the module."},
        "volume": {"type": "str", "doc": "A volume to copy."},
        "pool": {"type": "str", "doc": "The pool of O(disks[].source.volume), where it's another one."},
        "checksum": {"type": "str", "doc": "V(sha256:) or V(sha512:) and the digits, or the address of a list like SHA256SUMS."},
        "format": {"type": "str", "doc": "The format of the source, where it shall not be read from it."},
    }),
)  # fmt: skip

DISK = (
    Field("target", "target@dev", STR, "The device name in the guest, V(vda), V(sdb): the disk's identity.", put=_put_target),
    Field("device", "@device", STR, "What the guest sees.", choices=("disk", "cdrom", "floppy", "lun"), put=_put_device),
    *VOLUME,
    Union("type", {
        "file": (Field("file", "source@file", PATH, "A file on the hypervisor.", live="media"),),
        "block": (Field("block", "source@dev", PATH, "A block device on the hypervisor.", live="media"),),
        "volume": (
            Field("pool", "source@pool", STR, "The pool of O(disks[].volume).", live="media"),
            Field("volume", "source@volume", STR, "A volume of a storage pool.", live="media"),
            Field("volume_mode", "source@mode", STR, "Whether an iSCSI volume is reached by the host's device or by QEMU itself.",
                  choices=("host", "direct")),
        ),
        "network": (Group("network", "source", later("disk_source", "NETWORK"),
                          "A disk on the network: Ceph (V(rbd)), iSCSI, NBD and others. O(disks[].auth) is for its login."),),
        "nvme": (Group("nvme", "source", later("disk_source", "NVME"), "A namespace of an NVMe device given to QEMU."),),
        "vhostuser": (Group("vhostuser", "source", later("disk_source", "VHOST_USER"), "A disk served by another process."),),
        "dir": (Field("dir", "source@dir", PATH, "A directory shown as a FAT file system."),),
    }, owns=("source", "auth", "encryption"), live="media"),
    Field("bus", "target@bus", STR, "How it's attached; from the target's name where it's left out.",
          choices=("virtio", "scsi", "sata", "usb", "ide", "fdc", "sd")),
    Field("model", "@model", STR, "The virtio device.", choices=VIRTIO_MODELS),
    Field("format", "driver@type", STR, put=_format_put, volatile=_empty,
          doc="The format of the image. A new disk takes the volume's, or reads the file's once; never probed again."),
    Field("cache", "driver@cache", STR, "The host's cache mode.",
          choices=("default", "none", "writethrough", "writeback", "directsync", "unsafe"), silent="default"),
    Field("io", "driver@io", STR, "How QEMU does input and output.", choices=("threads", "native", "io_uring")),
    Field("discard", "driver@discard", STR, "Whether discarded blocks are given back.", choices=("unmap", "ignore")),
    Field("detect_zeroes", "driver@detect_zeroes", STR, "What becomes of written zeroes.", choices=("off", "on", "unmap")),
    Field("discard_no_unref", "driver@discard_no_unref", ON_OFF,
          "Whether discarded clusters of a qcow2 image keep their place.", since=9_005_000),
    Field("copy_on_read", "driver@copy_on_read", ON_OFF, "Whether what is read from the backing image is copied."),
    Field("error_policy", "driver@error_policy", STR, "What follows a failed write.",
          choices=("stop", "report", "ignore", "enospace")),
    Field("rerror_policy", "driver@rerror_policy", STR, "What follows a failed read.", choices=("stop", "report", "ignore")),
    Field("queues", "driver@queues", POSITIVE, "Number of virtio queues."),
    Field("queue_size", "driver@queue_size", POSITIVE, "Length of each virtio queue."),
    Field("iothread", "driver@iothread", POSITIVE, "The iothread that serves it."),
    Field("ioeventfd", "driver@ioeventfd", ON_OFF, "Whether requests are taken outside of the vCPU's thread."),
    Field("event_idx", "driver@event_idx", ON_OFF, "Whether interrupts and exits are saved."),
    Field("metadata_cache", "driver/metadata_cache/max_size", KIB, "The most memory for the metadata of a qcow2 image.", silent=0),
    Field("read_only", "readonly", PRESENT, "Whether the guest may only read."),
    Field("shareable", "shareable", PRESENT, "Whether several guests may use it at once."),
    Field("transient", "transient", PRESENT, "Whether all that is written is lost when the guest goes off."),
    Field("serial", "serial", STR, "Serial number that the guest sees."),
    Field("wwn", "wwn", STR, "World Wide Name, 16 hexadecimal digits.", same=lambda a, b: a.lower() == b.lower()),
    Field("vendor", "vendor", STR, "Vendor that the guest sees, up to 8 characters (SCSI)."),
    Field("product", "product", STR, "Product that the guest sees, up to 16 characters (SCSI)."),
    BOOT_ORDER,
    Field("startup_policy", "source@startupPolicy", STR, "What a missing source does to a start of the guest.",
          choices=("mandatory", "requisite", "optional")),
    Field("snapshot", "@snapshot", STR, "What a snapshot of the guest does with it.",
          choices=("internal", "external", "no", "manual")),
    Field("tray", "target@tray", STR, "Whether the drive's tray is open at the start.", choices=("open", "closed"),
          volatile=always, silent="closed"),
    Field("removable", "target@removable", ON_OFF, "Whether the guest sees a removable disk (USB, SCSI)."),
    Field("rotation_rate", "target@rotation_rate", POSITIVE, "Revolutions per minute that the guest sees; V(1) for none."),
    Field("rawio", "@rawio", YES_NO, "Whether the guest may send any SCSI command (V(device=lun))."),
    Field("sgio", "@sgio", STR, "Whether SCSI commands of the guest are filtered (V(device=lun)).",
          choices=("filtered", "unfiltered")),
    Login("auth", "source/auth|auth", later("disk_source", "AUTH"), "How to log in to a disk on the network, O(disks[].network)."),
    Group("encryption", "source/encryption|encryption", later("disk_source", "ENCRYPTION"),
          "How the image is encrypted; QEMU opens it with one of libvirt's secrets."),
    Group("iotune", "iotune", later("disk_source", "IOTUNE"), "Limits of its throughput."),
    Group("geometry", "geometry", later("disk_source", "GEOMETRY"), "The geometry that the guest sees."),
    Group("block_io", "blockio", later("disk_source", "BLOCK_IO"), "The sizes of sectors that the guest sees."),
    Group("reservations", "source/reservations", later("disk_source", "RESERVATIONS"), "Persistent reservations (V(device=lun))."),
    Group("slice", "source/slices/slice[@type='storage']", later("disk_source", "SLICE"), "The part of the source that is the disk."),
    VIRTIO,
    *PLACED,
)  # fmt: skip
