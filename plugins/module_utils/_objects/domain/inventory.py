# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What domain_info reads: one, some or all domains, and of each what was asked for."""

from __future__ import annotations

import functools
import typing as t

from ..._libvirt import missing_object, tried
from ..._plan import refuse
from ..._xml.rows import Values
from ..info import read_one
from .describe import ADDRESS_SOURCES, addresses, agent_answers, describe_domain
from .observed import OFF

if t.TYPE_CHECKING:
    from ..._libvirt import World

Spec = dict[str, t.Any]

# what is read beside options, state and addresses where it's asked for: whether that needs the right to write
PARTS = {"storage": False, "statistics": False, "guest": True, "machine_state": True}

ARGUMENTS: Spec = {
    "name": {"type": "str"},
    "names": {"type": "list", "elements": "str"},
    "include": {"type": "list", "elements": "str", "choices": list(PARTS), "default": []},
    "addresses": {"type": "list", "elements": "str", "choices": list(ADDRESS_SOURCES), "default": ["lease"]},
    "agent_timeout": {"type": "int", "default": 5},
    "screenshot": {"type": "path"},
    "as": {"type": "str", "choices": ["info", "options"], "default": "info"},
    "identity": {"type": "str", "choices": ["keep", "new"], "default": "keep"},
}
RULES: dict[str, t.Any] = {"mutually_exclusive": [("name", "names")]}


def read_domains(world: World, params: Values) -> Values:
    """``domains``: a list, one for each domain, by name; ``warnings`` says what couldn't be read for want of rights."""
    warnings = _refused(world, params)
    if params["as"] == "options" and world.writable() is None:
        refuse("as", "reading options needs the right to write", "Run this task as root (become: true).")
    asked = [params["name"]] if params["name"] else params["names"]
    listed = world.connection.listAllDomains() if asked is None else [world.find("domain", name) for name in asked]
    domains = _by_name(listed)
    if params["as"] == "options":
        return _options(world, params, domains)
    reader = _Reader(world, params, list(domains.values()), warnings)
    found = _read(reader.entry, domains, asked is not None, warnings)
    if params["screenshot"]:
        warnings += _screenshot(world, params)
    return {"domains": found, "warnings": warnings}


def _read(
    read: t.Callable[[t.Any], Values], domains: dict[str, t.Any], asked: bool, warnings: list[str]
) -> list[Values]:
    """What ``read`` says of each domain; one that is gone meanwhile is left out. ``asked``: whether the task names them."""
    read_all = (
        read_one(functools.partial(read, domain), f"domain {name}", asked, warnings) for name, domain in domains.items()
    )
    return [one for one in read_all if one is not None]


def _by_name(listed: t.Iterable[t.Any]) -> dict[str, t.Any]:
    """Domains by their names, sorted; one that is gone meanwhile is left out."""
    named = ((tried(one.name)[0], one) for one in listed if one is not None)
    return dict(sorted({name: one for name, one in named if name is not None}.items()))


def _refused(world: World, params: Values) -> list[str]:
    """Opens for writing where something that was asked for needs it; a warning where that right is missing."""
    needs = [f"include: {part}" for part in params["include"] if PARTS[part]]
    needs += ["addresses: agent"] if "agent" in params["addresses"] else []
    if not needs or world.writable() is not None:
        return []
    return [f"{', '.join(needs)}: reading this needs the right to write, which this user hasn't got"]


class _Reader:
    """One reading: what was asked for, and what is measured of all domains at once."""

    def __init__(self, world: World, params: Values, domains: list[t.Any], warnings: list[str]) -> None:
        self.world = world
        self.params = params
        self.warnings = warnings
        self.allowed = not warnings
        self.measures: dict[str, Values] = {}
        parts = set(params["include"])
        if parts & {"storage", "statistics"}:
            from .statistics import measured

            self.measures = measured(world, domains, "statistics" in parts)

    def entry(self, domain: t.Any) -> Values:
        """One domain as the result has it."""
        entry = describe_domain(domain)
        active = entry["state"] not in OFF
        entry["addresses"] = addresses(domain, self.params["addresses"], self._timeout()) if active else []
        for part in self.params["include"]:
            if PARTS[part]:
                entry[part] = getattr(self, f"_{part}")(domain) if active and self.allowed else None
            else:
                entry[part] = getattr(self, f"_{part}")(domain, active)
        return entry

    def _timeout(self) -> int:
        return max(1, int(self.params["agent_timeout"]))

    def _flat(self, domain: t.Any) -> Values:
        return self.measures.get(domain.UUIDString(), {})

    def _statistics(self, domain: t.Any, active: bool) -> Values:
        from .statistics import statistics

        return statistics(self._flat(domain))

    def _storage(self, domain: t.Any, active: bool) -> list[Values]:
        from .documents import persistent_document, running_document
        from .statistics import storage

        root = (running_document if active else persistent_document)(domain, secrets=False)
        return storage(self.world, root, self._flat(domain), active)

    def _guest(self, domain: t.Any) -> t.Optional[Values]:
        from .agent import guest_facts

        if not agent_answers(domain):
            return None
        facts = guest_facts(domain, self._timeout())
        if facts is None:
            self.warnings.append(
                f"include: guest: the agent of domain {domain.name()} has its port open,"
                f" and hasn't answered within {self._timeout()} seconds"
            )
        return facts

    def _machine_state(self, domain: t.Any) -> Values:
        from .monitor import machine_state

        return machine_state(domain, self._timeout() if agent_answers(domain) else 0)


def _options(world: World, params: Values, domains: dict[str, t.Any]) -> Values:
    """``options``: for one domain a dict, for all of them a list, as the module domain takes it."""
    from .adopt import options_of

    def made(domain: t.Any) -> t.Any:
        return options_of(world, domain, params["identity"])

    if params["name"]:
        return t.cast(Values, made(world.get("domain", params["name"])))
    warnings: list[str] = []
    found = _read(made, domains, params["names"] is not None, warnings)
    keys = {key: [one[key] for one in found] for key in ("options", "not_exported", "secrets_needed")}
    return {**keys, **({"warnings": warnings} if warnings else {})}


def _screenshot(world: World, params: Values) -> list[str]:
    from .ready import save_screenshot

    if not params["name"]:
        refuse("screenshot", "it's of one domain", "Say which, with name.")
    if not world.local:
        why = "the file would be written on this machine, not on the hypervisor"
        refuse("screenshot", why, "Run this task on the hypervisor.")
    if world.writable() is None:
        return ["screenshot: taking one needs the right to write, which this user hasn't got"]
    domain = world.find("domain", params["name"])
    if domain is None:
        raise missing_object("domain", params["name"], "name")
    if not save_screenshot(world, domain, params["screenshot"]):
        return [f"screenshot: domain {params['name']} has no screen, or is off"]
    return []
