# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which keys a configuration file can have, and of what kind, as the installed version says it.

libvirt ships a grammar of each file for Augeas. Where that isn't there, the file as shipped shows each key in a comment.
"""

from __future__ import annotations

import re
import typing as t

from ..._plan import KvmError
from ..._secret import secret_name

if t.TYPE_CHECKING:
    from ..root import Root
    from .editing import Value

LENSES = ("usr/share/augeas/lenses", "usr/share/augeas/lenses/dist")
LENS_NAMES = {"qemu": "libvirtd_qemu", "network": "libvirtd_network", "lxc": "libvirtd_lxc", "libxl": "libvirtd_libxl",
              "qemu-lockd": "libvirt_lockd", "qemu-sanlock": "libvirt_sanlock"}  # fmt: skip
ENTRY = re.compile(r'\b(\w+)_entry\s+"(\w+)"')
DEFAULT = re.compile(r"^#?[ \t]?(\w+)[ \t]*[=:][ \t]*(.*)$", re.MULTILINE)
KINDS = {"str": "text", "bool": "switch", "int": "number", "str_array": "list", "limits": "limit"}

# Texts in the grammar that libvirt also takes as a list.
LISTS_TOO = ("security_driver", "hugetlbfs_mount", "shared_filesystems")
TRUE, FALSE = ("1", "yes", "on", "true"), ("0", "no", "off", "false")


def kinds(root: Root, name: str, text: t.Optional[str]) -> dict[str, str]:
    """Each known key's kind: text, switch, number, list, limit (a number or unlimited), any."""
    grammar = lens(root, name)
    if grammar is not None:
        return {key: KINDS.get(kind, "any") for kind, key in ENTRY.findall(grammar)}
    return {key: _kind(value) for key, value in DEFAULT.findall(text or "")}


def lens(root: Root, name: str) -> t.Optional[str]:
    """The grammar that the installed libvirt ships for a file; None where it isn't there."""
    paths = [f"{directory}/{LENS_NAMES.get(name, name)}.aug" for directory in LENSES]
    return next((text for text in map(root.text, paths) if text is not None), None)


def _kind(default: str) -> str:
    if default.startswith("["):
        return "list"
    return "text" if default.startswith(('"', "'")) else "any"


def checked(key: str, value: t.Any, kind: str) -> Value:
    """A value as libvirt wants it for a key of this kind; what can't be meant is an error."""
    if isinstance(value, dict) or value is None:
        raise _wrong(key, value, "a text, a number, a switch or a list of texts")
    listed = isinstance(value, list)
    if kind == "list" or (listed and (kind == "any" or key in LISTS_TOO)):
        return _list(key, value)
    if listed:
        raise _wrong(key, value, f"a {kind}")
    return SCALARS[kind](key, value)


def _list(key: str, value: t.Any) -> list[str]:
    if not isinstance(value, list) or any(isinstance(item, (dict, list, bool)) for item in value):
        raise _wrong(key, value, "a list of texts")
    return [_text(key, item) for item in value]


def _text(key: str, value: t.Any) -> str:
    if isinstance(value, bool):
        raise _wrong(key, value, "a text (put it in quotes: YAML reads bare yes and no as switches)")
    if key.endswith("_perms") and not isinstance(value, str):
        raise _wrong(key, value, 'a text such as "0770" (put it in quotes: YAML reads a bare 0770 as an octal number)')
    if '"""' in str(value):
        raise _wrong(key, value, "a text without three quotes in a row")
    return str(value)


def _switch(key: str, value: t.Any) -> int:
    word = str(value).lower()
    if word not in TRUE + FALSE:
        raise _wrong(key, value, "true or false")
    return int(word in TRUE)


def _number(key: str, value: t.Any) -> int:
    if isinstance(value, bool):
        return int(value)
    if not re.fullmatch(r"-?\d+", str(value)):
        raise _wrong(key, value, "a whole number")
    return int(value)


def _limit(key: str, value: t.Any) -> Value:
    return "unlimited" if value == "unlimited" else _number(key, value)


def _any(key: str, value: t.Any) -> Value:
    return int(value) if isinstance(value, (bool, int)) else _text(key, value)


Parse = t.Callable[[str, t.Any], t.Any]
SCALARS: dict[str, Parse] = {"text": _text, "switch": _switch, "number": _number, "limit": _limit, "any": _any}


def _wrong(key: str, value: t.Any, wanted: str) -> KvmError:
    shown = "the value" if secret_name(key) else repr(value)
    return KvmError(f"settings: {key}: {shown} is not {wanted}", option=f"settings.{key}")
