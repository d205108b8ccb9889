# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client in a network namespace, plugged into the network's bridge as a guest would be: dnsmasq really answers, and
live changes leave the client its address and its traffic."""

from __future__ import annotations

import pathlib
import signal
import subprocess
import sys
import time
import typing as t

import pytest
from cycle import Task
from guest import Lab, lab

__all__ = ["lab"]

NAME = "mkt-net"
MAC = "52:54:00:0a:0b:0c"
HERE = pathlib.Path(__file__).parent


class Client:
    """A namespace with one device in the network's bridge."""

    def __init__(self, bridge: str) -> None:
        self.space = "mkt-client"
        run("ip", "netns", "add", self.space)
        run("ip", "link", "add", "mkt-veth", "type", "veth", "peer", "name", "eth0", "netns", self.space)
        run("ip", "link", "set", "mkt-veth", "master", bridge, "up")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "link", "set", "eth0", "address", MAC, "up")

    def run(self, *command: str) -> str:
        return run("ip", "netns", "exec", self.space, *command)

    def ask(self, *question: str) -> str:
        return self.run(sys.executable, str(HERE / "network_client.py"), *question).strip()

    def lease(self, again: str = "") -> str:
        return self.ask("dhcp", "eth0", MAC, *([again] if again else []))

    def resolve(self, name: str, *kind: str) -> list[str]:
        return self.ask("dns", "10.91.0.1", name, *kind).split()

    def close(self) -> None:
        subprocess.run(["ip", "link", "del", "mkt-veth"], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "del", self.space], check=False, capture_output=True)


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


@pytest.fixture
def client(player: t.Any, connection: t.Any) -> t.Iterator[Client]:
    dhcp = {"ranges": [{"start": "10.91.0.100", "end": "10.91.0.110"}]}
    player.run(
        "network", name=NAME, forward="open", domain="lab.example", state="active",
        ips=[{"address": "10.91.0.1/24", "dhcp": dhcp}],
    )  # fmt: skip
    made = Client(connection.networkLookupByName(NAME).bridgeName())
    yield made
    made.close()


def test_live_changes_leave_a_client_its_lease_and_its_traffic(player: t.Any, client: Client) -> None:
    address = client.lease()
    assert address.startswith("10.91.0.10") or address == "10.91.0.110"
    (leased,) = player.run("network_info", name=NAME)["networks"][0]["leases"]
    assert (leased["ip"], leased["mac"]) == (address, MAC)
    client.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
    inside = ["ip", "netns", "exec", client.space]
    pinging = [*inside, sys.executable, str(HERE / "network_client.py"), "ping", "10.91.0.1"]
    with subprocess.Popen(pinging, stdout=subprocess.PIPE, text=True) as ping:
        changed = player.run(
            "network", name=NAME,
            dns={"hosts": [{"ip": "10.91.0.60", "hostnames": ["db"]}], "txt": [{"name": "note", "value": "hello"}]},
            ips=[{"address": "10.91.0.1/24", "dhcp": {
                "ranges": [{"start": "10.91.0.100", "end": "10.91.0.150"}],
                "hosts": [{"mac": "52:54:00:0a:0b:99", "ip": "10.91.0.20", "name": "other"}]}}],
        )  # fmt: skip
        time.sleep(1)
        ping.send_signal(signal.SIGINT)
        told = ping.communicate(timeout=30)[0]
    assert changed["restart_required"] == []
    sent, received = (int(number) for number in told.split())
    assert sent > 5, told
    assert received >= sent - 1, told  # the last one may still be under way
    assert client.lease(again=address) == address, "the lease is renewed"
    assert client.resolve("db.lab.example") == ["10.91.0.60"]
    assert client.resolve("note", "TXT") == ["hello"]


def test_a_reserved_address_is_given_out_at_once(player: t.Any, client: Client) -> None:
    host = {"mac": MAC, "ip": "10.91.0.20", "name": "web1"}
    player.run("network", name=NAME, ips=[{"address": "10.91.0.1/24", "dhcp": {"hosts": [host]}}])
    assert client.lease() == "10.91.0.20"
    client.run("ip", "address", "add", "10.91.0.20/24", "dev", "eth0")
    assert client.resolve("web1.lab.example") == ["10.91.0.20"]


class Ping:
    """Echo requests, five a second, from the hypervisor to an address of the network, for as long as the block lasts."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.lost = self.sent = 0

    def __enter__(self) -> Ping:
        command = [sys.executable, str(HERE / "network_client.py"), "ping", self.address]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *error: object) -> None:
        self.process.send_signal(signal.SIGINT)
        self.sent, received = (int(number) for number in self.process.communicate(timeout=30)[0].split())
        self.lost = self.sent - received


def wish(**more: t.Any) -> Task:
    return Task("network", {"name": NAME, **more})


def dhcp(**more: t.Any) -> Task:
    return wish(ips=[{"address": "10.91.0.1/24", "dhcp": more}])


def test_a_guest_keeps_its_lease_and_its_traffic(player: t.Any, lab: Lab) -> None:
    """DHCP hosts, ranges and DNS records come, change and go while it runs; a restart of the network plugs it back in."""
    first = {"ranges": [{"start": "10.91.0.100", "end": "10.91.0.110"}], "hosts": [{"mac": MAC, "ip": "10.91.0.20"}]}
    other = {"mac": "52:54:00:0a:0b:99", "ip": "10.91.0.30", "name": "other"}
    player.run("network", name=NAME, forward="open", state="active", ips=[{"address": "10.91.0.1/24", "dhcp": first}])
    lab.boots(interfaces=[{"network": NAME, "mac": MAC}])
    seen = lab.guest.sees(lambda seen: "10.91.0.20" in str(seen), "it has no address")
    changes = [
        dhcp(hosts=[*first["hosts"], other]),
        dhcp(hosts=[{**first["hosts"][0], "name": "web1"}, {**other, "ip": "10.91.0.31"}]),
        dhcp(hosts=[first["hosts"][0]]),
        dhcp(hosts=[]),
        dhcp(ranges=[{"start": "10.91.0.100", "end": "10.91.0.150"}, {"start": "10.91.0.200", "end": "10.91.0.210"}]),
        dhcp(ranges=[{"start": "10.91.0.120", "end": "10.91.0.150"}]),
        wish(dns={"hosts": [{"ip": "10.91.0.60", "hostnames": ["db"]}], "txt": [{"name": "note", "value": "hello"}]}),
        wish(dns={"hosts": [{"ip": "10.91.0.61", "hostnames": ["db"]}],
                  "srv": [{"service": "ldap", "protocol": "tcp", "target": "db", "port": 389}]}),
        wish(dns={"hosts": [], "txt": [], "srv": []}),
    ]  # fmt: skip
    with Ping("10.91.0.20") as ping:
        results = player.play(changes)
        time.sleep(2)
    for result in results:
        assert not result.failed, result.message
        assert result["changed"]
        assert result["restart_required"] == []
    assert ping.sent > 20
    assert ping.lost <= 1, "the last one may still be under way"
    (leased,) = player.run("network_info", name=NAME)["networks"][0]["leases"]
    assert (leased["ip"], leased["mac"]) == ("10.91.0.20", MAC)
    restarted = player.run("network", name=NAME, domain="lab.example", apply="restart")
    assert restarted["actions"][-1] == f"plug {lab.name} back into network {NAME}"
    assert restarted["network"]["connections"] == [{"domain": lab.name, "mac": MAC}]
    with Ping("10.91.0.20") as ping:
        assert player.run("network_info", name=NAME)["networks"][0]["leases"] == [leased], "what was leased stays known"
        time.sleep(12)
    assert ping.sent - ping.lost > 2, "the guest is in the new bridge"
    with Ping("10.91.0.20") as ping:
        time.sleep(2)
    assert ping.lost <= 1, "and nothing is lost there"
    assert lab.guest.reports()[-1]["boot"] == seen["boot"], "it's the same boot"
