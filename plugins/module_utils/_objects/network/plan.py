# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's networks: their life, their changes while they run, what results say of them."""

from __future__ import annotations

import typing as t

from ..._libvirt import found_or_none
from ..._plan import KvmError, Plan, Step
from ..._xml import document, rows, table
from ..noun import LIFE_SPEC, Noun, Params
from .addresses import spell
from .contradictions import CONTRADICTIONS
from .fields import BRIDGED
from .table import NETWORK

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..._plan import Operations
    from ..._xml.rows import Element, Values
    from ..draft import Draft


class Network(Noun):
    """A virtual network."""

    name = "network"
    rows = NETWORK
    define_call = "networkDefineXML"
    list_call = "listAllNetworks"
    stored = ("labels", "title", "description")
    contradictions = CONTRADICTIONS

    def identity(self, root: Element) -> tuple[str, ...]:
        """A network with a bridge of its own has that bridge's name and MAC address."""
        bridged = rows.read(NETWORK, root)["forward"] in BRIDGED
        return ("uuid", "mac@address", "bridge@name") if bridged else ("uuid",)

    def spell(self, root: Element) -> None:
        """Write addresses in one way."""
        spell(root)

    def measure(self, there: t.Any, active: bool) -> Values:
        """Leases and connections."""
        if not active:
            return {"leases": [], "connections": []}
        running = document.document(there.XMLDesc(0))
        gives_addresses = running.find("ip/dhcp") is not None
        return {
            "leases": [_lease(lease) for lease in there.DHCPLeases()] if gives_addresses else [],
            "connections": connections(there),
        }

    def plan(self, world: World, params: Params) -> Plan:
        """What brings a network to what the options say."""
        plan = super().plan(world, params)
        if "%d" in (plan.predicted or {}).get("bridge", ""):
            t.cast("Values", plan.predicted).pop("bridge")  # libvirt chooses the number
        return plan

    def check(self, draft: Draft) -> None:
        """Refuse what doesn't fit together; the name of another bridge is never taken along into a mode without one."""
        changed = {change.path for change in draft.changes}
        if "forward_interfaces" in changed:
            _follow_interfaces(draft.after)
        if draft.unchanged:
            return
        from .limits import check_bridge, check_functions, check_limits
        from .subnets import check_addresses, check_overlaps, subnets

        values = rows.read(NETWORK, draft.after)
        check_addresses(values)
        check_limits(values, draft.world.version)
        check_functions(draft.world, values)
        if draft.before is None or changed & {"bridge", "xml"}:
            check_bridge(draft.world, draft.name, values)
        if draft.before is None or subnets(draft.before) != subnets(draft.after):
            check_overlaps(draft.world, draft.plan, draft.name, draft.after, draft.active or draft.state == "active")

    def live(self, draft: Draft) -> Element:
        """What libvirt changes in a network that is active."""
        from .live import live

        return live(draft)

    def before_start(self, draft: Draft) -> None:
        """A network whose definition stays was checked when it was made: others may have come since."""
        if draft.unchanged:
            from .subnets import check_overlaps

            check_overlaps(draft.world, draft.plan, draft.name, draft.after, True)

    def after_start(self, draft: Draft, stop: t.Optional[Step]) -> None:
        """Running guests are plugged back in."""
        from .replug import plan_replug

        plan_replug(draft, stop)

    def before_stop(self, draft: Draft) -> None:
        """No running guest is cut off, unless told."""
        plugged = connections(draft.there)
        if plugged and not draft.params["force"]:
            guests = ", ".join(sorted({item["domain"] for item in plugged}))
            raise KvmError(
                f"state: network {draft.name} has running guests plugged in ({guests}), which would be cut off",
                "Stop them or unplug them first, or say force: true.",
                option="state",
            )

    def before_restart(self, draft: Draft) -> None:
        """A restart cuts no guest off: after_start plugs each back in, and refuses the restart where it can't."""

    def lost(self, there: t.Any) -> list[str]:
        """The documents of its ports."""
        return ports(there)

    def give_back(self, world: World, there: t.Any, lost: t.Any) -> None:
        """Plug running guests in again."""
        self.replug(world, there, lost)

    def own_operations(self) -> Operations:
        """Live changes, and plugging guests in."""
        return {"update": self.update, "replug": self.replug}

    def update(self, world: World, there: t.Any, **arguments: t.Any) -> None:
        """Change one section of the active network."""
        from .live import network_update

        network_update(world, there, **arguments)

    def replug(self, world: World, there: t.Any, ports: t.Optional[list[str]]) -> None:
        """Plug running guests into the network."""
        from .replug import replug

        replug(world, there, ports)


def _follow_interfaces(network: Element) -> None:
    """libvirt names the first of a pool of devices as the way out."""
    forward = network.find("forward")
    if forward is not None:
        first = forward.find("interface")
        forward.attrib.pop("dev", None)
        forward.attrib.update({} if first is None else {"dev": first.get("dev")})


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


def _lease(lease: Values) -> Values:
    names = {"ipaddr": "ip", "mac": "mac", "hostname": "name", "clientid": "client_id", "expirytime": "expires"}
    return {ours: lease[theirs] for theirs, ours in names.items() if lease.get(theirs)}


NOUN = Network()

ARGUMENT_SPEC: Values = {**LIFE_SPEC, "force": {"type": "bool", "default": False}, **table.argument_spec(NETWORK)}
