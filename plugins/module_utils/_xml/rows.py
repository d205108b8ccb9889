# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of a table: each says once what an option is called, where it lives, what it takes and when it takes effect.

From a row come its argument spec, its docs, the reader, the editor, the diff and what must happen to a running object.
Every row answers the same calls:

- ``spec()``: option name to Ansible's argument spec, docs included under ``doc``.
- ``parse(given, where)``: the canonical values of what was given; raises KvmError that names ``where``.
- ``read(parent)``: option name to value, as the document says; what it doesn't say is left out.
- ``edit(parent, wanted, path, edit)``: put the wanted values in, noting each change.
- ``compare(before, after, path, changes)``: note what differs between two documents.
- ``unset(parent, keys, path, edit)``: back to libvirt's default by deleting the node.
"""

from __future__ import annotations

import typing as t

from .._plan import KvmError
from . import document, place
from .later import Specs
from .types import PRESENT, STR, Type

Element = document.Element
Values = dict[str, t.Any]

# When a change of an option takes effect on an object that runs.
LIVE, RESTART, RECREATE, REFUSED = "live", "restart", "recreate", "refused"


class Change:
    """An option that differs: its path, both values, the row, and for an item of a list which one."""

    __slots__ = ("after", "before", "items", "key", "path", "row")

    def __init__(self, path: str, before: t.Any, after: t.Any, row: t.Any) -> None:
        self.path = path
        self.before = before
        self.after = after
        self.row = row
        self.items: t.Any = None
        self.key: t.Any = None

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
        """Refuse what this libvirt would drop without a word."""
        if self.since:
            edit.context.refuse_older(self.since, path + self.name)


class Field(Row):
    """One value at one place.

    - ``same(a, b)``: whether two spellings mean the same to libvirt.
    - ``get``, ``put``: in place of the plain reading and writing at ``path``, for a value that has several places.
    """

    __slots__ = ("get", "no_log", "put", "required", "same")

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
        same: t.Optional[t.Callable[[t.Any, t.Any], bool]] = None,
        get: t.Optional[t.Callable[[Element], t.Any]] = None,
        put: t.Optional[t.Callable[[Element, t.Any], None]] = None,
        required: bool = False,
        no_log: bool = False,
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
        if self.put is not None:
            self.put(parent, value)
        elif self.type is PRESENT and not value:
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
            place.drop(parent, node)

    def equal(self, one: t.Any, other: t.Any) -> bool:
        """Whether both values mean the same."""
        if one == other:
            return True
        return self.same is not None and one is not None and other is not None and self.same(one, other)

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
        if before is not None and not (before is False and self.type is PRESENT):
            self.delete(parent)
            self.note(edit.changes, path, before, None)
        return True


class Group:
    """A dict of options that share an element (``path`` may be empty: they share the parent). Merged into what is there.

    ``path`` may name several places with ``|``: the first that is there counts, else the first. ``volatile`` as in rows.
    With ``seen``, elements that share the parent, the group is there where one of them is.
    """

    __slots__ = ("doc", "name", "path", "rows", "seen", "volatile")

    def __init__(
        self,
        name: str,
        path: str,
        rows: t.Iterable[t.Any],
        doc: t.Any = "",
        volatile: t.Optional[t.Callable[[Element, Element], bool]] = None,
        seen: t.Sequence[str] = (),
    ) -> None:
        self.name = name
        self.path = path
        self.rows = rows
        self.doc = doc
        self.volatile = volatile
        self.seen = seen

    def spec(self) -> dict[str, Values]:
        return {self.name: {"type": "dict", "options": Specs(lambda: specs(self.rows)), "doc": self.doc}}

    def parse(self, given: Values, where: str) -> Values:
        value = given.get(self.name)
        return {} if value is None else {self.name: parse(self.rows, value, f"{where}{self.name}.")}

    def _find(self, parent: Element) -> t.Optional[Element]:
        if self.seen and all(parent.find(document.qualified(tag)) is None for tag in self.seen):
            return None
        if "|" not in self.path:
            return place.find(parent, place.place(self.path)[0])
        found = (place.find(parent, place.place(path)[0]) for path in self.path.split("|"))
        return next((node for node in found if node is not None), None)

    def read(self, parent: Element) -> Values:
        node = self._find(parent)
        values = {} if node is None else read(self.rows, node)
        absent = {row.name for row in self.rows if getattr(row, "type", None) is PRESENT and not values.get(row.name)}
        return {self.name: values} if set(values) - absent else {}

    def edit(self, parent: Element, wanted: Values, path: str, edit: Edit) -> None:
        if self.name not in wanted:
            return
        node = self._find(parent)
        if node is None:
            node = place.ensure(parent, place.place(self.path.partition("|")[0])[0])
        apply(self.rows, node, wanted[self.name], f"{path}{self.name}.", edit)
        if node is not parent and _says_nothing(node):
            place.drop(parent, node)

    def compare(self, before: Element, after: Element, path: str, changes: list[Change]) -> None:
        nothing = document.element("nothing")
        one, other = self._find(before), self._find(after)
        if (one is not None or other is not None) and not (self.volatile and self.volatile(after, before)):
            compare(
                self.rows,
                nothing if one is None else one,
                nothing if other is None else other,
                f"{path}{self.name}.",
                changes,
            )

    def unset(self, parent: Element, keys: list[str], path: str, edit: Edit) -> bool:
        if keys[:1] != [self.name]:
            return False
        node = self._find(parent)
        there = document.element("nothing") if node is None else node
        inner = f"{path}{self.name}."
        below = [keys[1:]] if keys[1:] else [[name] for name in specs(self.rows)]
        known = [unset(self.rows, there, one, inner, edit) for one in below]
        if node is not None and node is not parent and _says_nothing(node):
            place.drop(parent, node)
        return not keys[1:] or all(known)


class ValueList(Row):
    """A list of plain values, one per element, in order: ``<boot dev='hd'/>``. Given, it is the full list."""

    __slots__ = ()

    def spec(self) -> dict[str, Values]:
        spec: Values = {"type": "list", "elements": self.type.spec, "doc": self.doc}
        if self.choices:
            spec["choices"] = list(self.choices)
        return {self.name: spec}

    def parse(self, given: Values, where: str) -> Values:
        values = given.get(self.name)
        if values is None:
            return {}
        parsed = []
        for index, value in enumerate(values):
            try:
                parsed.append(self.type.parse(value))
            except ValueError as error:
                raise bad_value(f"{where}{self.name}[{index}]", value, str(error)) from error
        return {self.name: parsed}

    def value(self, parent: Element) -> list[t.Any]:
        """The values in the document, in order."""
        steps, attribute = place.place(self.path)
        return [self.type.get(node, attribute) for node in place.find_all(parent, steps)]

    def read(self, parent: Element) -> Values:
        values = self.value(parent)
        return {self.name: values} if values else {}

    def write(self, parent: Element, values: list[t.Any]) -> None:
        """Put the full list in place of what is there."""
        steps, attribute = place.place(self.path)
        for node in place.find_all(parent, steps):
            place.drop(parent, node)
        if values:
            above = place.ensure(parent, steps[:-1])
            tag, tests = steps[-1]
            for value in values:
                self.type.put(document.child(above, tag, **tests), attribute, value)

    def edit(self, parent: Element, wanted: Values, path: str, edit: Edit) -> None:
        if self.name not in wanted:
            return
        before, after = self.value(parent), wanted[self.name]
        if before != after:
            self.known(path, edit)
            self.write(parent, after)
            edit.changes.append(Change(path + self.name, before, after, self))

    def compare(self, before: Element, after: Element, path: str, changes: list[Change]) -> None:
        one, other = self.value(before), self.value(after)
        if one != other and not (self.volatile and self.volatile(after, before)):
            changes.append(Change(path + self.name, one, other, self))

    def unset(self, parent: Element, keys: list[str], path: str, edit: Edit) -> bool:
        if keys != [self.name]:
            return False
        self.edit(parent, {self.name: []}, path, edit)
        return True


class Map(Row):
    """The user's own keys with plain values, an element each: ``<feature name='vmx' policy='require'/>``. Full when given."""

    __slots__ = ("key", "value_at")

    def __init__(self, *common: t.Any, key: str = "name", value_at: str = "value", **more: t.Any) -> None:
        super().__init__(*common, **more)
        self.key = key
        self.value_at = value_at

    def spec(self) -> dict[str, Values]:
        return {self.name: {"type": "dict", "doc": self.doc}}

    def parse(self, given: Values, where: str) -> Values:
        values = given.get(self.name)
        if values is None:
            return {}
        parsed = {}
        for key, value in values.items():
            if value is None:
                continue
            if self.choices and value not in self.choices:
                raise bad_value(f"{where}{self.name}.{key}", value, "must be one of " + ", ".join(self.choices))
            try:
                parsed[str(key)] = self.type.parse(value if self.type.spec != "str" else str(value))
            except (TypeError, ValueError) as error:
                raise bad_value(f"{where}{self.name}.{key}", value, str(error)) from error
        return {self.name: parsed}

    def value(self, parent: Element) -> Values:
        """Key to value, as the document says."""
        return {
            node.get(self.key): self.type.get(node, self.value_at)
            for node in place.find_all(parent, place.place(self.path)[0])
        }

    def read(self, parent: Element) -> Values:
        values = self.value(parent)
        return {self.name: values} if values else {}

    def edit(self, parent: Element, wanted: Values, path: str, edit: Edit) -> None:
        if self.name not in wanted:
            return
        before, after = self.value(parent), wanted[self.name]
        if before != after:
            self.known(path, edit)
            self.write(parent, before, after)
            self._note(before, after, path, edit.changes)

    def write(self, parent: Element, before: Values, after: Values) -> None:
        """Put the full map in place of what is there."""
        steps = place.place(self.path)[0]
        for node in place.find_all(parent, steps):
            if node.get(self.key) not in after:
                place.drop(parent, node)
        for key, value in after.items():
            if before.get(key) != value:
                tag, tests = steps[-1]
                node = place.ensure(parent, steps[:-1] + ((tag, {**tests, self.key: key}),))
                self.type.put(node, self.value_at, value)

    def compare(self, before: Element, after: Element, path: str, changes: list[Change]) -> None:
        one, other = self.value(before), self.value(after)
        if one != other and not (self.volatile and self.volatile(after, before)):
            self._note(one, other, path, changes)

    def _note(self, before: Values, after: Values, path: str, changes: list[Change]) -> None:
        for key in {**before, **after}:
            if before.get(key) != after.get(key):
                changes.append(Change(f"{path}{self.name}.{key}", before.get(key), after.get(key), self))

    def unset(self, parent: Element, keys: list[str], path: str, edit: Edit) -> bool:
        if keys[:1] != [self.name] or len(keys) > 2:
            return False
        kept = {key: value for key, value in self.value(parent).items() if key not in keys[1:]}
        self.edit(parent, {self.name: kept if keys[1:] else {}}, path, edit)
        return True


class Union:
    """One of several branches, said by which of their options is given; an attribute of the parent names the branch.

    ``branches`` maps the attribute's value to the branch's rows. Another branch replaces the branch whole: ``owns`` are
    the elements that go with it. The rest of the item stays. ``volatile(persistent, running)`` is true where a running
    object shows the same as another branch.
    """

    __slots__ = ("_names", "attribute", "branches", "live", "owns", "takes", "volatile")

    def __init__(
        self,
        attribute: str,
        branches: t.Mapping[str, t.Sequence[t.Any]],
        owns: t.Sequence[str],
        takes: t.Any = RESTART,
        live: str = "",
        volatile: t.Optional[t.Callable[[Element, Element], bool]] = None,
    ) -> None:
        self.attribute = attribute
        self.branches = branches
        self.owns = owns
        self.takes = LIVE if live else takes
        self.live = live
        self.volatile = volatile
        self._names: dict[str, list[str]] = {}

    @property
    def names(self) -> dict[str, list[str]]:
        """The options of each branch."""
        if not self._names:
            self._names = {kind: list(specs(rows)) for kind, rows in self.branches.items()}
        return self._names

    def spec(self) -> dict[str, Values]:
        return {name: spec for rows in self.branches.values() for name, spec in specs(rows).items()}

    def parse(self, given: Values, where: str) -> Values:
        said = {kind: [name for name in names if given.get(name) is not None] for kind, names in self.names.items()}
        chosen = {kind: names for kind, names in said.items() if names}
        if len(chosen) > 1:
            names = " and ".join(names[0] for names in chosen.values())
            raise KvmError(
                f"{where.rstrip('.')}: {names} are given together, and they say different kinds",
                "Keep the one that is meant.",
                option=where.rstrip("."),
            )
        for kind in chosen:
            return parse(self.branches[kind], given, where)
        return {}

    def kind_of(self, wanted: Values) -> str:
        """The branch that the wanted options say, ``""`` where they say none."""
        return next((kind for kind, names in self.names.items() if any(name in wanted for name in names)), "")

    def read(self, parent: Element) -> Values:
        return read(self.branches.get(parent.get(self.attribute), ()), parent)

    def edit(self, parent: Element, wanted: Values, path: str, edit: Edit) -> None:
        kind = self.kind_of(wanted)
        if not kind:
            return
        if parent.get(self.attribute) != kind:
            before = self.read(parent)
            for owned in self.owns:
                for node in parent.findall(owned):
                    document.remove(node)
            parent.set(self.attribute, kind)
            apply(self.branches[kind], parent, wanted, path, edit.inner())
            edit.changes.append(Change(path + "source", before or None, self.read(parent), self))
        else:
            apply(self.branches[kind], parent, wanted, path, edit)

    def compare(self, before: Element, after: Element, path: str, changes: list[Change]) -> None:
        if before.get(self.attribute) == after.get(self.attribute):
            compare(self.branches.get(before.get(self.attribute), ()), before, after, path, changes)
        elif not (self.volatile and self.volatile(after, before)):
            changes.append(Change(path + "source", self.read(before) or None, self.read(after) or None, self))

    def unset(self, parent: Element, keys: list[str], path: str, edit: Edit) -> bool:
        return unset(self.branches.get(parent.get(self.attribute), ()), parent, keys, path, edit)


def _says_nothing(node: Element) -> bool:
    return not (len(node) or node.attrib or (node.text or "").strip())


def _hidden(value: t.Any) -> str:
    return "(hidden)"


def bad_value(option: str, value: t.Any, expected: str) -> KvmError:
    """The error for a value that can't be: names the option, the value and what would be right."""
    return KvmError(f"{option}: '{value}' can't be used", f"{expected[:1].upper()}{expected[1:]}.", option=option)


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
