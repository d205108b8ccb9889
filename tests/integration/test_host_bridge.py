# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bridges with a port of the host, by systemd-networkd and by ifupdown, as another machine sees it."""

from __future__ import annotations

import json
import pathlib
import sys
import typing as t

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import hosts as tool

Pair = tuple[tool.Host, tool.Host]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Pair]:
    """A machine whose eth0 networkd keeps, and its neighbour, who gives addresses away."""
    with tool.hosts(tmp_path_factory.mktemp("bridge"), "gate", "hv1", systemd=True) as (gate, made):
        lines = f"[Match]\nName=eth0\n\n[Network]\nAddress={made.address}/24\n"
        made.run("sh", "-c", "mkdir -p /etc/systemd/network; cat > /etc/systemd/network/50-eth0.network", input=lines)
        made.run("ip", "address", "flush", "dev", "eth0")
        made.run("systemctl", "start", "systemd-networkd")
        words = ("--port=0", "--bind-interfaces", "--interface=net0", "--dhcp-range=10.77.8.100,10.77.8.150")
        gate.run("dnsmasq", *words, "--dhcp-leasefile=/run/leases", "--pid-file=/run/dnsmasq.pid")
        made.until(lambda: reached(gate, made.address), "isn't reached")
        yield gate, made


def reached(gate: tool.Host, address: str) -> bool:
    """Whether a machine refuses a connection, rather than not being there."""
    said = gate.run("timeout", "1", "bash", "-c", f"</dev/tcp/{address}/9", ok=False).stderr
    return "Connection refused" in said


def addresses(host: tool.Host, device: str) -> list[str]:
    """IPv4 addresses of a device; none if it isn't there."""
    said = host.run("ip", "-json", "-4", "address", "show", "dev", device, ok=False).stdout
    return [info["local"] for found in json.loads(said or "[]") for info in found.get("addr_info", ())]


def ports(host: tool.Host, bridge: str) -> list[str]:
    return host.run("ls", f"/sys/class/net/{bridge}/brif", ok=False).stdout.split()


def task(**arguments: t.Any) -> tool.Play:
    return tool.Play([{"metal.kvm.host_bridge": {"name": "br0", **arguments}}])


def test_connection_comes_back_where_nobody_confirms(pair: Pair) -> None:
    gate, host = pair
    before = host.run("ls", "/etc/systemd/network").stdout
    wrong = {"ports": ["eth0"], "addressing": "static", "addresses": ["10.99.0.2/24"], "timeout": 8}
    (recap,) = host.play(task(**wrong))
    assert recap.changed == 1, recap.text
    (refused,) = host.play(task(**wrong))
    assert "waits to be confirmed" in refused.said

    host.until(lambda: addresses(host, "br0") == ["10.99.0.2"], "hasn't got the address that was asked for")
    assert ports(host, "br0") == ["eth0"]
    assert not reached(gate, host.address)
    host.until(lambda: reached(gate, host.address), "doesn't come back", 40)
    assert addresses(host, "eth0") == [host.address]
    assert not addresses(host, "br0")
    assert host.run("ls", "/etc/systemd/network").stdout == before
    host.until(lambda: host.read("/var/lib/metal.kvm/bridge-br0/state") == "undone\n", "doesn't say so")
    (late,) = host.play(task(confirm=True))
    assert "has been taken back: nobody confirmed it within 8 seconds" in late.said


def test_bridge_takes_the_port_and_gives_it_back(pair: Pair) -> None:
    gate, host = pair
    static = {"name": "br0", "ports": ["eth0"], "addressing": "static", "addresses": [f"{host.address}/24"]}
    mac = host.read("/sys/class/net/eth0/address")
    host.roles("bridge", {"bridge_bridges": [static]})
    assert reached(gate, host.address)
    assert ports(host, "br0") == ["eth0"]
    assert addresses(host, "br0") == [host.address]
    assert not addresses(host, "eth0")
    assert host.read("/sys/class/net/br0/address") == mac

    # A guest is in it: it stays there when the bridge changes, and the bridge stays with it
    host.run("ip", "link", "add", "guest", "master", "br0", "type", "veth", "peer", "name", "inner")
    host.role("bridge", bridge_bridges=[{"name": "br0", "ports": ["eth0"], "addressing": "dhcp"}])
    host.until(lambda: any(one.startswith("10.77.8.1") for one in addresses(host, "br0")), "has no lease")
    assert ports(host, "br0") == ["eth0", "guest"]
    assert mac.strip() in gate.read("/run/leases")
    (kept,) = host.play(task(state="absent"))
    assert "guest would be cut off" in kept.said
    host.run("ip", "link", "delete", "guest")

    host.roles("bridge", {"bridge_bridges": [{"name": "br0", "state": "absent"}]})
    assert not host.run("ls", "/sys/class/net/br0", ok=False).stdout
    host.until(lambda: addresses(host, "eth0") == [host.address], "hasn't got back its address")
    assert reached(gate, host.address)


# ifupdown, without systemd

INTERFACES = """\
auto lo eth0
iface lo inet loopback

iface eth0 inet static
    address 10.77.8.2/24
"""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Pair]:
    """A machine without systemd whose eth0 is ifupdown's, and its neighbour."""
    with tool.hosts(tmp_path_factory.mktemp("plain"), "gate", "hv1") as (gate, made):
        made.run("sh", "-c", "mkdir -p /run/network; cat > /etc/network/interfaces", input=INTERFACES)
        made.run("ip", "address", "flush", "dev", "eth0")
        made.run("ifup", "eth0")
        made.until(lambda: reached(gate, made.address), "isn't reached")
        yield gate, made


def test_ifupdown_takes_the_port_and_gives_it_back(plain: Pair) -> None:
    gate, host = plain
    wrong = {"ports": ["eth0"], "addressing": "static", "addresses": ["10.99.0.2/24"], "timeout": 6}
    (recap,) = host.play(task(**wrong))
    assert recap.changed == 1, recap.text
    host.until(lambda: addresses(host, "br0") == ["10.99.0.2"], "hasn't got the address that was asked for")
    assert not reached(gate, host.address)
    host.until(lambda: reached(gate, host.address), "doesn't come back", 40)
    assert host.read("/etc/network/interfaces") == INTERFACES
    assert not ports(host, "br0")

    static = {"name": "br0", "ports": ["eth0"], "addressing": "static", "addresses": [f"{host.address}/24"]}
    host.until(lambda: host.read("/var/lib/metal.kvm/bridge-br0/state") == "undone\n", "doesn't end")
    host.role("bridge", bridge_bridges=[static])
    assert ports(host, "br0") == ["eth0"]
    assert addresses(host, "br0") == [host.address]
    assert not addresses(host, "eth0")
    assert reached(gate, host.address)
    assert not host.role("bridge", bridge_bridges=[static]).changed
    host.role("bridge", bridge_bridges=[{"name": "br0", "state": "absent"}])
    assert addresses(host, "eth0") == [host.address]
    assert reached(gate, host.address)
