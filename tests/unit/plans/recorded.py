# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hypervisor that says what was recorded of a real one: what planning asks of libvirt, and nothing that changes anything."""

from __future__ import annotations

import pathlib
import re
import typing as t

import libvirt
from ansible_collections.metal.kvm.plugins.module_utils._libvirt import KINDS, World

HERE = pathlib.Path(__file__).parent
STATES = {"running": 1, "paused": 3, "stopped": 5, "saved": 5, "crashed": 6, "pmsuspended": 7}


class Recorded:
    """One of libvirt's objects by its documents: ``stored`` is the persistent one, ``running`` that of what runs."""

    def __init__(self, stored: str, running: str = "", state: str = "", autostart: bool = False) -> None:
        self.stored = stored
        self.running = running or (stored if state == "active" else "")
        self.state_name = state
        self.starts = autostart

    def name(self) -> str:
        return re.search(r"<name>(.*?)</name>|name='(.*?)'", self.stored).expand(r"\1\2")  # type: ignore[union-attr]

    def UUIDString(self) -> str:
        return self.stored.partition("<uuid>")[2].partition("<")[0]

    def isActive(self) -> bool:
        return bool(self.running)

    def isPersistent(self) -> bool:
        return True

    def autostart(self) -> bool:
        return self.starts

    def XMLDesc(self, flags: int = 0) -> str:
        return self.stored if flags & libvirt.VIR_DOMAIN_XML_INACTIVE or not self.running else self.running

    # A domain

    def state(self) -> list[int]:
        return [STATES[self.state_name], 0]

    def hasManagedSaveImage(self, flags: int = 0) -> bool:
        del flags
        return self.state_name == "saved"

    def listAllSnapshots(self, flags: int = 0) -> list[t.Any]:
        del flags
        return []

    listAllCheckpoints = listAllSnapshots

    def backupGetXMLDesc(self, flags: int = 0) -> str:
        del flags
        raise failure(libvirt.VIR_ERR_NO_DOMAIN_BACKUP)

    # A network

    def bridgeName(self) -> str:
        return re.search(r"<bridge name='(.*?)'", self.stored)[1]  # type: ignore[index]

    def DHCPLeases(self) -> list[t.Any]:
        return []

    def listAllPorts(self) -> list[t.Any]:
        return [Recorded(port) for port in re.findall(r"<networkport>.*?</networkport>", self.running, re.DOTALL)]

    # A pool: in a recorded document its volumes stand below it

    def info(self) -> list[int]:
        return [2 if self.isActive() else 0, 1 << 40, 1 << 30, (1 << 40) - (1 << 30)]

    def listAllVolumes(self) -> list[Recorded]:
        return [Volume(volume, self) for volume in re.findall(r"<volume\b.*?</volume>", self.stored, re.DOTALL)]

    def numOfVolumes(self) -> int:
        return len(self.listAllVolumes())

    def storageVolLookupByName(self, name: str) -> Recorded:
        return found({volume.name(): volume for volume in self.listAllVolumes()}, name, libvirt.VIR_ERR_NO_STORAGE_VOL)

    # A volume

    def key(self) -> str:
        return re.search("<path>(.*?)</path>", self.stored)[1]  # type: ignore[index]

    path = key

    # A secret

    def value(self, flags: int = 0) -> bytes:
        del flags
        raise failure(libvirt.VIR_ERR_INVALID_SECRET)


class Volume(Recorded):
    """One of a pool's volumes."""

    def __init__(self, stored: str, pool: Recorded) -> None:
        super().__init__(stored)
        self.pool = pool

    def storagePoolLookupByVolume(self) -> Recorded:
        return self.pool


class Connection:
    """The host's objects, by their noun."""

    def __init__(self, objects: t.Mapping[str, t.Sequence[Recorded]]) -> None:
        self.objects = objects
        for noun, (lookup, missing) in KINDS.items():
            code = getattr(libvirt, missing)
            setattr(self, lookup, self._lookup(noun, Recorded.name, code))
            setattr(self, lookup.replace("ByName", "ByUUIDString"), self._lookup(noun, Recorded.UUIDString, code))
        self.secretLookupByUUIDString = self._lookup("secret", Recorded.UUIDString, libvirt.VIR_ERR_NO_SECRET)

    def _lookup(self, noun: str, key: t.Callable[[Recorded], str], code: int) -> t.Callable[[str], Recorded]:
        return lambda name: found({key(one): one for one in self._all(noun)}, name, code)

    def _all(self, noun: str) -> list[Recorded]:
        return list(self.objects.get(noun, ()))

    def secretLookupByUsage(self, number: int, usage: str) -> Recorded:
        del number
        places = {
            re.sub("<.*?>", "", one.stored.partition("<usage")[2].partition(">")[2]).strip(): one
            for one in self._all("secret")
        }
        return found(places, usage, libvirt.VIR_ERR_NO_SECRET)

    def storageVolLookupByPath(self, path: str) -> Recorded:
        volumes = [volume for pool in self._all("pool") for volume in pool.listAllVolumes()]
        return found({volume.path(): volume for volume in volumes}, path, libvirt.VIR_ERR_NO_STORAGE_VOL)

    def getLibVersion(self) -> int:
        return 9_000_000

    def listAllDomains(self, flags: int = 0) -> list[Recorded]:
        del flags
        return self._all("domain")

    def listAllNetworks(self, flags: int = 0) -> list[Recorded]:
        del flags
        return self._all("network")

    def listAllStoragePools(self, flags: int = 0) -> list[Recorded]:
        del flags
        return self._all("pool")

    def listAllNWFilters(self, flags: int = 0) -> list[Recorded]:
        del flags
        return self._all("nwfilter")

    def getCapabilities(self) -> str:
        return (HERE / "capabilities.xml").read_text(encoding="utf-8")

    def getDomainCapabilities(self, *which: t.Any) -> str:
        del which
        return "<domainCapabilities><cpu><mode name='maximum' supported='yes'/></cpu></domainCapabilities>"

    def getStoragePoolCapabilities(self, flags: int = 0) -> str:
        del flags
        types = "".join(
            f"<pool type='{kind}' supported='yes'/>" for kind in ("dir", "fs", "netfs", "logical", "iscsi", "rbd")
        )
        return f"<storagepoolCapabilities>{types}</storagepoolCapabilities>"


class Hypervisor(World):
    """The world of those objects."""

    def __init__(self, objects: t.Mapping[str, t.Sequence[Recorded]]) -> None:
        self.uri = "qemu+ssh://kvm1.example.org/system"  # so that no file of this machine is looked at
        self._readonly = False
        self._capabilities = None
        self.kept: dict[str, t.Any] = {}
        self.notes: dict[str, t.Any] = {}
        self.defined: dict[str, str] = {}
        self.connection = Connection(objects)


T = t.TypeVar("T")


def found(those: t.Mapping[str, T], name: str, code: int) -> T:
    if name not in those:
        raise failure(code)
    return those[name]


def failure(code: int) -> libvirt.libvirtError:
    error = libvirt.libvirtError("not there")
    error.err = (code, 0, "not there", 2, None, None, None, -1, -1)
    return error
