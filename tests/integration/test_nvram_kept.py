# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of a guest's NVRAM survives checks, readers and runs: libvirt's judgement of a definition touches nothing.

The driver that judges deleted the file that the definition names, under a running guest too.
"""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from cycle import Task
from guest import NAME, Lab, lab

__all__ = ["lab"]

CODE, VARS = pathlib.Path("/usr/share/OVMF/OVMF_CODE_4M.fd"), pathlib.Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
DOMAIN = """
<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
  <os{attribute}><type arch='x86_64' machine='q35'>hvm</type>{loader}<nvram>{nvram}</nvram></os>
  <features><acpi/></features><devices/></domain>
"""
FORMS = {
    "loader": {"attribute": "", "loader": f"<loader readonly='yes' type='pflash'>{CODE}</loader>"},
    "firmware": {"attribute": " firmware='efi'", "loader": ""},
}


@pytest.fixture
def nvram(lab: Lab) -> pathlib.Path:
    """A file with what a guest's firmware has stored."""
    path = lab.place / "own_VARS.fd"
    path.write_bytes(VARS.read_bytes()[:-5] + b"mine!")
    path.chmod(0o666)
    return path


def there(path: pathlib.Path) -> tuple[int, bytes]:
    return path.stat().st_ino, path.read_bytes()[-5:]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("running", [False, True])
def test_nvram_stays(lab: Lab, nvram: pathlib.Path, form: str, running: bool) -> None:
    text = DOMAIN.format(name=NAME, nvram=nvram, **FORMS[form])
    domain = lab.connection.defineXML(text)
    if running:
        domain.create()
    before = there(nvram)
    tasks: list[tuple[str, dict[str, t.Any], bool]] = [
        ("domain", {"name": NAME, "title": "one"}, True),
        ("domain", {"name": NAME, "memory": "80 MiB"}, True),
        ("domain_info", {"as": "options"}, False),
        ("domain", {"name": NAME, "xml": text.replace("<features>", "<title>two</title><features>")}, True),
        ("domain", {"name": NAME, "xml_patch": [{"path": "features/vmport/@state", "set": "off"}]}, True),
        ("domain", {"name": NAME, "title": "one"}, False),
    ]
    for module, args, check in tasks:
        (result,) = lab.player.play([Task(module, args, check)])
        assert not result.failed, result.message
        assert there(nvram) == before, (module, args)


def test_a_file_that_a_new_domain_names_stays(lab: Lab, nvram: pathlib.Path) -> None:
    new = {"name": NAME, "memory": "64 MiB", "firmware": "efi", "nvram": {"path": str(nvram)}}
    before = there(nvram)
    for check in (True, False):
        (result,) = lab.player.play([Task("domain", new, check)])
        assert not result.failed, result.message
        assert there(nvram) == before
