# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and subnets of networks."""

from __future__ import annotations

import ipaddress
import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._objects.network import addresses, limits, subnets
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError
from ansible_collections.metal.kvm.plugins.module_utils._xml import document, rows
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("xml", "address"),
    [
        ("<ip address='10.20.0.1' netmask='255.255.255.0'/>", "10.20.0.1/24"),
        ("<ip address='10.20.0.1' prefix='25'/>", "10.20.0.1/25"),
        ("<ip address='10.20.0.1'/>", "10.20.0.1/8"),
        ("<ip address='172.16.0.1'/>", "172.16.0.1/16"),
        ("<ip address='192.168.0.1'/>", "192.168.0.1/24"),
        ("<ip family='ipv6' address='FD00:20:0::1' prefix='64'/>", "fd00:20::1/64"),
        ("<ip family='ipv6' address='fd00:20::1'/>", "fd00:20::1/64"),
    ],
)
def test_addresses_as_libvirt_writes_them(xml: str, address: str) -> None:
    assert rows.read(addresses.IPS.rows, document.parse(xml))["address"] == address


def _of_a_host(pair: tuple[t.Any, int]) -> bool:
    """Whether the address isn't the subnet's own or its broadcast address."""
    network = ipaddress.ip_interface(f"{pair[0]}/{pair[1]}").network
    return network.num_addresses <= 2 or pair[0] not in (network.network_address, network.broadcast_address)


subnet_addresses = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.integers(1, 32)), st.tuples(st.ip_addresses(v=6), st.integers(1, 128))
).filter(_of_a_host)


@given(subnet_addresses, subnet_addresses)
def test_an_address_put_in_is_read_out(one: tuple[t.Any, int], other: tuple[t.Any, int]) -> None:
    node = document.element("ip")
    for address, prefix in (one, other):
        row = addresses.IPS.rows[0]
        value = row.parse({"address": f"{address}/{prefix}"}, "")["address"]
        row.write(node, value)
        assert row.value(document.parse(document.text_of(node))) == f"{address}/{prefix}"
        assert (node.get("family") == "ipv6") == (address.version == 6)


@pytest.mark.parametrize("written", ["10.20.0.1", "10.20.0.1/33", "10.20.0.300/24", "fd00::1/129", "", "lab"])
def test_addresses_that_are_none(written: str) -> None:
    with pytest.raises(ValueError, match=r"prefix"):
        addresses.interface(written)


def test_identity_is_the_subnet() -> None:
    assert addresses.network_of({"address": "10.20.0.1/24"}) == addresses.network_of({"address": "10.20.0.254/24"})
    assert addresses.network_of({"address": "10.20.0.1/24"}) != addresses.network_of({"address": "10.20.1.1/24"})
    assert addresses.network_of({}) is None


def test_the_subnets_of_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = {
        "/proc/net/route": [
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT",
            "eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0",
            "eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0",
            "wg0\t0000000A\t0100A8C0\t0003\t0\t0\t0\t000000FF\t0\t0\t0",
            "down\t0000000B\t00000000\t0000\t0\t0\t0\t000000FF\t0\t0\t0",
        ],
        "/proc/net/ipv6_route": [
            "fd000020000000000000000000000000 40 "
            + "0" * 32
            + " 00 "
            + "0" * 32
            + " 00000100 00000001 00000000 00000001 eth0",
            "fe800000000000000000000000000000 40 "
            + "0" * 32
            + " 00 "
            + "0" * 32
            + " 00000100 00000001 00000000 00000001 eth0",
            "0" * 32 + " 00 " + "0" * 32 + " 00 " + "fe80" + "0" * 27 + "1 00000400 00000001 00000000 00000003 eth0",
        ],
    }
    monkeypatch.setattr(subnets, "_lines", tables.__getitem__)
    assert [(device, str(one)) for device, one in subnets.host_subnets()] == [
        ("eth0", "192.168.0.0/24"), ("eth0", "fd00:20::/64"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "option"),
    [
        ({"forward": "nat"}, "ips"),
        ({"forward": "bridge", "bridge": "br0", "ips": [{"address": "10.0.0.1/24"}]}, "ips"),
        ({"forward": "bridge"}, "bridge"),
        (
            {"ips": [{"address": "10.0.0.1/24", "dhcp": {"hosts": [{"ip": "10.0.0.1"}]}}]},
            "ips[10.0.0.1/24].dhcp.hosts[0].ip",
        ),
        (
            {"ips": [{"address": "10.0.0.1/24", "dhcp": {"ranges": [{"start": "10.0.0.5", "end": "10.0.1.5"}]}}]},
            "ips[10.0.0.1/24].dhcp.ranges[0].end",
        ),
    ],
)
def test_what_does_not_fit_a_subnet(values: dict[str, t.Any], option: str) -> None:
    with pytest.raises(KvmError) as caught:
        subnets.check_addresses(values)
    assert caught.value.details["option"] == option


TWO = [
    {"address": f"10.{number}.0.1/24", "dhcp": {"ranges": [{"start": f"10.{number}.0.5", "end": f"10.{number}.0.9"}]}}
    for number in (1, 2)
]


@pytest.mark.parametrize(
    ("values", "option"),
    [
        ({"forward": "bridge", "bridge": "br0", "mac": "52:54:00:00:00:01"}, "mac"),
        ({"forward": "private", "forward_dev": "eth0", "domain": "a.b"}, "domain"),
        ({"forward": "bridge", "bridge": "br0", "mtu": 1400}, "mtu"),
        ({"forward": "route", "nat": {"ports": {"start": 1, "end": 2}}}, "nat"),
        ({"forward": "isolated", "vlan": {"tags": [{"id": 1}]}}, "vlan"),
        ({"forward": "bridge", "vlan": {"tags": [{"id": 1}]}, "virtualport": {"type": "midonet"}}, "vlan"),
        (
            {
                "forward": "bridge",
                "virtualport": {"type": "openvswitch"},
                "portgroups": [
                    {"name": "a", "vlan": {"tags": [{"id": 1}]}, "virtualport": {"type": "802.1Qbh"}},
                ],
            },
            "portgroups[a].vlan",
        ),
        ({"forward": "isolated", "bridge": "abcdefghijklmnop"}, "bridge"),
        ({"forward": "isolated", "mtu": 67}, "mtu"),
        ({"forward": "isolated", "mtu": 1279, "ips": [{"address": "fd00::1/64"}]}, "mtu"),
        (
            {"forward": "isolated", "portgroups": [{"name": "a", "default": True}, {"name": "b", "default": True}]},
            "portgroups[b].default",
        ),
        ({"forward": "isolated", "ips": TWO}, "ips[10.2.0.1/24].dhcp"),
        (
            {"forward": "isolated", "ips": [{"address": "10.1.0.1/16"}, {"address": "10.1.1.1/24"}]},
            "ips[10.1.1.1/24].address",
        ),
    ],
)
def test_what_a_network_cannot_have(values: dict[str, t.Any], option: str) -> None:
    with pytest.raises(KvmError) as caught:
        limits.check_limits(values, 9_000_000)
    assert caught.value.details["option"] == option
    limits.check_limits({"forward": values["forward"], "ips": TWO[:1]}, 9_000_000)
