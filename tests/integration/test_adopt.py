# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that was made by hand, written down by playbooks/adopt.yml: playbooks/site.yml finds nothing to change."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys
import typing as t

import libvirt
import pytest
import yaml
from cycle import ROOT, UUID, Player
from guest import PREFIX, Lab, built, lab

__all__ = ["lab"]

SECRET = "hid-word"
ADDED = """
<network><name>{0}net</name><forward mode='nat'/><bridge name='mkd0'/><ip address='192.168.213.1' prefix='24'>
 <dhcp><range start='192.168.213.10' end='192.168.213.99'/><host mac='52:54:00:0d:00:09' ip='192.168.213.9'/></dhcp></ip></network>
"""
DOMAIN = """
<domain type='qemu'><name>{name}</name><title>by hand</title><description>not {{{{ a }}}} template</description>
<memory unit='MiB'>128</memory><vcpu>2</vcpu><cpu mode='custom'><model>qemu64</model></cpu>
<os><type machine='q35'>hvm</type><kernel>{kernel}</kernel><initrd>{initrd}</initrd><boot dev='hd'/></os>
<features><acpi/><apic/></features><clock offset='utc'/>
<devices><disk type='volume' device='disk'><driver name='qemu' type='qcow2' cache='none'/><source pool='{pool}' volume='a.qcow2'/>
<target dev='vda' bus='virtio'/></disk><interface type='network'><source network='{net}'/><model type='virtio'/></interface>
<serial type='pty'/><graphics type='vnc' passwd='{secret}'/></devices></domain>
"""


FILTER = "<filter name='{name}'>{rule}</filter>"
CEPH = "<secret private='yes'><uuid>{uuid}</uuid><description>of ceph</description><usage type='ceph'><name>{name}</name></usage></secret>"
NAMELESS = "<secret ephemeral='yes'><uuid>{uuid}</uuid></secret>"
UUIDS = [f"{UUID}-6a0e-4a7e-8f5b-6d5c1c0d7e4{number}" for number in range(3)]
MDEV = """
<device><parent>{parent}</parent><capability type='mdev'><type id='mkt-type'/><uuid>{uuid}</uuid><attr name='b' value='2'/></capability></device>
"""


class Played(t.NamedTuple):
    output: str
    changed: int
    failed: int


def play(player: Player, playbook: str, inventory: pathlib.Path, *words: str) -> Played:
    """A playbook of the collection; what it counted for the host."""
    environment = player.environment(player.place / "unused.jsonl")
    environment.update(ANSIBLE_STDOUT_CALLBACK="ansible.builtin.default", ANSIBLE_CALLBACK_RESULT_FORMAT="yaml")
    command = [str(pathlib.Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory), *words]
    run = subprocess.run(
        [*command, str(ROOT / "playbooks" / playbook)], env=environment, capture_output=True, text=True, check=False
    )
    recap = run.stdout.rpartition("PLAY RECAP")[2].split()
    counts = dict(word.split("=") for word in recap if "=" in word)
    return Played(run.stdout + run.stderr, int(counts.get("changed", -1)), int(counts.get("failed", -1)))


def parents(connection: t.Any) -> list[t.Any]:
    """Devices that a mediated device can be defined as a share of; none where nothing defines such."""
    found = connection.listAllDevices(libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_PCI_DEV)
    return list(found) if shutil.which("mdevctl") else []


@pytest.fixture
def made_by_hand(lab: Lab) -> t.Iterator[Lab]:
    """One of each kind of object, a running domain and one that is off, none of them made by our modules."""
    connection, pool = lab.connection, lab.place / "pool"
    connection.networkDefineXML(ADDED.format(PREFIX)).create()
    pool.mkdir()
    xml = f"<pool type='dir'><name>{PREFIX}pool</name><target><path>{pool}</path></target></pool>"
    made = connection.storagePoolDefineXML(xml)
    made.create()
    made.setAutostart(True)
    made.createXML(
        "<volume><name>a.qcow2</name><capacity unit='MiB'>8</capacity><target><format type='qcow2'/></target></volume>"
    )
    for name, rule in (
        ("web", "<rule action='accept' direction='in'><all/></rule>"),
        ("all", "<filterref filter='mkt-web'/>"),
    ):
        connection.nwfilterDefineXML(FILTER.format(name=f"mkt-{name}", rule=rule))
    for uuid, xml in zip(UUIDS, (CEPH, NAMELESS)):
        connection.secretDefineXML(xml.format(uuid=uuid, name="mkt-ceph")).setValue(SECRET.encode())
    names = {"pool": f"{PREFIX}pool", "net": f"{PREFIX}net", "kernel": built().kernel, "initrd": built().initrd}
    running = connection.defineXML(DOMAIN.format(name=lab.name, secret=SECRET, **names))
    running.create()
    off = connection.defineXML(DOMAIN.format(name=f"{PREFIX}off", secret=SECRET, **names))
    off.setAutostart(True)
    mdevs = [
        connection.nodeDeviceDefineXML(MDEV.format(parent=one.name(), uuid=UUIDS[2])) for one in parents(connection)[:1]
    ]
    yield lab
    for mdev in mdevs:
        mdev.undefine()


def test_a_host_is_adopted(made_by_hand: Lab, player: Player) -> None:
    lab = made_by_hand
    place = player.place / "inventory"
    place.mkdir()
    inventory, file = place / "hosts", place / "host_vars" / "here.yml"
    host = "here ansible_connection=local ansible_python_interpreter=/usr/bin/python3"
    inventory.write_text(f"[hypervisors]\n{host}\n", encoding="utf-8")
    file.parent.mkdir()
    adopted = play(player, "adopt.yml", inventory)
    assert (adopted.changed, adopted.failed) == (1, 0), adopted.output
    text = file.read_text(encoding="utf-8")
    assert SECRET not in text + adopted.output
    assert f"# domain {lab.name}, secret, and not here: graphics[0].password" in text
    assert "description: !unsafe" in text
    values = yaml.load(text, Loader)
    (network,) = [one for one in values["kvm_networks"] if one["name"] == f"{PREFIX}net"]
    (pool,) = [one for one in values["kvm_pools"] if one["name"] == f"{PREFIX}pool"]
    running, off = (
        next(one for one in values["kvm_domains"] if one["name"] == name) for name in (lab.name, f"{PREFIX}off")
    )
    assert network["state"] == "active"
    assert network["ips"][0]["dhcp"]["ranges"] == [{"start": "192.168.213.10", "end": "192.168.213.99"}]
    assert (pool["type"], pool["path"]) == ("dir", str(lab.place / "pool"))
    assert (pool["state"], pool["autostart"]) == ("active", True)
    assert (running["state"], running["autostart"]) == ("running", False)
    assert (off["state"], off["autostart"]) == ("stopped", True)
    assert running["disks"][0]["volume"] == "a.qcow2"
    assert_small_ones(values, text, len(parents(lab.connection)[:1]))

    again = play(player, "adopt.yml", inventory)
    assert again.failed == 1
    assert "adopt_replace: true" in again.output

    words = ("--check", "--diff", "--start-at-task", "Have the images")
    site = play(player, "site.yml", inventory, *words)
    assert (site.changed, site.failed) == (0, 0), site.output
    file.write_text(text.replace("title: by hand", "title: declared"), encoding="utf-8")
    site = play(player, "site.yml", inventory, *words)
    assert (site.changed, site.failed) == (1, 0), site.output
    assert "declared" in site.output


def assert_small_ones(values: dict[str, t.Any], text: str, mdevs: int) -> None:
    """Filters, secrets and devices are written down, without secret values, and without what libvirt brings along."""
    filters = [one["name"] for one in values["kvm_nwfilters"]]
    assert [name for name in filters if name.startswith("mkt-")] == ["mkt-web", "mkt-all"], (
        "what is referred to is first"
    )
    assert "clean-traffic" not in filters
    secrets = [one for one in values["kvm_secrets"] if one["uuid"] in UUIDS]
    assert secrets == [
        {"uuid": UUIDS[1], "ephemeral": True},
        {"uuid": UUIDS[0], "usage": "ceph", "name": "mkt-ceph", "description": "of ceph", "private": True},
    ]
    assert "# secret ceph mkt-ceph, secret, and not here: value" in text
    assert f"# secret {UUIDS[1]}, secret, and not here: value" in text
    found = [one for one in values["kvm_node_devices"] if one.get("uuid") == UUIDS[2]]
    assert [(one["type"], one["state"]) for one in found] == [("mkt-type", "inactive")] * mdevs


class Loader(yaml.SafeLoader):
    """YAML of Ansible's."""


Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))
