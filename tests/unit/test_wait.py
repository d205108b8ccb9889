# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting: the first true answer, the last false one when the time is over, and errors that pass."""

from __future__ import annotations

import itertools
import time

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._wait import retry, until


def test_the_first_true_answer_ends_the_wait() -> None:
    answers = iter(["", "", "there", "never asked"])
    assert until(lambda: next(answers), 10, 0) == "there"
    assert next(answers) == "never asked"


def test_the_last_false_answer_once_the_time_is_over() -> None:
    looked = itertools.count()
    begin = time.monotonic()
    assert until(lambda: next(looked) < 0, 0.2, 0.05) is False
    assert time.monotonic() - begin >= 0.2
    assert next(looked) > 1


@pytest.mark.parametrize("timeout", [0, -1])
def test_it_looks_once_even_without_time(timeout: float) -> None:
    assert until(lambda: "there", timeout) == "there"
    assert until(lambda: "", timeout) == ""


def test_an_error_ends_the_wait() -> None:
    with pytest.raises(ZeroDivisionError):
        until(lambda: 1 / 0 > 0, 10)


def busy(times: int) -> list[Exception]:
    return [BlockingIOError("busy")] * times


def act(errors: list[Exception]) -> str:
    if errors:
        raise errors.pop()
    return "done"


def test_what_passes_is_tried_again() -> None:
    errors = busy(3)
    assert retry(lambda: act(errors), lambda error: isinstance(error, BlockingIOError), 10, 0) == "done"


def test_what_does_not_pass_is_raised_at_once() -> None:
    errors = [*busy(1), OSError("gone"), *busy(1)]
    with pytest.raises(OSError, match="gone"):
        retry(lambda: act(errors), lambda error: isinstance(error, BlockingIOError), 10, 0)
    assert len(errors) == 1


def test_the_last_error_is_raised_once_the_time_is_over() -> None:
    with pytest.raises(BlockingIOError):
        retry(lambda: act(busy(1)), lambda error: True, 0.1, 0.02)
