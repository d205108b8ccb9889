# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input for domains: each is one paragraph that names the option and the remedy, and nothing is changed."""

from __future__ import annotations

import pathlib
import subprocess
import typing as t

import pytest
from cycle import ROOT, Task, assert_one_paragraph
from domain_bench import Bench
from guest import NAME, POOL, PREFIX, Lab, canonical, lab

__all__ = ["lab"]


@pytest.fixture
def bench(lab: Lab) -> Bench:
    """Options judged in this process."""
    return Bench(NAME, lab.place)


NEW = {"memory": "64 MiB"}
MAC = "52:54:00:0d:00:01"
DISK = {"target": "vda", "file": "/dev/null", "format": "raw"}
RBD = {"target": "vdb", "network": {"protocol": "rbd", "name": "pool/image", "hosts": [{"name": "h"}]}}
UUID = "8f0f7a52-7e5b-4d0c-9d2c-0d4a6c3b1f10"
XML = f"<domain type='qemu'><name>{NAME}</name><memory>65536</memory><os><type>hvm</type></os></domain>"

# what is wrong: the options, and words that the error must have
REFUSED: dict[str, tuple[dict[str, t.Any], list[str]]] = {
    "no memory": ({"disks": []}, ["memory", NAME]),
    "negative memory": ({"memory": "-1 GiB"}, ["memory", "-1 GiB", "isn't negative"]),
    "no memory at all": ({"memory": "0"}, ["memory"]),
    "memory without a unit": ({**NEW, "memory": 2048}, ["memory: '2048'", "no unit", "'2048 MiB' or '2048 GiB'"]),
    "shared memory of no size": ({**NEW, "shmem": [{"name": "mkd", "size": "0"}]}, ["shmem[0].size", "0", "or more"]),
    "malformed size": ({"memory": "2 gigs"}, ["memory", "2 gigs", "GiB"]),
    "size of nothing": ({"memory": "GiB"}, ["memory", "GiB"]),
    "no vcpus": ({**NEW, "vcpus": 0}, ["vcpus", "from 1 to 65535"]),
    "fewer vcpus at most": ({**NEW, "vcpus": 4, "cpu": {"topology": {"sockets": 1, "cores": 1, "threads": 1}}}, ["topology"]),
    "unknown network": ({**NEW, "interfaces": [{"network": "mkd-none"}]}, ["interfaces[0].network", "mkd-none", "metal.kvm.network"]),
    "unknown pool": (
        {**NEW, "disks": [{"target": "vda", "pool": "mkd-none", "volume": "a"}]}, ["disks[vda].pool", "mkd-none", "metal.kvm.pool"]),
    "unknown secret to log in with": (
        {**NEW, "disks": [{**RBD, "auth": {"username": "u", "secret_usage": "mkd-none"}}]},
        ["disks[vdb].auth.secret_usage", "no secret for ceph", "mkd-none", "metal.kvm.secret"]),
    "unknown secret of an image": (
        {**NEW, "disks": [{**DISK, "encryption": {"format": "luks", "secret_uuid": UUID}}]},
        ["disks[vda].encryption.secret_uuid", "no secret for volume", UUID, "metal.kvm.secret"]),
    "unknown secret of a device": (
        {**NEW, "hostdevs": [{"scsi": {"iscsi": "iqn.2024-01.com.example:a/1", "hosts": [{"name": "h"}],
                                       "auth": {"username": "u", "secret_usage": "mkd-none"}}}]},
        ["hostdevs[0].scsi.auth.secret_usage", "no secret for iscsi", "mkd-none"]),
    "unknown secret of a tpm": ({**NEW, "tpm": [{"model": "tpm-crb", "encryption_secret": UUID}]}, ["tpm[0].encryption_secret", UUID]),
    "missing image": ({**NEW, "disks": [{"target": "vda", "file": "/nonexistent/a.qcow2"}]}, ["disks[vda].file", "/nonexistent/a.qcow2"]),
    "not an image": ({**NEW, "disks": [{"target": "vda", "file": "/etc"}]}, ["disks[vda]", "/etc"]),
    "two kinds of source": ({**NEW, "disks": [{"target": "vda", "file": "/a", "block": "/dev/b"}]}, ["disks[0]", "file", "block"]),
    "duplicate target": ({**NEW, "disks": [DISK, DISK]}, ["disks", "vda", "items 0 and 1"]),
    "unknown bus": ({**NEW, "disks": [{**DISK, "bus": "nvm"}]}, ["bus", "nvm", "virtio"]),
    "unknown key": ({**NEW, "disks": [{**DISK, "colour": "blue"}]}, ["colour", "disks"]),
    "duplicate mac": (
        {**NEW, "interfaces": [{"user": True, "mac": MAC}, {"user": True, "mac": MAC.upper()}]}, ["interfaces", MAC, "items 0 and 1"]),
    "not a mac": ({**NEW, "interfaces": [{"user": True, "mac": "52:54:00"}]}, ["interfaces[0].mac", "52:54:00", "six pairs"]),
    "multicast mac": ({**NEW, "interfaces": [{"user": True, "mac": "53:54:00:00:00:01"}]}, ["interfaces[0].mac", "multicast"]),
    "not a uuid": ({**NEW, "uuid": "12"}, ["uuid", "12", "32"]),
    "name with a slash": ({**NEW, "name": "mkd-a/b"}, ["name", "mkd-a/b"]),
    "name of nothing": ({**NEW, "name": " "}, ["name"]),
    "name with a line break": ({**NEW, "name": "mkd-a\nb"}, ["name"]),
    "unknown architecture": ({**NEW, "arch": "vax"}, ["arch", "vax"]),
    "unknown machine": ({**NEW, "machine": "pc-q35-0.1"}, ["machine", "pc-q35-0.1"]),
    "unknown device": ({**NEW, "video": [{"model": "crt"}]}, ["video", "crt"]),
    "seed without a pool": ({**NEW, "cloud_init": {"user_data": {}}}, ["cloud_init.pool"]),
    "seed in an unknown pool": ({**NEW, "cloud_init": {"user_data": {}, "pool": "mkd-none"}}, ["cloud_init.pool", "mkd-none"]),
    "malformed xml": ({"xml": f"<domain><name>{NAME}</name>"}, ["xml", "well-formed"]),
    "no xml": ({"xml": "memory: 2"}, ["xml", "well-formed"]),
    "xml of another kind": ({"xml": "<network/>"}, ["xml", "<network>"]),
    "xml of another name": ({"xml": XML.replace(NAME, "mkd-two")}, ["xml", "mkd-two", NAME]),
    "xml that libvirt refuses": ({"xml": XML.replace("hvm", "vmx")}, ["vmx"]),
    "xml with an entity": (
        {"xml": f"<!DOCTYPE d [<!ENTITY e SYSTEM 'file:///etc/hostname'>]><domain><name>{NAME}</name><title>&e;</title></domain>"},
        ["xml", "DOCTYPE"]),
    "xml with an external dtd": (
        {"xml": f"<!DOCTYPE domain SYSTEM 'http://localhost:1/domain.dtd'><domain><name>{NAME}</name></domain>"}, ["xml", "DOCTYPE"]),
    "xml with entities in entities": (
        {"xml": "<!DOCTYPE d [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;&a;'>]><domain>&b;</domain>"}, ["xml", "DOCTYPE"]),
    "xml and options": ({"xml": XML, "title": "one"}, ["xml", "title"]),
    "set and unset": ({**NEW, "title": "a", "unset": ["title"]}, ["unset", "title"]),
    "unset of nothing": ({**NEW, "unset": ["colour"]}, ["unset", "colour"]),
    "patch of many": ({**NEW, "xml_patch": [{"path": "//*", "set": "1"}]}, ["xml_patch[0].path", "selects"]),
    "patch that says nothing": ({**NEW, "xml_patch": [{"path": "title"}]}, ["xml_patch[0]", "set"]),
    "patch in the place of an option": (
        {**NEW, "title": "one", "xml_patch": [{"path": "title", "set": "two"}]}, ["title", "one", "xml_patch", "two"]),
    "patch in the place of a device's option": (
        {**NEW, "disks": [{"target": "sda", "device": "cdrom", "bus": "sata", "boot_order": 2}],
         "xml_patch": [{"path": "devices/disk/boot/@order", "set": "3"}]}, ["boot_order", "xml_patch"]),
    "patch that is no path": ({**NEW, "xml_patch": [{"path": "title[", "set": "1"}]}, ["xml_patch[0].path", "XPath"]),
    "wait for what is off": ({**NEW, "wait_for": {"agent": True}}, ["wait_for", "state: running"]),
    "start of what isn't connected": (
        {**NEW, "interfaces": [{"unconnected": True, "mac": MAC}], "state": "running"}, ["interfaces", "unconnected", "link: down"]),
    "weight on a block device": (
        {**NEW, "blkiotune": {"devices": [{"path": "/dev/loop0", "weight": 300}]}, "state": "running"},
        ["blkiotune.devices", "/dev/loop0", "CFQ", "blkiotune.weight"]),
    "two ways to boot": (
        {**NEW, "boot": {"order": ["hd"]}, "disks": [{**DISK, "boot_order": 1}]}, ["boot"]),
}  # fmt: skip
# these are what libvirt says, which a task asks in a process of its own (tests of many kinds keep to one libvirt)
JUDGED = {"fewer vcpus at most", "two ways to boot", "unknown machine", "unknown device", "xml that libvirt refuses"}
SECRETS = {case for case in REFUSED if case.startswith("unknown secret")}
# these are errors of a run; a check goes on with a warning, since an earlier task might have made them
ASSUMED = {"unknown network", "unknown pool", "missing image", "seed in an unknown pool", *SECRETS}


def assert_refused(bench: Bench, cases: t.Mapping[str, tuple[dict[str, t.Any], list[str]]]) -> None:
    """Each is one paragraph with these words; what is wrong is told of all of them."""
    wrong = {}
    for case, (args, words) in cases.items():
        said = bench.refused(**args)
        if not said or "\n" in said or [word for word in words if word not in said]:
            wrong[case] = (said or "was accepted", words)
    assert not wrong


def test_a_new_domain_of_bad_input_is_refused(bench: Bench) -> None:
    cases = {case: given for case, given in REFUSED.items() if case not in JUDGED}
    assert_refused(bench, cases)
    assert bench.world.find("domain", NAME) is None


def test_a_domain_that_is_there_stays_as_it_is(lab: Lab, bench: Bench) -> None:
    """The same for changes; each is told before the first step."""
    bench.task(memory="64 MiB", disks=lab.disks("a"), interfaces=[{"user": True, "mac": MAC}])
    before = canonical(lab.xml())
    new = {"no memory", "wait for what is off", "seed without a pool", *JUDGED}
    cases = {case: given for case, given in REFUSED.items() if case not in new and "name" not in given[0]}
    cases["uuid"] = ({"uuid": UUID}, ["uuid", "can't be changed"])
    cases["arch"] = ({"arch": "aarch64"}, ["arch", "can't be changed"])
    cases["uuid in xml"] = ({"xml": XML.replace("<memory>", f"<uuid>{UUID}</uuid><memory>")}, ["xml", "uuid"])
    cases["wait for what is off"] = ({"wait_for": {"ip": True}}, ["wait_for", "stopped"])
    assert_refused(bench, cases)
    assert canonical(lab.xml()) == before


def test_a_check_plans_on_what_is_not_there_yet(lab: Lab) -> None:
    """A network, pool or image that an earlier task of the same check would have made: a warning, and the plan goes on."""
    cases = {case: REFUSED[case] for case in sorted(ASSUMED - SECRETS | {"unknown secret of a device"})}
    results = lab.player.play([lab.task(check, **args) for args, words in cases.values() for check in (True, False)])
    for (case, (args, words)), check, run in zip(cases.items(), results[::2], results[1::2]):
        assert_one_paragraph(run)
        assert not [word for word in words if word not in run.message], (case, run.message)
        assert not check.failed, (case, check.message)
        assert check["changed"]
        assert check["assumed"] == [run["option"]], case
        assert any(run.message.startswith(warning.rstrip(".")[:40]) for warning in check["warnings"]), (case, args)
    assert not [one.name() for one in lab.connection.listAllDomains() if one.name().startswith(PREFIX)]


def test_errors_are_one_paragraph_of_a_task(lab: Lab) -> None:
    """One of each kind through Ansible: the frame's own, a row's, a document's, and all of libvirt's."""
    kinds = ("unknown key", "negative memory", "xml with an entity", "name with a line break", *sorted(JUDGED))
    lab.player.refuse_all("domain", {case: ({"name": NAME, **REFUSED[case][0]}, REFUSED[case][1]) for case in kinds})
    assert not [one.name() for one in lab.connection.listAllDomains() if one.name().startswith(PREFIX)]


def test_unknown_volume(lab: Lab) -> None:
    (lab.place / "pool").mkdir()
    pool = {"name": POOL, "type": "dir", "path": str(lab.place / "pool"), "state": "active"}
    disks = [{"target": "vda", "pool": POOL, "volume": "none.qcow2"}]
    made, check, run = lab.player.play(
        [Task("pool", pool), lab.task(True, **NEW, disks=disks), lab.task(**NEW, disks=disks)]
    )
    assert not made.failed, made.message
    assert check["assumed"] == ["disks[vda].volume"]
    assert_one_paragraph(run)
    assert "none.qcow2" in run.message
    assert "metal.kvm.volume" in run.message


NOWHERE = "qemu+unix:///system?socket=/nonexistent/libvirt-sock"


def test_libvirtd_that_does_not_run(lab: Lab) -> None:
    check, run, info = lab.player.play(
        [lab.task(True, **NEW, uri=NOWHERE), lab.task(**NEW, uri=NOWHERE), Task("domain_info", {"uri": NOWHERE})]
    )
    for result in (run, info):
        assert_one_paragraph(result)
        assert result["option"] == "uri"
        assert NOWHERE in result.message
        assert "libvirtd" in result.message
    assert check["changed"]
    assert any("libvirtd" in warning for warning in check["warnings"])


def test_no_permission(lab: Lab) -> None:
    """As a user that may not talk to the system's libvirtd; run outside Ansible's temporary directories."""
    import json

    args = lab.place / "args.json"
    args.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {"name": NAME, **NEW}}))
    args.chmod(0o644)
    program = (
        "import sys; sys.path[:0] = sys.argv[2:]; sys.argv = ['domain', sys.argv[1]];"
        "import runpy; runpy.run_module('ansible_collections.metal.kvm.plugins.modules.domain', run_name='__main__')"
    )
    import ansible

    paths = [str(ROOT / ".build" / "collections"), str(pathlib.Path(ansible.__file__).parents[1])]
    ran = subprocess.run(
        [
            "setpriv",
            "--reuid=nobody",
            "--regid=nogroup",
            "--clear-groups",
            "/usr/bin/python3",
            "-c",
            program,
            str(args),
            *paths,
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
    )
    assert ran.stdout, ran.stderr
    result = json.loads(ran.stdout)
    assert result["failed"], result
    assert "Traceback" not in ran.stderr
    assert "uri" in result["msg"]
    assert "become" in result["msg"]
    assert "\n" not in result["msg"].strip()


def test_xml_over_the_network_is_not_fetched(lab: Lab) -> None:
    """The parser opens no connection, whatever the document says."""
    import socket

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(0.1)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/domain.dtd"
        lab.fails("DOCTYPE", xml=f"<!DOCTYPE domain SYSTEM '{url}'>{XML}")
        with pytest.raises(TimeoutError):
            server.accept()
