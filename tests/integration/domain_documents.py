# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The domain documents of domains.xml, each case laid over its bases, and tasks planned and run in this process on them."""

from __future__ import annotations

import copy
import pathlib
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.metal.kvm.plugins.module_utils._libvirt import World
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.options import ARGUMENTS, RULES
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.plan import describe, operations, plan_domain
from ansible_collections.metal.kvm.plugins.module_utils._run import run_steps
from lxml import etree

Options = dict[str, t.Any]

FILE = pathlib.Path(__file__).parent / "domains.xml"
SPEC = ArgumentSpecValidator({"uri": {"type": "str", "default": "qemu:///system"}, **ARGUMENTS}, **RULES)
KEPT = ("devices", "metadata")  # of these a case adds to what its base has


class Document(t.NamedTuple):
    """A domain as somebody wrote it; ``start`` where QEMU can start it here. In the text ``{place}`` is to be replaced.

    ``tried``: a case on a base that it isn't written for, which libvirt may refuse.
    """

    name: str
    text: str
    start: bool
    tried: bool


def documents() -> list[Document]:
    """All of them, in the file's order."""
    root = etree.parse(str(FILE), etree.XMLParser(strip_cdata=False)).getroot()
    bases = {base.get("name"): base[0] for base in root.iterfind("base")}
    made = [Document(f"base-{name}", _text(base), True, False) for name, base in bases.items()]
    for case in root.iterfind("case"):
        whole = case.find("domain")
        if whole is not None:
            made.append(Document(case.get("name"), _text(whole), False, False))
            continue
        names, start = case.get("bases", "q35").split(), case.get("start") == "yes"
        made += [
            Document(f"{case.get('name')}-{name}", _text(_laid(case, base)), start, name not in names)
            for name, base in bases.items()
        ]
    return made


def _laid(case: t.Any, base: t.Any) -> t.Any:
    root = copy.deepcopy(base)
    for node in case.iterchildren("*"):
        there = root.find(node.tag)
        if there is not None and node.tag in KEPT:
            there.extend(copy.deepcopy(list(node)))
        elif there is not None:
            root.replace(there, copy.deepcopy(node))
        else:
            root.append(copy.deepcopy(node))
    return root


def _text(root: t.Any) -> str:
    alone = copy.deepcopy(root)
    alone.tail = None
    return str(etree.tostring(alone, encoding="unicode"))


class Outcome(t.NamedTuple):
    """What a task came to."""

    changed: bool
    actions: list[str]
    before: Options
    after: Options
    restart_required: list[str]
    warnings: list[str]


class Bench:
    """Tasks planned and run in this process, over one connection."""

    def __init__(self, uri: str = "qemu:///system") -> None:
        self.world = World(uri)

    def params(self, **options: t.Any) -> Options:
        result = SPEC.validate(options)
        assert not result.error_messages, result.error_messages
        return dict(result.validated_parameters)

    def task(self, check: bool = False, **options: t.Any) -> Outcome:
        params = self.params(**options)
        plan = plan_domain(self.world, params)
        waiting = plan.restart_required
        if plan.steps and not check:
            assert not plan.assumed, plan.assumed
            run_steps(plan, operations(), self.world)
            waiting = (describe(self.world, params) or {}).get("restart_required", [])
        return Outcome(plan.changed, plan.actions, plan.before, plan.after, waiting, plan.warnings)
