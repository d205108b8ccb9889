# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a NoCloud seed: what a task says as cloud-init reads it, and as a diff shows it."""

from __future__ import annotations

import hashlib
import json
import typing as t

from ..._plan import KvmError

if t.TYPE_CHECKING:
    from ..._plan import Plan
    from ..._xml.rows import Values
    from .iso import Files


def files_of(wanted: Values, uuid: str, name: str, before: t.Optional[Files]) -> Files:
    """The seed's files by name. A seed keeps its instance-id until ``reseed``, then content decides it."""
    files = {"user-data": _cloud_config(wanted["user_data"])}
    if wanted["vendor_data"] is not None:
        files["vendor-data"] = _cloud_config(wanted["vendor_data"])
    if wanted["network_config"] is not None:
        files["network-config"] = _text(wanted["network_config"], "network_config")
    meta = {"local-hostname": name, **(wanted["meta_data"] or {})}
    if "instance-id" not in meta:
        meta["instance-id"] = _instance(before, uuid)
        if wanted["reseed"] and before is not None:
            bare = {**meta, "instance-id": ""}
            digest = hashlib.sha256(json.dumps([files, bare], sort_keys=True).encode()).hexdigest()
            if {**before, "meta-data": ""} != {**files, "meta-data": ""} or meta_of(before, "") != bare:
                meta["instance-id"] = f"{uuid}-{digest[:12]}"
    files["meta-data"] = json.dumps(meta, indent=1, sort_keys=True) + "\n"
    return files


# How user-data and vendor-data begin, if cloud-init is to know what they are.
BEGINNINGS = (
    "#cloud-config",
    "#!",
    "#include",
    "#cloud-boothook",
    "#part-handler",
    "## template:",
    "Content-Type:",
    "MIME-Version:",
)


def ignored(wanted: Values) -> list[str]:
    """A sentence for each file of the seed that cloud-init would ignore, or take for something else than is meant."""
    found = []
    for option in ("user_data", "vendor_data"):
        value = wanted[option]
        if isinstance(value, str) and not value.startswith(BEGINNINGS):
            found.append(
                f"cloud_init.{option}: cloud-init ignores a text that doesn't begin with #cloud-config, #! or another word that"
                " says what it is. Write #cloud-config into its first line, or give a dict"
            )
    network = wanted["network_config"]
    if isinstance(network, dict) and "version" not in network.get("network", network):
        found.append(
            "cloud_init.network_config: it has no version, and cloud-init takes it for version 1. Say version: 2 for a dict of"
            " ethernets, as netplan has it"
        )
    return found


def _instance(before: t.Optional[Files], uuid: str) -> str:
    return str(meta_of(before, None).get("instance-id") or uuid) if before else uuid


def meta_of(before: Files, instance: t.Optional[str]) -> Values:
    try:
        meta = json.loads(before.get("meta-data") or "{}")
    except ValueError:
        return {}
    return meta if instance is None else {**meta, "instance-id": instance}


def _cloud_config(value: t.Any) -> str:
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


def note(plan: Plan, before: t.Optional[Files], after: Files, show: bool) -> None:
    for name in sorted({*(before or {}), *after}):
        old, new = (before or {}).get(name), after.get(name)
        if old == new:
            continue
        path = f"cloud_init.{name.replace('-', '_')}"
        if show:
            plan.differs(path, old, new)
        else:
            plan.differs(path, _summary(old), _summary(new))


def _summary(text: t.Optional[str]) -> t.Optional[str]:
    """What a diff says of a file of the seed: its keys and a digest, never its values."""
    if text is None:
        return None
    try:
        keys = ", ".join(json.loads(text.removeprefix("#cloud-config\n")))
    except (ValueError, TypeError):
        keys = "text"
    return f"{keys} (sha256 {hashlib.sha256(text.encode()).hexdigest()[:12]})"
