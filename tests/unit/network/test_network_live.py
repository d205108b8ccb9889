# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Live changes: the steps for virNetworkUpdate, from the running document to the one that is defined."""

from __future__ import annotations

import types
import typing as t

from ansible_collections.metal.kvm.plugins.module_utils._objects.life import left_over
from ansible_collections.metal.kvm.plugins.module_utils._objects.network import live
from ansible_collections.metal.kvm.plugins.module_utils._objects.network.plan import NOUN
from ansible_collections.metal.kvm.plugins.module_utils._objects.network.table import NETWORK
from ansible_collections.metal.kvm.plugins.module_utils._plan import Plan, Step
from ansible_collections.metal.kvm.plugins.module_utils._xml import document, rows
from hypothesis import given
from hypothesis import strategies as st

XML = """<network connections='2'><name>n</name><bridge name='v0'/><mtu size='1500'/><dns><host ip='10.0.0.3'>
<hostname>a</hostname></host></dns><ip address='10.9.0.1' prefix='24'/><ip address='10.0.0.1' netmask='255.255.255.0'>
<dhcp><range start='10.0.0.5' end='10.0.0.9'/><host mac='52:54:00:00:00:01' ip='10.0.0.2'/></dhcp></ip></network>"""


def draft(wanted: dict[str, t.Any], stored: t.Optional[str] = None) -> t.Any:
    """The task ``wanted`` on the network, whose definition is ``stored`` where it isn't as it runs."""
    running = document.parse(XML)
    after = document.parse(stored or XML)
    edit = rows.Edit()
    parsed = rows.parse(NETWORK, wanted)
    rows.apply(NETWORK, after, parsed, "", edit)

    def step(operation: str, text: str, **arguments: t.Any) -> Step:
        return Step(operation, text, **arguments)

    return types.SimpleNamespace(
        running=running,
        shown=after,
        wanted=parsed,
        changes=edit.changes,
        noun=NOUN,
        plan=Plan("network"),
        step=step,
        title="n",
    )


def ip(**dhcp: t.Any) -> dict[str, t.Any]:
    return {"ips": [{"address": "10.9.0.1/24"}, {"address": "10.0.0.1/24", "dhcp": dhcp}]}


def commands(one: t.Any) -> list[tuple[str, str, int]]:
    return [(step.arguments["command"], step.arguments["section"], step.arguments["index"]) for step in one.plan.steps]


def test_hosts_are_changed_in_place_and_found_by_their_subnet() -> None:
    one = draft(
        ip(hosts=[{"mac": "52:54:00:00:00:01", "ip": "10.0.0.4"}, {"mac": "52:54:00:00:00:02", "ip": "10.0.0.2"}])
    )
    after = live.live(one)
    assert commands(one) == [("modify", "IP_DHCP_HOST", 1), ("add", "IP_DHCP_HOST", 1)]
    assert left_over(NOUN, after, one.shown) == []


def test_ranges_and_names_are_deleted_and_added() -> None:
    one = draft(
        {
            **ip(ranges=[{"start": "10.0.0.5", "end": "10.0.0.20"}]),
            "dns": {"hosts": [{"ip": "10.0.0.3", "hostnames": ["b"]}]},
        }
    )
    after = live.live(one)
    assert commands(one) == [
        ("delete", "IP_DHCP_RANGE", 1), ("delete", "DNS_HOST", -1),
        ("add", "IP_DHCP_RANGE", 1), ("add", "DNS_HOST", -1),
    ]  # fmt: skip
    assert left_over(NOUN, after, one.shown) == []


def test_every_step_can_be_taken_back() -> None:
    one = draft(ip(hosts=[{"mac": "52:54:00:00:00:02", "ip": "10.0.0.7"}], ranges=[]))
    live.live(one)
    back = [(step.undo.arguments["command"], step.undo.arguments["xml"]) for step in one.plan.steps]
    assert [command for command, dummy in back] == ["add", "add", "delete"]
    assert "10.0.0.5" in back[0][1]
    assert "10.0.0.2" in back[1][1]


def test_what_only_a_restart_brings_is_named() -> None:
    one = draft({"mtu": 1400, "ips": [{"address": "10.0.0.1/24"}]})
    after = live.live(one)
    assert commands(one) == []
    assert left_over(NOUN, after, one.shown) == ["mtu", "ips[10.9.0.0]"]


def test_what_the_task_does_not_speak_of_is_left() -> None:
    """Another one staged a host: a task about the domain name leaves that to wait."""
    one = draft({"domain": "x"}, XML.replace("10.0.0.2", "10.0.0.8"))
    after = live.live(one)
    assert commands(one) == []
    assert left_over(NOUN, after, one.shown) == ["domain", "ips[10.0.0.0].dhcp.hosts[52:54:00:00:00:01].ip"]


def test_portgroups() -> None:
    one = draft({"portgroups": [{"name": "a", "default": True}]})
    live.live(one)
    assert commands(one) == [("add", "PORTGROUP", -1)]


hosts = st.lists(
    st.fixed_dictionaries(
        {
            "mac": st.integers(0, 9).map("52:54:00:00:00:{:02x}".format),
            "ip": st.integers(20, 40).map("10.0.0.{}".format),
        }
    ),
    max_size=5,
    unique_by=(lambda one: one["mac"], lambda one: one["ip"]),
)


@given(hosts)
def test_the_steps_lead_from_any_hosts_to_any_others(wanted: list[dict[str, t.Any]]) -> None:
    """Played on the running list, the steps give the list that is defined, and nothing is left over."""
    one = draft(ip(hosts=wanted))
    after = live.live(one)
    running = {node.get("mac"): node.get("ip") for node in one.running.iterfind("ip/dhcp/host")}
    for step in one.plan.steps:
        node = document.parse(step.arguments["xml"])
        if step.arguments["command"] == "delete":
            assert running.pop(node.get("mac")) == node.get("ip")
        else:
            assert (node.get("mac") in running) == (step.arguments["command"] == "modify")
            running[node.get("mac")] = node.get("ip")
    assert running == {host["mac"]: host["ip"] for host in wanted}
    assert left_over(NOUN, after, one.shown) == []
