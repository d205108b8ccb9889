# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values as users write them and as libvirt writes them: sizes, yes and no, MAC addresses, UUIDs."""

from __future__ import annotations

import re
import typing as t

# libvirt's scaled integers: a bare letter and the forms with "i" are powers of 1024, those with "B" alone of 1000.
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5, "e": 6}
_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*$")
_NAMES = ("EiB", "PiB", "TiB", "GiB", "MiB", "KiB")


def factor(unit: str) -> int:
    """How many bytes one of ``unit`` is. Raises ValueError for a unit that libvirt doesn't know."""
    name = unit.strip().lower()
    if name in ("", "b", "byte", "bytes"):
        return 1
    letter, rest = name[0], name[1:]
    if letter in _POWERS and rest in ("", "ib"):
        return int(1024 ** _POWERS[letter])
    if letter in _POWERS and rest == "b":
        return int(1000 ** _POWERS[letter])
    raise ValueError(f"'{unit}' is not a unit of size; write KiB, MiB, GiB, TiB (or KB, MB ... for powers of 1000)")


def size(value: t.Any) -> int:
    """Bytes in ``value``: ``2 GiB``, ``512M``, ``20G``, ``1.5 GiB``, ``4096 B``; 0 needs no unit.

    Raises ValueError for any other number without a unit: some mean MiB by it, others GiB or bytes.
    """
    match = _SIZE.match(str(value))
    if not match:
        raise ValueError("a size is a number that isn't negative, with a unit: 2 GiB, 512 MiB, 20G, 4096 B")
    whole = float(match.group(1)) if "." in match.group(1) else int(match.group(1))
    if whole and not match.group(2):
        raise ValueError(_without_unit(match.group(1), whole))
    return int(whole * factor(match.group(2)))


def _without_unit(written: str, number: float) -> str:
    """What to write instead of a number without a unit. A large one can only mean bytes."""
    exact = shown(int(number))
    ways = [f"{written} MiB", f"{written} GiB"] if number < 1024**2 else [exact]
    if "." not in written and exact != f"{written} bytes":
        ways.append(f"{written} B")
    return f"this size has no unit; write {' or '.join(map(repr, ways))}"


def written(value: t.Any) -> str:
    """A value in a sentence, as a user writes it: ``true``, not ``True``."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def shown(size_in_bytes: int) -> str:
    """``2147483648`` as ``2 GiB``: the largest unit that gives a whole number."""
    for power, name in zip(range(6, 0, -1), _NAMES):
        if size_in_bytes and size_in_bytes % 1024**power == 0:
            return f"{size_in_bytes // 1024**power} {name}"
    return f"{size_in_bytes} bytes"


def mac(value: t.Any) -> str:
    """A MAC address in libvirt's spelling, ``52:54:00:0a:0b:0c``."""
    pairs = re.split(r"[:-]", str(value).strip().lower())
    if len(pairs) != 6 or not all(re.fullmatch(r"[0-9a-f]{1,2}", pair) for pair in pairs):
        raise ValueError("a MAC address has six pairs of hexadecimal digits, in quotes: '52:54:00:0a:0b:0c'")
    if int(pairs[0], 16) & 1:
        raise ValueError("this is a multicast address; the first byte of a guest's MAC address must be even")
    return ":".join(pair.zfill(2) for pair in pairs)


def uuid(value: t.Any) -> str:
    """A UUID in libvirt's spelling, lower case with dashes."""
    digits = str(value).strip().lower().replace("-", "")
    if not re.fullmatch(r"[0-9a-f]{32}", digits):
        raise ValueError("a UUID has 32 hexadecimal digits: 8f0f7a52-7e5b-4d0c-9d2c-0d4a6c3b1f10")
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


MOST = 16383  # the last that libvirt has room for in a set of CPUs


def numbers(value: t.Any) -> list[int]:
    """The numbers in a set: ``0-3,^2`` as 0, 1 and 3."""
    chosen: set[int] = set()
    if any(int(number) > MOST for number in re.findall(r"\d+", str(value))):
        raise ValueError(f"a set has numbers up to {MOST}")
    for part in str(value).replace(" ", "").split(","):
        match = re.fullmatch(r"(\^?)(\d+)(?:-(\d+))?", part)
        if match is None or int(match[3] or match[2]) < int(match[2]):
            raise ValueError("a set is written like 0-3,8 or 0-7,^4")
        span = range(int(match[2]), int(match[3] or match[2]) + 1)
        chosen = chosen.difference(span) if match[1] else chosen.union(span)
    return sorted(chosen)


def cpuset(value: t.Any) -> str:
    """A set of CPUs or NUMA nodes in libvirt's spelling: ``0-3,^2`` as ``0-1,3``."""
    ranges: list[list[int]] = []
    for one in numbers(value):
        if ranges and ranges[-1][1] == one - 1:
            ranges[-1][1] = one
        else:
            ranges.append([one, one])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def number(value: t.Any) -> int:
    """A number in decimal, or in hexadecimal with ``0x``."""
    try:
        return int(str(value), 0)
    except ValueError:
        raise ValueError("a number, in decimal or like 0x0003") from None


def digits(value: t.Any, most: int, like: str) -> int:
    """The number that hexadecimal digits mean as lsusb prints them, with or without ``0x``.

    YAML has read a number already if there were no quotes, and what stood there is lost: 0781 and 0x0781 aren't alike.
    """
    text = str(value).strip()
    match = re.fullmatch(rf"(?:0[xX])?([0-9a-fA-F]{{1,{most}}})", text)
    if isinstance(value, (int, float)) or match is None:
        raise ValueError(f"up to {most} hexadecimal digits in quotes, as lsusb prints them: '{like}' or '0x{like}'")
    return int(match[1], 16)


def pci(value: t.Any) -> str:
    """A PCI address in libvirt's spelling, ``0000:3b:02.0``.

    The domain may be left out. libvirt's name of the node device, ``pci_0000_3b_02_0``, is one too.
    """
    text = re.sub(r"^pci_([0-9a-f]+)_([0-9a-f]{2})_([0-9a-f]{2})_([0-7])$", r"\1:\2:\3.\4", str(value).strip().lower())
    match = re.fullmatch(r"(?:([0-9a-f]{1,4}):)?([0-9a-f]{1,2}):([01]?[0-9a-f])\.([0-7])", text)
    if not match:
        raise ValueError("a PCI address in quotes, '0000:3b:00.0', or libvirt's name of the device, pci_0000_3b_00_0")
    return f"{match[1] or '0':0>4}:{match[2]:0>2}:{match[3]:0>2}.{match[4]}"


def path(value: t.Any) -> str:
    """A path without slashes that say nothing: ``/srv//images/`` as ``/srv/images``."""
    text = re.sub("/+", "/", str(value).strip())
    return text.rstrip("/") or text[:1]


def numbered(pattern: str, name: str) -> bool:
    """Whether libvirt can have chosen ``name`` for ``pattern``: ``virbr0`` for ``virbr%d``."""
    before, number, after = pattern.partition("%d")
    chosen = name[len(before) : len(name) - len(after)]
    return bool(number) and name.startswith(before) and name.endswith(after) and chosen.isdigit()
