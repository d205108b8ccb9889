# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that bring a domain's definition to another one. Read where a plan changes something."""

from __future__ import annotations

import typing as t

from ..._plan import Plan, Step
from ..._xml import document
from ..._xml.kept import filled_in
from ..._xml.rows import Values, compare
from .definition import compared
from .rendering import settled
from .table import DOMAIN

if t.TYPE_CHECKING:
    from ..._libvirt import World

Element = document.Element


def define(plan: Plan, name: str, after: Element, old: str, planned: t.Optional[str], remark: str = "") -> None:
    """Add the step that defines ``after``. ``planned`` is the definition that the step must find."""
    text = f"define domain {name} as it was" if old else f"undefine domain {name}"
    undo = Step("domain.undo_define", text, name=name, xml=old)
    xml = document.text_of(after)
    plan.add("domain.define", f"define domain {name}{remark}", name=name, xml=xml, planned=planned, undo=undo)


def differs(plan: Plan) -> bool:
    """Whether the definition is to be another one, beyond its name."""
    return bool({*plan.before, *plan.after} - {"name"})


def redefine(
    world: World,
    plan: Plan,
    name: str,
    wanted: Values,
    before: Element,
    after: Element,
    persistent: bool,
    renamed: bool,
    unset: t.Sequence[str],
) -> Element:
    """Add the step that takes the definition from ``before`` to ``after``; returns it as libvirt will have it.

    There is no step, and ``before`` is returned, where libvirt makes of ``after`` what is there already.
    """
    result = settled(world, plan, wanted, after)
    differences = compare(DOMAIN, before, result)
    filled_in(plan, unset if result is not after else (), differences)
    if not persistent:
        define(plan, name, after, "", None, " (made persistent)")
    elif differs(plan) or differences:
        define(plan, name, after, document.text_of(before), None if renamed else compared(before))
    else:
        return before
    return result


def expect(plan: Plan, name: str, before: Element) -> None:
    """Begin with a step that sees whether somebody else has edited the definition; one that defines sees it by itself."""
    text = f"see that the definition of domain {name} is as it was"
    step = Step("domain.expect", text, changes=False, name=name, planned=compared(before))
    plan.steps.insert(0, step)
