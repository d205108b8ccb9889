# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The states of a domain for docs/domain.md: the code's matrix as a table, between two marks."""

from __future__ import annotations

from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.state import MATRIX

BEGIN, END = "<!-- written from the code by nox -s docs -->\n", "<!-- end -->\n"

WORDS = {
    "shutdown": "ask to shut down, wait",
    "destroy": "power off",
    "await_off": "wait until off",
    "start": "start",
    "start_paused": "start paused",
    "suspend": "pause",
    "resume": "resume",
    "wakeup": "wake up",
    "save": "save memory and stop",
    "discard_saved": "throw the saved memory away, with `discard_saved: true` only",
}


def table() -> str:
    """A row for each state that is observed, a column for each that is asked for."""
    wanted = list(dict.fromkeys(state for dummy, state in MATRIX))
    lines = [["it is", *(f"`{state}`" for state in wanted)]]
    for observed in dict.fromkeys(state for state, dummy in MATRIX):
        lines.append([observed, *(_cell(MATRIX[observed, state]) for state in wanted)])
    head, *rows = (f"| {' | '.join(cells)} |\n" for cells in lines)
    return head + "|---" * (len(wanted) + 1) + "|\n" + "".join(rows)


def _cell(acts: tuple[str, ...]) -> str:
    if acts and acts[0].startswith("!"):
        return "refused"
    return ", ".join(WORDS[act] for act in acts) or "nothing"


def page(text: str) -> str:
    """The page with its table up to date."""
    above, dummy, rest = text.partition(BEGIN)
    return above + BEGIN + table() + END + rest.partition(END)[2]
