# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Device addresses: which kind of address a device needs, and what becomes of an address when the device changes.

libvirt gives each device an address and keeps it. When a task changes what the address depends on (a disk's bus, the model
of a display adapter or a controller), the address goes, and libvirt gives another one. An address in the task's options stays.
"""

from __future__ import annotations

import typing as t

from ..._plan import refuse
from ..._xml import document
from ..._xml.items import Items
from ..._xml.rows import Values
from .devices import DEVICES, card_model, label_of

Element = document.Element
Pairs = t.Sequence[tuple[Element, Element]]

# Any of these types is an address on the machine's main bus: libvirt takes the one that the machine has.
MAIN_BUS = ("pci", "ccw", "virtio-mmio", "spapr-vio", "unassigned")
# bus: the position of the n-th drive (controller, bus, unit) as libvirt counts them
DRIVES: dict[str, t.Callable[[int], tuple[int, int, int]]] = {
    "ide": lambda number: (number // 4, number // 2 % 2, number % 2),
    "sata": lambda number: (number // 6, 0, number % 6),
    "scsi": lambda number: (number // 7, 0, number % 7),
    "fdc": lambda number: (number // 2, 0, number % 2),
}


def _at(path: str, kinds: t.Mapping[t.Optional[str], str], otherwise: str) -> t.Callable[[Element], str]:
    """The kind of address by the value of an attribute of the device, or of an element in it."""
    tag, dummy, attribute = path.partition("@")

    def find(device: Element) -> str:
        node = device.find(tag) if tag else device
        return kinds.get(None if node is None else node.get(attribute), otherwise)

    return find


def _always(kind: str) -> t.Callable[[Element], str]:
    return lambda device: kind


def _disk(disk: Element) -> str:
    target = disk.find("target")
    bus = None if target is None else target.get("bus")
    return f"drive {bus}" if bus in DRIVES else {"virtio": "pci", "usb": "usb"}.get(str(bus), "")


def _interface(interface: Element) -> str:
    name = card_model(interface)
    return "usb" if name.startswith("usb") else "spapr-vio" if name.startswith("spapr") else "pci"


def _hostdev(hostdev: Element) -> str:
    kinds = {"usb": "usb", "scsi": "drive scsi"}
    return {"vfio-ap": "", "vfio-ccw": "ccw"}.get(hostdev.get("model"), kinds.get(hostdev.get("type"), "pci"))


def _controller(controller: Element) -> str:
    """USB controllers of a chipset and bridges have places of their own by model."""
    kind, model = controller.get("type"), controller.get("model") or ""
    if kind == "pci":
        return "" if model in ("pci-root", "pcie-root") else f"pci {model}"
    if kind == "usb":
        return "" if model == "none" else f"pci {model}" if model.startswith(("ich9-", "piix")) else "pci"
    return {"ccid": "usb", "isa": "", "fdc": ""}.get(str(kind), "spapr-vio" if model == "ibmvscsi" else "pci")


# The device's element: the kind of address that it needs. A kind begins with the address's type. "" stands for no address.
KINDS: dict[str, t.Callable[[Element], str]] = {
    "disk": _disk,
    "interface": _interface,
    "hostdev": _hostdev,
    "controller": _controller,
    "video": _at("model@type", {"ramfb": "", "none": "", "gop": "", None: ""}, "pci"),
    "sound": _at("@model", {"usb": "usb", "sb16": "", "pcspk": ""}, "pci"),
    "serial": _at("target@type", {
        "isa-serial": "isa", "isa-debug": "isa", "usb-serial": "usb", "pci-serial": "pci", "spapr-vio-serial": "spapr-vio",
    }, ""),
    "console": _at("target@type", {"virtio": "virtio-serial"}, ""),
    "channel": _at("target@type", {"virtio": "virtio-serial"}, ""),
    "parallel": _always("isa"),
    "input": _at("@bus", {"usb": "usb", "virtio": "pci"}, ""),
    "hub": _always("usb"),
    "redirdev": _always("usb"),
    "smartcard": _always("ccid"),
    "watchdog": _at("@model", {"i6300esb": "pci"}, ""),
    "panic": _at("@model", {"isa": "isa", "pvpanic": "pci"}, ""),
    "memory": _at("@model", {"dimm": "dimm", "nvdimm": "dimm", "sgx-epc": ""}, "pci"),
    "memballoon": _at("@model", {"none": ""}, "pci"),
    "iommu": _at("@model", {"virtio": "pci", "amd": "pci"}, ""),
    "tpm": _at("@model", {"tpm-spapr": "spapr-vio", "spapr-tpm-proxy": "spapr-vio"}, ""),
}  # fmt: skip


def kind(device: Element) -> str:
    """The kind of address that a device needs; ``"any"`` for devices that always need the same kind."""
    find = KINDS.get(device.tag)
    return "any" if find is None else find(device)


def remove_unfit(pairs: Pairs, root: Element, asked: t.Mapping[Element, str]) -> None:
    """Remove the addresses of devices that need another kind of address now, and of what is attached to such controllers.

    ``pairs``: the devices before and after the edit of ``root``. ``asked``: the devices whose address is in the task's
    options, with the option's path.
    """
    for old, new in pairs:
        if new.getparent() is None:
            continue
        if kind(old) != kind(new):
            _remove_address(old, new, asked)
        if new.tag == "controller" and old.get("model") != new.get("model"):
            _remove_below(root, new, asked)
    place_drives(root)


def given_addresses(root: Element, wanted: Values) -> dict[Element, str]:
    """The devices whose address is in the task's options, with the option's path."""
    asked: dict[Element, str] = {}
    for row in DEVICES:
        values = wanted.get(row.name)
        if isinstance(row, Items):
            asked.update(_given_in_list(row, root, values or []))
        elif values and "address" in values:
            asked[root.find(row.path)] = f"{row.name}.address"
    return asked


def _given_in_list(items: Items, root: Element, wanted: list[Values]) -> dict[Element, str]:
    if not any("address" in (item or {}) for item in wanted):
        return {}
    return {
        node: f"{items.name}[{label_of(items, root, node)}].address"
        for item, node in items.match(wanted, root)[0]
        if node is not None and "address" in (item or {})
    }


def _remove_address(old: Element, device: Element, asked: t.Mapping[Element, str]) -> None:
    address, had = device.find("address"), old.find("address")
    if address is None:
        return
    if device not in asked:
        if had is not None and dict(had.attrib) == dict(address.attrib):  # else xml_patch wrote it
            document.remove(address)
        return
    needs, has = kind(device).partition(" ")[0], address.get("type")
    if has != needs and not (needs == "pci" and has in MAIN_BUS):
        refuse(
            asked[device],
            f"the device can't have an address of type '{has}', it needs {'one of type ' + needs if needs else 'none'}",
            "Leave the address out, and libvirt finds a place.",
        )


def _remove_below(root: Element, controller: Element, asked: t.Mapping[Element, str]) -> None:
    """Another model of a controller numbers its places in another way: what is attached to it is placed anew."""
    type, index = str(controller.get("type")), _number(controller.get("index"))
    place = "bus" if type in ("pci", "usb") else "controller"
    for address in root.findall("devices/*/address"):
        device = address.getparent()
        name = kind(device).partition(" ")
        same = name[2] == type if name[0] == "drive" else address.get("type") == type
        if same and _number(address.get(place)) == index and device is not controller and device not in asked:
            document.remove(address)


def drives(root: Element) -> list[tuple[Element, str]]:
    """The devices that have the address of a drive, each with its bus."""
    kinds = ((node, kind(node).partition(" ")) for node in root.iterfind("devices/*"))
    return [(node, bus) for node, (type, _space, bus) in kinds if type == "drive"]


def place_drives(root: Element) -> None:
    """Give an address to drives whose name stands for a place that another drive has.

    libvirt derives the place from the target's last letters: vda on SATA would have the place of sda.
    """
    placed, named = [], []
    for node, bus in drives(root):
        address = node.find("address")
        if address is not None:
            placed.append((bus, *_position(address)))
        elif node.tag == "disk":
            named.append((node, bus, (bus, *DRIVES[bus](_letters(str(node.find("target").get("dev")))))))
    taken = set(placed)
    late = []
    for node, bus, place in named:
        late += [(node, bus)] if place in taken else []
        taken.add(place)
    for node, bus in late:
        place = next(place for place in ((bus, *DRIVES[bus](n)) for n in range(len(taken) + 1)) if place not in taken)
        taken.add(place)
        controller, channel, unit = map(str, place[1:])
        document.child(node, "address", type="drive", controller=controller, bus=channel, target="0", unit=unit)


def _position(address: Element) -> tuple[int, int, int]:
    controller, bus, unit = (_number(address.get(name)) for name in ("controller", "bus", "unit"))
    return controller, bus, unit


def _letters(target: str) -> int:
    """The number that a target's letters stand for: sda 0, sdb 1, sdaa 26."""
    number = 0
    for letter in target.rstrip("0123456789")[2:]:
        number = number * 26 + ord(letter) - ord("a") + 1
    return max(number - 1, 0)


def _number(text: t.Optional[str]) -> int:
    return int(text or "0", 0)
