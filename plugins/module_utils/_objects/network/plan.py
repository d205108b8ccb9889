# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's networks: their life, their changes while they run, what results say of them."""

from __future__ import annotations

import typing as t

from ..._libvirt import found_or_none
from ..._plan import KvmError, Plan, refuse
from ..._xml import document, rows, table
from .. import kind, life
from .addresses import spell
from .table import BRIDGED, NETWORK

if t.TYPE_CHECKING:
    from ..._xml.rows import Element, Values


def _check(draft: kind.Draft) -> None:
    """Refuse what doesn't fit together; the name of another bridge is never taken along into a mode without one."""
    if any(change.path == "forward_interfaces" for change in draft.changes):
        _follow_interfaces(draft.after)
    if draft.before is not None and not draft.changes:
        return
    way_out = [option for option in draft.wanted if option.startswith("forward_") and draft.wanted[option]]
    if draft.wanted.get("forward") == "isolated" and way_out and draft.params["xml"] is None:
        refuse(way_out[0], "forward is isolated, so there is no way out", "Leave one of them out.")
    from .limits import check_bridge, check_limits
    from .subnets import check_addresses, check_overlaps, subnets

    values = rows.read(NETWORK, draft.after)
    check_addresses(values)
    check_limits(values)
    if draft.before is None or any(change.path in ("bridge", "xml") for change in draft.changes):
        check_bridge(draft.world, draft.name, values)
    if draft.before is None or subnets(draft.before) != subnets(draft.after):
        check_overlaps(draft.world, draft.name, draft.after)


def _follow_interfaces(network: Element) -> None:
    """libvirt names the first of a pool of devices as the way out."""
    forward = network.find("forward")
    if forward is not None:
        first = forward.find("interface")
        forward.attrib.pop("dev", None)
        forward.attrib.update({} if first is None else {"dev": first.get("dev")})


def _identity(root: Element) -> tuple[str, ...]:
    bridged = rows.read(NETWORK, root)["forward"] in BRIDGED
    return ("uuid", "mac@address", "bridge@name") if bridged else ("uuid",)


def _before_stop(draft: kind.Draft) -> None:
    plugged = connections(draft.there)
    if plugged and not draft.params["force"]:
        guests = ", ".join(sorted({item["domain"] for item in plugged}))
        raise KvmError(
            f"state: network {draft.name} has running guests plugged in ({guests}), which would be cut off",
            "Stop them or unplug them first, or say force: true.",
            option="state",
        )


def _live(draft: kind.Draft) -> Element:
    from .live import live

    return live(draft)


def _network_update(world: t.Any, there: t.Any, **arguments: t.Any) -> None:
    from .live import network_update

    network_update(world, there, **arguments)


def _after_restart(draft: kind.Draft) -> None:
    from .replug import plan_replug

    plan_replug(draft)


def _replug(world: t.Any, there: t.Any, ports: list[str]) -> None:
    from .replug import replug

    replug(world, there, ports)


def ports(there: t.Any) -> list[str]:
    """The documents of an active network's ports; libvirt's own count of them is lost when the network is changed live."""
    found = found_or_none(there.listAllPorts, "VIR_ERR_NO_SUPPORT") or []
    documents = (found_or_none(port.XMLDesc, "VIR_ERR_NO_NETWORK_PORT") for port in found)
    return [xml for xml in documents if xml]


def connections(there: t.Any) -> list[Values]:
    """The running guests' interfaces in an active network: domain and MAC address."""
    found = []
    for xml in ports(there):
        root = document.document(xml)
        mac = root.find("mac")
        found.append(
            {"domain": root.findtext("owner/name") or "", "mac": "" if mac is None else str(mac.get("address")).lower()}
        )
    return found


def _measure(there: t.Any, active: bool) -> Values:
    if not active:
        return {"leases": [], "connections": []}
    running = document.document(there.XMLDesc(0))
    gives_addresses = running.find("ip/dhcp") is not None
    return {
        "leases": [_lease(lease) for lease in there.DHCPLeases()] if gives_addresses else [],
        "connections": connections(there),
    }


def _lease(lease: Values) -> Values:
    names = {"ipaddr": "ip", "mac": "mac", "hostname": "name", "clientid": "client_id", "expirytime": "expires"}
    return {ours: lease[theirs] for theirs, ours in names.items() if lease.get(theirs)}


KIND = kind.Kind(
    "network",
    NETWORK,
    "networkDefineXML",
    identity=_identity,
    spell=spell,
    stored=("labels", "title", "description"),
    check=_check,
    live=_live,
    before_stop=_before_stop,
    after_restart=_after_restart,
    measure=_measure,
    operations={"network_update": _network_update, "replug": _replug},
)

ARGUMENT_SPEC: Values = {**kind.LIFE_SPEC, "force": {"type": "bool", "default": False}, **table.argument_spec(NETWORK)}


def plan_network(world: t.Any, params: kind.Params) -> Plan:
    """What brings a network to what the options say."""
    plan = life.plan_object(world, KIND, params)
    if "%d" in (plan.predicted or {}).get("bridge", ""):
        t.cast("Values", plan.predicted).pop("bridge")  # libvirt chooses the number
    return plan


def operations() -> kind.Operations:
    """What the steps of a network's plan can do."""
    return kind.operations(KIND)


def describe(world: t.Any, params: kind.Params) -> t.Optional[Values]:
    """The network after the run."""
    return kind.describe(world, KIND, params)


def read_networks(world: t.Any, params: kind.Params) -> Values:
    """The result of network_info."""
    return kind.read_all(world, KIND, params, "networks", world.connection.listAllNetworks)
