# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pairs of attributes of a filter's rules that contradict each other."""

from __future__ import annotations

from ..._xml.contradictions import Rule, ordered
from .attributes import PROTOCOLS

RANGES = (
    *(
        ("srcportstart", "srcportend"),
        ("dstportstart", "dstportend"),
        ("srcipfrom", "srcipto"),
        ("dstipfrom", "dstipto"),
    ),
    *(("type", "typeend"), ("code", "codeend")),
)
HIGH = "-hi"  # ends the name of a range's second attribute, of those that spanning tree has


def _rules() -> list[Rule]:
    found = []
    for protocol, attributes in PROTOCOLS.items():
        pairs = [*RANGES, *((name[: -len(HIGH)], name) for name in attributes if name.endswith(HIGH))]
        for below in (f"rules[].{protocol}", f"rules[].{protocol}.not"):
            found += [ordered(*pair, below) for pair in pairs if set(pair) <= set(attributes)]
    return found


CONTRADICTIONS = tuple(_rules())
