# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a device's address, and of what libvirt filled in, when the device changes."""

from __future__ import annotations

import types
import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain import addresses, dependents
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.table import DOMAIN
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError, Plan
from ansible_collections.metal.kvm.plugins.module_utils._xml import document
from ansible_collections.metal.kvm.plugins.module_utils._xml.rows import Edit, Values, apply, parse

PCI = "<address type='pci' domain='0x0000' bus='0x{bus:02x}' slot='0x00' function='0x0'/>"
Q35 = "pc-q35-7.2"


def domain(devices: str, machine: str = Q35) -> t.Any:
    system = f"<os><type arch='x86_64' machine='{machine}'>hvm</type></os>"
    return document.document(f"<domain type='qemu'><name>one</name>{system}<devices>{devices}</devices></domain>")


class Context:
    """What rows ask of the world."""

    def need_scsi(self) -> None:
        """A controller is there."""

    def refuse_older(self, since: int, option: str) -> None:
        """This libvirt knows all."""


def edited(before: t.Any, ports: int = 0, **options: t.Any) -> tuple[t.Any, Edit, list[str]]:
    """The definition with the options in it, as a plan makes it."""
    after = document.clone(before)
    devices = list(zip(before.iterfind("devices/*"), after.iterfind("devices/*")))
    wanted: Values = parse(DOMAIN, options)
    edit = Edit(Context)
    apply(DOMAIN, after, wanted, "", edit)
    plan = Plan("domain")
    draft = types.SimpleNamespace(after=after, wanted=wanted, params={"hotplug_ports": ports}, plan=plan)
    dependents.settle(t.cast(t.Any, draft), before, devices, edit)
    return after, edit, plan.warnings


DISK = f"<disk type='file' device='disk'><target dev='vda' bus='virtio'/>{PCI.format(bus=3)}</disk>"
DRIVE = (
    "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/>"
    "<address type='drive' controller='0' bus='0' target='0' unit='0'/></disk>"
)
CHANGES: dict[str, tuple[str, Values]] = {
    "disk": (DISK, {"disks": [{"target": "vda", "bus": "sata"}]}),
    "cdrom": (DRIVE, {"disks": [{"target": "sda", "bus": "usb"}]}),
    "video": (f"<video><model type='vga' vram='16384'/>{PCI.format(bus=1)}</video>", {"video": [{"model": "ramfb"}]}),
    "serial": (
        "<serial type='pty'><target type='isa-serial' port='0'><model name='isa-serial'/></target>"
        "<address type='isa' iobase='0x3f8'/></serial>",
        {"serials": [{"port": 0, "target_type": "usb-serial"}]},
    ),
    "sound": (f"<sound model='ich9'>{PCI.format(bus=2)}</sound>", {"sound": [{"model": "usb"}]}),
    "memballoon": (f"<memballoon model='virtio'>{PCI.format(bus=2)}</memballoon>", {"memballoon": {"model": "none"}}),
    "bridge": (
        f"<controller type='pci' index='5' model='pcie-root-port'>{PCI.format(bus=0)}</controller>",
        {"controllers": [{"type": "pci", "index": 5, "model": "pcie-to-pci-bridge"}]},
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_address_goes_with_what_it_depends_on(name: str) -> None:
    text, options = CHANGES[name]
    after, edit, _remarks = edited(domain(text), **options)
    assert edit.changes
    assert after.find("devices/*/address") is None


def test_an_address_that_still_fits_stays() -> None:
    """The guest names its network interfaces after it."""
    card = f"<interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/>{PCI.format(bus=1)}</interface>"
    after, _edit, _remarks = edited(domain(card), interfaces=[{"mac": "52:54:00:00:00:01", "model": "e1000e"}])
    assert after.find("devices/interface/address") is not None


def test_the_users_address_stays_or_is_refused() -> None:
    drive = {"type": "drive", "controller": 0, "bus": 0, "target": 0, "unit": 2}
    after, _edit, _remarks = edited(domain(DISK), disks=[{"target": "vda", "bus": "sata", "address": drive}])
    assert after.find("devices/disk/address").get("unit") == "2"
    with pytest.raises(KvmError, match=r"disks\[vda\]\.address: .* needs one of type drive"):
        edited(domain(DISK), disks=[{"target": "vda", "bus": "sata", "address": {"bus": "0x03"}}])


def test_a_drive_gets_a_free_place() -> None:
    after, _edit, _remarks = edited(domain(DISK + DRIVE), disks=[{"target": "vda", "bus": "sata"}, {"target": "sda"}])
    assert after.find("devices/disk/address").get("unit") == "1"
    names = [chr(ord("a") + number) for number in range(8)]
    several = "".join(
        f"<disk device='disk'><target dev='{bus}{name}' bus='sata'/></disk>" for name in names for bus in ("vd", "sd")
    )
    root = domain(several)
    addresses.place_drives(root)
    places = {
        tuple(node.find("address").attrib.values())
        for node in root.iterfind("devices/disk")
        if node.find("address") is not None
    }
    assert len(places) == len(names)


def test_what_sits_on_a_controller_is_placed_anew() -> None:
    text = (
        "<controller type='scsi' index='0' model='lsilogic'/><disk device='disk'><target dev='sdb' bus='scsi'/>"
        "<address type='drive' controller='0' bus='0' target='0' unit='5'/></disk>" + DRIVE
    )
    after, _edit, _remarks = edited(domain(text), controllers=[{"type": "scsi", "index": 0, "model": "virtio-scsi"}])
    assert [node.get("dev") for node in after.iterfind("devices/disk[address]/target")] == ["sda"]


def test_what_libvirt_filled_in_goes_and_is_told() -> None:
    adapter = "<video><model type='qxl' ram='65536' vram='65536' vgamem='16384' heads='1'/></video>"
    after, edit, _remarks = edited(domain(adapter), video=[{"model": "vga"}])
    assert dict(after.find("devices/video/model").attrib) == {"type": "vga"}
    assert {change.path for change in edit.changes} == {
        f"video[0].{name}" for name in ("model", "ram", "vram", "vgamem", "heads")
    }
    after, edit, _remarks = edited(domain(DRIVE), disks=[{"target": "sda", "device": "disk"}])
    assert after.find("devices/disk/readonly") is None


PORT = f"<controller type='pci' index='1' model='pcie-root-port'><target chassis='1' port='0x10'/>{PCI.format(bus=0)}</controller>"
ROOT = "<controller type='pci' index='0' model='pcie-root'><pcihole64 unit='KiB'>1048576</pcihole64></controller>"


def test_another_machine() -> None:
    """PCI addresses go, of devices that no option describes too; the roots' own options and the disks stay."""
    foreign = f"<rarity>{PCI.format(bus=7)}</rarity>"
    after, edit, remarks = edited(domain(ROOT + PORT + DISK + foreign), machine="pc")
    assert [change.path for change in edit.changes] == ["machine"]
    assert remarks
    assert after.find("devices//address") is None
    controllers = after.findall("devices/controller")
    assert [(node.get("model"), node.findtext("pcihole64")) for node in controllers] == [("pci-root", "1048576")]
    back, _edit, _remarks = edited(after, ports=2, machine=Q35)
    models = [node.get("model") for node in back.iterfind("devices/controller")]
    assert models[0] == "pcie-root"
    assert models.count("pcie-root-port") > 2
    same, _edit, remarks = edited(domain(ROOT + PORT + DISK), machine="pc-q35-6.2")
    assert not remarks
    assert same.find("devices/disk/address") is not None


REFUSED = {
    "ide": ("<disk device='disk'><target dev='hda' bus='ide'/></disk>", "pc-i440fx-7.2", Q35, "hda"),
    "switch": ("<controller type='pci' index='2' model='pcie-switch-upstream-port'/>", Q35, "pc", "xml_patch"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_another_machine_lacks(name: str) -> None:
    text, one, other, words = REFUSED[name]
    with pytest.raises(KvmError, match=words):
        edited(domain(text, one), machine=other)


def test_another_source_takes_all_of_the_old_one() -> None:
    mac = "52:54:00:00:00:01"
    card = (
        f"<interface type='hostdev' managed='yes'><mac address='{mac}'/><driver name='vfio'/>"
        "<source><address type='pci' domain='0' bus='1' slot='0' function='0'/></source></interface>"
    )
    after, _edit, _remarks = edited(domain(card), interfaces=[{"mac": mac, "network": "default"}])
    node = after.find("devices/interface")
    assert (node.get("managed"), node.find("driver"), node.find("source").get("network")) == (None, None, "default")
