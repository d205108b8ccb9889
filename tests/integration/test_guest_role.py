# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role guest, and guests of site.yml: their defaults are for a new guest, and never change one that exists."""

from __future__ import annotations

import pathlib
import socket
import subprocess
import typing as t

import pytest
from cycle import PREFIX, Player, Task, assert_one_paragraph

from playbooks import Ran, run_role, run_site

pytestmark = pytest.mark.timeout(900)
NAME, POOL, NETWORK = f"{PREFIX}guest", f"{PREFIX}pool", f"{PREFIX}net"
MIB = 1024**2


@pytest.fixture
def prepared(player: Player, place: pathlib.Path) -> dict[str, t.Any]:
    """A pool with an image, a network, and variables of a guest that differ from all defaults."""
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(place / "small.qcow2"), "8M"], check=True)
    tasks = [
        Task("pool", {"name": POOL, "type": "dir", "path": str(place), "state": "active"}),
        Task("network", {"name": NETWORK, "state": "active"}),
        Task("volume", {"pool": POOL, "name": "second.qcow2", "capacity": "4 MiB"}),
    ]
    assert not [result for result in player.play(tasks) if result.failed]
    return {
        "name": NAME,
        "memory": "96 MiB",
        "vcpus": 2,
        "type": "qemu",
        "pool": POOL,
        "image": "small.qcow2",
        "capacity": "16 MiB",
        "disks": [{"target": "vdb", "pool": POOL, "volume": "second.qcow2"}],
        "network": NETWORK,
        "mac": "52:54:00:aa:bb:01",
        "graphics": [],
        "wait_for": {},
    }


def prefixed(values: dict[str, t.Any]) -> dict[str, t.Any]:
    return {f"guest_{name}": value for name, value in values.items()}


def only(values: dict[str, t.Any], *names: str) -> dict[str, t.Any]:
    return {name: values[name] for name in ("name", *names)}


def as_it_is(connection: t.Any) -> tuple[str, int]:
    volume = connection.storagePoolLookupByName(POOL).storageVolLookupByName(f"{NAME}.qcow2")
    without_mark = (
        connection.lookupByName(NAME).XMLDesc(2).replace("  <metadata/>\n", "")
    )  # left of it until the guest stops
    return without_mark, volume.info()[1]


def assert_unchanged(ran: Ran) -> None:
    assert (ran.code, ran.changed) == (0, []), ran.output[-3000:]


def test_what_is_left_out_stays_as_it_is(player: Player, connection: t.Any, prepared: dict[str, t.Any]) -> None:
    made = run_role(player, "guest", prefixed(prepared))
    assert made.code == 0, made.output[-3000:]
    domain = connection.lookupByName(NAME)
    assert domain.isActive()
    before = as_it_is(connection)
    assert before[1] == 16 * MIB
    assert_unchanged(run_role(player, "guest", prefixed(prepared), prefixed(only(prepared, "wait_for"))))
    domain.destroy()
    said = only(prepared, "mac", "pool")  # it would wait for the agent, but for the guest being off
    assert_unchanged(run_role(player, "guest", prefixed(said), check=True))
    assert_unchanged(run_role(player, "guest", prefixed(said)))
    assert not domain.isActive()
    assert as_it_is(connection) == before
    changed = run_role(player, "guest", prefixed({**only(prepared, "wait_for"), "memory": "80 MiB"}))
    assert changed.changed, changed.output[-3000:]
    assert not domain.isActive()
    assert domain.info()[2] == 80 * 1024


def test_a_new_guest_gets_the_defaults(player: Player, connection: t.Any, prepared: dict[str, t.Any]) -> None:
    made = run_site(player, kvm_guests=[only(prepared, "type", "pool", "image", "network", "wait_for")])
    assert made.code == 0, made.output[-3000:]
    domain = connection.lookupByName(NAME)
    assert domain.isActive()
    assert domain.info()[2:4] == [1024**2, 1]
    assert "<graphics type='vnc'" in domain.XMLDesc()
    assert as_it_is(connection)[1] == 10 * 1024 * MIB
    assert_unchanged(run_site(player, kvm_guests=[only(prepared, "wait_for")]))


def test_options_for_creation_only(player: Player, connection: t.Any, prepared: dict[str, t.Any]) -> None:
    """A start that failed is made up for by the next run; what can't be left out is refused."""
    taken = socket.create_server(("127.0.0.1", 0))  # what no check can know
    graphics = [{"type": "vnc", "port": taken.getsockname()[1], "listen": "127.0.0.1"}]
    domain = {"name": NAME, "memory": "96 MiB", "type": "qemu", "graphics": graphics}
    given = {
        **domain,
        "interfaces": [{"network": NETWORK, "mac": prepared["mac"]}],
        "state": "running",
        "creation_only": ["state", "memory", "interfaces[].network"],
    }
    with taken:
        (failed,) = player.play([Task("domain", given)])
    assert failed.failed
    assert not connection.lookupByName(NAME).isActive()
    again, unchanged, volume = player.play([
        Task("domain", given),
        Task("domain", {**given, "memory": "1 GiB", "interfaces": [{"network": "none", "mac": prepared["mac"]}]}),
        Task("volume", {"pool": POOL, "name": "second.qcow2", "capacity": "1 GiB", "creation_only": ["capacity"]}),
    ])  # fmt: skip
    assert again["actions"] == [f"start domain {NAME}"], again
    assert connection.lookupByName(NAME).isActive()
    assert (unchanged["changed"], volume["changed"]) == (False, False), (unchanged, volume)
    for name in ("colour", "apply", "name"):
        (refused,) = player.play([Task("domain", {**domain, "creation_only": [name]}, check=True)])
        assert_one_paragraph(refused)
        assert f"creation_only: '{name}'" in refused.message
