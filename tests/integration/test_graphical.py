# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Graphical control: a window of Virt-Manager and a page of Cockpit in which a guest is seen that we have declared.

The pictures are left in .build/screenshots.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import struct
import subprocess
import sys
import time
import typing as t
import zlib

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import hosts as tool

SCREENSHOTS = tool.ROOT / ".build" / "screenshots"
GUEST = "webserver"  # a name that character recognition can read
USER, PASSWORD = "alice", "open, sesame"
PLAIN = ("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[tool.Host]:
    """A machine with systemd and libvirt, a guest that a task has declared, and a user who may see it."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with tool.hosts(tmp_path_factory.mktemp("graphical"), "hv1", systemd=True) as (made,):
        made.run("systemctl", "start", "libvirtd.socket", "virtlogd.socket")
        made.run("useradd", "--create-home", "--home-dir=/run/alice", "--groups=libvirt", "--shell=/bin/bash", USER)
        made.run("chpasswd", input=f"{USER}:{PASSWORD}\n")
        guest = {"name": GUEST, "memory": "64 MiB", "graphics": [{"type": "vnc"}], "state": "running"}
        (recap,) = made.play(tool.Play([{"name": "Declare a guest", "metal.kvm.domain": guest}]))
        assert recap.changed == 1, recap.text
        yield made


def dconf(host: tool.Host, *words: str) -> str:
    """What dconf says to the user."""
    command = f"dbus-run-session -- dconf {' '.join(words)}"
    return host.run("runuser", "--login", USER, "--command", command).stdout.strip()


KEYS = "/org/virt-manager/virt-manager/connections"


def test_virt_manager_opens_with_the_hosts(host: tool.Host, tmp_path: pathlib.Path) -> None:
    dconf(host, "write", f"{KEYS}/uris", "\"['xen:///system']\"")
    connections = [
        {"uri": "qemu:///system", "alias": "here"},
        {"uri": "test:///default", "alias": "toy", "autoconnect": False},
    ]
    host.roles("desktop", {"desktop_connections": connections, "desktop_users": [USER]})

    with virt_manager(host, tmp_path) as screen:
        # The second one is registered too, but is to be connected to by hand
        await_words(screen, SCREENSHOTS / "virt-manager.png", GUEST, "Running", "test default - Not Connected")
    assert host.run("virsh", "--connect", "here", "list", "--name").stdout.split() == [GUEST]
    assert host.run("virsh", "--connect", "toy", "list", "--name").stdout.split() == ["test"]

    # Whoever has a list of their own keeps what's on it
    assert dconf(host, "read", f"{KEYS}/uris") == "['xen:///system', 'qemu:///system', 'test:///default']"
    assert dconf(host, "read", f"{KEYS}/autoconnect") == "['qemu:///system']"

    host.role("desktop", desktop_connections=[])
    assert not host.run("dconf", "read", f"{KEYS}/uris").stdout


@contextlib.contextmanager
def virt_manager(host: tool.Host, place: pathlib.Path) -> t.Iterator[pathlib.Path]:
    """Virt-Manager as its menu entry starts it, on a screen of its own; gives the screen's contents, a file."""
    words = ("Xvfb", "-displayfd", "1", "-screen", "0", "640x480x24", "-fbdir", str(place), "-nolisten", "tcp")
    with running(host, *PLAIN, *words) as screen:
        assert screen.stdout is not None
        environment = ("HOME=/root", f"DISPLAY=:{int(screen.stdout.readline())}", "NO_AT_BRIDGE=1")
        with running(host, *PLAIN, *environment, "dbus-run-session", "--", "virt-manager", "--no-fork"):
            yield place / "Xvfb_screen0"


@contextlib.contextmanager
def running(host: tool.Host, *words: str) -> t.Iterator[subprocess.Popen[str]]:
    """A program that runs on the host until it's told to end."""
    with subprocess.Popen(host.words(*words), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield process
        finally:
            children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            for child in children:  # nsenter's own, and it ends with it
                os.kill(int(child), signal.SIGTERM)


READ = ("tesseract", "--psm", "6", "--dpi", "220", "-c", "thresholding_method=2")  # the one that reads grey on white


def await_words(screen: pathlib.Path, picture: pathlib.Path, *words: str) -> None:
    """Look at the screen until all these are read on it; leaves the picture."""
    deadline = time.monotonic() + 60
    while True:
        picture.write_bytes(png(screen.read_bytes()))
        read = subprocess.run([*READ, str(picture), "-"], capture_output=True, text=True, check=True).stdout
        if all(word in read for word in words):
            return
        assert time.monotonic() < deadline, f"{words} aren't all seen, see {picture}; read was: {read}"
        time.sleep(0.5)


def png(dump: bytes) -> bytes:
    """What X's virtual screen keeps (an xwd dump of 32 bits a pixel), three times as large so that it's read well."""
    header = struct.unpack(">25I", dump[:100])
    width, height, stride = header[4], header[5], header[12]
    pixels = dump[header[0] + header[19] * 12 :]
    rows = []
    for y in range(height):
        line = pixels[y * stride : y * stride + width * 4]
        row = bytearray(width * 9)
        for channel, offset in enumerate((2, 1, 0)):
            for copy in range(3):
                row[copy * 3 + channel :: 9] = line[offset::4]
        rows.append((b"\0" + bytes(row)) * 3)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width * 3, height * 3, 8, 2, 0, 0, 0)
    data = zlib.compress(b"".join(rows), 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_cockpit_shows_the_guest_to_who_logs_in(host: tool.Host) -> None:
    wanted = {
        "cockpit_listen": ["127.0.0.1:9099"],
        "cockpit_settings": {"WebService": {"LoginTitle": "metal.kvm", "LoginTo": False}},
    }
    host.roles("cockpit", wanted)
    picture = SCREENSHOTS / "cockpit.png"
    said = host.run(
        *(*PLAIN, "HOME=/root", "/usr/bin/python3", str(pathlib.Path(tool.__file__).with_name("browser.py"))),
        *("https://127.0.0.1:9099/machines", USER, PASSWORD, GUEST, str(picture)),
    ).stdout
    assert GUEST in said, said
    assert "Running" in said, said
    host.role("cockpit", cockpit_running=False)
    assert host.run("systemctl", "is-active", "cockpit.socket", ok=False).stdout == "inactive\n"
