# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks, pools, volumes, network filters, secrets and mediated devices: their tables, and cases of their options.

Networks and pools have the documents of any_network.yml and any_pool.yml. Rules of filters and sources of volumes are no rows
of a table: here they are, so that what is generated from rows is generated from them too.
"""

from __future__ import annotations

import contextlib
import importlib
import pathlib
import subprocess
import typing as t

import bench
import cycle as cycles
import yaml
from ansible_collections.metal.kvm.plugins.module_utils._libvirt import found_or_none
from ansible_collections.metal.kvm.plugins.module_utils._objects.nwfilter.attributes import PROTOCOLS, parse
from ansible_collections.metal.kvm.plugins.module_utils._objects.nwfilter.rules import Rules
from ansible_collections.metal.kvm.plugins.module_utils._objects.nwfilter.table import CHAINS
from ansible_collections.metal.kvm.plugins.module_utils._objects.volume.table import VOLUME
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError
from ansible_collections.metal.kvm.plugins.module_utils._xml import document, rows
from ansible_collections.metal.kvm.plugins.module_utils._xml.items import Items
from ansible_collections.metal.kvm.plugins.module_utils._xml.rows import Field, Group, Union
from ansible_collections.metal.kvm.plugins.module_utils._xml.types import STR, Type
from domain_bench import placed
from transitions import Options, Subject

HERE = pathlib.Path(__file__).parent
UUID = "6d6b7400-6a0e-4a7e-8f5b-6d5c1c0d7e2{}"
NAME = f"{cycles.PREFIX}other"
POOL = f"{cycles.PREFIX}others"
NOUNS = ("network", "pool", "volume", "nwfilter", "secret", "node_device")

# what attributes of rules take, one or another
EDGES = (
    *(0, 1, -1, 15, 63, 64, 255, 256, 0x5FF, 0x600, 0xFFF, 0x1000, 65535, 65536, 2**32 - 1, 2**32, True, False),
    *("0", "0x16", "10.20.0.1", "010.1.1.1", "0.0.0.0", "255.255.255.0", "24", "32", "33", "fd00::1", "::", "FD00:0::1"),
    *("ffff::", "128", "129", "52:54:0:A:b:c", "ff:ff:ff:ff:ff:ff", "ff:ff:ff:0:0:0", "arp", "IPv4", "vlan", "tcp"),
    *("icmpv6", "Request", "ARP_NAK", "NEW", "new, ESTABLISHED", "NONE", "INVALID,RELATED", "SYN,ACK/SYN", "ALL/NONE"),
    *("set", "set,src", "a word", "it's <b> & \"c\"", "a" * 256, "a" * 257, "", " ", "$IP", "$PORT[1]", "$PORT[@2]", "$"),
)  # fmt: skip
EDGE = Type("raw", str)
RULE = {"action": "accept", "direction": "in"}

SECRETS: tuple[Options, ...] = (
    *({"usage": usage, "ephemeral": True, "private": True, "description": "A word"} for usage in ("ceph", "iscsi")),
    *({"usage": usage, "ephemeral": False, "private": False} for usage in ("volume", "tls", "vtpm")),
    {"usage": "ceph", "value": "a", "update_value": "always"},
)
FILTERS: tuple[Options, ...] = (
    {
        "chain": "ipv4",
        "priority": -700,
        "rules": [
            {"action": "drop", "direction": "in", "priority": 100, "statematch": False, "tcp": {"dstportstart": 22}},
            {
                "action": "accept",
                "direction": "out",
                "mac": {"srcmacaddr": "52:54:00:00:00:01", "not": {"protocolid": "arp"}},
            },
            {"action": "return", "direction": "inout", "all": {}},
        ],
    },
    {
        "rules": [
            {"filterref": "clean-traffic", "parameters": {"IP": ["10.0.0.1", "10.0.0.2"], "MAC": "52:54:00:00:00:01"}}
        ]
    },
    {"chain": "root", "rules": [{**RULE, "ip": {"protocol": "tcp", "dstportstart": 80}}]},
)
VOLUMES: tuple[Options, ...] = (
    {"capacity": "1 MiB", "format": "raw", "allocation": "0 B", "permissions": {"mode": "0640", "owner": 0, "group": 0}},
    {"capacity": "1 MiB", "format": "qcow2", "compat": "1.1", "cluster_size": "64 KiB", "lazy_refcounts": True,
     "extended_l2": False, "preallocation": "metadata"},
    {"capacity": "1 MiB", "format": "qcow2", "compat": "0.10", "cluster_size": "4 KiB"},
    {"capacity": "1 MiB", "format": "raw", "encryption": {"format": "luks", "secret_usage": "mkt-secret"}},
    {"capacity": "1 MiB", "format": "raw", "encryption": {"format": "luks", "secret_uuid": UUID.format(2)}},
    {"capacity": "1 MiB", "format": "raw", "nocow": False},
    {"source": {"file": "{place}/a.raw"}, "format": "raw"},
    {"source": {"url": "file://{place}/a.raw"}, "format": "raw"},
    {"source": {"volume": "a.raw", "pool": "{pool}"}, "format": "raw"},
    {"source": {"file": "{place}/a.qcow2", "format": "qcow2"}, "capacity": "20 MiB"},
    {"backing": "a.qcow2", "format": "qcow2"},
    {"backing": {"volume": "a.raw", "pool": "{pool}", "format": "raw"}, "format": "qcow2"},
)  # fmt: skip
DEVICES: tuple[Options, ...] = (
    {
        "parent": "{device}",
        "type": "mkt-type",
        "attributes": [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}],
    },
)
MODELS: dict[str, dict[str, tuple[str, ...]]] = {
    "nwfilter": {"chain": (*CHAINS, "ipv4-web")},
    "pool": {"source.format": ("auto", "ext4", "xfs", "nfs", "glusterfs", "cifs", "gpt", "dos", "unknown", "lvm2")},
}
STATES = {
    "network": ("active", "inactive", "present", "absent"),
    "pool": ("active", "inactive", "present", "absent"),
    "node_device": ("active", "inactive", "present", "absent"),
    "volume": ("present", "absent"),
    "nwfilter": ("present", "absent"),
    "secret": ("present", "absent"),
}


def table(noun: str) -> tuple[t.Any, ...]:
    """The rows of a kind of object, with those that the module reads otherwise."""
    plans = importlib.import_module(f"{bench.OBJECTS}.{noun}.plan")
    if noun == "nwfilter":
        return (*(row for row in plans.NOUN.rows if not isinstance(row, Rules)), _rules())
    return (*VOLUME, *_sources()) if noun == "volume" else tuple(plans.NOUN.rows)


def _field(name: str, spec: Options) -> Field:
    return Field(name, name, Type(spec["type"], str), choices=spec.get("choices"))


def _rules() -> Items:
    spec = Rules().spec()["rules"]["options"]
    plain = [_field(name, spec[name]) for name in ("filterref", "action", "direction", "priority", "statematch")]
    return Items("rules", "rule", (*plain, Union("protocol", {name: (_protocol(name),) for name in PROTOCOLS}, ())))


def _protocol(name: str) -> Group:
    fields = [Field(attribute, attribute, EDGE) for attribute in PROTOCOLS[name]]
    return Group(name, name, (*fields, Group("not", "not", fields)))


def _sources() -> tuple[t.Any, ...]:
    kinds = {"url": ("url",), "file": ("file",), "volume": ("volume", "pool")}
    branches = {kind: [Field(name, name, STR) for name in names] for kind, names in kinds.items()}
    plain = [Field("preallocation", "", STR, choices=("none", "metadata")), Field("backing", "", STR)]
    return (
        *plain,
        Group("source", "source", (Union("kind", branches, ()), Field("format", "", STR), Field("checksum", "", STR))),
    )


def cases(noun: str) -> list[Options]:
    """Names and options of objects of a kind."""
    if noun in ("network", "pool"):
        return [case for case in _documents(noun) if case["options"]]
    given = {"volume": VOLUMES, "nwfilter": FILTERS, "secret": SECRETS, "node_device": DEVICES}[noun]
    more = _matches() if noun == "nwfilter" else []
    return [{"case": f"{noun} {number}", "options": options} for number, options in enumerate(given)] + more


def _documents(noun: str) -> t.Iterator[Options]:
    plans = importlib.import_module(f"{bench.OBJECTS}.{noun}.plan")
    for case in yaml.safe_load((HERE / f"any_{noun}.yml").read_text(encoding="utf-8")):
        with contextlib.suppress(KvmError):  # those that show how documents are refused
            options = rows.read(plans.NOUN.rows, document.parse(case["xml"]))
            yield {"case": case["case"], "options": written(plans.NOUN.rows, options)}


def written(of: t.Iterable[t.Any], values: Options) -> Options:
    """Values as a user writes them: sizes with their units."""
    shown = {}
    for row in of:
        for name in row.spec():
            value = values.get(name)
            if isinstance(row, Field) and value is not None:
                value = row.type.show(value)
            elif isinstance(row, Group) and value is not None:
                value = written(row.rows, value)
            elif isinstance(row, Items) and value is not None:
                value = [written(row.rows, item) for item in value]
            if value is not None:
                shown[name] = value
    return shown


def _matches() -> list[Options]:
    """A rule of each protocol, and one of each of its attributes."""
    found: list[Options] = []
    for protocol, attributes in PROTOCOLS.items():
        for attribute in ("", *attributes):
            match = {attribute: _fitting(protocol, attribute)} if attribute else {}
            found.append({"case": f"{protocol} {attribute}", "options": {"rules": [{**RULE, protocol: match}]}})
    return found


def _fitting(protocol: str, attribute: str) -> t.Any:
    for value in EDGES:
        with contextlib.suppress(ValueError):
            parse(protocol, attribute, value)
            return value
    raise AssertionError((protocol, attribute))


def subject(noun: str) -> Subject:
    """What the transitions of a kind of object are made from."""
    return Subject(table(noun), cases(noun), MODELS.get(noun, {}), booleans=True, unset=noun != "volume")


class Bench(bench.Bench):
    """Tasks on one object. Their options may have marks: ``{place}``, a directory with images, and ``{pool}``, an active pool of
    these; ``{device}``, a PCI device of this machine."""

    def __init__(self, noun: str, place: pathlib.Path) -> None:
        identity = {"secret": {"uuid": UUID.format(8)}, "node_device": {"uuid": UUID.format(9)}}
        pool = {"pool": POOL} if noun == "volume" else {}
        super().__init__(noun, **identity.get(noun, {"name": NAME}), **pool)
        self.name: str = next(iter(self.always.values()))
        device = self.world.connection.listAllDevices(2)[-1].name() if noun == "node_device" else ""
        self.marks = {"{place}": str(place), "{pool}": POOL, "{device}": device}

    def params(self, args: Options) -> Options:
        return super().params(self.said(args))

    def said(self, args: Options) -> Options:
        """The options without marks; a secret's usage comes with its name."""
        named = {"name": NAME, **args} if self.noun == "secret" and "usage" in args else args
        for mark, text in self.marks.items():
            named = placed(named, text, mark)
        return named

    @property
    def there(self) -> t.Any:
        """libvirt's object, None where there is none."""
        if self.noun == "volume":
            return self.world.volume(POOL, NAME)
        find = {"secret": "secretLookupByUUIDString"}.get(self.noun)
        if find:
            return found_or_none(lambda: getattr(self.world.connection, find)(self.name), "VIR_ERR_NO_SECRET")
        return self.plans.NOUN.find(self.world, self.name)

    def gone(self) -> None:
        """Remove the object, if there is one."""
        there = self.there
        if there is None:
            return
        if self.noun == "volume":
            there.delete(0)
        elif self.noun == "node_device":
            self.run({"state": "absent"})
        else:
            if self.plans.NOUN.runs and there.isActive():
                there.destroy()
            there.undefine()


def surround(place: pathlib.Path, connection: t.Any) -> None:
    """Images, their pool and a secret, for what the cases name."""
    for form in ("raw", "qcow2"):
        subprocess.run(["qemu-img", "create", "-q", "-f", form, str(place / f"a.{form}"), "1M"], check=True)
    pool = f"<pool type='dir'><name>{POOL}</name><target><path>{place}</path></target></pool>"
    connection.storagePoolDefineXML(pool).create()
    secret = f"<secret><uuid>{UUID.format(2)}</uuid><usage type='volume'><volume>mkt-secret</volume></usage></secret>"
    connection.secretDefineXML(secret).setValue(b"0123456789abcdef")
