# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a secret: what it is for and how libvirt keeps it. Its value is no row: no document has it."""

from __future__ import annotations

import typing as t

from ..._xml import document
from ..._xml.rows import REFUSED, RESTART, Element, Field
from ..._xml.types import STR, UUID, YES_NO

# What a secret is used for, and the element that has the name of the use.
USAGES = {"ceph": "name", "iscsi": "target", "volume": "volume", "tls": "name", "vtpm": "name"}


def _name(secret: Element) -> t.Optional[str]:
    node = secret.find("usage")
    tag = USAGES.get("" if node is None else node.get("type") or "")
    return node.findtext(tag) if tag else None


def _put_name(secret: Element, name: str) -> None:
    node = secret.find("usage")
    tag = USAGES.get("" if node is None else node.get("type") or "")
    if tag:
        below = node.find(tag)
        (document.child(node, tag) if below is None else below).text = name


def _private(before: t.Any, after: t.Any) -> str:
    """libvirt never gives a private secret's value away again."""
    return REFUSED if before else RESTART


SECRET: tuple[t.Any, ...] = (
    Field(
        "uuid",
        "uuid",
        UUID,
        "The secret's UUID. libvirt makes one where this is left out; it can't be changed. Guests that migrate with a"
        " disk that needs the secret find it by this, so that it should be the same on all their hosts.",
        takes=REFUSED,
    ),
    Field(
        "usage",
        "usage@type",
        STR,
        [
            "What the secret is for, and with O(name) what tells it from others. It can't be changed.",
            "V(ceph) and V(iscsi) log in at servers of storage, V(volume) opens an encrypted volume, V(tls) a private key,"
            " V(vtpm) the state of an emulated TPM.",
        ],
        choices=tuple(USAGES),
        takes=REFUSED,
    ),
    Field(
        "name",
        "usage",
        STR,
        "What the secret is called by those who use it: O(metal.kvm.pool#module:source.auth.secret_usage) and the like. For"
        " V(usage=volume) libvirt takes the volume's path. It can't be changed.",
        takes=REFUSED,
        get=_name,
        put=_put_name,
    ),
    Field("description", "description", STR, "What it is, for people."),
    Field(
        "ephemeral",
        "@ephemeral",
        YES_NO,
        "Whether libvirt keeps the secret in memory only, so that it's gone with the daemon.",
    ),
    Field(
        "private",
        "@private",
        YES_NO,
        "Whether libvirt gives the value to nobody who asks, so that it can be used and not read. It can't be made false"
        " again.",
        takes=_private,
    ),
)
