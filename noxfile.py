# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check as a session that can be run alone: `.venv/bin/nox -l` lists them, `.venv/bin/nox -s unit` runs one.

Sessions use .venv (made by `make setup`), whose interpreter can load the distribution's libvirt and lxml. A session that
can't live there makes a venv of its own below .nox.
"""

from __future__ import annotations

import os
import pathlib
import sys

import nox

ROOT = pathlib.Path(__file__).resolve().parent
COLLECTIONS = ROOT / ".build" / "collections"

nox.options.default_venv_backend = "none"
nox.options.error_on_missing_interpreters = True


def environment(**more: str) -> dict[str, str]:
    """What every tool gets: .venv first on the path, and the collection where ansible looks for it."""
    path = os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {"PATH": path, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "LC_ALL": "C.UTF-8", **more}


@nox.session
def unit(session: nox.Session) -> None:
    """Pure tests, and tests on libvirt's own test driver."""
    session.run(sys.executable, "-m", "pytest", *(session.posargs or ["tests/unit"]), env=environment(), external=True)
