# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks on a real libvirtd, with its bridges and dnsmasq."""

from __future__ import annotations

import pathlib
import shutil
import typing as t

import libvirt
import pytest
from bench import Bench, assert_refused

NAME = "mkt-net"
MAC = "52:54:00:0a:0b:0c"
DHCP = {
    "ranges": [{"start": "10.91.0.100", "end": "10.91.0.199"}],
    "hosts": [{"mac": MAC, "ip": "10.91.0.10", "name": "web1"}],
}
LAB = {
    "name": NAME,
    "forward": "nat",
    "domain": "lab.example",
    "ips": [{"address": "10.91.0.1/24", "dhcp": DHCP}],
    "state": "active",
    "autostart": True,
}


def test_cycle_of_a_nat_network(cycle: t.Any) -> None:
    hosts = [{"mac": MAC.upper(), "ip": "10.91.0.11"}, {"mac": "52:54:00:0a:0b:0d", "ip": "10.91.0.12", "name": "web2"}]
    seen = cycle(
        "network",
        create=LAB,
        change={
            "name": NAME,
            "mtu": 1400,
            "labels": {"stage": "test"},
            "dns": {"hosts": [{"ip": "10.91.0.50", "hostnames": ["one", "two"]}]},
            "ips": [{"address": "10.91.0.1/24", "dhcp": {"hosts": hosts}}],
            "autostart": False,
        },
        remove={"name": NAME, "state": "absent"},
    )
    made = seen.create.run["network"]
    assert made["active"]
    assert made["autostart"]
    assert made["bridge"].startswith("virbr")
    changed = seen.change.run
    assert changed["restart_required"] == ["mtu"]
    assert changed["network"]["ips"][0]["dhcp"]["ranges"] == DHCP["ranges"], "a dict is merged: the ranges stay"
    assert changed["network"]["uuid"] == made["uuid"]
    assert changed["network"]["mac"] == made["mac"]
    assert changed.diff["after"][f"ips[10.91.0.0].dhcp.hosts[{MAC}].ip"] == "10.91.0.11"
    assert changed["network"]["ips"][0]["dhcp"]["hosts"][0]["name"] == "web1", "an option left out in an item stays"
    assert seen.change.run_again["restart_required"] == ["mtu"], "what waits for a restart is said until it's done"


@pytest.mark.parametrize(
    ("create", "change"),
    [
        pytest.param({"forward": "route", "ips": [{"address": "10.92.0.1/24"}]}, {"forward": "open"}, id="route"),
        pytest.param({}, {"ips": [{"address": "fd00:92::1/64"}]}, id="isolated"),
        pytest.param({"forward": "bridge", "bridge": "br-mkt"}, {"bridge": "br-mkt2"}, id="bridge"),
        pytest.param(
            {"forward": "bridge", "bridge": "ovsbr0", "virtualport": {"type": "openvswitch"},
             "portgroups": [{"name": "a", "default": True, "vlan": {"tags": [{"id": 10}]}}]},
            {"portgroups": [{"name": "a", "vlan": {"trunk": True, "tags": [{"id": 10}, {"id": 11}]}}, {"name": "b"}]},
            id="openvswitch",
        ),
    ],
)  # fmt: skip
def test_cycle_of_forward_modes(cycle: t.Any, create: dict[str, t.Any], change: dict[str, t.Any]) -> None:
    cycle(
        "network",
        create={"name": NAME, **create},
        change={"name": NAME, **change},
        remove={"name": NAME, "state": "absent"},
    )


def test_state_follows_what_is_asked(player: t.Any) -> None:
    assert player.run("network", **{**LAB, "state": "present"})["network"]["active"] is False
    assert player.run("network", name=NAME, state="active")["actions"] == [f"start network {NAME}"]
    left = player.run("network", name=NAME)
    assert not left["changed"]
    assert left["network"]["active"], "without a state it keeps running"
    assert player.run("network", name=NAME, state="inactive")["actions"] == [f"stop network {NAME}"]
    assert player.run("network", name=NAME, state="absent")["network"] is None


def test_stage_and_restart(player: t.Any) -> None:
    player.run("network", **LAB)
    host = {"mac": MAC, "ip": "10.91.0.20"}
    staged = player.run(
        "network", name=NAME, ips=[{"address": "10.91.0.1/24", "dhcp": {"hosts": [host]}}], apply="stage"
    )
    assert staged["restart_required"] == [f"ips[10.91.0.0].dhcp.hosts[{MAC}].ip"]
    live = player.run("network", name=NAME, ips=[{"address": "10.91.0.1/24", "dhcp": {"hosts": [host]}}])
    assert live["actions"] == [f"change DHCP host {MAC} of network {NAME} live"]
    assert live["restart_required"] == []
    restarted = player.run("network", name=NAME, mtu=1300, apply="restart")
    assert restarted["actions"][1:] == [f"stop network {NAME} to restart it", f"start network {NAME} again"]
    assert restarted["restart_required"] == []
    assert not player.run("network", name=NAME, mtu=1300, apply="restart")["changed"]


@pytest.fixture
def guest(player: t.Any, connection: t.Any) -> t.Any:
    """A running guest that is plugged into the network; its processors stand still."""
    player.run("network", **LAB)
    xml = f"""<domain type='qemu'><name>mkt-guest</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>
      <interface type='network'><mac address='{MAC}'/><source network='{NAME}'/><target dev='mkt-tap'/></interface>
      </devices></domain>"""
    return connection.createXML(xml, libvirt.VIR_DOMAIN_START_PAUSED)


def bridge_of(device: str) -> str:
    return (pathlib.Path("/sys/class/net") / device / "master").resolve().name


def test_a_restart_plugs_running_guests_back_in(player: t.Any, connection: t.Any, guest: t.Any) -> None:
    bridge = connection.networkLookupByName(NAME).bridgeName()
    assert bridge_of("mkt-tap") == bridge
    restarted = player.run("network", name=NAME, mtu=1300, apply="restart")
    assert restarted["actions"][-1] == f"plug mkt-guest back into network {NAME}"
    assert restarted["restart_required"] == []
    assert bridge_of("mkt-tap") == connection.networkLookupByName(NAME).bridgeName()
    assert restarted["network"]["connections"] == [{"domain": "mkt-guest", "mac": MAC}]
    guest.destroy()
    assert player.run("network_info", name=NAME)["networks"][0]["connections"] == []


def test_a_network_is_not_stopped_under_a_guest(player: t.Any, guest: t.Any) -> None:
    assert guest.isActive()
    for state in ("inactive", "absent"):
        player.refuse("network", "state", "mkt-guest", "force: true", name=NAME, state=state)
    assert bridge_of("mkt-tap").startswith("virbr")
    assert player.run("network", name=NAME, state="absent", force=True)["changed"]


def test_lists_can_be_emptied_and_options_unset(player: t.Any) -> None:
    player.run("network", **LAB)
    emptied = {"address": "10.91.0.1/24", "dhcp": {"hosts": [], "ranges": []}}
    result = player.run("network", name=NAME, ips=[emptied], unset=["domain"])
    assert result["network"]["ips"] == [{"address": "10.91.0.1/24"}]
    assert "domain" not in result["network"]
    assert not player.run("network", name=NAME, ips=[emptied], unset=["domain"])["changed"]


def test_xml_is_applied_once(player: t.Any, connection: t.Any) -> None:
    xml = f"""<network><name>{NAME}</name><bridge stp='on'/><ip address='10.91.0.1' netmask='255.255.255.0'>
      <dhcp><range start='10.91.0.5' end='10.91.0.9'/></dhcp></ip><domain name='one'/></network>"""
    first = player.run("network", name=NAME, xml=xml, state="active", labels={"a": "b"})
    assert first["changed"]
    second = player.run("network", name=NAME, xml=xml, labels={"a": "b"})
    assert not second["changed"], second.get("diff")
    assert second["network"]["uuid"] == first["network"]["uuid"]
    own = connection.networkLookupByName(NAME).XMLDesc(1)
    assert not player.run("network", name=NAME, xml=own)["changed"]
    other = player.run("network", name=NAME, xml=xml.replace("10.91.0.5", "10.91.0.6"))
    assert [action for action in other["actions"] if "live" in action], "ranges change while the network runs"
    assert other["restart_required"] == []
    assert "10.91.0.6" in connection.networkLookupByName(NAME).XMLDesc(0)


def test_xml_with_elements_of_other_namespaces_is_applied_once(player: t.Any, connection: t.Any) -> None:
    xml = f"""<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'><name>{NAME}</name>
      <ip address='10.91.0.1' netmask='255.255.255.0'/><dnsmasq:options>
      <dnsmasq:option value='log-dhcp'/></dnsmasq:options></network>"""
    player.run("network", name=NAME, xml=xml)
    assert not player.run("network", name=NAME, xml=xml)["changed"]
    assert player.run("network", name=NAME, xml=xml.replace("log-dhcp", "log-queries"))["changed"]
    assert "log-queries" in connection.networkLookupByName(NAME).XMLDesc(0)


def test_xml_patch(player: t.Any, connection: t.Any) -> None:
    player.run("network", **{**LAB, "state": "present"})
    patch = [{"path": "bridge/@delay", "set": "3"}, {"path": "domain", "delete": True}]
    assert player.run("network", name=NAME, xml_patch=patch)["changed"]
    assert "delay='3'" in connection.networkLookupByName(NAME).XMLDesc(0)
    assert not player.run("network", name=NAME, xml_patch=patch)["changed"]
    dropped = [{"path": "bridge/@colour", "set": "blue"}]
    said = player.run("network", name=NAME, xml_patch=dropped)
    assert not said["changed"]
    assert "bridge/@colour" in said["warnings"][0]


def test_a_definition_by_others_keeps_what_no_option_says(player: t.Any, connection: t.Any) -> None:
    connection.networkDefineXML(
        f"""<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'><name>{NAME}</name>
        <metadata><o:x xmlns:o='urn:other'>kept</o:x></metadata>
        <ip address='10.91.0.1' netmask='255.255.255.0'/><dnsmasq:options><dnsmasq:option value='log-dhcp'/>
        </dnsmasq:options></network>"""
    )
    result = player.run("network", name=NAME, domain="lab.example")
    assert result["actions"] == [f"change network {NAME}: domain"]
    after = connection.networkLookupByName(NAME).XMLDesc(0)
    assert "<o:x" in after
    assert "log-dhcp" in after
    assert "netmask='255.255.255.0'" in after


def test_a_transient_network_becomes_persistent(player: t.Any, connection: t.Any) -> None:
    connection.networkCreateXML(
        f"<network><name>{NAME}</name><ip address='10.91.0.1' netmask='255.255.255.0'/></network>"
    )
    result = player.run("network", name=NAME)
    assert result["actions"] == [f"make the transient network {NAME} persistent"]
    assert connection.networkLookupByName(NAME).isPersistent()
    assert not player.run("network", name=NAME)["changed"]


def test_failed_start_leaves_the_definition_for_the_next_run(player: t.Any, connection: t.Any) -> None:
    from cycle import Task, assert_one_paragraph

    create = {"name": NAME, "ips": [{"address": "10.91.0.1/24"}], "dnsmasq_options": ["nonsense=1"], "state": "active"}
    (failed,) = player.play([Task("network", create)])
    assert failed.failed
    assert_one_paragraph(failed)
    assert f"start network {NAME}" in failed.message
    assert connection.networkLookupByName(NAME).isPersistent()
    assert player.run("network", **{**create, "dnsmasq_options": []})["network"]["active"]


def test_failed_live_change_puts_the_definition_back(player: t.Any, connection: t.Any) -> None:
    """libvirt can't write the file that dnsmasq reads: the running network doesn't change, so the definition doesn't either."""
    from cycle import Task

    player.run("network", **LAB)
    before = connection.networkLookupByName(NAME).XMLDesc(1)
    file = pathlib.Path(f"/var/lib/libvirt/dnsmasq/{NAME}.hostsfile")
    file.unlink()
    (file / "in-the-way").mkdir(parents=True)
    hosts = [*DHCP["hosts"], {"mac": "52:54:00:0a:0b:0d", "ip": "10.91.0.12", "name": "web2"}]
    try:
        (failed,) = player.play(
            [Task("network", {"name": NAME, "ips": [{"address": "10.91.0.1/24", "dhcp": {"hosts": hosts}}]})]
        )
    finally:
        shutil.rmtree(file)
    assert failed.failed
    assert failed["rolled_back"] == [f"put the definition of network {NAME} back"]
    assert connection.networkLookupByName(NAME).XMLDesc(1) == before


def test_what_libvirt_cannot_tell_apart_waits(player: t.Any) -> None:
    """Two hosts of one name: libvirt refuses the second one while the network runs, and takes it in a definition."""
    player.run("network", **LAB)
    hosts = [*DHCP["hosts"], {"mac": "52:54:00:0a:0b:0d", "ip": "10.91.0.12", "name": "web1"}]
    wish = {"name": NAME, "ips": [{"address": "10.91.0.1/24", "dhcp": {"hosts": hosts}}]}
    staged = player.run("network", **wish)
    assert staged["restart_required"] == ["ips[10.91.0.0].dhcp.hosts[52:54:00:0a:0b:0d]"]
    assert player.run("network", **wish, apply="restart")["restart_required"] == []


REFUSED: dict[str, tuple[dict[str, t.Any], list[str]]] = {
    "records without a DNS server": (
        {"dns": {"enable": False, "hosts": [{"ip": "10.91.0.9", "hostnames": ["one"]}]}},
        ["dns.enable", "dns.hosts", "rules the second out"],
    ),
    "address without prefix": ({"ips": [{"address": "10.91.0.1"}]}, ["ips[0].address", "10.91.0.1/24"]),
    "not an address": ({"ips": [{"address": "ten/24"}]}, ["ips[0].address", "ten/24"]),
    "same subnet twice": ({"ips": [{"address": "10.91.0.1/24"}, {"address": "10.91.0.2/24"}]}, ["ips", "identity"]),
    "range outside": (
        {"ips": [{"address": "10.91.0.1/24", "dhcp": {"ranges": [{"start": "10.92.0.5", "end": "10.92.0.9"}]}}]},
        ["ranges[0].start", "10.92.0.5", "10.91.0.0/24"],
    ),
    "range backwards": (
        {"ips": [{"address": "10.91.0.1/24", "dhcp": {"ranges": [{"start": "10.91.0.9", "end": "10.91.0.5"}]}}]},
        ["ranges[0]", "10.91.0.9", "10.91.0.5"],
    ),
    "mac twice": (
        {"ips": [{"address": "10.91.0.1/24", "dhcp": {"hosts": [
            {"mac": MAC, "ip": "10.91.0.5"}, {"mac": MAC, "ip": "10.91.0.6"}]}}]},
        ["hosts", MAC],
    ),
    "ip twice": (
        {"ips": [{"address": "10.91.0.1/24", "dhcp": {"hosts": [
            {"mac": MAC, "ip": "10.91.0.5"}, {"mac": "52:54:00:00:00:01", "ip": "10.91.0.5"}]}}]},
        ["hosts[1].ip", "10.91.0.5"],
    ),
    "not a mac": (
        {"ips": [{"address": "10.91.0.1/24", "dhcp": {"hosts": [{"mac": "52:54", "ip": "10.91.0.5"}]}}]},
        ["hosts[0].mac", "52:54"],
    ),
    "nat without address": ({"forward": "nat"}, ["ips", "nat"]),
    "isolated with a way out": ({"forward": "isolated", "forward_dev": "eth0"}, ["forward_dev", "isolated"]),
    "bridge of a device": ({"bridge": "lo", "ips": [{"address": "10.91.0.1/24"}]}, ["bridge", "device 'lo'"]),
    "mac of no bridge": ({"forward": "bridge", "bridge": "br0", "mac": MAC}, ["mac", "forward: 'bridge'"]),
    "lease too short": (
        {"ips": [{"address": "10.91.0.1/24", "dhcp": {"ranges": [
            {"start": "10.91.0.5", "end": "10.91.0.9", "lease": {"expiry": 1, "unit": "minutes"}}]}}]},
        ["libvirt refuses the definition", "2 minutes"],
    ),
    "bridge without bridge": ({"forward": "bridge"}, ["bridge", "br0"]),
    "name with a slash": ({"name": "mkt-a/b"}, ["name", "mkt-a/b"]),
    "malformed xml": ({"xml": "<network><name>mkt-net</name>"}, ["xml", "well-formed"]),
    "xml of another kind": ({"xml": "<pool/>"}, ["xml", "<pool>"]),
    "xml of another name": ({"xml": "<network><name>other</name></network>"}, ["xml", "other", NAME]),
    "xml with entities": (
        {"xml": "<!DOCTYPE n [<!ENTITY e SYSTEM 'file:///etc/hostname'>]><network><name>&e;</name></network>"},
        ["xml", "DOCTYPE"],
    ),
    "xml and options": ({"xml": "<network><name>mkt-net</name></network>", "mtu": 1400}, ["mtu", "xml"]),
    "set and unset": ({"domain": "a", "unset": ["domain"]}, ["unset", "domain"]),
    "unset of nothing": ({"unset": ["colour"]}, ["unset", "colour"]),
    "patch of many": (
        {"ips": [{"address": "10.91.0.1/24"}], "xml_patch": [{"path": "//*", "set": "1"}]},
        ["xml_patch[0].path"],
    ),
    "patch that says nothing": ({"xml_patch": [{"path": "domain/@name"}]}, ["xml_patch[0]", "set"]),
    "not an xpath": ({"xml_patch": [{"path": "domain[", "set": "1"}]}, ["xml_patch[0].path", "XPath"]),
}  # fmt: skip


def test_bad_input_is_refused(player: t.Any, connection: t.Any) -> None:
    cases = {case: ({"name": NAME, **args}, words) for case, (args, words) in REFUSED.items()}
    assert_refused(Bench("network"), cases)
    player.refuse_all(
        "network", {case: cases[case] for case in ("not an address", "lease too short", "xml with entities")}
    )
    assert not [one.name() for one in connection.listAllNetworks() if one.name().startswith("mkt-")]


def test_overlapping_subnets_are_refused(player: t.Any) -> None:
    player.run("network", **LAB)
    player.refuse(
        *("network", "ips", "10.91.0.128/25", f"network {NAME}"),
        name="mkt-two",
        ips=[{"address": "10.91.0.129/25"}],
        state="active",
    )


def test_what_cannot_change_is_refused(player: t.Any) -> None:
    player.run("network", **{**LAB, "state": "present"})
    player.refuse("network", "uuid", "Leave the uuid out", name=NAME, uuid="8f0f7a52-7e5b-4d0c-9d2c-0d4a6c3b1f10")


def test_info_reads_one_all_and_none(player: t.Any) -> None:
    player.run("network", **LAB)
    assert [one["name"] for one in player.run("network_info", name=NAME)["networks"]] == [NAME]
    assert player.run("network_info", name="mkt-none")["networks"] == []
    everything = player.run("network_info")["networks"]
    assert NAME in [one["name"] for one in everything]
    assert [one["name"] for one in everything] == sorted(one["name"] for one in everything)


def test_a_network_by_others_is_adopted(player: t.Any, connection: t.Any) -> None:
    connection.networkDefineXML(
        f"""<network><name>{NAME}</name><forward mode='nat'/><ip address='10.91.0.1' netmask='255.255.255.0'><dhcp>
        <range start='10.91.0.2' end='10.91.0.99'/></dhcp></ip></network>"""
    )
    adopted = player.run("network_info", name=NAME, **{"as": "options"})
    assert adopted["not_exported"] == []
    assert "stp" not in adopted["options"], "what libvirt fills in is left out"
    assert not player.run("network", **adopted["options"])["changed"]
