# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a guest: its agent's answer, its address; and what to look at when it doesn't come."""

from __future__ import annotations

import json
import os
import struct
import time
import typing as t
import zlib

from ..._libvirt import agent_command, code_is
from ..._plan import KvmError, Remark
from ..._temporary import replacing
from ..._wait import until
from .describe import addresses, agent_answers
from .documents import persistent_document
from .observed import OFF, observed

if t.TYPE_CHECKING:
    from ..._libvirt import World

TAIL = 4000  # bytes of the serial log that an error carries
EVIDENCE = "/var/lib/metal.kvm/screenshots"


WAITED = {
    "agent": "its agent hasn't answered",
    "ip": "it has no address",
    "cloud_init": "its cloud-init hasn't ended",
}  # what is missing, in an error


def wait(world: World, name: str, agent: bool, ip: bool, timeout: int, cloud_init: bool = False) -> t.Optional[Remark]:
    """Until the agent answers, an address is there, cloud-init has ended, as asked; after ``timeout`` seconds an error
    with the evidence."""
    domain = world.get("domain", name)
    begin, missing = time.monotonic(), ""

    def is_ready() -> t.Optional[tuple[list[dict[str, t.Any]], t.Optional[Remark]]]:
        """The addresses, and what cloud-init leaves to be said; None where something is missing still."""
        nonlocal missing
        missing, found = _missing(domain, agent or cloud_init, ip)
        ended = _cloud_init(world, domain) if cloud_init and not missing else None
        if not missing and (ended or not cloud_init):
            return found, ended.remark if ended else None
        missing = missing or "cloud_init"
        state = observed(domain)
        if state in OFF:
            raise _failure(world, domain, missing, f"domain {name} is {state}: its guest went off while it was awaited")
        return None

    reached = until(is_ready, timeout)
    if reached is None:
        what = WAITED[missing]
        raise _failure(world, domain, missing, f"domain {name} is running, but {what} after {timeout} seconds")
    world.notes.update(waited=round(time.monotonic() - begin), addresses=reached[0])
    return reached[1]


def _cloud_init(world: World, domain: t.Any) -> t.Any:
    """How cloud-init ended, None while it runs; its errors with the evidence."""
    from .cloud_init import ended

    try:
        return ended(world, domain)
    except KvmError as error:
        error.details.update(evidence(world, domain))
        raise


def _missing(domain: t.Any, agent: bool, ip: bool) -> tuple[str, list[dict[str, t.Any]]]:
    if agent and not ping(domain):
        return "agent", []
    found = addresses(domain, ("lease", "agent") if agent else ("lease", "arp"))
    return ("ip", []) if ip and not found else ("", found)


def ping(domain: t.Any, timeout: int = 2) -> bool:
    """Whether the guest's agent answers within ``timeout`` seconds. Never blocks on one that isn't there."""
    if not agent_answers(domain):
        return False
    try:
        answer = json.loads(agent_command(domain, '{"execute": "guest-ping"}', timeout))
    except Exception as error:
        if code_is(error, "VIR_ERR_AGENT_UNRESPONSIVE", "VIR_ERR_AGENT_COMMAND_TIMEOUT", "VIR_ERR_OPERATION_INVALID"):
            return False
        raise
    return "return" in answer


def _failure(world: World, domain: t.Any, missing: str, message: str) -> KvmError:
    """The error with what can be seen of the guest: the end of its serial log, and a picture of its screen."""
    details = evidence(world, domain)
    look = "Look at serial_tail" + (f" and at {details['screenshot']}" if "screenshot" in details else "")
    return KvmError(
        f"wait_for.{missing}: {message}",
        f"{look}; give it longer with wait_for.timeout if it was only slow.",
        option=f"wait_for.{missing}",
        **details,
    )


def evidence(world: World, domain: t.Any) -> dict[str, t.Any]:
    """What can be seen of a guest: ``serial_tail``, and ``screenshot``, the path of a picture, where it has a screen."""
    details: dict[str, t.Any] = {"serial_tail": serial_tail(world, domain)}
    picture = os.path.join(EVIDENCE, f"{domain.name()}.png")
    if world.local and save_screenshot(world, domain, picture):
        details["screenshot"] = picture
    return details


def serial_tail(world: World, domain: t.Any) -> str:
    """The end of the serial console's log, where it has one on this machine."""
    log = persistent_document(domain, secrets=False).find("devices/serial/log")
    path = None if log is None else log.get("file")
    if not path or not world.local or not os.path.exists(path):
        return ""
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - TAIL))
        return file.read().decode("utf-8", "replace").replace("\r", "")


def save_screenshot(world: World, domain: t.Any, path: str) -> bool:
    """Write a PNG of the guest's first screen to ``path``; false where it has none."""
    stream = world.connection.newStream(0)
    try:
        kind = domain.screenshot(stream, 0)
    except Exception as error:
        if code_is(error, "VIR_ERR_OPERATION_UNSUPPORTED", "VIR_ERR_OPERATION_INVALID", "VIR_ERR_INTERNAL_ERROR"):
            return False
        raise
    data = bytearray()
    stream.recvAll(lambda dummy, chunk, buffer: buffer.extend(chunk), data)
    stream.finish()
    os.makedirs(os.path.dirname(path) or ".", mode=0o755, exist_ok=True)
    with replacing(path) as file:
        os.fchmod(file.fileno(), 0o644)
        file.write(bytes(data) if kind == "image/png" else png(bytes(data)))
    return True


def png(picture: bytes) -> bytes:
    """A PNG from the binary PPM that older QEMU gives. Source of the layout: the PNG specification, sections 5 and 11."""
    magic, width, height, depth, pixels = _ppm(picture)
    if magic != b"P6" or depth != 255:
        raise KvmError("screenshot: the hypervisor's picture is neither PNG nor 8-bit PPM")
    rows = b"".join(b"\0" + pixels[y * width * 3 : (y + 1) * width * 3] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def _ppm(picture: bytes) -> tuple[bytes, int, int, int, bytes]:
    magic, width, height, depth = picture[:64].split(None, 4)[:4]
    start = picture.index(depth, picture.index(height, len(magic))) + len(depth) + 1
    return magic, int(width), int(height), int(depth), picture[start:]
