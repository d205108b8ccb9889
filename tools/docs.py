# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the option docs of modules from their tables, between two marks in the module's DOCUMENTATION:

    # generated from the table by nox -s docs: do not edit below
    # end of generated options

At the margin the marks take the whole of `options:`; further in they stand among options that are written by hand, and
the generated ones are written at their depth. For plugins/modules/network.py the options are what `option_docs()` in
plugins/module_utils/_objects/network/options.py says, else those of the table NETWORK in _objects/network/table.py.
Other ones are named in the mark: "from the table domain.devices:DISK by nox". Pages of docs/ come from the table of domains
and its proofs (proofs.py), its matrix of states (states.py), and the tables of a host's checks and features (host_checks.py).

usage: python tools/docs.py [--check]    --check: write nothing, fail where something is stale
"""

from __future__ import annotations

import functools
import importlib
import pathlib
import re
import sys
import textwrap
import typing as t

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
OBJECTS = "ansible_collections.metal.kvm.plugins.module_utils._objects"
ROWS = "ansible_collections.metal.kvm.plugins.module_utils._xml.rows"
BLOCK = re.compile(
    r"^(?P<indent> *)# generated from the table (?:(?P<table>[\w.]+:\w+) )?by nox -s docs: do not edit below\n"
    r"(?P<body>.*?)"
    r"^ *# end of generated options\n",
    re.MULTILINE | re.DOTALL,
)
WIDTH = 100  # yaml breaks a line at the first space past it
Option = dict[str, t.Any]


class Line(list[t.Any]):
    """A list that is written in one line: [a, b]."""


class Dumper(yaml.SafeDumper):
    """Lists are indented below their key, as everywhere in the collection."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        del indentless
        super().increase_indent(flow, False)


Dumper.add_representer(Line, lambda dumper, line: dumper.represent_sequence("tag:yaml.org,2002:seq", line, True))


def documentation(options: t.Mapping[str, Option], where: str = "") -> dict[str, Option]:
    """Argument specs with their docs, as the options of Ansible's DOCUMENTATION."""
    return {name: _option(spec, f"{where}{name}") for name, spec in options.items()}


def _option(spec: Option, path: str) -> Option:
    docs = spec.get("doc")
    option: Option = {"description": docs if isinstance(docs, str) else list(docs or ())}
    if not option["description"]:
        sys.exit(f"docs: the option {path} has no description: give its row a doc")
    for key in ("type", "elements", "required", "choices", "default", "aliases"):
        if key in spec:
            option[key] = Line(spec[key]) if isinstance(spec[key], (list, tuple)) else spec[key]
    if "options" in spec:
        option["suboptions"] = documentation(spec["options"], f"{path}.")
    return option


def specs(module: str, named: t.Optional[str]) -> t.Mapping[str, Option]:
    """Argument specs with docs: of what the mark names (``domain.devices:DISK``), or of the module's own."""
    for name in [named] if named else [f"{module}.options:option_docs", f"{module}.table:{module.upper()}"]:
        place, attribute = name.split(":")
        try:
            found = getattr(importlib.import_module(f"{OBJECTS}.{place}"), attribute)
        except ModuleNotFoundError as error:
            if error.name and not f"{OBJECTS}.{place}".startswith(error.name):
                raise
            continue
        return found() if callable(found) else importlib.import_module(ROWS).specs(found)
    sys.exit(f"docs: {module}: found no option_docs in _objects/{module}/options.py, nor a table in {module}/table.py")


def rendered(options: dict[str, Option], indent: str) -> str:
    header, indent = ("", indent) if indent else ("options:\n", "  ")
    text = yaml.dump(options, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=WIDTH - len(indent))
    return header + textwrap.indent(text, indent)


def written(source: str, module: str) -> str:
    """The module's source with its generated blocks up to date."""

    def block(match: re.Match[str]) -> str:
        indent = match["indent"]
        options = documentation(specs(module, match["table"]))
        first = match[0].splitlines(keepends=True)[0]
        return f"{first}{rendered(options, indent)}{indent}# end of generated options\n"

    return BLOCK.sub(block, source)


def pages() -> t.Iterator[tuple[pathlib.Path, t.Callable[[str], str]]]:
    """Each file that is generated, or has generated parts, and what makes its text of the present one."""
    docs = ROOT / "docs"
    yield docs / "domain.md", importlib.import_module("states").page
    yield docs / "domain_options.md", lambda dummy: str(importlib.import_module("proofs").table())
    yield docs / "host_checks.md", importlib.import_module("host_checks").page
    for path in sorted((ROOT / "plugins" / "modules").glob("*.py")):
        yield path, functools.partial(written, module=path.stem)


def main() -> int:
    check = "--check" in sys.argv[1:]
    sys.path.insert(0, str(ROOT / ".build" / "collections"))
    stale = False
    for path, make in pages():
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        wanted = make(text)
        if wanted == text:
            continue
        stale = True
        if not check:
            path.write_text(wanted, encoding="utf-8")
        print(f"docs: {path.relative_to(ROOT)} {'is stale: run nox -s docs' if check else 'written'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
