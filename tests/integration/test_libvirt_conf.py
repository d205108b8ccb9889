# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt_conf refuses, against a libvirtd that is given it all the same: it ends, each time."""

from __future__ import annotations

import pathlib
import subprocess
import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._host import conf_file, conf_needs, libvirt_conf
from ansible_collections.metal.kvm.plugins.module_utils._host.root import Root
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError

# In a mount namespace of its own, with its own /run: the libvirtd that is there isn't touched.
START = """
mount --bind "$1" /etc/libvirt/qemu.conf
mount -t tmpfs tmpfs /run
libvirtd 2>"$2" & daemon=$!
for dummy in $(seq 300); do
    virsh -q -c qemu:///system version >/dev/null 2>&1 && { kill $daemon; wait $daemon; echo answers; exit; }
    kill -0 $daemon 2>/dev/null || { echo ended; exit; }
    sleep 0.1
done
kill $daemon; wait $daemon
echo hangs
"""
STOPPING: dict[str, t.Any] = {
    "security_driver": "smack",
    "security_require_confined": True,
    "vnc_tls_x509_cert_dir": "/nowhere",
    "hugetlbfs_mount": "/tmp",
    "lock_manager": "nowhere",
    "user": "nobody-of-that-name",
    "swtpm_group": "nobody-of-that-name",
    "stdio_handler": "logs",
    "cgroup_controllers": ["cpus"],
    "namespaces": ["mnt"],
}


def started(place: pathlib.Path, settings: dict[str, t.Any]) -> str:
    """What becomes of a libvirtd with these settings: ``answers`` or ``ended``."""
    conf, said = place / "qemu.conf", place / "said"
    wanted = {key: int(value) if isinstance(value, bool) else value for key, value in settings.items()}
    conf.write_text(conf_file.edit("# for a test\n", "libvirt", "qemu.conf", wanted), encoding="utf-8")
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", START, "start", str(conf), str(said)]
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=120).stdout.strip()


def refused(settings: dict[str, t.Any]) -> list[str]:
    """The options that a task with these settings is refused for on this host."""
    params = {"name": "qemu", "kind": "conf", "settings": settings, "unset": [], "sysroot": "/"}
    try:
        return [error.details["option"] for error in libvirt_conf.make(Root("/"), params).assumed]
    except KvmError as error:
        return [error.details["option"]]


def test_a_daemon_starts_with_what_is_not_refused(tmp_path: pathlib.Path) -> None:
    settings = {
        "user": "root",
        "group": "+0",
        "security_driver": "none",
        "lock_manager": "nop",
        "stdio_handler": "file",
    }
    assert refused(settings) == []
    assert started(tmp_path, settings) == "answers"


@pytest.mark.parametrize("key", STOPPING)
def test_a_daemon_ends_of_what_is_refused(key: str, tmp_path: pathlib.Path) -> None:
    settings = {key: STOPPING[key]}
    assert refused(settings) == [f"settings.{key}"]
    assert started(tmp_path, settings) == "ended"


def test_each_need_is_tried() -> None:
    untried = [names.pattern for names, dummy in conf_needs.NEEDS if not any(map(names.fullmatch, STOPPING))]
    assert untried == []
