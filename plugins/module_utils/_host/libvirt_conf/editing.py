# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration files of keys and values, edited in place: one key at a time, all else to the letter as it was.

Three grammars: libvirt's own (``key = "value"``, numbers, lists), a shell's (``KEY=value``), SASL's (``key: value``).
"""

from __future__ import annotations

import re
import shlex
import typing as t

from ..._plan import KvmError

BLANK = re.compile(r"(?:[ \t\r\n;]+|#[^\n]*)+")
KEY = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=[ \t]*")
SPACE = re.compile(r"\s*")
NUMBER = re.compile(r"-?\d+")
QUOTED = re.compile(r'"""(?P<long>.*?)"""|"(?P<double>[^"\n]*)"|\'(?P<single>[^\'\n]*)\'', re.DOTALL)
SHELL = re.compile(r"^[ \t]*(?:export[ \t]+)?(?P<key>[A-Za-z_]\w*)=(?P<value>.*)$", re.MULTILINE)
SASL = re.compile(r"^[ \t]*(?P<key>[a-z_]\w*)[ \t]*:[ \t]*(?P<value>.*?)[ \t]*$", re.MULTILINE)
NOTE = "# Nothing is set here.\n"  # libvirt refuses a file of blanks alone

Value = t.Union[int, str, list[str]]


class Entry:
    """A key that is set, its value, and the part of the text that says so."""

    __slots__ = ("end", "key", "start", "value")

    def __init__(self, key: str, value: Value, start: int, end: int) -> None:
        self.key = key
        self.value = value
        self.start = start
        self.end = end


def entries(text: str, grammar: str, path: str) -> list[Entry]:
    """What a file sets, in order. A file that libvirt couldn't read either is an error that names the line."""
    if grammar == "libvirt":
        return list(_libvirt(text, path))
    pattern, plain = (SHELL, _shell_word) if grammar == "shell" else (SASL, str)
    return [Entry(found["key"], plain(found["value"]), found.start(), found.end()) for found in pattern.finditer(text)]


def _libvirt(text: str, path: str) -> t.Iterator[Entry]:
    at = _skip(text, 0)
    while at < len(text):
        found = KEY.match(text, at)
        if not found:
            raise _syntax(text, at, path, "a key and an equals sign are expected")
        value, end = _value(text, found.end(), path)
        yield Entry(found[1], value, at, end)
        rest = re.compile(r"[ \t]*(?:[\r\n;#]|\Z)").match(text, end)
        if not rest:
            raise _syntax(text, end, path, "something follows the value")
        at = _skip(text, end)


def _skip(text: str, at: int, pattern: re.Pattern[str] = BLANK) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _value(text: str, at: int, path: str) -> tuple[Value, int]:
    if text[at : at + 1] != "[":
        return _scalar(text, at, path)
    items: list[str] = []
    at = _skip(text, at + 1, SPACE)
    while text[at : at + 1] != "]":
        item, at = _scalar(text, at, path)
        items.append(str(item))
        at = _skip(text, at, SPACE)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1, SPACE)
        elif text[at : at + 1] != "]":
            raise _syntax(text, at, path, "the list has no end")
    return items, at + 1


def _scalar(text: str, at: int, path: str) -> tuple[t.Union[int, str], int]:
    found = QUOTED.match(text, at)
    if found:
        return next(part for part in found.group("long", "double", "single") if part is not None), found.end()
    found = NUMBER.match(text, at)
    if found:
        return int(found[0]), found.end()
    raise _syntax(text, at, path, "a number, a text in quotes or a list in brackets is expected")


def _syntax(text: str, at: int, path: str, what: str) -> KvmError:
    line = text.count("\n", 0, at) + 1
    return KvmError(
        f"{path}, line {line}: {what}", "libvirt can't read this file either: mend it by hand first.", path=path
    )


def _shell_word(text: str) -> str:
    try:
        return "".join(shlex.split(text, comments=True)[:1])
    except ValueError:
        return text


def render(key: str, value: Value, grammar: str) -> str:
    """The line, or lines, that set a key."""
    if grammar == "shell":
        return f"{key}={shlex.quote(str(value))}"
    if grammar == "sasl":
        return f"{key}: {value}"
    if isinstance(value, list):
        return f"{key} = [ {', '.join(map(_quoted, value))} ]" if value else f"{key} = []"
    return f"{key} = {value if isinstance(value, int) else _quoted(value)}"


def _quoted(value: str) -> str:
    """libvirt's strings know no escapes, but three kinds of quotes."""
    if '"' not in value and "\n" not in value:
        return f'"{value}"'
    if "'" not in value and "\n" not in value:
        return f"'{value}'"
    return f'"""{value}"""'


def edit(text: str, grammar: str, path: str, wanted: t.Mapping[str, t.Optional[Value]]) -> str:
    """The text with each key at its value, None for its default. What is so already stays as it is written."""
    for key, value in wanted.items():
        text = _edit_key(text, grammar, path, key, value)
    return text if text.strip() or not wanted else NOTE


def _edit_key(text: str, grammar: str, path: str, key: str, value: t.Optional[Value]) -> str:
    there = [entry for entry in entries(text, grammar, path) if entry.key == key]
    if value is None:
        return _without(text, there)
    if not there:
        return _insert(text, key, render(key, value, grammar), grammar)
    if all(entry.value == value for entry in there):
        return text
    text = _without(text, there[1:])
    return text[: there[0].start] + render(key, value, grammar) + text[there[0].end :]


def _without(text: str, gone: t.Sequence[Entry]) -> str:
    """The text without some entries, and without the lines that have nothing else."""
    for entry in reversed(gone):
        start, end = entry.start, entry.end
        line_start = text.rfind("\n", 0, start) + 1
        line_end = text.find("\n", end)
        line_end = len(text) if line_end < 0 else line_end + 1
        if not (text[line_start:start] + text[end:line_end]).strip():
            start, end = line_start, line_end
        text = text[:start] + text[end:]
    return text


def _insert(text: str, key: str, line: str, grammar: str) -> str:
    """Below the key's default, where the file as shipped shows it in a comment; else at the end."""
    separator = ":" if grammar == "sasl" else "="
    shipped = list(re.finditer(rf"^#[ \t]?{re.escape(key)}[ \t]*{separator}.*$", text, re.MULTILINE))
    if not shipped:
        head = text if not text or text.endswith("\n") else text + "\n"
        return f"{head.replace(NOTE, '')}{line}\n"
    default = shipped[-1]
    end = default.end()
    if "[" in default[0] and "]" not in default[0]:
        closed = re.compile(r"(?:\n#[^\n]*?)*?\n#[^\n]*\]").match(text, end)
        end = closed.end() if closed else end
    return f"{text[:end]}\n{line}{text[end:]}"
