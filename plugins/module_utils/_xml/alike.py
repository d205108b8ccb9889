# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Items of a list that have no identity: which element each of them means, by what both say and by their order."""

from __future__ import annotations

import typing as t

from . import document
from .rows import Edit, Element, Values, apply, compare, read

Best = t.Tuple[float, t.Dict[int, int]]
SAME_PLACE, SAME, SAME_KIND, ANY = 4.0, 3.0, 2.0, 1.0  # how much an item and an element are alike


class Said(t.NamedTuple):
    """A wanted item's values, and the element of another document that they were read from, if they were."""

    values: Values
    element: t.Optional[Element]


def match_alike(
    rows: t.Iterable[t.Any], kinds: t.Sequence[str], items: list[Said], elements: list[Element], sequence: bool
) -> dict[int, int]:
    """The number of the element for the number of each item that has one.

    The best pairs come first, among equals in order. With ``sequence`` no two pairs cross, for the order means something.
    """
    if not items or not elements:
        return {}
    if len(items) == len(elements) == 1:
        return {0: 0}
    scores = [[_score(rows, kinds, item, element) for element in elements] for item in items]
    return _in_sequence(scores) if sequence else _best_first(scores)


def _score(rows: t.Iterable[t.Any], kinds: t.Sequence[str], item: Said, element: Element) -> float:
    there = read(rows, element)
    if _says(rows, item, element):
        if item.element is not None and _address(item.element) == _address(element):
            return SAME_PLACE
        return SAME + 1 / (
            2 + len(set(there) - set(item.values))
        )  # the less an element says beyond, the more it's meant
    given = [name for name in kinds if name in item.values]
    return SAME_KIND if all(item.values[name] == there.get(name) for name in given) else ANY


def _says(rows: t.Iterable[t.Any], item: Said, element: Element) -> bool:
    """Whether an element says already what is wanted: the item, or all that the other document's element says."""
    if item.element is not None:
        return not compare(rows, element, item.element)
    edit = Edit()
    apply(rows, document.clone(element), item.values, "", edit)
    return not edit.changes


def _address(element: Element) -> Values:
    address = element.find("address")
    return {} if address is None else dict(address.attrib)


def _best_first(scores: list[list[float]]) -> dict[int, int]:
    found: dict[int, int] = {}
    pairs = [(-one, item, element) for item, row in enumerate(scores) for element, one in enumerate(row)]
    for _score_of_pair, item, element in sorted(pairs):
        if item not in found and element not in found.values():
            found[item] = element
    return found


def _in_sequence(scores: list[list[float]]) -> dict[int, int]:
    """The pairs with the highest sum of squares among those that don't cross."""
    best: list[list[Best]] = [[(0.0, {})] * (len(scores[0]) + 1)]
    for item, row in enumerate(scores):
        line: list[Best] = [(0.0, {})]
        for element, score in enumerate(row):
            total, pairs = best[item][element]
            longest = max(best[item][element + 1], line[element], key=_total)
            better = total + score**2 > longest[0]
            line.append((total + score**2, {**pairs, item: element}) if better else longest)
        best.append(line)
    return best[-1][-1][1]


def _total(entry: Best) -> float:
    return entry[0]
