# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a volume's first content comes from: another volume, a file, a URL; and whether that moved on since."""

from __future__ import annotations

import os
import re
import typing as t

from ..._libvirt import found_or_none
from ..._plan import KvmError, refuse
from ..._xml import document, units
from .. import storage
from ..formats import by_ending, image_info
from ..pool.table import FILES, NETWORKED
from . import records
from .table import MADE_WITH

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..._plan import Plan
    from ..._xml.rows import Values
    from .order import Order

_CHECKSUM = re.compile(r"^(?:(sha256|sha512):)?(.+)$", re.IGNORECASE | re.DOTALL)
_DIGITS = {"sha256": 64, "sha512": 128}
_REMOTE = ("http://", "https://", "ftp://")


class Checksum:
    """``sha256:<hex>``, ``sha512:<hex>``, or where a list of them is: ``[sha256:]https://…/SHA256SUMS`` or a path."""

    __slots__ = ("algorithm", "digest", "place")

    def __init__(self, given: str) -> None:
        match = _CHECKSUM.match(given.strip())
        self.algorithm = ((match and match[1]) or "").lower()
        rest = match[2].strip() if match else ""
        self.place = rest if rest.startswith(("/", "file://", *_REMOTE)) else ""
        self.digest = "" if self.place else rest.lower()
        if not self.place and not self._well_formed():
            refuse(
                "source.checksum",
                f"'{given}' is not a checksum",
                "Write sha256: or sha512: and the hexadecimal digits, or where the SHA256SUMS file is.",
            )

    def _well_formed(self) -> bool:
        return len(self.digest) == _DIGITS.get(self.algorithm, -1) and not set(self.digest) - set("0123456789abcdef")


class Origin:
    """A source that was looked at: what it is called, and what is known of its format and size beforehand."""

    def __init__(self, given: Values) -> None:
        self.given = given
        self.checksum = Checksum(given["checksum"]) if given.get("checksum") else None
        self.format: t.Optional[str] = given.get("format")
        self.capacity: t.Optional[int] = None
        self.volume: t.Optional[storage.Volume] = None

    @property
    def url(self) -> str:
        """The URL, ``""`` for a file or a volume."""
        url = self.given.get("url") or ""
        return "" if url.startswith("file://") else url

    @property
    def file(self) -> str:
        """The file on the hypervisor, ``""`` for a URL or a volume."""
        url = self.given.get("url") or ""
        return url[len("file://") :] if url.startswith("file://") else self.given.get("file") or ""

    @property
    def words(self) -> str:
        """What it is in a sentence."""
        if self.given.get("volume"):
            return f"volume {self.given['volume']} of pool {self.given['pool']}"
        return records.without_login(self.url) or self.file

    @property
    def shown(self) -> Values:
        """What it is in a diff and in records: without a password."""
        shown = {key: self.given[key] for key in ("url", "file", "volume", "pool") if self.given.get(key)}
        return {**shown, "url": records.without_login(shown["url"])} if "url" in shown else shown


def origin(given: Values, pool: str) -> Origin:
    """The source that the option says, not looked at yet."""
    kinds = [key for key in ("url", "file", "volume") if given.get(key)]
    if len(kinds) != 1:
        refuse("source", f"{' and '.join(kinds) or 'nothing'} is given", "Say one of url, file and volume.")
    found = Origin({**given, "pool": given.get("pool") or pool})
    if found.url and not found.url.startswith(_REMOTE):
        refuse(
            "source.url", f"'{found.url}' is not a URL that can be fetched", "Use http://, https://, ftp:// or file://."
        )
    return found


def looked_at(order: Order) -> Origin:
    """The source that the task says, looked at."""
    found = origin(order.params["source"], order.pool_name)
    look_at(order, found)
    return found


def look_at(order: Order, found: Origin) -> None:
    """Format and size of the source, as far as they're known without fetching it; what is missing is assumed."""
    if found.given.get("volume"):
        _look_at_volume(order.world, order.plan, found)
    elif found.file:
        _look_at_file(order.plan, found, "url" if found.given.get("url") else "file")
    elif not order.world.local:
        refuse(
            "source.url",
            f"{found.url} can't be fetched over {order.world.uri}",
            "Run this task on the hypervisor; or fetch the file, and say source.file, which goes through libvirt.",
        )
    elif found.format is None and by_ending(found.url, "") not in ("", "raw"):
        found.format = by_ending(found.url)


def _look_at_volume(world: World, plan: Plan, found: Origin) -> None:
    from .order import lock_of

    name, pool = found.given["volume"], found.given["pool"]
    there = world.volume(pool, name)
    if there is None:
        message = f"source.volume: pool {pool} isn't active or has no volume named '{name}'"
        remedy = "Declare it first (metal.kvm.volume), or correct the name."
        plan.assume(KvmError(message, remedy, option="source.volume"))
        return
    found.volume = storage.volume(there, pool)
    plan.lock(lock_of(world, document.document(world.get("pool", pool).XMLDesc(0)), pool, name), alone=False)
    found.format, found.capacity = found.format or found.volume.format, found.volume.capacity


def _look_at_file(plan: Plan, found: Origin, option: str) -> None:
    if not os.path.exists(found.file):
        message = f"source.{option}: there is no file {found.file}"
        plan.assume(KvmError(message, "Copy it there first, or correct the path.", option=f"source.{option}"))
        return
    if not os.access(found.file, os.R_OK):
        refuse(f"source.{option}", f"{found.file} can't be read", "Run the task as root (become: true).")
    info = image_info(found.file, f"source.{option}")
    found.format, found.capacity = found.format or str(info["format"]), int(info["virtual-size"])


def plan_copy(order: Order, found: Origin, xml: str, replace: bool = False) -> None:
    """The step that makes the volume a copy of its source."""
    size = order.wanted.get("capacity")
    grown = f", grown to {units.shown(size)}" if size and size != found.capacity else ""
    verb = "replace {} by" if replace else "make {} from"
    text = f"{verb.format(order.title)} {found.words}{grown}"
    if found.given.get("reflink") and not replace:
        _plan_sharing(order, found, text, xml)
        return
    if found.given.get("volume") and not replace:
        metadata = order.params["preallocation"] == "metadata"
        order.add("clone", text, xml=xml, source=found.given, capacity=size, metadata=metadata)
        return
    _refuse_beside_copy(order, replace)
    image = {"form": order.wanted["format"], "capacity": size, "options": _image_options(order)}
    if not order.world.local or order.kind in NETWORKED:
        _plan_upload(order, found, text, xml, replace, image)
        return
    order.add(
        "copy",
        text,
        xml=xml,
        source=found.given,
        permissions=order.wanted.get("permissions", {}),
        files=order.kind in FILES,
        replace=replace,
        **image,
    )


def _image_options(order: Order) -> list[str]:
    """What the image is to be made with, as qemu-img takes it; nothing where its own ways will do."""
    wanted = {name: order.wanted[name] for name in _IMAGE_OPTIONS if order.params[name] is not None}
    if order.params["preallocation"] == "metadata":
        wanted["preallocation"] = "metadata"
    return [f"{name}={'on' if value is True else 'off' if value is False else value}" for name, value in wanted.items()]


_IMAGE_OPTIONS = ("compat", "cluster_size", "lazy_refcounts", "extended_l2")


def _refuse_beside_copy(order: Order, replace: bool) -> None:
    """What qemu-img doesn't do while it converts, but libvirt while it copies a volume."""
    for option in ("encryption", "nocow"):
        if order.wanted.get(option):
            refuse(
                option,
                f"{order.title} can't have it while it's {'replaced' if replace else 'made from a file or URL'}",
                f"Make a volume without it first, and a new one with {option} from that (source.volume).",
            )


def _plan_sharing(order: Order, found: Origin, text: str, xml: str) -> None:
    """The step that makes the volume of the same blocks as its source; far away libvirt can, of raw volumes."""
    why = _unshareable(order, found)
    if why:
        refuse("source.reflink", why, "Leave one of them out.")
    size, permissions = order.wanted.get("capacity"), order.wanted.get("permissions", {})
    if order.world.local:
        order.add(
            "share", text, source=found.given, form=order.wanted["format"], capacity=size, permissions=permissions
        )
    else:
        order.add("clone", text, xml=xml, source=found.given, capacity=size, reflink=True)


def _unshareable(order: Order, found: Origin) -> str:
    """Why the volume can't be of the same blocks as its source; ``""`` where it can."""
    form = order.wanted["format"]
    if not found.given.get("volume"):
        return "a volume shares blocks with another volume, and none is given"
    if order.kind not in FILES:
        return f"volumes of pool {order.pool_name} are devices, which share no blocks"
    if found.volume is not None and found.volume.format != form:
        return f"{found.words} is {found.volume.format}, not {form}, and what is converted shares no blocks"
    beside = [option for option in MADE_WITH if order.params.get(option) is not None]
    if beside:
        return f"what shares its blocks is made as its source is, and {beside[0]} is given"
    if not order.world.local and form != "raw":
        return f"over {order.world.uri} only raw volumes can share blocks"
    return ""


def _plan_upload(order: Order, found: Origin, text: str, xml: str, replace: bool, image: Values) -> None:
    """The step that sends a file of this machine through libvirt to a pool that has no path here."""
    if not found.file or replace:
        option = "refresh" if replace else "source"
        refuse(
            option,
            f"{order.title} has no path on this machine, so only a new volume can be made, from source.file",
            "Make a new volume from a file; or run this task on the hypervisor, on a pool of files or devices.",
        )
    order.add("upload", text, xml=xml, source=found.given, files=order.kind in FILES, **image)


def plan_refresh(order: Order) -> bool:
    """Whether the source moved on since the volume was made: then it's replaced if told, and else it's only said."""
    before = t.cast("storage.Volume", order.before)
    found = origin(order.params["source"], order.pool_name)
    record = records.read(before.path) if order.world.local else {}
    if not record and not order.params["refresh"]:
        return False
    moved = _moved(record, found, order.params["refresh"])
    if not moved:
        return False
    if not order.params["refresh"]:
        order.plan.warnings.append(
            f"source: {order.title} was made from {records.words(record)}, not from {found.words} as that is now;"
            " it stays as it is until refresh: true"
        )
        return False
    from .order import refuse_in_use

    refuse_in_use(order, "refresh", "be replaced")
    look_at(order, found)
    order.wanted.setdefault("format", before.format)
    plan_copy(order, found, order.definition(), replace=True)
    order.plan.differs("source", records.words(record) if record else "unknown", found.words)
    return True


def _moved(record: Values, found: Origin, ask: bool) -> bool:
    """Whether the source is another one than the record says; ``ask``: also ask the server."""
    if not record:
        return True
    if found.checksum is not None and found.checksum.digest:
        known = record.get("digests", {}).get(found.checksum.algorithm)
        if known:
            return bool(known != found.checksum.digest)
    if not found.shown.items() <= record.get("source", {}).items():
        return True
    if found.file:
        return os.path.exists(found.file) and bool(record.get("stat") != records.stat_of(found.file))
    if found.url and ask:
        from .fetch import is_same

        return not is_same(found, record)
    return False


def looked_up(world: World, pool: str, name: str) -> t.Any:
    """The volume, for an operation that needs it."""
    there = found_or_none(
        lambda: world.get("pool", pool, "pool").storageVolLookupByName(name), "VIR_ERR_NO_STORAGE_VOL"
    )
    if there is None:
        refuse("name", f"pool {pool} has no volume named '{name}'", "")
    return there
