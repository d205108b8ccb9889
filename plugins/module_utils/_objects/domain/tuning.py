# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a running guest can be set to another value: limits, weights, places of threads. Planners, and what they plan."""

from __future__ import annotations

import typing as t

from ..._libvirt import flags
from ..._plan import Remark, Step
from ..._xml import document, units
from ..._xml.rows import Change, Values, read
from .devices import device, items_of
from .table import iothread_ids, row_of

if t.TYPE_CHECKING:
    from ..._libvirt import World

Element = document.Element

SCHEDULER = {  # in the order in which they are set: periods, the whole, its parts
    "shares": "cpu_shares",
    "global_period": "global_period",
    "period": "vcpu_period",
    "emulator_period": "emulator_period",
    "iothread_period": "iothread_period",
    "global_quota": "global_quota",
    "quota": "vcpu_quota",
    "emulator_quota": "emulator_quota",
    "iothread_quota": "iothread_quota",
}
PERIOD, NO_QUOTA = 100_000, -1  # what the kernel does where nothing is said
KERNEL_DEFAULTS = {
    option: NO_QUOTA if option.endswith("quota") else PERIOD for option in SCHEDULER if option != "shares"
}
UNLIMITED = 9007199254740991  # KiB
DEVICE_LIMITS = ("weight", "read_bytes_sec", "write_bytes_sec", "read_iops_sec", "write_iops_sec")


def _group(root: Element, name: str) -> Values:
    """The options of one group, as the document says."""
    return t.cast(Values, row_of(name).read(root).get(name, {}))


def _set(call: str, what: str, name: str, before: Values, after: Values, target: str = "") -> t.Optional[Step]:
    """The step that gives ``call`` the values of ``after``, and takes back to those of ``before``; None: nothing to say."""
    if not after:
        return None
    undo = Step("domain.tune", f"set {what} of domain {name} back", name=name, call=call, values=before, target=target)
    return Step(
        "domain.tune", f"set {what} of domain {name} live", name=name, call=call, values=after, target=target, undo=undo
    )


def scheduler(name: str, change: Change, running: Element, persistent: Element) -> t.Optional[Step]:
    """All weights, periods and quotas at once, for those of a part can't be beyond those of the whole.

    A weight that isn't said any more waits: the kernel's own isn't the same everywhere.
    """
    one, other = _group(running, "cputune"), _group(persistent, "cputune")
    if change.path.endswith("shares") and "shares" not in other:
        return None
    one, other = {**KERNEL_DEFAULTS, **one}, {**KERNEL_DEFAULTS, **other}
    parts = {_part(option) for option in SCHEDULER if option in other and one.get(option) != other[option]}
    before, after = _parameters(one, parts), _parameters(other, parts)
    return _set("setSchedulerParametersFlags", "weight and limits of CPU time", name, before, after)


def _parameters(values: Values, parts: t.Container[str]) -> Values:
    """libvirt's parameters for the time of these parts."""
    return {
        parameter: values[option]
        for option, parameter in SCHEDULER.items()
        if _part(option) in parts and option in values
    }


def _part(option: str) -> str:
    """Whose time a period or a quota is about."""
    return option if option == "shares" else option.rpartition("_")[0]


def memtune(name: str, change: Change, running: Element, persistent: Element) -> t.Optional[Step]:
    """All limits of memory at once, for one can't be beyond another."""
    before, after = (
        {
            option: _group(root, "memtune").get(option, UNLIMITED * 1024) // 1024
            for option in ("hard_limit", "soft_limit", "swap_hard_limit")
        }
        for root in (running, persistent)
    )
    return _set("setMemoryParameters", "the memory limits", name, before, after)


def blkiotune(name: str, change: Change, running: Element, persistent: Element) -> t.Optional[Step]:
    """The weight and all limits on the host's block devices; a device that isn't said any more has none."""
    one, other = _group(running, "blkiotune"), _group(persistent, "blkiotune")
    paths = list(dict.fromkeys(item["path"] for values in (one, other) for item in values.get("devices", ())))
    before, after = _device_limits(one, paths), _device_limits(other, paths)
    if "weight" in other:
        after["weight"] = other["weight"]
    if "weight" in one:
        before["weight"] = one["weight"]
    return _set("setBlkioParameters", "the weights and limits on block devices", name, before, after)


def _device_limits(values: Values, paths: list[str]) -> Values:
    """libvirt's parameters: ``/dev/a,value,/dev/b,value`` for each limit that any device has."""
    items = {item["path"]: item for item in values.get("devices", ())}
    return {
        f"device_{limit}": ",".join(f"{path},{items.get(path, {}).get(limit, 0)}" for path in paths)
        for limit in DEVICE_LIMITS
        if paths and (limit != "weight" or any(limit in item for item in items.values()))
    }


def numatune(name: str, change: Change, running: Element, persistent: Element) -> t.Optional[Step]:
    """Other nodes, where the control group alone keeps to them; with the other modes QEMU has told the kernel at its start."""
    one, other = _group(running, "numatune"), _group(persistent, "numatune")
    if "nodeset" not in one or "nodeset" not in other or {one.get("mode"), other.get("mode")} != {"restrictive"}:
        return None
    before, after = ({"numa_nodeset": values["nodeset"]} for values in (one, other))
    return _set("setNumaParameters", "the NUMA nodes of the memory", name, before, after)


def perf(name: str, change: Change, running: Element, persistent: Element) -> t.Optional[Step]:
    """One event, measured or not."""
    event = change.path.rpartition(".")[2]
    return _set("setPerfEvents", f"the event {event}", name, {event: bool(change.before)}, {event: bool(change.after)})


def iotune(name: str, change: Change, running: Element, persistent: Element) -> t.Optional[Step]:
    """All limits of one disk at once: a total and its parts can't be both."""
    label = change.path.partition("[")[2].partition("]")[0]
    rows = items_of("disks").rows
    one, other = (
        {} if node is None else read(rows, node).get("iotune", {})
        for node in (device(running, "disks", label), device(persistent, "disks", label))
    )
    before, after = ({key: values.get(key, 0) for key in {**one, **other}} for values in (one, other))
    for values in (before, after):
        if not values.get("group_name", 1):
            values.pop("group_name")
    return _set("setBlockIoTune", f"the limits of disk {label}", name, before, after, target=label)


def balloon_stats(name: str, change: Change, running: Element, persistent: Element) -> t.Optional[Step]:
    """How often the guest says how its memory is used."""
    before, after = ({"period": _group(root, "memballoon").get("stats_period", 0)} for root in (running, persistent))
    return _set("setMemoryStatsPeriod", "the period of memory statistics", name, before, after)


def pin(name: str, change: Change, running: Element, persistent: Element) -> t.Optional[Step]:
    """Where one thread runs. One of which nothing is said any more waits: libvirt would show all CPUs by name."""
    if change.after is None:
        return None
    _dummy, kind, *number = change.path.split(".")
    arguments: dict[str, t.Any] = {"name": name, "kind": kind, "number": int(number[0]) if number else 0}
    what = f"{kind} {number[0]}" if number else kind
    undo = Step("domain.pin", f"set {what} of domain {name} back", cpus=change.before or "", **arguments)
    return Step("domain.pin", f"set {what} of domain {name} live", cpus=change.after, undo=undo, **arguments)


def iothreads(name: str, change: Change, running: Element, persistent: Element) -> t.Optional[Step]:
    """Threads that come and go. One with an own pool of workers waits: it's made with it."""
    if change.path.count("]."):
        return None
    one, other = iothread_ids(running), iothread_ids(persistent)
    come, go = sorted(other - one), sorted(one - other)
    if not come and not go:
        return None
    undo = Step("domain.set_iothreads", f"set the iothreads of domain {name} back", name=name, come=go, go=come)
    text = f"set the iothreads of domain {name} to {', '.join(map(str, sorted(other))) or 'none'} live"
    return Step("domain.set_iothreads", text, name=name, come=come, go=go, undo=undo)


TUNERS = {
    "scheduler": scheduler,
    "memtune": memtune,
    "blkiotune": blkiotune,
    "numatune": numatune,
    "perf": perf,
    "iotune": iotune,
    "balloon_stats": balloon_stats,
    "pin": pin,
    "iothreads": iothreads,
}


def tune(world: World, name: str, call: str, values: Values, target: str = "") -> None:
    """Give the running instance values by the name of libvirt's call; ``target`` is the disk's."""
    domain = world.get("domain", name)
    if call == "setMemoryStatsPeriod":
        domain.setMemoryStatsPeriod(values["period"], flags("VIR_DOMAIN_AFFECT_LIVE"))
    elif values:
        arguments = (target, values) if target else (values,)
        if call == "setSchedulerParametersFlags":
            _unlimit(domain, values)
        getattr(domain, call)(*arguments, flags("VIR_DOMAIN_AFFECT_LIVE"))


def _unlimit(domain: t.Any, values: Values) -> None:
    """Take away what limits the parts that are to change: the kernel refuses a part beyond the whole, in between too."""
    parts = {name.partition("_")[0] for name in values if name != "cpu_shares"}
    limits = {f"{part}_quota": NO_QUOTA for part in parts}
    if limits:
        domain.setSchedulerParametersFlags(limits, flags("VIR_DOMAIN_AFFECT_LIVE"))


def pin_thread(world: World, name: str, kind: str, number: int, cpus: str) -> None:
    """Let one thread of the running instance run on these CPUs of the host, on all with an empty set."""
    domain = world.get("domain", name)
    count = world.connection.getInfo()[2]
    chosen = units.numbers(cpus) if cpus else range(count)
    where = tuple(one in chosen for one in range(max(count, *chosen, 0) + 1 if cpus else count))
    live = flags("VIR_DOMAIN_AFFECT_LIVE")
    if kind == "emulatorpin":
        domain.pinEmulator(where, live)
    elif kind == "iothreadpin":
        domain.pinIOThread(number, where, live)
    else:
        domain.pinVcpuFlags(number, where, live)


def set_iothreads(world: World, name: str, come: list[int], go: list[int]) -> t.Optional[Remark]:
    """Add and remove threads of the running instance by number. One that a device still has, not yet released, stays."""
    domain = world.get("domain", name)
    for number in come:
        domain.addIOThread(number, flags("VIR_DOMAIN_AFFECT_LIVE"))
    for number in go:
        try:
            domain.delIOThread(number, flags("VIR_DOMAIN_AFFECT_LIVE"))
        except Exception as error:
            if "being used by" not in str(error):
                raise
            return Remark(f"iothread {number} of domain {name} goes at the next restart: {error}")
    return None
