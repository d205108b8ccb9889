# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Temporary files: whole files that replace others, also by many processes at once, and what killed processes leave."""

from __future__ import annotations

import os
import pathlib
import signal
import time

import pytest
from ansible_collections.metal.kvm.plugins.module_utils import _temporary
from ansible_collections.metal.kvm.plugins.module_utils._host import files
from ansible_collections.metal.kvm.plugins.module_utils._objects.volume import records
from ansible_collections.metal.kvm.plugins.module_utils._objects.volume.staging import Staging
from forked import elsewhere, ended


def killed_while_writing(path: pathlib.Path) -> None:
    def act() -> None:
        with _temporary.replacing(str(path)) as file:
            file.write(b"half")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    assert ended(elsewhere(act)) == -signal.SIGKILL


def test_a_file_is_replaced_by_eight_processes_at_once(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"

    def act(number: int) -> None:
        for _time in range(20):
            files.write(None, str(path), f"{number}" * 1000)

    children = [elsewhere(lambda number=number: act(number)) for number in range(8)]
    while not path.exists():
        time.sleep(0.001)
    for _look in range(100):
        seen = path.read_text()
        assert len(seen) == 1000
        assert len(set(seen)) == 1
    assert [ended(child) for child in children] == [0] * 8
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_records_of_eight_processes(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "state_directory", lambda: str(tmp_path))

    def act() -> None:
        for number in range(20):
            records.write("/images/one", {"number": number})

    assert [ended(child) for child in [elsewhere(act) for _child in range(8)]] == [0] * 8
    assert records.read("/images/one")["number"] == 19
    assert len(list((tmp_path / "volumes").iterdir())) == 1


def test_what_a_killed_process_left_goes_with_the_next_write(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    killed_while_writing(path)
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2
    files.write(None, str(path), "new")
    assert path.read_text() == "new"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_what_a_living_process_writes_stays(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    with _temporary.replacing(str(path)) as file:
        file.write(b"mine")
        assert ended(elsewhere(lambda: files.write(None, str(path), "other"))) == 0
        assert path.read_text() == "other"
    assert path.read_text() == "mine"


def test_an_error_leaves_the_old_file(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(ValueError, match="no"), _temporary.replacing(str(path)):
        raise ValueError("no")
    assert [one.read_text() for one in tmp_path.iterdir()] == ["old"]


def test_a_directory_lasts_as_long_as_its_process(tmp_path: pathlib.Path) -> None:
    def act() -> None:
        path = _temporary.folder_of_process(str(tmp_path), "driver-")
        (pathlib.Path(path) / "inside").touch()

    mine = _temporary.folder_of_process(str(tmp_path), "driver-")
    assert ended(elsewhere(act)) == 0
    assert len(list(tmp_path.iterdir())) == 2
    other = _temporary.folder_of_process(str(tmp_path), "driver-")
    assert {str(one) for one in tmp_path.iterdir()} == {mine, other}


def test_staging_directories_come_and_go_at_once(tmp_path: pathlib.Path) -> None:
    """Each removes the directory above where it's empty, while others make theirs in it."""
    (tmp_path / "pool").mkdir()

    def act(number: int) -> None:
        for _time in range(100):
            staging = Staging(str(tmp_path / "pool"), f"volume {number}")
            staging.make()
            pathlib.Path(staging.content).touch()
            staging.clear()

    children = [elsewhere(lambda number=number: act(number)) for number in range(8)]
    assert [ended(child) for child in children] == [0] * 8
    assert [one.name for one in tmp_path.iterdir()] == ["pool"]


def test_a_volume_that_was_begun_is_known_by_its_key(tmp_path: pathlib.Path) -> None:
    (tmp_path / "pool").mkdir()
    staging = Staging(str(tmp_path / "pool"), "volume")
    assert not staging.unfinished("key")
    staging.make()
    assert not staging.unfinished("key")
    staging.begin()
    assert staging.unfinished("key")
    staging.begin("key")
    assert staging.unfinished("key")
    assert not staging.unfinished("another")
    staging.abandon()
    assert not staging.exists
