# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of a network filter: one list, in order, of what is matched and of other filters that are taken in."""

from __future__ import annotations

import difflib
import json
import re
import typing as t

from ..._plan import KvmError, refuse
from ..._xml import document
from ..._xml.later import Specs
from ..._xml.rows import RESTART, Change, Edit, Element, Values, bad_value
from .attributes import PROTOCOLS, leaders, parse, portless, read, write

ACTIONS = ("accept", "drop", "reject", "return", "continue")
DIRECTIONS = ("in", "out", "inout")
PRIORITY, PRIORITY_MOST = 500, 1000
NAME = re.compile(r"\w+", re.ASCII)
VALUE = re.compile(r"[\w.:]+", re.ASCII)  # what libvirt keeps of a parameter

_WORDS = {
    "mac": "Ethernet frames.",
    "vlan": "Frames with a VLAN tag.",
    "stp": "Spanning tree.",
    "arp": "ARP.",
    "rarp": "RARP, like ARP.",
    "ip": "IPv4, in ebtables.",
    "ipv6": "IPv6, in ebtables.",
    "all": "IPv4 of any protocol, in iptables.",
    "all_ipv6": "IPv6 of any protocol, in ip6tables.",
}


def _spec() -> dict[str, Values]:
    return {
        "filterref": {"type": "str", "doc": "In place of a rule: the name of a filter whose rules are taken in here."},
        "parameters": {
            "type": "dict",
            "doc": "With O(rules[].filterref), values for its variables: name to value, or to a list of them.",
        },
        "action": {
            "type": "str",
            "choices": list(ACTIONS),
            "doc": "What is done with traffic that matches. A rule needs it.",
        },
        "direction": {
            "type": "str",
            "choices": list(DIRECTIONS),
            "doc": "V(in) is to the guest, V(out) from the guest. A rule needs it.",
        },
        "priority": {
            "type": "int",
            "doc": "From -1000 to 1000; lower ones are asked first. V(500) where it's left out.",
        },
        "statematch": {
            "type": "bool",
            "doc": "Whether the state of connections is followed. It is where this is left out.",
        },
        **{
            protocol: {
                "type": "dict",
                "doc": [
                    f"{_WORDS.get(protocol, _transport(protocol))} Its keys are libvirt's attributes; an empty dict"
                    " matches all of it.",
                    f"{', '.join(f'V({name})' for name in attributes)}.",
                    "V(not) is a dict of the same of what must not match.",
                ],
            }
            for protocol, attributes in PROTOCOLS.items()
        },
    }


def _transport(protocol: str) -> str:
    name = protocol.partition("_")[0].removesuffix("v6")
    return f"{name.upper()} over IPv{6 if protocol.endswith('v6') else 4}, in ip{'6' if protocol.endswith('v6') else ''}tables."


class Rules:
    """The row of ``rules``: the full list in order, since rules of the same priority are asked in it."""

    name = "rules"
    takes = RESTART
    doc: t.ClassVar[list[str]] = [
        "What is let through and what isn't, in order. Given, it is the full list.",
        "An item is a rule, of O(rules[].action), O(rules[].direction) and at most one protocol; or with"
        " O(rules[].filterref) a reference.",
        "A value may be a variable, V($IP), that references and guests' interfaces set.",
    ]

    def spec(self) -> dict[str, Values]:
        return {self.name: {"type": "list", "elements": "dict", "options": Specs(_spec), "doc": self.doc}}

    def parse(self, given: Values, where: str) -> Values:
        items = given.get(self.name)
        if items is None:
            return {}
        return {self.name: [_parse(item or {}, f"{where}{self.name}[{index}]") for index, item in enumerate(items)]}

    def read(self, parent: Element) -> Values:
        rules = [_read(node) for node in parent.iterchildren("rule", "filterref")]
        return {self.name: rules} if rules else {}

    def edit(self, parent: Element, wanted: Values, path: str, edit: Edit) -> None:
        if self.name not in wanted:
            return
        before, after = self.read(parent).get(self.name, []), wanted[self.name]
        if before == after:
            return
        for node in list(parent.iterchildren("rule", "filterref")):
            document.remove(node)
        for item in after:
            if "filterref" in item:
                _write_reference(parent, item)
            else:
                _write_rule(parent, item)
        self._note(before, after, path, edit.changes)

    def compare(self, before: Element, after: Element, path: str, changes: list[Change]) -> None:
        one, other = (self.read(root).get(self.name, []) for root in (before, after))
        self._note(one, other, path, changes)

    def unset(self, parent: Element, keys: list[str], path: str, edit: Edit) -> bool:
        if keys != [self.name]:
            return False
        self.edit(parent, {self.name: []}, path, edit)
        return True

    def _note(self, before: list[Values], after: list[Values], path: str, changes: list[Change]) -> None:
        """The items that came, went and differ, by their places in the list."""
        old, new = ([json.dumps(item, sort_keys=True) for item in items] for items in (before, after))
        found: dict[int, tuple[t.Any, t.Any]] = {}
        for tag, first, last, start, end in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            if tag == "equal":
                continue
            for index in range(first, last):
                found[index] = (before[index], found.get(index, (None, None))[1])
            for index in range(start, end):
                found[index] = (found.get(index, (None, None))[0], after[index])
        for index, (one, other) in sorted(found.items()):
            changes.append(Change(f"{path}{self.name}[{index}]", one, other, self))


def _parse(item: Values, where: str) -> Values:
    said = {name: value for name, value in item.items() if value is not None}
    return _parse_reference(said, where) if "filterref" in said else _parse_rule(said, where)


def _parse_rule(said: Values, where: str) -> Values:
    for option in ("action", "direction"):
        if option not in said:
            refuse(where, f"a rule needs {option}", "Add it; or name another filter with filterref.")
    if "parameters" in said:
        raise KvmError(
            f"{where}.parameters: they belong to a filterref, and this is a rule", "Leave them out.", option=where
        )
    protocols = [name for name in said if name in PROTOCOLS]
    if len(protocols) > 1:
        why = f"{' and '.join(protocols)} are given together, and a rule matches one protocol"
        refuse(where, why, "Make a rule of each.")
    priority = said.get("priority", PRIORITY)
    if abs(priority) > PRIORITY_MOST:
        raise bad_value(f"{where}.priority", priority, "must be from -1000 to 1000")
    rule = {"action": said["action"], "direction": said["direction"], "priority": priority}
    if said.get("statematch") is False:
        rule["statematch"] = False
    for protocol in protocols:
        rule[protocol] = _parse_match(protocol, said[protocol], f"{where}.{protocol}")
    return rule


def _parse_reference(said: Values, where: str) -> Values:
    beside = [name for name in said if name not in ("filterref", "parameters")]
    if beside:
        refuse(f"{where}.{beside[0]}", "belongs to a rule, and this is a filterref", "Leave it out, or make two items.")
    parameters = {
        str(name): _parse_parameter(str(name), value, f"{where}.parameters.{name}")
        for name, value in said.get("parameters", {}).items()
    }
    return _reference(said["filterref"], parameters)


def _parse_parameter(name: str, value: t.Any, where: str) -> list[str]:
    values = [str(one) for one in (value if isinstance(value, list) else [value])]
    for text, pattern in [(name, NAME), *((one, VALUE) for one in values)]:
        if not pattern.fullmatch(text):
            expected = "names have letters, digits and _; values also dots and colons: libvirt drops others"
            raise bad_value(where, text, expected)
    return values


def _reference(name: t.Optional[str], parameters: t.Mapping[str, list[str]]) -> Values:
    """A reference as an item of the list, a parameter's only value without a list."""
    shown = {key: values[0] if len(values) == 1 else values for key, values in sorted(parameters.items())}
    return {"filterref": name, **({"parameters": shown} if shown else {})}


def _parse_match(protocol: str, given: Values, where: str) -> Values:
    negated = given.get("not") or {}
    if not isinstance(negated, dict):
        raise bad_value(f"{where}.not", negated, "must be a dict of what must not match")
    match: Values = {}
    for inner, place in ((given, where), (negated, f"{where}.not")):
        values = {
            key: _parse_value(protocol, str(key), value, f"{place}.{key}")
            for key, value in inner.items()
            if value is not None and not (inner is given and key == "not")
        }
        match.update(values if inner is given else {"not": values} if values else {})
    _refuse_twins(protocol, match, where)
    _refuse_ports(protocol, match, where)
    return match


def _parse_value(protocol: str, key: str, value: t.Any, where: str) -> t.Any:
    if key not in PROTOCOLS[protocol]:
        refuse(where, f"{protocol} has no attribute '{key}'", f"It has {', '.join(PROTOCOLS[protocol])}.")
    try:
        return parse(protocol, key, value)
    except ValueError as error:
        raise bad_value(where, value, str(error)) from error


def _refuse_twins(protocol: str, match: Values, where: str) -> None:
    """What libvirt can't keep: an attribute on both sides, and one that isn't on the side of the one that leads it."""
    negated = match.get("not", {})
    for key in negated:
        if key in match:
            raise KvmError(f"{where}.not.{key}: it must match and must not", "Keep one of them.", option=where)
    for key, leader in leaders(protocol).items():
        if (key in negated and leader not in negated) or (key in match and leader in negated):
            why = f"libvirt negates {key} when it negates {leader}, and only then"
            refuse(where, why, "Write both below not, or neither; or make a rule of the opposite.")


def _refuse_ports(protocol: str, match: Values, where: str) -> None:
    """Ports need a protocol that has them; libvirt defines no such rule."""
    both = {**match.get("not", {}), **match}
    port = portless(protocol, both)
    if port:
        said = f"protocol: '{both['protocol']}' has no ports" if "protocol" in both else "no protocol is given"
        refuse(f"{where}.{port}", said, "Add protocol: tcp, udp, sctp or 33 (DCCP), or leave the port out.")


def _read(node: Element) -> Values:
    return _read_reference(node) if node.tag == "filterref" else _read_rule(node)


def _read_reference(node: Element) -> Values:
    parameters: dict[str, list[str]] = {}
    for one in node.findall("parameter"):
        name, value = one.get("name") or "", one.get("value") or ""
        if NAME.fullmatch(name) and VALUE.fullmatch(value):
            parameters.setdefault(name, []).append(value)
    return _reference(node.get("filter"), parameters)


def _read_rule(node: Element) -> Values:
    rule: Values = {
        "action": node.get("action"),
        "direction": node.get("direction"),
        "priority": _priority(node.get("priority")),
    }
    if (node.get("statematch") or "").lower() in ("0", "false"):
        rule["statematch"] = False
    tag = next((below.tag for below in node.iterchildren("*") if below.tag.replace("-", "_") in PROTOCOLS), None)
    if tag is not None:
        rule[tag.replace("-", "_")] = _read_match(tag.replace("-", "_"), node.findall(tag))
    return rule


def _priority(text: t.Optional[str]) -> int:
    """libvirt takes the usual one in place of what it can't read."""
    try:
        priority = int(text or "")
    except ValueError:
        return PRIORITY
    return priority if abs(priority) <= PRIORITY_MOST else PRIORITY


def _read_match(protocol: str, nodes: list[Element]) -> Values:
    """Several elements of a protocol are one to libvirt; what is negated is so per attribute."""
    values: Values = {}
    negated: dict[str, bool] = {}
    for node in nodes:
        for key in PROTOCOLS[protocol]:
            text = node.get(key)
            if text is not None:
                values[key], negated[key] = _value(protocol, key, text), node.get("match") == "no"
    for key, leader in leaders(protocol).items():
        if key in values:
            negated[key] = negated.get(leader, False)
    match: Values = {}
    without: Values = {}
    for key, value in values.items():
        (without if negated[key] else match)[key] = value
    return {**match, **({"not": without} if without else {})}


def _value(protocol: str, key: str, text: str) -> t.Any:
    try:
        return read(protocol, key, text)
    except (OSError, ValueError):
        return text  # libvirt says what is wrong with it


def _write_reference(parent: Element, item: Values) -> None:
    node = document.subelement(parent, "filterref", {}, {"filter": item["filterref"]})
    for name, value in item.get("parameters", {}).items():
        for one in value if isinstance(value, list) else [value]:
            document.child(node, "parameter", name=name, value=one)


def _write_rule(parent: Element, item: Values) -> None:
    said = ("action", "direction", "priority", "statematch")
    node = document.subelement(parent, "rule", {}, {name: write(item[name]) for name in said if name in item})
    for protocol in [name for name in item if name in PROTOCOLS]:
        for side in _sides(item[protocol]):
            document.child(node, protocol.replace("_", "-"), **{key: write(value) for key, value in side.items()})


def _sides(match: Values) -> list[Values]:
    """The attributes of each element that says what must match, or what must not."""
    plain = {key: value for key, value in match.items() if key != "not"}
    if "not" not in match:
        return [plain]
    negated = {"match": "no", **match["not"]}
    # In a second element libvirt spoils the first one's comment when it reads dscp.
    return sorted([plain, negated] if plain else [negated], key=lambda side: "dscp" not in side)
