# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps that few tables have: whose keys have several values, and whose keys are threads."""

from __future__ import annotations

import typing as t

from .._secret import HIDDEN
from . import document, place, units
from .rows import Change, Edit, Element, Map, Values, bad_value


class Multimap(Map):
    """A map whose keys may have several values, an element each: one value is a text, more are a list of them."""

    __slots__ = ()

    def parse(self, given: Values, where: str) -> Values:
        values = given.get(self.name)
        if values is None:
            return {}
        said = {str(key): several(value) for key, value in values.items() if value is not None}
        return {self.name: {key: _alone([str(one) for one in many]) for key, many in said.items() if many}}

    def value(self, parent: Element) -> Values:
        found: Values = {}
        for node in place.find_all(parent, place.place(self.path)[0]):
            found.setdefault(node.get(self.key), []).append(node.get(self.value_at))
        return {key: _alone(many) for key, many in found.items()}

    def write(self, parent: Element, before: Values, after: Values) -> None:
        steps = place.place(self.path)[0]
        for node in place.find_all(parent, steps):
            document.remove(node)
        for key, values in after.items():
            for value in several(values):
                above = place.ensure(parent, steps[:-1])
                document.child(above, steps[-1][0], **{self.key: key, self.value_at: value})


def several(value: t.Any) -> list[t.Any]:
    """The values of a key, of which one may stand alone."""
    return value if isinstance(value, list) else [value]


def _alone(values: list[t.Any]) -> t.Any:
    return values[0] if len(values) == 1 else values


class SecretMap(Map):
    """A map whose values diffs don't show."""

    __slots__ = ()

    def _note(self, before: Values, after: Values, path: str, changes: list[Change]) -> None:
        for key in {**before, **after}:
            if before.get(key) != after.get(key):
                one, other = (HIDDEN if key in values else None for values in (before, after))
                changes.append(
                    Change(f"{path}{self.name}.{key}", one, f"{other[:-1]}, another)" if one and other else other, self)
                )


class Distances(Map):
    """Distances of one cell to others. That to itself is 10 and can't be another: libvirt writes it, nobody need say it."""

    __slots__ = ()

    def value(self, parent: Element) -> Values:
        return {cell: far for cell, far in super().value(parent).items() if cell != parent.get("id")}

    def equal(self, before: Values, after: Values) -> bool:
        """Whether both mean the same: to which cell a distance of 10 is, ``before`` says."""
        return before == {cell: far for cell, far in after.items() if far != 10 or cell in before}

    def edit(self, parent: Element, wanted: Values, path: str, edit: Edit) -> None:
        others = {cell: far for cell, far in wanted.get(self.name, {}).items() if (cell, far) != (parent.get("id"), 10)}
        super().edit(parent, {**wanted, self.name: others} if self.name in wanted else wanted, path, edit)

    def write(self, parent: Element, before: Values, after: Values) -> None:
        own = {parent.get("id"): 10} if after and parent.get("id") is not None else {}
        super().write(parent, before, {**after, **own})


class Schedulers(Map):
    """Number of a thread to its scheduler, ``fifo 1`` or ``idle``; a key may be a set of them. libvirt groups them as it likes."""

    __slots__ = ()

    def parse(self, given: Values, where: str) -> Values:
        values = given.get(self.name)
        if values is None:
            return {}
        try:
            return {
                self.name: {str(one): _scheduler(text) for key, text in values.items() for one in units.numbers(key)}
            }
        except ValueError as error:
            raise bad_value(where + self.name, values, str(error)) from error

    def value(self, parent: Element) -> Values:
        return {
            str(one): " ".join(filter(None, (node.get("scheduler"), node.get("priority"))))
            for node in place.find_all(parent, place.place(self.path)[0])
            for one in units.numbers(node.get(self.key))
        }

    def write(self, parent: Element, before: Values, after: Values) -> None:
        steps = place.place(self.path)[0]
        for node in place.find_all(parent, steps):
            document.remove(node)
        for text in dict.fromkeys(after.values()):
            scheduler, dummy, priority = text.partition(" ")
            node = document.child(place.ensure(parent, steps[:-1]), steps[-1][0])
            node.set(self.key, units.cpuset(",".join(key for key, value in after.items() if value == text)))
            node.set("scheduler", scheduler)
            if priority:
                node.set("priority", priority)


def _scheduler(value: t.Any) -> str:
    name, dummy, priority = " ".join(str(value).split()).partition(" ")
    if name in ("batch", "idle") and not priority:
        return name
    if name in ("fifo", "rr") and priority.isdigit():
        return f"{name} {priority}"
    raise ValueError("batch, idle, or fifo and rr with a priority: fifo 1")
