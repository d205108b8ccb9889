# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values as other tools print them and as YAML reads them: taken as they are meant, or refused with what to write."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.osinfo import osinfo
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.table import DOMAIN
from ansible_collections.metal.kvm.plugins.module_utils._objects.network.addresses import INTERFACE
from ansible_collections.metal.kvm.plugins.module_utils._objects.network.table import NETWORK
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError
from ansible_collections.metal.kvm.plugins.module_utils._xml import rows, types

QUOTES = "in quotes"


def taken(type_: types.Type, text: str) -> t.Any:
    return type_.parse(yaml.safe_load(text))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("'8087'", 0x8087),
        ("046d", 0x046D),
        ("0x046d", 0x046D),
        ("'0x0781'", 0x0781),
        ("0781", 0x0781),
        ("'1'", 1),
        ("1D6B", 0x1D6B),
    ],
)
def test_usb_ids_are_hexadecimal_as_lsusb_prints_them(text: str, number: int) -> None:
    value = yaml.safe_load(text)
    if isinstance(value, int):  # 0x046d without quotes
        with pytest.raises(ValueError, match=QUOTES):
            types.HEX4.parse(value)
        return
    assert int(types.HEX4.parse(value), 16) == number
    assert int(types.USB_ID.parse(value), 16) == number


@pytest.mark.parametrize(
    "text", ["8087", "0x8087", "0x0781", "0123", "'32903'", "'0x12345'", "'80 87'", "''", "'-1'", "8.1"]
)
def test_usb_ids_that_lost_their_meaning_are_refused(text: str) -> None:
    for type_ in (types.HEX4, types.USB_ID):
        with pytest.raises(ValueError, match=QUOTES):
            taken(type_, text)


@pytest.mark.parametrize(
    ("text", "mode"),
    [("'0711'", "0711"), ("'711'", "0711"), ("0711", "0711"), ("0644", "0644"), ("0600", "0600"), ("0640", "0640"), ("0750", "0750"),
     ("0755", "0755"), ("0444", "0444"), ("'1777'", "1777"), ("'0o750'", "0750"), ("0o750", "0750")],
)  # fmt: skip
def test_modes_that_the_file_module_takes(text: str, mode: str) -> None:
    assert taken(types.MODE, text) == mode


@pytest.mark.parametrize(
    "text", ["711", "644", "755", "600", "440", "777", "0777", "-1", "'0788'", "'u=rwx'", "''", "'77777'", "12345"]
)
def test_modes_that_may_mean_two_things_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=QUOTES):
        taken(types.MODE, text)


@pytest.mark.parametrize("text", ["pci_0000_3b_02_0", "0000:3b:02.0", "3b:02.0", "PCI_0000_3B_02_0", "0:3b:2.0"])
def test_pci_addresses_and_names(text: str) -> None:
    for type_ in (types.PCI, types.PLAIN_PCI):
        assert type_.parse(text) == "0000:3b:02.0"


@pytest.mark.parametrize("text", ["01:00.0", "pci_0000_3b_02_8", "pci_3b_02_0", "0000:3b:22.0", "usb_1_1", "''"])
def test_pci_addresses_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=QUOTES):
        taken(types.PCI, text)


@pytest.mark.parametrize("port", [-1, 0, 65536])
def test_ports_that_are_none(port: int) -> None:
    with pytest.raises(ValueError, match="1 to 65535"):
        types.PORT.parse(port)


def test_what_libvirt_chooses_is_left_out() -> None:
    for type_ in (types.WHOLE, types.POSITIVE, types.PORT):
        with pytest.raises(ValueError, match="leave the option out"):
            type_.parse(-1)


@pytest.mark.parametrize("text", ["10.1.0.0/24", "10.1.0.255/24", "fd00::/64", "192.168.0.0/16"])
def test_a_subnet_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"say the host's address in it, .*1/"):
        INTERFACE.parse(text)


@pytest.mark.parametrize(
    "text", ["10.1.0.1/24", "10.1.0.0/31", "10.1.0.255/16", "10.1.0.7/32", "fd00::1/64", "fd00::/127"]
)
def test_an_address_of_a_subnet(text: str) -> None:
    assert INTERFACE.parse(text) == text


def refused(table: t.Any, given: dict[str, t.Any], option: str) -> str:
    with pytest.raises(KvmError) as error:
        rows.parse(table, given)
    assert error.value.details["option"] == option
    return str(error.value)


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"graphics": [{"type": "vnc", "port": -1}]}, "graphics[0].port"),
        ({"disks": [{"target": "vda", "file": ""}]}, "disks[0].file"),
        ({"disks": [{"target": "vda", "volume": "", "pool": "a"}]}, "disks[0].volume"),
        ({"interfaces": [{"network": ""}]}, "interfaces[0].network"),
        ({"interfaces": [{"bridge": ""}]}, "interfaces[0].bridge"),
        ({"features": {"hyperv": {"spinlocks": True}}}, "features.hyperv.spinlocks"),
        ({"features": {"hyperv": {"vendor_id": True}}}, "features.hyperv.vendor_id"),
        ({"features": {"hyperv": {"relaxed": 5}}}, "features.hyperv.relaxed"),
        ({"features": {"hyperv": {"relaxed": "none"}}}, "features.hyperv.relaxed"),
        ({"osinfo": "win eleven"}, "osinfo"),
        ({"hostdevs": [{"usb": {"vendor": 8087, "product": "0a2b"}}]}, "hostdevs[0].usb.vendor"),
    ],
)
def test_guesses_are_refused_with_a_remedy(given: dict[str, t.Any], option: str) -> None:
    assert len(refused(DOMAIN, given, option).split(". ")) > 1


def test_switches_that_say_how_much() -> None:
    given = {
        "spinlocks": 8191,
        "vendor_id": "KVM Hv",
        "stimer": "direct",
        "relaxed": "on",
        "vpindex": False,
        "tlbflush": True,
    }
    parsed = rows.parse(DOMAIN, {"features": {"hyperv": given}})["features"]["hyperv"]
    assert parsed == {**given, "spinlocks": "8191", "relaxed": True}
    assert "8191" in refused(DOMAIN, {"features": {"hyperv": {"spinlocks": "on"}}}, "features.hyperv.spinlocks")


def test_a_network_has_an_address_in_its_subnet() -> None:
    assert "10.1.0.1/24" in refused(NETWORK, {"ips": [{"address": "10.1.0.0/24"}]}, "ips[0].address")


def test_osinfo_is_an_id_or_looked_up(tmp_path: pathlib.Path) -> None:
    (tmp_path / "microsoft.com").mkdir()
    for name, short in (("win-10", "win10"), ("win-11", "win11")):
        text = f'<libosinfo version="0.0.1">\n<os id="http://microsoft.com/{name.replace("-", "/")}">\n<short-id>{short}</short-id></os></libosinfo>'
        (tmp_path / "microsoft.com" / f"{name}.xml").write_text(text)
    assert osinfo("win11", [str(tmp_path)]) == "http://microsoft.com/win/11"
    assert osinfo("http://example.org/own/1", []) == "http://example.org/own/1"
    for wrong in ("win12", "win1", "Windows 11", "http://", ""):
        with pytest.raises(ValueError, match=r"http://microsoft\.com/win/11"):
            osinfo(wrong, [str(tmp_path)])
