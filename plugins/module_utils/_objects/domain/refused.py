# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remedies for what libvirt says to a definition that comes from another machine or another tool."""

from __future__ import annotations

import re

from ..._libvirt import refusal
from ..._plan import KvmError

REMEDIES = {
    r"Cannot check QEMU binary": "Leave the emulator out of the definition: libvirt knows where this host's QEMU is."
    " If the host has none for this architecture, install it.",
    r"does not support virt type 'kvm'": "Use type qemu for emulation, or a host that has KVM for this architecture.",
    r"does not support machine type|unsupported machine type": "`virsh capabilities` lists this host's machine types."
    " Without a version, like q35 or pc, the newest of them is used.",
    r"IDE controllers are unsupported": "Use the bus sata, or machine pc: this machine type has no IDE.",
    r"UUID mismatch": "Leave one of the two UUIDs out, or make them the same.",
    r"not supported without spice graphics": "Add SPICE graphics, or remove the spicevmc device.",
    r"per-device boot elements cannot be used": "Give the order either by device (boot_order) or by kind (boot.order), not both.",
}


def refused(error: Exception) -> KvmError:
    """libvirt's error about a domain's definition, with what to do about it."""
    said = refusal(error)
    remedy = next((remedy for words, remedy in REMEDIES.items() if re.search(words, str(said))), said.remedy)
    return KvmError(said.message, remedy, **said.details)
