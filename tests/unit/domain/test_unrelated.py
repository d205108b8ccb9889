# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An edit through any one option leaves all that isn't its own as it was: in any document, with anything of others in it."""

from __future__ import annotations

import copy
import pathlib
import re
import typing as t

from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.table import DOMAIN
from ansible_collections.metal.kvm.plugins.module_utils._xml import document, export, place
from ansible_collections.metal.kvm.plugins.module_utils._xml.groups import Group, Union
from ansible_collections.metal.kvm.plugins.module_utils._xml.items import Items
from ansible_collections.metal.kvm.plugins.module_utils._xml.rows import Edit, apply, parse, read
from cases import Case, cases
from conftest import Anywhere
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

CORPUS = pathlib.Path(__file__).parents[2] / "integration" / "domains.xml"
DOCUMENTS = [
    etree.tostring(node, encoding="unicode") for node in etree.parse(str(CORPUS)).getroot().iterfind("*/domain")
]
NOTHING = re.compile(r"(?!)")
# options that have several places, or that others go with: what else their edits may touch
RELATED = {
    "memory": ("memory", "currentMemory"),
    "memory_maximum": ("memory", "currentMemory"),
    "vcpus": ("vcpu",),
    "vcpus_maximum": ("vcpu",),
    "firmware": ("os",),
    "agent": ("devices/channel", "devices/controller"),
    "iothreads": ("iothreads", "iothreadids"),
    "loader.path": ("os/@firmware",),
    "cpu.mode": ("cpu/@match", "cpu/model", "cpu/feature"),
    **{f"sysinfo.{name}": ("sysinfo/@type",) for name in ("bios", "system", "chassis", "oem_strings")},
}


def places(rows: t.Iterable[t.Any], option: str = "", above: tuple[str, ...] = ()) -> t.Iterator[tuple[str, str]]:
    """Option path to where it is in the document: ``cpu/topology/@sockets``."""
    for row in rows:
        if isinstance(row, Union):
            for branch in row.branches.values():
                yield from places(branch, option, above)
        elif hasattr(row, "path"):
            steps, attribute = place.place(row.path)
            path = (*above, *(document.qualified(tag) if ":" in tag else tag for tag, _tests in steps))
            if isinstance(row, Group):
                yield from places(row.rows, f"{option}{row.name}.", path)
            elif not isinstance(row, Items):
                yield option + row.name, "/".join((*path, *([f"@{attribute}"] if attribute else [])))


PLACES = dict(places(DOMAIN))
PLAIN = [case for case in cases() if case.path in PLACES]


def changed(before: t.Any, after: t.Any) -> list[str]:
    """The paths at which two documents differ, without what tells elements of a name apart."""
    found = export.difference(export.flat(before, NOTHING), export.flat(after, NOTHING))
    return [re.sub(r"\[(?!\{)[^\]]*\]", "", path) for path in found]


def own(path: str, where: str) -> bool:
    """Whether ``path`` is at a place, below it, or above it."""
    element = where.partition("/@")[0]
    return (
        path in (where, element)
        or (element == where and path.startswith(where + "/"))
        or element.startswith(path + "/")
    )


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(PLAIN), st.sampled_from(DOCUMENTS), st.data())
def test_an_option_changes_its_own_place_only(case: Case, text: str, data: st.DataObject) -> None:
    root = document.parse(text)
    nodes = [node for node in root.iter() if isinstance(node.tag, str)]
    for node in data.draw(st.lists(st.sampled_from(nodes), max_size=5, unique_by=id), label="with somebody's own"):
        node.append(document.parse("<x:own xmlns:x='urn:x' a='1'><x:b>text</x:b></x:own>"))
        node.set("extra", "e")
    before = copy.deepcopy(root)
    options = data.draw(st.sampled_from(case.options), label=case.path)
    edit = Edit(Anywhere)
    apply(DOMAIN, root, parse(DOMAIN, options), "", edit)
    allowed = [PLACES[case.path], *RELATED.get(case.path, ())]
    strange = [path for path in changed(before, root) if not any(own(path, where) for where in allowed)]
    assert strange == [], document.text_of(root)
    if not edit.changes:
        assert document.canonical(root) == document.canonical(before)


LISTS = [
    (row, text) for row in DOMAIN for text in DOCUMENTS if isinstance(row, Items) and row.listed(document.parse(text))
]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(LISTS), st.data())
def test_a_list_as_it_is_changes_nothing(chosen: tuple[Items, str], data: st.DataObject) -> None:
    """What is read of a list, put in again, is the same document, whatever else is in its elements."""
    items, text = chosen
    root = document.parse(text)
    node = data.draw(st.sampled_from(items.listed(root)))
    node.append(document.parse("<x:own xmlns:x='urn:x' a='1'><x:b>text</x:b></x:own>"))
    node.set("extra", "e")
    before = document.canonical(root)
    edit = Edit(Anywhere)
    apply([items], root, read([items], root), "", edit)
    assert edit.changes == []
    assert document.canonical(root) == before
