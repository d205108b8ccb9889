# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What other tools put into definitions stays, and what libvirt ignores in a document is named."""

from __future__ import annotations

import typing as t

from cycle import Task
from guest import NAME, Lab, lab

__all__ = ["lab"]

# Unraid's and kcli's: their namespaces are relative URIs.
FOREIGN = """<metadata><vmtemplate xmlns="unraid" name="Debian" icon="debian.png" os="debian"/>
<kvirt:info xmlns:kvirt="kvirt"><kvirt:profile kvirt:of="a">small</kvirt:profile></kvirt:info></metadata>"""
DOMAIN = f"""<domain type='qemu'><name>{NAME}</name>{FOREIGN}<memory unit='MiB'>64</memory>
<os><type arch='x86_64' machine='q35'>hvm</type></os>
<devices><interface type='user'><mac address='52:54:00:0d:00:01'/></interface></devices></domain>"""
NETWORK = "<network><name>mkt-foreign</name><bridge name='mkt-foreign'/>{}</network>"


def metadata(lab: Lab) -> dict[str, dict[str, str]]:
    """Tag and attributes of all that others have in the domain's metadata."""
    own = "{https://metal.kvm/libvirt/1}"
    nodes = lab.xml().find("metadata").iter()
    return {node.tag: dict(node.attrib) for node in nodes if node.tag != "metadata" and not node.tag.startswith(own)}


def test_metadata_with_a_relative_namespace_stays(lab: Lab, player: t.Any) -> None:
    lab.connection.defineXML(DOMAIN)
    before = metadata(lab)
    assert set(before) == {"{unraid}vmtemplate", "{kvirt}info", "{kvirt}profile"}
    labels = {"path": "on_crash", "set": "preserve"}
    exported, whole, patched, again, told = player.play(
        [
            Task("domain_info", {"name": NAME, "as": "options"}),
            Task("domain", {"name": NAME, "xml": DOMAIN}),
            Task("domain", {"name": NAME, "title": "x", "labels": {"a": "b"}, "xml_patch": [labels]}),
            Task("domain", {"name": NAME, "title": "x", "labels": {"a": "b"}, "xml_patch": [labels]}),
            Task("domain_info", {"as": "options"}),
        ]
    )
    assert not any(result.failed for result in (exported, whole, patched, again, told)), exported
    assert [result["changed"] for result in (whole, patched, again)] == [False, True, False]
    assert metadata(lab) == before
    assert exported["not_exported"] == []
    lab.connection.lookupByName(NAME).undefine()
    made, unchanged = player.play([Task("domain", exported["options"]), Task("domain", exported["options"])])
    assert (made["changed"], unchanged["changed"]) == (True, False)
    assert metadata(lab) == before


def test_what_libvirt_ignores_in_a_document_is_named(lab: Lab, player: t.Any) -> None:
    good = DOMAIN.replace(
        "</interface>", "<alias name='net0'/></interface>"
    )  # dropped too, and nothing is wrong with it
    bad = good.replace("</interface>", "<tag id='3'/></interface>").replace(
        "<os>", "<currentMemor>9</currentMemor><os>"
    )
    ip = "<ip address='10.66.1.1' netmask='255.255.255.0'><dhcp><{0} start='10.66.1.2' end='10.66.1.3'/></dhcp></ip>"
    results = player.play(
        [
            Task("domain", {"name": NAME, "xml": bad}, check=True),
            Task("domain", {"name": NAME, "xml": bad}),
            Task("domain", {"name": NAME, "xml": bad}),
            Task("domain", {"name": NAME, "xml": good}),
            Task("network", {"name": "mkt-foreign", "xml": NETWORK.format(ip.format("rang"))}, check=True),
            Task("network", {"name": "mkt-foreign", "xml": NETWORK.format(ip.format("range"))}, check=True),
        ]
    )
    told = [result.get("warnings", []) for result in results]
    for warned in told[:3]:
        assert len(warned) == 1, warned
        assert "ignores currentMemor, devices/interface/tag:" in warned[0]
    assert [result["changed"] for result in results[:4]] == [True, True, False, False]
    assert told[3] == []
    assert "ignores ip/dhcp/rang:" in told[4][0]
    assert told[5] == []


# A dump of a running guest, with a bridge and an empty kernel that libvirt takes although its schema doesn't.
DUMP = f"""<domain type='qemu' id='3'><name>{NAME}</name><memory unit='MiB'>64</memory>
<os><type arch='x86_64' machine='q35'>hvm</type><kernel></kernel></os>
<devices><disk type='file' device='cdrom'><driver name='qemu' cache='default'/><target dev='sda' bus='sata' tray='open'/><alias name='x'/></disk>
<interface type='bridge'><mac address='52:54:00:0d:00:01'/><source bridge=';dummy;'/><target dev='vnet0'/><alias name='net0'/></interface>
<interface type='user'><mac address='52:54:00:0d:00:02'/></interface>
<console type='pty' tty='/dev/pts/1'><source path='/dev/pts/1'/></console></devices></domain>"""


def test_only_what_libvirt_ignores_is_called_ignored(lab: Lab, player: t.Any) -> None:
    wrong = DUMP.replace("0d:00:02'/>", "0d:00:02'/><tag id='3'/>")
    results = player.play(
        [
            Task("domain", {"name": NAME, "xml": DUMP}, check=True),
            Task("domain", {"name": NAME, "xml": DUMP}),
            Task("domain", {"name": NAME, "xml": DUMP}),
            Task("domain", {"name": NAME, "xml": wrong}),
        ]
    )
    assert [result["changed"] for result in results] == [True, True, False, False]
    assert [result.get("warnings", []) for result in results[:3]] == [[], [], []]
    assert "ignores devices/interface/tag:" in results[3]["warnings"][0]


def test_a_refusal_of_a_definition_from_elsewhere_says_what_to_do(lab: Lab, player: t.Any) -> None:
    """Each is refused by the check, in one paragraph."""
    emulator = "<emulator>/usr/libexec/qemu-kvm</emulator><interface"
    spice = "<redirdev bus='usb' type='spicevmc'/><interface"
    cases = {
        DOMAIN.replace("<interface", emulator): "Leave the emulator out",
        DOMAIN.replace("'q35'", "'pc-q35-99.0'"): "Without a version, like q35 or pc",
        DOMAIN.replace("<interface", spice): "Add SPICE graphics",
        DOMAIN.replace(
            "<interface", "<disk type='file' device='cdrom'><target dev='hda' bus='ide'/></disk><interface"
        ): "bus sata",
        DOMAIN.replace("hvm</type>", "hvm</type><boot dev='hd'/>").replace(
            "</interface>", "<boot order='1'/></interface>"
        ): "not both",
    }
    results = player.play([Task("domain", {"name": NAME, "xml": xml}, check=True) for xml in cases])
    for result, remedy in zip(results, cases.values()):
        assert result.failed
        assert remedy in result.message
        assert "\n" not in result.message
