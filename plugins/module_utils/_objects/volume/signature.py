# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A list of checksums is only as good as its signature: proved by gpgv against a keyring on the hypervisor."""

from __future__ import annotations

import os
import tempfile
import typing as t

from ..._command import run
from ..._plan import KvmError, refuse

if t.TYPE_CHECKING:
    from ..._xml.rows import Values


def verified(text: bytes, given: Values, place: str, read: t.Callable[[str, str], bytes]) -> bytes:
    """The list that was signed: with a detached signature the text itself, else what is within its own signature."""
    keyring = str(given["keyring"])
    if not os.path.exists(keyring):
        why = f"there is no file {keyring}"
        refuse("source.keyring", why, "Install the distribution's keyring there, or correct the path.")
    with tempfile.TemporaryDirectory() as directory:
        listed, signature = os.path.join(directory, "listed"), os.path.join(directory, "signature")
        _write(listed, text)
        if given.get("signature"):
            _write(signature, read(str(given["signature"]), "source.signature"))
            _gpgv(keyring, place, signature, listed)
            return text
        return _gpgv(keyring, place, "--output", "-", listed)


def _write(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)


def _gpgv(keyring: str, place: str, *arguments: str) -> bytes:
    try:
        done = run(["gpgv", "--keyring", keyring, *arguments])
    except FileNotFoundError as error:
        raise KvmError(
            "source.keyring: gpgv isn't installed, so signatures can't be proved",
            "Install gpgv.",
            option="source.keyring",
        ) from error
    if done.status:
        refuse(
            "source.signature",
            f"{place} isn't signed by a key of {keyring}: {done.last_words}",
            "Correct source.signature or source.keyring; else don't trust the source. Nothing was put into the pool.",
        )
    return done.output
