# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated cases are too many for every run: it takes a part of them, another one each day.

METAL_KVM_WHOLE=1 takes all of them (`nox -s whole`), METAL_KVM_DAY=2026-11-28 those of that day.
"""

from __future__ import annotations

import datetime
import os
import typing as t
import zlib

WHOLE = bool(os.environ.get("METAL_KVM_WHOLE"))
_NOW = datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat()
DAY = datetime.date.fromisoformat(os.environ.get("METAL_KVM_DAY") or _NOW)

T = t.TypeVar("T")


def is_of_today(name: str, parts: int) -> bool:
    """Whether the case of that name is in today's part: each case is within any ``parts`` days in a row."""
    return WHOLE or (zlib.crc32(name.encode()) - DAY.toordinal()) % parts == 0


def part(cases: t.Iterable[T], parts: int, name: t.Callable[[T], str] = str) -> list[T]:
    """The cases of today: about one of ``parts``, chosen by name, so that new cases leave the others where they are."""
    return [case for case in cases if is_of_today(name(case), parts)]
