# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets on a real libvirtd: their definition, their value, and that the value turns up nowhere."""

from __future__ import annotations

import base64
import os
import pathlib
import re
import subprocess
import sys
import threading
import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._run import run_steps
from bench import Bench, assert_refused, assert_settles
from cycle import PREFIX, Player, Task, beside_the_paragraph

MARKER, OTHER = "marker-one-Zq7", "marker-two-Xw9"
NAME = f"{PREFIX}client.libvirt secret"
CEPH = {"usage": "ceph", "name": NAME}


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


SPELLED = [MARKER, OTHER, coded(MARKER), coded(OTHER)]


def value(connection: t.Any, usage: int = 2, name: str = NAME) -> bytes:
    return t.cast("bytes", connection.secretLookupByUsage(usage, name).value())


@pytest.fixture
def bench(daemon: None) -> Bench:
    return Bench("secret")


def test_cycle(cycle: t.Any) -> None:
    seen = cycle(
        "secret",
        create={**CEPH, "value": MARKER, "description": "a key"},
        change={**CEPH, "value_base64": coded(OTHER), "ephemeral": True, "unset": ["description"]},
        remove={**CEPH, "state": "absent"},
        info=CEPH,
    )
    assert seen.create.run["actions"] == [f"define secret ceph {NAME}", f"set the value of secret ceph {NAME}"]
    assert seen.create.run["secret"]["private"] is False
    assert seen.create.run.diff["after"]["value"] == "(hidden)"
    assert seen.change.run.diff["after"]["value"] == "(hidden, another)"
    assert seen.change.run["secret"]["uuid"] == seen.create.run["secret"]["uuid"]
    assert "description" not in seen.change.run["secret"]
    assert not [word for word in SPELLED if word in repr(seen)]


USES = [("volume", "/srv/mkt-a.qcow2"), ("iscsi", "mkt-san"), ("tls", "mkt-key"), ("vtpm", "mkt-tpm")]
UUID = "6d6b7400-6a0e-4a7e-8f5b-6d5c1c0d7e10"


@pytest.mark.parametrize(("usage", "name"), USES)
def test_every_usage(bench: Bench, connection: t.Any, usage: str, name: str) -> None:
    there = {"usage": usage, "name": name}
    assert_settles(bench, {**there, "uuid": UUID.upper(), "value": MARKER})
    assert connection.secretLookupByUUIDString(UUID).value() == MARKER.encode()
    assert_settles(bench, {**there, "description": "changed", "private": True})
    assert_settles(bench, {"uuid": UUID, "state": "absent"})
    assert UUID not in connection.listSecrets()


def test_the_value_is_what_was_given(player: t.Any, connection: t.Any) -> None:
    player.run("secret", **CEPH, value="pässword\n")
    assert value(connection) == "pässword\n".encode()
    player.run("secret", **CEPH, value_base64=base64.b64encode(b"\0\xff\n").decode())
    assert value(connection) == b"\0\xff\n"


def test_when_a_value_is_set(player: t.Any, connection: t.Any) -> None:
    """A private secret's value is set when it's made and when told; a readable one's also where it differs."""
    first, kept, policy, none = player.play(
        [
            Task("secret", {**CEPH, "value": MARKER}),
            Task("secret", {**CEPH, "value": OTHER, "update_value": "on_create"}),
            Task("secret", {**CEPH, "value": MARKER, "update_value": "always"}),
            Task("secret", {**CEPH}),
        ]
    )
    assert first["changed"]
    assert not any(one["changed"] for one in (kept, policy, none))
    assert value(connection) == MARKER.encode()
    private, seen, rotated, again = player.play(
        [
            Task("secret", {**CEPH, "private": True}),
            Task("secret", {**CEPH, "value": OTHER}),
            Task("secret", {**CEPH, "value": OTHER, "update_value": "always"}),
            Task("secret", {**CEPH, "value": OTHER, "update_value": "always"}),
        ]
    )
    assert private["actions"] == [f"change secret ceph {NAME}: private"]
    assert not seen["changed"]
    assert rotated["actions"] == again["actions"] == [f"set the value of secret ceph {NAME}"]


def test_a_secret_without_value_gets_one(player: t.Any, connection: t.Any) -> None:
    player.run("secret", **CEPH)
    done = player.run("secret", **CEPH, value=MARKER, update_value="on_create")
    assert done["actions"] == [f"set the value of secret ceph {NAME}"]
    assert value(connection) == MARKER.encode()


def test_secrets_without_a_use(player: t.Any, connection: t.Any) -> None:
    uuid = "6d6b7400-6a0e-4a7e-8f5b-6d5c1c0d7e01"
    assert player.run("secret", uuid=uuid, value=MARKER)["changed"]
    again, info, adopted, gone = player.play(
        [
            Task("secret", {"uuid": uuid, "value": MARKER}),
            Task("secret_info", {"uuid": uuid}),
            Task("secret_info", {"uuid": uuid, "as": "options", "identity": "new"}),
            Task("secret", {"uuid": uuid, "state": "absent"}),
        ]
    )
    assert not again["changed"]
    assert info["secrets"] == [{"uuid": uuid, "ephemeral": False, "private": False}]
    assert adopted["options"] == {"uuid": uuid}
    assert gone["changed"]
    assert uuid not in connection.listSecrets()


XML = [
    f"<secret><usage type='ceph'><name>{NAME}</name></usage></secret>",
    f"<secret ephemeral='yes'><description>a &lt;b&gt;</description><usage type='ceph'><name>{NAME}</name></usage></secret>",
    f"<secret private='yes' ephemeral='no'><usage type='ceph'><name>{NAME}</name></usage><more>dropped</more></secret>",
    f"<!-- c --><secret private='yes'><uuid>6D6B74006A0E4A7E8F5B6D5C1C0D7E02</uuid><usage type='ceph'><name>{NAME}</name>"
    "</usage></secret>",
]


@pytest.mark.parametrize("xml", XML)
def test_xml_is_applied_once_and_exported(bench: Bench, connection: t.Any, xml: str) -> None:
    """Check equals run, the second run changes nothing, and what is exported changes nothing when fed back."""
    assert_settles(bench, {**CEPH, "xml": xml})
    own = connection.secretLookupByUsage(2, NAME).XMLDesc(0)
    adopted = bench.info({**CEPH, "as": "options"})
    assert adopted["secrets_needed"] == [f"ceph {NAME}"]
    assert adopted["not_exported"] == []
    assert not bench.plan(adopted["options"]).actions
    assert not bench.plan({**CEPH, "xml": own}).actions
    elsewhere = bench.info({**CEPH, "as": "options", "identity": "new"})["options"]
    assert "uuid" not in elsewhere
    bench.run({**CEPH, "state": "absent"})
    assert_settles(bench, elsewhere)
    assert re.sub("<uuid>.*?</uuid>", "", connection.secretLookupByUsage(2, NAME).XMLDesc(0)) == re.sub(
        "<uuid>.*?</uuid>", "", own
    )


REFUSED: dict[str, tuple[dict[str, t.Any], list[str]]] = {
    "nothing that names it": ({"value": MARKER}, ["name", "uuid"]),
    "name without usage": ({"name": NAME, "value": MARKER}, ["name", "usage"]),
    "unknown usage": ({"usage": "rbd", "name": NAME}, ["usage", "ceph"]),
    "both values": ({**CEPH, "value": MARKER, "value_base64": coded(OTHER)}, ["value", "value_base64"]),
    "not base64": ({**CEPH, "value_base64": f"{MARKER}!"}, ["value_base64", "base64 -w0"]),
    "empty value": ({**CEPH, "value": ""}, ["value", "empty"]),
    "bad uuid": ({**CEPH, "uuid": "8f0f"}, ["uuid", "32 hexadecimal digits"]),
    "bad uuid alone": ({"uuid": "8f0f"}, ["uuid", "32 hexadecimal digits"]),
    "xml of another": ({**CEPH, "xml": "<secret/>"}, ["xml", "name"]),
    "options beside xml": ({**CEPH, "private": True, "xml": XML[0]}, ["private", "xml"]),
    "malformed xml": ({**CEPH, "xml": "<secret"}, ["xml", "well-formed"]),
    "another root": ({**CEPH, "xml": "<pool/>"}, ["xml", "<secret>"]),
    "unset what is no option": ({**CEPH, "unset": ["value"]}, ["unset", "value"]),
}


def test_bad_input_is_refused(bench: Bench, player: t.Any, connection: t.Any) -> None:
    refused: list[t.Any] = assert_refused(bench, REFUSED)
    few = ("nothing that names it", "not base64")
    refused.append(player.refuse_all("secret", {case: REFUSED[case] for case in few}))
    assert not [one for one in connection.listAllSecrets() if one.usageID().startswith(PREFIX)]
    assert not [word for word in SPELLED if word in repr(refused)]


def test_what_cannot_change_is_refused(bench: Bench, connection: t.Any) -> None:
    uuid = "6d6b7400-6a0e-4a7e-8f5b-6d5c1c0d7e03"
    bench.run({**CEPH, "value": MARKER, "private": True, "uuid": uuid})
    before = connection.secretLookupByUsage(2, NAME).XMLDesc(0)
    assert_refused(
        bench,
        {
            "private": ({**CEPH, "private": False}, ["private", "state: absent"]),
            "uuid": ({**CEPH, "uuid": "6d6b7400-6a0e-4a7e-8f5b-6d5c1c0d7e04"}, ["uuid", "state: absent"]),
            "another's uuid": ({"usage": "tls", "name": "mkt-x", "uuid": uuid}, ["uuid", f"ceph {NAME}"]),
        },
    )
    assert connection.secretLookupByUsage(2, NAME).XMLDesc(0) == before


def test_a_run_that_fails_leaves_nothing(bench: Bench, connection: t.Any) -> None:
    """A define that succeeded is taken back where the value can't be set."""
    plan = bench.plan({**CEPH, "value": MARKER})
    plan.steps[-1].arguments["value"] = b""  # libvirt refuses it
    with pytest.raises(Exception, match="virSecretSetValue") as caught:
        run_steps(plan, bench.operations(), bench.world)
    assert caught.value.rolled_back == [f"undefine secret ceph {NAME}"]
    assert not [one for one in connection.listAllSecrets() if one.usageID() == NAME]


class Watch(threading.Thread):
    """Looks at the command lines of all processes, over and over, for words that must not be there."""

    def __init__(self, words: list[str]) -> None:
        super().__init__(daemon=True)
        self.words = words
        self.seen: set[str] = set()
        self.looked = 0
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.01):
            self.looked += 1
            for line in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    text = line.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                except OSError:
                    continue
                self.seen.update(text for word in self.words if word in text)


def test_the_value_turns_up_nowhere(player: Player, connection: t.Any, tmp_path: pathlib.Path) -> None:
    """With -vvvv, in success, check and failure: not in the output, not in arguments, not in files that stay."""
    tasks = [
        Task("secret", {**CEPH, "value": MARKER}, check=True),
        Task("secret", {**CEPH, "value": MARKER}),
        Task("secret", {**CEPH, "value_base64": coded(OTHER)}),
        Task("secret", {**CEPH, "value": MARKER, "uuid": "6d6b7400-6a0e-4a7e-8f5b-6d5c1c0d7e04"}),
        Task("secret", {**CEPH, "value_base64": f"{MARKER}?"}),
        Task("secret_info", {**CEPH}),
        Task("secret_info", {**CEPH, "as": "options"}),
    ]
    watch = Watch(SPELLED)
    watch.start()
    results = player.playbook(tasks)
    shown = subprocess.run(
        [pathlib.Path(sys.executable).parent / "ansible-playbook", "-vvvv", f"--inventory={player.place / 'hosts'}",
         str(player.place / "play1.yml")],
        env={**player.environment(tmp_path / "none"), "ANSIBLE_STDOUT_CALLBACK": "default", "TMPDIR": str(tmp_path),
             "ANSIBLE_LOG_PATH": str(tmp_path / "ansible.log"), "ANSIBLE_KEEP_REMOTE_FILES": "false"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    watch.ended.set()
    watch.join()
    assert [one.failed for one in results] == [False, False, False, True, True, False, False]
    assert not [beside for one in results[3:5] for beside in beside_the_paragraph(one)]
    assert "set the value of secret" in shown.stdout, "the output is the one meant"
    for text in (repr(results), shown.stdout, shown.stderr, (tmp_path / "ansible.log").read_text()):
        assert not [word for word in SPELLED if word in text]
    assert watch.looked > 50
    assert watch.seen == set()
    left = [path for path in _files(tmp_path, player.place, pathlib.Path.home() / ".ansible", pathlib.Path("/var/log"))
            if not path.name.startswith("play") and _holds(path, SPELLED)]  # fmt: skip
    assert left == []


def _files(*places: pathlib.Path) -> t.Iterator[pathlib.Path]:
    for place in places:
        yield from (pathlib.Path(top) / name for top, _below, names in os.walk(place) for name in names)


def _holds(path: pathlib.Path, words: list[str]) -> bool:
    try:
        content = path.read_bytes() if path.stat().st_size < 1 << 24 else b""
    except OSError:
        return False
    return any(word.encode() in content for word in words)
