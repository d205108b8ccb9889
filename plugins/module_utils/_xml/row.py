# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One option of an object: its name, its place, its type, when a change takes effect; and what all rows do together."""

from __future__ import annotations

import typing as t

from .._plan import KvmError
from .._secret import HIDDEN
from . import document, place
from .types import PRESENT, STR, TEXT, Type

Element = document.Element
Values = dict[str, t.Any]

# When a change of an option takes effect on an object that runs.
LIVE, RESTART, RECREATE, REFUSED = "live", "restart", "recreate", "refused"


class Change:
    """An option that differs: its path, both values, the row, and for an item of a list which one.

    ``old`` and ``new`` are the item's elements in the two documents that were compared, None where one hasn't got it.
    """

    __slots__ = ("after", "before", "items", "key", "new", "old", "path", "row")

    def __init__(self, path: str, before: t.Any, after: t.Any, row: t.Any) -> None:
        self.path = path
        self.before = before
        self.after = after
        self.row = row
        self.items: t.Any = None
        self.key: t.Any = None
        self.old: t.Optional[Element] = None
        self.new: t.Optional[Element] = None

    def __repr__(self) -> str:
        return f"Change({self.path}: {self.before!r} -> {self.after!r})"


class Edit:
    """One editing of one document: the changes made so far, and what hooks may ask of the world.

    ``surroundings()`` makes that context; it's called when a hook first asks.
    """

    __slots__ = ("_context", "changes", "creating", "surroundings")

    def __init__(self, surroundings: t.Optional[t.Callable[[], t.Any]] = None, creating: bool = False) -> None:
        self.changes: list[Change] = []
        self.surroundings = surroundings
        self.creating = creating
        self._context: t.Any = None

    @property
    def context(self) -> t.Any:
        """What hooks may ask of the world."""
        if self._context is None and self.surroundings is not None:
            self._context = self.surroundings()
        return self._context

    def inner(self) -> Edit:
        """An editing within this one, whose changes are counted apart."""
        return Edit(lambda: self.context, creating=True)


class Row:
    """What rows with values at a place have in common.

    - ``takes``: LIVE, RESTART, RECREATE or REFUSED: when a change takes effect.
    - ``live``: the name of the operation that applies it to a running object; with it ``takes`` is LIVE.
    - ``since``: the first version of libvirt that knows it, ``9_002_000``; left out where that is the oldest supported.
    - ``volatile(persistent, running)``: true where a running object's document can't be compared at this place.
    """

    __slots__ = ("choices", "doc", "live", "name", "path", "since", "takes", "type", "volatile")

    def __init__(
        self,
        name: str,
        path: str,
        type: Type = STR,
        doc: t.Any = "",
        takes: str = RESTART,
        live: str = "",
        choices: t.Optional[t.Sequence[t.Any]] = None,
        since: int = 0,
        volatile: t.Optional[t.Callable[[Element, Element], bool]] = None,
    ) -> None:
        self.name = name
        self.path = path
        self.type = type
        self.doc = doc
        self.takes = LIVE if live else takes
        self.live = live
        self.choices = choices
        self.since = since
        self.volatile = volatile

    def known(self, path: str, edit: Edit) -> None:
        """Refuse what this libvirt would drop without a word. Values that it gave itself come without a context."""
        if self.since and edit.context is not None:
            edit.context.refuse_older(self.since, path + self.name)


class Field(Row):
    """One value at one place.

    - ``same(a, b)``: whether two spellings mean the same to libvirt.
    - ``takes`` may be a function of the values before and after.
    - ``silent``: the value that libvirt leaves out, or several in a tuple: each means the same as nothing there. An empty
      text always does.
    - ``filled(value)``: whether libvirt itself fills in such a value where there is none, so that to unset it is no change.
    - ``get``, ``put``: in place of the plain reading and writing at ``path``, for a value that has several places.
    """

    __slots__ = ("filled", "get", "no_log", "put", "required", "same", "silent")

    def __init__(
        self,
        name: str,
        path: str,
        type: Type = STR,
        doc: t.Any = "",
        takes: t.Any = RESTART,
        live: str = "",
        choices: t.Optional[t.Sequence[t.Any]] = None,
        since: int = 0,
        volatile: t.Optional[t.Callable[[Element, Element], bool]] = None,
        same: t.Optional[t.Callable[[t.Any, t.Any], bool]] = None,
        get: t.Optional[t.Callable[[Element], t.Any]] = None,
        put: t.Optional[t.Callable[[Element, t.Any], None]] = None,
        required: bool = False,
        no_log: bool = False,
        silent: t.Any = None,
        filled: t.Optional[t.Callable[[t.Any], bool]] = None,
    ) -> None:
        self.name = name
        self.path = path
        self.type = type
        self.doc = doc
        self.takes = LIVE if live else takes
        self.live = live
        self.choices = choices
        self.since = since
        self.volatile = volatile
        self.same = same
        self.silent = silent if isinstance(silent, tuple) else (silent,)
        self.filled = filled
        self.get = get
        self.put = put
        self.required = required
        self.no_log = no_log

    def spec(self) -> dict[str, Values]:
        spec: Values = {"type": self.type.spec, "doc": self.doc}
        if self.choices:
            spec["choices"] = list(self.choices)
        if self.required:
            spec["required"] = True
        if self.no_log or any(word in self.name for word in ("key", "passw", "secret", "token")):
            spec["no_log"] = self.no_log
        return {self.name: spec}

    def parse(self, given: Values, where: str) -> Values:
        value = given.get(self.name)
        if value is None:
            return {}
        if self.required and isinstance(value, str) and not value.strip() and self.type is not TEXT:
            raise bad_value(where + self.name, value, "must not be empty")
        try:
            return {self.name: self.type.parse(value)}
        except ValueError as error:
            raise bad_value(where + self.name, value, str(error)) from error

    def value(self, parent: Element) -> t.Any:
        """The canonical value in the document, None where it says nothing."""
        if self.get is not None:
            return self.get(parent)
        steps, attribute = place.place(self.path)
        node = place.find(parent, steps)
        if node is None:
            return False if self.type is PRESENT else None
        return self.type.get(node, attribute)

    def read(self, parent: Element) -> Values:
        value = self.value(parent)
        return {} if value is None else {self.name: value}

    def write(self, parent: Element, value: t.Any) -> None:
        """Put the canonical value in its place."""
        if value == "":
            self.delete(parent)
        elif self.put is not None:
            self.put(parent, value)
        elif self.unsaid(value) or (self.type is PRESENT and not value):
            self.delete(parent)
        else:
            steps, attribute = place.place(self.path)
            self.type.put(place.ensure(parent, steps), attribute, value)

    def delete(self, parent: Element) -> None:
        """Take the value out, and the elements that have nothing left to say."""
        steps, attribute = place.place(self.path)
        node = place.find(parent, steps)
        if node is None or node is parent:
            if node is not None:
                self.type.clear(node, attribute)
        elif self.type.clear(node, attribute) or place.bare(node, steps):
            place.drop(parent, node, steps)

    def equal(self, one: t.Any, other: t.Any) -> bool:
        """Whether both values mean the same."""
        if one == other:
            return True
        if self.unsaid(one) and self.unsaid(other):
            return True
        return self.same is not None and one is not None and other is not None and self.same(one, other)

    def unsaid(self, value: t.Any) -> bool:
        """Whether the value means the same as nothing there."""
        return value is None or value == "" or value in self.silent

    def note(self, changes: list[Change], path: str, before: t.Any, after: t.Any) -> None:
        """Add a change of this field to ``changes``, its values as they're shown."""
        show = self.type.show
        if self.no_log:
            show = _hidden
        changes.append(
            Change(
                path + self.name,
                None if before is None else show(before),
                None if after is None else show(after),
                self,
            )
        )

    def edit(self, parent: Element, wanted: Values, path: str, edit: Edit) -> None:
        if self.name not in wanted:
            return
        before, after = self.value(parent), wanted[self.name]
        if not self.equal(before, after):
            self.known(path, edit)
            self.write(parent, after)
            self.note(edit.changes, path, before, after)

    def compare(self, before: Element, after: Element, path: str, changes: list[Change]) -> None:
        one, other = self.value(before), self.value(after)
        if not self.equal(one, other) and not (self.volatile and self.volatile(after, before)):
            self.note(changes, path, one, other)

    def unset(self, parent: Element, keys: list[str], path: str, edit: Edit) -> bool:
        if keys != [self.name]:
            return False
        before = self.value(parent)
        absent = before is None or (before is False and self.type is PRESENT)
        if not absent and not (self.filled and self.filled(before)):
            self.delete(parent)
            self.note(edit.changes, path, before, None)
        return True


def _hidden(value: t.Any) -> str:
    return HIDDEN


def bad_value(option: str, value: t.Any, expected: str) -> KvmError:
    """The error for a value that can't be: names the option, the value and what would be right."""
    return KvmError(f"{option}: '{value}' can't be used", f"{expected[:1].upper()}{expected[1:]}.", option=option)


def refuse_empty(given: Values, names: t.Iterable[str], where: str) -> None:
    """Refuse an empty text where it would name nothing: as a source, or as an identity."""
    for name in names:
        if isinstance(given[name], str) and not given[name].strip():
            raise bad_value(where + name, "", "name what is meant, or leave the option out")


def branch(names: t.Mapping[str, t.Sequence[str]], given: Values, where: str) -> str:
    """The kind whose options are given, of ``names`` by kind; ``""`` where none is."""
    said = {kind: [name for name in options if given.get(name) is not None] for kind, options in names.items()}
    chosen = {kind: options for kind, options in said.items() if options}
    if len(chosen) > 1:
        together = " and ".join(options[0] for options in chosen.values())
        raise KvmError(
            f"{where.rstrip('.')}: {together} are given together, and they say different kinds",
            "Keep the one that is meant.",
            option=where.rstrip("."),
        )
    for kind, options in chosen.items():
        refuse_empty(given, options, where)
        return kind
    return ""


def specs(rows: t.Iterable[t.Any]) -> dict[str, Values]:
    """The argument spec of all rows, docs included (the frame takes them out)."""
    return {name: spec for row in rows for name, spec in row.spec().items()}


def parse(rows: t.Iterable[t.Any], given: Values, where: str = "") -> Values:
    """The canonical values of all options given; None counts as not given."""
    return {name: value for row in rows for name, value in row.parse(given, where).items()}


def read(rows: t.Iterable[t.Any], parent: Element) -> Values:
    """All options as the document says."""
    return {name: value for row in rows for name, value in row.read(parent).items()}


def apply(rows: t.Iterable[t.Any], parent: Element, wanted: Values, path: str, edit: Edit) -> None:
    """Put all wanted values in their places."""
    for row in rows:
        row.edit(parent, wanted, path, edit)


def compare(
    rows: t.Iterable[t.Any], before: Element, after: Element, path: str = "", changes: t.Optional[list[Change]] = None
) -> list[Change]:
    """What differs between two documents, as far as the rows tell."""
    noted: list[Change] = [] if changes is None else changes
    for row in rows:
        row.compare(before, after, path, noted)
    return noted


def unset(rows: t.Iterable[t.Any], parent: Element, keys: list[str], path: str, edit: Edit) -> bool:
    """Delete the node of the option that ``keys`` lead to; false where no row has that option."""
    return any(row.unset(parent, keys, path, edit) for row in rows)
