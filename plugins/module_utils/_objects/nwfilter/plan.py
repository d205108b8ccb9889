# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's network filters: their life, what refers to them, what results say of them."""

from __future__ import annotations

import typing as t

from ..._libvirt import documents, missing_object, tried
from ..._plan import KvmError
from ..._xml import table
from ..info import EXPORTED
from ..noun import DEFINITION_SPEC, ByRows, Params
from ..usage.descriptions import descriptions
from .contradictions import CONTRADICTIONS
from .table import NWFILTER, complete, written

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..._xml.rows import Element, Values
    from ..draft import Draft


class NWFilter(ByRows):
    """A network filter."""

    name = "nwfilter"
    rows = NWFILTER
    define_call = "nwfilterDefineXML"
    list_call = "listAllNWFilters"
    runs = False
    tag = "filter"
    naming = "@name"
    contradictions = CONTRADICTIONS

    def written(self, root: Element) -> Element:
        """The document with what libvirt leaves out."""
        return written(root)

    def complete(self, values: Values) -> Values:
        """The values with what libvirt fills in."""
        return complete(values)

    def info(self, world: World, params: Params) -> Values:
        """As options, filters come after those that they refer to."""
        result = super().info(world, params)
        if isinstance(result.get("options"), list):
            order = _references_first(result["options"])
            for key in EXPORTED:
                result[key] = [result[key][index] for index in order]
        return result

    def check(self, draft: Draft) -> None:
        """What libvirt would take and then not do: sets of addresses with flags, references that lead nowhere."""
        if draft.unchanged:
            return
        for node in draft.after.iterfind("rule/*[@ipset]"):
            flags = node.attrib.pop("ipsetflags", "src")
            if flags.lower() != "src":
                raise KvmError(
                    f"xml: libvirt drops the ipset {node.get('ipset')} where its flags ({flags}) are given",
                    "Leave ipsetflags out; libvirt takes src.",
                    option="xml",
                )
        for index, node in enumerate(draft.after.iterchildren("rule", "filterref")):
            name = node.get("filter")
            if node.tag == "filterref" and name and self.find(draft.world, name) is None:
                missing = missing_object("nwfilter", name, f"rules[{index}].filterref")
                if draft.params["xml"] is None:
                    draft.plan.assume(missing)
                else:
                    draft.plan.warnings.append(str(missing))
        _refuse_loop(draft)

    def remove(self, draft: Draft) -> None:
        """Nobody refers to it."""
        used = users(draft.world, draft.name)
        if used:
            raise KvmError(
                f"state: nwfilter {draft.name} is in use by {', '.join(used)}",
                "Take it out of them first (a guest's interfaces[].filter, a filter's rules).",
                option="state",
            )


def _refuse_loop(draft: Draft) -> None:
    """Refuse a reference that leads back to this filter, over whatever others: libvirt says so only when it's defined."""
    for index, node in enumerate(draft.after.iterchildren("rule", "filterref")):
        if node.tag != "filterref":
            continue
        first, seen, ahead = node.get("filter"), set(), [node.get("filter")]
        while ahead:
            name = ahead.pop()
            if name == draft.name:
                raise KvmError(
                    f"rules[{index}].filterref: nwfilter {first} leads back to nwfilter {draft.name} itself",
                    "Take one of the references out: a filter can't be a part of itself.",
                    option=f"rules[{index}].filterref",
                )
            there = None if name in seen else draft.noun.find(draft.world, name)
            seen.add(name)
            listing = [] if there is None else [there]
            ahead += [
                one.get("filter") for dummy, root in documents("nwfilter", listing) for one in root.iter("filterref")
            ]


def users(world: World, name: str) -> list[str]:
    """Who refers to a filter: domains by their interfaces, and other filters."""
    missed: list[str] = []
    others = documents("nwfilter", world.connection.listAllNWFilters(), missed)
    found = [f"nwfilter {other}" for other, root in others if _refers(root, name)]
    for domain in world.connection.listAllDomains():
        title = f"domain {tried(domain.name)[0]}"
        roots, unread = _definitions(domain)
        found += [title] if any(_refers(root, name) for root in roots) else []
        missed += [f"{title} can't be read: {why}" for why in unread]
    return sorted(found) + [f"perhaps another ({why})" for why in missed]


def _definitions(domain: t.Any) -> tuple[list[Element], list[str]]:
    """A domain's definitions, and why others can't be read. A snapshot needs its filter only when it's reverted to."""
    said = [(root, why) for what, root, why in descriptions(domain) if not what]
    return [root for root, _why in said if root is not None], [why for root, why in said if root is None]


def _refers(root: Element, name: str) -> bool:
    return any(node.get("filter") == name for node in root.iterfind(".//filterref"))


NOUN = NWFilter()

ARGUMENT_SPEC: Values = {**DEFINITION_SPEC, **table.argument_spec(NWFILTER)}


def _references_first(filters: list[Values]) -> list[int]:
    """The numbers of the filters, each after those of the filters that its rules name."""
    numbers = {one["name"]: index for index, one in enumerate(filters)}
    order: list[int] = []

    def follow(index: int, above: tuple[int, ...]) -> None:
        if index in order or index in above:
            return
        for rule in filters[index].get("rules", ()):
            if rule.get("filterref") in numbers:
                follow(numbers[rule["filterref"]], (*above, index))
        order.append(index)

    for index in range(len(filters)):
        follow(index, ())
    return order
