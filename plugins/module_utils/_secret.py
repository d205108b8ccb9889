# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is secret, and the one function that masks it in everything that leaves the process.

Options of type ``no_log`` are declared in the tables. The tables below have the rest: options that may hold secrets
anywhere, the names under which secrets are kept in dicts, documents and texts, and places in libvirt's XML.
"""

from __future__ import annotations

import functools
import json
import re
import typing as t

HIDDEN = "(hidden)"  # a secret value
NOT_SHOWN = "(not shown)"  # a whole option that may hold secrets
MASK, ALONE = "********", "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"  # within a text, and alone: Ansible's own words

# Options that are never shown as a whole, by path: users put secrets anywhere in them.
DOCUMENTS = ("cloud_init", "install", "qemu.env", "xml", "xml_patch")
# XPath of attributes in libvirt's documents that are secret although their name doesn't say so.
PLACES = ("//qemu:commandline/qemu:env/@value",)
# Names of secrets: keys of dicts, attributes and elements of documents, words of texts.
NAMES = (
    r"passw\w*|passphrase|passcode|pass(?![a-z])|pwd(?![a-z])|rootpw|sshpw|secret|token|(?<![a-z])psk(?![a-z])|auth[_-]?key"
    r"|api[_-]?key|access[_-]?key|account[_-]?key|private[_-]?key|preshared[_-]?key|(?<![a-z])(?:[a-z\d]+_)private(?![a-z])"
    r"|activation[_-]?key|validation[_-]?key|product[_-]?key|credentials?(?![a-z])|cookies?(?![a-z])|(?<![a-z])authorization"
)
# How names end that only point at a secret or say something about it.
ABOUT = r"(?:uuid|usage|type|file|files|path|id|name|valid_?to|length|policy|expire[sd]?|auth|min|max)$"
# If none of these is in a task's parameters, none of them is secret: most tasks are done with that.
HINTS = ("pass", "pwd", "rootpw", "sshpw", "secret", "token", "psk", "key", "private", "credential", "cookie", "authorization",
         "'env'", "://", "$", "value_base64")  # fmt: skip
LEARNT: set[str] = set()  # secrets that this run met in libvirt's documents
_UNKNOWN = {"no_log": True}  # in place of the spec of what is no option: nobody knows what it is
LEAST = 4  # shorter values would mask half of a result
_WORDS = {"none", "null", "true", "false", "yes", "no", "password", "passwd", "required", "disabled", "enabled",
          "(set)", "(another)", "(hidden)", "(hidden, another)", "(not shown)"}  # fmt: skip

_UUID = re.compile(r"[\da-fA-F]{8}-?(?:[\da-fA-F]{4}-?){3}[\da-fA-F]{12}")


@functools.cache
def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(_PATTERNS[name], re.IGNORECASE | re.MULTILINE | re.DOTALL)


_PATTERNS = {
    "name": NAMES,
    "about": ABOUT,
    # password: x, password = "x", passwd='x', {"password": "x"}
    "assigned": rf"((?:{NAMES})[\w-]{{0,30}})[\"']?[ \t]*([:=])[ \t]*(?:\"((?:[^\"\\\n]|\\.)*)\"|'([^'\n]*)'"
    r"|[|>][+-]?\d?[ \t]*\n\s+([^\n]+)|([^\n]*))",
    # --password x
    "word": rf"(?:^|\s)--?(?:{NAMES})[ \t]+(\S+)",
    # preseed: d-i passwd/root-password password x
    "preseed": r"^\s*\S+[ \t]+\S+[ \t]+password[ \t]+([^\n]+)$",
    # kickstart: rootpw --plaintext x
    "kickstart": r"^\s*(?:rootpw|sshpw)\b[^\n]*[ \t](\S+)[ \t]*$",
    # <Password><Value>x</Value></Password>
    "element": rf"<(?:[\w.-]+:)?[\w.-]{{0,40}}(?:{NAMES})[\w.-]{{0,40}}(?:\s[^<>]*)?>\s*(?:<\w+>\s*)?([^<\s][^<]*)<",
    # echo root:x | chpasswd, and lines of its list
    "chpasswd": r"^[ \t]*(?:-[ \t]*)?[\"']?[a-z_][\w.-]*:([^\s\"'|:]+)[\"']?[ \t]*$|[\s\"'][a-z_][\w.-]*:([^\s\"'|:]+)[\"']?\s*\|"
    r"[^\n]*chpasswd",
    "user": r"(?:^|\s)(?:-u|--user)[ =]?[\"']?[\w.@-]+:([^\s\"']+)",
    "bearer": r"authorization[\"']?\s*[:=]\s*[\"']?(?:basic|bearer|digest)\s+([^\s\"']+)",
    "url": r"://[^/\s:@\"'<>]{0,200}:([^/\s@\"'<>]{1,500})@",
    "hash": r"(\$(?:1|2[abxy]?|5|6|7|y|gy|argon2\w{0,2}|scrypt|bcrypt)\$[^\s\"'<>:,]{8,})",
    "private": r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(.{1,20000}?)-----END",
    # what QEMU and systemd are given by words
    "object": r"(?:secret|secret_keyring)[,\"][^\n]{0,500}?data[\"']?[=:]\s?[\"']?([^,\s\"']+)",
    "systemd": r"io\.systemd\.credentials?(?:\.binary)?[:/][\w.@-]+[=,](?:string=)?([^\n\"'<>]+)",
}


@functools.cache
def secret_name(name: str) -> bool:
    """Whether what is called so is a secret: ``password``, ``rsa_private``, but not ``secret_uuid``."""
    return bool(_pattern("name").search(name)) and not _pattern("about").search(name)


def secret_at(name: str, value: str) -> bool:
    """The same of a value. Where a secret's name has a UUID, it only says which of libvirt's secrets is meant."""
    return secret_name(name) and not (name.lower().endswith("secret") and _UUID.fullmatch(value))


def gather(params: t.Any) -> set[str]:
    """The secret values in a task's parameters that no option of type no_log covers."""
    text = repr(params).lower()
    if not any(hint in text for hint in HINTS):
        return set()
    return set(_long_enough(_in_values(params, "", False)))


def _long_enough(values: t.Iterable[str]) -> t.Iterator[str]:
    for value in values:
        for part in {value.strip(), *value.splitlines()} if "\n" in value else {value.strip()}:
            if len(part.strip()) >= LEAST and part.strip().lower() not in _WORDS:
                yield part.strip()


def _in_values(value: t.Any, path: str, secret: bool) -> t.Iterator[str]:
    if isinstance(value, dict):
        yield from _in_dict(value, path, secret)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _in_values(one, path, secret)
    elif isinstance(value, bool) or value is None:
        return
    elif secret:
        yield str(value)
        yield from in_text(str(value))
    elif isinstance(value, str):
        yield from in_text(value)


def _in_dict(values: dict[t.Any, t.Any], path: str, secret: bool) -> t.Iterator[str]:
    for key, value in values.items():
        below = f"{path}.{key}" if path else str(key)
        if path.endswith("chpasswd") and key == "list":
            yield from in_text("chpasswd:\n" + ("\n".join(map(str, value)) if isinstance(value, list) else str(value)))
        elif key in ("set", "value") and _names_secret(values):
            yield from _in_values(value, below, isinstance(value, str) and not value.lstrip().startswith("<"))
        else:
            yield from _in_values(value, below, secret or _is_secret_key(key, value, below))


def _names_secret(values: dict[t.Any, t.Any]) -> bool:
    """Whether a dict says in a value of its own what its ``value`` is: ``{name: password, value: x}``."""
    names = (values[key] for key in ("name", "path", "key") if isinstance(values.get(key), str))
    return secret_name(next(names, ""))


def _is_secret_key(key: t.Any, value: t.Any, path: str) -> bool:
    """Whether all that a dict has under this key is secret."""
    return path == "qemu.env" or (key != "chpasswd" and secret_at(str(key), str(value)))


def in_text(text: str) -> t.Iterator[str]:
    """The secret values in any text: cloud-config, kickstart, preseed, XML, command lines, URLs."""
    low = text.lower()
    if not any(hint in low for hint in HINTS):
        return
    yield from _assigned(text)
    names = ["word", "preseed", "kickstart", "user", "bearer", "url", "hash", "private", "object", "systemd"]
    names += ["element"] if "<" in text else []
    names += ["chpasswd"] if "chpasswd" in low else []
    for name in names:
        for found in _pattern(name).findall(text):
            yield from (found,) if isinstance(found, str) else filter(None, found)


def _assigned(text: str) -> t.Iterator[str]:
    for name, sign, *quoted, rest in _pattern("assigned").findall(text):
        if _pattern("about").search(name):
            continue
        yield from _unquoted(sign, rest) if rest else filter(None, quoted)


def _unquoted(sign: str, rest: str) -> t.Iterator[str]:
    """What a value without quotes may be: after a colon the rest of the line, after ``=`` its first word."""
    line = re.split(r"\s#", rest)[0].strip()
    token = re.split(r"[\s,;&}\]<>\"']", line)[0]
    if sign == ":" and not line.startswith(("{", "[")):
        yield line
    if sign == "=" or (len(token) < len(line) and not line.startswith(token + " ")):
        yield token


def spellings(secrets: t.Iterable[str]) -> list[str]:
    """The secrets in each spelling in which they can turn up, the longest first."""
    import base64
    import html
    import urllib.parse

    found = set()
    for secret in filter(None, secrets):
        escaped = html.escape(secret, quote=False)
        found |= {secret, *secret.splitlines(), json.dumps(secret)[1:-1], repr(secret)[1:-1]}
        found |= {escaped, html.escape(secret), escaped.replace('"', "&quot;"), html.unescape(secret)}
        found |= {urllib.parse.unquote(secret), urllib.parse.quote(secret, "")}
        if len(secret) >= LEAST:
            found |= {base64.b64encode(secret.encode("utf-8", "replace")).decode("ascii"), _decoded(secret)}
    return sorted(filter(None, found), key=len, reverse=True)


def _decoded(secret: str) -> str:
    """What a secret given in base64 says, ``""`` where it's none or no text."""
    import base64

    try:
        text = base64.b64decode(secret, validate=True).decode("utf-8")
    except ValueError:
        return ""
    return text if len(text) >= LEAST and text.isprintable() else ""


def mask(value: t.Any, secrets: t.Sequence[str]) -> t.Any:
    """``value`` without the ``secrets`` (in ``spellings``): the one way out of the process."""
    if not secrets:
        return value
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        if str(value) in secrets:
            return ALONE
        return _replaced(value, secrets, MASK) if isinstance(value, str) else value
    if isinstance(value, dict):
        return {key: mask(one, secrets) for key, one in value.items()}
    return [mask(one, secrets) for one in value] if isinstance(value, (list, tuple)) else value


def _replaced(text: str, secrets: t.Iterable[str], replacement: str) -> str:
    for secret in secrets:
        text = text.replace(secret, replacement)
    return text


def shown(params: t.Mapping[str, t.Any], spec: t.Mapping[str, t.Any], path: str = "") -> dict[str, t.Any]:
    """A task's parameters as results show them (``invocation``): without what is secret, or may be.

    That is also what is no option at all, and what is of another type than the option takes: nobody knows what it is.
    """
    out = {}
    for name, value in params.items():
        if not path and str(name).startswith("_ansible_"):
            continue
        below = f"{path}.{name}" if path else str(name)
        out[name] = value if value is None or value in ("", {}, []) else _shown(value, spec.get(name, _UNKNOWN), below)
    return out


def _shown(value: t.Any, spec: t.Mapping[str, t.Any], path: str) -> t.Any:
    if path in DOCUMENTS or _may_be_secret(value, spec):
        return NOT_SHOWN
    options = spec.get("options")
    if options and isinstance(value, dict):
        return shown(value, options, path)
    if options and isinstance(value, list):
        return [shown(one, options, path) if isinstance(one, dict) else NOT_SHOWN for one in value]
    return plain(value)


def _may_be_secret(value: t.Any, spec: t.Mapping[str, t.Any]) -> bool:
    """Whether a value is secret, or of another type than the option takes."""
    kind = spec.get("type", "str")
    fits: tuple[type, ...] = (list, tuple) if kind == "list" else (dict,) if kind == "dict" else (str, int, float, bool)
    return bool(spec.get("no_log")) or (kind != "raw" and not isinstance(value, fits))


def plain(value: t.Any) -> t.Any:
    """Any value without what is secret by its name."""
    if isinstance(value, dict):
        return {key: HIDDEN if _is_secret(key, one) else plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list) else value


def _is_secret(key: t.Any, value: t.Any) -> bool:
    return bool(value) and not isinstance(value, bool) and secret_at(str(key), str(value))


def misfits(params: t.Any, spec: t.Mapping[str, t.Any]) -> set[str]:
    """The texts in what is secret, no option, or of a wrong type: Ansible's error may quote them."""
    if not isinstance(params, dict):
        return {*_leaves(params), str(params)}
    found: set[str] = set()
    for name, value in params.items():
        option = spec.get(name, _UNKNOWN)
        if str(name).startswith("_ansible_") or value is None:
            continue
        if _may_be_secret(value, option):
            found |= {*_leaves(value), str(value)}
        elif option.get("options"):
            for one in [value] if isinstance(value, dict) else value:
                found |= misfits(one, option["options"])
    return set(_long_enough(found)).difference(spec)


def _leaves(value: t.Any) -> t.Iterator[str]:
    if isinstance(value, dict):
        for one in value.values():
            yield from _leaves(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _leaves(one)
    elif not isinstance(value, bool) and value is not None:
        yield str(value)


def in_document(root: t.Any) -> set[str]:
    """Every secret value of one of libvirt's documents."""
    found = {attribute for node, name, attribute in _places(root)}
    for node in root.iter("*"):
        for text in (*node.attrib.values(), (node.text or "").strip()):
            found.update(_long_enough(in_text(text)))
    return found


def learn(*roots: t.Any) -> set[str]:
    """Every secret value of these documents; no result of this run shows one that is long enough to be known again."""
    found = {secret for root in roots if root is not None for secret in in_document(root)}
    LEARNT.update(secret for secret in found if len(secret) >= LEAST)
    return found


def _places(root: t.Any) -> list[tuple[t.Any, str, str]]:
    """Where a document has what is secret by its name or its place: element, attribute (``""``: the text), value."""
    from ._xml import document

    at = [
        (one.getparent(), one.attrname, str(one)) for path in PLACES for one in document.xpath(root, path, None, "xml")
    ]
    for node in root.iter("*"):
        texts = {**node.attrib, "": (node.text or "").strip()}
        tag = document.bare_tag(node)
        at += [
            (node, name, text)
            for name, text in texts.items()
            if text and secret_at((name or tag).rpartition("}")[2], text)
        ]
    return at


def masked(root: t.Any) -> str:
    """One of libvirt's documents as a text for a diff, its secrets hidden."""
    from ._xml import document

    copy = document.clone(root)
    for node, name, _value in _places(copy):
        if name:
            node.set(name, HIDDEN)
        else:
            node.text = HIDDEN
    text = document.text_of(copy)
    return mask(text, spellings(secret for secret in in_document(copy) if secret != HIDDEN))


def shown_edits(edits: t.Iterable[t.Any], *roots: t.Any) -> t.Iterator[tuple[str, t.Optional[str], t.Optional[str]]]:
    """Edits by path (``path``, ``before``, ``after``) for a diff, the secrets of these documents hidden."""
    secrets = sorted(learn(*roots), key=len, reverse=True)
    for edit in edits:
        before, after = (_shown_text(edit.path, text, secrets) for text in (edit.before, edit.after))
        yield edit.path, before, after


def _shown_text(path: str, text: t.Optional[str], secrets: t.Sequence[str]) -> t.Optional[str]:
    if text and not text.startswith("<") and secret_at(path.rpartition("/")[2], text):
        return HIDDEN
    return text and _replaced(text, secrets, HIDDEN)
