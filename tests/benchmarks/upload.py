# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sending a sparse image of 2 GiB through libvirt costs: the module's own step against `virsh vol-upload --sparse`.

Both make the volume and fill it, over the same connection, which libvirt takes for another machine's. They take turns,
and the median of their ratios is the measure. Needs root and a libvirtd.

usage: python tests/benchmarks/upload.py [--turns N] [--data MIB] [--at-least RATIO]
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t

import libvirt

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".build" / "collections"))

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator  # noqa: E402
from ansible_collections.metal.kvm.plugins.module_utils import _command  # noqa: E402
from ansible_collections.metal.kvm.plugins.module_utils._libvirt import World  # noqa: E402
from ansible_collections.metal.kvm.plugins.module_utils._objects.volume.plan import ARGUMENT_SPEC, NOUN  # noqa: E402
from ansible_collections.metal.kvm.plugins.module_utils._run import run_steps  # noqa: E402

POOL = "bench-upload"
SIZE = 2 * 1024**3
STEP = 64 * 1024**2  # a stretch of data begins at each multiple of this


def image(path: pathlib.Path, data: int) -> None:
    """An image of 2 GiB with ``data`` bytes spread over it, the rest holes."""
    block = os.urandom(data // (SIZE // STEP))
    with path.open("wb") as file:
        file.truncate(SIZE)
        for start in range(0, SIZE, STEP):
            file.seek(start)
            file.write(block)


def runner(words: list[str], **dummy: t.Any) -> tuple[int, bytes, bytes]:
    """Runs qemu-img for the step, as the frame does."""
    done = subprocess.run(words, capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr


def by_module(uri: str, path: pathlib.Path) -> float:
    """Seconds that the task's plan and its step take."""
    options = {"pool": POOL, "name": "module", "format": "raw", "source": {"file": str(path)}}
    params = ArgumentSpecValidator(ARGUMENT_SPEC).validate(options).validated_parameters
    world = World(uri)
    start = time.monotonic()
    plan = NOUN.plan(world, params)
    assert [step.operation for step in plan.steps] == ["upload"], plan.actions
    run_steps(plan, NOUN.operations(), world)
    return time.monotonic() - start


def by_virsh(uri: str, path: pathlib.Path) -> float:
    """Seconds that virsh takes for the same, its own start left out."""
    commands = [
        f"vol-create-as {POOL} virsh {SIZE} --allocation 0 --format raw",
        f"vol-upload virsh {path} --pool {POOL} --sparse",
        f"pool-refresh {POOL}",
    ]
    start = time.monotonic()
    subprocess.run(["virsh", "-q", "-c", uri, "version"], check=True, capture_output=True)
    began = time.monotonic()
    subprocess.run(["virsh", "-q", "-c", uri, "; ".join(commands)], check=True, capture_output=True)
    return time.monotonic() - began - (began - start)


def same(one: pathlib.Path, other: pathlib.Path) -> bool:
    return subprocess.run(["cmp", "-s", str(one), str(other)], check=False).returncode == 0


def measure(place: pathlib.Path, turns: int, data: int) -> dict[str, list[float]]:
    """Seconds of each turn, by who did it."""
    source, pool = place / "image.raw", place / "pool"
    image(source, data)
    pool.mkdir()
    command = place / "connect"
    command.write_text("#!/bin/sh\nexec virt-ssh-helper qemu:///system\n", encoding="utf-8")
    command.chmod(0o755)
    uri = f"qemu+ext://elsewhere/system?command={command}"
    connection = libvirt.open("qemu:///system")
    there = connection.storagePoolCreateXML(
        f"<pool type='dir'><name>{POOL}</name><target><path>{pool}</path></target></pool>", 0
    )
    seconds: dict[str, list[float]] = {"module": [], "virsh": []}
    ways: dict[str, t.Callable[[str, pathlib.Path], float]] = {"module": by_module, "virsh": by_virsh}
    try:
        for _turn in range(turns):
            for name, way in ways.items():
                seconds[name].append(way(uri, source))
                assert same(source, pool / name), f"{name} sent something else"
                there.refresh(0)
                there.storageVolLookupByName(name).delete(0)
    finally:
        there.destroy()
    return seconds


def main() -> int:
    """Measure, print, and say by the exit status whether it is fast enough."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--data", type=int, default=512, help="MiB of data in the image")
    parser.add_argument("--at-least", type=float, default=0.8, metavar="RATIO")
    given = parser.parse_args()
    _command.lend(runner)
    place = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir="/var/tmp"))
    place.chmod(0o755)
    try:
        seconds = measure(place, given.turns, given.data * 1024**2)
    finally:
        shutil.rmtree(place)
    for name, times in seconds.items():
        print(f"{name:8}{statistics.median(times):6.2f} s   of {', '.join(f'{one:.2f}' for one in times)}")
    ratio = statistics.median(virsh / module for virsh, module in zip(seconds["virsh"], seconds["module"]))
    print(f"upload of a sparse image of 2 GiB: {ratio:.2f} times the speed of virsh vol-upload --sparse")
    return 0 if ratio >= given.at_least else 1


if __name__ == "__main__":
    sys.exit(main())
