# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values at the edges of what an option takes, made from its row: each choice, both booleans, 0, the ends of ranges, empty texts
and lists, other spellings of a path. And from a task's options all those in which one value is such a one.
"""

from __future__ import annotations

import typing as t

import bench
import libvirt
import sample
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError
from ansible_collections.metal.kvm.plugins.module_utils._run import run_steps
from ansible_collections.metal.kvm.plugins.module_utils._xml import types
from ansible_collections.metal.kvm.plugins.module_utils._xml.items import Items
from ansible_collections.metal.kvm.plugins.module_utils._xml.kinds import Attributes, Switches
from ansible_collections.metal.kvm.plugins.module_utils._xml.maps import Multimap
from ansible_collections.metal.kvm.plugins.module_utils._xml.rows import Group, Map, Union, ValueList
from subjects import EDGE, EDGES

Options = dict[str, t.Any]

NUMBERS = (0, 1, -1, 2, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64)
SIZES = ("0 B", "1 B", "1 KiB", "1025 KiB", "9216 KiB", "1 MiB", "3 MiB", "8191 PiB", "15 EiB", "16 EiB")
TEXTS = ("", " ", " a", "a ", "ä", "default", "0")
HEXES = ("0", "0x0", "0xA", "0x00FF", "255")
SETS = ("0", "0-1", "1,0", "0-1,^1", "")


def scalars(row: t.Any) -> list[t.Any]:
    """Values of a row's own type, without a look at what is there."""
    kind = row.type
    if row.choices:
        return list(row.choices)
    if kind is EDGE:
        return list(EDGES)
    if kind.spec == "bool":
        return [True, False]
    if kind.spec == "int":
        return list(NUMBERS)
    if isinstance(kind, types.Size):
        return list(SIZES)
    if kind is types.CPUSET:
        return list(SETS)
    if kind in (types.HEX, types.HEX4, types.USB_ID, types.USB_CLASS):
        return list(HEXES)
    return list(TEXTS)


def spellings(value: t.Any) -> list[t.Any]:
    """Other ways to write what is there: a path with slashes too many, letters in the other case."""
    if not isinstance(value, str) or not value:
        return []
    there = [value.swapcase()] if value.swapcase() != value else []
    if value.startswith(("/", "{place}")):
        head, slash, tail = value.rpartition("/")
        there = [f"{value}/", f"{head}{slash}/{tail}", f"{head}/./{tail}"]
    return there


def alternatives(row: t.Any, value: t.Any) -> list[t.Any]:
    """Values for the row where a task says ``value``; of lists also one, two and three items."""
    if isinstance(row, Attributes):
        return [{}]
    if isinstance(row, (Multimap, Switches, Map)):
        return _maps(row, value)
    if isinstance(row, ValueList):
        one = [*scalars(row), *(other for old in value[:1] for other in ([] if row.choices else spellings(old)))]
        return [[], *([each] for each in one), value[:1] * 2, (value * 3)[:3]]
    if isinstance(row, Items):
        return [[], value[:1], value[:2], [*value, *value[-1:]], [{}]]
    if isinstance(row, Group):
        return [{}]
    if not hasattr(row, "type"):  # a row of its own kind
        return [[], value[:1], value[:2]] if isinstance(value, list) else []
    return [*scalars(row), *([] if row.choices else spellings(value))]


def _maps(row: t.Any, value: Options) -> list[t.Any]:
    ones = [True, False, *TEXTS, *NUMBERS[:4]] if isinstance(row, Switches) else scalars(row)
    made = [{**value, key: other} for key in list(value)[:1] for other in ones]
    if isinstance(row, Multimap):
        made += [
            {**value, key: list(many)} for key in list(value)[:1] for many in (("a",), ("a", "b"), ("a", "b", "c"))
        ]
    return [{}, *({key: value[key]} for key in value), *made, {**value, "x": next(iter(value.values()), "x")}]


def variants(options: Options, table: t.Iterable[t.Any], path: str = "") -> t.Iterator[tuple[str, t.Any, Options]]:
    """The options with one value at the edge: its path, that value, and all options with it."""
    for row in _flat(table):
        if not isinstance(options, dict) or row.name not in options:
            continue
        value, here = options[row.name], f"{path}{row.name}"
        for other in alternatives(row, value):
            if other != value or type(other) is not type(value):
                yield here, other, {**options, row.name: other}
        if isinstance(row, Group) and isinstance(value, dict):
            for below, other, inner in variants(value, row.rows, f"{here}."):
                yield below, other, {**options, row.name: inner}
        if isinstance(row, Items):
            for index, item in enumerate(value):
                for below, other, inner in variants(item, row.rows, f"{here}[{index}]."):
                    yield below, other, {**options, row.name: [*value[:index], inner, *value[index + 1 :]]}


def _flat(table: t.Iterable[t.Any]) -> t.Iterator[t.Any]:
    """The rows with those of all branches; one that several branches share once."""
    seen: set[int] = set()
    for row in table:
        inner = [one for branch in row.branches.values() for one in branch] if isinstance(row, Union) else [row]
        for one in inner:
            if id(one) not in seen:
                seen.add(id(one))
                yield one


def part(options: Options, table: t.Iterable[t.Any], parts: int) -> list[tuple[str, t.Any, Options]]:
    """The variants of today: one of so many parts, or all."""
    return [
        (path, value, varied)
        for path, value, varied in variants(options, table)
        if sample.is_of_today(f"{path}={value!r}", parts)
    ]


def wrong(tasks: bench.Bench, args: Options) -> str:
    """What is wrong about these options: they're to be refused by the check, with a remedy, or to be unchanged by a second task.

    What they name need not be there: the check warns of it, and the run fails by it.
    """
    if tasks.validator.validate({**tasks.always, **args}).error_messages:
        return ""
    try:
        plan = tasks.plan(args)
    except KvmError as error:
        return "" if error.remedy else f"refused without a remedy: {error}"
    try:
        run_steps(plan, tasks.operations(), tasks.world)
        again = tasks.plan(args)
    except (KvmError, OSError, libvirt.libvirtError) as error:
        if plan.assumed:
            return ""
        return f"taken by the check, and then: {error}"
    return f"changed twice: {again.before} {again.after}" if again.changed else ""
