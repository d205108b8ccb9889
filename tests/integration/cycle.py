# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run real tasks, and the cycle that every module must stand:

create, change and remove; each as check, run, check again, run again. A check changes nothing and says what the run
then does; the second time nothing is left to do.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import typing as t

from modules import Modules

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).parent
PREFIX = "mkt-"  # names of everything that the tests make on the machine
UUID = "6d6b7400"  # and how the UUIDs begin of what has no name

Args = dict[str, t.Any]


class Result(dict[str, t.Any]):
    """What a task returned."""

    @property
    def failed(self) -> bool:
        return self["outcome"] in ("failed", "unreachable")

    @property
    def message(self) -> str:
        return str(self.get("msg", ""))

    @property
    def diff(self) -> dict[str, dict[str, t.Any]]:
        """The diff as options and values; ``{}`` where there is none."""
        import yaml

        shown = self.get("diff") or {}
        shown = shown[0] if isinstance(shown, list) else shown
        sides = {side: yaml.safe_load(shown.get(side) or "") or {} for side in ("before", "after")}
        return sides if any(sides.values()) else {}


class Task(t.NamedTuple):
    """One task: the module, its arguments, whether it's a check, and keywords of the task (environment, vars ...)."""

    module: str
    args: Args
    check: bool = False
    keywords: t.Optional[Args] = None

    def written(self, number: int) -> Args:
        name = self.module if "." in self.module else f"metal.kvm.{self.module}"
        return {
            "name": f"{number} {name}",
            name: self.args,
            "check_mode": self.check,
            "diff": True,
            "ignore_errors": True,
            **(self.keywords or {}),
        }

    @property
    def plain(self) -> bool:
        """Whether Ansible's controller would add nothing to what the module does."""
        return "." not in self.module and not self.keywords


def own_environment() -> dict[str, str]:
    """This process's, without a user's own configuration of Ansible."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}


class Player:
    """Runs tasks: modules alone where the controller adds nothing, else all of one call in one ansible-playbook."""

    modules: t.ClassVar[t.Optional[Modules]] = None

    def __init__(self, place: pathlib.Path) -> None:
        self.place = place
        self.count = 0
        self.output = ""
        (place / "ansible.cfg").touch()  # an empty one, so that nobody's own is read
        host = "localhost ansible_connection=local ansible_python_interpreter=/usr/bin/python3\n"
        (place / "hosts").write_text(host, encoding="utf-8")

    def play(self, tasks: t.Sequence[Task], verbosity: int = 0, before: t.Sequence[str] = ()) -> list[Result]:
        """The results in the order of the tasks. Every task runs, also after one that failed.

        ``before``: words that the command begins with. What ansible-playbook printed is in ``output`` then.
        """
        if verbosity or before or not all(task.plain for task in tasks):
            return self.playbook(tasks, verbosity, before)
        return [self.module(task, number) for number, task in enumerate(tasks)]

    def module(self, task: Task, number: int) -> Result:
        """What the module returned, with what the controller says of it."""
        if Player.modules is None:
            Player.modules = Modules()
        environment = {**own_environment(), "LC_ALL": "C.UTF-8"}
        switches = {"_ansible_check_mode": task.check, "_ansible_diff": True}
        told = Player.modules.run(task.module, {**task.args, **switches}, environment, self.place)
        name, outcome = f"{number} metal.kvm.{task.module}", "failed" if told.pop("failed", False) else "ok"
        if "warnings" in told:  # ansible-core's objects, of which the controller shows the message
            told["warnings"] = [warning["event"]["msg"] for warning in told["warnings"]]
        return Result({"task": name, "outcome": outcome, "changed": False, **told})

    def playbook(self, tasks: t.Sequence[Task], verbosity: int = 0, before: t.Sequence[str] = ()) -> list[Result]:
        """The same by ansible-playbook, as users do it."""
        self.count += 1
        playbook, record = self.place / f"play{self.count}.yml", self.place / f"play{self.count}.jsonl"
        play = {
            "hosts": "localhost",
            "gather_facts": False,
            "tasks": [task.written(number) for number, task in enumerate(tasks)],
        }
        playbook.write_text(json.dumps([play], indent=1), encoding="utf-8")
        record.touch()
        run = subprocess.run(
            [
                *before,
                str(pathlib.Path(sys.executable).parent / "ansible-playbook"),
                f"--inventory={self.place / 'hosts'}",
                *(["-" + "v" * verbosity] if verbosity else []),
                str(playbook),
            ],
            env=self.environment(record),
            capture_output=True,
            text=True,
            check=False,
        )
        self.output = run.stdout + run.stderr
        results = [Result(json.loads(line)) for line in record.read_text(encoding="utf-8").splitlines()]
        if len(results) != len(tasks):
            raise AssertionError(
                f"{len(results)} of {len(tasks)} tasks answered; ansible-playbook ended with {run.returncode}:\n"
                f"{run.stdout[-4000:]}\n{run.stderr[-4000:]}"
            )
        return results

    def environment(self, record: pathlib.Path) -> dict[str, str]:
        """The same, with the collection and what ansible-playbook needs for the tests."""
        return {
            **own_environment(),
            "ANSIBLE_CONFIG": str(self.place / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build" / "collections"),
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback"),
            "ANSIBLE_STDOUT_CALLBACK": "record",
            "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_LOCAL_TEMP": str(self.place / "ansible"),
            "KVM_RECORD": str(record),
            "LC_ALL": "C.UTF-8",
        }

    def run(self, module: str, check: bool = False, **args: t.Any) -> Result:
        """One task that must succeed."""
        (result,) = self.play([Task(module, args, check)])
        assert not result.failed, result.message
        return result

    def refuse(self, module: str, *words: str, **args: t.Any) -> Result:
        """One task that must fail with one paragraph that has all these words."""
        return self.refuse_all(module, {"": (args, words)})[""]

    def refuse_all(self, module: str, cases: t.Mapping[str, tuple[Args, t.Sequence[str]]]) -> dict[str, Result]:
        """Several such tasks by name: each its arguments and the words of its error.

        A check says the same; where something that the task refers to is missing, it may plan on it with a warning.
        """
        tasks = [Task(module, args, check=check) for args, words in cases.values() for check in (True, False)]
        results, wrong = self.play(tasks), {}
        for (case, (args, words)), checked, ran in zip(cases.items(), results[::2], results[1::2]):
            said = beside_the_paragraph(ran) + [word for word in words if word not in ran.message]
            said += [] if ran.failed else ["was accepted"]
            if checked.failed:
                said += [] if checked.message == ran.message else [f"the check says: {checked.message}"]
            elif ran.message not in foreseen(checked) or not checked["assumed"]:
                said.append("was accepted by the check")
            if said:
                wrong[case] = [*said, ran.message, args]
        assert not wrong, json.dumps(wrong, indent=1)
        return dict(zip(cases, results[1::2]))


ASSUMED = "The check goes on as if an earlier task of this run provided it. If none does: "


def foreseen(checked: Result) -> list[str]:
    """The warnings of a check, without what it says of going on in spite of them: as the run's error says it."""
    return [warning.replace(ASSUMED, "") for warning in checked.get("warnings", [])]


def beside_the_paragraph(result: Result) -> list[str]:
    """What is wrong with an error: it is one paragraph for people, without a traceback on any channel."""
    told = " ".join(str(result.get(key, "")) for key in ("msg", "module_stdout", "module_stderr", "exception"))
    wrong = ["has a traceback"] if "Traceback" in told else []
    wrong += ["was not foreseen"] if "Unexpected" in result.message else []
    wrong += ["is empty"] if not result.message else []
    return wrong + (["has several lines"] if "\n" in result.message.strip() else [])


def assert_one_paragraph(result: Result) -> None:
    """The task failed, and said so as it should."""
    assert result.failed, result
    assert not beside_the_paragraph(result), result


class Phase(t.NamedTuple):
    """The four answers of one phase of the cycle."""

    check: Result
    run: Result
    check_again: Result
    run_again: Result


class Cycle(t.NamedTuple):
    create: Phase
    change: Phase
    remove: Phase


STEPS = ("check", "run", "check_again", "run_again")


def cycle(
    player: Player,
    module: str,
    create: Args,
    change: Args,
    remove: Args,
    info: t.Optional[Args] = None,
    setup: t.Sequence[Task] = (),
    predicted: t.Collection[str] = (),
    warnings: bool = False,
) -> Cycle:
    """The cycle, asserted; what it returned, for what a test wants to see besides.

    ``info`` are the arguments of the module's ``_info`` that read the object (``{name: ...}`` by default); ``setup``
    runs first; ``predicted`` names keys of the object that a check can't foresee; ``warnings`` allows warnings.
    """
    reader = Task(f"{module}_info", info if info is not None else {"name": create["name"]})
    tasks = [*setup, reader]
    for args in (create, change, remove):
        tasks += [Task(module, args, check=True), reader, Task(module, args)]
        tasks += [Task(module, args, check=True), Task(module, args), reader]
    results = player.play(tasks)
    for result in results:
        assert not result.failed, f"{result['task']}: {result.message}"
        assert warnings or not result.get("warnings"), result["warnings"]
    results = results[len(setup) :]
    phases = []
    for start, name in zip((0, 6, 12), ("create", "change", "remove")):
        before, check, between, run, check_again, run_again, _after = results[start : start + 7]
        assert objects(before) == objects(between), f"{name}: the check changed something"
        phase = Phase(check, run, check_again, run_again)
        assert_converges(phase, name)
        assert_foreseen(check, run, module, predicted)
        phases.append(phase)
    return Cycle(*phases)


def objects(result: Result) -> list[t.Any]:
    """What an ``_info`` module read."""
    lists = [
        value
        for key, value in result.items()
        if isinstance(value, list) and key not in ("warnings", "diff", "downloads")
    ]
    assert len(lists) == 1, result
    return t.cast("list[t.Any]", lists[0])


def assert_converges(phase: Phase, name: str) -> None:
    """Check and run say the same and change something; the second time there's nothing to do."""
    check, run = phase.check, phase.run
    assert run["changed"], f"{name}: the run changed nothing"
    assert check["changed"], f"{name}: the check foresaw no change"
    assert check["actions"] == run["actions"], name
    assert run["actions"], name
    assert check.get("diff") == run.get("diff"), name
    assert run.diff, f"{name}: there is no diff"
    assert check.get("restart_required") == run.get("restart_required"), name
    for again in (phase.check_again, phase.run_again):
        assert not again["changed"], f"{name}: {again['task']} has something to do again: {again['actions']}"
        assert not again["actions"], name
        assert not again.diff, f"{name}: {again.diff}"


def assert_foreseen(check: Result, run: Result, noun: str, unforeseen: t.Collection[str]) -> None:
    """What the check said the object would be is what it is; libvirt may add to it."""
    said, became = check[noun], run[noun]
    if said is None or became is None:
        assert said is None, said
        assert became is None, became
        return
    told = {key: value for key, value in said.items() if key not in unforeseen}
    wrong = {key: (value, became.get(key)) for key, value in told.items() if not within(value, became.get(key))}
    assert not wrong, f"the check foresaw other values: {wrong}"


def within(said: t.Any, became: t.Any) -> bool:
    """Whether all that is said came true; more may have."""
    if isinstance(said, dict) and isinstance(became, dict):
        return all(within(value, became.get(key)) for key, value in said.items())
    if isinstance(said, list) and isinstance(became, list):
        return len(said) == len(became) and all(within(one, other) for one, other in zip(said, became))
    return bool(said == became)
