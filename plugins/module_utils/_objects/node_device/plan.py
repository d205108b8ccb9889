# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's node devices: mediated ones by the common life, PCI devices by their driver, and what results say of all."""

from __future__ import annotations

import functools
import time
import typing as t

from ... import _libvirt
from ..._libvirt import found_or_none, missing_object
from ..._plan import KvmError, Plan
from ..._xml import document, rows, table
from .. import kind, life
from .describe import described
from .table import NODE_DEVICE, device_name

if t.TYPE_CHECKING:
    from ..._xml.rows import Values

SECONDS_MAX = 20.0  # until libvirt has heard of what mdevctl did


def _uuid(params: kind.Params) -> str:
    return str(rows.parse(NODE_DEVICE, {"uuid": params["uuid"]})["uuid"])


def _find(world: t.Any, name: str) -> t.Any:
    """The mediated device of a UUID; libvirt makes its name of that and the parent."""
    begins = "mdev_" + name.replace("-", "_")
    return next((one for one in _mdevs(world) if one.name().startswith(begins)), None)


def _mdevs(world: t.Any) -> list[t.Any]:
    """Mediated devices, active or defined only."""
    flag = _libvirt.constant("VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV")
    return list(world.connection.listAllDevices(flag))


def _called(there: t.Any) -> str:
    return str(rows.read(NODE_DEVICE, document.document(there.XMLDesc(0)))["uuid"])


def _check(draft: kind.Draft) -> None:
    """A new one says what it is made of; the parent is there, and has that type as far as it says."""
    values = rows.read(NODE_DEVICE, draft.after)
    if draft.before is not None and not draft.changes:
        return
    for option, example in (("parent", "0000:3b:00.0"), ("type", "nvidia-35")):
        if option not in values:
            raise KvmError(
                f"{option}: the mediated device {draft.name} isn't there yet, and a new one needs a {option}",
                f"Add it, for example {option}: {example}.",
                option=option,
            )
    parent = draft.world.find("node_device", values["parent"])
    if parent is None:
        draft.plan.assume(missing_object("node_device", values["parent"], "parent"))
        return
    types = described(parent).get("mdev_types", [])
    if types and values["type"] not in [one["id"] for one in types]:
        raise KvmError(
            f"type: {values['parent']} has no type '{values['type']}'",
            f"It has {', '.join(one['id'] for one in types)}.",
            option="type",
        )
    if not types:
        draft.plan.warnings.append(
            f"{values['parent']} has no types of mediated devices now, so that none can be started"
        )


def _define(world: t.Any, of: kind.Kind, name: str, xml: str) -> t.Any:
    """mdevctl changes no definition that is there: it goes and comes anew, and comes back if the new one is refused."""
    there = _find(world, name)
    if there is None or not there.isPersistent():
        return kind.define(world, of, name, xml)
    before = there.XMLDesc(0)
    starts = bool(there.autostart())
    _undefine(world, there)
    try:
        remark = kind.define(world, of, name, xml)
    except Exception:
        world.connection.nodeDeviceDefineXML(before).setAutostart(starts)
        raise
    _find(world, name).setAutostart(starts)
    return remark


def _undefine(world: t.Any, there: t.Any) -> None:
    name = there.name()
    there.undefine()
    _await(world, name, lambda found: found is None or not found.isPersistent())


def _stop(world: t.Any, there: t.Any) -> None:
    name = there.name()
    there.destroy()
    _await(world, name, lambda found: found is None or not found.isActive())


def _await(world: t.Any, name: str, done: t.Callable[[t.Any], bool]) -> None:
    """libvirt learns from events what became of a device."""
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        try:
            if done(world.find("node_device", name)):
                return
        except Exception as error:
            if not _libvirt.code_is(error, "VIR_ERR_NO_NODE_DEVICE"):
                raise
            return
        time.sleep(0.05)
    raise KvmError(
        f"{name} is still what it was {SECONDS_MAX:.0f} seconds after libvirt changed it", "Look at its log."
    )


KIND = kind.Kind(
    "node_device",
    NODE_DEVICE,
    "nodeDeviceDefineXML",
    tag="device",
    naming="",
    name=_uuid,
    called=_called,
    find=_find,
    beside=("uuid",),
    normal=kind.rebuilt(dict),
    identity=lambda root: ("capability[@type='mdev']/uuid",),
    check=_check,
    operations={"define": _define, "undefine": _undefine, "stop": _stop},
)

ARGUMENT_SPEC: Values = {
    **kind.LIFE_SPEC,
    "name": {"type": "str"},
    "state": {"type": "str", "choices": [*kind.STATES, "detached", "attached"]},
    "driver": {"type": "str"},
    **table.argument_spec(NODE_DEVICE),
}

RULES: Values = {"required_one_of": [("name", "uuid")], "mutually_exclusive": [("name", "uuid")]}

OF_MDEV = ("parent", "type", "attributes", "autostart", "xml", "xml_patch", "unset")


def plan_node_device(world: t.Any, params: kind.Params) -> Plan:
    """What brings a device to what the options say: by ``uuid`` a mediated one, by ``name`` a PCI device."""
    passed = params["state"] in ("detached", "attached")
    if params["uuid"] is not None:
        if passed or params["driver"] is not None:
            raise KvmError(
                f"{'state' if passed else 'driver'}: a mediated device has no driver of the host to be detached from",
                "Say state: active, inactive, present or absent, and no driver.",
                option="state" if passed else "driver",
            )
        return life.plan_object(world, KIND, params)
    wrong = [option for option in OF_MDEV if params[option] is not None]
    if wrong or params["state"] in kind.STATES:
        option = wrong[0] if wrong else "state"
        raise KvmError(
            f"{option}: this is for mediated devices, which are named by uuid",
            "For a PCI device say state: detached or attached; for a mediated one say uuid.",
            option=option,
        )
    from .passthrough import plan_passthrough

    return plan_passthrough(world, params)


def operations() -> kind.Operations:
    """What the steps of a device's plan can do."""
    from .passthrough import attach, detach

    return {**kind.operations(KIND), "detach": detach, "attach": attach}


def describe(world: t.Any, params: kind.Params) -> t.Optional[Values]:
    """The device after the run."""
    there = _selected(world, params)
    return None if there is None else described(there)


def _selected(world: t.Any, params: kind.Params) -> t.Any:
    if params["uuid"] is not None:
        return _find(world, _uuid(params))
    return world.find("node_device", device_name(params["name"]))


INFO_SPEC: Values = {
    "name": {"type": "str"},
    "uuid": {"type": "str"},
    "capability": {"type": "str"},
}
INFO_RULES: Values = {"mutually_exclusive": [("name", "uuid", "capability")]}


def read_node_devices(world: t.Any, params: kind.Params) -> Values:
    """The result of node_device_info."""
    one = params["name"] is not None or params["uuid"] is not None
    if _mdevs(world):
        world.writable()  # a reader isn't told whether they start with the host
    listed = [_selected(world, params)] if one else world.connection.listAllDevices(0)
    there = [device for device in listed if device is not None]
    found = [(device, found_or_none(functools.partial(described, device), *kind.GONE)) for device in there]
    wanted = params["capability"]
    pairs = sorted(
        ((device, values) for device, values in found if values and wanted in (None, values["capability"])),
        key=lambda pair: str(pair[1]["name"]),
    )
    if params["as"] == "info":
        return {"node_devices": [values for dummy, values in pairs]}
    results = [options for device, values in pairs for options in [_exported(device, values, params, one)] if options]
    if one and results:
        return results[0]
    return {key: [result[key] for result in results] for key in ("options", "not_exported", "secrets_needed")}


def _exported(there: t.Any, values: Values, params: kind.Params, asked: bool) -> t.Optional[Values]:
    """What makes a device what it is: of those that nobody made, the ones that are detached, or asked for."""
    from ..export import exported
    from .passthrough import is_vfio

    if values["capability"] == "mdev" and values["persistent"]:
        result = exported(KIND, there, params["identity"])
        result["not_exported"] = [path for path in result["not_exported"] if path not in MEASURED]
        return result
    if values["capability"] == "pci" and (asked or is_vfio(values.get("driver"))):
        state = "detached" if is_vfio(values.get("driver")) else "attached"
        return {"options": {"name": values["name"], "state": state}, "not_exported": [], "secrets_needed": []}
    return None


MEASURED = ("name", "path", "capability/parent_addr", "capability/iommuGroup")
