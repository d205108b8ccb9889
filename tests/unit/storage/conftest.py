# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools and volumes in a libvirt of this process."""

from __future__ import annotations

import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.metal.kvm.plugins.module_utils._libvirt import World
from ansible_collections.metal.kvm.plugins.module_utils._objects.pool import plan as pools
from ansible_collections.metal.kvm.plugins.module_utils._objects.volume import plan as volumes
from ansible_collections.metal.kvm.plugins.module_utils._run import run_steps


class Store:
    """Converges pools and volumes: plan, and run unless it's a check."""

    def __init__(self, uri: str) -> None:
        self.world = World(uri)

    def _plan(self, of: t.Any, make: t.Any, args: dict[str, t.Any]) -> t.Any:
        validated = ArgumentSpecValidator(of.ARGUMENT_SPEC).validate(args)
        assert not validated.error_messages, validated.error_messages
        return make(self.world, validated.validated_parameters)

    def pool(self, **args: t.Any) -> t.Any:
        return self._plan(pools, pools.NOUN.plan, args)

    def volume(self, **args: t.Any) -> t.Any:
        return self._plan(volumes, volumes.NOUN.plan, args)

    def run(self, plan: t.Any) -> t.Any:
        operations = pools.NOUN.operations() if plan.noun == "pool" else volumes.NOUN.operations()
        run_steps(plan, operations, self.world)
        return plan


@pytest.fixture
def store(test_uri: str) -> Store:
    return Store(test_uri)
