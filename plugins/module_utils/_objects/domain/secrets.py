# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where secrets hide in a domain's parameters beyond the options that say so."""

from __future__ import annotations

import typing as t

# XPath of what is secret in a domain's document
IN_XML = (
    "//graphics/@passwd",
    "//encryption/secret/@passphrase",
    "//qemu:commandline/qemu:env/@value",
)
# keys of cloud-init's user data whose values are secret
IN_USER_DATA = ("passwd", "password", "hashed_passwd", "plain_text_passwd", "rsa_private", "ecdsa_private", "ed25519_private",
                "token", "secret", "authkey", "psk")  # fmt: skip


def hidden(params: dict[str, t.Any]) -> t.Iterator[str]:
    """Every secret value of the task's parameters that no option of its own covers."""
    yield from _in_user_data((params.get("install") or {}).get("autoinstall"))
    if params.get("xml"):
        yield from _in_xml(params["xml"])
    for patch in params.get("xml_patch") or ():
        if any(word in patch["path"] for word in ("passwd", "passphrase", "password")) and patch.get("set"):
            yield patch["set"]
    yield from _in_user_data((params.get("cloud_init") or {}).get("user_data"))


def _in_xml(text: str) -> t.Iterator[str]:
    from ..._plan import KvmError
    from ..._xml import document

    if document.MISSING:
        return
    try:
        root = document.parse(text)
    except KvmError:  # said properly once the task is planned
        return
    yield from in_document(root)


def in_document(root: t.Any) -> t.Iterator[str]:
    """Every secret value of a domain's document."""
    from ..._xml import document

    for path in IN_XML:
        for value in document.xpath(root, path, None, "xml"):
            yield str(value)


def _in_user_data(value: t.Any) -> t.Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in IN_USER_DATA and isinstance(inner, str):
                yield inner
            else:
                yield from _in_user_data(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _in_user_data(inner)
