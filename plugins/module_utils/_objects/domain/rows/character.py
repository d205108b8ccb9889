# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of character devices: serial and parallel ports, consoles, channels; redirected USB, smart cards, entropy."""

from __future__ import annotations

import typing as t

from ...._xml import document, place
from ...._xml.rows import Field, Group, ValueList
from ...._xml.types import ON_OFF, PATH, POSITIVE, STR, WHOLE, YES_NO
from .common import ADDRESS, ALIAS, BOOT_ORDER, kind, unsaid

Element = document.Element

# where the other end is: udp has two ends
_END = {"udp": (("source", {"mode": "connect"}),)}
_SOURCE: place.Steps = (("source", {}),)


def _forward_port(channel: Element) -> t.Optional[int]:
    target = channel.find("target[@type='guestfwd']")
    return None if target is None or target.get("port") is None else int(target.get("port"))


def _pty(persistent: Element, running: Element) -> bool:
    """A terminal's path is another one at each start; a path that libvirt chooses is unsaid."""
    return persistent.get("type") in ("pty", "vc") or unsaid("source@path")(persistent, running)


def _end(name: str, doc: str) -> Field:
    def get(device: Element) -> t.Optional[str]:
        node = place.find(device, _END.get(device.get("type"), _SOURCE))
        return None if node is None else node.get(name)

    def put(device: Element, value: str) -> None:
        place.ensure(device, _END.get(device.get("type"), _SOURCE)).set(name, value)

    return Field(name, f"source@{name}", STR, doc, get=get, put=put)


def _bound(name: str, doc: str) -> Field:
    row = Field("bind_" + name, f"source[@mode='bind']@{name}", STR, doc)
    row.get = lambda device: _in(device, name) if device.get("type") == "udp" else None
    return row


def _in(device: Element, name: str) -> t.Optional[str]:
    node = device.find("source[@mode='bind']")
    return None if node is None else node.get(name)


def _mode(device: Element) -> t.Optional[str]:
    node = device.find("source")
    return None if node is None or device.get("type") == "udp" else node.get("mode")


def _put_mode(device: Element, value: str) -> None:
    """UDP has two ends, each with a mode of its own."""
    if device.get("type") != "udp":
        place.ensure(device, _SOURCE).set("mode", value)


SOURCE = (
    Field("type", "@type", STR, "What the host's side is: V(pty) for C(virsh console), V(file), V(tcp), V(unix), V(null) ...",
          choices=("pty", "file", "unix", "tcp", "udp", "null", "dev", "pipe", "stdio", "vc", "spicevmc", "spiceport",
                   "qemu-vdagent", "dbus", "nmdm"), put=kind("source", "protocol")),
    Field("path", "source@path", PATH, "Path of the host's side, for V(file), V(unix), V(dev), V(pipe) and V(pty);"
          " libvirt chooses one for a channel where it's left out.", volatile=_pty),
    Field("append", "source@append", ON_OFF, "Whether the file goes on where it ended (V(file))."),
    Field("mode", "source@mode", STR, "Who connects to whom (V(unix), V(tcp)).", choices=("bind", "connect"), get=_mode, put=_put_mode,
          volatile=unsaid("source@mode")),
    _end("host", "Address of the socket, for V(udp) of the other side (V(tcp), V(udp))."),
    _end("service", "Port of the socket, for V(udp) of the other side (V(tcp), V(udp))."),
    _bound("host", "Address of this side (V(udp))."),
    _bound("service", "Port of this side (V(udp))."),
    Field("protocol", "protocol@type", STR, "What is spoken (V(tcp)).", choices=("raw", "telnet", "telnets", "tls")),
    Field("tls", "source@tls", YES_NO, "Whether it's encrypted (V(tcp)).", volatile=unsaid("source@tls")),
    Field("reconnect", "source/reconnect@enabled", YES_NO, "Whether to connect again (V(unix), V(tcp) with V(mode=connect))."),
    Field("reconnect_timeout", "source/reconnect@timeout", POSITIVE, "How long between two tries, in seconds."),
    Field("spice_channel", "source@channel", STR, "The name of the channel (V(spiceport), V(dbus))."),
    Field("copypaste", "source/clipboard@copypaste", YES_NO, "Whether the clipboard is shared (V(qemu-vdagent))."),
    Field("mouse", "source/mouse@mode", STR, "Whose mouse counts (V(qemu-vdagent)).", choices=("server", "client")),
)  # fmt: skip
LOG = (
    Field("log", "log@file", PATH, "A file on the hypervisor to which all output is copied."),
    Field(
        "log_append", "log@append", ON_OFF, "Whether the log goes on where it ended, or is begun anew at each start."
    ),
)
SERIAL = (
    Field("port", "target@port", WHOLE, "Number of the port: its identity."),
    Field("target_type", "target@type", STR, "The kind of port: V(isa-serial), V(usb-serial), V(pci-serial) and others.",
          choices=("isa-serial", "usb-serial", "pci-serial", "spapr-vio-serial", "system-serial", "sclp-serial", "isa-debug"),
          put=kind("target/model", at="target@type")),
    Field("target_model", "target/model@name", STR, "The device that the guest sees: V(isa-serial), V(pl011), V(16550a) and others."),
    *SOURCE, *LOG, ALIAS, ADDRESS,
)  # fmt: skip
PARALLEL = (Field("port", "target@port", WHOLE, "Number of the port: its identity."), *SOURCE, *LOG, ALIAS, ADDRESS)
CONSOLE = (
    Field("target_type", "target@type", STR, "What the guest sees.", choices=("virtio", "serial", "sclp", "sclplm")),
    *SOURCE, *LOG, ALIAS, ADDRESS,
)  # fmt: skip
CHANNEL = (
    Field("name", "target@name", STR, "The port's name in the guest: its identity."),
    Field("target_type", "target@type", STR, "How the guest sees it: a V(virtio) port, or a TCP address.", choices=("virtio", "guestfwd")),
    Field("target_address", "target@address", STR, "The IP address in the guest's network (V(target_type=guestfwd))."),
    Field("target_port", "target@port", WHOLE, "The TCP port at that address.", get=_forward_port),
    *SOURCE, *LOG, ALIAS, ADDRESS,
)  # fmt: skip


REDIRDEV = (
    Field("bus", "@bus", STR, "The bus.", choices=("usb",)),
    *SOURCE, BOOT_ORDER, ALIAS, ADDRESS,
)  # fmt: skip
SMARTCARD = (
    Field("mode", "@mode", STR, "Whose card it is: the host's, one made of certificates, or one at the end of a connection.",
          choices=("host", "host-certificates", "passthrough"), put=kind("certificate", "database", "source", "protocol", at="@mode")),
    ValueList("certificates", "certificate", STR, "The names of three certificates (V(mode=host-certificates))."),
    Field("database", "database", PATH, "The directory of the certificates."),
    Group("source", "", SOURCE, "The connection (V(mode=passthrough))."),
    ADDRESS,
)  # fmt: skip
