# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pairs of options that contradict each other: declared per kind of object, refused before anything is planned."""

from __future__ import annotations

import ipaddress
import typing as t

from .._plan import KvmError
from . import units

if t.TYPE_CHECKING:
    from .rows import Element, Values


class Rule:
    """Two options that can't be as they are together: ``wrong(first, second)``, and why.

    ``below`` is where both are: ``""``, a dict (``memtune``), items of a list (``graphics[]``), or a path of these.
    """

    __slots__ = ("below", "first", "second", "size", "why", "wrong")

    def __init__(
        self,
        first: str,
        second: str,
        why: str,
        wrong: t.Callable[[t.Any, t.Any], bool],
        below: str = "",
        size: bool = False,
    ) -> None:
        self.first = first
        self.second = second
        self.why = why
        self.wrong = wrong
        self.below = below
        self.size = size


def most(first: str, second: str, below: str = "", size: bool = False) -> Rule:
    """``first`` is at most ``second``; ``size``: both are in bytes."""
    return Rule(first, second, "the first can't be more than the second", lambda one, other: one > other, below, size)


def either(first: str, second: str, below: str = "") -> Rule:
    """Both say the same thing in two ways."""
    return Rule(first, second, "both say the same thing in two ways", lambda one, other: True, below)


def limit(first: str, second: str, below: str = "") -> Rule:
    """One limit for all and one for a part can't be together; 0 is no limit."""
    return Rule(
        first, second, "a total can't be limited beside its parts", lambda one, other: bool(one and other), below
    )


def _is_off(value: t.Any) -> bool:
    return value is False or value in ("", [], {})  # 0 is a value


def without(first: str, value: t.Any, second: str, below: str = "") -> Rule:
    """Where ``first`` has this value, there's no ``second``, other than off or empty."""
    wrong: t.Callable[[t.Any, t.Any], bool] = lambda one, other: one == value and not _is_off(other)  # noqa: E731
    return Rule(first, second, "the first rules the second out", wrong, below)


def only(first: str, values: t.Container[t.Any], second: str, below: str = "") -> Rule:
    """Only where ``first`` has one of these values there is ``second``, other than off or empty."""
    wrong: t.Callable[[t.Any, t.Any], bool] = lambda one, other: one not in values and not _is_off(other)  # noqa: E731
    return Rule(first, second, "the first rules the second out", wrong, below)


def ordered(first: str, second: str, below: str = "") -> Rule:
    """``first`` and ``second`` are the ends of a range of numbers or of addresses; other texts, as variables, aren't compared."""
    return Rule(first, second, "the first can't come after the second", _comes_after, below)


def _comes_after(one: t.Any, other: t.Any) -> bool:
    if isinstance(one, int) and isinstance(other, int):
        return one > other
    try:
        first, last = (ipaddress.ip_address(str(end)) for end in (one, other))
    except ValueError:
        return False
    return first.version == last.version and int(first) > int(last)


def check_patches(table: t.Sequence[t.Any], without: Element, patched: Element, wanted: Values, make: t.Any) -> None:
    """Raise KvmError where ``xml_patch`` gives an option another value than the option itself has in the task.

    ``without`` and ``patched`` are the definition before and after the patches; ``make()`` makes an editing.
    """
    same = {change.path for change in _undone(table, without, wanted, make())}
    for change in _undone(table, patched, wanted, make()):
        if change.path not in same:
            raise KvmError(
                f"{change.path}: '{change.after}' contradicts xml_patch, which sets '{change.before}' in its place",
                f"Leave {change.path} or the patch out.",
                option=change.path,
            )


def _undone(table: t.Sequence[t.Any], root: Element, wanted: Values, edit: t.Any) -> list[t.Any]:
    """The values of the task that the document has otherwise."""
    from . import document
    from .rows import Field, apply

    apply(table, document.clone(root), wanted, "", edit)
    return [
        change
        for change in edit.changes
        if isinstance(change.row, Field) and change.before is not None and change.after is not None
    ]


def check(rules: t.Iterable[Rule], wanted: Values) -> None:
    """Raise KvmError for the first pair of the wanted options that contradict each other."""
    error = first_of(rules, wanted)
    if error is not None:
        raise error


def first_of(rules: t.Iterable[Rule], wanted: Values) -> t.Optional[KvmError]:
    """The error for the first pair of the wanted options that contradict each other, None where none do."""
    for rule in rules:
        for where, values in _scopes(wanted, rule.below):
            one, other = _value(values, rule.first), _value(values, rule.second)
            if one is not None and other is not None and rule.wrong(one, other):
                show = units.shown if rule.size else units.written
                first, second = where + rule.first, where + rule.second
                return KvmError(
                    f"{first}: '{show(one)}' contradicts {second}{_value_of(other, show)}; {rule.why}",
                    f"Leave {first} or {second} out, or correct one of them.",
                    option=first,
                )
    return None


def _value_of(value: t.Any, show: t.Callable[[t.Any], str]) -> str:
    return "" if isinstance(value, (dict, list)) else f": '{show(value)}'"


def _scopes(values: Values, below: str) -> t.Iterator[tuple[str, Values]]:
    """The dicts that ``below`` leads to, each with its path."""
    if not below:
        yield "", values
        return
    name, _dot, rest = below.partition(".")
    there = values.get(name.removesuffix("[]"))
    if there is None:
        return
    for index, item in enumerate(there) if name.endswith("[]") else ((None, there),):
        where = name if index is None else f"{name[:-2]}[{index}]"
        for path, inner in _scopes(item, rest):
            yield f"{where}.{path}", inner


def _value(values: t.Any, path: str) -> t.Any:
    for name in path.split("."):
        if not isinstance(values, dict):
            return None
        values = values.get(name)
    return values
