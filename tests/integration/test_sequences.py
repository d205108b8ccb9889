# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random sequences on one host: tasks, edits by another hand, tasks that are killed, restarts of libvirt's daemon.

After each task: what the check said is what the run did, a second check has nothing to do, what the task didn't name is
untouched, a failure is one paragraph, and nothing of killed runs is left once they were repeated.

Each day has sequences of its own (sample.py). METAL_KVM_SEQUENCES says how many there are.
"""

from __future__ import annotations

import json
import os
import pathlib
import random
import re
import shutil
import tempfile
import time
import typing as t

import hypothesis
import pytest
import sample
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.table import DOMAIN
from ansible_collections.metal.kvm.plugins.module_utils._xml import document, rows
from cycle import ASSUMED
from forks import NOUNS, Args, Forks
from hosts import Host, hosts
from hypothesis import stateful
from hypothesis import strategies as st

SEQUENCES = int(os.environ.get("METAL_KVM_SEQUENCES") or (100 if sample.WHOLE else 3))
STEPS = 16
SEED = st.integers(0, 2**32)

DOMAINS, POOLS, NETWORKS, FILTERS = ("seq-1", "seq-2"), ("a", "b"), ("seq-n", "seq-m"), ("seq-f", "seq-g")
VOLUMES, SECRETS = ("x.qcow2", "y.raw"), ("seq-s", "seq-t")
PLACE = "{place}"  # in the options: the directory of pools and images


class Task(t.NamedTuple):
    """One task, and what it is about: ``domain seq-1``, ``file {place}/a/x.qcow2``."""

    module: str
    args: Args

    @property
    def key(self) -> str:
        if self.module == "volume":
            return f"file {PLACE}/{self.args['pool']}/{self.args['name']}"
        return f"{self.module} {self.args['name']}"


class Random(random.Random):
    """Chooses all that is left open: in options, in lists of them, and in other choices."""

    def __call__(self, value: t.Any) -> t.Any:
        if isinstance(value, Choice):
            return value(self)
        return {key: self(one) for key, one in value.items()} if isinstance(value, dict) else value


class Choice(t.NamedTuple):
    """Something that is left open."""

    made: t.Callable[[Random], t.Any]

    def __call__(self, chooser: Random) -> t.Any:
        return self.made(chooser)


def among(*values: t.Any) -> Choice:
    """One of these values, or what one of these choices makes."""
    return Choice(lambda chooser: chooser(chooser.choice(values)))


def options(required: Args, optional: Args) -> Choice:
    """Options that are always given, and up to three of the others."""

    def made(chooser: Random) -> Args:
        names = chooser.sample(sorted(optional), min(len(optional), chooser.randint(0, 3)))
        return t.cast("Args", chooser({**required, **{name: optional[name] for name in names}}))

    return Choice(made)


def tasks(module: str, *kinds: Choice) -> Choice:
    """A task of that module, with options of one of these kinds."""
    return Choice(lambda chooser: Task(module, chooser(among(*kinds))))


def words(*several: t.Any) -> Choice:
    """The words of one of other_hand.py's functions."""
    return Choice(lambda chooser: tuple(chooser(one) for one in several))


BOOLEAN = among(True, False)
DISKS = among(
    [],
    [{"target": "vda", "pool": "a", "volume": "x.qcow2"}],
    [{"target": "vda", "pool": "b", "volume": "x.qcow2"}],
    [{"target": "vda", "file": f"{PLACE}/a/y.raw", "format": "raw"}],
    [{"target": "vda", "pool": "a", "volume": "x.qcow2"}, {"target": "vdb", "pool": "a", "volume": "y.raw"}],
    [{"target": "vdb", "file": f"{PLACE}/beside.raw", "format": "raw"}],
    [{"target": "sda", "pool": "b", "volume": "y.raw", "bus": "sata", "read_only": True}],
    [{"target": "sdb", "device": "cdrom", "bus": "sata"}],
)
INTERFACES = among(
    [],
    [{"mac": "52:54:00:0e:01:01", "user": True}],
    [{"mac": "52:54:00:0e:01:01", "network": "seq-n"}],
    [
        {"mac": "52:54:00:0e:01:02", "network": "seq-m", "model": "e1000e"},
        {"mac": "52:54:00:0e:01:01", "network": "seq-n"},
    ],
    [{"mac": "52:54:00:0e:01:01", "network": "seq-n", "filter": {"name": "seq-f"}}],
)
PRESENT: Args = {"name": among(*DOMAINS), "force": True, "shutdown_timeout": 1, "hotplug_ports": 2}
DOMAIN_OPTIONS: Args = {
    "title": among("one", "two", ""),
    "description": among("a text", "another\none"),
    "memory": among("32 MiB", "48 MiB"),
    "vcpus": among(1, 2),
    "labels": among({}, {"a": "b"}, {"a": "c", "d": "e"}),
    "disks": DISKS,
    "interfaces": INTERFACES,
    "rng": among([], [{"backend": "random"}], [{"backend": "random"}, {"backend": "builtin"}]),
    "graphics": among([], [{"type": "vnc"}], [{"type": "vnc", "password": "one"}]),
    "features": among({"pmu": False}, {"pmu": True}),
    "on_crash": among("restart", "destroy"),
    "watchdog": among([], [{"model": "i6300esb", "action": "none"}]),
    "panic": among([], [{"model": "isa"}]),
    "inputs": among([], [{"type": "tablet", "bus": "usb"}, {"type": "keyboard", "bus": "usb"}]),
    "sound": among([], [{"model": "ich9"}]),
    "boot": among({"order": ["hd"]}, {"order": ["network", "hd"]}),
    "cloud_init": among(
        {"user_data": {"hostname": "one"}, "pool": "a"},
        {"user_data": {"hostname": "two"}, "pool": "b"},
        {"state": "absent"},
    ),
    "autostart": BOOLEAN,
    "state": among("running", "running", "stopped", "paused", "saved", "present"),
    "discard_saved": BOOLEAN,
    "apply": among("live", "stage", "restart"),
    "unset": among(["title"], ["description"], ["features.pmu"], ["on_crash"]),
    "xml_patch": among([{"path": "on_reboot", "set": "destroy"}], [{"path": "title", "delete": True}]),
}
DOMAIN_TASKS = tasks(
    "domain",
    *[options({**PRESENT, "memory": "32 MiB"}, DOMAIN_OPTIONS)] * 3,
    options({**PRESENT, "state": among("running", "stopped", "paused", "saved")}, {"discard_saved": True}),
    options({**PRESENT, "state": "absent"}, {"storage": among("keep", "delete"), "discard_saved": True}),
)
POOL_TASKS = tasks(
    "pool",
    options(
        {"name": among(*POOLS), "type": "dir", "path": among(f"{PLACE}/a", f"{PLACE}/b", f"{PLACE}/b", f"{PLACE}/a/")},
        {
            "state": among("active", "active", "inactive"),
            "autostart": BOOLEAN,
            "permissions": among({"mode": "0755"}, {"mode": "0750"}),
            "apply": among("stage", "restart"),
            "build": among("new", "overwrite"),
        },
    ),
    options({"name": among(*POOLS), "state": among("active", "inactive")}, {"refresh": True, "force": True}),
    options({"name": among(*POOLS), "state": "absent"}, {"storage": among("keep", "delete"), "force": True}),
)
VOLUME = {"pool": among(*POOLS), "name": among(*VOLUMES)}
VOLUME_TASKS = tasks(
    "volume",
    options(
        {**VOLUME, "capacity": among("1 MiB", "2 MiB", "3 MiB")},
        {
            "allocation": among("0 B", "1 MiB"),
            "permissions": among({"mode": "0644"}, {"mode": "0600"}),
            "format": among("raw", "qcow2"),
        },
    ),
    options(
        {
            **VOLUME,
            "source": among(
                {"file": f"{PLACE}/beside.raw", "format": "raw"},
                {"volume": "y.raw", "pool": "a"},
                {"volume": "x.qcow2", "pool": "a"},
                {"file": f"{PLACE}/missing.raw"},
            ),
        },
        {"refresh": True, "capacity": "4 MiB"},
    ),
    options(
        {**VOLUME, "name": "x.qcow2", "backing": among("y.raw", {"pool": "a", "volume": "y.raw"})},
        {"capacity": "4 MiB"},
    ),
    options({**VOLUME, "state": "absent"}, {"wipe": "zero"}),
)
IPS = among(
    [],
    [{"address": "192.168.231.1/24"}],
    [{"address": "192.168.232.1/24", "dhcp": {"ranges": [{"start": "192.168.232.10", "end": "192.168.232.20"}]}}],
)
NETWORK_TASKS = tasks(
    "network",
    options(
        {"name": among(*NETWORKS)},
        {
            "ips": IPS,
            "mtu": among(1400, 1500),
            "domain": among("one.example", "two.example"),
            "autostart": BOOLEAN,
            "state": among("active", "active", "inactive"),
            "apply": among("stage", "restart"),
            "force": True,
            "labels": among({}, {"a": "b"}),
            "unset": among(["mtu"], ["title"]),
            "forward": among("nat", "open"),
            "dns": among({"enable": False}, {"hosts": [{"ip": "192.168.232.9", "hostnames": ["h.example"]}]}),
        },
    ),
    options({"name": among(*NETWORKS), "state": among("active", "inactive", "absent")}, {"force": True}),
)
RULES = among(
    [],
    [{"action": "accept", "direction": "in", "tcp": {"dstportstart": 22}}],
    [
        {"action": "accept", "direction": "in", "tcp": {"dstportstart": 22}},
        {"action": "drop", "direction": "inout", "all": {}},
    ],
    [{"filterref": "clean-traffic"}],
    [{"filterref": "seq-g"}],
)
FILTER_TASKS = tasks(
    "nwfilter",
    options({"name": among(*FILTERS)}, {"rules": RULES, "priority": among(-500, 100), "chain": among("root", "ipv4")}),
    options({"name": among(*FILTERS), "state": "absent"}, {}),
)
SECRET_TASKS = tasks(
    "secret",
    options(
        {"name": among(*SECRETS), "usage": "ceph"},
        {
            "value": among("one", "two"),
            "description": among("one", "two"),
            "private": BOOLEAN,
            "ephemeral": BOOLEAN,
            "update_value": among("always", "on_create"),
        },
    ),
    options({"name": among(*SECRETS), "usage": "ceph", "state": "absent"}, {}),
)
TASKS = among(DOMAIN_TASKS, DOMAIN_TASKS, POOL_TASKS, VOLUME_TASKS, NETWORK_TASKS, FILTER_TASKS, SECRET_TASKS)

# Calls of other_hand.py
DOMAIN_EDITS = among(
    *(
        [
            words(
                "edit_domain",
                among(*DOMAINS),
                among(
                    "create",
                    "destroy",
                    "suspend",
                    "resume",
                    "undefine",
                    "title",
                    "description",
                    "panic",
                    "watchdog",
                    "sound",
                    "vsock",
                    "rng",
                    "nic",
                    "metadata",
                    "relative",
                ),
                among("1", "2"),
            )
        ]
        * 4
    ),
    words(
        "edit_domain", among(*DOMAINS), "disk", among(f"{PLACE}/a/y.raw", f"{PLACE}/beside.raw", f"{PLACE}/nothing.raw")
    ),
)
FILES = [*(f"{PLACE}/{pool}/{name}" for pool in POOLS for name in (*VOLUMES, "new.raw")), f"{PLACE}/beside.raw"]
OTHER_EDITS = among(
    *([words("file", among(*FILES), among("delete", "write", "overlay"))] * 2),
    words("virsh", among("pool-start", "pool-destroy", "pool-refresh", "pool-undefine"), among(*POOLS)),
    words("virsh", "vol-delete", among(*VOLUMES), among(*POOLS)),
    words("virsh", among("net-start", "net-destroy", "net-undefine"), among(*NETWORKS)),
    words("edit_definition", "network", among(*NETWORKS), "</network>", "<title>by hand</title></network>"),
    words("edit_definition", "nwfilter", among(*FILTERS), "</filter>", "<filterref filter='no-ip-spoofing'/></filter>"),
)

# Failures that a check can't foresee: the guest has a say in them.
UNFORESEEN = re.compile(r"still running after 1 seconds")
# Remarks on what it leaves to be done.
LEFT = re.compile(r"hasn't released|refuses to release|was asked to have|no free")

# Options that an option may change too.
COUPLED = {
    "vcpus": {"vcpus_maximum"},
    "memory": {"memory_maximum"},
    "agent": {"channels"},
    "cloud_init": {"disks"},
    "graphics": {"video", "audio"},
}
ALWAYS_FREE = {"controllers"}  # libvirt makes them as devices need them
STRAY = re.compile(r"\.metal[.-]kvm|\.part\b")
MARKS = re.compile(r"restarting=|<metal:(install|clone)\b")


class SequenceError(AssertionError):
    """What went wrong, after which steps."""


class Machine(stateful.RuleBasedStateMachine):
    """A host on which tasks, and another hand, do what they like. ``forks`` and ``host`` are set by the test."""

    forks: Forks
    host: Host
    place: str

    def __init__(self) -> None:
        super().__init__()
        self.log: list[str] = []
        self.killed: dict[str, Task] = {}
        self.failed = False
        self.forks.call("other_hand:clear", self.place)
        self.write("beside.raw", 1)

    def write(self, name: str, size: int) -> None:
        path = pathlib.Path(self.place) / name
        path.write_bytes(bytes(range(256)) * 4096 * size)
        path.chmod(0o644)

    # what is done

    @stateful.initialize(seed=SEED)
    def begin(self, seed: int) -> None:
        """There is something to depend on."""
        disk = {"target": "vda", "pool": "a", "volume": "x.qcow2"}
        guest = {"name": "seq-1", "memory": "32 MiB", "disks": [disk], "hotplug_ports": 2}
        several = (
            Task("pool", {"name": "a", "type": "dir", "path": f"{PLACE}/a", "state": "active"}),
            Task("volume", {"pool": "a", "name": "x.qcow2", "capacity": "2 MiB"}),
            Task("volume", {"pool": "a", "name": "y.raw", "capacity": "1 MiB"}),
            Task("pool", {"name": "b", "type": "dir", "path": f"{PLACE}/b", "state": "active"}),
            Task("network", {"name": "seq-n", "ips": [{"address": "192.168.231.1/24"}], "state": "active"}),
            Task("domain", {**guest, "state": self.chosen(among("running", "stopped"), seed)}),
        )
        for number, task in enumerate(several):
            if self.chosen(among(True, True, True, False), seed + number):
                self.run(task)

    @stateful.rule(seed=SEED)
    def domain(self, seed: int) -> None:
        self.run(self.lively(DOMAIN_TASKS, seed))

    @stateful.rule(seed=SEED)
    def domain_too(self, seed: int) -> None:
        self.run(self.chosen(DOMAIN_TASKS, seed))

    @stateful.rule(seed=SEED)
    def storage(self, seed: int) -> None:
        self.run(self.lively(among(POOL_TASKS, VOLUME_TASKS, VOLUME_TASKS), seed))

    @stateful.rule(seed=SEED)
    def others(self, seed: int) -> None:
        self.run(self.lively(among(NETWORK_TASKS, NETWORK_TASKS, FILTER_TASKS, SECRET_TASKS), seed))

    @stateful.rule(seed=SEED)
    def kill(self, seed: int) -> None:
        number, after = self.chosen(words(among(*range(6), *range(14)), BOOLEAN), seed)
        self.run(self.lively(TASKS, seed), (number, after))

    @stateful.precondition(lambda self: self.killed)
    @stateful.rule(seed=SEED)
    def again(self, seed: int) -> None:
        """A task that was killed."""
        self.run(self.killed[self.chosen(among(*self.killed), seed)])

    @stateful.rule(seed=SEED)
    def edit_domain(self, seed: int) -> None:
        self.edit(self.chosen(DOMAIN_EDITS, seed))

    @stateful.rule(seed=SEED)
    def edit_other(self, seed: int) -> None:
        self.edit(self.chosen(OTHER_EDITS, seed))

    @stateful.precondition(lambda self: "libvirtd" not in self.log[-1])
    @stateful.rule(how=st.sampled_from(["TERM", "KILL"]))
    def restart_daemon(self, how: str) -> None:
        """Everything is as it was. But libvirt starts each pool whose directory is there, and ends guests without their disks."""
        before = self.see()
        self.note(f"libvirtd: SIG{how}, and started again")
        stop_daemon(self.host, how)
        start_daemon(self.host, self.forks)
        pools = {key for key in before if key.startswith("pool ")}
        guests = {key for key in before if any(not path or f"file {path}" not in before for path in disks(before, key))}
        self.assert_untouched(before, {*pools, *guests})

    def lively(self, choice: Choice, seed: int) -> Task:
        """A task that has something to do, if one is found."""
        for number in range(4):
            task = t.cast("Task", self.chosen(choice, seed + number))
            if self.forks.task(task.module, self.placed(task), check=True).get("changed"):
                break
        return task

    def placed(self, task: Task) -> Args:
        return t.cast("Args", json.loads(json.dumps(task.args).replace(PLACE, self.place)))

    def chosen(self, choice: Choice, seed: int) -> t.Any:
        """What is chosen in this step. hypothesis prefers small numbers and the same ones: the day and the step count too."""
        return Random(f"{seed} {len(self.log)} {sample.DAY}")(choice)

    @stateful.rule(noun=st.sampled_from(["domain", "network", "pool", "nwfilter", "secret"]))
    def feed_back(self, noun: str) -> None:
        """What ``as: options`` gives changes nothing."""
        named = [key.partition(" ")[2] for key in self.see() if key.startswith(f"{noun} ")]
        for name in (name for name in named if name in (*DOMAINS, *POOLS, *NETWORKS, *FILTERS, *SECRETS)):
            about = {"name": name, **({"usage": "ceph"} if noun == "secret" else {})}
            told = self.forks.task(f"{noun}_info", {**about, "as": "options"})
            self.note(f"adopt {noun} {name}")
            self.assert_that(not told.get("failed"), "it can't be read", told)
            stage = {"apply": "stage"} if noun in ("domain", "network") else {}  # what runs may be another thing
            given = self.forks.task(noun, {**told["options"], **stage}, check=True)
            self.assert_that(not given.get("failed"), "its options are refused", given, told["options"])
            self.assert_that(not given["changed"], "its options change something", given, told["options"])

    def teardown(self) -> None:
        if not self.failed:  # the sequence came to its end
            for task in list(self.killed.values()):
                self.run(task)
        print("\n".join([*self.log, ""]))  # noqa: T201

    # how

    def note(self, line: str) -> None:
        self.log.append(line)

    def edit(self, edit: tuple[str, ...]) -> None:
        name, *arguments = (word.replace(PLACE, self.place) for word in edit)
        said = self.forks.call(f"other_hand:{name}", *arguments)
        self.note(f"by hand: {' '.join(edit)}{f' ({said})' if said else ''}")

    def run(self, task: Task, killed: t.Optional[tuple[int, bool]] = None) -> None:
        """The task: checked, run, and checked again, with a look at everything before and after."""
        args = self.placed(task)
        before = self.see()
        self.note(f"{task.module}: {json.dumps(task.args)}{f' KILLED at {killed}' if killed else ''}")
        check = self.forks.task(task.module, args, check=True)
        self.assert_untouched(before, set())
        began = time.monotonic()
        result = self.forks.task(task.module, args, killed=killed)
        self.log[-1] += f"  -> {shown(result)} ({time.monotonic() - began:.1f} s)"
        after = self.assert_untouched(before, touched(task, args, before))
        if result.get("killed"):
            self.killed[task.key] = task
            return
        self.assert_paragraph(check)
        self.assert_paragraph(result)
        self.assert_same(check, result)
        if task.module == "domain":
            self.assert_rest_stays(task, before, after)
        if result.get("failed"):
            return
        again = self.forks.task(task.module, args, check=True)
        content = not (again.get("failed") or again["changed"]) or LEFT.search(json.dumps(result.get("warnings", [])))
        self.assert_that(content, "the second check isn't content", again, result)
        self.killed.pop(task.key, None)
        if not self.killed:
            self.assert_nothing_left(after)

    def see(self) -> Args:
        return t.cast("Args", self.forks.call("other_hand:see", self.place))

    # what must be

    def assert_that(self, true: t.Any, why: str, *about: t.Any) -> None:
        if not true:
            self.failed = True
            told = "\n".join(json.dumps(brief(one), indent=1)[:3000] for one in about)
            raise SequenceError("\n".join([*self.log, why, told]))

    def assert_untouched(self, before: Args, named: set[str]) -> Args:
        """Whatever isn't named is as it was; returns what is there now."""
        after = self.see()
        for key in {*before, *after} - named:
            if "staging" in named and "/.metal.kvm" in key:
                continue
            was, now = before.get(key), after.get(key)
            if was and now and key.startswith("domain") and {"replugged"} & named:
                was, now = ({**one, "running": None} for one in (was, now))
            self.assert_that(not differing(was, now), f"{key} was touched", differing(was, now))
        return after

    def assert_same(self, check: Args, run: Args) -> None:
        if check.get("failed"):
            self.assert_that(run.get("failed") and check["msg"] == run["msg"], "the check failed", check["msg"], run)
        elif run.get("failed"):
            warned = json.dumps(check.get("warnings", [])).replace(ASSUMED, "")
            fair = UNFORESEEN.search(run["msg"]) or (check["assumed"] and json.dumps(run["msg"])[1:-1] in warned)
            self.assert_that(fair, "the run failed, and its check didn't", run["msg"], check)
        else:
            for key in ("changed", "actions", "diff"):
                self.assert_that(
                    check.get(key) == run.get(key), f"{key} of check and run", check.get(key), run.get(key)
                )

    def assert_paragraph(self, result: Args) -> None:
        if result.get("failed"):
            wrong = re.search(r"\n|Traceback|Unexpected|defect of metal\.kvm|has no such option", result["msg"])
            self.assert_that(not wrong and not result.get("exception"), "not one paragraph", result)

    def assert_rest_stays(self, task: Task, before: Args, after: Args) -> None:
        """Of the domain, what the task doesn't name is as it was."""
        if task.key not in before or task.key not in after:
            return
        was, now = (document.document(seen[task.key]["text"]) for seen in (before, after))
        named = {*task.args, *(path.partition(".")[0] for path in task.args.get("unset", ()))}
        named |= {one["path"] for one in task.args.get("xml_patch", ())}
        free = named.union(ALWAYS_FREE, *(COUPLED.get(name, ()) for name in named))
        values = [rows.read(DOMAIN, root) for root in (was, now)]
        for option in {*values[0], *values[1]} - free:
            had, has = (one.get(option) for one in values)
            self.assert_that(had == has, f"{option} isn't named, and changed", had, has)
        foreign = [
            sorted(document.bare(one) for one in root.iterfind("metadata/*") if "metal.kvm" not in one.tag)
            for root in (was, now)
        ]
        self.assert_that(foreign[0] == foreign[1], "foreign metadata changed", *foreign)

    def assert_nothing_left(self, seen: Args) -> None:
        for key, there in seen.items():
            if key.startswith("file "):
                self.assert_that(not STRAY.search(key), f"{key} is left")
            elif key.startswith("domain "):
                self.assert_that(not MARKS.search(there["text"]), f"{key} has a mark", there["text"])


def brief(value: t.Any) -> t.Any:
    """Of a result all but what it says at length of the object."""
    if not (isinstance(value, dict) and "invocation" in value):
        return value
    return {key: one for key, one in value.items() if key not in ("invocation", *NOUNS)}


def shown(result: Args) -> str:
    if result.get("killed"):
        return "killed"
    return f"FAILED: {result['msg']}" if result.get("failed") else "; ".join(result["actions"]) or "unchanged"


def differing(was: t.Any, now: t.Any) -> Args:
    if not (was and now):
        return {"before": was, "after": now} if was or now else {}
    return {key: around(was[key], now.get(key)) for key in was if was[key] != now.get(key) and key != "text"}


def around(was: t.Any, now: t.Any) -> t.Any:
    """Both values; of long texts the part that differs."""
    if not (isinstance(was, str) and isinstance(now, str)):
        return [was, now]
    same = next((index for index, (one, other) in enumerate(zip(was, now)) if one != other), 0)
    begin = max(same - 150, 0)
    return [was[begin : begin + 600], now[begin : begin + 600]]


def touched(task: Task, args: Args, before: Args) -> set[str]:
    """What the task may change: itself, and what its options name."""
    key = f"{task.module} {args['name']}"
    if task.module == "volume":
        path = (before.get(f"pool {args['pool']}") or {}).get("path") or ""
        return {f"file {path.rstrip('/')}/{args['name']}", "staging"}
    if task.module == "pool":
        path = (args.get("path") or (before.get(key) or {}).get("path") or "").rstrip("/")
        below = {one for one in before if args.get("storage") == "delete" and one.startswith(f"file {path}/")}
        return {key, f"file {path}", *below}
    if task.module == "network":
        return {key, "replugged"}
    if task.module == "domain":
        seeds = {
            f"file {one['path'].rstrip('/')}/{args['name']}-seed.iso" for one in before.values() if one.get("path")
        }
        gone = {f"file {path}" for path in disks(before, key)} if args.get("storage") == "delete" else set()
        return {key, *seeds, *gone, "staging"}
    return {key}


def disks(seen: Args, key: str) -> list[str]:
    """The paths of a domain's disks; an empty one for a volume of a pool that isn't there."""
    found = []
    root = document.document(seen[key]["text"]) if key in seen and key.startswith("domain ") else None
    for source in () if root is None else root.iterfind("devices/disk/source"):
        pool = seen.get(f"pool {source.get('pool')}")
        found.append(source.get("file") or (f"{pool['path'].rstrip('/')}/{source.get('volume')}" if pool else ""))
    return found


def start_daemon(host: Host, forks: Forks) -> None:
    host.run("libvirtd", "-d")
    host.until(lambda: bool(forks.call("other_hand:ready")), "has no daemon that answers")


def stop_daemon(host: Host, how: str) -> None:
    pid = host.read("/run/libvirtd.pid").strip()
    host.run("kill", f"-{how}", pid)
    host.until(
        lambda: host.run("test", "-d", f"/proc/{pid}", ok=False).returncode != 0, "has a daemon that doesn't end"
    )


@pytest.fixture
def machine(tmp_path: pathlib.Path) -> t.Iterator[type[Machine]]:
    """The state machine, on a host of its own, whose daemon comes and goes."""
    place = pathlib.Path(tempfile.mkdtemp(prefix="mkt-", dir="/var/tmp"))
    place.chmod(0o755)
    with hosts(tmp_path, "sequences") as (host,):
        host.run("virtlogd", "-d")
        forks = Forks(host.words, "other_hand")
        start_daemon(host, forks)
        yield type("Machine", (Machine,), {"forks": forks, "host": host, "place": str(place)})
        forks.close()
    shutil.rmtree(place)


@pytest.mark.timeout(7200 if sample.WHOLE else 600)
def test_sequences(machine: type[Machine]) -> None:
    settings = hypothesis.settings(
        max_examples=SEQUENCES,
        stateful_step_count=STEPS,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
        report_multiple_bugs=False,
    )
    stateful.run_state_machine_as_test(hypothesis.seed(sample.DAY.toordinal())(machine), settings=settings)
