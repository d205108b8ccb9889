# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that is known about a host, put together from the rooms beside this one; only what was asked for is read."""

from __future__ import annotations

import os
import typing as t

from .._plan import KvmError
from .root import Root

# Sections and those that they are told from.
SECTIONS: dict[str, tuple[str, ...]] = {
    "cpu": (),
    "kvm": ("cpu",),
    "qemu": ("kvm",),
    "libvirt": (),
}


def argument_spec() -> dict[str, t.Any]:
    """The options of ``host_info``."""
    return {
        "gather": {"type": "list", "elements": "str", "choices": ["all", *SECTIONS], "default": ["all"]},
        "deep": {"type": "str", "choices": ["auto", "true", "false"], "default": "auto"},
        "sysroot": {"type": "path", "default": "/"},
    }


def read(params: dict[str, t.Any]) -> dict[str, t.Any]:
    """The result of ``host_info``."""
    path = params["sysroot"]
    if not os.path.isdir(path):
        raise KvmError(
            f"sysroot: {path} is not a directory", "Give the root of a recorded or mounted tree.", option="sysroot"
        )
    return {"host": gather(Root(path), wanted(params["gather"]), params)}


def wanted(names: t.Sequence[str]) -> set[str]:
    """The sections asked for, with those that they need."""
    found = set(SECTIONS) if "all" in names else set(names)
    for name in list(found):
        found.update(SECTIONS.get(name, ()))
    return found


def gather(root: Root, sections: set[str], params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The host: the same keys whatever was asked for, None for what wasn't."""
    from . import system

    host: dict[str, t.Any] = {**system.report(root), **dict.fromkeys(SECTIONS)}
    for name in SECTIONS:
        if name in sections:
            host[name] = READERS[name](root, host, params)
    host["checks"] = []
    host["pending"] = []
    host["notes"] = root.notes
    return host


def _cpu(root: Root, host: dict[str, t.Any], params: t.Mapping[str, t.Any]) -> t.Any:
    from . import cpu

    return cpu.report(root)


def _kvm(root: Root, host: dict[str, t.Any], params: t.Mapping[str, t.Any]) -> t.Any:
    from . import kvm
    from .features import features

    found = kvm.report(root, host["cpu"], host, params.get("deep", "auto"))
    own: dict[str, t.Any] = next(
        (module["parameters"] for module in found["modules"] if module["name"] == found["vendor_module"]), {}
    )
    words = {*host["cpu"]["vmx_flags"], *host["cpu"]["svm_flags"]}
    host["cpu"]["features"] = features(host["cpu"]["flag"], words, {name: own[name]["value"] for name in own})
    return found


def _qemu(root: Root, host: dict[str, t.Any], params: t.Mapping[str, t.Any]) -> t.Any:
    from . import qemu

    return qemu.report(root, host["kvm"]["usable"])


def _libvirt(root: Root, host: dict[str, t.Any], params: t.Mapping[str, t.Any]) -> t.Any:
    from . import libvirt

    return libvirt.report(root)


READERS: dict[str, t.Callable[[Root, dict[str, t.Any], t.Mapping[str, t.Any]], t.Any]] = {
    "cpu": _cpu,
    "kvm": _kvm,
    "qemu": _qemu,
    "libvirt": _libvirt,
}
