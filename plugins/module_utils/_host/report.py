# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that is known about a host, put together from the rooms beside this file; only what was asked for is read."""

from __future__ import annotations

import os
import typing as t

from .._plan import KvmError
from .root import Root

Params = t.Mapping[str, t.Any]
Host = dict[str, t.Any]

# Sections in the order they are read, and those that they are told from.
SECTIONS: dict[str, tuple[str, ...]] = {
    "cpu": (),
    "kvm": ("cpu",),
    "secure": ("cpu",),
    "irq_clock": ("cpu", "kvm"),
    "devices": (),
    "iommu": (),
    "sriov": (),
    "cgroup": (),
    "memory": (),
    "numa": (),
    "qemu": ("kvm",),
    "libvirt": (),
    "network": (),
    "security": ("libvirt",),
}
LISTS = ("checks", "pending")
REQUIREMENTS = ("kvm", "hardware", "nested", "iommu", "vfio", "hugepages", "sev", "sev_es", "sev_snp", "tdx", "sgx",
                "s390_pv", "vhost_net", "tun", "migration")  # fmt: skip


def argument_spec() -> dict[str, t.Any]:
    """The options of ``host_info``."""
    return {
        "gather": {"type": "list", "elements": "str", "choices": ["all", *SECTIONS, *LISTS], "default": ["all"]},
        "require": {"type": "list", "elements": "str", "choices": list(REQUIREMENTS), "default": []},
        "strict": {"type": "bool", "default": False},
        "deep": {"type": "str", "choices": ["auto", "true", "false"], "default": "auto"},
        "uri": {"type": "str"},
        "sysroot": {"type": "path", "default": "/"},
    }


def read(params: Params, ask: t.Callable[[str], dict[str, t.Any]]) -> dict[str, t.Any]:
    """The result of ``host_info``. ``ask`` says what libvirt answers on a connection; called if there is a uri."""
    path = params["sysroot"]
    if not os.path.isdir(path):
        raise KvmError(
            f"sysroot: {path} is not a directory", "Give the root of a recorded or mounted tree.", option="sysroot"
        )
    return {"host": gather(Root(path), {**params, "ask": ask})}


def wanted(names: t.Collection[str]) -> set[str]:
    """The sections asked for, with those that they need; checks look at all of them."""
    found = {*SECTIONS, *LISTS} if {"all", "checks"}.intersection(names) else set(names)
    if "all" not in names and "pending" not in names:
        found.discard("pending")
    for name in reversed(SECTIONS):
        if name in found:
            found.update(SECTIONS[name])
    return found


def gather(root: Root, params: Params) -> Host:
    """The host: the same keys whatever was asked for, None for what wasn't."""
    from .machine import system

    sections = wanted(params.get("gather") or ["all"])
    host: Host = {**system.report(root), **dict.fromkeys(SECTIONS), "checks": [], "pending": []}
    for name in SECTIONS:
        if name in sections:
            host[name] = READERS[name](root, host, params)
    if "pending" in sections or "checks" in sections:
        from . import pending

        host["pending"] = pending.report(root)
    if "checks" in sections:
        from .checks import table

        host["checks"] = table.run(host, params.get("require") or (), params.get("strict", False))
    host["notes"] = root.notes
    return host


def _cpu(root: Root, host: Host, params: Params) -> t.Any:
    from .machine import cpu

    return cpu.report(root)


def _kvm(root: Root, host: Host, params: Params) -> t.Any:
    from .kvm import report as kvm
    from .machine.features import features

    found = kvm.report(root, host["cpu"], host, params.get("deep", "auto"))
    own: dict[str, t.Any] = next(
        (module["parameters"] for module in found["modules"] if module["name"] == found["vendor_module"]), {}
    )
    words = {*host["cpu"]["vmx_flags"], *host["cpu"]["svm_flags"]}
    host["cpu"]["features"] = features(host["cpu"]["flag"], words, {name: own[name]["value"] for name in own})
    return found


def _secure(root: Root, host: Host, params: Params) -> t.Any:
    from .machine import capability

    return capability.secure(root, host["cpu"])


def _irq_clock(root: Root, host: Host, params: Params) -> t.Any:
    from .machine import capability

    return capability.irq_clock(root, host["cpu"], host["kvm"]["caps"])


def _devices(root: Root, host: Host, params: Params) -> t.Any:
    from .machine import capability

    return capability.devices(root)


def _cgroup(root: Root, host: Host, params: Params) -> t.Any:
    from .machine import capability

    return capability.cgroup(root)


def _iommu(root: Root, host: Host, params: Params) -> t.Any:
    from .pci import iommu

    return iommu.report(root)


def _sriov(root: Root, host: Host, params: Params) -> t.Any:
    from .pci import iommu

    return iommu.sriov(root)


def _memory(root: Root, host: Host, params: Params) -> t.Any:
    from .machine import memory

    return memory.memory(root)


def _numa(root: Root, host: Host, params: Params) -> t.Any:
    from .machine import memory

    return memory.numa(root)


def _qemu(root: Root, host: Host, params: Params) -> t.Any:
    from .kvm import emulators

    return emulators.report(root, host["kvm"]["usable"])


def _libvirt(root: Root, host: Host, params: Params) -> t.Any:
    from .libvirt import installed
    from .libvirt_conf import reading

    return {
        **installed.report(root),
        "conf": reading.report(root),
        "tls": {
            "enabled": installed.hears_tls(root),
            "certificates": reading.certificates(root),
            "open_keys": reading.open_keys(root),
        },
        **(params["ask"](params["uri"]) if params.get("uri") and root.path == "/" else installed.UNASKED),
    }


def _network(root: Root, host: Host, params: Params) -> t.Any:
    from . import network

    return network.report(root)


def _security(root: Root, host: Host, params: Params) -> t.Any:
    from . import security

    return security.report(root, host["libvirt"]["conf"])


READERS: dict[str, t.Callable[[Root, Host, Params], t.Any]] = {
    "cpu": _cpu,
    "kvm": _kvm,
    "secure": _secure,
    "irq_clock": _irq_clock,
    "devices": _devices,
    "iommu": _iommu,
    "sriov": _sriov,
    "cgroup": _cgroup,
    "memory": _memory,
    "numa": _numa,
    "qemu": _qemu,
    "libvirt": _libvirt,
    "network": _network,
    "security": _security,
}
