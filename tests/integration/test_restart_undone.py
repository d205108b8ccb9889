# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restart that fails is taken back: what ran runs again, of the definition that it had, with its guests plugged in."""

from __future__ import annotations

import os
import pathlib
import typing as t

import bench as benches
import libvirt
import pytest
from ansible_collections.metal.kvm.plugins.module_utils._plan import Plan
from ansible_collections.metal.kvm.plugins.module_utils._run import run_steps
from domain_bench import Bench
from guest import NAME, OTHER, POOL, Lab, canonical, lab
from lxml import etree

__all__ = ["lab"]

NET = "mkd-net"
MAC = "52:54:00:0d:00:07"
ADDRESS = [{"address": "10.93.0.1/24", "dhcp": {"ranges": [{"start": "10.93.0.10", "end": "10.93.0.20"}]}}]


class Failed(t.NamedTuple):
    """What a failed run says."""

    words: str
    step: str
    undone: list[str]
    stuck: list[str]


def fails(bench: benches.Bench, **args: t.Any) -> Failed:
    plan = bench.plan(args)
    with pytest.raises(Exception) as caught:  # noqa: PT011
        run_steps(plan, bench.operations(), bench.world)
    error: t.Any = caught.value
    return Failed(str(error), error.step, error.rolled_back, error.rollback_failed)


def guest(lab: Lab, name: str = NAME, **options: t.Any) -> Bench:
    """A running guest without a system: nothing in it hears a request."""
    bench = Bench(name, lab.place)
    bench.task(memory="64 MiB", agent=False, state="running", **options)
    return bench


def plugged(lab: Lab, network: str = NET) -> dict[str, str]:
    """The bridges in which the running guests' interfaces are, by MAC address; the network must know a port of each."""
    there = lab.connection.networkLookupByName(network)
    ports = [etree.fromstring(port.XMLDesc(0)).find("mac").get("address") for port in there.listAllPorts()]
    found = {}
    for domain in lab.connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
        for interface in etree.fromstring(domain.XMLDesc(0)).iterfind("devices/interface"):
            mac, master = (
                interface.find("mac").get("address"),
                pathlib.Path("/sys/class/net", interface.find("target").get("dev"), "master"),
            )
            found[mac] = os.path.basename(os.path.realpath(master)) if master.exists() else ""
            assert mac in ports, f"{network} has no port of {mac}"
    return found


def document(there: t.Any, flag: int = 1) -> str:
    return canonical(etree.fromstring(there.XMLDesc(flag)), "capacity", "allocation", "available")


@pytest.fixture
def network(lab: Lab) -> benches.Bench:
    del lab
    made = benches.Bench("network", name=NET)
    made.run({"forward": "isolated", "ips": ADDRESS, "bridge": "mkdbr0", "state": "active"})
    return made


@pytest.mark.parametrize("staged", [False, True], ids=["declared", "staged"])
def test_a_network_that_does_not_start_again(lab: Lab, network: benches.Bench, staged: bool) -> None:
    """Also with changes of this run that were live already, and where an earlier task has staged what is wrong."""
    guest(lab, interfaces=[{"network": NET, "mac": MAC}])
    there = lab.connection.networkLookupByName(NET)
    args: dict[str, t.Any] = {
        "dnsmasq_options": ["bogus"],
        "dns": {"hosts": [{"ip": "10.93.0.9", "hostnames": ["db"]}]},
    }
    if staged:
        network.run({**args, "apply": "stage"})
    before, running = document(there), document(there, 0)
    said = fails(network, **args, autostart=True, apply="restart")
    assert said.step == f"start network {NET} again"
    assert said.undone[0] == f"start network {NET} as it ran before"
    assert said.stuck == []
    assert there.isActive()
    assert (document(there), there.autostart()) == (before, 0)
    assert document(there, 0) == running
    assert plugged(lab) == {MAC: "mkdbr0"}
    assert network.plan({**args, "apply": "restart"}).actions, "the next run doesn't say that all is well"


def test_a_start_plugs_running_guests_in(lab: Lab, network: benches.Bench) -> None:
    """However the network went off: by another hand, by a forced stop, or with its definition."""
    guest(lab, interfaces=[{"network": NET, "mac": MAC}])
    other = guest(lab, OTHER, interfaces=[{"network": NET, "mac": MAC[:-1] + "8", "port_isolated": True}])
    del other
    wanted = dict.fromkeys((MAC, MAC[:-1] + "8"), "mkdbr0")
    declared = {"forward": "isolated", "ips": ADDRESS, "bridge": "mkdbr0", "state": "active"}
    for state in ("virsh", "inactive", "absent"):
        if state == "virsh":
            lab.connection.networkLookupByName(NET).destroy()
        else:
            network.run({"state": state, "force": True})
        ran = benches.assert_settles(network, declared)
        assert ran.actions[-1] == f"plug {NAME}, {OTHER} back into network {NET}"
        assert plugged(lab) == wanted
    network.run({"bridge": "mkdbr1", "apply": "restart"})
    assert plugged(lab) == dict.fromkeys(wanted, "mkdbr1")
    assert (network.describe({}) or {})["connections"]


def test_a_start_that_fails_alone_leaves_the_definition(network: benches.Bench) -> None:
    network.run({"state": "inactive"})
    said = fails(network, dnsmasq_options=["bogus"], state="active")
    assert (said.step, said.undone) == (f"start network {NET}", [])
    assert "bogus" in network.world.get("network", NET).XMLDesc(0)


def test_a_pool_that_does_not_start_again(lab: Lab) -> None:
    """The directory that this run made goes too; the one that was there keeps its permissions."""
    first, second = lab.place / "first", lab.place / "second"
    pools = benches.Bench("pool", name=POOL)
    pools.run({"type": "dir", "path": str(first), "state": "active"})
    there = lab.connection.storagePoolLookupByName(POOL)
    before = document(there)
    (lab.place / "file").touch()
    broken = {"path": str(lab.place / "file" / "below"), "apply": "restart"}
    said = fails(pools, **broken)
    assert said.undone[0] == f"start pool {POOL} as it ran before"
    assert said.stuck == []
    assert there.isActive()
    assert document(there) == before
    assert pools.plan(broken).actions
    plan = pools.plan({"path": str(second), "apply": "restart"})
    with pytest.raises(RuntimeError, match="an error of the test"):
        run_steps(plan, {**pools.operations(), "pool.start": _break(pools, 1)}, pools.world)
    assert there.isActive()
    assert document(there) == before
    assert not second.exists()
    assert first.exists()


def _break(bench: benches.Bench, times: int) -> t.Callable[..., t.Any]:
    """The operation that starts, which fails so many times."""
    start, count = bench.operations()[f"{bench.noun}.start"], iter(range(times))

    def broken(*arguments: t.Any, **named: t.Any) -> t.Any:
        if next(count, None) is not None:
            raise RuntimeError("an error of the test")
        return start(*arguments, **named)

    return broken


@pytest.mark.parametrize("pending", [False, True], ids=["as-defined", "with-a-change-staged-before"])
def test_a_guest_that_does_not_start_again(lab: Lab, pending: bool) -> None:
    bench = guest(lab, title="one")
    domain = lab.domain
    if pending:
        bench.task(features={"pmu": False}, apply="stage")
    before, running = stored(lab), _plain(lab)
    assert bench.plan({}).steps == []
    options = {"title": "two", "boot": {"kernel": "/nonexistent/kernel"}, "apply": "restart", "force": True}
    said = fails(bench, **options)
    assert said.step == f"start domain {NAME} again"
    assert said.undone == [f"start domain {NAME} as it ran before", f"define domain {NAME} as it was"]
    assert said.stuck == []
    assert domain.isActive()
    assert stored(lab) == before
    assert _plain(lab) == running
    assert bench.plan({}).steps == []


def test_a_staged_definition_that_does_not_start(lab: Lab) -> None:
    """The act domain_restart has no definition to put back: what ran runs, what was staged stays staged."""
    from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.act import plan_restart

    bench = guest(lab, title="one")
    running = _plain(lab)
    bench.task(boot={"kernel": "/nonexistent/kernel"}, apply="stage")
    staged = stored(lab)
    act = {"name": NAME, "how": "force", "shutdown_timeout": 1, "only_if_required": False}
    with pytest.raises(libvirt.libvirtError) as caught:
        run_steps(plan_restart(bench.world, act), bench.operations(), bench.world)
    assert caught.value.rolled_back == [f"start domain {NAME} as it ran before"]
    assert lab.domain.isActive()
    assert _plain(lab) == running
    assert stored(lab) == staged


def stored(lab: Lab) -> str:
    """The definition. Where the mark of a restart was, libvirt leaves an empty element."""
    return canonical(lab.xml(), "metadata[not(*)]")


def _plain(lab: Lab) -> str:
    """What runs, without what is new at every start."""
    return canonical(
        etree.fromstring(lab.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_MIGRATABLE)), "//metadata", "//seclabel"
    )


def test_making_a_transient_guest_persistent_is_undone_without_a_loss(lab: Lab) -> None:
    """Its NVRAM, its snapshots' metadata and the guest itself stay; so does NVRAM that a new domain is given."""
    nvram = lab.place / "vars.fd"
    nvram.write_bytes(b"\0" * 540672)
    nvram.chmod(0o666)
    firmware = {"loader": {"path": "/usr/share/OVMF/OVMF_CODE.fd", "read_only": True, "type": "pflash"},
                "nvram": {"path": str(nvram)}}  # fmt: skip
    bench = guest(lab, **firmware)
    domain = lab.domain
    domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM)
    assert not domain.isPersistent()
    plan: Plan = bench.plan({"title": "mine", "autostart": True})
    operations = {**bench.operations(), "domain.autostart": _break_at_once}
    with pytest.raises(RuntimeError, match="an error of the test"):
        run_steps(plan, operations, bench.world)
    assert domain.isActive()
    assert not domain.isPersistent()
    assert nvram.exists()
    domain.destroy()
    plan = bench.plan({"memory": "64 MiB", "agent": False, **firmware})
    plan.steps.append(plan.add("domain.autostart", "fail", name=NAME, value=True))
    plan.commit = None
    with pytest.raises(RuntimeError, match="an error of the test"):
        run_steps(plan, operations, bench.world)
    assert bench.world.find("domain", NAME) is None
    assert nvram.exists()


def _break_at_once(*arguments: t.Any, **named: t.Any) -> None:
    raise RuntimeError("an error of the test")
