# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools and volumes that the machine of most tests has no kernel for: LVM, partitions, NFS, iSCSI with a login, SCSI hosts,
multipath, XFS. The servers run on the machine itself; molecule's scenario `roles` has one."""

from __future__ import annotations

import base64
import json
import pathlib
import shutil
import subprocess
import time
import typing as t

import pytest
from bench import Args, Bench, assert_cycle, assert_refused, assert_settles

NAME = "mkt-pool"
GROUP = "mkt-group"
SECRET = "6d6b7400-7e5b-4d0c-9d2c-0d4a6c3b1f30"
TARGET, INITIATOR = "iqn.2024-01.com.example:mkt", "iqn.2024-01.com.example:me"
PASSWORD = "correct-horse"
MIB = 1024**2


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture
def pool(connection: t.Any) -> Bench:
    del connection
    return Bench("pool")


@pytest.fixture
def volume(pool: Bench) -> Bench:
    del pool
    return Bench("volume", pool=NAME)


@pytest.fixture
def loops(place: pathlib.Path) -> t.Iterator[list[str]]:
    """Two block devices of 512 MiB."""
    devices = []
    for number in range(2):
        image = place / f"loop{number}"
        image.touch()
        with image.open("r+b") as file:
            file.truncate(512 * MIB)
        devices.append(run("losetup", "--partscan", "--find", "--show", str(image)).strip())
    yield devices
    for device in devices:
        run("losetup", "--detach", device)


def test_volume_group(pool: Bench, volume: Bench, loops: list[str]) -> None:
    made: Args = {
        "name": NAME, "type": "logical", "path": f"/dev/{GROUP}", "source": {"name": GROUP, "devices": loops[:1]},
    }  # fmt: skip
    try:
        assert_settles(pool, {**made, "build": "new", "state": "active"})
        assert run("vgs", "--noheadings", "-o", "pv_name", GROUP).split() == loops[:1]
        assert_cycle(
            volume,
            {"name": "one", "capacity": "64 MiB"},
            None,
            {"name": "one", "state": "absent"},
        )
        _thick_thin_and_snapshot(volume)
        assert_settles(pool, {"name": NAME, "autostart": True, "state": "inactive"})
        assert_settles(pool, {"name": NAME, "state": "absent"})
        assert "one" in run("lvs", "--noheadings", "-o", "lv_name", GROUP).split(), "the data stay"
        refused = {
            **made,
            "name": "mkt-other",
            "path": "/dev/mkt-others",
            "build": "new",
            "source": {"name": "mkt-others", "devices": loops[:1]},
        }
        assert_refused(pool, {"a device that is another's": (refused, ["mkt-other", loops[0]])})
        assert_settles(pool, {**made, "state": "active"})
        ran = assert_settles(pool, {"name": NAME, "state": "absent", "storage": "delete"})
        assert f"delete the 2 volumes of pool {NAME}" in ran.actions
        assert GROUP not in run("vgs", "--noheadings", "-o", "vg_name").split()
    finally:
        subprocess.run(["virsh", "pool-destroy", NAME], capture_output=True, check=False)
        subprocess.run(["vgremove", "--force", "--yes", GROUP], capture_output=True, check=False)


def _thick_thin_and_snapshot(volume: Bench) -> None:
    """Volumes of LVM: with all of their space, with none at first, a copy, and one that lies on another."""
    assert_settles(volume, {"name": "one", "capacity": "64 MiB"})
    pathlib.Path(f"/dev/{GROUP}/one").write_bytes(b"metal" * 100)
    assert_settles(volume, {"name": "copy", "source": {"volume": "one"}})
    assert run("head", "--bytes=5", f"/dev/{GROUP}/copy") == "metal"
    assert_settles(volume, {"name": "snap", "backing": "one"})
    assert run("head", "--bytes=5", f"/dev/{GROUP}/snap") == "metal"
    assert "one" in run("lvs", "--noheadings", "-o", "origin", GROUP).split()
    (read,) = volume.info({"pool": NAME, "name": "snap"})["volumes"]
    assert read["backing"]["path"] == f"/dev/{GROUP}/one"
    assert_refused(
        volume,
        {
            "larger": ({"name": "one", "capacity": "96 MiB"}, ["capacity", "lvextend"]),
            "a format": ({"name": "two", "capacity": "32 MiB", "format": "qcow2"}, ["format", "raw"]),
            "under a snapshot": ({"name": "one", "state": "absent"}, ["overlay", "snap"]),
            "no room": ({"name": "huge", "capacity": "2 GiB"}, ["capacity"]),
        },
    )
    assert_settles(volume, {"name": "snap", "state": "absent"})


@pytest.fixture
def export(place: pathlib.Path) -> t.Iterator[pathlib.Path]:
    """A directory that this machine's NFS server gives to itself."""
    directory = place / "export"
    directory.mkdir(mode=0o777)
    run("systemctl", "start", "nfs-server")
    run("exportfs", "-o", "rw,no_root_squash,insecure,fsid=77", f"127.0.0.1:{directory}")
    yield directory
    run("exportfs", "-u", f"127.0.0.1:{directory}")


def test_nfs(pool: Bench, volume: Bench, export: pathlib.Path, place: pathlib.Path) -> None:
    path = place / "mounted"
    made: Args = {
        "name": NAME, "type": "netfs", "path": str(path),
        "source": {"hosts": [{"name": "127.0.0.1"}], "dir": str(export), "format": "nfs"},
    }  # fmt: skip
    assert_settles(pool, {**made, "state": "active"})
    assert _mount(path)["fstype"].startswith("nfs")
    assert_cycle(
        volume,
        {"name": "one.qcow2", "capacity": "8 MiB"},
        {"name": "one.qcow2", "capacity": "16 MiB"},
        {"name": "one.qcow2", "state": "absent"},
    )
    assert_settles(volume, {"name": "two.qcow2", "capacity": "8 MiB"})
    assert (export / "two.qcow2").exists()
    ran = assert_settles(pool, {"name": NAME, "mount_options": ["noatime"], "source": {"protocol_version": "4.2"}})
    assert ran.restart_required == ["source.protocol_version", "mount_options"]
    assert_settles(pool, {"name": NAME, "apply": "restart"})
    options = _mount(path)["options"].split(",")
    assert {"noatime", "vers=4.2"} <= set(options)
    assert_settles(pool, {"name": NAME, "state": "absent"})
    assert not path.is_mount()
    assert (export / "two.qcow2").exists(), "the data stay"
    missing = {**made, "source": {**made["source"], "dir": "/nowhere"}, "state": "active"}
    assert_refused(pool, {"no such export": (missing, ["/nowhere"])})
    pool.run({"name": NAME, "state": "absent"})


def _mount(path: pathlib.Path) -> dict[str, str]:
    found = json.loads(run("findmnt", "--json", "--mountpoint", str(path)))
    return t.cast("dict[str, str]", found["filesystems"][0])


@pytest.fixture
def san(place: pathlib.Path, connection: t.Any) -> t.Iterator[None]:
    """An iSCSI target of this machine's kernel with two disks, that wants a login."""
    tpg = f"/iscsi/{TARGET}/tpg1"
    lines = [f"/iscsi create {TARGET}"]
    for number in range(2):
        lines += [
            f"/backstores/fileio create mkt{number} {place}/lun{number} 32M",
            f"{tpg}/luns create /backstores/fileio/mkt{number}",
        ]
    lines += [f"{tpg} set attribute authentication=1", f"{tpg}/acls create {INITIATOR}"]
    lines += [f"{tpg}/acls/{INITIATOR} set auth userid=me password={PASSWORD}"]
    run("systemctl", "start", "iscsid")
    for line in lines:
        run("targetcli", *line.split())
    usage = "<usage type='iscsi'><target>mkt-san</target></usage>"
    secret = connection.secretDefineXML(f"<secret private='yes'><uuid>{SECRET}</uuid>{usage}</secret>")
    secret.setValue(PASSWORD.encode())
    yield
    subprocess.run(
        ["virsh", "pool-destroy", NAME], capture_output=True, check=False
    )  # what a failure left; it ends the login
    subprocess.run(["iscsiadm", "-m", "node", "-T", TARGET, "-o", "delete"], capture_output=True, check=False)
    for iface in pathlib.Path("/etc/iscsi/ifaces").glob(
        "libvirt-iface-*"
    ):  # without records libvirt makes no use of it
        iface.unlink()
    run("targetcli", "/iscsi", "delete", TARGET)
    for number in range(2):
        run("targetcli", "/backstores/fileio", "delete", f"mkt{number}")


def test_iscsi_with_a_login(pool: Bench, volume: Bench, san: None) -> None:
    made: Args = {
        "name": NAME, "type": "iscsi", "path": "/dev/disk/by-path",
        "source": {
            "hosts": [{"name": "127.0.0.1"}], "devices": [TARGET], "initiator": INITIATOR,
            "auth": {"type": "chap", "username": "me", "secret_usage": "mkt-san"},
        },
    }  # fmt: skip
    assert_cycle(
        pool, {**made, "state": "active"}, {"name": NAME, "state": "inactive"}, {"name": NAME, "state": "absent"}
    )
    assert_settles(pool, {**made, "state": "active"})
    found = volume.info({"pool": NAME})["volumes"]
    assert [one["capacity"] for one in found] == [32 * MIB] * 2
    assert all(one["path"].startswith("/dev/disk/by-path/ip-127.0.0.1:3260-iscsi-") for one in found)
    name = found[0]["name"]
    assert not volume.plan({"name": name, "capacity": "32 MiB"}).actions, "what the server has is as it was asked for"
    assert_refused(
        volume,
        {
            "made": ({"name": "unit:0:0:7", "capacity": "16 MiB"}, ["iscsi"]),
            "removed": ({"name": name, "state": "absent"}, ["iscsi"]),
            "grown": ({"name": name, "capacity": "64 MiB"}, ["capacity", "iscsi"]),
        },
    )
    assert_settles(pool, {"name": NAME, "state": "inactive"})
    assert not [
        path for path in pathlib.Path("/sys/class/iscsi_session").glob("*/targetname") if TARGET in path.read_text()
    ]
    wrong = {"name": NAME, "source": {"auth": {"username": "you"}}, "state": "active"}
    assert_refused(pool, {"another user": (wrong, [NAME])})
    assert not pool.info({"name": NAME})["pools"][0]["active"]
    adopted = pool.info({"name": NAME, "as": "options"})["options"]
    assert adopted["source"]["auth"]["username"] == "you", "what was asked stays defined"
    assert not pool.plan(adopted).actions
    assert_settles(pool, {"name": NAME, "source": {"auth": {"username": "me"}}, "state": "active"})


@pytest.fixture
def scsi_host() -> t.Iterator[str]:
    """A SCSI host of the kernel's own, with a disk of 256 MiB in memory."""
    run("modprobe", "scsi_debug", "dev_size_mb=256", "add_host=1")
    run("udevadm", "settle")
    hosts = pathlib.Path("/sys/class/scsi_host").iterdir()
    (name,) = (host.name for host in hosts if (host / "proc_name").read_text().strip() == "scsi_debug")
    yield name
    for dummy in range(50):
        if subprocess.run(["modprobe", "--remove", "scsi_debug"], capture_output=True, check=False).returncode == 0:
            break
        time.sleep(0.2)


@pytest.fixture
def disk(scsi_host: str) -> str:
    """The name of that disk below /dev."""
    (found,) = pathlib.Path(f"/sys/class/scsi_host/{scsi_host}/device").glob("target*/*/block/*")
    return found.name


def test_scsi_host(pool: Bench, volume: Bench, scsi_host: str) -> None:
    made: Args = {
        "name": NAME, "type": "scsi", "path": "/dev", "source": {"adapter": {"type": "scsi_host", "name": scsi_host}},
    }  # fmt: skip
    assert_cycle(
        pool,
        {**made, "state": "active"},
        {"name": NAME, "path": "/dev/disk/by-path", "apply": "restart"},
        {"name": NAME, "state": "absent"},
    )
    assert_settles(pool, {**made, "state": "active"})
    (disk,) = volume.info({"pool": NAME})["volumes"]
    assert disk["capacity"] == 256 * MIB
    assert_refused(
        volume,
        {
            "made": ({"name": "unit:0:0:7", "capacity": "16 MiB"}, ["name", "scsi"]),
            "removed": ({"name": disk["name"], "state": "absent"}, ["state", "scsi"]),
        },
    )
    pool.run({"name": NAME, "state": "absent"})


def test_partitions(pool: Bench, volume: Bench, disk: str) -> None:
    made: Args = {
        "name": NAME,
        "type": "disk",
        "path": "/dev",
        "source": {"devices": [f"/dev/{disk}"], "format": "gpt"},
    }
    assert_settles(pool, {**made, "build": "new", "state": "active"})
    assert "gpt" in run("blkid", "-p", "-o", "value", "-s", "PTTYPE", f"/dev/{disk}")
    first = f"{disk}1"
    assert_cycle(volume, {"name": first, "capacity": "64 MiB"}, None, {"name": first, "state": "absent"})
    assert_settles(volume, {"name": first, "capacity": "64 MiB"})
    assert pathlib.Path(f"/dev/{first}").is_block_device()
    assert_refused(
        volume,
        {
            "grown": ({"name": first, "capacity": "128 MiB"}, ["capacity"]),
            "another name": ({"name": "other1", "capacity": "16 MiB"}, ["name", disk]),
        },
    )
    assert_settles(pool, {"name": NAME, "state": "absent"})
    assert pathlib.Path(f"/dev/{first}").is_block_device(), "the data stay"
    assert_refused(pool, {"a table that is there": ({**made, "build": "new", "state": "active"}, [disk])})
    assert_settles(pool, {**made, "state": "active"})
    assert_settles(pool, {"name": NAME, "state": "absent", "storage": "delete"})
    assert not pathlib.Path(f"/dev/{first}").exists()


def test_multipath(pool: Bench, volume: Bench, loops: list[str]) -> None:
    run("modprobe", "dm-multipath")
    size = 512 * MIB // 512
    table = f"0 {size} multipath 0 0 2 1 round-robin 0 1 1 {loops[0]} 1 round-robin 0 1 1 {loops[1]} 1"
    run("dmsetup", "create", "mkt-paths", "--table", table)
    try:
        run("udevadm", "settle")
        assert_cycle(
            pool,
            {"name": NAME, "type": "mpath", "path": "/dev/mapper", "state": "active"},
            {"name": NAME, "autostart": True},
            {"name": NAME, "state": "absent"},
        )
        assert_settles(pool, {"name": NAME, "type": "mpath", "path": "/dev/mapper", "state": "active"})
        (disk,) = volume.info({"pool": NAME})["volumes"]
        assert disk["capacity"] == 512 * MIB
        pool.run({"name": NAME, "state": "absent"})
    finally:
        run("dmsetup", "remove", "--retry", "mkt-paths")


def test_xfs_shares_blocks(pool: Bench, volume: Bench, loops: list[str], place: pathlib.Path) -> None:
    made: Args = {
        "name": NAME, "type": "fs", "path": str(place / "xfs"), "source": {"devices": loops[:1], "format": "xfs"},
    }  # fmt: skip
    assert_settles(pool, {**made, "build": "new", "state": "active"})
    try:
        assert_settles(volume, {"name": "one.raw", "capacity": "64 MiB"})
        path = place / "xfs" / "one.raw"
        path.write_bytes(base64.b64encode(bytes(range(256))) * (48 * MIB // 344))
        before = shutil.disk_usage(place / "xfs").used
        assert_settles(volume, {"name": "two.raw", "source": {"volume": "one.raw", "reflink": True}})
        assert shutil.disk_usage(place / "xfs").used - before < 8 * MIB
        assert (place / "xfs" / "two.raw").read_bytes() == path.read_bytes()
    finally:
        pool.run({"name": NAME, "state": "absent"})
