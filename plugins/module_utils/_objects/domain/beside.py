# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task plans beside a domain's definition, of a new domain and of one that is there: the seed and the wait."""

from __future__ import annotations

import typing as t

from ..._plan import KvmError, Plan

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..._xml import document
    from ..._xml.rows import Edit, Values

    Element = document.Element

_AWAITED = {"agent": "its agent", "ip": "its address", "cloud_init": "the end of cloud-init"}


def add_seed(world: World, plan: Plan, params: Values, root: Element, edit: Edit) -> None:
    """The seed of cloud-init, where the task says something of it."""
    if params["cloud_init"] is not None:
        from .seed import plan_seed

        plan_seed(world, plan, params, root, edit)


def surroundings(world: World, plan: Plan, root: Element, wanted: Values) -> t.Any:
    """What rows may ask of the world while they edit; looked up only when one does."""
    from .surroundings import Surroundings

    return Surroundings(world, plan, root, wanted)


def wait(plan: Plan, params: Values, state: str) -> None:
    wait = params["wait_for"]
    if not wait or not (wait["agent"] or wait["ip"] or wait["cloud_init"]):
        return
    if state != "running" and "state" in (params["creation_only"] or ()):
        return
    if state != "running":
        raise KvmError(
            f"wait_for: domain {params['name']} is {state}, so its guest can't answer",
            "Say state: running too, or leave wait_for out.",
            option="wait_for",
        )
    what = " and ".join(text for key, text in _AWAITED.items() if wait[key])
    plan.add(
        "domain.wait",
        f"wait for domain {params['name']}: {what}",
        changes=False,
        name=params["name"],
        agent=wait["agent"],
        ip=wait["ip"],
        cloud_init=wait["cloud_init"],
        timeout=wait["timeout"],
    )
