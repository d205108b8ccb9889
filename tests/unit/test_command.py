# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to programs: what it hands over, what it hands back, and that it waits for nobody for ever."""

from __future__ import annotations

import threading
import time
import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils import _command
from ansible_collections.metal.kvm.plugins.module_utils._host.command import answers
from ansible_collections.metal.kvm.plugins.module_utils._host.root import Root

if t.TYPE_CHECKING:
    import pathlib


def test_words_input_and_environment_arrive_as_they_are() -> None:
    script = 'cat; printf %s "$1|$LC_ALL|$PATH"; echo two >&2; echo lines >&2; exit 3'
    done = _command.run(["sh", "-c", script, "sh", "~ $HOME *"], b"\0in", environment=_command.SYSTEM)
    assert done.status == 3
    assert done.output == b"\0in~ $HOME *|C|" + _command.SYSTEM["PATH"].encode()
    assert (done.complaint, done.last_words) == ("two; lines", "lines")


def test_a_silent_failure_is_told_by_its_status() -> None:
    done = _command.run(["sh", "-c", "exit 4"])
    assert (done.complaint, done.last_words, done.text) == ("exit status 4", "exit status 4", "")


def test_what_is_not_there_or_has_no_end() -> None:
    with pytest.raises(FileNotFoundError):
        _command.run(["no-such-program-here"])
    threads, before = threading.active_count(), time.monotonic()
    with pytest.raises(TimeoutError, match=r"no end after 0\.2 seconds"):
        _command.run(["sleep", "30"], timeout=0.2)
    assert time.monotonic() - before < 10
    assert _command.run(["true"], timeout=30).status == 0
    assert threading.active_count() == threads


def test_answers_of_several_at_once(tmp_path: pathlib.Path) -> None:
    """In their own words, quotes and all; one that fails, hangs or isn't there is left out."""
    script = tmp_path / 'it\'s a "$program"'
    script.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"; echo")
    script.chmod(0o755)
    commands = [(str(script), "a b", "$HOME'"), ("false",), ("sleep", "30"), ("no-such-program-here",), ("echo", "x")]
    before = time.monotonic()
    assert answers(Root("/"), commands, timeout=0.3) == {commands[0]: "a b\n$HOME'", commands[4]: "x"}
    assert time.monotonic() - before < 10
    assert answers(Root("/"), []) == {}
