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
from ..._plan import KvmError, Plan, Step, refuse
from ..._xml import document
from ..._xml.types import MODE
from .. import storage
from ..formats import IMAGES, written
from . import records
from .order import lock_of

if t.TYPE_CHECKING:
    from ..._libvirt import World
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


def plan_download(world: World, params: Params) -> Plan:
    """What makes the file a copy of the volume."""
    plan = Plan("file")
    form, mode, dest = params["format"], _mode(params["mode"]), _dest(params)
    plan.lock(os.path.realpath(dest))
    volume = _volume(world, plan, params)
    if volume is not None:
        form = form or written(volume.format)
        _refuse(world, volume, params)
    _need_directory(plan, dest)
    plan.predicted = {"path": dest, "format": form, "mode": mode}
    record = records.read(_key(dest))
    stamp = None if volume is None else _stamp(volume, form)
    if record.get("stamp") == stamp and stamp and os.path.exists(dest) and record["stat"] == records.stat_of(dest):
        _plan_mode(plan, dest, mode)
        return plan
    _check_dest(world, dest)
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


def _dest(params: Params) -> str:
    """The file: in a directory that exists, one with the volume's name."""
    dest = str(params["dest"])
    if os.path.isdir(dest):
        dest = os.path.join(dest, params["name"].rpartition("/")[2])
    if os.path.isdir(dest):
        refuse("dest", f"'{dest}' is a directory", "Correct the path, or remove the directory.")
    return dest


def _need_directory(plan: Plan, dest: str) -> None:
    """The parent directory exists; another task may make it, so a check only says so."""
    above = os.path.dirname(os.path.abspath(dest))
    if not os.path.isdir(above):
        plan.assume(
            KvmError(f"dest: there is no directory '{above}'", "Create it first, or correct the path.", option="dest")
        )


def _plan_mode(plan: Plan, dest: str, mode: str) -> None:
    """The step that gives a file whose content is right another mode."""
    from ..permissions import of_file

    there = of_file(dest)["mode"]
    if there != mode:
        undo = Step("mode", f"set the mode of {dest} back to {there}", dest=dest, mode=there)
        plan.add("mode", f"set the mode of {dest} to {mode}", dest=dest, mode=mode, undo=undo)
        plan.differs("mode", there, mode)


def _set_mode(world: World, dest: str, mode: str) -> None:
    del world
    os.chmod(dest, int(mode, 8))


def _check_dest(world: World, dest: str) -> None:
    """The download replaces a file: not one that a guest or an overlay needs."""
    if not world.local or not os.path.exists(dest):
        return
    from ..usage.users import Storage, shown, using

    there = Storage(world)
    users = using(there, [there.at(dest)])
    if users:
        refuse("dest", f"{dest} would be replaced while it is used by {shown(users)}", "Choose another file.")


def _mode(given: t.Any) -> str:
    try:
        return str(MODE.parse(given))
    except ValueError as error:
        raise KvmError(f"mode: '{given}' can't be used", f"Write {error}.", option="mode") from error


def _volume(world: World, plan: Plan, params: Params) -> t.Optional[storage.Volume]:
    if world.find("pool", params["pool"]) is None:
        plan.assume(missing_object("pool", params["pool"], "pool"))
        return None
    there = world.volume(params["pool"], params["name"])
    pool = document.document(world.get("pool", params["pool"], "pool").XMLDesc(0))
    plan.lock(lock_of(world, pool, params["pool"], params["name"]), alone=False)
    if there is None:
        message = f"name: pool {params['pool']} isn't active or has no volume named '{params['name']}'"
        plan.assume(KvmError(message, "Start the pool, or correct the name.", option="name"))
        return None
    return storage.volume(there, params["pool"])


def _refuse(world: World, volume: storage.Volume, params: Params) -> None:
    """What can't become one whole file: what a guest is writing, and what is no whole image by itself."""
    from ..usage.users import running_users

    running = running_users(world, volume)
    if running and not params["force"]:
        why = f"volume {volume.name} is in use by the running domain {', '.join(running)}"
        refuse("name", why, "Stop it, download a snapshot or a backup of it, or say force: true.")
    if volume.backing and not world.local:
        why = f"volume {volume.name} is an overlay of {volume.backing}, and not whole by itself"
        refuse("name", why, "Run this task on the hypervisor, where it's put together.")


def _key(dest: str) -> str:
    return f"download:{os.path.abspath(dest)}"


def _stamp(volume: storage.Volume, form: t.Optional[str]) -> list[t.Any]:
    """What tells whether the volume was written since."""
    changed = volume.root.findtext("target/timestamps/mtime")
    return [volume.pool, volume.name, volume.path, volume.capacity, changed, form]


def operations() -> t.Mapping[str, t.Callable[..., t.Any]]:
    """What the steps of a download's plan can do."""
    return {"download": _download, "mode": _set_mode}


def _download(world: World, pool: str, name: str, dest: str, form: t.Optional[str], mode: str) -> None:
    from .source import looked_up
    from .stream import download

    world = world.streaming()
    there = looked_up(world, pool, name)
    volume = storage.volume(there, pool)
    stamp = _stamp(volume, form)
    received, shaped = f"{dest}.metal-kvm.part", f"{dest}.metal-kvm"  # this run has the lock of dest
    _unlink(received, shaped)  # of a run that was killed
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
        _unlink(received, shaped)
    records.write(_key(dest), {"stamp": stamp, "stat": records.stat_of(dest)})


def _unlink(*paths: str) -> None:
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _convert(path: str, has: str, target: str, form: t.Optional[str]) -> None:
    done = run(["qemu-img", "convert", "-f", has, "-O", form or has, path, target], keep_locks=True)
    if done.status:
        refuse("dest", f"qemu-img convert failed: {done.last_words}", "")


def describe(world: World, params: Params) -> t.Optional[Values]:
    """The file after the run."""
    from ..formats import of_file
    from ..permissions import of_file as permissions_of

    del world
    dest = _dest(params)
    form = params["format"] or of_file(dest, "dest")
    return {"path": dest, "format": form, "mode": permissions_of(dest)["mode"]}
