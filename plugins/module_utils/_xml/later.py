# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made when somebody first looks at it: rows of rare devices, argument specs of nested options.

A table may know far more than a task speaks of. Rows in a file of their own are read when an option of them is given
or an element of them is there; a nested spec is made when Ansible finds its option among the parameters.
"""

from __future__ import annotations

import typing as t


class Later:
    """Rows that ``make()`` returns, called once, when somebody first goes through them."""

    __slots__ = ("_made", "_make")

    def __init__(self, make: t.Callable[[], t.Sequence[t.Any]]) -> None:
        self._make = make
        self._made: t.Optional[t.Sequence[t.Any]] = None

    def __iter__(self) -> t.Iterator[t.Any]:
        if self._made is None:
            self._made = self._make()
        return iter(self._made)


class Specs(dict):
    """A dict of argument specs that ``make()`` returns, called once, when somebody first looks into it.

    A true dict, for Ansible asks for one; ansible-doc and the sanity tests look into all of them.
    """

    __slots__ = ("_make",)

    def __init__(self, make: t.Optional[t.Callable[[], dict[str, t.Any]]] = None) -> None:
        super().__init__()
        self._make = make  # None: an empty one, as who copies a dict by its class wants it

    def filled(self) -> Specs:
        """Itself, made."""
        if self._make is not None:
            make, self._make = self._make, None
            self.update(make())
        return self


def _looking(name: str) -> t.Callable[..., t.Any]:
    method = getattr(dict, name)

    def look(specs: Specs, *arguments: t.Any) -> t.Any:
        return method(specs.filled(), *arguments)

    return look


for _name in (
    "__contains__",
    "__eq__",
    "__getitem__",
    "__iter__",
    "__len__",
    "__repr__",
    "get",
    "items",
    "keys",
    "values",
):
    setattr(Specs, _name, _looking(_name))
