# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests that others made: one of virt-install, running."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._wait import until
from domain_bench import Bench
from guest import LOGS, NAME, Lab, built, canonical, shared_lab

__all__ = ["shared_lab"]


@pytest.fixture(scope="module")
def made(shared_lab: Lab) -> Lab:
    """The lab with the guest that virt-install made."""
    boot = built().boot("mkd.noagent")
    subprocess.run(
        [
            "virt-install", "--name", NAME, "--virt-type", "qemu", "--osinfo", "generic", "--import", "--noautoconsole",
            "--vcpus", "2,maxvcpus=4", "--memory", "1024,maxmemory=2048", "--network", "user", "--graphics", "vnc",
            "--disk", shared_lab.image("a.qcow2"), "--serial", f"pty,log.file={LOGS}/{NAME}-serial.log",
            "--boot", f"kernel={boot['kernel']},initrd={boot['initrd']},kernel_args=\"{boot['cmdline']}\"",
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    shared_lab.guest.sees(lambda seen: int(seen["mem"]) < 1024 * 1024, "it gives back what it isn't to have yet")
    assert until(lambda: shared_lab.xml(live=True).findtext("currentMemory") == str(1024 * 1024), 60)
    return shared_lab


@pytest.fixture
def bench(made: Lab) -> Bench:
    return Bench(NAME, made.place)


def test_one_option_changes_that_option_and_nothing_else(made: Lab, bench: Bench) -> None:
    before, running = canonical(made.xml()), canonical(made.xml(live=True))
    changed, waiting, said = bench.task(title="ours")
    assert changed
    assert waiting == []
    assert said["after"] == {"title": "ours"}
    assert canonical(made.xml(), "/domain/title") == before
    assert canonical(made.xml(live=True), "/domain/title") == running
    assert not bench.task(check=True, title="ours")[0]


def test_memory_and_vcpus_grow_live_up_to_the_maxima(made: Lab, bench: Bench) -> None:
    """1024 MiB of 2048 and 2 vCPUs of 4: within them at once and by the guest's own word, beyond them staged and told."""
    boot = made.guest.reports()[-1]
    assert boot["cpus"] == "2"
    changed, waiting, said = bench.task(memory="1536 MiB", vcpus=3)
    assert changed
    assert waiting == [], said
    assert said["actions"][0] == f"define domain {NAME}"
    assert len(said["actions"]) == 3
    seen = made.guest.sees(lambda seen: seen["cpus"] == "3" and int(seen["mem"]) > 1400 * 1024, "it has grown")
    assert seen["boot"] == boot["boot"]
    live = made.xml(live=True)
    assert live.find("vcpu").get("current") == "3"
    assert live.findtext("currentMemory") == str(1536 * 1024)
    assert not bench.task(check=True, memory="1536 MiB", vcpus=3)[0]
    _changed, waiting, said = bench.task(memory="3 GiB", vcpus=6)
    assert set(waiting) == {"memory", "vcpus"}
    assert said["actions"] == [f"define domain {NAME}"]
    assert made.xml().findtext("memory") == made.xml().findtext("currentMemory") == str(3 << 20)
    assert made.xml().findtext("vcpu") == "6"
    assert made.guest.reports()[-1]["boot"] == boot["boot"]
    assert made.xml(live=True).find("vcpu").get("current") == "3", "the running guest is left alone"
