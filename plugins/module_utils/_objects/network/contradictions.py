# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pairs of a network's options that contradict each other."""

from __future__ import annotations

from ..._xml.contradictions import Rule, either, only, ordered, without
from .. import virtualport
from .fields import BRIDGED, FORWARDS, ON_BRIDGES

_PORTS = ("", "portgroups[].")
_AWAY = tuple(mode for mode in FORWARDS if mode != "isolated")
_BY_DEVICE = tuple(mode for mode in _AWAY if mode not in ("open", "hostdev"))
_FAMILIES = "an IPv6 address is reserved by id or by name"
_DEVICES = ("forward_addresses", "forward_pf", "forward_managed", "forward_driver")

CONTRADICTIONS = (
    *(only("forward", _BY_DEVICE, name) for name in ("forward_dev", "forward_interfaces")),
    *(only("forward", _AWAY, name) for name in _DEVICES),
    only("forward", ("nat",), "nat"),
    *(only("forward", BRIDGED, name) for name in ("ips", "routes", "dns", "domain", "mac", "delay", "mtu")),
    *(only("forward", ON_BRIDGES, name) for name in ("bridge", "mac_table_manager", "bandwidth")),
    *(without("enable", False, name, "dns") for name in ("forwarders", "hosts", "txt", "srv")),
    *(either(one, other) for one, other in (("forward_pf", "forward_addresses"), ("forward_pf", "forward_dev"))),
    *(ordered("start", "end", f"nat.{name}") for name in ("addresses", "ports")),
    ordered("start", "end", "ips[].dhcp.ranges[]"),
    Rule("mac", "ip", _FAMILIES, lambda mac, ip: bool(mac) and ":" in ip, "ips[].dhcp.hosts[]"),
    *(rule for port in _PORTS for rule in virtualport.rules(f"{port}virtualport")),
    *(virtualport.trunk(f"{port}vlan") for port in _PORTS),
)
