# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two and eight runs at once on one volume, pool, network and domain, with and without one that is killed on its way; and
edits by somebody else between planning and defining."""

from __future__ import annotations

import hashlib
import os
import pathlib
import signal
import threading
import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._converge import carry_out
from ansible_collections.metal.kvm.plugins.module_utils._objects.volume import records
from ansible_collections.metal.kvm.plugins.module_utils._plan import ChangedMeanwhileError, KvmError
from ansible_collections.metal.kvm.plugins.module_utils._run import run_steps
from at_once import Args, Run, at_once
from bench import Bench
from test_volume import Server, wait_until

POOL, NETWORK, GUEST = "mkt-once", "mkt-once-net", "mkt-once-guest"
MIB = 1024**2


@pytest.fixture
def images(place: pathlib.Path) -> pathlib.Path:
    """An active pool of files."""
    path = place / "images"
    Bench("pool").run({"name": POOL, "type": "dir", "path": str(path), "state": "active"})
    return path


@pytest.fixture
def server(place: pathlib.Path) -> t.Iterator[Server]:
    (place / "www").mkdir()
    with Server(place / "www") as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def bench_of(noun: str) -> Bench:
    """Tasks in this process, which doesn't open libvirt's private driver: it couldn't connect to QEMU's after that."""
    bench = Bench(noun)
    bench.world.kept["driver"] = None
    return bench


def assert_one_did_it(results: t.Sequence[Args]) -> None:
    """Nobody failed; of those that weren't killed one did what was left to do, and the others found it done."""
    assert not [one["msg"] for one in results if one["failed"]]
    alive = [one for one in results if not one.get("killed")]
    assert sum(one["changed"] for one in alive) == 1, [one.get("actions") for one in results]
    for one in alive:
        assert bool(one["actions"]) == one["changed"]


def again(module: str, args: Args) -> Args:
    """A run after all others."""
    (result,) = at_once(Run(module, args))
    assert not result["failed"], result
    assert not result["changed"], result["actions"]
    return result


def objects(place: pathlib.Path) -> dict[str, Args]:
    """A task for each kind of object that libvirt defines and starts, in several steps."""
    return {
        "pool": {"name": f"{POOL}-2", "type": "dir", "path": str(place / "two"), "autostart": True, "state": "active"},
        "network": {
            "name": NETWORK,
            "ips": [{"address": "192.168.231.1/24"}],
            "autostart": True,
            "state": "active",
        },
        "domain": {
            "name": GUEST,
            "memory": "64 MiB",
            "disks": [{"target": "vda", "pool": POOL, "volume": "disk.qcow2"}],
            "autostart": True,
            "state": "running",
        },
    }


@pytest.mark.parametrize("noun", ["pool", "network", "domain"])
class TestObjects:
    def test_eight_at_once(self, images: pathlib.Path, place: pathlib.Path, noun: str) -> None:
        Bench("volume").run({"pool": POOL, "name": "disk.qcow2", "capacity": "8 MiB"})
        args = objects(place)[noun]
        assert_one_did_it(at_once(*(Run(noun, args) for _run in range(8))))
        self.assert_as_declared(noun, args)
        gone = {"name": args["name"], "state": "absent", **({"force": True} if noun == "domain" else {})}
        assert_one_did_it(at_once(*(Run(noun, gone) for _run in range(8))))
        assert again(noun, gone)[noun] is None

    def test_one_is_killed_at_each_step(self, images: pathlib.Path, place: pathlib.Path, noun: str) -> None:
        """And two, the last time seven, come to finish it."""
        Bench("volume").run({"pool": POOL, "name": "disk.qcow2", "capacity": "8 MiB"})
        args = objects(place)[noun]
        bench, number = bench_of(noun), 0
        while number < (steps := len(bench.plan(args).steps)):
            others = 7 if number == steps - 1 else 2
            killed = Run(noun, args, killed=number).go()
            results = at_once(*(Run(noun, args) for _run in range(others)))
            assert killed.result().get("killed")
            assert_one_did_it(results)
            self.assert_as_declared(noun, args)
            bench.run({"name": args["name"], "state": "absent", **({"force": True} if noun == "domain" else {})})
            number += 1
        assert number >= 3

    def assert_as_declared(self, noun: str, args: Args) -> None:
        there = again(noun, args)[noun]
        assert there["autostart"]
        assert there["state"] == "running" if noun == "domain" else there["active"]


def random_file(path: pathlib.Path, size: int = 6) -> bytes:
    content = os.urandom(size * MIB // 2) + bytes(MIB) + os.urandom(size * MIB // 2)
    path.write_bytes(content)
    return content


def base_volume(images: pathlib.Path) -> bytes:
    """A volume base.raw, which libvirt knows; returns its content."""
    content = random_file(images / "base.raw")
    Bench("pool").world.get("pool", POOL).refresh(0)
    return content


def assert_nothing_left(images: pathlib.Path, *names: str) -> None:
    """In the pool are these files and no others, beside it is nothing."""
    assert sorted(path.name for path in images.iterdir()) == sorted(names)
    assert not (images.parent / ".metal.kvm").exists()


class TestVolumes:
    @pytest.mark.parametrize("checked", [True, False], ids=["checksum", "no checksum"])
    def test_eight_of_one_url(self, images: pathlib.Path, server: Server, checked: bool) -> None:
        content = random_file(server.root / "x.raw")
        args = {"pool": POOL, "name": "x.raw", "source": source(server, content, checked)}
        assert_one_did_it(at_once(*(Run("volume", args) for _run in range(8))))
        again("volume", args)
        assert (images / "x.raw").read_bytes() == content
        assert_nothing_left(images, "x.raw")

    def test_eight_volumes_of_one_url(self, images: pathlib.Path, server: Server) -> None:
        content = random_file(server.root / "x.raw")
        tasks = [
            {"pool": POOL, "name": f"{number}.raw", "source": source(server, content, False)} for number in range(8)
        ]
        results = at_once(*(Run("volume", args) for args in tasks))
        assert [one["changed"] for one in results] == [True] * 8, [one.get("msg") for one in results]
        for args in tasks:
            assert (images / args["name"]).read_bytes() == content
        assert_nothing_left(images, *(args["name"] for args in tasks))

    @pytest.mark.parametrize("others", [2, 7])
    def test_one_is_killed_while_it_downloads(self, images: pathlib.Path, server: Server, others: int) -> None:
        """The others wait for it, one of them goes on where it was."""
        content = random_file(server.root / "x.raw")
        args = {"pool": POOL, "name": "x.raw", "source": source(server, content, False)}
        server.hold_after = 5 * MIB
        killed = Run("volume", args).go()
        assert server.held.wait(60)
        runs = [Run("volume", args).go() for _run in range(others)]
        wait_until(lambda: sum(method == "GET" for method, _path, _span in server.requests) == 1, "they wait")
        os.kill(killed.process.pid, signal.SIGKILL)
        server.go.set()
        assert_one_did_it([run.result() for run in runs])
        spans = [span for _method, _path, span in server.requests]
        assert len(spans) == 2
        assert spans[1], "the second request goes on where the first was broken off"
        again("volume", args)
        assert (images / "x.raw").read_bytes() == content
        assert_nothing_left(images, "x.raw")

    @pytest.mark.parametrize("kind", ["url", "volume"])
    def test_one_is_killed_around_the_rename(self, images: pathlib.Path, server: Server, kind: str) -> None:
        """Before it the volume isn't there; after it it's whole, and the next run writes the record and cleans up."""
        content = base_volume(images)
        (server.root / "x.raw").write_bytes(content)
        wish = {"volume": "base.raw"} if kind == "volume" else source(server, content, True)
        args = {"pool": POOL, "name": "x.raw", "source": wish}
        copying = "_objects.volume.copying"
        for where, done in ((f"{copying}:take_place", False), (f"{copying}:refresh", True)):
            (result,) = at_once(Run("volume", args, killed=where))
            assert result.get("killed")
            assert (images / "x.raw").exists() == done
            results = at_once(Run("volume", args), Run("volume", args))
            assert not [one["msg"] for one in results if one["failed"]]
            assert sum(one["changed"] for one in results) == (0 if done else 1)
            assert (images / "x.raw").read_bytes() == content
            assert_nothing_left(images, "x.raw", "base.raw")
            said = {key: value for key, value in wish.items() if key != "checksum"}
            assert records.read(str(images / "x.raw"))["source"] == {**said, "pool": POOL}
            at_once(Run("volume", {**args, "state": "absent"}))

    def test_what_is_left_goes_with_the_volume(self, images: pathlib.Path, server: Server) -> None:
        content = random_file(server.root / "x.raw")
        args = {"pool": POOL, "name": "x.raw", "source": source(server, content, False)}
        at_once(Run("volume", args, killed="_objects.volume.copying:take_place"))
        assert list((images.parent / ".metal.kvm").iterdir())
        assert not again("volume", {**args, "state": "absent"})["changed"]
        assert_nothing_left(images)

    def test_eight_copies_of_one_volume_and_eight_overlays(self, images: pathlib.Path) -> None:
        content = base_volume(images)
        copy = {"pool": POOL, "name": "copy.raw", "source": {"volume": "base.raw"}}
        top = {"pool": POOL, "name": "top.qcow2", "backing": "base.raw"}
        for args in (copy, top):
            assert_one_did_it(at_once(*(Run("volume", args) for _run in range(8))))
        assert (images / "copy.raw").read_bytes() == content
        assert_nothing_left(images, "base.raw", "copy.raw", "top.qcow2")

    def test_a_base_is_not_deleted_under_an_overlay_that_is_being_made(self, images: pathlib.Path) -> None:
        """Whoever is first: both are there, or neither."""
        base_volume(images)
        made = Run("volume", {"pool": POOL, "name": "top.qcow2", "backing": "base.raw"})
        gone = Run("volume", {"pool": POOL, "name": "base.raw", "state": "absent"})
        results = at_once(made, gone)
        assert [one["failed"] for one in results].count(True) == 1, results
        assert (images / "base.raw").exists() == (images / "top.qcow2").exists()

    def test_eight_downloads_to_one_file(self, images: pathlib.Path, place: pathlib.Path) -> None:
        content = base_volume(images)
        args = {"pool": POOL, "name": "base.raw", "dest": str(place / "out.raw")}
        assert_one_did_it(at_once(*(Run("volume_download", args) for _run in range(8))))
        assert (place / "out.raw").read_bytes() == content
        assert not list(place.glob("out.raw?*"))


def source(server: Server, content: bytes, checked: bool) -> Args:
    checksum = {"checksum": f"sha256:{hashlib.sha256(content).hexdigest()}"} if checked else {}
    return {"url": server.url("x.raw"), **checksum}


class TestHostFiles:
    def test_eight_authorities(self, place: pathlib.Path) -> None:
        """The certificate is for the key that is there."""
        args = {
            "path": str(place / "ca.pem"),
            "key": str(place / "private" / "ca.pem"),
            "authority": True,
            "common_name": "mkt",
        }
        assert_one_did_it(at_once(*(Run("certificate", args) for _run in range(8))))
        assert again("certificate", args)["certificate"]["due"] is None
        assert sorted(path.name for path in place.iterdir()) == ["ca.pem", "private"]
        assert [path.name for path in (place / "private").iterdir()] == ["ca.pem"]


# Edits by somebody else


class Edit(t.NamedTuple):
    """What ``virsh edit`` does to an object that a task has made and is about to change."""

    made: Args
    change: Args
    old: str  # of the document
    new: str  # in its place, with a mark in it
    marks: tuple[str, str]

    def again(self, connection: t.Any, noun: str, number: int = 0) -> None:
        """Edit: the first time ``old`` to ``new``, after that the first mark to the second."""
        look_up, define, flag = CALLS[noun]
        xml = getattr(connection, look_up)(self.made["name"]).XMLDesc(flag)
        old, new = (self.marks[0], self.marks[1]) if number else (self.old, self.new.format(self.marks[0]))
        assert old in xml, xml
        getattr(connection, define)(xml.replace(old, new))


CALLS = {
    "network": ("networkLookupByName", "networkDefineXML", 1),
    "pool": ("storagePoolLookupByName", "storagePoolDefineXML", 1),
    "nwfilter": ("nwfilterLookupByName", "nwfilterDefineXML", 0),
    "domain": ("lookupByName", "defineXML", 3),
}
RULE = {"action": "accept", "direction": "in", "tcp": {}}
EDITS = {
    "network": Edit(
        {"name": NETWORK, "ips": [{"address": "192.168.231.1/24"}]},
        {"mtu": 1400},
        "</network>",
        "<domain name='{}'/></network>",
        ("one.example", "two.example"),
    ),
    "pool": Edit(
        {"name": f"{POOL}-2", "type": "dir", "path": "/var/tmp/mkt-once-2"},
        {"path": None, "permissions": {"mode": "0750"}},
        "/var/tmp/mkt-once-2",
        "/var/tmp/{}",
        ("mkt-once-3", "mkt-once-4"),
    ),
    "nwfilter": Edit(
        {"name": f"{POOL}-filter", "rules": [RULE]},
        {"rules": None, "chain": "ipv4", "priority": -500},
        "</filter>",
        "<filterref filter='{}'/></filter>",
        ("clean-traffic", "no-ip-spoofing"),
    ),
    "domain": Edit(
        {"name": GUEST, "memory": "64 MiB"},
        {"title": "changed"},
        "<memory",
        "<description>{}</description><memory",
        ("edit one", "edit two"),
    ),
}


@pytest.mark.parametrize("noun", list(EDITS))
class TestEdits:
    def begin(self, noun: str) -> tuple[Bench, Edit, Args]:
        """The object, made; how it's edited; and the task that changes it."""
        bench, edit = bench_of(noun), EDITS[noun]
        bench.run(edit.made)
        args = {**edit.made, **edit.change}
        return bench, edit, {key: value for key, value in args.items() if value is not None}

    def carry_out(self, bench: Bench, plan: t.Any, again: t.Callable[[], t.Any]) -> t.Any:
        return carry_out(plan, again, bench.operations(), bench.world, "a test")[0]

    def text(self, connection: t.Any, noun: str) -> str:
        look_up, _define, flag = CALLS[noun]
        return str(getattr(connection, look_up)(EDITS[noun].made["name"]).XMLDesc(flag))

    def test_an_edit_between_planning_and_defining_stays(self, connection: t.Any, noun: str) -> None:
        """The task plans again on what is there now."""
        bench, edit, args = self.begin(noun)
        plan = bench.plan(args)
        edit.again(connection, noun)
        edited = self.text(connection, noun)
        with pytest.raises(
            ChangedMeanwhileError, match=f"(?i)^{noun} {edit.made['name']} was changed by somebody else"
        ):
            run_steps(plan, bench.operations(), bench.world)
        assert self.text(connection, noun) == edited
        self.carry_out(bench, plan, lambda: bench.plan(args))
        assert edit.marks[0] in self.text(connection, noun)
        assert self.text(connection, noun) != edited
        assert not bench.plan(args).changed

    def test_with_a_second_edit_it_fails_and_overwrites_nothing(self, connection: t.Any, noun: str) -> None:
        bench, edit, args = self.begin(noun)
        plan, number = bench.plan(args), iter((0, 1))

        def plan_and_edit() -> t.Any:
            found = bench.plan(args)
            edit.again(connection, noun, next(number))
            return found

        edit.again(connection, noun, next(number))
        with pytest.raises(
            ChangedMeanwhileError, match=f"(?i)^{noun} {edit.made['name']} was changed by somebody else"
        ):
            self.carry_out(bench, plan, plan_and_edit)
        assert edit.marks[1] in self.text(connection, noun)

    def test_what_somebody_else_made_meanwhile_is_planned_on(self, connection: t.Any, noun: str) -> None:
        bench, args = bench_of(noun), EDITS[noun].made
        plan = bench.plan(args)
        bench_of(noun).run(args)
        before = self.text(connection, noun)
        assert not self.carry_out(bench, plan, lambda: bench.plan(args)).changed
        assert self.text(connection, noun) == before

    def test_an_undo_leaves_an_edit_alone(self, connection: t.Any, noun: str) -> None:
        bench, edit, args = self.begin(noun)
        plan = bench.plan(args)
        plan.commit = None
        plan.add("fail", "fail")

        def edit_and_fail(*_arguments: t.Any, **_named: t.Any) -> None:
            edit.again(connection, noun)
            raise KvmError("an error of the test")

        with pytest.raises(KvmError, match="an error of the test") as caught:
            run_steps(plan, {**bench.operations(), "fail": edit_and_fail}, bench.world)
        assert edit.marks[0] in self.text(connection, noun)
        assert "changed by somebody else" in " ".join(caught.value.rollback_failed)
