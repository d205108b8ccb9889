# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts made of namespaces: each with its own processes, network, name, /etc, /run and libvirt directories.

They hang from one process, so when that ends the kernel takes down all the rest: daemons, mounts and interfaces. What a
role does in one is not seen outside, apart from what /usr, /tmp and /sys share.
"""

from __future__ import annotations

import contextlib
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
mkdir -p "$base"/etc "$base"/etc.w "$base"/root "$base"/root.w "$base"/libvirt "$base"/cache/qemu
cp /etc/libvirt/*.conf "$base/libvirt/"
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
echo ready
while :; do sleep 60 & wait || true; done
"""


class Host:
    """A machine to try roles on: ``host.run("virsh", "list")``, ``host.play(tasks)``."""

    def __init__(self, name: str, address: str, place: pathlib.Path, names: str) -> None:
        self.name = name
        self.address = address
        self.place = place / name
        self.place.mkdir()
        (self.place / "files").mkdir()
        (self.place / "ansible.cfg").touch()
        self.count = 0
        self.process = subprocess.Popen(
            [
                *("unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child"),
                *("--propagation", "private", "bash", "-c", INIT, "init"),
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

    def down(self) -> None:
        self.process.kill()
        self.process.wait()
        deadline = time.monotonic() + 10
        while pathlib.Path(f"/proc/{self.pid}").exists():
            assert time.monotonic() < deadline, f"{self.name} doesn't end"
            time.sleep(0.02)

    def words(self, *command: str) -> list[str]:
        return ["nsenter", f"--target={self.pid}", "--mount", "--net", "--pid", "--ipc", "--uts", "--", *command]

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

    def roles(self, name: str, *steps: t.Mapping[str, t.Any]) -> list[Recap]:
        """A role with several sets of variables in turn, each as check, run, run, check. What each first run said.

        The first two say the same, the others change nothing.
        """
        role = {"name": f"The role {name}", "ansible.builtin.include_role": {"name": f"metal.kvm.{name}"}}
        found = []
        for step in steps:
            play = Play([role], step)
            recaps = [*self.play(play, check=True), *self.play(play, play), *self.play(play, check=True)]
            for recap in recaps:
                assert recap.failed == 0, recap.text
            checked, ran, again, checked_again = recaps
            assert bool(checked.changed) == bool(ran.changed), checked.text + ran.text
            assert not again.changed, again.text
            assert not checked_again.changed, checked_again.text
            found.append(ran)
        return found

    def role(self, name: str, **variables: t.Any) -> Recap:
        """A role once, where its check and its second run have been seen already."""
        (recap,) = self.play(Play([{"ansible.builtin.include_role": {"name": f"metal.kvm.{name}"}}], variables))
        assert recap.failed == 0, recap.text
        return recap

    def refused(self, name: str, **variables: t.Any) -> str:
        """What a role says that must fail."""
        (recap,) = self.play(Play([{"ansible.builtin.include_role": {"name": f"metal.kvm.{name}"}}], variables))
        assert recap.failed == 1, recap.text
        return recap.said


class Play(t.NamedTuple):
    """Tasks, and the variables that they see."""

    tasks: t.Sequence[t.Mapping[str, t.Any]]
    variables: t.Mapping[str, t.Any] = {}

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


@contextlib.contextmanager
def hosts(place: pathlib.Path, *names: str) -> t.Iterator[list[Host]]:
    """Some hosts on one network, 10.77.8.0/24, that know each other by name. None reaches the world outside."""
    addresses = {name: f"10.77.8.{number}" for number, name in enumerate(names, 1)}
    known = "".join(f"{address} {name}\n" for name, address in addresses.items())
    found: list[Host] = []
    try:
        for name in names:
            found.append(Host(name, addresses[name], place, known))
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
