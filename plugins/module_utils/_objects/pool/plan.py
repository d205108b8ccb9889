# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's storage pools: their life, how they are built, what results say of them."""

from __future__ import annotations

import os
import typing as t

from ... import _libvirt
from ..._command import found
from ..._plan import KvmError, Plan, Step, refuse
from ..._xml import document, rows, table
from ..._xml.contradictions import either
from ..noun import LIFE_SPEC, Noun, Params
from ..permissions import give, of_file
from .conflicts import check_conflict
from .in_use import refuse_formatting, refuse_in_use, refuse_lasting_directory, refuse_under_guests
from .table import FILES, NEEDS, POOL

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..._plan import Operations
    from ..._xml.rows import Element, Values
    from ..draft import Draft

STATUS = ("inactive", "building", "running", "degraded", "inaccessible")  # virStoragePoolState

# Types whose backend makes something new on devices that may hold data: only when told.
FORMATTED = ("fs", "disk", "logical")
PACKAGED = ("disk", "gluster", "iscsi", "iscsi-direct", "logical", "mpath", "rbd", "scsi", "zfs")  # each one of its own
DELETED = ("dir", "fs", "netfs", "logical", "disk", "zfs")  # those that libvirt can delete


class Pool(Noun):
    """A storage pool."""

    name = "pool"
    rows = POOL
    define_call = "storagePoolDefineXML"
    list_call = "listAllStoragePools"
    filled = ("permissions",)
    measured = ("capacity", "allocation", "available")
    contradictions = (either("secret_uuid", "secret_usage", "source.auth"),)

    def identity(self, root: Element) -> tuple[str, ...]:
        """What the directory's permissions are shows up in the definition of a pool that runs, also where nobody said them."""
        return ("uuid", *(f"target/permissions/{name}" for name in ("mode", "owner", "group", "label")))

    def measure(self, there: t.Any, active: bool) -> Values:
        """State and sizes, in bytes; the number of volumes."""
        state, capacity, allocation, available = there.info()
        values: Values = {"status": STATUS[state] if state < len(STATUS) else str(state)}
        if active:
            values.update(capacity=capacity, allocation=allocation, available=available, volumes=there.numOfVolumes())
        return values

    def plan(self, world: World, params: Params) -> Plan:
        """What brings a pool to what the options say."""
        plan = super().plan(world, params)
        if params["refresh"] and plan.predicted and plan.predicted["active"]:
            name = params["name"]
            plan.add("pool.refresh", f"read the volumes of pool {name} again", changes=False, name=name)
        return plan

    def check(self, draft: Draft) -> None:
        """A new pool says what its type needs, and libvirt has that type."""
        values = _values(draft)
        if draft.unchanged:
            return
        _check_whole(values, draft.name)
        if draft.before is None:
            _check_backend(draft.world, values["type"])
        if any(change.path.partition(".")[0] in ("type", "path", "source", "xml") for change in draft.changes):
            check_conflict(draft.world, draft.name, draft.after)
            _check_directory(draft.world, values)
        if draft.changes and draft.params["xml"] is None:
            _check_kept(draft, values["type"])

    def after_define(self, draft: Draft) -> None:
        """What the pool stands on is made with it, and has the permissions that are told."""
        told = draft.before is None or "permissions" in draft.wanted
        if told and not draft.active:
            _plan_build(draft)

    def before_start(self, draft: Draft) -> None:
        """What the backend needs on this machine; a directory that went away is made again."""
        values = _values(draft)
        _need_program(draft, values["type"])
        _need_secret(draft, values)
        built = draft.has("build")
        if not built and values["type"] in FILES and _unready(draft, values):
            _plan_build(draft)

    def before_stop(self, draft: Draft) -> None:
        """No running guest loses its storage, unless told."""
        refuse_under_guests(draft)

    def empty(self, draft: Draft) -> bool:
        """With ``storage: delete``: the volumes go before the pool does; returns whether the pool must run for that."""
        if draft.params["storage"] == "keep":
            return False
        made_of = t.cast("t.Any", draft.before).get("type")
        if made_of not in DELETED:
            raise KvmError(
                f"storage: what a pool of type {made_of} stands on can't be deleted by libvirt",
                "Say storage: keep, and remove it where it is.",
                option="storage",
            )
        refuse_in_use(draft.world, draft.there, "storage")
        refuse_lasting_directory(draft)
        if draft.active:
            there = draft.there.listAllVolumes()
            if there:
                draft.add("delete_volumes", f"delete the {len(there)} volumes of {draft.title}")
        else:
            draft.add("start", f"start {draft.title} to see its volumes")
            draft.add("delete_volumes", f"delete the volumes of {draft.title}")
        return True

    def remove(self, draft: Draft) -> None:
        """With ``storage: delete`` what the pool stands on goes too."""
        if draft.params["storage"] == "delete":
            draft.add("delete", f"delete what {draft.title} stands on")

    def start(self, world: World, there: t.Any) -> None:
        """Of an iSCSI target libvirt tells the login to the host's records there are, and only then makes the one of an initiator
        of the pool's own: the second try has it."""
        try:
            there.create()
        except Exception as error:
            root = document.document(there.XMLDesc(0))
            late = root.get("type") == "iscsi" and all(
                root.find(f"source/{tag}") is not None for tag in ("initiator", "auth")
            )
            if not (late and _libvirt.is_error(error)):
                raise
            there.create()

    def own_operations(self) -> Operations:
        """What makes and deletes what a pool stands on."""
        return {
            "build": _build,
            "remove_directory": _remove_directory,
            "permit": lambda world, there, path, wanted: give(path, wanted),
            "refresh": _refresh,
            "delete": lambda world, there: there.delete(0),
            "delete_volumes": _delete_volumes,
        }


def _values(draft: Draft) -> Values:
    return rows.read(POOL, draft.shown)


def _given(values: Values, option: str) -> bool:
    there: t.Any = values
    for key in option.split("."):
        there = there.get(key) if isinstance(there, dict) else None
    return bool(there)


def _check_whole(values: Values, name: str) -> None:
    """The options have all that the pool's type needs."""
    if "type" not in values:
        why = f"pool {name} isn't there yet, and a new one needs a type"
        refuse("type", why, "Add one, for example type: dir with path: /srv/images.")
    for option in NEEDS.get(values["type"], ()):
        if not _given(values, option):
            refuse(option, f"a pool of type {values['type']} needs it", "Add the option.")
    path = values.get("path", "/")
    if not path.startswith("/"):
        refuse("path", f"'{path}' is not an absolute path", "Write it from the root: /srv/images.")


def _check_directory(world: World, values: Values) -> None:
    """What a pool of files is mounted on, or is, isn't something else already."""
    path = values.get("path", "")
    if world.local and values["type"] in FILES and os.path.exists(path) and not os.path.isdir(path):
        refuse("path", f"'{path}' is no directory", "Correct the path, or remove what is there.")


def _check_kept(draft: Draft, made_of: str) -> None:
    """What pools of that type haven't got is refused: libvirt drops it without a word."""
    normal = draft.noun.normal()
    for change in rows.compare(POOL, draft.after, normal(draft.after)):
        told = change.path.partition(".")[0].partition("[")[0] in draft.wanted
        if told and change.before is not None and change.before != change.after:
            said = f"'{change.before}' is asked for, a pool of type {made_of} has '{change.after}'"
            raise KvmError(
                f"{change.path}: {said if change.after else f'a pool of type {made_of} has none'}",
                "Leave the option out.",
                option=change.path,
            )


def _check_backend(world: World, wanted: str) -> None:
    """This libvirt has the backend for the type; else the error says what to install."""
    try:
        capabilities = document.document(world.connection.getStoragePoolCapabilities())
    except Exception as error:
        if _libvirt.code_is(error, "VIR_ERR_NO_SUPPORT"):
            return
        raise
    known = {node.get("type"): node.get("supported") for node in capabilities.iterfind("pool")}
    if known.get(wanted) != "yes":
        remedy = (
            f"Install libvirt-daemon-driver-storage-{wanted} on the hypervisor and restart libvirt's daemon."
            if wanted in PACKAGED
            else "No distribution's package has it: use another type, or a libvirt that was built with it."
        )
        raise KvmError(f"type: this libvirt has no backend for pools of type {wanted}", remedy, option="type")


def _plan_build(draft: Draft) -> None:
    """Steps that make what a pool stands on, when the pool itself is made or its permissions are told."""
    values = _values(draft)
    if draft.before is None and values["type"] in FORMATTED and draft.params["build"]:
        refuse_formatting(draft.world, draft.name, draft.after)
        _need_program(draft, values["type"])
        flag = {"new": "NO_OVERWRITE", "overwrite": "OVERWRITE"}[draft.params["build"]]
        draft.add("build", _BUILDS[values["type"]].format(**_shown(values), name=draft.name), flag=flag)
    elif values["type"] in FILES and _unready(draft, values):
        there = draft.world.local and os.path.isdir(values["path"])
        text = "set the permissions of {path}" if there else "make the directory {path}"
        step = draft.add("build", text.format(**values), flag="")
        if draft.world.local:
            step.undo = _undo_build(draft, values["path"], there)


def _undo_build(draft: Draft, path: str, there: bool) -> Step:
    """The step that removes a directory that the build makes, if nothing is in it; else gives it its permissions again."""
    if not there:
        return draft.step("remove_directory", f"remove the directory {path}", path=path)
    return draft.step("permit", f"set the permissions of {path} back", path=path, wanted=of_file(path))


def _remove_directory(world: World, there: t.Any, path: str) -> None:
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return


_BUILDS = {
    "fs": "make a file system on {devices} for pool {name}",
    "disk": "write a partition table on {devices} for pool {name}",
    "logical": "make the volume group {group} on {devices}",
}


def _shown(values: Values) -> Values:
    source = values.get("source", {})
    return {"devices": ", ".join(source.get("devices", [])), "group": source.get("name", "")}


def _unready(draft: Draft, values: Values) -> bool:
    """Whether the directory is missing or has other permissions than the definition says; unknown from afar."""
    if not draft.world.local:
        return draft.before is None
    there = of_file(values["path"])
    wanted = draft.wanted.get("permissions", {})
    return not there or any(there.get(key, value) != value for key, value in wanted.items())


def _need_program(draft: Draft, kind_of_pool: str) -> None:
    """What the backend runs on this machine is installed."""
    program = _PROGRAMS.get(kind_of_pool)
    if program and draft.world.local and not found(program[0]):
        raise KvmError(
            f"type: a pool of type {kind_of_pool} needs {program[0]}, which this machine hasn't got",
            f"Install {program[1]}.",
            option="type",
        )


def _need_secret(draft: Draft, values: Values) -> None:
    """The secret that the pool logs in with is there."""
    auth = values.get("source", {}).get("auth", {})
    if auth:
        from ..secret.reference import need_secrets

        usage = {"chap": "iscsi"}.get(auth.get("type"), auth.get("type"))
        need_secrets(draft.world, draft.plan, usage, auth, "source.auth")


_PROGRAMS = {
    "disk": ("parted", "parted"),
    "netfs": ("mount.nfs", "nfs-common (nfs-utils on Fedora, nfs-client on SUSE)"),
    "logical": ("vgs", "lvm2"),
    "iscsi": ("iscsiadm", "open-iscsi (iscsi-initiator-utils on Fedora)"),
    "zfs": ("zfs", "zfsutils-linux (zfs on Fedora)"),
}


def _delete_volumes(world: World, there: t.Any) -> None:
    """All volumes, after a last look at whether something uses one; those that vanished meanwhile are forgotten."""
    from ..volume.leftover import refresh
    from ..volume.records import delete

    refresh(there)
    refuse_in_use(world, there, "storage")
    for volume in there.listAllVolumes():
        delete(world, volume)


def _build(world: World, there: t.Any, flag: str) -> None:
    there.build(_libvirt.constant(f"VIR_STORAGE_POOL_BUILD_{flag}") if flag else 0)


def _refresh(world: World, there: t.Any) -> None:
    from ..volume.leftover import refresh

    refresh(there)


NOUN = Pool()

ARGUMENT_SPEC: Values = {
    **LIFE_SPEC,
    "build": {"type": "str", "choices": ["new", "overwrite"]},
    "refresh": {"type": "bool", "default": False},
    "force": {"type": "bool", "default": False},
    "storage": {"type": "str", "choices": ["keep", "delete"], "default": "keep"},
    **table.argument_spec(POOL),
}
