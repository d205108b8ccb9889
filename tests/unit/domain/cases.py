# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every row of the domain's table as a case: options that set it and little more, made from its type and its choices."""

from __future__ import annotations

import typing as t

from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.adopt import as_given
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.table import DOMAIN
from ansible_collections.metal.kvm.plugins.module_utils._xml import kinds, types
from ansible_collections.metal.kvm.plugins.module_utils._xml.beside import Beside
from ansible_collections.metal.kvm.plugins.module_utils._xml.groups import Group, Map, Union, ValueList
from ansible_collections.metal.kvm.plugins.module_utils._xml.items import Items
from ansible_collections.metal.kvm.plugins.module_utils._xml.row import Field, Values, parse

# two values of each type
SAMPLES: list[tuple[t.Any, list[t.Any]]] = [
    (types.STR, ["one", "two"]),
    (types.INT, [3, 5]),
    (types.TEXT, ["one", " two\n  lines\n"]),
    (types.WHOLE, [3, 0]),
    (types.COUNT, [3, 0]),
    (types.BYTE, [3, 0]),
    (types.VIDEO_KIB, ["4 MiB", "9216 KiB"]),
    (types.SOME, [3, 5]),
    (types.PATH, ["/srv/a", "/srv//b/"]),
    (types.POSITIVE, [3, 5]),
    (types.YES_NO, [True, False]),
    (types.ON_OFF, [True, False]),
    (types.PRESENT, [True, False]),
    (types.CPUSET, ["0-2", "1,3"]),
    (types.HEX, ["0x10", "32"]),
    (types.USB_ID, ["0x1d6b", "0x0002"]),
    (types.USB_CLASS, ["0x03", "0x08"]),
    (types.HEX4, ["0x00aa", "0x00bb"]),
    (types.PCI, ["0000:01:02.3", "0000:02:00.0"]),
    (types.PORT, [5901, 80]),
    (types.MODE, ["0640", "0700"]),
    (types.MAC, ["52:54:00:00:00:01", "52-54-00-00-00-AB"]),
    (types.UUID, ["8f0f7a52-7e5b-4d0c-9d2c-0d4a6c3b1f10", "8F0F7A527E5B4D0C9D2C0D4A6C3B1F11"]),
    (types.KIB, ["3 MiB", "5 KiB"]),
    (types.SOME_KIB, ["3 MiB", "5 KiB"]),
    (types.MIB, ["3 MiB", "1 GiB"]),
    (types.SOME_MIB, ["3 MiB", "1 GiB"]),
    (types.KIB_ALONE, ["3 MiB", "5 KiB"]),
    (types.BYTES, ["3 MiB", "5 B"]),
    (types.BYTES_ALONE, ["3 MiB", "5 B"]),
]
# options whose values say more than their type
SPECIAL: dict[str, list[t.Any]] = {
    "genid": ["8f0f7a52-7e5b-4d0c-9d2c-0d4a6c3b1f10", "8F0F7A527E5B4D0C9D2C0D4A6C3B1F11"],  # "new" is a test of its own
    "clock.adjustment": ["3600", "reset"],
    # what libvirt makes by itself is not listed
    "seclabels[].type": ["static", "none"],
    "inputs[].bus": ["usb", "virtio"],
    "panic[].model": ["isa", "hyperv"],
    "controllers[].type": ["scsi", "usb"],
    "cpu.numa[].caches[].line": ["64 B", "128 B"],
    "interfaces[].user": [True],
    "interfaces[].ethernet": [True],
    "interfaces[].unconnected": [True],
    "osinfo": ["http://debian.org/debian/12", "http://microsoft.com/win/11"],
    "type": ["kvm", "qemu"],  # "auto" is the same as either: a test of its own
    "machine": ["pc-i440fx-7.2", "virt"],  # an alias is the same as its machine: a test of its own
    "vcpus": [5, 3],
    "vcpus_maximum": [5, 3],
    "cputune.vcpusched": [{"0": "fifo 1"}, {"0": "idle"}],
    "cluster_size": ["64 KiB"],
    "cputune.iothreadsched": [{"1": "rr 1"}, {"1": "batch"}],
}
# what an item of a list needs beside the option of the case where that isn't its key or what it requires
BESIDE: dict[str, Values] = {
    "disks[]": {"target": "vda"},
    "interfaces[]": {"mac": "52:54:00:00:00:99"},
    "hostdevs[]": {"pci": "0000:01:00.0"},
    "inputs[]": {"type": "tablet", "bus": "usb"},
    "memory_devices[]": {"model": "dimm"},
    "channels[]": {"name": "org.example.0"},
}
# what an option needs beside it, by its path or its name
NEEDED: dict[str, Values] = {
    "channels[].target_port": {"target_type": "guestfwd", "target_address": "10.0.2.1"},
    "hostdevs[].usb.guest_reset": {"vendor": "0x1d6b", "product": "0x0002"},
    "password_valid_to": {"password": "secret"},
    "connected": {"password": "secret"},
    **{
        f"{items}.mode": {"type": "tcp"}
        for items in ("serials[]", "parallels[]", "consoles[]", "channels[]", "rng[].egd")
    },
    "bind_host": {"type": "udp"},
    "bind_service": {"type": "udp"},
}


class Case:
    """One row: the option's path without labels (``disks[].cache``), and for each sample the options that set it."""

    def __init__(self, path: str, row: t.Any, options: list[Values]) -> None:
        self.path = path
        self.row = row
        self.options = options

    def __repr__(self) -> str:
        return self.path


def samples(path: str, row: t.Any) -> list[t.Any]:
    """Values for a row. A row of a type that isn't known here has none, and its case fails: add them above."""
    if path in SPECIAL:
        return SPECIAL[path]
    if row.name == "alias":
        return ["ua-one", "ua-two"]
    if row.choices:
        return list(row.choices)
    found = next((values for known, values in SAMPLES if known is row.type), None)
    if found is not None:
        return found
    raise LookupError(f"no samples for {path}: add its type to SAMPLES, or the option to SPECIAL")


def cases(rows: t.Iterable[t.Any] = DOMAIN, path: str = "") -> t.Iterator[Case]:
    """A case for each row, whatever it's nested in."""
    for row in rows:
        if isinstance(row, Union):
            for branch in row.branches.values():
                yield from cases(branch, path)
        elif isinstance(row, Group):
            for case in cases(row.rows, f"{path}{row.name}."):
                yield Case(case.path, case.row, [{row.name: options} for options in case.options])
        elif isinstance(row, Items):
            beside = _identity(f"{path}{row.name}[]", row)
            others = {name for one in row.rows if isinstance(one, Union) for name in one.spec()}
            for case in cases(row.rows, f"{path}{row.name}[]."):
                items = [{**_beside(beside, others, options), **options} for options in case.options]
                yield Case(case.path, case.row, [{row.name: [item]} for item in items])
        elif not isinstance(row, Beside):  # those have no place in a document
            values = _values(path + row.name, row)
            needed = NEEDED.get(path + row.name) or NEEDED.get(row.name, {})
            yield Case(path + row.name, row, [{**needed, row.name: value} for value in values])


def _identity(path: str, items: Items) -> Values:
    """The option by which an item is known, and those that it can't be without."""
    if path in BESIDE:
        return BESIDE[path]
    key = items.keys[0] if items.keys else ""
    fields = [row for row in items.rows if isinstance(row, Field)]
    return {row.name: samples(f"{path}.{row.name}", row)[0] for row in fields if row.required or row.name == key}


def _beside(beside: Values, others: set[str], options: Values) -> Values:
    """``beside`` without the branch of a union that the options replace."""
    return {name: value for name, value in beside.items() if not (name in others and others & set(options))}


def _values(path: str, row: t.Any) -> list[t.Any]:
    if path in SPECIAL:
        return SPECIAL[path]
    if isinstance(row, kinds.Switches):
        return [{"relaxed": True, "spinlocks": "8191"}, {"relaxed": False, "vendor_id": "KVM", "stimer": "direct"}]
    if isinstance(row, kinds.Attributes):
        return [{"type": "pci", "bus": "0x02"}, {"type": "pci", "bus": "0x03", "slot": "0x01"}]
    if isinstance(row, Map):
        one, *others = samples(path, row)
        return [{"a": one}, {"a": (others or [one])[0], "b": one}]
    if isinstance(row, ValueList):
        one, *others = samples(path, row)
        return [[one], [*others, one]]
    if isinstance(row, Field):
        return samples(path, row)
    raise LookupError(f"{path}: rows of {type(row).__name__} have no cases yet: add them here")


def parsed(rows: t.Iterable[t.Any], values: Values) -> Values:
    """Values as a document was read, given as options: sizes in units."""
    rows = list(rows)
    return parse(rows, as_given(rows, values))


def without_address(values: t.Any) -> t.Any:
    """Values as they're read: an address is only read by who asks for it."""
    if isinstance(values, dict):
        return {key: without_address(value) for key, value in values.items() if key != "address"}
    return [without_address(value) for value in values] if isinstance(values, list) else values


def within(said: t.Any, there: t.Any, silent: tuple[t.Any, ...] = ()) -> bool:
    """Whether all that is said is there; ``silent`` are the values that mean the same as nothing."""
    if isinstance(said, dict):
        return all(within(value, (there or {}).get(key), silent) for key, value in said.items())
    if isinstance(said, list) and said and isinstance(said[0], dict):
        return all(any(within(item, other, silent) for other in there or ()) for item in said)
    return bool(said == there) or (there is None and (said is False or said in silent))
