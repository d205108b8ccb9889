# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A configuration file of libvirt's as wanted: which file, which keys, and the plan that edits just those."""

from __future__ import annotations

import difflib
import re
import typing as t

from ..._plan import KvmError, Operations, Plan
from ..._secret import secret_name
from .. import files
from ..libvirt.installed import version
from ..root import Root
from . import editing, known, needs, trial

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
ENVIRONMENT = ("etc/sysconfig", "etc/default")  # the first that has the file
SASL = "etc/sasl2"
PRIVATE = 0o600
Params = t.Mapping[str, t.Any]


def argument_spec() -> dict[str, t.Any]:
    """The options of ``libvirt_conf``."""
    return {
        "name": {"type": "str", "required": True},
        "kind": {"type": "str", "choices": ["conf", "environment", "sasl"], "default": "conf"},
        "settings": {"type": "dict", "default": {}},
        "creation_only": {"type": "list", "elements": "str"},
        "unset": {"type": "list", "elements": "str", "default": []},
        "sysroot": {"type": "path", "default": "/"},
    }


def operations() -> Operations:
    """The operations that the steps of ``libvirt_conf`` name."""
    return {"file.write": files.write, "file.restore": files.restore}


def plan(params: Params) -> Plan:
    """The plan of a task."""
    return make(Root(params["sysroot"]), params)


def describe(params: Params) -> dict[str, t.Any]:
    """The file after the run."""
    conf = Conf(Root(params["sysroot"]), params)
    return conf.shown(conf.text or "")


class Conf:
    """A file: where it is, how it is written, what it may say."""

    def __init__(self, root: Root, params: Params) -> None:
        self.root = root
        self.name: str = params["name"]
        if not NAME.fullmatch(self.name):
            raise KvmError(
                f"name: {self.name!r} is no name of a configuration file",
                "Give it without directory and ending, such as qemu or virtproxyd.",
                option="name",
            )
        self.grammar = {"conf": "libvirt", "environment": "shell"}.get(params.get("kind", "conf"), "sasl")
        self.path = self._path(params.get("kind", "conf"))
        self.text = root.text(self.path)
        self.kinds = {} if self.grammar == "sasl" else known.kinds(root, self.name, self.text)

    def _path(self, kind: str) -> str:
        if kind == "conf":
            return f"etc/libvirt/{self.name}.conf"
        if kind == "sasl":
            return f"{SASL}/{self.name}.conf"
        places = [f"{directory}/{self.name}" for directory in ENVIRONMENT]
        usual = places[0] if self.root.exists(ENVIRONMENT[0]) else places[1]
        return next((path for path in places if self.root.exists(path)), usual)

    def missing(self) -> t.Optional[KvmError]:
        """Why there's nothing to edit: no such file in this version, or no libvirt yet."""
        if self.kinds or self.text is not None or self.grammar == "sasl":
            return None
        found = version(self.root, {})
        what = f"libvirt {found} has no {self.name}.conf" if found else "libvirt isn't installed"
        return KvmError(
            f"name: /{self.path} is not there, and nothing says what may be in it: {what}",
            "Install libvirt first (metal.kvm.host), or name the file that this version reads.",
            option="name",
        )

    def wanted(self, params: Params) -> dict[str, t.Optional[editing.Value]]:
        """Each key named, with its value, or None for its default. Unknown keys are refused."""
        settings = self._managed(params)
        unset = list(params.get("unset") or ())
        both = sorted(set(settings).intersection(unset))
        if both:
            raise KvmError(f"unset: {both[0]} is also set", "Name it in settings or in unset.", option="unset")
        for key in settings:
            if self.kinds and key not in self.kinds:
                raise self.unknown(key)
        wanted: dict[str, t.Optional[editing.Value]] = {
            key: known.checked(key, value, self.kinds.get(key, "any")) for key, value in settings.items()
        }
        wanted.update(dict.fromkeys(unset))
        return wanted

    def _managed(self, params: Params) -> dict[str, t.Any]:
        """The settings that aren't null, without those that only a new file gets and that this one has."""
        settings = {key: value for key, value in (params.get("settings") or {}).items() if value is not None}
        for_creation = set(params.get("creation_only") or ())
        if not for_creation:
            return settings
        kept = for_creation & set(self.values(self.text or ""))
        return {key: value for key, value in settings.items() if key not in kept}

    def values(self, text: str) -> dict[str, editing.Value]:
        """What a text of this file sets; of several lines for a key the last counts."""
        return {entry.key: entry.value for entry in editing.entries(text, self.grammar, f"/{self.path}")}

    def unknown(self, key: str) -> KvmError:
        """The error for a key that this version doesn't have, with what was perhaps meant."""
        near = difflib.get_close_matches(key, self.kinds, 1)
        found = version(self.root, {})
        here = f"libvirt {found}" if found else "the installed version"
        return KvmError(
            f"settings: {key} is not a key of /{self.path} in {here}",
            f"Did you mean {near[0]}?" if near else "It may belong to another file, or to another version.",
            option=f"settings.{key}",
        )

    def shown(self, text: str, mode: t.Optional[int] = None) -> dict[str, t.Any]:
        """The file for the result, with the mode that it has or will have; secrets only as being set."""
        mode = self.root.mode(self.path) if mode is None else mode
        return {
            "path": f"/{self.path}",
            "exists": self.text is not None,
            "mode": None if mode is None else f"{mode:04o}",
            "values": {key: _masked(key, value) for key, value in self.values(text).items()},
        }


def make(root: Root, params: Params) -> Plan:
    """What has to be done so that the file says what is wanted."""
    conf = Conf(root, params)
    found = Plan("conf")
    missing = conf.missing()
    if missing:
        found.assume(missing)
        found.predicted = conf.shown("")
        return found
    wanted = conf.wanted(params)
    for key, what, remedy in needs.unmet(root, wanted):
        message = f"settings.{key}: {what}, and libvirt's daemon doesn't start with it"
        found.assume(KvmError(message, remedy, option=f"settings.{key}"))
    before = conf.text or ""
    after = editing.edit(before, conf.grammar, f"/{conf.path}", wanted)
    if after != before and conf.path == trial.CONF and not found.assumed:
        _ask_libvirt(conf, before, after, wanted)
    mode = _mode(conf, after)
    if after != before or (mode is not None and _open_to_others(conf)):
        files.add_step(found, f"/{conf.path}", root.at(conf.path), after, mode)
        _note(found, conf, before, after, mode)
    found.predicted = conf.shown(after, mode)
    return found


def _ask_libvirt(conf: Conf, before: str, after: str, wanted: t.Mapping[str, t.Optional[editing.Value]]) -> None:
    """Have libvirt judge the file as it would be. It doesn't always name the key: the one that draws the same words alone."""
    said = trial.complaint(conf.root, before, after)
    if said is None:
        return
    alone = {key: editing.edit(before, conf.grammar, f"/{conf.path}", {key: wanted[key]}) for key in wanted}
    blamed = next((key for key, text in alone.items() if trial.complaint(conf.root, before, text) == said), None)
    option = f"settings.{blamed}" if blamed else "settings"
    raise KvmError(
        f"{option}: libvirt's driver of QEMU wouldn't start: {said}", "Correct it; nothing was written.", option=option
    )


def _mode(conf: Conf, text: str) -> t.Optional[int]:
    """For root alone if the file has secrets, or is one that libvirt ships so; else None, as it is."""
    held = editing.entries(text, conf.grammar, f"/{conf.path}")
    secrets = any(secret_name(entry.key) and entry.value for entry in held)
    return PRIVATE if secrets or (conf.name == "qemu" and not conf.text) else None


def _open_to_others(conf: Conf) -> bool:
    """Whether the file is there, and others than its owner may read it."""
    return conf.text is not None and bool((conf.root.mode(conf.path) or 0) & 0o077)


def _note(plan: Plan, conf: Conf, before: str, after: str, mode: t.Optional[int]) -> None:
    """The diff by key."""
    had, has = conf.values(before), conf.values(after)
    for key in {**had, **has}:
        old, new = had.get(key), has.get(key)
        if old != new:
            other_secret = secret_name(key) and old and new
            plan.differs(key, _masked(key, old), "(another)" if other_secret else _masked(key, new))
    now = conf.root.mode(conf.path)
    if mode is not None and now is not None and now != mode:
        plan.differs("mode", f"{now:04o}", f"{mode:04o}")


def _masked(key: str, value: t.Any) -> t.Any:
    return "(set)" if secret_name(key) and value else value
