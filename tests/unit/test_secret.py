# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as a secret, and that nothing of it is left in what is shown."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils import _secret
from ansible_collections.metal.kvm.plugins.module_utils._xml import document

MARKER = "Qx7MarkerZ"
KEY = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{MARKER}AAAA\n{MARKER}BBBB\n-----END OPENSSH PRIVATE KEY-----\n"
TEXTS = {
    "cloud-config": f"#cloud-config\nhostname: web\npassword: {MARKER}\n",
    "cloud-config of one line": f"{{hostname: web, password: {MARKER}, ssh_pwauth: true}}",
    "block": f"password: |\n  {MARKER}\n",
    "phrase": f"passphrase: {MARKER} and more words\n",
    "chpasswd": f"chpasswd:\n  list: |\n    root:{MARKER}\n    user:{MARKER}2\n",
    "piped": f"runcmd:\n- echo 'root:{MARKER}' | chpasswd\n",
    "JSON": f'{{"users": [{{"name": "x", "plain_text_passwd": "{MARKER}"}}]}}',
    "hash": f"passwd: $6$salt${MARKER}",
    "key": f"ssh_keys:\n  rsa_private: |\n{KEY}",
    "token": f"ubuntu_pro: {{token: {MARKER}}}",
    "kickstart": f"lang en\nrootpw --plaintext {MARKER}\n",
    "user": f"user --name=a --password={MARKER} --plaintext\n",
    "autopart": f"autopart --encrypted --passphrase={MARKER}\n",
    "preseed": f"d-i passwd/root-password password {MARKER}\nd-i passwd/make-user boolean false\n",
    "crypted": f"d-i passwd/root-password-crypted password {MARKER}\n",
    "unattend": f"<UserAccounts><AdministratorPassword><Value>{MARKER}</Value><PlainText>true</PlainText>",
    "joined": f"<Credentials><Domain>d</Domain><Password>{MARKER}</Password></Credentials>",
    "product": f"<ProductKey><Key>{MARKER}</Key></ProductKey>",
    "VNC": f"<graphics type='vnc' passwd='{MARKER}'/>",
    "CHAP": f"iscsi --user=a --password={MARKER}\nnode.session.auth.password = {MARKER}",
    "login": f"https://user:{MARKER}@host/image",
    "object": f"secret,id=sec0,data={MARKER},format=raw",
    "credential": f"io.systemd.credential:passwd.plaintext-password.root={MARKER}",
    "header": f"Authorization: Bearer {MARKER}",
    "curl": f"curl -u admin:{MARKER} https://host",
    "command line": f"console=ttyS0 inst.vnc inst.vncpassword={MARKER} quiet",
    "wireguard": f"[Interface]\nPrivateKey = {MARKER}\n[Peer]\nPresharedKey = {MARKER}\n",
    "wifi": f"access-points: {{net: {{password: {MARKER}}}}}",
}


@pytest.mark.parametrize("case", TEXTS)
def test_secrets_in_texts_are_found(case: str) -> None:
    text = f"the error quotes {TEXTS[case]}"
    found = _secret.gather({"description": TEXTS[case]})
    assert MARKER not in _secret.mask(text, _secret.spellings(found))


PARAMS: list[dict[str, t.Any]] = [
    {"cloud_init": {"user_data": {"chpasswd": {"users": [{"name": "root", "password": MARKER}]}}}},
    {"cloud_init": {"user_data": {"chpasswd": {"list": [f"root:{MARKER}"]}}}},
    {"cloud_init": {"meta_data": {"secret": {"deep": [MARKER]}}}},
    {"cloud_init": {"network_config": {"wifis": {"w": {"access-points": {"x": {"auth": {"password": MARKER}}}}}}}},
    {"cloudinit": {"user_data": {"passwd": MARKER}}},
    {"graphics": [{"type": "vnc", "pasword": "x", "passwd": MARKER}]},
    {"qemu": {"env": {"ANY": MARKER}}},
    {"disks": [{"network": {"cookies": {"session": MARKER}}}]},
    {"xml_patch": [{"path": "devices/graphics/@passwd", "set": MARKER}]},
    {"xml_patch": [{"path": "devices/graphics", "set": f"<graphics passwd='{MARKER}'/>"}]},
    {"sysinfo": {"fwcfg": [{"name": "opt/io.systemd.credentials/passwd.root", "value": MARKER}]}},
    {"settings": {"vnc_password": MARKER}},
]


@pytest.mark.parametrize("params", PARAMS, ids=str)
def test_secrets_in_options_are_found(params: dict[str, t.Any]) -> None:
    secrets = _secret.spellings(_secret.gather(params))
    assert MARKER not in str(_secret.mask(params, secrets))


@pytest.mark.parametrize(
    "params",
    [
        {"name": "web", "description": "A plain text: of words", "osinfo": "http://debian.org/debian/12"},
        {"source": {"auth": {"username": "u", "secret_usage": "ceph-pool", "secret_type": "ceph"}}},
        {"tpm": [{"encryption_secret": "8f0f7a52-7e5b-4d0c-9d2c-0d4a6c3b1f10"}]},
        {"interfaces": [{"model": "virtio", "passthrough": "keyless"}], "keywrap": {"aes": True}},
        {"settings": {"default_tls_x509_secret_uuid": "8f0f7a52-7e5b-4d0c-9d2c-0d4a6c3b1f10"}},
        {"cloud_init": {"user_data": {"ssh_pwauth": True, "users": [{"name": "admin", "lock_passwd": False}]}}},
    ],
    ids=str,
)
def test_what_is_no_secret_stays_readable(params: dict[str, t.Any]) -> None:
    assert not _secret.gather(params)


@pytest.mark.parametrize("secret", ['a"b\\c', "ö ä & <x>", "p@ss w%rd", f"{MARKER}\n{MARKER}2", "ünïcode"])
def test_a_secret_is_masked_in_every_spelling(secret: str) -> None:
    import base64
    import json
    import urllib.parse
    from xml.sax.saxutils import escape

    spelt = [secret, json.dumps(secret), repr(secret), escape(secret), urllib.parse.quote(secret, ""),
             base64.b64encode(secret.encode()).decode()]  # fmt: skip
    for text in spelt:
        shown = _secret.mask(f"before {text} after", _secret.spellings([secret]))
        assert shown.startswith("before ")
        assert shown.endswith(" after")
        assert text.strip("'\"") not in shown


def test_the_longest_secret_goes_first() -> None:
    assert _secret.mask("abcdefgh", _secret.spellings(["abcd", "abcdefgh"])) == _secret.ALONE
    assert _secret.mask("x abcdefgh", _secret.spellings({"abcd", "abcdefgh"})) == f"x {_secret.MASK}"


SPEC: dict[str, t.Any] = {
    "name": {"type": "str"},
    "xml": {"type": "str"},
    "value": {"type": "str", "no_log": True},
    "labels": {"type": "dict"},
    "graphics": {"type": "list", "elements": "dict", "options": {"type": {"type": "str"}, "password": {"type": "str", "no_log": True}}},
    "cpu": {"type": "dict", "options": {"mode": {"type": "str"}}},
}  # fmt: skip


@pytest.mark.parametrize(
    "params",
    [
        {"xml": MARKER},
        {"value": MARKER},
        {"unknown": MARKER},
        {"labels": {"token": MARKER}},
        {"labels": MARKER},
        {"graphics": [{"password": MARKER}]},
        {"graphics": [{"unknown": MARKER}]},
        {"graphics": [MARKER]},
        {"graphics": MARKER},
        {"cpu": MARKER},
        {"cpu": {"mode": {"x": MARKER}}},
    ],
    ids=str,
)
def test_the_invocation_shows_only_what_is_known_to_be_harmless(params: dict[str, t.Any]) -> None:
    shown = _secret.shown({"name": "web", **params, "_ansible_no_log": False}, SPEC)
    assert MARKER not in str(shown)
    assert shown["name"] == "web"
    assert "_ansible_no_log" not in shown


def test_documents_are_shown_without_their_secrets() -> None:
    text = (
        "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0' type='qemu'><name>a</name><devices>"
        f"<graphics type='vnc' port='5900' passwd='{MARKER}' passwdValidTo='2030-01-01T00:00:00'/>"
        f"<disk><source><cookies><cookie name='c'>{MARKER}</cookie></cookies></source>"
        "<auth username='u'><secret type='ceph' uuid='8f0f7a52-7e5b-4d0c-9d2c-0d4a6c3b1f10'/></auth></disk></devices>"
        f"<qemu:commandline><qemu:arg value='secret,id=a,data={MARKER}'/><qemu:env name='A' value='on'/></qemu:commandline></domain>"
    )
    shown = _secret.masked(document.parse(text))
    assert MARKER not in shown
    for kept in ("5900", "2030-01-01", "8f0f7a52", "secret,id=a,data=", 'name="A"', 'name="c"'):
        assert kept in shown.replace("'", '"')
    assert 'value="on"' not in shown.replace("'", '"')
