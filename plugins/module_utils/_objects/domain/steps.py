# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the steps of a domain's plan do. Each operation looks its object up anew: the plan holds names, not objects."""

from __future__ import annotations

import os
import time
import typing as t

from ..._libvirt import code_is, flags, found_or_none
from ..._plan import KvmError, Remark
from ..._xml import document
from ..._xml.rows import Edit, apply, compare, read, unset
from ..._xml.table import split
from . import clone, installer, nvram, ready, seed, tuning
from .devices import METADATA, device, items_of
from .documents import persistent_document, running_document
from .live import no_slot
from .mark import own, put_own
from .state import observed

Element = document.Element

BALLOON_TIMEOUT = 10  # seconds that a guest gets to follow a change of its memory
DETACH_TIMEOUT = 30  # seconds that a guest gets to let go of a device

UNDEFINE = (
    "VIR_DOMAIN_UNDEFINE_MANAGED_SAVE",
    "VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA",
    "VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA",
    "VIR_DOMAIN_UNDEFINE_NVRAM",
    "VIR_DOMAIN_UNDEFINE_TPM",
)


def define(world: t.Any, name: str, xml: str) -> None:
    """Define from the document, over the same UUID."""
    world.connection.defineXML(xml)


def undefine(world: t.Any, name: str) -> None:
    """Take the definition away with what libvirt keeps beside it; storage stays."""
    domain = world.get("domain", name)
    wanted = UNDEFINE if world.version >= 8_009_000 else UNDEFINE[:-1]
    domain.undefineFlags(flags(*wanted))


def rename(world: t.Any, name: str, to: str) -> None:
    """Give a domain that is off another name."""
    world.get("domain", name).rename(to, 0)


def reset(world: t.Any, name: str) -> None:
    """What the reset button does: the guest isn't asked."""
    world.get("domain", name).reset(0)


def start(world: t.Any, name: str) -> None:
    domain = world.get("domain", name)
    domain.create()
    if own(persistent_document(domain)).get("restarting"):
        _mark(domain, False)


def start_paused(world: t.Any, name: str) -> None:
    world.get("domain", name).createWithFlags(flags("VIR_DOMAIN_START_PAUSED"))


def shutdown(world: t.Any, name: str, timeout: int) -> None:
    """Ask the guest, and wait until it's off; after the time it still runs, and nothing was forced."""
    domain = world.get("domain", name)
    asked, deadline = 0.0, time.monotonic() + timeout
    while True:
        now = time.monotonic()
        if _is_off(domain):
            return
        if now > deadline:
            raise KvmError(
                f"state: domain {name} was asked to shut down and is still running after {timeout} seconds",
                "Look at its console, give it longer with shutdown_timeout, or say force: true to pull the plug.",
                option="shutdown_timeout",
            )
        if now - asked > 15:  # a guest that was still booting didn't hear the first call
            _ask_to_shut_down(domain)
            asked = now
        time.sleep(0.25)


def _ask_to_shut_down(domain: t.Any) -> None:
    try:
        domain.shutdown()
    except Exception as error:
        if not code_is(error, "VIR_ERR_OPERATION_INVALID"):  # it went off meanwhile
            raise


def _is_off(domain: t.Any) -> bool:
    gone = found_or_none(domain.isActive, "VIR_ERR_NO_DOMAIN")
    return gone is None or not gone


def await_off(world: t.Any, name: str, timeout: int) -> None:
    """Wait for a shutdown that is under way."""
    shutdown(world, name, timeout)


def destroy(world: t.Any, name: str) -> None:
    world.get("domain", name).destroy()


def suspend(world: t.Any, name: str) -> None:
    world.get("domain", name).suspend()


def resume(world: t.Any, name: str) -> None:
    world.get("domain", name).resume()


def wakeup(world: t.Any, name: str) -> None:
    world.get("domain", name).pMWakeup(0)


def save(world: t.Any, name: str) -> None:
    world.get("domain", name).managedSave(0)


def discard_saved(world: t.Any, name: str) -> None:
    world.get("domain", name).managedSaveRemove(0)


def restart(world: t.Any, name: str, timeout: int, force: bool) -> None:
    """Shut down and start. A mark in the metadata says so meanwhile: a run that is killed is finished by the next."""
    domain = world.get("domain", name)
    _mark(domain, True)
    if force:
        domain.destroy()
    else:
        shutdown(world, name, timeout)
    domain.create()
    _mark(domain, False)


def _mark(domain: t.Any, restarting: bool) -> None:
    node = own(persistent_document(domain))
    if restarting:
        node.set("restarting", "yes")
    else:
        node.attrib.pop("restarting", None)
    put_own(domain, node)


def set_autostart(world: t.Any, name: str, value: bool) -> None:
    world.get("domain", name).setAutostart(value)


def set_memory(world: t.Any, name: str, size: int) -> t.Optional[Remark]:
    """``size`` in bytes; libvirt counts KiB. Waits until the guest has given or taken it."""
    domain = world.get("domain", name)
    wanted = size // 1024
    domain.setMemoryFlags(wanted, flags("VIR_DOMAIN_AFFECT_LIVE"))
    deadline = time.monotonic() + BALLOON_TIMEOUT
    while domain.info()[2] != wanted:
        if time.monotonic() > deadline:
            return Remark(
                f"The guest of domain {name} was asked to have {wanted // 1024} MiB and has {domain.info()[2] // 1024} MiB"
                f" after {BALLOON_TIMEOUT} seconds; it follows when its balloon driver does."
            )
        time.sleep(0.1)
    return None


def set_vcpus(world: t.Any, name: str, count: int) -> None:
    world.get("domain", name).setVcpusFlags(count, flags("VIR_DOMAIN_AFFECT_LIVE"))


def metadata(world: t.Any, name: str, part: str, value: t.Optional[str]) -> None:
    """Title, description or one element of the metadata, on the running instance."""
    prefix = METADATA.get(part)
    kind = {"description": 0, "title": 1}.get(part, 2)
    uri = document.NAMESPACES[prefix] if prefix else None
    world.get("domain", name).setMetadata(kind, value, prefix, uri, flags("VIR_DOMAIN_AFFECT_LIVE"))


def attach(world: t.Any, name: str, items: str, label: str) -> t.Optional[Remark]:
    """Attach to the running instance the device that the definition has, with its address where that is free."""
    domain = world.get("domain", name)
    node = device(persistent_document(domain), items, label)
    if node is None:
        raise KvmError(f"{items}: the definition of domain {name} has no {label}")
    address = node.find("address")
    if address is not None and _taken(running_document(domain), address):
        document.remove(address)
    try:
        domain.attachDeviceFlags(document.text_of(node), flags("VIR_DOMAIN_AFFECT_LIVE"))
    except Exception as error:
        if "No more available PCI slots" not in str(error):
            raise
        return Remark(no_slot(name, f"{items}[{label}]"))
    return None


def _taken(running: Element, address: Element) -> bool:
    """Whether another device has the address, or the running machine hasn't got its bus."""
    wanted = dict(address.attrib)
    buses = {f"0x{int(one.get('index')):02x}" for one in running.iterfind("devices/controller[@type='pci']")}
    if wanted.get("type") == "pci" and wanted.get("bus") not in buses:
        return True
    return any(dict(there.attrib) == wanted for there in running.iterfind("devices/*/address"))


def attach_back(world: t.Any, name: str, xml: str) -> None:
    """Attach a device that this run detached, as it was."""
    world.get("domain", name).attachDeviceFlags(xml, flags("VIR_DOMAIN_AFFECT_LIVE"))


def update_back(world: t.Any, name: str, xml: str) -> None:
    """Bring a device that this run changed to what it was."""
    world.get("domain", name).updateDeviceFlags(xml, flags("VIR_DOMAIN_AFFECT_LIVE"))


def detach(world: t.Any, name: str, items: str, label: str) -> t.Optional[Remark]:
    """Ask the guest to let go of the device and wait until it has."""
    domain = world.get("domain", name)
    node = device(running_document(domain), items, label)
    if node is None:
        return None
    domain.detachDeviceFlags(document.text_of(node), flags("VIR_DOMAIN_AFFECT_LIVE"))
    deadline = time.monotonic() + DETACH_TIMEOUT
    while device(running_document(domain), items, label) is not None:
        if time.monotonic() > deadline:
            return Remark(
                f"The guest of domain {name} hasn't let go of {items}[{label}] within {DETACH_TIMEOUT} seconds;"
                " it's out of the definition and goes at the next restart, or when the guest lets go."
            )
        time.sleep(0.2)
    return None


def update(world: t.Any, name: str, items: str, label: str) -> None:
    """Bring a device of the running instance to what the definition says of it."""
    domain = world.get("domain", name)
    node = device(running_document(domain), items, label)
    wanted = device(persistent_document(domain), items, label)
    if node is None or wanted is None:
        raise KvmError(f"{items}: domain {name} has no {label} to update")
    rows = items_of(items).rows
    if node.tag == "disk" and wanted.find("source") is None and node.find("source") is not None:
        document.remove(node.find("source"))
    apply(rows, node, read(rows, wanted), "", Edit())
    for change in compare(rows, node, wanted):
        if change.after is None:
            unset(rows, node, split(change.path), "", Edit())
    _until_open(lambda: domain.updateDeviceFlags(document.text_of(node), flags("VIR_DOMAIN_AFFECT_LIVE")))


def _until_open(change: t.Callable[[], t.Any]) -> None:
    """A guest that reads a medium keeps the drive closed: ask again until it opens, or the time is over."""
    deadline = time.monotonic() + DETACH_TIMEOUT
    while True:
        try:
            change()
            return
        except Exception as error:
            if "tray" not in str(error).lower() or time.monotonic() > deadline:
                raise
        time.sleep(0.5)


def delete_storage(world: t.Any, name: str, path: str, pool: str = "", volume: str = "") -> None:
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


def state_is(world: t.Any, name: str) -> str:
    """The state of a domain by name, ``absent`` where there is none."""
    domain = world.find("domain", name)
    return "absent" if domain is None else observed(domain)


_HERE = (
    define, undefine, rename, reset, start, start_paused, shutdown, await_off, destroy, suspend, resume, wakeup, save, discard_saved,
    restart, set_autostart, set_memory, set_vcpus, metadata, attach, attach_back, detach, update, update_back, delete_storage,
)  # fmt: skip
OPERATIONS: dict[str, t.Callable[..., t.Any]] = {
    **{f"domain.{function.__name__}": function for function in _HERE},
    "domain.tune": tuning.tune,
    "domain.pin": tuning.pin_thread,
    "domain.set_iothreads": tuning.set_iothreads,
    "domain.copy_disk": clone.copy_disk,
    "domain.copy_nvram": nvram.copy_nvram,
    "domain.move_nvram": nvram.move_nvram,
    "domain.finish_clone": clone.finish_clone,
    "domain.wait": ready.wait,
    "seed.write": seed.write,
    "seed.delete": seed.delete,
    "seed.reload": seed.reload,
    **installer.OPERATIONS,
}
