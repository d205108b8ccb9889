# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the steps of a domain's plan do. Each operation looks its object up anew: the plan holds names, not objects."""

from __future__ import annotations

import os
import typing as t

from ..._libvirt import flags, found_or_none
from ..._plan import Remark
from ..._wait import until
from ..._xml import document
from . import clone, definition, installer, nvram, ready, restart, running_devices, seed, tuning
from .devices import METADATA
from .documents import running_document
from .observed import observed
from .shutdown import await_off, shutdown

if t.TYPE_CHECKING:
    from ..._libvirt import World

Element = document.Element

BALLOON_TIMEOUT = 10  # seconds that a guest gets to follow a change of its memory


def rename(world: World, name: str, to: str) -> None:
    """Give a domain that is off another name."""
    world.get("domain", name).rename(to, 0)


def reset(world: World, name: str) -> None:
    """What the reset button does: the guest isn't asked."""
    world.get("domain", name).reset(0)


def start(world: World, name: str) -> None:
    world.get("domain", name).create()


def start_paused(world: World, name: str) -> None:
    world.get("domain", name).createWithFlags(flags("VIR_DOMAIN_START_PAUSED"))


def destroy(world: World, name: str) -> None:
    world.get("domain", name).destroy()


def suspend(world: World, name: str) -> None:
    world.get("domain", name).suspend()


def resume(world: World, name: str) -> None:
    world.get("domain", name).resume()


def wakeup(world: World, name: str) -> None:
    world.get("domain", name).pMWakeup(0)


def save(world: World, name: str) -> None:
    world.get("domain", name).managedSave(0)


def discard_saved(world: World, name: str) -> None:
    world.get("domain", name).managedSaveRemove(0)


def autostart(world: World, name: str, value: bool) -> None:
    world.get("domain", name).setAutostart(value)


def set_memory(world: World, name: str, size: int) -> t.Optional[Remark]:
    """``size`` in bytes; libvirt counts KiB. Waits until the guest has given or taken it."""
    domain = world.get("domain", name)
    wanted = size // 1024
    domain.setMemoryFlags(wanted, flags("VIR_DOMAIN_AFFECT_LIVE"))
    if until(lambda: domain.info()[2] == wanted, BALLOON_TIMEOUT, 0.1):
        return None
    return Remark(
        f"The guest of domain {name} was asked to have {wanted // 1024} MiB and has {domain.info()[2] // 1024} MiB"
        f" after {BALLOON_TIMEOUT} seconds; it follows when its balloon driver does."
    )


def set_vcpus(world: World, name: str, count: int) -> None:
    world.get("domain", name).setVcpusFlags(count, flags("VIR_DOMAIN_AFFECT_LIVE"))


def metadata(world: World, name: str, part: str, value: t.Optional[str]) -> None:
    """Title, description or one element of the metadata, on the running instance."""
    prefix = METADATA.get(part)
    kind = {"description": 0, "title": 1}.get(part, 2)
    uri = document.NAMESPACES[prefix] if prefix else None
    world.get("domain", name).setMetadata(kind, value, prefix, uri, flags("VIR_DOMAIN_AFFECT_LIVE"))


def attach_back(world: World, name: str, xml: str) -> t.Optional[Remark]:
    """Attach a device that this run detached, as it was. One that the guest hasn't released yet may still go."""
    domain = world.get("domain", name)
    alias = document.document(xml).find("alias")
    there = [node.get("name") for node in running_document(domain).iterfind("devices/*/alias")]
    if alias is not None and alias.get("name") in there:
        return Remark(f"the guest of domain {name} was asked to release it, hasn't done so, and still may")
    domain.attachDeviceFlags(xml, flags("VIR_DOMAIN_AFFECT_LIVE"))
    return None


def update_back(world: World, name: str, xml: str) -> None:
    """Bring a device that this run changed to what it was."""
    domain = world.get("domain", name)
    running_devices.until_open(lambda: domain.updateDeviceFlags(xml, flags("VIR_DOMAIN_AFFECT_LIVE")))


def delete_storage(world: World, name: str, path: str, pool: str = "", volume: str = "") -> None:
    """Delete a disk's storage: through its pool where it has one, else the file itself."""
    from ..volume import records

    there = (
        world.volume(pool, volume)
        if pool
        else found_or_none(lambda: world.connection.storageVolLookupByPath(path), "VIR_ERR_NO_STORAGE_VOL")
    )
    if there is not None:
        records.delete(world, there)
    elif path and world.local and os.path.exists(path):
        os.remove(path)
        records.forget(path)


def state_is(world: World, name: str) -> str:
    """The state of a domain by name, ``absent`` where there is none."""
    domain = world.find("domain", name)
    return "absent" if domain is None else observed(domain)


_HERE = (
    definition.define, definition.expect, definition.undo_define, definition.undefine, rename, reset,
    start, start_paused, shutdown, await_off, destroy, suspend, resume, wakeup, save, discard_saved,
    restart.stop_to_restart, restart.start_again, restart.start_as_before, restart.end_restart,
    autostart, set_memory, set_vcpus, metadata, attach_back, update_back, delete_storage,
)  # fmt: skip


class _Operations(dict[str, t.Callable[..., t.Any]]):
    """Operations by name; those of volumes are read where a plan makes one."""

    def __missing__(self, name: str) -> t.Callable[..., t.Any]:
        from ..volume.operations import OPERATIONS as VOLUMES

        return VOLUMES[name]


_OWN: dict[str, t.Callable[..., t.Any]] = {
    **{f"domain.{function.__name__}": function for function in _HERE},
    "domain.attach": running_devices.attach,
    "domain.detach": running_devices.detach,
    "domain.update": running_devices.update,
    "domain.tune": tuning.tune,
    "domain.pin": tuning.pin_thread,
    "domain.set_iothreads": tuning.set_iothreads,
    "domain.copy_disk": clone.copy_disk,
    "domain.copy_nvram": nvram.copy_nvram,
    "domain.delete_nvram": nvram.delete_nvram,
    "domain.move_nvram": nvram.move_nvram,
    "domain.finish_clone": clone.finish_clone,
    "domain.wait": ready.wait,
    "seed.write": seed.write,
    "seed.delete": seed.delete,
    "seed.put_back": seed.put_back,
    "seed.reload": seed.reload,
    **installer.OPERATIONS,
}
OPERATIONS = _Operations(_OWN)
