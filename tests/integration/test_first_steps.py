# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the README and docs/getting_started.md show, as it stands there, on a machine where no daemon of libvirt runs.

Only the image is another one: a small one that is downloaded, by variables of the role image. The documents' own commands
are run too, with those variables added.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import pathlib
import re
import shlex
import subprocess
import sys
import typing as t

import bootable
import hosts as tool
import pytest
from cycle import ROOT

pytestmark = pytest.mark.timeout(1500)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
RECAP = re.compile(r"^\S+ +: ok=\d+ +changed=(\d+) +unreachable=0 +failed=0 ", re.MULTILINE)
README, GUIDE = ROOT / "README.md", ROOT / "docs" / "getting_started.md"
ANSIBLE = pathlib.Path(sys.executable).parent


def blocks(page: pathlib.Path, language: str) -> list[str]:
    """The blocks of code in a page, as they stand there."""
    return [text for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == language]


def playbooks(page: pathlib.Path) -> list[str]:
    return [text for text in blocks(page, "yaml") if text.startswith("- hosts:")]


class Beginner:
    """Somebody with a bare hypervisor, and a directory with what the documents show."""

    def __init__(self, host: tool.Host, place: pathlib.Path) -> None:
        self.host = host
        self.place = place
        self.place.mkdir()

    def write(self, path: str, text: str) -> None:
        file = self.place / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def run(self, command: str) -> int:
        """Run a command of a document; how many tasks changed something."""
        words = shlex.split(command, comments=True)
        variables = self.place / "variables.json"
        local = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}
        image = bootable.image()
        digest = hashlib.sha256(image.read_bytes()).hexdigest()
        url = f"http://127.0.0.1:8011/{image.name}"
        variables.write_text(json.dumps({**local, "image_url": url, "image_checksum": f"sha256:{digest}"}))
        done = self.host.run(
            *(
                "env",
                "-i",
                f"--chdir={self.place}",
                f"PATH={ANSIBLE}:/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME=/root",
                "LC_ALL=C.UTF-8",
            ),
            *(
                f"ANSIBLE_COLLECTIONS_PATH={ROOT / '.build/collections'}",
                "ANSIBLE_NOCOLOR=1",
                "ANSIBLE_PIPELINING=true",
            ),
            *(f"ANSIBLE_LOCAL_TEMP={self.place / 'ansible'}", *words, f"--extra-vars=@{variables}"),
            ok=False,
        )
        recap = RECAP.search(done.stdout)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        assert recap is not None, done.stdout[-3000:]
        return int(recap[1])

    def guest(self, name: str) -> str:
        return self.host.run("virsh", "dumpxml", name).stdout


@pytest.fixture
def beginner(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Beginner]:
    place = tmp_path_factory.mktemp("first")
    image = bootable.image()  # its packages come from outside
    with tool.hosts(place, "kvm1") as (host,), contextlib.ExitStack() as stack:
        server = subprocess.Popen(
            host.words("python3", "-m", "http.server", "--bind=127.0.0.1", f"--directory={image.parent}", "8011"),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        stack.callback(server.kill)
        for directory in ("/srv", "/var/lib/metal.kvm"):  # this machine's, but for the host's own
            host.run("mkdir", "-p", directory)
            host.run("mount", "-t", "tmpfs", "-o", "mode=755", "none", directory)
        yield Beginner(host, place / "beginner")


def test_the_readme(beginner: Beginner) -> None:
    (playbook,) = playbooks(README)
    beginner.write("readme.yml", playbook)
    beginner.write("inventory", "[hypervisors]\nkvm1\n")
    assert beginner.run("ansible-playbook -i inventory readme.yml") > 0
    assert "metal-kvm-seed" in beginner.guest("web1")
    assert beginner.run("ansible-playbook -i inventory readme.yml") == 0


def test_getting_started(beginner: Beginner) -> None:
    """The inventory with its commands, in their order; then the same as tasks."""
    (hosts,) = blocks(GUIDE, "ini")
    for text in (hosts, *blocks(GUIDE, "yaml")):
        if text.startswith("# inventory/"):
            beginner.write(text.partition("\n")[0].partition("# ")[2], text)
    (console,) = blocks(GUIDE, "console")
    check, run, again = [line.removeprefix("$ ") for line in console.splitlines()]
    assert beginner.run(check) > 0
    assert beginner.host.run("pgrep", "libvirtd", ok=False).returncode != 0, "the check started something"
    assert beginner.run(run) > 0
    assert "changed=0" in again
    assert beginner.run(again) == 0
    assert "<name>web1</name>" in beginner.guest("web1")


def test_the_same_as_tasks(beginner: Beginner) -> None:
    (playbook,) = playbooks(GUIDE)
    beginner.write("tasks.yml", playbook)
    beginner.write("inventory", "[hypervisors]\nkvm1\n")
    assert beginner.run("ansible-playbook -i inventory tasks.yml") > 0
    assert beginner.run("ansible-playbook -i inventory tasks.yml") == 0
