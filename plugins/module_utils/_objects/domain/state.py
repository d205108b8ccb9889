# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The states of a domain, and the acts that lead from any observed one to any wanted one, or the refusal."""

from __future__ import annotations

import os
import typing as t

from ..._plan import KvmError, Plan

OFF = ("stopped", "saved", "crashed")

# virDomainState, by number
_STATES = ("running", "running", "running", "paused", "stopping", "stopped", "crashed", "pmsuspended")

# (observed, wanted): the acts in order. An act is a row of ACTS; "!text" refuses with that remedy.
_NO_MEMORY = "!There is no memory to save: start the domain first, or leave `state` out."
MATRIX: dict[tuple[str, str], tuple[str, ...]] = {
    ("running", "running"): (),
    ("running", "stopped"): ("shutdown",),
    ("running", "paused"): ("suspend",),
    ("running", "saved"): ("save",),
    ("paused", "running"): ("resume",),
    ("paused", "stopped"): ("resume", "shutdown"),
    ("paused", "paused"): (),
    ("paused", "saved"): ("save",),
    ("pmsuspended", "running"): ("wakeup",),
    ("pmsuspended", "stopped"): ("wakeup", "shutdown"),
    ("pmsuspended", "paused"): ("wakeup", "suspend"),
    ("pmsuspended", "saved"): ("wakeup", "save"),
    ("stopping", "running"): ("await_off", "start"),
    ("stopping", "stopped"): ("await_off",),
    ("stopping", "paused"): ("await_off", "start_paused"),
    ("stopping", "saved"): ("!The domain is shutting down: wait until it's off.",),
    ("stopped", "running"): ("start",),
    ("stopped", "stopped"): (),
    ("stopped", "paused"): ("start_paused",),
    ("stopped", "saved"): (_NO_MEMORY,),
    ("saved", "running"): ("start",),
    ("saved", "stopped"): ("discard_saved",),
    ("saved", "paused"): ("start_paused",),
    ("saved", "saved"): (),
    ("crashed", "running"): ("destroy", "start"),
    ("crashed", "stopped"): ("destroy",),
    ("crashed", "paused"): ("destroy", "start_paused"),
    ("crashed", "saved"): (_NO_MEMORY,),
}
ACTS = {
    "shutdown": "shut down domain {name}",
    "destroy": "power off domain {name}",
    "await_off": "wait until domain {name} is off",
    "start": "start domain {name}",
    "start_paused": "start domain {name} paused",
    "suspend": "pause domain {name}",
    "resume": "resume domain {name}",
    "wakeup": "wake up domain {name}",
    "save": "save the memory of domain {name} and stop it",
    "discard_saved": "throw away the saved memory of domain {name}",
}
TIMED = ("shutdown", "await_off")


def observed(domain: t.Any) -> str:
    """The state of libvirt's domain object, by name; ``saved`` for one that is off with managed save."""
    number = domain.state()[0]
    name = _STATES[number] if number < len(_STATES) else "running"
    if name == "stopped" and domain.isPersistent() and domain.hasManagedSaveImage(0):
        return "saved"
    return name


def add_acts(plan: Plan, params: dict[str, t.Any], before: str, wanted: str) -> None:
    """Steps from the state ``before`` to ``wanted``. ``force`` pulls the plug where a guest would be asked."""
    name, force = params["name"], params["force"]
    for act in MATRIX[before, wanted]:
        if act.startswith("!"):
            raise KvmError(f"state: domain {name} is {before} and can't become {wanted}", act[1:], option="state")
        if act == "discard_saved" and not params["discard_saved"]:
            raise KvmError(
                f"state: domain {name} has saved memory, which would be lost",
                "Start it first, or say discard_saved: true.",
                option="state",
            )
        if act == "resume" and force and wanted == "stopped":
            continue
        add_act(plan, params, "destroy" if force and act in TIMED else act)
    if MATRIX[before, wanted]:
        plan.differs("state", before, wanted)


def add_act(plan: Plan, params: dict[str, t.Any], act: str) -> None:
    """One act as a step."""
    arguments = {"timeout": params["shutdown_timeout"]} if act in TIMED else {}
    plan.add(
        f"domain.{act}",
        ACTS[act].format(name=params["name"]),
        changes=act != "await_off",
        name=params["name"],
        **arguments,
    )


def check_steps(world: t.Any, plan: Plan, root: t.Any) -> None:
    """Refuse what libvirt's driver of QEMU doesn't survive, or drops without a word, where these steps come to it."""
    starts = bool({"domain.start", "domain.start_paused", "domain.restart"} & {step.operation for step in plan.steps})
    if starts and root.find("devices/interface[@type='null']") is not None:
        raise KvmError(
            "interfaces: one is unconnected, and libvirt can't start such a guest of QEMU: its daemon would end",
            "Give it user: true and link: down instead.",
            option="interfaces",
        )
    tunes = any("device_weight" in step.arguments.get("values", ()) for step in plan.steps)
    weighed = [node.findtext("path") for node in root.iterfind("blkiotune/device") if int(node.findtext("weight") or 0)]
    unweighable = [path for path in weighed if not _has_cfq(path)] if (starts or tunes) and world.local else []
    if unweighable:
        raise KvmError(
            f"blkiotune.devices: {unweighable[0]} can't have a weight of its own: libvirt gives one through the I/O scheduler CFQ"
            " only, which Linux has had no more since 5.0; with control groups v2 its daemon ends (9.0) or drops the weight (11.3)",
            "Leave that weight out: blkiotune.weight is the guest's as a whole, read_bytes_sec and the others limit a device.",
            option="blkiotune.devices",
        )


def _has_cfq(path: str) -> bool:
    """Whether the scheduler of the whole device can weigh, in control groups v1."""
    here = os.path.realpath(f"/sys/class/block/{os.path.basename(os.path.realpath(path))}")
    disk = os.path.dirname(here) if os.path.exists(f"{here}/partition") else here
    try:
        with open(f"{disk}/queue/scheduler", encoding="ascii") as file:
            return "[cfq]" in file.read()
    except OSError:
        return False
