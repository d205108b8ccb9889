# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests installed from media: a first boot that undoes itself, proven by what the disk then holds and what boots from it.

The installers are our own. One is the tiny guest as an installer, with its kernel where Debian's or Ubuntu's media have it.
The other is 512 bytes of processor's words that boot by themselves, write boot sectors to the first disk and reset.
"""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import threading
import time
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.metal.kvm.plugins.module_utils._libvirt import World
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.options import ARGUMENTS
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.plan import NOUN
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError, Plan
from guest import PREFIX, Lab, built, canonical, lab

__all__ = ["lab"]

POOL = f"{PREFIX}install"
INSTALLED = f"{PREFIX}one"

HALT = bytes.fromhex("f4 ebfd")  # hlt; jmp back
RESET = bytes.fromhex("b0fe e664") + HALT  # mov al,0xfe; out 0x64,al
POWER_OFF = bytes.fromhex("ba0406 b80020 ef") + HALT  # mov dx,0x604; mov ax,0x2000; out dx,ax
ZERO = bytes.fromhex("31c0 8ed8 8ec0")  # xor ax,ax; mov ds,ax; mov es,ax
READ, WRITE = 2, 3


def sectors(function: int, first: int, count: int) -> bytes:
    """Words that read or write sectors of the first disk, from or to what lies behind the boot sector in memory."""
    # mov bx,0x7e00; mov ah,FUNCTION; mov al,COUNT; mov cx,FIRST; mov dx,0x80; int 0x13
    return bytes.fromhex("bb007e b4") + bytes([function, 0xB0, count, 0xB9, first, 0]) + bytes.fromhex("ba8000 cd13")


def boot_sector(text: str, then: bytes) -> bytes:
    """A boot sector that says a line on the serial port, and then does something else."""
    address = 0x7C00 + 21 + len(then)
    # cld; mov si,ADDRESS; next: lodsb; test al,al; jz then; mov dx,0x3f8; out dx,al; jmp next
    say = bytes.fromhex("fc be") + address.to_bytes(2, "little") + bytes.fromhex("ac 84c0 7406 baf803 ee ebf5")
    code = ZERO + say + then + text.encode() + b"\r\n\0"
    return code.ljust(510, b"\0") + b"\x55\xaa"


BOOTED = "mkd: booted from the disk"
DISK = boot_sector(BOOTED, HALT)
# what a phased installer leaves on the disk: the next phase, which puts the second sector in its own place
PHASE_TWO = boot_sector("mkd: phase two", sectors(READ, 2, 1) + sectors(WRITE, 1, 1) + POWER_OFF)


def medium(path: pathlib.Path, label: str, files: t.Mapping[str, bytes], boots: bytes = b"") -> str:
    """An ISO image with these files; with ``boots`` it boots and writes these sectors to the first disk."""
    tree = path.parent / f"{path.stem}.d"
    if boots:
        writes = ZERO + sectors(WRITE, 1, len(boots) // 512) + RESET
        files = {**files, "boot.img": (writes.ljust(512, b"\0") + boots).ljust(2048, b"\0")}
    for name, content in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    words = ["-b", "boot.img", "-no-emul-boot", "-boot-load-size", "4"] if boots else []
    command = ["xorriso", "-as", "mkisofs", "-R", "-V", label, *words, "-o", str(path), str(tree)]
    subprocess.run(command, check=True, capture_output=True)
    return str(path)


@pytest.fixture
def pool(lab: Lab) -> pathlib.Path:
    """An active pool with the disk of the guest to be."""
    path = lab.place / "pool"
    path.mkdir()
    (path / "disk.raw").write_bytes(b"\0" * 8 * 1024**2)
    xml = f"<pool type='dir'><name>{POOL}</name><target><path>{path}</path></target></pool>"
    lab.connection.storagePoolDefineXML(xml).create()
    return path


def options(**more: t.Any) -> dict[str, t.Any]:
    """A guest without a kernel of its own: it has what is on its disk."""
    return {"memory": "192 MiB", "disks": [{"pool": POOL, "volume": "disk.raw"}], **more}


@pytest.fixture(scope="module")
def world() -> World:
    """A connection of the modules' own, in this process; without libvirt's driver, beside which no other can be opened."""
    opened = World("qemu:///system")
    opened.kept["driver"] = None
    return opened


def planned(world: World, **wanted: t.Any) -> Plan:
    """What a task of the module domain would do on our guest."""
    validated = ArgumentSpecValidator(ARGUMENTS).validate({"name": INSTALLED, **wanted})
    assert not validated.error_messages
    return NOUN.plan(world, validated.validated_parameters)


def converge(world: World, wanted: dict[str, t.Any], stop: int = 99) -> int:
    """Run such a task, or its first steps as if it was killed then; returns how many steps there were."""
    plan = planned(world, **wanted)
    for step in plan.steps[:stop]:
        NOUN.operations()[step.operation](world, **step.arguments)
    return len(plan.steps)


def given(pool: pathlib.Path) -> dict[str, str]:
    """What the tiny installer was given, as it wrote it behind the boot sector: name to first line."""
    text = (pool / "disk.raw").read_bytes()[512:8192].rstrip(b"\0").decode(errors="replace")
    return dict(line.partition(": ")[::2] for line in text.splitlines())


def says(lab: Lab, text: str, timeout: float = 40) -> None:
    deadline = time.monotonic() + timeout
    while text not in "\n".join(lab.guest.lines()):
        assert time.monotonic() < deadline, lab.guest.lines()[-5:]
        time.sleep(0.1)


def nothing_is_left(lab: Lab, pool: pathlib.Path) -> None:
    """Neither the definition nor the pool has anything of the installation."""
    text = canonical(lab.xml())
    assert not [word for word in ("metal:install", "cdrom", "<kernel", "install") if word in text.replace(POOL, "")], (
        text
    )
    assert sorted(path.name for path in pool.glob("*install*")) == []


def test_debian(lab: Lab, pool: pathlib.Path) -> None:
    files = {"install.amd/vmlinuz": built().kernel, "install.amd/initrd.gz": built().initrd}
    read = {name: path.read_bytes() for name, path in files.items()}
    iso = medium(lab.place / "debian.iso", "DEBIAN", {**read, "boot.bin": DISK})
    install = {
        "iso": iso,
        "preseed": "d-i passwd/root-password password hidden-words\n",
        "cmdline": "console=ttyS0 quiet mkd.install mkd.reboot",
        "bus": "scsi",
    }
    first, again = lab.runs(options(install=install, state="running"), options(install=install, state="running"))
    assert first["actions"] == [
        f"define domain {INSTALLED}",
        f"make the installer's kernel {INSTALLED}-install-kernel",
        f"install domain {INSTALLED} from {iso}",
        f"end the installation of domain {INSTALLED}",
        f"start domain {INSTALLED}",
    ]
    assert first.diff["after"]["install"] == iso
    assert "hidden-words" not in str(first)
    assert not again["changed"]
    says(lab, BOOTED)
    told = given(pool)
    assert told["preseed"] == "d-i passwd/root-password password hidden-words"
    assert "auto=true priority=critical console=ttyS0" in told["words"]
    assert told["DEBIAN/boot.bin"], "the medium was in its drive"
    nothing_is_left(lab, pool)
    assert lab.xml(live=True).find("devices/disk[@device='cdrom']") is None
    assert lab.info()["restart_required"] == []


def test_ubuntu_and_a_run_that_is_killed(lab: Lab, pool: pathlib.Path, world: World) -> None:
    """Answers and drivers on volumes of their own. The run is killed while it waits; the next one waits on, and ends it."""
    files = {"casper/vmlinuz": built().kernel.read_bytes(), "casper/initrd": built().initrd.read_bytes()}
    medium(pool / "ubuntu.iso", "UBUNTU", {**files, "boot.bin": DISK})
    medium(pool / "drivers.iso", "VIRTIO-WIN", {"viostor.inf": b"a driver\n"})
    lab.connection.storagePoolLookupByName(POOL).refresh(0)
    install = {
        "iso": "ubuntu.iso",
        "drivers": "drivers.iso",
        "media_pool": POOL,
        "autoinstall": {"version": 1, "identity": {"hostname": "web1", "password": "hidden-words"}},
        "cmdline": "console=ttyS0 quiet mkd.install mkd.slow",
        "bus": "scsi",
    }
    wanted = options(name=INSTALLED, install=install, title="one")
    killed = os.fork()
    if not killed:  # a process of its own, with a connection of its own
        converge(World("qemu:///system"), wanted)
        os._exit(0)
    says(lab, "mkd: installed", 90)
    assert lab.xml(live=True).findtext("os/cmdline").startswith("autoinstall console=ttyS0")
    assert lab.xml().find("os/cmdline") is None
    os.kill(killed, signal.SIGKILL)
    os.waitpid(killed, 0)
    result = lab.run(**{**wanted, "title": "two"})
    assert result["actions"] == [f"define domain {INSTALLED}", f"end the installation of domain {INSTALLED}"]
    told = given(pool)
    assert told["CIDATA/user-data" if "CIDATA/user-data" in told else "cidata/user-data"] == "#cloud-config"
    assert {"VIRTIO-WIN/viostor.inf", "UBUNTU/boot.bin"} <= set(told)
    assert not lab.domain.isActive()
    assert lab.xml().findtext("title") == "two"
    nothing_is_left(lab, pool)
    assert not planned(world, **{**wanted, "title": "two"}).changed
    converge(world, {"state": "running"})
    says(lab, BOOTED)


def test_media_that_boot_by_themselves(lab: Lab, pool: pathlib.Path, world: World) -> None:
    """Anaconda finds its answers; Windows reboots on its way, boots the disk then, and is at its end when it's off."""
    plain = medium(lab.place / "plain.iso", "FEDORA", {}, DISK)
    phased = medium(lab.place / "phased.iso", "WINDOWS", {}, PHASE_TWO + DISK)
    first = lab.run(**options(install={"iso": plain, "kickstart": "text\n"}, state="running"))
    assert first["actions"][1] == f"make the answers {INSTALLED}-install.iso"
    says(lab, BOOTED)
    nothing_is_left(lab, pool)
    converge(world, {"state": "absent", "force": True})
    (pool / "disk.raw").write_bytes(b"\0" * 8 * 1024**2)
    install = {"iso": phased, "autounattend": "<unattend/>", "drivers": plain}
    converge(world, options(install=install, state="running"))
    says(lab, BOOTED)
    assert (pool / "disk.raw").read_bytes()[:512] == DISK, "the second phase ran"
    nothing_is_left(lab, pool)


def test_the_agent_says_that_it_is_done(lab: Lab, pool: pathlib.Path, world: World) -> None:
    """An installer without a medium, started by its kernel, that neither powers off nor reboots."""
    kernel, initrd = str(built().kernel), str(built().initrd)
    install = {"kernel": kernel, "initrd": initrd, "cmdline": "console=ttyS0 quiet", "until": "agent"}
    converge(world, options(install=install))
    assert not lab.domain.isActive()
    says(lab, "reboot: Power down")  # it was asked, and went down by itself
    nothing_is_left(lab, pool)


def test_what_is_refused(lab: Lab, pool: pathlib.Path, world: World) -> None:
    empty = medium(lab.place / "empty.iso", "EMPTY", {"readme": b"nothing\n"})
    on_it = {"iso": empty, "kernel": "iso:/readme", "initrd": "iso:/readme"}
    cases: dict[str, dict[str, t.Any]] = {
        "Say iso, or kernel and initrd": {"preseed": "x", "cmdline": "y"},
        "kernel: iso:/path": {"iso": empty, "preseed": "x"},
        "kernel and initrd go together": {"iso": empty, "kernel": "iso:/readme"},
        "media_pool": {"iso": "empty.iso"},
        "would start again at each reboot": {**on_it, "reboots": True},
        "install.autoinstall: this is a list": {**on_it, "autoinstall": ["x"]},
        "preseed and kickstart are answers for different installers": {"iso": empty, "preseed": "x", "kickstart": "y"},
        "no pool named 'missing'": {**on_it, "pool": "missing"},
        "'/nonexistent.iso' does not exist": {"iso": "/nonexistent.iso", "preseed": "x"},
        "has no volume named 'no.iso'": {"iso": "no.iso", "media_pool": POOL},
    }
    wrong = {}
    for words, install in cases.items():
        try:
            said = " ".join(str(error) for error in planned(world, **options(install=install)).assumed)
        except KvmError as error:
            said = str(error)
        if words not in said:
            wrong[words] = said
    assert not wrong


def test_an_installation_that_ends_badly(lab: Lab, pool: pathlib.Path, world: World) -> None:
    """It takes too long, then somebody pulls the plug; each time the error says so, and the next run begins anew."""
    halting = medium(lab.place / "halting.iso", "HALTS", {"readme": b"nothing"}, b"")
    install = {"iso": halting, "timeout": 2, "reboots": True}
    late = lab.fails("still being installed after 2 seconds", **options(install=install))
    assert "serial_tail" in late
    assert late["step"] == f"wait for the end of the installation of domain {INSTALLED}"
    assert lab.domain.isActive()
    threading.Timer(1, lab.domain.destroy).start()
    with pytest.raises(KvmError, match="was powered off by somebody"):
        converge(world, options(install={**install, "timeout": 60}))
    working = medium(lab.place / "working.iso", "WORKS", {}, DISK)
    again = planned(world, **options(install={"iso": working}, state="running"))
    assert f"install domain {INSTALLED} from {working}" in again.actions
    converge(world, options(install={"iso": working}, state="running"))
    says(lab, BOOTED)
    nothing_is_left(lab, pool)


def test_killed_after_each_step(lab: Lab, pool: pathlib.Path, world: World) -> None:
    """Wherever the run is killed, the next one ends in the declared state."""
    iso = medium(lab.place / "plain.iso", "FEDORA", {}, DISK)
    wanted = options(install={"iso": iso, "kickstart": "text\n"}, state="running")
    for stop in range(1, 6):
        (pool / "disk.raw").write_bytes(b"\0" * 8 * 1024**2)
        assert converge(world, wanted, stop) == 6, "define, answers, boot, wait, end, start"
        converge(world, wanted)
        says(lab, BOOTED)
        nothing_is_left(lab, pool)
        assert converge(world, wanted) == 0, stop
        lab.domain.destroy()
        lab.domain.undefine()


def test_absent_takes_the_answers_away(lab: Lab, pool: pathlib.Path, world: World) -> None:
    iso = medium(lab.place / "plain.iso", "FEDORA", {}, DISK)
    converge(world, options(install={"iso": iso, "kickstart": "text\n"}), stop=2)
    assert (pool / f"{INSTALLED}-install.iso").exists()
    assert (pool / f"{INSTALLED}-install.iso").stat().st_mode & 0o777 == 0o600
    absent = planned(world, state="absent")
    assert f"delete the installer's volume {INSTALLED}-install.iso" in absent.actions
    converge(world, {"state": "absent"})
    assert not (pool / f"{INSTALLED}-install.iso").exists()
