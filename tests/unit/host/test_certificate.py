# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""certificate: keys, authorities and signatures by the real openssl."""

from __future__ import annotations

import subprocess
import time
import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._host.certificate import openssl
from ansible_collections.metal.kvm.plugins.module_utils._host.certificate import plan as certificate
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError, Plan
from ansible_collections.metal.kvm.plugins.module_utils._run import run_steps

if t.TYPE_CHECKING:
    import pathlib

Params = dict[str, t.Any]


def run(**params: t.Any) -> Plan:
    """Carry out, and see that nothing is left to do."""
    plan = certificate.plan(params)
    run_steps(plan, certificate.operations(), None)
    assert not certificate.plan(params).changed
    return plan


@pytest.fixture
def authority(tmp_path: pathlib.Path) -> Params:
    """An authority, as the options of who is signed by it."""
    made = {"path": str(tmp_path / "ca.pem"), "key": str(tmp_path / "private/ca.key")}
    run(**made, common_name="Test CA", authority=True, days=3650)
    return {"issuer": made["path"], "issuer_key": made["key"]}


@pytest.fixture
def host(tmp_path: pathlib.Path) -> Params:
    return {
        "path": str(tmp_path / "host.pem"),
        "key": str(tmp_path / "private/host.key"),
        "common_name": "hv1",
        "names": ["hv1", "192.0.2.1", "2001:DB8::1"],
        "usages": ["server", "client"],
    }


def test_keys_are_closed(authority: Params, tmp_path: pathlib.Path) -> None:
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o700
    key = tmp_path / "private/ca.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "ca.pem").stat().st_mode & 0o777 == 0o644
    key.chmod(0o644)
    again = {"path": authority["issuer"], "key": authority["issuer_key"], "common_name": "Test CA", "authority": True}
    plan = run(**again)
    assert plan.actions == [f"close {key}"]
    assert key.stat().st_mode & 0o777 == 0o600


def test_signed_here(authority: Params, host: Params) -> None:
    run(**host, **authority)
    shown = certificate.describe({**host, **authority})
    assert (shown["due"], shown["names"], shown["usages"]) == (
        None,
        ["192.0.2.1", "2001:db8::1", "hv1"],
        ["server", "client"],
    )
    verified = ["openssl", "verify", "-CAfile", authority["issuer"], "-purpose", "sslserver"]
    for purpose in (["-verify_hostname", "hv1"], ["-verify_ip", "192.0.2.1"], ["-verify_ip", "2001:db8::1"]):
        subprocess.run([*verified, *purpose, host["path"]], check=True, capture_output=True)
    wrong = subprocess.run([*verified, "-verify_hostname", "hv2", host["path"]], check=False, capture_output=True)
    assert wrong.returncode


def test_signed_elsewhere(authority: Params, host: Params, tmp_path: pathlib.Path) -> None:
    trust = {"issuer": authority["issuer"]}
    assert certificate.plan({**host, **trust}).actions == [f"make {host['key']}"]
    run_steps(certificate.plan({**host, **trust}), certificate.operations(), None)
    shown = certificate.describe({**host, **trust})
    assert shown["due"] == "there is none"
    issued = {**host, "path": str(tmp_path / "issued/hv1.pem"), "request": shown["request"], **authority}
    del issued["key"]
    run(**issued)
    text = (tmp_path / "issued/hv1.pem").read_text()
    run(path=str(tmp_path / "etc/pki/host.pem"), content=text)
    with pytest.raises(KvmError, match="is not for the key in"):
        certificate.plan({"path": host["path"], "key": authority["issuer_key"], "content": text})
    with pytest.raises(KvmError, match="content: it is not a certificate"):
        certificate.plan({"path": host["path"], "content": "nonsense"})
    run(path=host["path"], key=host["key"], content=text)
    assert certificate.describe({**host, **trust})["due"] is None
    with pytest.raises(KvmError, match="it is for 'hv1', not for 'root'"):
        certificate.plan({**issued, "common_name": "root"})
    with pytest.raises(KvmError, match="not a request"):
        certificate.plan({**issued, "request": "nonsense"})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"names": ["hv1", "hv9"]}, "it is for 192.0.2.1, 2001:db8::1, hv1"),
        ({"common_name": "other"}, "it is for hv1"),
        ({"usages": ["client"]}, "it is for other uses"),
        ({"renew_before": 364, "days": 700}, "it expires in"),
    ],
)
def test_made_anew_when_it_no_longer_fits(authority: Params, host: Params, change: Params, why: str) -> None:
    run(**host, **authority, days=300)
    plan = run(**{**host, **authority, "days": 300, **change})
    assert len(plan.actions) == 1
    assert why in plan.actions[0]


def test_made_anew_for_another_authority_or_key(authority: Params, host: Params, tmp_path: pathlib.Path) -> None:
    run(**host, **authority)
    other = {"path": str(tmp_path / "ca2.pem"), "key": str(tmp_path / "ca2.key")}
    run(**other, common_name="Test CA", authority=True)  # the same name, another key
    plan = run(**host, issuer=other["path"], issuer_key=other["key"])
    assert "isn't signed by" in plan.actions[0]
    (tmp_path / "private/host.key").unlink()
    plan = run(**host, issuer=other["path"], issuer_key=other["key"], key_type="rsa")
    assert plan.actions == [f"make {host['key']}", f"make {host['path']} (it is for another key)"]
    (tmp_path / "host.pem").write_text("broken")
    assert "is not a certificate" in run(**host, issuer=other["path"], issuer_key=other["key"]).actions[0]


def test_expired_is_made_anew(authority: Params, host: Params) -> None:
    run(**host, **authority)
    section = openssl.extensions(False, host["names"], host["usages"])
    issuer = (authority["issuer"], authority["issuer_key"])
    openssl.sign(None, host["path"], "hv1", issuer, 0, section, key=host["key"])
    time.sleep(1.1)  # it was valid for less than a second
    assert run(**host, **authority).actions == [f"make {host['path']} (it has expired)"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"common_name": "x\nbasicConstraints=CA:TRUE"}, "common_name"),
        ({"names": ["a,IP:1.2.3.4"]}, "neither a host's name nor an address"),
        ({"names": ["999.1.1.1"]}, "is not an address"),
        ({"days": 10, "renew_before": 10}, "each run would make a new one"),
        ({"key_group": "no-such-group"}, "there is no group"),
        ({"issuer_key": "/nonexistent"}, "issuer_key: /nonexistent is not there"),
    ],
)
def test_what_cannot_be_meant_is_refused(authority: Params, host: Params, change: Params, words: str) -> None:
    with pytest.raises(KvmError, match=words):
        certificate.plan({**host, **authority, **change})


def test_a_key_for_a_group(authority: Params, host: Params, tmp_path: pathlib.Path) -> None:
    run(**host, **authority, key_group="kvm")
    key = tmp_path / "private/host.key"
    assert (key.group(), key.stat().st_mode & 0o777) == ("kvm", 0o640)
