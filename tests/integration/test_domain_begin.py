# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Domains that begin from others, change their name, or begin anew: clones, renames, restarts, resets."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import time
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain import act, restart
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.plan import NOUN
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError
from ansible_collections.metal.kvm.plugins.module_utils._run import run_steps
from cycle import Task
from domain_bench import Bench
from guest import PREFIX, Guest, Lab, built, lab
from lxml import etree

__all__ = ["lab"]

POOL, OLD, NEW = f"{PREFIX}begin", f"{PREFIX}old", f"{PREFIX}new"
MAC = "52:54:00:0d:00:01"
UUID = "3f1f4f5e-7a09-4c89-9d3b-0d7f13a5d1ab"


@pytest.fixture
def pool(lab: Lab) -> pathlib.Path:
    """An active pool with an image of each format, each with something in it."""
    path = lab.place / "pool"
    path.mkdir()
    for name, form in (("a.qcow2", "qcow2"), ("b.raw", "raw")):
        subprocess.run(["qemu-img", "create", "-q", "-f", form, str(path / name), "8M"], check=True)
        subprocess.run(["qemu-io", "-f", form, "-c", "write -q -P 0x5a 1M 64k", str(path / name)], check=True)
    xml = f"<pool type='dir'><name>{POOL}</name><target><path>{path}</path></target></pool>"
    lab.connection.storagePoolDefineXML(xml).create()
    return path


@pytest.fixture
def old(lab: Lab, pool: pathlib.Path) -> Bench:
    """A domain that is off, with a seed, two disks, a read-only medium and an interface."""
    bench = Bench(OLD, lab.place)
    bench.task(
        memory="192 MiB",
        title="the old one",
        genid="new",
        smbios="sysinfo",
        sysinfo={"system": {"uuid": UUID}},
        uuid=UUID,
        labels={"stage": "test"},
        boot=built().boot(),
        disks=[
            {"target": "vda", "pool": POOL, "volume": "a.qcow2"},
            {"target": "vdb", "file": str(pool / "b.raw")},
            {"target": "sda", "device": "cdrom", "bus": "scsi", "file": lab.iso("ONE")},
        ],
        interfaces=[{"user": True, "mac": MAC}],
        cloud_init={"user_data": {"hostname": "old"}},
    )
    return bench


def same_content(one: pathlib.Path, other: pathlib.Path) -> bool:
    return subprocess.run(["qemu-img", "compare", "-q", "-U", str(one), str(other)], check=False).returncode == 0


def backing(path: pathlib.Path) -> str:
    run = subprocess.run(["qemu-img", "info", "--output=json", "-U", str(path)], check=True, capture_output=True)
    return str(json.loads(run.stdout).get("backing-filename", ""))


def sources(root: t.Any) -> dict[str, str]:
    """Target to where each disk of a document is."""
    found = {}
    for disk in root.iterfind("devices/disk"):
        source = disk.find("source")
        found[disk.find("target").get("dev")] = source.get("volume") or source.get("file")
    return found


def test_a_clone_with_disks_of_its_own(lab: Lab, pool: pathlib.Path, old: Bench) -> None:
    """Through Ansible, checked first; the clone boots, and has the seed that the task gives it."""
    before = lab.connection.lookupByName(OLD).XMLDesc(3)
    wanted = {
        "name": NEW,
        "source_domain": {"name": OLD},
        "title": "the new one",
        "cloud_init": {"user_data": {"hostname": "new"}},
        "state": "running",
    }
    check, ran, again = lab.player.play([Task("domain", wanted, check) for check in (True, False, False)])
    assert not ran.failed, ran.message
    assert check["actions"] == ran["actions"]
    assert check.diff == ran.diff
    assert not again["changed"], again["actions"]
    assert lab.connection.lookupByName(OLD).XMLDesc(3) == before
    new = lab.connection.lookupByName(NEW)
    root = document(new)
    assert sources(root) == {
        "vda": f"{NEW}-vda.qcow2",
        "vdb": f"{NEW}-vdb.raw",
        "sda": lab.iso("ONE"),
        "vdz": f"{NEW}-seed.iso",
    }
    assert same_content(pool / "a.qcow2", pool / f"{NEW}-vda.qcow2")
    assert same_content(pool / "b.raw", pool / f"{NEW}-vdb.raw")
    assert new.UUIDString() != lab.connection.lookupByName(OLD).UUIDString()
    assert root.findtext("sysinfo/system/entry") == new.UUIDString()
    assert root.findtext("genid") not in (None, document(lab.connection.lookupByName(OLD)).findtext("genid"))
    assert root.find("devices/interface/mac").get("address") != MAC
    assert root.findtext("title") == "the new one"
    assert [label.get("value") for label in root.iterfind("metadata/{*}kvm/{*}label")] == ["test"]
    assert root.find("metadata/{*}kvm/{*}clone") is None
    assert Guest(NEW).up()["cd"] == "ONE"
    assert b'hostname": "new' in (pool / f"{NEW}-seed.iso").read_bytes()
    assert b'hostname": "old' in (pool / f"{OLD}-seed.iso").read_bytes()


def document(domain: t.Any, flags: int = 3) -> t.Any:
    """Its definition, or with other flags the running instance's document, with secrets."""
    return etree.fromstring(domain.XMLDesc(flags))


def test_a_clone_over_the_disks_of_the_old_one(lab: Lab, pool: pathlib.Path, old: Bench) -> None:
    """And killed after each of its steps: the next run ends it; what is left of a copy is made anew."""
    new = Bench(NEW, lab.place)
    wanted: dict[str, t.Any] = {"source_domain": {"name": OLD, "disks": "overlay"}}
    steps = new.plan(wanted).steps
    assert [step.operation for step in steps] == [
        "domain.define",
        "domain.copy_disk",
        "domain.copy_disk",
        "domain.finish_clone",
    ]
    for stop in range(1, 5):
        for step in new.plan(wanted).steps[:stop]:
            NOUN.operations()[step.operation](new.world, **step.arguments)
        if stop == 3:
            (pool / f"{NEW}-vda.qcow2").write_bytes(b"half of it")
            lab.connection.storagePoolLookupByName(POOL).refresh(0)
        new.task(**wanted)
        assert backing(pool / f"{NEW}-vda.qcow2") == str(pool / "a.qcow2")
        assert backing(pool / f"{NEW}-vdb.qcow2") == str(pool / "b.raw")
        assert same_content(pool / "b.raw", pool / f"{NEW}-vdb.qcow2")
        assert document(lab.connection.lookupByName(NEW)).find("metadata/{*}kvm/{*}clone") is None
        assert not new.plan(wanted).changed
        new.task(state="absent", storage="delete")
        assert not list(pool.glob(f"{NEW}*")), "the clone's own disks go with it"
    assert {path.name for path in pool.iterdir()} == {"a.qcow2", "b.raw", f"{OLD}-seed.iso"}


def test_a_copy_that_fails_is_taken_back(lab: Lab, pool: pathlib.Path, old: Bench) -> None:
    new = Bench(NEW, lab.place)
    plan = new.plan({"source_domain": {"name": OLD}})
    (pool / "b.raw").unlink()
    with pytest.raises(Exception, match=r"b\.raw") as failed:
        run_steps(plan, NOUN.operations(), new.world)
    assert failed.value.rolled_back == [f"delete volume {POOL}/{NEW}-vda.qcow2", f"undefine domain {NEW}"]  # type: ignore[attr-defined]
    assert NEW not in [domain.name() for domain in lab.connection.listAllDomains()]
    assert not list(pool.glob(f"{NEW}*"))


def test_clones_and_other_names_keep_what_the_firmware_remembers(lab: Lab, pool: pathlib.Path) -> None:
    bench, new = Bench(OLD, lab.place), Bench(NEW, lab.place)
    bench.task(memory="192 MiB", firmware="efi", disks=[{"pool": POOL, "volume": "a.qcow2"}], state="paused")
    bench.task(state="stopped", force=True)
    one, other = (pathlib.Path(f"/var/lib/libvirt/qemu/nvram/{name}_VARS.fd") for name in (OLD, NEW))
    with one.open("r+b") as file:
        file.seek(-16, 2)
        file.write(b"it remembers 16b")
    new.task(source_domain={"name": OLD})
    assert other.read_bytes() == one.read_bytes()
    new.task(state="paused")
    assert other.read_bytes()[-16:] == b"it remembers 16b", "libvirt made it from no template"
    new.task(state="absent", force=True)
    assert one.exists()
    assert not other.exists()
    uuid = lab.connection.lookupByName(OLD).UUIDString()
    new.task(uuid=uuid, state="paused")
    assert lab.connection.lookupByName(NEW).UUIDString() == uuid
    assert pathlib.Path(document(lab.connection.lookupByName(NEW), 1).findtext("os/nvram")).read_bytes()[-16:] == (
        b"it remembers 16b"
    )
    new.task(state="absent", force=True)
    assert not list(one.parent.glob(f"{PREFIX}*"))


def test_what_can_not_be_cloned(lab: Lab, pool: pathlib.Path, old: Bench) -> None:
    new = Bench(NEW, lab.place)

    def refused(words: str, **options: t.Any) -> None:
        with pytest.raises(KvmError, match=re.escape(words)):
            new.plan(options)

    refused("there is no domain named 'mkd-missing'", source_domain={"name": f"{PREFIX}missing"})
    (pool / f"{NEW}-vda.qcow2").touch()
    lab.connection.storagePoolLookupByName(POOL).refresh(0)
    refused(f"has a volume {NEW}-vda.qcow2 already", source_domain={"name": OLD})
    (pool / f"{NEW}-vda.qcow2").unlink()
    lab.connection.storagePoolLookupByName(POOL).refresh(0)
    old.task(disks=[{"target": "vda", "file": lab.image("elsewhere.qcow2")}])
    refused("disk vda of domain mkd-old is in no storage pool", source_domain={"name": OLD})
    old.task(state="paused")
    refused("is paused, and the disks of a running guest can't be copied", source_domain={"name": OLD})
    assert old.plan({"source_domain": {"name": f"{PREFIX}missing"}}).steps == [], "it's there"


def test_another_name(lab: Lab, old: Bench) -> None:
    uuid = lab.connection.lookupByName(OLD).UUIDString()
    before = document(lab.connection.lookupByName(OLD))
    new = Bench(NEW, lab.place)
    changed, waiting, diff = new.task(uuid=uuid, title="renamed")
    assert (changed, waiting) == (True, [])
    assert diff["actions"] == [f"rename domain {OLD} to {NEW}", f"define domain {NEW}"]
    assert (diff["before"]["name"], diff["after"]["name"]) == (OLD, NEW)
    after = document(lab.connection.lookupByName(NEW))
    assert after.findtext("uuid") == uuid
    assert sources(after) == sources(before)
    assert OLD not in [domain.name() for domain in lab.connection.listAllDomains()]
    assert not new.task(uuid=uuid, title="renamed")[0]
    new.task(state="paused")
    with pytest.raises(KvmError, match="only one that is off can be called"):
        old.plan({"uuid": uuid})


class Restarter:
    """The module domain_restart in this process."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def plan(self, **options: t.Any) -> t.Any:
        validated = ArgumentSpecValidator(act.ARGUMENTS).validate({"name": self.bench.name, **options})
        assert not validated.error_messages
        return act.plan_restart(self.bench.world, validated.validated_parameters)

    def run(self, **options: t.Any) -> list[str]:
        plan = self.plan(**options)
        run_steps(plan, NOUN.operations(), self.bench.world)
        return list(plan.actions)


def boots(name: str, but: t.Collection[str] = ()) -> str:
    """The boot id of a guest, once it's none of those."""
    return Guest(name).sees(lambda seen: seen["boot"] not in but, "another boot", 60)["boot"]


def process(name: str) -> str:
    return pathlib.Path(f"/run/libvirt/qemu/{name}.pid").read_text(encoding="utf-8")


def test_restart_and_reset(lab: Lab) -> None:
    """A restart takes up what was staged, a reset doesn't, and is the same QEMU; a guest that is deaf isn't harmed."""
    bench = Bench(lab.name, lab.place)
    restart = Restarter(bench)
    bench.task(memory="192 MiB", boot=built().boot(), state="running")
    first, qemu = boots(lab.name), process(lab.name)
    assert not restart.plan(only_if_required=True).changed
    bench.task(features={"pmu": False}, apply="stage")
    assert restart.plan(how="reset").predicted["restart_required"] == ["features.pmu"]
    assert restart.run(how="reset") == [f"reset domain {lab.name}"]
    second = boots(lab.name, {first})
    assert process(lab.name) == qemu
    assert lab.info()["restart_required"] == ["features.pmu"]
    assert restart.plan(only_if_required=True).actions == [f"restart domain {lab.name}"]
    (result,) = lab.player.play([Task("domain_restart", {"name": lab.name, "only_if_required": True})])
    assert result["changed"]
    assert result["restart_required"] == []
    third = boots(lab.name, {first, second})
    assert process(lab.name) != qemu
    assert not restart.plan(only_if_required=True).changed
    bench.task(boot=built().boot("mkd.deaf"), apply="stage")
    restart.run(how="force")
    fourth = boots(lab.name, {first, second, third})
    begin = time.monotonic()
    with pytest.raises(KvmError, match="still running after 1 seconds"):
        restart.run(shutdown_timeout=1)
    assert time.monotonic() - begin < 20
    assert lab.domain.isActive()
    assert boots(lab.name) == fourth
    bench.task(state="stopped", force=True)
    with pytest.raises(KvmError, match="is stopped, so it can't be restarted"):
        restart.plan()


def test_a_restart_that_was_killed_is_finished(lab: Lab) -> None:
    """Between going down and coming up again only the mark in the definition says that it was a restart."""
    bench = Bench(lab.name, lab.place)
    bench.task(memory="128 MiB", serials=[], agent=False, state="paused")
    restart.put_restart(lab.domain, 60, force=True)
    lab.domain.destroy()
    changed, _waiting, diff = bench.task(memory="128 MiB")
    assert changed
    assert diff["actions"] == [f"start domain {lab.name}"]
    assert lab.domain.isActive()
    assert not bench.task(memory="128 MiB")[0]
    lab.domain.destroy()
    assert not bench.task(memory="128 MiB")[0], "one that was stopped by hand stays off"
