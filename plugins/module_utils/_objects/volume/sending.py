# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The step that sends a file through libvirt into a volume that has no path on this machine."""

from __future__ import annotations

import os
import typing as t

from ..._xml import document
from ..formats import image_info, written
from .image import Image, refuse_references, shaped
from .leftover import refresh
from .source import Origin
from .staging import Staging

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..._xml.rows import Values


def upload(
    world: World,
    pool: str,
    name: str,
    xml: str,
    source: Values,
    form: str,
    capacity: t.Optional[int],
    options: list[str],
    files: bool,
) -> None:
    """Prepare the file here, then send it through libvirt; what libvirt can't rename is taken away on failure."""
    from .stream import upload as send

    world = world.streaming()
    there, staging = world.get("pool", pool, "pool"), Staging("", f"{world.uri} {pool}/{name}")
    staging.make()
    made: list[str] = []
    try:
        image = _to_send(Origin(source), staging, (form if files else "raw", options), capacity, made)
        root = document.document(xml)
        for node in root.findall("target/compat") + root.findall("target/features"):
            document.remove(node)
        format_node = root.find("target/format")
        if format_node is not None:
            format_node.set("type", "raw")  # an empty vessel: the format is in the bytes that come
        root.find("capacity").text = str(os.path.getsize(image))
        if files and root.find("allocation") is None:
            document.child(root, "allocation").text = "0"  # else libvirt allocates all of it beforehand
        staging.begin()
        volume = there.createXML(document.text_of(root), 0)
        staging.begin(volume.key())
        try:
            send(world, volume, image)
            refresh(there)
        except Exception:
            volume.delete(0)
            raise
    except BaseException:
        staging.drop(made)
        staging.abandon()
        raise
    staging.clear()


def _to_send(found: Origin, staging: Staging, wanted: Image, capacity: t.Optional[int], made: list[str]) -> str:
    """The source itself where it is as it shall be, else a verified, converted, grown copy."""
    from .fetch import fetched

    content = found.file
    if found.checksum is None:
        info = image_info(content, "source")
        refuse_references(info, content)
        enough = int(capacity or 0) <= int(info["virtual-size"])
        if wanted == (written(found.format or str(info["format"])), []) and enough:
            return content
    else:
        content = fetched(found, staging.content)[0]
        made.append(content)
    return shaped(content, staging, found.format, wanted, capacity, made)
