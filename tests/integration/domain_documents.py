# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The domain documents of domains.xml, each case laid over its bases, and tasks planned and run in this process on them."""

from __future__ import annotations

import copy
import pathlib
import typing as t

import bench
import cycle as cycles
import libvirt
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.adopt import options_of
from ansible_collections.metal.kvm.plugins.module_utils._run import run_steps
from lxml import etree

Options = dict[str, t.Any]

FILE = pathlib.Path(__file__).parent / "domains.xml"
NAME, COPY = f"{cycles.PREFIX}any", f"{cycles.PREFIX}other"
SECURE = libvirt.VIR_DOMAIN_XML_SECURE
# What is a domain's own, and never another's.
OWN = ("uuid", "os/nvram", "devices/interface/mac", "devices/*/address", "sysinfo/system/entry[@name='uuid']")
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


class Bench(bench.Bench):
    """Tasks on one domain, and on its copy. Networks, secrets and the like that a document names needn't be there."""

    def __init__(self, place: pathlib.Path) -> None:
        super().__init__("domain", name=NAME)
        self.place = place

    def task(self, check: bool = False, **options: t.Any) -> Outcome:
        plan = self.plan(options)
        waiting = plan.restart_required
        if plan.steps and not check:
            run_steps(plan, self.plans.NOUN.operations(), self.world)
            waiting = (self.describe(options) or {}).get("restart_required", [])
        return Outcome(plan.changed, plan.actions, plan.before, plan.after, waiting, plan.warnings)

    def export(self, identity: str = "keep") -> Options:
        return options_of(self.world, self.world.get("domain", NAME), identity)

    def text(self, document: Document) -> str:
        named = document.text.replace("<name>x</name>", f"<name>{NAME}</name>")
        return named.replace("{place}", str(self.place))

    def accepts(self, text: str) -> bool:
        """Whether libvirt itself takes the document."""
        try:
            self.world.connection.defineXML(text)
        except libvirt.libvirtError:
            return False
        self.gone(NAME)
        return True

    def gone(self, name: str) -> None:
        domain = self.world.find("domain", name)
        if domain is not None:
            if domain.isActive():
                domain.destroy()
            domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM | libvirt.VIR_DOMAIN_UNDEFINE_TPM)

    def document(self, name: str = NAME) -> t.Any:
        return etree.fromstring(self.world.get("domain", name).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | SECURE))


def same(root: t.Any, elsewhere: bool = False) -> str:
    """A definition as text: controllers by type and number, channels and timers by name, metadata by namespace; without what
    can't be the same ``elsewhere``."""
    for path in OWN if elsewhere else ():
        for node in root.xpath(path):
            node.getparent().remove(node)
    for target in root.iterfind("devices/controller[@type='pci']/target") if elsewhere else ():
        for name in ("chassis", "port", "chassisNr", "busNr"):
            target.attrib.pop(name, None)
    devices = root.find("devices")
    controllers = sorted(devices.findall("controller"), key=lambda node: (node.get("type"), int(node.get("index"))))
    channels = sorted(devices.findall("channel"), key=lambda node: node.find("target").get("name") or "")
    for place, node in enumerate([*controllers, *channels]):
        devices.remove(node)
        devices.insert(place, node)
    for node in root.xpath("metadata | clock"):
        node[:] = sorted(node, key=lambda one: (one.tag, one.get("name") or ""))
    for node in root.iter():
        if not len(node) and not (node.text or "").strip():
            node.text = None
        for name, value in sorted(node.attrib.items()):
            del node.attrib[name]
            node.set(name, value)
    etree.indent(root)
    return str(etree.tostring(root, encoding="unicode"))


def converges(bench: Bench, text: str) -> None:
    """Applied twice the document changes once; a check says what the run does, before and after."""
    check, run = bench.task(check=True, xml=text), bench.task(xml=text)
    assert run.changed
    assert check[:4] == run[:4]
    for again in (bench.task(check=True, xml=text), bench.task(xml=text)):
        assert not again.changed, f"applied again: {again.before} {again.after}"
        assert not again.before


def exports(bench: Bench, lost: t.Optional[bool] = None) -> list[str]:
    """Exported as options and fed back it changes nothing; made of them anew it is the same, here and elsewhere.

    ``lost``: whether something may be lost; None: as the export itself says. Returns what it says.
    """
    was, export, elsewhere = bench.document(), bench.export(), bench.export("new")
    fed = bench.task(check=True, **export["options"])
    assert not fed.changed, f"fed back: {fed.actions} {fed.before} {fed.after}"
    there = elsewhere["not_exported"] if lost is None else []  # without addresses more may not be said
    lost = bool(export["not_exported"] or export["secrets_needed"]) if lost is None else lost
    assert lost or not export["not_exported"]
    bench.task(**{**elsewhere["options"], "name": COPY})
    other = bench.document(COPY)
    assert other.findtext("uuid") != was.findtext("uuid")
    _own_genid(was, other)
    other.find("name").text = NAME
    assert lost or there or same(other, True) == same(etree.fromstring(etree.tostring(was)), True), (
        "elsewhere it is another"
    )
    bench.gone(COPY)
    bench.gone(NAME)
    bench.task(**export["options"])
    assert lost or same(bench.document()) == same(was), "made anew it is another"
    again = bench.task(check=True, **export["options"])
    assert not again.changed, f"the export applied again: {again.actions} {again.before} {again.after}"
    return t.cast("list[str]", export["not_exported"])


def _own_genid(was: t.Any, other: t.Any) -> None:
    """A guest elsewhere has a generation ID where this one has, and not the same: taken as the same from here on."""
    if was.find("genid") is not None and other.find("genid") is not None:
        assert other.findtext("genid") != was.findtext("genid")
        other.find("genid").text = was.findtext("genid")


def one_value(bench: Bench) -> None:
    """One value changed is that value: as an option, in the document."""
    assert list(bench.task(check=True, title="another").after) == ["title"]
    root = bench.document()
    memory = (int(root.findtext("memory")) + 4096) * 1024
    full = root.find("cpu/numa") is not None and root.findtext("memory") == root.findtext("currentMemory")
    own = [] if full else ["memory"]  # libvirt adds up the nodes' memory
    assert list(bench.task(check=True, memory=f"{memory} B").after) == own
    crash = root.find("on_crash")
    crash.text = "preserve" if crash.text != "preserve" else "restart"
    changed = bench.task(check=True, xml=str(etree.tostring(root, encoding="unicode")))
    lines = [one.splitlines() for one in (changed.before["xml"], changed.after["xml"])]
    differing = [pair for pair in zip(*lines) if pair[0] != pair[1]]
    assert len(differing) == 1
    assert "on_crash" in differing[0][0]
