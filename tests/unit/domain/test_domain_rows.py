# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every row of the domain's table: what is put in is read out, once; the rest of the document stays as it is."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.rows.disk import VOLUME as VOLUME_OF_DISK
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.table import DOMAIN
from ansible_collections.metal.kvm.plugins.module_utils._objects.volume.table import VOLUME
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError
from ansible_collections.metal.kvm.plugins.module_utils._xml import document, kinds
from ansible_collections.metal.kvm.plugins.module_utils._xml.row import Field
from ansible_collections.metal.kvm.plugins.module_utils._xml.rows import Edit, Values, compare, parse, read, specs
from ansible_collections.metal.kvm.plugins.module_utils._xml.table import unset_paths
from ansible_collections.metal.kvm.plugins.module_utils._xml.types import Size
from cases import Case, cases, parsed, within, without_address
from conftest import BARE, Anywhere, Definition
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CASES = list(cases())
# a document with something unknown at every place that the table writes to
FOREIGN = """<domain type='qemu' xmlns:x='urn:x' id='7'><name>one</name><x:own a='1'><x:b>text</x:b></x:own>
  <metadata><x:thing>kept</x:thing></metadata><memory unit='KiB' extra='e'>8388608</memory>
  <vcpu extra='e'>64</vcpu><os extra='e'><type arch='x86_64' machine='pc-q35-7.2'>hvm</type><unknown/></os>
  <features><unknown state='on'/></features><cpu extra='e'><unknown/></cpu><clock extra='e'><timer name='other'/></clock>
  <pm><unknown/></pm><cputune><unknown/></cputune><devices><unknown>text</unknown><disk type='file' device='disk'><target
  dev='vdz' bus='virtio'/><unknown/></disk></devices></domain>"""


def options_of(rows: t.Iterable[t.Any], path: str = "") -> t.Iterator[str]:
    """Every option that Ansible knows, by path, from the argument specs."""
    for name, spec in specs(rows).items():
        inner = spec.get("options")
        if inner is None:
            yield path + name
        else:
            yield from _inner(inner, path + name + ("[]." if spec["type"] == "list" else "."))


def _inner(options: Values, path: str) -> t.Iterator[str]:
    for name, spec in options.items():
        inner = spec.get("options")
        yield from (
            [path + name] if inner is None else _inner(inner, path + name + ("[]." if spec["type"] == "list" else "."))
        )


def test_no_option_is_without_a_case() -> None:
    """The gate: a row that cases() doesn't reach isn't proven."""
    in_no_document = tuple(f"disks[].{row.name}" for row in VOLUME_OF_DISK)
    options = {option for option in options_of(DOMAIN) if not option.startswith(in_no_document)}
    assert sorted({case.path for case in CASES}) == sorted(options)
    assert len(CASES) > 300


VOLUME_SIZES = [row for row in VOLUME if isinstance(getattr(row, "type", None), Size)]
SIZES = [(case, DOMAIN) for case in CASES if isinstance(case.row.type, Size)] + [
    (case, VOLUME) for case in cases(VOLUME_SIZES)
]


@pytest.mark.parametrize(("case", "table"), SIZES, ids=lambda value: repr(value) if isinstance(value, Case) else "")
def test_a_size_without_a_unit_is_refused_with_what_to_write(case: Case, table: tuple[t.Any, ...]) -> None:
    for options in case.options:
        with pytest.raises(KvmError, match=r"has no unit") as caught:
            parse(table, _with_number(options, case.row.name, "2048"))
        assert f"{case.row.name}: '2048'" in str(caught.value)
        assert "'2048 MiB' or '2048 GiB' or '2048 B'" in str(caught.value)
        parse(table, _with_number(options, case.row.name, "2048 B"))


def _with_number(options: t.Any, name: str, number: str) -> t.Any:
    """The options of a case with another value for the option ``name``."""
    if isinstance(options, list):
        return [_with_number(one, name, number) for one in options]
    if not isinstance(options, dict):
        return options
    return {
        key: number if key == name and isinstance(value, str) else _with_number(value, name, number)
        for key, value in options.items()
    }


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_what_is_put_in_is_read_out(case: Case) -> None:
    for options in case.options:
        definition = Definition()
        wanted = parse(DOMAIN, options)
        definition.edit(**options)
        there = read(DOMAIN, definition.root)
        assert within(without_address(wanted), parsed(DOMAIN, there), getattr(case.row, "silent", ())), (
            wanted,
            there,
        )
        again = document.parse(document.text_of(definition.root))
        assert read(DOMAIN, again) == there, "the text of the document says the same"
        assert definition.edit(**options) == [], "the second time nothing is left to do"
        assert compare(DOMAIN, definition.root, again) == []


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_one_value_becomes_another(case: Case) -> None:
    """From each sample to the next in place: only this option differs, and its change names it."""
    for one, other in zip(case.options, case.options[1:]):
        definition = Definition()
        definition.edit(**one)
        before = copy.deepcopy(definition.root)
        changes = definition.edit(**other)
        there = parsed(DOMAIN, read(DOMAIN, definition.root))
        assert within(without_address(parse(DOMAIN, other)), there, getattr(case.row, "silent", ()))
        leaf = case.path.rpartition(".")[2]
        assert changes, (one, other)
        identity = (
            isinstance(case.row, Field) and f"{case.path.partition('[]')[0]}[" in changes[0].path and len(changes) > 1
        )
        assert identity or any(
            leaf in change.path or change.path.endswith("source") or change.row is not case.row for change in changes
        )
        back = {change.path for change in compare(DOMAIN, before, definition.root)}
        if not isinstance(case.row, kinds.Attributes) and not case.row.volatile:
            assert back, "the difference between both documents is seen too"


def test_what_the_table_does_not_know_stays() -> None:
    """Each option set and taken back on a document full of foreign things leaves those as they were."""
    for case in CASES:
        definition = Definition(FOREIGN)
        for options in case.options:
            definition.edit(**options)
        root = definition.root
        for path in (
            "x:own/x:b",
            "metadata/x:thing",
            "os/unknown",
            "features/unknown",
            "devices/unknown",
            "pm/unknown",
            "cpu/unknown",
        ):
            assert root.find(path, {"x": "urn:x"}) is not None, (case, path)
        assert root.find("cputune/unknown") is not None, case
        assert root.find("clock/timer[@name='other']") is not None, case
        for path in ("memory", "vcpu", "os", "cpu", "clock"):
            assert root.find(path).get("extra") == "e", (case, path)
        if not case.path.startswith("disks[]"):
            assert root.find("devices/disk/unknown") is not None, case


PLAIN = [case for case in CASES if "[]" not in case.path]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(PLAIN), min_size=1, max_size=6, unique_by=lambda case: case.path), st.data())
def test_options_do_not_disturb_each_other(chosen: list[Case], data: st.DataObject) -> None:
    """Any set of options, one after the other or together, in any order: the same values are there, and nothing else changed."""
    values = [data.draw(st.sampled_from(case.options), label=case.path) for case in chosen]
    definition = Definition(FOREIGN)
    before = read(DOMAIN, definition.root)
    for options in values:
        definition.edit(**options)
    there = read(DOMAIN, definition.root)
    spoken = {next(iter(options)) for options in values}
    related = {
        "vcpus",
        "vcpus_maximum",
        "memory",
        "memory_maximum",
        "firmware",
        "loader",
        "nvram",
        "secure_boot",
        "cpu",
        "iothreads",
    }
    untouched = set(before) - spoken - (related if spoken & related else set())
    assert {name: there.get(name) for name in untouched} == {name: before[name] for name in untouched}
    assert definition.root.find("x:own/x:b", {"x": "urn:x"}).text == "text"


NO_DEFAULT = ("memory", "vcpus", "uuid", "type", "machine", "arch")  # without a node of their own to delete


@pytest.mark.parametrize("case", PLAIN, ids=repr)
def test_unset_leaves_no_trace(case: Case) -> None:
    """Set and unset again: the document is what it was."""
    if case.path.startswith(NO_DEFAULT):
        return
    for options in case.options:
        definition = Definition(FOREIGN)
        before = definition.text
        if not definition.edit(**options):
            continue
        edit = Edit(Anywhere)
        unset_paths(DOMAIN, definition.root, [case.path], {}, edit)
        assert edit.changes, options
        assert definition.text == before, options


def test_a_new_generation_id_is_the_domains_own() -> None:
    definition = Definition(BARE.replace("<name>", "<uuid>8f0f7a52-7e5b-4d0c-9d2c-0d4a6c3b1f10</uuid><name>", 1))
    (change,) = definition.edit(genid="new")
    made = definition.root.findtext("genid")
    assert (change.before, change.after) == (None, "new")
    assert made not in (None, definition.root.findtext("uuid"))
    assert definition.edit(genid="new") == []
    with pytest.raises(KvmError, match="genid: 'newer'"):
        definition.edit(genid="newer")


def test_the_watchdog_of_the_machine_itself_is_not_on_the_list() -> None:
    """libvirt 9.1 and newer put one into every document of a Q35 machine; it stays, and can be told what to do."""
    own = "<devices><watchdog model='itco' action='reset'/></devices>"
    definition = Definition(BARE.replace("<devices/>", own))
    assert len(definition.root.findall("devices/watchdog")) == 1
    assert definition.edit(watchdog=[]) == []
    assert definition.edit(watchdog=[{"model": "itco", "action": "reset"}]) == []
    assert "watchdog" not in read(DOMAIN, definition.root)
    assert definition.edit(watchdog=[{"model": "itco", "action": "poweroff"}]) != []
    assert read(DOMAIN, definition.root)["watchdog"] == [{"model": "itco", "action": "poweroff"}]
    assert len(definition.root.findall("devices/watchdog")) == 1


def test_bare_document_reads_as_little_as_it_says() -> None:
    assert read(DOMAIN, document.parse(BARE)) == {
        "type": "qemu",
        "memory": 64 << 20,
        "memory_maximum": 64 << 20,
        "vcpus": 1,
        "vcpus_maximum": 1,
        "arch": "x86_64",
        "machine": "pc-q35-7.2",
        "firmware": "bios",
        "agent": False,
    }


@pytest.mark.parametrize(
    ("given", "running", "differs"),
    [(200, 109, False), (1000, 182, False), (200, 110, True), (100, 109, True), (50, 50, False)],
)
def test_a_weight_as_the_kernel_counts_it_for_bfq_waits_for_nothing(given: int, running: int, differs: bool) -> None:
    one, other = (
        document.parse(f"<domain><blkiotune><weight>{weight}</weight></blkiotune></domain>")
        for weight in (running, given)
    )
    assert bool(compare(DOMAIN, one, other)) is differs
