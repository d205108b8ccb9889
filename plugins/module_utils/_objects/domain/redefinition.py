# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that bring a domain's definition to another one. Read where a plan changes something."""

from __future__ import annotations

import typing as t

from ..._plan import Plan, Step
from ..._xml import document
from ..._xml.kept import filled_in
from ..._xml.rows import compare
from .definition import compared
from .rendering import ordered, settled
from .table import DOMAIN

if t.TYPE_CHECKING:
    from .draft import DomainDraft

Element = document.Element


def settle(draft: DomainDraft) -> None:
    """Have libvirt make of the new definition what it will. It stays as it is where that is what is there already."""
    plan, before = draft.plan, t.cast(Element, draft.before)
    result = settled(draft)
    differences = compare(DOMAIN, before, result)
    filled_in(plan, (draft.params["unset"] or ()) if result is not draft.after else (), differences)
    if result is not draft.after and ordered(result) == ordered(before):
        _forget(draft)  # libvirt writes what was given in another way, which is there already
    if draft.persistent and not differences and not draft.differs:
        draft.after = before
    else:
        draft.rendered = result


def _forget(draft: DomainDraft) -> None:
    """Take out of the diff what is said of the definition."""
    for path in {*draft.plan.before, *draft.plan.after} - {"name"} - draft.beside:
        if not path.startswith("cloud_init."):
            draft.plan.before.pop(path, None)
            draft.plan.after.pop(path, None)


def expect(plan: Plan, name: str, before: Element) -> None:
    """Begin with a step that sees whether somebody else has edited the definition; one that defines sees it by itself."""
    text = f"see that the definition of domain {name} is as it was"
    step = Step("domain.expect", text, changes=False, name=name, planned=compared(before))
    plan.steps.insert(0, step)
