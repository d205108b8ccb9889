# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain that is there as options that make it again: ``as: options`` of domain_info."""

from __future__ import annotations

import functools
import re
import typing as t

from ..._plan import KvmError, Plan
from ..._xml import document, export
from ..._xml.contradictions import check as check_contradictions
from ..._xml.items import Items
from ..._xml.kinds import Attributes
from ..._xml.patch import apply as apply_patches
from ..._xml.rows import Edit, Union, Values, apply, parse, read, specs
from ..._xml.table import secret_paths
from ..._xml.types import PRESENT
from .contradictions import CONTRADICTIONS
from .devices import is_seed
from .documents import persistent_document
from .new import PCIE_MACHINES, add_hotplug_ports, new_options, skeleton
from .rendering import judged
from .surroundings import Surroundings
from .table import DOMAIN, NEW

if t.TYPE_CHECKING:
    from ..._libvirt import World

Element = document.Element

# Never compared: what the name says, our own notes, and what nothing is without its secret. In another place: what must be
# unique, and where devices sit.
NOTES = r"^name$|^metadata/\{https://metal.kvm[^}]*\}kvm(/@|$)|^devices/graphics(\[\d+\])?/@(passwdValidTo|connected)$"
SAME = re.compile(NOTES)
ELSEWHERE = re.compile(
    NOTES
    + r"|^uuid$|^sysinfo/system/entry\[@name='uuid'\]$|^devices/interface(\[\d+\])?/mac/@address$|/address(\[\d+\])?(/|$)|^os/nvram$"
    r"|^devices/controller\[@type='pci'\].*/target/@(chassis|port|chassisNr|busNr)$"
)
# What an item of a list can't be without.
KEPT = ("name", "target", "type", "bus", "path", "mac", "index", "port", "format", "memory")
CONTROLLER = re.compile(r"devices/controller\[@type='pci'\]\[@index='\d+'\]/")
PORTS = 12  # what a new domain gets unless told


class Export:
    """One domain on its way to options: what it is in libvirt's words, and how near options come to it."""

    def __init__(self, world: World, wanted: Element, identity: str) -> None:
        self.world = world
        self.name = wanted.findtext("name")
        self.uuid = wanted.findtext("uuid")
        self.target = wanted
        self.ignored = ELSEWHERE if identity == "new" else SAME
        self.lost = ["mac/@address"] if identity == "new" else []
        self.goal = export.flat(self.target, self.ignored)
        self.ports = PORTS

    def made(self, options: Values, patch: t.Sequence[Values] = ()) -> Element:
        """The domain that the module domain would make of the options, as libvirt writes it."""
        given = parse(DOMAIN, as_given(DOMAIN, options))
        full = new_options(self.world, given, self.name)
        root = skeleton(self.name, self.uuid)
        edit = Edit(lambda: Surroundings(self.world, Plan("domain"), root, full), creating=True)
        apply(DOMAIN, root, full, "", edit)
        add_hotplug_ports(root, full.get("machine", ""), self.ports)
        apply_patches(root, patch)
        return judged(self.world, root)

    def distance(self, options: Values, patch: t.Sequence[Values] = ()) -> export.Difference:
        """What is still different; ``{"": …}`` where nothing can be made of the options."""
        try:
            return export.difference(self.goal, export.flat(self.made(options, patch), self.ignored))
        except KvmError as error:
            return {"": (None, str(error))}

    def patches(self, options: Values) -> tuple[list[Values], list[str]]:
        """What the options don't say, as ``xml_patch``, and the paths that this can't say either."""
        there = self.distance(options)
        for differing in (there, self._whole_controllers(there)):
            wanted = export.patches(differing, self.target, self.lost)
            left = self.distance(options, wanted)
            if "" not in left:
                return wanted, sorted(left)
        done: list[Values] = []
        for patch in wanted:  # one that can't be is not to spoil the others
            if "" not in self.distance(options, [*done, patch]):
                done.append(patch)
        return done, sorted(self.distance(options, done))

    def _whole_controllers(self, there: export.Difference) -> export.Difference:
        """With all of those that differ: libvirt has yet to make them when they're patched."""
        touched = {found[0] for path in there if (found := CONTROLLER.match(path))}
        whole = {path: (value, None) for path, value in self.goal.items() if path.startswith(tuple(touched))}
        return {**there, **whole}

    def options(self) -> Values:
        """The fewest options that come as near to the domain as all that it says."""
        whole = _sources(DOMAIN)
        kept = (*KEPT, *whole)
        whole.add("address")
        everything = self._everything(self.target)
        self.ports = self._ports(everything)
        if not self.ports:
            everything = self._everything(self.target)
        candidates = self._candidates(everything, kept, whole)
        goal = self.distance(everything)
        if "" in goal:
            export.drop(_addresses(everything), lambda: "" not in self.distance(everything))
            goal = self.distance(everything)
        addresses = _addresses(everything)
        for some in (addresses, [leaf for leaf in candidates if leaf not in addresses]):
            export.drop(some, lambda: self.distance(everything) == goal)
        if "controllers" in everything:
            export.drop_items(everything, "controllers", lambda: self.distance(everything) == goal)
        return everything

    def _candidates(self, options: Values, kept: tuple[str, ...], whole: set[str]) -> list[export.Leaf]:
        """The options that can perhaps be left out. What a new domain would have unasked is switched off in ``options``."""
        least = export.copied(options)
        for holder, name in export.leaves(least, kept, {*whole, "controllers"}):
            if not isinstance(holder[name], list):
                holder.pop(name)
        try:
            there = self._everything(self.made(least))
        except KvmError:  # it can't be without some of it: nothing is known of what would be there by itself
            return export.leaves(options, kept, whole)
        _deny(DOMAIN, options, there)
        return export.alike(options, there, kept, whole)

    def _everything(self, root: Element) -> Values:
        """All options as the document says, with the lists that are empty, and where devices sit."""
        values = {**nothing(), **sayable(specs(DOMAIN), read(DOMAIN, root))}
        for items in DOMAIN:
            devices = self._devices(items, root) if isinstance(items, Items) else []
            if devices:
                values[items.name] = _declarable(items, devices)
        return _taken({name: values[name] for name in specs(DOMAIN) if name in values and name != "uuid"})

    def _devices(self, items: Items, root: Element) -> list[Values]:
        """The devices of a list with their addresses. Empty where it has none, and libvirt's own devices needn't be listed."""
        address: t.Any = next((row for row in items.rows if isinstance(row, Attributes)), None)
        every = items.name == "controllers" and not self.ports
        every |= items.name == "audio" and len(items.elements(root)) > 1  # libvirt makes one where there is none
        if address is None and not every:
            return []
        nodes = items.elements(root) if every else items.listed(root)
        return [_device(items, address, node) for node in nodes]

    def _ports(self, options: Values) -> int:
        """How many spare PCIe ports a new domain would get by ``hotplug_ports`` to have these; 0: not by their number."""
        bare = export.copied(options)
        for holder, name in _addresses(bare):
            holder.pop(name)
        for spare in (PORTS, None):
            try:
                there = self.made(bare)
            except KvmError:
                return 0
            wanted, got = _buses(self.target), _buses(there)
            if wanted == got:
                return self.ports
            self.ports += len(wanted) - len(got)
            if spare is None or self.ports < 1:
                break
        return 0


def options_of(world: World, domain: t.Any, identity: str) -> Values:
    """``{options, not_exported, secrets_needed}`` of one domain.

    The options as the module domain takes them, sizes in units. With ``identity`` V(new) without what must be unique.
    """
    wanted = persistent_document(domain, secrets=False)
    bare = _without_seed(wanted)
    adoption = Export(world, bare, identity)
    options = adoption.options()
    patch, left = adoption.patches(options)
    shown: Values = {"name": adoption.name, **as_given(DOMAIN, options)}
    if adoption.ports != PORTS and str(options.get("machine", "q35")).startswith(PCIE_MACHINES):
        shown["hotplug_ports"] = adoption.ports
    if patch:
        shown["xml_patch"] = patch
    if identity == "new":
        shown = _anonymous(shown)
    else:
        shown["uuid"] = adoption.uuid
    return {
        "options": shown,
        "not_exported": left + (["cloud_init"] if bare is not wanted else []),
        "secrets_needed": _secrets(domain),
    }


def _taken(options: Values) -> Values:
    """The options that the module takes. What it refuses although libvirt has it is for ``xml_patch``: two items of a list with
    one identity, values that contradict each other."""
    try:
        check_contradictions(CONTRADICTIONS, parse(DOMAIN, as_given(DOMAIN, options)))
    except KvmError as error:
        name = str(error.details.get("option")).partition(".")[0].partition("[")[0]
        if name not in options:
            raise
        return _taken(_without(options, name))
    return options


def _device(items: Items, address: t.Any, node: Element) -> Values:
    """A device as options, with its address where the list has a row for it."""
    item = sayable(specs(items.rows), read(items.rows, node))
    where = None if address is None else address.value(node)
    return {**item, address.name: where} if where else item


def _declarable(items: Items, devices: list[Values]) -> list[Values]:
    """The devices that have all options that are required."""
    needed = {name for name, spec in specs(items.rows).items() if spec.get("required")}
    return [item for item in devices if needed <= item.keys()]


def _without(options: Values, name: str) -> Values:
    return {key: value for key, value in options.items() if key != name}


def _addresses(options: Values) -> list[export.Leaf]:
    found = export.leaves(options, (), ("address",))
    return [leaf for leaf in found if leaf[1] == "address" and isinstance(leaf[0]["address"], dict)]


def _buses(root: Element) -> list[tuple[t.Optional[str], t.Optional[str]]]:
    """The PCI controllers: number and model."""
    nodes = root.iterfind("devices/controller[@type='pci']")
    return sorted((node.get("index"), node.get("model")) for node in nodes)


def _sources(rows: t.Iterable[t.Any]) -> set[str]:
    """The options that say what kind a device is of: it can't be without."""
    found: set[str] = set()
    for row in rows:
        if isinstance(row, Union):
            found.update(row.spec())
        elif getattr(row, "required", False):
            found.add(row.name)
        found |= _sources(getattr(row, "rows", ()))
    return found


def _deny(rows: t.Iterable[t.Any], options: Values, there: Values) -> None:
    """Say no to what a new domain has where the options say nothing."""
    for row in rows:
        value = there.get(row.name) if hasattr(row, "name") else None
        if isinstance(value, dict) and hasattr(row, "rows"):
            inner = options.get(row.name, {})
            _deny(row.rows, inner, value)
            if inner:
                options[row.name] = inner
        elif value is True and getattr(row, "type", None) is PRESENT:
            options.setdefault(row.name, False)


def _without_seed(root: Element) -> Element:
    if not any(map(is_seed, root.iterfind("devices/disk"))):
        return root
    bare = document.clone(root)
    for disk in filter(is_seed, bare.findall("devices/disk")):
        document.remove(disk)
    return bare


def sayable(options: t.Mapping[str, Values], values: Values) -> Values:
    """The values that the options take, without secret ones."""
    return {name: _sayable(options[name], value) for name, value in values.items() if _is_sayable(options[name], value)}


def _is_sayable(spec: Values, value: t.Any) -> bool:
    """Whether an option takes the value, and neither is secret."""
    choices = spec.get("choices")
    is_other = choices and not isinstance(value, list) and value not in choices
    return not (spec.get("no_log") or spec.get("quiet") or is_other)


def _sayable(spec: Values, value: t.Any) -> t.Any:
    inner = spec.get("options")
    return _map_dicts(value, functools.partial(sayable, inner)) if inner else value


def _map_dicts(value: t.Any, change: t.Callable[[Values], Values]) -> t.Any:
    """The dict, or each dict of the list, changed; any other value as it is."""
    if isinstance(value, list):
        return [change(item) for item in value]
    return change(value) if isinstance(value, dict) else value


def nothing() -> Values:
    """Every list empty: what a domain hasn't got must be said where a new one would get it."""
    return {row.name: [] for row in DOMAIN if isinstance(row, Items) and not row.add_only}


def as_given(rows: t.Iterable[t.Any], options: Values) -> Values:
    """Canonical values as a user writes them: sizes in units."""
    known = {row.name: row for row in _named_rows(rows)}
    return {name: _as_given(known.get(name), value) for name, value in options.items()}


def _named_rows(rows: t.Iterable[t.Any]) -> t.Iterator[t.Any]:
    """The rows that have a name, those in branches among them."""
    for row in rows:
        for branch in row.branches.values() if hasattr(row, "branches") else ([row],):
            yield from branch


def _as_given(row: t.Any, value: t.Any) -> t.Any:
    if hasattr(row, "rows"):
        return _map_dicts(value, functools.partial(as_given, row.rows))
    return row.type.show(value) if hasattr(row, "same") else value


def _anonymous(options: Values) -> Values:
    """The options without what must be unique."""
    out = _without(options, "uuid")
    if "genid" in out:
        out["genid"] = NEW
    sysinfo = out.get("sysinfo") or {}
    if "uuid" in sysinfo.get("system", {}):
        out["sysinfo"] = {**sysinfo, "system": _without(sysinfo["system"], "uuid")}
    if "interfaces" in out:
        out["interfaces"] = [_without(item, "mac") for item in out["interfaces"]]
    return out


def _secrets(domain: t.Any) -> list[str]:
    """Option paths whose value is secret and set: the reader must supply it."""
    try:
        root = persistent_document(domain, secrets=True)
    except Exception:  # a reader without the right to see secrets can't say which there are
        return []
    return list(secret_paths(read(DOMAIN, root), specs(DOMAIN), ""))
