# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a change reaches a running domain at once: one planner per operation named in the table's ``live`` column.

A planner gets the change and the running machine and returns the step, or None where it has to wait for a restart. What
is applied to a device is the changes that have a step, on top of what the running device is: never the device of the
definition, in which other changes may wait.
"""

from __future__ import annotations

import typing as t

from ..._plan import Result, Step
from ..._xml import document, units
from ..._xml.rows import Change, compare
from ..._xml.types import KIB
from .devices import AGENT, METADATA, place_of
from .table import DOMAIN, iothread_ids, row_of

if t.TYPE_CHECKING:
    from ..draft import Draft

Element = document.Element
Spoken = t.Callable[[Change], bool]


def plan_live(draft: Draft, spoken: Spoken) -> list[str]:
    """Add the steps that bring what runs to the definition, as far as this task speaks of it and QEMU can.

    ``spoken(change)`` says whether it does. Returns the option paths that wait for a restart: with ``apply: stage`` all of
    them.
    """
    running, persistent, live = t.cast(Element, draft.running), draft.shown, draft.params["apply"] != "stage"
    changes = compare(DOMAIN, running, persistent)
    changes += _balloon(t.cast(Element, draft.before), running, persistent) if live else []
    done: set[int] = set()
    if changes and live:
        from .hotplug import Machine  # only a change pays for it

        done = _add_steps(draft, spoken, changes, Machine(running, persistent, draft.world))
        _foresee(
            running, persistent, [change for change in changes if id(change) in done and change.row is change.items]
        )
    waiting = [change.path for change in changes if id(change) not in done]
    return _as_said(waiting, running, persistent) + _undescribed(running, persistent)


def _add_steps(draft: Draft, spoken: Spoken, changes: list[Change], machine: t.Any) -> set[int]:
    """Add the steps of the changes that the running machine can take; returns the ids of those changes."""
    needed = {path for change in changes if spoken(change) for path in _controllers(change)}
    done: set[int] = set()
    steps: dict[str, Step] = {}
    for change in sorted(changes, key=lambda change: _rank(change, needed)):
        step = _step_of(draft, _operation(change, spoken, needed), change, machine)
        if step is not None:
            _merge(steps, step)
            done.add(id(change))
    for step in steps.values():
        step.live = True
        draft.plan.steps.append(step)
    return done | {id(change) for change in changes if _goes_along(change, steps) or _follows_memory(change, machine)}


def _operation(change: Change, spoken: Spoken, needed: set[str]) -> str:
    """The operation that applies a change; ``""`` if there is none, or the task doesn't mention the option."""
    if change.path in needed:
        return "device"
    return str(change.row.live) if spoken(change) else ""


def _step_of(draft: Draft, operation: str, change: Change, machine: t.Any) -> t.Optional[Step]:
    """The step of one change; None where the running machine can't take it."""
    from .hotplug import meets, no_slot

    planner = _planner(operation) if operation and meets(machine, operation, change) else None
    step = planner(draft.name, change, machine) if planner else None
    if step is None:
        return None
    if change.row is change.items and not machine.counted(change):
        draft.plan.warnings.append(no_slot(draft.name, change.path))
        return None
    if operation == "iothreads":
        machine.iothreads = iothread_ids(machine.persistent)
    return step


def _foresee(running: Element, persistent: Element, moved: list[Change]) -> None:
    """Bring the running document to the devices that it will have when the steps have run."""
    for change in moved:
        if change.new is None:
            document.remove(t.cast(Element, change.old))
        elif change.row.live == "device":
            there = change.items.elements(running)
            index = place_of(persistent, change.items.name, change.new)
            if index < len(there):
                there[index].addprevious(document.clone(change.new))
            else:
                document.graft(t.cast(Element, running.find("devices")), change.new)


def _rank(change: Change, needed: set[str]) -> int:
    """What gives something back comes first, then controllers and threads, which devices need; memory follows its modules."""
    if change.row is change.items and change.after is None and change.row.live == "device":
        return 0
    if change.row.live == "memory":
        return 3
    return 1 if change.path in needed or change.row.live == "iothreads" else 2


def _controllers(change: Change) -> list[str]:
    """The controllers that a device to come sits on, where they come by a step of their own, before it."""
    if change.row is not change.items or change.items.name != "disks" or (change.after or {}).get("bus") != "scsi":
        return []
    address = t.cast(Element, change.new).find("address")
    return [] if address is None else [f"controllers[scsi/{address.get('controller')}]"]


def _merge(steps: dict[str, Step], step: Step) -> None:
    """Add a step, or its options to the step that changes the same device."""
    if step.operation != "domain.update":
        steps.setdefault(_key(step), step)
        return
    where = (step.arguments["items"], step.arguments["label"], step.arguments["alias"])
    first = steps.setdefault(f"{step.operation} {where!r}", step)
    if first is not step:
        first.arguments["paths"] += step.arguments["paths"]
        first.arguments["source"] = first.arguments["source"] or step.arguments["source"]


def _goes_along(change: Change, steps: dict[str, Step]) -> bool:
    """Whether a change that has no step of its own comes with the new source of its device."""
    if change.old is None or change.new is None or change.row.live:
        return False
    from .hotplug import SOURCES

    noun, label = _split(change)
    replaced = SOURCES["media"] if noun == "disks" else SOURCES["interface"] if noun == "interfaces" else ()
    return _option(change).partition(".")[0] in replaced and any(
        step.operation == "domain.update"
        and step.arguments["source"]
        and (step.arguments["items"], step.arguments["label"]) == (noun, label)
        for step in steps.values()
    )


def _follows_memory(change: Change, machine: t.Any) -> bool:
    """Whether the steps bring the maximum to its new value: memory modules count in it."""
    return change.path == "memory_maximum" and machine.memory() == KIB.get(machine.persistent.find("memory"), "")


def _split(change: Change) -> tuple[str, str]:
    """The list and the label in the path of a device."""
    noun, dummy, rest = change.path.partition("[")
    return noun, rest.partition("]")[0]


def _option(change: Change) -> str:
    """The option within the device."""
    return change.path.partition("].")[2]


def _balloon(before: Element, running: Element, persistent: Element) -> list[Change]:
    """Less memory for the guest: its row can't be compared, as what the running instance shows is what it gave so far."""
    row = row_of("memory")
    old, new = row.value(before), row.value(persistent)
    return [Change("memory", old, units.shown(new), row)] if old != new and row.volatile(persistent, running) else []


def waiting_for_restart(running: Element, persistent: Element) -> list[str]:
    """The option paths in which the running domain differs from its definition."""
    waiting = [change.path for change in compare(DOMAIN, running, persistent)]
    return [*_as_said(waiting, running, persistent), *_undescribed(running, persistent)]


def _as_said(waiting: list[str], running: Element, persistent: Element) -> list[str]:
    """The paths in the words of a task: a maximum that is higher only because the guest is to have as much isn't named,
    what the guest is to have is."""
    for option in ("memory", "vcpus"):
        most = f"{option}_maximum"
        if most in waiting and _rises_with(option, row_of(most), running, persistent):
            waiting = list(dict.fromkeys(option if path == most else path for path in waiting))
    return waiting


def _rises_with(option: str, most: t.Any, running: Element, persistent: Element) -> bool:
    """Whether the maximum is higher than before, and the guest is to have all of it."""
    asked = row_of(option).value(persistent)
    return asked is not None and most.value(persistent) == asked > (most.value(running) or 0)


def _undescribed(running: Element, persistent: Element) -> list[str]:
    from .leftover import undescribed  # only a running guest pays for it

    return undescribed(running, persistent)


def _key(step: Step) -> str:
    return f"{step.operation} {sorted(step.arguments.items())!r}" if step.operation != "domain.metadata" else step.text


def _memory(name: str, change: Change, machine: t.Any) -> t.Optional[Step]:
    running, persistent = machine.running, machine.persistent
    node = persistent.find("currentMemory")
    size = t.cast(int, KIB.get(persistent.find("memory") if node is None else node, ""))
    if size > machine.memory():
        return None
    before = KIB.get(running.find("currentMemory"), "")
    return Step(
        "domain.set_memory",
        f"set the memory of domain {name} to {change.after} live",
        name=name,
        size=size,
        undo=Step("domain.set_memory", f"set the memory of domain {name} back", name=name, size=before),
    )


def _vcpus(name: str, change: Change, machine: t.Any) -> t.Optional[Step]:
    """More up to the maximum. Fewer wait: not every guest lets go of one, and emulation (QEMU 7.2) dies of it."""
    if change.after is None or not change.before <= change.after <= int(machine.running.find("vcpu").text):
        return None
    return Step("domain.set_vcpus", f"give domain {name} {change.after} vCPUs live", name=name, count=change.after)


def _metadata(name: str, change: Change, machine: t.Any) -> t.Optional[Step]:
    part = change.path.split(".")[0]
    text, old, new = f"set the {part} of domain {name}", _part(machine.running, part), _part(machine.persistent, part)
    undo = Step("domain.metadata", f"{text} back", name=name, part=part, value=old)
    return Step("domain.metadata", f"{text} live", name=name, part=part, value=new, undo=undo)


def _part(root: Element, part: str) -> t.Optional[str]:
    if part not in METADATA:
        return t.cast("t.Optional[str]", root.findtext(part))
    uri = document.NAMESPACES[METADATA[part]]
    node = next((one for one in root.iterfind("metadata/*") if one.tag.startswith(f"{{{uri}}}")), None)
    return None if node is None else document.bare(node)


def _agent(name: str, change: Change, machine: t.Any) -> t.Optional[Step]:
    if change.after and machine.has_bus("channels", {"target_type": "virtio"}):
        text = f"attach the agent's channel to domain {name} live"
        step = Step("domain.attach", text, name=name, items="agent", label=AGENT, index=0)
        undo: dict[str, t.Any] = {"name": name, "items": "agent", "label": AGENT, "alias": Result(step)}
        step.undo = Step("domain.detach", "detach the agent's channel again", **undo)
        return step
    return None


def _attach_or_detach(name: str, change: Change, machine: t.Any) -> t.Optional[Step]:
    """A whole device that comes or goes; a change within one has a planner of its own."""
    if change.row is not change.items:
        return None
    noun, label = _split(change)
    text = f"{noun.rstrip('s')} {label}"
    device: dict[str, t.Any] = {"name": name, "items": noun, "label": label}
    if change.old is None:
        if not machine.takes(noun, change):
            return None
        index = place_of(machine.persistent, noun, change.new)
        step = Step("domain.attach", f"attach {text} to domain {name} live", index=index, **device)
        step.undo = Step("domain.detach", f"detach {text} again", alias=Result(step), **device)
        return step
    if not machine.releases(noun, change):
        return None
    undo = Step("domain.attach_back", f"attach {text} again", name=name, xml=document.text_of(change.old))
    return Step("domain.detach", f"detach {text} from domain {name} live", alias=_alias(change), undo=undo, **device)


def _alias(change: Change) -> str:
    """The running device's own name, which tells it from all others whatever comes and goes; graphics and leases have none."""
    alias = t.cast(Element, change.old).find("alias")
    return "" if alias is None else str(alias.get("name"))


def _media(name: str, change: Change, machine: t.Any) -> t.Optional[Step]:
    return _update("media", name, change, machine)


def _interface(name: str, change: Change, machine: t.Any) -> t.Optional[Step]:
    return _update("interface", name, change, machine)


def _in_place(name: str, change: Change, machine: t.Any) -> t.Optional[Step]:
    return _update("", name, change, machine)


def _update(operation: str, name: str, change: Change, machine: t.Any) -> t.Optional[Step]:
    """The step that gives a running device the change; ``_merge`` puts those of one device together."""
    if change.old is None or change.new is None:
        return None
    from .hotplug import SOURCES

    noun, label = _split(change)
    text = f"{noun.rstrip('s') if noun != 'graphics' else noun} {label}"
    source = _option(change).partition(".")[0] in SOURCES.get(operation, ())
    return Step(
        "domain.update",
        f"{'change the medium of' if operation == 'media' else 'update'} {text} of domain {name} live",
        name=name,
        items=noun,
        label=label,
        alias=_alias(change),
        index=place_of(machine.persistent, noun, change.new),
        paths=[] if source else [_option(change)],
        source=source,
        undo=Step("domain.update_back", f"put {text} back", name=name, xml=document.text_of(change.old)),
    )


Planner = t.Callable[[str, Change, t.Any], t.Optional[Step]]
PLANNERS: dict[str, Planner] = {
    "memory": _memory,
    "vcpus": _vcpus,
    "metadata": _metadata,
    "agent": _agent,
    "device": _attach_or_detach,
    "media": _media,
    "interface": _interface,
    "graphics": _in_place,
    "memory_device": _in_place,
}


def _planner(live: str) -> t.Optional[Planner]:
    """The planner of an operation by name; what sets values is read when something does."""
    if not live or live in PLANNERS:
        return PLANNERS.get(live)
    from .tuning import TUNERS

    tuner = TUNERS.get(live)
    return tuner and (lambda name, change, machine: tuner(name, change, machine.running, machine.persistent))
