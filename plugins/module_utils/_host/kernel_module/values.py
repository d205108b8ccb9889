# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module's parameters: asked against effective. Which are right, can be written, need a reload, or can't be had."""

from __future__ import annotations

import os
import re
import typing as t

from ..._plan import KvmError, Step
from ..command import answers
from ..machine.cpu import processor_words
from ..root import Root
from . import modules, options_file
from .operations import remembered, untaken
from .parameter import lacking, moot, same, text_of

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

# Parameters that /sys doesn't show (declared with permissions 0).
HIDDEN = {"vfio_pci": ("ids",)}


class Wish(t.Protocol):
    """What this file looks at of the options."""

    parameters: dict[str, str]
    unset: list[str]
    persistent: bool
    name: str


class Values:
    """What has to happen to the parameters.

    ``live``: written now; ``reload``: to be had by loading the module anew (None: the kernel's default);
    ``current``: what they read as now; ``warnings``: what can't be had, and who says otherwise.
    """

    def __init__(self) -> None:
        self.live: dict[str, str] = {}
        self.reload: dict[str, t.Optional[str]] = {}
        self.current: dict[str, t.Optional[str]] = {}
        self.warnings: list[str] = []

    def changes(self) -> dict[str, tuple[t.Optional[str], t.Optional[str]]]:
        """Parameter to what it reads as now and what it shall."""
        return {name: (self.current.get(name), value) for name, value in {**self.live, **self.reload}.items()}


def parameter_name(name: str) -> str:
    """A parameter's name as /sys has it; an error for what can't be one."""
    if not NAME.fullmatch(name):
        raise KvmError(
            f"parameters: {name!r} is no name of a parameter", "See modinfo -p for the names.", option="parameters"
        )
    return modules.canonical(name)


def asked(parameters: t.Mapping[str, t.Any]) -> dict[str, str]:
    """The option's values as text for the kernel; null stands for not managed."""
    found = {}
    for name, value in parameters.items():
        if value is None:
            continue
        if not isinstance(value, (bool, int, str)):
            raise KvmError(
                f"parameters.{name}: a {type(value).__name__} is no value of a parameter",
                "Give a boolean, a number or a text (lists as the kernel takes them: 1,2,3).",
                option="parameters",
            )
        text = text_of(parameter_name(name), value)
        if not text.isprintable() or any(letter in text for letter in '"\\#'):
            raise KvmError(
                f"parameters.{name}: {text!r} has characters that modprobe.d can't hold", option="parameters"
            )
        found[parameter_name(name)] = text
    return found


def compare(root: Root, name: str, wish: Wish, there: bool, builtin: bool) -> Values:
    """Sort the asked parameters by what has to happen to each."""
    values = Values()
    here = _Here(root, name, there, builtin)
    _check_names(here, [parameter for parameter in wish.parameters if parameter not in here.shown])
    other: list[str] = []
    for parameter, value in wish.parameters.items():
        raw = values.current[parameter] = here.shown.get(parameter, {}).get("raw")
        rival = _rival(here, wish, parameter, value)
        if rival:
            values.warnings.append(rival)
        way = _way(here, parameter, value)
        if way == "live":
            values.live[parameter] = value
        elif way == "reload" and not rival:
            values.reload[parameter] = value
        elif way == "never":
            other.append(f"{parameter}={value} reads {raw}")
    values.reload.update(dict.fromkeys(_given_up(here, wish)))
    if other:
        values.warnings.append(untaken(name, other))
    return values


class _Here:
    """The module as it is: its effective parameters, and those in our file."""

    def __init__(self, root: Root, name: str, there: bool, builtin: bool) -> None:
        self.root = root
        self.name = name
        self.there = there
        self.builtin = builtin
        self.shown = modules.parameters(root, name) if there else {}
        self.before = options_file.parse(root, name)


def _given_up(here: _Here, wish: Wish) -> list[str]:
    """Parameters that our file sets, and that go back to the kernel's default when the module is loaded anew."""
    if here.builtin:
        return []
    return [parameter for parameter in wish.unset if parameter in here.before and parameter in here.shown]


def _way(here: _Here, parameter: str, value: str) -> t.Optional[str]:
    """How the value gets into effect: ``live``, ``reload``, ``never``; None where it is, or the next load does it."""
    found = here.shown.get(parameter)
    if found is None:
        return "reload" if here.there and not _hidden_in_effect(here, parameter, value) else None
    if same(parameter, value, found["raw"]):
        return None
    if _settled(here, parameter, value, found):
        return "never"
    if found["live"]:
        return "live"
    if not here.builtin:
        return "reload"
    _check_command_line(here, parameter, value, found["raw"])
    return "never"


def _settled(here: _Here, parameter: str, value: str, found: dict[str, t.Any]) -> bool:
    """Whether the kernel has had this value already and made of it what it shows: asking again changes nothing."""
    raw = found["raw"]
    if moot(raw) or remembered(here.root, here.name).get(parameter) == [value, raw]:
        return True
    if lacking(here.name, parameter, value, processor_words(here.root, here.name)):
        return True
    return (
        not found["live"]
        and here.before.get(parameter) == value
        and since_boot(here.root, options_file.path(here.name))
    )


def since_boot(root: Root, path: str) -> bool:
    """Whether a file is older than the running kernel's start: modules were loaded with it."""
    status = root.status(path)
    started = re.search(r"^btime (\d+)$", root.text("proc/stat") or "", re.MULTILINE)
    return status is not None and started is not None and status.st_mtime < int(started[1])


def _hidden_in_effect(here: _Here, parameter: str, value: str) -> bool:
    if remembered(here.root, here.name).get(parameter) == [value, None]:
        return True
    return here.before.get(parameter) == value and since_boot(here.root, options_file.path(here.name))


def _check_command_line(here: _Here, parameter: str, value: str, raw: t.Optional[str]) -> None:
    """A parameter of a built-in module that can't be written: an error unless the kernel was started with it."""
    for setting in modules.configured(here.root, here.name):
        given = setting.values.get(parameter) if setting.source == modules.COMMAND_LINE else None
        if given is not None and text_of(parameter, given) == value:
            return
    raise KvmError(
        f"parameters.{parameter}: {here.name} is built into this kernel, and {parameter} can't be changed while it runs"
        f" (now {raw}, asked {value})",
        f"Put {here.name}.{parameter}={value} on the kernel's command line and reboot.",
        option="parameters",
    )


def _rival(here: _Here, wish: Wish, parameter: str, value: str) -> t.Optional[str]:
    """Who sets the parameter after our file does, to something else: then that counts at every load."""
    if here.builtin or not wish.persistent:
        return None
    ours = f"/{options_file.path(wish.name)}"
    last = None
    for setting in modules.configured(here.root, wish.name):
        later = setting.source == modules.COMMAND_LINE or os.path.basename(setting.source) > os.path.basename(ours)
        if later and parameter in setting.values:
            last = (setting.source, setting.values[parameter])
    if last is None or text_of(parameter, last[1]) == value:
        return None
    return (
        f"{wish.name}.{parameter}={last[1]} is set by {last[0]}, which counts more than {ours}:"
        f" {value} won't be in effect before that is taken away."
    )


def _check_names(here: _Here, unseen: list[str]) -> None:
    """A parameter that neither /sys nor the module's list knows is an error; without a list, only if it's loaded."""
    unseen = [parameter for parameter in unseen if parameter not in HIDDEN.get(here.name, ())]
    known = _known(here) if unseen and here.root.live else None
    if known is None:
        return
    for parameter in unseen:
        if parameter not in known:
            raise KvmError(
                f"parameters.{parameter}: {here.name} of this kernel has no such parameter",
                f"It has: {', '.join(sorted(known)) or 'none'}.",
                option="parameters",
            )


def _known(here: _Here) -> t.Optional[set[str]]:
    """The parameters that the module has, as its file declares them, else as /sys shows them once it is loaded."""
    known = declared(here.root, here.name)
    return set(here.shown) if known is None and here.there else known


def declared(root: Root, name: str) -> t.Optional[set[str]]:
    """The parameters that the module's file declares; None where that can't be asked."""
    program = root.program("modinfo")
    if program is None or not modules.available(root, name):
        return None
    command = (root.at(program), "-F", "parm", name)
    told = answers(Root("/") if root.live else root, [command]).get(command)
    return None if told is None else {line.partition(":")[0].strip() for line in told.splitlines() if line.strip()}


def unload_order(root: Root, name: str) -> list[str]:
    """The module and all that use it, users first."""
    order: list[str] = []
    for above in modules.holders(root, name):
        order += [module for module in unload_order(root, above) if module not in order]
    return [*order, name]


def load_again(order: list[str], program: str) -> Step:
    """The step that takes an unload back."""
    names = list(reversed(order))
    return Step("module.load", f"load {', '.join(names)} again", names=names, program=program)


def use(root: Root, name: str) -> str:
    """Who uses the module, in words."""
    told = []
    for module in unload_order(root, name):
        count = (modules.users(root, module) or 0) - len(modules.holders(root, module))
        if count > 0:
            told.append(f"{module} has {count} user{'s' if count > 1 else ''}, such as running guests")
    return "; ".join(told) or "in use"
