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

pytestmark = pytest.mark.timeout(900)  # the cycle of all roles counts as part of the first test


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[tool.Host]:
    """A machine without systemd, with libvirt installed and no daemon running."""
    with tool.hosts(tmp_path_factory.mktemp("hosts"), "hv1") as (made,):
        yield made


def daemon_pid(host: tool.Host, name: str) -> str:
    return host.read(f"/run/{name}.pid").strip()


LIMITS = ("virt-admin", "server-clients-info", "libvirtd")
GRUB = pathlib.Path("/boot/grub/grub.cfg").exists()  # then this machine's command line is not for a test to set
PAGES = "/sys/kernel/mm/ksm/pages_to_scan"

# What each role is asked for, in this order. Values of the kernel that all hosts here share stay what they are.
WANTED: dict[str, dict[str, t.Any]] = {
    "libvirt": {
        "libvirt_conf": {"qemu": {"max_files": 2048, "dump_guest_core": False}, "libvirtd": {"max_clients": 77}}
    },
    "packages": {"packages_names": ["libvirt-daemon-system", "qemu-utils"]},
    "modules": {"modules_load": ["tun"], "modules_parameters": {"metal_kvm_test": {"depth": 3}, "kvm_hv": {"x": 1}}},
    "tuning": {
        "tuning_sysctl": {"net.ipv4.conf.all.rp_filter": 2, "net.bridge.bridge-nf-call-iptables": 0},
        "tuning_ksm": {"pages_to_scan": pathlib.Path(PAGES).read_text().strip() if pathlib.Path(PAGES).exists() else 100},
        "tuning_transparent_hugepages": {"enabled": "madvise"},
    },
    "kernel": {"kernel_iommu": "pt", "kernel_hugepages": [{"size": "1G", "count": 2}]},
    "shutdown": {"shutdown_by": "service", "shutdown_timeout": 60},
    "security": {"security_harden": True},
    "passthrough": {"passthrough_devices": []},
    "verify": {},  # which is check and pending too
}  # fmt: skip
MORE = [{"kind": "reboot", "reason": "A test asks.", "source": None, "wanted": "x", "current": None}]


@pytest.fixture(scope="module")
def ran(host: tool.Host) -> dict[str, tool.Recap]:
    """All of them through the cycle together, and what each first run said."""
    names = [name for name in WANTED if name != "kernel" or not GRUB]
    cycles = host.cycle(*(tool.Play.of(name, WANTED[name]) for name in names))
    return {name: cycle[1] for name, cycle in zip(names, cycles)}


def test_libvirt_starts_and_reads_what_is_set(host: tool.Host, ran: dict[str, tool.Recap]) -> None:
    assert "\nmax_files = 2048\n" in host.read("/etc/libvirt/qemu.conf")
    assert host.run("stat", "--format=%a", "/etc/libvirt/qemu.conf").stdout == "600\n"
    assert re.search(r"nclients_max *: 77\n", host.run(*LIMITS).stdout)  # the daemon says so: it has read the file
    before = daemon_pid(host, "libvirtd"), daemon_pid(host, "virtlogd")
    host.role("libvirt", libvirt_conf_unset={"libvirtd": ["max_clients"]})
    assert re.search(r"nclients_max *: 5000\n", host.run(*LIMITS).stdout)
    assert daemon_pid(host, "libvirtd") != before[0]
    assert daemon_pid(host, "virtlogd") == before[1]


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


def test_remote_sasl_asks_for_a_password_besides(pair: tuple[tool.Host, tool.Host, pathlib.Path]) -> None:
    server, client, pki = pair
    alice = pki / "clients/alice"
    users = [{"name": "alice", "password": "correct-horse"}]
    asked = {"remote_tls_auth": "sasl", "remote_sasl_users": users}
    assert "correct-horse" not in server.roles("remote", asked).text
    assert server.run("stat", "--format=%a %U", "/etc/libvirt/passwd.db").stdout == "600 root\n"

    def login(password: str) -> tuple[int, str]:
        lines = ("[credentials-one]", "authname=alice", f"password={password}", "[auth-libvirt-hv1]", "credentials=one")
        (pki / "auth").write_text("\n".join(lines))
        return connect(client, alice, words=f"&authfile={pki}/auth")

    assert login("correct-horse")[0] == 0
    code, said = login("wrong-horse")
    assert code != 0
    assert "authentication failed" in said
    assert connect(client, alice)[0] != 0, "a certificate alone is not enough"
    changed = [{**users[0], "password": "battery", "renew": True}]
    server.role("remote", remote_sasl_users=changed)
    assert login("battery")[0] == 0
    assert login("correct-horse")[0] != 0
    server.role("remote", remote_tls_auth="none")
    assert connect(client, alice)[0] == 0


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
    (said,) = server.refused(tool.Play.of("remote", {}))
    assert "Expired: /etc/pki/libvirt/servercert.pem" in said
    assert server.role("remote", **wanted).changed
    assert connect(client, pki / "clients/alice")[0] == 0


def test_remote_places_certificates_that_come_from_elsewhere(
    pair: tuple[tool.Host, tool.Host, pathlib.Path],
) -> None:
    """The other machine gets the first one's; it is known by the name that they were made for."""
    server, client, pki = pair
    place = pki / "given"
    place.mkdir()
    for name in ("servercert.pem", "private/serverkey.pem"):
        (place / name.rpartition("/")[2]).write_text(server.read(f"/etc/pki/libvirt/{name}"))
    files = {"ca": f"{pki}/cacert.pem", "certificate": f"{place}/servercert.pem", "key": f"{place}/serverkey.pem"}
    given = tool.Play.of("remote", {"remote_pki": "given", "remote_given": files, "remote_tls": True})
    recaps = [*client.play(given, check=True), *client.play(given, given)]
    texts = "".join(recap.text for recap in recaps)
    assert [(recap.failed, bool(recap.changed)) for recap in recaps] == [(0, True), (0, True), (0, False)], texts
    assert (place / "serverkey.pem").read_text().splitlines()[1] not in texts
    assert client.run("stat", "--format=%a", "/etc/pki/libvirt/private/serverkey.pem").stdout == "600\n"
    assert connect(server, pki / "clients/alice", "admin")[0] != 0
    server.run("sh", "-c", f"echo '{client.address} more.example' >> /etc/hosts")
    code, said = connect(server, pki / "clients/alice", "more.example")
    assert code == 0, said


# The rest: what they do here, on a machine without systemd, boot loader and loadable modules


def test_packages_names_what_is_missing(ran: dict[str, tool.Recap]) -> None:
    assert not ran["packages"].changed


def test_modules_are_set_and_those_of_other_processors_left_out(host: tool.Host, ran: dict[str, tool.Recap]) -> None:
    assert "options metal_kvm_test depth=3\n" in host.read("/etc/modprobe.d/zz-metal-kvm-metal_kvm_test.conf")
    assert "kvm_hv" not in host.run("ls", "/etc/modprobe.d").stdout
    assert ran["modules"].changed


def test_tuning_sets_and_keeps(host: tool.Host, ran: dict[str, tool.Recap]) -> None:
    """In values that belong to this host's network alone; the others are those of the machine and stay as they are."""
    assert host.read("/proc/sys/net/ipv4/conf/all/rp_filter") == "2\n"
    assert "-net.ipv4.conf.all.rp_filter=2\n" in host.read("/etc/sysctl.d/zz-metal-kvm.conf")
    assert f"w- {PAGES} - - - - {host.read(PAGES).strip()}\n" in host.read("/etc/tmpfiles.d/zz-metal-kvm.conf")
    missing = not pathlib.Path("/sys/kernel/mm/transparent_hugepage").exists()
    assert ("this kernel has no /sys/kernel/mm/transparent_hugepage" in ran["tuning"].said) == missing


def test_kernel_says_what_does_not_apply(ran: dict[str, tool.Recap]) -> None:
    if GRUB:
        pytest.skip("this machine has GRUB: its kernel's command line is not for a test to set")
    assert "There is no boot loader here that this module knows" in ran["kernel"].said
    assert "hugepagesz=1G hugepages=2" in ran["kernel"].said


def test_shutdown_is_set(host: tool.Host, ran: dict[str, tool.Recap]) -> None:
    assert ran["shutdown"].changed
    assert "\nSHUTDOWN_TIMEOUT=60\n" in host.read("/etc/default/libvirt-guests")
    assert "\nON_SHUTDOWN=shutdown\n" in host.read("/etc/default/libvirt-guests")


def test_security_hardens_and_reports(host: tool.Host, ran: dict[str, tool.Recap]) -> None:
    conf = host.read("/etc/libvirt/qemu.conf")
    assert "\nmax_core = 0\n" in conf
    assert '\nvnc_listen = "127.0.0.1"\n' in conf
    confined = "\nsecurity_require_confined = 1\n" in conf
    assert confined != ("Neither AppArmor nor SELinux is active" in ran["security"].said)


def test_verify_says_what_it_sees(ran: dict[str, tool.Recap]) -> None:
    said = ran["verify"].said
    assert "KVM is usable" in said or "/dev/kvm" in said
    assert re.search(r"warn [a-z_.]+: ", said), ran["verify"].text  # no machine for tests is without a finding
    assert re.search(r'"libvirt": "\d+\.\d+\.\d+, monolithic"', said), ran["verify"].text
    assert re.search(r'"checks": "(\d+ \w+(, )?)+"', said), ran["verify"].text


def test_what_is_refused(host: tool.Host, ran: dict[str, tool.Recap]) -> None:
    """Each with the words that say why, one after the other."""
    root = 'user = "root"'
    weaken = {"ansible.builtin.lineinfile": {"path": "/etc/libvirt/qemu.conf", "line": root}}
    cases: list[tuple[tool.Play, str]] = [
        (
            tool.Play.of("libvirt", {"libvirt_conf": {"qemu": {"usr": 1}}}),
            r"usr is not a key of /etc/libvirt/qemu.conf in libvirt.*Did you mean user\?",
        ),
        (tool.Play.of("remote", {"remote_tcp": True}), "let in anyone, as root"),
        (tool.Play.of("pending", {"pending_more": MORE, "pending_policy": "fail"}), "hv1 waits: .*A test asks"),
        (
            tool.Play.of("pending", {"pending_more": MORE, "pending_policy": "reboot"}),
            "is the machine that Ansible runs on",
        ),
        (tool.Play.of("passthrough", {"passthrough_devices": ["0000:7f:1f.7"]}), "0000:7f:1f.7 is not there"),
        (tool.Play.of("check", {"check_require": ["s390_pv"]}), "hv1 won't do. secure.s390_pv: "),
        (tool.Play.of("modules", {"modules_load": ["metal_kvm_missing"]}), "metal_kvm_missing"),
        (tool.Play([weaken, *tool.Play.of("security", {}).tasks], {"security_strict": True}), "sec.qemu_root"),
    ]
    if host.run("libvirtd", "--version").stdout.split()[-1] < "9.9":
        cases.append((tool.Play.of("shutdown", {"shutdown_by": "daemon"}), "needs libvirt 11.2"))
    for said, (play, words) in zip(host.refused(*(play for play, words in cases)), cases):
        assert re.search(words, said), said


# A host is emptied and filled again


def test_drain_and_restore(host: tool.Host, ran: dict[str, tool.Recap]) -> None:
    """With guests that have nothing to boot from: they run, and don't answer to a request to shut down."""
    guest = {"memory": "32 MiB", "vcpus": 1, "type": "qemu", "state": "running"}
    make = [{"name": name, "metal.kvm.domain": {"name": name, **guest}} for name in ("sleeper", "other")]
    slow = tool.Play.of("drain", {"drain_timeout": 1, "drain_keep": ["other"]})
    refused = tool.Play.of("drain", {"drain_by": "refuse"})
    made, named, stuck = host.play(tool.Play(make), refused.rescued(), slow.rescued())
    assert [made.failed, named.failed, stuck.failed] == [0, 1, 1], made.text + named.text + stuck.text
    assert "hv1 has running guests: other, sleeper" in named.said
    assert states(host) == ["other running", "sleeper running"], stuck.text

    drained = tool.Play.of("drain", {"drain_by": "save", "drain_keep": ["other"]})
    restored = tool.Play.of("drain", {"drain_state": "restored"})
    (checked,) = host.play(drained, check=True)
    recaps = [checked, *host.play(drained, drained)]
    assert states(host) == ["other running", "sleeper shut off"]
    recaps += host.play(restored, restored)
    assert states(host) == ["other running", "sleeper running"]
    texts = "".join(recap.text for recap in recaps)
    assert [bool(recap.changed) for recap in recaps] == [True, True, False, True, False], texts
    assert sum(recap.failed for recap in recaps) == 0, texts
    host.run("virsh", "destroy", "sleeper")
    host.run("virsh", "destroy", "other")


def states(host: tool.Host) -> list[str]:
    return sorted(" ".join(line.split()[1:]) for line in host.run("virsh", "list", "--all").stdout.splitlines()[2:-1])


# The role host is packages and modules too, verify is check and pending.
BARE: dict[str, dict[str, t.Any]] = {
    "host": {"host_packages": ["metal-kvm-missing"], "host_kvm_parameters": {"metal_kvm_test": {"depth": 3}}},
    "libvirt": {"libvirt_conf": {"qemu": {"max_files": 9}}},
    "remote": {"remote_pki": "made", "remote_tls": True},
    "tuning": {"tuning_sysctl": {"vm.swappiness": 1}},
    "kernel": {"kernel_words": ["a=b"]},
    "shutdown": {"shutdown_by": "service"},
    "security": {"security_harden": True, "security_strict": False},
    "passthrough": {"passthrough_devices": []},
    "desktop": {"desktop_connections": [{"uri": "qemu:///system"}]},
    "cockpit": {"cockpit_listen": ["127.0.0.1:9090"], "cockpit_settings": {"Session": {"IdleTimeout": 15}}},
    "drain": {},
    "verify": {},
}


def test_a_check_on_a_bare_machine_neither_fails_nor_changes(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A machine without libvirt and its files: all roles in one check."""
    place = tmp_path_factory.mktemp("bare")
    with tool.hosts(place, "bare") as (bare,):
        hide = (
            "for f in libvirtd virtlogd virtlockd; do mount --bind /dev/null /usr/sbin/$f; done; umount /etc/libvirt;"
        )
        bare.run("sh", "-c", hide + "mount -t tmpfs none /usr/share/augeas; mount -t tmpfs none /etc/libvirt")
        before = bare.run("sh", "-c", "find /etc /var/lib/libvirt /run | sort").stdout
        pki = {"remote_ca_directory": str(place / "pki")}
        recaps = bare.play(*(tool.Play.of(name, {**variables, **pki}) for name, variables in BARE.items()), check=True)
        for recap in recaps:
            assert recap.failed == 0, recap.text
        said = dict(zip(BARE, recaps))
        assert len(said) == len(recaps) == len(BARE)
        assert "libvirt isn't installed" in said["host"].said  # a warning is shown once
        assert "Would install metal-kvm-missing." in said["host"].said
        assert "This machine doesn't run systemd, which starts Cockpit's web server" in said["cockpit"].said
        after = bare.run("sh", "-c", "find /etc /var/lib/libvirt /run | sort").stdout
        assert after == before
        assert not (place / "pki").exists()
