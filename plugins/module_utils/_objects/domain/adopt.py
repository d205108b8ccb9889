# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain that is there as options that make it again: ``as: options`` of domain_info."""

from __future__ import annotations

import re
import typing as t

from ..._plan import KvmError, Plan
from ..._xml import document
from ..._xml.export import difference, fewest, flat, patches
from ..._xml.items import Items
from ..._xml.rows import Edit, Values, apply, read, specs
from ..._xml.table import public
from .devices import SEED_SERIAL
from .documents import persistent_document
from .new import add_hotplug_ports, new_options, skeleton
from .rendering import rendered
from .surroundings import Surroundings
from .table import DOMAIN

Element = document.Element

# Identity, and what libvirt numbers by itself: where a device sits, aliases, paths made from names and UUIDs.
IGNORED = re.compile(
    r"^uuid$|^devices/interface\[[^]]*\]/mac@|/address(@|$|/)|/alias@|^os/nvram|^devices/emulator$|^seclabel"
    r"|^devices/controller\[pci/|/target@(chassis|port|chassisNr|busNr)$"
)
KEPT = (
    "name",
    "target",
    "type",
    "mac",
    "index",
    "port",
    "file",
    "block",
    "pool",
    "volume",
    "network",
    "bridge",
    "user",
)


def options_of(world: t.Any, domain: t.Any, identity: str) -> Values:
    """``{options, not_exported, secrets_needed}`` of one domain.

    The options as the module domain takes them, sizes in units. With ``identity`` V(new) without what must be unique.
    """
    wanted = persistent_document(domain, secrets=False)
    name = wanted.findtext("name")
    bare = _without_seed(wanted)
    target = rendered(world, bare)
    ports = len(target.findall("devices/controller[@model='pcie-root-port']"))
    goal = flat(DOMAIN, target, IGNORED)

    def made(options: Values) -> Element:
        return rendered(world, _fresh(world, name, wanted.findtext("uuid"), options))

    def distance(options: Values) -> dict[str, t.Any]:
        try:
            return difference(goal, flat(DOMAIN, made(options), IGNORED))
        except KvmError as error:  # what can't be made is no nearer
            return {"": str(error)}

    everything = {**_nothing(), **public(DOMAIN, read(DOMAIN, target))}
    options = fewest(everything, distance, KEPT)
    result = made(options)
    extra = ports - len(result.findall("devices/controller[@model='pcie-root-port']"))
    patch, impossible = patches(difference(goal, flat(DOMAIN, result, IGNORED)))
    shown: Values = {"name": name, **_as_given(DOMAIN, options)}
    if extra:
        shown["hotplug_ports"] = max(0, 12 + extra)
    if patch:
        shown["xml_patch"] = patch
    if identity == "new":
        shown = _anonymous(shown)
    else:
        shown["uuid"] = wanted.findtext("uuid")
    return {
        "options": shown,
        "not_exported": impossible + (["cloud_init"] if bare is not wanted else []),
        "secrets_needed": _secrets(domain),
    }


def _without_seed(root: Element) -> Element:
    seeds = [disk for disk in root.iterfind("devices/disk") if disk.findtext("serial") == SEED_SERIAL]
    if not seeds:
        return root
    bare = document.clone(root)
    for disk in bare.findall("devices/disk"):
        if disk.findtext("serial") == SEED_SERIAL:
            document.remove(disk)
    return bare


def _nothing() -> Values:
    """Every list empty: what a domain hasn't got must be said where a new one would get it."""
    return {row.name: [] for row in DOMAIN if isinstance(row, Items) and not row.add_only}


def _fresh(world: t.Any, name: str, uuid: str, options: Values) -> Element:
    """The document that the module domain would make of the options."""
    full = new_options(world, options, name)
    root = skeleton(name, uuid)
    edit = Edit(lambda: Surroundings(world, Plan("domain"), root, full), creating=True)
    apply(DOMAIN, root, full, "", edit)
    add_hotplug_ports(root, full.get("machine", ""), 12)
    return root


def _as_given(rows: t.Iterable[t.Any], options: Values) -> Values:
    """Canonical values as a user writes them: sizes in units."""
    shows = {row.name: row.type.show for row in rows if hasattr(row, "type") and hasattr(row, "same")}
    inner = {row.name: row.rows for row in rows if hasattr(row, "rows")}
    branches = [row.branches for row in rows if hasattr(row, "branches")]
    for branch in branches:
        for nested in branch.values():
            shows.update({row.name: row.type.show for row in nested if hasattr(row, "same")})
            inner.update({row.name: row.rows for row in nested if hasattr(row, "rows")})
    out: Values = {}
    for name, value in options.items():
        if name in inner and isinstance(value, list):
            out[name] = [_as_given(inner[name], item) for item in value]
        elif name in inner and isinstance(value, dict):
            out[name] = _as_given(inner[name], value)
        else:
            out[name] = shows[name](value) if name in shows else value
    return out


def _anonymous(options: Values) -> Values:
    out = {name: value for name, value in options.items() if name != "uuid"}
    if "interfaces" in out:
        out["interfaces"] = [{key: value for key, value in item.items() if key != "mac"} for item in out["interfaces"]]
    return out


def _secrets(domain: t.Any) -> list[str]:
    """Option paths whose value is secret and set: the reader must supply it."""
    try:
        root = persistent_document(domain, secrets=True)
    except Exception:  # a reader without the right to see secrets can't say which there are
        return []
    return [path for path, spec in _secret_paths(read(DOMAIN, root), specs(DOMAIN), "") if spec]


def _secret_paths(values: Values, options: Values, path: str) -> t.Iterator[tuple[str, bool]]:
    for name, value in values.items():
        spec = options.get(name, {})
        inner = spec.get("options")
        for index, item in enumerate(value if isinstance(value, list) else [value]):
            where = f"{path}{name}[{index}]" if isinstance(value, list) else f"{path}{name}"
            if inner and isinstance(item, dict):
                yield from _secret_paths(item, inner, where + ".")
            elif spec.get("no_log"):
                yield where, True
