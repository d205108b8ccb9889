# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Code that is compiled once on a host: where it's imported from, and when it isn't used."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import time
import zipfile

import pytest

PROGRAM = """
import sys
sys.path[:0] = [sys.argv[1], sys.argv[2]]
import parcel.below
from ansible_collections.metal.kvm.plugins.module_utils import _archive
_archive.use("parcel.below", sys.argv[3])
from parcel.below import room
print(room.__file__, room.VALUE)
"""
COLLECTIONS = pathlib.Path(__file__).resolve().parents[2] / ".build" / "collections"


class Parcel:
    """A package in an archive, as Ansible sends one, and the directory that it may be unpacked into."""

    def __init__(self, place: pathlib.Path) -> None:
        self.base = place / "compiled"
        self.archive = place / "parcel.zip"

    def send(self, value: int) -> None:
        with zipfile.ZipFile(self.archive, "w") as file:
            file.writestr("parcel/__init__.py", "")
            file.writestr("parcel/below/__init__.py", "")
            file.writestr("parcel/below/room.py", f"VALUE = {value}\n")
            file.writestr("elsewhere.py", "")

    def imported(self) -> tuple[str, int]:
        """Where another interpreter imports the module from, and what is in it."""
        words = [sys.executable, "-c", PROGRAM, str(self.archive), str(COLLECTIONS), str(self.base)]
        path, value = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
        return path, int(value)


@pytest.fixture
def parcel(tmp_path: pathlib.Path) -> Parcel:
    made = Parcel(tmp_path)
    made.send(1)
    return made


def test_files_are_unpacked_once_and_compiled(parcel: Parcel) -> None:
    first = parcel.imported()
    (place,) = parcel.base.iterdir()
    assert first == (str(place / "parcel" / "below" / "room.py"), 1)
    assert list((place / "parcel" / "below" / "__pycache__").glob("room.*.pyc"))
    assert not (place / "elsewhere.py").exists()
    made = place.stat().st_ino
    assert parcel.imported() == first
    assert [one.stat().st_ino for one in parcel.base.iterdir()] == [made]
    assert parcel.base.stat().st_mode & 0o77 == 0


def test_other_files_have_a_directory_of_their_own(parcel: Parcel) -> None:
    parcel.imported()
    parcel.send(2)
    assert parcel.imported()[1] == 2
    assert len(list(parcel.base.iterdir())) == 2


def test_a_directory_that_others_can_write_is_not_used(parcel: Parcel) -> None:
    parcel.imported()
    parcel.base.chmod(0o770)
    assert parcel.imported() == (str(parcel.archive / "parcel" / "below" / "room.py"), 1)


def test_a_directory_that_cannot_be_made_is_done_without(parcel: Parcel) -> None:
    parcel.base.write_text("a file")
    assert parcel.imported() == (str(parcel.archive / "parcel" / "below" / "room.py"), 1)


def test_what_was_not_used_for_long_is_removed(parcel: Parcel) -> None:
    old = parcel.base / "old"
    old.mkdir(parents=True)
    parcel.base.chmod(0o700)
    os.utime(old, (0, time.time() - 40 * 86400))
    parcel.imported()
    assert not old.exists()
    assert len(list(parcel.base.iterdir())) == 1


def test_code_that_is_no_archive_stays_where_it_is(parcel: Parcel, tmp_path: pathlib.Path) -> None:
    with zipfile.ZipFile(parcel.archive) as file:
        file.extractall(tmp_path / "plain")
    parcel.archive = tmp_path / "plain"
    assert parcel.imported()[0] == str(tmp_path / "plain" / "parcel" / "below" / "room.py")
    assert not parcel.base.exists()


FRAME = """
import sys
sys.path[:0] = [sys.argv[1]]
from ansible_collections.metal.kvm.plugins.module_utils import _ansible, _libvirt
print(_ansible.__file__, _libvirt.__file__)
"""


def test_the_frame_has_the_rest_imported_from_there(tmp_path: pathlib.Path) -> None:
    inside = "ansible_collections/metal/kvm/plugins"
    with zipfile.ZipFile(tmp_path / "module.zip", "w") as file:
        for name in ("ansible_collections", *("/".join(inside.split("/")[:depth]) for depth in (2, 3, 4))):
            file.writestr(f"{name}/__init__.py", "")
        for path in sorted((COLLECTIONS / inside / "module_utils").rglob("*.py")):
            file.write(path, str(path.relative_to(COLLECTIONS)))
        folders = {path.parent for path in (COLLECTIONS / inside / "module_utils").rglob("*.py")}
        for folder in folders:
            if not (folder / "__init__.py").exists():
                file.writestr(f"{folder.relative_to(COLLECTIONS)}/__init__.py", "")
    words = [sys.executable, "-c", FRAME, str(tmp_path / "module.zip")]
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run(words, check=True, capture_output=True, text=True, env=environment)
    frame, other = done.stdout.split()
    assert frame.startswith(str(tmp_path / "module.zip")), "the frame itself looks for the compiled files"
    assert other.startswith(str(tmp_path / ".ansible" / "metal.kvm"))


USER = PROGRAM + "print(flush=True)\nsys.stdin.readline()\nfrom parcel.below import late\nprint(late.__file__)\n"


def test_what_another_process_uses_is_not_removed(parcel: Parcel) -> None:
    """However old it is: that process may import from there at any time."""
    with zipfile.ZipFile(parcel.archive, "a") as file:
        file.writestr("parcel/below/late.py", "")
    words = [sys.executable, "-c", USER, str(parcel.archive), str(COLLECTIONS), str(parcel.base)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as user:
        assert user.stdout
        used = pathlib.Path(user.stdout.readline().split()[0]).parents[2]
        os.utime(used, (0, time.time() - 40 * 86400))
        other = parcel.archive.with_name("other.zip")
        parcel.archive = parcel.archive.rename(other).with_name("parcel.zip")
        parcel.send(2)
        parcel.imported()
        assert used.exists()
        assert (used / "parcel" / "below" / "late.py").exists()
        said, _errors = user.communicate("go on\n")
    assert said.split()[-1] == str(used / "parcel" / "below" / "late.py")
    parcel.send(3)
    os.utime(used, (0, time.time() - 40 * 86400))
    parcel.imported()
    assert not used.exists()


def test_what_is_used_stays_young(parcel: Parcel) -> None:
    parcel.imported()
    (place,) = parcel.base.iterdir()
    os.utime(place, (0, time.time() - 20 * 86400))
    parcel.imported()
    assert time.time() - place.stat().st_mtime < 3600
