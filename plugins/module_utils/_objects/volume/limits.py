# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new volume can't be, said before libvirt or QEMU finds it out, or drops it without a word."""

from __future__ import annotations

import os
import typing as t

from ..._command import found
from ..._plan import refuse
from ..._xml import document, units
from ..pool.table import FILES, UNMAKING

if t.TYPE_CHECKING:
    from ..._xml.rows import Values
    from .order import Order

DEVICES = ("logical", "iscsi", "iscsi-direct", "scsi", "mpath", "zfs", "rbd")
QCOW2_ONLY = ("compat", "cluster_size", "lazy_refcounts", "extended_l2")
CLUSTERS = (512, 2 * 1024**2)  # bytes; a power of two between
UNMADE = ("bochs", "cloop", "dmg")  # formats that QEMU reads only
GROWING = ("raw", "qcow2", "qed")
PARTITIONS = 16  # numbers beyond those there are that the next may have where there are extended partitions
OVERLAYS = ("qcow2", "qed", "qcow")  # formats that can have a backing volume of any format
ENCRYPTED = ("raw", "qcow2")
CONVERTED = ("dir", "ploop")  # formats that aren't one image, so that qemu-img copies nothing into them
BYTES_MOST = 2**63 - 1
CLUSTER = 64 * 1024  # bytes; QEMU's own choice
TABLE_MOST = 2**22  # entries of the first table of a qcow2 image: each is a cluster of entries, of 8 bytes
EXTENDED_LEAST = 16 * 1024  # bytes of a cluster that can be divided


def check_pool(order: Order) -> None:
    """Refuse a new volume where libvirt makes none, or gives it a name of its own."""
    if order.kind in UNMAKING:
        refuse(
            "name",
            f"{order.title} isn't there, and libvirt can't make volumes in a pool of type {order.kind}",
            "Name one that its storage has (metal.kvm.volume_info lists them); or make it on the storage's own side, then run"
            " metal.kvm.pool with refresh: true.",
        )
    if order.kind == "disk" and order.world.local:
        _check_partition(order)


def _check_partition(order: Order) -> None:
    """Refuse a name that the next partition of the pool's disk can't have. Where the first gap needn't be filled, since there
    are extended ones, any free number may be it; the device mapper's tools have rules of their own."""
    root = document.document(order.pool.XMLDesc(0))
    disk = os.path.basename(os.path.realpath(root.find("source/device").get("path")))
    if disk.startswith("dm-"):
        return
    prefix = disk + ("p" if disk[-1].isdigit() else "")
    there = set(order.pool.listVolumes())
    free = [name for name in (f"{prefix}{number}" for number in range(1, len(there) + PARTITIONS)) if name not in there]
    extended = root.find("source/format").get("type") in ("dos", "unknown")
    if order.name not in (free if extended else free[:1]):
        why = f"'{order.name}' can't be the name of the next partition of pool {order.pool_name}"
        refuse("name", why, f"Say {free[0]}.")


def check_size(wanted: Values) -> None:
    """Refuse sizes that no image can have."""
    for option in ("capacity", "allocation"):
        if wanted.get(option, 0) > BYTES_MOST:
            refuse(option, f"{units.shown(wanted[option])} is more than a volume can have", "Ask for less than 8 EiB.")


def check_room(order: Order) -> None:
    """Refuse what LVM has no room for, and what qcow2's tables can't hold; files grow into their room."""
    if order.wanted["format"] == "qcow2":
        _check_tables(order.wanted)
    if order.kind != "logical":
        return
    option = "allocation" if "allocation" in order.wanted else "capacity"
    needed, free = int(order.wanted.get(option) or 0), int(order.pool.info()[3])
    if needed > free:
        refuse(
            option,
            f"{order.title} needs {units.shown(needed)}, and the volume group has {units.shown(free)} left",
            "Ask for less, or add a device to the group (vgextend); then run metal.kvm.pool with refresh: true.",
        )


def _check_tables(wanted: Values) -> None:
    cluster = wanted.get("cluster_size") or CLUSTER
    most = TABLE_MOST * cluster * (cluster // (16 if wanted.get("extended_l2") else 8))
    if wanted.get("capacity", 0) > most:
        why = f"{units.shown(wanted['capacity'])} is more than qcow2 has with clusters of {units.shown(cluster)}"
        refuse("capacity", why, f"Ask for at most {units.shown(most)}, or for a larger cluster_size.")


def _check_format_in_pool(order: Order, form: str, backing: t.Optional[Values]) -> None:
    """Refuse a format that can't be in the pool, on the backing volume, or made at all."""
    if backing and form == "raw" and order.kind != "logical":  # LVM's snapshots are overlays
        refuse("format", f"{order.title} is raw, which can't have a backing volume", "Say format: qcow2.")
    if order.kind in DEVICES and form != "raw":
        refuse(
            "format", f"volumes of pool {order.pool_name} are devices, which are raw, not {form}", "Leave format out."
        )
    if form in UNMADE:
        refuse("format", f"QEMU can read {form} images, and not make them", "Say qcow2 or raw, for example.")
    if form == "dir" and "capacity" in order.wanted:
        refuse("capacity", f"{order.title} is a directory, which has no size", "Leave capacity out.")


def _check_makeable(order: Order, form: str, backing: t.Optional[Values]) -> None:
    """Refuse what QEMU and libvirt don't make in this format."""
    if backing and not _can_overlay(order, form, backing):
        refuse("format", f"{order.title} is {form}, which can't have that backing volume", "Say format: qcow2.")
    if order.wanted.get("encryption") and form not in ENCRYPTED:
        refuse("encryption", f"{order.title} is {form}, which can't be encrypted", "Say format: raw or qcow2.")
    if order.params["source"] is not None and form in CONVERTED:
        refuse("format", f"a source is one image, and {form} volumes are directories", "Leave format out.")
    if form == "ploop" and order.world.local and not found("ploop"):
        refuse("format", "ploop needs the program ploop, which this machine hasn't got", "Say format: qcow2.")


def _can_overlay(order: Order, form: str, backing: Values) -> bool:
    return form in OVERLAYS or order.kind not in FILES or form == backing["format"] == "vmdk"


def check_format(order: Order, backing: t.Optional[Values]) -> None:
    """Refuse a format that the pool, or the backing volume, can't have, and what the format can't be made with."""
    form = order.wanted["format"]
    _check_format_in_pool(order, form, backing)
    _check_makeable(order, form, backing)
    _check_qcow2(order, form)
    if backing and order.params["preallocation"] == "metadata":
        refuse("preallocation", f"{order.title} is an overlay, whose metadata grow", "Leave preallocation out.")
    encryption = order.wanted.get("encryption")
    if encryption and not (encryption.get("secret_uuid") or encryption.get("secret_usage")):
        why = f"{order.title} needs a secret that has the passphrase"
        refuse("encryption", why, "Say secret_uuid or secret_usage (metal.kvm.secret).")
    if order.wanted.get("nocow") and order.world.local and order.kind in FILES and not _on_btrfs(order.directory):
        refuse("nocow", f"{order.directory} isn't on btrfs, which alone has it", "Leave nocow out.")


def _check_qcow2(order: Order, form: str) -> None:
    """What only qcow2 has, and what of it doesn't go together."""
    wanted = order.wanted
    given = [option for option in QCOW2_ONLY if wanted.get(option)]
    given += ["preallocation"] if order.params["preallocation"] == "metadata" else []
    if given and form != "qcow2":
        refuse(given[0], f"only qcow2 volumes have it, and {order.title} is {form}", "Leave one of them out.")
    for option in ("lazy_refcounts", "extended_l2"):
        if wanted.get(option) and wanted.get("compat") == "0.10":
            refuse(option, "qcow2 has it from compat 1.1 on, and 0.10 is asked for", "Leave one of them out.")
    if wanted.get("cluster_size") is not None:
        _check_clusters(wanted["cluster_size"], wanted.get("extended_l2"))


def _check_clusters(size: int, divided: t.Optional[bool]) -> None:
    if not CLUSTERS[0] <= size <= CLUSTERS[1] or size & (size - 1):
        why = f"{units.shown(size)} is no power of two between 512 bytes and 2 MiB"
        refuse("cluster_size", why, "Say 64 KiB, for example.")
    if divided and size < EXTENDED_LEAST:
        refuse("extended_l2", f"a cluster of {units.shown(size)} is too small to be divided", "Say 16 KiB or more.")


def _on_btrfs(directory: str) -> bool:
    """Whether the directory of this machine, or where it would be, is in a btrfs."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        mounts = [line.split() for line in file]
    types = {words[4]: words[words.index("-") + 1] for words in mounts}
    path = os.path.realpath(directory)
    while path not in types and path != "/":
        path = os.path.dirname(path)
    return types.get(path) == "btrfs"
