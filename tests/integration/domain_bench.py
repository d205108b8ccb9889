# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bench for options of domains: tasks planned and run in this process, over one connection; documents read by the table."""

from __future__ import annotations

import pathlib
import typing as t

import bench
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.documents import (
    persistent_document,
    running_document,
)
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.table import DOMAIN
from ansible_collections.metal.kvm.plugins.module_utils._xml.items import Items
from ansible_collections.metal.kvm.plugins.module_utils._xml.rows import Group, Union, parse

Options = dict[str, t.Any]


class Bench(bench.Bench):
    """Tasks on one domain; ``{place}`` in their options is the directory of its images."""

    def __init__(self, name: str, place: pathlib.Path) -> None:
        super().__init__("domain", name=name)
        self.name = name
        self.place = place
        self.world.kept["driver"] = None  # libvirt's own judgement is what these tests ask for

    def params(self, args: Options) -> Options:
        return super().params(_placed(args, str(self.place)))

    def task(self, check: bool = False, **options: t.Any) -> tuple[bool, list[str], Options]:
        """Whether it changed something, what waits for a restart, the diff's two sides."""
        plan = self.plan(options) if check else self.run(options)
        waiting = plan.restart_required
        if plan.steps and not check:
            waiting = (self.describe(options) or {}).get("restart_required", [])
        return plan.changed, waiting, {"before": plan.before, "after": plan.after, "actions": plan.actions}

    def refused(self, **options: t.Any) -> str:
        """What is said of options that can't be, before anything is done; empty where a plan is made of them."""
        return self.refusals(_placed(options, str(self.place)), self.plan)[0]

    def differences(self, live: bool = False, **options: t.Any) -> list[str]:
        """Where the definition, or the running instance, doesn't say what these options ask for."""
        read = running_document if live else persistent_document
        wanted = parse(DOMAIN, self.params(options))
        return list(differences(DOMAIN, wanted, read(self.world.get("domain", self.name))))


def _placed(value: t.Any, place: str) -> t.Any:
    if isinstance(value, dict):
        return {key: _placed(inner, place) for key, inner in value.items()}
    if isinstance(value, list):
        return [_placed(inner, place) for inner in value]
    return value.replace("{place}", place) if isinstance(value, str) else value


def differences(table: t.Iterable[t.Any], wanted: Options, there: t.Any, path: str = "") -> t.Iterator[str]:
    """Where a definition doesn't say what was asked for; each row compares in its own way."""
    for row in table:
        if isinstance(row, (Group, Items)) and row.name in wanted:
            yield from _below(row, wanted[row.name], there, f"{path}{row.name}")
        elif isinstance(row, Union):
            kind = row.kind_of(wanted)
            yield from differences(row.branches.get(kind, ()), wanted, there, path)
        elif getattr(row, "name", None) in wanted:
            before, after = row.value(there), wanted[row.name]
            same = row.equal(before, after) if hasattr(row, "equal") else before == after
            if not same and not (row.path == "address" and set(after) <= set(before)):
                yield f"{path}{row.name}: {after!r} became {before!r}"


def _below(row: t.Any, wanted: t.Any, there: t.Any, path: str) -> t.Iterator[str]:
    if isinstance(row, Items):
        pairs, dummy = row.match(wanted, there)
        for index, (item, node) in enumerate(pairs):
            if node is None:
                yield f"{path}[{index}]: isn't there"
            else:
                yield from differences(row.rows, item or {}, node, f"{path}[{index}].")
    else:
        node = row._find(there)
        if node is None:
            node = there.makeelement("nothing")
        yield from differences(row.rows, wanted, node, f"{path}.")
