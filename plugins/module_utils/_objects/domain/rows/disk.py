# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of a disk."""

from __future__ import annotations

import typing as t

from ...._xml import document
from ...._xml.items import Items
from ...._xml.kinds import Attributes
from ...._xml.later import Later
from ...._xml.rows import Field, Group, Map, Union
from ...._xml.types import BYTES, INT, KIB, ON_OFF, PCI, POSITIVE, PRESENT, STR, UUID, WHOLE, YES_NO
from .common import ACPI_INDEX, ADDRESS, ALIAS, BOOT_ORDER, VIRTIO, VIRTIO_MODELS, instead, unsaid

Element = document.Element


def _format_put(disk: Element, value: str) -> None:
    driver = disk.find("driver")
    if driver is None:
        driver = document.element("driver")
        disk.insert(0, driver)
    driver.set("name", driver.get("name") or "qemu")
    driver.set("type", value)


def _tray_moves(persistent: Element, running: Element) -> bool:
    """The guest opens and closes the tray as it likes."""
    return True


SECRET = (
    Field("secret_uuid", "secret@uuid", UUID, "The UUID of libvirt's secret.", put=instead("secret@uuid", "usage")),
    Field("secret_usage", "secret@usage", STR, "The usage name of libvirt's secret, instead of its UUID.",
          put=instead("secret@usage", "uuid")),
)  # fmt: skip
AUTH = (
    Field("username", "@username", STR, "The name to log in with."),
    Field("secret_type", "secret@type", STR, "What the secret is for.", choices=("ceph", "iscsi")),
    *SECRET,
)
HOSTS = Items("hosts", "host", (
    Field("name", "@name", STR, "Host name or address."),
    Field("port", "@port", INT, "TCP port."),
    Field("transport", "@transport", STR, "Transport.", choices=("tcp", "rdma", "unix")),
    Field("socket", "@socket", STR, "Path of the UNIX socket."),
), keys=(lambda item: item.get("socket") or (item.get("name"), item.get("port")),), doc="Where the servers are.")  # fmt: skip


def _network() -> t.Sequence[t.Any]:
    return (
        Field("protocol", "@protocol", STR, "How the disk is reached.", choices=(
            "rbd", "nbd", "iscsi", "http", "https", "ftp", "ftps", "tftp", "sheepdog", "gluster", "ssh", "nfs")),
        Field("name", "@name", STR,
              "What is reached: V(pool/image) for rbd, the export for nbd, V(target/lun) for iscsi, the path for http."),
        Field("query", "@query", STR, "What follows the C(?) of an http or https address."),
        HOSTS,
        Field("tls", "@tls", YES_NO, "Whether the connection is encrypted (nbd)."),
        Field("tls_hostname", "@tlsHostname", STR, "The name that the server's certificate must be for (nbd)."),
        Field("snapshot", "snapshot@name", STR, "A snapshot of the image (rbd)."),
        Field("config", "config@file", STR, "A configuration file for the client (rbd)."),
        Field("user", "identity@user", STR, "The user by name, or by number as V(+1000) (nfs)."),
        Field("group", "identity@group", STR, "The group by name, or by number as V(+1000) (nfs)."),
        Field("initiator", "initiator/iqn@name", STR, "The initiator's own name (iscsi)."),
        Field("ssl_verify", "ssl@verify", YES_NO, "Whether the server's certificate is checked (https, ftps)."),
        Map("cookies", "cookies/cookie", STR, "Cookies by name (http, https).", value_at=""),
        Field("readahead", "readahead@size", BYTES_ALONE, "How much is read ahead (http, https, ftp, ftps)."),
        Field("timeout", "timeout@seconds", POSITIVE, "How long to wait for an answer, in seconds (http, https, ftp, ftps)."),
        Field("reconnect_delay", "reconnect@delay", POSITIVE, "How long to try to connect again, in seconds (nbd).",
              since=9_001_000),
    )  # fmt: skip


def _more() -> t.Sequence[t.Any]:
    return ()


IOTUNE_DOCS = {
    "bytes_sec": "Bytes per second", "iops_sec": "Operations per second",
    "bytes_sec_max": "Bytes per second in a burst", "iops_sec_max": "Operations per second in a burst",
    "bytes_sec_max_length": "How long such a burst may be, in seconds,",
    "iops_sec_max_length": "How long such a burst may be, in seconds,",
}  # fmt: skip
DIRECTIONS = {"total": "in both directions", "read": "read", "write": "written"}
