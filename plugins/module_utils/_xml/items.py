# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of things with an identity: disks, interfaces, DHCP hosts. Matched by identity, never by position alone."""

from __future__ import annotations

import functools
import typing as t

from .._plan import KvmError
from .._secret import HIDDEN, plain
from . import document, place
from .alike import Said, match_alike
from .later import Specs
from .rows import RESTART, Change, Edit, Element, Field, Values, apply, compare, parse, read, specs, unset

Pairs = list[tuple[Values, t.Optional[Element]]]
ById = dict[int, Values]  # the values of elements, by the element's id()


class Items:
    """A list of dicts, an element each. Given, it is the full list: what isn't on it is taken out.

    - ``keys``: what tells one item from another, in order; each is an option's name or a function of the item's values.
      What no key matches is matched in order where ``ordered`` is true.
    - ``kinds``: options that tell the kinds of items without a key. Such items are matched with the element that says the
      same already, then with one of the same kind, then with any, each time in order.
    - ``sequence``: the order of items without a key means something, so it's kept.
    - ``like(item)``: what tells one without the first key from another, after all keys: the first drive of its kind.
    - ``new(item, edit)``: the item's values with those that a new one gets where the user said nothing.
    - ``implied(element)``: true for what libvirt makes by itself or another option owns: never removed, exported or counted.
    - ``live``: the prefix of the operations that attach, detach and update one on a running object, where it can.
    - ``template``: attributes that a new element starts with.
    - ``add_only``: what isn't on the list stays.
    - ``repeats(item)``: true for what may have the identity of another; these are told apart by their order.
    - ``volatile(persistent, running)``: true where a running object's list can't be compared.
    - ``settle(parent)``: takes out of the document what must go with those that went; raises KvmError where the list can't
      be as it is.
    """

    __slots__ = (
        "add_only", "doc", "implied", "keys", "kinds", "like", "live", "name", "new", "ordered", "path", "repeats", "rows",
        "sequence", "settle", "takes", "template", "volatile",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        path: str,
        rows: t.Iterable[t.Any],
        keys: t.Sequence[t.Any] = (),
        doc: t.Any = "",
        takes: t.Any = RESTART,
        live: str = "",
        new: t.Optional[t.Callable[[Values, Edit], Values]] = None,
        implied: t.Optional[t.Callable[[Element], bool]] = None,
        template: t.Optional[dict[str, str]] = None,
        ordered: bool = True,
        add_only: bool = False,
        settle: t.Optional[t.Callable[[Element], None]] = None,
        like: t.Optional[t.Callable[[Values], t.Any]] = None,
        volatile: t.Optional[t.Callable[[Element, Element], bool]] = None,
        repeats: t.Optional[t.Callable[[Values], bool]] = None,
        kinds: t.Sequence[str] = (),
        sequence: bool = False,
    ) -> None:
        self.name = name
        self.path = path
        self.rows = rows
        self.repeats = repeats
        self.keys = keys
        self.doc = doc
        self.takes = "live" if live else takes
        self.live = live
        self.new = new
        self.implied = implied
        self.template = template or {}
        self.ordered = ordered
        self.add_only = add_only
        self.settle = settle
        self.like = like
        self.volatile = volatile
        self.kinds = kinds
        self.sequence = sequence

    def spec(self) -> dict[str, Values]:
        return {
            self.name: {"type": "list", "elements": "dict", "options": Specs(lambda: specs(self.rows)), "doc": self.doc}
        }

    def parse(self, given: Values, where: str) -> Values:
        items = given.get(self.name)
        if items is None:
            return {}
        parsed = [parse(self.rows, item or {}, f"{where}{self.name}[{index}].") for index, item in enumerate(items)]
        for number in range(len(self.keys)):
            self._refuse_repeated(parsed, number, where)
        return {self.name: parsed}

    def _refuse_repeated(self, items: list[Values], number: int, where: str) -> None:
        """Refuse two items that have the same value of the key with this number."""
        key = self.keys[number]
        seen: dict[t.Any, int] = {}
        for index, item in enumerate(items):
            value = _key(key, item)
            if value is None or self._may_repeat(item, number) or seen.setdefault(value, index) == index:
                continue
            option = f"{where}{self.name}" + ("" if callable(key) else f"[{index}].{key}")
            raise KvmError(
                f"{option}: items {seen[value]} and {index} have the same identity, '{value}'",
                "Give each its own, or remove one.",
                option=option,
            )

    def _may_repeat(self, item: Values, number: int) -> bool:
        """Whether other items may have the key too: a disk's source is its identity only where no target is said."""
        if self.repeats is not None and self.repeats(item):
            return True
        return callable(self.keys[number]) and any(_key(one, item) is not None for one in self.keys[:number])

    def elements(self, parent: Element) -> list[Element]:
        """All elements of the list, the implied ones among them."""
        return place.find_all(parent, place.place(self.path)[0])

    def listed(self, parent: Element) -> list[Element]:
        """The elements that count: without the implied ones."""
        return self._without_implied(self.elements(parent))

    def _without_implied(self, nodes: list[Element]) -> list[Element]:
        return [node for node in nodes if self.implied is None or not self.implied(node)]

    def read(self, parent: Element) -> Values:
        items = [read(self.rows, node) for node in self.listed(parent)]
        return {self.name: items} if items else {}

    def label(self, item: Values, index: int) -> str:
        """How an item is called in paths: by the first key that it has, else by its place in the list."""
        for key in self.keys:
            value = _key(key, item)
            if isinstance(value, tuple):
                return "/".join(str(part) for part in value if part is not None)
            if value is not None:
                return str(value)
        return str(index)

    def match(
        self, wanted: list[Values], parent: Element, others: t.Sequence[Element] = ()
    ) -> tuple[Pairs, list[Element]]:
        """Pairs of wanted item and its element (None: there is none yet), and the listed elements that nobody wants.

        ``others`` are the elements of another document that the wanted items were read from, if they were.
        """
        if not wanted:
            return [], self.listed(parent)
        free = self.elements(parent)
        values = {id(node): read(self.rows, node) for node in free}
        found: dict[int, Element] = {}
        for key in self.keys:
            _pair(wanted, free, found, functools.partial(_with_same, key, values))
        listed = self._without_implied(free)
        if self.like is not None:
            _pair(wanted, listed, found, functools.partial(self._like_it, values))
        if self.ordered:
            self._match_alike(wanted, listed, values, found, others)
        _pair(wanted, listed, found, functools.partial(self._unnamed, values))
        return [(item, found.get(index)) for index, item in enumerate(wanted)], listed

    def _like_it(self, values: ById, item: Values, listed: list[Element]) -> t.Optional[Element]:
        """The first element that is like an item without the first key."""
        return None if _key(self.keys[0], item) is not None else _with_same(self.like, values, item, listed)

    def _match_alike(
        self,
        wanted: list[Values],
        listed: list[Element],
        values: ById,
        found: dict[int, Element],
        others: t.Sequence[Element],
    ) -> None:
        """Pair what has no identity with the elements that have none; those found leave ``listed``."""
        items = [index for index, item in enumerate(wanted) if index not in found and not self._has_key(item)]
        nodes = [node for node in listed if not self._has_key(values[id(node)])]
        said = [Said(wanted[index], others[index] if others else None) for index in items]
        for one, other in match_alike(self.rows, self.kinds, said, nodes, self.sequence).items():
            found[items[one]] = nodes[other]
            listed.remove(nodes[other])

    def _has_key(self, item: Values) -> bool:
        return any(_named(key, item) for key in self.keys)

    def _unnamed(self, values: ById, item: Values, listed: list[Element]) -> t.Optional[Element]:
        """What an item may be that no key found: in order the next one, else the next one that has no identity either."""
        if self.ordered:
            free = listed[:0] if self.sequence else listed[:1]
            return next((node for node in free if not self._contradicts(item, values[id(node)])), None)
        free = [] if self._has_key(item) else listed
        return next((node for node in free if not self._has_key(values[id(node)])), None)

    def _contradicts(self, item: Values, there: Values) -> bool:
        """Whether the item names an identity of its own that the element doesn't have."""
        return any(
            _key(key, item) is not None and _key(key, there) is not None and _key(key, item) != _key(key, there)
            for key in self.keys
        )

    def edit(self, parent: Element, wanted: Values, path: str, edit: Edit) -> None:
        if self.name not in wanted:
            return
        steps = place.place(self.path)[0]
        pairs, unwanted = self.match(wanted[self.name], parent)
        self._note_gone(parent, unwanted, path, edit)
        for node in [] if self.add_only else unwanted:
            place.drop(parent, node, steps)
        nodes = []
        for index, (item, there) in enumerate(pairs):
            if there is None:
                nodes.append(self._insert(parent, steps, item, index, path, edit))
            else:
                nodes.append(self._edit_item(there, item, index, path, edit))
        if self.sequence:
            _arrange(nodes)
        if self.settle is not None:
            self.settle(parent)

    def _edit_item(self, node: Element, item: Values, index: int, path: str, edit: Edit) -> Element:
        first = len(edit.changes)
        apply(self.rows, node, item, f"{path}{self.name}[{self.label(read(self.rows, node), index)}].", edit)
        self._claim(edit.changes[first:], node)
        return node

    def _claim(self, changes: list[Change], node: Element) -> None:
        """Note on the changes within an item which one it is."""
        for change in changes:
            change.items, change.key, change.new = self, read(self.rows, node), node

    def _insert(self, parent: Element, steps: place.Steps, item: Values, index: int, path: str, edit: Edit) -> Element:
        full = item if self.new is None else self.new(item, edit)
        tag, tests = steps[-1]
        node = document.child(place.ensure(parent, steps[:-1]), tag, **{**self.template, **tests})
        apply(self.rows, node, full, f"{path}{self.name}[{index}].", edit.inner())
        values = read(self.rows, node)
        self._note(edit, f"{path}{self.name}[{self.label(values, index)}]", None, values, values, new=node)
        return node

    def _note_gone(self, parent: Element, unwanted: list[Element], path: str, edit: Edit) -> None:
        elements = self.elements(parent)
        for node in [] if self.add_only else unwanted:
            item = read(self.rows, node)
            label = self.label(item, elements.index(node))
            self._note(edit, f"{path}{self.name}[{label}]", item, None, item, old=node)

    def _note(
        self,
        edit: Edit,
        path: str,
        before: t.Any,
        after: t.Any,
        key: Values,
        old: t.Optional[Element] = None,
        new: t.Optional[Element] = None,
    ) -> None:
        change = Change(path, shown(self.rows, before), shown(self.rows, after), self)
        change.items, change.key, change.old, change.new = self, key, old, new
        edit.changes.append(change)

    def compare(self, before: Element, after: Element, path: str, changes: list[Change]) -> None:
        if self.volatile is not None and self.volatile(after, before):
            return
        wanted = self.elements(after) if self.add_only else self.listed(after)
        pairs, unwanted = self.match([read(self.rows, node) for node in wanted], before, wanted)
        edit = Edit()
        edit.changes = changes
        self._note_gone(before, unwanted, path, edit)
        elements = self.elements(after)
        for (item, node), there in zip(pairs, wanted):
            label = f"{path}{self.name}[{self.label(item, elements.index(there))}]"
            if node is None:
                self._note(edit, label, None, item, item, new=there)
                continue
            first = len(changes)
            compare(self.rows, node, there, label + ".", changes)
            for change in changes[first:]:
                change.items, change.key, change.old, change.new = self, item, node, there

    def unset(self, parent: Element, keys: list[str], path: str, edit: Edit) -> bool:
        if keys == [self.name]:
            self.edit(parent, {self.name: []}, path, edit)
            return True
        name, bracket, label = keys[0].partition("[")
        if name != self.name or not bracket or len(keys) < 2:
            return False
        for index, node in enumerate(self.elements(parent)):
            if self.label(read(self.rows, node), index) == label.rstrip("]"):
                first = len(edit.changes)
                known = unset(self.rows, node, keys[1:], f"{path}{keys[0]}.", edit)
                self._claim(edit.changes[first:], node)
                return known
        return any(isinstance(row, Field) and [row.name] == keys[1:] for row in self.rows)


def shown(rows: t.Iterable[t.Any], item: t.Optional[Values]) -> t.Optional[Values]:
    """An item's values without the secret ones, sizes in units."""
    if item is None:
        return None
    out = dict(item)
    for row in rows:
        if isinstance(row, Field) and row.name in out:
            out[row.name] = HIDDEN if row.no_log else row.type.show(out[row.name])
    return t.cast(Values, plain(out))


def _key(key: t.Any, item: Values) -> t.Any:
    return key(item) if callable(key) else item.get(key)


def _pair(
    wanted: list[Values],
    free: list[Element],
    found: dict[int, Element],
    choose: t.Callable[[Values, list[Element]], t.Optional[Element]],
) -> None:
    """Pair the items that have no element yet with what ``choose(item, free)`` returns; those found leave ``free``."""
    for index, item in enumerate(wanted):
        node = None if index in found else choose(item, free)
        if node is not None:
            found[index] = node
            free.remove(node)


def _with_same(key: t.Any, values: ById, item: Values, free: list[Element]) -> t.Optional[Element]:
    """The first element that has the item's ``key``, if it has one."""
    value = _key(key, item)
    return None if value is None else next((node for node in free if _key(key, values[id(node)]) == value), None)


def _arrange(nodes: list[Element]) -> None:
    """Put the elements one after the other, from where the first of them is."""
    for before, node in zip(nodes, nodes[1:]):
        before.addnext(node)


def _named(key: t.Any, item: Values) -> bool:
    value = _key(key, item)
    return value is not None and value != () and not (isinstance(value, tuple) and set(value) == {None})
