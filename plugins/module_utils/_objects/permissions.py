# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owner, group and mode of pools and volumes: the row, and what files on this machine have."""

from __future__ import annotations

import os
import stat
import typing as t

from .._xml.rows import Field, Group, Values
from .._xml.types import MODE, STR, Type


def account(look_up: t.Callable[[str], int]) -> t.Callable[[t.Any], int]:
    """A user's or group's number, from the number or the name."""

    def number(value: t.Any) -> int:
        text = str(value).strip()
        if text.isdigit():
            return int(text)
        try:
            return look_up(text)
        except KeyError:
            raise ValueError("a number, or a name that this machine knows") from None

    return number


def _user(name: str) -> int:
    import pwd

    return pwd.getpwnam(name).pw_uid


def _group(name: str) -> int:
    import grp

    return grp.getgrnam(name).gr_gid


USER = Type("str", int, parse=account(_user))
GROUP = Type("str", int, parse=account(_group))


def permissions(what: str) -> Group:
    """The row ``permissions`` of a pool or volume."""
    return Group("permissions", "target/permissions", (
        Field("mode", "mode", MODE, "The octal mode, in quotes: V('0711')."),
        Field("owner", "owner", USER, "The user who owns it, by number or name."),
        Field("group", "group", GROUP, "The group it belongs to, by number or name."),
        Field("label", "label", STR, "The security label."),
    ), f"Who may do what with {what}.")  # fmt: skip


def of_file(path: str) -> Values:
    """What a file or directory on this machine has; ``{}`` where it isn't there."""
    try:
        status = os.stat(path)
    except OSError:
        return {}
    return {"mode": f"{stat.S_IMODE(status.st_mode):04o}", "owner": status.st_uid, "group": status.st_gid}


def give(path: str, wanted: Values) -> None:
    """Make a file on this machine have them."""
    if "owner" in wanted or "group" in wanted:
        os.chown(path, wanted.get("owner", -1), wanted.get("group", -1))
    if "mode" in wanted:
        os.chmod(path, int(wanted["mode"], 8))
