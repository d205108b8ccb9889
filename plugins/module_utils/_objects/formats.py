# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Formats of disk images: by what the file says, else by its name's ending. libvirt's own guess is never relied on."""

from __future__ import annotations

import json
import os
import typing as t

from .._command import run
from .._plan import KvmError

IMAGES = ("raw", "qcow2", "qcow", "qed", "vmdk", "vpc", "vdi")  # what QEMU makes
FORMATS = (*IMAGES, "bochs", "cloop", "dmg", "iso", "dir", "ploop")

_ENDINGS = {
    "qcow2": "qcow2",
    "qcow": "qcow",
    "qed": "qed",
    "vmdk": "vmdk",
    "vdi": "vdi",
    "vhd": "vpc",
    "img": "raw",
    "raw": "raw",
    "iso": "raw",
}


def written(form: str) -> str:
    """What QEMU calls a volume's format: libvirt tells an ISO image by its content."""
    return "raw" if form == "iso" else form


def by_ending(name: str, otherwise: str = "qcow2") -> str:
    """The format that a file's name stands for."""
    return _ENDINGS.get(name.rpartition(".")[2].lower(), otherwise)


def image_info(path: str, option: str) -> dict[str, t.Any]:
    """What ``qemu-img info`` says about an image on this machine; works on one that a guest is using."""
    return t.cast("dict[str, t.Any]", _image_info(path, option))


def image_chain(path: str, option: str) -> list[dict[str, t.Any]]:
    """The same of an image and of all that it's backed by, from the top down."""
    return t.cast("list[dict[str, t.Any]]", _image_info(path, option, "--backing-chain"))


def _image_info(path: str, option: str, *more: str) -> t.Any:
    try:
        done = run(["qemu-img", "info", "--output=json", "-U", *more, path])
    except FileNotFoundError as error:
        raise KvmError(
            f"{option}: qemu-img isn't installed, so the format of {path} can't be read",
            "Install qemu-utils (qemu-img on Fedora and SUSE's qemu-tools), or apply the role metal.kvm.host.",
            option=option,
        ) from error
    if done.status:
        raise KvmError(
            f"{option}: {path} can't be read as a disk image: {done.last_words}",
            "Check the path, or say the format.",
            option=option,
        )
    return json.loads(done.output)


def of_file(path: str, option: str = "format") -> str:
    """The format of an image file or block device on this machine."""
    if not os.path.exists(path):
        raise KvmError(f"{option}: {path} does not exist", "Correct the path, or say the format.", option=option)
    return str(image_info(path, option)["format"])
