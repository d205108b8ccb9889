# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's node devices: mediated ones by the common life, PCI devices by their driver, and what results say of all."""

from __future__ import annotations

import functools
import typing as t

from ... import _libvirt
from ..._libvirt import found_or_none, missing_object
from ..._plan import KvmError, Plan
from ..._wait import until
from ..._xml import document, rows, table
from ..info import read_one
from ..noun import LIFE_SPEC, STATES, ByRows, Params
from ..operations import expect
from .describe import described
from .table import NODE_DEVICE, device_name

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..._plan import Operations
    from ..._xml.rows import Element, Values
    from ..draft import Draft

SECONDS_MAX = 20.0  # until libvirt has heard of what mdevctl did


class NodeDevice(ByRows):
    """A device of the host: a mediated one, which is defined, or another one, which is detached from its driver and attached."""

    name = "node_device"
    rows = NODE_DEVICE
    define_call = "nodeDeviceDefineXML"
    list_call = "listAllDevices"
    tag = "device"
    naming = ""
    beside = ("uuid",)

    def key(self, params: Params) -> str:
        """The UUID of a mediated device."""
        return str(rows.parse(NODE_DEVICE, {"uuid": params["uuid"]})["uuid"])

    def called(self, there: t.Any) -> str:
        """The UUID of a mediated device."""
        return str(rows.read(NODE_DEVICE, document.document(there.XMLDesc(0)))["uuid"])

    def find(self, world: World, key: str) -> t.Any:
        """The mediated device of a UUID; libvirt makes its name of that and the parent."""
        begins = "mdev_" + key.replace("-", "_")
        return next((one for one in _mdevs(world) if one.name().startswith(begins)), None)

    def identity(self, root: Element) -> tuple[str, ...]:
        """The UUID."""
        return ("capability[@type='mdev']/uuid",)

    def plan(self, world: World, params: Params) -> Plan:
        """What brings a device to what the options say: by ``uuid`` a mediated one, by ``name`` a PCI device."""
        passed = params["state"] in ("detached", "attached")
        if params["uuid"] is not None:
            if passed or params["driver"] is not None:
                raise KvmError(
                    f"{'state' if passed else 'driver'}: a mediated device has no driver of the host to be detached from",
                    "Say state: active, inactive, present or absent, and no driver.",
                    option="state" if passed else "driver",
                )
            return super().plan(world, params)
        wrong = [option for option in OF_MDEV if params[option] is not None]
        if wrong or params["state"] in STATES:
            option = wrong[0] if wrong else "state"
            raise KvmError(
                f"{option}: this is for mediated devices, which are named by uuid",
                "For a PCI device say state: detached or attached; for a mediated one say uuid.",
                option=option,
            )
        from .passthrough import plan_passthrough

        return plan_passthrough(world, params)

    def check(self, draft: Draft) -> None:
        """A new one says what it is made of; the parent is there, and has that type as far as it says."""
        values = rows.read(NODE_DEVICE, draft.after)
        if draft.unchanged:
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
        types = _types(parent)
        if types and values["type"] not in [one["id"] for one in types]:
            raise KvmError(
                f"type: {values['parent']} has no type '{values['type']}'",
                f"It has {', '.join(one['id'] for one in types)}.",
                option="type",
            )
        if not types and draft.state != "active":
            draft.plan.warnings.append(
                f"{values['parent']} has no types of mediated devices now, so that none can be started"
            )

    def before_start(self, draft: Draft) -> None:
        """The kernel makes mediated devices of a parent that has types of them."""
        name = rows.read(NODE_DEVICE, draft.after).get("parent", "")
        parent = draft.world.find("node_device", name)
        if parent is not None and not _types(parent):
            draft.plan.assume(
                KvmError(
                    f"parent: {name} has no types of mediated devices, so that {draft.title} can't be started",
                    "Load its driver, and turn on its virtual functions where it needs that; or leave the device inactive.",
                    option="parent",
                )
            )

    def define(
        self, world: World, key: str, xml: str, planned: t.Optional[str] = None, running: t.Optional[str] = None
    ) -> t.Any:
        """mdevctl changes no definition that is there: it goes and comes anew, and comes back if the new one is refused."""
        expect(self, world, key, planned)
        there = self.find(world, key)
        if there is None or not there.isPersistent():
            return super().define(world, key, xml)
        before = there.XMLDesc(0)
        starts = bool(there.autostart())
        self.undefine(world, there)
        try:
            remark = super().define(world, key, xml)
        except Exception:
            world.connection.nodeDeviceDefineXML(before).setAutostart(starts)
            raise
        self.find(world, key).setAutostart(starts)
        return remark

    def undefine(self, world: World, there: t.Any) -> None:
        """Delete the definition; libvirt hears of it later."""
        name = there.name()
        there.undefine()
        _await(world, name, lambda found: found is None or not found.isPersistent())

    def stop(self, world: World, there: t.Any) -> None:
        """Stop the device; libvirt hears of it later."""
        name = there.name()
        there.destroy()
        _await(world, name, lambda found: found is None or not found.isActive())

    def operations(self) -> Operations:
        """What the steps of a device's plan can do."""
        from .passthrough import attach, detach

        return {**super().operations(), "detach": detach, "attach": attach}

    def describe(self, world: World, params: Params) -> t.Optional[Values]:
        """The device after the run."""
        there = _selected(world, params)
        return None if there is None else described(there)

    def info(self, world: World, params: Params) -> Values:
        """The result of node_device_info."""
        one = params["name"] is not None or params["uuid"] is not None
        if _mdevs(world):
            world.writable()  # a reader isn't told whether they start with the host
        listed = [_selected(world, params)] if one else world.connection.listAllDevices(0)
        there = [device for device in listed if device is not None]
        missed: list[str] = []
        found = [(device, _read(device, one, missed)) for device in there]
        wanted = params["capability"]
        pairs = sorted(
            ((device, values) for device, values in found if values and wanted in (None, values["capability"])),
            key=lambda pair: str(pair[1]["name"]),
        )
        if params["as"] == "info":
            warned = {"warnings": missed} if missed else {}
            return {"node_devices": [values for dummy, values in pairs], **warned}
        results = [
            options for device, values in pairs for options in [_exported(device, values, params, one)] if options
        ]
        if one and results:
            return results[0]
        keys = {key: [result[key] for result in results] for key in ("options", "not_exported", "secrets_needed")}
        return {**keys, **({"warnings": missed} if missed else {})}


def _types(parent: t.Any) -> list[Values]:
    """The types of mediated devices that a device has."""
    return t.cast("list[Values]", described(parent).get("mdev_types", []))


def _mdevs(world: World) -> list[t.Any]:
    """Mediated devices, active or defined only."""
    flag = _libvirt.constant("VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV")
    return list(world.connection.listAllDevices(flag))


def _await(world: World, name: str, done: t.Callable[[t.Any], bool]) -> None:
    """libvirt learns from events what became of a device."""

    def is_done() -> bool:
        return found_or_none(lambda: done(world.find("node_device", name)), "VIR_ERR_NO_NODE_DEVICE") in (True, None)

    if not until(is_done, SECONDS_MAX, 0.05):
        raise KvmError(
            f"{name} is still what it was {SECONDS_MAX:.0f} seconds after libvirt changed it", "Look at its log."
        )


NOUN = NodeDevice()

ARGUMENT_SPEC: Values = {
    **LIFE_SPEC,
    "name": {"type": "str"},
    "state": {"type": "str", "choices": [*STATES, "detached", "attached"]},
    "driver": {"type": "str"},
    **table.argument_spec(NODE_DEVICE),
}

RULES: Values = {"required_one_of": [("name", "uuid")], "mutually_exclusive": [("name", "uuid")]}

OF_MDEV = ("parent", "type", "attributes", "autostart", "xml", "xml_patch", "unset")


def _selected(world: World, params: Params) -> t.Any:
    if params["uuid"] is not None:
        return NOUN.find(world, NOUN.key(params))
    return world.find("node_device", device_name(params["name"]))


INFO_SPEC: Values = {
    "name": {"type": "str"},
    "uuid": {"type": "str"},
    "capability": {"type": "str"},
}
INFO_RULES: Values = {"mutually_exclusive": [("name", "uuid", "capability")]}


def _read(device: t.Any, asked: bool, missed: list[str]) -> t.Optional[Values]:
    title = f"node device {_libvirt.tried(device.name)[0]}"
    return t.cast("t.Optional[Values]", read_one(functools.partial(described, device), title, asked, missed))


def _exported(there: t.Any, values: Values, params: Params, asked: bool) -> t.Optional[Values]:
    """What makes a device what it is: of those that nobody made, the ones that are detached, or asked for."""
    from ..export import exported
    from .passthrough import is_vfio

    if values["capability"] == "mdev" and values["persistent"]:
        result = exported(NOUN, there, params["identity"])
        result["not_exported"] = [path for path in result["not_exported"] if path not in MEASURED]
        return result
    if values["capability"] == "pci" and (asked or is_vfio(values.get("driver"))):
        state = "detached" if is_vfio(values.get("driver")) else "attached"
        return {"options": {"name": values["name"], "state": state}, "not_exported": [], "secrets_needed": []}
    return None


MEASURED = ("name", "path", "capability/parent_addr", "capability/iommuGroup")
