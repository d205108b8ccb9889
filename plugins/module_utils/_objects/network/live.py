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

if t.TYPE_CHECKING:
    from ..._plan import Step
    from ..._xml.rows import Element, Values
    from ..kind import Draft


class Section:
    """A list that virNetworkUpdate changes item by item.

    ``option`` is its option path; ``path`` where it is below the element that ``parents`` yields; ``modify`` whether
    libvirt changes an item in place, which it finds by the list's first key.
    """

    def __init__(self, option: str, constant: str, items: t.Any, path: str, words: str, modify: bool) -> None:
        self.option = option
        self.constant = constant
        self.items = items
        self.steps = place.place(path)[0]
        self.words = words
        self.modify = modify


def _row(group: t.Any, name: str) -> t.Any:
    return next(row for row in group.rows if row.name == name)


SECTIONS = (
    Section("ips.dhcp.ranges", "IP_DHCP_RANGE", _row(DHCP, "ranges"), "dhcp/range", "DHCP range", False),
    Section("ips.dhcp.hosts", "IP_DHCP_HOST", _row(DHCP, "hosts"), "dhcp/host", "DHCP host", True),
    Section("dns.hosts", "DNS_HOST", _row(DNS, "hosts"), "dns/host", "DNS host", False),
    Section("dns.txt", "DNS_TXT", _row(DNS, "txt"), "dns/txt", "DNS text record", False),
    Section("dns.srv", "DNS_SRV", _row(DNS, "srv"), "dns/srv", "DNS service record", False),
    Section("portgroups", "PORTGROUP", PORTGROUPS, "portgroup", "portgroup", True),
)


def live(draft: Draft) -> Element:
    """Add the steps that bring the running network up to the definition; returns its document after them."""
    running = document.clone(draft.running)
    touched = _touched(draft)
    for section in SECTIONS:
        if section.option in touched:
            for index, here, there in _parents(section, running, draft.shown):
                _update(draft, section, index, here, there)
    return running


def _touched(draft: Draft) -> set[str]:
    """The sections in which the running network differs and which this task speaks of."""
    edited = {change.path for change in draft.changes}
    touched = set()
    for change in rows.compare(draft.kind.rows, draft.running, draft.shown):
        if "xml" in edited or change.path in edited or table.managed(draft.wanted, change):
            plain = re.sub(r"\[[^]]*\]", "", change.path)
            touched |= {section.option for section in SECTIONS if (plain + ".").startswith(section.option + ".")}
    return touched


def _parents(section: Section, running: Element, stored: Element) -> t.Iterator[tuple[int, Element, Element]]:
    """Where the list is in both documents, with the index that libvirt asks for: the subnet's, else -1."""
    if not section.option.startswith("ips."):
        yield -1, running, stored
        return
    wanted = {network_of(rows.read(IPS.rows, node)): node for node in stored.findall("ip")}
    for index, node in enumerate(running.findall("ip")):
        there = wanted.get(network_of(rows.read(IPS.rows, node)))
        if there is not None:
            yield index, node, there


def _update(draft: Draft, section: Section, index: int, here: Element, there: Element) -> None:
    """Steps from the items that run to those that are defined, and the running document brought there."""
    now, then = place.find_all(here, section.steps), place.find_all(there, section.steps)
    same = {document.canonical(node) for node in now} & {document.canonical(node) for node in then}
    old = [node for node in now if document.canonical(node) not in same]
    new = [node for node in then if document.canonical(node) not in same]
    for node in old:
        follower = next(
            (other for other in new if section.modify and _key(section, other) == _key(section, node)), None
        )
        if follower is None:
            _add(draft, section, index, "delete", node, node)
        else:
            _add(draft, section, index, "modify", follower, node)
            new.remove(follower)
        place.drop(here, node)
    for node in new:
        _add(draft, section, index, "add", node, node)
    if then:
        above = place.ensure(here, section.steps[:-1])
        for node in place.find_all(here, section.steps):
            document.remove(node)
        above.extend(document.clone(node) for node in then)


def _key(section: Section, node: Element) -> t.Any:
    return rows.read(section.items.rows, node).get(section.items.keys[0])


_BACK = {"add": "delete", "delete": "add", "modify": "modify"}
_SAYS = {"add": "add {} to {} live", "delete": "take {} out of {} live", "modify": "change {} of {} live"}


def _add(draft: Draft, section: Section, index: int, command: str, node: Element, before: Element) -> None:
    """A step for one item, and the step that takes it back."""
    item: Values = rows.read(section.items.rows, node)
    words = f"{section.words} {section.items.label(item, 0)}"
    arguments = {"section": section.constant, "index": index}
    undo = _step(draft, _BACK[command], f"put {words} back", before, arguments)
    step = _step(draft, command, _SAYS[command].format(words, draft.title), node, arguments)
    step.undo = undo
    draft.plan.steps.append(step)


def _step(draft: Draft, command: str, text: str, node: Element, arguments: Values) -> Step:
    return draft.step("network_update", text, command=command, xml=document.text_of(node), **arguments)


_COMMANDS = {"add": "ADD_LAST", "delete": "DELETE", "modify": "MODIFY"}


def network_update(world: t.Any, there: t.Any, command: str, section: str, index: int, xml: str) -> None:
    """One item of the running network; the definition has it already."""
    there.update(
        _libvirt.constant(f"VIR_NETWORK_UPDATE_COMMAND_{_COMMANDS[command]}"),
        _libvirt.constant(f"VIR_NETWORK_SECTION_{section}"),
        index,
        xml,
        _libvirt.constant("VIR_NETWORK_UPDATE_AFFECT_LIVE"),
    )
