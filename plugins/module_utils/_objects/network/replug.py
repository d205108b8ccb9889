# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network's restart takes its bridge away: guests' devices are put into the new one, and libvirt told of it."""

from __future__ import annotations

import typing as t

from ... import _libvirt
from ..._command import run
from ..._plan import KvmError
from ..._xml import document

if t.TYPE_CHECKING:
    from ..kind import Draft


def plan_replug(draft: Draft) -> None:
    """Add the step that plugs guests back in after the restart."""
    from .plan import ports

    plugged = ports(draft.there) if draft.active else []
    if not plugged:
        return
    if not draft.world.local:
        raise KvmError(
            f"apply: restarting {draft.title} would unplug running guests, and over {draft.world.uri} they can't be"
            " plugged back in",
            "Run this task on the hypervisor, or say apply: live.",
            option="apply",
        )
    guests = sorted({document.document(port).findtext("owner/name") or "" for port in plugged})
    draft.add("replug", f"plug {', '.join(guests)} back into {draft.title}", ports=plugged)


def replug(world: t.Any, there: t.Any, ports: list[str]) -> None:
    """Make each guest's port anew under its UUID, and put its device into the bridge."""
    for xml in ports:
        port = document.document(xml)
        plug = port.find("plug")
        there.portCreateXML(xml, _libvirt.constant("VIR_NETWORK_PORT_CREATE_RECLAIM"))
        device = _device(world, port)
        if device and plug is not None and plug.get("type") == "network":
            _join(device, there.bridgeName())


def _device(world: t.Any, port: document.Element) -> str:
    """The host's device of a port: that of its owner's interface that names the port."""
    look_up = world.connection.lookupByUUIDString
    owner = _libvirt.found_or_none(lambda: look_up(port.findtext("owner/uuid")), "VIR_ERR_NO_DOMAIN")
    if owner is None or not owner.isActive():
        return ""
    for interface in document.document(owner.XMLDesc(0)).iterfind("devices/interface"):
        source, target = interface.find("source"), interface.find("target")
        if source is not None and source.get("portid") == port.findtext("uuid") and target is not None:
            return str(target.get("dev") or "")
    return ""


def _join(device: str, bridge: str) -> None:
    done = run(["ip", "link", "set", "dev", device, "master", bridge])
    if done.status:
        raise KvmError(
            f"apply: {device} can't be put back into {bridge}: {done.complaint}",
            f"Do it by hand: ip link set dev {device} master {bridge}.",
            option="apply",
        )
