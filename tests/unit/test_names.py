# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every name that a message, a remedy or a page tells the user is one that exists: options, variables, roles, modules."""

from __future__ import annotations

import ast
import functools
import json
import os
import pathlib
import re
import subprocess
import sys
import typing as t

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "plugins" / "module_utils").rglob("*.py"))
TASKS = sorted([*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("playbooks/**/*.yml")])
GENERATED = ("host_checks.md", "domain_options.md")
PAGES = sorted(
    [
        ROOT / "README.md",
        *ROOT.glob("roles/*/README.md"),
        *(p for p in ROOT.glob("docs/*.md") if p.name not in GENERATED),
    ]
)
MODULES = {path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")}
ROLES = {path.name for path in (ROOT / "roles").iterdir() if path.is_dir()}
PLAYBOOKS = {path.stem for path in (ROOT / "playbooks").glob("*.yml")}
NAME = re.compile(r"(?<![\w/@%$-])[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?![\w/(-])")
OURS = re.compile(r"\bmetal\.kvm\.([a-z_]+)")

# names of the kernel, of libvirt's configuration, of Ansible: not ours
FOREIGN = """
allow_unsafe_interrupts ansible_connection ansible_host ansible_python_interpreter audit_level auth_unix_rw back_after
back_before br_netfilter cgroup_disable control_d driver_override efisys_noprompt enable_virt_at_load forth_after
forth_before host_vars kvm_hv kvm_intel max_size migrate_tls_force modules_disabled nx_huge_pages pcie_acs_override
ppc64_cpu prot_virt scsi_host0 seccomp_sandbox security_default_confined security_driver stdio_handler stp_state
unix_sock_rw_perms vfio_iommu_type1 vfio_pci
"""
# keys of failed results, and what a role sets
RESULTS = {"rolled_back", "rollback_failed", "in_use", "used_by", "remote_findings", "security_findings"}


class Known(t.NamedTuple):
    """What exists: names of options, results and variables; option paths of modules; variables of roles."""

    names: set[str]
    paths: set[str]
    variables: set[str]


def documented(kind: str, *plugins: str) -> dict[str, t.Any]:
    """The docs of plugins of a kind, by name, as ansible-doc has them."""
    run = subprocess.run(
        [sys.executable, "-m", "ansible.cli.doc", "--json", "--type", kind, *(f"metal.kvm.{name}" for name in plugins)],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build" / "collections")},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return t.cast("dict[str, t.Any]", json.loads(run.stdout))


@functools.cache
def known() -> Known:
    names, paths, variables = MODULES | ROLES | RESULTS | set(FOREIGN.split()), set[str](), site_variables()
    names |= set(words(documented("inventory", "libvirt")))
    for page in documented("module", *sorted(MODULES)).values():
        paths |= set(option_paths(page["doc"]["options"]))
        names |= set(words(page["doc"])) | set(words(page["return"]))
    for role in ROLES:
        specs = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
        options = specs["argument_specs"]["main"].get("options", {})
        variables |= set(options)
        names |= set(words(options))
    paths |= {"libvirt", "backing.format", "backing.path"}  # what a check assumes; keys of an option of any kind
    return Known(names | variables, paths, variables)


def site_variables() -> set[str]:
    """Variables of the playbooks, by the heads of those: ``#   kvm_pools  ...``."""
    heads = [(ROOT / "playbooks" / f"{name}.yml").read_text(encoding="utf-8") for name in ("site", "adopt", "drain")]
    return {name for head in heads for name in re.findall(r"^#   (\w+)  ", head, re.MULTILINE)}


def option_paths(options: t.Mapping[str, t.Any], above: str = "") -> t.Iterator[str]:
    for name, option in options.items():
        for spelled in (name, *option.get("aliases", [])):
            yield above + spelled
            yield from option_paths(option.get("suboptions") or {}, f"{above}{spelled}.")


def words(value: t.Any) -> t.Iterator[str]:
    """All keys and all values that docs mark as such, in some docs."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from words(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from words(inner)
    elif isinstance(value, str):
        yield from re.findall(r"[VC]\(([\w/-]+)\)", value) + ([value] if re.fullmatch(r"[\w-]+", value) else [])


def strings(tree: ast.AST) -> t.Iterator[tuple[int, str]]:
    """Sentences in a module's code, and parts of them; docstrings are not for users."""
    inner = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            inner.add(id(t.cast(ast.Expr, node.body[0]).value))
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in inner
            and " " in node.value
        ):
            yield node.lineno, node.value


def unknown(text: str) -> list[str]:
    """Names in a sentence that don't exist."""
    found = [name for name in NAME.findall(text) if name not in known().names]
    return found + [f"metal.kvm.{name}" for name in OURS.findall(text) if not exists(name)]


def exists(name: str) -> bool:
    return name in MODULES | ROLES | PLAYBOOKS | {"libvirt"} or name.startswith("_")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_messages_name_what_exists(path: pathlib.Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [f"{line}: {name}" for line, text in strings(tree) for name in unknown(text)]
    assert not found


def options_named(tree: ast.AST) -> t.Iterator[tuple[int, str]]:
    """What an error says to be the option that is wrong: ``option="a.b"``, ``refuse("a.b", ...)``."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        named = [word.value for word in node.keywords if word.arg == "option"]
        if isinstance(node.func, ast.Name) and node.func.id == "refuse":
            named += node.args[:1]
        for one in named:
            if isinstance(one, ast.Constant) and isinstance(one.value, str) and one.value:
                yield node.lineno, one.value


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT / "plugins").as_posix())
def test_errors_are_about_options_that_exist(path: pathlib.Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [
        f"{line}: {name}" for line, name in options_named(tree) if re.sub(r"\[\w*\]", "", name) not in known().paths
    ]
    assert not found


def sentences(value: t.Any) -> t.Iterator[str]:
    """Texts below ``msg`` and ``fail_msg`` in tasks, without what is computed."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("msg", "fail_msg", "success_msg") and isinstance(inner, str):
                yield re.sub(r"\{\{.*?\}\}|\{%.*?%\}", " ", inner, flags=re.DOTALL)
            yield from sentences(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from sentences(inner)


@pytest.mark.parametrize("path", TASKS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_messages_of_roles_name_what_exists(path: pathlib.Path) -> None:
    tasks = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert not [name for text in sentences(tasks) for name in unknown(text)]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_pages_name_what_exists(path: pathlib.Path) -> None:
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert not [name for span in re.findall(r"`([^`\n]+)`", text) for name in unknown(span)]


def test_site_knows_its_variables() -> None:
    """Those of its head, and those of the role host; so a misspelt one is found."""
    listed = yaml.safe_load((ROOT / "playbooks" / "vars" / "site.yml").read_text(encoding="utf-8"))
    head = re.findall(r"^#   (kvm_\w+)  ", (ROOT / "playbooks" / "site.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert listed["site_variables"] == head
    specs = yaml.safe_load((ROOT / "roles" / "host" / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    assert listed["site_host_variables"] == sorted(specs["argument_specs"]["main"]["options"])


def test_a_name_that_does_not_exist_is_found() -> None:
    assert unknown("Use host_architectures, or memory_maximum (role metal.kvm.host).") == []
    assert unknown("Use host_qemu_arches (role metal.kvm.hots).") == ["host_qemu_arches", "metal.kvm.hots"]
