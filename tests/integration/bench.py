# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules without Ansible around them: the same specs, plans and steps, in this process, a hundred in a second."""

from __future__ import annotations

import copy
import importlib
import json
import typing as t

import libvirt
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible_collections.metal.kvm.plugins.module_utils import _libvirt
from ansible_collections.metal.kvm.plugins.module_utils._libvirt import World
from ansible_collections.metal.kvm.plugins.module_utils._objects.export import ADOPT_SPEC
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError, Operations, Plan
from ansible_collections.metal.kvm.plugins.module_utils._run import run_steps
from ansible_collections.metal.kvm.plugins.module_utils._xml.items import Items
from ansible_collections.metal.kvm.plugins.module_utils._xml.rows import Group, Union

Args = dict[str, t.Any]

OBJECTS = "ansible_collections.metal.kvm.plugins.module_utils._objects"
URI = "qemu:///system"


class Bench:
    """Tasks of one module over one connection. ``always`` are options that every task has."""

    def __init__(self, noun: str, uri: str = URI, **always: t.Any) -> None:
        self.noun = noun
        self.world = opened(uri)
        self.always = always
        self.plans = importlib.import_module(f"{OBJECTS}.{noun}.plan")
        spec = importlib.import_module(f"{OBJECTS}.domain.options") if noun == "domain" else self.plans
        arguments = spec.ARGUMENTS if noun == "domain" else spec.ARGUMENT_SPEC
        uri_too = {"uri": {"type": "str", "default": uri}}
        self.validator = ModuleArgumentSpecValidator({**uri_too, **arguments}, **getattr(spec, "RULES", {}))

    def params(self, args: Args) -> Args:
        """The parameters as the module sees them."""
        return _valid(self.validator.validate({**self.always, **args}))

    def plan(self, args: Args) -> Plan:
        """What a check would show."""
        return t.cast("Plan", self.plans.NOUN.plan(self.world, self.params(args)))

    def operations(self) -> Operations:
        """What the steps of its plans can do."""
        return t.cast("Operations", self.plans.NOUN.operations())

    def run(self, args: Args) -> Plan:
        """The plan, carried out."""
        plan = self.plan(args)
        if plan.assumed:
            raise plan.assumed[0]
        plan.warnings += run_steps(plan, self.operations(), self.world)
        return plan

    def task(self, check: bool = False, **options: t.Any) -> tuple[bool, list[str], Args]:
        """Whether it changed something, what waits for a restart, the diff's two sides."""
        plan = self.plan(options) if check else self.run(options)
        waiting = plan.restart_required
        if plan.steps and not check:
            waiting = (self.describe(options) or {}).get("restart_required", waiting)
        return plan.changed, waiting, {"before": plan.before, "after": plan.after, "actions": plan.actions}

    def describe(self, args: Args) -> t.Any:
        """The object as results have it."""
        return self.plans.NOUN.describe(self.world, self.params(args))

    def info(self, args: Args) -> Args:
        """What the ``_info`` module returns."""
        spec = {**getattr(self.plans, "INFO_SPEC", {"name": {"type": "str"}}), **ADOPT_SPEC}
        return t.cast(
            "Args", self.plans.NOUN.info(self.world, _valid(ModuleArgumentSpecValidator(spec).validate(args)))
        )

    def refusals(self, args: Args, *ways: t.Callable[[Args], Plan]) -> list[str]:
        """What is said of options that can't be, by each of the ways; ``""`` by one that takes them. What is missing counts."""
        wrong = self.validator.validate({**self.always, **args}).error_messages
        return ["; ".join(wrong)] * len(ways) if wrong else [_said(way, args) for way in ways]


_worlds: dict[str, World] = {}


def opened(uri: str) -> World:
    """What libvirt says at ``uri``, over one connection for the process: libvirt opens no other beside its private driver."""
    if uri not in _worlds or not _worlds[uri].connection.isAlive():
        _worlds[uri] = World(uri)
    world = copy.copy(_worlds[uri])
    world.kept, world.notes = {}, {}
    return world


def _valid(result: t.Any) -> Args:
    assert not result.error_messages, result.error_messages
    return dict(result.validated_parameters)


def _said(way: t.Callable[[Args], Plan], args: Args) -> str:
    try:
        plan = way(args)
    except KvmError as error:
        return str(error)
    except libvirt.libvirtError as error:
        return str(_libvirt.explain(error))
    return str(plan.assumed[0]) if plan.assumed else ""


def refusal(bench: Bench, args: Args) -> str:
    """The error of a task that must fail; the check says the same, or plans on something missing with it as a warning."""
    check, run = bench.refusals(args, bench.plan, bench.run)
    assert check in ("", run), (check, run)
    assert check or run.startswith("Failed to"), (check, run)  # only libvirt itself may find out later than the check
    return run


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


def assert_cycle(bench: Bench, create: Args, change: t.Optional[Args], remove: Args) -> None:
    """The twelve steps in this process: each as check, run, check again, run again."""
    for args in (create, change, remove):
        if args is None:  # there is nothing about it that can be changed
            continue
        asked = {key: value for key, value in {**bench.always, **args}.items() if key in ("pool", "name")}
        before = bench.info(asked)
        bench.plan(args)
        assert bench.info(asked) == before, "the check changed something"
        assert_settles(bench, args)
        assert not bench.run(args).actions


def differences(table: t.Iterable[t.Any], wanted: Args, there: t.Any, path: str = "") -> t.Iterator[str]:
    """Where a definition doesn't say what was asked for; each row compares in its own way."""
    for row in table:
        if isinstance(row, (Group, Items)) and row.name in wanted:
            yield from _below(row, wanted[row.name], there, f"{path}{row.name}")
        elif isinstance(row, Union):
            kind = row.kind_of(wanted)
            yield from differences(row.branches.get(kind, ()), wanted, there, path)
        elif getattr(row, "name", None) in wanted:
            before = row.value(there) if hasattr(row, "value") else row.read(there).get(row.name, [])
            after = wanted[row.name]
            same = row.equal(before, after) if hasattr(row, "equal") else before == after
            if not same and not (getattr(row, "path", "") == "address" and set(after) <= set(before)):
                yield f"{path}{row.name}: {after!r} became {before!r}"


def _below(row: t.Any, wanted: t.Any, there: t.Any, path: str) -> t.Iterator[str]:
    if isinstance(row, Items):
        pairs, dummy = row.match(wanted, there)
        for index, (item, node) in enumerate(pairs):
            if node is None:
                yield f"{path}[{index}]: isn't there"
            else:
                yield from differences(row.rows, item or {}, node, f"{path}[{index}].")
    else:
        node = row._find(there)
        if node is None:
            node = there.makeelement("nothing")
        yield from differences(row.rows, wanted, node, f"{path}.")
