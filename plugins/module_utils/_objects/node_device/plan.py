# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's node devices: mediated ones by the common life, PCI devices by their driver, and what results say of all."""

from __future__ import annotations

import functools
import typing as t

from ... import _libvirt
from ..._libvirt import found_or_none, missing_object
from ..._plan import KvmError, Plan, refuse
from ..._wait import until
from ..._xml import document, rows, table
from ..info import as_options, read_one
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
        if params["uuid"] is not None:
            wrong = _given(params, ("state", "driver"), PCI_STATES)
            if wrong:
                why = "a mediated device has no driver of the host to be detached from"
                refuse(wrong[0], why, "Say state: active, inactive, present or absent, and no driver.")
            return super().plan(world, params)
        wrong = _given(params, OF_MDEV, STATES)
        if wrong:
            remedy = "For a PCI device say state: detached or attached; for a mediated one say uuid."
            refuse(wrong[0], "this is for mediated devices, which are named by uuid", remedy)
        from .passthrough import plan_passthrough

        return plan_passthrough(world, params)

    def check(self, draft: Draft) -> None:
        """A new one says what it is made of; the parent is there, and has that type as far as it says."""
        values = rows.read(NODE_DEVICE, draft.after)
        if draft.unchanged:
            return
        for option, example in (("parent", "0000:3b:00.0"), ("type", "nvidia-35")):
            if option not in values:
                why = f"the mediated device {draft.name} isn't there yet, and a new one needs a {option}"
                refuse(option, why, f"Add it, for example {option}: {example}.")
        parent = draft.world.find("node_device", values["parent"])
        if parent is None:
            draft.plan.assume(missing_object("node_device", values["parent"], "parent"))
            return
        types = _types(parent)
        if types and values["type"] not in types:
            refuse("type", f"{values['parent']} has no type '{values['type']}'", f"It has {', '.join(types)}.")
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
        asked = params["name"] is not None or params["uuid"] is not None
        if _mdevs(world):
            world.writable()  # a reader isn't told whether they start with the host
        missed: list[str] = []
        found = _found(world, params, asked, missed)
        if params["as"] == "info":
            result: Values = {"node_devices": [values for _device, values in found]}
        else:
            exports = (_exported(device, values, params, asked) for device, values in found)
            result = as_options([one for one in exports if one], asked)
        return {**result, **({"warnings": missed} if missed else {})}


def _given(params: Params, options: t.Sequence[str], states: t.Sequence[str]) -> list[str]:
    """Those of the options that the task gives; ``state`` counts if it is one of ``states``."""
    return [one for one in options if (params[one] in states if one == "state" else params[one] is not None)]


def _types(parent: t.Any) -> list[str]:
    """The types of mediated devices that a device has."""
    return [one["id"] for one in described(parent).get("mdev_types", [])]


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

PCI_STATES = ("detached", "attached")

ARGUMENT_SPEC: Values = {
    **LIFE_SPEC,
    "name": {"type": "str"},
    "state": {"type": "str", "choices": [*STATES, *PCI_STATES]},
    "driver": {"type": "str"},
    **table.argument_spec(NODE_DEVICE),
}

RULES: Values = {"required_one_of": [("name", "uuid")], "mutually_exclusive": [("name", "uuid")]}

OF_MDEV = ("parent", "type", "attributes", "autostart", "xml", "xml_patch", "unset", "state")


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


def _found(world: World, params: Params, asked: bool, missed: list[str]) -> list[tuple[t.Any, Values]]:
    """The devices that are ``asked`` for, else all of the capability, and what results say of them; sorted by name."""
    listed = [_selected(world, params)] if asked else world.connection.listAllDevices(0)
    read = [(device, _read(device, asked, missed)) for device in listed if device is not None]
    wanted = params["capability"]
    found = [(device, values) for device, values in read if values and wanted in (None, values["capability"])]
    return sorted(found, key=lambda pair: str(pair[1]["name"]))


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
