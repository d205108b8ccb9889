# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The device lists of a domain: what each device's options are called, where they live, and what tells one from another."""

from __future__ import annotations

import typing as t

from ..._xml import document
from ..._xml.items import Items
from ..._xml.rows import Edit, Field, Group, Union, Values
from ..._xml.types import INT, MAC, ON_OFF, PRESENT, STR, WHOLE, YES_NO, Type

Element = document.Element

AGENT = "org.qemu.guest_agent.0"
SEED_SERIAL = "metal-kvm-seed"

BUS_LETTERS = {"virtio": "vd", "scsi": "sd", "sata": "sd", "usb": "sd", "ide": "hd", "fdc": "fd", "sd": "sd"}


def _yes(value: t.Any) -> bool:
    if not value:
        raise ValueError("say true, or leave it out and name another source")
    return True


HERE = Type("bool", lambda text: True, parse=_yes)


def disk_source(item: Values) -> t.Any:
    """What a disk shows: the second thing by which it's known."""
    if "volume" in item:
        return (item.get("pool"), item["volume"])
    network = item.get("network")
    return (network.get("protocol"), network.get("name")) if network else item.get("file") or item.get("block")


def new_disk(item: Values, edit: Edit) -> Values:
    """A disk's bus from its target, its target from the first free one of its bus, its format from its source."""
    full = dict(item)
    removable = full.get("device") in ("cdrom", "floppy")
    if "target" not in full:
        bus = full.get("bus") or ("sata" if removable else "virtio")
        full["target"] = edit.context.free_target(BUS_LETTERS.get(bus, "vd"))
    edit.context.targets.add(full["target"])
    if "bus" not in full:
        full["bus"] = edit.context.bus_of(full["target"], removable)
    if "format" not in full and disk_source(full):
        full["format"] = edit.context.disk_format(full)
    return full


def new_interface(item: Values, edit: Edit) -> Values:
    """A network interface is virtio and has a MAC address from the start, by which it's found again."""
    return {"model": "virtio", "mac": edit.context.new_mac(), **item}


def _seed(disk: Element) -> bool:
    return bool((disk.findtext("serial") or "") == SEED_SERIAL)


def _agent_or_spice(channel: Element) -> bool:
    target = channel.find("target")
    return target is not None and target.get("name") == AGENT


def _ps2(device: Element) -> bool:
    return bool(device.get("bus") == "ps2")


def _autoport(persistent: Element, running: Element) -> bool:
    return bool(persistent.get("autoport") != "no")


def _user_alias(parent: Element) -> t.Optional[str]:
    alias = parent.find("alias")
    name = None if alias is None else alias.get("name")
    return name if name and name.startswith("ua-") else None


def _format_put(disk: Element, value: str) -> None:
    driver = disk.find("driver")
    if driver is None:
        driver = document.element("driver")
        disk.insert(0, driver)
    driver.set("name", driver.get("name") or "qemu")
    driver.set("type", value)


def _listen_get(graphics: Element) -> t.Optional[str]:
    return graphics.get("listen")


def _listen_put(graphics: Element, value: str) -> None:
    graphics.set("listen", value)
    for listen in graphics.findall("listen"):
        document.remove(listen)


def _port_get(graphics: Element) -> t.Optional[int]:
    port = int(graphics.get("port") or -1)
    return None if port < 0 or graphics.get("autoport") == "yes" else port


def _port_put(graphics: Element, value: int) -> None:
    graphics.set("port", str(value))
    graphics.set("autoport", "no")


NETWORK_DISK = Group(
    "network",
    "source",
    (
        Field("protocol", "@protocol", STR, "How the disk is reached.",
              choices=("rbd", "nbd", "iscsi", "http", "https", "ftp", "ftps", "tftp", "sheepdog", "gluster", "ssh", "nfs")),
        Field("name", "@name", STR, "What is reached: V(pool/image) for rbd, the export for nbd, V(target/lun) for iscsi."),
        Field("tls", "@tls", YES_NO, "Whether the connection is encrypted."),
        Items("hosts", "host", (
            Field("name", "@name", STR, "Host name or address."),
            Field("port", "@port", INT, "TCP port."),
            Field("transport", "@transport", STR, "Transport.", choices=("tcp", "rdma", "unix")),
            Field("socket", "@socket", STR, "Path of the UNIX socket."),
        ), keys=("name", "socket"), doc="Where the servers are."),
    ),
    "A disk on the network.",
)  # fmt: skip

DISK = (
    Field("target", "target@dev", STR, "The device name in the guest, V(vda), V(sdb): the disk's identity."),
    Field("device", "@device", STR, "What the guest sees.", choices=("disk", "cdrom", "floppy", "lun")),
    Union(
        "type",
        {
            "file": (Field("file", "source@file", STR, "A file on the hypervisor.", live="media"),),
            "block": (Field("block", "source@dev", STR, "A block device on the hypervisor.", live="media"),),
            "volume": (
                Field("pool", "source@pool", STR, "The pool of O(disks[].volume).", live="media"),
                Field("volume", "source@volume", STR, "A volume of a storage pool.", live="media"),
            ),
            "network": (NETWORK_DISK,),
        },
        owns=("source", "auth"),
        live="media",
    ),
    Field("bus", "target@bus", STR, "How it's attached; from the target's name where it's left out.",
          choices=("virtio", "scsi", "sata", "usb", "ide", "fdc", "sd")),
    Field("format", "driver@type", STR,
          "The format of the image. A new disk takes the volume's, or reads the file's once; never probed again.",
          put=_format_put),
    Field("cache", "driver@cache", STR, "The host's cache mode.",
          choices=("default", "none", "writethrough", "writeback", "directsync", "unsafe")),
    Field("io", "driver@io", STR, "How QEMU does input and output.", choices=("threads", "native", "io_uring")),
    Field("discard", "driver@discard", STR, "Whether discarded blocks are given back.", choices=("unmap", "ignore")),
    Field("detect_zeroes", "driver@detect_zeroes", STR, "What becomes of written zeroes.", choices=("off", "on", "unmap")),
    Field("queues", "driver@queues", WHOLE, "Number of virtio queues."),
    Field("iothread", "driver@iothread", WHOLE, "The iothread that serves it."),
    Field("read_only", "readonly", PRESENT, "Whether the guest may only read."),
    Field("shareable", "shareable", PRESENT, "Whether several guests may use it at once."),
    Field("serial", "serial", STR, "Serial number that the guest sees."),
    Field("wwn", "wwn", STR, "World Wide Name, 16 hexadecimal digits."),
    Field("boot_order", "boot@order", INT, "Place in the boot order, from 1. Not together with O(boot.order)."),
)  # fmt: skip

INTERFACE = (
    Union(
        "type",
        {
            "network": (Field("network", "source@network", STR, "A libvirt network.", live="interface"),),
            "bridge": (Field("bridge", "source@bridge", STR, "A bridge of the host.", live="interface"),),
            "direct": (
                Group("direct", "source", (
                    Field("dev", "@dev", STR, "The host's interface."),
                    Field("mode", "@mode", STR, "How they're coupled.", choices=("bridge", "vepa", "private", "passthrough")),
                ), "A macvtap on an interface of the host."),
            ),
            "user": (
                Field("user", "", HERE, "User-mode networking: out only, no rights needed.",
                      get=lambda parent: True, put=lambda parent, value: None),
            ),
        },
        owns=("source", "backend"),
        live="interface",
    ),
    Field("mac", "mac@address", MAC, "The MAC address: the interface's identity. A new one is made up where it's left out."),
    Field("alias", "alias@name", STR, "A name of your own for it, starting with V(ua-): an identity that outlives the MAC.",
          get=_user_alias),
    Field("model", "model@type", STR, "The network card that the guest sees: V(virtio), V(e1000e) and others."),
    Field("mtu", "mtu@size", INT, "Largest packet, bytes."),
    Field("link", "link@state", STR, "Whether the cable is plugged in.", choices=("up", "down"), live="interface",
          same=lambda a, b: a == b, get=lambda parent: _link(parent)),
    Field("boot_order", "boot@order", INT, "Place in the boot order, from 1. Not together with O(boot.order)."),
)  # fmt: skip


def _link(interface: Element) -> t.Optional[str]:
    link = interface.find("link")
    return "up" if link is None else link.get("state")


GRAPHICS = (
    Field("type", "@type", STR, "The protocol.", choices=("vnc", "spice", "sdl", "egl-headless", "dbus"), required=True),
    Field("port", "@port", INT, "TCP port; chosen at each start where it's left out.", get=_port_get, put=_port_put,
          volatile=_autoport),
    Field("listen", "@listen", STR, "Address to listen on. libvirt's default is 127.0.0.1.", get=_listen_get, put=_listen_put,
          volatile=lambda persistent, running: persistent.get("listen") is None),
    Field("password", "@passwd", STR, "Password; VNC uses its first 8 characters.", no_log=True, live="graphics"),
    Field("keymap", "@keymap", STR, "Keyboard layout, V(en-us)."),
)  # fmt: skip

VIDEO = (
    Field("model", "model@type", STR, "The display adapter: V(virtio), V(vga), V(qxl), V(bochs), V(ramfb), V(none)."),
    Field("heads", "model@heads", WHOLE, "Number of displays."),
    Field("vram", "model@vram", WHOLE, "Video memory in KiB, where the model has a choice."),
)
INPUT = (
    Field("type", "@type", STR, "What it is.", choices=("tablet", "mouse", "keyboard", "passthrough", "evdev")),
    Field("bus", "@bus", STR, "How it's attached.", choices=("usb", "ps2", "virtio", "xen")),
)
SERIAL = (
    Field("port", "target@port", WHOLE, "Number of the port: its identity."),
    Field("type", "@type", STR, "What the host's side is: V(pty) for C(virsh console), V(file), V(tcp), V(unix), V(null)."),
    Field("path", "source@path", STR, "Path of the host's side, for V(file), V(unix) and V(dev).",
          volatile=lambda persistent, running: persistent.get("type") == "pty"),
    Field("log", "log@file", STR, "A file on the hypervisor to which all output is copied."),
    Field("log_append", "log@append", ON_OFF, "Whether the log goes on where it ended, or is begun anew at each start."),
)  # fmt: skip
CHANNEL = (
    Field("name", "target@name", STR, "The port's name in the guest: its identity."),
    Field("type", "@type", STR, "What the host's side is.", choices=("unix", "spicevmc", "pty", "qemu-vdagent", "dbus")),
    Field("path", "source@path", STR, "Path of the UNIX socket; libvirt chooses one where it's left out.",
          volatile=lambda persistent, running: persistent.find("source") is None),
)  # fmt: skip
RNG = (
    Field("model", "@model", STR, "The device.", choices=("virtio", "virtio-transitional", "virtio-non-transitional")),
    Field("backend", "backend@model", STR, "Where its numbers come from.", choices=("random", "builtin")),
    Field("source", "backend", STR, "The host's device for V(random). libvirt's default is /dev/urandom."),
    Field("rate_bytes", "rate@bytes", WHOLE, "Bytes that the guest may take in O(rng[].rate_period)."),
    Field("rate_period", "rate@period", WHOLE, "The period in milliseconds."),
)
CONTROLLER = (
    Field("type", "@type", STR, "What is attached to it.", choices=("pci", "usb", "scsi", "sata", "ide", "virtio-serial", "fdc", "ccid"),
          required=True),
    Field("index", "@index", WHOLE, "Its number among those of its type."),
    Field("model", "@model", STR, "The model: V(virtio-scsi), V(qemu-xhci), V(pcie-root-port) and others."),
    Field("queues", "driver@queues", WHOLE, "Number of virtio queues."),
    Field("iothread", "driver@iothread", WHOLE, "The iothread that serves it."),
)  # fmt: skip

DEVICES = (
    Items("disks", "devices/disk", DISK, ("target", disk_source), "All disks, CD-ROM and floppy drives. What isn't listed is detached; its data stay.",
          live="device", new=new_disk, implied=_seed, template={"type": "file", "device": "disk"}, ordered=False),
    Items("interfaces", "devices/interface", INTERFACE, ("alias", "mac"), "All network interfaces.", live="device",
          new=new_interface, template={"type": "user"}),
    Items("graphics", "devices/graphics", GRAPHICS, ("type",), "All graphical consoles.", template={"autoport": "yes"}, ordered=False),
    Items("video", "devices/video", VIDEO, (), "All display adapters; V(none) as the only model for none."),
    Items("inputs", "devices/input", INPUT, (lambda item: (item.get("type"), item.get("bus")),),
          "Keyboards, mice and tablets beyond the implied PS/2 ones.", implied=_ps2, ordered=False,
          new=lambda item, edit: {"bus": "usb", **item}),
    Items("serials", "devices/serial", SERIAL, ("port",), "All serial ports. Port 0 is the serial console.",
          new=lambda item, edit: {"type": "pty", **item}),
    Items("channels", "devices/channel", CHANNEL, ("name",), "Channels between host and guest, without the agent's (see O(agent)).",
          implied=_agent_or_spice, new=lambda item, edit: {"type": "unix", **item}, template={"type": "unix"}, live="device",
          ordered=False),
    Items("rng", "devices/rng", RNG, (), "Sources of random numbers.", new=lambda item, edit: {"model": "virtio", "backend": "random", **item}),
    Items("controllers", "devices/controller", CONTROLLER, (lambda item: (item.get("type"), item.get("index")),),
          "Controllers to add or change; those not listed stay, for libvirt makes what the devices need.",
          implied=lambda node: True, add_only=True, ordered=False),
    Group("memballoon", "devices/memballoon", (
        Field("model", "@model", STR, "The device by which memory is taken back and given.",
              choices=("virtio", "virtio-transitional", "virtio-non-transitional", "none")),
        Field("free_page_reporting", "@freePageReporting", ON_OFF, "Whether the guest reports free pages."),
        Field("autodeflate", "@autodeflate", ON_OFF, "Whether memory is given back before the guest kills for it."),
    ), "The memory balloon."),
)  # fmt: skip
