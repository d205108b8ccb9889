# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks in a libvirt of this process."""

from __future__ import annotations

import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.metal.kvm.plugins.module_utils._libvirt import World
from ansible_collections.metal.kvm.plugins.module_utils._objects.network import plan as networks
from ansible_collections.metal.kvm.plugins.module_utils._objects.network import subnets
from ansible_collections.metal.kvm.plugins.module_utils._run import run_steps


class Lab:
    """Converges networks: plan, and run unless it's a check."""

    def __init__(self, uri: str) -> None:
        self.world = World(uri)

    def plan(self, **args: t.Any) -> t.Any:
        validated = ArgumentSpecValidator(networks.ARGUMENT_SPEC).validate(args)
        assert not validated.error_messages, validated.error_messages
        return networks.NOUN.plan(self.world, validated.validated_parameters)

    def run(self, **args: t.Any) -> t.Any:
        plan = self.plan(**args)
        run_steps(plan, networks.NOUN.operations(), self.world)
        return plan

    def xml(self, name: str) -> str:
        return str(self.world.get("network", name).XMLDesc(0))


@pytest.fixture
def lab(test_uri: str, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Networks on a host that is in no subnet, whatever those of this machine are."""
    monkeypatch.setattr(subnets, "host_subnets", list)
    return Lab(test_uri)
