# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that a task gives for a new object only: on an object that exists they count as left out."""

from __future__ import annotations

import typing as t

from ._plan import refuse

Params = dict[str, t.Any]

DOC = [
    "Options of this task that are for creation only. If {noun} exists already, the task is run as if they were left out.",
    "An entry is the name of an option, or of an option of a list's items, as in V({example}).",
    "This is how a role gives defaults to a new {noun} without changing one that exists.",
]


def spec(noun: str, example: str) -> dict[str, t.Any]:
    """The option's argument spec, with its docs."""
    doc = [DOC[0].format(noun=f"the {noun}"), DOC[1].format(example=example), DOC[2].format(noun=noun)]
    return {"type": "list", "elements": "str", "doc": doc}


def for_existing(params: Params, known: t.Mapping[str, Params]) -> Params:
    """The task's options without those that are for creation only. ``known``: the argument spec of its module."""
    out = dict(params)
    for path in params["creation_only"]:
        name, dummy, inner = path.partition("[].")
        option = known.get(name)
        if option is None or option.get("required") or "default" in option:
            refuse(
                "creation_only",
                f"'{path}' is not an option that can be left out",
                "Name options without a default, such as memory, or interfaces[].network.",
            )
        value = out[name]
        if not inner or value is None:
            out[name] = None
        else:
            out[name] = [{key: one for key, one in item.items() if key != inner} for item in value]
    return out
