# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules without Ansible around them: the same specs, plans and steps, in this process, a hundred in a second."""

from __future__ import annotations

import json
import typing as t

import libvirt
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible_collections.metal.kvm.plugins.module_utils import _libvirt
from ansible_collections.metal.kvm.plugins.module_utils._libvirt import World
from ansible_collections.metal.kvm.plugins.module_utils._objects.export import ADOPT_SPEC
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError
from ansible_collections.metal.kvm.plugins.module_utils._run import run_steps

Args = dict[str, t.Any]


class Bench:
    """One kind of object: ``plans`` is its plan.py, ``make`` what makes a plan, ``read`` what its ``_info`` calls."""

    def __init__(self, plans: t.Any, make: t.Any, read: t.Any, uri: str = "qemu:///system") -> None:
        self.world = World(uri)
        self.plans = plans
        self.make = make
        self.read = read

    def plan(self, args: Args) -> t.Any:
        """What a check would show."""
        return self.make(self.world, validated(self.plans.ARGUMENT_SPEC, args, getattr(self.plans, "RULES", {})))

    def run(self, args: Args) -> t.Any:
        """The plan, carried out."""
        plan = self.plan(args)
        if plan.assumed:
            raise plan.assumed[0]
        plan.warnings += run_steps(plan, self.plans.operations(), self.world)
        return plan

    def describe(self, args: Args) -> t.Any:
        return self.plans.describe(self.world, validated(self.plans.ARGUMENT_SPEC, args))

    def info(self, args: Args) -> t.Any:
        spec = {**getattr(self.plans, "INFO_SPEC", {"name": {"type": "str"}}), **ADOPT_SPEC}
        return self.read(self.world, validated(spec, args))


def validated(spec: Args, args: Args, rules: t.Optional[Args] = None) -> Args:
    """The parameters as a module sees them."""
    result = ModuleArgumentSpecValidator(spec, **(rules or {})).validate(args)
    assert not result.error_messages, result.error_messages
    return t.cast("Args", result.validated_parameters)


def refusal(bench: Bench, args: Args) -> str:
    """The error of a task that must fail; the check says the same, or plans on something missing with it as a warning."""
    rules = getattr(bench.plans, "RULES", {})
    wrong = ModuleArgumentSpecValidator(bench.plans.ARGUMENT_SPEC, **rules).validate(args).error_messages
    if wrong:
        return " ".join(wrong)
    said = []
    for go in (bench.plan, bench.run):
        try:
            plan = go(args)
            said.append(str(plan.assumed[0]) if plan.assumed else "")
        except KvmError as error:
            said.append(str(error))
        except libvirt.libvirtError as error:
            said.append(str(_libvirt.explain(error)))
    assert said[0] in ("", said[1]), said
    assert said[0] or said[1].startswith("Failed to"), said  # only libvirt itself may find out later than the check
    return said[1]


def assert_refused(bench: Bench, cases: t.Mapping[str, tuple[Args, t.Sequence[str]]]) -> list[str]:
    """Each fails with one paragraph that has all its words. Returns the paragraphs."""
    said = {case: refusal(bench, args) for case, (args, dummy) in cases.items()}
    wrong = {
        case: (said[case], [word for word in words if word not in said[case]])
        for case, (dummy, words) in cases.items()
        if not said[case] or "\n" in said[case] or any(word not in said[case] for word in words)
    }
    assert not wrong, json.dumps(wrong, indent=1)
    return list(said.values())


def assert_settles(bench: Bench, args: Args) -> t.Any:
    """Check equals run; the run changes something, the second has nothing to do. Returns the plan that ran."""
    check = bench.plan(args)
    ran = bench.run(args)
    assert ran.actions, args
    assert (check.actions, check.before, check.after) == (ran.actions, ran.before, ran.after), args
    again = bench.plan(args)
    assert not again.actions, (again.actions, again.before, again.after, args)
    return ran
