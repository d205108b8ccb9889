# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows: what is put in is read out, what isn't theirs stays, and every difference is noted once."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError
from ansible_collections.metal.kvm.plugins.module_utils._xml import document, rows, table
from ansible_collections.metal.kvm.plugins.module_utils._xml.rows import Edit, Field, Group, Map, Union, ValueList
from ansible_collections.metal.kvm.plugins.module_utils._xml.types import (
    BYTES,
    INT,
    KIB,
    MAC,
    ON_OFF,
    PRESENT,
    STR,
    UUID,
    WHOLE,
    YES_NO,
)
from hypothesis import given
from hypothesis import strategies as st

TABLE: tuple[t.Any, ...] = (
    Field("title", "title", STR),
    Field("colour", "@colour", STR),
    Field("uuid", "uuid", UUID),
    Field("memory", "memory", KIB),
    Field("size", "size", BYTES),
    Field("acpi", "features/acpi", PRESENT),
    Field("ioapic", "features/ioapic@driver", STR),
    Field("kvmclock", "clock/timer[@name='kvmclock']@present", YES_NO),
    Field("hpet", "clock/timer[@name='hpet']@present", YES_NO),
    Field("passwd", "passwd@value", STR, no_log=True),
    Group("cpu", "cpu", (
        Field("mode", "@mode", STR),
        Map("features", "feature", value_at="policy"),
        Group("topology", "topology", (Field("cores", "@cores", WHOLE), Field("threads", "@threads", WHOLE))),
    )),
    Group("power", "pm", (
        Field("mem", "suspend-to-mem@enabled", YES_NO), Field("disk", "suspend-to-disk@enabled", YES_NO),
    )),
    ValueList("order", "os/boot@dev", STR),
    ValueList("arguments", "qemu:commandline/qemu:arg@value", STR),
    Map("labels", "metadata/metal:kvm/metal:label"),
    Union("type", {
        "file": (Field("file", "source@file", STR),),
        "block": (Field("block", "source@dev", STR),),
        "volume": (Field("pool", "source@pool", STR), Field("volume", "source@volume", STR)),
    }, owns=("source",)),
)  # fmt: skip

FOREIGN = "<d><other a='1'><b>text</b></other><features><unknown/></features><clock offset='utc'/></d>"

text = st.text(st.characters(exclude_categories=["Cc", "Cs", "Co", "Cn", "Z"]), min_size=1)
size = st.integers(0, 2**40)
names = st.text("abcdefgh-_0123456789", min_size=1, max_size=8)
maps = st.dictionaries(names, text, max_size=4)
pairs = st.fixed_dictionaries({}, optional={"cores": st.integers(0, 9), "threads": st.integers(0, 9)})
branch = st.one_of(
    st.fixed_dictionaries({"file": text}),
    st.fixed_dictionaries({"block": text}),
    st.fixed_dictionaries({"pool": text, "volume": text}),
)
given_values = st.builds(
    lambda plain, source: {**plain, **source},
    st.fixed_dictionaries({}, optional={
        "title": text, "colour": text, "uuid": st.uuids().map(str),
        "memory": size.map(lambda n: f"{n} KiB"), "size": size.map(lambda n: f"{n} B"),
        "acpi": st.booleans(), "ioapic": text, "kvmclock": st.booleans(), "hpet": st.booleans(), "passwd": text,
        "cpu": st.fixed_dictionaries({}, optional={"mode": text, "features": maps, "topology": pairs}),
        "power": st.fixed_dictionaries({}, optional={"mem": st.booleans(), "disk": st.booleans()}),
        "order": st.lists(text, max_size=3), "arguments": st.lists(text, max_size=3), "labels": maps,
    }),
    st.one_of(st.just({}), branch),
)  # fmt: skip


def edited(root: document.Element, wanted: dict[str, t.Any]) -> Edit:
    edit = Edit()
    rows.apply(TABLE, root, rows.parse(TABLE, wanted), "", edit)
    return edit


def said(values: t.Any) -> t.Any:
    """Without what says nothing: empty lists and dicts, and an element's absence."""
    if not isinstance(values, dict):
        return values
    plain = {key: said(value) for key, value in values.items()}
    return {key: value for key, value in plain.items() if value not in ({}, []) and not (key == "acpi" and not value)}


@given(given_values)
def test_what_is_put_in_is_read_out(wanted: dict[str, t.Any]) -> None:
    root = document.parse(FOREIGN)
    edited(root, wanted)
    assert said(rows.read(TABLE, document.parse(document.text_of(root)))) == said(rows.parse(TABLE, wanted))


@given(given_values)
def test_the_second_edit_changes_nothing(wanted: dict[str, t.Any]) -> None:
    root = document.parse(FOREIGN)
    edited(root, wanted)
    before = document.text_of(root)
    assert edited(root, wanted).changes == []
    assert document.text_of(root) == before


@given(given_values, given_values)
def test_what_is_not_theirs_stays(one: dict[str, t.Any], other: dict[str, t.Any]) -> None:
    root = document.parse(FOREIGN)
    edited(root, one)
    edited(root, other)
    assert document.canonical(root.find("other")) == '<other a="1"><b>text</b></other>'
    assert root.find("features/unknown") is not None
    assert root.find("clock").get("offset") == "utc"


@given(given_values, given_values)
def test_the_changes_are_the_difference(one: dict[str, t.Any], other: dict[str, t.Any]) -> None:
    """What an edit notes is what a comparison of the documents finds."""
    root = document.parse(FOREIGN)
    edited(root, one)
    before = document.clone(root)
    noted = {change.path: (change.before, change.after) for change in edited(root, other).changes}
    found = {change.path: (change.before, change.after) for change in rows.compare(TABLE, before, root)}
    assert noted == found


@given(given_values)
def test_unset_leaves_nothing_behind(wanted: dict[str, t.Any]) -> None:
    root = document.parse(FOREIGN)
    before = document.canonical(root)
    edited(root, wanted)
    values = rows.read(TABLE, root)
    for path in [path for path in paths(values) if path not in ("file", "block", "pool", "volume")]:
        table.unset_paths(TABLE, root, [path], {}, Edit())
    for node in root.findall("source"):
        document.remove(node)
    root.attrib.pop("type", None)
    assert document.canonical(root) == before


def paths(values: dict[str, t.Any], above: str = "") -> list[str]:
    found = []
    for key, value in values.items():
        nested = isinstance(value, dict) and key in ("cpu", "power", "topology")
        found += paths(value, f"{above}{key}.") if nested else [above + key]
    return found


def test_an_option_left_out_is_left_as_it_is() -> None:
    root = document.parse("<d><title>old</title><cpu mode='host-model'><topology cores='2' threads='1'/></cpu></d>")
    edit = edited(root, {"cpu": {"topology": {"cores": 4}}, "title": None})
    assert [(change.path, change.before, change.after) for change in edit.changes] == [("cpu.topology.cores", 2, 4)]
    assert rows.read(TABLE, root)["cpu"] == {"mode": "host-model", "topology": {"cores": 4, "threads": 1}}
    assert root.findtext("title") == "old"


def test_values_that_stay_keep_what_somebody_else_said_of_them() -> None:
    root = document.parse("<d><os><boot dev='cdrom'/><boot dev='hd' extra='e'><x:own xmlns:x='urn:x'/></boot></os></d>")
    edited(root, {"order": ["network", "hd"]})
    (network, hd) = root.findall("os/boot")
    assert dict(network.attrib) == {"dev": "network"}
    assert dict(hd.attrib) == {"dev": "hd", "extra": "e"}
    assert len(hd) == 1


def test_maps_and_lists_are_full_when_given() -> None:
    root = document.parse(FOREIGN)
    edited(root, {"labels": {"a": "1", "b": "2"}, "order": ["hd", "network"]})
    edit = edited(root, {"labels": {"b": "3"}, "order": []})
    assert {change.path: (change.before, change.after) for change in edit.changes} == {
        "labels.a": ("1", None),
        "labels.b": ("2", "3"),
        "order": (["hd", "network"], []),
    }
    assert root.find("os") is None, "an element with nothing left to say goes"
    edited(root, {"labels": {}})
    assert root.find("metadata") is None


def test_another_branch_replaces_the_branch_whole() -> None:
    root = document.parse(
        "<disk type='volume'><source pool='p' volume='v' startupPolicy='optional'/><target dev='vda'/></disk>"
    )
    edit = edited(root, {"file": "/a.img"})
    assert (
        document.canonical(root)
        == '<disk type="file"><target dev="vda"></target><source file="/a.img"></source></disk>'
    )
    (change,) = edit.changes
    assert (change.before, change.after) == ({"pool": "p", "volume": "v"}, {"file": "/a.img"})


def test_two_branches_are_refused() -> None:
    with pytest.raises(KvmError, match="file and pool"):
        rows.parse(TABLE, {"file": "/a", "pool": "p"}, "disks[0].")


def test_sizes_that_mean_the_same_are_the_same() -> None:
    root = document.parse("<d><memory unit='GiB'>2</memory><size unit='KiB'>4</size></d>")
    assert edited(root, {"memory": "2048 MiB", "size": "4096 B"}).changes == []
    assert root.find("memory").get("unit") == "GiB", "nor is its spelling touched"
    (change,) = edited(root, {"memory": "3 GiB"}).changes
    assert (change.before, change.after) == ("2 GiB", "3 GiB")


def test_same_is_asked_for_other_spellings() -> None:
    row = Field("machine", "machine", STR, same=lambda one, other: sorted((one, other)) == ["pc-q35-7.2", "q35"])
    root = document.parse("<d><machine>pc-q35-7.2</machine></d>")
    edit = Edit()
    row.edit(root, {"machine": "q35"}, "", edit)
    assert edit.changes == []
    row.edit(root, {"machine": "pc"}, "", edit)
    assert [change.after for change in edit.changes] == ["pc"]


def test_what_cannot_be_compared_while_it_runs() -> None:
    row = Field("port", "@port", INT, volatile=lambda stored, running: stored.get("autoport") == "yes")
    running, stored = document.parse("<g port='5900'/>"), document.parse("<g port='-1' autoport='yes'/>")
    assert rows.compare((row,), running, stored) == []
    stored.set("autoport", "no")
    assert [change.path for change in rows.compare((row,), running, stored)] == ["port"]


def test_secrets_are_never_shown() -> None:
    edit = edited(document.parse(FOREIGN), {"passwd": "marker"})
    assert "marker" not in repr(edit.changes)


@pytest.mark.parametrize(
    ("given_value", "option"),
    [
        ({"memory": "-1"}, "memory"),
        ({"uuid": "x"}, "uuid"),
        ({"cpu": {"topology": {"cores": -1}}}, "cpu.topology.cores"),
    ],
)
def test_errors_name_the_option_and_the_value(given_value: dict[str, t.Any], option: str) -> None:
    with pytest.raises(KvmError) as caught:
        rows.parse(TABLE, given_value)
    assert caught.value.details["option"] == option
    assert str(caught.value).startswith(f"{option}: '")


def test_set_and_unset_is_refused() -> None:
    with pytest.raises(KvmError, match="set and unset"):
        table.unset_paths(TABLE, document.parse(FOREIGN), ["title"], {"title": "a"}, Edit())
    with pytest.raises(KvmError, match="shape"):
        table.unset_paths(TABLE, document.parse(FOREIGN), ["shape"], {}, Edit())


def test_split_keeps_identities_whole() -> None:
    assert table.split("ips[10.20.0.0].dhcp.hosts[52:54:00:00:00:0a].name") == [
        "ips[10.20.0.0]", "dhcp", "hosts[52:54:00:00:00:0a]", "name",
    ]  # fmt: skip


def test_argument_spec() -> None:
    spec = table.argument_spec(TABLE)
    assert spec["title"] == {"type": "str"}
    assert spec["memory"] == {"type": "str"}
    assert spec["acpi"] == {"type": "bool"}
    assert spec["passwd"] == {"type": "str", "no_log": True}
    assert spec["labels"] == {"type": "dict"}
    assert spec["order"] == {"type": "list", "elements": "str"}
    assert dict(spec["cpu"]["options"]["topology"]["options"]) == {"cores": {"type": "int"}, "threads": {"type": "int"}}
    assert set(spec) >= {"file", "block", "pool", "volume"}


def test_types_by_their_spelling() -> None:
    assert ON_OFF.encode(True) == "on"
    assert YES_NO.encode(False) == "no"
    assert MAC.decode("52:54:00:0A:0B:0C") == "52:54:00:0a:0b:0c"
