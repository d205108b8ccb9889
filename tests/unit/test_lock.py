# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks between runs: real processes that exclude each other, share, wait, are killed; and plans that are made again."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import time
import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils import _lock
from ansible_collections.metal.kvm.plugins.module_utils._converge import carry_out
from ansible_collections.metal.kvm.plugins.module_utils._plan import ChangedMeanwhileError, KvmError, Plan, Step
from forked import elsewhere, ended

NAME = "network lab of qemu:///system"


@pytest.fixture(autouse=True)
def place(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """Where the locks are."""
    monkeypatch.setattr(_lock, "directory", lambda: str(tmp_path / "locks"))
    return tmp_path


def held_for(seconds: float, ready: pathlib.Path, alone: bool = True) -> t.Callable[[], None]:
    def act() -> None:
        with _lock.holding({NAME: alone}):
            ready.touch()
            time.sleep(seconds)

    return act


def test_eight_processes_never_have_it_at_once(place: pathlib.Path) -> None:
    counter = place / "counter"
    counter.write_text("0")

    def act() -> None:
        for _round in range(5):
            with _lock.holding({NAME: True}):
                seen = int(counter.read_text())
                time.sleep(0.001)
                counter.write_text(str(seen + 1))

    children = [elsewhere(act) for _child in range(8)]
    assert [ended(child) for child in children] == [0] * 8
    assert counter.read_text() == "40"


def test_two_that_take_two_things_in_any_order_both_end() -> None:
    def act(*names: str) -> t.Callable[[], None]:
        def run() -> None:
            for _round in range(20):
                with _lock.holding(dict.fromkeys(names, True), timeout=20):
                    pass

        return run

    children = [elsewhere(act("a", "b")), elsewhere(act("b", "a"))]
    assert [ended(child) for child in children] == [0, 0]


def test_readers_share_and_keep_a_writer_out(place: pathlib.Path) -> None:
    child = elsewhere(held_for(60, place / "ready", alone=False), place / "ready")
    try:
        with _lock.holding({NAME: False}, timeout=0):
            pass
        with pytest.raises(KvmError, match="being changed by another run"), _lock.holding({NAME: True}, timeout=0):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        ended(child)


def test_the_wait_is_bounded_and_the_error_names_who_has_it(place: pathlib.Path) -> None:
    child = elsewhere(held_for(60, place / "ready"), place / "ready")
    try:
        with pytest.raises(KvmError) as caught, _lock.holding({NAME: True}, timeout=0.3):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        ended(child)
    assert NAME in str(caught.value)
    assert f"process {child} (since 20" in str(caught.value)
    assert caught.value.details["locked_by"] == child


def test_a_killed_run_leaves_no_lock_and_its_work_counts_as_unknown(place: pathlib.Path) -> None:
    child = elsewhere(held_for(60, place / "ready"), place / "ready")
    os.kill(child, signal.SIGKILL)
    ended(child)
    assert _lock.take({NAME: True}, time.monotonic(), timeout=0)
    _lock.release([NAME])


def test_a_program_of_a_killed_run_keeps_the_lock(place: pathlib.Path) -> None:
    """Else the next run would write what that program still writes."""

    def act() -> None:
        _lock.take({NAME: True}, time.monotonic())
        handles = _lock.handles()
        with subprocess.Popen(["sleep", "60"], pass_fds=handles) as process:
            (place / "sleep").write_text(str(process.pid))
            (place / "ready").touch()
            time.sleep(60)

    child = elsewhere(act, place / "ready")
    os.kill(child, signal.SIGKILL)
    ended(child)
    with pytest.raises(KvmError, match="a program that it began still runs"), _lock.holding({NAME: True}, timeout=0):
        pass
    os.kill(int((place / "sleep").read_text()), signal.SIGKILL)
    with _lock.holding({NAME: True}, timeout=10):
        pass


def test_what_another_run_did_since_the_plan_was_made_is_known(place: pathlib.Path) -> None:
    began = time.monotonic()
    assert not _lock.take({NAME: True}, began)
    _lock.release([NAME])
    assert _lock.take({NAME: True}, began), "its work ended after the look at the world"
    _lock.release([NAME])
    assert not _lock.take({NAME: True}, time.monotonic()), "and before this one"
    _lock.release([NAME])


def test_a_lock_that_the_run_has_is_taken_again() -> None:
    with _lock.holding({NAME: True}):
        with _lock.holding({NAME: True}, timeout=0):
            assert len(_lock.handles()) == 1
        assert len(_lock.handles()) == 1
    assert not _lock.handles()


@pytest.mark.parametrize("mode", [0o777, 0o720])
def test_a_directory_that_others_may_write_to_is_refused(place: pathlib.Path, mode: int) -> None:
    (place / "locks").mkdir()
    (place / "locks").chmod(mode)
    with pytest.raises(KvmError, match="others may write"), _lock.holding({NAME: True}):
        pass


def test_a_file_itself(place: pathlib.Path) -> None:
    file = place / "file"
    assert _lock.claim(str(file)) is None
    file.touch()
    first = _lock.claim(str(file))
    assert first is not None
    assert _lock.claim(str(file)) is None
    os.close(first)
    shared = [_lock.claim(str(file), alone=False) for _time in range(2)]
    assert None not in shared
    assert _lock.claim(str(file)) is None


class World:
    """A counter that plans lead from one number to the next."""

    def __init__(self, file: pathlib.Path) -> None:
        self.file = file
        self.plans = 0
        file.write_text("0")

    def plan(self, wanted: int = 1) -> Plan:
        plan = Plan("counter")
        self.plans += 1
        plan.lock("counter")
        if int(self.file.read_text()) != wanted:
            plan.add("set", f"set {wanted}", value=wanted)
        return plan

    def set(self, dummy: t.Any, value: int) -> None:
        self.file.write_text(str(value))

    def run(self, plan: Plan) -> Plan:
        return carry_out(plan, self.plan, {"set": self.set}, None, "here")[0]


@pytest.fixture
def world(place: pathlib.Path) -> World:
    return World(place / "counter")


def test_a_plan_runs_as_it_was_made(world: World) -> None:
    assert world.run(world.plan()).changed
    assert world.plans == 1


def test_the_second_of_two_equal_plans_finds_the_work_done(world: World) -> None:
    first, second = world.plan(), world.plan()
    assert world.run(first).changed
    assert not world.run(second).changed


def test_a_plan_that_only_waits_takes_no_lock(world: World, place: pathlib.Path) -> None:
    child = elsewhere(lambda: _hold("counter of here", place), place / "ready")
    try:
        plan = Plan("counter")
        plan.lock("counter")
        plan.add("set", "look", changes=False, value=7)
        world.run(plan)
        assert world.file.read_text() == "7"
    finally:
        os.kill(child, signal.SIGKILL)
        ended(child)


def _hold(name: str, place: pathlib.Path) -> None:
    with _lock.holding({name: True}):
        (place / "ready").touch()
        time.sleep(60)


def test_an_edit_by_somebody_else_is_planned_on_once(world: World) -> None:
    edits = iter([True])

    def checked(dummy: t.Any, value: int) -> None:
        if next(edits, False):
            raise ChangedMeanwhileError("Network lab was changed")
        world.set(None, value)

    plan, _remarks = carry_out(world.plan(), world.plan, {"set": checked}, None, "here")
    assert plan.changed
    assert world.plans == 2
    assert world.file.read_text() == "1"


def test_a_second_edit_is_an_error(world: World) -> None:
    def checked(dummy: t.Any, value: int) -> None:
        raise ChangedMeanwhileError("Network lab was changed")

    with pytest.raises(ChangedMeanwhileError):
        carry_out(world.plan(), world.plan, {"set": checked}, None, "here")
    assert world.plans == 2
    assert not _lock.handles()


@pytest.mark.parametrize("taken_back", [True, False])
def test_what_cannot_be_taken_back_is_not_hidden_by_another_plan(world: World, taken_back: bool) -> None:
    def checked(dummy: t.Any) -> None:
        raise ChangedMeanwhileError("Network lab was changed")

    plan = world.plan()
    plan.steps[0].undo = Step("set", "set 0", value=0) if taken_back else None
    plan.add("check", "check")
    with pytest.raises(ChangedMeanwhileError) if not taken_back else contextlib.nullcontext():
        carry_out(plan, world.plan, {"set": world.set, "check": checked}, None, "here")
    assert world.plans == (2 if taken_back else 1)
