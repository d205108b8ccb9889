# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of a domain's parts. A file is read when a task or a document speaks of what is in it."""

from __future__ import annotations

import importlib
import typing as t

from ...._xml.later import Later

if t.TYPE_CHECKING:  # so that Ansible packs them with the module
    from . import (  # type: ignore[attr-defined,unused-ignore]
        character,
        cpu,
        disk,
        disk_source,
        display,
        guest,
        hardware,
        interface,
        interface_source,
        passthrough,
        sound,
        tuning,
    )

    __all__ = [
        "character",
        "cpu",
        "disk",
        "disk_source",
        "display",
        "guest",
        "hardware",
        "interface",
        "interface_source",
        "passthrough",
        "sound",
        "tuning",
    ]


def later(file: str, table: str) -> Later:
    """The rows ``table`` of rows/<file>.py, read when somebody first goes through them."""
    return Later(lambda: t.cast("t.Sequence[t.Any]", getattr(importlib.import_module(f"{__name__}.{file}"), table)))
