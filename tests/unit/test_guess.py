# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task's arguments should have been: the guesses of people who know virsh, Terraform or another module."""

from __future__ import annotations

import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible_collections.metal.kvm.plugins.module_utils import _guess
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.options import ARGUMENTS as DOMAIN
from ansible_collections.metal.kvm.plugins.module_utils._objects.network.plan import ARGUMENT_SPEC as NETWORK
from ansible_collections.metal.kvm.plugins.module_utils._objects.pool.plan import ARGUMENT_SPEC as POOL
from ansible_collections.metal.kvm.plugins.module_utils._objects.volume.plan import ARGUMENT_SPEC as VOLUME

SPECS = {"domain": DOMAIN, "network": NETWORK, "pool": POOL, "volume": VOLUME}

GUESSES: list[tuple[str, dict[str, t.Any], str]] = [
    ("domain", {"videos": []}, "videos: metal.kvm.domain has no such option. Did you mean video?"),
    ("domain", {"vcpu": 2}, "Did you mean vcpus?"),
    ("domain", {"ram": "2 GiB"}, "Did you mean memory?"),
    ("domain", {"nics": []}, "Did you mean interfaces?"),
    ("domain", {"user_data": {}}, "Did you mean cloud_init.user_data?"),
    (
        "domain",
        {"disks": [{"path": "/a"}]},
        "disks[].path: metal.kvm.domain has no such option. Did you mean disks[].file?",
    ),
    ("domain", {"disks": [{"target": "vda", "bus": "virto"}]}, "got: virto found in disks. Did you mean virtio?"),
    (
        "domain",
        {"disks": {"target": "vda"}},
        "disks: this is a list, and one item was given. Write a dash before each item.",
    ),
    ("domain", {"disks": ["/a"]}, "disks: each item is a dict, and one of type str was given."),
    ("domain", {"state": "started"}, "Did you mean running?"),
    ("domain", {"state": "shutdown"}, "Did you mean stopped?"),
    (
        "domain",
        {"zzz": 1},
        "zzz: metal.kvm.domain has no such option. `ansible-doc metal.kvm.domain` lists its options.",
    ),
    (
        "domain",
        {"wait_for": {"zzz": 1}},
        "wait_for.zzz: metal.kvm.domain has no such option. It has agent, cloud_init, ip, timeout.",
    ),
    (
        "domain",
        {"vido": [], "dissk": []},
        "Did you mean disks? vido: metal.kvm.domain has no such option. Did you mean video?",
    ),
    ("network", {"state": "running"}, "Did you mean active?"),
    ("network", {"state": "stopped"}, "Did you mean inactive?"),
    (
        "network",
        {"routes": [{"destination": "10.0.0.0/8"}]},
        "routes[].destination: metal.kvm.network has no such option. Did you mean routes[].address?",
    ),
    ("network", {"nat_ipv6": True}, "Did you mean nat.ipv6?"),
    ("network", {"forward": "nta"}, "Did you mean nat?"),
    ("pool", {"type": "directory"}, "Did you mean dir?"),
    ("pool", {"target": "/a"}, "Did you mean path?"),
    ("volume", {"size": "1 GiB"}, "Did you mean capacity?"),
    ("volume", {"wipe": "zeros"}, "Did you mean zero?"),
]


@pytest.mark.parametrize(("module", "given", "said"), GUESSES)
def test_guess(module: str, given: dict[str, t.Any], said: str) -> None:
    spec = SPECS[module]
    required = {name: "a" for name, one in spec.items() if one.get("required")}
    result = ModuleArgumentSpecValidator(spec).validate({**required, **given})
    explained = _guess.explained(f"metal.kvm.{module}", result.error_messages, result.unsupported_parameters, spec)
    assert said in explained
    assert explained.count("Supported parameters") == 0


def test_what_is_meant_exists_somewhere() -> None:
    """Each meaning in the table is an option or a choice of some module."""
    known = {name for spec in SPECS.values() for name in _names(spec)}
    wrong = {meant for those in _guess.MEANT.values() for meant in those if meant.rpartition(".")[2] not in known}
    assert not wrong


def _names(spec: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    for name, one in spec.items():
        yield name
        yield from map(str, one.get("choices") or ())
        yield from _names(one.get("options") or {})


def test_a_name_that_nothing_is_like_stays_unguessed() -> None:
    assert not _guess.nearest("zzz", ["disks", "memory"])
