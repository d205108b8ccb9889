# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest says of itself through its agent, never waiting longer than told for one that is dead."""

from __future__ import annotations

import base64
import contextlib
import json
import typing as t

from ..._libvirt import agent_command, code_is
from ..._xml.rows import Values
from .nested import nested

BLOCK = -2  # VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK: libvirt's default, to wait for ever

# what libvirt answers where an agent isn't there, doesn't answer, or doesn't know the question
SILENT = (
    "VIR_ERR_AGENT_UNRESPONSIVE",
    "VIR_ERR_AGENT_UNSYNCED",
    "VIR_ERR_AGENT_COMMAND_TIMEOUT",
    "VIR_ERR_AGENT_COMMAND_FAILED",
    "VIR_ERR_ARGUMENT_UNSUPPORTED",
    "VIR_ERR_OPERATION_INVALID",
    "VIR_ERR_OPERATION_UNSUPPORTED",
    "VIR_ERR_NO_SUPPORT",
    "VIR_ERR_INTERNAL_ERROR",
)


@contextlib.contextmanager
def bounded(domain: t.Any, timeout: int) -> t.Iterator[None]:
    """Within it libvirt waits ``timeout`` seconds at most for each answer of the domain's agent; then as by default."""
    domain.agentSetResponseTimeout(timeout, 0)
    try:
        yield
    finally:
        domain.agentSetResponseTimeout(BLOCK, 0)


def guest_facts(domain: t.Any, timeout: int) -> t.Optional[Values]:
    """Hostname, os, users, filesystems, interfaces as the agent says; None where it doesn't answer."""
    try:
        with bounded(domain, timeout):
            flat = domain.guestInfo(0, 0)
    except Exception as error:
        if code_is(error, *SILENT):
            return None
        raise
    return nested(flat)


def allows(domain: t.Any, command: str, timeout: int) -> bool:
    """Whether the guest's agent carries out ``command``; true where it doesn't say."""
    told = _asked(domain, "guest-info", timeout) or {}
    known = {one["name"]: one["enabled"] for one in told.get("supported_commands", ())}
    return bool(known.get(command, not known))


def file_in_guest(domain: t.Any, path: str, timeout: int) -> t.Optional[str]:
    """The begin of a text file in the guest, read by its agent; None where that can't be. Taints the domain."""
    handle = _asked(domain, "guest-file-open", timeout, path=path)
    if handle is None:
        return None
    read = _asked(domain, "guest-file-read", timeout, handle=handle)
    _asked(domain, "guest-file-close", timeout, handle=handle)
    return None if read is None else base64.b64decode(read["buf-b64"]).decode("utf-8", "replace")


def _asked(domain: t.Any, command: str, timeout: int, **arguments: t.Any) -> t.Any:
    try:
        question = {"execute": command, **({"arguments": arguments} if arguments else {})}
        answer = agent_command(domain, json.dumps(question), timeout)
    except Exception as error:
        if code_is(error, *SILENT):
            return None
        raise
    return json.loads(answer).get("return")
