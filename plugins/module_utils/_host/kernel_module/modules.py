# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel modules: loaded, built in or missing, their parameters now, and everything that will set or block them."""

from __future__ import annotations

import re
import typing as t

from ..root import Root

CONFIG_DIRS = ("etc/modprobe.d", "run/modprobe.d", "usr/local/lib/modprobe.d", "usr/lib/modprobe.d", "lib/modprobe.d")
LOAD_DIRS = ("etc/modules-load.d", "run/modules-load.d", "usr/local/lib/modules-load.d", "usr/lib/modules-load.d",
             "lib/modules-load.d")  # fmt: skip
WORD = re.compile(r'(?:"[^"]*"?|[^\s"])+')
NOTHING = ("/bin/false", "/usr/bin/false", "/bin/true", "/usr/bin/true", "false", "true", ":")

COMMAND_LINE = "kernel command line"

VENDORS = {"kvm_intel": "intel", "kvm_amd": "amd", "kvm_pvm": "pvm", "kvm_hv": "hv", "kvm_pr": "pr"}
NOT_VENDORS = ("kvm", "kvmgt")

# A built-in module without parameters leaves no trace below /sys/module, but what it registers: its name in /proc/misc.
REGISTERED = {"tun": "tun", "vhost_net": "vhost-net", "vhost_vsock": "vhost-vsock", "vfio": "vfio", "fuse": "fuse"}


def canonical(name: str) -> str:
    """Dashes and underscores are the same in a module's name."""
    return name.replace("-", "_")


class Setting:
    """One line that a load of the module meets: ``kind`` (options, blacklist, install, cmdline), where, and what."""

    __slots__ = ("kind", "module", "source", "values")

    def __init__(self, kind: str, module: str, source: str, values: t.Any) -> None:
        self.kind = kind
        self.module = module
        self.source = source
        self.values = values


def loaded(root: Root, name: str) -> bool:
    """Whether the running kernel has the module, loaded or built in (as far as /sys shows it)."""
    return root.exists(f"sys/module/{canonical(name)}") or _registered(root, canonical(name))


def builtin(root: Root, name: str) -> bool:
    """Whether the module is part of the kernel: /sys has it without a state, or the kernel's list names it."""
    name = canonical(name)
    if root.exists(f"sys/module/{name}"):
        return not root.exists(f"sys/module/{name}/initstate")
    return _registered(root, name) or _listed(root, "modules.builtin", name)


def _registered(root: Root, name: str) -> bool:
    wanted = REGISTERED.get(name)
    return wanted is not None and any(line.split()[1:] == [wanted] for line in root.lines("proc/misc"))


def tree(root: Root) -> t.Optional[str]:
    """The directory of the running kernel's modules, or None if there is none (an upgrade may have taken it away)."""
    release = root.release()
    for base in ("lib/modules", "usr/lib/modules"):
        if release and root.exists(f"{base}/{release}"):
            return f"{base}/{release}"
    return None


def kernels(root: Root) -> list[str]:
    """Kernels whose modules are installed, the running one or not."""
    for base in ("lib/modules", "usr/lib/modules"):
        found = [name for name in root.names(base) if root.exists(f"{base}/{name}/modules.dep")]
        if found:
            return found
    return []


def available(root: Root, name: str) -> bool:
    """Whether the running kernel's directory has the module as a file, or the kernel has it built in."""
    return _listed(root, "modules.dep", canonical(name)) or builtin(root, name)


def _listed(root: Root, listing: str, name: str) -> bool:
    base = tree(root)
    lines = root.lines(f"{base}/{listing}") if base else []
    return any(canonical(line.partition(":")[0].rpartition("/")[2].partition(".ko")[0]) == name for line in lines)


def users(root: Root, name: str) -> t.Optional[int]:
    """How many hold the module; None for a built-in one."""
    return root.number(f"sys/module/{canonical(name)}/refcnt")


def holders(root: Root, name: str) -> list[str]:
    """Loaded modules that use this one."""
    return root.names(f"sys/module/{canonical(name)}/holders")


def idle(root: Root, name: str) -> bool:
    """Whether the module, and each that uses it, is used by nothing but modules: then it can be unloaded."""
    count, above = users(root, name), holders(root, name)
    return count is not None and count <= len(above) and all(idle(root, module) for module in above)


def parameters(root: Root, name: str) -> dict[str, dict[str, t.Any]]:
    """Effective parameters: ``value`` (bool, int or text), ``raw``, ``mode``, ``live`` (may be written now).

    The kernel shows what is in effect, not what was asked: what the hardware can't do reads as off.
    """
    base = f"sys/module/{canonical(name)}/parameters"
    found = {}
    for parameter in root.names(base):
        raw, mode = root.word(f"{base}/{parameter}"), root.mode(f"{base}/{parameter}")
        found[parameter] = {
            "value": value_of(raw),
            "raw": raw,
            "mode": None if mode is None else f"{mode:04o}",
            "live": bool(mode and mode & 0o200),
        }
    return found


def value_of(raw: t.Optional[str]) -> t.Any:
    """A parameter's text as the kernel prints it: ``Y`` and ``N`` are booleans, digits are numbers."""
    if raw in ("Y", "N"):
        return raw == "Y"
    try:
        return int(raw or "")
    except ValueError:
        return raw


def vendor_modules(root: Root) -> list[str]:
    """KVM's second module, the one that drives the processor, where one is loaded or built in."""
    found = [name for name in root.names("sys/module") if name.startswith("kvm_") and name not in NOT_VENDORS]
    return [name for name in found if name in VENDORS] + [name for name in found if name not in VENDORS]


def settings(root: Root) -> list[Setting]:
    """All that modprobe reads, in its order: files by name (one in /etc hides those elsewhere), then the command line.

    For an option set twice the last one counts.
    """
    found = [setting for path in conf_files(root, CONFIG_DIRS) for setting in parse(root, path)]
    return found + _command_line(root)


def conf_files(root: Root, directories: t.Iterable[str]) -> list[str]:
    """The files ``*.conf`` of directories, by name; of one name the file in the first directory counts."""
    files: dict[str, str] = {}
    for directory in directories:
        for name in root.names(directory):
            files.setdefault(name, f"{directory}/{name}")
    return [path for name, path in sorted(files.items()) if name.endswith(".conf")]


def parse(root: Root, path: str) -> list[Setting]:
    """The settings of one file."""
    found = []
    for line in (root.text(path) or "").replace("\\\n", " ").splitlines():
        words = line.split(None, 2)
        if len(words) < 2 or words[0].startswith("#"):
            continue
        kind, module, rest = words[0], canonical(words[1]), words[2] if len(words) > 2 else ""
        if kind == "options":
            found.append(Setting(kind, module, f"/{path}", options(rest)))
        elif _keeps_out(kind, rest):
            found.append(Setting(kind, module, f"/{path}", rest))
    return found


def _keeps_out(kind: str, rest: str) -> bool:
    """Whether a line of this kind keeps its module from being loaded."""
    program = "".join(rest.split()[:1])
    return kind == "blacklist" or (kind == "install" and program in NOTHING)


def options(text: str) -> dict[str, str]:
    """``a=1 b="x y" c`` as a dict; a bare word is true.

    As the kernel reads it, for modprobe hands the rest of the line on: double quotes keep blanks and are taken off
    a value or a whole word, single quotes are letters as any other.
    """
    pairs = (word.partition("=") for word in words(text))
    return {name: value if equals else "1" for name, equals, value in pairs}


def words(text: str) -> list[str]:
    """The words of a line, blanks in double quotes kept, the quotes around a word or its value taken off."""
    found = [_bare(match.group()).partition("=") for match in WORD.finditer(text)]
    return [f"{name}{equals}{_bare(value)}" for name, equals, value in found]


def _bare(text: str) -> str:
    return text[1:].removesuffix('"') if text.startswith('"') else text


def command_line(root: Root) -> list[str]:
    """The words the kernel was started with, up to ``--`` (what follows is for process 1)."""
    found = words(root.word("proc/cmdline") or "")
    return found[: found.index("--")] if "--" in found else found


def _command_line(root: Root) -> list[Setting]:
    found = []
    for word in command_line(root):
        name, equals, value = word.partition("=")
        if name in ("module_blacklist", "modprobe.blacklist"):
            found += [Setting("blacklist" if "." in name else "forbidden", canonical(module), word, "")
                      for module in value.split(",")]  # fmt: skip
        elif word == "nomodule":
            found.append(Setting("forbidden", "*", word, ""))
        elif "." in name and not name.startswith("modprobe."):
            module, parameter = name.partition(".")[::2]
            values = {canonical(parameter): value if equals else "1"}
            found.append(Setting("options", canonical(module), COMMAND_LINE, values))
    return found


def blocks(root: Root, name: str) -> list[Setting]:
    """What keeps the module from being loaded: by hand (install, forbidden) or on its own (blacklist)."""
    name = canonical(name)
    return [s for s in settings(root) if s.kind != "options" and s.module in (name, "*")]


def configured(root: Root, name: t.Optional[str] = None) -> list[Setting]:
    """Lines that set parameters, of one module or of KVM's and its friends."""
    wanted = canonical(name) if name else None
    return [s for s in settings(root) if s.kind == "options" and (s.module == wanted if wanted else is_ours(s.module))]


def is_ours(module: str) -> bool:
    """Whether a module belongs to virtualisation."""
    return module.startswith(("kvm", "vhost", "vfio")) or module in ("tun", "macvtap", "nbd", "br_netfilter")


def loads_at_boot(root: Root) -> dict[str, str]:
    """Modules listed to be loaded at boot, with the file that lists them."""
    found: dict[str, str] = {}
    for path in ["etc/modules", *conf_files(root, LOAD_DIRS)]:
        for line in root.lines(path):
            words = line.split()
            if words and words[0][0] not in "#;":
                found.setdefault(canonical(words[0]), f"/{path}")
    return found
