# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory says of domains, and how it is spared from guests that take their time or say nonsense."""

from __future__ import annotations

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain import describe
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.listing import guests
from recorded import Hypervisor, Recorded

DOMAIN = "<domain type='qemu'><name>{}</name><uuid>6d6b7400-0000-4000-8000-00000000000{}</uuid><os><type>hvm</type></os></domain>"


def test_guests_are_sorted_and_agents_left_out_when_time_is_up() -> None:
    text = DOMAIN.format("b", 1)
    world = Hypervisor({"domain": [Recorded(text, text, "running"), Recorded(DOMAIN.format("a", 2), "", "stopped")]})
    missed: list[str] = []
    found = guests(world, ["agent"], 2, missed, deadline=0.0)
    assert [(one["name"], one["state"], one["addresses"]) for one in found] == [
        ("a", "stopped", []),
        ("b", "running", []),
    ]
    assert missed == ["addresses: agent: agents took so long that those of the other guests weren't asked"]


@pytest.mark.parametrize(
    ("said", "useful"),
    [("10.0.0.5", True), ("fd00::5", True), ("x", False), ("127.0.0.1", False), ("::1", False), ("fe80::1", False),
     ("::ffff:127.0.0.1", False), ("169.254.1.1", False), ("10.0.0.5; reboot", False), ("", False)],
)  # fmt: skip
def test_only_addresses_count_as_addresses(said: str, useful: bool) -> None:
    assert describe._is_useful(said) is useful
