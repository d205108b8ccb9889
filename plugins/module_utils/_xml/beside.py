# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An option that stands in no document: what a task says beside it, such as how large a disk's volume is to be."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from .row import Change, Edit, Element, Values


class Beside:
    """A row without a place. Whoever plans what it says reads it in the task's parameters; documents never have it."""

    __slots__ = ("argument", "doc", "name")

    def __init__(self, name: str, doc: t.Any, **argument: t.Any) -> None:
        self.name = name
        self.doc = doc
        self.argument = argument

    def spec(self) -> dict[str, Values]:
        return {self.name: {**self.argument, "doc": self.doc}}

    def parse(self, given: Values, where: str) -> Values:
        return {}

    def read(self, parent: Element) -> Values:
        return {}

    def edit(self, parent: Element, wanted: Values, path: str, edit: Edit) -> None:
        """Nothing: there is no place."""

    def compare(self, before: Element, after: Element, path: str, changes: list[Change]) -> None:
        """Nothing: documents don't differ in it."""

    def unset(self, parent: Element, keys: list[str], path: str, edit: Edit) -> bool:
        return False
