# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop that carries a plan out, what it undoes when a step fails, and what the user is told of that."""

from __future__ import annotations

import errno
import io
import json
import os
import pathlib
import sys
import typing as t

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.metal.kvm.plugins.module_utils._ansible import run_local
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError, Plan, Remark, Result, Step
from ansible_collections.metal.kvm.plugins.module_utils._run import run_steps


def did(world: list[str], what: str, **more: t.Any) -> t.Any:
    world.append(what)
    return more.get("gives")


def fail(world: list[str], error: Exception) -> None:
    raise error


OPERATIONS = {"do": did, "fail": fail, "remark": lambda world, words: Remark(words)}


def planned(*steps: Step, failing: t.Optional[Step] = None, commit: t.Optional[int] = None) -> Plan:
    plan = Plan("thing", {})
    plan.steps = [*steps, failing or Step("fail", "do the last thing", error=KvmError("it breaks"))]
    plan.commit = commit
    return plan


def step(what: str, back: bool = True, **flags: bool) -> Step:
    made = Step("do", what, what=what, undo=Step("do", f"undo {what}", what=f"undo {what}") if back else None)
    for flag, value in flags.items():
        setattr(made, flag, value)
    return made


def failed(plan: Plan) -> tuple[list[str], t.Any]:
    world: list[str] = []
    with pytest.raises(KvmError, match="it breaks") as caught:
        run_steps(plan, OPERATIONS, world)
    return world, caught.value


def test_what_was_done_is_undone_in_reverse() -> None:
    world, error = failed(planned(step("a"), step("b")))
    assert world == ["a", "b", "undo b", "undo a"]
    assert error.rolled_back == ["undo b", "undo a"]
    assert error.rollback_failed == []


def test_a_change_that_can_not_be_undone_is_told() -> None:
    dummy, error = failed(planned(step("a"), step("b", back=False)))
    assert error.rolled_back == ["undo a"]
    assert error.rollback_failed == ["b: this can't be undone"]


def test_an_undo_that_did_less_is_not_claimed() -> None:
    left = Step("do", "a", what="a", undo=Step("remark", "undo a", words="The guest keeps it."))
    dummy, error = failed(planned(left))
    assert error.rolled_back == []
    assert error.rollback_failed == ["undo a: The guest keeps it."]


def test_after_the_point_of_no_return_all_stays() -> None:
    world, error = failed(planned(step("a"), commit=1))
    assert world == ["a"]
    assert (error.rolled_back, error.rollback_failed) == ([], [])


def test_a_failed_restart_is_taken_back_after_the_point_of_no_return_too() -> None:
    """What was done to the running object before went with its stop: the undo of the stop brings back what ran."""
    start = Step("fail", "start it again", error=KvmError("it breaks"))
    start.restarts = True
    world, error = failed(
        planned(
            step("define"),
            step("live", live=True),
            step("vcpus", back=False, live=True),
            step("stop", stops=True),
            failing=start,
            commit=3,
        )
    )
    assert world == ["define", "live", "vcpus", "stop", "undo stop", "undo define"]
    assert error.rolled_back == ["undo stop", "undo define"]
    assert error.rollback_failed == []


def test_an_undo_may_use_what_its_step_returned() -> None:
    first = Step("do", "a", what="a", gives="before")
    first.undo = Step("do", "undo a", what=t.cast(str, Result(first)))
    world, dummy = failed(planned(first))
    assert world == ["a", "before"]


def told(capsys: pytest.CaptureFixture[str], plan: Plan) -> dict[str, t.Any]:
    """What a module says whose plan this is."""
    with patch_module_args({}), pytest.raises(SystemExit):
        run_local(lambda params: plan, {}, lambda: OPERATIONS_OF_MODULE, lambda params: {})
    return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))


OPERATIONS_OF_MODULE = {
    "do": lambda none, what: None,
    "remark": lambda none, words: Remark(words),
    "open": lambda none, path: open(path, encoding="utf-8").close(),
    "raise": lambda none, error: fail([], error),
}


@pytest.fixture(autouse=True)
def no_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", None, raising=False)


def test_remarks_outlive_the_failure_of_a_later_step(capsys: pytest.CaptureFixture[str]) -> None:
    plan = planned(
        Step("remark", "a", words="The guest keeps a."), step("b"), failing=Step("open", "read it", path="/no")
    )
    plan.warnings = ["Said while planning."]
    said = told(capsys, plan)
    assert said["failed"]
    shown = str(said["warnings"])
    assert "Said while planning." in shown
    assert "The guest keeps a." in shown


def test_an_error_of_the_system_names_its_step_and_the_file(
    capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    said = told(capsys, planned(step("b"), failing=Step("open", "write the seed", path=str(tmp_path / "none"))))
    assert said["msg"] == f"Failed to write the seed: {tmp_path}/none: No such file or directory. Undone: undo b"
    assert said["step"] == "write the seed"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/var/x"), "Free some space"),
        (PermissionError(errno.EACCES, "Permission denied", "/etc/x"), "become: true"),
        (OSError(errno.EXDEV, "Invalid cross-device link", "/a", None, "/b"), "/a and /b: Invalid cross-device link"),
        (TimeoutError(errno.ETIMEDOUT, "no end after 5 seconds", "qemu-img"), "qemu-img: no end after 5 seconds"),
        (ConnectionResetError("gone"), "Failed to convert it: gone"),
        (OSError(), "Failed to convert it: OSError"),
        (RuntimeError("odd"), "Failed to convert it: Unexpected RuntimeError"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_errors_of_a_step_begin_with_what_was_tried(
    capsys: pytest.CaptureFixture[str], error: Exception, words: str
) -> None:
    said = told(capsys, planned(failing=Step("raise", "convert it", error=error)))
    assert said["msg"].startswith("Failed to convert it: ")
    assert words in said["msg"]
    assert "\n" not in said["msg"]


def test_what_was_undone_and_what_was_not_is_part_of_the_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    error = KvmError("it breaks", "Mend it.")
    said = told(capsys, planned(step("a"), step("b", back=False), failing=Step("raise", "end", error=error)))
    assert said["msg"] == "it breaks. Undone: undo a. Not undone: b: this can't be undone. Mend it."
