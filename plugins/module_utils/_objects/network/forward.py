# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes with each forward mode: the devices that the traffic leaves by, limits, parameters of ports."""

from __future__ import annotations

import typing as t

from ..._plan import refuse
from ..virtualport import REQUIRED
from .fields import BRIDGED, ON_BRIDGES

if t.TYPE_CHECKING:
    from ..._xml.rows import Values

POOLS = ("forward_interfaces", "forward_addresses", "forward_pf")


def check_way_out(values: Values) -> None:
    """Refuse what libvirt takes in no network, or in none with this forward mode."""
    mode = values["forward"]
    if mode not in BRIDGED and values.get("stp") is not None:
        refuse("stp", f"with forward {mode} libvirt makes no bridge that could have it", "Leave it out.")
    for option in () if mode in ON_BRIDGES else ("bridge", "mac_table_manager"):
        if values.get(option):
            refuse(option, f"with forward {mode} the network has no bridge", "Leave it out.")
    _check_devices(values)
    _check_pairs(values)
    for where, one in sections(values):
        _check_bandwidth(values["forward"], one, where)
        _check_port(one, where)


def sections(values: Values) -> list[tuple[str, Values]]:
    """The network itself and its portgroups, each with what the paths of its options begin with."""
    return [("", values), *((f"portgroups[{one['name']}].", one) for one in values.get("portgroups", []))]


def _check_devices(values: Values) -> None:
    """Refuse devices that the traffic of this forward mode doesn't leave by."""
    mode, said, count = values["forward"], _device_option(values), len(values.get("forward_interfaces", ()))
    away = f"Leave {said} out; a network that has it already gives it up by forward_interfaces: []."
    if mode == "hostdev" and said:
        refuse(
            said, "with forward hostdev the devices are PCI addresses", f"Say forward_addresses or forward_pf. {away}"
        )
    pool = _only_pool(values, said)
    if mode in ("nat", "route") and count > 1:
        why = f"with forward {mode} the traffic leaves by one device, and there are {count}"
        refuse(said, why, "Name one.")
    if mode == "open" and said:
        refuse(said, "with forward open the traffic leaves by any device", away)
    if mode == "bridge" and values.get("bridge") and pool:
        remedy = "Leave bridge out for a macvtap bridge; else set forward_interfaces: []."
        refuse(pool, f"bridge: '{values['bridge']}' is there too, and a network has the one or the other", remedy)


def _device_option(values: Values) -> str:
    """The option that names the devices which the traffic leaves by, ``""`` if none does."""
    return next((name for name in ("forward_interfaces", "forward_dev") if values.get(name)), "")


def _only_pool(values: Values, device: str) -> str:
    """The option that says which devices the network has, ``""`` if none does. Refuses a second one beside it."""
    pools = [name for name in POOLS if values.get(name)]
    if device == "forward_dev" and len(pools) < 2:
        pools.insert(0, device)
    if len(pools) > 1:
        one, other = pools[:2]
        refuse(
            other, f"{one} is there too, and a network has one pool of devices", f"Keep one of them; unset: [{other}]."
        )
    return pools[0] if pools else ""


def _check_pairs(values: Values) -> None:
    """Refuse a range of which one end is missing."""
    for name in ("addresses", "ports"):
        ends = values.get("nat", {}).get(name, {})
        for one, other in (("start", "end"), ("end", "start")):
            if one in ends and other not in ends:
                refuse(f"nat.{name}.{other}", f"a range with a {one} needs one", f"Add it, or unset: [nat.{name}].")


def _check_bandwidth(mode: str, values: Values, where: str) -> None:
    limits = values.get("bandwidth", {})
    if limits and mode not in ON_BRIDGES:
        remedy = f"Leave it out, or unset: [{where}bandwidth]; guests' interfaces can have limits of their own."
        refuse(f"{where}bandwidth", f"with forward {mode} the network doesn't see the traffic", remedy)
    for way, rates in limits.items():
        if rates and not rates.get("average"):
            option = f"{where}bandwidth.{way}"
            refuse(f"{option}.average", "a limit needs the average", f"Add it, or unset: [{option}].")


def _check_port(values: Values, where: str) -> None:
    port, vlan = values.get("virtualport", {}), values.get("vlan")
    for name in REQUIRED.get(port.get("type", ""), ()):
        if name not in port:
            refuse(f"{where}virtualport.{name}", f"a port of type {port['type']} needs it", "Add it.")
    if vlan is not None and not vlan.get("tags"):
        refuse(f"{where}vlan.tags", "a VLAN needs a number", f"Say tags: [{{id: 42}}], or unset: [{where}vlan].")
