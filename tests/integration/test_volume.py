# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage volumes on a real libvirtd, with images from files and from a web server on loopback."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import importlib
import json
import os
import pathlib
import signal
import subprocess
import threading
import time
import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._objects.volume import records
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError
from ansible_collections.metal.kvm.plugins.module_utils._run import run_steps
from bench import OBJECTS, Bench, assert_refused, assert_settles
from cycle import Task, assert_one_paragraph

POOL = "mkt-images"
MIB = 1024**2


@pytest.fixture
def images(player: t.Any, place: pathlib.Path) -> pathlib.Path:
    """An active pool of files."""
    path = place / "images"
    player.run("pool", name=POOL, type="dir", path=str(path), state="active")
    return path


def image(path: pathlib.Path, size: str = "8M", form: str = "qcow2") -> pathlib.Path:
    """A disk image with something on it."""
    subprocess.run(["qemu-img", "create", "-q", "-f", form, str(path), size], check=True)
    subprocess.run(["qemu-io", "-f", form, "-c", "write -q -P 0x5a 1M 64k", str(path)], check=True)
    return path


def info(path: pathlib.Path) -> dict[str, t.Any]:
    run = subprocess.run(["qemu-img", "info", "--output=json", "-U", str(path)], check=True, capture_output=True)
    return t.cast("dict[str, t.Any]", json.loads(run.stdout))


def same_content(one: pathlib.Path, other: pathlib.Path) -> bool:
    return subprocess.run(["qemu-img", "compare", "-q", str(one), str(other)], check=False).returncode == 0


def volume(name: str, **more: t.Any) -> dict[str, t.Any]:
    return {"pool": POOL, "name": name, **more}


def refuse(player: t.Any, *words: str, **args: t.Any) -> None:
    player.refuse("volume", *words, **args)


class TestCycles:
    def test_empty_qcow2(self, cycle: t.Any, images: pathlib.Path) -> None:
        seen = cycle(
            "volume",
            create=volume("one.qcow2", capacity="8 MiB"),
            change=volume("one.qcow2", capacity="16 MiB", permissions={"mode": "0640"}),
            remove=volume("one.qcow2", state="absent"),
            info=volume("one.qcow2"),
            predicted=("allocation", "physical", "permissions"),
        )
        made = seen.create.run["volume"]
        assert made["format"] == "qcow2"
        assert made["compat"] == "1.1", "without it libvirt makes the old version, which knows no checkpoints"
        assert made["capacity"] == 8 * MIB
        assert seen.change.run["volume"]["capacity"] == 16 * MIB
        assert seen.change.run["volume"]["permissions"]["mode"] == "0640"
        assert not list(images.iterdir())

    def test_overlay(self, cycle: t.Any, images: pathlib.Path) -> None:
        seen = cycle(
            "volume",
            create=volume("top.qcow2", backing="base.qcow2"),
            change=volume("top.qcow2", capacity="32 MiB", backing="base.qcow2"),
            remove=volume("top.qcow2", state="absent"),
            info=volume("top.qcow2"),
            setup=[Task("volume", volume("base.qcow2", capacity="24 MiB"))],
            predicted=("allocation", "physical"),
        )
        made = seen.create.run["volume"]
        assert made["capacity"] == 24 * MIB, "an overlay takes the size of what it is on"
        assert made["backing"] == {"path": str(images / "base.qcow2"), "format": "qcow2"}
        assert made["backing_chain"] == [str(images / "base.qcow2")]
        assert seen.change.run["volume"]["capacity"] == 32 * MIB

    def test_copy_of_a_volume(self, cycle: t.Any, images: pathlib.Path) -> None:
        image(images.parent / "seed.qcow2")
        seed = Task("volume", volume("seed.qcow2", source={"file": str(images.parent / "seed.qcow2")}))
        seen = cycle(
            "volume",
            create=volume("copy.raw", source={"volume": "seed.qcow2"}, capacity="12 MiB", format="raw"),
            change=volume("copy.raw", source={"volume": "seed.qcow2"}, capacity="20 MiB"),
            remove=volume("copy.raw", state="absent"),
            info=volume("copy.raw"),
            setup=[seed],
            predicted=("allocation", "physical"),
        )
        assert seen.create.run["volume"]["capacity"] == 12 * MIB
        assert seen.create.run["volume"]["format"] == "raw"

    def test_from_a_file(self, cycle: t.Any, images: pathlib.Path) -> None:
        source = image(images.parent / "cloud.img")
        (images.parent / "other.img").write_bytes(source.read_bytes())
        checksum = "sha512:" + hashlib.sha512(source.read_bytes()).hexdigest()
        seen = cycle(
            "volume",
            create=volume("cloud", source={"file": str(source), "checksum": checksum}),
            change=volume("cloud", source={"file": str(source), "checksum": checksum}, capacity="20 MiB"),
            remove=volume("cloud", state="absent"),
            info=volume("cloud"),
            predicted=("allocation", "physical"),
        )
        assert seen.create.run["volume"]["format"] == "qcow2", "the format is what the image is, not what it's called"
        assert not (images.parent / ".metal.kvm").exists(), "nothing is left of the preparation"


class TestFormats:
    """A volume's format is never left to libvirt."""

    @pytest.mark.parametrize(
        ("name", "given", "form"),
        [
            ("a.qcow2", None, "qcow2"),
            ("a.img", None, "raw"),
            ("a.raw", None, "raw"),
            ("a", None, "qcow2"),
            ("a.img", "qcow2", "qcow2"),
            ("a.vmdk", None, "vmdk"),
        ],
    )
    def test_of_an_empty_volume(
        self, player: t.Any, images: pathlib.Path, name: str, given: t.Optional[str], form: str
    ) -> None:
        more = {} if given is None else {"format": given}
        made = player.run("volume", **volume(name, capacity="2 MiB", allocation="0", **more))["volume"]
        assert made["format"] == form
        assert info(images / name)["format"] == form

    def test_of_a_source_and_converted(self, player: t.Any, images: pathlib.Path) -> None:
        source = image(images.parent / "x.qcow2")
        player.run("volume", **volume("same.img", source={"file": str(source)}))
        assert info(images / "same.img")["format"] == "qcow2"
        player.run("volume", **volume("other.img", source={"file": str(source)}, format="raw"))
        assert info(images / "other.img")["format"] == "raw"
        assert same_content(source, images / "other.img")

    def test_overlay_says_its_backing_format(self, player: t.Any, images: pathlib.Path) -> None:
        player.run("volume", **volume("base.raw", capacity="2 MiB"))
        player.run("volume", **volume("top.qcow2", backing="base.raw"))
        assert info(images / "top.qcow2")["backing-filename-format"] == "raw"


class TestMadeWith:
    """What only a new volume can be: made so, told so by the image itself, and unchanged by a second task."""

    CASES: t.ClassVar[dict[str, tuple[dict[str, t.Any], t.Callable[[dict[str, t.Any]], t.Any]]]] = {
        "compat": ({"compat": "0.10"}, lambda has: has["compat"] == "0.10"),
        "cluster-size": ({"cluster_size": "128 KiB"}, lambda has: has["cluster-size"] == 128 * 1024),
        "lazy-refcounts": ({"lazy_refcounts": True}, lambda has: has["lazy-refcounts"]),
        "extended-l2": ({"extended_l2": True}, lambda has: has["extended-l2"]),
        "metadata": ({"preallocation": "metadata"}, lambda has: has["actual-size"] > 256 * 1024),
        "all-of-it": ({"format": "raw", "allocation": "4 MiB"}, lambda has: has["actual-size"] >= 4 * MIB),
        "none-of-it": ({"format": "raw", "allocation": "0"}, lambda has: has["actual-size"] < MIB),
    }

    def test_every_option(self, images: pathlib.Path) -> None:
        bench = Bench("volume")
        for name, (more, _true) in self.CASES.items():
            assert_settles(bench, volume(name, capacity="4 MiB", **more))
            self.assert_made(images / name, name)

    @pytest.mark.parametrize("far", [False, True], ids=["here", "far away"])
    def test_from_a_file(self, images: pathlib.Path, remote: str, far: bool) -> None:
        """The same of a volume that is made from a file, with the file's content."""
        source = image(images.parent / "x.qcow2")
        bench = Bench("volume", uri=remote if far else "qemu:///system")
        wishes = {name: more for name, (more, _true) in self.CASES.items() if "allocation" not in more}
        for name, more in {**wishes, "iso": {"format": "iso"}, "plain": {"format": "raw"}}.items():
            assert_settles(bench, volume(name, source={"file": str(source)}, **more))
            self.assert_made(images / name, name)
            assert same_content(source, images / name)

    def assert_made(self, path: pathlib.Path, name: str) -> None:
        """The image says of itself what was asked for."""
        found = info(path)
        true = self.CASES.get(name, ({}, lambda has: has["format"] == "raw"))[1]
        assert true({**found, **found.get("format-specific", {}).get("data", {})}), (name, found)

    def test_what_cannot_be(self, images: pathlib.Path) -> None:
        """Each is refused before anything is made; and what was made is as it was asked for, to the second task too."""
        bench = Bench("volume")
        for name, more in {"a.vpc": {"format": "vpc", "capacity": "4 MiB"}, "a": {"format": "dir"}}.items():
            assert_settles(bench, volume(name, **more))
        bench.run(volume("a.raw", capacity="1 MiB"))
        assert_refused(bench, {
            "growing vpc": (volume("a.vpc", capacity="16 MiB"), ["capacity", "vpc image", "can't grow"]),
            "growing vmdk": (volume("b", source={"volume": "a.raw"}, format="vmdk", capacity="2 MiB"), ["capacity", "vmdk images can't grow"]),
            "encrypted on the way": (
                volume("b", source={"file": "/etc/hostname"}, encryption={"format": "luks", "secret_usage": "a"}),
                ["encryption", "made from a file or URL", "source.volume"]),
            "size of a directory": (volume("a", capacity="4 MiB"), ["capacity", "is a directory"]),
            "nocow": (volume("b", capacity="4 MiB", nocow=True), ["nocow", str(images), "btrfs"]),
            "trim": (volume("a.raw", state="absent", wipe="trim"), ["wipe", "rbd", "type dir"]),
        })  # fmt: skip

    def test_wipes(self, player: t.Any, images: pathlib.Path) -> None:
        """Zeros are libvirt's own (TestEncryption has them); all other patterns are those of the program scrub."""
        made = volume("x.raw", capacity="1 MiB")
        results = player.play(
            [Task("volume", made), Task("volume", {**made, "state": "absent", "wipe": "nnsa"}), Task("volume", made)]
        )
        assert [result.failed for result in results] == [False] * 3, results[1].message
        assert results[1]["actions"][0] == f"wipe volume x.raw of pool {POOL} (nnsa)"
        assert results[2]["changed"]


class TestCopyOnWrite:
    """Blocks that volumes share, and ``nocow``, in a file system that has both."""

    @pytest.fixture
    def btrfs(self, place: pathlib.Path) -> t.Iterator[pathlib.Path]:
        """A small btrfs of its own."""
        disk, mounted = place / "btrfs.img", place / "btrfs"
        with disk.open("wb") as file:
            file.truncate(128 * MIB)
        subprocess.run(["mkfs.btrfs", "-q", str(disk)], check=True, capture_output=True)
        mounted.mkdir()
        if subprocess.run(["mount", "-o", "loop", str(disk), str(mounted)], check=False).returncode:
            pytest.skip("needs btrfs in the kernel, and a loop device")
        yield mounted
        subprocess.run(["umount", "--lazy", str(mounted)], check=True)

    def test_shared_blocks(self, player: t.Any, place: pathlib.Path, btrfs: pathlib.Path, remote: str) -> None:
        """Of both formats, here and far away, grown and given rights; content and extents are the same."""
        sources = {form: str(image(place / f"x.{form}", form=form)) for form in ("raw", "qcow2")}
        made = [volume(f"base.{form}", source={"file": path}) for form, path in sources.items()]
        shared = [
            volume("one.raw", source={"volume": "base.raw", "reflink": True}),
            volume("far.raw", source={"volume": "base.raw", "reflink": True}, uri=remote),
            volume(
                "one.qcow2",
                source={"volume": "base.qcow2", "reflink": True},
                capacity="16 MiB",
                permissions={"mode": "0640"},
            ),
        ]
        pool = Task("pool", {"name": POOL, "type": "dir", "path": str(btrfs), "state": "active"})
        tasks = [Task("volume", wish) for wish in (*made, *shared)]
        checks = [Task("volume", wish, check=True) for wish in shared]
        results = player.play([pool, *tasks[:2], *checks, *tasks[2:], *tasks[2:]])
        assert not [result.message for result in results if result.failed]
        assert [result["changed"] for result in results[3:]] == [True] * 6 + [False] * 3
        assert [one["actions"] for one in results[3:6]] == [one["actions"] for one in results[6:9]]
        subprocess.run(["sync", "--file-system", str(btrfs)], check=True)
        for wish in shared:
            base = f"base.{wish['name'].partition('.')[2]}"
            assert same_content(btrfs / base, btrfs / wish["name"])
            flags = subprocess.run(
                ["filefrag", "-v", str(btrfs / wish["name"])], check=True, capture_output=True, text=True
            )
            assert flags.stdout.count("shared") >= 1, flags.stdout
        assert (btrfs / "one.qcow2").stat().st_mode & 0o777 == 0o640
        assert info(btrfs / "one.qcow2")["virtual-size"] == 16 * MIB

    def test_nocow(self, player: t.Any, btrfs: pathlib.Path) -> None:
        wishes = [volume(f"x.{form}", capacity="1 MiB", nocow=True) for form in ("raw", "qcow2")]
        pool = Task("pool", {"name": POOL, "type": "dir", "path": str(btrfs), "state": "active"})
        results = player.play([pool, *(Task("volume", wish) for wish in wishes for _time in range(2))])
        assert [result.get("changed") for result in results] == [True, True, False, True, False], results
        for wish in wishes:
            said = subprocess.run(
                ["lsattr", str(btrfs / wish["name"])], check=True, capture_output=True, text=True
            ).stdout
            assert "C" in said.split()[0], said

    def test_what_cannot_share(self, player: t.Any, images: pathlib.Path) -> None:
        """Refused before the first step where that can be known; on tmpfs, which can't, nothing is left."""
        subprocess.run(["mount", "-t", "tmpfs", "none", str(images)], check=True)
        bench, shares = Bench("volume"), {"volume": "one.raw", "reflink": True}
        try:
            bench.run(volume("one.raw", capacity="1 MiB"))
            assert_refused(bench, {
                "no volume": (volume("two.raw", source={"file": "/etc/hostname", "reflink": True}), ["source.reflink"]),
                "another format": (volume("two.qcow2", source=shares, format="qcow2"), ["source.reflink", "is raw, not qcow2"]),
                "made otherwise": (volume("two.raw", source=shares, nocow=False), ["source.reflink", "nocow is given"]),
            })  # fmt: skip
            with pytest.raises(KvmError, match=r"^source.reflink: volume two.raw can't share the blocks of") as caught:
                bench.run(volume("two.raw", source=shares))
            assert "btrfs and XFS" in str(caught.value)
            assert "\n" not in str(caught.value)
            assert [path.name for path in images.iterdir()] == ["one.raw"]
        finally:
            subprocess.run(["umount", "--lazy", str(images)], check=True)


class TestSource:
    def test_a_source_that_moved_on_waits_for_refresh(self, player: t.Any, images: pathlib.Path) -> None:
        source = image(images.parent / "x.qcow2")
        wish = volume("x.qcow2", source={"file": str(source)})
        player.run("volume", **wish)
        assert not player.run("volume", **wish, refresh=True)["changed"], "the source is the same"
        image(source, size="16M")
        stays = player.run("volume", **wish)
        assert not stays["changed"]
        assert "refresh: true" in stays["warnings"][0]
        assert info(images / "x.qcow2")["virtual-size"] == 8 * MIB
        player.run("volume", **volume("top.qcow2", backing="x.qcow2"))
        refuse(player, "refresh", "overlay", "top.qcow2", **wish, refresh=True)
        player.run("volume", **volume("top.qcow2", state="absent"))
        refreshed = player.run("volume", **wish, refresh=True)
        assert refreshed["actions"] == [f"replace volume x.qcow2 of pool {POOL} by {source}"]
        assert info(images / "x.qcow2")["virtual-size"] == 16 * MIB
        assert not player.run("volume", **wish, refresh=True)["changed"]

    @pytest.mark.parametrize("way", ["libvirt", "domain", "pool"])
    def test_where_it_came_from_goes_with_it(
        self, way: str, player: t.Any, connection: t.Any, images: pathlib.Path
    ) -> None:
        """Whoever deletes a volume: an empty one in its place isn't taken for the image that was there."""
        wish = volume("x.qcow2", source={"file": str(image(images.parent / "x.qcow2"))})
        player.run("volume", **wish)
        image(images.parent / "x.qcow2", size="16M")
        assert player.run("volume", **wish)["warnings"]
        pool = connection.storagePoolLookupByName(POOL)
        if way == "libvirt":
            pool.storageVolLookupByName("x.qcow2").delete()
        elif way == "domain":
            domain(connection, f"<disk><source file='{images}/x.qcow2'/><target dev='vda'/></disk>")
            player.run("domain", name="mkt-guest", state="absent", storage="delete")
        else:
            player.run("pool", name=POOL, state="absent", storage="delete")
            player.run("pool", name=POOL, type="dir", path=str(images), state="active")
        assert not (images / "x.qcow2").exists()
        assert bool(records.read(f"{images}/x.qcow2")) == (way == "libvirt")
        player.run("volume", **volume("x.qcow2", capacity="8 MiB"))
        assert not records.read(f"{images}/x.qcow2")
        seen = player.run("volume", **wish)
        assert not seen["changed"]
        assert not seen.get("warnings")

    def test_a_source_that_is_gone_changes_nothing(self, player: t.Any, images: pathlib.Path) -> None:
        source = image(images.parent / "x.qcow2")
        wish = volume("x.qcow2", source={"file": str(source)})
        player.run("volume", **wish)
        source.unlink()
        seen = player.run("volume", **wish)
        assert not seen["changed"]
        assert not seen.get("warnings")

    def test_refresh_is_refused_while_a_domain_uses_it(
        self, player: t.Any, connection: t.Any, images: pathlib.Path
    ) -> None:
        source = image(images.parent / "x.qcow2")
        wish = volume("x.qcow2", source={"file": str(source)})
        player.run("volume", **wish)
        image(source, size="16M")
        domain(connection, f"<disk type='volume'><source pool='{POOL}' volume='x.qcow2'/><target dev='vda'/></disk>")
        refuse(player, "refresh", "mkt-guest", **wish, refresh=True)
        refuse(player, "state", "mkt-guest", **volume("x.qcow2", state="absent"))
        assert info(images / "x.qcow2")["virtual-size"] == 8 * MIB

    def test_a_wrong_checksum_leaves_nothing(self, player: t.Any, images: pathlib.Path) -> None:
        source = image(images.parent / "x.qcow2")
        (failed,) = player.play(
            [Task("volume", volume("x.qcow2", source={"file": str(source), "checksum": "sha256:" + "0" * 64}))]
        )
        assert_one_paragraph(failed)
        assert "source.checksum" in failed.message
        assert hashlib.sha256(source.read_bytes()).hexdigest() in failed.message
        assert not list(images.iterdir())

    def test_an_image_that_reads_other_files_is_refused(self, player: t.Any, images: pathlib.Path) -> None:
        """Else a downloaded qcow2 could show a guest the hypervisor's files."""
        base, trap = image(images.parent / "base.raw", form="raw"), images.parent / "trap.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-F", "raw", str(trap)], check=True)
        (failed,) = player.play([Task("volume", volume("x.qcow2", source={"file": str(trap)}))])
        assert_one_paragraph(failed)
        assert str(base) in failed.message
        assert not list(images.iterdir())


class Server(http.server.ThreadingHTTPServer):
    """Serves one directory with ranges and ETags; ``stop_after`` breaks a connection off after that many bytes."""

    def __init__(self, root: pathlib.Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.root = root
        self.stop_after: t.Optional[int] = None
        self.hold_after: t.Optional[int] = None  # bytes after which an answer waits until it may ``go`` on
        self.held, self.go, self.port = threading.Event(), threading.Event(), 0
        self.requests: list[tuple[str, str, t.Optional[str]]] = []

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        span = self.headers.get("Range")
        self.server.requests.append((self.command, self.path, span))
        try:
            content = (self.server.root / self.path.lstrip("/")).read_bytes()
        except FileNotFoundError:
            self.send_error(404)
            return
        tag = '"' + hashlib.sha256(content).hexdigest()[:16] + '"'
        start = int(span[len("bytes=") : -1]) if span and self.headers.get("If-Range") == tag else 0
        self.send_response(206 if start else 200)
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if body:
            self.hold(content[start:])
            stop, self.server.stop_after = self.server.stop_after, None
            self.wfile.write(content[start : None if stop is None else start + stop])
            self.wfile.flush()
            self.close_connection = True

    def hold(self, content: bytes) -> None:
        """Send the first part of the answer, and wait."""
        held, self.server.hold_after = self.server.hold_after, None
        if held is not None:
            self.wfile.write(content[:held])
            self.wfile.flush()
            self.server.port = self.client_address[1]
            self.server.held.set()
            self.server.go.wait(60)
            raise ConnectionAbortedError

    def log_message(self, *args: t.Any) -> None:
        pass


@pytest.fixture
def server(place: pathlib.Path) -> t.Iterator[Server]:
    root = place / "www"
    root.mkdir()
    with Server(root) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


class TestDownload:
    def test_cycle_with_a_list_of_checksums(self, cycle: t.Any, images: pathlib.Path, server: Server) -> None:
        source = image(server.root / "cloud.qcow2")
        digest = hashlib.sha512(source.read_bytes()).hexdigest()
        (server.root / "SHA512SUMS").write_text(f"{'0' * 128}  other.qcow2\n{digest} *cloud.qcow2\n")
        wish = {"url": server.url("cloud.qcow2"), "checksum": server.url("SHA512SUMS")}
        cycle(
            "volume",
            create=volume("cloud.qcow2", source=wish),
            change=volume("cloud.qcow2", source=wish, capacity="16 MiB"),
            remove=volume("cloud.qcow2", state="absent"),
            info=volume("cloud.qcow2"),
            predicted=("allocation", "physical"),
        )
        assert [one for one in server.requests if one[1] == "/cloud.qcow2"] == [("GET", "/cloud.qcow2", None)]

    def test_a_checksum_of_another_kind_given_later_changes_nothing(
        self, player: t.Any, images: pathlib.Path, server: Server
    ) -> None:
        source = image(server.root / "cloud.qcow2")
        player.run("volume", **volume("cloud.qcow2", source={"url": server.url("cloud.qcow2")}))
        wish = {
            "url": server.url("cloud.qcow2"),
            "checksum": "sha512:" + hashlib.sha512(source.read_bytes()).hexdigest(),
        }
        for refresh in (False, True):
            again = player.run("volume", **volume("cloud.qcow2", source=wish, refresh=refresh))
            assert not again["changed"], refresh
            assert not again.get("warnings"), refresh

    def test_what_broke_off_is_resumed(self, player: t.Any, images: pathlib.Path, server: Server) -> None:
        source = server.root / "big.raw"
        source.write_bytes(os.urandom(3 * MIB) + bytes(2 * MIB) + os.urandom(MIB) + bytes(2 * MIB))
        checksum = "sha256:" + hashlib.sha256(source.read_bytes()).hexdigest()
        wish = volume("big.raw", source={"url": server.url("big.raw"), "checksum": checksum})
        server.stop_after = 4 * MIB + 17
        (failed,) = player.play([Task("volume", wish)])
        assert_one_paragraph(failed)
        assert not (images / "big.raw").exists(), "half a volume is never there"
        player.run("volume", **wish)
        spans = [span for dummy, dummy, span in server.requests]
        assert spans[0] is None
        assert spans[1] is not None, "the second run goes on where the first one stopped"
        assert (images / "big.raw").read_bytes() == source.read_bytes()
        assert not (images.parent / ".metal.kvm").exists()

    def test_a_killed_one_goes_on_where_it_was(self, player: t.Any, images: pathlib.Path, server: Server) -> None:
        source = server.root / "big.raw"
        source.write_bytes(os.urandom(3 * MIB) + bytes(2 * MIB) + os.urandom(3 * MIB))
        checksum = "sha256:" + hashlib.sha256(source.read_bytes()).hexdigest()
        wish = volume("big.raw", source={"url": server.url("big.raw"), "checksum": checksum})
        server.hold_after = 6 * MIB
        played = threading.Thread(target=player.playbook, args=([Task("volume", wish)],))
        played.start()
        assert server.held.wait(60)
        wait_until(lambda: under_way(player) and under_way(player)[0]["received"] >= 5 * MIB, "progress is shown")
        (seen,) = under_way(player)
        assert (seen["url"], seen["size"]) == (server.url("big.raw"), 8 * MIB)
        os.kill(owner(server.port), signal.SIGKILL)
        server.go.set()
        played.join()
        assert not list(images.iterdir()), "half a volume is never there"
        assert player.run("volume", **wish)["changed"]
        (spans,) = [[span for _method, path, span in server.requests[1:] if path == "/big.raw"]]
        assert spans == [f"bytes={seen['received']}-"]
        assert (images / "big.raw").read_bytes() == source.read_bytes()
        assert not (images.parent / ".metal.kvm").exists()
        assert under_way(player) == []

    def test_a_source_that_changed_in_between_is_fetched_anew(
        self, player: t.Any, images: pathlib.Path, server: Server
    ) -> None:
        source = server.root / "big.raw"
        source.write_bytes(os.urandom(4 * MIB))
        server.stop_after = 2 * MIB
        wish = volume("big.raw", source={"url": server.url("big.raw")})
        assert player.play([Task("volume", wish)])[0].failed
        source.write_bytes(os.urandom(4 * MIB))
        player.run("volume", **wish)
        assert (images / "big.raw").read_bytes() == source.read_bytes()

    def test_refresh_asks_the_server(self, player: t.Any, images: pathlib.Path, server: Server) -> None:
        source = image(server.root / "x.qcow2")
        wish = volume("x.qcow2", source={"url": server.url("x.qcow2")})
        player.run("volume", **wish)
        server.requests.clear()
        assert not player.run("volume", **wish)["changed"]
        assert not server.requests, "an unchanged task doesn't ask the server"
        assert not player.run("volume", **wish, refresh=True)["changed"]
        assert [method for method, dummy, dummy in server.requests] == ["HEAD"]
        image(source, size="16M")
        assert player.run("volume", **wish, refresh=True)["changed"]
        assert info(images / "x.qcow2")["virtual-size"] == 16 * MIB

    def test_a_list_of_checksums_must_be_signed(self, player: t.Any, images: pathlib.Path, server: Server) -> None:
        source = image(server.root / "x.qcow2")
        (server.root / "SUMS").write_text(f"{hashlib.sha256(source.read_bytes()).hexdigest()}  x.qcow2\n")
        keyring = sign(server.root / "SUMS", images.parent)
        given = {"url": server.url("x.qcow2"), "checksum": server.url("SUMS"), "keyring": str(keyring)}
        player.run("volume", **volume("detached.qcow2", source={**given, "signature": server.url("SUMS.sig")}))
        player.run("volume", **volume("inline.qcow2", source={**given, "checksum": server.url("SUMS.asc")}))
        assert same_content(images / "detached.qcow2", images / "inline.qcow2")
        (server.root / "SUMS").write_text(f"{'0' * 64}  x.qcow2\n")
        (failed,) = player.play(
            [Task("volume", volume("bad.qcow2", source={**given, "signature": server.url("SUMS.sig")}))]
        )
        assert_one_paragraph(failed)
        assert "source.signature" in failed.message
        assert not (images / "bad.qcow2").exists()

    def test_what_cannot_be_fetched(self, player: t.Any, images: pathlib.Path, server: Server) -> None:
        (server.root / "SHA256SUMS").write_text("nothing here\n")
        image(server.root / "x.qcow2")
        x = server.url("x.qcow2")
        cases = [
            ({"url": server.url("none.qcow2")}, "404"),
            ({"url": "http://127.0.0.1:9/x.qcow2"}, "refused"),
            ({"url": x, "checksum": server.url("SHA256SUMS")}, "lists no"),
            ({"url": x, "checksum": "sha256:" + "0" * 64}, "Nothing was put into the pool"),
        ]
        results = player.play([Task("volume", volume("x", source=source)) for source, _word in cases])
        for result, (_source, word) in zip(results, cases):
            assert_one_paragraph(result)
            assert word in result.message
        assert not list(images.iterdir())
        assert not list((images.parent / ".metal.kvm").glob("*")), "and nothing beside it"


def under_way(player: t.Any) -> list[dict[str, t.Any]]:
    return t.cast("list[dict[str, t.Any]]", player.run("volume_info", pool=POOL)["downloads"])


def wait_until(true: t.Callable[[], t.Any], why: str) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, why
        time.sleep(0.2)


def owner(port: int) -> int:
    """The process whose end of a connection on loopback has that port."""
    lines = pathlib.Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    inode = next(line.split()[9] for line in lines if line.split()[1].endswith(f":{port:04X}"))
    for handle in pathlib.Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if str(handle.readlink()) == f"socket:[{inode}]":
                return int(handle.parts[2])
    raise AssertionError(f"nobody has port {port}")


def sign(file: pathlib.Path, place: pathlib.Path) -> pathlib.Path:
    """Sign a file with a key made for it, apart (.sig) and in one (.asc); returns the keyring."""
    home = place / "gpg"
    home.mkdir(mode=0o700)
    gpg = [
        "gpg",
        "--homedir",
        str(home),
        "--batch",
        "--quiet",
        "--yes",
        "--passphrase",
        "",
        "--pinentry-mode",
        "loopback",
    ]
    for command in (
        ["--quick-generate-key", "mkt@example.org", "ed25519", "sign", "never"],
        ["--output", f"{file}.sig", "--detach-sign", str(file)],
        ["--output", f"{file}.asc", "--clearsign", str(file)],
        ["--output", str(place / "keyring.gpg"), "--export", "mkt@example.org"],
    ):
        subprocess.run([*gpg, *command], check=True, capture_output=True)
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
    return place / "keyring.gpg"


@pytest.fixture
def remote(place: pathlib.Path) -> str:
    """A uri that libvirt takes for another machine's; it leads here through libvirt's own helper for ssh."""
    command = place / "connect"
    command.write_text("#!/bin/sh\nexec virt-ssh-helper qemu:///system\n")
    command.chmod(0o755)
    return f"qemu+ext://elsewhere/system?command={command}"


class TestRemote:
    def test_a_file_is_sent_through_libvirt(self, player: t.Any, images: pathlib.Path, remote: str) -> None:
        source = image(images.parent / "x.qcow2")
        wish = volume("sent.qcow2", source={"file": str(source)}, uri=remote)
        sent = player.run("volume", **wish)
        assert sent["volume"]["format"] == "qcow2"
        assert sent["volume"]["capacity"] == 8 * MIB
        assert same_content(source, images / "sent.qcow2")
        assert not player.run("volume", **wish)["changed"]
        raw = volume("sent.raw", source={"file": str(source)}, format="raw", capacity="20 MiB", uri=remote)
        assert player.run("volume", **raw)["volume"]["capacity"] == 20 * MIB
        assert info(images / "sent.raw")["actual-size"] < MIB, "holes stay holes"

    def test_what_touches_a_file_here_is_refused(self, player: t.Any, images: pathlib.Path, remote: str) -> None:
        made = volume("x.qcow2", capacity="4 MiB", uri=remote)
        player.run("volume", **made)
        refused = {
            "url": ({"name": "y.qcow2", "source": {"url": "http://127.0.0.1:9/x"}}, ["source.url", "hypervisor"]),
            "backing": ({"name": "y.qcow2", "backing": {"path": "/none"}}, ["backing.format", "hypervisor"]),
            "mode": ({"permissions": {"mode": "0644"}}, ["permissions", "hypervisor"]),
            "refresh": ({"source": {"file": "/etc/hostname"}, "refresh": True}, ["refresh", "hypervisor"]),
        }
        player.refuse_all("volume", {case: ({**made, **args}, words) for case, (args, words) in refused.items()})

    def test_cycle(self, cycle: t.Any, images: pathlib.Path, remote: str) -> None:
        cycle(
            "volume",
            create=volume("x.qcow2", capacity="4 MiB", uri=remote),
            change=volume("x.qcow2", capacity="8 MiB", uri=remote),
            remove=volume("x.qcow2", state="absent", uri=remote),
            info=volume("x.qcow2", uri=remote),
            predicted=("allocation", "physical"),
        )


class TestEncryption:
    SECRET = "2ec115d7-3a88-3ceb-bc12-0ac909a6fd99"

    @pytest.fixture
    def secret(self, connection: t.Any) -> t.Iterator[str]:
        made = connection.secretDefineXML(f"<secret ephemeral='yes' private='yes'><uuid>{self.SECRET}</uuid></secret>")
        made.setValue(b"marker-of-a-passphrase")
        yield self.SECRET
        made.undefine()

    @pytest.mark.parametrize("form", ["raw", "qcow2"])
    def test_cycle(self, cycle: t.Any, images: pathlib.Path, secret: str, form: str) -> None:
        locked = {"format": "luks", "secret_uuid": secret}
        seen = cycle(
            "volume",
            create=volume("x", format=form, capacity="4 MiB", encryption=locked),
            change=volume("x", encryption=locked, permissions={"mode": "0640"}),
            remove=volume("x", state="absent", wipe="zero"),
            info=volume("x"),
            predicted=("allocation", "physical", "permissions", "format"),
        )
        assert seen.create.run["volume"]["encryption"]["format"] == "luks"
        assert seen.remove.run["actions"][0] == f"wipe volume x of pool {POOL} (zero)"
        assert "marker-of-a-passphrase" not in repr(seen)


def domain(connection: t.Any, disk: str, name: str = "mkt-guest", start: bool = False) -> t.Any:
    xml = f"""<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory><os><type>hvm</type></os>
        <devices>{disk}</devices></domain>"""
    made = connection.defineXML(xml)
    if start:
        made.create()
    return made


class TestGrowth:
    def test_in_a_running_domain(self, player: t.Any, connection: t.Any, images: pathlib.Path) -> None:
        player.run("volume", **volume("x.qcow2", capacity="8 MiB"))
        guest = domain(
            connection,
            f"""<disk type='file'><driver name='qemu' type='qcow2'/><source file='{images}/x.qcow2'/>
            <target dev='vda' bus='virtio'/></disk>""",
            start=True,
        )
        grown = player.run("volume", **volume("x.qcow2", capacity="16 MiB", permissions={"owner": 0}))
        assert grown["actions"] == [
            f"grow volume x.qcow2 of pool {POOL} to 16 MiB in the running domain mkt-guest",
        ], "whose a file is while a guest runs is libvirt's affair"
        assert guest.blockInfo("vda")[0] == 16 * MIB, "the guest sees it"
        assert grown["volume"]["capacity"] == 16 * MIB
        assert not player.run("volume", **volume("x.qcow2", capacity="16 MiB"))["changed"]

    def test_odd_sizes_converge(self, player: t.Any, images: pathlib.Path) -> None:
        for name in ("odd.qcow2", "odd.raw"):
            wish = volume(name, capacity="1000001 B")
            assert player.run("volume", **wish)["changed"]
            assert not player.run("volume", **wish)["changed"]


class TestBadInput:
    def test_is_refused(self, player: t.Any, images: pathlib.Path) -> None:
        refused: dict[str, tuple[dict[str, t.Any], list[str]]] = {
            "no pool": ({"pool": "mkt-none", "capacity": "1 MiB"}, ["pool", "mkt-none", "metal.kvm.pool"]),
            "no capacity": ({}, ["capacity"]),
            "negative": ({"capacity": "-1"}, ["capacity", "-1"]),
            "malformed size": ({"capacity": "ten MiB"}, ["capacity", "ten MiB"]),
            "unknown unit": ({"capacity": "1 XiB"}, ["capacity", "XiB"]),
            "no backing": ({"backing": "none.qcow2"}, ["backing", "none.qcow2"]),
            "no backing path": ({"backing": {"path": "/none.qcow2"}}, ["backing.path", "/none.qcow2"]),
            "backing of nothing": ({"backing": {"format": "raw"}}, ["backing"]),
            "raw overlay": ({"name": "x.raw", "backing": {"path": "/dev/null", "format": "raw"}}, ["format", "raw"]),
            "no image": ({"source": {"file": "/none.img"}}, ["source.file", "/none.img"]),
            "no image by url": ({"source": {"url": "file:///none.img"}}, ["source.url", "/none.img"]),
            "no source volume": ({"source": {"volume": "none"}}, ["source.volume", "none"]),
            "empty source": ({"source": {}}, ["source", "url, file and volume"]),
            "two sources": ({"source": {"file": "/a", "url": "http://a/b"}}, ["source", "url and file"]),
            "not a url": ({"source": {"url": "cloud.img"}}, ["source.url", "cloud.img"]),
            "not a checksum": (
                {"source": {"url": "http://a/b", "checksum": "md5:abc"}},
                ["source.checksum", "md5:abc"],
            ),
            "backing and source": ({"backing": "a", "source": {"file": "/etc/hostname"}}, ["source", "backing"]),
            "name with a slash": ({"name": "a/b", "capacity": "1 MiB"}, ["name", "a/b"]),
        }
        wishes = {case: ({"pool": POOL, "name": "x.qcow2", **args}, words) for case, (args, words) in refused.items()}
        assert_refused(Bench("volume"), wishes)
        player.refuse_all("volume", {case: wishes[case] for case in ("malformed size", "no image", "two sources")})
        assert not list(images.iterdir())

    def test_inactive_pool(self, player: t.Any, images: pathlib.Path) -> None:
        player.run("pool", name=POOL, state="inactive")
        wish = volume("x.qcow2", capacity="1 MiB")
        player.refuse("volume", "pool", "state: active", **wish)

    def test_what_cannot_change(self, player: t.Any, images: pathlib.Path) -> None:
        player.run("volume", **volume("base.qcow2", capacity="4 MiB"))
        player.run("volume", **volume("x.qcow2", capacity="8 MiB"))
        changes = {
            "shrink": ({"capacity": "4 MiB"}, ["capacity", "shrink"]),
            "format": ({"format": "raw"}, ["format"]),
            "backing": ({"backing": "base.qcow2"}, ["made without backing", "Leave it out"]),
            "compat": ({"compat": "0.10"}, ["compat"]),
        }
        player.refuse_all(
            "volume", {case: (volume("x.qcow2", **args), words) for case, (args, words) in changes.items()}
        )
        assert info(images / "x.qcow2")["virtual-size"] == 8 * MIB

    def test_a_base_with_overlays_is_protected(self, player: t.Any, images: pathlib.Path) -> None:
        player.run("volume", **volume("base.qcow2", capacity="4 MiB"))
        player.run("volume", **volume("top.qcow2", backing="base.qcow2"))
        refuse(player, "state", "overlay", "top.qcow2", **volume("base.qcow2", state="absent"))
        assert (images / "base.qcow2").exists()


def test_references_to_what_is_missing_are_assumed_in_a_check(player: t.Any, images: pathlib.Path) -> None:
    """An error in a run; a check plans on them and says so."""
    locked = {"format": "luks", "secret_usage": "mkt-none"}
    cases: dict[str, tuple[dict[str, t.Any], list[str]]] = {
        "pool": ({"pool": "mkt-none", "name": "x.qcow2", "capacity": "1 MiB"}, ["mkt-none", "metal.kvm.pool"]),
        "backing": (volume("x.qcow2", backing="none.qcow2"), ["none.qcow2", "metal.kvm.volume"]),
        "secret": (
            volume("x.qcow2", capacity="1 MiB", encryption=locked),
            ["encryption.secret_usage: there is no secret for volume with 'mkt-none'", "metal.kvm.secret"]),
    }  # fmt: skip
    for case, refused in player.refuse_all("volume", cases).items():
        assert refused["option"].startswith("encryption" if case == "secret" else case)


def test_a_file_that_libvirt_has_not_seen_is_found(player: t.Any, images: pathlib.Path) -> None:
    image(images / "new.qcow2")
    seen = player.run("volume", **volume("new.qcow2", capacity="8 MiB"))
    assert not seen["changed"]
    assert seen["volume"]["capacity"] == 8 * MIB


def test_nothing_of_an_absent_pool_is_absent(player: t.Any) -> None:
    assert not player.run("volume", pool="mkt-none", name="x", state="absent")["changed"]


def test_info(player: t.Any, images: pathlib.Path) -> None:
    player.run("volume", **volume("base.qcow2", capacity="4 MiB"))
    player.run("volume", **volume("top.qcow2", backing="base.qcow2"))
    player.run("volume", **volume("topmost.qcow2", backing="top.qcow2"))
    (one,) = player.run("volume_info", **volume("topmost.qcow2"))["volumes"]
    assert one["backing_chain"] == [str(images / "top.qcow2"), str(images / "base.qcow2")]
    assert [one["name"] for one in player.run("volume_info", pool=POOL)["volumes"]] == [
        "base.qcow2", "top.qcow2", "topmost.qcow2",
    ]  # fmt: skip
    assert len([one for one in player.run("volume_info")["volumes"] if one["pool"] == POOL]) == 3


class TestDownloadOfAVolume:
    def test_again_only_when_something_changed(self, player: t.Any, images: pathlib.Path, remote: str) -> None:
        source = image(images.parent / "x.qcow2")
        player.run("volume", **volume("x.qcow2", source={"file": str(source)}))
        dest = images.parent / "out.raw"
        wish = volume("x.qcow2", dest=str(dest), format="raw", mode="0640")
        assert player.run("volume_download", check=True, **wish)["changed"]
        assert not dest.exists()
        assert player.run("volume_download", **wish)["file"] == {"path": str(dest), "format": "raw", "mode": "0640"}
        assert same_content(source, dest)
        assert info(dest)["actual-size"] < MIB, "holes stay holes"
        assert not player.run("volume_download", **wish)["changed"]
        dest.write_bytes(b"spoilt")
        assert player.run("volume_download", **wish)["changed"]
        assert same_content(source, dest)
        far = images.parent / "far.qcow2"
        assert player.run("volume_download", **volume("x.qcow2", dest=str(far), uri=remote))["changed"]
        assert far.read_bytes() == (images / "x.qcow2").read_bytes()
        assert sorted(path.name for path in images.parent.glob("*.part*")) == []

    def test_another_mode_and_a_directory(self, player: t.Any, images: pathlib.Path) -> None:
        source = image(images.parent / "x.qcow2")
        player.run("volume", **volume("x.qcow2", source={"file": str(source)}))
        place = images.parent / "exports"
        place.mkdir()
        wish = volume("x.qcow2", dest=str(place))
        there = {"path": str(place / "x.qcow2"), "format": "qcow2", "mode": "0600"}
        assert player.run("volume_download", check=True, **wish)["file"] == there
        assert player.run("volume_download", **wish)["file"] == there
        assert not player.run("volume_download", **wish)["changed"]
        before = (place / "x.qcow2").stat().st_mtime_ns
        told = player.run("volume_download", check=True, **wish, mode="0644")
        assert told["actions"] == [f"set the mode of {place / 'x.qcow2'} to 0644"]
        assert player.run("volume_download", **wish, mode="0644")["file"]["mode"] == "0644"
        assert not player.run("volume_download", **wish, mode="0644")["changed"]
        assert (place / "x.qcow2").stat().st_mtime_ns == before, "the content isn't copied again"
        player.refuse("volume_download", "dest", "no directory", **volume("x.qcow2", dest=str(place / "no" / "x")))
        (place / "sub" / "x.qcow2").mkdir(parents=True)
        player.refuse("volume_download", "dest", "is a directory", **volume("x.qcow2", dest=str(place / "sub")))

    def test_an_iso_image_is_raw(self, images: pathlib.Path) -> None:
        """libvirt tells by the content that it's one, also of a volume that was declared as raw."""
        iso = images.parent / "x.iso"
        subprocess.run(
            ["xorriso", "-as", "mkisofs", "-V", "ONE", "-o", str(iso), str(images)], check=True, capture_output=True
        )
        bench = Bench("volume")
        bench.run(volume("x.iso", source={"file": str(iso)}))
        for form in ("iso", "raw"):
            assert not bench.plan(volume("x.iso", format=form)).actions
        downloads = importlib.import_module(f"{OBJECTS}.volume.download")
        wish = downloads.plan_download(
            bench.world,
            {**volume("x.iso"), "dest": str(images.parent / "y.iso"), "format": None, "mode": "0600", "force": False},
        )
        run_steps(wish, downloads.operations(), bench.world)
        assert (images.parent / "y.iso").read_bytes() == iso.read_bytes()

    def test_an_overlay_becomes_whole(self, player: t.Any, images: pathlib.Path) -> None:
        image(images.parent / "x.qcow2")
        player.run("volume", **volume("base.qcow2", source={"file": str(images.parent / "x.qcow2")}))
        player.run("volume", **volume("top.qcow2", backing="base.qcow2"))
        dest = images.parent / "whole.qcow2"
        player.run("volume_download", **volume("top.qcow2", dest=str(dest)))
        assert "backing-filename" not in info(dest)
        assert same_content(dest, images / "base.qcow2")
        player.refuse("volume_download", "none", "pool", **volume("none", dest=str(dest)))
