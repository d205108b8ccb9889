# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An object as the fewest options that make it again: what libvirt fills in by itself is left out."""

from __future__ import annotations

import typing as t

from .._plan import KvmError
from .._xml import document, place, rows
from .._xml.lost import lost

if t.TYPE_CHECKING:
    from .._xml.rows import Element, Values
    from .noun import Noun

IDENTITY = ("uuid", "mac")

ADOPT_SPEC: Values = {
    "as": {"type": "str", "choices": ["info", "options"], "default": "info"},
    "identity": {"type": "str", "choices": ["keep", "new"], "default": "keep"},
}


def exported(noun: Noun, there: t.Any, identity: str) -> Values:
    """``{options, not_exported, secrets_needed}`` of one object."""
    name, normal = noun.called(there), noun.normal()
    active = noun.status(there)[0]
    stored = noun.stored_document(there)
    values = rows.read(noun.rows, stored)
    twofold = _not_options(noun, values)
    own = {option: values[option] for option in IDENTITY if option in values}
    for option in own if identity == "new" else ():
        if own[option] != name:  # by which alone it is known
            del values[option]
    fewest = _without_defaults(noun, name, values, normal)
    rebuilt = normal(_built(noun, name, {**fewest, **own}))
    options = {
        **({"name": name} if noun.naming else {}),
        **_shown(noun, fewest),
        **_life(noun, there, active),
    }
    secrets = [value for path, value in _leaves(fewest) if path.endswith(("secret_usage", "secret_uuid"))]
    left = twofold + [one.path for one in lost(normal(stored), rebuilt)]
    return {"options": options, "not_exported": left, "secrets_needed": secrets}


def _not_options(noun: Noun, values: Values) -> list[str]:
    """Take out of ``values`` what options can't say, such as a list with the same item twice; returns those options."""
    taken = []
    for option in list(values):
        try:
            rows.parse(noun.rows, {option: values[option]})
        except KvmError:
            del values[option]
            taken.append(option)
    return taken


def _life(noun: Noun, there: t.Any, active: bool) -> Values:
    if not noun.runs:
        return {}
    return {"state": "active" if active else "inactive", "autostart": noun.starts(there)}


def _without_defaults(noun: Noun, name: str, values: Values, normal: t.Callable[[Element], Element]) -> Values:
    """The options without which libvirt would make another object."""
    kept = dict(values)
    for option in values:
        if option in IDENTITY:
            continue
        tried = {key: value for key, value in kept.items() if key != option}
        if rows.read(noun.rows, normal(_built(noun, name, tried))).get(option) == values[option]:
            kept = tried
    return kept


def _built(noun: Noun, name: str, values: Values) -> Element:
    root = document.element(noun.tag)
    if noun.naming:
        place.put(root, noun.naming, name)
    rows.apply(noun.rows, root, rows.parse(noun.rows, values), "", rows.Edit(creating=True))
    return root


def _shown(noun: Noun, values: Values) -> Values:
    """Sizes with units and the like, as a user writes them."""
    types = {row.name: row.type for row in noun.rows if hasattr(row, "type")}
    return {key: types[key].show(value) if key in types else value for key, value in values.items()}


def _leaves(values: t.Any, above: str = "") -> t.Iterator[tuple[str, t.Any]]:
    if isinstance(values, dict):
        for key, value in values.items():
            yield from _leaves(value, f"{above}.{key}")
    else:
        yield above, values
