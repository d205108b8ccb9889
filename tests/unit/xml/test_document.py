# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""XML from anyone is parsed without entities, DTDs or network; documents that mean the same are told to be the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError
from ansible_collections.metal.kvm.plugins.module_utils._xml import document

if TYPE_CHECKING:
    import pathlib


def test_entities_are_not_read(tmp_path: pathlib.Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("marker")
    for text in (
        f"<!DOCTYPE n [<!ENTITY e SYSTEM 'file://{secret}'>]><n>&e;</n>",
        f"<!DOCTYPE n SYSTEM 'file://{secret}'><n/>",
        "<!DOCTYPE n [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;&a;'>]><n>&b;</n>",
        "<!DOCTYPE n><n/>",
    ):
        with pytest.raises(KvmError, match="DOCTYPE") as caught:
            document.parse(text)
        assert "marker" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "<n>", "<n></m>", "no xml", "<n>&undefined;</n>", "<n a=1/>"])
def test_malformed(text: str) -> None:
    with pytest.raises(KvmError, match="well-formed") as caught:
        document.parse(text, "xml")
    assert caught.value.details["option"] == "xml"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<n a='1' b='2'/>", "<n  b='2'\n a='1'></n>"),
        ("<n><a/><b/></n>", "<n>\n  <a/>\n  <b/>\n</n>\n"),
        ("<n><!-- words --><a/></n>", "<n><a/></n>"),
        ("<n>a &amp; b</n>", "<n>a &#38; b</n>"),
        ("<n><v xmlns='unraid' name='x'/></n>", "<n>\n <v  name='x' xmlns='unraid'/></n>"),
        ("<n xmlns:q='kvirt'><q:info q:a='1' b='2'/></n>", "<n><q:info b='2' q:a='1' xmlns:q='kvirt'/></n>"),
    ],
)
def test_same_meaning(one: str, other: str) -> None:
    assert document.canonical(document.parse(one)) == document.canonical(document.parse(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<n a='1'/>", "<n a='2'/>"),
        ("<n>a</n>", "<n> a</n>"),
        ("<n><a/><b/></n>", "<n><b/><a/></n>"),
        ("<n><v xmlns='unraid'/></n>", "<n><v/></n>"),
        ("<n><v xmlns='unraid'/></n>", "<n><v xmlns='unraid2'/></n>"),
        ("<n xmlns:q='u'><v q:a='1'/></n>", "<n><v a='1'/></n>"),
    ],
)
def test_other_meaning(one: str, other: str) -> None:
    assert document.canonical(document.parse(one)) != document.canonical(document.parse(other))


@pytest.mark.parametrize(
    "text",
    [
        "<n a='1' b='&lt;&quot;&#10;&#9;x'>t &amp; &lt;</n>",
        "<n><v xmlns='unraid' name='x'><w/><z xmlns=''/></v>tail</n>",
        "<q:n xmlns:q='http://a/b' xmlns:r='rel' q:a='1' r:b='2' xml:lang='en'><q:m/><r:m><q:m/></r:m></q:n>",
        "<n><!-- words --><?x y?><a> <b/> </a></n>",
    ],
)
def test_canonical_text_is_the_document(text: str) -> None:
    root = document.parse(text)
    shown = document.canonical(root, alone=True)
    assert document.canonical(document.parse(shown), alone=True) == shown
    there = [(node.tag, dict(node.attrib)) for node in root.iter()]
    assert [(node.tag, dict(node.attrib)) for node in document.parse(shown).iter()] == there


def test_what_is_not_an_xpath() -> None:
    with pytest.raises(KvmError, match="XPath"):
        document.xpath(document.parse("<n/>"), "a[", None, "xml_patch[0].path")
