# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A parameter asked for against what the kernel prints."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._host.kernel_module import modules, options_file, parameter
from ansible_collections.metal.kvm.plugins.module_utils._host.kernel_module import values as kernel_values
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError
from hypothesis import example, given
from hypothesis import strategies as st

if t.TYPE_CHECKING:
    import pathlib

SAME = [
    ("nested", asked, shown)
    for asked in (True, "1", 1, "Y", "y", "yes", "on", "true", "True")
    for shown in ("Y", "1")
] + [
    ("nested", asked, shown) for asked in (False, "0", 0, "N", "no", "off", "false") for shown in ("N", "0")
] + [
    ("halt_poll_ns", 200000, "200000"),
    ("halt_poll_ns", "0x10", "16"),
    ("nx_huge_pages", "auto", "Y"),
    ("nx_huge_pages", "auto", "N"),
    ("nx_huge_pages", "force", "Y"),
    ("nx_huge_pages", "off", "N"),
    ("nx_huge_pages", True, "Y"),
    ("nx_huge_pages", "never", "never"),
    ("vmentry_l1d_flush", "cond", "cond"),
    ("vmentry_l1d_flush", "auto", "EPT disabled"),
    ("avic", "auto", "Y"),
    ("avic", -1, "-1"),
    ("avic", "auto", "-1"),
    ("pi_inject_timer", -1, "0"),
    ("ids", "8086:10ca,10de:1eb8", "8086:10ca,10de:1eb8"),
]  # fmt: skip
OTHER = [
    ("nested", True, "N"),
    ("nested", False, "1"),
    ("nested", True, None),
    ("halt_poll_ns", 0, "200000"),
    ("nx_huge_pages", "never", "N"),
    ("nx_huge_pages", False, "never"),
    ("nx_huge_pages", "force", "N"),
    ("vmentry_l1d_flush", "always", "cond"),
    ("vmentry_l1d_flush", "always", "EPT disabled"),
    ("ids", "8086:10ca", ""),
    ("enable_apicv", "maybe", "Y"),
]


@pytest.mark.parametrize(("name", "asked", "shown"), SAME)
def test_same(name: str, asked: t.Any, shown: str) -> None:
    assert parameter.same(name, parameter.text_of(name, asked), shown)


@pytest.mark.parametrize(("name", "asked", "shown"), OTHER)
def test_other(name: str, asked: t.Any, shown: t.Optional[str]) -> None:
    assert not parameter.same(name, parameter.text_of(name, asked), shown)


def test_booleans_go_out_as_numbers() -> None:
    """The kernel's int parameters refuse words, its bool parameters take numbers."""
    assert [parameter.text_of("nested", asked) for asked in (True, "yes", "ON", "Y", False, "off")] == ["1"] * 4 + [
        "0"
    ] * 2
    assert parameter.text_of("vmentry_l1d_flush", "Cond") == "cond"


@given(st.integers(-(2**40), 2**40))
def test_numbers_are_themselves(number: int) -> None:
    assert parameter.same("anything", parameter.text_of("anything", number), str(number)) or number in (0, 1)
    assert not parameter.same("anything", parameter.text_of("anything", number), str(number + 3))


NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
TEXTS = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S", "Zs")), min_size=1).map(str.strip)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A root with a directory for our files, for all examples."""
    root = tmp_path_factory.mktemp("root")
    (root / options_file.path("kvm")).parent.mkdir(parents=True)
    return root


@given(st.dictionaries(NAMES, st.one_of(st.booleans(), st.integers(), TEXTS), max_size=4))
@example({"a": "''"})
@example({"a": "it's", "b": "' '", "c": "x y=z"})
def test_file_keeps_what_is_asked(place: pathlib.Path, wanted: dict[str, t.Any]) -> None:
    """What goes into our file comes out of the reader of modprobe.d as it was, or is refused before."""
    try:
        values = kernel_values.asked(wanted)
    except KvmError:
        return
    (place / options_file.path("kvm")).write_text(options_file.render("kvm", values) or "")
    from ansible_collections.metal.kvm.plugins.module_utils._host.root import Root

    assert options_file.parse(Root(str(place)), "kvm") == values


@pytest.mark.parametrize("value", [["a"], {"a": 1}, 1.5, 'a"b', "a\nb", "a#b", "a\\b", "a\x0cb", "a\u2028b"])
def test_values_that_no_file_holds(value: t.Any) -> None:
    with pytest.raises(KvmError, match=r"parameters\.x"):
        kernel_values.asked({"x": value})


def test_null_is_not_managed() -> None:
    assert kernel_values.asked({"nested": None, "ept-x": True}) == {"ept_x": "1"}


KERNEL = [
    ("a=1  b", {"a": "1", "b": "1"}),
    ('a="x y" "b=x y" c', {"a": "x y", "b": "x y", "c": "1"}),
    ("a='' b='x y'", {"a": "''", "b": "'x", "y'": "1"}),
    ('a=x"y z"', {"a": 'x"y z"'}),
    ('a="x y', {"a": "x y"}),
    ("a= b==", {"a": "", "b": "="}),
]


@pytest.mark.parametrize(("text", "values"), KERNEL)
def test_options_as_the_kernel_reads_them(text: str, values: dict[str, str]) -> None:
    """As lib/cmdline.c does: only double quotes quote."""
    assert modules.options(text) == values


@pytest.mark.parametrize("name", ["", "a b", "a=b", "-x", "a;b"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(KvmError):
        kernel_values.parameter_name(name)


def test_settings_in_modprobes_order(tmp_path: pathlib.Path) -> None:
    from ansible_collections.metal.kvm.plugins.module_utils._host.root import Root

    files = {
        "usr/lib/modprobe.d/b.conf": "options kvm-intel nested=0\n",
        "usr/lib/modprobe.d/a.conf": "options kvm_intel nested=hidden\n",
        "etc/modprobe.d/a.conf": "# a comment\noptions kvm_intel nested=1 \\\n  ept=1\nblacklist vboxdrv\n",
        "etc/modprobe.d/readme": "options kvm_intel nested=not.read\n",
        "proc/cmdline": "quiet kvm-intel.nested=1 kvm.foo modprobe.blacklist=nouveau,tun -- kvm_intel.ept=0\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = [(s.kind, s.module, s.source, s.values) for s in modules.settings(Root(str(tmp_path)))]
    assert found == [
        ("options", "kvm_intel", "/etc/modprobe.d/a.conf", {"nested": "1", "ept": "1"}),
        ("blacklist", "vboxdrv", "/etc/modprobe.d/a.conf", ""),
        ("options", "kvm_intel", "/usr/lib/modprobe.d/b.conf", {"nested": "0"}),
        ("options", "kvm_intel", "kernel command line", {"nested": "1"}),
        ("options", "kvm", "kernel command line", {"foo": "1"}),
        ("blacklist", "nouveau", "modprobe.blacklist=nouveau,tun", ""),
        ("blacklist", "tun", "modprobe.blacklist=nouveau,tun", ""),
    ]
