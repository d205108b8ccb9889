# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that mean the same as nothing, or the same as another spelling; and what rows read, which is what they parse."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.rows.common import ALIAS
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.table import DOMAIN
from ansible_collections.metal.kvm.plugins.module_utils._objects.network.table import NETWORK
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError, Plan
from ansible_collections.metal.kvm.plugins.module_utils._xml import document, kept, rows, units
from ansible_collections.metal.kvm.plugins.module_utils._xml.items import Items
from ansible_collections.metal.kvm.plugins.module_utils._xml.maps import Multimap
from ansible_collections.metal.kvm.plugins.module_utils._xml.rows import Edit, Field, ValueList
from ansible_collections.metal.kvm.plugins.module_utils._xml.types import PATH, STR, TEXT, VIDEO_KIB, WHOLE

BARE = "<domain><uuid>8f0f7a52-7e5b-4d0c-9d2c-0d4a6c3b1f10</uuid><vcpu>1</vcpu><os><type>hvm</type></os><devices/></domain>"
SAYS_NOTHING: list[tuple[t.Any, dict[str, t.Any]]] = [
    (DOMAIN, {"cputune": {"quota": 0, "global_quota": -1, "emulator_quota": 0, "iothread_quota": -1}}),
    (DOMAIN, {"title": "", "description": "", "partition": ""}),
    (DOMAIN, {"features": {"tb_cache": "0 B", "hpt_maxpagesize": "0 B"}}),
    (NETWORK, {"ipv6": False, "bandwidth": {"inbound": {"average": 0, "peak": 0, "burst": 0}}, "domain": ""}),
]


@pytest.mark.parametrize(("table", "options"), SAYS_NOTHING)
def test_a_default_is_no_change(table: t.Any, options: dict[str, t.Any]) -> None:
    root = document.parse(BARE if table is DOMAIN else "<network/>")
    before = document.canonical(root)
    edit = Edit()
    rows.apply(table, root, rows.parse(table, options), "", edit)
    assert edit.changes == []
    assert document.canonical(root) == before


def test_a_default_takes_another_value_out() -> None:
    root = document.parse(BARE)
    for options, quota in (({"quota": 50000}, "50000"), ({"quota": 0}, None)):
        rows.apply(DOMAIN, root, rows.parse(DOMAIN, {"cputune": options}), "", Edit())
        assert root.findtext("cputune/quota") == quota


def test_a_record_with_a_default_priority_is_the_same() -> None:
    srv = "<srv service='ldap' protocol='tcp' target='a' port='389'/>"
    root = document.parse(f"<network><dns>{srv}</dns></network>")
    item = {"service": "ldap", "protocol": "tcp", "target": "a", "port": 389, "priority": 0, "weight": 0}
    edit = Edit()
    rows.apply(NETWORK, root, rows.parse(NETWORK, {"dns": {"srv": [item]}}), "", edit)
    assert edit.changes == []


def test_video_memory_is_rounded_as_libvirt_does() -> None:
    assert [VIDEO_KIB.parse(size) for size in ("9216 KiB", "16 MiB", "1 KiB", "0 B")] == [
        16 << 20,
        16 << 20,
        1 << 10,
        0,
    ]


@pytest.mark.parametrize(
    ("path", "same"),
    [("/srv//images/", "/srv/images"), ("//srv/a", "/srv/a"), ("/", "/"), ("///", "/"), ("", ""), (" /a/ ", "/a")],
)
def test_slashes_that_say_nothing(path: str, same: str) -> None:
    assert units.path(path) == same
    assert PATH.parse(path) == PATH.decode(path)


@pytest.mark.parametrize("alias", ["data", "ua-", "UA-a", "ua-ä", "ua-a b", "0"])
def test_an_alias_that_libvirt_drops_is_refused(alias: str) -> None:
    with pytest.raises(KvmError, match=r"alias: .* ua-data"):
        ALIAS.parse({"alias": alias}, "")
    assert ALIAS.parse({"alias": "ua-data_1"}, "") == {"alias": "ua-data_1"}


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize(
    "row",
    [
        ValueList("values", "above/value", TEXT),
        ValueList("values", "above/value@at", STR),
        Items(
            "values",
            "above/value",
            (Field("name", "@name", STR), Field("text", "text", TEXT), Field("size", "@size", WHOLE)),
            ("name",),
        ),
        Items("values", "value", (Multimap("inner", "one"),)),
    ],
)
def test_lists_are_read_as_they_are_parsed(row: t.Any, count: int) -> None:
    made = {
        Field: None,
        ValueList: ["a", " b ", "c"],
    }.get(type(row)) or (
        [{"name": f"n{one}", "text": f" {one} ", "size": one} for one in range(3)]
        if row.keys
        else [{"inner": {"k": ["a", "b", "c"][: one + 1]}} for one in range(3)]
    )
    _assert_same(row, {"values": made[:count]})


@pytest.mark.parametrize("values", [["a"], "a", ["a", "b"], ["a", "b", "c"]])
def test_a_parameter_with_one_value_is_that_value(values: t.Any) -> None:
    row = Multimap("parameters", "parameter")
    root = _assert_same(row, {"parameters": {"IP": values, "OTHER": "none"}})
    written = [node.get("value") for node in root.iterfind("parameter[@name='IP']")]
    assert written == (values if isinstance(values, list) else [values])


def _assert_same(row: t.Any, options: dict[str, t.Any]) -> t.Any:
    """What is put in is read out as it was parsed; parsed again, and put in again as it was read, it's the same."""
    wanted = row.parse(options, "")
    root = document.parse("<d/>")
    row.edit(root, wanted, "", Edit())
    there = row.read(document.parse(document.text_of(root)))
    assert there == wanted
    assert row.parse(there, "") == wanted
    again, edit = document.parse("<d/>"), Edit()
    row.edit(again, there, "", Edit())
    row.edit(again, there, "", edit)
    assert document.canonical(again) == document.canonical(root)
    assert edit.changes == []
    return root


TABLE = (
    Field("size", "@size", WHOLE),
    Field("name", "@name", STR),
    Field("mode", "@mode", STR),
    Field("flag", "@flag", WHOLE),
)


def test_what_libvirt_does_not_keep_is_no_change() -> None:
    """Rounded: the diff shows what libvirt makes of it. Dropped: no change. Each with a warning, but for what means nothing."""
    wanted = {"size": 9, "name": "x", "mode": "a", "flag": 0}
    plan = Plan("domain")
    for path, after in wanted.items():
        plan.differs(path, None, after)
    changes = kept.lost(TABLE, wanted, document.parse("<d size='16' mode='a'/>"), Edit())
    kept.forget(plan, changes)
    assert plan.after == {"size": 16, "mode": "a"}
    assert plan.warnings == [
        "size: '9' is asked for, and libvirt makes '16' of it",
        "name: 'x' is asked for, and libvirt drops it",
    ]


def test_what_is_there_already_leaves_the_diff() -> None:
    plan = Plan("domain")
    plan.differs("size", 16, 9)
    kept.forget(plan, kept.lost(TABLE, {"size": 9}, document.parse("<d size='16'/>"), Edit()))
    assert (plan.before, plan.after) == ({}, {})
