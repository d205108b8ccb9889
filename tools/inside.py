# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Integration tests on another system, by that one's own Python, pytest and libvirt: this tree and Ansible's code are packed
here, and unpacked or mounted there. There is no ansible-playbook: only tests that run modules' code in their own process.

usage: python tools/inside.py pack FILE                            here: a tar archive
       python3 tools/inside.py SYSTEM [ARGUMENT OF PYTEST...]      there: METAL_KVM_SYSTEM says which cases it has (proofs.py)
"""

from __future__ import annotations

import importlib
import os
import pathlib
import sys
import tarfile
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
COLLECTION = "ansible_collections/metal/kvm"


def pack(archive: pathlib.Path) -> None:
    """What git tracks, the tiny guest that tests boot, and Ansible's code."""
    import ansible
    from tree import copy_tree

    sys.path.insert(0, str(ROOT / "tests" / "integration"))
    built = importlib.import_module("guest").built
    with tempfile.TemporaryDirectory() as place, tarfile.open(archive, "w:gz", compresslevel=1) as file:
        file.add(copy_tree(pathlib.Path(place)), COLLECTION)
        guest = built().kernel.parent
        file.add(guest, f"{COLLECTION}/{guest.relative_to(ROOT)}")
        file.add(pathlib.Path(ansible.__file__).parent, "ansible")


def run(system: str, arguments: list[str]) -> None:
    """Become pytest."""
    words = [
        "-m",
        "pytest",
        "--import-mode=importlib",
        "-p",
        "no:cacheprovider",
        "-c",
        "/dev/null",
        "--rootdir=.",
        "-ra",
    ]
    above = str(ROOT).removesuffix(f"/{COLLECTION}")
    settings = {"METAL_KVM_SYSTEM": system, "PYTHONPATH": above, "PYTHONDONTWRITEBYTECODE": "1"}
    os.chdir(ROOT)
    os.execve(sys.executable, [sys.executable, *words, *arguments], {**os.environ, **settings})


if __name__ == "__main__":
    if sys.argv[1] == "pack":
        pack(pathlib.Path(sys.argv[2]).resolve())
    else:
        run(sys.argv[1], sys.argv[2:])
