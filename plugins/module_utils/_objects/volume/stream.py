# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A volume's content through libvirt, holes as holes: the way to pools that have no path on this machine."""

from __future__ import annotations

import errno
import os
import typing as t

from ..._libvirt import constant

if t.TYPE_CHECKING:
    from ..._libvirt import World

PACKET = 262_120  # what one message of libvirt's protocol carries


def upload(world: World, volume: t.Any, path: str) -> None:
    """Write the file's bytes into the volume, which must be as large at least."""
    size = os.path.getsize(path)
    stream = world.connection.newStream()
    volume.upload(stream, 0, size, constant("VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM"))
    try:
        with open(path, "rb", buffering=0) as file:
            for start, end, data in extents(file.fileno(), size):
                if data:
                    _send(stream, file, start, end)
                else:
                    stream.sendHole(end - start)
        stream.finish()
    except BaseException:
        stream.abort()
        raise


def _send(stream: t.Any, file: t.Any, start: int, end: int) -> None:
    file.seek(start)
    while start < end:
        block = file.read(min(PACKET, end - start))
        start += len(block)
        while block:
            block = block[stream.send(block) :]


def extents(handle: int, size: int) -> t.Iterator[tuple[int, int, bool]]:
    """The file's stretches of data (true) and holes, in order, as start and end."""
    start = 0
    while start < size:
        try:
            data = os.lseek(handle, start, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            data = size  # nothing but a hole is left
        if data > start:
            yield start, data, False
        if data < size:
            end = os.lseek(handle, data, os.SEEK_HOLE)
            yield data, end, True
            data = end
        start = data


def download(world: World, volume: t.Any, path: str) -> None:
    """Write the volume's bytes into a new file."""
    stream = world.connection.newStream()
    volume.download(stream, 0, 0, constant("VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM"))
    try:
        with open(path, "wb") as file:
            _receive(stream, file)
        stream.finish()
    except BaseException:
        stream.abort()
        raise


def _receive(stream: t.Any, file: t.Any) -> None:
    while True:
        block = stream.recvFlags(PACKET, constant("VIR_STREAM_RECV_STOP_AT_HOLE"))
        if block == -3:  # a hole comes next
            file.seek(stream.recvHole(), os.SEEK_CUR)
        elif not block:
            break
        else:
            file.write(block)
    file.truncate()
