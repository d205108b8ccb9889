# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a document of a domain, a snapshot or a checkpoint refers to outside itself. Pure."""

from __future__ import annotations

import re
import typing as t

from ..._xml import document

if t.TYPE_CHECKING:
    from ..._xml.rows import Element

UNRELATED = ("metadata", "description", "title", "name", "emulator", "cmdline", "init")
OF_QEMU = "{%s}" % document.NAMESPACES["qemu"]  # QEMU's own words hold paths anywhere


class Reference:
    """One thing outside a document.

    - ``path``, or ``pool`` and ``volume``, or ``network``, a name on a server.
    - ``disk``: whether a disk reads or writes it; ``raw``: whether that disk says that there is no image format in it.
    - ``directory``: whether all below the path is meant.
    """

    __slots__ = ("directory", "disk", "network", "path", "pool", "raw", "volume")

    def __init__(self, path: str = "", pool: str = "", volume: str = "", network: str = "") -> None:
        self.path = path
        self.pool = pool
        self.volume = volume
        self.network = network
        self.disk = self.raw = self.directory = False


def references(root: Element) -> list[Reference]:
    """All of a document's, in its order. Any absolute path counts, also where only later versions of libvirt have one."""
    return [one for node in root.iter("*") if not _unrelated(node) for one in _of(node)]


def of_source(source: Element) -> t.Iterator[Reference]:
    """Those of a ``source`` element alone."""
    if source.get("pool") and source.get("volume"):
        yield Reference(pool=source.get("pool"), volume=source.get("volume"))
    elif source.get("protocol") and source.get("name"):
        yield Reference(network=source.get("name"))
    for name, value in source.attrib.items():
        if value.startswith("/") and name not in ("startupPolicy", "index", "name"):
            one = Reference(path=value)
            one.directory = name == "dir"
            yield one


def _of(node: Element) -> t.Iterator[Reference]:
    words = list(node.attrib.values())
    if node.tag == "source":
        yield from _of_disk(node)
        words = []
    elif node.tag.startswith(OF_QEMU):
        words = [word.strip() for word in re.split(r"[=,\"']", " ".join(words))]
    for word in [*words, (node.text or "").strip()]:
        if word.startswith("/"):
            yield Reference(path=word)


def _of_disk(source: Element) -> t.Iterator[Reference]:
    """Those of a ``source`` element, with what is declared of the disk that it may belong to."""
    disk = next(source.iterancestors("disk", "mirror", "backingStore"), None)
    for one in of_source(source):
        one.disk = disk is not None
        one.raw = disk is not None and _raw(disk)
        yield one


def _raw(holder: Element) -> bool:
    """Whether a disk, a mirror or an image of a chain is declared to be raw."""
    form = holder.find("driver" if holder.tag == "disk" else "format")
    return form is not None and form.get("type") == "raw"


def _unrelated(node: Element) -> bool:
    if not isinstance(node.tag, str) or node.tag in UNRELATED:
        return True
    above = node.getparent()
    if node.tag == "target" and above is not None and above.tag == "filesystem":
        return True  # a place in the guest
    return next(node.iterancestors("metadata"), None) is not None
