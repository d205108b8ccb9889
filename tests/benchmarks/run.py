# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an unchanged task costs: in pings of the same run, and in milliseconds by layer.

Runs in a host of namespaces with a libvirtd of its own (tests/integration/hosts.py). Times of one machine on one day say
little, so the measure is the ratio to ansible.builtin.ping: loops of both take turns, and the median of the turns counts.

usage: python tests/benchmarks/run.py [--loop N] [--turns N]
"""

from __future__ import annotations

import argparse
import json
import pathlib
import re
import statistics
import sys
import tempfile
import typing as t

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))

from hosts import Host, Play, hosts  # noqa: E402

NAME = "bench"
IMAGE = "/var/lib/libvirt/images/a.raw"
# A guest as people declare them: what an unchanged task has to read and compare.
GUEST: dict[str, t.Any] = {
    "name": NAME,
    "title": "A guest to measure with",
    "labels": {"tier": "bench"},
    "type": "qemu",
    "memory": "512 MiB",
    "vcpus": 2,
    "disks": [{"target": "vda", "file": IMAGE, "format": "raw", "cache": "none"}],
    "interfaces": [{"network": "bench", "mac": "52:54:00:00:be:01"}],
    "graphics": [{"type": "vnc", "listen": "127.0.0.1"}],
    "clock": {"kvmclock": True},
    "features": {"acpi": True},
    "apply": "live",
}
# The same while it runs: its live document is compared as well.
RUNNING: dict[str, t.Any] = {
    **GUEST,
    "name": f"{NAME}-runs",
    "memory": "64 MiB",
    "state": "running",
    "disks": [],
    "interfaces": [],
}
NETWORK: dict[str, t.Any] = {"name": "bench", "forward": "isolated", "ips": [{"address": "10.99.9.1/24"}]}
POOL: dict[str, t.Any] = {"name": "bench", "type": "dir", "path": "/var/lib/libvirt/images", "state": "active"}

# what is measured: a task's name, its module and arguments
TASKS: dict[str, tuple[str, dict[str, t.Any]]] = {
    "ping": ("ansible.builtin.ping", {}),
    "domain": ("metal.kvm.domain", GUEST),
    "domain, one option": ("metal.kvm.domain", {"name": NAME, "memory": "512 MiB"}),
    "domain, running": ("metal.kvm.domain", RUNNING),
    "network": ("metal.kvm.network", NETWORK),
    "pool": ("metal.kvm.pool", POOL),
}

# What a task may cost, in pings.
LIMITS = {"domain": 1.3, "domain, one option": 1.3, "domain, running": 1.35}

# The layers of one unchanged task, each measured in an interpreter of its own; what comes before is part of it. Our imports
# also take something away: the interpreter's search for garbage when it ends.
LAYERS = {
    "interpreter": "pass",
    "AnsibleModule": "from ansible.module_utils.basic import AnsibleModule",
    "libvirt and lxml": "import libvirt, lxml.etree",
    "our imports": "from {package}._objects.domain import plan, options; from {package} import _ansible, _libvirt",
    "connection": "world = _libvirt.World('qemu:///system')",
    "spec": "from ansible.module_utils.common.arg_spec import ArgumentSpecValidator\n"
    "params = ArgumentSpecValidator({{**_ansible.CONNECTION_SPEC, **options.ARGUMENTS}}).validate({guest})"
    ".validated_parameters",
    "plan": "plan.NOUN.plan(world, params)",
}
PACKAGE = "ansible_collections.metal.kvm.plugins.module_utils"


def task(module: str, arguments: t.Mapping[str, t.Any], count: int) -> dict[str, t.Any]:
    return {"name": module, module: dict(arguments), "loop": list(range(count)), "loop_control": {"label": ""}}


def clock(number: int) -> dict[str, t.Any]:
    return {
        "name": f"clock {number}",
        "ansible.builtin.debug": {"msg": f"clock {number} {{{{ now().timestamp() }}}} end"},
    }


def measure(host: Host, loop: int, turns: int) -> dict[str, list[float]]:
    """Milliseconds per task of each turn, by the task's name."""
    names = list(TASKS) * turns
    tasks = [clock(0)]
    for number, name in enumerate(names, 1):
        tasks += [task(*TASKS[name], loop), clock(number)]
    (recap,) = host.play(Play(tasks))
    if recap.failed or recap.changed:
        raise SystemExit(f"a task that should change nothing did:\n{recap.text[-3000:]}")
    stamps = [float(stamp) for stamp in re.findall(r"clock \d+ ([\d.]+) end", recap.text)]
    found: dict[str, list[float]] = {name: [] for name in TASKS}
    for name, before, after in zip(names, stamps, stamps[1:]):
        found[name].append((after - before) / loop * 1000)
    return found


def layers(host: Host, rounds: int = 20) -> dict[str, float]:
    """Milliseconds that each layer adds, from the fastest of several interpreters."""
    program, lines = [], []
    for code in LAYERS.values():
        lines.append(code.format(package=PACKAGE, guest=repr(GUEST)))
        program.append("\n".join(lines))
    runner = (
        "import json, subprocess, sys, time\n"
        "best = [9e9] * len(json.loads(sys.argv[1]))\n"
        f"for dummy in range({rounds}):\n"
        "    for number, code in enumerate(json.loads(sys.argv[1])):\n"
        "        started = time.perf_counter()\n"
        "        subprocess.run(['/usr/bin/python3', '-c', code], check=True)\n"
        "        best[number] = min(best[number], time.perf_counter() - started)\n"
        "print(json.dumps(best))\n"
    )
    import ansible

    path = f"{ROOT / '.build' / 'collections'}:{pathlib.Path(ansible.__file__).parents[1]}"
    compiled = f"PYTHONPYCACHEPREFIX={host.place / 'compiled'}"  # as tasks have it (module_utils/_archive.py)
    words = ["env", "--unset=PYTHONDONTWRITEBYTECODE", compiled, f"PYTHONPATH={path}"]
    done = host.run(*words, "/usr/bin/python3", "-c", runner, json.dumps(program))
    best = [second * 1000 for second in json.loads(done.stdout)]
    return {name: after - before for name, before, after in zip(LAYERS, [0.0, *best], best)}


def prepare(host: Host) -> None:
    """A libvirtd, and the objects that the tasks find as they want them."""
    host.run("sh", "-c", "echo 'cgroup_controllers = []' >>/etc/libvirt/qemu.conf")  # the machine's are not this host's
    for daemon in ("virtlogd", "libvirtd"):
        host.run(daemon, "-d")
    host.run("mkdir", "-p", POOL["path"])
    host.run("truncate", "--size=8M", IMAGE)
    (recap,) = host.play(Play([{module: arguments} for module, arguments in reversed(TASKS.values())]))
    if recap.failed:
        raise SystemExit(recap.text[-3000:])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--loop", type=int, default=30, help="tasks in a loop")
    parser.add_argument("--turns", type=int, default=3, help="how often the loops take turns")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mkt-", dir="/var/tmp") as place, hosts(pathlib.Path(place), NAME) as made:
        prepare(made[0])
        found, parts = measure(made[0], given.loop, given.turns), layers(made[0])
    pings = found["ping"]
    print(
        f"{given.loop} unchanged tasks in a loop, {given.turns} turns; median, and its ratio to ping in the same turn\n"
    )
    ratios = {}
    for name, times in found.items():
        ratios[name] = statistics.median(time / ping for time, ping in zip(times, pings))
        print(f"  {name:<20} {statistics.median(times):7.1f} ms   {ratios[name]:5.2f}")
    print("\nthe layers of one unchanged domain task\n")
    for layer, milliseconds in parts.items():
        print(f"  {layer:<20} {milliseconds:7.1f} ms")
    over = [name for name, limit in LIMITS.items() if ratios[name] > limit]
    print("\nat most " + ", ".join(f"{limit} for {name!r}" for name, limit in LIMITS.items()))
    print(f"too slow: {', '.join(over)}" if over else "all within their limits")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
