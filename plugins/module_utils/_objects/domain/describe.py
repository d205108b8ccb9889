# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain as data: the same shape in a task's result, in domain_info and in check mode."""

from __future__ import annotations

import ipaddress
import typing as t

from ..._libvirt import code_is, flags
from ..._xml import document
from ..._xml.rows import Values, read
from ..._xml.table import public
from .documents import persistent_document, running_document
from .live import waiting_for_restart
from .observed import OFF, observed
from .table import DOMAIN

if t.TYPE_CHECKING:
    from ..._libvirt import World

Element = document.Element

# where an address is asked for, in order: the network's own lease, the guest itself, what the host's kernel heard
ADDRESS_SOURCES = {"lease": 0, "agent": 1, "arp": 2}


def described(root: Element, **facts: t.Any) -> Values:
    """The options as the document says, without secrets, and the facts beside them. Sizes are bytes."""
    return {**facts, "uuid": root.findtext("uuid"), **public(DOMAIN, read(DOMAIN, root))}


def describe(world: World, params: Values) -> t.Optional[Values]:
    """The domain that the task is about, as it is now; None where there is none."""
    domain = world.find("domain", params["name"])
    return None if domain is None else {**describe_domain(domain, secrets=True), **world.notes}


def describe_domain(domain: t.Any, secrets: bool = False) -> Values:
    """One domain as it is now. ``secrets``: a password that waits for a restart is seen too, which needs the right to write."""
    state, persistent = observed(domain), bool(domain.isPersistent())
    definition, waiting = persistent_document(domain, secrets=False), []
    if state not in OFF and persistent:
        stored = persistent_document(domain) if secrets else definition
        waiting = waiting_for_restart(running_document(domain, secrets), stored)
    return described(
        definition,
        name=domain.name(),
        state=state,
        autostart=bool(domain.autostart()) if persistent else False,
        persistent=persistent,
        restart_required=waiting,
    )


def addresses(domain: t.Any, sources: t.Iterable[str], timeout: int = 5) -> list[Values]:
    """The guest's addresses but loopback and link-local: ``{address, prefix, mac, interface, source}``, each once.

    An agent that is asked gets ``timeout`` seconds.
    """
    found: dict[str, Values] = {}
    for source in sources:
        for device, interface in (_asked(domain, source, timeout) or {}).items():
            for address in interface.get("addrs") or ():
                text = address["addr"]
                if not _is_useful(text):
                    continue
                entry = {
                    "address": text,
                    "prefix": address["prefix"],
                    "mac": interface.get("hwaddr"),
                    "interface": device,
                    "source": source,
                }
                found.setdefault(text, entry)
    return list(found.values())


def _is_useful(text: str) -> bool:
    """Whether it's an address by which others reach the guest. An agent may say anything."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return not (address.is_loopback or address.is_link_local)


def _asked(domain: t.Any, source: str, timeout: int) -> t.Optional[dict[str, t.Any]]:
    """What one source says; None where it can't be asked now (no agent, no lease file, no rights)."""
    number = ADDRESS_SOURCES[source]
    try:
        if source != "agent":
            return t.cast("dict[str, t.Any]", domain.interfaceAddresses(number, 0))
        from .agent import bounded

        with bounded(domain, timeout):
            return t.cast("dict[str, t.Any]", domain.interfaceAddresses(number, 0))
    except Exception as error:
        if code_is(
            error,
            "VIR_ERR_AGENT_UNRESPONSIVE",
            "VIR_ERR_ARGUMENT_UNSUPPORTED",
            "VIR_ERR_OPERATION_DENIED",
            "VIR_ERR_OPERATION_INVALID",
            "VIR_ERR_OPERATION_UNSUPPORTED",
            "VIR_ERR_NO_SUPPORT",
            "VIR_ERR_INTERNAL_ERROR",
            "VIR_ERR_AGENT_COMMAND_TIMEOUT",
            "VIR_ERR_AGENT_COMMAND_FAILED",
            "VIR_ERR_AGENT_UNSYNCED",
        ):
            return None
        raise


def agent_answers(domain: t.Any) -> bool:
    """Whether the guest says that its agent's port is open; asks nothing of the agent."""
    root = document.document(domain.XMLDesc(flags()))
    return any(
        target.get("state") == "connected" and (target.get("name") or "").startswith("org.qemu.guest_agent")
        for target in root.iterfind("devices/channel/target")
    )
