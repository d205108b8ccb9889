# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tools of the house: generated option docs, and the summary of the suite."""

from __future__ import annotations

import importlib.util
import pathlib
import re
import typing as t

import pytest
import yaml

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"


def tool(name: str) -> t.Any:
    spec = importlib.util.spec_from_file_location(f"metal_kvm_tools_{name}", TOOLS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MARK = "# generated from the table {}by nox -s docs: do not edit below\n"
END = "# end of generated options\n"


def test_docs_are_written_between_the_marks_and_nowhere_else() -> None:
    docs = tool("docs")
    top = "author: me\n" + MARK.format("domain.table:DOMAIN ") + "stale: true\n" + END + "notes: []\n"
    written = docs.written(top, "example")
    loaded = yaml.safe_load(written)
    assert list(loaded) == ["author", "options", "notes"]
    assert loaded["options"]["memory"]["type"] == "str"
    assert "stale" not in written
    assert docs.written(written, "example") == written
    assert max(map(len, written.splitlines())) <= 120


def test_docs_keep_options_written_by_hand() -> None:
    docs = tool("docs")
    inner = "options:\n  name: {type: str}\n  " + MARK.format("domain.table:DOMAIN ") + "  " + END
    loaded = yaml.safe_load(docs.written(inner, "example"))
    assert next(iter(loaded["options"])) == "name"
    assert "vcpus" in loaded["options"]


def test_docs_of_a_spec() -> None:
    docs = tool("docs")
    specs = {
        "hosts": {
            "type": "list",
            "elements": "dict",
            "doc": ["One.", "Two."],
            "options": {"ip": {"type": "str", "required": True, "no_log": False, "doc": "The address."}},
        }
    }
    assert docs.documentation(specs) == {
        "hosts": {
            "description": ["One.", "Two."],
            "type": "list",
            "elements": "dict",
            "suboptions": {"ip": {"description": "The address.", "type": "str", "required": True}},
        }
    }


def test_docs_refuse_an_option_without_any() -> None:
    with pytest.raises(SystemExit, match=r"hosts\.ip has no description"):
        tool("docs").documentation({"hosts": {"type": "dict", "doc": "x", "options": {"ip": {"type": "str"}}}})


def outcome(suite: t.Any, **changes: t.Any) -> t.Any:
    return suite.Outcome("unit", True, 12.0, "", [], [])._replace(**changes)


def test_summary_ends_with_pytests_closing_lines() -> None:
    suite = tool("suite")
    closing = "===== 3 passed in 0.12s ====="
    assert suite.CLOSING.match(closing)
    lines = suite.summary([outcome(suite, closing=closing), outcome(suite, session="lint")], 24).splitlines()
    assert lines[-2:] == ["Every session passed. 0.4 minutes.", f"unit: {closing}"]


@pytest.mark.parametrize(
    "closing",
    [
        "=================== 1 failed, 2 passed, 1 warning in 63.20s (0:01:03) ===================",
        "=========== 2 passed, 1 skipped in 4s ===========",
        "============================ no tests ran in 0.60s =============================",
        "================== 1 error in 0.10s ==================",
    ],
)
def test_closing_lines_are_known(closing: str) -> None:
    assert tool("suite").CLOSING.match(closing)


def test_other_lines_are_not_closing_lines() -> None:
    assert not tool("suite").CLOSING.match(
        "============================= slowest 5 durations =============================="
    )


def test_what_was_skipped_is_not_said_to_have_passed() -> None:
    suite = tool("suite")
    reason = "SKIPPED [1] tests/unit/test_x.py:3: no /dev/kvm"
    assert suite.SKIPPED.match(reason)
    text = suite.summary([outcome(suite, skipped=[reason]), outcome(suite, session="lint")], 24)
    assert reason in text
    assert "Every session passed, but 1 thing was skipped" in text


def test_session_that_did_not_run_is_not_said_to_have_passed() -> None:
    suite = tool("suite")
    text = suite.summary([outcome(suite, skipped=["nox > Session unit skipped: no Python 3.12."])], 24)
    assert "unit           not run" in text
    assert "unit           passed" not in text


def test_failed_session_is_named() -> None:
    suite = tool("suite")
    reason = "FAILED tests/unit/test_x.py::test_y - AssertionError: 1"
    assert suite.FAILED.match(reason)
    text = suite.summary([outcome(suite, passed=False, failed=[reason])], 24)
    assert "FAILED: unit." in text
    assert reason in text


def test_sanity_finds_interpreters_and_no_shims(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    for place in ("shims", "bin"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "python3.9").write_text("#!/bin/sh\n")
        (tmp_path / place / "python3.9").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/shims:{tmp_path}/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert tool("sanity").pythons() == {"3.9": tmp_path / "bin" / "python3.9"}


def test_every_session_is_in_one_lane() -> None:
    suite = tool("suite")
    everything = [session for lane in suite.lanes([], everything=True) for session in lane]
    assert len(everything) == len(set(everything))
    defined = re.findall(r"^def (\w+)\(session", (TOOLS.parent / "noxfile.py").read_text(), re.MULTILINE)
    assert not set(everything) - set(defined)
    assert set(defined) - set(everything) == {"run", "format", "docs"}


def test_chosen_sessions_keep_their_lanes() -> None:
    assert tool("suite").lanes(["lint", "integration", "format"], everything=True) == [
        ["format"],
        ["lint"],
        ["integration"],
    ]


def test_a_clone_can_be_installed_with_ansible_alone() -> None:
    """Galaxy's manifest asks for another library where somebody installs the collection from a clone or from git."""
    galaxy = yaml.safe_load((TOOLS.parent / "galaxy.yml").read_text(encoding="utf-8"))
    assert "manifest" not in galaxy
    assert {"tools", "noxfile.py", ".[!.]*"} <= set(galaxy["build_ignore"])
