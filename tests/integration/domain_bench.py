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
from ansible_collections.metal.kvm.plugins.module_utils._xml.rows import parse

Options = dict[str, t.Any]


class Bench(bench.Bench):
    """Tasks on one domain; ``{place}`` in their options is the directory of its images."""

    def __init__(self, name: str, place: pathlib.Path) -> None:
        super().__init__("domain", name=name)
        self.name = name
        self.place = place
        self.world.kept["driver"] = None  # libvirt's own judgement is what these tests ask for

    def params(self, args: Options) -> Options:
        return super().params(placed(args, str(self.place)))

    def refused(self, **options: t.Any) -> str:
        """What is said of options that can't be, before anything is done; empty where a plan is made of them."""
        return self.refusals(placed(options, str(self.place)), self.plan)[0]

    def differences(self, live: bool = False, **options: t.Any) -> list[str]:
        """Where the definition, or the running instance, doesn't say what these options ask for."""
        read = running_document if live else persistent_document
        wanted = parse(DOMAIN, self.params(options))
        return list(bench.differences(DOMAIN, wanted, read(self.world.get("domain", self.name))))


def placed(value: t.Any, place: str, mark: str = "{place}") -> t.Any:
    """The options with the directory's path in place of ``{place}``, or another text in place of another mark."""
    if isinstance(value, dict):
        return {key: placed(inner, place, mark) for key, inner in value.items()}
    if isinstance(value, list):
        return [placed(inner, place, mark) for inner in value]
    return value.replace(mark, place) if isinstance(value, str) else value
