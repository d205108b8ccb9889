# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new domain takes over from a document that another machine or tool wrote."""

from __future__ import annotations

import types

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.new import new_uuid
from ansible_collections.metal.kvm.plugins.module_utils._objects.identity import refuse_others_uuid
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError
from ansible_collections.metal.kvm.plugins.module_utils._xml import document

UUID = "0d1c6f0e-3c4b-4f5a-9a77-3f0a8f3f5b11"


@pytest.mark.parametrize("smbios", [UUID, UUID.upper(), UUID.replace("-", "")])
def test_the_uuid_in_smbios_data_is_the_domains(smbios: str) -> None:
    assert new_uuid(types.SimpleNamespace(), "a", smbios) == UUID


def test_the_uuid_of_another_domain_is_refused() -> None:
    other = types.SimpleNamespace(name=lambda: "other")
    world = types.SimpleNamespace(find_uuid=lambda uuid, noun: other if uuid == UUID else None)
    root = document.parse(f"<domain><uuid>{UUID.upper()}</uuid></domain>")
    with pytest.raises(KvmError, match=f"xml: {UUID} is the UUID of domain other already") as caught:
        refuse_others_uuid(world, "domain", "a", root, "xml")
    assert "Leave the uuid out" in caught.value.remedy
    refuse_others_uuid(world, "domain", "other", root, "xml")
    refuse_others_uuid(world, "domain", "a", document.parse("<domain><uuid>9</uuid></domain>"), "xml")


@pytest.mark.parametrize("smbios", [None, "", "none"])
def test_without_one_it_is_made_of_host_and_name(smbios: str) -> None:
    capabilities = document.parse("<capabilities><host><uuid>h</uuid></host></capabilities>")
    world = types.SimpleNamespace(capabilities=lambda: capabilities, find_uuid=lambda uuid: None, uri="qemu:///system")
    assert new_uuid(world, "a", smbios) == new_uuid(world, "a") != new_uuid(world, "b")
