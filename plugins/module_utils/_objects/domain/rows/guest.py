# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of what a guest is told of its machine and how it's guarded: SMBIOS, launch security, labels, QEMU's own words."""

from __future__ import annotations

from ...._xml.items import Items
from ...._xml.maps import SecretMap
from ...._xml.rows import Field, Map, ValueList
from ...._xml.types import HEX, PATH, POSITIVE, STR, TEXT, WHOLE, YES_NO
from .common import kind

_SMBIOS = "sysinfo[@type='smbios']"
SYSINFO = (
    Map("bios", f"{_SMBIOS}/bios/entry", TEXT, "V(vendor), V(version), V(date), V(release). Full when given.", value_at=""),
    Map("system", f"{_SMBIOS}/system/entry", TEXT, value_at="", doc="V(manufacturer), V(product), V(version), V(serial), V(uuid),"
        " V(sku), V(family). A UUID must be the domain's. Full when given."),
    Items("base_boards", f"{_SMBIOS}/baseBoard", (
        Map("entries", "entry", TEXT, "V(manufacturer), V(product), V(version), V(serial), V(asset), V(location). Full when given.",
            value_at=""),
    ), doc="Base boards."),
    Map("chassis", f"{_SMBIOS}/chassis/entry", TEXT, "V(manufacturer), V(version), V(serial), V(asset), V(sku). Full when given.",
        value_at=""),
    ValueList("oem_strings", f"{_SMBIOS}/oemStrings/entry", TEXT, "Any texts."),
    Items("fwcfg", "sysinfo[@type='fwcfg']/entry", (
        Field("name", "@name", STR, "Its name, V(opt/org.example/key): its identity.", required=True),
        Field("value", "", TEXT, "Its content."),
        Field("file", "@file", PATH, "A file on the hypervisor with its content, instead."),
    ), ("name",), "Entries of QEMU's firmware configuration device.", ordered=False),
)  # fmt: skip
LAUNCH_SECURITY = (
    Field("type", "@type", STR, "The technique; the host and its firmware must have it.", choices=("sev", "sev-snp", "s390-pv", "tdx")),
    Field("policy", "policy", HEX, "What the owner allows, V(0x0003) (V(sev), V(sev-snp), V(tdx))."),
    Field("cbitpos", "cbitpos", POSITIVE, "The address bit that means encrypted; the host's where it's left out (V(sev), V(sev-snp))."),
    Field("reduced_phys_bits", "reducedPhysBits", WHOLE, "Address bits that encryption takes (V(sev), V(sev-snp))."),
    Field("kernel_hashes", "@kernelHashes", YES_NO, "Whether O(boot.kernel) is measured (V(sev), V(sev-snp))."),
    Field("dh_cert", "dhCert", STR, "The owner's Diffie-Hellman key, base64 (V(sev))."),
    Field("session", "session", STR, "The owner's session blob, base64 (V(sev))."),
    Field("author_key", "@authorKey", YES_NO, "Whether O(launch_security.id_auth) holds the author's key (V(sev-snp)).",
          since=10_005_000),
    Field("vcek", "@vcek", YES_NO, "Whether reports are signed by the chip's own key (V(sev-snp)).", since=10_005_000),
    Field("guest_visible_workarounds", "guestVisibleWorkarounds", STR, "Base64 (V(sev-snp)).", since=10_005_000),
    Field("id_block", "idBlock", STR, "The identity that the guest must have, base64 (V(sev-snp)).", since=10_005_000),
    Field("id_auth", "idAuth", STR, "The signature of the identity, base64 (V(sev-snp)).", since=10_005_000),
    Field("host_data", "hostData", STR, "Data of the host in reports, base64 (V(sev-snp)).", since=10_005_000),
    Field("mr_config_id", "mrConfigId", STR, "Identity of the configuration, base64 (V(tdx)).", since=11_006_000),
    Field("mr_owner", "mrOwner", STR, "Identity of the owner, base64 (V(tdx)).", since=11_006_000),
    Field("mr_owner_config", "mrOwnerConfig", STR, "Identity of the owner's configuration, base64 (V(tdx)).", since=11_006_000),
    Field("quote_generation_service", "quoteGenerationService@path", STR, "The socket of the service that signs reports (V(tdx)).",
          since=11_006_000),
)  # fmt: skip
SECLABEL = (
    Field("model", "@model", STR, "The driver: V(selinux), V(apparmor), V(dac): its identity."),
    Field("type", "@type", STR, "Whether libvirt makes the label, it's given here, or there is none.",
          choices=("dynamic", "static", "none"), put=kind("label", "baselabel", "@relabel")),
    Field("relabel", "@relabel", YES_NO, "Whether what the guest uses gets the label too."),
    Field("label", "label", STR, "The label (V(type=static)).", volatile=lambda stored, running: stored.get("type") == "dynamic"),
    Field("baselabel", "baselabel", STR, "What a made label begins with (V(type=dynamic))."),
)  # fmt: skip
QEMU = (
    ValueList("args", "qemu:commandline/qemu:arg@value", TEXT, "Arguments for QEMU, in order. They taint the domain."),
    SecretMap("env", "qemu:commandline/qemu:env", TEXT, "Environment variables for QEMU by name. Full when given."),
    ValueList("add_capabilities", "qemu:capabilities/qemu:add@capability", STR, "Capabilities of QEMU that libvirt should assume."),
    ValueList("del_capabilities", "qemu:capabilities/qemu:del@capability", STR, "Capabilities of QEMU that libvirt should forget."),
    Field("deprecation", "qemu:deprecation@behavior", STR, "What becomes of deprecated words to QEMU.",
          choices=("none", "omit", "reject", "crash")),
    Items("override", "qemu:override/qemu:device", (
        Field("alias", "@alias", STR, "The device's alias: its identity.", required=True),
        Items("properties", "qemu:frontend/qemu:property", (
            Field("name", "@name", STR, "The property: its identity.", required=True),
            Field("type", "@type", STR, "Its type.", choices=("string", "signed", "unsigned", "bool", "remove")),
            Field("value", "@value", STR, "Its value."),
        ), ("name",), "Properties of the device.", ordered=False),
    ), ("alias",), "Properties of QEMU's devices that libvirt would set otherwise.", ordered=False),
)  # fmt: skip
