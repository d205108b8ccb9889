# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a document lacks that another has, and which part of that no schema knows."""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._xml import document, export, lost

BEFORE = "<d a='1'><x n='1'/><x n='2'><y/></x><empty/><z z='1'/></d>"


@pytest.mark.parametrize(
    ("after", "paths"),
    [
        (BEFORE, []),
        ("<d a='1'><x n='2'><y/></x><x n='1'/><z z='1'/></d>", []),
        ("<d><x n='1'/><x n='2'/><z z='2'/></d>", ["@a"]),
        ("<d a='1'><x n='1'/><z/></d>", ["x", "z/@z"]),
        ("<d a='1'/>", ["x", "x", "z"]),
    ],
)
def test_lost(after: str, paths: list[str]) -> None:
    assert [one.path for one in lost.lost(document.parse(BEFORE), document.parse(after))] == paths


def test_unknown_is_what_is_lost_and_does_not_fit() -> None:
    given = document.parse("<d known='1' odd='2'><alias/><tag id='1'/><tag id='2'/><kept odd='3'/></d>")
    taken = document.parse("<d><kept odd='3'/></d>")

    def fits(root: t.Any) -> bool:
        return "odd" not in root.attrib and root.find("tag") is None

    assert lost.unknown(given, taken, fits) == ["@odd", "tag"]
    assert lost.unknown(given, taken, lambda root: True) == []
    assert lost.unknown(given, given, fits) == [], "nothing is lost"


def test_unknown_names_the_element_itself_within_one_that_is_lost_with_it() -> None:
    given = document.parse("<d><ip><dhcp><host/><rang/></dhcp></ip></d>")

    def fits(root: t.Any) -> bool:
        return root.find(".//rang") is None

    assert lost.unknown(given, document.parse("<d/>"), fits) == ["ip/dhcp/rang"]


def test_nothing_is_said_of_a_part_that_does_not_fit_for_another_reason() -> None:
    """What fits the schema isn't blamed for what doesn't, though libvirt leaves both out, or takes the other."""
    text = (
        "<d><devices><nic bridge='{}'><alias/></nic><disk odd='1' index='2'/><tray/></devices><cmdline>{}</cmdline></d>"
    )
    taken = document.parse("<d><devices><nic bridge=';'/><disk/></devices><cmdline>x</cmdline></d>")

    def fits(root: t.Any) -> bool:
        odd = root.find(".//disk[@odd]") is not None or root.find(".//nic[@bridge=';']") is not None
        return not odd and root.findtext("cmdline") != "" and root.find(".//tray") is None

    for bridge, words in ((";", "x"), ("b", "x"), (";", "")):
        given = document.parse(text.format(bridge, words))
        assert lost.unknown(given, taken, fits) == ["devices/disk/@odd"], (bridge, words)


def test_elements_are_compared_with_the_likest() -> None:
    before = document.parse("<d><x n='1' a='1'/><x n='2' b='1'/><x n='3'/></d>")
    after = document.parse("<d><x n='3'/><x n='2'/><x n='1' a='1'/></d>")
    assert [one.path for one in lost.lost(before, after)] == ["x/@b"]


CHANNELS = """<d><devices><channel><source path='a'/><target name='one'/></channel><channel><target/></channel>
<channel><source path='b'/><target name='two'/></channel><channel><target address='10.0.2.1' port='4600'/></channel></devices></d>"""


def test_channels_are_known_by_their_names_wherever_they_stand() -> None:
    wanted = document.parse(CHANNELS)
    there = document.parse(CHANNELS.replace(" path='a'", "").replace(" path='b'", ""))
    devices = there.find("devices")
    devices.insert(0, devices[2])
    nothing = re.compile("^$")
    made = export.patches(export.difference(export.flat(wanted, nothing), export.flat(there, nothing)), wanted)
    assert made == [
        {"path": f"devices/channel[target/@name='{name}']/source/@path", "set": path}
        for name, path in (("one", "a"), ("two", "b"))
    ]
    assert [node.get("name") for node in document.xpath(wanted, "devices/channel[not(target/@name)]/target", {}, "")] == [
        None, None,
    ]  # fmt: skip


ROOT = """<d><devices>
<interface type='user'><mac address='a'/><model type='e1000'/></interface>
<interface type='user'><mac address='b'/></interface>
<hub type='usb'/><hub type='usb'/>
<console><target port='0'/></console><console><target port='1'/></console>
</devices></d>"""


@pytest.mark.parametrize(
    ("path", "wanted", "there", "exported"),
    [
        ("devices/interface[2]/link/@state", "down", None, None),  # not in ROOT, so nothing to read it from
        ("devices/interface[2]/model/@type", None, "virtio", "devices/interface[mac/@address='b']/model"),
        ("devices/hub[2]/port", None, "1", None),
        ("devices/hub[3]", None, "", None),
        ("devices/console[2]/target/@port", "1", None, "devices/console[2]/target/@port"),
        ("devices/interface/model/@type", "e1000", None, "devices/interface[mac/@address='a']/model/@type"),
    ],
)
def test_no_patch_deletes_by_position(
    path: str, wanted: t.Optional[str], there: t.Optional[str], exported: t.Optional[str]
) -> None:
    made = export.patches({path: (wanted, there)}, document.parse(ROOT))
    assert [one["path"] for one in made] == ([] if exported is None else [exported])
