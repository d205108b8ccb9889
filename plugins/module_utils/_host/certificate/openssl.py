# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys, requests and certificates through the program openssl (1.1.1 or newer), which every distribution has.

Private keys go from the program's output into a file of their own mode, never through another one.
"""

from __future__ import annotations

import calendar
import contextlib
import os
import re
import secrets
import tempfile
import time
import typing as t

from ... import _command
from ..._plan import KvmError
from .. import files

KEYS = {
    "ec": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"],
}
USAGES = {
    "server": ("serverAuth", "TLS Web Server Authentication"),
    "client": ("clientAuth", "TLS Web Client Authentication"),
}
PUBLIC = re.compile("-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)
TIMEOUT = 60


def run(words: t.Sequence[str], given: str = "", failing: str = "") -> str:
    """What openssl writes; its complaint is an error that begins with ``failing``."""
    try:
        done = _command.run(["openssl", *words], given.encode(), TIMEOUT, _command.SYSTEM)
    except FileNotFoundError as error:
        raise KvmError("openssl isn't installed", "Install the package openssl.") from error
    except TimeoutError as error:
        raise KvmError(f"openssl {words[0]}: {error.strerror}") from error
    if done.status:
        raise KvmError(f"{failing or f'openssl {words[0]} failed'}: {done.last_words}")
    return done.text


def public_key(path: str) -> str:
    """The public half of a private key."""
    return _public(run(["pkey", "-in", path, "-pubout"], failing=f"{path} is not a private key"))


def request_key(request: str) -> tuple[str, str]:
    """The public key and the common name of a request."""
    words = ["req", "-noout", "-pubkey", "-subject", "-nameopt", "RFC2253", "-verify"]
    text = run(words, request, "request: not a request for a certificate, or its signature is wrong")
    return _public(text), _common_name(text)


def _public(text: str) -> str:
    found = PUBLIC.search(text)
    return found[0] if found else ""


def _common_name(text: str) -> str:
    found = re.search(r"^subject=.*?\bCN ?= ?([^,\n]*)", text, re.MULTILINE)
    return found[1] if found else ""


def read(path: str, given: str = "", what: str = "") -> dict[str, t.Any]:
    """A certificate: ``common_name``, ``names``, ``usages``, ``ca``, ``not_after`` (since 1970), ``public_key``."""
    words = ["x509", "-in", path, "-noout", "-subject", "-nameopt", "RFC2253", "-enddate", "-pubkey", "-text"]
    text = run(words, given, f"{what or path} is not a certificate")
    end = re.search(r"^notAfter=(.*?) GMT$", text, re.MULTILINE)
    names = re.search(r"X509v3 Subject Alternative Name:[^\n]*\n\s*([^\n]*)", text)
    return {
        "common_name": _common_name(text),
        "names": sorted(re.findall(r"(?:DNS|IP Address):([^,\s]+)", names[1])) if names else [],
        "usages": [usage for usage, (dummy, said) in USAGES.items() if said in text],
        "ca": "CA:TRUE" in text,
        "not_after": calendar.timegm(time.strptime(end[1], "%b %d %H:%M:%S %Y")) if end else None,
        "public_key": _public(text),
    }


def signed_by(path: str, issuer: str) -> bool:
    """Whether the certificate's signature is the issuer's, whatever the time."""
    try:
        run(["verify", "-no_check_time", "-CAfile", issuer, path])
    except KvmError:
        return False
    return True


def extensions(ca: bool, names: t.Sequence[str], usages: t.Sequence[str]) -> str:
    """The section of openssl's configuration that says what the certificate is for."""
    if ca:
        words = ["[ext]", "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"]
        return "\n".join([*words, "subjectKeyIdentifier=hash", ""])
    words = ["[ext]", "basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature,keyEncipherment"]
    words += ["subjectKeyIdentifier=hash", "authorityKeyIdentifier=keyid"]
    words += [f"extendedKeyUsage={','.join(USAGES[usage][0] for usage in usages)}"] if usages else []
    alternatives = [f"{'IP' if is_address(name) else 'DNS'}:{name}" for name in names]
    words += [f"subjectAltName={','.join(alternatives)}"] if alternatives else []
    return "\n".join(words) + "\n"


def is_address(name: str) -> bool:
    """Whether a name is an IP address."""
    return ":" in name or re.fullmatch(r"\d+(\.\d+){3}", name) is not None


# Operations


def make_key(subject: t.Any, path: str, kind: str, mode: int, group: t.Optional[int]) -> None:
    """Make a private key, its file closed from the start."""
    _directory(path, private=True)
    files.write(None, path, run(["genpkey", *KEYS[kind]]), 0o600)
    settle(None, path, mode, group)


def settle(subject: t.Any, path: str, mode: int, group: t.Optional[int]) -> None:
    """Give a key's file its group and mode, in this order."""
    if group is not None:
        os.chown(path, -1, group)
    os.chmod(path, mode)


def request(key: str, common_name: str) -> str:
    """A request for a certificate, signed with the key."""
    with _temporary(_subject(common_name)) as conf:
        return run(["req", "-new", "-key", key, "-config", conf])


def self_sign(subject: t.Any, path: str, key: str, common_name: str, days: int) -> None:
    """Make the certificate of an authority of one's own."""
    with _temporary(_subject(common_name) + extensions(True, [], [])) as conf:
        words = ["req", "-x509", "-new", "-key", key, "-days", str(days), "-config", conf, "-extensions", "ext"]
        text = run([*words, "-set_serial", _serial()])
    _directory(path)
    files.write(None, path, text, 0o644)


def sign(
    subject: t.Any,
    path: str,
    common_name: str,
    issuer: tuple[str, str],
    days: int,
    section: str,
    key: t.Optional[str] = None,
    asked: t.Optional[str] = None,
) -> None:
    """Make a certificate, for a request or for a key that is here, with the issuer's certificate and key."""
    wanted = asked if asked is not None else request(t.cast(str, key), common_name)
    with _temporary(section) as conf:
        words = ["x509", "-req", "-CA", issuer[0], "-CAkey", issuer[1], "-set_serial", _serial(), "-sha256"]
        text = run([*words, "-days", str(days), "-extfile", conf, "-extensions", "ext"], wanted)
    _directory(path)
    files.write(None, path, text, 0o644)


def _subject(common_name: str) -> str:
    return f"[req]\ndistinguished_name=dn\nprompt=no\nstring_mask=utf8only\n[dn]\nCN={common_name}\n"


def _serial() -> str:
    return f"0x{secrets.randbits(126) + 1:x}"


def _directory(path: str, private: bool = False) -> None:
    """Make the directory of a file; one for keys alone is closed, others are for everyone to read."""
    directory = os.path.dirname(path)
    if os.path.isdir(directory):
        return
    os.makedirs(os.path.dirname(directory), 0o755, exist_ok=True)
    os.mkdir(directory)
    os.chmod(directory, 0o700 if private and os.path.basename(directory) == "private" else 0o755)


@contextlib.contextmanager
def _temporary(text: str) -> t.Iterator[str]:
    """The path of a file with the text, which is gone afterwards."""
    with tempfile.NamedTemporaryFile("w", prefix="metal-kvm-", suffix=".cnf") as file:
        file.write(text)
        file.flush()
        yield file.name
