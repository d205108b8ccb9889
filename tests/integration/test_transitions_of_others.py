# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From every kind of a network, pool, volume, network filter, secret and mediated device to every other, as test_transitions.py
has it for domains: inactive ones, and active ones where there are such.

A part of the transitions is run, another one each day.
"""

from __future__ import annotations

import itertools
import pathlib
import typing as t

import pytest
import sample
import subjects
from prover import Prover
from transitions import Transition

SOME = {"network": 20, "pool": 20, "volume": 20, "nwfilter": 40, "secret": 20, "node_device": 5}  # how many a day
ACTIVE = {"network": 5, "pool": 5}  # and of what can be active here


class OtherProver(Prover):
    """Tasks on one object that isn't a domain."""

    @property
    def there(self) -> t.Any:
        return self.bench.there

    def gone(self) -> None:
        self.bench.gone()

    def left(self, options: subjects.Options) -> list[str]:
        """A volume's definition is what libvirt finds in the file."""
        if self.bench.noun == "volume" or "unset" in options or self.there is None:
            return []
        return super().left(options)


@pytest.fixture
def prover(noun: str, place: pathlib.Path, connection: t.Any) -> t.Iterator[OtherProver]:
    subjects.surround(place, connection)
    made = OtherProver(subjects.Bench(noun, place), {}, {"state": "active"})
    yield made
    made.gone()


def chosen(noun: str, some: int) -> list[Transition]:
    """The transitions of today."""
    every = subjects.subject(noun).transitions()
    return sample.part(every, max(1, len(every) // some))


def states(noun: str) -> list[Transition]:
    """From every state to every other, and from none."""
    first = subjects.cases(noun)[0]["options"]
    pairs = itertools.product(subjects.STATES[noun], repeat=2)
    return [
        Transition("state", "the first", {**first, "state": one}, {**first, "state": other}, (one, other))
        for one, other in pairs
    ]


@pytest.mark.timeout(0 if sample.WHOLE else 300)
@pytest.mark.parametrize("noun", subjects.NOUNS)
def test_every_transition(noun: str, prover: OtherProver) -> None:
    wrong = faults(prover, chosen(noun, SOME[noun]), running=False)
    assert not wrong, wrong


@pytest.mark.timeout(0 if sample.WHOLE else 300)
@pytest.mark.parametrize("noun", ACTIVE)
def test_every_transition_of_what_is_active(noun: str, prover: OtherProver) -> None:
    wrong = faults(prover, [one for one in chosen(noun, ACTIVE[noun]) if not ends_libvirtd(one)], running=True)
    assert not wrong, wrong


def ends_libvirtd(transition: Transition) -> bool:
    """Two minutes after a pool of Gluster failed to start, libgfapi's timer reads what is gone, and libvirtd 9.0 ends."""
    return "gluster" in (transition.one.get("type"), transition.other.get("type"))


def faults(prover: Prover, those: list[Transition], running: bool) -> str:
    """What is wrong, a line for each transition."""
    found = {str(one): prover.fault(one, running) for one in those}
    return "\n".join(f"{name}: {fault}" for name, fault in found.items() if fault)


# what a new network of each mode needs
FORWARDS: dict[str, subjects.Options] = {
    **{key: {"ips": [{"address": "10.97.1.1/24"}]} for key in ("nat", "route", "open")},
    **{key: {} for key in ("isolated", "private", "vepa", "passthrough", "hostdev")},
    "bridge": {"bridge": "br-mkt"},
}


@pytest.mark.parametrize("noun", ["network"])
def test_every_option_beside_every_forward_mode(noun: str, prover: OtherProver) -> None:
    """It's refused by the check, which names an option, or it's there and a second task changes nothing."""
    del noun
    said: dict[str, list[t.Any]] = {}
    for case in subjects.cases("network"):
        for name in set(case["options"]) - {"uuid", "forward", "labels"}:
            said.setdefault(name, []).append(case["options"][name])
    pairs = [
        (f"{mode} {name}: {value}", {"forward": mode, **needed, name: value})
        for mode, needed in FORWARDS.items()
        for name, values in said.items()
        for value in values
    ]
    wrong = {name: beside(prover, options) for name, options in sample.part(pairs, 10, lambda pair: pair[0])}
    assert not any(wrong.values()), "\n".join(f"{name}: {fault}" for name, fault in wrong.items() if fault)


def beside(prover: OtherProver, options: subjects.Options) -> str:
    prover.gone()
    error = prover.error(lambda: prover.bench.task(check=True, **options))
    if error is not None:
        return "" if error.details.get("option") and error.remedy else str(error)
    error = prover.error(lambda: prover.bench.task(**options))
    return str(error or prover.bench.task(check=True, **options)[0] or "")


@pytest.mark.timeout(0 if sample.WHOLE else 300)
@pytest.mark.parametrize("noun", subjects.NOUNS)
def test_every_state(noun: str, prover: OtherProver) -> None:
    """From each state to each other: the check says what the run does, and a second task has nothing to do."""
    wrong = {str(one): prover.fault(one, False) for one in states(noun)}
    assert not any(wrong.values()), "\n".join(f"{name}: {fault}" for name, fault in wrong.items() if fault)
