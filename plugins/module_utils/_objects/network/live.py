# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of an active network can be changed while it runs: section by section, without cutting a guest off."""

from __future__ import annotations

import re
import typing as t

from ... import _libvirt
from ..._xml import document, place, rows, table
from .addresses import DHCP, DNS, IPS, network_of
from .table import PORTGROUPS

Meets = t.Callable[[t.Any, t.Any], bool]

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..._plan import Step
    from ..._xml.rows import Element, Values
    from ..draft import Draft


class Section:
    """A list that virNetworkUpdate changes item by item.

    - ``option`` is its option path; ``path`` where it is below the element that ``parents`` yields.
    - ``clash(one, other)``: whether libvirt refuses to add the one while the other is there.
    - ``finds(one, other)``: whether libvirt takes the other for the one that it is told to delete.
    - ``modify`` are the keys by one of which libvirt finds an item to change in place.
    """

    def __init__(
        self,
        option: str,
        constant: str,
        items: t.Any,
        path: str,
        words: str,
        clash: Meets,
        finds: Meets,
        modify: t.Any = (),
    ) -> None:
        self.option = option
        self.constant = constant
        self.items = items
        self.steps = place.place(path)[0]
        self.words = words
        self.clash = clash
        self.finds = finds
        self.modify = modify


def _row(group: t.Any, name: str) -> t.Any:
    return next(row for row in group.rows if row.name == name)


def _same(*keys: str) -> Meets:
    """Whether all of the keys are the same."""
    return lambda one, other: all(one.get(key) == other.get(key) for key in keys)


def _any_same(*keys: str) -> Meets:
    """Whether one of the keys is given and the same."""
    return lambda one, other: any(one.get(key) is not None and one.get(key) == other.get(key) for key in keys)


def _names_meet(one: Values, other: Values) -> bool:
    return one["ip"] == other["ip"] or bool(set(one.get("hostnames", ())) & set(other.get("hostnames", ())))


def _covers(one: Values, other: Values) -> bool:
    """Whether all that the one says is so in the other; libvirt doesn't look at ports."""
    return all(one.get(key) in (None, other.get(key)) for key in ("service", "protocol", "domain", "target"))


def _groups_meet(one: Values, other: Values) -> bool:
    return one["name"] == other["name"] or bool(one.get("default") and other.get("default"))


SECTIONS = (
    Section(
        "ips.dhcp.ranges", "IP_DHCP_RANGE", _row(DHCP, "ranges"), "dhcp/range", "DHCP range",
        _same("start", "end"), _same("start", "end"),
    ),
    Section(
        "ips.dhcp.hosts", "IP_DHCP_HOST", _row(DHCP, "hosts"), "dhcp/host", "DHCP host",
        _any_same("mac", "name", "ip"), _same("ip"), modify=("mac", "name"),
    ),
    Section("dns.hosts", "DNS_HOST", _row(DNS, "hosts"), "dns/host", "DNS host", _names_meet, _same("ip")),
    Section("dns.txt", "DNS_TXT", _row(DNS, "txt"), "dns/txt", "DNS text record", _same("name"), _same("name")),
    Section("dns.srv", "DNS_SRV", _row(DNS, "srv"), "dns/srv", "DNS service record", _covers, _covers),
    Section(
        "portgroups", "PORTGROUP", PORTGROUPS, "portgroup", "portgroup", _groups_meet, _same("name"), modify=("name",)
    ),
)  # fmt: skip


class List:
    """One such list on its way: where it is, as it runs, as it shall be, and as the steps so far have made it."""

    def __init__(self, section: Section, index: int, here: Element, there: Element) -> None:
        self.section = section
        self.index = index
        self.here = here
        self.runs = place.find_all(here, section.steps)
        then = place.find_all(there, section.steps)
        same = {document.canonical(node) for node in self.runs} & {document.canonical(node) for node in then}
        self.old = [node for node in self.runs if document.canonical(node) not in same]
        self.new = [node for node in then if document.canonical(node) not in same]

    def values(self, node: Element) -> Values:
        return rows.read(self.section.items.rows, node)

    def meeting(self, meets: Meets, node: Element) -> list[Element]:
        """The items that are there and meet this one."""
        one = self.values(node)
        return [other for other in self.runs if meets(one, self.values(other))]

    def follower(self, node: Element) -> t.Optional[Element]:
        """What libvirt can put in this item's place in one step."""
        one, by = self.values(node), _any_same(*self.section.modify)
        found = (new for new in self.new if by(one, self.values(new)))
        return next((new for new in found if self.meeting(self.section.clash, new) == [node]), None)


def live(draft: Draft) -> Element:
    """Add the steps that bring the running network up to the definition; returns its document after them.

    What goes goes first: what comes may be refused while it is there. What libvirt can't tell apart waits for a restart.
    """
    running = document.clone(draft.running)
    touched = _touched(draft)
    lists = [
        List(section, index, here, there)
        for section in SECTIONS
        if section.option in touched
        for index, here, there in _parents(section, running, draft.shown)
    ]
    for one in lists:
        _take_out(draft, one)
    for one in lists:
        _put_in(draft, one)
    return running


def _touched(draft: Draft) -> set[str]:
    """The sections in which the running network differs and which this task speaks of."""
    edited = {change.path for change in draft.changes}
    touched = set()
    for change in rows.compare(draft.noun.rows, draft.running, draft.shown):
        if "xml" in edited or change.path in edited or table.managed(draft.wanted, change):
            plain = re.sub(r"\[[^]]*\]", "", change.path)
            touched |= {section.option for section in SECTIONS if (plain + ".").startswith(section.option + ".")}
    return touched


def _parents(section: Section, running: Element, stored: Element) -> t.Iterator[tuple[int, Element, Element]]:
    """Where the list is in both documents, with the index that libvirt asks for: the subnet's, else -1."""
    if not section.option.startswith("ips."):
        dns = running.find("dns")
        if dns is None or dns.get("enable") != "no" or not section.option.startswith("dns."):
            yield -1, running, stored
        return
    wanted = {network_of(rows.read(IPS.rows, node)): node for node in stored.findall("ip")}
    for index, node in enumerate(running.findall("ip")):
        there = wanted.get(network_of(rows.read(IPS.rows, node)))
        if there is not None:
            yield index, node, there


def _take_out(draft: Draft, one: List) -> None:
    """Steps that delete what isn't wanted any more, and change what is wanted otherwise."""
    for node in one.old:
        follower = one.follower(node)
        if follower is not None:
            _add(draft, one, "modify", follower, node)
            one.new.remove(follower)
            one.runs[one.runs.index(node)] = follower
        elif one.meeting(one.section.finds, node) == [node]:
            _add(draft, one, "delete", node, node)
            one.runs.remove(node)


def _put_in(draft: Draft, one: List) -> None:
    """Steps that add what is new; then the list in the running document is as the steps make it."""
    for node in one.new:
        if not one.meeting(one.section.clash, node):
            _add(draft, one, "add", node, node)
            one.runs.append(node)
    kept = [document.clone(node) for node in one.runs]
    for node in place.find_all(one.here, one.section.steps):
        place.drop(one.here, node)
    if kept:
        place.ensure(one.here, one.section.steps[:-1]).extend(kept)


_BACK = {"add": "delete", "delete": "add", "modify": "modify"}
_SAYS = {"add": "add {} to {} live", "delete": "take {} out of {} live", "modify": "change {} of {} live"}


def _add(draft: Draft, one: List, command: str, node: Element, before: Element) -> None:
    """A step for one item, and the step that takes it back."""
    section = one.section
    words = f"{section.words} {section.items.label(one.values(node), 0)}"
    arguments = {"section": section.constant, "index": one.index}
    undo = _step(draft, _BACK[command], f"put {words} back", before, arguments)
    step = _step(draft, command, _SAYS[command].format(words, draft.title), node, arguments)
    step.undo = undo
    step.live = True
    draft.plan.steps.append(step)


def _step(draft: Draft, command: str, text: str, node: Element, arguments: Values) -> Step:
    if command == "delete" and arguments["section"] == "DNS_HOST":  # a name may stand for several addresses
        node = document.element("host", ip=node.get("ip"))
    return draft.step("update", text, command=command, xml=document.text_of(node), **arguments)


_COMMANDS = {"add": "ADD_LAST", "delete": "DELETE", "modify": "MODIFY"}


def network_update(world: World, there: t.Any, command: str, section: str, index: int, xml: str) -> None:
    """One item of the running network; the definition has it already."""
    there.update(
        _libvirt.constant(f"VIR_NETWORK_UPDATE_COMMAND_{_COMMANDS[command]}"),
        _libvirt.constant(f"VIR_NETWORK_SECTION_{section}"),
        index,
        xml,
        _libvirt.constant("VIR_NETWORK_UPDATE_AFFECT_LIVE"),
    )
