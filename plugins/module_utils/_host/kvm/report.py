# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``kvm`` part of the host: usable or why not, the device, the modules with their parameters, nesting."""

from __future__ import annotations

import typing as t

from ..kernel_module import modules
from ..machine.cpu import vendor_module
from ..machine.device import kvm, node
from ..root import Root
from .cause import explain, hardware, usable, works
from .facts import Cause, Facts
from .refused import OTHER_HYPERVISORS

SHOWN = ("kvm", "vhost", "vhost_net", "vhost_vsock", "vfio", "vfio_pci", "vfio_iommu_type1", "tun")


def report(root: Root, cpu: dict[str, t.Any], system: dict[str, t.Any], deep: str = "auto") -> dict[str, t.Any]:
    """The ``kvm`` part. ``deep``: whether to make a machine to be sure (``auto``: only where opening isn't proof)."""
    answer = kvm(root, create(root, deep))
    facts = Facts(root, answer, cpu, system)
    caps: dict[str, int] = answer["caps"]
    return {
        "usable": usable(answer),
        "hardware": hardware(facts),
        "vendor_module": next(iter(facts.present), None) or vendor_module(root),
        "api_version": answer["api_version"],
        "device": {**node(root, "/dev/kvm"), "openable": answer["open"] == 0, "errno": answer["open"] or None},
        "create_vm": _created(answer["create_vm"]),
        **_explained(facts, explain(facts)),
        "caps": caps,
        "max_vcpus": caps.get("max_vcpus"),
        "recommended_vcpus": caps.get("nr_vcpus"),
        "modules": [describe(root, name) for name in _shown(root)],
        "configured": _configured(root),
        "cmdline": _configured(root, command_line=True).get(modules.COMMAND_LINE, {}),
        "loads_at_boot": {name: path for name, path in modules.loads_at_boot(root).items() if modules.is_ours(name)},
        "at_load": modules.value_of(root.word("sys/module/kvm/parameters/enable_virt_at_load")),
        "conflicts": [name for name in OTHER_HYPERVISORS if modules.loaded(root, name)],
        "blocked": [f"{s.source}: {s.kind} {s.module}" for s in _blocks(root)],
        "nested": nested(root, caps),
    }


def _explained(facts: Facts, cause: t.Optional[Cause]) -> dict[str, t.Any]:
    """Why KVM isn't usable, or that it works."""
    if cause is None:
        return {"cause": None, "message": works(facts), "remedy": None, "evidence": []}
    return {"cause": cause.name, "message": cause.message, "remedy": cause.remedy, "evidence": cause.evidence}


def create(root: Root, deep: str) -> bool:
    """Whether to try KVM_CREATE_VM: where VT-x or AMD-V is switched on at load, opening the device is proof enough."""
    if deep != "auto":
        return deep == "true"
    return root.word("sys/module/kvm/parameters/enable_virt_at_load") != "Y"


def describe(root: Root, name: str) -> dict[str, t.Any]:
    """One loaded (or built-in) module."""
    return {
        "name": name,
        "builtin": modules.builtin(root, name),
        "loaded": modules.loaded(root, name),
        "refcnt": modules.users(root, name),
        "vendor": modules.VENDORS.get(name, name[4:] if name.startswith("kvm_") else None),
        "parameters": modules.parameters(root, name),
    }


def nested(root: Root, caps: dict[str, int]) -> dict[str, t.Any]:
    """Whether guests can be hypervisors: ``supported`` by this kernel and processor, ``enabled`` now."""
    for name in [*modules.vendor_modules(root), "kvm"]:
        value = modules.value_of(root.word(f"sys/module/{name}/parameters/nested"))
        if value is not None:
            return {"supported": True, "enabled": bool(value), "parameter": f"{name}.nested"}
    able = caps.get("nested_state") or caps.get("ppc_nested_hv") or caps.get("arm_el2")
    return {"supported": bool(able) if caps else None, "enabled": bool(able) if caps else None, "parameter": None}


def _shown(root: Root) -> list[str]:
    names = [*SHOWN[:1], *modules.vendor_modules(root), *SHOWN[1:]]
    return [name for name in names if modules.loaded(root, name)]


def _configured(root: Root, command_line: bool = False) -> dict[str, dict[str, dict[str, str]]]:
    """Source to module to parameters, as modprobe will read them: of the files, or of the kernel's command line."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for setting in modules.configured(root):
        if (setting.source == modules.COMMAND_LINE) is command_line:
            found.setdefault(setting.source, {}).setdefault(setting.module, {}).update(setting.values)
    return found


def _blocks(root: Root) -> list[modules.Setting]:
    return [s for s in modules.settings(root) if s.kind != "options" and (s.module == "*" or modules.is_ours(s.module))]


def _created(number: t.Optional[int]) -> str:
    import errno

    if number is None:
        return "skipped"
    return "ok" if number == 0 else errno.errorcode.get(number, str(number))
