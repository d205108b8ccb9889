# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the tests of every option of a domain on the libvirt and QEMU of Debian 13, wherever this machine's are older.

A tree of that system is made once, in .build/newer. The tests enter it with namespaces of their own: its libvirtd, its
Python, this machine's kernel. Everything that they start ends with the first process of the namespace.

usage: python tools/newer.py [more arguments of pytest]   as root
"""

from __future__ import annotations

import hashlib
import pathlib
import shutil
import subprocess
import sys

import ansible
from inside import COLLECTION, ROOT

SYSTEM, SUITE = "Debian 13", "trixie"
PLACE = ROOT / ".build" / "newer"
TREE = PLACE / "tree"
INSIDE = "srv/metal.kvm"
PACKAGES = [
    "libvirt-daemon-system",
    "libvirt-clients",
    "qemu-system-x86",
    "qemu-system-modules-spice",
    "qemu-block-extra",
    "qemu-utils",
    "python3-libvirt",
    "python3-lxml",
    "python3-yaml",
    "python3-pytest",
    "python3-pycdlib",
    "passt",
    "swtpm",
    "swtpm-tools",
    "ovmf",
    "openssl",
    "virtiofsd",
    "iproute2",
    "dnsmasq-base",
    "iptables",
    "dbus",
]
TESTS = ["tests/integration/test_rows_of_domain.py", "-k", "test_case"]

# The first process: what the tree sees of this machine, then its daemons, then the tests. virtiofsd
# wants the tree to be the root of all mounts; libvirtd asks QEMU anew what it can at each call while its group may not
# use the KVM that QEMU tells of. The shell stays, as who takes leave of daemons' children.
ENTER = f"""set -e
mount --bind {TREE} {TREE}
mount --rbind /dev {TREE}/dev
mount -t sysfs sysfs {TREE}/sys
mount -t proc proc {TREE}/proc
mount -t tmpfs run {TREE}/run
mount -t tmpfs tmp {TREE}/tmp
mount --bind {ROOT} {TREE}/{INSIDE}/{COLLECTION}
mount --bind {pathlib.Path(ansible.__file__).parent} {TREE}/{INSIDE}/ansible
ip link set lo up
cd {TREE}
[ ! -e dev/kvm ] || chroot . groupmod --non-unique --gid "$(stat --format=%g dev/kvm)" kvm
pivot_root . mnt
exec chroot . sh -c 'umount --lazy /mnt; mkdir /run/lock; virtlogd -d; libvirtd -d
    cd /{INSIDE}/{COLLECTION}; "$@"; exit $?' sh "$@"
"""


def run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def make() -> None:
    """The tree, from the archives that this machine's apt knows, reached as it reaches them."""
    key = hashlib.sha256(repr((SUITE, PACKAGES)).encode()).hexdigest()
    mark = PLACE / "made"
    if mark.exists() and mark.read_text(encoding="utf-8") == key:
        return
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    words = ["Created-By: Packages", "Origin: Debian", "Label: Debian"]
    archives = sorted({*run("apt-get", "indextargets", "--format", "$(REPO_URI)", *words).split()})
    ways = run("apt-config", "dump", "--no-empty", "Acquire").splitlines()
    run(
        *("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--include={','.join(PACKAGES)}"),
        *(f"--aptopt={line}" for line in [*ways, 'APT::Install-Recommends "false"']),
        *("--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*"),
        *(SUITE, str(TREE), *(f"deb {archive} {SUITE} main" for archive in archives)),
    )
    for name in (COLLECTION, "ansible"):
        (TREE / INSIDE / name).mkdir(parents=True)
    with (TREE / "etc/libvirt/qemu.conf").open("a", encoding="utf-8") as conf:
        conf.write("namespaces = []\n")  # the /dev that libvirt makes for a guest of one made of mounts is empty
    mark.write_text(key, encoding="utf-8")


def main() -> int:
    make()
    command = ["python3", "tools/inside.py", SYSTEM, *TESTS, *sys.argv[1:]]
    spaces = ["--mount", "--net", "--pid", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child"]
    return subprocess.run(["unshare", *spaces, "sh", "-c", ENTER, "sh", *command], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
