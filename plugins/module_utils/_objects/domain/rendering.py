# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's own normal form of domain documents, had without touching the host: what it refuses, fills in and rewrites."""

from __future__ import annotations

import os
import typing as t

from ..._libvirt import Embedded, flags, found_or_none, is_error
from ..._plan import KvmError, Plan, refuse
from ..._xml import document
from ..._xml.rows import Edit
from .documents import persistent_document

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..draft import Draft

Element = document.Element

STATE = "/var/lib/metal.kvm"


def ordered(root: Element) -> str:
    """Canonical text in which the order of controllers, which libvirt changes by itself, doesn't count."""
    copy = document.clone(root)
    devices = copy.find("devices")
    if devices is not None:
        controllers = devices.findall("controller")
        for node in controllers:
            devices.remove(node)
        controllers.sort(key=lambda node: (node.get("type"), int(node.get("index") or 0)))
        for place, node in enumerate(controllers):
            devices.insert(place, node)
    return document.canonical(copy)


def rendered(world: World, root: Element) -> Element:
    """The document as libvirt writes it; what it refuses is an error. Two passes, for the first isn't always stable.

    Over a remote connection, or without the right to keep a driver of our own, the document stands for itself.
    """
    _refuse_fatal(root)
    driver = _driver(world)
    if driver is None:
        return root
    first = _pass(driver, root)
    try:
        return _pass(driver, first)
    except KvmError:  # some of what it writes it doesn't take again
        return first


def judged(world: World, root: Element) -> Element:
    """The definition as libvirt will have it; raises what it would say to ``root``, before anything is done."""
    _refuse_fatal(root)
    driver = _driver(world)
    return root if driver is None else _pass(driver, root)


def settled(draft: Draft) -> Element:
    """The new definition, ``judged``. Of the options wanted, what libvirt doesn't keep leaves the plan's diff, with a warning."""
    world, wanted = draft.world, draft.wanted
    result = judged(world, draft.after)
    _check_address_width(world, draft.after)
    if result is not draft.after:
        from ..._xml.kept import forget, lost
        from .surroundings import Surroundings
        from .table import DOMAIN

        copy = document.clone(result)
        edit = Edit(lambda: Surroundings(world, Plan("domain"), copy, wanted))
        forget(draft.plan, lost(DOMAIN, wanted, copy, edit))
    return result


def _refuse_fatal(root: Element) -> None:
    """Refuse what libvirt doesn't survive: its daemon (9.0) ends of the distance to a NUMA cell that isn't there."""
    cells = root.findall("cpu/numa/cell")
    ids = {cell.get("id") or str(index) for index, cell in enumerate(cells)}
    for index, cell in enumerate(cells):
        for sibling in cell.iterfind("distances/sibling"):
            if sibling.get("id") not in ids:
                where = f"cpu.numa[{cell.get('id') or index}].distances"
                refuse(
                    where, f"there is no NUMA cell {sibling.get('id')}", "Say distances to cells that are on the list."
                )


def _check_address_width(world: World, root: Element) -> None:
    """Refuse physical addresses wider than the host's, which the daemon's driver alone compares."""
    bits = root.find("cpu/maxphysaddr[@bits]")
    host = None if bits is None else world.capabilities().find("host/cpu/maxphysaddr[@bits]")
    if host is not None and bits is not None and int(bits.get("bits")) > int(host.get("bits")):
        why = f"{bits.get('bits')} is asked for, and the host's processor has {host.get('bits')}"
        refuse("cpu.maxphysaddr.bits", why, f"Say {host.get('bits')} or less, or leave it out.")


def _driver(world: World) -> t.Any:
    """libvirt's QEMU driver within this process; None where there can't be one."""
    if "driver" not in world.kept:
        world.kept["driver"] = _opened(world)
    return world.kept["driver"]


def _opened(world: World) -> t.Any:
    if not world.local or not world.uri.startswith("qemu:"):
        return None
    folder = STATE if os.geteuid() == 0 else os.path.expanduser("~/.cache/metal.kvm")
    if len(folder) > 60:
        return None
    if not _embedded:  # a process can have one
        try:
            _embedded.append(Embedded(_root(folder)))
        except KvmError:
            _embedded.append(None)
    return _embedded[0]


_embedded: list[t.Any] = []


def _root(folder: str) -> str:
    """A root for this process alone, for a driver locks its own; what QEMU can do is kept beside it, for all of them.

    The driver starts no guest. As another user than root it would ask QEMU anew, for seconds, at each look at a /dev/kvm
    that this user can't open.
    """
    import atexit
    import shutil

    from ..._temporary import folder_of_process

    cache = os.path.join(folder, "capabilities")
    os.makedirs(cache, mode=0o755, exist_ok=True)
    root = folder_of_process(folder, "driver-")
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    os.symlink(cache, os.path.join(root, "cache"))
    os.mkdir(os.path.join(root, "etc"))
    with open(os.path.join(root, "etc", "qemu.conf"), "w", encoding="utf-8") as file:
        file.write('user = "root"\ngroup = "root"\n')
    return root


def _at_home(driver: t.Any, root: Element) -> Element:
    """The document with the files that libvirt keeps for a domain where the real driver keeps them."""
    state = "/var/lib/libvirt" if os.geteuid() == 0 else os.path.expanduser("~/.config/libvirt")
    for node in root.iterfind("os/nvram"):
        if (node.text or "").startswith(driver.root):
            node.text = node.text.replace(os.path.join(driver.root, "lib"), state, 1)
    return root


def _pass(driver: t.Any, root: Element) -> Element:
    try:
        domain = driver.connection.defineXML(document.text_of(root))
    except Exception as error:
        if not is_error(error):
            raise
        from .refused import refused

        raise refused(error) from error
    try:
        return _at_home(driver, persistent_document(domain))
    finally:
        # The NVRAM file and the TPM's state that the document names are the real domain's: they must be kept.
        kept = flags("VIR_DOMAIN_UNDEFINE_KEEP_NVRAM", "VIR_DOMAIN_UNDEFINE_KEEP_TPM")
        found_or_none(lambda: domain.undefineFlags(kept))
