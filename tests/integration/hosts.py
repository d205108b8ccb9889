# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts made of namespaces: each with its own processes, network, name, /etc, /run and libvirt directories.

They hang from one process, so when that ends the kernel takes down all the rest: daemons, mounts and interfaces. What a
role does in one is not seen outside, apart from what /usr, /tmp and /sys share.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pathlib
import re
import subprocess
import sys
import time
import typing as t

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]

# First process of a host. A tmpfs holds all its files; what it changes in /etc lies over the machine's own.
INIT = r"""
set -eu
name=$1; address=$2; base=$3
mount -t tmpfs -o mode=755 host "$base"
mkdir -p "$base"/etc "$base"/etc.w "$base"/root "$base"/root.w "$base"/libvirt "$base"/cache/qemu "$base"/log/qemu
mkdir -p "$base"/libvirt/qemu/networks "$base"/libvirt/nwfilter  # libvirt's own objects, none of this machine's
cp /etc/libvirt/*.conf "$base/libvirt/"
cp /usr/share/libvirt/networks/default.xml "$base/libvirt/qemu/networks/" || true
cp /usr/share/libvirt/nwfilter/*.xml "$base/libvirt/nwfilter/" || true
cp -r /var/cache/libvirt/qemu/. "$base/cache/qemu/" || true  # what QEMU can do takes a while to find out
for d in etc root; do mount -t overlay -o "lowerdir=/$d,upperdir=$base/$d,workdir=$base/$d.w" overlay "/$d"; done
mount --bind "$base/libvirt" /etc/libvirt
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/lock /run/libvirt
for d in lib log; do mkdir -p "$base/$d"; mount --bind "$base/$d" "/var/$d/libvirt"; done
mount --bind "$base/cache" /var/cache/libvirt
mount -t proc proc /proc
hostname "$name"
printf '127.0.0.1 localhost\n%s' "$4" > /etc/hosts
ip link set lo up
"""

# A host without systemd has the machine's control groups, from a group of its own on.
IDLE = r"""
groups=$(awk '$3 ~ /^cgroup/ {print $2, $3, $4}' /proc/mounts | sort -u)
umount --recursive /sys
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 groups /sys/fs/cgroup
while read -r directory type options; do
    mkdir -p "$directory"
    mount -t "$type" -o "$options" groups "$directory"
    # version 2 gives no controllers to what lies below a group that has processes
    if [ "$type" = cgroup2 ]; then mkdir "$directory/init"; echo $$ >"$directory/init/cgroup.procs"; fi
done <<<"$groups"
mount -t tmpfs hidden "$base"  # its files are seen where they belong, and there only
echo ready
while :; do sleep 60 & wait || true; done
"""

# Or systemd is its first process: with devices, control groups and units of its own. Of what systemd does at boot only its
# bus and its log remain: the rest (clearing /tmp, settings of the kernel) would be done to the machine.
SYSTEMD = r"""
mkdir "$base/dev"
mount -t tmpfs -o mode=755 dev "$base/dev"
for node in null zero full random urandom tty kvm net; do [ ! -e /dev/$node ] || cp -a /dev/$node "$base/dev/" || true; done
mkdir "$base"/dev/pts "$base"/dev/shm
ln -s pts/ptmx "$base/dev/ptmx"
ln -s /proc/self/fd "$base/dev/fd"
for n in 0:stdin 1:stdout 2:stderr; do ln -s fd/${n%:*} "$base/dev/${n#*:}"; done
umount --lazy /dev /sys
mount --move "$base/dev" /dev
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t sysfs -o ro sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs -o mode=755 units /etc/systemd/system
for unit in /lib/systemd/system/*.target.wants/*; do
    case ${unit##*/} in
        systemd-journald*.socket | systemd-journald.service | dbus*) ;;
        *) ln -sf /dev/null "/etc/systemd/system/${unit##*/}" ;;
    esac
done
ln -s /lib/systemd/system/multi-user.target /etc/systemd/system/default.target
: > /etc/fstab
echo "$name" > /etc/hostname
tr -d - < /proc/sys/kernel/random/uuid > /etc/machine-id
systemd-tmpfiles --create --prefix=/run || true
echo ready
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=journal > /dev/null 2>&1
"""

NAMESPACES = ("--mount", "--net", "--pid", "--ipc", "--uts", "--cgroup")


class Host:
    """A machine to try roles on: ``host.run("virsh", "list")``, ``host.play(tasks)``."""

    def __init__(self, name: str, address: str, place: pathlib.Path, names: str, systemd: bool = False) -> None:
        self.name = name
        self.address = address
        self.place = place / name
        self.place.mkdir()
        (self.place / "files").mkdir()
        (self.place / "ansible.cfg").touch()
        self.count = 0
        self.groups = control_groups(name)
        self.process = subprocess.Popen(
            [
                *joining(self.groups),
                *("unshare", *NAMESPACES, "--fork", "--kill-child", "--propagation", "private"),
                *("bash", "-c", INIT + (SYSTEMD if systemd else IDLE), "init"),
                *(name, address, str(self.place / "files"), names),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n", f"{name} doesn't start"
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        self.pid = int(children.split()[0])
        # Who enters a host joins its groups; systemd lets nobody in who isn't in a unit.
        inner = [group / "init" if (group / "init").exists() else group for group in self.groups]
        self.join = [] if systemd else joining(inner)
        if systemd:
            self.until(
                lambda: self.run("systemctl", "is-system-running", ok=False).stdout == "running\n", "doesn't boot"
            )

    def down(self) -> None:
        self.process.kill()
        self.process.wait()
        deadline = time.monotonic() + 10
        while pathlib.Path(f"/proc/{self.pid}").exists():
            assert time.monotonic() < deadline, f"{self.name} doesn't end"
            time.sleep(0.02)
        for group in self.groups:
            for directory in sorted(group.glob("**/"), reverse=True):
                directory.rmdir()

    def until(self, true: t.Callable[[], bool], why: str, timeout: float = 30) -> None:
        """Wait for something."""
        deadline = time.monotonic() + timeout
        while not true():
            assert time.monotonic() < deadline, f"{self.name} {why}"
            time.sleep(0.1)

    def words(self, *command: str) -> list[str]:
        return [*self.join, "nsenter", f"--target={self.pid}", *NAMESPACES, "--", *command]

    def run(self, *command: str, ok: bool = True, **keywords: t.Any) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(self.words(*command), capture_output=True, text=True, check=False, **keywords)
        assert not ok or done.returncode == 0, f"{self.name}: {command}: {done.stdout}{done.stderr}"
        return done

    def read(self, path: str) -> str:
        return self.run("cat", path).stdout

    def play(self, *plays: Play, check: bool = False) -> list[Recap]:
        """Plays on this host, one after the other, by an ansible-playbook that runs on it; it ends at a failure."""
        self.count += 1
        playbook, inventory = self.place / f"play{self.count}.yml", self.place / "inventory.yml"
        playbook.write_text(yaml.safe_dump([play.written(self.name) for play in plays], sort_keys=False))
        local = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}
        inventory.write_text(yaml.safe_dump({"all": {"hosts": {self.name: local, "localhost": local}}}))
        ansible = str(pathlib.Path(sys.executable).parent / "ansible-playbook")
        done = self.run(
            *("sh", "-c", 'exec "$0" "$@" 2>&1'),
            *("env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"),
            *("HOME=/root", f"ANSIBLE_CONFIG={self.place / 'ansible.cfg'}", "ANSIBLE_NOCOLOR=1"),
            *(f"ANSIBLE_COLLECTIONS_PATH={ROOT / '.build/collections'}", "ANSIBLE_PIPELINING=true"),
            *(f"ANSIBLE_LOCAL_TEMP={self.place / 'ansible'}", f"ANSIBLE_REMOTE_TEMP={self.place / 'ansible'}"),
            *(ansible, f"--inventory={inventory}", "--diff", *(["--check"] if check else []), str(playbook)),
            ok=False,
        )
        found = done.stdout.split("\nPLAY [")
        assert len(found) > 1, done.stdout
        return [Recap(text) for text in found[1:]]

    def cycle(self, *plays: Play) -> list[list[Recap]]:
        """Plays as a check, twice as a run, and as a check again, in three calls of ansible-playbook; recaps by play.

        The first two say the same, the others change nothing.
        """
        count = len(plays)
        checked, ran, last = (
            self.play(*plays, check=True),
            self.play(*(play for play in plays for dummy in range(2))),
            self.play(*plays, check=True),
        )
        found = [*checked, *ran, *last]
        for recap in found:
            assert recap.failed == 0, recap.text
        assert len(found) == 4 * count
        cycles = [[checked[n], ran[2 * n], ran[2 * n + 1], last[n]] for n in range(count)]
        for before, run, again, after in cycles:
            assert bool(before.changed) == bool(run.changed), before.text + run.text
            assert not again.changed, again.text
            assert not after.changed, after.text
        return cycles

    def roles(self, name: str, variables: t.Mapping[str, t.Any]) -> Recap:
        """A role through the cycle; what its first run said."""
        return self.cycle(Play.of(name, variables))[0][1]

    def role(self, name: str, **variables: t.Any) -> Recap:
        """A role once, where its check and its second run have been seen already."""
        (recap,) = self.play(Play.of(name, variables))
        assert recap.failed == 0, recap.text
        return recap

    def refused(self, *plays: Play) -> list[str]:
        """What each of some plays says that must fail; one goes on after the other."""
        recaps = self.play(*(play.rescued() for play in plays))
        assert [recap.failed for recap in recaps] == [1] * len(plays), "".join(recap.text for recap in recaps)
        return [recap.said for recap in recaps]


class Play(t.NamedTuple):
    """Tasks, and the variables that they see."""

    tasks: t.Sequence[t.Mapping[str, t.Any]]
    variables: t.Mapping[str, t.Any] = {}

    @classmethod
    def of(cls, role: str, variables: t.Mapping[str, t.Any]) -> Play:
        """A role with variables."""
        return cls([{"name": role, "ansible.builtin.include_role": {"name": f"metal.kvm.{role}"}}], variables)

    def rescued(self) -> Play:
        """The same, and the host is none the worse for a failure."""
        rescue = [{"name": "Go on", "ansible.builtin.meta": "noop"}]
        return Play([{"name": "What must fail", "block": list(self.tasks), "rescue": rescue}], self.variables)

    def written(self, host: str) -> dict[str, t.Any]:
        return {
            "hosts": host,
            "gather_facts": False,
            "vars": dict(self.variables),
            "tasks": [dict(task) for task in self.tasks],
        }


class Recap:
    """What ansible-playbook printed of a play, and how many tasks (or items of one) changed something or failed."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.said = " ".join(text.split())  # warnings are broken into lines
        self.changed = len(re.findall(r"^changed: ", text, re.MULTILINE))
        self.failed = len(re.findall(r"^(?:fatal|failed): (?!.*\n\.\.\.ignoring)", text, re.MULTILINE))


def joining(groups: t.Iterable[pathlib.Path]) -> list[str]:
    """The words before a command that has it run in these control groups."""
    files = " ".join(str(group / "cgroup.procs") for group in groups)
    return ["sh", "-c", f'for file in {files}; do echo $$ >"$file"; done; exec "$@"', "join"]


_numbers = itertools.count()  # two hosts of one name may be there at once


def control_groups(name: str) -> list[pathlib.Path]:
    """A control group for a host in each hierarchy that this machine has, with all controllers of it."""
    mounts = [line.split()[1:3] for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
    found = []
    number = next(_numbers)
    for top in sorted({pathlib.Path(place) for place, kind in mounts if kind in ("cgroup", "cgroup2")}):
        made = top / f"metal.kvm-{name}-{os.getpid()}-{number}"
        made.mkdir()
        found.append(made)
        for controller in ("cpu", "cpuset", "io", "memory", "pids"):  # version 2: asked for in the group above
            with contextlib.suppress(OSError):
                (top / "cgroup.subtree_control").write_text(f"+{controller}")
        for file in ("cpuset.cpus", "cpuset.mems"):  # version 1: nothing runs in a group without
            if (made / file).exists() and (top / file).exists():
                (made / file).write_text((top / file).read_text())
    return found


@contextlib.contextmanager
def hosts(place: pathlib.Path, *names: str, systemd: bool = False) -> t.Iterator[list[Host]]:
    """Some hosts on one network, 10.77.8.0/24, that know each other by name. None reaches the world outside."""
    addresses = {name: f"10.77.8.{number}" for number, name in enumerate(names, 1)}
    known = "".join(f"{address} {name}\n" for name, address in addresses.items())
    found: list[Host] = []
    try:
        for name in names:
            found.append(Host(name, addresses[name], place, known, systemd))
        first = found[0]
        first.run("ip", "link", "add", "net0", "type", "bridge")
        first.run("ip", "link", "set", "net0", "up")
        first.run("ip", "address", "add", f"{first.address}/24", "dev", "net0")
        for number, other in enumerate(found[1:], 1):
            port = f"port{number}"
            first.run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0")
            first.run("ip", "link", "set", port, "master", "net0", "up")
            subprocess.run(
                ["nsenter", f"--target={first.pid}", "--net", "ip", "link", "set", "eth0", "netns", str(other.pid)],
                check=True,
            )
            other.run("ip", "link", "set", "eth0", "up")
            other.run("ip", "address", "add", f"{other.address}/24", "dev", "eth0")
        yield found
    finally:
        for host in reversed(found):
            host.down()
