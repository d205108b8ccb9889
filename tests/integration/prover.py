# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold when an object is changed from some options to others, whatever they are."""

from __future__ import annotations

import typing as t

import libvirt
from ansible_collections.metal.kvm.plugins.module_utils._libvirt import explain
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError
from ansible_collections.metal.kvm.plugins.module_utils._xml.rows import parse
from bench import Args, Bench, differences
from transitions import Transition


class Prover:
    """Tasks on one object. ``base`` are options that a new one has beside those of a case, ``running`` those that start it."""

    def __init__(self, bench: Bench, base: Args, running: Args) -> None:
        self.bench: t.Any = bench
        self.base = base
        self.running = running
        self.kept: dict[str, str] = {}
        self.proven = 0  # transitions of which the first options can be

    @property
    def there(self) -> t.Any:
        """libvirt's object, None where there is none."""
        return self.bench.world.find(self.bench.noun, self.bench.always["name"])

    def gone(self) -> None:
        there = self.there
        if there is not None:
            if self.bench.plans.NOUN.runs and there.isActive():
                there.destroy()
            there.undefine()

    def left(self, options: Args) -> list[str]:
        """Where the definition doesn't say what these options ask for."""
        noun = self.bench.plans.NOUN
        wanted = parse(noun.rows, self.bench.params(options))
        return list(differences(noun.rows, wanted, noun.stored_document(self.there)))

    def refused(self, options: Args) -> str:
        """What is said of a new object of these options, ``""`` where they can be."""
        self.gone()
        key = repr(options)
        if key not in self.kept:
            error = self.error(lambda: self.bench.task(check=True, **{**self.base, **options}))
            self.kept[key] = "" if error is None else str(error)
        return self.kept[key]

    def error(self, task: t.Callable[[], t.Any]) -> t.Optional[KvmError]:
        """What a task fails with."""
        try:
            task()
        except KvmError as error:
            return error
        except libvirt.libvirtError as error:
            return explain(error)
        return None

    def fault(self, one: Transition, running: bool) -> str:
        """What is wrong with a transition, ``""`` where nothing is."""
        state = self.running if running else {}
        if self.refused(one.one) or self.error(lambda: self.bench.task(**{**self.base, **one.one}, **state)):
            return ""  # nobody can come from there
        self.proven += 1
        error = self.error(lambda: self._checked(one.other))
        if error is not None:
            return self._refusal(one, error)
        changed, waiting, said = True, [], {}
        check = self.bench.task(check=True, **one.other)
        try:
            changed, waiting, said = self.bench.task(**one.other)
        except (KvmError, libvirt.libvirtError) as failed:
            return f"the check took it, the run failed: {failed}"
        if (check[0], sorted(check[1])) != (changed, sorted(waiting)):
            return f"the check said {check[:2]}, the run did {(changed, waiting)}"
        return self._settled(one, said, waiting) or (self._restarted(one) if running else "")

    def _checked(self, options: Args) -> None:
        """Plan the options; what is missing for them, of which a check warns, is raised as in a run."""
        assumed = self.bench.plan(options).assumed
        if assumed:
            raise assumed[0]

    def _refusal(self, one: Transition, error: KvmError) -> str:
        """A new object is refused too; else the option that stands in the way is named."""
        if self.refused(one.other) or (error.details.get("option") and error.remedy):
            return ""
        return f"refused without a remedy, though a new {self.bench.noun} can have it: {error}"

    def _settled(self, one: Transition, said: Args, waiting: list[str]) -> str:
        left = self.left(one.other)
        changed, waits, again = self.bench.task(check=True, **one.other)
        if not left and not changed:
            return "" if sorted(waits) == sorted(waiting) else f"{waiting} waited, then {waits}"
        wrong = f"{said} left {left} and a third task does {again}"
        if "unset" in one.other:
            return wrong
        self.gone()
        self.bench.task(**{**self.base, **one.other})  # options that contradict each other aren't this test's matter
        alone = self.left(one.other) or self.bench.task(check=True, **one.other)[0]
        return "" if alone else wrong

    def _restarted(self, one: Transition) -> str:
        if not self.there.isActive():  # it's another one meanwhile
            return ""
        self.there.destroy()
        failed = self.error(lambda: self.bench.task(**one.other, **self.running))
        if failed is None:
            waiting = self.bench.task(check=True, **one.other)[1]
            return f"after a restart waits {waiting}" if waiting else ""
        self.gone()
        if "unset" in one.other:
            return f"can't be started: {failed}"
        alone = self.error(lambda: self.bench.task(**{**self.base, **one.other}, **self.running))
        return "" if alone else f"can't be started: {failed}"
