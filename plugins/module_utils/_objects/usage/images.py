# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backing chains, read from the images themselves, whether or not a pool knows them."""

from __future__ import annotations

import errno
import functools
import json
import os
import stat
import typing as t

from ..._libvirt import tried
from ..._plan import KvmError
from .. import storage
from ..formats import image_info
from .identity import Key, device_keys, keys_of, network_key

if t.TYPE_CHECKING:
    from ..._libvirt import World

NOTHING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ENOMEDIUM)  # no image, and no doubt about it
HEADER = 80
QCOW, DATA_FILE = b"QFI\xfb", 1 << 2
REFERRING = (
    b"QED\0",
    b"KDMV",
    b"COWD",
    b"# Disk DescriptorFile",
)  # formats beside qcow and qcow2 that name other files


class Chain:
    """An image and all that it needs: ``keys`` and ``paths`` of the images, and what couldn't be found out, in sentences."""

    __slots__ = ("doubts", "keys", "paths")

    def __init__(self) -> None:
        self.keys: set[Key] = set()
        self.paths: list[str] = []
        self.doubts: list[str] = []


class Images:
    """Images by their path on this machine, each read once."""

    local = True

    def __init__(self) -> None:
        self._read: dict[str, tuple[list[str], str]] = {}

    def chain(self, path: str) -> Chain:
        """The chain from ``path`` down."""
        chain, waiting, seen = Chain(), [path], set()
        while waiting:
            name = self._resolved(waiting.pop())
            if name in seen:
                continue
            seen.add(name)
            if not name.startswith("/"):
                chain.keys.add(network_key(name))
                continue
            chain.paths.append(name)
            chain.keys |= self._keys(name)
            below, doubt = self._below(name)
            waiting += below
            chain.doubts += [doubt] if doubt else []
        return chain

    def _resolved(self, name: str) -> str:
        return os.path.realpath(name) if name.startswith("/") else name

    def _keys(self, path: str) -> set[Key]:
        return keys_of(path) | device_keys(path)

    def _below(self, path: str) -> tuple[list[str], str]:
        """The names of what an image is made of, and why they're not known, ``""`` if they are."""
        if path not in self._read:
            try:
                self._read[path] = (referred(path), "")
            except KvmError as error:
                self._read[path] = ([], f"image {path} can't be read ({error.message})")
            except OSError as error:
                doubt = "" if error.errno in NOTHING else f"image {path} can't be read ({error.strerror})"
                self._read[path] = ([], doubt)
        return self._read[path]


class FarImages(Images):
    """Images on another machine: known as far as its pools know them."""

    local = False

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    def _resolved(self, name: str) -> str:
        return os.path.normpath("/" + name.lstrip("/")) if name.startswith("/") else name

    def _keys(self, path: str) -> set[Key]:
        return keys_of(path, local=False)

    def _below(self, path: str) -> tuple[list[str], str]:
        if path not in self._read:
            found, why = tried(functools.partial(storage.by_path, self.world, path))
            if found is None:
                why = why or f"no pool over {self.world.uri} has {path}"
            self._read[path] = ([found.backing] if found is not None and found.backing else [], why)
        return self._read[path]


def referred(path: str) -> list[str]:
    """The other files that the image at ``path`` names: backing image, data file, extents.

    Raises OSError or KvmError if they can't be read.
    """
    if not _may_refer(path):
        return []
    info = image_info(path, "storage")
    data = info.get("format-specific", {}).get("data", {})
    names = [info.get("full-backing-filename") or info.get("backing-filename"), data.get("data-file")]
    names += [extent.get("filename") for extent in data.get("extents", ())]
    return [one for name in names if name for one in _spelled(str(name), os.path.dirname(path))]


def _may_refer(path: str) -> bool:
    """Whether the file begins as an image that can name others; a fast look that spares running a program."""
    if stat.S_IFMT(os.stat(path).st_mode) not in (stat.S_IFREG, stat.S_IFBLK):
        return False
    with open(path, "rb", buffering=0) as file:
        header = file.read(HEADER)
    if not header.startswith(QCOW):
        return header.startswith(REFERRING)
    whole = len(header) == HEADER
    backing = int.from_bytes(header[8:16], "big")
    has_data_file = header[4:8] == b"\0\0\0\3" and int.from_bytes(header[72:80], "big") & DATA_FILE
    return bool(not whole or backing or has_data_file)


def _spelled(name: str, directory: str) -> list[str]:
    """The paths or network names that an image's reference means."""
    if name.startswith("json:"):
        try:
            return list(_in_json(json.loads(name[len("json:") :])))
        except ValueError:
            raise KvmError(f"its reference {name} is no JSON") from None
    if name.startswith("file:"):
        name = "/" + name[len("file:") :].lstrip("/")
    if name.startswith("/") or ":" in name.partition("/")[0]:
        return [name]
    return [os.path.join(directory, name)]


def _in_json(value: t.Any, key: str = "") -> t.Iterator[str]:
    """QEMU's description of an image: files by their name, images of Ceph by pool and name, and so on."""
    if isinstance(value, list):
        for inner in value:
            yield from _in_json(inner)
    elif isinstance(value, dict):
        if value.get("pool") and value.get("image"):
            yield f"rbd:{value['pool']}/{value['image']}"
        for name, inner in value.items():
            yield from _in_json(inner, name)
    elif key.rpartition(".")[2] in ("filename", "path") and str(value):
        yield str(value) if str(value).startswith("/") else f"json:{value}"
