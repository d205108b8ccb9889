# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets and network filters from inventory variables, by playbooks/site.yml; what refers to such is looked at first."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import typing as t

from cycle import PREFIX, ROOT, Player, Task

MARKER = "marker-of-the-site-Kq3"
NAME = f"{PREFIX}san"
VARIABLES = {
    "kvm_secrets": [{"usage": "iscsi", "name": NAME, "value": MARKER}],
    "kvm_nwfilters": [
        {"name": f"{PREFIX}base", "rules": [{"action": "accept", "direction": "inout", "arp": {}}]},
        {"name": f"{PREFIX}web", "rules": [{"filterref": f"{PREFIX}base"}]},
    ],
    "kvm_node_devices": [{"uuid": "6d6b7400-6a0e-4a7e-8f5b-6d5c1c0d7e30", "state": "absent"}],
}


def site(player: Player, *words: str) -> str:
    """What site.yml says, from the images on; all that it can say."""
    inventory = player.place / "hypervisors.yml"
    host = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}
    inventory.write_text(json.dumps({"hypervisors": {"hosts": {"here": host}, "vars": VARIABLES}}), encoding="utf-8")
    command = [
        str(pathlib.Path(sys.executable).parent / "ansible-playbook"),
        "-vvvv",
        "--diff",
        f"--inventory={inventory}",
    ]
    run = subprocess.run(
        [*command, "--start-at-task", "Have the images", *words, str(ROOT / "playbooks" / "site.yml")],
        env={**player.environment(player.place / "none"), "ANSIBLE_STDOUT_CALLBACK": "default"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return run.stdout + run.stderr


def test_secrets_and_filters_from_the_inventory(player: Player, connection: t.Any) -> None:
    """Made once, unchanged the second time; the value is in the inventory and nowhere in the output."""
    said = [site(player, "--check"), site(player), site(player)]
    for text, changed in zip(said, (3, 2, 0)):
        recap = text.rpartition("PLAY RECAP")[2]
        assert "failed=0" in recap, text[-3000:]
        assert ("changed=0" in recap) == (changed == 0), text[-3000:]
        assert MARKER not in text
    assert "define secret iscsi" in said[1]
    assert connection.secretLookupByUsage(3, NAME).value() == MARKER.encode()
    assert f"filterref filter='{PREFIX}base'" in connection.nwfilterLookupByName(f"{PREFIX}web").XMLDesc()


def test_a_reference_to_something_missing(player: Player, connection: t.Any) -> None:
    """A filter that a guest names, a secret that a pool needs to start: an error in a run, a warning in a check."""
    pool = {
        "name": f"{PREFIX}pool", "type": "iscsi", "path": "/dev/disk/by-path", "state": "active",
        "source": {"hosts": [{"name": "san.example"}], "devices": ["iqn.2020-01.example:one"],
                   "auth": {"type": "chap", "username": "u", "secret_usage": NAME}},
    }  # fmt: skip
    guest = {"name": f"{PREFIX}guest", "memory": "64 MiB", "type": "qemu", "state": "stopped",
             "interfaces": [{"network": "default", "filter": {"name": f"{PREFIX}none"}}]}  # fmt: skip
    tasks = [
        Task(module, args, check) for module, args in (("pool", pool), ("domain", guest)) for check in (True, False)
    ]
    pool_check, pool_run, guest_check, guest_run = player.play(tasks)
    assert guest_run.failed
    assert f"interfaces[0].filter.name: there is no nwfilter named '{PREFIX}none'" in guest_run.message
    assert "metal.kvm.nwfilter" in guest_run.message
    assert guest_check["assumed"] == ["interfaces[0].filter.name"]
    if "iscsiadm" not in pool_run.message:  # the program is looked for before
        assert f"source.auth.secret_usage: there is no secret for iscsi with '{NAME}'" in pool_run.message
        assert pool_check["assumed"] == ["source.auth.secret_usage"]
    assert not [one for one in connection.listAllDomains() if one.name() == guest["name"]]
    assert not [one for one in connection.listAllStoragePools() if one.name() == pool["name"]]
