# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seed for cloud-init arrives: on a bus that the guest's kernel knows, said by the guest itself, under any name.

The guest has the distribution's kernel for clouds, which has no driver for SATA. test_demo shows the same of a distribution.
"""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from domain_bench import Bench
from guest import NAME, POOL, PREFIX, Lab, built, lab
from lxml import etree

__all__ = ["lab"]  # a fixture
pytestmark = pytest.mark.timeout(900)
NEW = f"{PREFIX}new"
WAIT = {"cloud_init": True, "timeout": 200}


@pytest.fixture
def pool(lab: Lab) -> pathlib.Path:
    path = lab.place / "pool"
    path.mkdir()
    xml = f"<pool type='dir'><name>{POOL}</name><target><path>{path}</path></target></pool>"
    lab.connection.storagePoolDefineXML(xml).create()
    lab.connection.storagePoolLookupByName(POOL).createXML(
        "<volume><name>a.raw</name><capacity>8388608</capacity></volume>"
    )
    return path


@pytest.fixture
def bench(lab: Lab, pool: pathlib.Path) -> Bench:
    return Bench(NAME, lab.place)


def guest(bus: str = "virtio", **options: t.Any) -> dict[str, t.Any]:
    target = "vda" if bus == "virtio" else "sda"
    return {
        "memory": "192 MiB",
        "boot": built().boot("mkd.cloud"),
        "disks": [{"target": target, "bus": bus, "pool": POOL, "volume": "a.raw", "format": "raw"}],
        "cloud_init": {"user_data": {"hostname": "one"}},
        **options,
    }


def seed(lab: Lab, name: str = NAME) -> dict[str, t.Any]:
    """How the guest sees its seed, by the definition."""
    root = etree.fromstring(lab.connection.lookupByName(name).XMLDesc(2))
    disk = next(one for one in root.iterfind("devices/disk") if one.findtext("serial") == "metal-kvm-seed")
    return {
        "as": disk.get("device"),
        "bus": disk.find("target").get("bus"),
        "volume": disk.find("source").get("volume"),
        "readonly": disk.find("readonly") is not None,
    }


def seeds(pool: pathlib.Path) -> list[str]:
    return sorted(path.name for path in pool.glob("*-seed.iso"))


def test_the_guest_has_taken_its_seed(lab: Lab, bench: Bench) -> None:
    """Changed while it runs, the seed is taken at the next boot; nothing claims that it was."""
    wanted = guest(state="running", wait_for=WAIT)
    assert bench.task(**wanted)[0]
    assert seed(lab) == {"as": "disk", "bus": "virtio", "volume": f"{NAME}-seed.iso", "readonly": True}
    assert not bench.task(**wanted)[0]
    first = lab.domain.ID()
    wanted["cloud_init"] = {"user_data": {"hostname": "two"}, "reseed": True}
    (ran,) = lab.player.play([lab.task(**wanted)])
    assert ran["changed"], ran
    assert [warning for warning in ran["warnings"] if "takes the present one" in warning], ran
    assert lab.domain.ID() == first
    lab.domain.reset()  # the same QEMU: what it reads is the new seed
    lab.guest.sees(lambda seen: len({one["boot"] for one in lab.guest.reports()}) > 1, "it hasn't booted again", 120)
    (again,) = lab.player.play([lab.task(**wanted)])
    assert not again["changed"], again
    assert not again.get("warnings"), again


def test_a_guest_that_ignores_its_seed(lab: Lab, bench: Bench) -> None:
    """On SATA, where seeds were: an unchanged task leaves it there, the wait is an error, and its remedy works."""
    bench.task(**guest())
    text = lab.domain.XMLDesc(2)
    begin = text.index("<disk type='volume' device='disk'>", text.index("a.raw"))
    end = text.index("</disk>", begin)
    drive = (
        f"<disk type='volume' device='cdrom'><driver name='qemu' type='raw'/><source pool='{POOL}'"
        f" volume='{NAME}-seed.iso'/><target dev='sda' bus='sata'/><readonly/><serial>metal-kvm-seed</serial>"
    )
    lab.connection.defineXML(text[:begin] + drive + text[end:])
    assert not bench.task(**guest())[0]
    assert seed(lab)["bus"] == "sata"
    failed = lab.fails(
        "didn't run from its seed", "iid-datasource-none", "state: absent", **guest(state="running", wait_for=WAIT)
    )
    assert failed["serial_tail"]
    bench.task(state="stopped", force=True)
    bench.task(cloud_init={"state": "absent"})
    assert bench.task(**guest(state="running", wait_for=WAIT))[0]
    assert seed(lab)["bus"] == "virtio"


def test_the_seed_is_where_the_first_disk_is(lab: Lab, bench: Bench, pool: pathlib.Path) -> None:
    """And goes to another pool when it's told; nothing is left behind."""
    windows = {"osinfo": "http://microsoft.com/win/11"}
    for options, expected in (
        (guest("scsi"), ("cdrom", "scsi")),
        (guest("sata"), ("cdrom", "sata")),
        (guest(**windows), ("cdrom", "sata")),
        (guest(), ("disk", "virtio")),
    ):
        bench.task(**options)
        assert (seed(lab)["as"], seed(lab)["bus"]) == expected
        bench.task(state="absent")
        assert seeds(pool) == []
    bench.task(**guest())
    (lab.place / "other").mkdir()
    xml = f"<pool type='dir'><name>{PREFIX}other</name><target><path>{lab.place}/other</path></target></pool>"
    lab.connection.storagePoolDefineXML(xml).create()
    moved = {"cloud_init": {"user_data": {"hostname": "one"}, "pool": f"{PREFIX}other"}}
    assert bench.task(**moved)[2]["after"] == {"cloud_init.seed": f"{PREFIX}other/{NAME}-seed.iso"}
    assert not bench.task(**moved)[0]
    assert (seeds(pool), seeds(lab.place / "other")) == ([], [f"{NAME}-seed.iso"])


def test_a_renamed_guest_keeps_its_own_files(lab: Lab, bench: Bench, pool: pathlib.Path) -> None:
    """And a new guest of the old name gets others."""
    efi = {"firmware": "efi"}
    bench.task(**guest(**efi, state="paused"))
    bench.task(state="stopped", force=True)
    uuid = lab.domain.UUIDString()
    new = Bench(NEW, lab.place)
    assert new.task(uuid=uuid, cloud_init={"user_data": {"hostname": "renamed"}})[0]
    assert not new.task(uuid=uuid, cloud_init={"user_data": {"hostname": "renamed"}})[0]
    assert seeds(pool) == [f"{NAME}-seed.iso"]
    assert seed(lab, NEW)["volume"] == f"{NAME}-seed.iso"
    content = (pool / f"{NAME}-seed.iso").read_bytes()
    assert b"renamed" in content
    bench.task(
        **guest(**efi, disks=[], cloud_init={"user_data": {"hostname": "another"}, "pool": POOL}, state="paused")
    )
    new.task(state="paused")
    assert (pool / f"{NAME}-seed.iso").read_bytes() == content
    assert len(seeds(pool)) == 2
    files = [_files(lab, name) for name in (NAME, NEW)]
    assert not files[0] & files[1], files
    bench.task(state="absent", force=True)
    assert seeds(pool) == [f"{NAME}-seed.iso"]
    new.task(state="absent", force=True)
    assert seeds(pool) == []


def _files(lab: Lab, name: str) -> set[str]:
    """All files that the running guest reads or writes, but for what many share."""
    root = etree.fromstring(lab.connection.lookupByName(name).XMLDesc())
    found = {value for node in root.iter() for key, value in node.items() if key in ("file", "volume", "path")}
    found |= {node.text for node in root.iterfind("os/nvram")}
    return {one for one in found if one and not one.startswith(("/dev/", "/usr/"))}


def test_a_seed_that_others_have_stays(lab: Lab, bench: Bench, pool: pathlib.Path) -> None:
    """It was deleted, and rewritten, under another domain's drive."""
    bench.task(**guest())
    name = seed(lab)["volume"]
    other = Bench(NEW, lab.place)
    drive = {"target": "vda", "pool": POOL, "volume": name, "format": "raw", "read_only": True}
    other.task(memory="64 MiB", disks=[drive])
    (pool / name).stat()
    changed = guest(cloud_init={"user_data": {"hostname": "two"}})
    lab.fails("cloud_init", f"used by domain {NEW} too", **changed)
    before = (pool / name).read_bytes()
    plan = bench.plan(guest(cloud_init={"state": "absent"}))
    assert any(f"is used by domain {NEW} too, and is kept" in warning for warning in plan.warnings)
    bench.task(cloud_init={"state": "absent"})
    assert (pool / name).read_bytes() == before
    bench.task(**changed)
    assert seed(lab)["volume"] != name, "a new one has a name of its own"
    assert (pool / name).read_bytes() == before


def test_what_is_no_seed_is_not_overwritten(lab: Lab, bench: Bench, pool: pathlib.Path) -> None:
    own = pool / f"{NAME}-seed.iso"
    own.write_bytes(b"somebody's own" * 1000)
    bench.task(**guest())
    assert own.read_bytes() == b"somebody's own" * 1000
    assert seed(lab)["volume"] != own.name
    assert not bench.task(**guest())[0]


def test_a_running_guest_keeps_its_seed(lab: Lab, bench: Bench, pool: pathlib.Path) -> None:
    bench.task(**guest(state="running"))
    lab.fails("cloud_init.state", "runs, and has its seed in a drive", cloud_init={"state": "absent"})
    plan = bench.plan(guest(cloud_init={"user_data": {"hostname": "two"}}))
    assert any("at its next boot, and only with reseed: true" in warning for warning in plan.warnings)
    plan = bench.plan(guest(cloud_init={"user_data": {"hostname": "two"}, "reseed": True}))
    assert any(warning.endswith("at its next boot") for warning in plan.warnings)
