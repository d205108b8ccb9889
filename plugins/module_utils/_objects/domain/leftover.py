# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running domain and its definition differ in that no option describes."""

from __future__ import annotations

import re
import typing as t

from ..._xml import document
from ..._xml.export import difference, flat
from ..._xml.items import Items
from ..._xml.rows import read
from .table import DOMAIN

Element = document.Element

# What libvirt fills in, counts or finds out while a guest runs.
VOLATILE = re.compile(
    r"^@id$|/alias(/|$)|/address(\[\d+\])?(/|$)|^seclabel|^resource(/|$)|^perf(/|$)|^devices/emulator$|^cpu(/|$)|^os/(loader|nvram)(/|$)"
    r"|^metadata(/\{https://metal.kvm|$)|^(currentMemory|memory|maxMemory|vcpu|vcpus|iothreads|iothreadids)(\[|/|$)"
    r"|/source/@(index|portid|bridge|path|dev|startupPolicy|mode|host|service|tls)$|/@tty$|/backingStore(/|$)|/mirror(/|$)|/target/@(dev|state)$"
    r"|/graphics(\[\d+\])?/(@|listen|channel)|/memballoon/stats|/privateData|/reservations/source(/|$)|/vsock/cid|/target/(current|requested)(/|$)"
    r"|/virtualport(/|$)|/interface(\[\d+\])?/(@type|source|vlan|bandwidth|filterref|mac|model|backend|driver)(/|$)"
    r"|^devices/(audio|input|controller|hub|console)|/log(/|$)|/model/@name$|/target/@(chassis|port|hotplug)$|/geometry(/|$)|/encryption(/|$)"
    r"|^devices/disk(\[[^\]]*\])?/driver/@(name|type)$"
)
_DEVICE = re.compile(r"(devices/[^/\[]+)(?:\[[^\]]*\])?")
_LISTED = {row.path for row in DOMAIN if isinstance(row, Items)}


def undescribed(running: Element, persistent: Element) -> list[str]:
    """``xml: <path>`` for each place."""
    stored_places, running_places = flat(persistent, VOLATILE), flat(running, VOLATILE)
    left = {
        path: pair for path, pair in difference(stored_places, running_places).items() if not _goes_with(path, pair)
    }
    if not left:
        return []
    both = _devices(stored_places) & _devices(running_places)
    known = {id(root): read(DOMAIN, root) for root in (persistent, running)}
    return [
        f"xml: {_shown(path)}"
        for path, (stored, _there) in left.items()
        if _devices([path]) <= both and not _described(persistent if stored is not None else running, path, known)
    ]


def _goes_with(path: str, pair: t.Sequence[t.Any]) -> bool:
    """Whether it's the unit of a number that is on one side only: the number is compared."""
    return path.endswith("/@unit") and None in pair


def _devices(places: t.Iterable[str]) -> set[str]:
    """The devices of lists that the places are in: one that comes or goes is an option's difference as a whole."""
    found = (_DEVICE.match(path) for path in places)
    return {match[0] for match in found if match and match[1] in _LISTED}


def _described(root: Element, path: str, known: dict[int, t.Any]) -> bool:
    """Whether an option says something else without that place; then the options were compared already."""
    copy = document.clone(root)
    names: dict[str, str] = {}
    found = document.xpath(copy, re.sub(r"\{([^}]*)\}", lambda match: _prefix(match[1], names), path), names, "path")
    if not found:
        return True
    if any(items.implied(found[0]) for items in _implying(path) if hasattr(found[0], "tag") and items.implied):
        return True
    _cut(found[0])
    try:
        return bool(read(DOMAIN, copy) != known[id(root)])
    except (TypeError, ValueError):  # an option needs it
        return True


def _implying(path: str) -> list[Items]:
    return [row for row in DOMAIN if isinstance(row, Items) and row.path == path]


def _cut(node: t.Any) -> None:
    if hasattr(node, "tag"):
        document.remove(node)
    elif node.is_attribute:
        del node.getparent().attrib[node.attrname]
    else:
        node.getparent().text = None


def _prefix(uri: str, names: dict[str, str]) -> str:
    prefix = next((one for one, known in names.items() if known == uri), f"n{len(names)}")
    names[prefix] = uri
    return prefix + ":"


def _shown(path: str) -> str:
    """The path as it's written in ``xml_patch``, names of other namespaces without theirs."""
    return re.sub(r"\{[^}]*\}", "", path)
