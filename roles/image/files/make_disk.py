# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn a directory tree with Debian in it into a disk that boots by itself, with BIOS and with UEFI.

Needs neither loop devices nor mounts: every part is written into the image file at its offset.
GPT, three partitions, numbered as in Debian's own cloud images:

    14  BIOS boot partition   GRUB's core image (x86 only)
    15  EFI system partition  shim and GRUB as Debian signed them, so Secure Boot works
     1  root, ext4            last on the disk, so that it can grow
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

SECTOR = 512
MIB = 1024 * 1024

BIOS_BOOT = (1 * MIB, 1 * MIB)  # offset, length
ESP = (2 * MIB, 62 * MIB)
ROOT_OFFSET = 64 * MIB
BACKUP_GPT = 1 * MIB  # kept free at the end

BIOS_BOOT_TYPE = "21686148-6449-6E6F-744E-656564454649"
ESP_TYPE = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
ROOT_TYPES = {
    "amd64": "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
    "arm64": "B921B045-1DF0-41C3-AF44-4C6F280D3FAE",
}
EFI_SUFFIX = {"amd64": "x64", "arm64": "aa64"}

# What every GRUB since 2.02 reads and every mke2fs since 1.43 writes, whatever the host's mke2fs.conf says.
EXT4_FEATURES = (
    "none,has_journal,ext_attr,dir_index,filetype,sparse_super,large_file,resize_inode,"
    "extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize"
)

GRUB_MODULES = ["biosdisk", "part_gpt", "ext2", "search", "search_fs_uuid", "normal", "configfile"]

# Offsets in GRUB's boot.img and diskboot.img (grub: include/grub/i386/pc/boot.h).
BOOT_CODE_END = 0x1B8
BOOT_KERNEL_SECTOR = 0x5C
BOOT_DRIVE_CHECK = 0x66
DISKBOOT_FIRST_BLOCK = 0x1F4


def run(*argv: str, text: str | None = None) -> None:
    """Run a tool; its output is shown only if it fails."""
    done = subprocess.run(argv, input=text, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)} failed with exit code {done.returncode}: {done.stdout.strip()}")


def size_in_bytes(text: str) -> int:
    """Bytes, rounded up to whole MiB. Accepts '3 GiB', '3G', '3072 MiB', '3221225472 B'."""
    match = re.fullmatch(r"\s*(\d+)\s*(?:B|([KMGT])(?:iB)?)\s*", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size with a unit, such as '3 GiB'")
    size = int(match.group(1)) * 1024 ** (" KMGT".index(match.group(2)) if match.group(2) else 0)
    return -(-size // MIB) * MIB


def partition(disk: Path, size: int, arch: str) -> None:
    """Write the partition table into a sparse file of `size` bytes."""
    rows = [
        (14, *BIOS_BOOT, BIOS_BOOT_TYPE),
        (15, *ESP, ESP_TYPE),
        (1, ROOT_OFFSET, size - ROOT_OFFSET - BACKUP_GPT, ROOT_TYPES[arch]),
    ]
    if arch != "amd64":
        del rows[0]
    lines = [
        f"{disk}{number} : start={start // SECTOR}, size={length // SECTOR}, type={kind}"
        for number, start, length, kind in rows
    ]
    with disk.open("wb") as image:
        image.truncate(size)
    run("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", str(disk), text="\n".join(["label: gpt", *lines, ""]))


def write_root(disk: Path, size: int, tree: Path, uuid: str) -> None:
    """Make the root filesystem in place, with the tree's files in it."""
    blocks = (size - ROOT_OFFSET - BACKUP_GPT) // 4096
    run(
        *("mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-O", EXT4_FEATURES, "-L", "root", "-U", uuid),
        *("-d", str(tree), "-E", f"offset={ROOT_OFFSET},lazy_itable_init=1,lazy_journal_init=1"),
        *(str(disk), str(blocks)),
    )


def write_esp(disk: Path, tree: Path, uuid: str, arch: str) -> None:
    """Make the EFI system partition: signed shim and GRUB at the removable path, and GRUB's pointer to the root."""
    suffix = EFI_SUFFIX[arch]
    esp = f"{disk}@@{ESP[0]}"
    shim = tree / "usr/lib/shim"
    signed = tree / "usr/lib/grub" / f"{'x86_64' if arch == 'amd64' else 'arm64'}-efi-signed"
    pointer = f"search.fs_uuid {uuid} root\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n"
    run("mformat", "-i", esp, "-T", str(ESP[1] // SECTOR), "-h", "64", "-s", "32", "-v", "EFI", "::")
    run("mmd", "-i", esp, "::/EFI", "::/EFI/BOOT", "::/EFI/debian")
    run("mcopy", "-i", esp, str(shim / f"shim{suffix}.efi.signed"), f"::/EFI/BOOT/BOOT{suffix.upper()}.EFI")
    run("mcopy", "-i", esp, str(signed / f"grub{suffix}.efi.signed"), f"::/EFI/BOOT/grub{suffix}.efi")
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as file:
        file.write(pointer)
        file.flush()
        run("mcopy", "-i", esp, file.name, "::/EFI/debian/grub.cfg")


def write_bios_grub(disk: Path, tree: Path, uuid: str) -> None:
    """Put GRUB's boot sector and core image where its own installer puts them on a GPT disk."""
    modules = tree / "usr/lib/grub/i386-pc"
    with tempfile.TemporaryDirectory() as scratch:
        early, core_file = Path(scratch, "early.cfg"), Path(scratch, "core.img")
        early.write_text(f"search.fs_uuid {uuid} root\nset prefix=($root)'/boot/grub'\n")
        make_core = ["usr/bin/grub-mkimage", "-O", "i386-pc", "-p", "/boot/grub", *GRUB_MODULES]
        in_tree = tree / "tmp/metal-kvm-grub"
        in_tree.mkdir()
        try:
            shutil.copy(early, in_tree / "early.cfg")
            run(
                *("chroot", str(tree), f"/{make_core[0]}", "-c", "/tmp/metal-kvm-grub/early.cfg"),
                *("-o", "/tmp/metal-kvm-grub/core.img", *make_core[1:]),
            )
            shutil.copy(in_tree / "core.img", core_file)
        finally:
            shutil.rmtree(in_tree)
        core = bytearray(core_file.read_bytes())
    if len(core) > BIOS_BOOT[1]:
        raise SystemExit(f"GRUB's core image has {len(core)} bytes, the BIOS boot partition only {BIOS_BOOT[1]}.")
    start = BIOS_BOOT[0] // SECTOR
    struct.pack_into("<Q", core, DISKBOOT_FIRST_BLOCK, start + 1)
    boot = bytearray((modules / "boot.img").read_bytes()[:BOOT_CODE_END])
    struct.pack_into("<Q", boot, BOOT_KERNEL_SECTOR, start)
    boot[BOOT_DRIVE_CHECK : BOOT_DRIVE_CHECK + 2] = b"\x90\x90"  # a disk, never a floppy: trust the BIOS's drive number
    with disk.open("r+b") as image:
        image.write(boot)
        image.seek(BIOS_BOOT[0])
        image.write(core)


def stage_grub(tree: Path) -> None:
    """GRUB's modules under /boot/grub, as its installer leaves them."""
    source = tree / "usr/lib/grub/i386-pc"
    target = tree / "boot/grub/i386-pc"
    target.mkdir(parents=True, exist_ok=True)
    for pattern in ("*.mod", "*.lst"):
        for file in source.glob(pattern):
            shutil.copy(file, target)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a bootable disk of a directory tree.")
    parser.add_argument("tree", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--size", type=size_in_bytes, required=True)
    parser.add_argument("--format", choices=["qcow2", "raw"], default="qcow2")
    parser.add_argument("--arch", choices=sorted(ROOT_TYPES), required=True)
    parser.add_argument("--uuid", required=True, help="of the root filesystem")
    options = parser.parse_args()

    # The tools of the partition table live in /sbin, which isn't on everyone's path.
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    os.environ["MTOOLS_SKIP_CHECK"] = "1"
    disk = options.output.with_name(options.output.name + ".raw")
    try:
        partition(disk, options.size, options.arch)
        if options.arch == "amd64":
            stage_grub(options.tree)
        write_root(disk, options.size, options.tree, options.uuid)
        write_esp(disk, options.tree, options.uuid, options.arch)
        if options.arch == "amd64":
            write_bios_grub(disk, options.tree, options.uuid)
        if options.format == "raw":
            disk.replace(options.output)
        else:
            run("qemu-img", "convert", "-f", "raw", "-O", options.format, str(disk), str(options.output))
    finally:
        disk.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
