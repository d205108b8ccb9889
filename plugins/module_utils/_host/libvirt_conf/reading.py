# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's configuration files as its daemons read them, and the certificates they use. No secret is returned."""

from __future__ import annotations

import re
import typing as t

from ..._secret import secret_name
from ..root import Root
from . import needs
from .known import lens

DIRECTORY = "etc/libvirt"
FILES = ("libvirtd", "virtqemud", "virtproxyd", "qemu", "network", "virtlogd")
CERTIFICATES = (
    ("ca", "etc/pki/CA/cacert.pem"),
    ("server", "etc/pki/libvirt/servercert.pem"),
    ("client", "etc/pki/libvirt/clientcert.pem"),
    ("qemu-ca", "etc/pki/qemu/ca-cert.pem"),
    ("qemu-server", "etc/pki/qemu/server-cert.pem"),
    ("vnc-server", "etc/pki/libvirt-vnc/server-cert.pem"),
    ("spice-server", "etc/pki/libvirt-spice/server-cert.pem"),
)
KEYS = ("etc/pki/libvirt/private/serverkey.pem", "etc/pki/libvirt/private/clientkey.pem", "etc/pki/qemu/server-key.pem")


def report(root: Root) -> dict[str, dict[str, t.Any]]:
    """Each file that is there.

    Its ``mode``, its ``values`` (secrets as True), ``unknown`` keys of this version, and what is ``unmet``: by key, what a
    value needs on this host and doesn't find.
    """
    found = {}
    for name in FILES:
        path = f"{DIRECTORY}/{name}.conf"
        text = root.text(path)
        if text is None:
            continue
        values = parse(text)
        known = known_keys(root, name)
        mode = root.mode(path)
        found[name] = {
            "mode": None if mode is None else f"{mode:04o}",
            "values": {
                key: True if value and (secret_name(key) or "secret" in key) else value for key, value in values.items()
            },
            "unknown": sorted(set(values) - known) if known else [],
            "unmet": {key: f"{what}. {remedy}" for key, what, remedy in needs.unmet(root, values)},
        }
    return found


def parse(text: str) -> dict[str, t.Any]:
    """``key = value`` lines: numbers, quoted texts, lists of texts over several lines."""
    values: dict[str, t.Any] = {}
    pattern = re.compile(r"^\s*(\w+)\s*=\s*(\[.*?\]|\"[^\"]*\"|'[^']*'|-?\d+)", re.MULTILINE | re.DOTALL)
    bare = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for key, value in pattern.findall(bare):
        if value.startswith("["):
            values[key] = [a or b for a, b in re.findall(r"\"([^\"]*)\"|'([^']*)'", value)]
        else:
            values[key] = value[1:-1] if value[0] in "\"'" else int(value)
    return values


def known_keys(root: Root, name: str) -> set[str]:
    """Keys that the installed libvirt knows, whatever its grammar says of them; none where that isn't there."""
    return set(re.findall(r'"([a-z0-9_]+)"', lens(root, name) or ""))


def certificates(root: Root) -> list[dict[str, t.Any]]:
    """Certificates in the usual places: ``subject``, ``issuer``, ``san``, ``not_after`` (in seconds; None if
    unreadable); the first of ``count`` in the file."""
    return [{"use": use, "path": f"/{path}", **_decoded(root, path)} for use, path in CERTIFICATES if root.exists(path)]


def open_keys(root: Root) -> list[str]:
    """Private keys that others than their owner and group can read."""
    return [f"/{path}" for path in KEYS if (root.mode(path) or 0) & 0o007]


def _decoded(root: Root, path: str) -> dict[str, t.Any]:
    import ssl

    empty: dict[str, t.Any] = {"subject": None, "issuer": None, "san": [], "not_after": None, "count": 0}
    decode = getattr(getattr(ssl, "_ssl", None), "_test_decode_cert", None)
    if decode is None:
        return empty
    try:
        found = decode(root.at(path))
        return {
            "subject": _name(found.get("subject", ())),
            "issuer": _name(found.get("issuer", ())),
            "san": [value for kind, value in found.get("subjectAltName", ())],
            "not_after": int(ssl.cert_time_to_seconds(found["notAfter"])),
            "count": (root.text(path) or "").count("BEGIN CERTIFICATE"),
        }
    except (OSError, ValueError, KeyError):
        root.note(f"/{path} could not be read as a certificate.")
        return empty


def _name(parts: t.Iterable[t.Iterable[tuple[str, str]]]) -> str:
    return ",".join("=".join(pair) for part in parts for pair in part)
