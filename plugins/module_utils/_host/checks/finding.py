# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check found out: good, bad, merely said, or not to be told here."""

from __future__ import annotations

import typing as t


class Finding:
    """``kind`` is good, bad, absent, said or skipped; the table of checks makes a status of it."""

    __slots__ = ("evidence", "kind", "message", "remedy")

    def __init__(self, kind: str, message: str, remedy: t.Optional[str], evidence: dict[str, t.Any]) -> None:
        self.kind = kind
        self.message = message
        self.remedy = remedy
        self.evidence = evidence


def good(message: str, **evidence: t.Any) -> Finding:
    """As it should be."""
    return Finding("good", message, None, evidence)


def bad(message: str, remedy: str, **evidence: t.Any) -> Finding:
    """Not as it should be; how much that matters is the table's affair."""
    return Finding("bad", message, remedy, evidence)


def said(message: str, **evidence: t.Any) -> Finding:
    """Neither good nor bad."""
    return Finding("said", message, None, evidence)


def skipped(message: str) -> Finding:
    """Can't be told here, or doesn't apply."""
    return Finding("skipped", message, None, {})


def absent(message: str, remedy: str) -> Finding:
    """Not there; bad only for who requires it."""
    return Finding("absent", message, remedy, {})


def count(number: int, noun: str) -> str:
    """``1 guest``, ``2 guests``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def sentence(parts: t.Sequence[str]) -> str:
    """Several remarks as one sentence."""
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."
