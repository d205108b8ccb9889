# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A volume's content as a file on the machine that runs the module: fetched again only when one of the two changed."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..._command import run
from ..._libvirt import missing_object
from ..._plan import KvmError, Plan
from .. import storage
from ..formats import IMAGES, written
from ..permissions import MODE
from . import records

if t.TYPE_CHECKING:
    from ..._xml.rows import Values
    from .order import Params

ARGUMENT_SPEC: Values = {
    "pool": {"type": "str", "required": True},
    "name": {"type": "str", "required": True},
    "dest": {"type": "path", "required": True},
    "format": {"type": "str", "choices": list(IMAGES)},
    "mode": {"type": "raw", "default": "0600"},
    "force": {"type": "bool", "default": False},
}


def plan_download(world: t.Any, params: Params) -> Plan:
    """What makes the file a copy of the volume."""
    plan = Plan("file")
    form, mode, dest = params["format"], _mode(params["mode"]), params["dest"]
    volume = _volume(world, plan, params)
    if volume is not None:
        form = form or written(volume.format)
        _refuse(world, volume, params)
    plan.predicted = {"path": dest, "format": form, "mode": mode}
    record = records.read(_key(dest))
    stamp = None if volume is None else _stamp(volume, form)
    if record.get("stamp") == stamp and stamp and os.path.exists(dest) and record["stat"] == records.stat_of(dest):
        return plan
    plan.add(
        "download",
        f"download volume {params['name']} of pool {params['pool']} to {dest}",
        pool=params["pool"],
        name=params["name"],
        dest=dest,
        form=form,
        mode=mode,
    )
    plan.differs("dest", None if not os.path.exists(dest) else "another content", f"{params['pool']}/{params['name']}")
    return plan


def _mode(given: t.Any) -> str:
    try:
        return str(MODE.parse(given))
    except ValueError as error:
        raise KvmError(f"mode: '{given}' can't be used", f"Write {error}.", option="mode") from error


def _volume(world: t.Any, plan: Plan, params: Params) -> t.Optional[storage.Volume]:
    if world.find("pool", params["pool"]) is None:
        plan.assume(missing_object("pool", params["pool"], "pool"))
        return None
    there = world.volume(params["pool"], params["name"])
    if there is None:
        message = f"name: pool {params['pool']} isn't active or has no volume named '{params['name']}'"
        plan.assume(KvmError(message, "Start the pool, or correct the name.", option="name"))
        return None
    return storage.volume(there, params["pool"])


def _refuse(world: t.Any, volume: storage.Volume, params: Params) -> None:
    """What can't become one whole file: what a guest is writing, and what is no whole image by itself."""
    running = storage.users(world, [volume], active_only=True)
    if running and not params["force"]:
        raise KvmError(
            f"name: volume {volume.name} is in use by the running domain {', '.join(sorted(running))}",
            "Stop it, download a snapshot or a backup of it, or say force: true.",
            option="name",
        )
    if volume.backing and not world.local:
        raise KvmError(
            f"name: volume {volume.name} is an overlay of {volume.backing}, and not whole by itself",
            "Run this task on the hypervisor, where it's put together.",
            option="name",
        )


def _key(dest: str) -> str:
    return f"download:{os.path.abspath(dest)}"


def _stamp(volume: storage.Volume, form: t.Optional[str]) -> list[t.Any]:
    """What tells whether the volume was written since."""
    changed = volume.root.findtext("target/timestamps/mtime")
    return [volume.pool, volume.name, volume.path, volume.capacity, changed, form]


def operations() -> t.Mapping[str, t.Callable[..., t.Any]]:
    """What the steps of a download's plan can do."""
    return {"download": _download}


def _download(world: t.Any, pool: str, name: str, dest: str, form: t.Optional[str], mode: str) -> None:
    from .stream import download

    world = world.streaming()
    there = world.volume(pool, name)
    volume = storage.volume(there, pool)
    stamp = _stamp(volume, form)
    received, shaped = f"{dest}.{os.getpid()}.part", f"{dest}.{os.getpid()}.image"
    try:
        if world.local and (volume.backing or volume.root.get("type") == "block"):
            _convert(volume.path, written(volume.format), shaped, form)
        else:
            download(world, there, received)
            if form in (None, written(volume.format)):
                os.replace(received, shaped)
            else:
                _convert(received, written(volume.format), shaped, form)
        os.chmod(shaped, int(mode, 8))
        with open(shaped, "rb") as file:
            os.fsync(file.fileno())
        os.replace(shaped, dest)
    finally:
        for path in (received, shaped):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
    records.write(_key(dest), {"stamp": stamp, "stat": records.stat_of(dest)})


def _convert(path: str, has: str, target: str, form: t.Optional[str]) -> None:
    done = run(["qemu-img", "convert", "-f", has, "-O", form or has, path, target])
    if done.status:
        raise KvmError(f"dest: qemu-img convert failed: {done.last_words}", "", option="dest")


def describe(world: t.Any, params: Params) -> t.Optional[Values]:
    """The file after the run."""
    from ..formats import of_file
    from ..permissions import of_file as permissions_of

    del world
    dest = params["dest"]
    form = params["format"] or of_file(dest, "dest")
    return {"path": dest, "format": form, "mode": permissions_of(dest)["mode"]}
