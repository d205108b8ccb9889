# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tiny guest (guest.py) as a disk image that a BIOS boots: GRUB, a file system with its kernel and initial RAM disk."""

from __future__ import annotations

import functools
import hashlib
import inspect
import pathlib
import subprocess
import tempfile

from guest import built

START = 1024**2  # where the file system begins
MODULES = ("biosdisk", "part_msdos", "ext2", "linux", "normal")
CONFIG = """
linux (hd0,msdos1)/vmlinuz console=ttyS0 quiet mitigations=off random.trust_cpu=on mkd.cloud
initrd (hd0,msdos1)/initrd
boot
"""


@functools.cache
def image() -> pathlib.Path:
    """The image, qcow2, made once and kept beside the guest's kernel."""
    guest = built()
    key = hashlib.sha256((inspect.getsource(_build) + CONFIG).encode()).hexdigest()[:12]
    path = guest.kernel.parent / f"disk-{key}.qcow2"
    if not path.exists():
        with tempfile.TemporaryDirectory() as work:
            _build(pathlib.Path(work), guest.kernel, guest.initrd, path)
    return path


def _build(work: pathlib.Path, kernel: pathlib.Path, initrd: pathlib.Path, path: pathlib.Path) -> None:
    for package in ("grub-pc-bin", "grub-common"):
        _run("apt-get", "download", package, cwd=work)
    for archive in work.glob("*.deb"):
        _run("dpkg-deb", "-x", str(archive), str(work / "grub"))
    modules, disk, core = work / "grub/usr/lib/grub/i386-pc", work / "disk", work / "core.img"
    (work / "grub.cfg").write_text(CONFIG)
    _run(str(work / "grub/usr/bin/grub-mkimage"), f"--directory={modules}", "--format=i386-pc", f"--output={core}",
         "--prefix=(hd0,msdos1)/", f"--config={work / 'grub.cfg'}", *MODULES)  # fmt: skip
    (work / "tree").mkdir()
    (work / "tree/vmlinuz").write_bytes(kernel.read_bytes())
    (work / "tree/initrd").write_bytes(initrd.read_bytes())
    with disk.open("wb") as file:
        file.truncate(START + kernel.stat().st_size + initrd.stat().st_size + 16 * 1024**2)
    _run("mkfs.ext2", "-q", "-F", "-O", "none,filetype,sparse_super", "-d", str(work / "tree"), "-E", f"offset={START}", str(disk),
         f"{(disk.stat().st_size - START) // 1024}k")  # fmt: skip
    _run("sfdisk", "-q", str(disk), data=f"label: dos\nstart={START // 512}, type=83, bootable\n")
    with disk.open("r+b") as file:
        file.write((modules / "boot.img").read_bytes()[:440])
        file.seek(512)
        file.write(core.read_bytes())
    part = path.with_suffix(".part")
    _run("qemu-img", "convert", "-c", "-O", "qcow2", str(disk), str(part))
    part.rename(path)


def _run(*command: str, cwd: pathlib.Path | None = None, data: str = "") -> None:
    done = subprocess.run(command, cwd=cwd, input=data, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
