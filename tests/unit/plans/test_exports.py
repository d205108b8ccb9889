# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain as options: fed back they change nothing, elsewhere they make the same domain."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.adopt import options_of
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.options import ARGUMENTS, RULES
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.plan import NOUN
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.rendering import ordered
from ansible_collections.metal.kvm.plugins.module_utils._plan import Plan
from ansible_collections.metal.kvm.plugins.module_utils._xml import document
from recorded import Hypervisor, Recorded
from test_plans import HERE

LAN = Recorded("<network><name>lan</name><bridge name='virbr1'/></network>", state="active")
IMAGES = Recorded((HERE / "volume" / "images.xml").read_text(encoding="utf-8"), state="active")


def documents() -> dict[str, str]:
    """Definitions by name: those of the plans' domains."""
    one = (HERE / "domain" / "one.xml").read_text(encoding="utf-8")
    disks = yaml.safe_load((HERE / "domain" / "disks.yml").read_text(encoding="utf-8"))["stored"]
    return {"one": one, "disks": disks}


def host(*domains: Recorded) -> Hypervisor:
    return Hypervisor({"domain": domains, "network": [LAN], "pool": [IMAGES]})


def exported(text: str, identity: str) -> dict[str, t.Any]:
    there = Recorded(text, state="stopped")
    return t.cast("dict[str, t.Any]", options_of(host(there), there, identity))


def planned(options: dict[str, t.Any], *domains: Recorded) -> Plan:
    world = host(*domains)
    spec = {"uri": {"type": "str", "default": world.uri}, **ARGUMENTS}
    result = ModuleArgumentSpecValidator(spec, **RULES).validate(options)
    assert not result.error_messages, result.error_messages
    return NOUN.plan(world, result.validated_parameters)


@pytest.mark.parametrize("name", documents())
def test_fed_back_the_options_change_nothing(name: str) -> None:
    text = documents()[name]
    there = Recorded(text, state="stopped")
    plan = planned(exported(text, "keep")["options"], there)
    assert [step.text for step in plan.steps] == []
    assert plan.after == {}


@pytest.mark.parametrize("name", documents())
def test_elsewhere_the_options_make_the_same_domain(name: str) -> None:
    text = documents()[name]
    export = exported(text, "keep")
    assert (export["not_exported"], export["secrets_needed"]) == ([], [])
    plan = planned(export["options"])
    (made,) = (step.arguments["xml"] for step in plan.steps if step.operation == "domain.define")
    assert alike(made) == alike(text)


@pytest.mark.parametrize("name", documents())
def test_a_new_identity_has_nothing_that_must_be_unique(name: str) -> None:
    options = exported(documents()[name], "new")["options"]
    assert "uuid" not in options
    assert "52:54:00" not in repr(options)
    assert planned(options).changed


def alike(text: str) -> list[str]:
    """A definition's lines in an order of their own: a task puts elements where the schema has them, too."""
    root = document.tidied(document.parse(text))
    return sorted(ordered(root).replace("><", ">\n<").splitlines())
