# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table: the rows of one kind of object, and what is made from all of them together."""

from __future__ import annotations

import typing as t

from .._plan import KvmError
from .._secret import secret_name
from . import rows
from .later import Specs
from .rows import Change, Edit, Element, Values


def argument_spec(table: t.Iterable[t.Any], task: t.Optional[dict[str, Values]] = None) -> dict[str, t.Any]:
    """The table's options as Ansible's argument spec, with those about the ``task`` itself."""
    return {name: _without_docs(spec) for name, spec in {**(task or {}), **rows.specs(table)}.items()}


def _without_docs(spec: Values) -> Values:
    spec = {key: value for key, value in spec.items() if key not in ("doc", "quiet")}
    if "options" in spec:
        inner = spec["options"]
        spec["options"] = Specs(lambda: {name: _without_docs(below) for name, below in inner.items()})
    return spec


def unset_paths(table: t.Sequence[t.Any], root: Element, paths: t.Sequence[str], wanted: Values, edit: Edit) -> None:
    """Delete the nodes of ``paths`` (``features.ioapic``, ``disks[vda].cache``): back to libvirt's own default."""
    for path in paths:
        keys = split(path)
        if _given(table, wanted, keys):
            raise KvmError(
                f"unset: {path} is set and unset in the same task", "Keep the one that is meant.", option="unset"
            )
        if not rows.unset(table, root, keys, "", edit):
            raise KvmError(
                f"unset: '{path}' is not an option that can be unset",
                "Write option paths like title, features.ioapic or disks[vda].cache.",
                option="unset",
            )


def split(path: str) -> list[str]:
    """The keys of an option path; a dot within brackets belongs to the identity."""
    keys, depth = [""], 0
    for letter in path:
        depth += (letter == "[") - (letter == "]")
        if letter == "." and not depth:
            keys.append("")
        else:
            keys[-1] += letter
    return keys


def managed(wanted: Values, change: Change) -> bool:
    """Whether the task says something about the option of ``change``: a list given is managed whole."""
    there: t.Any = wanted
    for key in split(change.path):
        name = key.partition("[")[0]
        if not isinstance(there, dict) or name not in there:
            return False
        there = there[name]
        if isinstance(there, list) or (name == getattr(change.row, "name", "") and isinstance(change.row, rows.Map)):
            return True
    return True


def _given(table: t.Iterable[t.Any], wanted: Values, keys: list[str]) -> bool:
    """Whether the task sets the option that ``keys`` lead to, or one below it; an item of a list by its label."""
    name, bracket, label = keys[0].partition("[")
    there = wanted.get(name) if isinstance(wanted, dict) else None
    if there is None or not keys[1:]:
        return there is not None and not bracket
    row = next((row for row in table if getattr(row, "name", "") == name), None)
    below = _labelled(row, there, label.rstrip("]")) if bracket else [there]
    return any(_given(getattr(row, "rows", ()), one, keys[1:]) for one in below)


def _labelled(row: t.Any, items: t.Any, label: str) -> list[Values]:
    """The items of a list option that paths call ``label``."""
    named = getattr(row, "label", None)
    if named is None or not isinstance(items, list):
        return []
    return [item for index, item in enumerate(items) if named(item, index) == label]


def public(table: t.Iterable[t.Any], values: Values) -> Values:
    """The values without those of secret options."""
    return _public(rows.specs(table), values)


def _public(specs: dict[str, Values], values: Values) -> Values:
    out: Values = {}
    for name, value in values.items():
        spec = specs.get(name, {})
        if not (spec.get("no_log") or spec.get("quiet") or (isinstance(value, dict) and secret_name(name))):
            out[name] = _public_within(spec.get("options"), value)
    return out


def _public_within(options: t.Optional[dict[str, Values]], value: t.Any) -> t.Any:
    """The value of an option, its nested options without the secret ones."""
    if options and isinstance(value, dict):
        return _public(options, value)
    if options and isinstance(value, list):
        return [_public(options, item) for item in value]
    return value


def secret_paths(values: Values, options: Values, path: str) -> t.Iterator[str]:
    """The paths of the values that the options' specs call secret."""
    for name, value in values.items():
        spec = options.get(name, {})
        inner = spec.get("options")
        for index, item in enumerate(value if isinstance(value, list) else [value]):
            where = f"{path}{name}[{index}]" if isinstance(value, list) else f"{path}{name}"
            if inner and isinstance(item, dict):
                yield from secret_paths(item, inner, where + ".")
            elif spec.get("no_log"):
                yield where
