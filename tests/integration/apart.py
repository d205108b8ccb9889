# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run tests apart from this machine: in a host of namespaces (hosts.py) with a libvirtd, networks and files of its own.

They disturb no guests here, and other tests that use this machine's libvirtd can run beside them. There is no way out to
other machines. What is installed, and /tmp, are this machine's.

usage: python tests/integration/apart.py PYTEST-ARGUMENT...
"""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tempfile

from guest import built
from hosts import ROOT, hosts


def main() -> int:
    built()  # its packages come from outside
    with (
        tempfile.TemporaryDirectory(prefix="apart-", dir=ROOT / ".build") as place,
        hosts(pathlib.Path(place), "apart") as (host,),
    ):
        command = host.words("env", f"--chdir={ROOT}", sys.executable, "-m", "pytest", *sys.argv[1:])
        return subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
