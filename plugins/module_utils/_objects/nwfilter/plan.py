# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's network filters: their life, what refers to them, what results say of them."""

from __future__ import annotations

import typing as t

from ..._libvirt import missing_object
from ..._plan import KvmError, Plan
from ..._xml import document, table
from .. import kind, life
from .table import NWFILTER, complete, written

if t.TYPE_CHECKING:
    from ..._xml.rows import Element, Values


def _check(draft: kind.Draft) -> None:
    """What libvirt would take and then not do: sets of addresses with flags, references that lead nowhere."""
    if draft.before is not None and not draft.changes:
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
        if node.tag == "filterref" and name and draft.kind.find(draft.world, name) is None:
            missing = missing_object("nwfilter", name, f"rules[{index}].filterref")
            if draft.params["xml"] is None:
                draft.plan.assume(missing)
            else:
                draft.plan.warnings.append(str(missing))


def users(world: t.Any, name: str) -> list[str]:
    """Who refers to a filter: domains by their interfaces, and other filters."""
    found = []
    for other in world.connection.listAllNWFilters():
        if _refers(document.document(other.XMLDesc(0)), "filterref", name):
            found.append(f"nwfilter {other.name()}")
    for domain in world.connection.listAllDomains():
        flags = (0, _INACTIVE) if domain.isActive() and domain.isPersistent() else (0,)
        if any(_refers(document.document(domain.XMLDesc(flag)), "devices/interface/filterref", name) for flag in flags):
            found.append(f"domain {domain.name()}")
    return sorted(found)


_INACTIVE = 2  # VIR_DOMAIN_XML_INACTIVE


def _refers(root: Element, path: str, name: str) -> bool:
    return any(node.get("filter") == name for node in root.iterfind(path))


def _not_in_use(draft: kind.Draft) -> None:
    used = users(draft.world, draft.name)
    if used:
        raise KvmError(
            f"state: nwfilter {draft.name} is in use by {', '.join(used)}",
            "Take it out of them first (a guest's interfaces[].filter, a filter's rules).",
            option="state",
        )


KIND = kind.Kind(
    "nwfilter",
    NWFILTER,
    "nwfilterDefineXML",
    runs=False,
    tag="filter",
    naming="@name",
    written=written,
    normal=kind.rebuilt(complete),
    check=_check,
    remove=_not_in_use,
)

ARGUMENT_SPEC: Values = {**kind.DEFINITION_SPEC, **table.argument_spec(NWFILTER)}


def plan_nwfilter(world: t.Any, params: kind.Params) -> Plan:
    """What brings a filter to what the options say."""
    return life.plan_object(world, KIND, params)


def operations() -> kind.Operations:
    """What the steps of a filter's plan can do."""
    return kind.operations(KIND)


def describe(world: t.Any, params: kind.Params) -> t.Optional[Values]:
    """The filter after the run."""
    return kind.describe(world, KIND, params)


def read_nwfilters(world: t.Any, params: kind.Params) -> Values:
    """The result of nwfilter_info; as options, filters come after those that they refer to."""
    result = kind.read_all(world, KIND, params, "nwfilters", world.connection.listAllNWFilters)
    if isinstance(result.get("options"), list):
        order = _references_first(result["options"])
        for key in ("options", "not_exported", "secrets_needed"):
            result[key] = [result[key][index] for index in order]
    return result


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
