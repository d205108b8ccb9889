# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vfio_devices: which devices can be given away, on trees with the links that /sys has."""

from __future__ import annotations

import os
import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._host.pci import vfio
from ansible_collections.metal.kvm.plugins.module_utils._host.root import Root
from ansible_collections.metal.kvm.plugins.module_utils._objects.node_device import passthrough
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError, Plan
from ansible_collections.metal.kvm.plugins.module_utils._run import run_steps

if t.TYPE_CHECKING:
    import pathlib

GPU, SOUND, NIC, DISK, PORT = "0000:01:00.0", "0000:01:00.1", "0000:02:00.0", "0000:03:00.0", "0000:00:01.0"


class Bus:
    """A machine's PCI bus in the making."""

    def __init__(self, tree: pathlib.Path) -> None:
        self.tree = tree
        self.file("sys/bus/pci/drivers/vfio-pci/bind", "")
        self.file("sys/bus/pci/drivers_probe", "")

    def file(self, path: str, text: str) -> None:
        (self.tree / path).parent.mkdir(parents=True, exist_ok=True)
        (self.tree / path).write_text(text)

    def link(self, path: str, target: str) -> None:
        """A relative link, as in /sys, to another path of the tree."""
        place = self.tree / path
        place.parent.mkdir(parents=True, exist_ok=True)
        (self.tree / target).mkdir(parents=True, exist_ok=True)
        place.symlink_to(os.path.relpath(self.tree / target, place.parent))

    def device(self, address: str, kind: str, group: t.Optional[int], driver: t.Optional[str]) -> str:
        real = f"sys/devices/pci0000:00/{address}"
        self.file(f"{real}/class", f"{kind}\n")
        self.file(f"{real}/driver_override", "(null)\n")
        self.link(f"sys/bus/pci/devices/{address}", real)
        if group is not None:
            self.link(f"{real}/iommu_group", f"sys/kernel/iommu_groups/{group}")
            self.link(f"sys/kernel/iommu_groups/{group}/devices/{address}", real)
        if driver:
            self.file(f"sys/bus/pci/drivers/{driver}/unbind", "")
            self.link(f"{real}/driver", f"sys/bus/pci/drivers/{driver}")
        return real


@pytest.fixture
def bus(tmp_path: pathlib.Path) -> Bus:
    """A card with two functions behind a bridge in one group, a network card, a disk's controller."""
    bus = Bus(tmp_path)
    bus.device(PORT, "0x060400", 1, "pcieport")
    bus.device(GPU, "0x030000", 1, "nouveau")
    bus.device(SOUND, "0x040300", 1, "snd_hda_intel")
    nic = bus.device(NIC, "0x020000", 2, "e1000e")
    disk = bus.device(DISK, "0x010802", 3, "nvme")
    bus.link("sys/class/net/eth0", f"{nic}/net/eth0")
    bus.link(f"{nic}/net/eth0/device", nic)
    bus.link("sys/class/block/nvme0n1p1", f"{disk}/nvme/nvme0/nvme0n1/nvme0n1p1")
    bus.link("sys/dev/block/259:1", f"{disk}/nvme/nvme0/nvme0n1/nvme0n1p1")
    return bus


def make(bus: Bus, *devices: str, live: bool = True) -> Plan:
    return vfio.make(Root(str(bus.tree), live=live), {"devices": list(devices)})


def refused(bus: Bus, *devices: str) -> str:
    with pytest.raises(KvmError) as error:
        make(bus, *devices)
    return str(error.value)


def test_a_whole_group_is_set_apart_now_and_at_boot(bus: Bus) -> None:
    plan = make(bus, "01:00.0", SOUND)  # the bridge of the group stays
    assert plan.actions == [
        f"write /{vfio.RULES}",
        f"write /{vfio.LOAD}",
        f"bind {GPU} to vfio-pci",
        f"bind {SOUND} to vfio-pci",
    ]
    assert plan.before[GPU] == "nouveau"
    run_steps(make(bus, GPU, SOUND, live=False), vfio.operations(), None)
    assert not make(bus, GPU, SOUND, live=False).changed
    assert f'KERNEL=="{GPU}", ATTR{{driver_override}}="vfio-pci"' in (bus.tree / vfio.RULES).read_text()


def test_binding_tells_the_kernel_and_believes_only_what_it_sees(bus: Bus) -> None:
    with pytest.raises(KvmError, match="is bound to nouveau, not to vfio-pci"):
        vfio.bind(None, str(bus.tree), GPU, "vfio-pci")
    device = bus.tree / "sys/bus/pci/devices" / GPU
    assert (device / "driver_override").read_text() == "vfio-pci"
    assert (device / "driver/unbind").read_text() == GPU
    assert (bus.tree / "sys/bus/pci/drivers_probe").read_text() == GPU


def test_a_torn_group_is_refused(bus: Bus) -> None:
    said = refused(bus, GPU)
    assert f"group 1 together with {SOUND}, which would stay" in said
    assert PORT not in said


def test_without_an_iommu_it_is_refused(bus: Bus) -> None:
    bus.device("0000:04:00.0", "0x030000", None, None)
    assert "is in no IOMMU group" in refused(bus, "0000:04:00.0")


@pytest.mark.parametrize("device", ["0000:09:00.0", "1:2", "0000:01:00.9", "../../etc"])
def test_what_is_not_there_is_refused(bus: Bus, device: str) -> None:
    assert device.lower() in refused(bus, device) or "no address" in refused(bus, device)


def test_the_way_to_the_network_stays(bus: Bus) -> None:
    make(bus, NIC)  # nobody uses it yet
    header = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
    bus.file("proc/net/route", f"{header}eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n")
    assert "eth0 on it is the host's way to the network" in refused(bus, NIC)
    bus.file("proc/net/route", header)
    bus.link("sys/class/net/eth0/upper_br0", "sys/devices/virtual/net/br0")
    bus.link("sys/class/net/br0", "sys/devices/virtual/net/br0")
    bus.file("proc/net/ipv6_route", f"{'0' * 32} 00 {'0' * 32} 00 {'0' * 32} 00000400 00000001 00000000 00000003 br0\n")
    assert "(through br0)" in refused(bus, NIC)


@pytest.mark.parametrize("way", ["direct", "lvm", "swap"])
def test_disks_in_use_stay(bus: Bus, way: str) -> None:
    make(bus, DISK)
    if way == "direct":
        bus.file("proc/self/mountinfo", "21 1 259:1 / /srv rw - ext4 /dev/nvme0n1p1 rw\n")
    elif way == "lvm":
        bus.link("sys/dev/block/253:0", "sys/devices/virtual/block/dm-0")
        bus.link("sys/class/block/dm-0", "sys/devices/virtual/block/dm-0")
        bus.link("sys/devices/virtual/block/dm-0/slaves/nvme0n1p1", "sys/class/block/nvme0n1p1")
        bus.file("proc/self/mountinfo", "21 1 253:0 / /srv rw shared:1 - ext4 /dev/mapper/vg-srv rw\n")
    else:
        bus.file("proc/swaps", "Filename Type Size Used Priority\n/dev/nvme0n1p1 partition 8 0 -2\n")
    holds = "swap" if way == "swap" else "/srv"
    assert f"nvme0n1p1 on it holds {holds}" in refused(bus, DISK)


def test_the_console_stays(bus: Bus) -> None:
    bus.file(f"sys/devices/pci0000:00/{GPU}/boot_vga", "1\n")
    assert "the display that the machine booted with" in refused(bus, GPU, SOUND)


def test_what_is_no_longer_named_goes_back_unless_a_guest_has_it(bus: Bus) -> None:
    run_steps(make(bus, NIC, live=False), vfio.operations(), None)
    (bus.tree / f"sys/devices/pci0000:00/{NIC}/driver").unlink()
    bus.link(f"sys/devices/pci0000:00/{NIC}/driver", "sys/bus/pci/drivers/vfio-pci")
    assert make(bus).actions == [f"remove /{vfio.RULES}", f"remove /{vfio.LOAD}", f"give {NIC} back to the host"]
    bus.file("proc/77/comm", "qemu-system-x86\n")
    (bus.tree / "proc/77/fd").mkdir()
    (bus.tree / "proc/77/fd/9").symlink_to("/dev/vfio/2")
    assert "but qemu-system-x86 (77) has it" in refused(bus)


def passed(bus: Bus, address: str, state: str, driver: t.Optional[str]) -> Plan:
    """What node_device would do with a device of the bus."""
    name = "pci_" + address.replace(":", "_").replace(".", "_")
    device = {"name": name, "capability": "pci", "address": address, "driver": driver}
    plan = Plan("node_device")
    passthrough.plan_driver(plan, Root(str(bus.tree)), device, {"state": state, "driver": None})
    return plan


def test_node_device_detaches_what_the_host_can_do_without(bus: Bus) -> None:
    plan = passed(bus, GPU, "detached", "nouveau")
    assert plan.actions == ["detach pci_0000_01_00_0 from the host"]
    assert (plan.before, plan.after) == ({"driver": "nouveau"}, {"driver": "vfio-pci"})
    assert plan.predicted["driver"] == "vfio-pci"
    assert SOUND in plan.warnings[0], "its neighbour has a driver still"
    assert PORT not in plan.warnings[0], "bridges stay"
    assert not passed(bus, GPU, "detached", "vfio-pci").actions
    assert not passed(bus, GPU, "attached", "nouveau").actions
    assert passed(bus, GPU, "attached", "vfio-pci").actions == ["attach pci_0000_01_00_0 to the host"]
    assert not passed(bus, NIC, "attached", "e1000e").warnings


def test_node_device_refuses_a_group_that_the_host_needs(bus: Bus) -> None:
    """The network card's neighbour is refused too: a group goes whole."""
    bus.device("0000:02:00.1", "0x020000", 2, "e1000e")
    bus.file("proc/net/route", "Iface\tDestination\tGateway\neth0\t00000000\t01000A0A\t3\t0\t0\t0\t00000000\n")
    for address in (NIC, "0000:02:00.1"):
        with pytest.raises(KvmError, match=f"name: the host needs {NIC}: eth0 on it is the host's way to the network"):
            passed(bus, address, "detached", "e1000e")


def test_node_device_refuses_a_device_without_a_group(bus: Bus) -> None:
    bus.device("0000:04:00.0", "0x020000", None, "e1000e")
    with pytest.raises(KvmError, match=r"name: 0000:04:00.0 is in no IOMMU group.* Switch the IOMMU on"):
        passed(bus, "0000:04:00.0", "detached", "e1000e")


def test_node_device_does_not_take_a_device_from_a_guest(bus: Bus) -> None:
    bus.file("proc/77/comm", "qemu-system-x86\n")
    (bus.tree / "proc/77/fd").mkdir()
    (bus.tree / "proc/77/fd/9").symlink_to("/dev/vfio/2")
    with pytest.raises(KvmError, match=r"state: qemu-system-x86 \(77\) has pci_0000_02_00_0"):
        passed(bus, NIC, "attached", "vfio-pci")
