# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every row of a domain's table on a real libvirtd: defined, read back as it was given, unchanged by a second task, and where
QEMU can start it here, with nothing that waits for a restart. The cases are in rows_of_domain.yml."""

from __future__ import annotations

import contextlib
import itertools
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import typing as t

import cycle as cycles
import pytest
from domain_bench import Bench, Options
from served import SERVERS

sys.path.insert(0, str(cycles.ROOT / "tools"))
from proofs import KVM_HOST, SYSTEM, cases, every, runnable, spoken

POOL = f"{cycles.PREFIX}rows"
CASES = cases("rows")
SECRETS = {
    "ceph": "name",
    "iscsi": "target",
    "volume": "volume",
    "vtpm": "name",
}  # what for, and the element that names one
WORD = b"0123456789abcdef"  # of each
NETWORK = "<portgroup name='a'/><ip address='192.168.199.1'/><dns enable='no'/>"
NAMES = pathlib.Path("/var/lib/libvirt/dnsmasq")  # libvirt makes it where it runs dnsmasq, and writes to it anyway
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
    for name, size in (("a.raw", 10), ("b.raw", 10), ("c.raw", 10), ("a.iso", 1), ("nvdimm", 513), ("pmem", 256)):
        (made / name).touch()
        (made / name).open("r+b").truncate(size << 20)
    (made / "dir").mkdir()
    (made / "word").write_bytes(WORD)
    encrypted(made / "a.luks", made / "word")
    for name, content in kernels().items():
        (made / name).write_bytes(content)
    yield made
    shutil.rmtree(made)


def encrypted(image: pathlib.Path, word: pathlib.Path) -> None:
    """A LUKS image. QEMU gauges the processor for it, and gives up on one that is busy with other things: then once more."""
    luks = ["--object", f"secret,id=s,file={word}", "-o", "key-secret=s,iter-time=10"]
    for dummy in range(20):
        done = subprocess.run(
            ["qemu-img", "create", "-q", "-f", "luks", *luks, str(image), "1M"],
            capture_output=True,
            text=True,
            check=False,
        )
        if "Unable to get accurate CPU usage" not in done.stderr:
            break
        time.sleep(0.5)
    assert done.returncode == 0, done.stderr


def kernels() -> dict[str, bytes]:
    """What a guest can be started with that does nothing: two kernels that sleep at once, and what goes with one."""
    magic, flags, start = 0x1BADB002, 0x10000, 0x100000  # a header of the Multiboot Specification, then: cli; hlt
    header = struct.pack("<8I", magic, flags, -(magic + flags) & 0xFFFFFFFF, start, start, 0, 0, start + 32)
    low = struct.pack(">II", 0, 0x10000).ljust(0x200, b"\0") + struct.pack(">QQ", 0x0302000180000000, 0)  # lpswe 0x200
    return {
        "vmlinuz": header + b"\xfa\xf4\xeb\xfd",
        "initrd": bytes(512),
        "dtb": struct.pack(">II", 0xD00DFEED, 512).ljust(512, b"\0"),
        "kernel.s390x": low.ljust(0x10000, b"\0") + b"\xb2\xb2\x02\x00",
        "shim": bytes(512),
        "rom": b"\x55\xaa\x01".ljust(512, b"\0"),
        "slic": struct.pack("<4sI", b"SLIC", 64).ljust(64, b"\1"),
    }


@pytest.fixture
def bench(place: pathlib.Path, connection: t.Any) -> Bench:
    return made_bench(place, connection)


def made_bench(place: pathlib.Path, connection: t.Any) -> Bench:
    """A bench, a pool of its images, a network, and the secrets that disks name; tidy takes them away."""
    xml = f"<pool type='dir'><name>{POOL}</name><target><path>{place}</path></target></pool>"
    connection.storagePoolDefineXML(xml).create()
    NAMES.mkdir(parents=True, exist_ok=True)
    limits = "<bandwidth><inbound average='100000'/></bandwidth>" if SYSTEM == KVM_HOST else ""
    connection.networkCreateXML(f"<network><name>{POOL}</name><bridge name='mkt-rows'/>{limits}{NETWORK}</network>")
    for number, (usage, element) in enumerate(SECRETS.items()):
        uuid = f"{cycles.UUID}-7e5b-4d0c-9d2c-0d4a6c3b1f1{number}"
        name = f"<{element}>{cycles.PREFIX}secret</{element}>"
        xml = f"<secret><uuid>{uuid}</uuid><usage type='{usage}'>{name}</usage></secret>"
        connection.secretDefineXML(xml).setValue(WORD)
    return Bench(f"{POOL}-{next(NUMBERS)}", place)  # a log of its own: virtlogd lets go of one a little late


@pytest.mark.parametrize("case", HERE, ids=[case["case"] for case in HERE])
def test_case(case: Options, bench: Bench) -> None:
    arch = case.get("base", {}).get("arch", "x86_64")
    if shutil.which(f"qemu-system-{arch}") is None:
        pytest.skip(f"needs qemu-system-{arch}, which isn't installed: libvirt would ask each emulator what it can")
    with contextlib.ExitStack() as servers:
        for name in case.get("served", ()):
            servers.enter_context(SERVERS[name](bench.place))
        proven(case, bench)


def proven(case: Options, bench: Bench) -> None:
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


def test_what_a_transient_disk_writes_to_is_never_defined(bench: Bench) -> None:
    """A guest without a definition gets one: the image is its disk, not the file that goes when it ends."""
    disk = {"target": "vda", "file": "{place}/a.raw", "format": "raw", "transient": True}
    bench.task(**BASE, disks=[disk], state="running")
    domain = bench.world.get("domain", bench.name)
    domain.undefine()
    assert "a.raw.TRANSIENT" in domain.XMLDesc()
    _changed, waiting, diff = bench.task(**BASE, disks=[disk])
    assert diff["actions"] == [f"define domain {bench.name} (made persistent)"]
    assert waiting == []
    assert bench.differences(disks=[disk]) == []
    assert bench.differences(live=True, disks=[disk]) == []


def test_every_row_has_a_case(connection: t.Any) -> None:
    """The gate: a row that no case of this libvirt speaks of isn't proven. Those that several devices share are one row."""
    version = connection.getLibVersion()
    seen = {id(row) for case in CASES for dummy, row in spoken({**BASE, **case.get("base", {}), **case["options"]})}
    left = [path for path, row in every() if id(row) not in seen and getattr(row, "since", 0) <= version]
    assert left == [], "rows without a case in rows_of_domain.yml"
