# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of a disk's rarer parts: sources beyond files and volumes, secrets, limits, geometry."""

from __future__ import annotations

import typing as t

from ...._xml.items import Items
from ...._xml.maps import SecretMap
from ...._xml.rows import Field
from ...._xml.types import BYTES_ALONE, PATH, PCI, PORT, POSITIVE, STR, TEXT, UUID, WHOLE, YES_NO
from .common import Element, Put, instead, put_pci, unsaid


def _secret(put: t.Callable[[str, str], Put]) -> tuple[Field, Field]:
    return (
        Field("secret_uuid", "secret@uuid", UUID, "The UUID of libvirt's secret.", put=put("secret@uuid", "usage")),
        Field("secret_usage", "secret@usage", STR, "The usage name of libvirt's secret, instead of its UUID.",
              put=put("secret@usage", "uuid")),
    )  # fmt: skip


def _login(path: str, other: str) -> Put:
    """The way to write which secret logs in; what it's for is what the source's protocol takes, unless it's said."""
    write = instead(path, other)

    def put(auth: Element, value: t.Any) -> None:
        write(auth, value)
        if auth.find("secret").get("type") is None:
            above = auth.getparent()
            source = above if above.tag == "source" else above.find("source")
            auth.find("secret").set("type", _secret_type(source.get("protocol")))

    return put


def _secret_type(protocol: t.Optional[str]) -> str:
    return "ceph" if protocol == "rbd" else "iscsi"


def _put_protocol(source: Element, value: str) -> None:
    """The secret that logs in is of the kind that the protocol takes."""
    for secret in (*source.iterfind("auth/secret"), *source.getparent().iterfind("auth/secret")):
        if secret.get("type") == _secret_type(source.get("protocol")):
            secret.set("type", _secret_type(value))
    source.set("protocol", value)


def _passphrase(path: str, other: str) -> Put:
    return instead(path, other, type="passphrase")


AUTH = (
    Field("username", "@username", STR, "The name to log in with."),
    Field(
        "secret_type",
        "secret@type",
        STR,
        "What the secret is for. Left out, it's what the protocol takes.",
        choices=("ceph", "iscsi"),
    ),
    *_secret(_login),
)
ENCRYPTION = (
    Field("format", "@format", STR, "The kind of encryption.", choices=("luks", "luks2", "luks-any", "qcow")),
    Field("engine", "@engine", STR, "Who decrypts.", choices=("qemu", "librbd")),
    *_secret(_passphrase),
)
HOSTS = Items("hosts", "host", (
    Field("name", "@name", STR, "Host name or address."),
    Field("port", "@port", PORT, "TCP port."),
    Field("transport", "@transport", STR, "Transport.", choices=("tcp", "rdma", "unix")),
    Field("socket", "@socket", PATH, "Path of the UNIX socket."),
), keys=(lambda item: item.get("socket") or (item.get("name"), item.get("port")),), doc="Where the servers are.")  # fmt: skip
NETWORK = (
    Field("protocol", "@protocol", STR, "How the disk is reached.", choices=(
        "rbd", "nbd", "iscsi", "http", "https", "ftp", "ftps", "tftp", "sheepdog", "gluster", "ssh", "nfs",
        "vxhs"), put=_put_protocol),
    Field("name", "@name", STR,
          "What is reached: V(pool/image) for rbd, the export for nbd, V(target/lun) for iscsi, the path for http.", live="media"),
    Field("query", "@query", STR, "What follows the question mark of an http or https address."),
    HOSTS,
    Field("tls", "@tls", YES_NO, "Whether the connection is encrypted (nbd).", volatile=unsaid("@tls")),
    Field("tls_hostname", "@tlsHostname", STR, "The name that the server's certificate must be for (nbd)."),
    Field("snapshot", "snapshot@name", STR, "A snapshot of the image (rbd)."),
    Field("config", "config@file", PATH, "A configuration file for the client (rbd)."),
    Field("user", "identity@user", STR, "The user by name, or by number like V(+1000) (nfs)."),
    Field("group", "identity@group", STR, "The group by name, or by number like V(+1000) (nfs)."),
    Field("initiator", "initiator/iqn@name", STR, "The initiator's own name (iscsi)."),
    Field("ssl_verify", "ssl@verify", YES_NO, "Whether the server's certificate is checked (https, ftps)."),
    SecretMap("cookies", "cookies/cookie", TEXT, "Cookies by name (http, https). Full when given.", value_at=""),
    Field("readahead", "readahead@size", BYTES_ALONE, "How much is read ahead (http, https, ftp, ftps).", silent=0),
    Field("timeout", "timeout@seconds", POSITIVE, "How long to wait for an answer, in seconds (http, https, ftp, ftps)."),
    Field("reconnect_delay", "reconnect@delay", POSITIVE, "How long to try to connect again, in seconds (nbd).", since=9_001_000),
)  # fmt: skip
NVME = (
    Field("address", "address", PCI, "The device's PCI address, V(0000:01:00.0).", put=put_pci("address", type="pci")),
    Field("namespace", "@namespace", POSITIVE, "The number of the namespace."),
    Field("managed", "@managed", YES_NO, "Whether libvirt takes the device from its driver and gives it back."),
)
VHOST_USER = (
    Field("path", "@path", STR, "Path of the UNIX socket.", put=instead("@path", type="unix")),
    Field("reconnect", "reconnect@enabled", YES_NO, "Whether to connect again when the other process is gone."),
    Field("reconnect_timeout", "reconnect@timeout", POSITIVE, "How long between two tries, in seconds."),
)
_LIMITS = (("bytes_sec", "Bytes per second"), ("iops_sec", "Operations per second"),
           ("bytes_sec_max", "Bytes per second in a burst"), ("iops_sec_max", "Operations per second in a burst"),
           ("bytes_sec_max_length", "Length of a burst of bytes, in seconds"),
           ("iops_sec_max_length", "Length of a burst of operations, in seconds"))  # fmt: skip
IOTUNE = (
    *(Field(f"{way}_{limit}", f"{way}_{limit}", WHOLE, f"{text}, {direction}. V(0) for no limit.", live="iotune", silent=0)
      for limit, text in _LIMITS
      for way, direction in (("total", "read and written together"), ("read", "read"), ("write", "written"))),
    Field("size_iops_sec", "size_iops_sec", WHOLE, "How many bytes count as one operation.", live="iotune", silent=0),
    Field("group_name", "group_name", STR, "A name that disks share that share the limits.", live="iotune"),
)  # fmt: skip
GEOMETRY = (
    Field("cyls", "@cyls", POSITIVE, "Cylinders."),
    Field("heads", "@heads", POSITIVE, "Heads."),
    Field("secs", "@secs", POSITIVE, "Sectors in a track."),
    Field("trans", "@trans", STR, "The BIOS's translation.", choices=("auto", "none", "lba")),
)
BLOCK_IO = (
    Field("logical_block_size", "@logical_block_size", POSITIVE, "Logical sector, in bytes."),
    Field("physical_block_size", "@physical_block_size", POSITIVE, "Physical sector, in bytes."),
    Field(
        "discard_granularity",
        "@discard_granularity",
        POSITIVE,
        "The least that can be discarded, in bytes.",
        since=9_001_000,
    ),
)
RESERVATIONS = (
    Field("managed", "@managed", YES_NO, "Whether libvirt runs the process that does them."),
    Field(
        "path",
        "source@path",
        STR,
        "Path of the UNIX socket of a process of your own.",
        put=instead("source@path", type="unix", mode="client"),
        volatile=unsaid("source@path"),
    ),
)
SLICE = (
    Field("offset", "@offset", WHOLE, "Where it begins, in bytes."),
    Field("size", "@size", POSITIVE, "How long it is, in bytes."),
)
