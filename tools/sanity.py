# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run `ansible-test sanity` on the working tree with every Python from 3.9 up that this machine has.

ansible-test wants the collection below a directory ansible_collections/metal/kvm (a link doesn't do) and looks at
every file it finds there, so it gets a copy of what git tracks or would track. It makes an environment per Python and
starts with a download of pip's installer; `ensurepip` does the same from Python's own files.

usage: python tools/sanity.py PYTHON [ansible-test's arguments]   PYTHON: the interpreter whose ansible-core is used
"""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

from tree import ROOT, copy_tree

WORK = ROOT / ".nox" / "sanity"
OLDEST, NEWEST = 9, 15

GET_PIP = '''"""Stands in for pip's installer: pip comes from ensurepip, its version from the package index."""
import ensurepip
import os
import subprocess
import sys

ensurepip.bootstrap(default_pip=True)
os.environ.pop("PIP_CONFIG_FILE", None)  # ensurepip leaves it pointing at nothing
wanted = [argument for argument in sys.argv[1:] if argument.startswith("pip==")]
subprocess.check_call([sys.executable, "-m", "pip", "install", "-q"] + wanted)
'''


def pythons() -> dict[str, pathlib.Path]:
    """Version to interpreter for those found on the path or where pyenv keeps them (its shims don't count)."""
    places = [pathlib.Path(place) for place in os.environ.get("PATH", os.defpath).split(os.pathsep)]
    places += sorted(pathlib.Path.home().glob(".pyenv/versions/*/bin"))
    found: dict[str, pathlib.Path] = {}
    for version in (f"3.{minor}" for minor in range(OLDEST, NEWEST)):
        for place in places:
            if "shims" not in place.parts and os.access(place / f"python{version}", os.X_OK):
                found.setdefault(version, place / f"python{version}")
    return found


def make_home(python: str) -> pathlib.Path:
    """A home directory for ansible-test's caches, with the user's settings of pip and a stand-in for its installer."""
    home = WORK / "home"
    for name in (".config/pip", ".pip"):
        if (pathlib.Path.home() / name).is_dir() and not (home / name).exists():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).symlink_to(pathlib.Path.home() / name)
    find = "import ansible_test, pathlib; print(pathlib.Path(ansible_test.__file__).parent)"
    package = subprocess.run([python, "-c", find], check=True, capture_output=True, text=True).stdout.strip()
    source = pathlib.Path(package, "_internal", "python_requirements.py").read_text(encoding="utf-8")
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in re.findall(r"\bpip='([\d.]+)'", source):
        (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(GET_PIP, encoding="utf-8")
    return home


def main() -> int:
    python, *arguments = sys.argv[1:]
    found = pythons()
    print(f"sanity: Python {', '.join(found)}", flush=True)
    places = [pathlib.Path(python).parent, *(path.parent for path in found.values())]
    environment = {
        **os.environ,
        "HOME": str(make_home(python)),
        "PATH": os.pathsep.join([*map(str, places), "/usr/bin", "/bin"]),
    }
    tool = str(pathlib.Path(python).parent / "ansible-test")
    with subprocess.Popen(
        [python, tool, "sanity", "--local", "--color", "no", *arguments],
        cwd=copy_tree(WORK / "tree"),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as run:
        nothing_tested = False
        for line in run.stdout or ():
            print(line, end="", flush=True)
            nothing_tested |= "All targets skipped" in line
    return 1 if nothing_tested else run.returncode


if __name__ == "__main__":
    sys.exit(main())
