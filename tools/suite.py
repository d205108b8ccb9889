# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the test suite: nox sessions, all of them, then a summary. Fails if any session did.

Two lanes run side by side, for two processors, about as long: what uses this machine's libvirt is in one of them, so that
nothing disturbs it. Each session's output goes to the terminal, its name before each line, and to
.build/logs/<session>.log.

usage: python tools/suite.py [--all] [SESSION...]
"""

from __future__ import annotations

import concurrent.futures
import pathlib
import re
import subprocess
import sys
import time
import typing as t

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOGS = ROOT / ".build" / "logs"
LANES = (
    ["lint", "types", "docs_check", "ansible_lint", "package", "sanity", "molecule", "guests"],
    ["unit", "integration", "machine"],
)
MORE = (["newer", "molecule_all"], ["whole", "sanity_newest", "bench", "mutants"])

# pytest's last line: "== 3 passed, 1 skipped in 0.12s ==", and its reasons: "SKIPPED [1] test_x.py:3: no /dev/kvm"
CLOSING = re.compile(r"^=+ (.*\b(?:passed|failed|skipped|errors?|no tests ran)\b.* in [\d.]+s.*?) =+$")
FAILED = re.compile(r"^(?:FAILED|ERROR) tests/.*")  # "FAILED tests/test_x.py::test_y - AssertionError: ..."
SKIPPED = re.compile(r"^SKIPPED \[\d+\] .*")
NOX_SKIPPED = re.compile(r"^nox > Session \w+ skipped: .*")


class Outcome(t.NamedTuple):
    session: str
    passed: bool
    seconds: float
    closing: str
    failed: list[str]
    skipped: list[str]


def run(session: str) -> Outcome:
    """Run one session, showing its output as it comes."""
    started, closing = time.monotonic(), ""
    failed: list[str] = []
    skipped: list[str] = []
    command = [str(pathlib.Path(sys.executable).parent / "nox"), "--non-interactive", "-s", session]
    with (
        (LOGS / f"{session}.log").open("w", encoding="utf-8") as log,
        subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        for line in process.stdout or ():
            print(f"{session:<12} | {line}", end="", flush=True)
            log.write(line)
            text = line.rstrip()
            if CLOSING.match(text):
                closing = text
            if FAILED.match(text):
                failed.append(text)
            if SKIPPED.match(text) or NOX_SKIPPED.match(text):
                skipped.append(text)
    return Outcome(session, process.returncode == 0, time.monotonic() - started, closing, failed, skipped)


def summary(outcomes: list[Outcome], seconds: float) -> str:
    """What a reader wants to know, pytest's own closing lines last."""
    lines = ["", "Summary", "-------"]
    for outcome in outcomes:
        verdict = "passed" if outcome.passed else "FAILED"
        if any(NOX_SKIPPED.match(text) for text in outcome.skipped):
            verdict = "not run"
        lines.append(f"{outcome.session:<14} {verdict:<8} {outcome.seconds:6.0f} s   .build/logs/{outcome.session}.log")
    skipped = [f"  {outcome.session}: {text}" for outcome in outcomes for text in outcome.skipped]
    if skipped:
        lines += ["", "Skipped, and so not proven here:", *skipped]
    wrong = [f"  {outcome.session}: {text}" for outcome in outcomes for text in outcome.failed]
    if wrong:
        lines += ["", "What failed:", *wrong]
    failed = [outcome.session for outcome in outcomes if not outcome.passed]
    verdict = f"FAILED: {', '.join(failed)}" if failed else "Every session passed"
    if skipped and not failed:
        verdict += f", but {len(skipped)} {'thing was' if len(skipped) == 1 else 'things were'} skipped"
    lines += ["", f"{verdict}. {seconds / 60:.1f} minutes."]
    lines += [f"{outcome.session}: {outcome.closing}" for outcome in outcomes if outcome.closing]
    return "\n".join(lines)


def lanes(chosen: t.Sequence[str], everything: bool) -> list[list[str]]:
    """Which sessions to run: those in one list one after the other, the lists side by side."""
    found = [[*lane, *(more if everything else ())] for lane, more in zip(LANES, MORE)]
    if not chosen:
        return found
    unknown = [session for session in chosen if not any(session in lane for lane in found)]
    return [unknown, *([session for session in lane if session in chosen] for lane in found)]


def main() -> int:
    chosen = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    LOGS.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    todo = lanes(chosen, "--all" in sys.argv[1:] or bool(chosen))
    with concurrent.futures.ThreadPoolExecutor(len(todo)) as pool:
        outcomes = [
            outcome for lane in pool.map(lambda lane: [run(session) for session in lane], todo) for outcome in lane
        ]
    print(summary(outcomes, time.monotonic() - started), flush=True)
    return 0 if all(outcome.passed for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
