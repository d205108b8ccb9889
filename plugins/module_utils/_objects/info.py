# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results of ``_info`` modules: objects as they are, or the options that make them."""

from __future__ import annotations

import functools
import typing as t

from .._libvirt import GONE, found_or_none, tried

if t.TYPE_CHECKING:
    from .._libvirt import World
    from .._xml.rows import Values
    from .noun import Noun, Params


EXPORTED = ("options", "not_exported", "secrets_needed")


def info(noun: Noun, world: World, params: Params) -> Values:
    """The objects under the noun's plural, or with ``as: options`` what makes them."""
    name = noun.key(params) if any(params.get(option) is not None for option in noun.selectors) else None
    missed: list[str] = []
    if params.get("as", "info") == "info":
        result: Values = {noun.plural: _listed(noun, world, name, missed)}
    else:
        result = as_options(_exports(noun, world, name, params["identity"], missed), name is not None)
    return {**result, **({"warnings": missed} if missed else {})}


def as_options(exports: list[Values], asked: bool) -> Values:
    """The result with ``as: options``: what was exported of the object that was asked for, else a list of each part."""
    return exports[0] if asked and exports else {part: [one[part] for one in exports] for part in EXPORTED}


def _exports(noun: Noun, world: World, name: t.Optional[str], identity: str, missed: list[str]) -> list[Values]:
    """What makes each object, or the one of that name. ``missed`` gets a sentence for what can't be read or exported."""
    from .export import exported

    found = []
    for called, there in _named(noun, world, name, missed):
        title = f"{noun.name} {called}"
        one = read_one(functools.partial(exported, noun, there, identity), title, name is not None, missed)
        if one is not None:
            found.append(one)
            left = one["not_exported"]
            missed += [f"as: no option says {', '.join(left)} of {title}"] if left else []
    return found


def _listed(noun: Noun, world: World, name: t.Optional[str], missed: list[str]) -> list[Values]:
    """All objects of a noun, or the one of that name if it is there; sorted by name.

    One that is gone meanwhile is left out; one that can't be read too, with a sentence in ``missed``.
    """
    found = []
    for called, there in _named(noun, world, name, missed):
        one = read_one(functools.partial(noun.described, there), f"{noun.name} {called}", name is not None, missed)
        found += [] if one is None else [one]
    return found


def _named(noun: Noun, world: World, name: t.Optional[str], missed: list[str]) -> list[tuple[str, t.Any]]:
    """The objects by what they're called, sorted; the one of that name if one is asked for."""
    if name is not None:
        there = noun.find(world, name)
        return [] if there is None else [(noun.called(there), there)]
    found = []
    for there in noun.list_all(world):
        called, why = tried(functools.partial(noun.called, there))
        found += [(called, there)] if called is not None else []
        missed += [f"a {noun.name} can't be read: {why}"] if why else []
    return sorted(found, key=lambda pair: str(pair[0]))


def read_one(look: t.Callable[[], t.Any], title: str, asked: bool, missed: list[str]) -> t.Any:
    """What ``look`` returns of one object, None if it is gone.

    One of many that can't be read is left out, with a sentence in ``missed``; the one that was asked for is an error then.
    """
    if asked:
        return found_or_none(look, *GONE)
    found, why = tried(look)
    if why:
        missed.append(f"{title} can't be read, and is left out: {why}")
    return found
