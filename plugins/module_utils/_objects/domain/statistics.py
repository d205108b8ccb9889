# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt measures of domains, asked of all of them in one call; and their disks with sizes and backing chains."""

from __future__ import annotations

import functools
import typing as t

from ..._libvirt import flags, tried
from ..._plan import KvmError
from ..._xml import document
from ..._xml.rows import Values
from ..storage import Volume, by_path
from .nested import nested

if t.TYPE_CHECKING:
    from ..._libvirt import World

Element = document.Element

SIZES = ("capacity", "allocation", "physical")
NOWAIT = ("VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT", "VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING")


def measured(world: World, domains: list[t.Any], everything: bool) -> dict[str, Values]:
    """UUID to what libvirt measures, in its own flat words: all of it, or only what is of disks.

    One call for all; of a domain that is busy libvirt leaves out what it would have to wait for.
    """
    if not domains:
        return {}
    groups = 0 if everything else flags("VIR_DOMAIN_STATS_BLOCK")
    found = world.connection.domainListGetStats(domains, groups, flags(*NOWAIT))
    return {domain.UUIDString(): values for domain, values in found}


def statistics(flat: Values) -> Values:
    """The measures of one domain as dicts and lists; of a disk's backing chain only the top."""
    values = nested(flat)
    disks = {disk.get("name"): disk for disk in reversed(values.get("disks", []))}
    if disks:
        values["disks"] = list(reversed(list(disks.values())))
    return values


def storage(world: World, root: Element, flat: Values, active: bool) -> list[Values]:
    """Every disk with a medium: ``{target, path, format, capacity, allocation, physical, backing: [...]}``, in bytes.

    ``root`` is the running document where the domain is ``active``, else the definition. ``backing`` is what is below,
    the nearest first.
    """
    blocks: dict[str, list[Values]] = {}
    for block in nested(flat).get("disks", ()):
        blocks.setdefault(block.get("name", ""), []).append(block)
    found = []
    for disk in root.iterfind("devices/disk"):
        source, target = disk.find("source"), disk.find("target").get("dev")
        if source is None:
            continue
        images = _running(disk, blocks.get(target, [])) if active else _idle(world, disk, blocks.get(target, []))
        if images:
            found.append({"target": target, **images[0], "backing": images[1:]})
    return found


def _running(disk: Element, blocks: list[Values]) -> list[Values]:
    """The chain as QEMU has it open; sizes are matched by the index that libvirt gives to each image."""
    sizes = {str(block["backingIndex"]): block for block in blocks if "backingIndex" in block}
    first: Values = next(iter(blocks), {})
    images = []
    for node in _layers(disk):
        source, top = node.find("source"), node is disk
        block = sizes.get(source.get("index") or node.get("index") or "") or (first if top else {})
        form = _format(node.find("driver" if top else "format"))
        images.append(_image(_where(source) or block.get("path"), form, block))
    return images


def _layers(disk: Element) -> t.Iterator[Element]:
    """The disk, and the elements of what is below it, as far as they say a source."""
    node = disk
    while node is not None and node.find("source") is not None:
        yield node
        node = node.find("backingStore")


def _format(node: t.Optional[Element]) -> t.Optional[str]:
    return None if node is None else node.get("type")


def _idle(world: World, disk: Element, blocks: list[Values]) -> list[Values]:
    """The chain as pools know it, or as the files say on this machine."""
    path, form = _source_path(world, disk.find("source")), _format(disk.find("driver"))
    chain = _chain(world, path) if path else []
    if chain:
        return [{**chain[0], "format": form}, *chain[1:]]
    return [_image(path, form, next(iter(blocks), {}))]


def _source_path(world: World, source: Element) -> t.Optional[str]:
    """The path of a disk's source; of a volume the one that its pool knows."""
    if not source.get("volume"):
        return _where(source)
    there = world.volume(source.get("pool"), source.get("volume"))
    return None if there is None else str(there.path())


def _chain(world: World, path: str) -> list[Values]:
    """The images from ``path`` down: as pools know them, and from the last of these on as the files say."""
    chain, below = _by_pools(world, path)
    if not (below and world.local):
        return chain
    last = chain[-1]["path"] if chain else path
    return chain[:-1] + (_by_files(last) or chain[-1:])


def _by_pools(world: World, path: str) -> tuple[list[Values], str]:
    """The images from ``path`` down that are volumes, and the path below the last one, which isn't a volume."""
    images: list[Values] = []
    while path and path not in [image["path"] for image in images]:
        one: t.Optional[Volume] = tried(functools.partial(by_path, world, path))[0]
        if one is None:
            break
        sizes = {size: int(one.root.findtext(size)) for size in SIZES if one.root.findtext(size)}
        images.append(_image(one.path, one.format, sizes))
        path = one.backing
    return images, path


def _by_files(path: str) -> list[Values]:
    """The images from ``path`` down as ``qemu-img`` reads them; none where it can't."""
    from ..formats import image_chain

    try:
        chain = image_chain(path, "storage")
    except KvmError:
        return []
    return [
        _image(one["filename"], one["format"], {"capacity": one["virtual-size"], "allocation": one.get("actual-size")})
        for one in chain
    ]


def _where(source: Element) -> t.Optional[str]:
    """The path of a disk's source; of a network disk its protocol and name."""
    path = source.get("file") or source.get("dev") or source.get("dir") or source.get("path")
    return path or (f"{source.get('protocol')}:{source.get('name')}" if source.get("protocol") else None)


def _image(path: t.Optional[str], form: t.Optional[str], sizes: Values) -> Values:
    return {"path": path, "format": form, **{size: sizes.get(size) for size in SIZES}}
