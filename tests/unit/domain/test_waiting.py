# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What waits for a restart is named by the option that a task gives."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.live import waiting_for_restart
from ansible_collections.metal.kvm.plugins.module_utils._xml import document
from conftest import BARE, Definition

RUNS = BARE.replace("<vcpu>", "<currentMemory unit='KiB'>65536</currentMemory><vcpu>")
BALLOON = RUNS.replace("<devices/>", "<devices><memballoon model='virtio'/></devices>")
SMALLER = BALLOON.replace("<currentMemory unit='KiB'>65536", "<currentMemory unit='KiB'>32768")


@pytest.mark.parametrize("running", [RUNS, BALLOON], ids=["fixed", "balloon"])
@pytest.mark.parametrize(
    ("options", "waiting"),
    [
        ({"memory": "128 MiB"}, ["memory"]),
        ({"vcpus": 4}, ["vcpus"]),
        ({"memory": "128 MiB", "vcpus": 2}, ["memory", "vcpus"]),
        ({"memory_maximum": "128 MiB"}, ["memory_maximum"]),
        ({"vcpus_maximum": 4}, ["vcpus_maximum"]),
        ({"memory_maximum": "256 MiB", "memory": "128 MiB"}, ["memory_maximum"]),
    ],
)
def test_a_maximum_that_follows_is_not_named(running: str, options: dict[str, t.Any], waiting: list[str]) -> None:
    there = Definition(running)
    there.edit(**options)
    found = waiting_for_restart(document.parse(running), there.root)
    assert set(found) - {"memory"} == set(waiting) - {"memory"}
    assert ("memory" in found) >= ("memory" in waiting)


def test_a_maximum_that_comes_down_is_named() -> None:
    there = Definition(SMALLER)
    there.edit(memory="32 MiB", memory_maximum="32 MiB")
    assert waiting_for_restart(document.parse(SMALLER), there.root) == ["memory_maximum"]
