# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a document to the fewest options that make it: what adoption returns.

Nothing is known here of any object's defaults. What a fresh object has by itself is left out, and it stays left out where
the object made from the rest comes out no further from the document than before.
"""

from __future__ import annotations

import re
import typing as t

from . import document
from .rows import Element, Values

Flat = dict[str, str]
Leaf = tuple[t.Any, t.Any]  # the dict that holds an option, and its name
Difference = dict[str, tuple[t.Optional[str], t.Optional[str]]]

# What tells elements of a tag apart, where it isn't their place.
KEYED = {
    "channel": ("target/@name", "target/@address", "target/@port"),
    "controller": ("@type", "@index"),
    "disk": ("target/@dev",),
}
NAMED = ("cipher", "entry", "event", "feature", "parameter", "timer")


def flat(root: Element, ignored: t.Pattern[str]) -> Flat:
    """Every attribute, text and empty element of a document by its XPath, ``features/acpi``,
    ``devices/disk[target/@dev='vda']/driver/@cache``; names of other namespaces as lxml writes them.

    Paths that match ``ignored`` are left out.
    """
    out: Flat = {}
    _walk(root, "", out)
    return {path: value for path, value in out.items() if not ignored.search(path)}


def _walk(node: Element, path: str, out: Flat) -> None:
    above = f"{path}/" if path else ""
    out.update(_own_values(node, path, above))
    seen: dict[str, int] = {}
    for below in node:
        if (below.tail or "").strip():
            out[f"{above}text()"] = out.get(f"{above}text()", "") + below.tail
        if isinstance(below.tag, str):
            name = _name(below)
            number = seen[name] = seen.get(name, 0) + 1
            _walk(below, above + (name if number == 1 else f"{name}[{number}]"), out)


def _own_values(node: Element, path: str, above: str) -> Flat:
    """The attributes that aren't in the element's path already, and its text, which is empty where nothing else shows it."""
    step = path.rpartition("/")[2]
    own = {f"{above}@{key}": value for key, value in node.attrib.items() if f"@{key}='" not in step}
    text = node.text or ""
    if text.strip():
        own[path] = text.strip() if len(node) else text
    elif not (len(node) or node.attrib) or path.endswith("']"):
        own[path] = ""
    return own


def _name(node: Element) -> str:
    keys = ("@name",) if node.tag in NAMED else KEYED.get(node.tag, ())
    found = [(key, next(iter(node.xpath(key)), "")) for key in keys]
    said = [f"[{key}='{value}']" for key, value in found if value and "'" not in value]
    return str(node.tag) + ("".join(said) or "".join(f"[not({key})]" for key in keys))


def difference(wanted: Flat, there: Flat) -> Difference:
    """Path to (wanted, there) for all that differs."""
    return {
        path: (wanted.get(path), there.get(path)) for path in {**wanted, **there} if wanted.get(path) != there.get(path)
    }


def leaves(options: Values, kept: t.Container[str] = (), whole: t.Container[str] = ()) -> list[Leaf]:
    """Every option that can be left out by itself, those within dicts and lists of dicts before what holds them.

    Names in ``kept`` stay wherever they stand: identities, without which an item would be another. What is in ``whole`` is
    left out with all that is in it, or not at all.
    """
    found: list[Leaf] = []
    for name, value in options.items():
        for inner in value if isinstance(value, list) else [value]:
            found += leaves(inner, kept, whole) if isinstance(inner, dict) and name not in whole else ()
        if name not in kept:
            found.append((options, name))
    return found


def alike(options: Values, other: Values, kept: t.Container[str] = (), whole: t.Container[str] = ()) -> list[Leaf]:
    """The leaves of ``options`` that say the same in ``other``; items of lists are compared by their place."""
    found: list[Leaf] = []
    for name, value in options.items():
        there = other.get(name)
        for inner, one in _dicts(value, there) if name not in whole else ():
            found += alike(inner, one, kept, whole)
        if name not in kept and (value == there or (not value and not there)):
            found.append((options, name))
    return found


def _dicts(value: t.Any, there: t.Any) -> list[tuple[Values, Values]]:
    """The dicts of an option that are compared: both values themselves, or what has the same place in two lists."""
    pairs = zip(value, there) if isinstance(value, list) and isinstance(there, list) else [(value, there)]
    return [(one, other) for one, other in pairs if isinstance(one, dict) and isinstance(other, dict)]


def drop(candidates: t.Sequence[Leaf], same: t.Callable[[], bool]) -> None:
    """Take out those options that make no difference: ``same()`` says whether what they're in still comes out as it did."""
    there = [(holder, name, list(holder.items())) for holder, name in candidates if name in holder]
    if not there:
        return
    for holder, name, _before in there:
        holder.pop(name, None)
    if same():
        return
    for holder, _name, before in reversed(there):
        holder.clear()
        holder.update(before)
    if len(there) > 1:
        half = len(candidates) // 2
        drop(candidates[:half], same)
        drop(candidates[half:], same)


def drop_items(holder: Values, name: str, same: t.Callable[[], bool]) -> None:
    """Take those items out of a list that need not be on it, and the list where none is left."""

    def without(some: list[t.Any]) -> None:
        before = holder[name]
        holder[name] = [item for item in before if not any(item is one for one in some)]
        if not same():
            holder[name] = before
            for half in (some[: len(some) // 2], some[len(some) // 2 :]) if len(some) > 1 else ():
                without(half)

    without(holder[name])
    if not holder[name]:
        holder.pop(name)


def copied(value: t.Any) -> t.Any:
    """The options, with dicts and lists of their own."""
    if isinstance(value, dict):
        return {key: copied(inner) for key, inner in value.items()}
    return [copied(inner) for inner in value] if isinstance(value, list) else value


def patches(left: Difference, root: Element, lost: t.Container[str] = ()) -> list[Values]:
    """What no option says of ``root``, as entries of ``xml_patch``; elements of other namespaces whole.

    What can't be written as one (text between elements) isn't among them. ``lost`` are identities that what is made of the
    options doesn't have: elements aren't found by these.
    """
    made: list[Values] = []
    for path, (wanted, _there) in sorted(left.items(), key=lambda one: one[1][0] is not None):
        alone = not any(other.startswith(f"{path}/") for other in left)
        patch = _patch(path, wanted, root, alone, [key for key in IDENTITIES if key not in lost])
        if patch and patch not in made:
            made.append(patch)
    return made


def _patch(
    path: str, wanted: t.Optional[str], root: Element, alone: bool, identities: t.Sequence[str]
) -> t.Optional[Values]:
    """One of them; ``alone`` where nothing in the element differs, but that it's there."""
    names: dict[str, str] = {}
    foreign = re.match(r"(?:[^{/]*/)*\{[^}]*\}[^/]*", path) if wanted is not None else None
    place = re.sub(r"\{([^}]*)\}", lambda match: _prefix(match[1], root, names) + ":", foreign[0] if foreign else path)
    if place.endswith("text()"):
        return None
    place = _single(place, root, names, wanted is not None, alone or bool(foreign))
    place = _by_identity(place, root, names, wanted is None, identities)
    if not place:
        return None
    if foreign:
        wanted = document.canonical(document.xpath(root, place, names, "path")[0], alone=True)
    patch: Values = {"path": place, "delete": True} if wanted is None else {"path": place, "set": wanted}
    return {**patch, **_own_namespaces(names)}


def _own_namespaces(names: dict[str, str]) -> Values:
    """The entry of a patch for the prefixes that ``xml_patch`` doesn't know by itself, if there are any."""
    own = {prefix: uri for prefix, uri in names.items() if document.NAMESPACES.get(prefix) != uri}
    return {"namespaces": own} if own else {}


# What tells one of several elements apart, wherever it stands among them.
IDENTITIES = (
    *("@id", "@name", "@index", "alias/@name", "mac/@address"),
    *(
        "target/@dev",
        "target/@dir",
        "target/@name",
        "target/@port",
        "@type",
        "@cpu",
        "@vcpu",
        "@cell",
        "@cellid",
        "@vcpus",
    ),
)
_POSITION = re.compile(r"(.+)\[\d+\]")


def _by_identity(path: str, root: Element, names: dict[str, str], delete: bool, identities: t.Sequence[str]) -> str:
    """``path`` with what identifies an element in place of its position, which is another one's once a device comes or goes.

    Where nothing identifies an element, its position stays in a path that sets something; ``""`` for one that deletes.
    """
    steps: list[str] = []
    parts = re.findall(r"(?:[^/\[]|\[[^\]]*\])+", path)
    for number, step in enumerate(parts):
        position = _POSITION.fullmatch(step)
        known = ""
        if position and ":" not in step:
            found = document.xpath(root, "/".join([*steps, step]), names, "path")
            rest = "/".join(parts[number + 1 :])
            known = _identified(found[0], position[1], rest, identities) if found and hasattr(found[0], "tag") else ""
            if not known and delete:
                return ""
        steps.append(known or step)
    return "/".join(steps)


def _identified(node: Element, step: str, rest: str, identities: t.Sequence[str]) -> str:
    """The step that selects ``node`` by its identity; ``""`` where no identity is its own. Not by ``rest``, which is edited."""
    for key in identities:
        value = str(next(iter(node.xpath(key)), ""))
        if value and "'" not in value and key != rest:
            named = f"{step}[{key}='{value}']"
            if len(node.getparent().xpath(named)) == 1:
                return named
    return ""


def _prefix(uri: str, root: Element, names: dict[str, str]) -> str:
    known = {one: prefix for prefix, one in document.NAMESPACES.items()}
    declared = {one: prefix for node in root.iter() for prefix, one in node.nsmap.items() if prefix}
    prefix = known.get(uri) or declared.get(uri) or f"ns{len(names) + 1}"
    names[prefix] = uri
    return prefix


def _single(path: str, root: Element, names: dict[str, str], there: bool, whole: bool) -> str:
    """``path`` so that it selects one node: where a name stands for several, the first is meant. ``""``: it can't.

    Of what isn't to be ``there`` as much as goes with it.
    """
    steps: list[str] = []
    for step in re.findall(r"(?:[^/\[]|\[[^\]]*\])+", path):
        found = document.xpath(root, "/".join([*steps, step]), names, "path")
        steps.append(step if len(found) < 2 else f"{step}[1]")
        if not found:
            break
    else:  # it's there: an element that is to have nothing in it can't be told by its text
        return "/".join(steps) if there and (whole or not len(found[0] if hasattr(found[0], "tag") else ())) else ""
    return "" if there else "/".join(steps)
