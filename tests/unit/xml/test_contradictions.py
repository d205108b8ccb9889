# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that contradict each other are refused, both named."""

from __future__ import annotations

import contextlib
import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.contradictions import CONTRADICTIONS
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.table import DOMAIN
from ansible_collections.metal.kvm.plugins.module_utils._objects.network.plan import NOUN as NETWORKS
from ansible_collections.metal.kvm.plugins.module_utils._objects.nwfilter.plan import NOUN as FILTERS
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError
from ansible_collections.metal.kvm.plugins.module_utils._xml import contradictions, document, patch, rows, table

UUID = "8f0f7a52-7e5b-4d0c-9d2c-0d4a6c3b1f10"
WRONG: list[tuple[dict[str, t.Any], str, str]] = [
    ({"vcpus": 4, "vcpus_maximum": 2}, "vcpus", "vcpus_maximum"),
    ({"memory": "2 GiB", "memory_maximum": "1 GiB"}, "memory", "memory_maximum"),
    ({"memory_maximum": "4 GiB", "memory_hotplug": {"maximum": "2 GiB", "slots": 1}}, "memory_maximum", "memory_hotplug.maximum"),
    ({"memtune": {"soft_limit": "4 GiB", "hard_limit": "2 GiB"}}, "memtune.soft_limit", "memtune.hard_limit"),
    ({"firmware": "bios", "secure_boot": True}, "firmware", "secure_boot"),
    ({"cpu": {"mode": "host-passthrough", "model": "Skylake-Client"}}, "cpu.mode", "cpu.model"),
    ({"numatune": {"placement": "auto", "nodeset": "0"}}, "numatune.placement", "numatune.nodeset"),
    ({"graphics": [{"type": "spice"}, {"type": "vnc", "autoport": True, "port": 5901}]}, "graphics[1].autoport", "graphics[1].port"),
    ({"graphics": [{"type": "vnc", "listen": "::1", "listen_socket": "/a"}]}, "graphics[0].listen", "graphics[0].listen_socket"),
    ({"disks": [{"target": "vda", "file": "/a", "encryption": {"secret_uuid": UUID, "secret_usage": "a"}}]},
     "disks[0].encryption.secret_uuid", "disks[0].encryption.secret_usage"),
    ({"disks": [{"target": "vda", "file": "/a", "iotune": {"total_iops_sec": 5, "read_iops_sec": 5}}]},
     "disks[0].iotune.total_iops_sec", "disks[0].iotune.read_iops_sec"),
    ({"sysinfo": {"fwcfg": [{"name": "opt/a", "value": "x", "file": "/a"}]}}, "sysinfo.fwcfg[0].value", "sysinfo.fwcfg[0].file"),
]  # fmt: skip

PORT = {"type": "midonet", "managerid": "11"}
RULE = {"action": "accept", "direction": "in"}
WRONG_NETWORKS: list[tuple[dict[str, t.Any], str, str]] = [
    ({"forward": "isolated", "forward_dev": "eth0"}, "forward", "forward_dev"),
    ({"forward": "open", "forward_interfaces": ["eth0"]}, "forward", "forward_interfaces"),
    ({"forward": "hostdev", "forward_dev": "eth0"}, "forward", "forward_dev"),
    ({"forward": "isolated", "forward_pf": "eth0"}, "forward", "forward_pf"),
    ({"forward": "route", "nat": {"ports": {"start": 1024, "end": 2048}}}, "forward", "nat"),
    ({"forward": "bridge", "bridge": "br0", "ips": [{"address": "10.1.0.1/24"}]}, "forward", "ips"),
    ({"forward": "bridge", "bridge": "br0", "dns": {"enable": False}}, "forward", "dns"),
    ({"forward": "vepa", "bridge": "br0"}, "forward", "bridge"),
    ({"dns": {"enable": False, "txt": [{"name": "a", "value": "b"}]}}, "dns.enable", "dns.txt"),
    ({"forward": "private", "bandwidth": {"inbound": {"average": 5}}}, "forward", "bandwidth"),
    ({"forward_pf": "eth0", "forward_dev": "eth1"}, "forward_pf", "forward_dev"),
    ({"nat": {"ports": {"start": 2048, "end": 1024}}}, "nat.ports.start", "nat.ports.end"),
    ({"nat": {"addresses": {"start": "10.0.0.10", "end": "10.0.0.9"}}}, "nat.addresses.start", "nat.addresses.end"),
    ({"ips": [{"address": "10.1.0.1/24"}, {"address": "fd00::1/64", "dhcp": {"hosts": [{"mac": "52:54:00:00:00:01", "ip": "fd00::5"}]}}]},
     "ips[1].dhcp.hosts[0].mac", "ips[1].dhcp.hosts[0].ip"),
    ({"virtualport": PORT}, "virtualport.type", "virtualport.managerid"),
    ({"portgroups": [{"name": "a"}, {"name": "b", "virtualport": PORT}]}, "portgroups[1].virtualport.type", "portgroups[1].virtualport.managerid"),
    ({"vlan": {"trunk": False, "tags": [{"id": 1}, {"id": 2}]}}, "vlan.trunk", "vlan.tags"),
]  # fmt: skip
WRONG_FILTERS: list[tuple[dict[str, t.Any], str, str]] = [
    ({"rules": [RULE, {**RULE, "tcp": {"dstportstart": 90, "dstportend": 80}}]}, "rules[1].tcp.dstportstart", "rules[1].tcp.dstportend"),
    ({"rules": [{**RULE, "udp_ipv6": {"not": {"srcipaddr": "fd00::10"}, "srcportstart": 3, "srcportend": 2}}]},
     "rules[0].udp_ipv6.srcportstart", "rules[0].udp_ipv6.srcportend"),
    ({"rules": [{**RULE, "all": {"not": {"srcipfrom": "10.0.0.10", "srcipto": "10.0.0.9"}}}]},
     "rules[0].all.not.srcipfrom", "rules[0].all.not.srcipto"),
    ({"rules": [{**RULE, "ipv6": {"type": 9, "typeend": 8}}]}, "rules[0].ipv6.type", "rules[0].ipv6.typeend"),
    ({"rules": [{**RULE, "stp": {"root-cost": 9, "root-cost-hi": 8}}]}, "rules[0].stp.root-cost", "rules[0].stp.root-cost-hi"),
]  # fmt: skip
WRONG_INTERFACES: list[tuple[dict[str, t.Any], str, str]] = [
    ({"interfaces": [{"mac": "52:54:00:00:00:01", "bridge": "br0", "virtualport": PORT}]},
     "interfaces[0].virtualport.type", "interfaces[0].virtualport.managerid"),
    ({"interfaces": [{"bridge": "br0", "vlan": {"trunk": False, "tags": [{"id": 1}, {"id": 2}]}}]},
     "interfaces[0].vlan.trunk", "interfaces[0].vlan.tags"),
]  # fmt: skip
EVERY = [
    *((DOMAIN, CONTRADICTIONS, *one) for one in [*WRONG, *WRONG_INTERFACES]),
    *((NETWORKS.rows, NETWORKS.contradictions, *one) for one in WRONG_NETWORKS),
    *((FILTERS.rows, FILTERS.contradictions, *one) for one in WRONG_FILTERS),
]


@pytest.mark.parametrize(("of", "rules", "given", "first", "second"), EVERY, ids=[str(one[2]) for one in EVERY])
def test_both_options_are_named(of: t.Any, rules: t.Any, given: dict[str, t.Any], first: str, second: str) -> None:
    with pytest.raises(KvmError) as error:
        contradictions.check(rules, rows.parse(of, given))
    assert f"{first}: " in str(error.value)
    assert f"{second}: " in str(error.value) or f"{second};" in str(error.value)
    assert error.value.details["option"] == first


@pytest.mark.parametrize(
    "given",
    [
        {"vcpus": 2, "vcpus_maximum": 2, "memory": "1 GiB", "memory_maximum": "1 GiB"},
        {"graphics": [{"type": "vnc", "autoport": False, "port": 5901}, {"type": "spice", "autoport": True}]},
        {"disks": [{"target": "vda", "file": "/a", "iotune": {"total_iops_sec": 0, "read_iops_sec": 5}}]},
        {"firmware": "bios", "secure_boot": False},
        {"cpu": {"mode": "custom", "model": "Skylake-Client"}},
        {},
    ],
    ids=str,
)
def test_what_fits_is_taken(given: dict[str, t.Any]) -> None:
    contradictions.check(CONTRADICTIONS, rows.parse(DOMAIN, given))


@pytest.mark.parametrize(
    "given",
    [
        {"forward": "nat", "forward_dev": "eth0", "nat": {"ports": {"start": 1024, "end": 1024}}},
        {"forward": "isolated", "forward_dev": "", "forward_interfaces": [], "forward_managed": False},
        {"forward": "private", "forward_dev": "eth0", "ips": [], "nat": {}},
        {"forward": "hostdev", "forward_pf": "eth0"},
        {"ips": [{"address": "fd00::1/64", "dhcp": {"hosts": [{"id": "0:1:2", "ip": "fd00::5"}]}}]},
        {"vlan": {"trunk": False, "tags": [{"id": 1}]}, "virtualport": {"type": "openvswitch", "profileid": "p"}},
    ],
    ids=str,
)
def test_what_fits_a_network_is_taken(given: dict[str, t.Any]) -> None:
    contradictions.check(NETWORKS.contradictions, rows.parse(NETWORKS.rows, given))


@pytest.mark.parametrize(
    "match",
    [
        {"tcp": {"dstportstart": "$PORT", "dstportend": 80}},
        {"tcp": {"dstportstart": 80, "dstportend": 80}},
        {"ip": {"protocol": "udp", "dstportstart": 80}},
        {"ip": {"protocol": 132, "dstportstart": 80}},
        {"ip": {"protocol": 33, "dstportstart": 80}},
        {"mac": {"srcmacmask": "ff:ff:fe:00:00:00", "srcmacaddr": "52:54:00:00:00:01"}},
        {"ip": {"protocol": "icmp"}},
    ],
    ids=str,
)
def test_what_fits_a_filter_is_taken(match: dict[str, t.Any]) -> None:
    contradictions.check(FILTERS.contradictions, rows.parse(FILTERS.rows, {"rules": [{**RULE, **match}]}))


@pytest.mark.parametrize(
    ("match", "option"),
    [
        ({"ip": {"protocol": "icmp", "dstportstart": 80}}, "rules[0].ip.dstportstart"),
        ({"ip": {"protocol": "$PROTOCOL", "srcportstart": 80}}, "rules[0].ip.srcportstart"),
        ({"ipv6": {"dstportend": 80}}, "rules[0].ipv6.dstportend"),
        ({"mac": {"srcmacmask": "52:54:00:00:00:01"}}, "rules[0].mac.srcmacmask"),
        ({"stp": {"root-address-mask": "0:ff:ff:00:00:00"}}, "rules[0].stp.root-address-mask"),
        ({"vlan": {"encap-protocol": 0x3B}}, "rules[0].vlan.encap-protocol"),
    ],
    ids=str,
)
def test_what_libvirt_defines_in_no_filter(match: dict[str, t.Any], option: str) -> None:
    with pytest.raises(KvmError) as error:
        rows.parse(FILTERS.rows, {"rules": [{**RULE, **match}]})
    assert error.value.details["option"] == option
    assert error.value.remedy


def exists(options: t.Mapping[str, t.Any], path: str) -> bool:
    """Whether the spec has the option."""
    for name in path.replace("[]", "").split("."):
        if name not in options:
            return False
        options = options[name].get("options") or {}
    return True


@pytest.mark.parametrize(
    ("of", "rules"), [(DOMAIN, CONTRADICTIONS), (NETWORKS.rows, NETWORKS.contradictions)], ids=["domain", "network"]
)
def test_rules_are_about_options_that_there_are(of: t.Any, rules: t.Any) -> None:
    specs = rows.specs(of)
    for rule in rules:
        for option in (rule.first, rule.second):
            path = f"{rule.below}.{option}" if rule.below else option
            assert exists(specs, path), path


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"disks": [{"target": "vda", "file": "/a", "cache": "none"}]}, "disks[vda].cache"),
        (
            {"disks": [{"target": "vdb"}, {"target": "vda", "iotune": {"total_iops_sec": 5}}]},
            "disks[vda].iotune.total_iops_sec",
        ),
        ({"disks": [{"target": "vda", "iotune": {"total_iops_sec": 5}}]}, "disks[vda].iotune"),
        ({"interfaces": [{"mac": "52:54:00:00:00:01", "mtu": 9000}]}, "interfaces[52:54:00:00:00:01].mtu"),
        ({"title": "a"}, "title"),
        ({"clock": {"offset": "utc"}}, "clock.offset"),
    ],
)
def test_a_place_is_not_set_and_unset(given: dict[str, t.Any], path: str) -> None:
    with pytest.raises(KvmError, match="set and unset") as error:
        table.unset_paths(DOMAIN, document.element("domain"), [path], rows.parse(DOMAIN, given), rows.Edit())
    assert path in str(error.value)


@pytest.mark.parametrize(
    ("wanted", "path", "value", "refused"),
    [
        ({"mtu": 1400}, "/network/mtu/@size", "1500", "mtu"),
        ({"mtu": 1400}, "/network/mtu/@size", "1400", ""),
        ({"domain": "a.example"}, "/network/mtu/@size", "1500", ""),
        (
            {"portgroups": [{"name": "a", "default": True}]},
            "/network/portgroup[@name='a']/@default",
            "no",
            "portgroups[a].default",
        ),
    ],
)
def test_a_patch_against_an_option(wanted: dict[str, t.Any], path: str, value: str, refused: str) -> None:
    """``xml_patch`` in the place of an option of the same task was changed back and forth by every run."""
    before = document.parse(
        "<network><name>n</name><mtu size='1400'/><domain name='a.example'/><portgroup name='a' default='yes'/></network>"
    )
    patched = document.clone(before)
    patch.apply(patched, [{"path": path, "set": value}])
    given = rows.parse(NETWORKS.rows, wanted)
    expected = pytest.raises(KvmError, match="xml_patch") if refused else contextlib.nullcontext()
    with expected as error:
        contradictions.check_patches(NETWORKS.rows, before, patched, given, rows.Edit)
    assert not refused or error.value.details["option"] == refused
