# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine decides, as data: options and what is there, then the steps, the diff and what waits for a restart.

A file below a noun's directory says what is there (``stored``, ``running``, ``state``) and has cases. A case says only what
isn't empty: ``steps`` as "operation: what the user reads", ``diff`` as "option: [before, after]", ``restart_required``,
``warnings``, ``assumed`` (what a check goes on with and a run refuses), or the ``error``, of which it says a part.
"""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.options import ARGUMENTS, RULES
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.plan import NOUN
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError, Plan
from recorded import Domain, Hypervisor

HERE = pathlib.Path(__file__).parent
Case = dict[str, t.Any]
SAID = ("steps", "diff", "restart_required", "warnings", "assumed", "error")


def cases() -> t.Iterator[t.Any]:
    for path in sorted((HERE / "domain").glob("*.yml")):
        file = yaml.safe_load(path.read_text(encoding="utf-8"))
        for case in file.pop("cases"):
            yield pytest.param({**file, **case}, id=f"{path.stem}, {case['case']}")


def planned(case: Case) -> Plan:
    """The plan for the case's options on a host with its domain."""
    there = Domain(case["stored"], case.get("running", ""), case["state"], case.get("autostart", False))
    world = Hypervisor([there], case.get("networks", []))
    validator = ModuleArgumentSpecValidator({"uri": {"type": "str", "default": world.uri}, **ARGUMENTS}, **RULES)
    result = validator.validate({"name": there.name(), **case["options"]})
    assert not result.error_messages, result.error_messages
    return NOUN.plan(world, t.cast("Case", result.validated_parameters))


def decided(case: Case) -> Case:
    """What a case says, of its plan."""
    try:
        plan = planned(case)
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


@pytest.mark.parametrize("case", list(cases()))
def test_plan(case: Case) -> None:
    said = {key: case[key] for key in SAID if key in case}
    got = decided(case)
    if "error" in said and "error" in got:
        assert said["error"] in got["error"]
    else:
        assert got == said
