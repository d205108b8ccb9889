# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new guest of each architecture gets where the user said nothing; libvirt's answers are those of QEMU 7.2 on x86-64."""

from __future__ import annotations

import types
import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.new import ARCHITECTURES, new_options
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.table import DOMAIN
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError
from ansible_collections.metal.kvm.plugins.module_utils._xml import document
from ansible_collections.metal.kvm.plugins.module_utils._xml.rows import parse

# architecture: the processor modes that domain capabilities offer a guest that is emulated
MODES = {
    "x86_64": ("host-model", "maximum", "custom"),
    "aarch64": ("maximum", "custom"),
    "riscv64": ("custom",),
    "ppc64": ("custom",),
    "ppc64le": ("custom",),
    "s390x": ("host-model", "maximum", "custom"),
}
MACHINES = {
    "x86_64": ("q35", "maximum"),
    "aarch64": ("virt", "maximum"),
    "riscv64": ("virt", None),
    "ppc64": ("pseries", None),
    "ppc64le": ("pseries", None),
    "s390x": ("s390-ccw-virtio", "maximum"),
}


class Host:
    """An x86-64 host without hardware virtualisation that has an emulator of every architecture."""

    uri = "qemu:///system"
    local = False

    def __init__(self) -> None:
        self.connection = types.SimpleNamespace(getDomainCapabilities=self.domain_capabilities)

    def capabilities(self) -> t.Any:
        guests = "".join(f"<guest><arch name='{arch}'><domain type='qemu'/></arch></guest>" for arch in MODES)
        return document.document(f"<capabilities><host><cpu><arch>x86_64</arch></cpu></host>{guests}</capabilities>")

    def domain_capabilities(self, emulator: None, arch: str, machine: str, kind: str, flags: int) -> str:
        assert kind == "qemu"
        modes = "".join(f"<mode name='{mode}' supported='yes'/>" for mode in MODES[arch])
        return (
            f"<domainCapabilities><cpu><mode name='host-passthrough' supported='no'/>{modes}</cpu></domainCapabilities>"
        )


@pytest.mark.parametrize("arch", MACHINES)
def test_an_emulated_guest_of_each_architecture(arch: str) -> None:
    options = new_options(Host(), {"arch": arch, "memory": 1 << 30, "graphics": [{"type": "vnc"}]}, "one")
    machine, mode = MACHINES[arch]
    assert options["type"] == "qemu"
    assert options["machine"] == machine
    assert options.get("cpu", {}).get("mode") == mode
    assert options["memballoon"] == {"model": "virtio"}
    assert options["rng"][0]["model"] == "virtio"
    assert options["serials"][0]["type"] == "pty"
    assert options["agent"] is True
    assert options["inputs"][0]["bus"] == ("virtio" if arch == "s390x" else "usb")
    assert options.get("features", {}).get("acpi", False) is (arch in ("x86_64", "aarch64"))
    assert options.get("firmware") == ("efi" if arch == "aarch64" else None)


def test_acpi_goes_with_the_firmware_on_arm() -> None:
    """Without UEFI an Arm guest has no ACPI; a kernel that is started directly needs no firmware."""
    bare = new_options(Host(), {"arch": "aarch64", "memory": 1 << 30, "boot": {"kernel": "/boot/vmlinuz"}}, "one")
    assert "firmware" not in bare
    assert "acpi" not in bare["features"]


def test_the_host_s_own_architecture_where_none_is_said() -> None:
    assert new_options(Host(), {"memory": 1 << 30}, "one")["arch"] == "x86_64"


def test_an_architecture_without_an_emulator_is_refused() -> None:
    with pytest.raises(KvmError, match="arch: no emulator for loongarch64"):
        new_options(Host(), {"arch": "loongarch64", "memory": 1 << 30}, "one")


def test_defaults_are_not_shared_between_guests() -> None:
    first = new_options(Host(), {"memory": 1 << 30}, "one")
    first["features"]["acpi"] = False
    assert new_options(Host(), {"memory": 1 << 30}, "two")["features"]["acpi"] is True
    assert ARCHITECTURES["x86_64"]["features"]["acpi"] is True


def test_only_a_team_shares_a_mac_address() -> None:
    mac = "52:54:00:00:00:01"
    team = {"mac": mac, "user": True, "teaming": {"type": "transient", "persistent": "ua-one"}}
    assert len(parse(DOMAIN, {"interfaces": [{"mac": mac, "user": True}, team]})["interfaces"]) == 2
    with pytest.raises(KvmError, match=rf"interfaces\[1\].mac: items 0 and 1 have the same identity, '{mac}'"):
        parse(DOMAIN, {"interfaces": [{"mac": mac}, {"mac": mac}]})
