# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No daemon, no bindings, no rights: an error of one paragraph with its remedy; a check plans on the first two."""

from __future__ import annotations

import subprocess
import typing as t

import pytest
import yaml
from ansible_collections.metal.kvm.plugins.module_utils._libvirt import Embedded
from bench import Bench
from cycle import ROOT, Task, assert_one_paragraph, foreseen
from hosts import Play, hosts

if t.TYPE_CHECKING:
    import pathlib

TASKS: dict[str, dict[str, t.Any]] = {
    "network": {"name": "mkt-net"},
    "network_info": {},
    "pool": {"name": "mkt-pool", "type": "dir", "path": "/srv/mkt"},
    "pool_info": {},
    "volume": {"pool": "mkt-pool", "name": "x.qcow2", "capacity": "1 MiB"},
    "volume_info": {},
    "volume_download": {"pool": "mkt-pool", "name": "x.qcow2", "dest": "/nonexistent/mkt"},
    "domain": {"name": "mkt-domain", "memory": "64 MiB"},
    "domain_info": {},
    "domain_restart": {"name": "mkt-domain"},
    "secret": {"usage": "ceph", "name": "mkt-secret"},
    "secret_info": {},
    "nwfilter": {"name": "mkt-filter"},
    "nwfilter_info": {},
    "node_device": {"name": "pci_0000_00_00_0"},
    "node_device_info": {},
}


def test_every_module_that_connects_is_tried() -> None:
    groups = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))["action_groups"]
    assert set(groups["libvirt"]) - {"host_info"} == set(TASKS), "host_info tells of a host without libvirt too"


def tasks(keywords: t.Optional[dict[str, t.Any]] = None, **more: t.Any) -> list[Task]:
    return [
        Task(module, {**args, **more}, check, keywords) for module, args in TASKS.items() for check in (False, True)
    ]


def assert_refused_and_planned_on(results: list[t.Any], *words: str) -> None:
    for module, ran, checked in zip(TASKS, results[::2], results[1::2]):
        assert_one_paragraph(ran)
        assert all(word in ran.message for word in words), ran.message
        assert not checked.failed, checked.message
        assert checked["changed"] == (not module.endswith("_info"))
        assert ran.message in foreseen(checked)


def test_the_daemon_is_not_running(player: t.Any, place: pathlib.Path) -> None:
    results = player.play(tasks(uri=f"qemu:///system?socket={place}/none"))
    assert_refused_and_planned_on(results, "uri: can't connect", "Start it", "metal.kvm.host")


@pytest.fixture
def bare_python(place: pathlib.Path) -> str:
    """An interpreter that sees nothing of the distribution's packages."""
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", str(place / "bare")], check=True)
    return str(place / "bare" / "bin" / "python")


def test_the_bindings_are_another_interpreter_s(player: t.Any, bare_python: str, tmp_path: pathlib.Path) -> None:
    """A task on localhost runs under the interpreter of Ansible's virtual environment, which hasn't got them."""
    network = {"name": "mkt-net", "ips": [{"address": "10.97.1.1/24"}]}
    bare = {"vars": {"ansible_python_interpreter": bare_python}, "environment": {"HOME": str(tmp_path)}}
    results = player.play(
        [
            Task("network", network, True, bare),
            Task("network", network, False, bare),
            Task("network", network, False, bare),
            Task("network", {**network, "uuid": "1"}, False, bare),
            Task("host_info", {"uri": "qemu:///system", "gather": ["libvirt"]}, False, bare),
            Task("network", {"name": "mkt-net", "state": "absent"}, False, bare),
        ]
    )
    assert [result["changed"] for result in results[:3]] == [True, True, False]
    assert_one_paragraph(results[3])
    assert "uuid" in results[3].message
    assert results[4]["host"]["libvirt"]["reachable"]
    assert results[5]["changed"]
    remembered = tmp_path / ".ansible" / "metal.kvm" / "interpreter"
    assert remembered.read_text() == "/usr/bin/python3"
    assert remembered.stat().st_mode & 0o777 == 0o600


def test_no_interpreter_has_the_bindings(tmp_path: pathlib.Path) -> None:
    with hosts(tmp_path, "bare") as (host,):
        host.run("mount", "-t", "tmpfs", "hidden", "/usr/lib/python3/dist-packages")
        remembered = "/root/.ansible/metal.kvm/interpreter"
        host.run("install", "-D", "-m", "600", "/dev/stdin", remembered, input="/usr/bin/python3")
        network = {"metal.kvm.network": {"name": "mkt-net"}, "name": "Declare a network"}
        for task in (network, {"metal.kvm.domain_info": {}, "name": "Read the domains"}):
            (said,) = host.refused(Play([task]))
            assert "/usr/bin/python3, has no module" in said
            assert "Install python3-libvirt and python3-lxml" in said
        assert host.run("test", "-e", remembered, ok=False).returncode != 0, "what no longer has them isn't remembered"
        (checked,) = host.play(Play([network]), check=True)
        assert (checked.failed, checked.changed) == (0, 1), checked.text
        assert "/usr/bin/python3, has no module" in " ".join(checked.text.split()), "the check says it as a warning"


def test_a_user_without_rights(player: t.Any) -> None:
    su = {"become_method": "ansible.builtin.su", "become_flags": "-s /bin/sh"}
    keywords = {"become": True, "become_user": "nobody", **su}
    for result in player.play(tasks(keywords)):
        if result["outcome"] == "ok" and not result["changed"]:
            continue  # a reader that the daemon lets in
        assert_one_paragraph(result)
        assert "uri: can't connect" in result.message
        assert "become: true" in result.message


URIS = {
    "nonsense:///": "driver qemu, not of 'nonsense'",
    "system": "no driver",
    "qemu:///sytem": "'/sytem' is neither /system nor /session",
    "qemu+sssh://host.invalid/system": "'sssh' is not a transport",
    "qemu:///system x": "'/system x' is neither",
    "qemu+ssh://host:port/system": "The URI is wrong",
    "qemu+tcp://host.invalid/system": "Correct the name of the machine",
}


def test_a_wrong_uri(player: t.Any) -> None:
    """What is wrong with it, in a check too; nobody is told to start a daemon."""
    given = [(uri, check) for uri in URIS for check in (False, True)]
    results = player.play([Task("network", {"name": "mkt-net", "uri": uri}, check) for uri, check in given])
    for (uri, dummy), result in zip(given, results):
        assert_one_paragraph(result)
        assert f"uri: can't connect to {uri}" in result.message
        assert URIS[uri] in result.message, result.message
        assert "Start it" not in result.message


def test_another_machine_that_does_not_answer(player: t.Any) -> None:
    ran, checked = player.play([
        Task("network", {"name": "mkt-net", "uri": "qemu+tcp://127.0.0.1:1/system"}, check) for check in (False, True)
    ])  # fmt: skip
    assert_one_paragraph(ran)
    assert "metal.kvm.remote" in ran.message
    assert "Start it" not in ran.message
    assert ran.message in foreseen(checked)


def test_streams_after_a_document_was_judged() -> None:
    """libvirt's driver within this process, which judges documents, takes new connections to the daemon for its own."""
    bench = Bench("domain")
    assert bench.plan({"name": "mkt-judged", "memory": "16 MiB", "type": "qemu"}).actions
    assert Embedded.opened
    assert bench.world.streaming().connection.isAlive()
