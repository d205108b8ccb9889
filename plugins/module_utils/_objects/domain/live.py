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
from .devices import AGENT
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
    waiting: list[str] = []
    done: set[str] = set()
    for change in [*compare(DOMAIN, running, persistent), *(_balloon(before, running, persistent) if live else ())]:
        planner = PLANNERS.get(change.row.live) if live and spoken(change) else None
        step = planner(name, change, running, persistent) if planner else None
        if step is None:
            waiting.append(change.path)
        elif _key(step) not in done:
            done.add(_key(step))
            plan.steps.append(step)
    return waiting


def _balloon(before: Element, running: Element, persistent: Element) -> list[Change]:
    """Less memory for the guest: its row can't be compared, as what the running instance shows is what it gave so far."""
    row = next(row for row in DOMAIN if getattr(row, "name", "") == "memory")
    old, new = row.value(before), row.value(persistent)
    return [Change("memory", old, units.shown(new), row)] if old != new and row.volatile(persistent, running) else []


def waiting_for_restart(running: Element, persistent: Element) -> list[str]:
    """The option paths in which the running domain differs from its definition."""
    return [change.path for change in compare(DOMAIN, running, persistent)]


def _key(step: Step) -> str:
    return f"{step.operation} {sorted(step.arguments.items())!r}" if step.operation != "domain.metadata" else step.text


def _memory(name: str, change: Change, running: Element, persistent: Element) -> t.Optional[Step]:
    node = persistent.find("currentMemory")
    size = KIB.get(persistent.find("memory") if node is None else node, "")
    if size > KIB.get(running.find("memory"), ""):
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
    maximum = int(running.find("vcpu").text)
    if change.after > maximum or change.after < change.before:
        return None
    return Step(
        "domain.set_vcpus", f"give domain {name} {change.after} vCPUs live", name=name, count=change.after
    )


def _metadata(name: str, change: Change, running: Element, persistent: Element) -> t.Optional[Step]:
    part = change.path.split(".")[0]
    if part == "labels":
        node = persistent.find("metadata/" + document.qualified("metal:kvm"))
        value = None if node is None else document.bare(node)
    else:
        value = persistent.findtext(part)
    return Step("domain.metadata", f"set the {part} of domain {name} live", name=name, part=part, value=value)


def _agent(name: str, change: Change, running: Element, persistent: Element) -> t.Optional[Step]:
    if change.after:
        return Step("domain.attach", f"attach the agent's channel to domain {name} live", name=name, items="agent", label=AGENT)
    return None


def _attach_or_detach(name: str, change: Change, running: Element, persistent: Element) -> t.Optional[Step]:
    """A whole device that comes or goes; a change within one has a planner of its own."""
    if change.row is not change.items:
        return None
    noun, label = change.path.partition("[")[0], change.path.partition("[")[2].rstrip("]")
    text = f"{noun.rstrip('s')} {label}"
    if change.before is None:
        if not _pluggable(change.after, noun):
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
    return Step("domain.detach", f"detach {text} from domain {name} live", name=name, items=noun, label=label)


def _pluggable(item: Values, noun: str) -> bool:
    """What QEMU can plug while the guest runs: nothing on SATA or IDE, no floppy."""
    return noun != "disks" or item.get("bus") in ("virtio", "scsi", "usb")


def _media(name: str, change: Change, running: Element, persistent: Element) -> t.Optional[Step]:
    """Another source: the medium of a removable drive changes at once, a fixed disk is never swapped under the guest."""
    if change.key.get("device") not in ("cdrom", "floppy"):
        return None
    return _update("change the medium of", name, change)


def _interface(name: str, change: Change, running: Element, persistent: Element) -> t.Optional[Step]:
    return _update("update", name, change)


def _graphics(name: str, change: Change, running: Element, persistent: Element) -> t.Optional[Step]:
    return _update("update", name, change)


def _update(verb: str, name: str, change: Change) -> Step:
    noun, label = change.path.partition("[")[0], change.path.partition("[")[2].partition("]")[0]
    return Step(
        "domain.update",
        f"{verb} {noun.rstrip('s') if noun != 'graphics' else noun} {label} of domain {name} live",
        name=name,
        items=noun,
        label=label,
    )


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
}
