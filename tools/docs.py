# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the option docs of modules from their tables, between two marks in the module's DOCUMENTATION:

      # generated from the table by nox -s docs: do not edit below
      # end of generated options

The options are written at the depth of the first mark. The table of plugins/modules/network.py is NETWORK in
plugins/module_utils/_objects/network.py or network/table.py; another one is named in the mark: "from the table
domain.devices:DISK by nox".

usage: python tools/docs.py [--check]    --check: write nothing, fail where something is stale
"""

from __future__ import annotations

import importlib
import pathlib
import re
import sys
import textwrap
import typing as t

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
OBJECTS = "ansible_collections.metal.kvm.plugins.module_utils._objects"
BLOCK = re.compile(
    r"^(?P<indent> *)# generated from the table (?:(?P<table>[\w.]+:\w+) )?by nox -s docs: do not edit below\n"
    r"(?P<body>.*?)"
    r"^ *# end of generated options\n",
    re.MULTILINE | re.DOTALL,
)
WIDTH = 118
Option = dict[str, t.Any]


class Dumper(yaml.SafeDumper):
    """Lists are indented below their key, as everywhere in the collection."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        del indentless
        super().increase_indent(flow, False)


def documentation(specs: t.Mapping[str, Option], where: str = "") -> dict[str, Option]:
    """Argument specs with their docs, as the options of Ansible's DOCUMENTATION."""
    return {name: _option(spec, f"{where}{name}") for name, spec in specs.items()}


def _option(spec: Option, path: str) -> Option:
    docs = spec.get("doc") or []
    option: Option = {"description": [docs] if isinstance(docs, str) else list(docs)}
    if not option["description"]:
        sys.exit(f"docs: the option {path} has no description: give its row a doc")
    for key in ("type", "elements", "required", "choices", "default", "aliases"):
        if key in spec:
            option[key] = spec[key]
    if "options" in spec:
        option["suboptions"] = documentation(spec["options"], f"{path}.")
    return option


def table(module: str, named: t.Optional[str]) -> t.Any:
    """The rows that ``named`` (``domain.devices:DISK``) says, or those of the module's own table."""
    if named:
        place, attribute = named.split(":")
        return getattr(importlib.import_module(f"{OBJECTS}.{place}"), attribute)
    for place in (module, f"{module}.table"):
        try:
            return getattr(importlib.import_module(f"{OBJECTS}.{place}"), module.upper())
        except (ModuleNotFoundError, AttributeError):
            continue
    sys.exit(f"docs: {module}: found no {module.upper()} in _objects/{module}.py or _objects/{module}/table.py")


def rendered(options: dict[str, Option], indent: str) -> str:
    text = yaml.dump(options, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=WIDTH - len(indent))
    return textwrap.indent(text, indent)


def written(source: str, module: str) -> str:
    """The module's source with its generated blocks up to date."""
    rows = importlib.import_module("ansible_collections.metal.kvm.plugins.module_utils._xml.rows")

    def block(match: re.Match[str]) -> str:
        indent = match["indent"]
        options = documentation(rows.specs(table(module, match["table"])))
        first = match[0].splitlines(keepends=True)[0]
        return f"{first}{rendered(options, indent)}{indent}# end of generated options\n"

    return BLOCK.sub(block, source)


def main() -> int:
    check = "--check" in sys.argv[1:]
    sys.path.insert(0, str(ROOT / ".build" / "collections"))
    stale = []
    for path in sorted((ROOT / "plugins" / "modules").glob("*.py")):
        source = path.read_text(encoding="utf-8")
        wanted = written(source, path.stem)
        if wanted != source:
            stale.append(path.relative_to(ROOT))
            if not check:
                path.write_text(wanted, encoding="utf-8")
    for path in stale:
        print(f"docs: {path} {'is stale: run nox -s docs' if check else 'written'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
