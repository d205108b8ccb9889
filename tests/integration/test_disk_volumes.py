# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk in one line: its volume is made, grown while the guest runs, never shrunk and never deleted."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._objects.volume.operations import OPERATIONS as VOLUMES
from ansible_collections.metal.kvm.plugins.module_utils._run import run_steps
from bench import Bench
from cycle import Task
from guest import NAME, POOL, Lab, built, lab

__all__ = ["lab"]

MIB = 1024**2


@pytest.fixture
def pool(lab: Lab) -> t.Any:
    """An active pool of the lab."""
    (lab.place / "pool").mkdir()
    (made,) = lab.player.play(
        [Task("pool", {"name": POOL, "type": "dir", "path": str(lab.place / "pool"), "state": "active"})]
    )
    assert not made.failed, made.message
    return lab.connection.storagePoolLookupByName(POOL)


def disk(target: str, size: str, **more: t.Any) -> dict[str, t.Any]:
    return {"target": target, "pool": POOL, "size": size, **more}


def capacity(pool: t.Any, name: str) -> int:
    return int(pool.storageVolLookupByName(name).info()[1])


def test_a_disk_is_made_and_grown_while_the_guest_runs(lab: Lab, pool: t.Any) -> None:
    guest = {"memory": "192 MiB", "boot": built().boot("mkd.noagent"), "agent": False, "state": "running"}
    first = lab.run(**guest, disks=[disk("vda", "8 MiB")])
    assert [text.partition(" (")[0] for text in first["actions"]] == [
        f"make volume {NAME}-vda.qcow2 of pool {POOL}", f"define domain {NAME}", f"start domain {NAME}",
    ]  # fmt: skip
    lab.guest.sees(lambda seen: seen.disks == {"vda": 8 * MIB // 512}, "its disk")
    assert not lab.run(**guest, disks=[disk("vda", "8 MiB")])["changed"]

    grown = lab.run(disks=[disk("vda", "16 MiB")])
    assert grown["actions"] == [f"grow volume {NAME}-vda.qcow2 of pool {POOL} to 16 MiB in the running domain {NAME}"]
    assert grown["restart_required"] == []
    lab.guest.sees(lambda seen: seen.disks == {"vda": 16 * MIB // 512}, "its larger disk")
    assert not lab.run(disks=[disk("vda", "16 MiB")])["changed"]

    plugged = lab.run(disks=[disk("vda", "16 MiB"), disk("vdb", "4 MiB", format="raw")])
    assert plugged["restart_required"] == []
    lab.guest.sees(lambda seen: seen.disks == {"vda": 16 * MIB // 512, "vdb": 4 * MIB // 512}, "its second disk")

    unplugged = lab.run(disks=[disk("vda", "16 MiB")])
    assert unplugged["changed"]
    assert capacity(pool, f"{NAME}-vdb.raw") == 4 * MIB, "the data stay"
    lab.fails("disks[vda].size", "can't shrink to 8 MiB", disks=[disk("vda", "8 MiB")])
    assert capacity(pool, f"{NAME}-vda.qcow2") == 16 * MIB


def test_a_disk_over_an_image_and_one_from_a_file(lab: Lab, pool: t.Any) -> None:
    (image,) = lab.player.play([Task("volume", {"pool": POOL, "name": "base.qcow2", "capacity": "8 MiB"})])
    assert not image.failed, image.message
    source = pathlib.Path(lab.image("source.qcow2", "4M"))
    disks = [
        disk("vda", "12 MiB", backing="base.qcow2"),
        {"target": "vdb", "pool": POOL, "volume": "copy.qcow2", "source": {"file": str(source)}},
    ]
    assert lab.run(memory="64 MiB", disks=disks)["changed"]
    assert not lab.run(memory="64 MiB", disks=disks)["changed"]
    assert (capacity(pool, f"{NAME}-vda.qcow2"), capacity(pool, "copy.qcow2")) == (12 * MIB, 4 * MIB)
    assert "base.qcow2" in pool.storageVolLookupByName(f"{NAME}-vda.qcow2").XMLDesc(0)
    lab.fails(
        "disks[vda].backing", "was made with", memory="64 MiB", disks=[disk("vda", "12 MiB", backing="copy.qcow2")]
    )


def test_what_fails_later_takes_the_volume_back(lab: Lab, pool: t.Any) -> None:
    """The definition fails after the volume was made: it was made by this run, so it goes."""
    lab.run(memory="64 MiB", disks=[disk("vda", "8 MiB")])
    lab.fails("double use of PCI Address", disks=[disk("vda", "8 MiB"), disk("vdb", "4 MiB", address=TAKEN)])
    bench = Bench("domain")
    plan = bench.plan({"name": NAME, "disks": [disk("vda", "8 MiB"), disk("vdb", "4 MiB")]})
    with pytest.raises(ValueError, match="broken") as caught:
        run_steps(plan, {**bench.operations(), **VOLUMES, "domain.define": _break}, bench.world)
    assert caught.value.rolled_back == [f"delete volume {NAME}-vdb.qcow2 of pool {POOL} again"]  # type: ignore[attr-defined]
    assert pool.listVolumes() == [f"{NAME}-vda.qcow2"]


TAKEN = {"type": "pci", "bus": "0x00", "slot": "0x1f", "function": "0x2"}


def _break(world: t.Any, **arguments: t.Any) -> None:
    del world, arguments
    raise ValueError("broken")


def test_a_disk_elsewhere_is_not_replaced(lab: Lab, pool: t.Any) -> None:
    image = lab.image("own.qcow2")
    lab.run(memory="64 MiB", disks=[{"target": "vda", "file": image}])
    lab.fails("disks[vda].pool", image, "not on a volume", disks=[disk("vda", "8 MiB")])
    assert pool.listVolumes() == []


def test_storage_goes_with_the_domain_if_that_is_said(lab: Lab, pool: t.Any) -> None:
    lab.run(memory="64 MiB", disks=[disk("vda", "8 MiB")])
    lab.run(state="absent")
    assert pool.listVolumes() == [f"{NAME}-vda.qcow2"]
    again = lab.run(memory="64 MiB", disks=[disk("vda", "8 MiB")])
    assert not any("make volume" in text for text in again["actions"]), "what is there is taken as it is"
    lab.run(state="absent", storage="delete")
    assert pool.listVolumes() == []
