# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin on a real libvirtd: guests that run and that don't, their addresses, groups, and what can go wrong."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest
import yaml
from cycle import ROOT, Task
from guest import Lab, built, shared_lab

__all__ = ["shared_lab"]

NETWORK, OFF, MAC = "mkd-net", "mkd-off", "52:54:00:0d:00:01"
HERE = "qemu:///system"
ALSO_HERE = "qemu+unix:///system"
NOWHERE = "qemu:///system?socket=/nonexistent/socket"


@pytest.fixture(scope="module")
def lab(shared_lab: Lab) -> Lab:
    """A guest with a lease and an agent, and one that is off."""
    network = {
        "name": NETWORK,
        "ips": [{"address": "10.93.1.1/24", "dhcp": {"hosts": [{"mac": MAC, "ip": "10.93.1.7"}]}}],
        "state": "active",
    }
    results = shared_lab.player.play(
        [
            Task("network", network),
            shared_lab.task(
                memory="128 MiB",
                vcpus=2,
                interfaces=[{"network": NETWORK, "mac": MAC}],
                boot=built().boot(),
                labels={"team": "blue", "web": ""},
                title="{{ lookup('pipe', 'touch /tmp/mkd-templated') }}",
                state="running",
            ),
            Task("domain", {"name": OFF, "memory": "64 MiB", "labels": {"team": "red & green"}}),
        ]
    )
    assert not [result.message for result in results if result.failed]
    shared_lab.guest.sees(lambda seen: "10.93.1.7" in seen["nics"], "its address", 60)
    return shared_lab


def inventory(place: pathlib.Path, *more: str, ok: bool = True, **options: t.Any) -> tuple[dict[str, t.Any], str]:
    """What ansible-inventory reads of a file with these options, and its warnings or errors."""
    file = place / "guests.libvirt.yml"
    file.write_text(yaml.safe_dump({"plugin": "metal.kvm.libvirt", **options}))
    command = [str(pathlib.Path(sys.executable).parent / "ansible-inventory"), f"--inventory={file}", "--list", *more]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE")},
        "ANSIBLE_CONFIG": str(place / "none.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build" / "collections"),
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
        "ANSIBLE_NOCOLOR": "1",
        "COLUMNS": "10000",
    }
    (place / "none.cfg").touch()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == ok, done.stdout + done.stderr
    return json.loads(done.stdout, object_hook=plain) if ok else {}, " ".join(done.stderr.split())


def plain(values: dict[str, t.Any]) -> t.Any:
    """ansible-inventory marks texts that are no templates."""
    return values.get("__ansible_unsafe", values)


def hosts(listed: dict[str, t.Any], group: str) -> list[str]:
    return sorted(listed.get(group, {}).get("hosts", []))


def test_guests_are_grouped_and_have_an_address(lab: Lab, tmp_path: pathlib.Path) -> None:
    listed, said = inventory(tmp_path, uris=[{"uri": HERE, "name": "kvm1"}], names=["mkd-*"])
    assert "WARNING" not in said
    variables = listed["_meta"]["hostvars"]
    assert sorted(variables) == [OFF, lab.name]
    assert variables[lab.name]["ansible_host"] == "10.93.1.7"
    assert variables[lab.name]["libvirt_vcpus"] == 2
    assert variables[lab.name]["libvirt_memory"] == 128 * 1024**2
    assert variables[lab.name]["libvirt_labels"] == {"team": "blue", "web": ""}
    assert "ansible_host" not in variables[OFF]
    groups = {
        "state_running": [lab.name],
        "state_stopped": [OFF],
        f"network_{NETWORK.replace('-', '_')}": [lab.name],
        "hypervisor_kvm1": [OFF, lab.name],
        "label_team_blue": [lab.name],
        "label_web": [lab.name],
        "label_team_red___green": [OFF],
    }
    assert {group: hosts(listed, group) for group in groups} == groups
    assert not pathlib.Path("/tmp/mkd-templated").exists(), "what a domain is called isn't a template"


def test_agents_are_asked_if_that_is_wanted(lab: Lab, tmp_path: pathlib.Path) -> None:
    listed, dummy = inventory(tmp_path, addresses=["agent"], names=[lab.name])
    (address,) = listed["_meta"]["hostvars"][lab.name]["libvirt_addresses"]
    assert (address["address"], address["source"]) == ("10.93.1.7", "agent")
    listed, dummy = inventory(tmp_path, addresses=["arp"], names=[lab.name], family="ipv6")
    assert "ansible_host" not in listed["_meta"]["hostvars"][lab.name]


def test_only_what_is_asked_for(lab: Lab, tmp_path: pathlib.Path) -> None:
    listed, dummy = inventory(
        tmp_path,
        names=["mkd-*"],
        states=["running"],
        group_by=["labels"],
        compose={"cores": "libvirt_vcpus * 2"},
        groups={"large": "libvirt_vcpus > 1"},
        keyed_groups=[{"key": "libvirt_labels.team", "prefix": "team"}],
    )
    assert list(listed["_meta"]["hostvars"]) == [lab.name]
    assert listed["_meta"]["hostvars"][lab.name]["cores"] == 4
    assert hosts(listed, "large") == hosts(listed, "team_blue") == hosts(listed, "label_web") == [lab.name]
    assert "state_running" not in listed


def test_one_name_on_two_hypervisors(lab: Lab, tmp_path: pathlib.Path) -> None:
    uris = [{"uri": HERE, "name": "kvm1"}, {"uri": ALSO_HERE, "name": "kvm2"}]
    listed, dummy = inventory(tmp_path, uris=uris, names=[lab.name])
    assert sorted(listed["_meta"]["hostvars"]) == [f"{lab.name}.kvm1", f"{lab.name}.kvm2"]
    assert hosts(listed, "hypervisor_kvm2") == [f"{lab.name}.kvm2"]


def test_a_hypervisor_that_is_down(lab: Lab, tmp_path: pathlib.Path) -> None:
    uris = [HERE, {"uri": NOWHERE, "name": "kvm2"}]
    listed, said = inventory(tmp_path, uris=uris, names=[lab.name])
    assert list(listed["_meta"]["hostvars"]) == [lab.name]
    assert "kvm2 is left out of the inventory: uri: can't connect to" in said
    dummy, said = inventory(tmp_path, uris=uris, unreachable="error", ok=False)
    assert "kvm2: uri: can't connect to" in said
    assert "Start it" in said


def test_one_that_does_not_answer_in_time(lab: Lab, tmp_path: pathlib.Path) -> None:
    """SSH to a machine that takes connections and says nothing: libvirt would wait for ever."""
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 1000\n")
    silent.chmod(0o755)
    uris = [HERE, {"uri": f"qemu+ssh://kvm2.invalid/system?command={silent}", "name": "kvm2"}]
    listed, said = inventory(tmp_path, uris=uris, names=[lab.name], timeout=3)
    assert list(listed["_meta"]["hostvars"]) == [lab.name]
    assert "kvm2 is left out of the inventory: no answer within 3 seconds" in said


def test_the_cache_is_asked_first(lab: Lab, tmp_path: pathlib.Path) -> None:
    keeps = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    broken = {"uri": NOWHERE, "name": "kvm2"}
    inventory(tmp_path, uris=[HERE, broken], names=[lab.name], **keeps)
    lab.connection.lookupByName(OFF).setMetadata(1, "a title", None, None, 2)
    listed, said = inventory(tmp_path, uris=[HERE, broken], names=["mkd-*"], **keeps)
    assert "libvirt_title" not in listed["_meta"]["hostvars"][OFF]
    assert "kvm2 is left out" in said, "what didn't answer is asked again"
    listed, dummy = inventory(tmp_path, "--flush-cache", uris=[HERE], names=["mkd-*"], **keeps)
    assert listed["_meta"]["hostvars"][OFF]["libvirt_title"] == "a title"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"uris": [{"url": HERE}]}, "is neither a URI nor a dict with uri and name"),
        ({"addresses": ["dns"]}, "dns"),
        ({"sates": ["running"]}, "sates: metal.kvm.libvirt has no such option. Did you mean states?"),
        ({"colour": "blue"}, "`ansible-doc -t inventory metal.kvm.libvirt` lists its options"),
        ({"uris": ["xen:///system"], "unreachable": "error"}, "metal.kvm manages guests of libvirt's driver qemu"),
    ],
)
def test_what_is_refused(options: dict[str, t.Any], words: str, tmp_path: pathlib.Path) -> None:
    assert words in inventory(tmp_path, ok=False, **options)[1]


def test_guests_behind_a_hypervisor_are_reached_through_it(lab: Lab, tmp_path: pathlib.Path) -> None:
    """The connection's own SSH is replaced by a program that leads to this machine's libvirtd."""
    tunnel = tmp_path / "tunnel"
    tunnel.write_text("#!/bin/sh\nexec virt-ssh-helper qemu:///system\n")
    tunnel.chmod(0o755)
    uri = f"qemu+ssh://root@kvm3.example:2222/system?command={tunnel}&proxy=native"
    listed, dummy = inventory(tmp_path, uris=[uri], names=[lab.name], proxy_jump=True)
    variables = listed["_meta"]["hostvars"][lab.name]
    assert variables["ansible_ssh_common_args"] == "-o ProxyJump=root@kvm3.example:2222"
    assert variables["libvirt_hypervisor"] == "kvm3.example"
    assert (
        "ansible_ssh_common_args"
        not in inventory(tmp_path, proxy_jump=True, names=[lab.name])[0]["_meta"]["hostvars"][lab.name]
    )
