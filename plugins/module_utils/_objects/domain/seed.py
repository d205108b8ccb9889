# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NoCloud seed: a small ISO volume with user-data, meta-data and network-config, made so that content alone decides."""

from __future__ import annotations

import base64
import hashlib
import json
import typing as t

from ..._libvirt import flags, missing_object
from ..._plan import KvmError, Plan, Step
from ..._xml import document
from ..._xml.rows import Edit, Values
from .devices import SEED_SERIAL
from .documents import persistent_document, running_document
from .iso import Files, make_iso, put_volume, read_iso
from .state import OFF, observed

Element = document.Element


def plan_seed(world: t.Any, plan: Plan, params: Values, root: Element, edit: Edit) -> None:
    """Steps for the seed volume, and its drive in the document ``root``."""
    wanted, name = params["cloud_init"], params["name"]
    drive = seed_drive(root)
    if wanted["state"] == "absent":
        _remove(plan, root, drive)
        return
    pool = wanted["pool"] or (_source(drive, "pool") if drive is not None else None) or pool_of_first_disk(world, root)
    if world.find("pool", pool) is None:
        plan.assume(missing_object("pool", pool, "cloud_init.pool"))
    volume = f"{name}-seed.iso"
    before = _stored(world, pool, volume)
    after = _files(wanted, root.findtext("uuid"), name, before)
    if before != after:
        _note(plan, before, after, wanted["show_user_data"])
        # The files go as one string of base64: a step's arguments are never shown, and no pattern of a secret is in them.
        step = plan.add(
            "seed.write",
            f"{'make' if before is None else 'rewrite'} the seed {volume}",
            pool=pool,
            volume=volume,
            files=base64.b64encode(json.dumps(after).encode()).decode(),
        )
        if before is not None:
            old = base64.b64encode(json.dumps(before).encode()).decode()
            step.undo = Step("seed.write", f"write the seed {volume} as it was", pool=pool, volume=volume, files=old)
        else:
            step.undo = Step("seed.delete", f"delete the seed {volume}", pool=pool, volume=volume)
        if drive is not None and before is not None:
            plan.add("seed.reload", f"show the guest of domain {name} its new seed", changes=False, name=name)
    if drive is None:
        _add_drive(root, pool, volume, edit.context)
        plan.differs("cloud_init.seed", None, f"{pool}/{volume}")


def seed_drive(root: Element) -> t.Optional[Element]:
    """The drive of a domain's document that holds our seed."""
    return next((d for d in root.iterfind("devices/disk") if d.findtext("serial") == SEED_SERIAL), None)


def _source(drive: Element, key: str) -> t.Optional[str]:
    source = drive.find("source")
    return None if source is None else source.get(key)


def _remove(plan: Plan, root: Element, drive: t.Optional[Element]) -> None:
    if drive is None:
        return
    pool, volume = _source(drive, "pool"), _source(drive, "volume")
    document.remove(drive)
    plan.add("seed.delete", f"delete the seed {volume}", pool=pool, volume=volume)
    plan.differs("cloud_init.seed", f"{pool}/{volume}", None)


def _add_drive(root: Element, pool: str, volume: str, context: t.Any) -> None:
    drive = add_cdrom(root, context, context.removable_bus(), pool=pool, volume=volume)
    document.child(drive, "serial").text = SEED_SERIAL


def add_cdrom(root: Element, context: t.Any, bus: str, **source: str) -> Element:
    """A CD-ROM drive with a medium, ``pool`` and ``volume`` or ``file``, at the first free target of the bus."""
    kind = "file" if "file" in source else "volume"
    drive = document.child(root.find("devices"), "disk", type=kind, device="cdrom")
    document.child(drive, "driver", name="qemu", type="raw")
    document.child(drive, "source", **source)
    target = context.free_target("hd" if bus == "ide" else "sd")
    context.targets.add(target)
    document.child(drive, "target", dev=target, bus=bus)
    document.child(drive, "readonly")
    if bus == "scsi":
        context.need_scsi()
    return drive


def pool_of_first_disk(world: t.Any, root: Element, option: str = "cloud_init.pool", what: str = "the seed") -> str:
    """The pool for small volumes that belong to a domain: the one that its first disk is in."""
    for disk in root.iterfind("devices/disk"):
        source = disk.find("source")
        if disk.get("device") not in (None, "disk") or source is None:
            continue
        if source.get("pool"):
            return str(source.get("pool"))
        path = source.get("file")
        for pool in world.connection.listAllStoragePools() if path else ():
            folder = document.document(pool.XMLDesc(0)).findtext("target/path")
            if folder and path.rpartition("/")[0] == folder.rstrip("/"):
                return str(pool.name())
    raise KvmError(
        f"{option}: {what} is a volume beside the first disk, and that disk is in no storage pool",
        f"Name the pool for {what}.",
        option=option,
    )


def _files(wanted: Values, uuid: str, name: str, before: t.Optional[Files]) -> Files:
    """The seed's files by name. A seed keeps its instance-id until ``reseed``, then content decides it."""
    files = {"user-data": _user_data(wanted["user_data"])}
    if wanted["network_config"] is not None:
        files["network-config"] = _text(wanted["network_config"], "network_config")
    meta = {"local-hostname": name, **(wanted["meta_data"] or {})}
    if "instance-id" not in meta:
        meta["instance-id"] = _instance(before, uuid)
        if wanted["reseed"] and before is not None:
            digest = hashlib.sha256(
                json.dumps([files, {**meta, "instance-id": ""}], sort_keys=True).encode()
            ).hexdigest()
            fresh = f"{uuid}-{digest[:12]}"
            if {**before, "meta-data": ""} != {**files, "meta-data": ""} or _meta(before, "") != {
                **meta,
                "instance-id": "",
            }:
                meta["instance-id"] = fresh
    files["meta-data"] = json.dumps(meta, indent=1, sort_keys=True) + "\n"
    return files


def _instance(before: t.Optional[Files], uuid: str) -> str:
    return str(_meta(before, None).get("instance-id") or uuid) if before else uuid


def _meta(before: Files, instance: t.Optional[str]) -> Values:
    try:
        meta = json.loads(before.get("meta-data") or "{}")
    except ValueError:
        return {}
    return meta if instance is None else {**meta, "instance-id": instance}


def _user_data(value: t.Any) -> str:
    if value is None:
        return "#cloud-config\n{}\n"
    if isinstance(value, str):
        return value if value.endswith("\n") else value + "\n"
    return "#cloud-config\n" + json.dumps(value, indent=1) + "\n"


def _text(value: t.Any, option: str) -> str:
    if isinstance(value, str):
        return value if value.endswith("\n") else value + "\n"
    if isinstance(value, dict):
        return json.dumps(value, indent=1) + "\n"
    raise KvmError(
        f"cloud_init.{option}: this is a {type(value).__name__}", "Give a dict, or the text of the file.", option=option
    )


def _note(plan: Plan, before: t.Optional[Files], after: Files, show: bool) -> None:
    for name in sorted({*(before or {}), *after}):
        old, new = (before or {}).get(name), after.get(name)
        if old == new:
            continue
        path = f"cloud_init.{name.replace('-', '_')}"
        if show or name != "user-data":
            plan.differs(path, old, new)
        else:
            plan.differs(path, _summary(old), _summary(new))


def _summary(text: t.Optional[str]) -> t.Optional[str]:
    """What a diff says of user data: its keys and a digest, never its values."""
    if text is None:
        return None
    try:
        keys = ", ".join(json.loads(text.partition("\n")[2]))
    except (ValueError, TypeError):
        keys = "text"
    return f"{keys} (sha256 {hashlib.sha256(text.encode()).hexdigest()[:12]})"


def _stored(world: t.Any, pool: str, volume: str) -> t.Optional[Files]:
    """The files of the seed that is there, None where there is none or it can't be read as one."""
    there = world.volume(pool, volume)
    if there is None:
        return None
    stream, data = world.connection.newStream(0), bytearray()
    there.download(stream, 0, 0, 0)
    stream.recvAll(lambda dummy, chunk, buffer: buffer.extend(chunk), data)
    stream.finish()
    return read_iso(bytes(data))


def write(world: t.Any, pool: str, volume: str, files: str) -> None:
    """Make the seed volume anew; only root and the guest's QEMU may read it."""
    put_volume(world, pool, volume, make_iso(json.loads(base64.b64decode(files))), "cloud_init.pool")


def delete(world: t.Any, pool: str, volume: str) -> None:
    """Delete the seed volume where it's still there."""
    there = world.volume(pool, volume)
    if there is not None:
        there.delete(0)


def reload(world: t.Any, name: str) -> None:
    """Eject the old seed from a running domain's drive and insert the new one; an idle domain sees it at its start."""
    domain = world.get("domain", name)
    if observed(domain) in OFF:
        return
    drive, wanted = seed_drive(running_document(domain)), seed_drive(persistent_document(domain))
    if drive is None or wanted is None:
        return
    live = flags("VIR_DOMAIN_AFFECT_LIVE", "VIR_DOMAIN_DEVICE_MODIFY_FORCE")
    empty = document.clone(drive)
    for source in empty.findall("source"):
        document.remove(source)
    domain.updateDeviceFlags(document.text_of(empty), live)
    domain.updateDeviceFlags(document.text_of(wanted), flags("VIR_DOMAIN_AFFECT_LIVE"))
