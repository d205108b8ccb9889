# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a task's arguments, and what was probably meant. Read only where Ansible refuses them.

Ansible lists all options that there are, a hundred of them for a domain, and doesn't name the option of a list whose items
aren't dicts.
"""

from __future__ import annotations

import difflib
import re
import typing as t

Spec = t.Mapping[str, t.Any]

# Words of libvirt's documents, virsh, virt-install, Terraform and others: what they mean here, the first that exists.
MEANT: dict[str, tuple[str, ...]] = {
    "capacity": ("size",),
    "cdrom": ("disks",),
    "cidr": ("address",),
    "cpus": ("vcpus",),
    "current_memory": ("memory",),
    "deleted": ("absent",),
    "destination": ("address",),
    "destroyed": ("stopped", "inactive"),
    "dev": ("target", "block"),
    "directory": ("dir", "path"),
    "down": ("inactive", "down"),
    "format_type": ("format",),
    "hostname": ("name",),
    "inactive": ("stopped",),
    "active": ("running",),
    "ip": ("ips", "address"),
    "mac_address": ("mac",),
    "max_memory": ("memory_maximum",),
    "max_vcpus": ("vcpus_maximum",),
    "memory_mb": ("memory",),
    "mode": ("forward",),
    "nat_ipv6": ("nat.ipv6",),
    "network_interface": ("interfaces",),
    "networks": ("interfaces",),
    "nfs": ("netfs",),
    "nics": ("interfaces",),
    "off": ("stopped", "inactive"),
    "on": ("running", "active"),
    "os_variant": ("osinfo",),
    "path": ("file", "source", "target"),
    "paths": ("path",),
    "permission": ("permissions",),
    "present": ("present",),
    "ram": ("memory",),
    "removed": ("absent",),
    "restarted": ("running",),
    "running": ("active",),
    "shut_off": ("stopped",),
    "shutdown": ("stopped",),
    "shutoff": ("stopped",),
    "size": ("capacity",),
    "started": ("running", "active"),
    "status": ("state",),
    "stopped": ("inactive",),
    "subnet": ("address",),
    "suspended": ("paused",),
    "target": ("path",),
    "target_path": ("path",),
    "undefined": ("absent",),
    "up": ("active",),
    "user_data": ("cloud_init.user_data",),
    "vnc": ("graphics",),
    "volume_name": ("volume",),
}
LEAST = 0.6  # how much alike two words must be, from 0 to 1
MANY = 20  # more names than these aren't listed

_CHOICE = re.compile(
    r"value of (\S+) must be one (?:or more )?of: (.*?)(?:, got: |\. Got no match for: )(.*?)(?: found in .*)?$",
    re.DOTALL,
)


def nearest(word: str, known: t.Iterable[str]) -> str:
    """The name in ``known`` that ``word`` probably means; ``""`` where none is like it."""
    names = [str(one) for one in known]
    for meant in MEANT.get(word.lower(), ()):
        if meant.partition(".")[0] in names:
            return meant
    found = [(_likeness(word.lower(), name.lower()), -len(name), name) for name in names]
    alike, dummy, name = max(found, default=(0.0, 0, ""))
    return name if alike >= LEAST else ""


def _likeness(word: str, name: str) -> float:
    """How much alike they are, from 0 to 1; a word is like a longer name too that begins so (Skylaek, Skylake-Client)."""
    whole, begun = (difflib.SequenceMatcher(None, word, one).ratio() for one in (name, name[: len(word)]))
    return max(whole, 0.85 * begun)


def explained(module: str, errors: t.Sequence[str], unsupported: t.Iterable[t.Any], spec: Spec) -> str:
    """The refusal of a task's arguments in one paragraph.

    ``errors`` are Ansible's sentences. ``unsupported`` are the options that don't exist, each a name or, below others, the
    names that lead to it. ``spec`` is the module's argument spec.
    """
    unknown = sorted({(one,) if isinstance(one, str) else tuple(one) for one in unsupported})
    others = [error for error in errors if "Supported parameters include:" not in error]
    if unknown and not any(" is of type " in error for error in others):  # what is missing beside them was misspelt
        return " ".join(_unknown(module, path, spec) for path in unknown)
    return _with_guess(_naming(others))


def _unknown(module: str, path: t.Sequence[str], spec: Spec) -> str:
    """An option that doesn't exist, and the one that is meant, else those that there are."""
    where = ""
    for name in path[:-1]:
        below = spec[_real(name, spec)]
        where += f"{name}{'[]' if below.get('type') == 'list' else ''}."
        spec = below.get("options") or {}
    meant = nearest(path[-1], spec)
    if meant:
        return f"{where}{path[-1]}: {module} has no such option. Did you mean {where}{meant}?"
    known = f"It has {', '.join(sorted(spec))}" if len(spec) <= MANY else f"`ansible-doc {module}` lists its options"
    return f"{where}{path[-1]}: {module} has no such option. {known}."


def _real(name: str, spec: Spec) -> str:
    """The option of that name or alias."""
    return name if name in spec else next(one for one in spec if name in (spec[one].get("aliases") or ()))


def _naming(errors: t.Sequence[str]) -> str:
    """The first error that names its option."""
    return next((error for error in errors if not error.startswith("dictionary requested")), errors[0])


def _with_guess(error: str) -> str:
    """The error, with the choice that is meant, or the form that is asked for."""
    choice = _CHOICE.search(error)
    if choice:
        meant = nearest(choice[3], choice[2].split(", "))
        return f"{error}. Did you mean {meant}?" if meant else error
    listed = re.match(r"argument '(\w+)' is of type \w+ .* (?:convert|converted) to (?:a )?list", error)
    if listed:
        return f"{listed[1]}: this is a list, and one item was given. Write a dash before each item."
    item = re.match(r"Elements value for option '(\w+)' is of type (\w+) .* convert to dict", error)
    if item:
        return f"{item[1]}: each item is a dict, and one of type {item[2]} was given. Write the item's options with their names."
    return error
