# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a change reaches a running domain at once: one planner per operation named in the table's ``live`` column.

A planner gets the change and the running document and returns the step, or None where it has to wait for a restart.
"""

from __future__ import annotations

import typing as t

from ..._plan import Plan, Step
from ..._xml import document, units
from ..._xml.rows import Change, Values, compare
from ..._xml.types import KIB
from .devices import AGENT, METADATA, device
from .table import DOMAIN

Element = document.Element


def plan_live(
    plan: Plan,
    name: str,
    spoken: t.Callable[[Change], bool],
    before: Element,
    running: Element,
    persistent: Element,
    live: bool,
) -> list[str]:
    """Add the steps that bring ``running`` to ``persistent`` as far as this task speaks of it and QEMU can.

    ``spoken(change)`` says whether it does; ``before`` is the definition as it was. Returns the option paths that wait for
    a restart: with ``live`` false (``apply: stage``) all of them.
    """
    changes = [*compare(DOMAIN, running, persistent), *(_balloon(before, running, persistent) if live else ())]
    needed = {path for change in changes if spoken(change) for path in _controllers(change, persistent)}
    waiting: list[str] = []
    done: set[str] = set()
    slots = _free_slots(running)
    for change in sorted(changes, key=lambda change: change.path not in needed):
        planner = _attach_or_detach if change.path in needed else _planner(change.row.live) if spoken(change) else None
        step = planner(name, change, running, persistent) if planner and live else None
        if step is not None and change.row is change.items and _takes_slot(change):
            slots += 1 if change.after is None else -1
            if slots < 0:
                plan.warnings.append(no_slot(name, change.path))
                step = None
        if step is None:
            waiting.append(change.path)
        elif _key(step) not in done:
            done.add(_key(step))
            plan.steps.append(step)
    return waiting + _undescribed(running, persistent)


def _controllers(change: Change, persistent: Element) -> list[str]:
    """The controllers that a device to come sits on, where they come by a step of their own, before it."""
    noun, label = _split(change)
    if noun != "disks" or change.row is not change.items or (change.after or {}).get("bus") != "scsi":
        return []
    address = t.cast(Element, device(persistent, noun, label)).find("address")
    return [] if address is None else [f"controllers[scsi/{address.get('controller')}]"]


def _split(change: Change) -> tuple[str, str]:
    """The list and the label in the path of a device."""
    noun, dummy, rest = change.path.partition("[")
    return noun, rest.partition("]")[0]


def _free_slots(running: Element) -> float:
    """How many devices can be plugged into the machine: its PCIe ports with nothing in them; endless where none are."""
    ports = {
        f"0x{int(port.get('index')):02x}"
        for port in running.iterfind("devices/controller[@type='pci']")
        if port.get("model") in ("pcie-root-port", "pcie-switch-downstream-port")
    }
    used = {address.get("bus") for address in running.iterfind("devices/*/address[@type='pci']")}
    return len(ports - used) if ports else float("inf")


def _takes_slot(change: Change) -> bool:
    noun, item = _split(change)[0], change.after or change.before
    if noun == "disks":
        return item.get("bus") == "virtio"
    if noun == "interfaces":
        return not str(item.get("model")).startswith("usb")
    if noun in ("hostdevs", "inputs"):
        return "pci" in item or item.get("bus") == "virtio"
    return noun in ("controllers", "rng", "filesystems", "vsock", "shmem", "watchdog")


def no_slot(name: str, path: str) -> str:
    """The warning for a device that finds no slot in the running machine."""
    return (
        f"{path} waits for a restart of domain {name}: it has no free slot."
        " A restart makes room; more spare ones come from hotplug_ports at creation, or pcie-root-port controllers."
    )


def _balloon(before: Element, running: Element, persistent: Element) -> list[Change]:
    """Less memory for the guest: its row can't be compared, as what the running instance shows is what it gave so far."""
    row = next(row for row in DOMAIN if getattr(row, "name", "") == "memory")
    old, new = row.value(before), row.value(persistent)
    return [Change("memory", old, units.shown(new), row)] if old != new and row.volatile(persistent, running) else []


def waiting_for_restart(running: Element, persistent: Element) -> list[str]:
    """The option paths in which the running domain differs from its definition."""
    return [*(change.path for change in compare(DOMAIN, running, persistent)), *_undescribed(running, persistent)]


def _undescribed(running: Element, persistent: Element) -> list[str]:
    from .leftover import undescribed  # only a running guest pays for it

    return undescribed(running, persistent)


def _key(step: Step) -> str:
    return f"{step.operation} {sorted(step.arguments.items())!r}" if step.operation != "domain.metadata" else step.text


def _memory(name: str, change: Change, running: Element, persistent: Element) -> t.Optional[Step]:
    node = persistent.find("currentMemory")
    size = t.cast(int, KIB.get(persistent.find("memory") if node is None else node, ""))
    if size > t.cast(int, KIB.get(running.find("memory"), "")):
        return None
    before = KIB.get(running.find("currentMemory"), "")
    return Step(
        "domain.set_memory",
        f"set the memory of domain {name} to {change.after} live",
        name=name,
        size=size,
        undo=Step("domain.set_memory", f"set the memory of domain {name} back", name=name, size=before),
    )


def _vcpus(name: str, change: Change, running: Element, persistent: Element) -> t.Optional[Step]:
    """More up to the maximum. Fewer wait: not every guest lets go of one, and emulation (QEMU 7.2) dies of it."""
    if not change.before <= change.after <= int(running.find("vcpu").text):
        return None
    return Step("domain.set_vcpus", f"give domain {name} {change.after} vCPUs live", name=name, count=change.after)


def _metadata(name: str, change: Change, running: Element, persistent: Element) -> t.Optional[Step]:
    part = change.path.split(".")[0]
    text, old, new = f"set the {part} of domain {name}", _part(running, part), _part(persistent, part)
    undo = Step("domain.metadata", f"{text} back", name=name, part=part, value=old)
    return Step("domain.metadata", f"{text} live", name=name, part=part, value=new, undo=undo)


def _part(root: Element, part: str) -> t.Optional[str]:
    if part not in METADATA:
        return t.cast("t.Optional[str]", root.findtext(part))
    uri = document.NAMESPACES[METADATA[part]]
    node = next((one for one in root.iterfind("metadata/*") if one.tag.startswith(f"{{{uri}}}")), None)
    return None if node is None else document.bare(node)


def _agent(name: str, change: Change, running: Element, persistent: Element) -> t.Optional[Step]:
    if change.after and _has_bus(running, "channels", {"target_type": "virtio"}):
        return Step(
            "domain.attach", f"attach the agent's channel to domain {name} live", name=name, items="agent", label=AGENT
        )
    return None


def _attach_or_detach(name: str, change: Change, running: Element, persistent: Element) -> t.Optional[Step]:
    """A whole device that comes or goes; a change within one has a planner of its own."""
    if change.row is not change.items:
        return None
    noun, label = _split(change)
    text = f"{noun.rstrip('s')} {label}"
    if change.before is None:
        if not _pluggable(change.after, noun) or not _has_bus(running, noun, change.after):
            return None
        return Step(
            "domain.attach",
            f"attach {text} to domain {name} live",
            name=name,
            items=noun,
            label=label,
            undo=Step("domain.detach", f"detach {text} again", name=name, items=noun, label=label),
        )
    if not _pluggable(change.before, noun):
        return None
    undo = _put_back("domain.attach_back", f"attach {text} again", name, running, noun, label)
    return Step(
        "domain.detach", f"detach {text} from domain {name} live", name=name, items=noun, label=label, undo=undo
    )


def _put_back(operation: str, text: str, name: str, running: Element, noun: str, label: str) -> t.Optional[Step]:
    """The step that gives the running instance a device as it had it."""
    node = device(running, noun, label)
    return None if node is None else Step(operation, text, name=name, xml=document.text_of(node))


OLD_CARDS = ("e1000", "rtl8139", "pcnet", "ne2k_pci")  # on conventional PCI, as watchdogs and ivshmem are
OLD_BUSES = ("pci-root", "pci-bridge", "pcie-to-pci-bridge", "dmi-to-pci-bridge")


def _has_bus(running: Element, noun: str, item: Values) -> bool:
    """Whether there is a controller for it, where one can't come while the guest runs."""
    needs = "virtio-serial" if noun == "channels" else "usb" if "usb" in (item.get("bus"), *item) else ""
    controllers = running.findall("devices/controller")
    if noun in ("watchdog", "shmem") or item.get("model") in OLD_CARDS:
        return any(node.get("model") in OLD_BUSES for node in controllers)
    buses = {node.get("type") for node in controllers}
    return not needs or needs in buses or (noun == "channels" and item.get("target_type") != "virtio")


PLUGGABLE: dict[str, t.Callable[[Values], bool]] = {
    "disks": lambda item: item.get("bus") in ("virtio", "scsi", "usb"),
    "inputs": lambda item: item.get("bus") in ("usb", "virtio"),
    "serials": lambda item: item.get("target_type") in ("usb-serial", "pci-serial"),
    "filesystems": lambda item: item.get("driver") == "virtiofs",
    "watchdog": lambda item: item.get("model") == "i6300esb",
}


def _pluggable(item: Values, noun: str) -> bool:
    """What QEMU can plug while the guest runs: nothing on SATA, IDE or ISA, no floppy."""
    return noun not in PLUGGABLE or PLUGGABLE[noun](item)


def _media(name: str, change: Change, running: Element, persistent: Element) -> t.Optional[Step]:
    """Another source: the medium of a removable drive changes at once, a fixed disk is never swapped under the guest."""
    if change.key.get("device") not in ("cdrom", "floppy"):
        return None
    return _update("change the medium of", name, change, running)


def _interface(name: str, change: Change, running: Element, persistent: Element) -> t.Optional[Step]:
    node = device(running, *_split(change))
    if ".bandwidth." in change.path and (node is None or node.find("target") is None):
        return None  # the host limits what it has a device for
    return _update("update", name, change, running)


def _graphics(name: str, change: Change, running: Element, persistent: Element) -> t.Optional[Step]:
    return _update("update", name, change, running)


def _update(verb: str, name: str, change: Change, running: Element) -> Step:
    noun, label = _split(change)
    text = f"{noun.rstrip('s') if noun != 'graphics' else noun} {label}"
    undo = _put_back("domain.update_back", f"put {text} back", name, running, noun, label)
    return Step("domain.update", f"{verb} {text} of domain {name} live", name=name, items=noun, label=label, undo=undo)


def _memory_device(name: str, change: Change, running: Element, persistent: Element) -> t.Optional[Step]:
    return _update("update", name, change, running)


Planner = t.Callable[[str, Change, Element, Element], t.Optional[Step]]
PLANNERS: dict[str, Planner] = {
    "memory": _memory,
    "vcpus": _vcpus,
    "metadata": _metadata,
    "agent": _agent,
    "device": _attach_or_detach,
    "media": _media,
    "interface": _interface,
    "graphics": _graphics,
    "memory_device": _memory_device,
}


def _planner(live: str) -> t.Optional[Planner]:
    """The planner of an operation by name; what sets values is read when something does."""
    if not live or live in PLANNERS:
        return PLANNERS.get(live)
    from .tuning import TUNERS

    return TUNERS.get(live)
