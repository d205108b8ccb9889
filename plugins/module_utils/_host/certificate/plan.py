# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate as wanted: whether one is due, why, and who makes it: its own authority, an issuer that is here, or
an issuer elsewhere, for whom there's a request.
"""

from __future__ import annotations

import os
import re
import time
import typing as t

from ..._plan import KvmError, Operations, Plan
from .. import files
from . import openssl

DAY = 86400
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@:/-]*")
HOST = re.compile(r"[A-Za-z0-9*:][A-Za-z0-9.:_-]*")
Params = t.Mapping[str, t.Any]


def argument_spec() -> dict[str, t.Any]:
    """The options of ``certificate``."""
    return {
        "path": {"type": "path", "required": True},
        "key": {"type": "path", "no_log": False},
        "common_name": {"type": "str"},
        "names": {"type": "list", "elements": "str", "default": []},
        "usages": {"type": "list", "elements": "str", "choices": ["server", "client"], "default": ["server", "client"]},
        "authority": {"type": "bool", "default": False},
        "issuer": {"type": "path"},
        "issuer_key": {"type": "path", "no_log": False},
        "request": {"type": "str"},
        "content": {"type": "str"},
        "days": {"type": "int", "default": 365},
        "renew_before": {"type": "int", "default": 30},
        "key_type": {"type": "str", "choices": ["ec", "rsa"], "default": "ec"},
        "key_group": {"type": "str", "no_log": False},
    }


RULES: dict[str, t.Any] = {
    "mutually_exclusive": [("authority", "request"), ("key", "request"), ("content", "request", "authority")],
    "required_one_of": [("key", "request", "content")],
    "required_if": [("authority", True, ["common_name"])],
    "required_by": {"issuer_key": ["issuer"], "request": ["issuer", "issuer_key"]},
}


def operations() -> Operations:
    """The operations that the steps of ``certificate`` name."""
    return {
        "key.make": openssl.make_key,
        "key.settle": openssl.settle,
        "certificate.self": openssl.self_sign,
        "certificate.sign": openssl.sign,
        "file.write": files.write,
    }


class Wanted:
    """The options, and what is there."""

    def __init__(self, params: Params) -> None:
        self.path: str = params["path"]
        self.key: t.Optional[str] = params.get("key")
        self.content: t.Optional[str] = params.get("content")
        self.common_name: str = params.get("common_name") or ("" if self.content else self._unnamed())
        self.names = _names(params.get("names") or ())
        self.usages = [] if params.get("authority") else list(params.get("usages") or ())
        self.authority: bool = params.get("authority", False)
        self.issuer: t.Optional[str] = params.get("issuer")
        self.issuer_key: t.Optional[str] = params.get("issuer_key")
        self.request: t.Optional[str] = params.get("request")
        self.days: int = params.get("days", 365)
        self.renew_before: int = params.get("renew_before", 30)
        self.key_type: str = params.get("key_type", "ec")
        self.group = _group(params.get("key_group"))
        self.mode = 0o600 if self.group is None else 0o640
        self._check()

    @staticmethod
    def _unnamed() -> t.NoReturn:
        raise KvmError("common_name: whose certificate it is has to be said", option="common_name")

    def _check(self) -> None:
        if self.content is None and not NAME.fullmatch(self.common_name):
            raise KvmError(
                f"common_name: {self.common_name!r} has letters that don't belong into a certificate's name",
                option="common_name",
            )
        if self.days <= self.renew_before:
            raise KvmError(
                f"renew_before: {self.renew_before} days are not less than the {self.days} days that a certificate is"
                " good for, so each run would make a new one",
                option="renew_before",
            )

    def public_key(self) -> t.Optional[str]:
        """The key that the certificate shall be for; None if it has to be made first."""
        if self.request is not None:
            public, name = openssl.request_key(self.request)
            if name != self.common_name:
                raise KvmError(
                    f"request: it is for {name!r}, not for {self.common_name!r}",
                    "A signature is only given to the name that was asked for.",
                    option="request",
                )
            return public
        return openssl.public_key(t.cast(str, self.key)) if os.path.exists(t.cast(str, self.key)) else None

    def due(self) -> t.Optional[str]:
        """Why a new certificate has to be made; None if the one that is there will do."""
        if self.content is not None:
            there = _text(self.path) if os.path.exists(self.path) else None
            return None if there == self.content else "there is none" if there is None else "it is another one"
        if not os.path.exists(self.path):
            return "there is none"
        try:
            found = openssl.read(self.path)
        except KvmError as error:
            return str(error)
        return next(self._reasons(found), None)

    def _reasons(self, found: dict[str, t.Any]) -> t.Iterator[str]:
        """All reasons for a new certificate, each looked into only when asked for: some run a program."""
        left = int(((found["not_after"] or 0) - time.time()) // DAY)
        if 0 <= left < self.renew_before:
            yield f"it expires in {left} days"
        if left < 0:
            yield "it has expired"
        if found["public_key"] != self.public_key():
            yield "it is for another key"
        yield from self._other_contents(found)
        if self.issuer and not (os.path.exists(self.issuer) and openssl.signed_by(self.path, self.issuer)):
            yield f"it isn't signed by {self.issuer}"

    def _other_contents(self, found: dict[str, t.Any]) -> t.Iterator[str]:
        names = sorted(_plain(name) for name in found["names"])
        if names != self.names and not self.authority:
            yield f"it is for {', '.join(names) or 'no host'}"
        if found["common_name"] != self.common_name:
            yield f"it is for {found['common_name']}"
        if sorted(found["usages"]) != sorted(self.usages):
            yield "it is for other uses"
        if found["ca"] != self.authority:
            yield "it is not an authority's"


def _names(given: t.Collection[str]) -> list[str]:
    """Names and addresses of hosts, each once and in one spelling."""
    for name in given:
        if not HOST.fullmatch(name):
            raise KvmError(f"names: {name!r} is neither a host's name nor an address", option="names")
    return sorted({_plain(name) for name in given})


def _plain(name: str) -> str:
    """One spelling of a name or address."""
    if not openssl.is_address(name):
        return name.lower()
    import ipaddress

    try:
        return str(ipaddress.ip_address(name))
    except ValueError as error:
        raise KvmError(f"names: {name!r} is not an address", option="names") from error


def _group(name: t.Optional[str]) -> t.Optional[int]:
    import grp

    try:
        return None if name is None else grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise KvmError(f"key_group: there is no group {name}", option="key_group") from error


def plan(params: Params) -> Plan:
    """The plan of a task."""
    wanted = Wanted(params)
    found = Plan("certificate", shown(wanted))
    if wanted.key is not None:
        _plan_key(found, wanted, wanted.key)
    due = wanted.due()
    if due is None:
        return found
    text = f"make {wanted.path} ({due})"
    if wanted.content is not None:
        fits(wanted.content, wanted.key)
        found.add("file.write", f"place {wanted.path} ({due})", path=wanted.path, content=wanted.content, mode=0o644)
    elif wanted.authority:
        found.add("certificate.self", text, **_common(wanted), key=wanted.key)
    elif wanted.issuer_key is not None:
        section = openssl.extensions(False, wanted.names, wanted.usages)
        issuer = (wanted.issuer, wanted.issuer_key)
        _see(wanted)
        found.add(
            "certificate.sign",
            text,
            **_common(wanted),
            issuer=issuer,
            section=section,
            key=wanted.key,
            asked=wanted.request,
        )
    else:
        return found
    found.differs("certificate", due, "as given" if wanted.content else f"good for {wanted.days} days")
    return found


def fits(content: str, key: t.Optional[str]) -> None:
    """Refuse a text that is no certificate, or is one for another key than the one beside it."""
    found = openssl.read("/dev/stdin", content, "content: it")
    if key is not None and os.path.exists(key) and openssl.public_key(key) != found["public_key"]:
        raise KvmError(
            f"content: the certificate is not for the key in {key}",
            "Take the certificate to this key.",
            option="content",
        )


def _common(wanted: Wanted) -> dict[str, t.Any]:
    return {"path": wanted.path, "common_name": wanted.common_name, "days": wanted.days}


def _see(wanted: Wanted) -> None:
    for option, path in (("issuer", wanted.issuer), ("issuer_key", wanted.issuer_key)):
        if path is not None and not os.path.exists(path):
            raise KvmError(
                f"{option}: {path} is not there", "Make the authority first (authority: true).", option=option
            )


def _plan_key(plan: Plan, wanted: Wanted, key: str) -> None:
    try:
        status = os.stat(key)
    except OSError:
        plan.add("key.make", f"make {key}", path=key, kind=wanted.key_type, mode=wanted.mode, group=wanted.group)
        plan.differs("key", "absent", "present")
        return
    mode = status.st_mode & 0o777
    if mode & ~wanted.mode or (wanted.group is not None and (status.st_gid != wanted.group or mode != wanted.mode)):
        plan.add("key.settle", f"close {key}", path=key, mode=wanted.mode, group=wanted.group)
        plan.differs("key.mode", f"{mode:04o}", f"{wanted.mode:04o}")


def describe(params: Params) -> dict[str, t.Any]:
    """The certificate after the run."""
    return shown(Wanted(params))


def shown(wanted: Wanted) -> dict[str, t.Any]:
    """The certificate for the result: its text, until when it is good, why a new one is due, and the request for it."""
    due = wanted.due()
    there = os.path.exists(wanted.path)
    found = {} if not there or (due or "").endswith("is not a certificate") else _read(wanted.path)
    return {
        "path": wanted.path,
        "due": due,
        "request": None if due is None else _request(wanted),
        "content": _text(wanted.path) if there else None,
        "common_name": found.get("common_name"),
        "names": sorted(_plain(name) for name in found.get("names", [])),
        "usages": found.get("usages", []),
        "not_after": _time(found.get("not_after")),
    }


def _request(wanted: Wanted) -> t.Optional[str]:
    """The request for an issuer elsewhere; None where none is needed, or the key is still to be made."""
    if wanted.issuer_key is not None or wanted.authority or wanted.content is not None:
        return None
    if wanted.key is None or not os.path.exists(wanted.key):
        return None
    return openssl.request(wanted.key, wanted.common_name)


def _read(path: str) -> dict[str, t.Any]:
    try:
        return openssl.read(path)
    except KvmError:
        return {}


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _time(seconds: t.Optional[int]) -> t.Optional[str]:
    return None if seconds is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
