# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt would refuse only when it starts or defines an object is known to the check before it."""

from __future__ import annotations

import bench as benches
import pytest
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError
from domain_bench import Bench, Options
from guest import NAME, POOL, Lab, lab

__all__ = ["lab"]

NETWORK = "mkt-start"
NEW: Options = {"memory": "64 MiB", "type": "qemu"}
RUN: Options = {**NEW, "state": "running"}
MAC = "52:54:00:0d:00:01"


@pytest.fixture
def bench(lab: Lab) -> Bench:
    return Bench(NAME, lab.place)


# What another task may still provide: the options, the option named, words of the message.
ASSUMED: dict[str, tuple[Options, str, str]] = {
    "inactive network": ({"interfaces": [{"network": NETWORK}]}, "interfaces[0].network", f"network {NETWORK} is not active"),
    "inactive pool": (
        {"disks": [{"target": "vda", "pool": POOL, "volume": "a.raw", "format": "raw"}]},
        "disks[vda].pool",
        f"pool {POOL} is not active",
    ),
    "no bridge": ({"interfaces": [{"bridge": "mkt-none"}]}, "interfaces[0].bridge", "no bridge named 'mkt-none'"),
    "no device": (
        {"interfaces": [{"direct": {"dev": "mkt-none"}}]},
        "interfaces[0].direct",
        "no network device named 'mkt-none'",
    ),
    "no image": (
        {"disks": [{"target": "vdb", "file": "/nowhere/a.raw", "format": "raw"}]},
        "disks[vdb].file",
        "'/nowhere/a.raw' does not exist",
    ),
    "no disk": ({"disks": [{"target": "vda", "block": "/dev/mkt-none/a"}]}, "disks[vda].block", "'/dev/mkt-none/a' does not exist"),
    "no huge pages": ({"memory_backing": {"hugepages": True}}, "memory_backing.hugepages", "32 huge pages of 2 MiB"),
    "no IOMMU": ({"hostdevs": [{"pci": "0000:00:01.0"}]}, "hostdevs", "no active IOMMU"),
}  # fmt: skip

# What no other task changes: refused in the check of a start, and a warning where libvirt only defines it.
REFUSED: dict[str, tuple[Options, str, str, str]] = {
    "unknown CPU model": ({"cpu": {"mode": "custom", "model": "Skylaek-Server"}}, "cpu.model", "Skylaek", "Skylake-Server?"),
    "CPU of another world": ({"cpu": {"mode": "custom", "model": "zzzzzz"}}, "cpu.model", "zzzzzz", "cpu-models"),
    "host CPU under emulation": ({"cpu": {"mode": "host-passthrough"}}, "cpu.mode", "needs KVM", "maximum"),
    "unknown network card": ({"interfaces": [{"user": True, "model": "virto"}]}, "interfaces[0].model", "virto", "virtio?"),
}  # fmt: skip


@pytest.mark.parametrize("case", ASSUMED)
def test_what_a_start_needs_from_the_host(lab: Lab, bench: Bench, case: str) -> None:
    options, option, words = ASSUMED[case]
    lab.connection.networkDefineXML(f"<network><name>{NETWORK}</name><bridge name='{NETWORK}'/></network>")
    pool = lab.connection.storagePoolDefineXML(
        f"<pool type='dir'><name>{POOL}</name><target><path>{lab.place}</path></target></pool>"
    )
    try:
        (lab.place / "a.raw").write_bytes(b"")
        assumed = [error for error in bench.plan({**RUN, **options}).assumed if error.details["option"] == option]
        assert any(words in error.message and error.remedy for error in assumed), assumed
        kept = bench.plan({**NEW, **options}).assumed
        assert not [error for error in kept if words in error.message], "a domain that isn't started doesn't need it"
        with pytest.raises(KvmError, match=option.partition("[")[0]):
            bench.run({**RUN, **options})
        assert bench.world.find("domain", NAME) is None, "nothing was done"
    finally:
        pool.undefine()
        lab.connection.networkLookupByName(NETWORK).undefine()


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_start_here(bench: Bench, case: str) -> None:
    options, option, words, remedy = REFUSED[case]
    with pytest.raises(KvmError, match=words) as caught:
        bench.plan({**RUN, **options})
    assert caught.value.details["option"] == option
    assert remedy in caught.value.remedy
    (warning,) = (one for one in bench.plan({**NEW, **options}).warnings if words in one)
    assert warning.startswith(f"{option}: ")
    assert remedy in warning
    assert "so it can't start" in warning


def test_a_card_that_is_not_a_common_one(bench: Bench) -> None:
    assert bench.run({**NEW, "interfaces": [{"user": True, "model": "vmxnet3"}]}).changed


def test_hyperv_under_emulation_is_a_warning(bench: Bench) -> None:
    plan = bench.plan({**RUN, "features": {"hyperv": {"mode": "custom", "relaxed": True}}})
    assert any("features.hyperv" in one and "emulation" in one for one in plan.warnings), plan.warnings


def test_a_vlan_on_a_linux_bridge(lab: Lab, bench: Bench) -> None:
    network = lab.connection.networkDefineXML(f"<network><name>{NETWORK}</name><bridge name='{NETWORK}'/></network>")
    network.create()
    try:
        for source in ({"network": NETWORK}, {"bridge": NETWORK}):
            options = {**RUN, "interfaces": [{**source, "mac": MAC, "vlan": {"tags": [{"id": 3}]}}]}
            if bench.world.version >= 11_000_000:
                assert not bench.plan(options).assumed
                continue
            with pytest.raises(KvmError, match=r"not on a Linux bridge") as caught:
                bench.plan(options)
            assert caught.value.details["option"] == "interfaces[0].vlan"
    finally:
        network.destroy()
        network.undefine()


def test_two_networks_of_one_subnet(lab: Lab) -> None:
    """The second one may be defined, and not be active at the same time."""
    bench = benches.Bench("network")
    one, two = {"name": NETWORK}, {"name": f"{NETWORK}2"}
    ips = [{"address": "10.61.1.1/24"}]
    try:
        bench.run({**one, "ips": ips, "state": "active"})
        with pytest.raises(KvmError, match=f"network {NETWORK}"):
            bench.plan({**two, "ips": ips, "state": "active"})
        said = bench.run({**two, "ips": ips})
        assert [words for words in said.warnings if "Only one of them can be active" in words]
        with pytest.raises(KvmError, match=f"network {NETWORK}") as caught:
            bench.plan({**two, "state": "active"})
        assert caught.value.details["option"] == "ips"
        bench.run({**one, "state": "inactive"})
        assert bench.run({**two, "state": "active"}).changed
    finally:
        for name in (one, two):
            bench.run({**name, "state": "absent"})


def test_two_pools_in_one_directory(lab: Lab) -> None:
    bench = benches.Bench("pool")
    (lab.place / "pool").mkdir()
    (lab.place / "link").symlink_to(lab.place / "pool")
    one, two = {"name": POOL, "type": "dir"}, {"name": f"{POOL}2", "type": "dir"}
    try:
        bench.run({**one, "path": str(lab.place / "pool")})
        for path in (lab.place / "pool", lab.place / "link", f"{lab.place}//pool"):
            with pytest.raises(KvmError, match=f"pool {POOL} is on") as caught:
                bench.plan({**two, "path": str(path)})
            assert caught.value.details["option"] == "path"
        assert bench.plan({**two, "path": str(lab.place / "other")}).changed
        assert not bench.plan({**one, "path": str(lab.place / "pool")}).changed
    finally:
        bench.run({**one, "state": "absent"})
