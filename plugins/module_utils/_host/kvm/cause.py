# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why KVM can't be used: one cause out of a closed list, in words, with the remedy and what it was told from.

The truth is what /dev/kvm answers. Processor flags, registers, modules and messages only explain a refusal: firmware's
"off" and a processor without the feature look the same in /proc/cpuinfo, since the kernel clears the flag of both.
"""

from __future__ import annotations

import errno
import os
import typing as t

from ..machine.cpu import X86, firmware_lock
from ..machine.device import API_VERSION
from . import missing, refused
from .facts import Cause, Facts

Rule = t.Callable[[Facts], t.Optional[Cause]]

# In this order: who refuses comes before what is missing, and what is missing before what is merely not done.
RULES: tuple[Rule, ...] = (
    refused.arch,
    refused.api,
    refused.node_kind,
    refused.create,
    refused.container,
    refused.permission,
    refused.xen,
    refused.confidential,
    refused.registered,
    refused.cleared,
    missing.firmware,
    missing.processor,
    missing.arm,
    missing.power,
    refused.taken,
    missing.missing,
    missing.blocked,
    missing.idle,
)


def explain(facts: Facts) -> t.Optional[Cause]:
    """The first rule that knows why KVM can't be used; None where it can."""
    if usable(facts.answer):
        return None
    for rule in RULES:
        found = rule(facts)
        if found is not None:
            return found
    return _unknown(facts)


def usable(answer: dict[str, t.Any]) -> bool:
    """Whether /dev/kvm opened, speaks the one stable API, and made a machine where that was tried."""
    return answer["open"] == 0 and answer["api_version"] == API_VERSION and answer["create_vm"] in (None, 0)


def hardware(facts: Facts) -> bool:
    """Whether the processor's own virtualisation is there for guests: a flag that firmware or an L0 doesn't belie."""
    if facts.flag is None or facts.virt["confidential"]:
        return False
    if facts.arch in X86:
        return firmware_lock(facts.root) is not True
    if facts.arch == "aarch64":
        return usable(facts.answer) or facts.driver or facts.answer["open"] in (errno.EACCES, errno.EPERM)
    return True


def works(facts: Facts) -> str:
    """One sentence on how KVM works here."""
    by = ", ".join(facts.present) or "kvm"
    if hardware(facts):
        return f"KVM is usable: {facts.feature} through {by}."
    return f"KVM is usable through {by}, without {facts.feature}: guests that need the processor's own may not start."


def _unknown(facts: Facts) -> Cause:
    number = facts.answer["open"]
    return Cause(
        "unknown",
        "/dev/kvm can't be used" + (f": {os.strerror(number)}." if number else "."),
        "See the kernel's messages: dmesg | grep -i kvm.",
        facts.kmsg.find("kvm"),
    )
