# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What domain_info reads: one, some or all domains, and of each what was asked for."""

from __future__ import annotations

import typing as t

from ..._libvirt import missing_object
from ..._plan import KvmError
from ..._xml.rows import Values
from .describe import ADDRESS_SOURCES, addresses, describe_domain
from .state import OFF

Spec = dict[str, t.Any]

ARGUMENTS: Spec = {
    "name": {"type": "str"},
    "addresses": {"type": "list", "elements": "str", "choices": list(ADDRESS_SOURCES), "default": ["lease"]},
    "screenshot": {"type": "path"},
    "as": {"type": "str", "choices": ["info", "options"], "default": "info"},
    "identity": {"type": "str", "choices": ["keep", "new"], "default": "keep"},
}


def read_domains(world: t.Any, params: Values) -> Values:
    """``domains``: a list, one for each domain, by name; ``warnings`` says what couldn't be read for want of rights."""
    domains = [_named(world, params["name"])] if params["name"] else world.connection.listAllDomains()
    if params["as"] == "options":
        return _options(world, params, [domain for domain in domains if domain is not None])
    found, warnings = [], []
    for domain in sorted((domain for domain in domains if domain is not None), key=lambda domain: domain.name()):
        entry = describe_domain(domain)
        entry["addresses"] = [] if entry["state"] in OFF else addresses(domain, params["addresses"])
        found.append(entry)
    if params["screenshot"]:
        warnings += _screenshot(world, params)
    return {"domains": found, "warnings": warnings}


def _options(world: t.Any, params: Values, domains: list[t.Any]) -> Values:
    """``options``: for one domain a dict, for all of them a list, as the module domain takes it."""
    from .adopt import options_of

    if world.writable() is None:
        raise KvmError(
            "as: reading options needs the right to write", "Run this task as root (become: true).", option="as"
        )
    if params["name"]:
        domains = [world.get("domain", params["name"])]
    found = [
        options_of(world, domain, params["identity"]) for domain in sorted(domains, key=lambda domain: domain.name())
    ]
    return (
        found[0]
        if params["name"]
        else {key: [one[key] for one in found] for key in ("options", "not_exported", "secrets_needed")}
    )


def _named(world: t.Any, name: str) -> t.Any:
    return world.find("domain", name)


def _screenshot(world: t.Any, params: Values) -> list[str]:
    from .ready import save_screenshot

    if not params["name"]:
        raise KvmError("screenshot: it's of one domain", "Say which, with name.", option="screenshot")
    if not world.local:
        raise KvmError(
            "screenshot: the file would be written on this machine, not on the hypervisor",
            "Run this task on the hypervisor.",
            option="screenshot",
        )
    if world.writable() is None:
        return ["screenshot: taking one needs the right to write, which this user hasn't got"]
    domain = world.find("domain", params["name"])
    if domain is None:
        raise missing_object("domain", params["name"], "name")
    if not save_screenshot(world, domain, params["screenshot"]):
        return [f"screenshot: domain {params['name']} has no screen, or is off"]
    return []
