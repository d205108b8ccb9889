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
    images, node = [], disk
    while node is not None and node.find("source") is not None:
        source, kind = node.find("source"), node.find("driver" if node is disk else "format")
        index = source.get("index") or node.get("index") or ""
        block = sizes.get(index) or (blocks[0] if blocks and node is disk else {})
        images.append(_image(_where(source) or block.get("path"), None if kind is None else kind.get("type"), block))
        node = node.find("backingStore")
    return images


def _idle(world: World, disk: Element, blocks: list[Values]) -> list[Values]:
    """The chain as pools know it, or as the files say on this machine."""
    source, kind = disk.find("source"), disk.find("driver")
    block = blocks[0] if blocks else {}
    path = _where(source)
    if source.get("volume"):
        there = world.volume(source.get("pool"), source.get("volume"))
        path = None if there is None else there.path()
    top = _image(path, None if kind is None else kind.get("type"), block)
    chain = _by_pools(world, path) if path else []
    if path and world.local and (not chain or chain[-1].get("below")):
        chain = chain[:-1] + (_by_files(chain[-1]["path"] if chain else path) or chain[-1:])
    chain = [{key: value for key, value in one.items() if key != "below"} for one in chain]
    return [{**chain[0], "format": top["format"]}, *chain[1:]] if chain else [top]


def _by_pools(world: World, path: str) -> list[Values]:
    """The images from ``path`` down that are volumes; the last has ``below`` where it's an overlay of what isn't one."""
    images: list[Values] = []
    while path and path not in [image["path"] for image in images]:
        one: t.Optional[Volume] = tried(functools.partial(by_path, world, path))[0]
        if one is None:
            break
        sizes = {size: int(one.root.findtext(size)) for size in SIZES if one.root.findtext(size)}
        images.append(_image(one.path, one.format, sizes))
        path = one.backing
    if path and images:
        images[-1]["below"] = path
    return images


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
