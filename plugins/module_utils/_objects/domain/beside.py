# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task plans beside a domain's definition, of a new domain and of one that is there: the seed and the wait."""

from __future__ import annotations

import typing as t

from ..._plan import refuse
from ..._xml.rows import Edit

if t.TYPE_CHECKING:
    from ..._xml.rows import Values
    from .draft import DomainDraft

_AWAITED = {"agent": "its agent", "ip": "its address", "cloud_init": "the end of cloud-init"}


def add_seed(draft: DomainDraft, edit: Edit) -> None:
    """The seed of cloud-init, where the task says something of it."""
    if draft.params["cloud_init"] is not None:
        from .seed import plan_seed

        plan_seed(draft, edit)


def editing(draft: DomainDraft, wanted: Values, creating: bool = False) -> Edit:
    """The editing of the draft's definition. What rows may ask of the world is looked up only when one does."""
    world, plan, root = draft.world, draft.plan, draft.after

    def surroundings() -> t.Any:
        from .surroundings import Surroundings

        return Surroundings(world, plan, root, wanted)

    return Edit(surroundings, creating)


def wait(draft: DomainDraft) -> None:
    """Wait for the guest of a domain that runs then; where the task leaves its state alone, only if it does."""
    wanted = draft.params["wait_for"] or {}
    what = " and ".join(text for key, text in _AWAITED.items() if wanted.get(key))
    if not what:
        return
    if draft.reached == "running":
        parts = {key: wanted[key] for key in (*_AWAITED, "timeout")}
        draft.add("wait", f"wait for {draft.title}: {what}", changes=False, **parts)
    elif "state" not in (draft.params["creation_only"] or ()):
        why = f"{draft.title} is {draft.reached}, so its guest can't answer"
        refuse("wait_for", why, "Say state: running too, or leave wait_for out.")


VOLUME_OPTIONS = ("size", "backing", "source")


def says_volume(disk: Values) -> bool:
    """Whether a disk's options say what its volume is."""
    return any(disk.get(option) is not None for option in VOLUME_OPTIONS)
