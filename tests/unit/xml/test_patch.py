# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits by XPath."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError
from ansible_collections.metal.kvm.plugins.module_utils._xml import document, patch

XML = """<d><devices><disk><target dev='vda'/><driver cache='none'/></disk><disk><target dev='vdb'/></disk></devices>
<title>t</title></d>"""


@pytest.mark.parametrize(
    ("one", "xml"),
    [
        ({"path": "title", "set": "new"}, "<d><title>new</title></d>"),
        ({"path": "/d/title", "set": "new"}, "<d><title>new</title></d>"),
        ({"path": "title/text()", "set": "new"}, "<d><title>new</title></d>"),
        ({"path": "title", "delete": True}, "<d/>"),
        ({"path": "title/@lang", "set": "en"}, "<d><title lang='en'>t</title></d>"),
        ({"path": "a/b[@name='x/y']/c/@d", "set": "1"}, "<d><title>t</title><a><b name='x/y'><c d='1'/></b></a></d>"),
        ({"path": "a/@b", "delete": True}, "<d><title>t</title></d>"),
        ({"path": "/d/a/@b", "set": "1"}, "<d><title>t</title><a b='1'/></d>"),
        (
            {"path": "metadata/o:x/@o:y", "set": "1", "namespaces": {"o": "urn:o"}},
            "<d><title>t</title><metadata><o:x xmlns:o='urn:o' o:y='1'/></metadata></d>",
        ),
        (
            {"path": "qemu:commandline/qemu:arg/@value", "set": "-s"},
            "<d><title>t</title><qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>"
            "<qemu:arg value='-s'/></qemu:commandline></d>",
        ),
    ],
)
def test_edits(one: dict[str, t.Any], xml: str) -> None:
    root = document.parse("<d><title>t</title></d>")
    changed = document.canonical(root) != document.canonical(document.parse(xml))
    assert bool(patch.apply(root, [one])) == changed
    assert document.canonical(root) == document.canonical(document.parse(xml))
    assert patch.apply(root, [one]) == [], "the second time there's nothing to do"


def test_what_is_missing_in_one_of_many_is_made() -> None:
    root = document.parse(XML)
    path = "devices/disk[target/@dev='vdb']/driver/metadata_cache/max_size/@unit"
    (done,) = patch.apply(root, [{"path": path, "set": "KiB"}])
    assert (done.before, done.after) == (None, "KiB")
    assert len(root.findall("devices/disk")) == 2
    assert root.xpath(path) == ["KiB"]


def test_elements_of_another_namespace_are_made_one_after_another() -> None:
    root, names = document.parse("<d/>"), {"m": "urn:m"}
    for number in (1, 2):
        patch.apply(root, [{"path": f"metadata/m:a/m:b[{number}]/@n", "set": str(number), "namespaces": names}])
    assert root.xpath("metadata/m:a/m:b/@n", namespaces=names) == ["1", "2"]


def test_one_of_many_by_what_it_has() -> None:
    root = document.parse(XML)
    (done,) = patch.apply(root, [{"path": "devices/disk[target/@dev='vda']/driver/@cache", "set": "writeback"}])
    assert (done.before, done.after) == ("none", "writeback")


@pytest.mark.parametrize(
    ("one", "words"),
    [
        ({"path": "devices/disk", "set": "x"}, "selects 2 nodes"),
        ({"path": "devices/disk[target/@dev='vdz']/@x", "set": "1"}, "selects nothing"),
        ({"path": "devices/disk[3]/@x", "set": "1"}, "selects nothing"),
        ({"path": "devices/disk/@x", "set": "1"}, "selects 2 nodes"),
        ({"path": "/d/devices//disk/@x", "set": "1"}, "selects nothing"),
        ({"path": "/x/devices/@x", "set": "1"}, "selects nothing"),
        ({"path": "title/text()/x", "set": "1"}, "selects nothing"),
        ({"path": "title"}, "either"),
        ({"path": "title", "set": "a", "delete": True}, "either"),
        ({"path": "x[", "set": "1"}, "XPath"),
        ({"path": "z:x", "set": "1"}, "XPath"),
        ({"path": "count(devices)", "set": "1"}, "selects nothing"),
        ({"path": "/d", "set": "x"}, "the whole document"),
        ({"path": "/d", "set": "<d/>"}, "the whole document"),
        ({"path": "/d", "delete": True}, "the whole document"),
        ({"path": ".", "delete": True}, "the whole document"),
        ({"path": "/*", "set": "x"}, "the whole document"),
        ({"path": "ancestor-or-self::*", "set": "x"}, "the whole document"),
        ({"path": "title/..", "delete": True}, "the whole document"),
        ({"path": "comment()", "set": "x"}, "a comment"),
        ({"path": "comment()", "delete": True}, "a comment"),
        ({"path": "namespace::*", "delete": True}, "neither"),
        ({"path": "title/@lang", "set": "\x01"}, "can't be set"),
        ({"path": "title", "set": "\x00"}, "can't be set"),
    ],
)
def test_refused(one: dict[str, t.Any], words: str) -> None:
    with pytest.raises(KvmError, match=words) as caught:
        patch.apply(document.parse(XML.replace("<title>", "<!--c--><title>")), [one])
    assert caught.value.details["option"].startswith("xml_patch[0]")


def test_what_libvirt_made_of_it_is_said() -> None:
    wanted = [{"path": "a/@x", "set": "1"}, {"path": "b/@y", "set": "2"}, {"path": "c", "delete": True}]
    assert patch.rewritten(document.parse("<d><a x='1'/></d>"), wanted) == [
        "xml_patch: b/@y was set to '2'; libvirt dropped it"
    ]
    said = patch.rewritten(document.parse("<d><a x='one'/><b y='2'/><c/></d>"), wanted)
    assert "shows 'one'" in said[0]
    assert "put it back" in said[1]
