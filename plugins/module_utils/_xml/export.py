# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a document to the fewest options that make it: what adoption returns.

Nothing is known here of any object's defaults. Options are dropped one by one, and stay dropped where a fresh object made
from the rest comes out no further from the document than before.
"""

from __future__ import annotations

import re
import typing as t

from .items import Items
from .rows import Element, Values, read

Flat = dict[str, str]


def flat(table: t.Iterable[t.Any], root: Element, ignored: t.Pattern[str]) -> Flat:
    """Every attribute, text and empty element of a document by its path; items of lists by their identity.

    ``features/acpi``, ``devices/disk[vda]/driver@cache``. Paths that match ``ignored`` are left out.
    """
    names: dict[Element, str] = {}
    for row in table:
        if isinstance(row, Items):
            for index, node in enumerate(row.elements(root)):
                names[node] = f"{node.tag}[{row.label(read(row.rows, node), index)}]"
    out: Flat = {}
    _walk(root, "", names, out)
    return {path: value for path, value in out.items() if not ignored.search(path)}


def _walk(node: Element, path: str, names: dict[Element, str], out: Flat) -> None:
    for key, value in node.attrib.items():
        out[f"{path}@{key}"] = value
    text = (node.text or "").strip()
    if text or not (len(node) or node.attrib):
        out[path] = text
    seen: dict[str, int] = {}
    for below in node:
        if not isinstance(below.tag, str):
            continue
        name = names.get(below)
        if name is None:
            number = seen[below.tag] = seen.get(below.tag, 0) + 1
            name = below.tag if number == 1 else f"{below.tag}[{number}]"
        _walk(below, f"{path}/{name}" if path else name, names, out)


def difference(wanted: Flat, there: Flat) -> dict[str, tuple[t.Optional[str], t.Optional[str]]]:
    """Path to (wanted, there) for all that differs."""
    return {
        path: (wanted.get(path), there.get(path)) for path in {**wanted, **there} if wanted.get(path) != there.get(path)
    }


def fewest(options: Values, distance: t.Callable[[Values], t.Any], kept: t.Container[str] = ()) -> Values:
    """The options without those that make no difference: ``distance`` of the rest stays what it is with all of them.

    Names in ``kept`` stay wherever they stand: identities, without which an item would be another.
    """
    best = _copy(options)
    goal = distance(best)

    def without(holder: t.Any, key: t.Any) -> None:
        value = holder.pop(key)
        if distance(best) == goal:
            return
        _put_back(holder, key, value)
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict):
                for name in [name for name in inner if name not in kept]:
                    without(inner, name)

    for name in [name for name in best if name not in kept]:
        without(best, name)
    return best


def _put_back(holder: t.Any, key: t.Any, value: t.Any) -> None:
    holder[key] = value


def _copy(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value


def patches(left: dict[str, tuple[t.Optional[str], t.Optional[str]]]) -> tuple[list[Values], list[str]]:
    """What no option says, as entries of ``xml_patch``, and the paths that can't be written as one."""
    made, impossible = [], []
    for path, (wanted, dummy) in sorted(left.items()):
        plain = re.fullmatch(r"(?:[\w.-]+/)*[\w.-]*(?:@[\w.-]+)?", path)
        if not plain or not path:
            impossible.append(path)
            continue
        place = path.replace("@", "/@") if not path.startswith("@") else path
        made.append({"path": place, "delete": True} if wanted is None else {"path": place, "set": wanted})
    return made, impossible
