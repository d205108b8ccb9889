# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles on a host of its own, made of namespaces: each as check, run, check, run; and what has become of the host."""

from __future__ import annotations

import pathlib
import re
import sys
import typing as t

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import hosts as tool


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[tool.Host]:
    """A machine without systemd, with libvirt installed and no daemon running."""
    with tool.hosts(tmp_path_factory.mktemp("hosts"), "hv1") as (made,):
        yield made


def daemon_pid(host: tool.Host, name: str) -> str:
    return host.read(f"/run/{name}.pid").strip()


LIMITS = ("virt-admin", "server-clients-info", "libvirtd")


def test_libvirt_starts_and_reads_what_is_set(host: tool.Host) -> None:
    conf: dict[str, t.Any] = {"qemu": {"max_files": 2048, "dump_guest_core": False}, "libvirtd": {"max_clients": 77}}
    host.roles("libvirt", {"libvirt_conf": conf})
    assert "\nmax_files = 2048\n" in host.read("/etc/libvirt/qemu.conf")
    assert host.run("stat", "--format=%a", "/etc/libvirt/qemu.conf").stdout == "600\n"
    assert re.search(r"nclients_max *: 77\n", host.run(*LIMITS).stdout)  # the daemon says so: it has read the file
    before = daemon_pid(host, "libvirtd"), daemon_pid(host, "virtlogd")
    host.roles("libvirt", {"libvirt_conf_unset": {"libvirtd": ["max_clients"]}})
    assert re.search(r"nclients_max *: 5000\n", host.run(*LIMITS).stdout)
    assert daemon_pid(host, "libvirtd") != before[0]
    assert daemon_pid(host, "virtlogd") == before[1]


def test_libvirt_refuses_what_would_break_the_daemon(host: tool.Host) -> None:
    said = host.refused("libvirt", libvirt_conf={"qemu": {"usr": 1}})
    assert "usr is not a key of /etc/libvirt/qemu.conf in libvirt" in said
    assert "Did you mean user?" in said
