# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the steps of an object's plan do: define, start, stop and undefine it, without overwriting what somebody else did."""

from __future__ import annotations

import functools
import typing as t

from .._libvirt import missing_object
from .._plan import Remark
from .._xml import document, rows
from . import meanwhile
from .draft import running_text

if t.TYPE_CHECKING:
    from .._libvirt import World
    from .._plan import Operations
    from .noun import Noun


def operations(noun: Noun) -> Operations:
    """What the steps of a plan on this noun can do, by ``noun.verb``."""
    by_key: Operations = {
        "define": noun.define,
        "undo_define": functools.partial(_undo_define, noun),
        "expect": functools.partial(expect, noun),
    }
    on_object: Operations = {
        "undefine": noun.undefine,
        "start": noun.start,
        "stop": noun.stop,
        "stop_to_restart": functools.partial(_stop_to_restart, noun),
        "start_as_before": functools.partial(_start_as_before, noun),
        "autostart": lambda world, there, value: there.setAutostart(value),
        **noun.own_operations(),
    }
    return {
        **{f"{noun.name}.{verb}": functools.partial(_by_key, act) for verb, act in by_key.items()},
        **{f"{noun.name}.{verb}": functools.partial(_on_object, noun, act) for verb, act in on_object.items()},
    }


def _by_key(act: t.Callable[..., t.Any], world: World, name: str, **arguments: t.Any) -> t.Any:
    return act(world, name, **arguments)


def _on_object(noun: Noun, act: t.Callable[..., t.Any], world: World, name: str, **arguments: t.Any) -> t.Any:
    there = noun.find(world, name)
    if there is None:
        raise missing_object(noun.name, name, "name")
    return act(world, there, **arguments)


def define(
    noun: Noun,
    world: World,
    key: str,
    xml: str,
    planned: t.Optional[str] = None,
    running: t.Optional[str] = None,
) -> t.Optional[Remark]:
    """Define, read back; what libvirt left out of it is said. ``planned`` and ``running`` are what was seen when planning."""
    expect(noun, world, key, planned, running)
    there = getattr(world.connection, noun.define_call)(xml)
    got = noun.stored_document(there)
    meanwhile.remember(world, f"{noun.name} {key}", noun.compared(got))
    lost = [
        change.path
        for change in rows.compare(noun.rows, document.document(xml), got)
        if change.before not in (None, [], {}) and change.before != change.after
    ]
    if lost:
        return Remark(f"libvirt did not take over as given: {', '.join(lost)} of {noun.name} {key}")
    return None


def _undo_define(noun: Noun, world: World, key: str, xml: str) -> None:
    """Define ``xml`` again, undefine where that is empty; not if somebody else has edited the definition meanwhile."""
    there = noun.find(world, key)
    meanwhile.refuse_edited(world, f"{noun.name} {key}", _stored_text(noun, there))
    if xml:
        noun.define(world, key, xml)
    elif there is not None:
        noun.undefine(world, there)


def expect(noun: Noun, world: World, key: str, planned: t.Optional[str], running: t.Optional[str] = None) -> None:
    """Raise where the definition or the running object isn't what the plan was made on; None isn't compared."""
    there, title = noun.find(world, key), f"{noun.name} {key}"
    if planned is not None:
        meanwhile.compare(title, planned, _stored_text(noun, there))
    if running is not None:
        active = there is not None and noun.status(there)[0]
        meanwhile.compare(title, running, running_text(noun.running_document(there)) if active else "")


def _stored_text(noun: Noun, there: t.Any) -> str:
    """The definition as it is compared, ``""`` where there is no object."""
    return "" if there is None else noun.compared(noun.stored_document(there))


def _stop_to_restart(noun: Noun, world: World, there: t.Any) -> t.Any:
    """Stop the object. Returns what the stop took from it."""
    lost = noun.lost(there)
    noun.stop(world, there)
    return lost


def _start_as_before(noun: Noun, world: World, there: t.Any, definition: str, running: str, was: t.Any) -> None:
    """Start the object again from the definition that it had, or from the document of what ran, and give back what it lost."""
    if there.isActive():
        noun.stop(world, there)
    key = noun.called(there)
    if definition:
        noun.define(world, key, definition)
        there = noun.find(world, key)
        noun.start(world, there)
    else:
        there = getattr(world.connection, noun.define_call.replace("Define", "Create"))(running)
    noun.give_back(world, there, was)
