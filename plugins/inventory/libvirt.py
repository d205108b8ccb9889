# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests of libvirt's hypervisors as an inventory."""

from __future__ import annotations

DOCUMENTATION = r"""
name: libvirt
short_description: Guests of one or many hypervisors as an inventory
version_added: 0.2.0
author:
  - metal.kvm contributors (@metal-kvm)
description:
  - Reads the domains of one or many connections of libvirt. Each is a host, with the guest's address as C(ansible_host),
    what libvirt knows as variables, and groups by state, network, pool, hypervisor and labels.
  - The file's name must end in C(libvirt.yml) or C(libvirt.yaml).
  - The variables are C(libvirt_name), C(libvirt_uuid), C(libvirt_state), C(libvirt_persistent), C(libvirt_autostart),
    C(libvirt_title), C(libvirt_description), C(libvirt_labels), C(libvirt_memory) in bytes, C(libvirt_vcpus),
    C(libvirt_arch), C(libvirt_osinfo), C(libvirt_networks), C(libvirt_bridges), C(libvirt_pools), C(libvirt_addresses),
    C(libvirt_hypervisor) and C(libvirt_uri).
  - Nothing is run in guests. Their agents are only asked for addresses, if they answer at all, for O(agent_timeout).
  - Needs libvirt's Python bindings and lxml on the machine that Ansible runs on.
extends_documentation_fragment:
  - constructed
  - inventory_cache
options:
  plugin:
    description: V(metal.kvm.libvirt).
    type: str
    required: true
    choices: [metal.kvm.libvirt]
  uris:
    description:
      - The connections. Each is a URI, or a dict with its C(uri) and the C(name) that the hypervisor is called by; without
        one that is the machine in the URI, or C(localhost).
    type: list
    elements: raw
    default: ["qemu:///system"]
  addresses:
    description:
      - Who is asked for the address of a guest that runs, in this order. V(lease) is libvirt's own DHCP, V(agent) the
        guest's agent, V(arp) what the hypervisor's kernel has heard.
      - C(ansible_host) is the first address found, of O(family).
    type: list
    elements: str
    choices: [lease, agent, arp]
    default: [lease, agent]
  family:
    description: Which addresses C(ansible_host) may be. V(any) takes one of IPv4 before one of IPv6.
    type: str
    choices: [any, ipv4, ipv6]
    default: any
  agent_timeout:
    description: How long a guest's agent may take, in seconds.
    type: int
    default: 2
  timeout:
    description: How long a hypervisor may take until it counts as unreachable, in seconds. All are asked at once.
    type: int
    default: 30
  unreachable:
    description: Whether a hypervisor that doesn't answer is a warning, or an error.
    type: str
    choices: [warn, error]
    default: warn
  names:
    description: Patterns as the shell has them (V(web*)). Only guests whose name fits one of them are listed.
    type: list
    elements: str
    default: ["*"]
  states:
    description: Only guests in one of these states are listed. Without it all are.
    type: list
    elements: str
    choices: [running, paused, stopped, saved, crashed, pmsuspended, stopping]
  group_by:
    description:
      - What guests are grouped by. The groups are called C(state_running), C(network_lab), C(pool_images),
        C(hypervisor_kvm1), and C(label_team_blue) for the label C(team) of value C(blue).
    type: list
    elements: str
    choices: [state, network, pool, hypervisor, labels]
    default: [state, network, pool, hypervisor, labels]
  proxy_jump:
    description:
      - Whether SSH reaches the guests of a hypervisor through that hypervisor, as it has to where they are behind NAT.
        For connections by SSH (C(qemu+ssh)) only; it sets C(ansible_ssh_common_args).
    type: bool
    default: false
notes:
  - A guest whose name other hypervisors have too is listed as C(name.hypervisor).
"""

EXAMPLES = r"""
# guests.libvirt.yml: ansible-inventory -i guests.libvirt.yml --graph
plugin: metal.kvm.libvirt
uris:
  - qemu:///system

---
# Two hypervisors, whose guests are reached through them
plugin: metal.kvm.libvirt
uris:
  - qemu+ssh://root@kvm1.example.org/system
  - {uri: qemu+ssh://root@kvm2.example.org/system, name: kvm2}
states: [running]
proxy_jump: true
compose:
  ansible_user: "'debian'"
keyed_groups:
  - {key: libvirt_labels.role, prefix: role}
groups:
  large: libvirt_vcpus >= 8
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: /var/tmp/guests
"""

import contextlib
import fnmatch
import ipaddress
import re
import shlex
import sys
import threading
import time
import typing as t
import urllib.parse

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible_collections.metal.kvm.plugins.module_utils import _guess, _libvirt
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.listing import guests
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError

Guest = dict[str, t.Any]
GROUPED = {"state": "state", "network": "networks", "pool": "pools", "hypervisor": "hypervisor", "labels": "labels"}


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """What Ansible asks for."""

    NAME = "metal.kvm.libvirt"

    def verify_file(self, path: str) -> bool:
        """Whether the file is for this plugin."""
        return bool(super().verify_file(path)) and path.endswith(("libvirt.yml", "libvirt.yaml"))

    def parse(self, inventory: t.Any, loader: t.Any, path: str, cache: bool = True) -> None:
        """Fill the inventory."""
        super().parse(inventory, loader, path, cache)
        self._refuse_unknown(self._read_config_data(path))
        found = self._guests(path, self._connections(), cache)
        names = [one["name"] for one in found]
        for guest in found:
            if self._is_wanted(guest):
                twice = names.count(guest["name"]) > 1
                self._add(guest, f"{guest['name']}.{guest['hypervisor']}" if twice else guest["name"])

    def _refuse_unknown(self, given: t.Iterable[str]) -> None:
        """Ansible passes over options that a plugin doesn't have, and a misspelt filter would select every guest."""
        known = self.option_definitions
        for option in given:
            if option not in known:
                meant = _guess.nearest(option, known)
                lists = f"`ansible-doc -t inventory {self.NAME}` lists its options."
                remedy = f"Did you mean {meant}?" if meant else lists
                raise AnsibleParserError(f"{option}: {self.NAME} has no such option. {remedy}")

    def _connections(self) -> list[tuple[str, str]]:
        """URI and name of each hypervisor."""
        out = []
        for one in self.get_option("uris"):
            given = {"uri": one} if isinstance(one, str) else one
            if not isinstance(given, dict) or not isinstance(given.get("uri"), str) or set(given) - {"uri", "name"}:
                raise AnsibleParserError(f"uris: {one!r} is neither a URI nor a dict with uri and name")
            out.append((given["uri"], str(given.get("name") or _machine(given["uri"]) or "localhost")))
        _refuse_twice([name for dummy, name in out])
        return out

    def _guests(self, path: str, connections: list[tuple[str, str]], cache: bool) -> list[Guest]:
        """The guests of all hypervisors; those in the cache aren't asked for again."""
        key, keeps = self.get_cache_key(path), bool(self.get_option("cache"))
        known: dict[str, list[Guest]] = {}
        if keeps and cache:
            with contextlib.suppress(KeyError):
                known = dict(self._cache[key])
        asked = [(uri, name) for uri, name in connections if uri not in known]
        known.update(self._read(asked))
        if keeps and asked:
            self._cache[key] = known
        return [{**guest, "hypervisor": name, "uri": uri} for uri, name in connections for guest in known.get(uri, ())]

    def _read(self, connections: t.Sequence[tuple[str, str]]) -> dict[str, list[Guest]]:
        """The guests of each hypervisor that answers in time. All are asked at once."""
        if _libvirt.MISSING and connections:
            raise AnsibleParserError(
                f"The Python that runs Ansible, {sys.executable}, has no module {_libvirt.MISSING}. Install libvirt-python and lxml"
                " beside Ansible; or install python3-libvirt and python3-lxml, and create Ansible's virtual environment with"
                " /usr/bin/python3 -m venv --system-site-packages."
            )
        answers = [
            Answer(
                uri, name, self.get_option("addresses"), self.get_option("agent_timeout"), self.get_option("timeout")
            )
            for uri, name in connections
        ]
        deadline = time.monotonic() + self.get_option("timeout")
        for answer in answers:
            answer.thread.join(max(0.0, deadline - time.monotonic()))
        found = {}
        for answer in answers:
            for said in answer.missed:
                self.display.warning(f"{answer.name}: {said}")
            if answer.guests is not None:
                found[answer.uri] = answer.guests
                continue
            why = answer.failure or f"no answer within {self.get_option('timeout')} seconds"
            if self.get_option("unreachable") == "error":
                raise AnsibleParserError(f"{answer.name}: {why}")
            self.display.warning(f"{answer.name} is left out of the inventory: {why}")
        return found

    def _is_wanted(self, guest: Guest) -> bool:
        states = self.get_option("states")
        named = any(fnmatch.fnmatchcase(guest["name"], pattern) for pattern in self.get_option("names"))
        return named and (not states or guest["state"] in states)

    def _add(self, guest: Guest, name: str) -> None:
        """One guest: host, variables, groups."""
        if name in self.inventory.groups:
            self.display.warning(f"The guest {name} of {guest['hypervisor']} is left out: a group is called so")
            return
        self.inventory.add_host(name)
        variables = {f"libvirt_{key}": value for key, value in guest.items()}
        address = chosen(guest["addresses"], self.get_option("family"))
        if address:
            variables["ansible_host"] = address
        jump = jump_host(guest["uri"]) if self.get_option("proxy_jump") else ""
        if jump:
            variables["ansible_ssh_common_args"] = f"-o ProxyJump={shlex.quote(jump)}"
        for key, value in variables.items():
            self.inventory.set_variable(name, key, value)
        for group in groups(guest, self.get_option("group_by")):
            self.inventory.add_child(self.inventory.add_group(group), name)
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, name, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, name, strict=strict)


class Answer:
    """What one hypervisor answers, read by a thread of its own: its ``guests``, or the ``failure``."""

    def __init__(self, uri: str, name: str, sources: t.Sequence[str], agent_timeout: int, timeout: int) -> None:
        self.uri = uri
        self.name = name
        self.sources = sources
        self.agent_timeout = agent_timeout
        self.deadline = time.monotonic() + 0.7 * timeout - agent_timeout  # what is left is for the rest of the guests
        self.missed: list[str] = []
        self.guests: t.Optional[list[Guest]] = None
        self.failure = ""
        self.thread = threading.Thread(target=self._read, daemon=True)  # one that hangs isn't waited for
        self.thread.start()

    def _read(self) -> None:
        try:
            world = _libvirt.World(self.uri, readonly=True)
            if "agent" in self.sources and world.writable() is None:
                self.missed.append(
                    "addresses: agent: asking agents needs the right to write, which this user hasn't got"
                )
                self.sources = [source for source in self.sources if source != "agent"]
            self.guests = guests(world, self.sources, self.agent_timeout, self.missed, self.deadline)
        except KvmError as error:
            self.failure = str(error)
        except Exception as error:
            self.failure = f"{type(error).__name__}: {error}"


def _refuse_twice(names: t.Sequence[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), "")
    if twice:
        raise AnsibleParserError(f"uris: two hypervisors are called {twice}. Give each a name of its own")


def _machine(uri: str) -> str:
    """The machine that a URI leads to, ``""`` for this one."""
    return urllib.parse.urlsplit(uri).hostname or ""


def jump_host(uri: str) -> str:
    """How SSH names the machine of a connection by SSH; ``""`` for other connections."""
    parts = urllib.parse.urlsplit(uri)
    return parts.netloc.rpartition("?")[2] if parts.scheme.endswith(("+ssh", "+libssh", "+libssh2")) else ""


def chosen(addresses: t.Sequence[t.Mapping[str, t.Any]], family: str) -> str:
    """The first address of the family, in the order in which they were found; of any, one of IPv4 before one of IPv6."""
    versions = {"ipv4": (4,), "ipv6": (6,)}.get(family, (4, 6))
    parsed = [ipaddress.ip_address(one["address"]) for one in addresses]
    return next((str(one) for version in versions for one in parsed if one.version == version), "")


def groups(guest: Guest, by: t.Collection[str]) -> list[str]:
    """The groups of a guest."""
    found = []
    for kind, key in GROUPED.items():
        value = guest[key]
        if kind not in by:
            continue
        if kind == "labels":
            found += ["_".join(filter(None, ("label", str(name), str(text or "")))) for name, text in value.items()]
        else:
            found += [f"{kind}_{one}" for one in (value if isinstance(value, list) else [value])]
    return [re.sub(r"\W", "_", name) for name in found]
