# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README's first command, as a user types it: twice, checked, edited, with devices plugged in, and taken away."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import re
import subprocess
import time
import typing as t

import cycle as cycles
import libvirt
import libvirt_qemu
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAME = "metal-demo"
pytestmark = pytest.mark.timeout(1500)  # the image is built and a whole distribution boots by emulation
FILES = pathlib.Path("/var/lib/metal.kvm/demo")
RECAP = re.compile(r"localhost\s*: ok=(\d+)\s+changed=(\d+)\s+unreachable=0\s+failed=(\d+)")


def command(*words: str) -> str:
    """The output of a command run in the repository, standard error with it."""
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build" / "collections"),
        "ANSIBLE_FORCE_COLOR": "0",
    }
    done = subprocess.run(
        words, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[max(0, done.stdout.find("fatal: ")) :][:6000] + done.stderr[-2000:]
    return done.stdout + done.stderr


def changed(output: str) -> int:
    """How many tasks the play recap says have changed something; none may have failed."""
    recap = RECAP.search(output)
    assert recap is not None, output[-3000:]
    assert recap.group(3) == "0", output[-3000:]
    return int(recap.group(2))


def check() -> str:
    return command(".venv/bin/ansible-playbook", "--check", "--diff", "playbooks/demo.yml")


@pytest.fixture(scope="module")
def guest(connection: t.Any) -> t.Iterator[t.Any]:
    """The demo's guest, made by the first `make demo` on a machine where there is none."""
    command("make", "demo-clean")
    output = command("make", "demo")
    assert changed(output) > 0
    for words in (
        "What to type next",
        "make demo-clean",
        "virsh -c qemu:///system console",
        "cloud-init wrote this file",
    ):
        assert words in output
    yield connection.lookupByName(NAME)
    command("make", "demo-clean")


def says(guest: t.Any, script: str) -> str:
    """What the guest itself answers to a shell command, through its agent."""
    arguments = {"path": "/bin/sh", "arg": ["-c", script], "capture-output": True}
    started = _ask(guest, {"execute": "guest-exec", "arguments": arguments})
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        status = _ask(guest, {"execute": "guest-exec-status", "arguments": {"pid": started["pid"]}})
        if status["exited"]:
            return base64.b64decode(status.get("out-data", "")).decode().strip()
        time.sleep(0.2)
    raise AssertionError(f"the guest didn't finish: {script}")


def _ask(guest: t.Any, question: dict[str, t.Any]) -> t.Any:
    return json.loads(libvirt_qemu.qemuAgentCommand(guest, json.dumps(question), 20, 0))["return"]


def test_guest_says_what_only_a_booted_guest_can(guest: t.Any) -> None:
    assert "cloud-init wrote this file" in says(guest, "cat /etc/metal-kvm-demo")
    assert says(guest, "hostname") == NAME


def test_screenshot_is_a_picture(guest: t.Any) -> None:
    assert guest.isActive()
    picture = (FILES / "screen.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(picture) > 1000


def test_second_run_changes_nothing(guest: t.Any) -> None:
    before = guest.ID()
    assert changed(command("make", "demo")) == 0
    assert guest.ID() == before


def test_check_after_the_demo_reports_no_change(guest: t.Any) -> None:
    assert guest.isActive()
    assert changed(check()) == 0


def test_check_reports_exactly_the_value_that_was_edited(guest: t.Any) -> None:
    guest.setMemoryFlags(900 * 1024, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    try:
        output = check()
        assert changed(output) == 1
        lines = [line for line in output.splitlines() if re.match(r"^[-+](?![-+])", line)]
        assert lines == ["-memory: 900 MiB", "+memory: 1 GiB"]
    finally:
        guest.setMemoryFlags(1024 * 1024, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    assert changed(check()) == 0


def test_devices_come_and_go_while_it_runs(guest: t.Any, player: cycles.Player, place: pathlib.Path) -> None:
    boot = says(guest, "cat /proc/sys/kernel/random/boot_id")
    info = player.run("domain_info", name=NAME)["domains"][0]
    disks = [{"target": disk["target"]} for disk in info["disks"]]
    nics = [{"mac": nic["mac"]} for nic in info["interfaces"]]
    blocks, cards = says(guest, "ls /sys/block"), says(guest, "ls /sys/class/net")
    plugged, wired = list(disks), list(nics)
    for letter in "efgh":
        image = place / f"{letter}.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "64M"], check=True)
        plugged.append({"target": f"vd{letter}", "file": str(image)})
        result = player.run("domain", name=NAME, disks=plugged)
        assert result["restart_required"] == []
        assert f"attach disk vd{letter} to domain {NAME} live" in result["actions"]
        assert f"vd{letter}" in [disk["target"] for disk in result["domain"]["disks"]]
    for number in (1, 2):
        wired.append({"network": NAME, "mac": f"52:54:00:de:00:0{number}"})
        result = player.run("domain", name=NAME, interfaces=wired)
        assert result["restart_required"] == []
        assert len(result["domain"]["interfaces"]) == len(wired)
    assert len(says(guest, "ls /sys/block").split()) == len(blocks.split()) + 4
    assert len(says(guest, "ls /sys/class/net").split()) == len(cards.split()) + 2
    while len(plugged) > len(disks):
        plugged.pop()
        assert player.run("domain", name=NAME, disks=plugged)["restart_required"] == []
    while len(wired) > len(nics):
        wired.pop()
        assert player.run("domain", name=NAME, interfaces=wired)["restart_required"] == []
    assert (says(guest, "ls /sys/block"), says(guest, "ls /sys/class/net")) == (blocks, cards)
    assert says(guest, "cat /proc/sys/kernel/random/boot_id") == boot
    assert player.run("domain", name=NAME, disks=disks, interfaces=nics)["changed"] is False


def test_demo_clean_takes_away_what_the_demo_made_and_only_that(guest: t.Any, connection: t.Any) -> None:
    assert guest.isActive()
    bystander = connection.networkDefineXML(f"<network><name>{cycles.PREFIX}bystander</name></network>")
    assert changed(command("make", "demo-clean")) > 0
    assert changed(command("make", "demo-clean")) == 0
    left = [*connection.listAllDomains(), *connection.listAllNetworks(), *connection.listAllStoragePools()]
    assert NAME not in [one.name() for one in left]
    assert not FILES.exists()
    assert bystander.name() in [network.name() for network in connection.listAllNetworks()]
