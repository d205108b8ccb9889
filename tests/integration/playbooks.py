# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run whole playbooks on an inventory, and see what each of their tasks returned."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import typing as t

from cycle import ROOT, Args, Player, Result

SITE = ROOT / "playbooks" / "site.yml"
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}


class Ran:
    """One run of a playbook."""

    def __init__(self, code: int, results: list[Result], output: str) -> None:
        self.code = code
        self.results = results
        self.output = output

    @property
    def changed(self) -> list[str]:
        """The tasks that changed something."""
        return [result["task"] for result in self.results if result.get("changed")]

    @property
    def failed(self) -> list[Result]:
        return [result for result in self.results if result.failed]

    def of(self, task: str) -> list[Result]:
        """What the tasks of that name returned."""
        return [result for result in self.results if result["task"].rpartition(" : ")[2] == task]

    @property
    def warnings(self) -> list[str]:
        return [warning for result in self.results for warning in result.get("warnings", [])]


def run_playbook(
    player: Player,
    playbook: pathlib.Path,
    *words: str,
    variables: t.Optional[Args] = None,
    inventory: t.Optional[pathlib.Path] = None,
    before: t.Sequence[str] = (),
    stdout: str = "record",
) -> Ran:
    """Run a playbook on this machine as the one hypervisor, with these variables; or on the inventory given.

    ``before``: words that the command begins with. ``stdout``: the callback that writes the output, ``record`` for results.
    """
    player.count += 1
    record = player.place / f"playbook{player.count}.jsonl"
    record.touch()
    if inventory is None:
        inventory = player.place / f"inventory{player.count}.json"
        hosts = {"hypervisors": {"hosts": {"here": LOCAL}, "vars": variables or {}}}
        inventory.write_text(json.dumps(hosts), encoding="utf-8")
    command = [str(pathlib.Path(sys.executable).parent / "ansible-playbook"), f"--inventory={inventory}"]
    run = subprocess.run(
        [*before, *command, *words, str(playbook)],
        env={**player.environment(record), "ANSIBLE_STDOUT_CALLBACK": stdout},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    results = [Result(json.loads(line)) for line in record.read_text(encoding="utf-8").splitlines()]
    return Ran(run.returncode, results, run.stdout + run.stderr)


def run_role(player: Player, role: str, *several: Args, check: bool = False) -> Ran:
    """Run one role of the collection on this machine, once with each of these variables."""
    playbook = player.place / f"role{player.count}.yml"
    tasks = [{"ansible.builtin.include_role": {"name": f"metal.kvm.{role}"}, "vars": values} for values in several]
    playbook.write_text(json.dumps([{"hosts": "hypervisors", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
    return run_playbook(player, playbook, *(["--check"] if check else []))


def run_site(player: Player, *words: str, **variables: t.Any) -> Ran:
    """Run site.yml from the images on: what makes this machine a KVM host is left out."""
    return run_playbook(player, SITE, "--start-at-task", "Have the images", *words, variables=variables)
