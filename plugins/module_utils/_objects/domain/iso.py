# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ISO images, written and read; and small volumes that are made of bytes: seeds, answers, kernels."""

from __future__ import annotations

import io
import typing as t

from ..._plan import KvmError, refuse
from ..._xml import document

if t.TYPE_CHECKING:
    from ..._libvirt import World

Files = dict[str, str]
Kept = tuple[bytes, str]  # what was in a volume, and its permissions

PYCDLIB = "Install python3-pycdlib from the distribution (the role metal.kvm.host does)."


def read_iso(image: bytes) -> t.Optional[Files]:
    """File name to text of an ISO image's root; None for what isn't one."""
    pycdlib = _pycdlib()
    iso = pycdlib.PyCdlib()
    try:
        iso.open_fp(io.BytesIO(image))
    except Exception:
        return None
    files = {}
    for child in iso.list_children(rr_path="/"):
        if child is not None and child.is_file():
            out = io.BytesIO()
            name = child.rock_ridge.name().decode()
            iso.get_file_from_iso_fp(out, rr_path=f"/{name}")
            files[name] = out.getvalue().decode()
    iso.close()
    return files


def make_iso(files: Files, label: str = "cidata") -> bytes:
    """An ISO image with that volume label; as ``cidata`` the NoCloud data source looks for it."""
    iso = _pycdlib().PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=label)
    for name, text in sorted(files.items()):
        data = text.encode()
        base, dot, ending = name.replace("-", "").upper().partition(".")
        iso.add_fp(io.BytesIO(data), len(data), f"/{base[:8]}.{ending[:3]};1", rr_name=name, joliet_path=f"/{name}")
    out = io.BytesIO()
    iso.write_fp(out)
    iso.close()
    return out.getvalue()


def first_there(path: str, candidates: t.Iterable[tuple[str, ...]], option: str) -> t.Optional[tuple[str, ...]]:
    """The first of the candidates, each some files of the ISO image at ``path``, that are all in it."""
    with _Opened(path, option) as iso:
        for names in candidates:
            if all(_place(iso, name) for name in names):
                return names
    return None


def file_of(path: str, name: str, option: str) -> bytes:
    """The content of a file in the ISO image at ``path``."""
    with _Opened(path, option) as iso:
        place = _place(iso, name)
        if not place:
            refuse(option, f"{path} has no file {name}", "Correct the name.")
        out = io.BytesIO()
        iso.get_file_from_iso_fp(out, **place)
        return out.getvalue()


class _Opened:
    """An ISO image of this machine, open as long as the block runs."""

    def __init__(self, path: str, option: str) -> None:
        self.iso = _pycdlib().PyCdlib()
        try:
            self.iso.open(path)
        except Exception as error:
            raise KvmError(
                f"{option}: {path} can't be read as an ISO image: {error}", "Correct the path.", option=option
            ) from error

    def __enter__(self) -> t.Any:
        return self.iso

    def __exit__(self, *dummy: t.Any) -> None:
        self.iso.close()


def _place(iso: t.Any, name: str) -> dict[str, str]:
    """The file as pycdlib is asked for it: by its long name, else by the one of ISO 9660; nothing where it isn't there."""
    plain = name.upper() + (";1" if "." in name.rpartition("/")[2] else ".;1")
    ways = {"rr_path": name} if iso.has_rock_ridge() else {"joliet_path": name} if iso.has_joliet() else {}
    for way, spelled in {**ways, "iso_path": plain}.items():
        try:
            iso.get_record(**{way: spelled})
        except Exception:  # pycdlib has an error of its own for each way of not being there
            continue
        return {way: spelled}
    return {}


def _pycdlib() -> t.Any:
    try:
        import pycdlib
    except ImportError as error:
        raise KvmError(f"ISO images are made and read with pycdlib, which isn't there ({error})", PYCDLIB) from error
    return pycdlib


def read_volume(world: World, pool: str, name: str) -> t.Optional[Kept]:
    """The bytes of a volume and its permissions, None where there is none."""
    there = world.volume(pool, name)
    if there is None:
        return None
    stream, data = world.connection.newStream(0), bytearray()
    there.download(stream, 0, 0, 0)
    stream.recvAll(lambda dummy, chunk, buffer: buffer.extend(chunk), data)
    stream.finish()
    return bytes(data), document.document(there.XMLDesc(0)).findtext("target/permissions/mode") or "0600"


def put_volume(world: World, pool: str, name: str, content: bytes, option: str, mode: str = "0600") -> None:
    """Make a raw volume of these bytes, in place of one that is there; only root and the guest's QEMU may read it."""
    there = world.volume(pool, name)
    if there is not None:
        there.delete(0)
    root = document.element("volume")
    document.child(root, "name").text = name
    document.child(root, "capacity", unit="bytes").text = str(len(content))
    target = document.child(root, "target")
    document.child(target, "format", type="raw")
    document.child(document.child(target, "permissions"), "mode").text = mode
    upload(world, world.get("pool", pool, option).createXML(document.text_of(root), 0), content)


def upload(world: World, volume: t.Any, content: bytes) -> None:
    """Write these bytes into a volume, from its beginning."""
    stream = world.connection.newStream(0)
    volume.upload(stream, 0, len(content), 0)
    stream.sendAll(lambda dummy, size, source: source.read(size), io.BytesIO(content))
    stream.finish()
