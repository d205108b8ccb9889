# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole documents of networks and pools, planned and run in this process, and what must hold for every one of them."""

from __future__ import annotations

import ipaddress
import typing as t

import bench
import cycle as cycles
import libvirt
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError, Plan
from ansible_collections.metal.kvm.plugins.module_utils._xml import document

Options = dict[str, t.Any]

NAME = f"{cycles.PREFIX}any"


class Bench(bench.Bench):
    """Tasks on one network, or one pool."""

    def __init__(self, noun: str) -> None:
        super().__init__(noun, name=NAME)

    def check(self, **options: t.Any) -> Plan:
        """What a task would do."""
        return self.plan(options)

    def done(self, **options: t.Any) -> Plan:
        """A task's plan, carried out, with the object afterwards as its ``extra``."""
        plan = self.run(options)
        plan.extra["became"] = self.describe(options)
        return plan

    def export(self) -> Options:
        """What ``as: options`` returns."""
        return self.info({"name": NAME, "as": "options"})

    @property
    def there(self) -> t.Any:
        return self.world.find(self.noun, NAME)

    def text(self) -> str:
        """The definition, in libvirt's own rendering; what it leaves as it was written, in one way."""
        root = document.document(self.there.XMLDesc(1 if self.there.isActive() else 0))
        for name in ("capacity", "allocation", "available"):
            for node in root.findall(name):
                document.remove(node)
        for node in root.findall("metadata"):
            if not len(node):
                document.remove(node)
        for node in [*root.findall("ip"), *root.findall("route")]:
            _spell(node)
        for node in root.iterfind("ip/dhcp/host[@mac]"):
            node.set("mac", node.get("mac").lower())
        return document.canonical(root)

    def accepts(self, xml: str) -> bool:
        """Whether libvirt itself takes the document."""
        root = document.parse(xml)
        if root.find("name") is None:
            document.child(root, "name").text = NAME
        define = {"network": "networkDefineXML", "pool": "storagePoolDefineXML"}[self.noun]
        try:
            getattr(self.world.connection, define)(document.text_of(root)).undefine()
        except libvirt.libvirtError:
            return False
        return True

    def refuses(self, xml: str) -> bool:
        """Whether the task says beforehand that it can't be: what overlaps, an address outside of its subnet."""
        try:
            self.check(xml=xml)
        except KvmError as error:
            return "option" in error.details
        return False

    def gone(self) -> None:
        there = self.there
        if there is not None:
            if there.isActive():
                there.destroy()
            there.undefine()


def _spell(node: t.Any) -> None:
    prefix = node.get("prefix") or node.attrib.pop("netmask", None)
    if node.get("family") == "ipv4":
        del node.attrib["family"]
    if prefix is None:
        prefix = {"192": "24"}[node.get("address").split(".")[0]] if "." in node.get("address") else "64"
    node.set("prefix", str(ipaddress.ip_interface(f"{node.get('address')}/{prefix}").network.prefixlen))


def stays(plan: Plan, said: str) -> None:
    """The task has nothing to do."""
    assert not plan.changed, f"{said}: {plan.actions} {plan.before} {plan.after}"


def converges(bench: Bench, xml: str, lost: t.Sequence[str] = ()) -> None:
    """Applied twice the document changes once; a check says what the run does; exported and fed back nothing changes,
    and made anew from the export alone it is the same definition, but for what no option says (``lost``)."""
    assert bench.accepts(xml), "libvirt refuses the document"
    check = bench.check(xml=xml)
    run = bench.done(xml=xml)
    assert check.actions == run.actions
    assert (check.before, check.after) == (run.before, run.after)
    assert run.changed
    foreseen, became = t.cast("Options", check.predicted), run.extra["became"]
    wrong = {
        key: (value, became.get(key)) for key, value in foreseen.items() if not cycles.within(value, became.get(key))
    }
    assert not wrong, f"the check foresaw other values: {wrong}"
    stays(bench.check(xml=xml), "applied again")
    stays(bench.check(xml=bench.there.XMLDesc(0)), "libvirt's own rendering applied")
    exports(bench, list(lost))
    if not lost:
        stays(bench.check(xml=xml), "applied after the export")


def exports(bench: Bench, lost: list[str]) -> None:
    text, export = bench.text(), bench.export()
    assert export["not_exported"] == lost
    stays(bench.check(**export["options"]), "exported and fed back")
    bench.gone()
    assert bench.done(**export["options"]).changed
    assert bench.text() == text or lost, "made from its export it is another"
    stays(bench.check(**export["options"]), "the export applied again")


def runs(bench: Bench, xml: str) -> None:
    """Started, nothing waits for a restart, and nothing is left to do."""
    run = bench.done(xml=xml, state="active")
    assert run.restart_required == []
    again = bench.check(xml=xml, state="active")
    stays(again, "applied to what runs")
    assert again.restart_required == []
    export = bench.export()
    fed = bench.check(**export["options"])
    stays(fed, "exported and fed back to what runs")
    assert fed.restart_required == []
    bench.gone()


def follows(bench: Bench, xml: str) -> None:
    """What runs is brought to another document: what can be live is, the rest is said for as long as it waits, a restart
    brings it."""
    foreseen = bench.check(xml=xml)
    run = bench.done(xml=xml)
    assert foreseen.restart_required == run.restart_required
    again = bench.check(xml=xml)
    stays(again, "applied again to what runs")
    chosen = {"bridge", "mac", "stp", "delay"}  # by libvirt, where a network gets a bridge of its own
    assert set(again.restart_required) - chosen == set(run.restart_required) - chosen, "what waits is what was said"
    restarted = bench.done(xml=xml, apply="restart")
    assert restarted.changed == bool(run.restart_required)
    last = bench.check(xml=xml, apply="restart")
    stays(last, "applied after the restart")
    assert last.restart_required == []
