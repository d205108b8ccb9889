# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every row of a domain's table on a real libvirtd: defined, read back as it was given, unchanged by a second task, and where
QEMU can start it here, with nothing that waits for a restart. The cases are in rows_of_domain.yml."""

from __future__ import annotations

import itertools
import pathlib
import shutil
import subprocess
import sys
import tempfile
import typing as t

import cycle as cycles
import pytest
from domain_bench import Bench, Options

sys.path.insert(0, str(cycles.ROOT / "tools"))
from proofs import KVM_HOST, SYSTEM, cases, every, runnable, spoken

POOL = f"{cycles.PREFIX}rows"
CASES = cases("rows")
SECRETS = {"ceph": "name", "iscsi": "target", "volume": "volume"}  # what for, and the element that names one
NUMBERS = itertools.count()
HERE = runnable(CASES)
BASE: Options = {
    "type": "qemu", "memory": "256 MiB", "vcpus": 2, "hotplug_ports": 4, "rng": [], "agent": False, "serials": [],
}  # fmt: skip


@pytest.fixture(scope="module")
def place() -> t.Iterator[pathlib.Path]:
    """A directory with images."""
    made = pathlib.Path(tempfile.mkdtemp(prefix=cycles.PREFIX, dir="/var/tmp"))
    made.chmod(0o755)
    for name in ("a.qcow2", "b.qcow2"):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(made / name), "10M"], check=True)
    for name, size in (("a.raw", 10), ("a.iso", 1), ("nvdimm", 256), ("pmem", 256)):
        (made / name).touch()
        (made / name).open("r+b").truncate(size << 20)
    (made / "dir").mkdir()
    yield made
    shutil.rmtree(made)


@pytest.fixture
def bench(place: pathlib.Path, connection: t.Any) -> Bench:
    """A bench, a pool of its images, a network, and the secrets that disks name; tidy takes them away."""
    xml = f"<pool type='dir'><name>{POOL}</name><target><path>{place}</path></target></pool>"
    connection.storagePoolDefineXML(xml).create()
    limits = "<bandwidth><inbound average='100000'/></bandwidth>" if SYSTEM == KVM_HOST else ""
    connection.networkCreateXML(f"<network><name>{POOL}</name><bridge name='mkt-rows'/>{limits}</network>")
    for number, (usage, element) in enumerate(SECRETS.items()):
        uuid = f"{cycles.UUID}-7e5b-4d0c-9d2c-0d4a6c3b1f1{number}"
        name = f"<{element}>{cycles.PREFIX}secret</{element}>"
        connection.secretDefineXML(f"<secret><uuid>{uuid}</uuid><usage type='{usage}'>{name}</usage></secret>")
    return Bench(f"{POOL}-{next(NUMBERS)}", place)  # a log of its own: virtlogd lets go of one a little late


@pytest.mark.parametrize("case", HERE, ids=[case["case"] for case in HERE])
def test_case(case: Options, bench: Bench) -> None:
    arch = case.get("base", {}).get("arch", "x86_64")
    if shutil.which(f"qemu-system-{arch}") is None:
        pytest.skip(f"needs qemu-system-{arch}, which isn't installed: libvirt would ask each emulator what it can")
    options = {**BASE, **case.get("base", {}), **case["options"]}
    bench.task(**options)
    assert bench.differences(**case["options"]) == []
    changed, _waiting, diff = bench.task(check=True, **options)
    assert not changed, diff
    if case.get("start"):
        _changed, waiting, diff = bench.task(**options, state="running")
        assert waiting == []
        changed, _waiting, diff = bench.task(check=True, **options, state="running")
        assert not changed, diff
        bench.world.get("domain", bench.name).destroy()
    if "then" in case:
        bench.task(**case["then"])
        changed, _waiting, diff = bench.task(check=True, **case["then"])
        assert not changed, diff


def test_every_row_has_a_case(connection: t.Any) -> None:
    """The gate: a row that no case of this libvirt speaks of isn't proven. Those that several devices share are one row."""
    version = connection.getLibVersion()
    seen = {id(row) for case in CASES for dummy, row in spoken({**BASE, **case.get("base", {}), **case["options"]})}
    left = [path for path, row in every() if id(row) not in seen and getattr(row, "since", 0) <= version]
    assert left == [], "rows without a case in rows_of_domain.yml"
