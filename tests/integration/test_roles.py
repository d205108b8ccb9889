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
        "remote_tls": True,
        "remote_tcp": False,
    }
    server.roles("remote", wanted)
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
