# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a network filter: its chain, and its rules."""

from __future__ import annotations

import typing as t

from ..._xml.rows import REFUSED, Edit, Element, Field, Values
from ..._xml.types import UUID, Type
from .rules import PRIORITY_MOST, Rules

CHAINS = ("root", "mac", "stp", "vlan", "arp", "rarp", "ipv4", "ipv6")
PRIORITIES = {"mac": -800, "vlan": -750, "ipv4": -700, "ipv6": -600, "arp": -500, "rarp": -400}


def _chain(value: t.Any) -> str:
    name = str(value)
    if name != "root" and not name.startswith(CHAINS[1:]):
        raise ValueError(f"a chain is root, or begins with one of {', '.join(CHAINS[1:])}: ipv4-web")
    return name


def _priority(value: t.Any) -> int:
    if abs(int(value)) > PRIORITY_MOST:
        raise ValueError("must be from -1000 to 1000")
    return int(value)


def usual(chain: t.Optional[str]) -> int:
    """The priority that libvirt gives a chain where a document says none."""
    return next((priority for name, priority in PRIORITIES.items() if (chain or "").startswith(name)), 0)


def complete(values: Values) -> Values:
    """The values of a document with what libvirt fills in; it doesn't look at a priority beside no chain."""
    chain = values.get("chain")
    return {**values, "chain": chain or "root", "priority": values.get("priority", usual(chain)) if chain else 0}


def written(root: Element) -> Element:
    """libvirt leaves a priority of 0 out of its own document, and takes the usual one where it's left out of ours."""
    if root.get("priority") is None:
        root.set("priority", "0")
    return root


def _put_chain(root: Element, chain: str) -> None:
    """Another chain gets its own priority, unless the filter has one that isn't the usual."""
    if root.get("priority") == str(usual(root.get("chain"))):
        root.attrib.pop("priority")
    root.set("chain", chain)


def _put_priority(root: Element, priority: int) -> None:
    root.set("chain", root.get("chain") or "root")
    root.set("priority", str(priority))


class Priority(Field):
    """A field whose default is libvirt's by the chain: where it has that, there's nothing to unset."""

    __slots__ = ()

    def unset(self, parent: Element, keys: list[str], path: str, edit: Edit) -> bool:
        usually = self.value(parent) == usual(parent.get("chain"))
        return super().unset(parent, keys, path, Edit() if usually else edit)


NWFILTER: tuple[t.Any, ...] = (
    Field("uuid", "uuid", UUID, "The filter's UUID. It can't be changed.", takes=REFUSED),
    Field(
        "chain",
        "@chain",
        Type("str", str, parse=_chain),
        [
            "The chain that the rules are in, V(root) for a new filter where this is left out.",
            "Others get only the traffic that their name begins with: V(mac), V(stp), V(vlan), V(arp), V(rarp), V(ipv4) or"
            " V(ipv6). V(ipv4-web) is a chain of its own for IPv4.",
        ],
        put=_put_chain,
        filled=lambda value: value == "root",
    ),
    Priority(
        "priority",
        "@priority",
        Type("int", int, parse=_priority),
        "When the chain is asked, from -1000 to 1000; lower ones are asked first. Left out, it's the one that libvirt gives"
        " to chains of that name.",
        put=_put_priority,
    ),
    Rules(),
)
