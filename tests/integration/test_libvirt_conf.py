# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt_conf refuses, against a libvirtd that is given it all the same: it ends, each time."""

from __future__ import annotations

import pathlib
import subprocess
import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._host.libvirt_conf import editing, needs, trial
from ansible_collections.metal.kvm.plugins.module_utils._host.root import Root
from cycle import Task

CONF = pathlib.Path("/etc/libvirt/qemu.conf")
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
STOPPING: dict[str, tuple[t.Any, str]] = {  # what this host lacks, and then what libvirt's own driver doesn't take
    "security_driver": ("smack", "smack can't confine guests here"),
    "security_require_confined": (True, "nothing confines guests here"),
    "vnc_tls_x509_cert_dir": ("/nowhere", "/nowhere isn't there"),
    "hugetlbfs_mount": ("/tmp", "/tmp is not where huge pages are mounted"),
    "lock_manager": ("nowhere", "driver nowhere for locks isn't installed"),
    "user": ("nobody-of-that-name", "no user nobody-of-that-name"),
    "swtpm_group": ("nobody-of-that-name", "no group nobody-of-that-name"),
    "stdio_handler": ("logs", "Unknown stdio handler logs"),
    "cgroup_controllers": (["cpus"], "Unknown cgroup controller 'cpus'"),
    "namespaces": (["mnt"], "Unknown namespace: mnt"),
    "remote_websocket_port_min": (80, "/etc/libvirt/qemu.conf: remote_websocket_port_min: port must be greater"),
}


def started(place: pathlib.Path, settings: dict[str, t.Any]) -> str:
    """What becomes of a libvirtd with these settings: ``answers`` or ``ended``."""
    conf, said = place / "qemu.conf", place / "said"
    wanted = {key: int(value) if isinstance(value, bool) else value for key, value in settings.items()}
    conf.write_text(editing.edit("# for a test\n", "libvirt", "qemu.conf", wanted), encoding="utf-8")
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", START, "start", str(conf), str(said)]
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=120).stdout.strip()


def test_a_daemon_starts_with_what_is_taken(player: t.Any, tmp_path: pathlib.Path) -> None:
    settings = {
        "user": "root",
        "group": "+0",
        "security_driver": "none",
        "lock_manager": "nop",
        "stdio_handler": "file",
    }
    (checked,) = player.play([Task("libvirt_conf", {"name": "qemu", "settings": settings}, check=True)])
    assert not checked.failed, checked.message
    assert not checked["assumed"]
    assert started(tmp_path, settings) == "answers"


def test_what_a_daemon_ends_of_is_refused(player: t.Any) -> None:
    before = CONF.read_bytes()
    tasks = {
        key: ({"name": "qemu", "settings": {"max_files": 77, key: value}}, [f"settings.{key}: ", words])
        for key, (value, words) in STOPPING.items()
    }
    player.refuse_all("libvirt_conf", tasks)
    assert CONF.read_bytes() == before


@pytest.mark.parametrize("key", STOPPING)
def test_a_daemon_ends_of_what_is_refused(key: str, tmp_path: pathlib.Path) -> None:
    assert started(tmp_path, {key: STOPPING[key][0]}) == "ended"


def test_what_was_wrong_before_is_not_laid_to_this_task() -> None:
    wrong = 'stdio_handler = "logs"\n'
    assert trial.complaint(Root("/"), "", wrong) == "unsupported configuration: Unknown stdio handler logs"
    assert trial.complaint(Root("/"), wrong, f"{wrong}max_files = 77\n") is None
    assert trial.complaint(Root("/"), wrong, "max_files = 77\n") is None
    assert not pathlib.Path("/run/libvirt/trial").exists()


def test_each_need_is_tried() -> None:
    untried = [names.pattern for names, dummy in needs.NEEDS if not any(map(names.fullmatch, STOPPING))]
    assert untried == []
