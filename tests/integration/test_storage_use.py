# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What uses storage, by whatever name: nothing that a guest, an overlay or a pool needs is deleted, replaced or wiped."""

from __future__ import annotations

import os
import pathlib
import stat
import subprocess
import typing as t
import uuid

import libvirt
import pytest
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain import inventory
from ansible_collections.metal.kvm.plugins.module_utils._objects.volume import download
from bench import URI, Bench, opened

POOL, OTHER_POOL, OWNER, USER = "mkt-use", "mkt-use2", "mkt-owner", "mkt-user"
BASE = "base.img"
MIB = 1 << 20


class Store:
    """A pool with the volume ``base.img``, a domain that has it as its disk, and room for whoever else uses it."""

    def __init__(self, connection: t.Any, place: pathlib.Path) -> None:
        self.connection = connection
        self.place = place
        self.directory = place / "pool"
        self.path = self.directory / BASE
        self.outside = place / "outside"
        self.outside.mkdir()
        self.pools, self.volumes, self.domains = Bench("pool"), Bench("volume"), Bench("domain")
        self.pools.run({"name": POOL, "type": "dir", "path": str(self.directory), "state": "active"})
        self.volumes.run({"pool": POOL, "name": BASE, "capacity": "1 MiB", "format": "raw"})
        self.define(OWNER, disk(f"<source pool='{POOL}' volume='{BASE}'/>", kind="volume"))

    def define(self, name: str, devices: str, system: str = "", more: str = "") -> t.Any:
        return self.connection.defineXML(document(name, devices, system, more))

    def start(self, name: str, devices: str) -> t.Any:
        """A transient guest."""
        return self.connection.createXML(document(name, devices), libvirt.VIR_DOMAIN_START_PAUSED)

    def image(self, *arguments: str) -> None:
        subprocess.run(["qemu-img", "create", "-q", *arguments], check=True)

    def overlay(self, path: pathlib.Path, backing: str = "") -> pathlib.Path:
        self.image("-f", "qcow2", "-u", "-b", backing or str(self.path), "-F", "raw", str(path), "1M")
        return path

    def refused(self, *words: str) -> None:
        """The volume can't be deleted, wiped or replaced; and the owner's end keeps it, with a warning that has the words."""
        gone = self.domains.plan({"name": OWNER, "state": "absent", "storage": "delete"})
        assert gone.actions == [f"undefine domain {OWNER}"], gone.actions
        assert all(word in " ".join(gone.warnings) for word in words), gone.warnings
        self.connection.lookupByName(OWNER).undefine()
        source = self.place / "new.img"
        source.write_bytes(bytes(MIB))
        volume = {"pool": POOL, "name": BASE}
        for args in (
            {"state": "absent"},
            {"state": "absent", "wipe": "zero"},
            {"source": {"file": str(source)}, "refresh": True},
        ):
            said = refusal(self.volumes, {**volume, **args})
            assert said, args
            assert all(word in said for word in words), said
        said = refusal(self.pools, {"name": POOL, "state": "absent", "storage": "delete", "force": True})
        assert said
        assert self.path.exists()

    def free(self) -> None:
        """Nothing else uses it: the owner's end takes it along."""
        gone = self.domains.run({"name": OWNER, "state": "absent", "storage": "delete"})
        assert gone.actions == [f"undefine domain {OWNER}", f"delete volume {POOL}/{BASE}"], gone.warnings
        assert not self.path.exists()


def refusal(bench: Bench, args: dict[str, t.Any]) -> str:
    """What is said of a task that can't be, before anything is done."""
    return bench.refusals(args, bench.plan)[0]


def domains(**args: t.Any) -> dict[str, t.Any]:
    """What domain_info returns."""
    valid = ModuleArgumentSpecValidator(inventory.ARGUMENTS, **inventory.RULES).validate(args)
    return inventory.read_domains(opened(URI), valid.validated_parameters)


def disk(source: str, kind: str = "file", target: str = "vda", more: str = "", form: str = "raw") -> str:
    driver = f"<driver name='qemu' type='{form}'/>"
    return f"<disk type='{kind}'>{driver}{source}<target dev='{target}' bus='virtio'/>{more}</disk>"


def file(path: t.Any, **more: str) -> str:
    return disk(f"<source file='{path}'/>", **more)


def document(name: str, devices: str, system: str = "", more: str = "") -> str:
    return f"""<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>{name}</name>
        <uuid>{uuid.uuid5(uuid.NAMESPACE_DNS, name)}</uuid><memory unit='MiB'>64</memory><os><type arch='x86_64' machine='q35'>hvm</type>{system}</os>
        <features><acpi/></features><devices>{devices}</devices>{more}</domain>"""


@pytest.fixture
def store(connection: t.Any, place: pathlib.Path) -> t.Iterator[Store]:
    made = Store(connection, place)
    yield made
    for name in (OWNER, USER):
        for domain in [one for one in connection.listAllDomains() if one.name() == name]:
            for snapshot in domain.listAllSnapshots():
                snapshot.delete(libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)


def test_what_nobody_else_uses_goes(store: Store) -> None:
    store.free()


@pytest.mark.parametrize("shared", [True, False])
def test_nvram_that_another_domain_has_stays(store: Store, shared: bool) -> None:
    variables = store.outside / "VARS.fd"
    variables.write_bytes(bytes(MIB))
    system = f"<loader readonly='yes' type='pflash'>/var/tmp/mkt-none.fd</loader><nvram>{variables}</nvram>"
    store.define("mkt-third", "", system)
    if shared:
        store.define(USER, "", system)
    gone = store.domains.run({"name": "mkt-third", "state": "absent"})
    assert gone.actions == ["undefine domain mkt-third"]
    assert variables.exists() is shared
    assert [USER in warning for warning in gone.warnings] == [True] * shared


@pytest.mark.parametrize("name", ["double slash", "symlink", "hard link", "symlinked directory", "dots"])
def test_a_file_by_any_name(store: Store, name: str) -> None:
    link = store.outside / "link"
    path: t.Any = link
    if name == "symlink":
        link.symlink_to(store.path)
    elif name == "hard link":
        os.link(store.path, link)
    elif name == "symlinked directory":
        link.symlink_to(store.directory)
        path = link / BASE
    elif name == "dots":
        path = f"{store.outside}/../pool/{BASE}"
    else:
        path = f"{store.directory}//{BASE}"
    store.define(USER, file(path))
    store.refused(USER)


FILE_USES: dict[str, tuple[str, str, str]] = {
    "volume": (disk(f"<source pool='{POOL}' volume='{BASE}'/>", kind="volume"), "", ""),
    "block": (disk("<source dev='{path}'/>", kind="block"), "", ""),
    "shared directory": (
        "<filesystem type='mount'><source dir='{directory}'/><target dir='share'/></filesystem>", "", ""),
    "cdrom": ("<disk type='file' device='cdrom'><source file='{path}'/><target dev='sda' bus='sata'/></disk>", "", ""),
    "kernel": ("", "<kernel>{path}</kernel>", ""),
    "initrd": ("", "<initrd>{path}</initrd>", ""),
    "dtb": ("", "<dtb>{path}</dtb>", ""),
    "loader": ("", "<loader readonly='yes' type='pflash'>{path}</loader><nvram>/var/tmp/mkt-none.fd</nvram>", ""),
    "nvram": ("", "<loader readonly='yes' type='pflash'>/var/tmp/mkt-none.fd</loader><nvram>{path}</nvram>", ""),
    "serial port to a file": ("<serial type='file'><source path='{path}'/></serial>", "", ""),
    "QEMU's own words": ("", "", "<qemu:commandline><qemu:arg value='-drive'/>"
                         "<qemu:arg value='file={path},if=none,format=raw'/></qemu:commandline>"),
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(FILE_USES))
def test_a_file_in_any_part_of_a_definition(store: Store, kind: str) -> None:
    devices, system, more = (
        text.replace("{path}", str(store.path)).replace("{directory}", str(store.directory)) for text in FILE_USES[kind]
    )
    store.define(USER, devices, system, more)
    store.refused(USER)


def test_a_block_device_by_another_name(store: Store, loop: str) -> None:
    """As /dev/vg/lv and /dev/mapper/vg-lv: the volume is a link to the device, the guest has a node of its own."""
    (store.directory / "lv").symlink_to(loop)
    node = store.outside / "vg-lv"
    os.mknod(node, stat.S_IFBLK | 0o600, os.stat(loop).st_rdev)
    store.pools.run({"name": POOL, "refresh": True})
    store.define(OWNER, disk(f"<source pool='{POOL}' volume='lv'/>", kind="volume"))
    store.define(USER, disk(f"<source dev='{node}'/>", kind="block"))
    gone = store.domains.run({"name": OWNER, "state": "absent", "storage": "delete"})
    assert gone.actions == [f"undefine domain {OWNER}"]
    assert USER in " ".join(gone.warnings)
    said = refusal(store.volumes, {"pool": POOL, "name": "lv", "state": "absent"})
    assert USER in said
    assert (store.directory / "lv").is_symlink()


def test_a_device_that_a_file_is_behind(store: Store) -> None:
    """A loop device on the volume: the guest, or another pool, has the device."""
    device = attached(store.path)
    try:
        store.define(USER, disk(f"<source dev='{device}'/>", kind="block"))
        store.refused(USER)
        store.connection.lookupByName(USER).undefine()
        xml = f"""<pool type='fs'><name>{OTHER_POOL}</name><source><device path='{device}'/></source>
            <target><path>{store.outside}</path></target></pool>"""
        store.connection.storagePoolDefineXML(xml)
        said = refusal(store.volumes, {"pool": POOL, "name": BASE, "state": "absent"})
        assert f"pool {OTHER_POOL}" in said
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def attached(path: pathlib.Path) -> str:
    done = subprocess.run(["losetup", "--find", "--show", str(path)], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def loop(place: pathlib.Path) -> t.Iterator[str]:
    image = place / "disk.img"
    image.write_bytes(bytes(MIB))
    device = attached(image)
    yield device
    subprocess.run(["losetup", "--detach", device], check=True)


def test_a_running_guest_that_is_defined_without_it(store: Store) -> None:
    store.start(USER, file(store.path))
    store.define(USER, "")
    store.refused(USER)


def test_a_definition_of_a_guest_that_runs_without_it(store: Store) -> None:
    store.start(USER, "")
    store.define(USER, file(store.path))
    store.refused(USER)


def test_saved_memory(store: Store) -> None:
    store.define(USER, file(store.path)).create()
    store.connection.lookupByName(USER).managedSave()
    store.define(USER, "")
    store.refused(USER, "saved memory")


def test_snapshots_and_checkpoints(store: Store) -> None:
    image = store.outside / "top.qcow2"
    store.image("-f", "qcow2", str(image), "1M")
    disks = file(image, form="qcow2") + file(store.path, target="vdb", more="<readonly/>")
    domain = store.define(USER, disks)
    domain.snapshotCreateXML("<domainsnapshot><name>before</name></domainsnapshot>")
    store.define(USER, file(image, form="qcow2"))
    store.refused(USER, "snapshot before")


def test_a_checkpoint(store: Store) -> None:
    domain = store.define(USER, file(store.path))
    xml = f"""<domaincheckpoint><name>first</name><creationTime>1</creationTime><disks>
        <disk name='vda' checkpoint='no'/></disks>{domain.XMLDesc()}</domaincheckpoint>"""
    try:
        domain.checkpointCreateXML(xml, libvirt.VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE)
        store.define(USER, "")
        store.refused(USER, "checkpoint first")
    finally:
        for one in domain.listAllCheckpoints():
            one.delete(libvirt.VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY)


def test_the_mirror_of_a_copy_that_runs(store: Store) -> None:
    image = store.outside / "one.img"
    image.write_bytes(bytes(MIB))
    domain = store.start(USER, file(image))
    flags = libvirt.VIR_DOMAIN_BLOCK_COPY_REUSE_EXT | libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB
    target = f"<disk type='file'><source file='{store.path}'/><driver type='raw'/></disk>"
    domain.blockCopy("vda", target, flags=flags)
    store.refused(USER)


@pytest.mark.parametrize("where", ["declared", "beside", "in another pool", "of an overlay", "relative", "json"])
def test_overlays_that_no_pool_of_the_volume_knows(store: Store, where: str) -> None:
    top = (store.directory if where in ("beside", "relative") else store.outside) / "top.qcow2"
    words = [str(top)]
    if where == "relative":
        store.overlay(top, BASE)
    elif where == "json":
        store.overlay(top, 'json:{"driver":"raw","file":{"driver":"file","filename":"%s"}}' % store.path)
    else:
        store.overlay(top)
    if where == "in another pool":
        store.pools.run({"name": OTHER_POOL, "type": "dir", "path": str(store.outside)})
    elif where == "of an overlay":
        store.image("-f", "qcow2", "-b", str(top), "-F", "qcow2", str(store.outside / "topmost.qcow2"))
        top = store.outside / "topmost.qcow2"
    if where in ("declared", "of an overlay", "json"):
        store.define(USER, file(top, form="qcow2"))
        words = [USER]
    store.refused(*words)


def test_the_data_file_of_an_image(store: Store) -> None:
    top = store.outside / "top.qcow2"
    store.image("-f", "qcow2", "-o", f"data_file={store.path},data_file_raw=on", str(top), "1M")
    store.define(USER, file(top, form="qcow2"))
    store.refused(USER)


def test_a_chain_that_is_broken_in_the_middle_is_known_down_to_there(store: Store) -> None:
    middle, top = store.outside / "middle.qcow2", store.outside / "top.qcow2"
    store.overlay(middle)
    store.image("-f", "qcow2", "-b", str(middle), "-F", "qcow2", str(top))
    middle.unlink()
    store.define(USER, file(top, form="qcow2"))
    store.free()


def test_what_can_not_be_found_out_counts_as_used(store: Store) -> None:
    broken = store.directory / "broken.qcow2"
    broken.write_bytes(b"QFI\xfb" + bytes([0, 0, 0, 3]) + bytes([255]) * 200)
    store.refused("perhaps", str(broken), "can't be read")
    broken.unlink()
    store.define(OWNER, disk(f"<source pool='{POOL}' volume='{BASE}'/>", kind="volume"))
    store.free()


def test_a_disk_that_is_kept_keeps_what_it_needs(store: Store) -> None:
    """The owner's own read-only overlay stays, and so does its backing image."""
    store.overlay(store.directory / "top.qcow2")
    store.define(
        OWNER,
        disk(f"<source pool='{POOL}' volume='{BASE}'/>", kind="volume")
        + file(store.directory / "top.qcow2", target="vdb", more="<readonly/>", form="qcow2"),
    )
    gone = store.domains.run({"name": OWNER, "state": "absent", "storage": "delete"})
    assert gone.actions == [f"undefine domain {OWNER}"]
    assert store.path.exists()


def test_an_overlay_goes_together_with_its_base(store: Store) -> None:
    top = store.overlay(store.directory / "top.qcow2")
    store.define(
        OWNER,
        file(top, form="qcow2") + disk(f"<source pool='{POOL}' volume='{BASE}'/>", kind="volume", target="vdb"),
    )
    store.domains.run({"name": OWNER, "state": "absent", "storage": "delete"})
    assert not top.exists()
    assert not store.path.exists()


def test_a_vanished_volume_elsewhere_stops_nothing(store: Store) -> None:
    """virt-install --cloud-init leaves such a one."""
    store.pools.run({"name": OTHER_POOL, "type": "dir", "path": str(store.outside), "state": "active"})
    store.volumes.run({"pool": OTHER_POOL, "name": "gone.img", "capacity": "1 MiB"})
    store.define(USER, disk(f"<source pool='{OTHER_POOL}' volume='gone.img'/>", kind="volume"))
    (store.outside / "gone.img").unlink()
    found = store.volumes.info({})
    assert BASE in [one["name"] for one in found["volumes"]]
    assert not store.volumes.plan({"pool": OTHER_POOL, "name": "gone.img", "state": "absent"}).changed
    made = store.volumes.run({"pool": OTHER_POOL, "name": "gone.img", "capacity": "2 MiB"})
    assert made.changed
    (store.outside / "gone.img").unlink()
    assert USER in [one["name"] for one in domains(include=["storage"])["domains"]]
    store.free()
    store.connection.lookupByName(USER).undefine()
    emptied = store.pools.run({"name": OTHER_POOL, "state": "absent", "storage": "delete"})
    assert emptied.changed
    assert not store.outside.exists()


def test_a_pool_whose_directory_is_gone_stops_nothing(store: Store) -> None:
    store.pools.run({"name": OTHER_POOL, "type": "dir", "path": str(store.outside), "state": "active"})
    store.outside.rmdir()
    store.free()


def test_two_pools_on_one_directory(store: Store) -> None:
    link = store.outside / "link"
    link.symlink_to(store.directory)
    xml = f"<pool type='dir'><name>{OTHER_POOL}</name><target><path>{link}</path></target></pool>"
    store.connection.storagePoolDefineXML(xml, 0)
    store.connection.lookupByName(OWNER).undefine()
    removal = {"name": POOL, "state": "absent", "storage": "delete"}
    said = refusal(store.pools, removal)
    assert f"pool {OTHER_POOL}" in said
    store.connection.storagePoolLookupByName(OTHER_POOL).undefine()
    store.pools.run({"name": POOL, "state": "inactive"})
    store.define(USER, file(store.path))
    said = refusal(store.pools, removal)
    assert USER in said, "an inactive pool's files are known too"
    store.connection.lookupByName(USER).undefine()
    store.pools.run(removal)
    assert not store.directory.exists()


def test_devices_in_use_are_not_formatted(store: Store, loop: str) -> None:
    store.define(USER, disk(f"<source dev='{loop}'/>", kind="block"))
    wish = {
        "name": OTHER_POOL,
        "type": "fs",
        "path": str(store.outside),
        "source": {"devices": [loop], "format": "ext4"},
    }
    said = refusal(store.pools, {**wish, "build": "overwrite"})
    assert "build" in said
    assert USER in said


def test_a_download_replaces_no_disk(store: Store) -> None:
    target = store.outside / "theirs.img"
    target.write_bytes(bytes(MIB))
    store.define(USER, file(target))
    said = refusal(Download(), {"pool": POOL, "name": BASE, "dest": str(target)})
    assert "dest" in said
    assert USER in said


class Download(Bench):
    """Tasks of volume_download."""

    def __init__(self) -> None:
        super().__init__("volume")
        self.validator = ModuleArgumentSpecValidator({"uri": {"type": "str"}, **download.ARGUMENT_SPEC})

    def plan(self, args: dict[str, t.Any]) -> t.Any:
        return download.plan_download(self.world, self.params(args))


def test_a_pool_under_running_guests_is_neither_stopped_nor_removed(store: Store) -> None:
    store.start(USER, file(store.path))
    restart = {"name": POOL, "path": str(store.outside), "apply": "restart"}
    for args, option in (({"state": "inactive"}, "state"), ({"state": "absent"}, "state"), (restart, "apply")):
        said = refusal(store.pools, {"name": POOL, **args})
        assert said.startswith(f"{option}: ")
        assert USER in said
        assert "force: true" in said
    assert store.pools.plan({"name": POOL, "state": "inactive", "force": True}).actions == [f"stop pool {POOL}"]
    assert store.pools.run({"name": POOL, "path": str(store.outside)}).restart_required == ["path"]
    store.connection.lookupByName(USER).destroy()
    store.pools.run({"name": POOL, "apply": "restart"})
    store.pools.run({"name": POOL, "state": "inactive"})


def test_a_disk_that_another_guest_has_is_warned_about_and_not_started_beside_it(store: Store) -> None:
    own = {"name": USER, "memory": "64 MiB", "disks": [{"file": str(store.path), "format": "raw"}]}
    made = store.domains.run(own)
    assert OWNER in " ".join(made.warnings)
    assert "vda" in " ".join(made.warnings)
    again = store.domains.plan(own)
    assert (again.changed, again.warnings) == (False, [])
    assert store.domains.plan({**own, "title": "x"}).warnings == []
    store.connection.lookupByName(OWNER).create()
    said = refusal(store.domains, {"name": USER, "state": "running"})
    assert said.startswith("disks: ")
    assert OWNER in said
    store.connection.lookupByName(OWNER).destroy()
    overlay = store.overlay(store.outside / "top.qcow2")
    store.domains.run({"name": USER, "disks": [{"target": "vda", "file": str(overlay), "format": "qcow2"}]})
    store.domains.run({"name": USER, "state": "running"})
    said = refusal(store.domains, {"name": OWNER, "state": "running"})
    assert USER in said, "what is below a running guest's overlay isn't written"


def test_disks_that_are_shared_by_both_are_fine(store: Store) -> None:
    shared = "<shareable/>"
    store.define(OWNER, file(store.path, more=shared)).create()
    own = {"name": USER, "memory": "64 MiB", "disks": [{"file": str(store.path), "format": "raw", "shareable": True}]}
    assert store.domains.run({**own, "state": "running"}).warnings == []


def test_a_mac_address_that_another_guest_has_is_warned_about(store: Store) -> None:
    nic = "<interface type='user'><mac address='52:54:00:AA:bb:01'/><model type='virtio'/></interface>"
    store.define(OWNER, nic)
    mac = "52:54:00:aa:bb:01"
    made = store.domains.run({"name": USER, "memory": "64 MiB", "interfaces": [{"user": True, "mac": mac}]})
    assert any(mac in warning and OWNER in warning for warning in made.warnings)
    store.connection.lookupByName(OWNER).create()
    assert any(mac in warning for warning in store.domains.run({"name": USER, "state": "running"}).warnings)


def test_a_system_disk_does_not_land_in_a_drive(store: Store) -> None:
    drives = {
        "sda": "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>",
        "fda": "<disk type='file' device='floppy'><target dev='fda' bus='fdc'/></disk>",
    }
    iso = store.outside / "cd.img"
    iso.write_bytes(bytes(32769) + b"CD001" + bytes(MIB))
    big, small = store.outside / "big.img", store.outside / "small.img"
    big.write_bytes(bytes(4 * MIB))
    small.write_bytes(bytes(MIB))
    store.define(USER, drives["sda"] + drives["fda"])
    for disks, option in (
        ([{"target": "sda", "pool": POOL, "volume": BASE}], "disks[sda]"),
        ([{"target": "sda", "file": str(big)}], "disks[sda]"),
        ([{"target": "fda", "file": str(big)}], "disks[fda]"),
    ):
        said = refusal(store.domains, {"name": USER, "disks": disks})
        assert said.startswith(f"{option}: ")
        assert "device" in said
    for disks in (
        [{"target": "sda", "file": str(iso)}, {"target": "fda", "file": str(small)}],
        [{"target": "sda", "device": "cdrom", "file": str(big)}, {"target": "fda"}],
    ):
        assert store.domains.run({"name": USER, "disks": disks}).changed
    overlay = str(store.overlay(store.outside / "top.qcow2"))
    said = refusal(store.domains, {"name": USER, "disks": [{"target": "sda", "device": "disk", "file": overlay}]})
    assert said.startswith("disks[sda].format: ")
    assert "format: qcow2" in said


def test_over_a_remote_uri_what_pools_do_not_know_counts_as_used(store: Store) -> None:
    command = store.place / "connect"
    command.write_text("#!/bin/sh\nexec virt-ssh-helper qemu:///system\n")
    command.chmod(0o755)
    far = Bench("volume", uri=f"qemu+ext://elsewhere/system?command={command}")
    wish = {"pool": POOL, "name": BASE, "state": "absent"}
    store.connection.lookupByName(OWNER).undefine()
    store.define(USER, file(f"{store.directory}//{BASE}"))
    assert USER in refusal(far, wish)
    store.define(USER, file(store.overlay(store.outside / "top.qcow2"), form="qcow2"))
    said = refusal(far, wish)
    assert f"perhaps domain {USER}" in said
    assert str(store.outside / "top.qcow2") in said
    store.define(USER, "<disk type='file' device='cdrom'><source file='/a.iso'/><target dev='sda' bus='sata'/></disk>")
    assert far.run(wish).changed
    assert not store.path.exists()
