# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans that are broken off: killed at each step and run again they end as declared, with nothing lost; an error at each step
of definition and devices takes all back."""

from __future__ import annotations

import os
import signal
import typing as t

import libvirt
import pytest
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain import plan as plans
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError, Plan
from ansible_collections.metal.kvm.plugins.module_utils._run import run_steps
from domain_bench import Bench, Options
from guest import NAME, POOL, Lab, built, canonical, lab

__all__ = ["lab"]

MARK = b"the data of the guest"
MAC = "52:54:00:0d:00:01"


@pytest.fixture
def bench(lab: Lab) -> Bench:
    """A bench, and a pool of two volumes with data in them."""
    (lab.place / "pool").mkdir()
    xml = f"<pool type='dir'><name>{POOL}</name><target><path>{lab.place}/pool</path></target></pool>"
    for name in ("a.raw", "b.raw"):
        path = lab.place / "pool" / name
        path.write_bytes(MARK)
        os.truncate(path, 8 << 20)
    lab.connection.storagePoolDefineXML(xml).create()
    return Bench(NAME, lab.place)


def new() -> Options:
    """A task that makes a domain in many steps."""
    return {
        "memory": "64 MiB",
        "disks": [
            {"target": "vda", "pool": POOL, "volume": "a.raw"},
            {"target": "vdb", "pool": POOL, "volume": "b.raw"},
        ],
        "interfaces": [{"mac": MAC, "user": True}],
        "cloud_init": {"user_data": {"hostname": "one"}, "pool": POOL},
        "labels": {"a": "b"},
        "agent": False,
        "autostart": True,
        "state": "running",
    }


def changed() -> Options:
    """One that changes it in many steps, while it runs; in it is no guest that could let go of something, or shut down."""
    return {
        "title": "two",
        "labels": {"a": "c"},
        "memory": "96 MiB",
        "disks": [*new()["disks"], {"target": "vdc", "file": "{place}/c.qcow2"}],
        "interfaces": [*new()["interfaces"], {"mac": "52:54:00:0d:00:02", "user": True}],
        "rng": [{"backend": "random"}, {"backend": "builtin"}],
        "autostart": False,
        "features": {"pmu": False},
        "apply": "restart",
        "force": True,
    }


def planned(bench: Bench, options: Options) -> Plan:
    return bench.plan(options)


def killed_at(bench: Bench, options: Options, number: int, within: t.Optional[str] = None) -> None:
    """Run the task in a process of its own, and kill it before its step ``number``, or ``within`` a call of libvirt's domain."""
    child = os.fork()
    if not child:
        mine = Bench(bench.name, bench.place)
        plan = planned(mine, options)
        done = 0

        def before(operation: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
            def run(*arguments: t.Any, **named: t.Any) -> t.Any:
                nonlocal done
                if done == number:
                    die()
                done += 1
                return operation(*arguments, **named)

            return run

        if within:
            setattr(libvirt.virDomain, within, die)
        run_steps(plan, {name: before(operation) for name, operation in plans.NOUN.operations().items()}, mine.world)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status), f"it wasn't killed: {status}"
    assert os.WTERMSIG(status) == signal.SIGKILL


def die(*_arguments: t.Any, **_named: t.Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def assert_as_declared(bench: Bench, options: Options) -> None:
    """Run again: it's as the options say, nothing waits, and a third run has nothing to do."""
    _changed, waiting, said = bench.task(**options)
    assert waiting == [], said
    assert bench.differences(**{key: value for key, value in options.items() if key != "cloud_init"}) == []
    again, _waiting, said = bench.task(check=True, **options)
    assert not again, said
    assert bench.world.get("domain", NAME).isActive()
    for name in ("a.raw", "b.raw"):
        assert (bench.place / "pool" / name).read_bytes().startswith(MARK)


def remove(bench: Bench) -> None:
    bench.task(state="absent", force=True)
    for seed in (bench.place / "pool").glob("*-seed.iso"):
        seed.unlink()
    bench.world.get("pool", POOL).refresh()


def test_a_domain_whose_making_is_killed_at_any_step(bench: Bench) -> None:
    steps = planned(bench, new()).actions
    assert len(steps) >= 4, steps
    for number in range(1, len(steps)):
        killed_at(bench, new(), number)
        assert_as_declared(bench, new())
        assert (bench.place / "pool" / f"{NAME}-seed.iso").exists()
        remove(bench)


def test_a_change_that_is_killed_at_any_step(bench: Bench, lab: Lab) -> None:
    """Between the two halves of the restart too: the next run finishes what the killed one had begun."""
    lab.image("c.qcow2")
    bench.task(**new())
    uuid = bench.world.get("domain", NAME).UUIDString()
    steps = planned(bench, changed()).actions
    assert len(steps) >= 6, steps
    for number, within in [*((number, None) for number in range(1, len(steps))), (len(steps), "create")]:
        killed_at(bench, changed(), number, within)
        domain = bench.world.get("domain", NAME)
        assert domain.isActive() == (within is None)
        assert domain.isPersistent()
        assert_as_declared(bench, changed())
        domain = bench.world.get("domain", NAME)
        assert domain.UUIDString() == uuid
        assert f"<mac address='{MAC}'/>" in domain.XMLDesc()
        assert "restarting" not in canonical(lab.xml())
        remove(bench)
        bench.task(**new(), uuid=uuid)


def test_an_error_while_it_is_made_takes_all_back(bench: Bench) -> None:
    plan = planned(bench, new())
    assert plan.commit
    for number in range(plan.commit):
        broken(bench, new(), number)
        assert bench.world.find("domain", NAME) is None
        assert not (bench.place / "pool" / f"{NAME}-seed.iso").exists()


def test_an_error_at_any_step_of_a_change_takes_all_back(bench: Bench, lab: Lab) -> None:
    """With a guest that lets go of what had come: definition and running instance are as they were."""
    lab.image("c.qcow2")
    bench.task(**{**new(), "memory": "192 MiB"}, boot=built().boot("mkd.noagent"))
    boot = lab.guest.up()["boot"]
    options = {**changed(), "memory": "160 MiB", "apply": "live", "features": {}}
    before, running = canonical(lab.xml()), canonical(lab.xml(live=True), "//currentMemory")
    plan = planned(bench, options)
    assert plan.commit == len(plan.steps) > 6, plan.actions
    for number in range(1, len(plan.steps)):
        broken(bench, options, number)
        assert canonical(lab.xml()) == before, plan.actions[number]
        assert canonical(lab.xml(live=True), "//currentMemory") == running, plan.actions[number]
    assert lab.guest.reports()[-1]["boot"] == boot


def broken(bench: Bench, options: Options, number: int) -> None:
    """Run the task with an error in its step ``number``; nothing may stay that couldn't be taken back."""
    plan = planned(bench, options)
    done = iter(range(len(plan.steps)))
    undoing = False

    def before(operation: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def run(*arguments: t.Any, **named: t.Any) -> t.Any:
            nonlocal undoing
            if not undoing and next(done) == number:
                undoing = True
                raise KvmError("an error of the test")
            return operation(*arguments, **named)

        return run

    operations = {name: before(operation) for name, operation in plans.NOUN.operations().items()}
    with pytest.raises(KvmError, match="an error of the test") as caught:
        run_steps(plan, operations, bench.world)
    assert caught.value.step == plan.steps[number].text
    assert caught.value.rollback_failed == []
