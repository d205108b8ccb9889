# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network's stop takes its bridge away, and its start makes a new one: running guests are plugged back in, and libvirt told."""

from __future__ import annotations

import functools
import typing as t

from ... import _libvirt
from ..._command import run
from ..._plan import KvmError, Result, Step
from ..._xml import document

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..draft import Draft

Element = document.Element
Plugged = tuple[Element, Element]  # a running guest's document, and its interface in the network

COPIED = ("virtualport", "bandwidth", "vlan", "port")  # what a port's document has in an interface's words


def plan_replug(draft: Draft, stop: t.Optional[Step]) -> None:
    """Add the step that plugs running guests in after a start; ``stop`` is the step of a restart that unplugs them."""
    guests = sorted({owner.findtext("name") or "" for owner, dummy in _plugged(draft.world, draft.name)})
    if not guests:
        return
    if not draft.world.local:
        if stop is None:
            draft.plan.warnings.append(
                f"{', '.join(guests)} can't be plugged into {draft.title} over {draft.world.uri}: run this task on the hypervisor"
            )
            return
        raise KvmError(
            f"apply: restarting {draft.title} would unplug running guests, and over {draft.world.uri} they can't be"
            " plugged back in",
            "Run this task on the hypervisor, or say apply: live.",
            option="apply",
        )
    ports = None if stop is None else Result(stop)
    draft.add("replug", f"plug {', '.join(guests)} back into {draft.title}", ports=ports)


def replug(world: World, there: t.Any, ports: t.Optional[list[str]]) -> None:
    """Make the port of each running guest's interface under its UUID where it is missing, and put its device into the bridge.

    ``ports`` are the documents of the ports that the network had; others are made from the guests' interfaces.
    """
    known = _by_uuid(ports or ())
    made = {port.UUIDString() for port in there.listAllPorts()}
    failed: list[KvmError] = []
    for owner, interface in _plugged(world, there.name()):
        uuid = interface.find("source").get("portid")
        try:
            if uuid and uuid not in made:
                _make_port(there, known.get(uuid) or _port(owner, interface))
            if interface.get("type") == "network":
                _join(interface, there.bridgeName())
        except KvmError as error:
            failed.append(error)
    if failed:
        raise failed[0]


def _by_uuid(ports: t.Iterable[str]) -> dict[t.Optional[str], str]:
    return {document.document(xml).findtext("uuid"): xml for xml in ports}


def _plugged(world: World, network: str) -> list[Plugged]:
    """The interfaces of running guests that are meant to be in the network."""
    found = []
    for domain in world.connection.listAllDomains(_libvirt.constant("VIR_CONNECT_LIST_DOMAINS_ACTIVE")):
        text = _libvirt.found_or_none(functools.partial(domain.XMLDesc, 0), "VIR_ERR_NO_DOMAIN")
        root = None if text is None else document.document(text)
        for interface in [] if root is None else root.findall("devices/interface"):
            source = interface.find("source")
            if source is not None and source.get("network") == network:
                found.append((root, interface))
    return found


def _port(owner: Element, interface: Element) -> str:
    """The document of an interface's port, as libvirt would have made it at the guest's start."""
    source = interface.find("source")
    root = document.element("networkport")
    document.child(root, "uuid").text = source.get("portid")
    named = document.child(root, "owner")
    for tag in ("name", "uuid"):
        document.child(named, tag).text = owner.findtext(tag)
    if source.get("portgroup"):
        document.child(root, "group").text = source.get("portgroup")
    document.child(root, "mac", address=interface.find("mac").get("address"))
    for node in (interface.find(tag) for tag in COPIED):
        if node is not None:
            root.append(document.clone(node))
    kind = str(interface.get("type"))
    plug = {key: source.get(key) for key in ("bridge", "dev", "mode") if source.get(key)}
    document.child(root, "plug", type=kind, **plug)
    return document.text_of(root)


def _make_port(there: t.Any, xml: str) -> None:
    root = document.document(xml)
    plug = root.find("plug")
    if plug is not None and plug.get("type") == "network":
        plug.set("bridge", there.bridgeName())
    try:
        there.portCreateXML(document.text_of(root), _libvirt.constant("VIR_NETWORK_PORT_CREATE_RECLAIM"))
    except Exception as error:
        if not _libvirt.is_error(error):
            raise
        guest = root.findtext("owner/name")
        raise KvmError(
            f"network {there.name()}: the interface of domain {guest} can't be plugged in again: {_libvirt.explain(error).message}",
            f"Restart domain {guest}.",
        ) from error


def _join(interface: Element, bridge: str) -> None:
    target, port = interface.find("target"), interface.find("port")
    device = "" if target is None else target.get("dev") or ""
    if not device:
        return
    apart = ["type", "bridge_slave", "isolated", "on"] if port is not None and port.get("isolated") == "yes" else []
    for words in (["master", bridge], *([apart] if apart else [])):
        done = run(["ip", "link", "set", "dev", device, *words])
        if done.status:
            raise KvmError(
                f"network: {device} can't be put back into {bridge}: {done.complaint}",
                f"Do it by hand: ip link set dev {device} master {bridge}.",
            )
