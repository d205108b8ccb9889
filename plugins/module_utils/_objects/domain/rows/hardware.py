# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of small devices: entropy, TPM, watchdog, panic, vsock, IOMMU, controllers and others."""

from __future__ import annotations

from ...._plan import KvmError
from ...._xml import document
from ...._xml.rows import Field, Group, Values
from ...._xml.types import (
    BYTE,
    COUNT,
    HEX,
    KIB,
    ON_OFF,
    PATH,
    POSITIVE,
    PRESENT,
    SOME,
    STR,
    USB_CLASS,
    USB_ID,
    UUID,
    WHOLE,
    YES_NO,
)
from . import later
from .common import ADDRESS, ALIAS, PLACED, VIRTIO, VIRTIO_MODELS, Put, instead, kind

Element = document.Element


def _backend(at: str) -> Put:
    """Another backend begins empty."""

    def put(device: Element, value: str) -> None:
        node = device.find("backend")
        if node is not None and node.get(at) not in (None, value):
            document.remove(node)
            node = None
        node = document.child(device, "backend") if node is None else node
        node.set(at, value)

    return put


class Daemon(Group):
    """The options of one kind of backend, which they say too."""

    __slots__ = ()

    def parse(self, given: Values, where: str) -> Values:
        values = super().parse(given, where)
        if values and given.get("backend") not in (None, "egd"):
            raise KvmError(
                f"{where}egd: the backend is to be {given['backend']}",
                "Say backend: egd, or leave egd out.",
                option=f"{where}egd",
            )
        return {"backend": "egd", **values} if values else {}


RNG = (
    Field("model", "@model", STR, "The device.", choices=VIRTIO_MODELS),
    Field("backend", "backend@model", STR, "Where its numbers come from.", choices=("random", "builtin", "egd"),
          put=_backend("model")),
    Field("source", "backend", STR, "The host's device (V(backend=random)). libvirt's default is /dev/urandom."),
    Daemon("egd", "backend[@model='egd']", later("character", "SOURCE"), "The daemon that gives them (V(backend=egd)): V(unix), V(tcp) or V(udp)."),
    Field("rate_bytes", "rate@bytes", POSITIVE, "Bytes that the guest may take in O(rng[].rate_period)."),
    Field("rate_period", "rate@period", POSITIVE, "The period in milliseconds."),
    VIRTIO, *PLACED,
)  # fmt: skip
TPM = (
    Field("model", "@model", STR, "The device.", choices=("tpm-tis", "tpm-crb", "tpm-spapr", "spapr-tpm-proxy")),
    Field("type", "backend@type", STR, "Where it's from: emulated by swtpm, the host's own, or another process.",
          choices=("emulator", "passthrough", "external"), put=_backend("type")),
    Field("version", "backend@version", STR, "Its version (V(type=emulator)).", choices=("1.2", "2.0")),
    Field("persistent_state", "backend@persistent_state", YES_NO, "Whether its state outlives a transient domain (V(type=emulator)).", silent=False),
    Field("encryption_secret", "backend/encryption@secret", UUID, "The UUID of libvirt's secret that its state is encrypted with."),
    Group("active_pcr_banks", "backend/active_pcr_banks", [
        Field(bank, bank, PRESENT, f"{bank.upper()}.") for bank in ("sha1", "sha256", "sha384", "sha512")
    ], "The PCR banks that are on (V(version=2.0))."),
    Field("profile", "backend/profile@source", STR, "The profile of algorithms of a new TPM.", since=10_010_000),
    Field("path", "backend/device@path", PATH, "The host's device (V(type=passthrough))."),
    Field("socket", "backend/source@path", PATH, "The socket of the other process (V(type=external)).",
          put=instead("backend/source@path", type="unix", mode="connect")),
    ALIAS, ADDRESS,
)  # fmt: skip
WATCHDOG = (
    Field("model", "@model", STR, "The device.", required=True, choices=("i6300esb", "ib700", "diag288", "itco")),
    Field("action", "@action", STR, "What follows when the guest hangs.",
          choices=("reset", "shutdown", "poweroff", "pause", "none", "dump", "inject-nmi")),
    *PLACED,
)  # fmt: skip
PANIC = (
    Field("model", "@model", STR, "The device by which the guest says that it crashed.",
          choices=("isa", "pvpanic", "pseries", "hyperv", "s390")),
    ALIAS, ADDRESS,
)  # fmt: skip
VSOCK = (
    Field("cid", "cid@address", POSITIVE, "The guest's number, from 3.", volatile=lambda stored, running: _auto_cid(stored)),
    Field("auto", "cid@auto", YES_NO, "Whether a free number is found at each start."),
    Field("model", "@model", STR, "The virtio device.", choices=VIRTIO_MODELS),
    VIRTIO, *PLACED,
)  # fmt: skip


def _auto_cid(vsock: Element) -> bool:
    cid = vsock.find("cid")
    return cid is None or cid.get("auto") == "yes"


IOMMU = (
    Field("model", "@model", STR, "The device.", required=True, choices=("intel", "smmuv3", "virtio", "amd")),
    Field("intremap", "driver@intremap", ON_OFF, "Interrupt remapping; needs O(features.ioapic=qemu) (V(model=intel))."),
    Field("caching_mode", "driver@caching_mode", ON_OFF, "For devices given to the guest (V(model=intel))."),
    Field("eim", "driver@eim", ON_OFF, "More than 255 vCPUs (V(model=intel))."),
    Field("iotlb", "driver@iotlb", ON_OFF, "For virtio devices with O(disks[].virtio.ats)."),
    Field("aw_bits", "driver@aw_bits", POSITIVE, "Width of addresses: V(39) or V(48)."),
    Field("dma_translation", "driver@dma_translation", ON_OFF, "Whether addresses are translated at all.", since=10_007_000),
    ALIAS, ADDRESS,
)  # fmt: skip
CONTROLLER = (
    Field("type", "@type", STR, "What is attached to it.", required=True,
          choices=("pci", "usb", "scsi", "sata", "ide", "virtio-serial", "fdc", "ccid", "isa", "nvme")),
    Field("index", "@index", BYTE, "Its number among those of its type."),
    Field("model", "@model", STR, "The model: V(virtio-scsi), V(qemu-xhci), V(pcie-root-port) and others.",
          put=kind("target", "model", "master", at="@model")),
    Field("model_name", "model@name", STR, "QEMU's device for the model, V(ioh3420), where libvirt's own choice isn't wanted (V(type=pci))."),
    Field("ports", "@ports", SOME, "Number of ports (V(type=usb), V(type=virtio-serial))."),
    Field("vectors", "@vectors", WHOLE, "Number of interrupt vectors (V(type=virtio-serial))."),
    Field("queues", "driver@queues", POSITIVE, "Number of virtio queues (V(model=virtio-scsi))."),
    Field("iothread", "driver@iothread", POSITIVE, "The iothread that serves it (V(model=virtio-scsi))."),
    Field("ioeventfd", "driver@ioeventfd", ON_OFF, "Whether requests are taken outside of the vCPU's thread."),
    Field("cmd_per_lun", "driver@cmd_per_lun", POSITIVE, "The most commands for a device at once (V(model=virtio-scsi))."),
    Field("max_sectors", "driver@max_sectors", POSITIVE, "The most sectors in a command (V(model=virtio-scsi))."),
    Group("target", "target", (
        Field("chassis", "@chassis", COUNT, "Chassis number of a port."),
        Field("port", "@port", HEX, "Port number."),
        Field("chassis_nr", "@chassisNr", COUNT, "Chassis number of a bridge."),
        Field("bus_nr", "@busNr", COUNT, "Bus number of an expander bus."),
        Field("index", "@index", COUNT, "Number of a host bridge (pseries)."),
        Field("hotplug", "@hotplug", ON_OFF, "Whether devices can be plugged in while the guest runs."),
        Field("node", "node", COUNT, "The guest's NUMA node of an expander bus."),
    ), "How it's seen (V(type=pci))."),
    Field("pcihole64", "pcihole64", KIB, "The room for 64-bit addresses of PCI devices (a root)."),
    Field("master_startport", "master@startport", WHOLE, "The first port of a companion (V(type=usb))."),
    VIRTIO, ALIAS, ADDRESS,
)  # fmt: skip
MEMBALLOON = (
    Field("model", "@model", STR, "The device by which memory is taken back and given.", choices=(*VIRTIO_MODELS, "none")),
    Field("free_page_reporting", "@freePageReporting", ON_OFF, "Whether the guest reports free pages."),
    Field("autodeflate", "@autodeflate", ON_OFF, "Whether memory is given back before the guest kills for it."),
    Field("stats_period", "stats@period", POSITIVE, "How often the guest says how its memory is used, in seconds.",
          live="balloon_stats"),
    VIRTIO, *PLACED,
)  # fmt: skip
HUB = (Field("type", "@type", STR, "The bus.", choices=("usb",)), ALIAS, ADDRESS)
CRYPTO = (
    Field("model", "@model", STR, "The device.", choices=("virtio",), since=9_001_000),
    Field("type", "@type", STR, "Who does the work.", choices=("qemu",), since=9_001_000),
    Field("backend", "backend@model", STR, "How.", choices=("builtin", "lkcf"), since=9_001_000),
    Field("queues", "backend@queues", POSITIVE, "Number of queues.", since=9_001_000),
    ALIAS, ADDRESS,
)  # fmt: skip
REDIRFILTER = (
    Field("allow", "@allow", YES_NO, "Whether devices that fit may be redirected.", required=True),
    Field("class", "@class", USB_CLASS, "Device class, V(0x08); any where it's left out."),
    Field("vendor", "@vendor", USB_ID, "Vendor, V(0x0781); any where it's left out."),
    Field("product", "@product", USB_ID, "Product, V(0x5583); any where it's left out."),
    Field("version", "@version", STR, "Version, V(1.10); any where it's left out."),
)
