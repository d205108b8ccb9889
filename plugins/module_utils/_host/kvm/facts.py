# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rules of cause look at, and the answer that they give."""

from __future__ import annotations

import typing as t

from ..kernel_module import modules
from ..machine.cpu import X86, vendor_module
from ..machine.device import Messages, messages
from ..root import Root

FEATURE = {"Intel": "VT-x", "AMD": "AMD-V", "Hygon": "AMD-V", "VIA": "VT-x", "Zhaoxin": "VT-x"}


class Facts:
    """What the rules look at; messages are read only when a rule asks."""

    def __init__(self, root: Root, answer: dict[str, t.Any], cpu: dict[str, t.Any], system: dict[str, t.Any]) -> None:
        self.root = root
        self.answer = answer
        self.arch: str = root.arch()
        self.flag: t.Optional[str] = cpu["flag"]
        self.vendor: str = cpu["vendor"] or "unknown"
        self.raw: dict[str, t.Any] = cpu["raw_cpuid"] or {}
        self.virt: dict[str, t.Any] = system["virt"]
        self.family: t.Optional[str] = system["os_family"]
        self.module = vendor_module(root)
        self.present = modules.vendor_modules(root)
        self._messages: t.Optional[Messages] = None

    @property
    def kmsg(self) -> Messages:
        if self._messages is None:
            self._messages = messages(self.root)
        return self._messages

    @property
    def feature(self) -> str:
        """What the processor's virtualisation is called here."""
        if self.arch in X86:
            return FEATURE.get(self.vendor, "VT-x or AMD-V")
        return "hardware virtualisation"

    @property
    def guest(self) -> bool:
        return bool(self.virt["guest"])

    @property
    def node(self) -> bool:
        return self.root.exists("dev/kvm")

    @property
    def driver(self) -> bool:
        """Whether the kernel has registered /dev/kvm, whatever /dev shows."""
        return any(line.split()[1:] == ["kvm"] for line in self.root.lines("proc/misc"))


class Cause:
    """A rule's answer."""

    __slots__ = ("evidence", "message", "name", "remedy")

    def __init__(self, name: str, message: str, remedy: str, *evidence: t.Optional[str]) -> None:
        self.name = name
        self.message = message
        self.remedy = remedy
        self.evidence = [text for text in evidence if text]
