# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What uses storage, where no hypervisor is needed: references of documents, names of images, objects that can't be read."""

from __future__ import annotations

import os
import pathlib
import stat
import typing as t

import libvirt
import pytest
from ansible_collections.metal.kvm.plugins.module_utils._libvirt import documents, tried
from ansible_collections.metal.kvm.plugins.module_utils._objects.network.plan import NOUN as NETWORKS
from ansible_collections.metal.kvm.plugins.module_utils._objects.nwfilter.plan import users as filter_users
from ansible_collections.metal.kvm.plugins.module_utils._objects.usage import identity, images
from ansible_collections.metal.kvm.plugins.module_utils._objects.usage.references import references
from ansible_collections.metal.kvm.plugins.module_utils._objects.usage.users import Storage, using
from ansible_collections.metal.kvm.plugins.module_utils._objects.volume.describe import read_volumes
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError
from ansible_collections.metal.kvm.plugins.module_utils._xml import document

SNAPSHOT = """<domainsnapshot><name>one</name><memory snapshot='external' file='/m/memory.img'/><disks>
  <disk name='vda' type='file'><driver type='qcow2'/><source file='/m/overlay.qcow2'/></disk></disks>
  <domain><name>web</name><description>/not/this</description><metadata><x:y xmlns:x='urn:x'>/nor/this</x:y></metadata>
  <os><kernel>/m/kernel</kernel><cmdline>/nor/this either</cmdline></os><devices>
  <disk type='network'><source protocol='rbd' name='pool/image'><host name='mon'/></source><target dev='vda'/></disk>
  <disk type='volume'><source pool='p' volume='v'/><target dev='vdb'/></disk>
  <disk type='file'><driver type='raw'/><source file='/m/raw.img'/><backingStore type='file'><format type='qcow2'/>
    <source file='/m/below.qcow2'/></backingStore><mirror type='file' job='copy'><format type='raw'/>
    <source file='/m/mirror.img'/></mirror><target dev='vdc'/></disk>
  <filesystem type='mount'><source dir='/m/shared'/><target dir='/in/the/guest'/></filesystem>
  <memory model='nvdimm'><source><path>/m/nvdimm</path></source></memory></devices></domain>
  <inactiveDomain><os><nvram>/m/nvram.fd</nvram></os></inactiveDomain></domainsnapshot>"""


def test_the_references_of_a_document() -> None:
    found = references(document.document(SNAPSHOT))
    paths = {one.path for one in found if one.path}
    names = (
        "memory.img",
        "overlay.qcow2",
        "kernel",
        "raw.img",
        "below.qcow2",
        "mirror.img",
        "shared",
        "nvdimm",
        "nvram.fd",
    )
    assert paths == {f"/m/{name}" for name in names}
    assert [one.network for one in found if one.network] == ["pool/image"]
    assert [(one.pool, one.volume) for one in found if one.volume] == [("p", "v")]
    assert {one.path for one in found if one.raw} == {"/m/raw.img", "/m/mirror.img"}
    assert {one.path for one in found if one.directory} == {"/m/shared"}


@pytest.mark.parametrize("name", ["pool/image", "/pool/image", "rbd:pool/image", "rbd://mon:6789/pool/image"])
def test_a_name_on_a_server(name: str) -> None:
    assert identity.network_key(name) == ("network", "pool/image")


@pytest.mark.parametrize(
    ("name", "means"),
    [
        ("base.img", ["/d/base.img"]),
        ("../base.img", ["/d/../base.img"]),
        ("/x/base.img", ["/x/base.img"]),
        ("file:/x/base.img", ["/x/base.img"]),
        ("nbd://host/export", ["nbd://host/export"]),
        ('json:{"driver":"qcow2","file":{"driver":"file","filename":"/x/base"}}', ["/x/base"]),
        ('json:{"file.filename":"/x/base"}', ["/x/base"]),
        ('json:{"file":{"driver":"rbd","pool":"p","image":"i"}}', ["rbd:p/i"]),
    ],
)
def test_what_an_image_refers_to(name: str, means: list[str]) -> None:
    assert images._spelled(name, "/d") == means


def test_two_nodes_of_one_device_are_one(tmp_path: pathlib.Path) -> None:
    """As LVM's /dev/vg/lv and /dev/mapper/vg-lv: links to /dev/dm-0, or nodes of their own."""
    one, other, third = (tmp_path / name for name in ("dm-0", "vg-lv", "dm-1"))
    for path, minor in ((one, 0), (other, 0), (third, 1)):
        os.mknod(path, stat.S_IFBLK | 0o600, os.makedev(252, minor))
    (tmp_path / "lv").symlink_to("dm-0")
    same = [identity.keys_of(str(tmp_path / name)) for name in ("dm-0", "vg-lv", "lv")]
    assert all(("device", 252, 0) in keys for keys in same)
    assert not identity.keys_of(str(third)) & same[0]


class Broken:
    """An object of libvirt whose document can't be read. libvirtd has no way to make one."""

    def __init__(self, error: t.Optional[int] = None) -> None:
        self.error = error

    def __getattr__(self, name: str) -> t.Any:
        if "XMLDesc" in name:
            return self.fail
        answers = {"name": "broken", "isActive": 1, "isPersistent": 1, "hasManagedSaveImage": 0}
        return lambda *words: answers.get(name, [])

    def fail(self, *words: t.Any) -> str:
        if self.error is None:
            return "<broken"
        raised = libvirt.libvirtError("it's broken")
        raised.err = (self.error, 0, "it's broken")
        raise raised


class Beside:
    """The test driver's connection with one more object in each list."""

    def __init__(self, connection: t.Any, more: t.Any) -> None:
        self.connection = connection
        self.more = more

    def __getattr__(self, name: str) -> t.Any:
        there = getattr(self.connection, name)
        return (lambda *words: [*there(*words), self.more]) if name.startswith("listAll") else there


GONE, DENIED = libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_INTERNAL_ERROR


@pytest.mark.parametrize(("error", "blocks"), [(None, True), (DENIED, True), (GONE, False)])
def test_a_domain_that_can_not_be_read_counts_as_a_user_but_one_that_is_gone_does_not(
    store: t.Any, error: t.Optional[int], blocks: bool
) -> None:
    store.run(store.pool(name="p", type="dir", path="/nowhere", state="active"))
    store.run(store.volume(pool="p", name="one.img", capacity="1 MiB"))
    real = store.world.connection
    store.world.connection = Beside(real, Broken(error))
    store.world.connection.listAllStoragePools = real.listAllStoragePools
    if blocks:
        with pytest.raises(KvmError, match="domain broken") as raised:
            store.volume(pool="p", name="one.img", state="absent")
        assert raised.value.details["option"] == "state"
        assert "can't be read" in str(raised.value)
    else:
        assert store.volume(pool="p", name="one.img", state="absent").changed


def test_a_pool_that_can_not_be_read_counts_as_a_user(store: t.Any) -> None:
    there = Storage(store.world)
    store.world.connection = Beside(store.world.connection, Broken(DENIED))
    said = [str(user) for user in using(there, [there.at("/nowhere/one.img")])]
    assert any("pool broken" in text and "it's broken" in text for text in said)


def test_lists_go_on_past_what_can_not_be_read(store: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = store.world.connection
    real.networkDefineXML("<network><name>ours</name></network>")
    missed: list[str] = []
    listing = [*real.listAllNetworks(), Broken(DENIED), Broken(libvirt.VIR_ERR_NO_NETWORK)]
    assert [name for name, dummy in documents("network", listing, missed)] == ["ours"]
    assert missed == ["network broken can't be read: it's broken"]
    monkeypatch.setattr(type(NETWORKS), "list_all", lambda noun, world: listing)
    found = NETWORKS.info(store.world, {"as": "info"})
    assert [one["name"] for one in found["networks"]] == ["ours"]
    assert found["warnings"] == ["network broken can't be read, and is left out: it's broken"]
    store.world.connection = Beside(real, Broken(DENIED))
    volumes = read_volumes(store.world, {})
    assert any("pool broken" in text for text in volumes["warnings"])
    store.world.connection.listAllNWFilters = list  # the test driver has none
    assert any("broken" in text for text in filter_users(store.world, "clean-traffic"))


def test_an_unforeseen_error_has_words() -> None:
    def fail() -> None:
        raise ValueError

    assert tried(fail) == (None, "ValueError")
