# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rows of a domain need to know about the world while they edit: free targets, formats, addresses."""

from __future__ import annotations

import hashlib
import os
import typing as t

from ..._libvirt import missing_object
from ..._plan import KvmError, Plan, refuse
from ..._xml import document
from ..._xml.rows import Values

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..draft import Draft

Element = document.Element

_BUSES = {"vd": "virtio", "hd": "ide", "fd": "fdc", "mm": "sd"}


class Surroundings:
    """The context of one editing: reads the world, notes missing references on the plan."""

    def __init__(self, world: World, plan: Plan, root: Element, wanted: Values) -> None:
        self.world = world
        self.plan = plan
        self.root = root
        self.targets = {node.get("dev") for node in root.iterfind("devices/disk/target")}
        self.targets |= {item["target"] for item in wanted.get("disks", ()) if "target" in item}
        self.macs = {node.get("address") for node in root.iterfind("devices/interface/mac")}
        self.macs |= {item["mac"] for item in wanted.get("interfaces", ()) if "mac" in item}

    def refuse_older(self, since: int, option: str) -> None:
        """Refuse an option that this libvirt doesn't know: it would drop it without a word."""
        version = self.world.version
        if version < since:
            needs, has = (f"{one // 1_000_000}.{one // 1000 % 1000}.{one % 1000}" for one in (since, version))
            refuse(option, f"needs libvirt {needs}, this is {has}", "Leave the option out, or update libvirt.")

    def arch(self) -> str:
        """The guest's architecture."""
        node = self.root.find("os/type")
        return "" if node is None else node.get("arch") or ""

    def free_target(self, prefix: str) -> str:
        """The first device name with that prefix that no disk has."""
        letters = "abcdefghijklmnopqrstuvwxyz"
        names = [prefix + letter for letter in letters] + [prefix + one + two for one in letters for two in letters]
        return next(name for name in names if name not in self.targets)

    def bus_of(self, target: str, removable: bool) -> str:
        """The bus that a target's name stands for on this machine."""
        if target[:2] == "vd" and removable:
            return self.removable_bus()
        return _BUSES.get(target[:2]) or self.removable_bus()

    def removable_bus(self) -> str:
        """Where CD-ROM drives are: SATA on x86, SCSI elsewhere."""
        return "sata" if self.arch() in ("x86_64", "i686", "") else "scsi"

    def need_scsi(self) -> None:
        """A SCSI controller that guests of today know, where there is none; libvirt's own default is one of 1995."""
        devices = self.root.find("devices")
        if devices.find("controller[@type='scsi']") is None:
            document.child(devices, "controller", type="scsi", index="0", model="virtio-scsi")

    def new_mac(self) -> str:
        """A MAC address in QEMU's range, made from the domain's UUID: what a check foresees is what the run makes."""
        for number in range(1 << 16):
            digest = hashlib.sha256(f"{self.root.findtext('uuid')}/{number}".encode()).digest()
            mac = "52:54:00:" + ":".join(f"{byte:02x}" for byte in digest[:3])
            if mac not in self.macs:
                self.macs.add(mac)
                return mac
        raise KvmError("interfaces: no free MAC address", "Say which, with mac.", option="interfaces")

    def disk_format(self, item: Values) -> str:
        """The format of a new disk's source, never left to libvirt to guess."""
        option = f"disks[{item['target']}]"
        if "volume" in item:
            return self.volume_format(item, option)
        if "file" in item:
            return self._file_format(item, option)
        if item.get("device") == "cdrom" or "block" in item or "network" in item:
            return "raw"
        return "raw"

    def volume_format(self, item: Values, option: str) -> str:
        """The format of a disk's volume as its pool reports it; a volume that isn't there is noted."""
        from ..formats import by_ending

        made = self.plan.makes.get(f"volume {item.get('pool')}/{item['volume']}")
        if made is not None:
            return made
        if self.world.find("pool", item.get("pool", "")) is None:
            self.plan.assume(missing_object("pool", item.get("pool", ""), f"{option}.pool"))
            return by_ending(item["volume"])
        volume = self.world.volume(item["pool"], item["volume"])
        if volume is None:
            why = f"pool {item['pool']} has no volume named '{item['volume']}', or isn't active"
            missing(self.plan, f"{option}.volume", why, "Declare it first (metal.kvm.volume), or correct the name.")
            return by_ending(item["volume"])
        from ..storage import volume as described

        return described(volume, item["pool"]).format

    def _file_format(self, item: Values, option: str) -> str:
        from ..formats import of_file

        path = item["file"]
        if not self.world.local:
            why = f"the format of {path} can't be read over {self.world.uri}"
            refuse(f"{option}.format", why, "Say the format, or run this task on the hypervisor.")
        if not self.has_file(path, option):
            return "raw"
        return of_file(path, f"{option}.format")

    def has_file(self, path: str, option: str) -> bool:
        """Whether the image is there; one that isn't is noted."""
        if not os.path.isabs(path):
            refuse(f"{option}.file", f"'{path}' is no absolute path", "Write it from the root: /srv/images/a.qcow2.")
        if os.path.isdir(path):
            refuse(f"{option}.file", f"'{path}' is a directory", "Correct the path.")
        if os.path.exists(path):
            return True
        missing(self.plan, f"{option}.file", f"'{path}' does not exist", "Create it first, or correct the path.")
        return False


def missing(plan: Plan, option: str, why: str, remedy: str) -> None:
    """Plan on what an option names and what isn't there: an error in a run, a warning in a check."""
    plan.assume(KvmError(f"{option}: {why}", remedy, option=option))


def check_sources(edit: t.Any) -> None:
    """Note images and volumes that aren't there, for disks that are given another source."""
    seen = set()
    for change in edit.changes:
        option, dot, leaf = change.path.rpartition(".")
        if not option.startswith("disks[") or leaf not in ("file", "volume", "pool", "source") or option in seen:
            continue
        seen.add(option)
        if "volume" in change.key:
            edit.context.volume_format(change.key, option)
        elif "file" in change.key and edit.context.world.local:
            edit.context.has_file(change.key["file"], option)


def check_references(draft: Draft, touched: t.Container[str]) -> None:
    """Note networks, filters and secrets that aren't there, for the lists that this task changes."""
    for option in ("interfaces", *_WITH_SECRETS):
        if option in touched and draft.wanted.get(option):
            for index, item in enumerate(draft.wanted[option]):
                where = f"{option}[{item.get('target', index) if option == 'disks' else index}]"
                if option == "interfaces":
                    _check_interface(draft, item, where)
                else:
                    _check_secrets(draft, _WITH_SECRETS[option](item), where)


def _check_interface(draft: Draft, item: Values, where: str) -> None:
    for noun, name, option in (
        ("network", item.get("network"), "network"),
        ("nwfilter", item.get("filter", {}).get("name"), "filter.name"),
    ):
        if name and draft.world.find(noun, name) is None:
            draft.plan.assume(missing_object(noun, name, f"{where}.{option}"))


def _check_secrets(draft: Draft, named: t.Iterable[tuple[str, str, Values]], where: str) -> None:
    for usage, place, values in named:
        if any("secret" in key for key in values):
            from ..secret.reference import need_secrets

            need_secrets(draft.world, draft.plan, usage, values, where + place)


def _login(item: Values, protocol: t.Optional[str], place: str) -> tuple[str, str, Values]:
    auth = item.get("auth", {})
    return auth.get("secret_type") or ("ceph" if protocol == "rbd" else "iscsi"), f"{place}.auth", auth


# list of devices: what each of its items wants secrets for, at which option below it, and the values there
_WITH_SECRETS: dict[str, t.Callable[[Values], list[tuple[str, str, Values]]]] = {
    "disks": lambda disk: [
        _login(disk, disk.get("network", {}).get("protocol"), ""),
        ("volume", ".encryption", disk.get("encryption", {})),
    ],
    "hostdevs": lambda device: [_login(device.get("scsi", {}), "iscsi", ".scsi")],
    "tpm": lambda tpm: [("vtpm", "", tpm)],
}
