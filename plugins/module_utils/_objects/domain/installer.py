# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the steps of an installation do."""

from __future__ import annotations

import base64
import json
import time
import typing as t

from ... import _wait
from ..._plan import KvmError, Plan
from ..._xml import document
from . import ready
from .documents import persistent_document
from .drives import add_cdrom, disks_of
from .install import ON_MEDIUM, SHUTDOWN
from .iso import file_of, make_iso, put_volume
from .mark import INSTALL, own, put_mark, put_own
from .mark import finish as finish_mark
from .observed import OFF, observed
from .shutdown import shutdown
from .surroundings import Surroundings

if t.TYPE_CHECKING:
    from ..._libvirt import World

Element = document.Element

ENDS = {2: "was powered off by somebody", 3: "crashed", 6: "could not be started"}  # virDomainShutoffReason
IO_ERROR = 5  # VIR_DOMAIN_PAUSED_IOERROR


def answers(world: World, pool: str, volume: str, label: str, files: str) -> None:
    """Make the volume with the answers anew."""
    put_volume(world, pool, volume, make_iso(json.loads(base64.b64decode(files)), label), "install.pool")


def kernel(world: World, pool: str, name: str, iso: str, kernel: str, initrd: str, files: str) -> None:
    """Make volumes of the installer's kernel and initial RAM disk, with the answers in that where there are any."""
    disk = _content(iso, initrd, "install.initrd")
    if files:
        disk += b"\0" * (-len(disk) % 4) + archive(json.loads(base64.b64decode(files)))
    put_volume(world, pool, f"{name}-install-kernel", _content(iso, kernel, "install.kernel"), "install.pool")
    put_volume(world, pool, f"{name}-install-initrd", disk, "install.pool")


def _content(iso: str, path: str, option: str) -> bytes:
    if path.startswith(ON_MEDIUM):
        return file_of(iso, path[len(ON_MEDIUM) :], option)
    with open(path, "rb") as file:
        return file.read()


def archive(files: dict[str, str]) -> bytes:
    """The files as a cpio archive that Linux unpacks over its initial RAM disk.

    Source of the layout: "initramfs buffer format" in the kernel's documentation.
    """
    out = bytearray()
    for number, (name, text) in enumerate([*sorted(files.items()), ("TRAILER!!!", "")], 1):
        data, spelled = text.encode(), name.encode() + b"\0"
        mode = 0o100600 if name in files else 0
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(spelled), 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + spelled
        out += b"\0" * (-len(out) % 4) + data
        out += b"\0" * (-len(out) % 4)
    return bytes(out)


def boot(
    world: World,
    name: str,
    media: list[dict[str, str]],
    kernel: str,
    initrd: str,
    pool: str,
    cmdline: str,
    reboots: bool,
    bus: t.Optional[str],
) -> None:
    """Start the domain from the installer's document. Its definition gets a mark, and stays what it is."""
    domain = world.get("domain", name)
    root = persistent_document(domain)
    if pool:
        from ..volume.source import looked_up

        kernel, initrd = (looked_up(world, pool, volume).path() for volume in (kernel, initrd))
    _boot_kernel(root, kernel, initrd, cmdline)
    context = Surroundings(world, Plan("domain"), root, {})
    drives = [add_cdrom(root, context, bus or context.removable_bus(), **medium) for medium in media]
    _boot_order(root, drives, disk_first=reboots)
    _put(root, "on_poweroff", "destroy")
    _put(root, "on_reboot", "restart" if reboots else "destroy")
    put_mark(root, INSTALL, step="boot")
    _mark_step(domain, "prepared")  # of an earlier boot the time is no longer true
    world.connection.createXML(document.text_of(root), 0)
    _mark_step(domain, "booted", at=f"{time.time():.3f}")


def _boot_kernel(root: Element, kernel: str, initrd: str, cmdline: str) -> None:
    system = root.find("os")
    for tag in ("kernel", "initrd", "cmdline", "boot"):
        for node in system.findall(tag):
            document.remove(node)
    if kernel:
        for tag, text in (("kernel", kernel), ("initrd", initrd), ("cmdline", cmdline)):
            document.child(system, tag).text = text


def _boot_order(root: Element, drives: list[Element], disk_first: bool) -> None:
    """The medium, then the disk. An installer that reboots on its way finds the disk first once that can be booted."""
    for node in root.findall("devices/*/boot"):
        document.remove(node)
    disk = next(disks_of(root), None)
    order = [*drives[:1], *([] if disk is None else [disk])]
    for number, device in enumerate(reversed(order) if disk_first else order, 1):
        document.child(device, "boot", order=str(number))


def _put(root: Element, tag: str, text: str) -> None:
    node = root.find(tag)
    (document.child(root, tag) if node is None else node).text = text


def _mark_step(domain: t.Any, step: str, **when: str) -> None:
    node = own(persistent_document(domain))
    mark = node.find(document.qualified(INSTALL))
    if mark is not None:
        mark.attrib.pop("at", None)
        mark.attrib.update({"step": step, **when})
        put_own(domain, node)


def wait(world: World, name: str, until: str, timeout: int) -> None:
    """Until the guest is off by itself, or its agent answers and it has been shut down; else an error with the evidence."""
    domain = world.get("domain", name)

    def ended() -> str:
        state, reason = observed(domain), domain.state()[1]
        if state in OFF and reason != SHUTDOWN:
            raise _failure(world, domain, f"domain {name} {ENDS.get(reason, 'went off')} while it was being installed")
        if state == "paused" and reason == IO_ERROR:
            raise _failure(world, domain, f"domain {name} can't read or write one of its disks, and stands still")
        if state in OFF:
            return "off"
        return "agent" if until == "agent" and ready.ping(domain) else ""

    how = _wait.until(ended, timeout)
    if how == "agent":
        shutdown(world, name, 300)
    elif not how:
        raise _failure(world, domain, f"domain {name} is still being installed after {timeout} seconds")


def _failure(world: World, domain: t.Any, message: str) -> KvmError:
    details = ready.evidence(world, domain)
    look = f" and at {details['screenshot']}" if "screenshot" in details else ""
    return KvmError(
        f"install: {message}",
        f"Look at serial_tail{look}. The next run goes on; give it longer with install.timeout if it was only slow.",
        option="install",
        **details,
    )


def finish(world: World, name: str, pool: t.Optional[str], volumes: list[str]) -> None:
    """Delete what only the installer needed, and take the mark away."""
    for volume in volumes:
        there = world.volume(pool, volume) if pool else None
        if there is not None:
            there.delete(0)
    finish_mark(world.get("domain", name))


OPERATIONS: dict[str, t.Callable[..., t.Any]] = {
    f"install.{function.__name__}": function for function in (answers, kernel, boot, wait, finish)
}
