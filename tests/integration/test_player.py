# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests' own way to run a module says the same as ansible-playbook."""

from __future__ import annotations

import pathlib
import sys
import typing as t

import pytest
from cycle import PREFIX, Player, Result, Task
from hosts import ROOT, hosts

NET, POOL, GUEST = f"{PREFIX}net", f"{PREFIX}pool", f"{PREFIX}guest"


def tasks(place: pathlib.Path) -> dict[str, list[tuple[str, Task]]]:
    """How a task ends, and the task: what is made, unchanged, checked, changed, refused and removed."""
    network: dict[str, t.Any] = {"name": NET, "ips": [{"address": "10.96.1.1/24"}], "state": "active"}
    pool: dict[str, t.Any] = {"name": POOL, "type": "dir", "path": str(place), "state": "active"}
    volume: dict[str, t.Any] = {"pool": POOL, "name": "a.qcow2", "capacity": "4 MiB"}
    secret: dict[str, t.Any] = {"name": f"{PREFIX}a", "usage": "iscsi", "value": "hidden"}
    domain: dict[str, t.Any] = {"name": GUEST, "memory": "64 MiB", "uuid": "6d6b7400-0000-4000-8000-000000000001"}
    return {
        "network": [
            ("changed", Task("network", network, check=True)),
            ("changed", Task("network", network)),
            ("unchanged", Task("network", network)),
            ("changed", Task("network", {**network, "domain": "example"})),
            ("failed", Task("network", {**network, "forward": "none"})),
            ("failed", Task("network", {**network, "mtu": "many"})),
            ("unchanged", Task("network_info", {"name": NET})),
            ("changed", Task("network", {"name": NET, "state": "absent", "force": True})),
        ],
        "storage": [
            ("changed", Task("pool", pool)),
            ("changed", Task("volume", volume, check=True)),
            ("changed", Task("volume", volume)),
            ("failed", Task("volume", {**volume, "format": "raw"})),
            ("unchanged", Task("volume_info", {"pool": POOL})),
            ("changed", Task("volume", {"pool": f"{PREFIX}none", "name": "a", "capacity": "1 MiB"}, check=True)),
            ("changed", Task("volume", {"pool": POOL, "name": "a.qcow2", "state": "absent"})),
            ("changed", Task("pool", {"name": POOL, "state": "absent"})),
        ],
        "secret": [("changed", Task("secret", secret)), ("changed", Task("secret", {**secret, "state": "absent"}))],
        "domain": [
            ("changed", Task("domain", domain)),
            ("changed", Task("domain", {**domain, "vcpus": 2}, check=True)),
            ("failed", Task("domain", {**domain, "disks": [{"target": "vda"}]})),
            ("unchanged", Task("domain_info", {"name": GUEST})),
            ("changed", Task("domain", {"name": GUEST, "state": "absent"})),
        ],
    }


@pytest.mark.parametrize("noun", ["network", "storage", "secret", "domain"])
def test_both_ways_say_the_same(player: Player, noun: str, place: pathlib.Path) -> None:
    ends, todo = zip(*tasks(place)[noun])
    alone, played = player.play(todo), player.playbook(todo)
    assert tuple(ended(result) for result in alone) == ends, [result.message for result in alone]
    for one, other in zip(alone, played):
        same(one, other)
    assert player.output, "the second came from ansible-playbook"


def ended(result: Result) -> str:
    return "failed" if result.failed else "changed" if result["changed"] else "unchanged"


def same(one: t.Any, other: t.Any) -> None:
    """But for what libvirt draws by lot or counts itself."""
    drawn = ("uuid", "mac", "allocation", "available", "physical", "timestamps", "exception", "key", "bridge")
    assert without(one, drawn) == without(other, drawn)


def without(value: t.Any, names: tuple[str, ...]) -> t.Any:
    if isinstance(value, dict):
        kept = {key: inner for key, inner in value.items() if key not in names and not key.startswith("_ansible_")}
        return {key: without(inner, names) for key, inner in kept.items()}
    return [without(inner, names) for inner in value] if isinstance(value, list) else value


def test_daemons_end_with_their_last_user(tmp_path: pathlib.Path) -> None:
    """Molecule ended the libvirtd that this machine's own tests were using."""
    with hosts(tmp_path, "shared") as (host,):

        def use(*words: str) -> bool:
            host.run(sys.executable, str(ROOT / "tests/integration/daemons.py"), *words)
            return host.run("virsh", "--connect", "qemu:///system", "list", ok=False).returncode == 0

        assert not use("join", "one")
        host.run("virtlogd", "-d")
        host.run("libvirtd", "-d")
        assert use("join", "other")
        assert use("leave", "one")
        assert not use("leave", "other")

        # What ran before anybody came isn't ended
        host.run("libvirtd", "-d")
        host.until(lambda: host.run("virsh", "list", ok=False).returncode == 0, "has no libvirtd")
        assert use("join", "one")
        assert use("leave", "one")
