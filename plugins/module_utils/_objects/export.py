# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An object as the fewest options that make it again: what libvirt fills in by itself is left out."""

from __future__ import annotations

import typing as t

from .._plan import KvmError
from .._xml import document, place, rows
from .kind import starts, status, stored_document

if t.TYPE_CHECKING:
    from .._xml.rows import Element, Values
    from .kind import Kind

IDENTITY = ("uuid", "mac")

ADOPT_SPEC: Values = {
    "as": {"type": "str", "choices": ["info", "options"], "default": "info"},
    "identity": {"type": "str", "choices": ["keep", "new"], "default": "keep"},
}


def exported(kind: Kind, there: t.Any, identity: str) -> Values:
    """``{options, not_exported, secrets_needed}`` of one object."""
    name, normal = kind.called(there), kind.normal(kind)
    active = status(kind, there)[0]
    stored = stored_document(kind, there, active)
    values = rows.read(kind.rows, stored)
    twofold = _not_options(kind, values)
    own = {option: values[option] for option in IDENTITY if option in values}
    for option in own if identity == "new" else ():
        if own[option] != name:  # by which alone it is known
            del values[option]
    fewest = _without_defaults(kind, name, values, normal)
    rebuilt = normal(_built(kind, name, {**fewest, **own}))
    options = {
        **({"name": name} if kind.naming else {}),
        **_shown(kind, fewest),
        **_life(kind, there, active),
    }
    secrets = [value for path, value in _leaves(fewest) if path.endswith(("secret_usage", "secret_uuid"))]
    left = twofold + lost(normal(stored), rebuilt)
    return {"options": options, "not_exported": left, "secrets_needed": secrets}


def _not_options(kind: Kind, values: Values) -> list[str]:
    """Take out of ``values`` what options can't say, such as a list with the same item twice; returns those options."""
    taken = []
    for option in list(values):
        try:
            rows.parse(kind.rows, {option: values[option]})
        except KvmError:
            del values[option]
            taken.append(option)
    return taken


def _life(kind: Kind, there: t.Any, active: bool) -> Values:
    if not kind.runs:
        return {}
    return {"state": "active" if active else "inactive", "autostart": starts(kind, there)}


def _without_defaults(kind: Kind, name: str, values: Values, normal: t.Callable[[Element], Element]) -> Values:
    """The options without which libvirt would make another object."""
    kept = dict(values)
    for option in values:
        if option in IDENTITY:
            continue
        tried = {key: value for key, value in kept.items() if key != option}
        if rows.read(kind.rows, normal(_built(kind, name, tried))).get(option) == values[option]:
            kept = tried
    return kept


def _built(kind: Kind, name: str, values: Values) -> Element:
    root = document.element(kind.tag)
    if kind.naming:
        place.put(root, kind.naming, name)
    rows.apply(kind.rows, root, rows.parse(kind.rows, values), "", rows.Edit(creating=True))
    return root


def _shown(kind: Kind, values: Values) -> Values:
    """Sizes with units and the like, as a user writes them."""
    types = {row.name: row.type for row in kind.rows if hasattr(row, "type")}
    return {key: types[key].show(value) if key in types else value for key, value in values.items()}


def _leaves(values: t.Any, above: str = "") -> t.Iterator[tuple[str, t.Any]]:
    if isinstance(values, dict):
        for key, value in values.items():
            yield from _leaves(value, f"{above}.{key}")
    else:
        yield above, values


def lost(before: Element, after: Element, above: str = "") -> list[str]:
    """The paths of elements and attributes that are in the one document and not in the other."""
    paths = [f"{above}@{name}" for name in before.attrib if name not in after.attrib]
    free = list(after)
    for node in before.iterchildren("{*}*"):
        other = next((one for one in free if document.canonical(one) == document.canonical(node)), None)
        other = other if other is not None else next((one for one in free if one.tag == node.tag), None)
        if other is None and not (len(node) or node.attrib or node.text):
            continue  # it says nothing
        if other is None:
            paths.append(above + node.tag)
        else:
            free.remove(other)
            paths += lost(node, other, f"{above}{node.tag}/")
    return paths
