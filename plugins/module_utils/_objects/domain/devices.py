# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The device lists of a domain: where they are, what tells one device from another, what a new one gets, what libvirt makes."""

from __future__ import annotations

import typing as t

from ..._plan import refuse
from ..._xml import document
from ..._xml.items import Items
from ..._xml.rows import Edit, Group, Values, read
from .rows import later

Element = document.Element

AGENT = "org.qemu.guest_agent.0"
SEED_SERIAL = "metal-kvm-seed"
METADATA = {"labels": "metal", "osinfo": "libosinfo"}  # option: the prefix of its element below metadata

BUS_LETTERS = {"virtio": "vd", "scsi": "sd", "sata": "sd", "usb": "sd", "ide": "hd", "fdc": "fd", "sd": "sd"}


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
    if full["bus"] == "scsi":
        edit.context.need_scsi()
    if "format" not in full and disk_source(full):
        full["format"] = edit.context.disk_format(full)
    return full


def new_interface(item: Values, edit: Edit) -> Values:
    """A network interface has a MAC address from the start, by which it's found again, and is virtio. One that is a device of
    the host's has that device's model."""
    model = {} if "hostdev" in item else {"model": "virtio"}
    return {**model, "mac": edit.context.new_mac(), **item}


def new_hostdev(item: Values, edit: Edit) -> Values:
    """A device is taken from the host's driver and given back; a mediated one is seen as a PCI device."""
    if "mdev" in item:
        return {"model": "vfio-pci", **item}
    return {"managed": True, **item} if "pci" in item else item


def _hostdev_source(item: Values) -> t.Any:
    for kind in ("pci", "mdev", "vhost_scsi"):
        if kind in item:
            return item[kind]
    usb, scsi = item.get("usb") or {}, item.get("scsi") or {}
    where = tuple(scsi.get(name) for name in ("adapter", "bus", "target", "unit"))
    return (
        scsi.get("iscsi") or (where if scsi else None) or _usb(usb, "vendor", "product") or _usb(usb, "bus", "device")
    )


def _usb(usb: Values, *names: str) -> t.Optional[str]:
    values = [str(usb[name]) for name in names if name in usb]
    return ":".join(values) or None


def _fixed(**defaults: t.Any) -> t.Callable[[Values, Edit], Values]:
    """What a new device gets where the user said nothing."""
    return lambda item, edit: {**defaults, **item}


def _both(*names: str) -> t.Callable[[Values], t.Any]:
    """Several options together are the identity."""
    return lambda item: tuple(item.get(name) for name in names)


def _controller(item: Values) -> t.Any:
    """Type and number; the companions of a USB 2 controller have its number."""
    model = str(item.get("model"))
    return (item.get("type"), item.get("index"), *([model] if model.startswith("ich9-uhci") else []))


def _drive(disk: Values) -> t.Optional[str]:
    """Of drives, the first of its kind is meant where no target is said."""
    return disk["device"] if disk.get("device") in ("cdrom", "floppy") else None


def is_seed(disk: Element) -> bool:
    """Whether a disk is the seed of cloud-init."""
    return bool(disk.findtext("serial") == SEED_SERIAL)


def _agents(channel: Element) -> bool:
    target = channel.find("target")
    return target is not None and target.get("name") == AGENT


def _ps2(device: Element) -> bool:
    return bool(device.get("bus") == "ps2")


def _twin(console: Element) -> bool:
    """The first serial port is shown as a console too."""
    target = console.find("target")
    return target is not None and target.get("type") == "serial" and target.get("port") == "0"


def _serial_console(console: Values) -> t.Optional[str]:
    """There is one console on a serial port at most, the twin of port 0."""
    return "serial" if console.get("target_type") == "serial" else None


def _without_twin(domain: Element) -> None:
    """From a twin that is left libvirt would make the serial port again."""
    if domain.find("devices/serial") is None:
        for console in filter(_twin, domain.findall("devices/console")):
            document.remove(console)


def _without_sound(domain: Element) -> None:
    """The sound that libvirt sends over SPICE can't be without it."""
    if domain.find("devices/graphics[@type='spice']") is None:
        for audio in filter(_default_audio, domain.findall("devices/audio[@type='spice']")):
            document.remove(audio)


def _new_graphics(item: Values, edit: Edit) -> Values:
    """Ports are chosen at each start where none are said."""
    said = {"autoport", "port", "tls_port", "listen_socket"} & set(item)
    return item if said or item["type"] not in ("vnc", "spice") else {"autoport": True, **item}


def _forwarded(channel: Values) -> t.Optional[str]:
    return f"{channel['target_address']}:{channel.get('target_port')}" if "target_address" in channel else None


def _default_audio(audio: Element) -> bool:
    """The one that libvirt makes where a screen or a sound device needs one."""
    return audio.get("id") == "1" and audio.get("type") in ("none", "spice") and not len(audio)


def _machine_panic(panic: Element) -> bool:
    """POWER and Z machines have theirs always."""
    return panic.get("model") in ("pseries", "s390")


def _teamed(interface: Values) -> bool:
    """The two of a team have one MAC address."""
    return "teaming" in interface


def _any(item: Values) -> bool:
    return True


def _chipset_watchdog(watchdog: Element) -> bool:
    """Machines of type q35 have one, which libvirt 9.1 and newer write down."""
    return watchdog.get("model") == "itco" and watchdog.get("action") == "reset"


def _bus(controller: Element) -> bool:
    """Buses that are there for what is attached to them, with nothing said of them that libvirt doesn't say by itself."""
    said = [*controller.findall("driver"), *controller.findall("pcihole64"), *controller.findall("target/node")]
    said += [one for one in ("ports", "vectors") if controller.get(one)]
    said += [one for target in controller.findall("target") for one in ("hotplug", "busNr") if target.get(one)]
    if said:
        return False
    return controller.get("type") not in ("scsi", "usb", "pci") or controller.get("model") in (
        "pci-root", "pcie-root", "pcie-root-port", "pcie-to-pci-bridge", "dmi-to-pci-bridge", "pci-bridge",
    )  # fmt: skip


def _with_screen(domain: Element) -> None:
    """libvirt gives a guest with a screen an adapter."""
    if domain.find("devices/graphics") is not None and domain.find("devices/video") is None:
        why = "[] can't be, for libvirt gives a guest with graphics an adapter"
        refuse("video", why, "Say video: [{model: none}], or graphics: [] too.")


def _new_input(item: Values, edit: Edit) -> Values:
    return (
        {"bus": "virtio" if item.get("type") == "passthrough" else "usb", **item}
        if item.get("type") != "evdev"
        else item
    )


def _new_vsock(item: Values, edit: Edit) -> Values:
    return {"model": "virtio", **item} if "cid" in item else {"model": "virtio", "auto": True, **item}


DEVICES: tuple[t.Any, ...] = (
    Items("disks", "devices/disk", later("disk", "DISK"), ("target", disk_source),
          "All disks, CD-ROM and floppy drives. What isn't listed is detached; its data stay.", live="device", new=new_disk,
          implied=is_seed, template={"type": "file", "device": "disk"}, ordered=False, like=_drive),
    Items("interfaces", "devices/interface", later("interface", "INTERFACE"), ("alias", "mac"), "All network interfaces.",
          live="device", new=new_interface, template={"type": "user"}, repeats=_teamed),
    Items("hostdevs", "devices/hostdev", later("passthrough", "HOSTDEV"), (_hostdev_source,),
          "Devices of the host that the guest has: PCI, USB, SCSI and mediated devices, each by one of the options that name it.",
          live="device", new=new_hostdev, template={"mode": "subsystem", "type": "pci"}, ordered=False),
    Items("filesystems", "devices/filesystem", later("passthrough", "FILESYSTEM"), ("target",), "Directories that the guest sees.",
          live="device", template={"type": "mount"}, ordered=False),
    Items("graphics", "devices/graphics", later("display", "GRAPHICS"), ("type",), "All graphical consoles.",
          new=_new_graphics, ordered=False, settle=_without_sound, repeats=_any),
    Items("video", "devices/video", later("display", "VIDEO"), (), "All display adapters; V(none) as the only model for none.",
          settle=_with_screen, kinds=("model",), sequence=True),
    Items("inputs", "devices/input", later("display", "INPUT"), (_both("type", "bus", "path"),),
          "Keyboards, mice and tablets beyond the implied PS/2 ones, and the host's own by V(evdev).", live="device",
          implied=_ps2, ordered=False, new=_new_input, repeats=_any),
    Items("sound", "devices/sound", later("sound", "SOUND"), (), "Sound devices.", kinds=("model",)),
    Items("audio", "devices/audio", later("sound", "AUDIO"), ("id",), "Where the host plays and records. libvirt makes one where it's"
          " needed.", implied=_default_audio, ordered=False),
    Items("serials", "devices/serial", later("character", "SERIAL"), ("port",), "All serial ports. Port 0 is the serial console.",
          live="device", new=_fixed(type="pty"), settle=_without_twin, repeats=_any),  # each bus counts its own
    Items("parallels", "devices/parallel", later("character", "PARALLEL"), ("port",), "All parallel ports.", new=_fixed(type="pty")),
    Items("consoles", "devices/console", later("character", "CONSOLE"), (_serial_console,), "Consoles beyond serial port 0, in order.",
          implied=_twin, new=_fixed(type="pty", target_type="virtio"), kinds=("type",), sequence=True),
    Items("channels", "devices/channel", later("character", "CHANNEL"), ("name", _forwarded),
          "Channels between host and guest, without the agent's (see O(agent)).", implied=_agents, live="device", ordered=False,
          new=_fixed(type="unix", target_type="virtio"), template={"type": "unix"}),
    Items("rng", "devices/rng", later("hardware", "RNG"), (), "Sources of random numbers.", live="device",
          new=_fixed(model="virtio", backend="random"), kinds=("backend",)),
    Items("tpm", "devices/tpm", later("hardware", "TPM"), (), "The TPM: one, on POWER a proxy beside it.",
          new=_fixed(type="emulator"), kinds=("model",)),
    Items("watchdog", "devices/watchdog", later("hardware", "WATCHDOG"), ("model",), "Watchdogs beyond the chipset's own.", live="device",
          implied=_chipset_watchdog, ordered=False),
    Items("panic", "devices/panic", later("hardware", "PANIC"), ("model",), "Panic notifiers beyond the machine's own.",
          implied=_machine_panic, ordered=False),
    Items("vsock", "devices/vsock", later("hardware", "VSOCK"), (), "The socket between host and guest: one at most.", live="device",
          new=_new_vsock),
    Items("iommu", "devices/iommu", later("hardware", "IOMMU"), (), "The guest's IOMMU: one at most."),
    Items("memory_devices", "devices/memory", later("passthrough", "MEMORY"), ("alias",), "Memory beyond what the guest starts with;"
          " it needs room, O(memory_hotplug), but for V(nvdimm).", live="device", kinds=("model",)),
    Items("shmem", "devices/shmem", later("passthrough", "SHMEM"), ("name",),
          "Memory shared with other guests, or with programs of the host such as Looking Glass (ivshmem).", live="device",
          ordered=False),
    Items("redirdevs", "devices/redirdev", later("character", "REDIRDEV"), (), "USB redirection: ports into which whoever watches by SPICE can plug a device.",
          live="device", new=_fixed(bus="usb", type="spicevmc"), template={"bus": "usb"}, kinds=("type",)),
    Items("redirfilter", "devices/redirfilter/usbdev", later("hardware", "REDIRFILTER"), (),
          "Rules for redirected USB devices, in order; the first that fits counts.", sequence=True),
    Items("smartcard", "devices/smartcard", later("character", "SMARTCARD"), (), "The smart card: one at most.",
          new=_fixed(mode="passthrough"), template={"mode": "passthrough"}),
    Items("leases", "devices/lease", later("passthrough", "LEASE"), ("key",), "Leases of a lock manager.", live="device", ordered=False),
    Items("hub", "devices/hub", later("hardware", "HUB"), (), "USB hubs beyond those that libvirt makes.", new=_fixed(type="usb")),
    Items("crypto", "devices/crypto", later("hardware", "CRYPTO"), (), "Cryptographic devices.",
          new=_fixed(model="virtio", type="qemu", backend="builtin"), kinds=("backend",)),
    Items("controllers", "devices/controller", later("hardware", "CONTROLLER"), (_controller,),
          "Controllers to add or change; those not listed stay, for libvirt makes what the devices need.", implied=_bus, add_only=True,
          ordered=False),
    Group("memballoon", "devices/memballoon", later("hardware", "MEMBALLOON"), "The memory balloon."),
)  # fmt: skip


def items_of(noun: str) -> Items:
    """The row of a device list."""
    return next(row for row in DEVICES if row.name == noun)


def label_of(items: Items, root: Element, node: Element) -> str:
    """What a device of the list is called in option paths."""
    return items.label(read(items.rows, node), items.elements(root).index(node))


def card_model(interface: Element) -> str:
    """The model of a network card; ``""`` where libvirt chooses it."""
    model = interface.find("model")
    return "" if model is None else model.get("type") or ""


def place_of(root: Element, noun: str, node: Element) -> int:
    """The place of a device among those of its list."""
    return items_of(noun).elements(root).index(node)


def device(root: Element, noun: str, label: str, index: int = -1) -> t.Optional[Element]:
    """The element of a domain's document that the option path ``noun[label]`` means: of several the one at ``index``."""
    if noun == "agent":
        target = next((one for one in root.iterfind("devices/channel/target") if one.get("name") == AGENT), None)
        return None if target is None else target.getparent()
    items = items_of(noun)
    elements = items.elements(root)
    found = [at for at, node in enumerate(elements) if items.label(read(items.rows, node), at) == label]
    return elements[index if index in found else found[0]] if found else None


def running_device(root: Element, noun: str, label: str, alias: str) -> t.Optional[Element]:
    """The element of a running device by its alias; by the option path where it has none."""
    if not alias:
        return device(root, noun, label)
    return next((node for node in items_of(noun).elements(root) if _alias(node) == alias), None)


def _alias(node: Element) -> t.Optional[str]:
    alias = node.find("alias")
    return None if alias is None else alias.get("name")


def aliases(root: Element) -> set[str]:
    """The aliases of all devices of a running domain."""
    return {alias.get("name") for alias in root.iterfind("devices/*/alias")}
