# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only libvirt itself knows: whether it answers, its security drivers, storage backends, what domains may have."""

from __future__ import annotations

import typing as t

from .. import _libvirt
from .._host.libvirt.installed import UNASKED
from .._plan import KvmError
from .._xml import document

if t.TYPE_CHECKING:
    from .._libvirt import World


def report(uri: str) -> dict[str, t.Any]:
    """What ``host_info`` says of libvirt with a connection. One that fails is an answer too, not an error."""
    try:
        if _libvirt.MISSING:
            from .._interpreter import use_another

            use_another()
            raise _libvirt.missing_error()
        world = _libvirt.World(uri, readonly=True)
    except KvmError as error:
        return {**UNASKED, "uri": uri, "reachable": False, "error": str(error)}
    return {
        "uri": uri,
        "reachable": True,
        "error": None,
        "hypervisor_version": _dotted(_asked(world.connection.getVersion)),
        "security": [node.findtext("model") for node in world.capabilities().findall("host/secmodel")],
        "pool_backends": _backends(world),
        "domcaps": _domcaps(world),
    }


def _asked(question: t.Callable[[], t.Any]) -> t.Any:
    """The answer, or None where this driver or these rights have none."""
    try:
        return question()
    except Exception as error:
        if _libvirt.is_error(error):
            return None
        raise


def _dotted(number: t.Optional[int]) -> t.Optional[str]:
    return None if not number else f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


def _backends(world: World) -> t.Optional[dict[str, bool]]:
    """Kinds of storage pools, and whether libvirt was built with and has what each needs."""
    text = _asked(world.connection.getStoragePoolCapabilities)
    if text is None:
        return None
    return {node.get("type"): node.get("supported") == "yes" for node in document.document(text).findall("pool")}


def _domcaps(world: World) -> t.Optional[dict[str, t.Any]]:
    """The host's own architecture: machine, most processors, processor modes, firmware, and optional features."""
    connection = world.writable()
    text = connection and _asked(connection.getDomainCapabilities)
    if not text:
        return None
    root = document.document(text)
    return {
        "emulator": root.findtext("path"),
        "type": root.findtext("domain"),
        "machine": root.findtext("machine"),
        "arch": root.findtext("arch"),
        "vcpus_max": int(root.find("vcpu").get("max")) if root.find("vcpu") is not None else None,
        "cpu_modes": [mode.get("name") for mode in root.findall("cpu/mode") if mode.get("supported") == "yes"],
        "firmware": [value.text for value in root.findall("os/enum[@name='firmware']/value")],
        "features": {
            node.tag: node.get("supported") == "yes" for node in root.findall("features/*") if node.get("supported")
        },
    }
