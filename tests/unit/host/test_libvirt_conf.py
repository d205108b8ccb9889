# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt_conf: keyed edits of configuration files, on trees of files and on the files of the installed libvirt."""

from __future__ import annotations

import os
import pathlib
import re
import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._host.libvirt_conf import editing
from ansible_collections.metal.kvm.plugins.module_utils._host.libvirt_conf import plan as libvirt_conf
from ansible_collections.metal.kvm.plugins.module_utils._host.root import Root
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError, Plan
from ansible_collections.metal.kvm.plugins.module_utils._run import run_steps
from ansible_collections.metal.kvm.plugins.module_utils._secret import gather

LENS = """
   let str_array_entry (kw:string) = [ key kw . value_sep . str_array_val ]
   let entry = str_entry "user"
             | str_entry "security_driver"
             | str_entry "vnc_password"
             | str_entry "lock_manager"
             | str_entry "group"
             | str_entry "swtpm_group"
             | str_entry "vnc_tls_x509_cert_dir"
             | str_entry "hugetlbfs_mount"
             | bool_entry "security_require_confined"
             | str_entry "unix_sock_rw_perms"
             | bool_entry "dump_guest_core"
             | int_entry "max_files"
             | limits_entry "max_core"
             | str_array_entry "namespaces"
             | str_array_entry "cgroup_device_acl"
"""
SHIPPED = """# Master configuration file.

# The user for QEMU processes.
#
#user = "libvirt-qemu"

#namespaces = [
#    "mount",
#    "other"
#]

max_files = 1024   # enough
dump_guest_core = 1
"""

Params = dict[str, t.Any]


@pytest.fixture
def tree(tmp_path: pathlib.Path) -> pathlib.Path:
    """A host with a qemu.conf of mode 0600 and libvirt's grammar for it."""
    (tmp_path / "etc/libvirt").mkdir(parents=True)
    (tmp_path / "usr/share/augeas/lenses").mkdir(parents=True)
    (tmp_path / "usr/share/augeas/lenses/libvirtd_qemu.aug").write_text(LENS)
    conf = tmp_path / "etc/libvirt/qemu.conf"
    conf.write_text(SHIPPED)
    conf.chmod(0o600)
    return tmp_path


def make(tree: pathlib.Path, **params: t.Any) -> Plan:
    return libvirt_conf.make(Root(str(tree)), {"name": "qemu", "kind": "conf", "sysroot": str(tree), **params})


def run(tree: pathlib.Path, **params: t.Any) -> Plan:
    """Carry out, and see that nothing is left to do."""
    plan = make(tree, **params)
    run_steps(plan, libvirt_conf.operations(), None)
    assert not make(tree, **params).changed
    return plan


def text(tree: pathlib.Path) -> str:
    return (tree / "etc/libvirt/qemu.conf").read_text()


def test_a_key_goes_below_its_default_and_nothing_else_moves(tree: pathlib.Path) -> None:
    plan = run(tree, settings={"user": "kvm", "namespaces": []})
    assert text(tree) == SHIPPED.replace('"libvirt-qemu"\n', '"libvirt-qemu"\nuser = "kvm"\n').replace(
        "#]\n", "#]\nnamespaces = []\n"
    )
    assert plan.before == {"user": None, "namespaces": None}
    assert plan.after == {"user": "kvm", "namespaces": []}
    run(tree, unset=["user", "namespaces"])
    assert text(tree) == SHIPPED


def test_mode_is_kept(tree: pathlib.Path) -> None:
    run(tree, settings={"user": "kvm"})
    assert (tree / "etc/libvirt/qemu.conf").stat().st_mode & 0o777 == 0o600


def test_an_equal_value_stays_as_it_is_written(tree: pathlib.Path) -> None:
    assert not make(tree, settings={"max_files": "1024", "dump_guest_core": "yes"}).changed


def test_a_value_is_replaced_and_the_rest_of_its_line_kept(tree: pathlib.Path) -> None:
    run(tree, settings={"max_files": 2048})
    assert "max_files = 2048   # enough\n" in text(tree)


def test_a_key_set_twice_is_set_once(tree: pathlib.Path) -> None:
    conf = tree / "etc/libvirt/qemu.conf"
    conf.write_text(SHIPPED + "max_files = 4\n")
    run(tree, settings={"max_files": 1024})
    assert text(tree) == SHIPPED


def test_a_new_file_holds_only_what_is_set_and_is_for_root(tree: pathlib.Path) -> None:
    (tree / "etc/libvirt/qemu.conf").unlink()
    run(tree, settings={"user": "kvm"})
    assert text(tree) == 'user = "kvm"\n'
    assert (tree / "etc/libvirt/qemu.conf").stat().st_mode & 0o777 == 0o600
    run(tree, unset=["user"])
    assert editing.entries(text(tree), "libvirt", "") == []
    assert text(tree).startswith("#")  # libvirt refuses a file of blanks


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("user", 1000, 'user = "1000"'),
        ("user", 'a"b', "user = 'a\"b'"),
        ("user", "a\"b'c", 'user = """a"b\'c"""'),
        ("dump_guest_core", False, "dump_guest_core = 0"),
        ("max_core", "unlimited", 'max_core = "unlimited"'),
        ("max_core", 7, "max_core = 7"),
        ("cgroup_device_acl", ["a", "b"], 'cgroup_device_acl = [ "a", "b" ]'),
        ("security_driver", ["selinux", "apparmor"], 'security_driver = [ "selinux", "apparmor" ]'),
        ("unix_sock_rw_perms", "0770", 'unix_sock_rw_perms = "0770"'),
    ],
)
def test_values_are_quoted_as_libvirt_wants(tree: pathlib.Path, key: str, value: t.Any, line: str) -> None:
    run(tree, settings={key: value})
    assert f"{line}\n" in text(tree)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"settings": {"usr": "x"}}, ["usr is not a key of /etc/libvirt/qemu.conf", "Did you mean user?"]),
        ({"settings": {"user": True}}, ["user: True", "in quotes"]),
        ({"settings": {"unix_sock_rw_perms": 504}}, ["unix_sock_rw_perms", '"0770"']),
        ({"settings": {"max_files": "many"}}, ["max_files: 'many' is not a whole number"]),
        ({"settings": {"dump_guest_core": 2}}, ["dump_guest_core: 2 is not true or false"]),
        ({"settings": {"namespaces": "mount"}}, ["namespaces: 'mount' is not a list"]),
        ({"settings": {"user": ["a"]}}, ["user: ['a'] is not a text"]),
        ({"settings": {"user": "a"}, "unset": ["user"]}, ["unset: user is also set"]),
        ({"name": "../passwd", "settings": {}}, ["'../passwd' is no name"]),
    ],
)
def test_what_cannot_be_meant_is_refused(tree: pathlib.Path, params: Params, words: list[str]) -> None:
    with pytest.raises(KvmError) as refused:
        make(tree, **params)
    assert all(word in str(refused.value) for word in words), str(refused.value)


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        ("user = kvm\n", 1),
        ('user = "a"\nnamespaces = [ "a"\nmax_files = 1\n', 3),
        ("user\n", 1),
        ("max_files = 1 2\n", 1),
    ],
)
def test_a_file_that_libvirt_could_not_read_is_left_alone(tree: pathlib.Path, broken: str, line: int) -> None:
    (tree / "etc/libvirt/qemu.conf").write_text(broken)
    with pytest.raises(KvmError, match=f"qemu.conf, line {line}:"):
        make(tree, settings={"max_files": 1})


def test_a_lock_manager_must_be_installed(tree: pathlib.Path) -> None:
    assert not make(tree, settings={"lock_manager": "lockd"}).assumed, (
        "where libvirt's files lie elsewhere it isn't judged"
    )
    drivers = tree / "usr/lib/x86_64-linux-gnu/libvirt/lock-driver"
    (drivers.parent / "connection-driver").mkdir(parents=True)
    plan = make(tree, settings={"lock_manager": "lockd"})
    assert "driver lockd for locks isn't installed" in str(plan.assumed[0])
    assert "packages_features: [lock]" in plan.assumed[0].remedy
    assert not make(tree, settings={"lock_manager": "nop"}).assumed
    drivers.mkdir()
    (drivers / "lockd.so").touch()
    assert not make(tree, settings={"lock_manager": "lockd"}).assumed


NEEDS: list[tuple[str, t.Any, str, str, str, str]] = [  # key, value, its complaint and remedy; a file that makes it good
    ("security_driver", "selinux", "selinux can't confine", "enable SELinux", "sys/fs/selinux/enforce", "0"),
    ("security_driver", ["none", "apparmor"], "apparmor can't confine", "install apparmor",
     "sys/kernel/security/apparmor/profiles", "lsb_release (enforce)\n/usr/sbin/libvirtd (enforce)\n"),
    ("security_driver", "apparmor", "apparmor can't confine", "install apparmor",
     "sys/kernel/security/apparmor/profiles", "virtqemud (enforce)\n"),
    ("security_require_confined", True, "nothing confines", "Leave the key out", "sys/fs/selinux/enforce", "1"),
    ("vnc_tls_x509_cert_dir", "/etc/pki/vnc", "/etc/pki/vnc isn't there", "certificates", "etc/pki/vnc/ca-cert.pem", ""),
    ("hugetlbfs_mount", ["/dev/hugepages"], "not where huge pages are mounted", "Now: nowhere",
     "proc/mounts", "tmpfs / tmpfs rw 0 0\nhugetlbfs /dev/hugepages hugetlbfs rw 0 0\n"),
    ("user", "alice", "no user alice", "Make the user first", "etc/passwd", "alice:x:1:1::/:\n"),
    ("swtpm_group", "tss", "no group tss", "Make the group first", "etc/group", "tss:x:1:\n"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value", "complaint", "remedy", "path", "content"), NEEDS)
def test_what_would_stop_the_daemon_is_refused(
    tree: pathlib.Path, key: str, value: t.Any, complaint: str, remedy: str, path: str, content: str
) -> None:
    (error,) = make(tree, settings={key: value}).assumed
    assert f"settings.{key}: " in str(error), str(error)
    assert complaint in str(error)
    assert remedy in error.remedy
    (tree / path).parent.mkdir(parents=True, exist_ok=True)
    (tree / path).write_text(content)
    assert not make(tree, settings={key: value}).assumed


@pytest.mark.parametrize(
    ("key", "value"),
    [("user", "+107"), ("group", "0"), ("security_driver", "none"), ("security_require_confined", False),]
)  # fmt: skip
def test_what_the_daemon_takes_anywhere_is_not_refused(tree: pathlib.Path, key: str, value: t.Any) -> None:
    assert not make(tree, settings={key: value}).assumed
    assert not make(tree, unset=[key]).assumed


def test_profiles_that_may_not_be_read_are_not_judged(tree: pathlib.Path) -> None:
    (tree / "sys/kernel/security/apparmor/profiles").mkdir(parents=True)  # there, and its text can't be had
    assert not make(tree, settings={"security_driver": "apparmor"}).assumed


def test_huge_pages_are_not_turned_off_by_an_empty_path(tree: pathlib.Path) -> None:
    (tree / "proc").mkdir()
    (tree / "proc/mounts").write_text("hugetlbfs /dev/hugepages hugetlbfs rw 0 0\n")
    for value, words in (
        ("", "an empty path"),
        (["/dev/hugepages/", "/mnt"], "/mnt is not where huge pages are mounted"),
    ):
        (error,) = make(tree, settings={"hugetlbfs_mount": value}).assumed
        assert words in str(error)


def test_a_password_is_never_shown_and_closes_the_file(tree: pathlib.Path) -> None:
    (tree / "etc/libvirt/qemu.conf").chmod(0o644)
    plan = run(tree, settings={"vnc_password": "hush"})
    assert 'vnc_password = "hush"\n' in text(tree)
    assert (tree / "etc/libvirt/qemu.conf").stat().st_mode & 0o777 == 0o600
    assert plan.after == {"vnc_password": "(set)", "mode": "0600"}
    assert "hush" not in str(plan.predicted)
    assert gather({"settings": {"vnc_password": "hush", "user": "x"}}) == {"hush"}
    assert make(tree, settings={"vnc_password": "other"}).after == {"vnc_password": "(another)"}
    (tree / "etc/libvirt/qemu.conf").chmod(0o640)
    assert make(tree, settings={"vnc_password": "hush"}).before == {"mode": "0640"}


def test_a_file_that_this_version_lacks_is_named(tree: pathlib.Path) -> None:
    (tree / "usr/lib").mkdir()
    os.symlink("libvirt.so.0.9000.0", tree / "usr/lib/libvirt.so.0")
    plan = make(tree, name="network", settings={"firewall_backend": "nftables"})
    assert not plan.changed
    assert "libvirt 9.0.0 has no network.conf" in str(plan.assumed[0])


def test_other_grammars(tree: pathlib.Path) -> None:
    guests = tree / "etc/default/libvirt-guests"
    guests.parent.mkdir()
    guests.write_text("# how long\n#SHUTDOWN_TIMEOUT=300\nURIS='default extra'\n")
    run(tree, name="libvirt-guests", kind="environment", settings={"SHUTDOWN_TIMEOUT": 60, "URIS": "qemu:///system x"})
    assert guests.read_text() == "# how long\n#SHUTDOWN_TIMEOUT=300\nSHUTDOWN_TIMEOUT=60\nURIS='qemu:///system x'\n"
    with pytest.raises(KvmError, match="Did you mean SHUTDOWN_TIMEOUT"):
        make(tree, name="libvirt-guests", kind="environment", settings={"SHUTDOWN_TIME": 1})
    run(tree, name="libvirt", kind="sasl", settings={"mech_list": "scram-sha-256"})
    assert (tree / "etc/sasl2/libvirt.conf").read_text() == "mech_list: scram-sha-256\n"


INSTALLED = pathlib.Path("/usr/share/augeas/lenses")
SHIPPED_TEST = re.compile(r'{ "(\w+)"(?: = "([^"]*)"|\s+((?:{ "\d+" = "[^"]*" }\s*)*))')


@pytest.mark.parametrize(
    ("name", "lens"), [("qemu", "libvirtd_qemu"), ("virtlogd", "virtlogd"), ("virtlockd", "virtlockd")]
)
def test_every_key_of_the_installed_version_is_known_and_can_be_set(
    tmp_path: pathlib.Path, name: str, lens: str
) -> None:
    """libvirt ships, for each file, a test that names all keys with values: set one by one, they read the same."""
    lenses = tmp_path / "usr/share/augeas/lenses"
    lenses.mkdir(parents=True)
    (lenses / f"{lens}.aug").write_text((INSTALLED / f"{lens}.aug").read_text())
    wanted: Params = {}
    for key, value, items in SHIPPED_TEST.findall((INSTALLED / f"tests/test_{lens}.aug").read_text()):
        wanted[key] = re.findall('= "([^"]*)"', items) if items else value
    assert len(wanted) > 4
    run(tmp_path, name=name, settings=wanted)
    made = editing.entries((tmp_path / f"etc/libvirt/{name}.conf").read_text(), "libvirt", "")
    assert {entry.key: entry.value if isinstance(entry.value, list) else str(entry.value) for entry in made} == wanted


def test_defaults_are_for_keys_that_the_file_does_not_set(tree: pathlib.Path) -> None:
    run(
        tree, settings={"max_files": 9, "unix_sock_rw_perms": "0700"}, creation_only=["max_files", "unix_sock_rw_perms"]
    )
    assert "\nmax_files = 1024" in text(tree)
    assert '\nunix_sock_rw_perms = "0700"' in text(tree)
