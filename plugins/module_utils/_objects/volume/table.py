# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a storage volume: every option that has a place in its document."""

from __future__ import annotations

import typing as t

from ..._xml.contradictions import either, most
from ..._xml.rows import Field, Group
from ..._xml.types import BYTES, PRESENT, STR, UUID, Size
from ..formats import FORMATS
from ..permissions import permissions

VOLUME: tuple[t.Any, ...] = (
    Field(
        "capacity",
        "capacity",
        BYTES,
        [
            "Its size as a guest sees it, V(20 GiB). A new volume needs it where it has no O(backing) and no O(source),"
            " whose size"
            " it takes otherwise.",
            "A larger value than it has makes the volume grow, in a guest that is running too. It never shrinks.",
        ],
    ),
    Field(
        "allocation",
        "allocation",
        BYTES,
        "How much of an empty volume is allocated when it's made. Never looked at again. libvirt allocates the whole"
        " capacity of a raw volume where this is left out.",
    ),
    Field(
        "format",
        "target/format@type",
        STR,
        [
            "The format of a new volume; it can't be changed.",
            "Left out, it is that of O(source), else what the name's ending says, else V(qcow2) in pools of files and"
            " V(raw) in"
            " others. It's never left to libvirt to choose.",
        ],
        choices=FORMATS,
    ),
    permissions("the volume"),
    Field(
        "compat",
        "target/compat",
        STR,
        "The version of a qcow2 volume; V(1.1) where it's left out.",
        choices=("0.10", "1.1"),
    ),
    Field("cluster_size", "target/clusterSize", Size("B"), "The cluster size of a qcow2 volume, V(64 KiB)."),
    Field(
        "lazy_refcounts",
        "target/features/lazy_refcounts",
        PRESENT,
        "Whether a qcow2 volume writes its reference counts late.",
    ),
    Field(
        "extended_l2",
        "target/features/extended_l2",
        PRESENT,
        "Whether a qcow2 volume's clusters are divided, so that small writes allocate less.",
    ),
    Field("nocow", "target/nocow", PRESENT, "Whether the file system's copy on write is off for the volume (btrfs)."),
    Group(
        "encryption",
        "target/encryption",
        (
            Field("format", "@format", STR, "How it is encrypted.", choices=("luks",)),
            Field(
                "secret_uuid",
                "secret[@type='passphrase']@uuid",
                UUID,
                "The UUID of libvirt's secret that has the passphrase.",
                no_log=False,
            ),
            Field(
                "secret_usage",
                "secret[@type='passphrase']@usage",
                STR,
                "The usage of libvirt's secret that has the passphrase.",
                no_log=False,
            ),
        ),
        "Encryption of a new volume. The passphrase itself is a secret of libvirt's.",
    ),
)

MADE_WITH = (
    "compat",
    "cluster_size",
    "lazy_refcounts",
    "extended_l2",
    "nocow",
    "encryption",
)  # as it was made, so it stays

CONTRADICTIONS = (
    most("allocation", "capacity", size=True),
    either("secret_uuid", "secret_usage", "encryption"),
)
