# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a volume's content is prepared: a directory for each volume, outside its pool.

Only the run that holds the volume's lock uses it. So its files have fixed names, and what a killed run left there is resumed
or removed by the next one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import typing as t

from . import records

if t.TYPE_CHECKING:
    from ..._xml.rows import Values

ENDING = ".metal-kvm"  # of a volume's name, while it isn't whole


class Staging:
    """The directory for one volume. ``directory`` is its pool's where that has files, ``volume`` what tells it from others."""

    def __init__(self, directory: str, volume: str) -> None:
        self.above = _beside(directory) or records.elsewhere()
        self.path = os.path.join(self.above, hashlib.sha256(volume.encode()).hexdigest()[:32])
        self.content = os.path.join(self.path, "content.part")

    @property
    def exists(self) -> bool:
        """Whether a run prepares the volume, or one was killed or failed on the way."""
        return os.path.isdir(self.path)

    def make(self) -> None:
        """Make the directory; runs for other volumes may remove the one above it at any time, if it's empty."""
        while not self.exists:
            with contextlib.suppress(FileNotFoundError, FileExistsError):  # makedirs too: it looks twice
                os.makedirs(self.above, mode=0o700, exist_ok=True)
                os.mkdir(self.path, 0o700)

    def image(self, form: str) -> str:
        """The file for the content in another format."""
        return os.path.join(self.path, f"image.{form}")

    def note(self, image: str, record: Values) -> None:
        """Note the record of the image that takes its place next: a run that is killed after that has not written it."""
        status = os.stat(image)
        with open(self._note, "w", encoding="utf-8") as file:
            json.dump({"image": [status.st_dev, status.st_ino], "record": record}, file)

    def begin(self, key: t.Optional[str] = None) -> None:
        """Note that the volume is there before its content is: libvirt can't rename one. ``key`` is libvirt's, once known."""
        with open(self._begun, "w", encoding="utf-8") as file:
            json.dump({"key": key}, file)

    def abandon(self) -> None:
        """The volume that was begun is deleted again, or was never made."""
        self.drop([self._begun])

    def unfinished(self, key: str) -> bool:
        """Whether libvirt's volume of that key is one that a killed run has begun and not finished."""
        try:
            with open(self._begun, encoding="utf-8") as file:
                return json.load(file)["key"] in (None, key)
        except ValueError:  # killed while it was noted
            return True
        except OSError:
            return False

    def settle(self, target: str) -> None:
        """Complete what a killed run began: write the record if the image has taken its place."""
        try:
            with open(self._note, encoding="utf-8") as file:
                note = json.load(file)
            status = os.stat(target)
        except (OSError, ValueError):
            return
        if note["image"] == [status.st_dev, status.st_ino]:
            records.write(target, note["record"])

    def clear(self) -> None:
        """Remove the directory with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._leave()

    def drop(self, files: t.Iterable[str]) -> None:
        """Remove these files of a run that failed, and the directory if nothing is left that the next one can use."""
        for path in (*files, self._note):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        with contextlib.suppress(OSError):
            os.rmdir(self.path)
        self._leave()

    def _leave(self) -> None:
        with contextlib.suppress(OSError):
            os.rmdir(self.above)

    @property
    def _begun(self) -> str:
        return os.path.join(self.path, "begun.json")

    @property
    def _note(self) -> str:
        return os.path.join(self.path, "record.json")


def _beside(directory: str) -> str:
    """A place beside the pool's directory, ``""`` where that is on another file system."""
    if not os.path.isdir(directory):
        return ""
    place = records.beside(directory)
    return place if os.stat(os.path.dirname(place)).st_dev == os.stat(directory).st_dev else ""
