# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is planned for a network, on libvirt's test driver."""

from __future__ import annotations

import pathlib
import types
import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._objects import whole
from ansible_collections.metal.kvm.plugins.module_utils._objects.network.limits import check_functions
from ansible_collections.metal.kvm.plugins.module_utils._objects.network.plan import NOUN
from ansible_collections.metal.kvm.plugins.module_utils._objects.network.table import NETWORK
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError
from ansible_collections.metal.kvm.plugins.module_utils._xml import document, rows

MAC = "52:54:00:00:00:0a"
IPS = [{"address": "10.20.0.1/24", "dhcp": {"hosts": [{"mac": MAC, "ip": "10.20.0.10"}]}}]


def test_a_plan_changes_nothing(lab: t.Any) -> None:
    plan = lab.plan(name="lab", ips=IPS, state="active")
    assert plan.actions == ["define network lab", "start network lab"]
    assert plan.changed
    assert lab.world.find("network", "lab") is None
    assert plan.predicted["ips"] == IPS
    assert plan.after["state"] == "active"


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"forward": "nat", "ips": IPS, "domain": "lab"},
        {"forward": "nat", "nat": {"ports": {"start": 2000, "end": 3000}}, "ips": [{"address": "10.20.0.1/24"}]},
        {"ips": [{"address": "10.20.0.1/24"}, {"address": "fd00:20::1/64", "local_ptr": True}]},
        {"forward": "bridge", "bridge": "br0"},
        {"forward": "hostdev", "forward_addresses": ["3b:02.0", "0000:3b:02.1"], "forward_managed": True},
        {"labels": {"a": "b"}, "mtu": 1400, "delay": 3, "stp": False},
        {"ips": [{"address": "10.20.0.1/24"}],
         "routes": [{"address": "10.30.0.0/16", "gateway": "10.20.0.2", "metric": 2}]},
        {"ips": [{"address": "10.20.0.1/24"}], "dns": {
            "enable": True, "hosts": [{"ip": "10.20.0.9", "hostnames": ["a", "b"]}],
            "forwarders": [{"address": "9.9.9.9"}, {"domain": "x.example", "address": "10.20.0.3"}],
            "txt": [{"name": "t", "value": "v"}],
            "srv": [{"service": "ldap", "protocol": "tcp", "target": "a", "port": 389}]}},
        {"bandwidth": {"inbound": {"average": 1000, "peak": 2000, "burst": 512}}, "portgroups": [
            {"name": "p", "default": True, "bandwidth": {"outbound": {"average": 500}}}]},
    ],
)  # fmt: skip
def test_the_second_plan_is_empty(lab: t.Any, args: dict[str, t.Any]) -> None:
    lab.run(name="lab", **args)
    again = lab.plan(name="lab", **args)
    assert not again.steps, again.actions
    assert not again.before
    assert not again.after
    assert again.predicted == NOUN.info(lab.world, {"name": "lab"})["networks"][0], "unchanged, it's what info reads"


def test_a_value_that_libvirt_would_write_unescaped_is_refused(lab: t.Any) -> None:
    """It would leave a definition that can't be read again, neither by us nor by libvirt after its next start."""
    for args in ({"domain": "it's"}, {"xml": '<network><name>lab</name><domain name="it\'s"/></network>'}):
        with pytest.raises(KvmError, match=r"it's.* not XML"):
            lab.plan(name="lab", **args)
    assert lab.plan(name="lab", domain="its.example", labels={"a": "it's"}).changed


def test_the_uuid_of_another_network_is_refused(lab: t.Any) -> None:
    lab.run(name="lab")
    uuid = lab.world.find("network", "lab").UUIDString()
    xml = f"<network><name>two</name><uuid>{uuid.upper()}</uuid></network>"
    for args, option in (({"uuid": uuid}, "uuid"), ({"xml": xml}, "xml")):
        with pytest.raises(KvmError, match=f"{option}: {uuid} is the UUID of network lab already") as caught:
            lab.plan(name="two", **args)
        assert caught.value.details["option"] == option
    lab.run(name="two")
    with pytest.raises(KvmError, match=f"xml: the definition's uuid is {uuid}, network two has"):
        lab.plan(name="two", xml=xml)
    assert not lab.plan(name="lab", xml=xml.replace("<name>two", "<name>lab")).changed


def test_only_virtual_functions_are_lent(tmp_path: pathlib.Path) -> None:
    (tmp_path / "0000:3b:02.0" / "physfn").mkdir(parents=True)
    (tmp_path / "0000:3b:00.0").mkdir()
    here = types.SimpleNamespace(local=True, uri="qemu:///system")
    check_functions(here, {"forward_addresses": ["0000:3b:02.0"]}, str(tmp_path))
    for address, words in (("0000:3b:00.0", "no SR-IOV virtual function"), ("0000:3c:00.0", "no PCI device")):
        with pytest.raises(KvmError, match=rf"forward_addresses\[1\]: {address} is {words}.*forward_pf"):
            check_functions(here, {"forward_addresses": ["0000:3b:02.0", address]}, str(tmp_path))
    there = types.SimpleNamespace(local=False, uri="qemu+ssh://there/system")
    check_functions(there, {"forward_addresses": ["0000:3c:00.0"]}, str(tmp_path))


def test_only_what_differs_changes(lab: t.Any) -> None:
    lab.run(name="lab", ips=IPS, domain="one", labels={"a": "b"})
    before = document.parse(lab.xml("lab"))
    plan = lab.run(name="lab", domain="two")
    assert plan.before == {"domain": "one"}
    assert plan.after == {"domain": "two"}
    after = document.parse(lab.xml("lab"))
    after.find("domain").set("name", "one")
    assert document.canonical(after) == document.canonical(before)


def test_state_left_out_makes_but_does_not_start(lab: t.Any) -> None:
    assert lab.run(name="lab").actions == ["define network lab"]
    assert lab.run(name="lab", state="active", autostart=True).actions == [
        "start network lab with the host", "start network lab",
    ]  # fmt: skip
    assert lab.run(name="lab", state="inactive", autostart=False).actions == [
        "stop starting network lab with the host", "stop network lab",
    ]  # fmt: skip
    assert lab.run(name="lab", state="absent").actions == ["undefine network lab"]
    assert lab.run(name="lab", state="absent").actions == []


def test_a_failed_step_puts_the_definition_back(lab: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.metal.kvm.plugins.module_utils._objects.network import plan as networks
    from ansible_collections.metal.kvm.plugins.module_utils._run import run_steps

    def broken(world: t.Any, **arguments: t.Any) -> None:
        raise KvmError("broken", "")

    lab.run(name="lab", domain="one")
    plan = lab.plan(name="lab", domain="two", autostart=True)
    with pytest.raises(KvmError, match="broken") as caught:
        run_steps(plan, {**networks.NOUN.operations(), "network.autostart": broken}, lab.world)
    assert caught.value.rolled_back == ["put the definition of network lab back"]  # type: ignore[attr-defined]
    assert 'name="one"' in lab.xml("lab").replace("'", '"')


def test_a_new_network_that_fails_is_taken_away(lab: t.Any) -> None:
    from ansible_collections.metal.kvm.plugins.module_utils._objects.network import plan as networks
    from ansible_collections.metal.kvm.plugins.module_utils._run import run_steps

    def broken(world: t.Any, **arguments: t.Any) -> None:
        raise KvmError("broken", "")

    plan = lab.plan(name="lab", autostart=True)
    with pytest.raises(KvmError, match="broken"):
        run_steps(plan, {**networks.NOUN.operations(), "network.autostart": broken}, lab.world)
    assert lab.world.find("network", "lab") is None


@pytest.mark.parametrize(
    "other", ["10.20.0.0/24", "10.20.0.128/25", "10.0.0.0/8"], ids=["the-same", "a-part-of-it", "one-around-it"]
)
def test_overlapping_subnets_are_refused(lab: t.Any, other: str) -> None:
    import ipaddress

    lab.run(name="lab", ips=[{"address": "10.20.0.1/24"}], state="active")
    network = ipaddress.ip_network(other)
    ips = [{"address": f"{network[200 % network.num_addresses]}/{network.prefixlen}"}]
    with pytest.raises(KvmError, match="network lab") as caught:
        lab.plan(name="two", ips=ips, state="active")
    assert caught.value.details["option"] == "ips"
    assert [text for text in lab.plan(name="two", ips=ips).warnings if "network lab" in text], "one at a time may run"
    lab.plan(name="two", ips=[{"address": "10.20.1.1/24"}, {"address": "fd00:abcd::1/64"}], state="active")
    lab.plan(name="lab", ips=[{"address": "10.20.0.2/24"}])


def test_too_old_a_libvirt_is_said(lab: t.Any) -> None:
    if lab.world.version >= 9_007_000:
        assert lab.run(name="lab", title="a").changed
        return
    with pytest.raises(KvmError, match=r"title: needs libvirt 9\.7"):
        lab.plan(name="lab", title="a")


def test_forward_gives_up_what_the_new_mode_has_not(lab: t.Any) -> None:
    lab.run(name="lab", forward="nat", ips=[{"address": "10.20.0.1/24"}], nat={"ports": {"start": 2000, "end": 3000}})
    lab.run(name="lab", forward="route")
    assert "<nat" not in lab.xml("lab")
    lab.run(name="lab", forward="bridge", bridge="br0", ips=[])
    root = document.parse(lab.xml("lab"))
    assert root.find("bridge").attrib == {"name": "br0"}
    assert root.find("mac") is None
    lab.run(name="lab", forward="isolated", unset=["bridge"])
    assert document.parse(lab.xml("lab")).find("forward") is None


XMLS = {
    "default": """<network><name>n</name><forward mode='nat'><nat><port start='1024' end='65535'/></nat></forward>
        <bridge name='virbr9' stp='on' delay='0'/><ip address='192.168.222.1' netmask='255.255.255.0'><dhcp>
        <range start='192.168.222.2' end='192.168.222.254'><lease expiry='30' unit='minutes'/></range>
        <host mac='52:54:00:6c:3c:01' name='a' ip='192.168.222.3'><lease expiry='0'/></host>
        <bootp file='x' server='192.168.222.9'/></dhcp><tftp root='/srv/tftp'/></ip></network>""",
    "classful": "<network><name>n</name><ip address='172.16.0.1'/></network>",
    "ipv6": """<network ipv6='yes' trustGuestRxFilters='yes'><name>n</name><forward mode='nat'><nat ipv6='yes'>
        <address start='10.1.0.1' end='10.1.0.9'/></nat></forward><ip address='10.9.0.1' prefix='24' localPtr='yes'/>
        <ip family='ipv6' address='fd00:9::1' prefix='64'><dhcp><range start='fd00:9::10' end='fd00:9::20'/>
        <host id='0:4:7e:7d:f0:7d:a8:bc:c5:d2:13:32:11:ed:16:ea:84:63' name='p' ip='fd00:9::30'/></dhcp></ip>
        <route family='ipv6' address='fd00:8::' prefix='64' gateway='fd00:9::2'/></network>""",
    "openvswitch": """<network><name>n</name><forward mode='bridge'/><bridge name='ovs0'/><virtualport
        type='openvswitch'>
        <parameters interfaceid='09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f'/></virtualport><vlan trunk='yes'>
        <tag id='42' nativeMode='untagged'/><tag id='47'/></vlan><portgroup name='a' default='yes'><vlan><tag
        id='7'/></vlan>
        </portgroup></network>""",
    "macvtap": """<network connections='1'><name>n</name><forward mode='passthrough'><interface dev='eth10'/>
        <interface dev='eth11'/></forward></network>""",
    "hostdev": """<network><name>n</name><forward mode='hostdev' managed='yes'><driver name='vfio'/><pf
        dev='eth0'/></forward>
        </network>""",
    "isolated ports": (
        "<network><name>n</name><bridge name='v0' zone='home' macTableManager='libvirt'/><port"
        " isolated='yes'/></network>"
    ),
    "unknown to us": """<network><name>n</name><metadata>
        <a:b xmlns:a='urn:a'>c</a:b></metadata><dns enable='no' forwardPlainNames='yes'/><domain name='d'
        localOnly='yes'/>
        </network>""",
}  # fmt: skip


@pytest.mark.parametrize("case", XMLS, ids=lambda case: case.replace(" ", "-"))
def test_any_definition_is_applied_once(lab: t.Any, case: str) -> None:
    assert lab.run(name="n", xml=XMLS[case]).changed
    assert not lab.plan(name="n", xml=XMLS[case]).changed
    assert not lab.plan(name="n", xml=lab.xml("n")).changed
    assert not lab.plan(name="n", xml=XMLS[case].replace("<name>n</name>", "")).changed


@pytest.mark.parametrize("case", XMLS, ids=lambda case: case.replace(" ", "-"))
def test_a_definition_read_and_declared_is_the_same(lab: t.Any, case: str) -> None:
    """Options that were read, fed back: nothing to do; on another host: the same, but for what has no option."""
    lab.world.connection.networkDefineXML(XMLS[case])
    before = document.parse(lab.xml("n"))
    read = rows.read(NETWORK, before)
    plan = lab.plan(name="n", **read)
    assert not plan.changed, plan.actions
    other = document.element("network")
    document.child(other, "name").text = "n"
    rows.apply(NETWORK, other, rows.parse(NETWORK, read), "", rows.Edit())
    for node in before.findall("metadata"):
        document.remove(node)
    normal = whole.Normal(NOUN)
    assert rows.compare(NETWORK, normal(before), normal(other)) == []
    assert document.canonical(normal(other)) == document.canonical(normal(with_prefixes(before)))


EXPORTED = {name: xml for name, xml in XMLS.items() if name != "unknown to us"}


@pytest.mark.parametrize("case", EXPORTED, ids=lambda case: case.replace(" ", "-"))
def test_what_is_exported_makes_the_same_network(lab: t.Any, test_uri: str, case: str) -> None:
    """define(export(x)) in a fresh place equals x but for identity; fed back it changes nothing."""
    lab.world.connection.networkDefineXML(EXPORTED[case])
    read = NOUN.info(lab.world, {"name": "n", "as": "options", "identity": "keep"})
    assert read["not_exported"] == []
    assert not lab.plan(**read["options"]).changed
    elsewhere = type(lab)(test_uri)
    new = NOUN.info(lab.world, {"name": "n", "as": "options", "identity": "new"})["options"]
    assert "uuid" not in new
    assert "mac" not in new
    elsewhere.run(**new)
    one, other = (document.parse(place.xml("n")) for place in (lab, elsewhere))
    for root in (one, other):
        for tag in ("uuid", "mac"):
            for node in root.findall(tag):
                document.remove(node)
        root.attrib.pop("connections", None)
    assert rows.compare(NETWORK, one, other) == []
    assert document.canonical(with_prefixes(one)) == document.canonical(with_prefixes(other))


def test_what_is_exported_is_the_fewest(lab: t.Any) -> None:
    lab.run(name="n", ips=[{"address": "10.20.0.1/24"}], domain="d")
    assert NOUN.info(lab.world, {"name": "n", "as": "options", "identity": "new"}) == {
        "options": {
            "name": "n",
            "domain": "d",
            "ips": [{"address": "10.20.0.1/24"}],
            "state": "inactive",
            "autostart": False,
        },
        "not_exported": [],
        "secrets_needed": [],
    }


def test_what_no_option_says_is_named(lab: t.Any) -> None:
    lab.world.connection.networkDefineXML(XMLS["unknown to us"])
    read = NOUN.info(lab.world, {"as": "options", "identity": "keep"})
    assert read["not_exported"] == [["metadata"]]
    assert read["warnings"] == ["as: no option says metadata of network n"]
    assert [one["name"] for one in read["options"]] == ["n"]


def with_prefixes(root: document.Element) -> document.Element:
    """The same network, its addresses written as we write them."""
    values = rows.read(NETWORK, root)
    for name in ("ips", "routes"):
        row = next(row for row in NETWORK if row.name == name)
        for node, item in zip(row.elements(root), values.get(name, [])):
            row.rows[0].put(node, item["address"])
    return root
