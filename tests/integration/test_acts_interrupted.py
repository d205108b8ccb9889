# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Acts that end otherwise than they should, and what any task or hand does next: a table of all pairs.

What a killed run has begun, the next one finishes. An act that failed, or that somebody else has ended, leaves nothing that
a later task goes on from: a guest that was stopped on purpose stays so. A part of the pairs is run, another one
each day.
"""

from __future__ import annotations

import contextlib
import time
import typing as t

import libvirt
import libvirt_qemu
import pytest
import sample
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain import act
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError
from ansible_collections.metal.kvm.plugins.module_utils._run import run_steps
from domain_bench import Bench, Options
from guest import NAME, Lab, lab

__all__ = ["lab"]

PARTS = 6  # days in which all pairs come once
RESTARTS: Options = {"features": {"pmu": False}, "apply": "restart", "shutdown_timeout": 1}


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the run goes on, and nothing of it is undone."""


def killed_in(method: str, run: t.Callable[[], t.Any], after: bool = False) -> None:
    """Kill the run in a call of libvirt's domain, before or ``after`` libvirt has done it."""
    known = getattr(libvirt.virDomain, method)

    def dies(*arguments: t.Any, **named: t.Any) -> t.Any:
        if after:
            known(*arguments, **named)
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(libvirt.virDomain, method, dies)
        with pytest.raises(Killed):
            run()


def restart_task(bench: Bench, **options: t.Any) -> None:
    bench.run({**RESTARTS, **options})


def domain_restart(bench: Bench, how: str = "graceful") -> None:
    params = {"name": NAME, "how": how, "shutdown_timeout": 1, "only_if_required": False}
    run_steps(act.plan_restart(bench.world, params), bench.operations(), bench.world)


def quits(bench: Bench) -> None:
    """The guest shuts down by itself."""
    domain = bench.world.get("domain", NAME)
    with contextlib.suppress(libvirt.libvirtError):  # QEMU may be gone before it has answered
        libvirt_qemu.qemuMonitorCommand(domain, '{"execute": "quit"}', 0)
    while domain.isActive():
        time.sleep(0.05)


def timed_out(bench: Bench) -> None:
    with pytest.raises(KvmError, match="still running after 1 seconds"):
        restart_task(bench)


def timed_out_paused(bench: Bench) -> None:
    bench.world.get("domain", NAME).suspend()
    with pytest.raises(KvmError, match="still running after 1 seconds"):
        domain_restart(bench)
    assert bench.world.get("domain", NAME).state()[0] == libvirt.VIR_DOMAIN_PAUSED
    bench.world.get("domain", NAME).resume()


def killed_while_asking(bench: Bench) -> None:
    killed_in("shutdown", lambda: restart_task(bench))


def killed_between(bench: Bench) -> None:
    killed_in("create", lambda: restart_task(bench, force=True))


def killed_between_gracefully(bench: Bench) -> None:
    killed_while_asking(bench)
    quits(bench)


def killed_between_by_act(bench: Bench) -> None:
    killed_in("create", lambda: domain_restart(bench, "force"))


def killed_after_the_start(bench: Bench) -> None:
    killed_in("create", lambda: restart_task(bench, force=True), after=True)


def failed_to_start(bench: Bench) -> None:
    with pytest.raises(libvirt.libvirtError):
        restart_task(bench, force=True, boot={"kernel": "/nonexistent/kernel"})


# how a restart ended: whether the guest runs then, and whether the next run has to finish it
BROKEN_OFF: dict[t.Callable[[Bench], None], tuple[bool, bool]] = {
    timed_out: (True, False),
    timed_out_paused: (True, False),
    killed_while_asking: (True, False),
    killed_between: (False, True),
    killed_between_gracefully: (False, True),
    killed_between_by_act: (False, True),
    killed_after_the_start: (True, False),
    failed_to_start: (True, False),
}


class Case(Bench):
    """The bench of one pair, and what is known of the act."""

    finishes = killed_asking = False


def unchanged(bench: Bench) -> None:
    bench.run({})


def state(wanted: str) -> t.Callable[[Bench], None]:
    def follows(bench: Bench) -> None:
        bench.run({"state": wanted, "force": True})

    follows.__name__ = f"state_{wanted}"
    return follows


def restart_again(bench: Bench) -> None:
    bench.run({**RESTARTS, "features": {"pmu": True}, "force": True})


def act_again(bench: Case) -> None:
    if not bench.world.get("domain", NAME).isActive() and not bench.finishes:
        return
    domain_restart(bench, "force")


def virsh_start(bench: Bench) -> None:
    domain = bench.world.get("domain", NAME)
    if not domain.isActive():
        domain.create()


def virsh_stop(bench: Bench) -> None:
    domain = bench.world.get("domain", NAME)
    if not domain.isActive():
        domain.create()
    domain.destroy()


def virsh_start_and_guest_off(bench: Case) -> None:
    if bench.killed_asking:  # what the guest does then may be the restart's own end
        bench.world.get("domain", NAME).destroy()
        return
    virsh_start(bench)
    quits(bench)


# what follows, and whether the guest runs after it and a task that says nothing of the state (None: as it was found)
FOLLOWING: dict[t.Callable[[Case], None], t.Optional[bool]] = {
    unchanged: None,
    state("running"): True,
    state("stopped"): False,
    state("paused"): True,
    state("absent"): None,
    restart_again: None,
    act_again: None,
    virsh_start: True,
    virsh_stop: False,
    virsh_start_and_guest_off: False,
}

PAIRS = [(one, other) for one in BROKEN_OFF for other in FOLLOWING]


SAMPLE = sample.part(PAIRS, PARTS, lambda pair: f"{pair[0].__name__} {pair[1].__name__}")


@pytest.mark.parametrize(("act", "follows"), SAMPLE, ids=lambda one: one.__name__)
def test_a_restart_that_is_broken_off(
    lab: Lab, act: t.Callable[[Bench], None], follows: t.Callable[[Case], None]
) -> None:
    bench = Case(NAME, lab.place)
    bench.task(memory="64 MiB", agent=False, state="running")
    act(bench)
    runs, finishes = BROKEN_OFF[act]
    bench.finishes, bench.killed_asking = finishes, act is killed_while_asking
    assert bool(lab.domain.isActive()) == runs
    follows(bench)
    if follows.__name__ == "state_absent":
        assert bench.world.find("domain", NAME) is None
        return
    runs_then = runs or finishes if FOLLOWING[follows] is None else FOLLOWING[follows]
    for dummy in range(2):
        unchanged(bench)
        assert bool(lab.domain.isActive()) == runs_then, "an unchanged task starts and stops nothing"
    if lab.domain.isActive():
        lab.domain.destroy()
        unchanged(bench)
        assert not lab.domain.isActive(), "a guest that somebody powered off stays off"
    assert bench.plan({}).steps == []
    assert "restarting" not in lab.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
