# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a storage pool: every option, its place and its type; and what each type of pool needs."""

from __future__ import annotations

import re
import typing as t

from ..._xml.items import Items
from ..._xml.rows import REFUSED, Element, Field, Group, Map, ValueList, Values
from ..._xml.types import PATH, PLAIN_PCI, PORT, STR, UUID, WHOLE, YES_NO, Type
from ..permissions import permissions

TYPES = (
    "dir",
    "fs",
    "netfs",
    "logical",
    "disk",
    "iscsi",
    "iscsi-direct",
    "scsi",
    "mpath",
    "rbd",
    "gluster",
    "zfs",
    "sheepdog",
    "vstorage",
)

FILES = ("dir", "fs", "netfs", "vstorage")  # their volumes are files in a directory
NETWORKED = ("rbd", "gluster", "sheepdog", "iscsi-direct")  # their volumes have no path on the host
GIVEN = ("iscsi", "iscsi-direct", "scsi", "mpath")  # their volumes are what the storage has: none is made or deleted
UNMAKING = (*GIVEN, "gluster")  # libvirt makes no volumes in these

ISCSI_PORT = 3260

# What a definition must say, and what can be given to make it (logical takes its name for the volume group's).
NEEDS: dict[str, tuple[str, ...]] = {
    "dir": ("path",),
    "fs": ("path", "source.devices"),
    "netfs": ("path", "source.hosts", "source.dir"),
    "disk": ("path", "source.devices"),
    "iscsi": ("path", "source.hosts", "source.devices"),
    "iscsi-direct": ("source.hosts", "source.devices", "source.initiator"),
    "scsi": ("path", "source.adapter"),
    "mpath": ("path",),
    "rbd": ("source.name", "source.hosts"),
    "gluster": ("source.name", "source.hosts"),
    "zfs": ("source.name",),
    "sheepdog": ("source.name", "source.hosts"),
    "vstorage": ("path", "source.name"),
}


def _wwn(value: t.Any) -> str:
    text = str(value).strip().lower()
    if text and not re.fullmatch(r"[0-9a-f]{16}", text):
        raise ValueError("a world wide name is 16 hexadecimal digits: 2001001b32a9da4e")
    return text


def _filled(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty: leave it out of the dict")
    return value.strip()


WWN = Type("str", str.lower, parse=_wwn)
FILLED = Type("str", str, parse=_filled)


def _host(item: Values) -> t.Optional[str]:
    """A server's identity; iSCSI's usual port is what libvirt fills in where nobody says one."""
    port = item.get("port")
    return None if "name" not in item else f"{item['name']}:{'' if port in (None, ISCSI_PORT) else port}"


def _unsaid(attribute: str) -> t.Callable[[Element, Element], bool]:
    return lambda stored, running: stored.find(attribute) is None


SOURCE = Group(
    "source",
    "source",
    (
        Items(
            "hosts",
            "host",
            (
                Field("name", "@name", STR, "The server's name or address.", required=True),
                Field("port", "@port", PORT, "Its port, where it isn't the usual one."),
            ),
            keys=(_host,),
            ordered=False,
            doc="The servers (V(netfs), V(iscsi), V(rbd), V(gluster) ...).",
        ),
        Field("dir", "dir@path", PATH, "The directory that the server exports (V(netfs), V(gluster))."),
        ValueList(
            "devices",
            "device@path",
            STR,
            "Block devices (V(fs), V(logical), V(disk)), or the target's name (V(iscsi)).",
        ),
        Field(
            "part_separator",
            "device@part_separator",
            YES_NO,
            "Whether a V(p) stands before the number of a partition (V(disk) on multipath devices).",
        ),
        Field(
            "name", "name", STR, "The volume group (V(logical)), the pool (V(rbd), V(zfs)) or the volume (V(gluster))."
        ),
        Field(
            "format",
            "format@type",
            STR,
            "What is on the source, V(ext4), V(xfs), V(nfs) ... Where it's left out libvirt finds out what is there.",
        ),
        Field("initiator", "initiator/iqn@name", STR, "The initiator's name (V(iscsi))."),
        Field("protocol_version", "protocol@ver", STR, "The version of NFS to use (V(netfs))."),
        Field("vendor", "vendor@name", STR, "Who made the storage; only told."),
        Field("product", "product@name", STR, "What the storage is called; only told."),
        Group(
            "adapter",
            "adapter",
            (
                Field("type", "@type", STR, "How the adapter is named.", choices=("scsi_host", "fc_host")),
                Field("name", "@name", STR, "The SCSI host, V(host1)."),
                Field("parent", "@parent", STR, "The HBA that a virtual one is made on."),
                Field("parent_wwnn", "@parent_wwnn", WWN, "That HBA by its world wide node name."),
                Field("parent_wwpn", "@parent_wwpn", WWN, "That HBA by its world wide port name."),
                Field("parent_fabric_wwn", "@parent_fabric_wwn", WWN, "That HBA by the fabric it is in."),
                Field("parent_address", "parentaddr/address", PLAIN_PCI, "The SCSI host by its PCI address."),
                Field("unique_id", "parentaddr@unique_id", WHOLE, "Which of the SCSI hosts at that address."),
                Field("wwnn", "@wwnn", WWN, "The virtual HBA's world wide node name."),
                Field("wwpn", "@wwpn", WWN, "The virtual HBA's world wide port name."),
                Field("managed", "@managed", YES_NO, "Whether the virtual HBA goes away with the pool."),
            ),
            "The adapter (V(scsi)).",
        ),
        Group(
            "auth",
            "auth",
            (
                Field(
                    "type",
                    "@type",
                    STR,
                    "How to log in: V(chap) (V(iscsi)) or V(ceph) (V(rbd)).",
                    choices=("chap", "ceph"),
                ),
                Field("username", "@username", STR, "The user."),
                Field(
                    "secret_usage", "secret@usage", STR, "The usage of the secret that has the password.", no_log=False
                ),
                Field(
                    "secret_uuid", "secret@uuid", UUID, "The UUID of the secret that has the password.", no_log=False
                ),
                Field(
                    "secret_type",
                    "secret@type",
                    STR,
                    "The kind of that secret, which needn't be said.",
                    choices=("ceph", "iscsi"),
                    no_log=False,
                ),
            ),
            "How to log in at the source. The password itself is a secret of libvirt's.",
        ),
    ),
    "Where the pool's storage comes from.",
)

POOL: tuple[t.Any, ...] = (
    Field("uuid", "uuid", UUID, "The pool's UUID. It can't be changed.", takes=REFUSED),
    Field(
        "type",
        "@type",
        STR,
        [
            "What the pool is made of. A new pool needs it; it can't be changed.",
            "V(dir) a directory; V(fs) a file system on a device; V(netfs) one on a server; V(logical) a volume group of"
            " LVM.",
            "Which of the others there are depends on the libvirt at hand.",
        ],
        choices=TYPES,
        takes=REFUSED,
    ),
    Field(
        "path",
        "target/path",
        PATH,
        "The directory of V(dir), the mount point of V(fs) and V(netfs), the directory of the devices of the others.",
    ),
    SOURCE,
    permissions("the pool's directory"),
    Field(
        "volume_allocation",
        "refresh/volume@allocation",
        STR,
        "How much of a volume counts as allocated: what the storage says, or without asking it for all of the capacity"
        " (V(rbd), where asking takes long).",
        choices=("default", "capacity"),
    ),
    Field("cow", "features/cow@state", YES_NO, "Whether files are copied on write (btrfs)."),
    ValueList("mount_options", "fs:mount_opts/fs:option@name", STR, "Options for mount (V(fs), V(netfs))."),
    Map(
        "rbd_options",
        "rbd:config_opts/rbd:option",
        FILLED,
        doc="Options for librados (V(rbd)): name to value. Full when given.",
    ),
)
