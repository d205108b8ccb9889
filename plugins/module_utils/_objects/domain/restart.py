# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's restart: shut down, then started. If it can't be started again, it is started as it ran before.

A mark in the definition's metadata says that a restart is under way, so that the next run finishes the one of a run that
was killed. Whatever ends the restart removes the mark: its success, its failure, a timeout, or an act of somebody else.
"""

from __future__ import annotations

import contextlib
import time
import typing as t

from ..._libvirt import flags
from ..._plan import Plan, Step, refuse
from ..._xml import document
from . import definition as definitions
from .documents import persistent_document
from .history import history
from .live import waiting_for_restart
from .mark import OWN, drop_restart, own, put_own, restarting
from .observed import observed
from .shutdown import shutdown

if t.TYPE_CHECKING:
    from ..._libvirt import World

Element = document.Element

LATER = 5.0  # seconds after a restart's timeout from which on a guest's end isn't its doing


def add_restart(plan: Plan, domain: t.Any, params: dict[str, t.Any], force: bool) -> None:
    """Add the steps of a restart. If the start fails, the guest runs again as it did, of the definition that it had."""
    name = params["name"]
    defines = any(step.operation == "domain.define" for step in plan.steps)
    if not (domain.isPersistent() or defines):
        why = f"domain {name} is transient, so it would be gone after its shutdown"
        refuse("name", why, "Make it persistent first: metal.kvm.domain with its name.")
    stop = plan.add(
        "domain.stop_to_restart",
        f"restart domain {name}",
        name=name,
        timeout=params["shutdown_timeout"],
        force=force,
    )
    stop.stops = True
    running = document.document(domain.XMLDesc(flags("VIR_DOMAIN_XML_SECURE", "VIR_DOMAIN_XML_MIGRATABLE")))
    stored = persistent_document(domain)
    same = domain.isPersistent() and not waiting_for_restart(running, stored)
    stop.undo = Step(
        "domain.start_as_before",
        f"start domain {name} as it ran before",
        name=name,
        definition=document.text_of(stored) if same and defines else "",
        running="" if same else document.text_of(running),
    )
    plan.add("domain.start_again", f"start domain {name} again", changes=False, name=name).restarts = True


def stop_to_restart(world: World, name: str, timeout: int, force: bool) -> None:
    """Shut the guest down, or power it off by ``force``. A paused guest runs meanwhile, for it couldn't hear the request."""
    domain = world.get("domain", name)
    put_restart(domain, timeout, force)
    paused = observed(domain) == "paused"
    try:
        if force:
            domain.destroy()
            return
        if paused:
            domain.resume()
        elif observed(domain) == "pmsuspended":
            domain.pMWakeup(0)
        shutdown(world, name, timeout)
    except Exception:
        end_restart(world, name)
        if paused and domain.isActive():
            domain.suspend()
        raise


def start_again(world: World, name: str) -> None:
    """Start the guest that was shut down. Whether it works or not, the restart is over."""
    try:
        world.get("domain", name).create()
    except Exception:
        end_restart(world, name)
        raise
    end_restart(world, name)


def start_as_before(world: World, name: str, definition: str, running: str) -> None:
    """Start the guest from what ran, or from the definition that it ran from."""
    if definition:
        definitions.define(world, name, definition)
    if running:
        world.connection.createXML(running, 0)
    else:
        world.get("domain", name).create()


def put_restart(domain: t.Any, timeout: int, force: bool) -> None:
    """Note in the definition that a restart is under way, since when, and until when it waits for the guest."""
    node, now = own(persistent_document(domain)), time.time()
    node.attrib.update({"restarting": "yes", "since": f"{now:.3f}", "until": f"{now + timeout:.3f}"})
    if force:
        node.set("forced", "yes")
    put_own(domain, node)


def end_restart(world: World, name: str) -> None:
    """Remove the mark, where there is one."""
    domain = world.find("domain", name)
    if domain is None or not domain.isPersistent():
        return
    node = own(persistent_document(domain))
    if node.get("restarting"):
        drop_restart(node)
        put_own(domain, node)


def interrupted(world: World, domain: t.Any, root: Element) -> bool:
    """Whether the guest is off because of a restart that was broken off: nobody has started or stopped it since.

    A guest that was powered off during a graceful restart, that went off after the restart's time was over, or that was
    started meanwhile, was stopped by somebody who wanted it so.
    """
    if not restarting(root) or observed(domain) != "stopped":
        return False
    node = root.find(OWN)
    since, until = (_seconds(node.get(name)) for name in ("since", "until"))
    last = history(world, domain.name())
    if since and last.started > since:
        return False
    if until and last.stopped > until + LATER:
        return False
    return bool(node.get("forced")) or domain.state()[1] != _DESTROYED


_DESTROYED = 2  # VIR_DOMAIN_SHUTOFF_DESTROYED


def under_way(root: Element) -> bool:
    """Whether the mark is one of a restart whose guest may still be shutting down."""
    return restarting(root) and time.time() < _seconds(root.find(OWN).get("until"))


def _seconds(text: t.Optional[str]) -> float:
    with contextlib.suppress(TypeError, ValueError):
        return float(t.cast(str, text))
    return 0.0
