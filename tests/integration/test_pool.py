# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage pools on a real libvirtd: directories, and file systems on a loop device."""

from __future__ import annotations

import pathlib
import subprocess
import typing as t

import pytest
from bench import Bench, assert_refused

NAME = "mkt-pool"
MEASURED = ("capacity", "allocation", "available", "status", "volumes")


def test_cycle_of_a_directory(cycle: t.Any, place: pathlib.Path) -> None:
    path = place / "images"
    seen = cycle(
        "pool",
        create={"name": NAME, "type": "dir", "path": str(path), "state": "active", "autostart": True},
        change={"name": NAME, "path": str(place / "other"), "autostart": False, "apply": "restart"},
        remove={"name": NAME, "state": "absent"},
        predicted=(*MEASURED, "permissions"),
    )
    assert seen.create.run["actions"] == [
        f"define pool {NAME}",
        f"make the directory {path}",
        f"start pool {NAME} with the host",
        f"start pool {NAME}",
    ]
    assert seen.change.run["pool"]["path"] == str(place / "other")
    assert seen.change.run["pool"]["active"]
    assert path.is_dir(), "state absent keeps the data"
    assert (place / "other").is_dir()


def test_cycle_of_permissions(cycle: t.Any, place: pathlib.Path) -> None:
    path = place / "images"
    path.mkdir()
    pool = {"name": NAME, "type": "dir", "path": str(path), "permissions": {"mode": "0710", "owner": 65534}}
    seen = cycle(
        "pool",
        create=pool,
        change={"name": NAME, "permissions": {"mode": "0700", "owner": "root"}},
        remove={"name": NAME, "state": "absent"},
        predicted=MEASURED,
    )
    assert seen.create.run["pool"]["permissions"] == {"mode": "0710", "owner": 65534}
    assert path.stat().st_mode & 0o7777 == 0o700
    assert path.stat().st_uid == 0


def test_change_of_an_active_pool_waits_for_its_restart(player: t.Any, place: pathlib.Path) -> None:
    player.run("pool", name=NAME, type="dir", path=str(place / "one"), state="active")
    staged = player.run("pool", name=NAME, path=str(place / "two"))
    assert staged["restart_required"] == ["path"]
    assert staged["actions"] == [f"change pool {NAME}: path"]
    assert player.run("pool", name=NAME)["restart_required"] == ["path"]
    done = player.run("pool", name=NAME, apply="restart")
    assert done["restart_required"] == []
    assert (place / "two").is_dir()


def test_storage_delete_takes_the_volumes_along(player: t.Any, connection: t.Any, place: pathlib.Path) -> None:
    path = place / "images"
    for state in ("active", "inactive"):
        player.run("pool", name=NAME, type="dir", path=str(path), state="active")
        for name in ("one.img", "two.qcow2"):
            connection.storagePoolLookupByName(NAME).createXML(
                f"<volume><name>{name}</name><capacity unit='MiB'>1</capacity></volume>"
            )
        player.run("pool", name=NAME, state=state)
        gone = player.run("pool", name=NAME, state="absent", storage="delete")
        assert gone["pool"] is None
        assert not path.exists()
        assert NAME not in connection.listStoragePools() + connection.listDefinedStoragePools()


@pytest.mark.parametrize("case", ["mount", "hidden", "nested"])
def test_storage_delete_deletes_nothing_if_the_directory_cannot_go(
    connection: t.Any, place: pathlib.Path, case: str
) -> None:
    """libvirt would delete the volumes, and fail on the directory then."""
    del connection
    pools, path = Bench("pool", name=NAME), place / "images"
    path.mkdir()
    if case == "mount":
        subprocess.run(["mount", "-t", "tmpfs", "images", str(path)], check=True)
    try:
        kept = path / {"mount": "kept.img", "hidden": ".kept", "nested": "more/kept.img"}[case]
        kept.parent.mkdir(exist_ok=True)
        (path / "one.img").write_text("one")
        kept.write_text("kept")
        pools.run({"type": "dir", "path": str(path), "state": "active"})
        said = {"mount": "mount point", "hidden": ".kept", "nested": "more"}[case]
        assert_refused(pools, {case: ({"state": "absent", "storage": "delete"}, ["storage:", said, "keep"])})
        assert (path / "one.img").exists()
        assert kept.exists()
        assert pools.world.get("pool", NAME).isActive()
        assert pools.run({"state": "absent"}).changed
        assert kept.exists()
    finally:
        if case == "mount":
            subprocess.run(["umount", str(path)], check=True)


def test_storage_delete_is_refused_while_a_domain_uses_a_volume(
    player: t.Any, connection: t.Any, place: pathlib.Path
) -> None:
    path = place / "images"
    player.run("pool", name=NAME, type="dir", path=str(path), state="active")
    connection.storagePoolLookupByName(NAME).createXML(
        "<volume><name>one.img</name><capacity unit='MiB'>1</capacity></volume>"
    )
    connection.defineXML(
        f"""<domain type='qemu'><name>mkt-user</name><memory>65536</memory><os><type>hvm</type></os><devices>
        <disk type='file'><source file='{path}/one.img'/><target dev='vda'/></disk></devices></domain>"""
    )
    player.refuse("pool", "storage", "one.img", "mkt-user", name=NAME, state="absent", storage="delete")
    assert (path / "one.img").exists()
    assert connection.storagePoolLookupByName(NAME).isActive()


def test_transient_pool_becomes_persistent(player: t.Any, connection: t.Any, place: pathlib.Path) -> None:
    connection.storagePoolCreateXML(f"<pool type='dir'><name>{NAME}</name><target><path>{place}</path></target></pool>")
    assert player.run("pool", name=NAME)["actions"] == [f"make the transient pool {NAME} persistent"]
    assert connection.storagePoolLookupByName(NAME).isPersistent()
    assert not player.run("pool", name=NAME)["changed"]


def test_refresh_is_no_change(player: t.Any, connection: t.Any, place: pathlib.Path) -> None:
    player.run("pool", name=NAME, type="dir", path=str(place), state="active")
    (place / "new.img").write_bytes(bytes(4096))
    assert "new.img" not in connection.storagePoolLookupByName(NAME).listVolumes()
    refreshed = player.run("pool", name=NAME, refresh=True)
    assert not refreshed["changed"]
    assert "new.img" in connection.storagePoolLookupByName(NAME).listVolumes()


def test_xml_is_applied_once(player: t.Any, connection: t.Any, place: pathlib.Path) -> None:
    xml = f"<pool type='dir'><target><path>{place}/</path></target></pool>"
    assert player.run("pool", name=NAME, xml=xml, state="active")["changed"]
    assert not player.run("pool", name=NAME, xml=xml)["changed"]
    own = connection.storagePoolLookupByName(NAME).XMLDesc(0)
    assert not player.run("pool", name=NAME, xml=own)["changed"]


@pytest.fixture
def loop(place: pathlib.Path) -> t.Iterator[str]:
    """A block device of 64 MiB."""
    image = place / "disk.img"
    with image.open("wb") as file:
        file.truncate(64 * 1024**2)
    device = subprocess.run(
        ["losetup", "--find", "--show", str(image)], check=True, capture_output=True, text=True
    ).stdout.strip()
    yield device
    subprocess.run(["losetup", "--detach", device], check=True)


def test_cycle_of_a_file_system(cycle: t.Any, place: pathlib.Path, loop: str) -> None:
    path = place / "mounted"
    pool = {"name": NAME, "type": "fs", "path": str(path), "source": {"devices": [loop], "format": "ext4"}}
    seen = cycle(
        "pool",
        create={**pool, "build": "new", "state": "active"},
        change={"name": NAME, "state": "inactive"},
        remove={"name": NAME, "state": "absent"},
        predicted=(*MEASURED, "permissions"),
    )
    assert f"make a file system on {loop} for pool {NAME}" in seen.create.run["actions"]
    assert seen.create.run["pool"]["capacity"] > 0
    assert not path.is_mount()


def test_build_overwrites_only_when_told(player: t.Any, place: pathlib.Path, loop: str) -> None:
    from cycle import Task, assert_one_paragraph

    subprocess.run(["mkfs.ext4", "-q", "-L", "precious", loop], check=True)
    pool = {"name": NAME, "type": "fs", "path": str(place / "m"), "source": {"devices": [loop], "format": "ext4"}}
    (refused,) = player.play([Task("pool", {**pool, "build": "new"})])
    assert_one_paragraph(refused)
    assert refused["rolled_back"] == [f"undefine pool {NAME}"]
    assert label(loop) == "precious"
    assert player.run("pool", **pool, state="active")["changed"], "what is there is used"
    assert not player.run("pool", **pool, build="overwrite")["changed"], "build acts when the pool is made, only then"
    assert label(loop) == "precious"
    player.run("pool", name=NAME, state="absent")
    player.run("pool", **pool, build="overwrite")
    assert label(loop) == ""


def label(device: str) -> str:
    run = subprocess.run(
        ["blkid", "-c", "/dev/null", "-o", "value", "-s", "LABEL", device], capture_output=True, text=True, check=False
    )
    return run.stdout.strip()


@pytest.mark.parametrize(
    ("create", "change"),
    [
        pytest.param(
            {"type": "netfs", "path": "/srv/mkt", "source": {
                "hosts": [{"name": "nfs.example"}], "dir": "/e", "format": "nfs"}},
            {"source": {"dir": "/other", "protocol_version": "4"}, "mount_options": ["noatime"]},
            id="netfs",
        ),
        pytest.param({"type": "logical"}, {"source": {"name": "vg1"}, "path": "/dev/vg1"}, id="logical"),
        pytest.param(
            {"type": "disk", "path": "/dev", "source": {"devices": ["/dev/mkt"], "format": "gpt"}},
            {"source": {"format": "dos"}},
            id="disk",
        ),
        pytest.param(
            {"type": "iscsi", "path": "/dev/disk/by-path", "source": {
                "hosts": [{"name": "san.example", "port": 3260}], "devices": ["iqn.2020-01.example:one"],
                "auth": {"type": "chap", "username": "u", "secret_usage": "san"}}},
            {"source": {"initiator": "iqn.2020-01.example:me", "auth": {"username": "v"}}},
            id="iscsi",
        ),
        pytest.param(
            {"type": "scsi", "path": "/dev/disk/by-path", "source": {"adapter": {"name": "host0"}}},
            {"source": {"adapter": {"name": "host1"}}},
            id="scsi",
        ),
    ],
)  # fmt: skip
def test_cycle_of_definitions(
    cycle: t.Any, place: pathlib.Path, create: dict[str, t.Any], change: dict[str, t.Any]
) -> None:
    """What this machine's kernel can't start is defined, changed and removed at least."""
    if create["type"] == "netfs":
        create = {**create, "path": str(place / "mounted")}
    cycle(
        "pool",
        create={"name": NAME, **create},
        change={"name": NAME, **change},
        remove={"name": NAME, "state": "absent"},
        predicted=MEASURED,
    )


REFUSED: dict[str, tuple[dict[str, t.Any], list[str]]] = {
    "no type": ({}, ["type", "dir"]),
    "dir without path": ({"type": "dir"}, ["path", "dir"]),
    "relative path": ({"type": "dir", "path": "images"}, ["path", "images"]),
    "fs without device": ({"type": "fs", "path": "/srv/mkt"}, ["source.devices"]),
    "netfs without host": ({"type": "netfs", "path": "/srv/mkt", "source": {"dir": "/e"}}, ["source.hosts"]),
    "backend that is missing": (
        {"type": "sheepdog", "source": {"name": "a", "hosts": [{"name": "x"}]}},
        ["type", "sheepdog", "No distribution's package has it"],
    ),
    "mode as a number": (
        {"type": "dir", "path": "/srv/mkt", "permissions": {"mode": 755}},
        ["permissions.mode", "'0750'"],
    ),
    "unknown owner": (
        {"type": "dir", "path": "/srv/mkt", "permissions": {"owner": "nobody-here"}},
        ["permissions.owner"],
    ),
    "name with a slash": ({"name": "mkt-a/b", "type": "dir", "path": "/srv/mkt"}, ["name", "mkt-a/b"]),
    "malformed xml": ({"xml": "<pool type='dir'>"}, ["xml", "well-formed"]),
}


def test_bad_input_is_refused(player: t.Any, connection: t.Any) -> None:
    cases = {case: ({"name": NAME, **args}, words) for case, (args, words) in REFUSED.items()}
    assert_refused(Bench("pool"), cases)
    player.refuse_all("pool", {case: cases[case] for case in ("backend that is missing", "mode as a number")})
    assert not [one.name() for one in connection.listAllStoragePools() if one.name().startswith("mkt-")]
    assert not pathlib.Path("/srv/mkt").exists()


def test_what_cannot_change_is_refused(player: t.Any, place: pathlib.Path) -> None:
    player.run("pool", name=NAME, type="dir", path=str(place))
    player.refuse("pool", "type", "state: absent", name=NAME, type="logical")


def test_info_reads_one_all_and_none(player: t.Any, place: pathlib.Path) -> None:
    player.run("pool", name=NAME, type="dir", path=str(place), state="active")
    (one,) = player.run("pool_info", name=NAME)["pools"]
    assert one["available"] <= one["capacity"]
    assert one["status"] == "running"
    assert player.run("pool_info", name="mkt-none")["pools"] == []
    assert NAME in [pool["name"] for pool in player.run("pool_info")["pools"]]


def test_a_pool_by_others_is_adopted(player: t.Any, connection: t.Any, place: pathlib.Path) -> None:
    connection.storagePoolDefineXML(f"<pool type='dir'><name>{NAME}</name><target><path>{place}</path></target></pool>")
    adopted = player.run("pool_info", name=NAME, identity="new", **{"as": "options"})
    assert adopted["options"] == {
        "name": NAME, "type": "dir", "path": str(place), "state": "inactive", "autostart": False,
    }  # fmt: skip
    assert not player.run("pool", **adopted["options"])["changed"]
