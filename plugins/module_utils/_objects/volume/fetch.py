# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch a source to a file outside the pool, resuming what an earlier run left, and prove its checksum."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import typing as t
import urllib.error

from ansible.module_utils.urls import open_url

from ..._command import run
from ..._plan import KvmError, refuse
from . import records

if t.TYPE_CHECKING:
    from ..._xml.rows import Values
    from .source import Checksum, Origin

_BLOCK = 1024 * 1024


def fetched(found: Origin, path: str) -> tuple[str, Values]:
    """The source's content as the file ``path``, verified; and what is recorded of it."""
    record: Values = {"source": found.shown}
    expected = expected_digest(found)
    if found.file:
        record["stat"] = records.stat_of(found.file)
        _drop(path)
        _copy(found.file, path)
    else:
        record.update(_download(found.url, path))
    digests = digests_of(path, ["sha256", *([expected[0]] if expected else [])])
    if expected and digests[expected[0]] != expected[1]:
        _drop(path)
        refuse(
            "source.checksum",
            f"{found.words} has the {expected[0]} {digests[expected[0]]}, not {expected[1]}",
            "Correct the checksum if the source is right; else don't trust the source. Nothing was put into the pool.",
        )
    return path, {**record, "digests": digests}


def _drop(path: str) -> None:
    for name in (path, path + ".json"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def _copy(file: str, path: str) -> None:
    """A copy that keeps holes, and shares blocks where the file system can."""
    done = run(["cp", "--sparse=always", "--reflink=auto", "--", file, path], keep_locks=True)
    if done.status:
        refuse("source.file", f"{file} can't be copied: {done.complaint}", "")


def digests_of(path: str, algorithms: t.Iterable[str]) -> dict[str, str]:
    """The file's checksums by algorithm."""
    sums = {name: hashlib.new(name) for name in algorithms}
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(_BLOCK), b""):
            for one in sums.values():
                one.update(block)
    return {name: one.hexdigest() for name, one in sums.items()}


def _open(url: str, headers: t.Optional[dict[str, str]] = None, method: str = "GET") -> t.Any:
    return open_url(url, headers=headers, method=method, timeout=60, use_proxy=True, http_agent="metal.kvm")


def _unreachable(url: str, error: Exception, option: str = "source.url") -> KvmError:
    words = str(getattr(error, "reason", "") or error)
    code = f"HTTP {error.code} " if isinstance(error, urllib.error.HTTPError) else ""
    return KvmError(
        f"{option}: {url} can't be fetched: {code}{words}",
        "Check the address, and that the hypervisor can reach it.",
        option=option,
    )


def _download(url: str, path: str) -> Values:
    """Get ``url`` into ``path``; returns what identifies the content."""
    answer, start = _request(url, path)
    length = answer.headers.get("Content-Length")
    total = None if length is None else int(length)
    identity = {"etag": answer.headers.get("ETag"), "modified": answer.headers.get("Last-Modified")}
    with open(path + ".json", "w", encoding="utf-8") as file:
        size = None if total is None else start + total
        json.dump({"url": records.without_login(url), **identity, "size": size}, file)
    _receive(answer, path, start, url)
    received = os.path.getsize(path) - start
    if total is not None and received != total:
        refuse("source.url", f"{url} ended after {received} of {total} bytes", "Run the task again: it goes on there.")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path + ".json")
    return {key: value for key, value in identity.items() if value}


def _request(url: str, path: str) -> tuple[t.Any, int]:
    """The server's answer, and the byte from which on it is.

    That is where an earlier run stopped if the server still has the same. Else it's 0, and ``path`` is removed: a run that
    is killed after its note is written mustn't have left another content beside it.
    """
    left = _left_over(path)
    have = os.path.getsize(path) if left.get("url") == records.without_login(url) and os.path.exists(path) else 0
    validator = left.get("etag") or left.get("modified")
    headers = {"Range": f"bytes={have}-", "If-Range": validator} if have and validator else {}
    try:
        answer = _open(url, headers)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise _unreachable(url, error) from error
        _drop(path)  # more is here than there: begin anew
        return _request(url, path)
    except (OSError, ValueError) as error:
        raise _unreachable(url, error) from error
    if answer.getcode() == 206:
        return answer, have
    _drop(path)
    return answer, 0


def _left_over(path: str) -> Values:
    try:
        with open(path + ".json", encoding="utf-8") as file:
            return t.cast("Values", json.load(file))
    except (OSError, ValueError):
        return {}


def _receive(answer: t.Any, path: str, start: int, url: str) -> None:
    """Write what comes from ``start`` on; blocks of zeros become holes."""
    try:
        with open(path, "r+b" if start else "wb") as file:
            file.seek(start)
            for block in iter(lambda: answer.read(_BLOCK), b""):
                if block.count(0) == len(block):
                    file.seek(len(block), os.SEEK_CUR)
                else:
                    file.write(block)
            file.truncate()
    except (OSError, ValueError) as error:
        raise _unreachable(url, error) from error


def expected_digest(found: Origin) -> t.Optional[tuple[str, str]]:
    """Algorithm and digest that the content must have; fetched where the checksum says where it is."""
    checksum = found.checksum
    if checksum is None:
        return None
    if checksum.digest:
        return checksum.algorithm, checksum.digest
    text = _text(checksum.place)
    if found.given.get("keyring"):
        from .signature import verified

        text = verified(text, found.given, checksum.place, _text)
    return _listed(
        checksum, os.path.basename((found.url or found.file).partition("?")[0]), text.decode("utf-8", "replace")
    )


def _listed(checksum: Checksum, name: str, text: str) -> tuple[str, str]:
    sizes = {64: "sha256", 128: "sha512"}
    pattern = (
        r"(?:^([0-9a-fA-F]{64,128})(?:\s+\*?(?:\./)?(\S+))?\s*$)|(?:^\w+ ?\((\S+)\) ?= ?([0-9a-fA-F]{64,128})\s*$)"
    )
    found = [(one[1] or one[2], (one[0] or one[3]).lower()) for one in re.findall(pattern, text, re.MULTILINE)]
    for named, digest in found:
        algorithm = sizes.get(len(digest), "")
        matches = named == name or (not named and len(found) == 1)
        if matches and checksum.algorithm in ("", algorithm) and algorithm:
            return algorithm, digest
    why = f"source.checksum: {checksum.place} lists no sha256 or sha512 checksum of {name}"
    raise KvmError(why, "Give the checksum itself, or the list that has it.", option="source.checksum")


def _text(place: str, option: str = "source.checksum") -> bytes:
    try:
        if place.startswith(("http://", "https://", "ftp://")):
            return t.cast("bytes", _open(place).read(_BLOCK))
        with open(place[len("file://") :] if place.startswith("file://") else place, "rb") as file:
            return file.read(_BLOCK)
    except (OSError, ValueError) as error:
        raise _unreachable(place, error, option) from error


def is_same(found: Origin, record: Values) -> bool:
    """Whether the server has what the volume was made from: by the list of checksums, else by what identifies it."""
    expected = expected_digest(found)
    known = record.get("digests", {}).get(expected[0]) if expected else None
    if expected and known:
        return bool(known == expected[1])
    try:
        headers = _open(found.url, method="HEAD").headers
    except (OSError, ValueError) as error:
        raise _unreachable(found.url, error) from error
    for key, header in (("etag", "ETag"), ("modified", "Last-Modified")):
        if record.get(key) and headers.get(header):
            return bool(record[key] == headers.get(header))
    return False
