# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of a network interface's rarer parts: sources in other processes, limits, VLANs, drivers, addresses."""

from __future__ import annotations

from ...._xml.items import Items
from ...._xml.maps import Multimap
from ...._xml.rows import Field, Group
from ...._xml.types import ON_OFF, PATH, PCI, PORT, POSITIVE, STR, WHOLE, YES_NO
from ...virtualport import port_rows, rate_rows, vlan_rows
from .common import instead, unsaid

HOSTDEV = (
    Field("address", "source/address", PCI, "The device's PCI address, V(0000:3b:02.0)."),
    Field(
        "managed",
        "@managed",
        YES_NO,
        "Whether libvirt takes the device from its driver and gives it back.",
        silent=False,
    ),
    Field(
        "driver",
        "driver@name",
        STR,
        "The driver that gives it away.",
        choices=("vfio",),
        volatile=unsaid("driver@name"),
    ),
)
VHOST_USER = (
    Field("path", "@path", STR, "Path of the UNIX socket.", put=instead("@path", type="unix")),
    Field("mode", "@mode", STR, "Whether QEMU is the V(server) or the V(client).", choices=("server", "client")),
    Field("reconnect", "reconnect@enabled", YES_NO, "Whether a client connects again."),
    Field("reconnect_timeout", "reconnect@timeout", POSITIVE, "How long between two tries, in seconds."),
)
SOCKET = (
    Field("address", "@address", STR, "IP address."),
    Field("port", "@port", PORT, "Port."),
)
UDP = (
    *SOCKET,
    Field("local_address", "local@address", STR, "IP address of this side."),
    Field("local_port", "local@port", PORT, "Port of this side."),
)


FLOOR = Field(
    "floor",
    "@floor",
    WHOLE,
    "What it always gets, in KiB/s, on a network with limits of its own.",
    live="interface",
    silent=0,
)
BANDWIDTH = (
    Group("inbound", "inbound", (*rate_rows(live="interface"), FLOOR), "To the guest."),
    Group("outbound", "outbound", rate_rows(live="interface"), "From the guest."),
)
VLAN = vlan_rows()
VIRTUALPORT = port_rows("What the port is on.", "The interface's UUID; libvirt makes one up (Open vSwitch).")
FILTER = (
    Field("name", "@filter", STR, "The filter's name.", live="interface"),
    Multimap("parameters", "parameter", STR, "Parameters by name; a list for one with several values. Full when given.",
             live="interface"),
)  # fmt: skip
_OFFLOADS = {"csum": "checksums", "gso": "segments of any kind", "tso4": "TCP segments over IPv4", "tso6": "TCP segments over IPv6",
             "ecn": "TCP segments with ECN", "ufo": "UDP fragments", "mrg_rxbuf": "packets in several buffers"}  # fmt: skip


def _offloads(name: str, names: tuple[str, ...], doc: str) -> Group:
    return Group(name, name, [Field(one, "@" + one, ON_OFF, f"For {_OFFLOADS[one]}.") for one in names], doc)


DRIVER = (
    Field("name", "@name", STR, "Where virtio's queues are served.", choices=("vhost", "qemu")),
    Field("queues", "@queues", POSITIVE, "Number of queue pairs.", silent=1),
    Field("rx_queue_size", "@rx_queue_size", POSITIVE, "Length of each receive queue."),
    Field("tx_queue_size", "@tx_queue_size", POSITIVE, "Length of each send queue."),
    Field("txmode", "@txmode", STR, "How packets are sent.", choices=("iothread", "timer")),
    Field("ioeventfd", "@ioeventfd", ON_OFF, "Whether requests are taken outside of the vCPU's thread."),
    Field("event_idx", "@event_idx", ON_OFF, "Whether interrupts and exits are saved."),
    Field("rss", "@rss", ON_OFF, "Whether packets are spread over the queues."),
    Field("rss_hash_report", "@rss_hash_report", ON_OFF, "Whether the guest is told the hash of each packet."),
    _offloads("host", ("csum", "gso", "tso4", "tso6", "ecn", "ufo", "mrg_rxbuf"), "What the host takes off the guest."),
    _offloads("guest", ("csum", "tso4", "tso6", "ecn", "ufo"), "What the guest takes as the host has it."),
)
BACKEND = (
    Field("type", "@type", STR, "The process that does user-mode networking.", choices=("passt", "default")),
    Field("log_file", "@logFile", PATH, "The log of passt."),
    Field("tap", "@tap", PATH, "The tap device's file, where it isn't /dev/net/tun."),
    Field("vhost", "@vhost", PATH, "The vhost device's file, where it isn't /dev/vhost-net."),
)
ROM = (
    Field("enabled", "@enabled", YES_NO, "Whether it's shown to the guest."),
    Field("bar", "@bar", ON_OFF, "Whether it's in the guest's memory map."),
    Field("file", "@file", PATH, "Another one, from this file on the hypervisor."),
)
TEAMING = (
    Field("type", "@type", STR, "Which of the pair it is.", choices=("persistent", "transient")),
    Field("persistent", "@persistent", STR, "The alias of the one that stays, for V(transient)."),
)
IP = (
    Field("address", "@address", STR, "The address.", required=True),
    Field("family", "@family", STR, "Which IP it is.", choices=("ipv4", "ipv6")),
    Field("prefix", "@prefix", WHOLE, "The length of its subnet's prefix.", silent=0),
    Field("peer", "@peer", STR, "The address on the other side."),
)
ROUTE = (
    Field("address", "@address", STR, "The subnet that is reached.", required=True),
    Field("family", "@family", STR, "Which IP it is.", choices=("ipv4", "ipv6")),
    Field("prefix", "@prefix", WHOLE, "The length of its prefix.", silent=0),
    Field("gateway", "@gateway", STR, "The address that leads there."),
    Field("metric", "@metric", WHOLE, "The metric."),
)
PORT_FORWARD = (
    Field("protocol", "@proto", STR, "The protocol.", choices=("tcp", "udp"), required=True),
    Field("address", "@address", STR, "The host's address; all where it's left out."),
    Field("dev", "@dev", STR, "The host's interface; all where it's left out."),
    Items("ranges", "range", (
        Field("start", "@start", POSITIVE, "The first port.", required=True),
        Field("end", "@end", POSITIVE, "The last port; the first where it's left out."),
        Field("to", "@to", POSITIVE, "The guest's first port; the same where it's left out."),
        Field("exclude", "@exclude", YES_NO, "Whether these are left out of the others."),
    ), keys=("start",), doc="The ports; all where none are said."),
)  # fmt: skip
