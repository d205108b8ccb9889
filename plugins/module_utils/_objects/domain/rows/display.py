# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of what a person sees and touches: graphics, video, input."""

from __future__ import annotations

import typing as t

from ...._xml import document
from ...._xml.rows import Edit, Field, Map, Values
from ...._xml.types import KIB_ALONE, ON_OFF, PATH, PORT, POSITIVE, STR, TEXT, VIDEO_KIB, WHOLE, YES_NO
from .common import ACPI_INDEX, ADDRESS, ALIAS, VIRTIO, VIRTIO_MODELS, kind, unsaid

Element = document.Element


class OfPassword(Field):
    """What goes with the password: without one libvirt drops it, and there is nothing to say."""

    __slots__ = ()

    def edit(self, parent: Element, wanted: Values, path: str, edit: Edit) -> None:
        if parent.get("passwd") is not None:
            super().edit(parent, wanted, path, edit)


def _automatic(persistent: Element, running: Element) -> bool:
    """Ports that are chosen at each start."""
    return bool(persistent.get("autoport") != "no")


def _listen(kind: str, attribute: str, doc: str, **more: t.Any) -> Field:
    """What a screen listens on: an address, the address of a network, or a socket. One takes the place of another."""

    def get(graphics: Element) -> t.Optional[str]:
        node = graphics.find("listen")
        if node is None:
            return graphics.get("listen") if kind == "address" else graphics.get(attribute)
        return node.get(attribute) if node.get("type") == kind else None

    def put(graphics: Element, value: str) -> None:
        for node in graphics.findall("listen"):
            document.remove(node)
        for name in ("listen", "socket"):
            graphics.attrib.pop(name, None)
        if kind != "address":
            for name in ("port", "autoport"):
                graphics.attrib.pop(name, None)
        document.child(graphics, "listen", **{"type": kind, attribute: value})

    return Field(
        "listen" if kind == "address" else f"listen_{kind}", f"listen@{attribute}", STR, doc, get=get, put=put, **more
    )


def _port(name: str, option: str, doc: str) -> Field:
    def get(graphics: Element) -> t.Optional[int]:
        port = int(graphics.get(name) or -1)
        return None if port < 0 or graphics.get("autoport") == "yes" else port

    def put(graphics: Element, value: int) -> None:
        graphics.set(name, str(value))
        graphics.set("autoport", "no")

    return Field(option, "@" + name, PORT, doc, get=get, put=put, volatile=_automatic)


def _put_autoport(graphics: Element, value: bool) -> None:
    graphics.set("autoport", "yes" if value else "no")
    if value:
        for name in ("port", "tlsPort"):
            graphics.attrib.pop(name, None)


def _chosen(persistent: Element, running: Element) -> bool:
    """The address is the daemon's own where the definition says none, or that of a network."""
    node = persistent.find("listen")
    return persistent.get("listen") is None and (node is None or node.get("address") is None)


def _chosen_socket(persistent: Element, running: Element) -> bool:
    node = persistent.find("listen")
    return persistent.get("socket") is None and (node is None or node.get("socket") is None)


_ANY = ("any", "secure", "insecure")
GRAPHICS = (
    Field("type", "@type", STR, "The protocol.", choices=("vnc", "spice", "sdl", "egl-headless", "dbus"), required=True),
    Field("autoport", "@autoport", YES_NO, "Whether ports are chosen at each start; a port that is given says no.",
          put=_put_autoport),
    _port("port", "port", "TCP port; chosen at each start where it's left out."),
    _port("tlsPort", "tls_port", "TCP port with TLS (V(type=spice))."),
    Field("websocket", "@websocket", STR, "Port for web browsers, V(-1) for one that is chosen (V(type=vnc)).",
          volatile=lambda persistent, running: persistent.get("websocket") == "-1", silent="0"),
    _listen("address", "address", "Address to listen on. libvirt's default is 127.0.0.1.", volatile=_chosen),
    _listen("network", "network", "A libvirt network on whose address to listen."),
    _listen("socket", "socket", "Path of a UNIX socket to listen on.", volatile=_chosen_socket),
    Field("password", "@passwd", TEXT, "Password; VNC uses its first 8 characters.", no_log=True, live="graphics"),
    OfPassword("password_valid_to", "@passwdValidTo", STR, "When the password ends, V(2030-01-31T12:00:00) in UTC. Without a"
               " password it says nothing.", live="graphics"),
    OfPassword("connected", "@connected", STR, "What becomes of who is connected when the password changes. Without a"
               " password it says nothing.", choices=("keep", "disconnect", "fail"), live="graphics"),
    Field("share_policy", "@sharePolicy", STR, "Whether several may watch (V(type=vnc)).",
          choices=("allow-exclusive", "force-shared", "ignore")),
    Field("power_control", "@powerControl", YES_NO, "Whether a VNC client may switch the guest off."),
    Field("keymap", "@keymap", STR, "Keyboard layout, V(en-us)."),
    Field("default_mode", "@defaultMode", STR, "Whether channels are encrypted (V(type=spice)).", choices=_ANY, silent="any"),
    Map("channels", "channel", STR, "Channels by name, each V(any), V(secure) or V(insecure) (V(type=spice)). Full when given.",
        value_at="mode", choices=_ANY, silent="any"),
    Field("image_compression", "image@compression", STR, "Compression of pictures (V(type=spice)).",
          choices=("auto_glz", "auto_lz", "quic", "glz", "lz", "off")),
    Field("jpeg_compression", "jpeg@compression", STR, "Lossy compression (V(type=spice)).", choices=("auto", "never", "always")),
    Field("zlib_compression", "zlib@compression", STR, "Compression over slow lines (V(type=spice)).",
          choices=("auto", "never", "always")),
    Field("playback_compression", "playback@compression", ON_OFF, "Compression of sound (V(type=spice))."),
    Field("streaming", "streaming@mode", STR, "Which regions are sent as video (V(type=spice)).", choices=("filter", "all", "off")),
    Field("copypaste", "clipboard@copypaste", YES_NO, "Whether the clipboard is shared (V(type=spice))."),
    Field("mouse", "mouse@mode", STR, "Whose mouse counts (V(type=spice)).", choices=("server", "client")),
    Field("file_transfer", "filetransfer@enable", YES_NO, "Whether files can be dropped into the guest (V(type=spice))."),
    Field("gl", "gl@enable", YES_NO, "Whether OpenGL is used (V(type=spice), V(type=sdl), V(type=dbus))."),
    Field("rendernode", "gl@rendernode", PATH, "The host's device that draws, V(/dev/dri/renderD128)."),
    Field("audio", "audio@id", WHOLE, "The O(audio[].id) that is heard over it."),
    Field("display", "@display", STR, "The X display (V(type=sdl))."),
    Field("xauth", "@xauth", STR, "The X authority file (V(type=sdl))."),
    Field("fullscreen", "@fullscreen", YES_NO, "Whether the window fills the screen (V(type=sdl)).", silent=False),
    Field("p2p", "@p2p", YES_NO, "Whether clients connect without a bus (V(type=dbus)).", silent=False),
    Field("bus_address", "@address", STR, "The address of the bus (V(type=dbus)).",
          volatile=unsaid("@address")),
)  # fmt: skip
VIDEO = (
    Field("model", "model@type", STR, "The display adapter: V(virtio), V(vga), V(qxl), V(bochs), V(ramfb), V(cirrus), V(none).",
          put=kind("model@ram", "model@vram", "model@vgamem", "model@vram64", "model@heads", at="model@type")),
    Field("heads", "model@heads", POSITIVE, "Number of displays."),
    Field("primary", "model@primary", YES_NO, "Whether the guest begins on it."),
    Field("vram", "model@vram", VIDEO_KIB, "Video memory, where the model has a choice."),
    Field("ram", "model@ram", VIDEO_KIB, "The primary memory (V(model=qxl))."),
    Field("vgamem", "model@vgamem", VIDEO_KIB, "The memory of its VGA side (V(model=qxl))."),
    Field("vram64", "model@vram64", KIB_ALONE, "The memory that 64-bit guests map (V(model=qxl)).", silent=0),
    Field("blob", "model@blob", ON_OFF, "Whether resources are shared without a copy (V(model=virtio)).", since=9_002_000),
    Field("accel3d", "model/acceleration@accel3d", YES_NO, "Whether 3D is drawn by the host (V(model=virtio))."),
    Field("accel2d", "model/acceleration@accel2d", YES_NO, "Whether 2D is drawn by the host."),
    Field("rendernode", "model/acceleration@rendernode", PATH, "The host's device that draws (O(video[].driver=vhostuser))."),
    Field("width", "model/resolution@x", POSITIVE, "Preferred width, in pixels."),
    Field("height", "model/resolution@y", POSITIVE, "Preferred height, in pixels."),
    Field("driver", "driver@name", STR, "Who drives it.", choices=("qemu", "vhostuser")),
    Field("vgaconf", "driver@vgaconf", STR, "VGA configuration cycles.", choices=("io", "on", "off"), silent="io"),
    VIRTIO, ALIAS, ACPI_INDEX, ADDRESS,
)  # fmt: skip


def _put_evdev(device: Element, value: str) -> None:
    for node in device.findall("source"):
        node.attrib.pop("evdev", None)
        node.attrib.pop("dev", None)
    source = device.find("source")
    source = document.child(device, "source") if source is None else source
    source.set("evdev" if device.get("type") == "passthrough" else "dev", value)


def _get_evdev(device: Element) -> t.Optional[str]:
    source = device.find("source")
    return None if source is None else source.get("evdev") or source.get("dev")


INPUT = (
    Field("type", "@type", STR, "What it is.", choices=("tablet", "mouse", "keyboard", "passthrough", "evdev")),
    Field("bus", "@bus", STR, "How it's attached.", choices=("usb", "ps2", "virtio", "xen")),
    Field("model", "@model", STR, "The virtio device.", choices=VIRTIO_MODELS),
    Field("path", "source@dev", PATH, "The host's device, V(/dev/input/event3) (V(type=passthrough), V(type=evdev)).",
          get=_get_evdev, put=_put_evdev),
    Field("grab", "source@grab", STR, "Whether all of the host's devices are taken with it (V(type=evdev)).", choices=("all",)),
    Field("grab_toggle", "source@grabToggle", STR, "The keys that take and give it back (V(type=evdev)).",
          choices=("ctrl-ctrl", "alt-alt", "shift-shift", "meta-meta", "scrolllock", "ctrl-scrolllock")),
    Field("repeat", "source@repeat", ON_OFF, "Whether keys repeat (V(type=evdev))."),
    VIRTIO, ALIAS, ADDRESS,
)  # fmt: skip
