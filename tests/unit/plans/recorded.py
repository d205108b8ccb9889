# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hypervisor that says what was recorded of a real one: what planning asks of libvirt, and nothing that changes anything."""

from __future__ import annotations

import pathlib
import typing as t

import libvirt
from ansible_collections.metal.kvm.plugins.module_utils._libvirt import World

HERE = pathlib.Path(__file__).parent
STATES = {"running": 1, "paused": 3, "stopped": 5, "saved": 5, "crashed": 6, "pmsuspended": 7}


class Domain:
    """A domain by its documents: ``stored`` is the persistent one, ``running`` that of the guest that runs."""

    def __init__(self, stored: str, running: str, state: str, autostart: bool) -> None:
        self.stored = (HERE / "domain" / stored).read_text(encoding="utf-8")
        self.running = (HERE / "domain" / running).read_text(encoding="utf-8") if running else ""
        self.observed = state
        self.starts = autostart

    def name(self) -> str:
        return self.stored.partition("<name>")[2].partition("<")[0]

    def UUIDString(self) -> str:
        return self.stored.partition("<uuid>")[2].partition("<")[0]

    def state(self) -> list[int]:
        return [STATES[self.observed], 0]

    def isActive(self) -> bool:
        return bool(self.running)

    def isPersistent(self) -> bool:
        return True

    def autostart(self) -> bool:
        return self.starts

    def hasManagedSaveImage(self, flags: int = 0) -> bool:
        del flags
        return self.observed == "saved"

    def XMLDesc(self, flags: int = 0) -> str:
        return self.stored if flags & libvirt.VIR_DOMAIN_XML_INACTIVE or not self.running else self.running

    def listAllSnapshots(self, flags: int = 0) -> list[t.Any]:
        del flags
        return []

    listAllCheckpoints = listAllSnapshots

    def backupGetXMLDesc(self, flags: int = 0) -> str:
        del flags
        raise failure(libvirt.VIR_ERR_NO_DOMAIN_BACKUP)


class Network:
    def __init__(self, name: str) -> None:
        self.called = name

    def name(self) -> str:
        return self.called

    def isActive(self) -> bool:
        return True

    def bridgeName(self) -> str:
        return "virbr1"

    def XMLDesc(self, flags: int = 0) -> str:
        del flags
        return f"<network><name>{self.called}</name><bridge name='virbr1'/></network>"


class Connection:
    """The host's objects by name."""

    def __init__(self, domains: t.Sequence[Domain], networks: t.Sequence[Network]) -> None:
        self.domains = {domain.name(): domain for domain in domains}
        self.networks = {network.name(): network for network in networks}

    def getLibVersion(self) -> int:
        return 9_000_000

    def lookupByName(self, name: str) -> Domain:
        return found(self.domains, name, libvirt.VIR_ERR_NO_DOMAIN)

    def lookupByUUIDString(self, uuid: str) -> Domain:
        by_uuid = {domain.UUIDString(): domain for domain in self.domains.values()}
        return found(by_uuid, uuid, libvirt.VIR_ERR_NO_DOMAIN)

    def networkLookupByName(self, name: str) -> Network:
        return found(self.networks, name, libvirt.VIR_ERR_NO_NETWORK)

    def listAllDomains(self, flags: int = 0) -> list[Domain]:
        del flags
        return list(self.domains.values())

    def listAllStoragePools(self, flags: int = 0) -> list[t.Any]:
        del flags
        return []

    listAllNetworks = listAllStoragePools


class Hypervisor(World):
    """The world of those objects."""

    def __init__(self, domains: t.Sequence[Domain], networks: t.Sequence[str]) -> None:
        self.uri = "qemu+ssh://kvm1.example.org/system"  # so that no file of this machine is looked at
        self._readonly = False
        self._capabilities = None
        self.kept: dict[str, t.Any] = {}
        self.notes: dict[str, t.Any] = {}
        self.defined: dict[str, str] = {}
        self.connection = Connection(domains, [Network(name) for name in networks])


T = t.TypeVar("T")


def found(those: dict[str, T], name: str, code: int) -> T:
    if name not in those:
        raise failure(code)
    return those[name]


def failure(code: int) -> libvirt.libvirtError:
    error = libvirt.libvirtError("not there")
    error.err = (code, 0, "not there", 2, None, None, None, -1, -1)
    return error
