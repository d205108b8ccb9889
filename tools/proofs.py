# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every row of the domain's table, and where it was proven: what the tests, their gate and docs/options.md read.

A case is a dict of tests/integration/rows_of_domain.yml or live_of_domain.yml: ``case`` its name, ``options`` those that
it proves, ``base`` those beside them. With ``start`` QEMU starts a guest of it; with ``needs`` it can't be run on the
machine of the tests, and the value says what would be needed.
"""

from __future__ import annotations

import pathlib
import typing as t

import yaml
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.table import DOMAIN
from ansible_collections.metal.kvm.plugins.module_utils._xml.items import Items
from ansible_collections.metal.kvm.plugins.module_utils._xml.rows import Group, Union

ROOT = pathlib.Path(__file__).resolve().parent.parent
Case = dict[str, t.Any]


def cases(name: str) -> list[Case]:
    """The cases of one file."""
    text = (ROOT / "tests" / "integration" / f"{name}_of_domain.yml").read_text(encoding="utf-8")
    return t.cast("list[Case]", yaml.safe_load(text))


def every(table: t.Iterable[t.Any] = DOMAIN, path: str = "") -> t.Iterator[tuple[str, t.Any]]:
    """All rows by path: ``disks[].cache``."""
    for row in table:
        if isinstance(row, Union):
            for branch in row.branches.values():
                yield from every(branch, path)
        else:
            yield f"{path}{row.name}", row
            if isinstance(row, (Group, Items)):
                yield from every(row.rows, f"{path}{row.name}{'[]' if isinstance(row, Items) else ''}.")


def spoken(options: t.Any, table: t.Iterable[t.Any] = DOMAIN, path: str = "") -> t.Iterator[tuple[str, t.Any]]:
    """The rows that options speak of."""
    for item in options if isinstance(options, list) else [options]:
        for row in table:
            if isinstance(row, Union):
                for branch in row.branches.values():
                    yield from spoken(item, branch, path)
            elif isinstance(item, dict) and row.name in item:
                yield f"{path}{row.name}", row
                if isinstance(row, (Group, Items)):
                    below = f"{path}{row.name}{'[]' if isinstance(row, Items) else ''}."
                    yield from spoken(item[row.name], row.rows, below)
