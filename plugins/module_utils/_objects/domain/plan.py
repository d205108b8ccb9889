# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The noun domain: what its plans, operations and results are."""

from __future__ import annotations

import contextlib
import functools
import typing as t

from ..._plan import KvmError, refuse
from ..._xml import document
from ..._xml.rows import apply
from ..._xml.table import managed, unset_paths
from .. import life
from ..noun import Noun
from .beside import add_seed, editing, says_volume, wait
from .contradictions import CONTRADICTIONS
from .definition import compared
from .describe import describe, described
from .documents import persistent_document, running_document
from .draft import DomainDraft
from .live import plan_live
from .mark import CLONE, marked
from .observed import OFF, observed
from .patches import patched
from .state import reach
from .table import DOMAIN

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..._plan import Operations, Plan
    from ..._xml.rows import Change, Edit, Values
    from ..draft import Draft

Element = document.Element


class Domain(Noun):
    """A domain: found by its name or its UUID, with a guest that has more states than active and inactive."""

    name = "domain"
    rows = DOMAIN
    define_call = "defineXML"
    list_call = "listAllDomains"
    contradictions = CONTRADICTIONS

    def key(self, params: Values) -> str:
        """Its name."""
        name = str(params["name"])
        if not name.strip() or "/" in name or not name.isprintable():
            why = f"{name!r} can't be the name of a domain"
            refuse("name", why, "Use a name without slashes, line breaks and other signs that can't be printed.")
        return name

    def status(self, there: t.Any) -> tuple[bool, bool]:
        """Whether its guest runs, and whether it has a definition that outlives that."""
        return observed(there) not in OFF, bool(there.isPersistent())

    def stored_document(self, there: t.Any, status: t.Optional[tuple[bool, bool]] = None) -> Element:
        """The definition, with its secrets."""
        return persistent_document(there)

    def running_document(self, there: t.Any) -> Element:
        """What runs, with its secrets."""
        return running_document(there)

    def compared(self, root: Element) -> str:
        """A definition as it is compared: without the marks of what isn't finished."""
        return compared(root)

    def draft(self, world: World, params: Values, plan: Plan) -> DomainDraft:
        """The domain on its way from what it is to what the task says."""
        return DomainDraft(self, world, params, plan)

    def edit(self, draft: DomainDraft) -> None:  # type: ignore[override]
        """Bring the definition to what the options say."""
        _plan_volumes(draft)
        if draft.before is None:
            from .create import write

            write(draft)
            return
        if draft.renamed:
            from .rename import rename

            rename(draft)
        if draft.params["xml"] is not None:
            from .whole import change_whole

            change_whole(draft)
        else:
            _edit(draft, document.clone(draft.after) if draft.renamed else draft.before)

    def judge(self, draft: DomainDraft) -> None:  # type: ignore[override]
        """Raise what libvirt would say. The definition stays where libvirt makes of the new one what is there already."""
        if draft.before is None:
            from .rendering import settled

            draft.rendered = settled(draft)
        elif draft.persistent and not draft.differs:
            draft.after = draft.before
        else:
            from .redefinition import settle

            with _naming_conflicts(draft):
                settle(draft)

    def defining(self, draft: Draft) -> tuple[str, str]:
        """The sentences of the step that defines and of its undo; empty where the definition stays."""
        define, undefine = f"define {draft.title}", f"undefine {draft.title}"
        if draft.before is None:
            return define, undefine
        if not draft.persistent:
            return f"{define} (made persistent)", undefine
        return ("", "") if draft.after is draft.before else (define, f"{define} as it was")

    def after_define(self, draft: DomainDraft) -> None:  # type: ignore[override]
        """What is copied to make a clone whole."""
        if draft.params["source_domain"] is None:
            return
        from . import clone

        if draft.before is None:
            clone.add_copies(draft)
        elif marked(draft.before, CLONE) is not None:
            clone.finish_copies(draft)

    def bring_live(self, draft: Draft) -> list[str]:
        """Add the steps that change the running guest; returns the options that wait for a restart."""
        count = len(draft.plan.steps)
        waiting = plan_live(draft, functools.partial(_spoken, draft))
        if len(draft.plan.steps) > count and draft.after is draft.before:
            from .redefinition import expect

            expect(draft.plan, draft.name, draft.after)
        return waiting

    def plan_autostart(self, draft: DomainDraft) -> None:  # type: ignore[override]
        """Not before an installation: a host that boots meanwhile would start the guest without its medium."""
        if draft.install is None and not draft.unfinished:
            life.plan_autostart(draft)

    def reach(self, draft: DomainDraft, left: list[str]) -> None:  # type: ignore[override]
        """Add the steps that lead to the state, and those that wait for the guest."""
        plan, new = draft.plan, draft.before is None
        if new:
            from .create import reach_new

            draft.reached = reach_new(draft)
        else:
            if draft.unfinished:
                from .install import go_on

                draft.reached = go_on(draft)
                life.plan_autostart(draft)
            draft.reached = reach(draft, left)
        if plan.steps:
            from .start_checks import check_steps  # an unchanged domain doesn't pay for it

            check_steps(draft)
        if new:
            plan.differs("state", "absent", draft.reached)
        wait(draft)
        restarted = draft.reached in OFF or any(step.restarts for step in plan.steps)
        plan.restart_required = [] if restarted else left

    def absent(self, draft: DomainDraft) -> None:  # type: ignore[override]
        """Stop, undefine, delete what was asked for."""
        from .absent import plan_absent

        plan_absent(draft)

    def predicted(self, draft: DomainDraft) -> Values:  # type: ignore[override]
        """The domain as domain_info will show it."""
        return described(
            draft.shown,
            name=draft.name,
            state=draft.reached,
            autostart=draft.autostart,
            persistent=True,
            restart_required=draft.plan.restart_required,
        )

    def operations(self) -> Operations:
        """What the steps of its plans can do."""
        from .steps import OPERATIONS

        return OPERATIONS

    def describe(self, world: World, params: Values) -> t.Optional[Values]:
        """The domain as it is now, None where there is none."""
        return describe(world, params)

    def info(self, world: World, params: Values) -> Values:
        """The result of domain_info."""
        from .inventory import read_domains

        return read_domains(world, params)


def _plan_volumes(draft: DomainDraft) -> None:
    """The volumes that the task's disks make and grow."""
    if any(says_volume(disk) for disk in draft.params["disks"] or ()):
        from .disk_volumes import plan_volumes

        plan_volumes(draft)


def _edit(draft: DomainDraft, before: Element) -> None:
    """Put the wanted options into the definition ``before``; the differences go to the plan's diff."""
    after, unset = draft.after, draft.params["unset"]
    edit = editing(draft, draft.wanted)
    devices = list(zip(before.iterfind("devices/*"), after.iterfind("devices/*")))
    apply(DOMAIN, after, draft.wanted, "", edit)
    if unset:
        unset_paths(DOMAIN, after, unset, draft.wanted, edit)
    draft.changes = edit.changes
    life.refuse_unchangeable(draft)
    if edit.changes:
        from .dependents import settle

        settle(draft, before, devices, edit)
        for change in edit.changes:
            draft.plan.differs(change.path, change.before, change.after)
        _check_changes(draft, before, edit)
    add_seed(draft, edit)
    draft.after = patched(draft, before, devices)


def _check_changes(draft: Draft, before: Element, edit: Edit) -> None:
    """What the changed options refer to is there, and media fit their drives."""
    from .surroundings import check_references, check_sources

    check_references(draft, {change.path.partition("[")[0] for change in edit.changes})
    check_sources(edit)
    if any(change.path.startswith("disks[") for change in edit.changes):
        from .medium import check_media

        check_media(draft, before, edit)


@contextlib.contextmanager
def _naming_conflicts(draft: Draft) -> t.Iterator[None]:
    """Where libvirt refuses the new definition, name the option that the task doesn't mention and that stands in the way."""
    try:
        yield
    except KvmError as error:
        from .conflicts import explained

        raise explained(draft, error) from error


def _spoken(draft: Draft, change: Change) -> bool:
    """Whether the task says something about the option of ``change``."""
    if draft.params["xml"] is not None or managed(draft.wanted, change):
        return True
    return any(change.path == path or change.path.startswith(path + ".") for path in draft.params["unset"] or ())


NOUN = Domain()
