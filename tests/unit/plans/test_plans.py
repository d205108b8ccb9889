# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine decides, as data: options and what is there, then the steps, the diff and what waits for a restart.

A file below a noun's directory says what is there and has cases. ``name`` is the object's; ``stored`` and ``running`` are its
documents (as text, or the name of a file beside it), ``state`` and ``autostart`` what libvirt says of it; ``host`` are the
other objects, documents by noun; they are active but for the nouns in ``inactive``. A case says only what isn't empty:
``steps`` as "operation: what the user reads", ``diff`` as "option: [before, after]", ``restart_required``, ``warnings``,
``assumed`` (what a check goes on with and a run refuses), or the ``error``, of which it says a part.
"""

from __future__ import annotations

import importlib
import pathlib
import typing as t

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain import options as domain_options
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError, Plan
from recorded import Hypervisor, Recorded

HERE = pathlib.Path(__file__).parent
OBJECTS = "ansible_collections.metal.kvm.plugins.module_utils._objects"
NOUNS = ("domain", "network", "nwfilter", "pool", "secret", "volume")
Case = dict[str, t.Any]
SAID = ("steps", "diff", "restart_required", "warnings", "assumed", "error")


def cases() -> t.Iterator[t.Any]:
    for path in sorted(HERE.glob("*/*.yml")):
        file = yaml.safe_load(path.read_text(encoding="utf-8"))
        for case in file.pop("cases"):
            noun = path.parent.name
            yield pytest.param(noun, {**file, **case}, id=f"{noun} {path.stem}, {case['case']}")


def text(noun: str, given: str) -> str:
    """A document: as it's given, or of that file."""
    return (HERE / noun / given).read_text(encoding="utf-8") if given.endswith(".xml") else given


def planned(noun: str, case: Case) -> Plan:
    """The plan for the case's options on a host with its object."""
    off = case.get("inactive", ())
    host = {
        kind: [Recorded(text(kind, one), state="stopped" if kind in off else "active") for one in those]
        for kind, those in case.get("host", {}).items()
    }
    if "stored" in case:
        documents = text(noun, case["stored"]), text(noun, case.get("running", ""))
        there = Recorded(*documents, case.get("state", ""), case.get("autostart", False))
        host[noun] = [there, *host.get(noun, ())]
    world = Hypervisor(host)
    plans = importlib.import_module(f"{OBJECTS}.{noun}.plan")
    spec = domain_options.ARGUMENTS if noun == "domain" else plans.ARGUMENT_SPEC
    rules = getattr(domain_options if noun == "domain" else plans, "RULES", {})
    validator = ModuleArgumentSpecValidator({"uri": {"type": "str", "default": world.uri}, **spec}, **rules)
    result = validator.validate({**case.get("always", {}), **case["options"]})
    if result.error_messages:
        raise KvmError("; ".join(result.error_messages))
    return t.cast("Plan", plans.NOUN.plan(world, t.cast("Case", result.validated_parameters)))


def decided(noun: str, case: Case) -> Case:
    """What a case says, of its plan."""
    try:
        plan = planned(noun, case)
    except KvmError as error:
        return {"error": str(error)}
    diff = {path: [plan.before.get(path), plan.after.get(path)] for path in {**plan.before, **plan.after}}
    said = {
        "steps": [f"{step.operation}: {step.text}" for step in plan.steps],
        "diff": diff,
        "restart_required": list(plan.restart_required),
        "warnings": list(plan.warnings),
        "assumed": [str(error) for error in plan.assumed],
    }
    return {key: value for key, value in said.items() if value}


@pytest.mark.parametrize(("noun", "case"), list(cases()))
def test_plan(noun: str, case: Case) -> None:
    said = {key: case[key] for key in SAID if key in case}
    got = decided(noun, case)
    if "error" in said and "error" in got:
        assert said["error"] in got["error"]
    else:
        assert got == said


def test_every_noun_has_cases() -> None:
    assert {path.parent.name for path in HERE.glob("*/*.yml")} == set(NOUNS)
