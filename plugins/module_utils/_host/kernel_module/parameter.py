# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kernel module's parameter: what is asked, as text for the kernel, and whether what it shows is the same."""

from __future__ import annotations

import typing as t

from ..machine.features import NEEDS

TRUE = ("1", "y", "yes", "true", "on", "t", "enable", "enabled")
FALSE = ("0", "n", "no", "false", "off", "f", "disable", "disabled")

# Parameters with words of their own (arch/x86/kvm/mmu/mmu.c, arch/x86/kvm/vmx/vmx.c): written as asked, and what
# each word may read as once it is in effect. An empty set: whatever the kernel chose.
WORDS: dict[str, dict[str, frozenset[str]]] = {
    "nx_huge_pages": {
        "auto": frozenset(),
        "force": frozenset(("Y",)),
        "off": frozenset(("N",)),
        "never": frozenset(("never",)),
    },
    "vmentry_l1d_flush": {
        "auto": frozenset(),
        "never": frozenset(("never",)),
        "cond": frozenset(("cond",)),
        "always": frozenset(("always",)),
    },
}
# What such a parameter reads as where the processor has no use for it: nothing that is asked changes that.
MOOT = ("EPT disabled", "not required")
AUTO = ("auto", "-1")


def text_of(name: str, asked: t.Any) -> str:
    """What to hand to the kernel: booleans as 1 and 0, which both its bool and its int parameters take."""
    if isinstance(asked, bool):
        return "1" if asked else "0"
    text = str(asked).strip()
    if text.lower() in WORDS.get(name, {}):
        return text.lower()
    truth = truth_of(text)
    return text if truth is None else "1" if truth else "0"


def truth_of(text: str) -> t.Optional[bool]:
    """A word for true or false as bool, None for any other."""
    word = text.lower()
    return True if word in TRUE else False if word in FALSE else None


def same(name: str, asked: str, raw: t.Optional[str]) -> bool:
    """Whether ``raw``, as /sys shows it, is what ``asked`` (of ``text_of``) means."""
    if raw is None:
        return False
    if asked == raw:
        return True
    words = WORDS.get(name, {})
    if asked in words:
        return not words[asked] or raw in words[asked]
    if asked in AUTO and (raw in ("Y", "N", *AUTO) or name == "pi_inject_timer"):
        return True
    if raw in ("Y", "N"):
        return truth_of(asked) is (raw == "Y")
    return _number(asked) is not None and _number(asked) == _number(raw)


def moot(raw: t.Optional[str]) -> bool:
    """Whether the kernel says that the parameter has nothing to do on this processor."""
    return raw in MOOT


def lacking(module: str, name: str, asked: str, words: t.Collection[str]) -> t.Optional[str]:
    """The processor's word that an asked feature needs and that isn't there; None if nothing is known to be missing."""
    need = NEEDS.get(module, {}).get(name)
    return need if need and words and truth_of(asked) and need not in words else None


def _number(text: str) -> t.Optional[int]:
    try:
        return int(text, 0)
    except ValueError:
        return None
