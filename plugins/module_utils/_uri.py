# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a connection to libvirt can't be opened: a wrong URI, missing rights, another machine, or a daemon that is off."""

from __future__ import annotations

import typing as t
import urllib.parse

TRANSPORTS = ("unix", "ssh", "tls", "tcp", "libssh", "libssh2", "ext")

DAEMON = (
    "Is libvirt's daemon running there? Start it (systemctl start libvirtd.socket or virtqemud.socket; without systemd"
    " `virtlogd -d` and `libvirtd -d`), or apply the role metal.kvm.host."
)
RIGHTS = "Run the task as root (become: true), or as a member of the group libvirt."
WRITE = "Write qemu:///system, or for another machine qemu+ssh://root@kvm1.example.org/system."
NAME = "Correct the name of the machine in the URI, or make it known (DNS, /etc/hosts)."
MACHINE = (
    "Check that the machine runs, and that its libvirt can be reached in this way (role metal.kvm.remote). Try"
    " `virsh -c` with this URI as the same user."
)


class Failure(t.NamedTuple):
    """What to do, and whether a check may plan on the connection being there later."""

    remedy: str
    unreachable: bool


def why(uri: str, words: str) -> Failure:
    """The reason that opening ``uri`` failed, when libvirt said ``words``."""
    wrong = mistake(uri)
    if wrong or any(
        text in words for text in ("no connection driver", "parse URI", "unexpected QEMU URI", "transport")
    ):
        return Failure(f"{wrong or 'The URI is wrong'}. {WRITE}", False)
    if any(text in words for text in ("Permission denied", "authentication", "polkit", "system bus")):
        return Failure(RIGHTS, False)
    if not _split(uri).netloc:
        return Failure(DAEMON, True)
    if any(text in words for text in ("resolve hostname", "resolve address", "not known")):
        return Failure(NAME, False)
    return Failure(MACHINE, True)


def mistake(uri: str) -> str:
    """What is wrong with a URI for libvirt's QEMU driver, ``""`` where nothing is."""
    try:
        parts = _split(uri)
        int(parts.port or 0)  # raises ValueError where it is no number
    except ValueError as error:
        return f"The URI is wrong: {error}"
    driver, plus, transport = parts.scheme.partition("+")
    if not driver:
        return "The URI has no driver"
    if driver == "test":
        return ""
    if driver != "qemu":
        return f"metal.kvm manages guests of libvirt's driver qemu, not of '{driver}'"
    if plus and transport not in TRANSPORTS:
        return f"'{transport}' is not a transport; those are {', '.join(TRANSPORTS)}"
    if parts.path not in ("/system", "/session", "/embed"):
        return f"'{parts.path}' is neither /system nor /session"
    return ""


def _split(uri: str) -> urllib.parse.SplitResult:
    return urllib.parse.urlsplit(uri)
