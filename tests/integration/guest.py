# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest that boots in seconds without hardware virtualisation: the distribution's kernel, busybox and the guest agent.

It tells what it sees on its serial port, one line each time that something has changed:

    mkd: boot=<boot id> up=<seconds> cpus=<number> mem=<KiB> disks=<name:sectors,...> nics=<MAC/carrier/address,...> cd=<label>

and powers off when its ACPI button is pressed or its agent is told to. Words on its kernel command line: ``mkd.deaf``
does neither, ``mkd.noagent`` has no agent, ``mkd.mute`` has one that holds its port open and never answers.

With ``mkd.cloud`` it takes the instance-id of a seed for cloud-init, and says in cloud-init's files that it has.

With ``mkd.install`` it's an installer: it writes to its first disk the file boot.bin of its medium, and behind it a line
for each thing that it was given; then it powers off, or with ``mkd.reboot`` reboots. ``mkd.slow`` takes its time.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import inspect
import os
import pathlib
import re
import shutil
import stat
import subprocess
import tempfile
import time
import typing as t

import cycle as cycles
import libvirt
import pytest
from lxml import etree

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOGS = pathlib.Path("/var/log/libvirt/qemu")
PREFIX = "mkd-"  # names of the domains, pools and networks that the tests of domains make
NAME, OTHER, POOL = f"{PREFIX}one", f"{PREFIX}other", f"{PREFIX}pool"

MODULES = (
    "virtio_pci virtio_blk virtio_scsi sd_mod virtio_net virtio_console virtio_balloon virtio-rng sr_mod isofs"
    " button evdev"
)
KERNEL = re.compile(r"^linux-(?:image|modules)-(?:unsigned-)?\d[\w.+-]*$")

INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /mnt /tmp /run /sbin /var/run /var/log /etc/acpi/PWRF
/bin/busybox --install -s /bin
export PATH=/bin:/sbin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
read cmdline </proc/cmdline
echo 1 >/proc/sys/kernel/printk
for module in MODULES; do modprobe $module 2>/dev/null; done
printf '#!/bin/sh\\necho "mkd: off"; poweroff -f\\n' >/sbin/shutdown
printf '#!/bin/sh\\n[ "$1" != bound ] || ip addr add "$ip/$mask" dev "$interface"\\n' >/lease
cp /sbin/shutdown /etc/acpi/PWRF/00000080
chmod +x /sbin/shutdown /etc/acpi/PWRF/* /lease
case $cmdline in *mkd.deaf*) ;; *)
    acpid -f >/dev/null 2>&1 &
    case $cmdline in *mkd.noagent*) ;; *mkd.mute*) sleep 1000000 <>"$(echo /dev/vport*p1)" & ;; *)
        [ ! -e /dev/vport*p1 ] || (cd /tmp; while sleep 0.1; do
            qemu-ga -p "$(echo /dev/vport*p1)" -t /run >/tmp/agent.log 2>&1; done) &
    esac
esac
case $cmdline in *mkd.install*)
    until [ -b /dev/vda ]; do usleep 100000; done
    echo "words: $cmdline" >/tmp/given
    [ ! -e /preseed.cfg ] || sed 's/^/preseed: /' /preseed.cfg >>/tmp/given
    for drive in /dev/sr*; do
        mount -t iso9660 -o ro $drive /mnt || continue
        label=$(dd if=$drive bs=8 skip=4101 count=4 2>/dev/null | tr -d ' \\0')
        for file in /mnt/*; do [ -d $file ] || echo "$label/${file##*/}: $(head -c 60 $file | head -n 1)" >>/tmp/given; done
        cp /mnt/boot.bin /tmp/ 2>/dev/null
        umount /mnt
    done
    cat /tmp/boot.bin /tmp/given >/dev/vda; sync
    echo "mkd: installed"
    case $cmdline in *mkd.slow*) sleep 5 ;; esac
    case $cmdline in *mkd.reboot*) reboot -f ;; esac
    poweroff -f
esac
case $cmdline in *mkd.cloud*)
    mkdir -p /run/cloud-init /var/lib/cloud/data
    instance=iid-datasource-none
    usleep 500000  # drives on SCSI come a little later
    for drive in /dev/sr* /dev/[sv]d*; do
        [ "$(dd if=$drive bs=8 skip=4101 count=4 2>/dev/null | tr -d ' \\0')" = cidata ] || continue
        mount -t iso9660 -o ro $drive /mnt || continue
        instance=$(sed -n 's/.*"instance-id": "\\([^"]*\\)".*/\\1/p' /mnt/meta-data)
        umount /mnt
    done
    echo $instance >/var/lib/cloud/data/instance-id
    (sleep 2; echo '{"v1": {"datasource": "tiny", "errors": []}}' >/run/cloud-init/result.json) &
esac
hostname mkd
ip link set lo up
read boot </proc/sys/kernel/random/boot_id
said=
while :; do
    cpus=0 disks= nics= cd=
    for cpu in /sys/devices/system/cpu/cpu[0-9]*; do
        [ -e $cpu/online ] || { cpus=$((cpus + 1)); continue; }
        name=${cpu##*/}
        [ -e /tmp/$name ] || { : >/tmp/$name; echo 1 >$cpu/online; } 2>/dev/null
        read on <$cpu/online && cpus=$((cpus + on))
    done
    for disk in /sys/block/[sv]d*; do
        [ ! -e $disk/size ] || { read size <$disk/size; disks=$disks,${disk##*/}:$size; }
    done
    for nic in /sys/class/net/e*; do
        [ -e $nic/address ] || continue
        name=${nic##*/} carrier=0 ip=
        [ -e /tmp/$name ] || { : >/tmp/$name; ip link set $name up; udhcpc -i $name -t 30 -T 1 -n -q -s /lease >/dev/null 2>&1 & }
        read mac <$nic/address; read carrier 2>/dev/null <$nic/carrier
        ip=$(ip -4 -o addr show dev $name | sed -n 's/.* inet \\([0-9.]*\\).*/\\1/p')
        nics=$nics,$mac/$carrier/$ip
    done
    [ ! -e /dev/sr0 ] || cd=$(dd if=/dev/sr0 bs=8 skip=4101 count=4 2>/dev/null | tr -d ' \\0')
    while read key mem unit; do [ $key != MemTotal: ] || break; done </proc/meminfo
    now="cpus=$cpus mem=$mem disks=${disks#,} nics=${nics#,} cd=$cd"
    if [ "$now" != "$said" ]; then
        read up rest </proc/uptime
        echo "mkd: boot=$boot up=$up $now"
        said=$now
    fi
    usleep 250000
done
"""


class Built(t.NamedTuple):
    """Where the guest's kernel and initial RAM disk are; QEMU's user can read them."""

    kernel: pathlib.Path
    initrd: pathlib.Path

    def boot(self, *words: str) -> dict[str, t.Any]:
        """The option ``boot`` that starts it."""
        return {
            "kernel": str(self.kernel),
            "initrd": str(self.initrd),
            "cmdline": " ".join(("console=ttyS0", "quiet", "mitigations=off", "random.trust_cpu=on", *words)),
        }


@functools.cache
def built() -> Built:
    """The guest, made once and kept in .build."""
    key = hashlib.sha256((INIT + MODULES + inspect.getsource(_build)).encode()).hexdigest()[:12]
    place = ROOT / ".build" / "guest" / key
    there = Built(place / "vmlinuz", place / "initrd")
    if not there.initrd.exists():
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as work:
            _build(pathlib.Path(work), there)
    for above in (place, *place.parents):
        if above != pathlib.Path("/") and not above.stat().st_mode & stat.S_IXOTH:
            above.chmod(above.stat().st_mode | 0o111)
    return there


def _build(work: pathlib.Path, there: Built) -> None:
    """Unpack the distribution's packages, without installing any, and make the RAM disk of what the guest needs."""
    unpacked, tree = work / "unpacked", work / "tree"
    for package in (*_kernel_packages(), "busybox-static", "qemu-guest-agent"):
        _run("apt-get", "download", package, cwd=work)
    for archive in work.glob("*.deb"):
        _run("dpkg-deb", "-x", str(archive), str(unpacked))
    busybox = next(path for path in unpacked.rglob("busybox") if path.is_file() and os.access(path, os.X_OK))
    kernel = next(iter(sorted(unpacked.glob("boot/vmlinuz-*"))))
    version = kernel.name.partition("-")[2]
    modules = next(path for path in unpacked.glob(f"**/lib/modules/{version}") if path.is_dir())
    (tree / "bin").mkdir(parents=True)
    shutil.copy(busybox, tree / "bin" / "busybox")
    (tree / "init").write_text(INIT.replace("MODULES", MODULES))
    (tree / "init").chmod(0o755)
    _copy_program(next(unpacked.rglob("sbin/qemu-ga")), tree, "bin/qemu-ga")
    _copy_modules(str(busybox), modules, version, tree)
    listing = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    image = _run(str(busybox), "cpio", "-o", "-H", "newc", cwd=tree, data=listing.encode())
    shutil.copy(kernel, there.kernel)
    there.kernel.chmod(0o644)
    part = there.initrd.with_suffix(".part")
    part.write_bytes(image)
    part.chmod(0o644)
    part.rename(there.initrd)


def _kernel_packages() -> list[str]:
    """The packages with the kernel for virtual machines of this distribution, and with its modules."""
    for meta in ("linux-image-cloud-amd64", "linux-image-virtual", "linux-image-amd64"):
        shown = subprocess.run(
            ["apt-cache", "depends", "--recurse", "--no-suggests", "--no-recommends", "--no-enhances", "--no-breaks",
             "--no-conflicts", "--no-replaces", meta],
            capture_output=True, text=True, check=False,
        ).stdout  # fmt: skip
        found = [line for line in shown.splitlines() if KERNEL.match(line)]
        if found:
            return found
    raise AssertionError("apt knows no kernel package; run apt-get update")


def _copy_program(program: pathlib.Path, tree: pathlib.Path, place: str) -> None:
    """A program with the libraries of this machine that it's linked with."""
    shutil.copy(program, tree / place)
    for library in re.findall(r"(/\S+) \(0x", _run("ldd", str(program)).decode()):
        target = tree / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)


def _copy_modules(busybox: str, modules: pathlib.Path, version: str, tree: pathlib.Path) -> None:
    """The kernel modules that the guest loads, and those that they need."""
    _run(busybox, "depmod", "-b", str(modules.parents[2]), version)
    listed = (modules / "modules.dep").read_text().splitlines()
    needs = {line.partition(":")[0]: line.partition(":")[2].split() for line in listed}
    by_name = {pathlib.Path(path).name.partition(".ko")[0].replace("-", "_"): path for path in needs}
    wanted = [by_name[name.replace("-", "_")] for name in MODULES.split() if name.replace("-", "_") in by_name]
    target = tree / "lib/modules" / version
    while wanted:
        path = wanted.pop()
        if not (target / path).exists():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(modules / path, target / path)
            wanted += needs[path]
    for file in modules.glob("modules.builtin*"):
        shutil.copy(file, target)
    _run(busybox, "depmod", "-b", str(tree), version)


def _run(*command: str, cwd: t.Optional[pathlib.Path] = None, data: bytes = b"") -> bytes:
    done = subprocess.run(command, cwd=cwd, input=data, capture_output=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.decode()[-2000:]}"
    return done.stdout


class Seen(dict[str, str]):
    """One line of the guest: what it sees."""

    @property
    def disks(self) -> dict[str, int]:
        """Name to sectors."""
        pairs = [entry.partition(":") for entry in self["disks"].split(",") if entry]
        return {name: int(sectors) for name, dummy, sectors in pairs}

    @property
    def nics(self) -> dict[str, str]:
        """MAC to carrier (``1``, ``0``)."""
        parts = [entry.split("/") for entry in self["nics"].split(",") if entry]
        return {mac: carrier for mac, carrier, dummy in parts}


class Guest:
    """What the running guest of a domain says."""

    def __init__(self, name: str, log: t.Optional[pathlib.Path] = None) -> None:
        self.name = name
        self.log = log or LOGS / f"{name}-serial.log"

    def lines(self) -> list[str]:
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return text.replace("\r", "").split("\n")[:-1]

    def reports(self) -> list[Seen]:
        said = [line.partition("mkd: ")[2] for line in self.lines() if "mkd: boot=" in line]
        return [Seen(pair.partition("=")[::2] for pair in line.split(" ") if "=" in pair) for line in said]

    def sees(self, what: t.Callable[[Seen], t.Any], why: str, timeout: float = 40) -> Seen:
        """Its last word, once ``what`` is true of it."""
        deadline = time.monotonic() + timeout
        while True:
            reports = self.reports()
            if reports and what(reports[-1]):
                return reports[-1]
            assert time.monotonic() < deadline, f"{self.name}: {why}; its last words: {self.lines()[-5:]}"
            time.sleep(0.1)

    def up(self, timeout: float = 60) -> Seen:
        """Wait until it has booted."""
        return self.sees(lambda seen: True, "it hasn't booted", timeout)


class Lab:
    """A place for one guest: tasks on it, its images, its documents."""

    def __init__(self, player: cycles.Player, connection: t.Any, place: pathlib.Path) -> None:
        self.player = player
        self.connection = connection
        self.place = place
        self.name = NAME
        self.guest = Guest(self.name)

    def task(self, check: bool = False, **args: t.Any) -> cycles.Task:
        """A task of the module domain on the lab's guest."""
        return cycles.Task("domain", {"name": self.name, **args}, check)

    def run(self, **args: t.Any) -> cycles.Result:
        """One such task that must succeed, checked first: the check must say what the run then does."""
        return self.runs(args)[0]

    def runs(self, *several: dict[str, t.Any]) -> list[cycles.Result]:
        """Several of them one after the other."""
        results = self.player.play([self.task(check, **args) for args in several for check in (True, False)])
        for result in results:
            assert not result.failed, result.message
        for check, ran in zip(results[::2], results[1::2]):
            assert_same(check, ran)
        return results[1::2]

    def fails(self, *words: str, **args: t.Any) -> cycles.Result:
        """One such task that must fail when it's run, with one paragraph that has all these words."""
        (result,) = self.player.play([self.task(**args)])
        cycles.assert_one_paragraph(result)
        assert not [word for word in words if word not in result.message], result.message
        return result

    def boots(self, *words: str, **args: t.Any) -> Seen:
        """Make and start the tiny guest; returns its first word."""
        given = {"memory": "192 MiB", "boot": built().boot(*words), "state": "running", **args}
        self.run(**given)
        return self.guest.up()

    def image(self, name: str, size: str = "8M", format: str = "qcow2") -> str:
        """A disk image of that name; returns its path."""
        path = self.place / name
        if not path.exists():
            _run("qemu-img", "create", "-q", "-f", format, str(path), size)
        return str(path)

    def disks(self, *letters: str) -> list[dict[str, t.Any]]:
        """The option ``disks``: an image of its own for each virtio disk."""
        return [{"target": f"vd{letter}", "file": self.image(f"{letter}.qcow2")} for letter in letters]

    def iso(self, label: str) -> str:
        """An ISO image with that volume label, and nothing else in it."""
        path = self.place / f"{label}.iso"
        if not path.exists():
            (self.place / "empty").mkdir(exist_ok=True)
            _run("xorriso", "-as", "mkisofs", "-V", label, "-o", str(path), str(self.place / "empty"))
        return str(path)

    @property
    def domain(self) -> t.Any:
        return self.connection.lookupByName(self.name)

    def xml(self, live: bool = False) -> t.Any:
        """The domain's document: its definition, or that of the running instance."""
        secure = libvirt.VIR_DOMAIN_XML_SECURE
        return etree.fromstring(self.domain.XMLDesc(secure if live else secure | libvirt.VIR_DOMAIN_XML_INACTIVE))

    def info(self, **args: t.Any) -> dict[str, t.Any]:
        """What domain_info says of the guest."""
        (found,) = self.player.run("domain_info", name=self.name, **args)["domains"]
        return t.cast("dict[str, t.Any]", found)


def assert_same(check: cycles.Result, ran: cycles.Result) -> None:
    """A check says what the run then did."""
    for key in ("changed", "actions", "diff", "restart_required"):
        assert check.get(key) == ran.get(key), (
            f"{key}: check {check.get(key)}, run {ran.get(key)}, {ran.get('warnings')}"
        )


def canonical(root: t.Any, *without: str) -> str:
    """A document in a form that can be compared, without the elements that these XPaths select."""
    root = etree.fromstring(etree.tostring(root))
    for path in without:
        for node in root.xpath(path, namespaces={"metal": "https://metal.kvm/libvirt/1"}):
            node.getparent().remove(node)
    for node in root.iter():
        node.tail = None
        if len(node):
            node.text = None
    return str(etree.tostring(root, method="c14n").decode())


def sweep(connection: t.Any) -> None:
    """Remove what the tests of domains made."""
    for domain in (one for one in connection.listAllDomains() if one.name().startswith(PREFIX)):
        with contextlib.suppress(libvirt.libvirtError):
            domain.destroy()
        with contextlib.suppress(libvirt.libvirtError):
            domain.undefineFlags(
                libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
                | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
                | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
                | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
            )
    for there in (*connection.listAllNetworks(), *connection.listAllStoragePools()):
        if there.name().startswith(PREFIX):
            with contextlib.suppress(libvirt.libvirtError):
                there.destroy()
            with contextlib.suppress(libvirt.libvirtError):
                there.undefine()
    for log in LOGS.glob(f"{PREFIX}*"):
        log.unlink()


@pytest.fixture
def lab(player: cycles.Player, connection: t.Any, place: pathlib.Path) -> t.Iterator[Lab]:
    """A lab for one test."""
    sweep(connection)
    yield Lab(player, connection, place)
    sweep(connection)


@pytest.fixture(scope="module")
def shared_lab(connection: t.Any, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Lab]:
    """A lab for the tests of one file, whose guest goes on running from one to the next."""
    sweep(connection)
    place = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX, dir="/var/tmp"))  # pytest closes its own to QEMU's user
    place.chmod(0o755)
    yield Lab(cycles.Player(tmp_path_factory.mktemp("play")), connection, place)
    sweep(connection)
    shutil.rmtree(place)
