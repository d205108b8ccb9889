# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Domains without a hypervisor: documents edited in memory, and plans against libvirt's test driver."""

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.table import DOMAIN
from ansible_collections.metal.kvm.plugins.module_utils._xml import document
from ansible_collections.metal.kvm.plugins.module_utils._xml.rows import Edit, Values, apply, parse

sys.path.insert(0, str(Path(__file__).parent))

BARE = """<domain type='qemu'><name>one</name><memory unit='KiB'>65536</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os><devices/></domain>"""


class Anywhere:
    """What rows may ask of the world, answered without one."""

    def __init__(self) -> None:
        self.targets: set[str] = set()
        self.counted = 0

    def free_target(self, prefix: str) -> str:
        return next(prefix + letter for letter in "abcdefgh" if prefix + letter not in self.targets)

    def bus_of(self, target: str, removable: bool) -> str:
        return "sata" if removable else {"vd": "virtio", "sd": "scsi", "hd": "ide"}.get(target[:2], "sata")

    def disk_format(self, item: Values) -> str:
        return "qcow2"

    def new_mac(self) -> str:
        self.counted += 1
        return f"52:54:00:00:01:{self.counted:02x}"

    def need_scsi(self) -> None:
        """The controller is another's business."""

    def refuse_older(self, since: int, option: str) -> None:
        """This world is new enough."""


class Definition:
    """A document and what was done to it."""

    def __init__(self, xml: str = BARE) -> None:
        self.root = document.parse(xml)

    def edit(self, **options: t.Any) -> list[t.Any]:
        """Put the options in as a task would; returns the changes."""
        edit = Edit(Anywhere)
        apply(DOMAIN, self.root, parse(DOMAIN, options), "", edit)
        return edit.changes

    @property
    def text(self) -> str:
        return document.canonical(self.root)


@pytest.fixture
def definition() -> t.Callable[..., Definition]:
    return Definition
