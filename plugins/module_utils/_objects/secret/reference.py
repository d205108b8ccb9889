# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that other objects name, by UUID or by usage: whether libvirt has them."""

from __future__ import annotations

import typing as t

from ..._plan import KvmError, Plan
from .plan import find

if t.TYPE_CHECKING:
    from ..._libvirt import World

UUIDS = ("secret_uuid", "encryption_secret")  # options that name a secret by its UUID


def need_secrets(world: World, plan: Plan, usage: str, values: t.Mapping[str, t.Any], where: str) -> None:
    """Note the secrets that ``values``, the options at ``where``, name and libvirt hasn't got; ``usage`` is what for."""
    for option in (*UUIDS, "secret_usage"):
        name = values.get(option)
        if name and find(world, name if option in UUIDS else f"{usage} {name}") is None:
            plan.assume(
                KvmError(
                    f"{where}.{option}: there is no secret for {usage} with '{name}'",
                    "Declare it first (metal.kvm.secret), or correct it.",
                    option=f"{where}.{option}",
                )
            )
