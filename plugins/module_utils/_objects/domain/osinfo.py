# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libosinfo's ids of systems: URLs. Short ones like ``win11`` are looked up in osinfo-db, where the host has it."""

from __future__ import annotations

import pathlib
import re
import typing as t

DATABASES = ("/etc/osinfo/os", "/usr/local/share/osinfo/os", "/usr/share/osinfo/os")
_ID = re.compile(r"<os\s+id=[\"']([^\"']+)[\"']")


def osinfo(value: t.Any, databases: t.Sequence[str] = DATABASES) -> str:
    """The URL of a system, from that itself or from its short id."""
    text = str(value).strip()
    if re.fullmatch(r"[a-z][\w+.-]*://\S+/\S+", text):
        return text
    found = _looked_up(text, databases) if re.fullmatch(r"[\w.+-]+", text) else None
    if found is None:
        raise ValueError(
            "libosinfo's id of a system, which is a URL like http://microsoft.com/win/11 or http://debian.org/debian/12; short"
            " ids like win11 are known where osinfo-db is installed (`osinfo-query os` lists both)"
        )
    return found


def _looked_up(short: str, databases: t.Sequence[str]) -> t.Optional[str]:
    """The id of the system with this short one. A file's name without dashes mostly is it, so those are read first."""
    files = [path for database in databases for path in pathlib.Path(database).glob("*/*.xml")]
    plain = short.replace("-", "")
    wanted = re.compile(rf"<short-id>\s*{re.escape(short)}\s*</short-id>")
    for path in sorted(files, key=lambda path: path.stem.replace("-", "") != plain):
        text = path.read_text(encoding="utf-8", errors="replace")
        match = _ID.search(text) if wanted.search(text) else None
        if match:
            return match[1]
    return None
