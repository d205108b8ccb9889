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


# Remote access


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[tuple[tool.Host, tool.Host, pathlib.Path]]:
    """Two machines on one network: one that listens, one that connects; and where the authority is."""
    place = tmp_path_factory.mktemp("pair")
    with tool.hosts(place, "hv1", "admin") as (server, client):
        server.run("virtlogd", "-d")
        server.run("libvirtd", "-d")
        yield server, client, place / "pki"


def connect(client: tool.Host, pki: t.Optional[pathlib.Path], to: str = "hv1", words: str = "") -> tuple[int, str]:
    """What virsh says on the other machine."""
    path = f"&pkipath={pki}" if pki else ""
    uri = f"qemu+tls://{to}/system?no_tty=1{words}{path}"
    done = client.run("virsh", "--connect", uri, "uri", ok=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_remote_tls_lets_in_who_has_a_certificate_and_nobody_else(
    pair: tuple[tool.Host, tool.Host, pathlib.Path],
) -> None:
    server, client, pki = pair
    wanted: dict[str, t.Any] = {
        "remote_pki": "made",
        "remote_ca_directory": str(pki),
        "remote_names": ["hv1", server.address],
        "remote_clients": ["alice", "mallory"],
        "remote_qemu_pki": True,
        "remote_tls": True,
        "remote_tcp": False,
    }
    server.roles("remote", wanted)
    key = server.run("stat", "--format=%a %U", "/etc/pki/qemu/server-key.pem", "/etc/pki/libvirt/private/serverkey.pem")
    assert key.stdout == "640 root\n600 root\n"
    server.run("setpriv", "--reuid=libvirt-qemu", "--init-groups", "cat", "/etc/pki/qemu/server-key.pem")
    alice = pki / "clients/alice"
    assert connect(client, alice)[0] == 0
    assert connect(client, alice, server.address)[0] == 0

    # Who has no certificate of this authority is turned away by the server, not by its own client
    nothing, stranger = pki / "nothing", pki / "stranger"
    nothing.mkdir()
    (nothing / "cacert.pem").write_text((alice / "cacert.pem").read_text())
    assert connect(client, nothing)[0] != 0
    server.play(tool.Play([foreign_client(stranger)]))
    (stranger / "cacert.pem").write_text((alice / "cacert.pem").read_text())
    said = connect(client, stranger)
    assert said[0] != 0
    assert "certificate" in said[1], said

    # and a client doesn't talk to a server of another authority, or by a name that the server hasn't got
    (stranger / "cacert.pem").write_text((stranger / "ca.pem").read_text())
    assert connect(client, stranger)[0] != 0
    client.run("sh", "-c", f"echo '{server.address} other' >> /etc/hosts")
    assert connect(client, alice, "other")[0] != 0

    # Only those who are named: the other is known to the authority, but not let in
    assert connect(client, pki / "clients/mallory")[0] == 0
    server.role("remote", **wanted, remote_tls_allowed_dn=["CN=alice"])
    assert connect(client, alice)[0] == 0
    assert connect(client, pki / "clients/mallory")[0] != 0


def foreign_client(place: pathlib.Path) -> dict[str, t.Any]:
    """A task: a client with a certificate of an authority of its own."""
    place.mkdir()
    pems = {"path": f"{place}/ca.pem", "key": f"{place}/ca.key"}
    script = (
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=metal.kvm -keyout {pems['key']}"
        f" -out {pems['path']}"
        f" && openssl req -newkey rsa:2048 -nodes -subj /CN=alice -keyout {place}/clientkey.pem -out {place}/csr"
        f" && openssl x509 -req -in {place}/csr -CA {pems['path']} -CAkey {pems['key']} -set_serial 1 -days 9"
        f" -out {place}/clientcert.pem"
    )
    return {"name": "Make a stranger", "ansible.builtin.shell": script}


def test_remote_renews_what_expires_and_refuses_what_has(pair: tuple[tool.Host, tool.Host, pathlib.Path]) -> None:
    server, client, pki = pair
    before = server.read("/etc/pki/libvirt/servercert.pem")
    key = server.read("/etc/pki/libvirt/private/serverkey.pem")
    wanted = {"remote_pki": "made", "remote_ca_directory": str(pki), "remote_names": ["hv1", "more.example"]}
    server.role("remote", **wanted)
    assert server.read("/etc/pki/libvirt/servercert.pem") != before
    assert server.read("/etc/pki/libvirt/private/serverkey.pem") == key
    assert connect(client, pki / "clients/alice")[0] == 0  # the daemon has read the new one

    server.run("sh", "-c", f"cd {pki} && openssl x509 -x509toreq -in /etc/pki/libvirt/servercert.pem "
               "-signkey /etc/pki/libvirt/private/serverkey.pem | openssl x509 -req -CA cacert.pem "
               "-CAkey private/cakey.pem -set_serial 9 -days -1 -out /etc/pki/libvirt/servercert.pem")  # fmt: skip
    assert "Expired: /etc/pki/libvirt/servercert.pem" in server.refused("remote")
    assert server.role("remote", **wanted).changed
    assert connect(client, pki / "clients/alice")[0] == 0


def test_remote_refuses_plain_tcp(host: tool.Host) -> None:
    assert "let in anyone, as root" in host.refused("remote", remote_tcp=True)


# The rest: what they do here, on a machine without systemd, boot loader and loadable modules


def test_tuning_sets_and_keeps(host: tool.Host) -> None:
    """In values that belong to this host's network alone; the others are those of the machine and stay as they are."""
    pages = host.read("/sys/kernel/mm/ksm/pages_to_scan").strip()
    wanted = {
        "tuning_sysctl": {"net.ipv4.conf.all.rp_filter": 2, "net.bridge.bridge-nf-call-iptables": 0},
        "tuning_ksm": {"pages_to_scan": pages},
        "tuning_transparent_hugepages": {"enabled": "madvise"},
    }
    (ran,) = host.roles("tuning", wanted)
    assert host.read("/proc/sys/net/ipv4/conf/all/rp_filter") == "2\n"
    assert "-net.ipv4.conf.all.rp_filter=2\n" in host.read("/etc/sysctl.d/zz-metal-kvm.conf")
    assert f"w- /sys/kernel/mm/ksm/pages_to_scan - - - - {pages}\n" in host.read("/etc/tmpfiles.d/zz-metal-kvm.conf")
    missing = not pathlib.Path("/sys/kernel/mm/transparent_hugepage").exists()
    assert ("this kernel has no /sys/kernel/mm/transparent_hugepage" in ran.said) == missing


def test_kernel_says_what_does_not_apply(host: tool.Host) -> None:
    if pathlib.Path("/boot/grub/grub.cfg").exists():
        pytest.skip("this machine has GRUB: its kernel's command line is not for a test to set")
    (ran,) = host.roles("kernel", {"kernel_iommu": "pt", "kernel_hugepages": [{"size": "1G", "count": 2}]})
    assert "There is no boot loader here that this module knows" in ran.said
    assert "hugepagesz=1G hugepages=2" in ran.said


def test_shutdown_is_one_or_the_other(host: tool.Host) -> None:
    host.roles("shutdown", {"shutdown_by": "service", "shutdown_timeout": 60})
    assert "\nSHUTDOWN_TIMEOUT=60\n" in host.read("/etc/default/libvirt-guests")
    assert "\nON_SHUTDOWN=shutdown\n" in host.read("/etc/default/libvirt-guests")
    if host.run("libvirtd", "--version").stdout.split()[-1] < "9.9":
        assert "needs libvirt 11.2" in host.refused("shutdown", shutdown_by="daemon")


def test_security_hardens_and_reports(host: tool.Host) -> None:
    (ran,) = host.roles("security", {"security_harden": True})
    conf = host.read("/etc/libvirt/qemu.conf")
    assert "\nmax_core = 0\n" in conf
    assert '\nvnc_listen = "127.0.0.1"\n' in conf
    confined = "\nsecurity_require_confined = 1\n" in conf
    assert confined != ("Neither AppArmor nor SELinux is active" in ran.said)
    host.run("sh", "-c", "sed -i 's/^max_core.*/&\\nuser = \"root\"/' /etc/libvirt/qemu.conf")
    assert "sec.qemu_root" in host.refused("security", security_strict=True)


def test_pending_reports_fails_and_never_reboots_the_controller(host: tool.Host) -> None:
    more = [{"kind": "reboot", "reason": "A test asks for it.", "source": None, "wanted": "x", "current": None}]
    (ran,) = host.roles("pending", {"pending_more": more})
    assert "A test asks for it." in ran.said
    assert "hv1 waits: " in host.refused("pending", pending_more=more, pending_policy="fail")
    assert "is the machine that Ansible runs on" in host.refused("pending", pending_more=more, pending_policy="reboot")


def test_passthrough_says_what_does_not_apply(host: tool.Host) -> None:
    host.roles("passthrough", {"passthrough_devices": []})
    assert "0000:7f:1f.7 is not there" in host.refused("passthrough", passthrough_devices=["0000:7f:1f.7"])


ROLES = {
    "libvirt": {"libvirt_conf": {"qemu": {"max_files": 9}}},
    "remote": {"remote_pki": "made", "remote_tls": True},
    "tuning": {"tuning_sysctl": {"vm.swappiness": 1}},
    "kernel": {"kernel_words": ["a=b"]},
    "shutdown": {"shutdown_by": "service"},
    "security": {"security_harden": True, "security_strict": False},
    "passthrough": {"passthrough_devices": []},
    "desktop": {"desktop_connections": [{"uri": "qemu:///system"}]},
    "cockpit": {"cockpit_listen": ["127.0.0.1:9090"], "cockpit_settings": {"Session": {"IdleTimeout": 15}}},
    "pending": {},
}


def test_a_check_on_a_bare_machine_neither_fails_nor_changes(
    host: tool.Host, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A machine without libvirt and its files: all roles in one check."""
    place = tmp_path_factory.mktemp("bare")
    with tool.hosts(place, "bare") as (bare,):
        hide = (
            "for f in libvirtd virtlogd virtlockd; do mount --bind /dev/null /usr/sbin/$f; done; umount /etc/libvirt;"
        )
        bare.run("sh", "-c", hide + "mount -t tmpfs none /usr/share/augeas; mount -t tmpfs none /etc/libvirt")
        before = bare.run("sh", "-c", "find /etc /var/lib/libvirt /run | sort").stdout
        plays = [
            tool.Play(
                [{"name": name, "ansible.builtin.include_role": {"name": f"metal.kvm.{name}"}}],
                {**variables, "remote_ca_directory": str(place / "pki")},
            )
            for name, variables in ROLES.items()
        ]
        recaps = bare.play(*plays, check=True)
        for recap in recaps:
            assert recap.failed == 0, recap.text
        assert len(recaps) == len(plays)
        assert "libvirt isn't installed" in recaps[0].said
        assert "This machine doesn't run systemd, which starts Cockpit's web server" in recaps[-2].said
        after = bare.run("sh", "-c", "find /etc /var/lib/libvirt /run | sort").stdout
        assert after == before
        assert not (place / "pki").exists()
