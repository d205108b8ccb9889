# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes with each forward mode: the devices that the traffic leaves by, limits, parameters of ports."""

from __future__ import annotations

import typing as t

from ..._plan import refuse
from ..virtualport import REQUIRED
from .fields import BRIDGED

if t.TYPE_CHECKING:
    from ..._xml.rows import Values

POOLS = ("forward_interfaces", "forward_addresses", "forward_pf")
LIMITED = (*BRIDGED, "bridge")  # modes in which libvirt limits traffic


def check_way_out(values: Values) -> None:
    """Refuse what libvirt takes in no network, or in none with this forward mode."""
    mode = values["forward"]
    if mode not in BRIDGED and values.get("stp") is not None:
        refuse("stp", f"with forward {mode} libvirt makes no bridge that could have it", "Leave it out.")
    for option in () if mode in (*BRIDGED, "bridge") else ("bridge", "mac_table_manager"):
        if values.get(option):
            refuse(option, f"with forward {mode} the network has no bridge", "Leave it out.")
    _check_devices(values)
    _check_pairs(values)
    groups = [(f"portgroups[{one['name']}].", one) for one in values.get("portgroups", [])]
    for where, one in (("", values), *groups):
        _check_bandwidth(values["forward"], one, where)
        _check_port(one, where)


def _check_devices(values: Values) -> None:
    mode = values["forward"]
    devices = values.get("forward_interfaces") or [name for name in [values.get("forward_dev")] if name]
    said = "forward_interfaces" if values.get("forward_interfaces") else "forward_dev"
    pools = [name for name in POOLS if values.get(name)]
    away = f"Leave {said} out; a network that has it already gives it up by forward_interfaces: []."
    if mode == "hostdev" and devices:
        refuse(
            said, "with forward hostdev the devices are PCI addresses", f"Say forward_addresses or forward_pf. {away}"
        )
    if len(pools) > 1 or (devices and pools and pools[0] != said and said not in pools):
        one, other = pools[:2] if len(pools) > 1 else (said, pools[0])
        refuse(
            other, f"{one} is there too, and a network has one pool of devices", f"Keep one of them; unset: [{other}]."
        )
    if mode in ("nat", "route") and len(devices) > 1:
        refuse(said, f"with forward {mode} the traffic leaves by one device, and there are {len(devices)}", "Name one.")
    if mode == "open" and devices:
        refuse(said, "with forward open the traffic leaves by any device", away)
    if mode == "bridge" and values.get("bridge") and (devices or pools):
        option = said if devices else pools[0]
        remedy = "Leave bridge out for a macvtap bridge; else set forward_interfaces: []."
        refuse(option, f"bridge: '{values['bridge']}' is there too, and a network has the one or the other", remedy)


def _check_pairs(values: Values) -> None:
    """Refuse a range of which one end is missing."""
    for name in ("addresses", "ports"):
        ends = values.get("nat", {}).get(name, {})
        for one, other in (("start", "end"), ("end", "start")):
            if one in ends and other not in ends:
                refuse(f"nat.{name}.{other}", f"a range with a {one} needs one", f"Add it, or unset: [nat.{name}].")


def _check_bandwidth(mode: str, values: Values, where: str) -> None:
    limits = values.get("bandwidth", {})
    if limits and mode not in LIMITED:
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
