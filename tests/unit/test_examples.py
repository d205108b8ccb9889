# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the docs show exists: modules, their options at any depth, choices, roles; in READMEs, guides and EXAMPLES."""

from __future__ import annotations

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
BLOCK = re.compile(r"^```ya?ml\n(.*?)^```", re.MULTILINE | re.DOTALL)
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "roles").glob("*/README.md")])

Docs = dict[str, t.Any]


@pytest.fixture(scope="module")
def docs() -> Docs:
    """The docs of all modules, fragments included, as ansible-doc says."""
    run = subprocess.run(
        [sys.executable, "-m", "ansible.cli.doc", "--json", *(f"metal.kvm.{name}" for name in MODULES)],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build" / "collections")},
        capture_output=True,
        text=True,
        check=True,
    )
    return t.cast(Docs, json.loads(run.stdout))


def tasks(shown: t.Any) -> t.Iterator[tuple[str, t.Any]]:
    """Every use of a module or role of ours in some YAML: its name and its options."""
    if isinstance(shown, list):
        for item in shown:
            yield from tasks(item)
    elif isinstance(shown, dict):
        for key, value in shown.items():
            if str(key).startswith("metal.kvm."):
                yield str(key), value
            yield from tasks(value)


def wrong(given: t.Any, options: Docs, where: str) -> t.Iterator[str]:
    """What in the options given isn't in the docs."""
    for name, value in (given or {}).items():
        names = {name, *(known for known, option in options.items() if name in option.get("aliases", []))}
        option = next((options[known] for known in names if known in options), None)
        if option is None:
            yield f"{where}.{name} doesn't exist"
            continue
        templated = isinstance(value, str) and "{{" in value
        if option.get("choices") and not templated:
            chosen = value if isinstance(value, list) else [value]
            yield from (f"{where}.{name}: {one} is no choice" for one in chosen if one not in option["choices"])
        if "suboptions" in option and not templated:
            for item in value if isinstance(value, list) else [value]:
                yield from wrong(item, option["suboptions"], f"{where}.{name}")
    if isinstance(given, dict):
        needed = (name for name, option in options.items() if option.get("required"))
        yield from (f"{where}: lacks {name}" for name in needed if name not in given)


SITE = {f"kvm_{noun}s": f"metal.kvm.{noun}" for noun in ("network", "pool", "volume", "domain")}


def of_site(shown: t.Any) -> t.Iterator[tuple[str, t.Any]]:
    """The options of modules in variables of playbooks/site.yml."""
    for page in shown:
        for variable, module in SITE.items() if isinstance(page, dict) else ():
            yield from ((module, given) for given in page.get(variable, []))


def unknown_to_site(shown: t.Any) -> t.Iterator[str]:
    """What images and guests in such variables can't hold."""
    known = yaml.safe_load((ROOT / "playbooks" / "vars" / "site.yml").read_text(encoding="utf-8"))
    for page in shown:
        for noun in ("image", "guest") if isinstance(page, dict) else ():
            for given in page.get(f"kvm_{noun}s", []):
                names = set(given) - set(known[f"site_{noun}_defaults"])
                yield from (f"kvm_{noun}s.{name} doesn't exist" for name in sorted(names))


def problems(text: str, docs: Docs) -> list[str]:
    shown = list(yaml.safe_load_all(text))
    found = list(unknown_to_site(shown))
    for name, given in (*tasks(shown), *of_site(shown)):
        if name not in docs:
            found.append(f"{name} doesn't exist")
        elif not isinstance(given, str):
            found += wrong(given, docs[name]["doc"]["options"], name)
    return found


@pytest.mark.parametrize("module", MODULES)
def test_examples_of_a_module_use_what_exists(module: str, docs: Docs) -> None:
    text = docs[f"metal.kvm.{module}"]["examples"] or ""
    assert f"metal.kvm.{module}" in dict(tasks(yaml.safe_load(text))), "no example of the module itself"
    assert not problems(text, docs)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_pages_show_what_exists(page: pathlib.Path, docs: Docs) -> None:
    text = page.read_text(encoding="utf-8")
    found = [problem for block in BLOCK.findall(text) for problem in problems(block, docs)]
    known = {f"metal.kvm.{name}" for name in (*MODULES, *ROLES, "libvirt", "demo", "demo_clean", "site", "adopt")}
    found += [f"{name} doesn't exist" for name in re.findall(r"`(metal\.kvm\.[a-z_]+)`", text) if name not in known]
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    found += [f"{link} doesn't exist" for link in links if not (page.parent / link).exists()]
    assert not found


def test_readme_names_every_module_and_role() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [name for name in (*MODULES, *ROLES) if f"`metal.kvm.{name}`" not in text]
    assert not missing, f"README.md: add {', '.join(missing)} to the tables"


def test_what_does_not_exist_is_found(docs: Docs) -> None:
    shown = """
    - metal.kvm.domain:
        memory: 1 GiB
        state: asleep
        disks: [{target: vda, colour: red}]
    - metal.kvm.spaceship: {}
    """
    site = "kvm_guests: [{name: web1, colour: red}]\nkvm_pools: [{name: images, colour: red}]"
    assert problems(site, docs) == ["kvm_guests.colour doesn't exist", "metal.kvm.pool.colour doesn't exist"]
    assert problems(shown, docs) == [
        "metal.kvm.domain.state: asleep is no choice",
        "metal.kvm.domain.disks.colour doesn't exist",
        "metal.kvm.domain: lacks name",
        "metal.kvm.spaceship doesn't exist",
    ]
