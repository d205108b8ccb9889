# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drop-ins for systemd's units: our own file beside a unit, whole."""

from __future__ import annotations

import re
import typing as t

from ..._plan import KvmError
from ..root import Root

HEAD = "# Written by metal.kvm: changes are lost.\n"
UNIT = re.compile(r"[A-Za-z0-9@_.\\:-]+\.(service|socket)")

Sections = t.Mapping[str, t.Mapping[str, t.Any]]


def path(unit: str) -> str:
    """Our drop-in of a unit, below the root."""
    return f"etc/systemd/system/{unit}.d/metal-kvm.conf"


def plan(
    root: Root, wanted: t.Mapping[str, t.Optional[Sections]]
) -> dict[str, tuple[t.Optional[str], t.Optional[str]]]:
    """Units whose drop-in differs, each with the file before and after (None: not there)."""
    found = {}
    for unit, sections in wanted.items():
        if not UNIT.fullmatch(unit):
            raise KvmError(
                f"drop_ins: {unit!r} is no name of a unit",
                "Give it whole, such as libvirtd-tls.socket or virtqemud.service.",
                option="drop_ins",
            )
        before, after = root.text(path(unit)), render(unit, sections or {})
        if before != after:
            found[unit] = (before, after)
    return found


def render(unit: str, sections: Sections) -> t.Optional[str]:
    """The file; None if it would say nothing. A list sets the key once for each item."""
    lines = []
    for section, keys in sections.items():
        if not isinstance(keys, dict):
            raise KvmError(f"drop_ins: {unit}: {section} is not a section with keys", option="drop_ins")
        lines.append(f"[{section}]")
        for key, value in keys.items():
            for one in value if isinstance(value, list) else [value]:
                lines.append(f"{key}={_text(one)}")
    return f"{HEAD}{chr(10).join(lines)}\n" if lines else None


def _text(value: t.Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
