# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists with an identity: who is matched with whom, what is added, changed and taken out."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError
from ansible_collections.metal.kvm.plugins.module_utils._xml import document, rows, table
from ansible_collections.metal.kvm.plugins.module_utils._xml.items import Items
from ansible_collections.metal.kvm.plugins.module_utils._xml.rows import Edit, Field
from ansible_collections.metal.kvm.plugins.module_utils._xml.types import INT, MAC, STR
from hypothesis import given
from hypothesis import strategies as st

DISKS = Items(
    "disks", "devices/disk", (Field("target", "target@dev", STR), Field("file", "source@file", STR)),
    keys=("target", "file"), implied=lambda node: node.get("owned") == "yes",
)  # fmt: skip
NICS = Items(
    "interfaces", "devices/interface",
    (Field("alias", "alias@name", STR), Field("mac", "mac@address", MAC), Field("model", "model@type", STR)),
    keys=(lambda item: item.get("alias") if str(item.get("alias", "")).startswith("ua-") else None, "mac"),
)  # fmt: skip
HOSTS = Items(
    "hosts", "host", (Field("mac", "@mac", MAC), Field("ip", "@ip", STR), Field("lease", "@lease", INT)),
    keys=("mac", "ip"), ordered=False,
)  # fmt: skip

ONE, TWO, THREE = "52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:03"


def edit(row: Items, xml: str, wanted: list[dict[str, t.Any]]) -> tuple[document.Element, dict[str, t.Any]]:
    root, made = document.parse(xml), Edit()
    row.edit(root, row.parse({row.name: wanted}, ""), "", made)
    return root, {change.path: (change.before, change.after) for change in made.changes}


NICS_XML = f"""<d><devices>
<interface><alias name='ua-lan'/><mac address='{ONE}'/><model type='virtio'/><address slot='3'/></interface>
<interface><mac address='{TWO}'/><model type='e1000'/><address slot='4'/></interface>
</devices></d>"""


@pytest.mark.parametrize(
    ("row", "xml", "wanted", "matched"),
    [
        pytest.param(NICS, NICS_XML, [{"mac": TWO}, {"mac": ONE}], [1, 0], id="by-mac-in-any-order"),
        pytest.param(NICS, NICS_XML, [{"alias": "ua-lan", "mac": THREE}], [0], id="the-alias-comes-before-the-mac"),
        pytest.param(NICS, NICS_XML, [{"model": "virtio"}, {"model": "virtio"}], [0, 1], id="without-a-name-in-order"),
        pytest.param(NICS, NICS_XML, [{"model": "virtio"}, {"mac": ONE}], [1, 0], id="the-named-ones-choose-first"),
        pytest.param(NICS, NICS_XML, [{"mac": THREE}], [None], id="another-mac-is-another-interface"),
        pytest.param(NICS, NICS_XML, [{}, {}, {}], [0, 1, None], id="one-more"),
        pytest.param(
            DISKS,
            "<d><devices><disk><target dev='vda'/><source file='/a'/></disk>"
            "<disk><target dev='vdb'/><source file='/b'/></disk></devices></d>",
            [{"target": "vdb", "file": "/c"}, {"target": "vdc", "file": "/a"}],
            [1, 0],
            id="disk-by-target-else-by-source",
        ),
        pytest.param(
            HOSTS,
            f"<dhcp><host mac='{ONE}' ip='10.0.0.1'/><host mac='{TWO}' ip='10.0.0.2'/></dhcp>",
            [{"mac": THREE, "ip": "10.0.0.2"}, {"mac": THREE[:-1] + "4", "ip": "10.0.0.9"}],
            [1, None],
            id="host-by-mac-else-by-address",
        ),
        pytest.param(
            HOSTS,
            f"<dhcp><host mac='{ONE}' ip='10.0.0.1'/></dhcp>",
            [{"mac": ONE.upper(), "ip": "10.0.0.7"}],
            [0],
            id="mac-in-another-spelling",
        ),
        pytest.param(HOSTS, f"<dhcp><host mac='{ONE}'/></dhcp>", [{"ip": "10.0.0.7"}], [None], id="never-in-order"),
    ],
)
def test_who_is_matched(row: Items, xml: str, wanted: list[dict[str, t.Any]], matched: list[t.Optional[int]]) -> None:
    root = document.parse(xml)
    nodes = row.elements(root)
    pairs, unwanted = row.match(row.parse({row.name: wanted}, "")[row.name], root)
    assert [None if node is None else nodes.index(node) for dummy, node in pairs] == matched
    assert [nodes.index(node) for node in unwanted] == [i for i in range(len(nodes)) if i not in matched]


def test_a_matched_item_keeps_what_is_not_said() -> None:
    root, changes = edit(NICS, NICS_XML, [{"alias": "ua-lan", "model": "e1000e"}, {"mac": TWO}])
    assert changes == {"interfaces[ua-lan].model": ("virtio", "e1000e")}
    assert [node.get("slot") for node in root.iterfind("devices/interface/address")] == ["3", "4"]
    assert [node.get("address") for node in root.iterfind("devices/interface/mac")] == [ONE, TWO]


def test_the_full_list_when_given() -> None:
    root, changes = edit(NICS, NICS_XML, [{"mac": TWO}, {"mac": THREE, "model": "virtio"}])
    assert changes == {
        "interfaces[ua-lan]": ({"alias": "ua-lan", "mac": ONE, "model": "virtio"}, None),
        f"interfaces[{THREE}]": (None, {"mac": THREE, "model": "virtio"}),
    }
    assert [node.get("address") for node in root.iterfind("devices/interface/mac")] == [TWO, THREE]


def test_implied_items_are_not_on_the_list_and_stay() -> None:
    xml = "<d><devices><disk owned='yes'><target dev='sda'/></disk><disk><target dev='vda'/></disk></devices></d>"
    root, changes = edit(DISKS, xml, [])
    assert list(changes) == ["disks[vda]"]
    assert [node.get("dev") for node in root.iterfind("devices/disk/target")] == ["sda"]
    assert DISKS.read(root) == {}


def test_the_same_identity_twice_is_refused() -> None:
    with pytest.raises(KvmError, match="items 0 and 2 have the same identity, 'vda'"):
        DISKS.parse({"disks": [{"target": "vda"}, {"target": "vdb"}, {"target": "vda"}]}, "")


def test_errors_name_the_item() -> None:
    with pytest.raises(KvmError) as caught:
        NICS.parse({"interfaces": [{}, {"mac": "x"}]}, "")
    assert caught.value.details["option"] == "interfaces[1].mac"


def test_unset_within_an_item() -> None:
    root, made = document.parse(NICS_XML), Edit()
    table.unset_paths((NICS,), root, [f"interfaces[{TWO}].model"], {}, made)
    assert [change.path for change in made.changes] == [f"interfaces[{TWO}].model"]
    assert len(root.findall("devices/interface/model")) == 1


macs = st.integers(0, 20).map(lambda n: f"52:54:00:00:00:{n:02x}")
host = st.fixed_dictionaries({"mac": macs, "ip": st.integers(0, 40).map(lambda n: f"10.0.0.{n}")},
                             optional={"lease": st.integers(0, 99)})  # fmt: skip
hosts = st.lists(host, max_size=6, unique_by=lambda item: item["mac"])


@given(hosts, hosts)
def test_any_list_becomes_any_other(one: list[dict[str, t.Any]], other: list[dict[str, t.Any]]) -> None:
    """After the edit the list is what was asked, keys not given are as they were, and a second edit finds nothing."""
    root = document.parse("<dhcp><range start='1'/></dhcp>")
    HOSTS.edit(root, {"hosts": one}, "", Edit())
    first = {item["mac"]: item for item in HOSTS.read(root).get("hosts", [])}
    assert first == {item["mac"]: item for item in one}
    before = document.clone(root)
    made = Edit()
    HOSTS.edit(root, {"hosts": other}, "", made)
    now = {item["mac"]: item for item in HOSTS.read(root).get("hosts", [])}
    assert set(now) == {item["mac"] for item in other}
    for item in other:
        assert {**now[item["mac"]], **item} == now[item["mac"]]
    assert root.find("range") is not None
    again = Edit()
    HOSTS.edit(root, {"hosts": other}, "", again)
    assert again.changes == []
    assert bool(made.changes) == (document.canonical(before) != document.canonical(root))


@given(hosts, hosts)
def test_a_comparison_finds_what_an_edit_would_change(
    one: list[dict[str, t.Any]], other: list[dict[str, t.Any]]
) -> None:
    running, stored = document.parse("<dhcp/>"), document.parse("<dhcp/>")
    HOSTS.edit(running, {"hosts": one}, "", Edit())
    HOSTS.edit(stored, {"hosts": other}, "", Edit())
    found = rows.compare((HOSTS,), running, stored)
    same = {item["mac"]: item for item in one} == {item["mac"]: item for item in other}
    assert (not found) == same
