# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All domains of a connection, as an inventory lists them: in few words, with what guests are grouped and reached by."""

from __future__ import annotations

import functools
import math
import time
import typing as t

from ..._xml.rows import read
from ..info import read_one
from .describe import addresses
from .documents import persistent_document, running_document
from .observed import OFF, observed
from .table import DOMAIN

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..._xml.rows import Values

PLAIN = ("title", "description", "labels", "memory", "vcpus", "arch", "osinfo")


def guests(
    world: World, sources: t.Sequence[str], timeout: int, missed: list[str], deadline: float = math.inf
) -> list[Values]:
    """What an inventory says of each domain, sorted by name; of those that can't be read a sentence goes to ``missed``.

    ``sources`` are asked for the addresses of guests that run, in that order; the agent gets ``timeout`` seconds, and after
    the ``deadline``, a time of ``time.monotonic``, no agent is asked any more. Sizes are bytes.
    """
    found = []
    for domain in world.connection.listAllDomains():
        if "agent" in sources and time.monotonic() > deadline:
            sources = [source for source in sources if source != "agent"]
            missed.append("addresses: agent: agents took so long that those of the other guests weren't asked")
        name = read_one(domain.name, "a domain", False, missed)
        look = functools.partial(_guest, domain, sources, timeout)
        one = None if name is None else read_one(look, f"domain {name}", False, missed)
        found += [] if one is None else [one]
    return sorted(found, key=lambda one: str(one["name"]))


def _guest(domain: t.Any, sources: t.Sequence[str], timeout: int) -> Values:
    state, persistent = observed(domain), bool(domain.isPersistent())
    active = state not in OFF
    values = read(DOMAIN, (running_document if active else persistent_document)(domain, secrets=False))
    return {
        "name": domain.name(),
        "uuid": domain.UUIDString(),
        "state": state,
        "persistent": persistent,
        "autostart": persistent and bool(domain.autostart()),
        **{name: values[name] for name in PLAIN if name in values},
        "labels": values.get("labels") or {},
        "networks": _named(values, "interfaces", "network"),
        "bridges": _named(values, "interfaces", "bridge"),
        "pools": _named(values, "disks", "pool"),
        "addresses": addresses(domain, sources, timeout) if active else [],
    }


def _named(values: Values, devices: str, option: str) -> list[str]:
    """What a list of devices names in one of their options, each once."""
    return sorted({str(item[option]) for item in values.get(devices, ()) if item.get(option)})
