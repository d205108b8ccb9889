# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of the working tree as ansible's tools want it: below ansible_collections/metal/kvm, and only what git knows.

usage: python tools/tree.py DIRECTORY
"""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def copy_tree(destination: pathlib.Path) -> pathlib.Path:
    """Copy what git tracks, or would if it were added, and return the collection's directory in the copy."""
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    collection = destination / "ansible_collections" / "metal" / "kvm"
    shutil.rmtree(collection, ignore_errors=True)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():  # not deleted in the working tree
            (collection / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, collection / name, follow_symlinks=False)
    # Without a repository of its own git would answer for the one around it, where the copy is ignored.
    subprocess.run(["git", "init", "-q", str(collection)], check=True)
    return collection


if __name__ == "__main__":
    copy_tree(pathlib.Path(sys.argv[1]).resolve())
