# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running machine can take, given what else of it waits for a restart: devices, and new values of what it has.

A device needs its bus, a free slot or port, its iothread, the graphics, shared memory, a network that is active. A new
value needs what it is a value of. A change that needs something that only the next start brings waits too.
"""

from __future__ import annotations

import typing as t

from ..._libvirt import found_or_none
from ..._xml import document
from ..._xml.rows import Change, Values
from ..._xml.types import KIB
from .table import has_balloon, iothread_ids

if t.TYPE_CHECKING:
    from ..._libvirt import World

Element = document.Element

OLD_CARDS = ("e1000", "rtl8139", "pcnet", "ne2k_pci")  # on conventional PCI, as watchdogs and ivshmem are
OLD_BUSES = ("pci-root", "pci-bridge", "pcie-to-pci-bridge", "dmi-to-pci-bridge")
USB_PORTS = {"ich9-ehci1": 6, "qemu-xhci": 4, "nec-xhci": 4, "pci-ohci": 3}  # libvirt's count; all others have 2
HUB_PORTS = 8
SOURCES = {  # the options of a device that are replaced together, by the operation
    "interface": ("source", "network", "portgroup", "bridge"),
    "media": ("source", "file", "block", "pool", "volume", "volume_mode", "network", "nvme", "vhostuser", "dir", "format",
              "startup_policy", "auth", "encryption", "reservations", "slice"),
}  # fmt: skip
CONTROLLERS = {"virtio-serial": "virtio-serial", "usb": "usb", "ccid": "ccid"}  # by the type of an address
PLUGGABLE: dict[str, t.Callable[[Values], bool]] = {
    "disks": lambda item: item.get("bus") in ("virtio", "scsi", "usb"),
    "inputs": lambda item: item.get("bus") in ("usb", "virtio"),
    "serials": lambda item: item.get("target_type") in ("usb-serial", "pci-serial"),
    "filesystems": lambda item: item.get("driver") == "virtiofs",
    "watchdog": lambda item: item.get("model") == "i6300esb",
    "shmem": lambda item: item.get("model") in ("ivshmem-plain", "ivshmem-doorbell"),
}


def pluggable(noun: str, item: Values) -> bool:
    """What QEMU can plug while the guest runs: nothing on SATA, IDE or ISA, no floppy."""
    return noun not in PLUGGABLE or PLUGGABLE[noun](item)


class Machine:
    """A running machine as it is, and as it will be when the steps planned so far have run."""

    def __init__(self, running: Element, persistent: Element, world: t.Optional[World] = None) -> None:
        self.running = running
        self.persistent = persistent
        self.world = world
        self.devices = list(running.iterfind("devices/*"))
        self.iothreads = iothread_ids(running)
        self.controllers = {
            (node.get("type"), node.get("index"))
            for node in running.iterfind("devices/controller")
            if node.get("model") != "none"
        }
        ports = {
            f"0x{int(port.get('index')):02x}"
            for port in running.iterfind("devices/controller[@type='pci']")
            if port.get("model") in ("pcie-root-port", "pcie-switch-downstream-port")
        }
        used = {address.get("bus") for address in running.iterfind("devices/*/address[@type='pci']")}
        self.slots: float = len(ports - used) if ports else float("inf")

    def counted(self, change: Change) -> bool:
        """Count with a device's coming or going; false where it finds no slot."""
        slots = _takes_slot(change)
        if change.new is None:
            self.devices = [node for node in self.devices if node is not change.old]
            self.slots += slots
            return True
        if slots > self.slots:
            return False
        self.devices.append(change.new)
        self.slots -= slots
        if change.new.tag == "controller":
            self.controllers.add((change.new.get("type"), change.new.get("index")))
        return True

    def releases(self, noun: str, change: Change) -> bool:
        """Whether the device can go."""
        return pluggable(noun, change.before)

    def takes(self, noun: str, change: Change) -> bool:
        """Whether the device to come finds all that it needs, but for a slot."""
        node, item = t.cast(Element, change.new), change.after
        return (
            pluggable(noun, item)
            and self.has_bus(noun, item)
            and self._has_controller(node)
            and self._has_thread(node)
            and self._has_graphics(node)
            and self._has_memory(noun, node)
            and self._has_order(node)
            and self.has_network(node)
        )

    def has_bus(self, noun: str, item: Values) -> bool:
        """Whether there is a controller for it, where one can't come while the guest runs."""
        if noun in ("watchdog", "shmem") or item.get("model") in OLD_CARDS:
            return any(node.get("model") in OLD_BUSES for node in self.running.iterfind("devices/controller"))
        if noun == "channels":
            return item.get("target_type", "virtio") != "virtio" or self._has_type("virtio-serial")
        usb = "usb" in (item.get("bus"), *item) or item.get("target_type") == "usb-serial"
        return not usb or (self._has_type("usb") and self._free_usb() > 0)

    def _has_type(self, wanted: str) -> bool:
        return any(type == wanted for type, _index in self.controllers)

    def _free_usb(self) -> int:
        ports = 0
        for node in self.running.iterfind("devices/controller[@type='usb']"):
            if node.get("model") != "none":
                ports += int(node.get("ports") or USB_PORTS.get(node.get("model"), 2))
        on_usb = [node for node in self.devices if node.find("address[@type='usb']") is not None]
        return ports + HUB_PORTS * sum(node.tag == "hub" for node in on_usb) - len(on_usb)

    def _has_controller(self, node: Element) -> bool:
        """Whether the controller that its address names is there, or comes before it."""
        address, target = node.find("address"), node.find("target")
        if address is None:
            return True
        bus = target.get("bus") if node.tag == "disk" and target is not None else "scsi"
        type = {**CONTROLLERS, "drive": bus}.get(address.get("type"))
        return type is None or (type, address.get("controller") or address.get("bus")) in self.controllers

    def _has_thread(self, node: Element) -> bool:
        threads = (one.get("iothread") for one in node.findall("driver"))
        return all(int(thread) in self.iothreads for thread in threads if thread)

    def _has_graphics(self, node: Element) -> bool:
        needs = {"spicevmc": "spice", "spiceport": "spice", "dbus": "dbus"}.get(node.get("type"))
        return needs is None or any(one.get("type") == needs for one in self.running.iterfind("devices/graphics"))

    def _has_memory(self, noun: str, node: Element) -> bool:
        """Whether the guest's memory can be shared with another process, or there is room for more."""
        driver = node.find("driver")
        if (noun == "filesystems" and driver is not None and driver.get("type") == "virtiofs") or node.get(
            "type"
        ) == "vhostuser":
            cells = self.running.findall("cpu/numa/cell")
            return self._shared() or (bool(cells) and all(cell.get("memAccess") == "shared" for cell in cells))
        return noun != "memory_devices" or self._has_room(node)

    def _shared(self) -> bool:
        access, source = (self.running.find(f"memoryBacking/{tag}") for tag in ("access", "source"))
        memfd = source is not None and source.get("type") == "memfd" and access is None
        return memfd or (access is not None and access.get("mode") == "shared")

    def _has_room(self, device: Element) -> bool:
        room = self.running.find("maxMemory")
        there = [node for node in self.devices if node.tag == "memory"]
        cell = device.findtext("target/node")
        cells = {node.get("id") for node in self.running.iterfind("cpu/numa/cell")}
        if room is None or (cell is not None and cell not in cells):
            return False
        most = self.memory() + _size(device.find("target/size"))
        return len(there) < int(room.get("slots") or 0) and most <= _size(room)

    def memory(self) -> int:
        """The most memory that the guest can have, with the devices that come and without those that go."""
        running = sum(_size(size) for size in self.running.iterfind("devices/memory/target/size"))
        planned = sum(_size(node.find("target/size")) for node in self.devices if node.tag == "memory")
        return _size(self.running.find("memory")) - running + planned

    def _has_order(self, node: Element) -> bool:
        """Whether its place in the boot order is free: libvirt refuses one that is taken, and any beside the order of kinds."""
        boot = node.find("boot")
        if boot is None:
            return True
        orders = {one.get("order") for device in self.devices for one in device.findall("boot")}
        return self.running.find("os/boot") is None and boot.get("order") not in orders

    def has_network(self, node: Element) -> bool:
        """Whether the network of an interface is active."""
        source = node.find("source")
        name = None if source is None or node.tag != "interface" else source.get("network")
        return name is None or self.world is None or self._network(name) is not None

    def _network(self, name: str) -> t.Any:
        network = None if self.world is None else self.world.find("network", name)
        return network if network is not None and network.isActive() else None

    def on_bridge(self, interface: Element, running: bool = False) -> bool:
        """Whether its traffic goes over a Linux bridge: only between such sources an interface is moved."""
        source = interface.find("source")
        if (
            source is None
            or interface.get("type") not in ("network", "bridge")
            or interface.find("virtualport") is not None
        ):
            return False
        if interface.get("type") == "bridge" or running:
            return source.get("bridge") is not None
        network = self._network(source.get("network"))
        return network is not None and bool(found_or_none(network.bridgeName, "VIR_ERR_INTERNAL_ERROR"))


def _size(node: t.Optional[Element]) -> int:
    return 0 if node is None else t.cast(int, KIB.get(node, ""))


def _takes_slot(change: Change) -> bool:
    """Whether a device sits in a PCIe port of its own; what is on conventional PCI has a bridge."""
    noun, item = change.items.name, change.after or change.before
    if noun == "disks":
        return item.get("bus") == "virtio"
    if noun == "interfaces":
        return not str(item.get("model")).startswith("usb") and item.get("model") not in OLD_CARDS
    if noun in ("hostdevs", "inputs"):
        return "pci" in item or item.get("bus") == "virtio"
    if noun == "memory_devices":
        return str(item.get("model")).startswith("virtio")
    return noun in ("controllers", "rng", "filesystems", "vsock", "crypto")


def no_slot(name: str, path: str) -> str:
    """The warning for a device that finds no slot in the running machine."""
    return (
        f"{path} waits for a restart of domain {name}: it has no free slot."
        " A restart makes room; more spare ones come from hotplug_ports at creation, or pcie-root-port controllers."
    )


def _has_balloon(machine: Machine, change: Change) -> bool:
    return has_balloon(machine.running)


def _has_thread_to_pin(machine: Machine, change: Change) -> bool:
    _group, kind, *number = change.path.split(".")
    if kind == "vcpupin":
        return int(number[0]) < int(machine.running.findtext("vcpu"))
    return kind != "iothreadpin" or int(number[0]) in machine.iothreads


def _unused_threads(machine: Machine, change: Change) -> bool:
    """Threads that serve a device can't go."""
    gone = iothread_ids(machine.running) - iothread_ids(machine.persistent)
    serving = (one.get("iothread") for node in machine.devices for one in node.findall("driver"))
    return not any(thread and int(thread) in gone for thread in serving)


def _has_password(machine: Machine, change: Change) -> bool:
    """QEMU asks for a password, or not, from its start: one can be changed, but not begun or ended."""
    return all(node is not None and node.get("passwd") for node in (change.old, change.new))


def _has_medium(machine: Machine, change: Change) -> bool:
    """An empty drive has no limits; a medium comes before them."""
    if change.old is None or change.new is None or change.new.find("source") is None:
        return False
    return change.old.find("source") is not None or _same_drive(machine, change)


def _same_drive(machine: Machine, change: Change) -> bool:
    """The medium of a removable drive changes at once; a fixed disk is never swapped under the guest."""
    kinds = [None if node is None else node.get("device") for node in (change.old, change.new)]
    return kinds[0] in ("cdrom", "floppy") and kinds[0] == kinds[1]


def _movable(machine: Machine, change: Change) -> bool:
    """The cable is QEMU's own. All else needs the device that the host has for the interface."""
    old, new = change.old, change.new
    if change.path.endswith("].link"):
        return True
    if old is None or new is None or old.find("target") is None:
        return False
    if change.path.partition("].")[2] in SOURCES["interface"]:
        return machine.on_bridge(old, running=True) and machine.on_bridge(new)
    return old.get("type") in ("network", "bridge", "ethernet")


def _is_virtio_mem(machine: Machine, change: Change) -> bool:
    return all(node is not None and node.get("model") == "virtio-mem" for node in (change.old, change.new))


NEEDS: dict[str, t.Callable[[Machine, Change], bool]] = {
    "memory": _has_balloon,
    "balloon_stats": _has_balloon,
    "pin": _has_thread_to_pin,
    "iothreads": _unused_threads,
    "iotune": _has_medium,
    "media": _same_drive,
    "interface": _movable,
    "graphics": _has_password,
    "memory_device": _is_virtio_mem,
}


def meets(machine: Machine, operation: str, change: Change) -> bool:
    """Whether the running machine has what the operation needs."""
    return operation not in NEEDS or NEEDS[operation](machine, change)
