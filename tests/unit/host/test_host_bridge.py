# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""host_bridge: what each backend writes and asks for, what is refused, and the program that goes back in time."""

from __future__ import annotations

import time
import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._host.bridge import plan as bridges
from ansible_collections.metal.kvm.plugins.module_utils._host.bridge import switch
from ansible_collections.metal.kvm.plugins.module_utils._host.root import Root
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError, Plan
from ansible_collections.metal.kvm.plugins.module_utils._run import run_steps

if t.TYPE_CHECKING:
    import pathlib

MAC = "52:54:00:00:00:01"
HEAD = "# Written by metal.kvm.host_bridge: changes are lost.\n"
ROUTES = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
STATIC = {
    "name": "br0",
    "ports": ["eth0"],
    "addressing": "static",
    "addresses": ["192.0.2.2/24", "2001:db8::2/64"],
    "gateways": ["192.0.2.1", "2001:db8::1"],
    "nameservers": ["192.0.2.53"],
    "search": ["example.org"],
    "mtu": 9000,
}
# What shows that a backend runs.
RUNNING = {
    "netplan": {"usr/sbin/netplan": "#!/bin/false\n", "etc/netplan/50-cloud-init.yaml": "network: {version: 2}\n"},
    "networkmanager": {"run/NetworkManager/devices/2": ""},
    "networkd": {"run/systemd/netif/state": ""},
    "ifupdown": {"usr/sbin/ifup": "#!/bin/false\n", "etc/network/interfaces": "auto lo\niface lo inet loopback\n"},
}


class Machine:
    """A tree of a machine with interfaces."""

    def __init__(self, tree: pathlib.Path) -> None:
        self.tree = tree
        self.file("proc/net/route", ROUTES)
        for name in ("lo", "eth0", "eth1"):
            self.file(f"sys/class/net/{name}/address", f"{MAC}\n")

    def file(self, path: str, text: str) -> None:
        (self.tree / path).parent.mkdir(parents=True, exist_ok=True)
        (self.tree / path).write_text(text)
        (self.tree / path).chmod(0o755 if text.startswith("#!") else 0o644)

    def runs(self, backend: str) -> None:
        for path, text in RUNNING[backend].items():
            self.file(path, text)

    def bridge(self, name: str, *ports: str) -> None:
        self.file(f"sys/class/net/{name}/bridge/stp_state", "0\n")
        for port in ports:
            (self.tree / f"sys/class/net/{name}/brif/{port}").mkdir(parents=True)
            (self.tree / f"sys/class/net/{port}/master").symlink_to(f"../{name}")

    def plan(self, live: bool = False, **params: t.Any) -> Plan:
        spec = {name: row.get("default") for name, row in bridges.argument_spec().items()}
        return bridges.make(Root(str(self.tree), live), {**spec, "name": "br0", **params})

    def files(self, plan: Plan) -> dict[str, t.Optional[str]]:
        """What the step would write."""
        (step,) = plan.steps
        return {path: text for path, before, text, mode in step.arguments["files"]}

    def written(self, plan: Plan) -> None:
        for path, text in self.files(plan).items():
            if text is None:
                (self.tree / path).unlink()
            else:
                self.file(path, text)


@pytest.fixture
def machine(tmp_path: pathlib.Path) -> Machine:
    return Machine(tmp_path)


NETWORKD = {
    "etc/systemd/network/00-metal-kvm-br0.netdev": (
        f"[NetDev]\nName=br0\nKind=bridge\nMACAddress={MAC}\nMTUBytes=9000\n\n[Bridge]\nSTP=no\n"
    ),
    "etc/systemd/network/00-metal-kvm-br0.network": (
        "[Match]\nName=br0\n\n[Link]\nMTUBytes=9000\n\n[Network]\nDHCP=no\nAddress=192.0.2.2/24\nAddress=2001:db8::2/64\n"
        "Gateway=192.0.2.1\nGateway=2001:db8::1\nDNS=192.0.2.53\nDomains=example.org\n"
    ),
    "etc/systemd/network/00-metal-kvm-br0@eth0.network": (
        "[Match]\nName=eth0\n\n[Link]\nMTUBytes=9000\n\n[Network]\nBridge=br0\nLinkLocalAddressing=no\n"
    ),
}
IFUPDOWN = {
    "etc/network/interfaces": "auto lo\niface lo inet loopback\n\nsource /etc/network/interfaces.d/metal-kvm-*\n",
    "etc/network/interfaces.d/metal-kvm-br0": f"""\
auto br0
iface br0 inet static
    address 192.0.2.2/24
    gateway 192.0.2.1
    dns-nameservers 192.0.2.53
    dns-search example.org
    pre-up ip link show dev br0 >/dev/null 2>&1 || ip link add name br0 type bridge
    pre-up ip link set dev br0 type bridge stp_state 0
    pre-up ip link set dev br0 address {MAC}
    pre-up ip link set dev eth0 mtu 9000
    pre-up ip link set dev eth0 master br0
    pre-up ip link set dev eth0 up
    pre-up ip link set dev br0 mtu 9000
    up ip link set dev br0 up
iface br0 inet6 static
    address 2001:db8::2/64
    gateway 2001:db8::1
""",
}
NETPLAN = {
    "etc/netplan/90-metal-kvm-br0.yaml": f"""\
network:
  version: 2
  ethernets:
    eth0: {{dhcp4: false, dhcp6: false, accept-ra: false, mtu: 9000}}
  bridges:
    br0:
      interfaces: [eth0]
      macaddress: {MAC}
      mtu: 9000
      parameters: {{stp: false}}
      dhcp4: false
      addresses:
        - "192.0.2.2/24"
        - "2001:db8::2/64"
      routes:
        - {{to: "0.0.0.0/0", via: "192.0.2.1"}}
        - {{to: "::/0", via: "2001:db8::1"}}
      nameservers:
        addresses: ["192.0.2.53"]
        search: ["example.org"]
"""
}
PROFILES = "etc/NetworkManager/system-connections"
NETWORK_MANAGER = {
    f"{PROFILES}/metal-kvm-br0.nmconnection": f"""\
[connection]
id=metal-kvm-br0
uuid=UUID
type=bridge
interface-name=br0
autoconnect-slaves=1

[bridge]
stp=false
mac-address={MAC}

[ethernet]
mtu=9000

[ipv4]
method=manual
address1=192.0.2.2/24
gateway=192.0.2.1
dns=192.0.2.53;
dns-search=example.org;

[ipv6]
method=manual
address1=2001:db8::2/64
gateway=2001:db8::1
dns-search=example.org;
""",
    f"{PROFILES}/metal-kvm-br0@eth0.nmconnection": """\
[connection]
id=metal-kvm-br0@eth0
uuid=UUID
type=ethernet
interface-name=eth0
master=br0
slave-type=bridge
autoconnect-priority=900

[ethernet]
mtu=9000
""",
}
WRITTEN = {
    "networkd": NETWORKD,
    "ifupdown": IFUPDOWN,
    "netplan": NETPLAN,
    "networkmanager": NETWORK_MANAGER,
}


@pytest.mark.parametrize("backend", WRITTEN)
def test_files_say_the_bridge_and_settle(machine: Machine, backend: str) -> None:
    machine.runs(backend)
    found = machine.plan(**STATIC)
    assert found.predicted is not None
    assert found.predicted["backend"] == backend
    texts = machine.files(found)
    for path, text in WRITTEN[backend].items():
        told = (texts[path] or "").replace(HEAD, "")
        lines = ["uuid=UUID" if line.startswith("uuid=") else line for line in told.split("\n")]
        assert "\n".join(lines) == text
    assert set(texts) == set(WRITTEN[backend])
    machine.written(found)
    assert not machine.plan(**STATIC).steps
    machine.written(machine.plan(state="absent"))
    assert not machine.plan(state="absent").steps


@pytest.mark.parametrize("backend", WRITTEN)
def test_vlan_leaves_the_port_as_it_is(machine: Machine, backend: str) -> None:
    machine.runs(backend)
    texts = machine.files(machine.plan(ports=["eth0"], vlan=20))
    whole = "\n".join(text or "" for text in texts.values())
    assert "eth0.20" in whole
    assert "dhcp4: false, dhcp6" not in whole
    assert "dev eth0 master" not in whole
    assert "Name=eth0\n\n[Network]\nBridge" not in whole


def test_a_port_more_is_given_back_where_nobody_confirms(machine: Machine) -> None:
    """It was left in the bridge, without the address that it had."""
    machine.runs("ifupdown")
    machine.written(machine.plan(ports=["eth0"]))
    (step,) = machine.plan(ports=["eth0", "eth1"]).steps
    before, after = step.arguments["back"]
    assert "ip link set dev eth1 nomaster || true" in after
    assert "ifup --force eth1 || true" in after
    assert not any("eth1" in command for command in step.arguments["forth"][1])

    machine.written(machine.plan(ports=["eth0", "eth1"]))
    (step,) = machine.plan(ports=["eth0"]).steps
    assert "ip link set dev eth1 nomaster || true" in step.arguments["forth"][1]
    assert not any("eth1" in command for command in step.arguments["back"][1])


def test_files_that_are_right_are_not_enough_where_the_bridge_is_missing(machine: Machine) -> None:
    machine.runs("networkd")
    machine.written(machine.plan(ports=["eth0"]))
    assert not machine.plan(ports=["eth0"]).steps
    assert machine.plan(live=True, ports=["eth0"]).steps
    machine.bridge("br0", "eth0")
    assert not machine.plan(live=True, ports=["eth0"]).steps


def test_ifupdown_hides_what_others_say_of_a_port_and_gives_it_back(machine: Machine) -> None:
    machine.runs("ifupdown")
    before = (
        "source /etc/network/interfaces.d/*\n\n# The way out\nauto lo eth0\niface lo inet loopback\n\n"
        "iface eth0 inet static\n    address 192.0.2.2/24\n    # kept\n    gateway 192.0.2.1\n\niface eth1 inet dhcp\n"
    )
    machine.file("etc/network/interfaces", before)
    found = machine.plan(ports=["eth0"], addressing="dhcp")
    mark = "#metal-kvm-br0 "
    assert machine.files(found)["etc/network/interfaces"] == (
        f"source /etc/network/interfaces.d/*\n\n# The way out\nauto lo\n{mark}auto eth0\niface lo inet loopback\n\n"
        f"{mark}iface eth0 inet static\n{mark}    address 192.0.2.2/24\n    # kept\n{mark}    gateway 192.0.2.1\n\n"
        "iface eth1 inet dhcp\n"
    )
    machine.written(found)
    assert not machine.plan(ports=["eth0"], addressing="dhcp").steps
    machine.written(machine.plan(state="absent"))
    after = (machine.tree / "etc/network/interfaces").read_text()
    assert after == before.replace("auto lo eth0", "auto lo\nauto eth0")


def test_netplan_finds_a_port_by_the_name_it_is_given(machine: Machine) -> None:
    machine.runs("netplan")
    text = "network:\n  ethernets:\n    first:\n      match: {macaddress: x}\n      set-name: eth0\n      dhcp4: true\n"
    machine.file("etc/netplan/50-cloud-init.yaml", text)
    (written,) = machine.files(machine.plan(ports=["eth0"], addressing="dhcp")).values()
    assert written is not None
    assert "    first: {dhcp4: false" in written
    assert "interfaces: [first]" in written


def test_networkd_adds_a_vlan_to_the_file_that_has_the_port(machine: Machine) -> None:
    machine.runs("networkd")
    said = "● 2: eth0\n      Network File: /run/systemd/network/10-netplan-eth0.network\n"
    machine.file(
        ".metal-kvm/host.json", f'{{"commands": {{"networkctl status --no-pager eth0": {said!r}}}}}'.replace("'", '"')
    )
    texts = machine.files(machine.plan(ports=["eth0"], vlan=20))
    drop_in = "etc/systemd/network/10-netplan-eth0.network.d/metal-kvm-br0.conf"
    assert texts[drop_in] == f"{HEAD}[Network]\nVLAN=eth0.20\n"


REFUSED: dict[str, tuple[dict[str, t.Any], str]] = {
    "a port that isn't there": ({"ports": ["eth7"]}, "ports: eth7 is not there. Interfaces here are: eth0, eth1, other, wlan0."),
    "a wireless one": ({"ports": ["wlan0"]}, "ports: wlan0 is wireless"),
    "one of another bridge": ({"ports": ["eth1"]}, "ports: eth1 is in the bridge other already"),
    "one named twice": ({"ports": ["eth0", "eth0"], "addressing": "dhcp"}, "ports: eth0 is named twice"),
    "the way out, without an address": ({"ports": ["eth0"]}, "addressing: the host reaches others through eth0"),
    "a name that's taken": ({"name": "eth1"}, "name: eth1 is an interface here that is no bridge"),
    "static without addresses": ({"addressing": "static"}, "addresses: none is given"),
    "addresses with dhcp": ({"addressing": "dhcp", "addresses": ["192.0.2.2/24"]}, "addresses: given, but addressing is dhcp"),
    "an address without prefix": ({"addressing": "static", "addresses": ["192.0.2.2"]}, "192.0.2.2 is not an address"),
    "a gateway that isn't near": (
        {"addressing": "static", "addresses": ["192.0.2.2/24"], "gateways": ["198.51.100.1"]},
        "gateways: 198.51.100.1 is in none of the addresses' networks",
    ),
    "a bridge somebody is in": ({"name": "other", "state": "absent"}, "other: eth1 would be cut off"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_cut_off_is_refused(machine: Machine, case: str) -> None:
    machine.runs("networkd")
    machine.file("sys/class/net/wlan0/phy80211/index", "0\n")
    machine.bridge("other", "eth1")
    machine.file("proc/net/route", f"{ROUTES}eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n")
    params, words = REFUSED[case]
    with pytest.raises(KvmError) as caught:
        machine.plan(**params)
    assert words in str(caught.value)


def test_netplan_refuses_addresses_that_it_can_not_take_away(machine: Machine) -> None:
    machine.runs("netplan")
    machine.file("etc/netplan/01.yaml", "network:\n  ethernets:\n    eth0:\n      addresses:\n        - 192.0.2.2/24\n")
    with pytest.raises(KvmError, match=r"/etc/netplan/01.yaml gives eth0 addresses"):
        machine.plan(**STATIC)


def test_a_host_whose_network_nobody_keeps_is_refused(machine: Machine) -> None:
    with pytest.raises(KvmError, match="Nothing that keeps a network is found here"):
        machine.plan(ports=["eth0"], addressing="dhcp")


# The program


def switched(machine: Machine, timeout: int, *forth: str) -> None:
    """A change of one file with another that appears, by the program itself."""
    machine.file("proc/sys/kernel/random/boot_id", "1\n")
    machine.file("etc/kept", "old\n")
    switch.start(
        None,
        sysroot=str(machine.tree),
        name="br0",
        files=[("etc/kept", "old\n", "new\n", 0o600), ("etc/more", None, "new\n", 0o640)],
        forth=(["echo before"], forth),
        back=([], [f"touch {machine.tree}/back"]),
        timeout=timeout,
    )


def until(machine: Machine, state: str) -> Root:
    root = Root(str(machine.tree))
    deadline = time.monotonic() + 20
    while switch.state(root, "br0") != state:
        assert time.monotonic() < deadline, switch.log(Root(str(machine.tree)), "br0")
        time.sleep(0.05)
    return root


def test_change_stays_once_it_is_confirmed(machine: Machine) -> None:
    machine.runs("networkd")
    switched(machine, 30, "echo after")
    with pytest.raises(KvmError, match="waits to be confirmed"):
        machine.plan()
    found = machine.plan(confirm=True)
    assert not found.changed
    run_steps(found, bridges.operations(), None)
    assert (machine.tree / "etc/kept").read_text() == "new\n"
    assert (machine.tree / "etc/more").stat().st_mode & 0o777 == 0o640
    assert not (machine.tree / "var/lib/metal.kvm/bridge-br0").exists()
    assert not machine.plan(confirm=True).steps


@pytest.mark.parametrize(("timeout", "command", "why"), [
    (1, "true", "nobody confirmed it within 1 seconds"),
    (30, "false", "this failed: false"),
])  # fmt: skip
def test_change_is_taken_back(machine: Machine, timeout: int, command: str, why: str) -> None:
    machine.runs("networkd")
    switched(machine, timeout, command)
    root = until(machine, "undone")
    assert switch.reason(root, "br0") == why
    assert (machine.tree / "etc/kept").read_text() == "old\n"
    assert not (machine.tree / "etc/more").exists()
    assert (machine.tree / "back").exists()
    with pytest.raises(KvmError, match=why):
        machine.plan(confirm=True)
    machine.plan()  # another attempt is free to begin
    machine.file("proc/sys/kernel/random/boot_id", "2\n")
    assert not machine.plan(confirm=True).steps  # what was before a reboot no longer counts
