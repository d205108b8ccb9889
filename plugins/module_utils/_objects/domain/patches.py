# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single places of a domain's definition (``xml_patch``), judged by libvirt's own rendering."""

from __future__ import annotations

import typing as t

from ..._plan import Plan
from ..._xml import document

if t.TYPE_CHECKING:
    from ..draft import Draft

Element = document.Element


def patched(draft: Draft, before: t.Optional[Element], devices: t.Sequence[tuple[Element, Element]] = ()) -> Element:
    """The new definition with the single places of ``xml_patch``; ``before`` where libvirt's rendering of both is the same.

    A value that libvirt rewrites or drops is a warning, and counts as applied. ``devices``: those of both documents, paired.
    """
    world, plan, params, wanted, after = draft.world, draft.plan, draft.params, draft.wanted, draft.after
    if not params["xml_patch"]:
        return after
    from ..._secret import learn, shown_edits
    from ..._xml.patch import apply as apply_patches
    from ..._xml.patch import rewritten
    from .rendering import ordered, rendered

    alone = before is not None and not plan.before and not plan.after
    without = document.clone(after)
    made = apply_patches(after, params["xml_patch"])
    if not made:
        return after
    if wanted:
        from ..._xml.contradictions import check_patches
        from ..._xml.rows import Edit
        from .surroundings import Surroundings
        from .table import DOMAIN

        aside = Plan("domain")  # what the editing has to say was said before
        check_patches(DOMAIN, without, after, wanted, lambda: Edit(lambda: Surroundings(world, aside, after, wanted)))
    if devices:
        from .addresses import remove_unfit

        remove_unfit(devices, after, {})
    result = rendered(world, after)
    learn(before, result)
    plan.warnings += rewritten(result, params["xml_patch"])
    if alone and ordered(result) == ordered(rendered(world, before)):
        return t.cast(Element, before)
    for path, old, new in shown_edits(made, before, after):
        plan.differs(path, old, new)
    return after
