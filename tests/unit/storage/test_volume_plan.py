# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is planned for a volume, on libvirt's test driver."""

from __future__ import annotations

import subprocess
import types
import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._objects.volume import fetch, operations, records, source
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError, Plan
from ansible_collections.metal.kvm.plugins.module_utils._xml import document

if t.TYPE_CHECKING:
    import pathlib

MIB = 1024**2


@pytest.fixture
def pooled(store: t.Any, tmp_path: pathlib.Path) -> t.Any:
    """A store with an active pool ``p`` of files and in it the volume ``base``."""
    store.run(store.pool(name="p", type="dir", path=str(tmp_path), state="active"))
    store.run(store.volume(pool="p", name="base", capacity="8 MiB"))
    return store


@pytest.mark.parametrize(
    ("name", "form", "kind"),
    [
        ("a.img", None, "raw"),
        ("a.qcow2", None, "qcow2"),
        ("a", None, "qcow2"),
        ("a.iso", None, "raw"),
        ("a", "raw", "raw"),
    ],
)
def test_the_format_is_never_left_to_libvirt(pooled: t.Any, name: str, form: t.Optional[str], kind: str) -> None:
    given = {"format": form} if form else {}
    (step,) = pooled.volume(pool="p", name=name, capacity="1 MiB", **given).steps
    root = document.parse(step.arguments["xml"])
    assert root.find("target/format").get("type") == kind
    assert (root.findtext("target/compat") == "1.1") == (kind == "qcow2")


def test_an_overlay_takes_format_and_size_of_what_it_is_on(pooled: t.Any, tmp_path: pathlib.Path) -> None:
    plan = pooled.volume(pool="p", name="top", backing="base")
    root = document.parse(plan.steps[0].arguments["xml"])
    assert root.findtext("backingStore/path") == f"{tmp_path}/base"
    assert root.find("backingStore/format").get("type") == "qcow2"
    assert root.findtext("capacity") == str(8 * MIB)
    assert plan.after["backing"] == {"path": f"{tmp_path}/base", "format": "qcow2"}
    with pytest.raises(KvmError, match="capacity"):
        pooled.volume(pool="p", name="top", backing="base", capacity="4 MiB")


def test_growth_and_no_shrinking(pooled: t.Any) -> None:
    assert not pooled.volume(pool="p", name="base", capacity="8 MiB").steps
    assert not pooled.volume(pool="p", name="base").steps
    plan = pooled.volume(pool="p", name="base", capacity="9 MiB")
    assert plan.actions == ["grow volume base of pool p to 9 MiB"]
    assert (plan.before, plan.after) == ({"capacity": "8 MiB"}, {"capacity": "9 MiB"})
    with pytest.raises(KvmError, match="shrink"):
        pooled.volume(pool="p", name="base", capacity="7 MiB")


def _active_pool(store: t.Any, xml: str) -> None:
    """An active pool ``given``: in libvirt's test driver any type can be."""
    pool = store.world.connection.storagePoolDefineXML(f"<pool {xml}<target><path>/dev</path></target></pool>")
    pool.create()


@pytest.mark.parametrize("kind", ["iscsi", "scsi", "mpath"])
def test_what_a_storage_has_is_neither_made_nor_deleted(store: t.Any, kind: str) -> None:
    _active_pool(
        store,
        f"type='{kind}'><name>given</name><source><host name='192.0.2.1'/><device path='iqn.2024-01.com.example:a'/>"
        "<adapter type='scsi_host' name='host7'/></source>",
    )
    with pytest.raises(KvmError, match=f"name: .*type {kind}"):
        store.volume(pool="given", name="unit:0:0:1", capacity="1 MiB")
    pool = store.world.connection.storagePoolLookupByName("given")
    pool.createXML("<volume><name>unit:0:0:1</name><capacity>1048576</capacity></volume>")
    with pytest.raises(KvmError, match=f"state: .*type {kind}"):
        store.volume(pool="given", name="unit:0:0:1", state="absent")


def test_volumes_of_gluster_are_deleted_but_not_made(store: t.Any) -> None:
    _active_pool(
        store, "type='gluster'><name>glass</name><source><host name='192.0.2.1'/><name>v</name><dir path='/'/></source>"
    )
    with pytest.raises(KvmError, match=r"name: .*type gluster"):
        store.volume(pool="glass", name="a", capacity="1 MiB")
    pool = store.world.connection.storagePoolLookupByName("glass")
    pool.createXML("<volume><name>a</name><capacity>1048576</capacity></volume>")
    assert store.volume(pool="glass", name="a", state="absent").changed


@pytest.mark.parametrize(
    ("device", "form", "name", "wanted"),
    [
        ("/dev/sdz", "gpt", "other1", "sdz1"),
        ("/dev/sdz", "gpt", "sdz2", "sdz1"),
        ("/dev/nvme7n1", "dos", "nvme7n11", "nvme7n1p1"),
        ("/dev/sdz", "gpt", "sdz1", None),
        ("/dev/sdz", "dos", "sdz5", None),
        ("/dev/nvme7n1", "gpt", "nvme7n1p1", None),
    ],
)
def test_partitions_have_names_of_their_own(
    store: t.Any, device: str, form: str, name: str, wanted: t.Optional[str]
) -> None:
    _active_pool(
        store, f"type='disk'><name>given</name><source><device path='{device}'/><format type='{form}'/></source>"
    )
    if wanted is None:
        assert store.volume(pool="given", name=name, capacity="1 MiB").steps
        return
    with pytest.raises(KvmError, match=f"'{name}'") as refused:
        store.volume(pool="given", name=name, capacity="1 MiB")
    assert wanted in refused.value.remedy


@pytest.mark.parametrize(
    ("args", "option"),
    [
        ({"pool": "none", "capacity": "1 MiB"}, "pool"),
        ({"backing": "none"}, "backing"),
        ({"backing": {"path": "/none"}}, "backing.path"),
        ({"backing": {"pool": "none", "volume": "x"}}, "backing.pool"),
        ({"source": {"file": "/none"}}, "source.file"),
        ({"source": {"volume": "none"}}, "source.volume"),
    ],
)
def test_what_is_missing_is_assumed(pooled: t.Any, args: dict[str, t.Any], option: str) -> None:
    plan = pooled.volume(**{"pool": "p", "name": "x.qcow2", **args})
    assert [error.details["option"] for error in plan.assumed] == [option]
    assert plan.changed


@pytest.mark.parametrize(
    ("args", "option"),
    [
        ({}, "capacity"),
        ({"capacity": "-1"}, "capacity"),
        ({"backing": {}}, "backing"),
        ({"backing": {"path": "/a", "volume": "b"}}, "backing"),
        ({"backing": ["a"]}, "backing"),
        ({"source": {"url": "x"}}, "source.url"),
        ({"source": {"url": "http://a/b", "file": "/c"}}, "source"),
        ({"source": {"url": "http://a/b", "checksum": "sha256:1234"}}, "source.checksum"),
        ({"source": {"url": "http://a/b", "checksum": "sha512:" + "0" * 64}}, "source.checksum"),
        ({"source": {"url": "http://a/b", "reflink": True}}, "source.reflink"),
        ({"source": {"url": "http://a/b"}, "nocow": True}, "nocow"),
        ({"capacity": "0"}, "capacity"),
        ({"capacity": "1 MiB", "format": "dir"}, "capacity"),
        ({"capacity": "1 MiB", "format": "bochs"}, "format"),
        ({"capacity": "1 MiB", "format": "raw", "cluster_size": "64 KiB"}, "cluster_size"),
        ({"capacity": "1 MiB", "format": "raw", "compat": "1.1"}, "compat"),
        ({"capacity": "1 MiB", "format": "raw", "preallocation": "metadata"}, "preallocation"),
        ({"capacity": "1 MiB", "compat": "0.10", "lazy_refcounts": True}, "lazy_refcounts"),
        ({"capacity": "1 MiB", "compat": "0.10", "extended_l2": True}, "extended_l2"),
        ({"capacity": "1 MiB", "cluster_size": "3 KiB"}, "cluster_size"),
        ({"capacity": "1 MiB", "cluster_size": "4 MiB"}, "cluster_size"),
        ({"capacity": "1 MiB", "cluster_size": "8 KiB", "extended_l2": True}, "extended_l2"),
        ({"capacity": "1 MiB", "encryption": {"format": "luks"}}, "encryption"),
        ({"capacity": "1 MiB", "nocow": True}, "nocow"),
        (
            {"preallocation": "metadata", "backing": {"path": "/dev/null", "format": "raw"}, "capacity": "1 MiB"},
            "preallocation",
        ),
    ],
)
def test_what_cannot_be(pooled: t.Any, args: dict[str, t.Any], option: str) -> None:
    with pytest.raises(KvmError) as caught:
        pooled.volume(**{"pool": "p", "name": "x.qcow2", **args})
    assert caught.value.details["option"] == option


def test_files_are_not_touched_over_a_remote_uri(pooled: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pooled.world, "uri", "qemu+tcp://host/system")
    for args, option in (
        ({"source": {"url": "http://a/b"}}, "source.url"),
        ({"backing": {"path": "/a"}}, "backing.format"),
    ):
        with pytest.raises(KvmError, match="un this task on the hypervisor") as caught:
            pooled.volume(pool="p", name="x.qcow2", **args)
        assert caught.value.details["option"] == option
    assert pooled.volume(pool="p", name="x.qcow2", backing={"path": "/a", "format": "raw"}, capacity="1 MiB").steps


@pytest.mark.parametrize(
    ("given", "algorithm", "digest", "place"),
    [
        ("sha256:" + "A" * 64, "sha256", "a" * 64, ""),
        ("SHA512:" + "0" * 128, "sha512", "0" * 128, ""),
        ("https://x/SHA256SUMS", "", "", "https://x/SHA256SUMS"),
        ("sha512:https://x/SUMS", "sha512", "", "https://x/SUMS"),
        ("/srv/SUMS", "", "", "/srv/SUMS"),
    ],
)
def test_checksums(given: str, algorithm: str, digest: str, place: str) -> None:
    found = source.Checksum(given)
    assert (found.algorithm, found.digest, found.place) == (algorithm, digest, place)


LISTS = {
    "coreutils": f"{'1' * 64}  other.qcow2\n{'2' * 64}  x.qcow2\n",
    "binary": f"{'2' * 64} *x.qcow2\n",
    "in a directory": f"{'2' * 64}  ./x.qcow2\n",
    "bsd": f"# comment\nSHA256 (x.qcow2) = {'2' * 64}\nSHA256 (y.qcow2) = {'3' * 64}\n",
    "alone": f"{'2' * 64}\n",
    "both lengths": f"{'2' * 64}  x.qcow2\n{'4' * 128}  x.qcow2\n",
    "signed": f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{'2' * 64}  x.qcow2\n-----BEGIN PGP SIG-----\n",
}


@pytest.mark.parametrize("case", LISTS, ids=lambda case: case.replace(" ", "-"))
def test_lists_of_checksums(tmp_path: pathlib.Path, case: str) -> None:
    place = tmp_path / "SUMS"
    place.write_text(LISTS[case])
    found = source.Origin({"url": "https://h/d/x.qcow2?a=b", "checksum": str(place)})
    assert fetch.expected_digest(found) == ("sha256", "2" * 64)


@pytest.mark.parametrize("text", ["", f"{'2' * 64}  other.qcow2\n", f"{'1' * 64}\n{'2' * 64}\n", "2222  x.qcow2\n"])
def test_lists_that_do_not_have_it(tmp_path: pathlib.Path, text: str) -> None:
    place = tmp_path / "SUMS"
    place.write_text(text)
    with pytest.raises(KvmError, match="lists no") as caught:
        fetch.expected_digest(source.Origin({"url": "https://h/x.qcow2", "checksum": str(place)}))
    assert caught.value.details["option"] == "source.checksum"


def test_records(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "state_directory", lambda: str(tmp_path / "state"))
    assert records.read("/a") == {}
    records.write("/a", {"source": {"url": "https://h/x"}})
    assert records.read("/a")["source"] == {"url": "https://h/x"}
    assert records.read("/b") == {}
    records.forget("/a")
    records.forget("/a")
    assert records.read("/a") == {}


@pytest.mark.parametrize("local", [True, False])
def test_a_record_goes_with_the_volume_of_this_machine_only(
    store: t.Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, local: bool
) -> None:
    monkeypatch.setattr(records, "state_directory", lambda: str(tmp_path / "state"))
    pool = store.world.connection.storagePoolDefineXML(
        "<pool type='dir'><name>gone</name><target><path>/gone</path></target></pool>"
    )
    pool.create()
    volume = pool.createXML("<volume><name>a</name><capacity>1048576</capacity></volume>")
    records.write(volume.path(), {"source": {"file": "/x"}})
    world = Busy()
    world.local = local
    path = volume.path()
    records.delete(world, volume)
    assert pool.listVolumes() == []
    assert bool(records.read(path)) == (not local)


def test_a_damaged_record_is_none(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "state_directory", lambda: str(tmp_path))
    records.write("/a", {"source": {}})
    (file,) = (tmp_path / "volumes").iterdir()
    file.write_text("{")
    assert records.read("/a") == {}


def test_the_format_of_a_file_is_what_it_is(tmp_path: pathlib.Path) -> None:
    image = tmp_path / "disk.img"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(image), "1M"], check=True)
    world = types.SimpleNamespace(local=True, uri="qemu:///system")
    order: t.Any = types.SimpleNamespace(world=world, plan=Plan("volume"))
    found = source.origin({"file": str(image)}, "p")
    source.look_at(order, found)
    assert (found.format, found.capacity) == ("qcow2", MIB)
    by_url = source.origin({"url": f"file://{image}"}, "p")
    source.look_at(order, by_url)
    assert (by_url.format, by_url.capacity, by_url.file) == ("qcow2", MIB, str(image))
    for url, form in (("https://h/x.vmdk", "vmdk"), ("https://h/x.img", None)):
        named = source.origin({"url": url}, "p")
        source.look_at(order, named)
        assert named.format == form, "an .img may be anything"


class Busy:
    """A pool on a busy machine: the first tries to make a volume fail with these words."""

    local = False

    def __init__(self, *failures: str) -> None:
        self.failures = list(failures)

    def get(self, *dummy: t.Any) -> Busy:
        return self

    def createXML(self, xml: str, flag: int) -> None:  # noqa: N802
        if self.failures:
            raise RuntimeError(self.failures.pop(0))


def test_an_encrypted_volume_is_tried_again_where_qemu_img_could_not_gauge_the_processor() -> None:
    make = operations.OPERATIONS["volume.make"]
    make(Busy(*["qemu-img: x: Unable to get accurate CPU usage"] * 4), "images", "x", "<volume/>", False)
    for failures in (["Unable to get accurate CPU usage"] * 5, ["no room"]):
        with pytest.raises(RuntimeError):
            make(Busy(*failures), "images", "x", "<volume/>", False)


def test_a_volume_group_must_have_the_room(store: t.Any) -> None:
    _active_pool(store, "type='logical'><name>given</name><source><device path='/dev/sdz'/><name>g</name></source>")
    free = store.world.connection.storagePoolLookupByName("given").info()[3]
    assert store.volume(pool="given", name="a", capacity=f"{free} B").steps
    for allocation in ("1 MiB", "0"):
        assert store.volume(pool="given", name="a", capacity=f"{free + MIB} B", allocation=allocation).steps
    with pytest.raises(KvmError, match=r"capacity: .* left"):
        store.volume(pool="given", name="a", capacity=f"{free + MIB} B")
