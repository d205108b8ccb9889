# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network filters on a real libvirtd: every protocol and attribute, everything that libvirt accepts, and running guests."""

from __future__ import annotations

import pathlib
import random
import re
import subprocess
import typing as t

import libvirt
import pytest
from ansible_collections.metal.kvm.plugins.module_utils._objects.nwfilter.attributes import PROTOCOLS, leaders
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError
from bench import Bench, assert_refused, assert_settles

NAME = "mkt-filter"
SHIPPED = sorted(pathlib.Path("/usr/share/libvirt/nwfilter").glob("*.xml"))


@pytest.fixture(scope="module")
def bench(daemon: None) -> Bench:
    return Bench("nwfilter")


def rule(**match: t.Any) -> dict[str, t.Any]:
    return {"action": "accept", "direction": "in", **match}


def test_cycle(cycle: t.Any, connection: t.Any) -> None:
    web, ssh = rule(tcp={"dstportstart": 80}), rule(tcp={"dstportstart": 22, "srcipaddr": "10.20.0.1"})
    reference = {"filterref": "clean-traffic", "parameters": {"IP": ["10.20.0.10", "10.20.0.11"]}}
    last = {"action": "drop", "direction": "inout", "priority": 1000, "all": {}}
    seen = cycle(
        "nwfilter",
        create={"name": NAME, "rules": [reference, web, last]},
        change={"name": NAME, "rules": [reference, {**ssh, "statematch": False}, web, last]},
        remove={"name": NAME, "state": "absent"},
        predicted=("chain",),
    )
    assert seen.create.run["actions"] == [f"define nwfilter {NAME}"]
    assert seen.change.run["actions"] == [f"change nwfilter {NAME}: rules[1]"]
    assert seen.change.run["nwfilter"]["uuid"] == seen.create.run["nwfilter"]["uuid"]
    assert seen.change.run["nwfilter"]["chain"] == "root"


# A value as users write it, as an option, and another that means the same in a document; by what the attribute takes.
VALUES: dict[str, list[tuple[t.Any, str]]] = {
    "mac": [("52:54:0:A:b:c", "52:54:00:0a:0b:0c"), ("$MAC", "$MAC"), ("ff:ff:ff:ff:ff:ff", "FF:ff:ff:ff:ff:ff")],
    "macmask": [("ff:ff:ff:0:0:0", "ff:ff:ff:00:00:00")],
    "ipaddr": [("10.20.0.1", "10.20.0.01"), ("$IP", "$IP"), ("$IP[2]", "$IP[2]"), ("$IP[@1]", "$IP[@1]")],
    "ipv6addr": [("2001:DB8::0:1", "2001:db8:0::1"), ("::", "0::0"), ("$IPV6", "$IPV6")],
    "ipmask": [(24, "255.255.255.0"), ("255.255.0.0", "16"), (0, "0"), ("32", "32")],
    "ipv6mask": [(64, "ffff:ffff:ffff:ffff::"), ("ffff::", "16"), (128, "128"), (0, "0")],
    "number": [(1, "0x1"), ("0x16", "22"), (10, "a"), ("$N", "$N"), (0, "00")],
    "short": [(700, "0x2bc")],
    "protocolid": [("arp", "0x806"), ("IPv4", "2048"), (0x88CC, "0x88cc"), ("vlan", "0x8100")],
    "opcode": [("Request", "1"), (2, "reply"), ("arp_nak", "9"), (25, "0x19")],
    "protocol": [("tcp", "6"), (17, "UDP"), ("0x84", "sctp")],
    "truth": [(True, "yes"), (False, "0"), (True, "true")],
    "state": [("RELATED,NEW", "NEW, RELATED"), ("NONE", "none"), ("INVALID", "INVALID")],
    "flags": [("SYN/ACK,SYN", "syn/SYN,ACK"), ("ALL/NONE", "FIN,SYN,RST,PSH,ACK,URG/NONE")],
    "ipset": [("blocked", "blocked")],
    "comment": [("a <b> & 'c'", "a &lt;b> &amp; 'c'"), ("", "")],
}
NAMED = {
    "comment": "comment", "ipset": "ipset", "state": "state", "gratuitous": "truth", "opcode": "opcode",
    "protocolid": "protocolid", "encap-protocol": "protocolid", "protocol": "protocol",
    "connlimit-above": "connlimit", "root-address-mask": "macmask", "sender-address-mask": "macmask",
    "root-address": "mac", "sender-address": "mac", "dstipto": "ipaddr",
}  # fmt: skip
VALUES["connlimit"] = [(10, "10"), (700, "700")]


def kinds(protocol: str, attribute: str) -> str:
    """What an attribute takes, of VALUES."""
    six = "ipv6" if protocol.endswith("v6") else "ip"
    if attribute == "flags" and protocol == "tcp":
        return "flags"
    if attribute in NAMED:
        return NAMED[attribute]
    for ending, kind in (("macmask", "macmask"), ("macaddr", "mac"), ("ipmask", f"{six}mask")):
        if attribute.endswith(ending):
            return kind
    if "ipaddr" in attribute or attribute.endswith(("ipfrom", "ipto")):
        return f"{six}addr"
    return "number"


def tag(protocol: str) -> str:
    return protocol.replace("_", "-")


EVERY = [(protocol, attribute) for protocol, attributes in PROTOCOLS.items() for attribute in attributes]


def test_every_attribute_is_written_and_read_back(bench: Bench, connection: t.Any) -> None:
    """Each of each protocol, alone, by option: libvirt keeps it, the second time nothing is to do; said otherwise too."""
    seen = 0
    for protocol, attributes in PROTOCOLS.items():
        options, spelled = [], []
        for attribute in attributes:
            for value, other in VALUES[kinds(protocol, attribute)]:
                beside = {"protocol": "tcp"} if protocol in ("ip", "ipv6") and "port" in attribute else {}
                options.append(rule(**{protocol: {**beside, attribute: value}}))
                said = "".join(f" {name}='{text}'" for name, text in {**beside, attribute: other}.items())
                said = said.replace("='a <", '="a <') if "&" not in said else said.replace("'c''", "&apos;c&apos;'")
                spelled.append(f"<rule action='accept' direction='in'><{tag(protocol)}{said}/></rule>")
                seen += 1
        ran = assert_settles(bench, {"name": NAME, "rules": options})
        assert not ran.warnings, ran.warnings
        there = connection.nwfilterLookupByName(NAME).XMLDesc()
        assert there.count("<rule") == len(options)
        assert set(re.findall(r" ([\w-]+)=", "".join(re.findall(rf"<{tag(protocol)} .*?/>", there)))) >= set(attributes)
        assert not bench.plan({"name": NAME, "xml": f"<filter name='{NAME}'>{''.join(spelled)}</filter>"}).actions
        assert_exported(bench, there)
        bench.run({"name": NAME, "state": "absent"})
    assert seen > 500


def assert_exported(bench: Bench, there: str) -> None:
    """What is exported and fed back changes nothing, and makes the same elsewhere."""
    adopted = bench.info({"name": NAME, "as": "options"})
    assert adopted["not_exported"] == []
    assert not bench.plan(adopted["options"]).actions
    assert not bench.plan({"name": NAME, "xml": there}).actions
    bench.run({"name": NAME, "state": "absent"})
    options = {key: value for key, value in adopted["options"].items() if key != "name"}
    bench.run({"name": NAME, **options})
    again = bench.world.connection.nwfilterLookupByName(NAME).XMLDesc()
    assert values(again) == values(there)


def values(xml: str) -> t.Any:
    """The document with numbers in one spelling."""
    return re.sub(r"'0x([0-9a-f]+)'", lambda match: f"'{int(match[1], 16)}'", xml)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_what_libvirt_ships(bench: Bench, connection: t.Any, path: pathlib.Path) -> None:
    """libvirt's own filters: as a document, as options, in both directions."""
    text = re.sub(r"name='[^']*'", f"name='{NAME}'", re.sub(r"<uuid>.*?</uuid>", "", path.read_text()), count=1)
    assert_settles(bench, {"name": NAME, "xml": text})
    assert_exported(bench, connection.nwfilterLookupByName(NAME).XMLDesc())
    (own,) = bench.info({"name": path.stem, "as": "info"})["nwfilters"]
    there = bench.info({"name": NAME})["nwfilters"][0]
    assert {**there, "name": path.stem, "uuid": own["uuid"]} == own


def some_filter(dice: random.Random) -> str:
    """A filter that libvirt may like or not: rules and references of all kinds, in all spellings."""
    parts = []
    for _number in range(dice.randrange(1, 7)):
        if dice.random() < 0.2:
            names = dice.sample(["IP", "MAC", "a_1", "1x", "b-d"], dice.randrange(0, 3))
            inner = "".join(
                f"<parameter name='{name}' value='{dice.choice(['10.0.0.1', '::1', 'x y', 'abc'])}'/>"
                for name in names for _again in range(dice.randrange(1, 3))
            )  # fmt: skip
            parts.append(f"<filterref filter='{dice.choice(['allow-arp', 'no-such'])}'>{inner}</filterref>")
            continue
        said = "".join(
            f" {name}='{dice.choice(choices)}'"
            for name, choices in {
                "priority": ["500", "-1000", "1001", "0x1", "+7", " 3", ""],
                "statematch": ["0", "1", "FALSE", "no", "true"],
                "bogus": ["1"],
            }.items()
            if dice.random() < 0.4
        )
        elements = []
        for protocol in dice.sample(list(PROTOCOLS), dice.choice((0, 1, 1, 1, 1, 2))):
            first, *more = (some_element(dice, protocol) for _again in range(dice.choice((1, 1, 1, 2))))
            # libvirt spoils the comment of an element where another one of the rule has dscp
            elements += [first, *(re.sub(' (dscp|comment)="[^"]*"', "", one) for one in more)]
        dice.shuffle(elements)
        parts.append(
            f"<rule action='{dice.choice(['accept', 'drop', 'reject', 'return', 'continue'])}'"
            f" direction='{dice.choice(['in', 'out', 'inout'])}'{said}>{''.join(elements)}</rule>"
        )
    chain = dice.choice(
        ["", " chain='arp'", " chain='ipv4-x' priority='5'", " chain='mac' priority='0'", " priority='-3'"]
    )
    return f"<filter name='{NAME}'{chain}>{''.join(parts)}</filter>"


def some_element(dice: random.Random, protocol: str) -> str:
    chosen = dice.sample(list(PROTOCOLS[protocol]), dice.randrange(0, min(6, len(PROTOCOLS[protocol]))))
    texts = {name: dice.choice(VALUES[kinds(protocol, name)])[1] for name in chosen}
    texts["match"] = dice.choice(["yes", "no", "no", "other"])
    if dice.random() < 0.5:
        del texts["match"]
    if dice.random() < 0.1:
        texts["foreign"] = "1"
    return f"<{tag(protocol)}" + "".join(' %s="%s"' % pair for pair in texts.items()) + "/>"


def test_anything_that_libvirt_accepts(bench: Bench, connection: t.Any) -> None:
    """Applied twice changes once, check equals run, libvirt's own rendering is the same, and so is what is exported."""
    dice, accepted, negated = random.Random(20261125), 0, 0
    for _number in range(400):
        xml = some_filter(dice)
        try:
            connection.nwfilterDefineXML(xml).undefine()
        except libvirt.libvirtError:
            continue
        accepted += 1
        assert_settles(bench, {"name": NAME, "xml": xml})
        there = connection.nwfilterLookupByName(NAME).XMLDesc()
        negated += "match='no'" in there
        adopted = bench.info({"name": NAME, "as": "options"})
        assert adopted["not_exported"] == [], (xml, there)
        if "chain='mac' priority='0'" not in xml:  # libvirt leaves the 0 out, and reads it as the chain's -800
            assert not bench.plan({"name": NAME, "xml": there}).actions, (xml, there)
        fed = bench.plan(adopted["options"])
        assert not fed.actions, (fed.before, fed.after, xml, there)
        bench.run({"name": NAME, "state": "absent"})
    assert accepted > 200
    assert negated > 50


def test_what_is_negated(bench: Bench, connection: t.Any) -> None:
    """Both sides of a match, and the twins that libvirt negates together."""
    rules = [
        rule(ip={"protocol": "tcp", "not": {"srcipaddr": "10.0.0.0", "srcipmask": 8}}),
        rule(tcp={"not": {"srcportstart": 1, "dstportstart": 2}}),
        rule(mac={"protocolid": "arp", "not": {"dstmacaddr": "$MAC"}}),
        rule(tcp={"comment": "a comment", "dstipto": "10.0.0.9", "not": {"dscp": 5, "comment": None}}),
    ]
    assert_settles(bench, {"name": NAME, "rules": rules})
    assert "a comment" in connection.nwfilterLookupByName(NAME).XMLDesc()
    assert connection.nwfilterLookupByName(NAME).XMLDesc().count("match='no'") == 4
    (there,) = bench.info({"name": NAME})["nwfilters"]
    assert [{key: value for key, value in one.items() if key != "priority"} for one in there["rules"]][:3] == rules[:3]
    assert {key for protocol in PROTOCOLS for key in leaders(protocol)} <= {name for _protocol, name in EVERY}


def test_chains_and_their_priorities(bench: Bench, connection: t.Any) -> None:
    for given, priority in (
        ({"chain": "arp"}, "-500"),
        ({"chain": "ipv4-web"}, "-700"),
        ({"priority": 5}, "5"),
        ({"chain": "mac"}, "5"),
        ({"priority": 0}, None),
        ({"chain": "root", "unset": ["priority"]}, None),
    ):
        assert_settles(bench, {"name": NAME, **given})
        there = connection.nwfilterLookupByName(NAME).XMLDesc()
        assert re.findall(r"<filter [^>]*priority='(.*?)'", there) == ([] if priority is None else [priority]), there


def test_xml_patch_and_unset(bench: Bench, connection: t.Any) -> None:
    bench.run({"name": NAME, "rules": [rule(tcp={"dstportstart": 80}), rule(udp={})]})
    assert_settles(bench, {"name": NAME, "xml_patch": [{"path": "rule[1]/tcp/@dstportstart", "set": "81"}]})
    assert "dstportstart='81'" in connection.nwfilterLookupByName(NAME).XMLDesc()
    assert_settles(bench, {"name": NAME, "unset": ["rules"]})
    assert "<rule" not in connection.nwfilterLookupByName(NAME).XMLDesc()


def test_order_of_rules_counts(bench: Bench) -> None:
    one, two = rule(tcp={}), rule(udp={})
    bench.run({"name": NAME, "rules": [one, two]})
    moved = assert_settles(bench, {"name": NAME, "rules": [two, one]})
    assert moved.actions[0].startswith(f"change nwfilter {NAME}: rules[")
    assert_settles(bench, {"name": NAME, "rules": []})


REFUSED: dict[str, tuple[dict[str, t.Any], list[str]]] = {
    "unknown attribute": ({"rules": [rule(tcp={"dstport": 22})]}, ["rules[0].tcp.dstport", "dstportstart"]),
    "ipset's flags": ({"rules": [rule(tcp={"ipset": "a", "ipsetflags": "dst"})]}, ["rules[0].tcp.ipsetflags"]),
    "two protocols": ({"rules": [rule(tcp={}, udp={})]}, ["rules[0]", "tcp and udp", "Make a rule of each"]),
    "no action": ({"rules": [{"direction": "in", "all": {}}]}, ["rules[0]", "action"]),
    "no direction": ({"rules": [rule(), {"action": "drop"}]}, ["rules[1]", "direction"]),
    "a port that is none": (
        {"rules": [rule(tcp={"dstportstart": 99999})]},
        ["rules[0].tcp.dstportstart", "99999", "65535"],
    ),
    "an address of the other kind": ({"rules": [rule(tcp={"srcipaddr": "::1"})]}, ["rules[0].tcp.srcipaddr", "IPv4"]),
    "a mask with holes": ({"rules": [rule(ip={"srcipmask": "255.0.255.0"})]}, ["rules[0].ip.srcipmask", "holes"]),
    "a bad variable": ({"rules": [rule(ip={"srcipaddr": "$A-B"})]}, ["rules[0].ip.srcipaddr", "$IP"]),
    "priority": ({"rules": [rule(priority=1001)]}, ["rules[0].priority", "-1000 to 1000"]),
    "a negated port alone": (
        {"rules": [rule(tcp={"not": {"dstportstart": 22}})]},
        ["rules[0].tcp", "dstportstart", "srcportstart"],
    ),
    "both sides": ({"rules": [rule(ip={"dscp": 1, "not": {"dscp": 1}})]}, ["rules[0].ip.not.dscp", "Keep one"]),
    "a rule in a reference": ({"rules": [{"filterref": "allow-arp", "tcp": {}}]}, ["rules[0].tcp", "filterref"]),
    "parameters of a rule": ({"rules": [rule(parameters={"A": 1})]}, ["rules[0].parameters"]),
    "a parameter that libvirt drops": (
        {"rules": [{"filterref": "allow-arp", "parameters": {"A": "x y"}}]},
        ["rules[0].parameters.A", "x y"],
    ),
    "a parameter's name that is one of its values": (
        {"rules": [{"filterref": "allow-arp", "parameters": {"a.b": "a.b"}}]},
        ["rules[0].parameters.a.b", "Names have letters"],
    ),
    "a reference that leads nowhere": ({"rules": [{"filterref": "mkt-none"}]}, ["rules[0].filterref", "mkt-none"]),
    "chain": ({"chain": "web"}, ["chain", "ipv4-web"]),
    "a loop": ({"rules": [{"filterref": NAME}]}, [NAME]),
    "a flag that libvirt drops": (
        {
            "xml": f"<filter name='{NAME}'><rule action='drop' direction='in'><tcp ipset='a' ipsetflags='dst'/></rule></filter>"
        },
        ["xml", "ipset", "src"],
    ),
    "options beside xml": ({"xml": "<filter/>", "chain": "arp"}, ["chain", "xml"]),
    "another name in xml": ({"xml": "<filter name='mkt-other'/>"}, ["xml", "mkt-other", NAME]),
    "another root": ({"xml": "<network/>"}, ["xml", "<filter>"]),
    "malformed xml": ({"xml": "<filter"}, ["xml", "well-formed"]),
    "name": ({"name": "mkt-a/b"}, ["name", "mkt-a/b"]),
}


def test_bad_input_is_refused(bench: Bench, player: t.Any, connection: t.Any) -> None:
    cases = {case: ({"name": NAME, **args}, words) for case, (args, words) in REFUSED.items()}
    assert_refused(bench, cases)
    player.refuse_all(
        "nwfilter", {case: cases[case] for case in ("unknown attribute", "a reference that leads nowhere")}
    )
    assert not [one.name() for one in connection.listAllNWFilters() if one.name().startswith("mkt-")]


def test_a_filter_in_use_is_not_removed(bench: Bench, connection: t.Any) -> None:
    bench.run({"name": NAME, "rules": [rule(tcp={})]})
    bench.run({"name": "mkt-above", "rules": [{"filterref": NAME}]})
    connection.defineXML(
        f"""<domain type='qemu'><name>mkt-user</name><memory>65536</memory><os><type>hvm</type></os><devices>
        <interface type='ethernet'><filterref filter='{NAME}'/></interface></devices></domain>"""
    )
    words = ["state", "domain mkt-user", "nwfilter mkt-above", "interfaces[].filter"]
    assert_refused(bench, {"in use": ({"name": NAME, "state": "absent"}, words)})
    assert connection.nwfilterLookupByName(NAME)


def test_a_filter_that_leads_back_to_itself_is_refused(bench: Bench, connection: t.Any) -> None:
    """Over others too, and by the check."""
    for name, other in ((f"{NAME}-1", None), (f"{NAME}-2", f"{NAME}-1"), (f"{NAME}-3", f"{NAME}-2")):
        bench.run({"name": name, "rules": [{"filterref": other}, {"filterref": "clean-traffic"}] if other else []})
    words = ["rules[1].filterref", "leads back", "Take one of the references out"]
    rules = [{"filterref": "clean-traffic"}]
    for name in (f"{NAME}-1", f"{NAME}-3"):
        args = {"name": f"{NAME}-1", "rules": [*rules, {"filterref": name}]}
        with pytest.raises(KvmError) as caught:
            bench.plan(args)
        assert not [word for word in words if word not in str(caught.value)], str(caught.value)
    new = {"name": f"{NAME}-4", "rules": [*rules, {"filterref": f"{NAME}-4"}]}
    assert_refused(bench, {"new": (new, words)})


def test_what_cannot_change_is_refused(bench: Bench) -> None:
    bench.run({"name": NAME})
    other = {"name": NAME, "uuid": "6d6b7400-6a0e-4a7e-8f5b-6d5c1c0d7e01"}
    assert_refused(bench, {"uuid": (other, ["uuid", "Leave the uuid out"])})


def tables(*words: str) -> str:
    """What the kernel has: ebtables or iptables of this host."""
    run = subprocess.run([*words], capture_output=True, text=True, check=False)
    return run.stdout


def test_a_running_guest_gets_the_change_at_once(bench: Bench, connection: t.Any) -> None:
    """The kernel's own rules for a running guest's port change with the filter, and go when the rule goes."""
    connection.networkDefineXML(
        "<network><name>mkt-net</name><bridge name='mkt0'/><ip address='10.177.3.1' netmask='255.255.255.0'/></network>"
    ).create()
    bench.run({"name": NAME, "rules": [rule(tcp={"dstportstart": 7001}), rule(arp={"opcode": "Request"})]})
    domain = connection.createXML(
        f"""<domain type='qemu'><name>mkt-guest</name><memory>65536</memory><os><type arch='x86_64'>hvm</type></os><devices>
        <interface type='network'><source network='mkt-net'/><filterref filter='{NAME}'/></interface></devices></domain>"""
    )
    try:
        before = tables("iptables-save") + tables("ebtables-save")
        assert "7001" in before
        ran = assert_settles(bench, {"name": NAME, "rules": [rule(tcp={"dstportstart": 7002})]})
        assert ran.restart_required == []
        after = tables("iptables-save") + tables("ebtables-save")
        assert "7002" in after
        assert "7001" not in after
    finally:
        domain.destroy()
