# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that finds what a misspelt name probably means."""

from __future__ import annotations

import difflib
import typing as t

DOCUMENTATION = r"""
name: nearest
short_description: Find the name that a misspelt one is nearest to
version_added: 0.1.0
author:
  - metal.kvm contributors
description:
  - Returns the known name that is most like the given one, or an empty string where none is like it.
positional: known
options:
  _input:
    description: The name as it was written.
    type: str
    required: true
  known:
    description: The names that exist.
    type: list
    elements: str
    required: true
  least:
    description: How much alike they must be, from V(0) to V(1).
    type: float
    default: 0.75
"""

EXAMPLES = r"""
- name: Say what is meant
  ansible.builtin.debug:
    msg: "{{ 'kvm_guest' | metal.kvm.nearest(['kvm_guests', 'kvm_pools']) }}" # kvm_guests
"""

RETURN = r"""
_value:
  description: The nearest name, or an empty string.
  type: str
"""


def nearest(name: str, known: t.Iterable[str], least: float = 0.75) -> str:
    """The name in ``known`` that is most like ``name``; ``""`` where none is."""
    found = difflib.get_close_matches(str(name), [str(one) for one in known], 1, least)
    return found[0] if found else ""


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, t.Callable[..., str]]:
        return {"nearest": nearest}
