# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows with more than one value: dicts, lists and maps of options, and options of which only one can be."""

from __future__ import annotations

import typing as t

from . import document, place, row
from .later import Specs
from .row import LIVE, RESTART, Change, Edit, Element, Row, Values, apply, bad_value, compare, parse, read, specs
from .row import unset as unset_rows
from .types import PRESENT


class Group:
    """A dict of options that share an element; where ``path`` is empty, the parent. Merged into what is there.

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

    def new_place(self, parent: Element) -> str:
        """Where the element is made in which the options are."""
        return self.path.partition("|")[0]

    def read(self, parent: Element) -> Values:
        node = self._find(parent)
        values = {} if node is None else read(self.rows, node)
        if all(value is False for value in values.values()):  # that an element isn't there says nothing by itself
            said = {row.name for row in self.rows if getattr(row, "type", None) is not PRESENT} if values else set()
            values = values if said & set(values) else {}
        return {self.name: values} if values else {}

    def edit(self, parent: Element, wanted: Values, path: str, edit: Edit) -> None:
        if self.name not in wanted:
            return
        node = self._find(parent)
        if node is None:
            node = place.ensure(parent, place.place(self.new_place(parent))[0])
        apply(self.rows, node, wanted[self.name], f"{path}{self.name}.", edit)
        self._settle(parent, node)

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
        known = [unset_rows(self.rows, there, one, inner, edit) for one in below]
        if node is not None:
            self._settle(parent, node)
        return not keys[1:] or all(known)

    def _settle(self, parent: Element, node: Element) -> None:
        """Take the group's element out where nothing is left in it."""
        if node is not parent and not (len(node) or node.attrib or (node.text or "").strip()):
            place.drop(parent, node, () if "|" in self.path else place.place(self.path)[0])


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
        return [self.type.said(node, attribute) for node in place.find_all(parent, steps)]

    def read(self, parent: Element) -> Values:
        values = self.value(parent)
        return {self.name: values} if values else {}

    def write(self, parent: Element, values: list[t.Any]) -> None:
        """Put the full list in place of what is there; the element of a value that stays is kept, with all that it says."""
        steps, attribute = place.place(self.path)
        kept: dict[t.Any, list[Element]] = {}
        for node in place.find_all(parent, steps):
            kept.setdefault(self.type.said(node, attribute), []).append(node)
            place.drop(parent, node, steps)
        if values:
            above = place.ensure(parent, steps[:-1])
            tag, tests = steps[-1]
            for value in values:
                new = document.child(above, tag, **tests)
                if kept.get(value):
                    above.replace(new, kept[value].pop(0))
                else:
                    self.type.put(new, attribute, value)

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
    """The user's own keys with plain values, an element each: ``<feature name='vmx' policy='require'/>``.

    Full when given. A key whose value is ``silent``, or one of these, is the same as none.
    """

    __slots__ = ("key", "silent", "value_at")

    def __init__(
        self, *common: t.Any, key: str = "name", value_at: str = "value", silent: t.Any = None, **more: t.Any
    ) -> None:
        super().__init__(*common, **more)
        self.key = key
        self.value_at = value_at
        self.silent = silent if isinstance(silent, tuple) else (silent,)

    def spec(self) -> dict[str, Values]:
        spec: Values = {"type": "dict", "doc": self.doc}
        if "key" in self.name:  # ansible-test takes the name for a secret's
            spec["no_log"] = False
        return {self.name: spec}

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
        return {self.name: self._said(parsed)}

    def _said(self, values: Values) -> Values:
        """Without those that say nothing."""
        return {key: value for key, value in values.items() if value not in self.silent}

    def value(self, parent: Element) -> Values:
        """Key to value, as the document says."""
        nodes = place.find_all(parent, place.place(self.path)[0])
        return self._said({node.get(self.key): self.type.said(node, self.value_at) for node in nodes})

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
                place.drop(parent, node, steps)
        for key, value in after.items():
            if before.get(key) != value:
                tag, tests = steps[-1]
                node = place.ensure(parent, (*steps[:-1], (tag, {**tests, self.key: key})))
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

    ``branches`` maps the attribute's value to the branch's rows. Another branch replaces the branch whole: its options,
    and ``owns``, the elements that go with it. The rest of the item stays. ``volatile(persistent, running)`` is true where a running
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
        kind = row.branch(self.names, given, where)
        return parse(self.branches[kind], given, where) if kind else {}

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
            for name in self.names.get(parent.get(self.attribute), ()):
                self.unset(parent, [name], path, edit.inner())
            for node in [node for owned in self.owns for node in parent.findall(owned)]:
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
        return unset_rows(self.branches.get(parent.get(self.attribute), ()), parent, keys, path, edit)
