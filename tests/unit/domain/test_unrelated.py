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
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError
from ansible_collections.metal.kvm.plugins.module_utils._xml import document, export, place, types
from ansible_collections.metal.kvm.plugins.module_utils._xml.groups import Group, Union, ValueList
from ansible_collections.metal.kvm.plugins.module_utils._xml.items import Items
from ansible_collections.metal.kvm.plugins.module_utils._xml.rows import Edit, Values, apply, parse, read
from cases import NEEDED, Case, cases, parsed, within, without_address
from conftest import Anywhere
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from lxml import etree

CORPUS = pathlib.Path(__file__).parents[2] / "integration" / "domains.xml"


def documents() -> t.Iterator[str]:
    """The corpus of the integration tests: whole domains, and each case laid over a base."""
    corpus = etree.parse(str(CORPUS)).getroot()
    base = corpus.find("base[@name='q35']")[0]
    for case in corpus:
        root = case.find("domain") if isinstance(case.tag, str) else None
        if root is None and isinstance(case.tag, str):
            root = copy.deepcopy(base)
            for node in copy.deepcopy(case).iterchildren("*"):
                there = root.find(node.tag)
                if there is not None and node.tag == "devices":
                    there.extend(list(node))
                elif there is not None:
                    root.replace(there, node)
                else:
                    root.append(node)
        for node in () if root is None else root.iterfind("devices/hostdev/source/*[@id]"):
            node.set("id", f"{int(node.get('id'), 16):#06x}")  # as libvirt writes it
        if root is not None:
            yield etree.tostring(root, encoding="unicode", with_tail=False)


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
    "cpu.mode": tuple(f"cpu/{where}" for where in ("@match", "@check", "@migratable", "model", "feature")),
    "clock.offset": tuple(f"clock/@{name}" for name in ("timezone", "adjustment", "basis", "start")),
    "seclabels[].type": ("seclabel/@relabel", "seclabel/label", "seclabel/baselabel"),
    "video[].model": tuple(f"devices/video/model/@{name}" for name in ("ram", "vram", "vgamem", "vram64", "heads")),
    "controllers[].model": tuple(f"devices/controller/{where}" for where in ("target", "model", "master")),
    "disks[].device": ("devices/disk/readonly", "devices/disk/target/@tray"),
    "disks[].network.protocol": ("devices/disk/auth/secret", "devices/disk/source/auth/secret"),
    **{f"sysinfo.{name}": ("sysinfo/@type",) for name in ("bios", "system", "chassis", "oem_strings")},
    "disks[].format": ("devices/disk/driver/@name",),
    "disks[].reservations.path": ("devices/disk/source/reservations/source",),
    "tpm[].socket": ("devices/tpm/backend/source",),
    **{
        f"disks[].{name}.secret_{key}": tuple(f"devices/disk/{where}{name}/secret" for where in ("", "source/"))
        for name in ("auth", "encryption")
        for key in ("uuid", "usage")
    },
    **{
        f"graphics[].{name}": tuple(f"devices/graphics/{where}" for where in ("@listen", "@autoport", "@port", "@socket", "listen"))
        for name in ("port", "tls_port", "autoport", "listen", "listen_network", "listen_socket")
    },
    **{f"filesystems[].{name}": ("devices/filesystem/source",) for name in ("source", "socket")},
    "rng[].backend": ("devices/rng/backend",),
    "tpm[].type": ("devices/tpm/backend",),
    "smartcard[].mode": tuple(f"devices/smartcard/{where}" for where in ("source", "protocol", "certificate", "database")),
    **{
        f"{items}.{name}": (f"devices/{where}/source", f"devices/{where}/protocol")
        for items, where in (
            ("serials[]", "serial"), ("parallels[]", "parallel"), ("consoles[]", "console"), ("channels[]", "channel"),
            ("redirdevs[]", "redirdev"), ("smartcard[].source", "smartcard"), ("rng[].egd", "rng/backend"),
        )
        for name in ("type", "mode", "bind_host", "bind_service")
    },
    "serials[].target_type": ("devices/serial/target/model",),
    "interfaces[].virtualport.type": ("devices/interface/virtualport/parameters",),
}  # fmt: skip


def places(rows: t.Iterable[t.Any], option: str = "", above: tuple[str, ...] = ()) -> t.Iterator[tuple[str, str]]:
    """Option path to where it is in the document: ``disks[].cache`` to ``devices/disk/driver/@cache``. An option of one of
    several kinds has what goes with the kind as places too."""
    for row in rows:
        if isinstance(row, Union):
            for option_, dummy in [pair for branch in row.branches.values() for pair in places(branch, option, above)]:
                yield from ((option_, "/".join((*above, part))) for part in (f"@{row.attribute}", *row.owns))
                yield from (
                    (option_, there) for branch in row.branches.values() for _name, there in places(branch, "", above)
                )
            for branch in row.branches.values():
                yield from places(branch, option, above)
        elif hasattr(row, "path"):
            for path in row.path.split("|"):
                yield from _places(row, path, option, above)


def _places(row: t.Any, path: str, option: str, above: tuple[str, ...]) -> t.Iterator[tuple[str, str]]:
    steps, attribute = place.place(path)
    below = (*above, *(document.qualified(tag) if ":" in tag else tag for tag, _tests in steps))
    if isinstance(row, (Group, Items)):
        pairs = list(places(row.rows, f"{option}{row.name}{'[]' if isinstance(row, Items) else ''}.", below))
    else:
        attributes = [f"@{attribute}"] if attribute else []
        units = ["@unit"] if isinstance(getattr(row, "type", None), types.Size) else []
        pairs = [
            (option + row.name, "/".join((*below, *one))) for one in (attributes, units) if one or one is attributes
        ]
    yield from pairs
    for number, (_tag, tests) in enumerate(steps, len(above) + 1):  # what an element is found by is made with it
        yield from ((name, "/".join((*below[:number], f"@{test}"))) for test in tests for name, _place in pairs)


PLACES: dict[str, list[str]] = {}
for name, where in places(DOMAIN):
    PLACES.setdefault(name, []).append(where)
    if name.startswith("rng[].egd."):
        PLACES[name].append("devices/rng/backend")  # it says the kind of the backend too


def lists_in(rows: t.Iterable[t.Any], parent: t.Any, path: str = "") -> t.Iterator[str]:
    """The lists of which a document has items: ``disks[]``, ``disks[].network.hosts[]``."""
    for row in rows:
        if isinstance(row, Union):
            yield from lists_in(row.branches.get(parent.get(row.attribute), ()), parent, path)
        elif isinstance(row, Group):
            node = row._find(parent)
            yield from () if node is None else lists_in(row.rows, node, f"{path}{row.name}.")
        elif isinstance(row, Items):
            for node in row.listed(parent):
                yield f"{path}{row.name}[]"
                yield from lists_in(row.rows, node, f"{path}{row.name}[].")


HAVING: dict[str, list[str]] = {}
for one in documents():
    root_ = document.parse(one)
    try:
        parsed(DOMAIN, read(DOMAIN, root_))
    except KvmError:  # twins, which no list can say
        continue
    for name in dict.fromkeys(("", *lists_in(DOMAIN, root_))):
        HAVING.setdefault(name, []).append(one)


def list_of(path: str) -> str:
    """The innermost list that an option is in, ``""`` for none."""
    above, bracket, dummy = path.rpartition("[]")
    return above + bracket


# another target is another disk in what changed() says, another address another channel; other kinds of those have no name
ANOTHER = {
    "disks[].target", "consoles[].target_type",
    *(f"channels[].target_{name}" for name in ("type", "address", "port")),
}  # fmt: skip
CASES = [case for case in cases() if case.path in PLACES and list_of(case.path) in HAVING and case.path not in ANOTHER]


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


class Laid:
    """The options of a case laid over the document: in each list over one of the items that are there."""

    def __init__(self, draw: t.Callable[..., t.Any]) -> None:
        self.draw = draw
        self.touched: list[t.Any] = []  # the elements of those items, the outermost first

    def over(self, rows: t.Iterable[t.Any], parent: t.Any, wanted: Values) -> Values:
        out: Values = {}
        for row in rows:
            if isinstance(row, Union):
                out.update(self.over(row.branches.get(row.kind_of(wanted), ()), parent, wanted))
            elif row.name not in wanted:
                continue
            elif isinstance(row, Group) and row._find(parent) is not None:
                out[row.name] = self.over(row.rows, row._find(parent), wanted[row.name])
            elif isinstance(row, Items) and row.listed(parent):
                out[row.name] = self._items(row, parent, wanted[row.name])
            else:
                out[row.name] = wanted[row.name]
        return out

    def _items(self, items: Items, parent: t.Any, wanted: list[Values]) -> list[Values]:
        nodes = items.listed(parent)
        there = [parsed(items.rows, read(items.rows, node)) for node in nodes]
        chosen = self.draw(st.sampled_from(range(len(nodes))), label=items.name)
        self.touched.append(nodes[chosen])
        new = self.over(items.rows, nodes[chosen], wanted[0])
        known = {key: there[chosen][key] for key in items.keys if key in there[chosen]}
        for said in (known, _without_other_kinds(items, there[chosen], new)):
            made = [*there[:chosen], {**said, **new}, *there[chosen + 1 :]]
            if [node for dummy, node in items.match(made, parent)[0]] == nodes and _can_be(items, made):
                return made
        return reject()  # by this option it's another item


def _can_be(items: Items, made: list[Values]) -> bool:
    try:
        parsed([items], {items.name: made})
    except KvmError:
        return False
    return True


def _without_other_kinds(items: Items, there: Values, new: Values) -> Values:
    unions = [row for row in items.rows if isinstance(row, Union) and row.kind_of(new) not in ("", row.kind_of(there))]
    others = {name for row in unions for name in row.spec()}
    return {name: value for name, value in there.items() if name not in others}


def only(values: t.Any, names: list[str], beside: t.Container[str]) -> t.Any:
    """Values without those by which a case's item is known: the items have their own."""
    if isinstance(values, list) and names:
        return [only(value, names, beside) for value in values]
    if not names:
        return values
    return {
        name: only(value, names[1:], beside) if name == names[0] else value
        for name, value in values.items()
        if name == names[0] or name in beside
    }


def without(root: t.Any, node: t.Any) -> str:
    """The document as text, an element of it blanked out."""
    way = []
    while node is not root:
        above = node.getparent()
        way.append(above.index(node))
        node = above
    blank = node = copy.deepcopy(root)
    for index in reversed(way):
        node = node[index]
    node.clear(keep_tail=True)
    return document.canonical(blank)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(st.sampled_from(CASES), st.data())
def test_an_option_changes_its_own_place_only(case: Case, data: st.DataObject) -> None:
    """Of a list's item too: the other items, and all around them, stay as they are."""
    root = document.parse(data.draw(st.sampled_from(HAVING[list_of(case.path)])))
    nodes = [node for node in root.iter() if isinstance(node.tag, str)]
    for node in data.draw(st.lists(st.sampled_from(nodes), max_size=5, unique_by=id), label="with somebody's own"):
        node.append(document.parse("<x:own xmlns:x='urn:x' a='1'><x:b>text</x:b></x:own>"))
        node.set("extra", "e")
    before = copy.deepcopy(root)
    wanted = parse(DOMAIN, data.draw(st.sampled_from(case.options), label=case.path))
    beside = NEEDED.get(case.path) or NEEDED.get(case.path.rpartition(".")[2], {})
    laid = Laid(data.draw)
    if list_of(case.path):
        wanted = laid.over(DOMAIN, root, only(wanted, case.path.replace("[]", "").split("."), beside))
        wanted = parsed(DOMAIN, wanted)
    around = [without(root, node) for node in laid.touched]
    edit = Edit(Anywhere)
    apply(DOMAIN, root, wanted, "", edit)
    allowed = [*PLACES[case.path], *RELATED.get(case.path, ())]
    allowed += [where for name in beside for where in PLACES[f"{case.path.rpartition('.')[0]}.{name}".lstrip(".")]]
    if isinstance(case.row, ValueList):  # what is taken out of it goes with all that it says
        allowed += [where.rpartition("/@")[0] for where in PLACES[case.path]]
    strange = [path for path in changed(before, root) if not any(own(path, where) for where in allowed)]
    assert strange == [], document.text_of(root)
    assert [without(root, node) for node in laid.touched] == around
    there = parsed(DOMAIN, read(DOMAIN, root))
    assert within(without_address(wanted), there, getattr(case.row, "silent", ())), (wanted, there)
    if not edit.changes:
        assert document.canonical(root) == document.canonical(before)


LISTS = [(row, text) for row in DOMAIN if isinstance(row, Items) for text in HAVING.get(f"{row.name}[]", ())]


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
    apply([items], root, parsed([items], read([items], root)), "", edit)
    assert edit.changes == []
    assert document.canonical(root) == before
