# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's own judgement of a qemu.conf before it is written: its driver of QEMU, started with it in a process of its own.

``qemu:///embed`` (libvirt 6.1) is that driver without a daemon, below a directory that is made for it. It starts no guest and
answers within a tenth of a second. What it makes outside that directory it makes in a mount namespace that ends with it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import typing as t

from .._command import run

if t.TYPE_CHECKING:
    from .root import Root

CONF = "etc/libvirt/qemu.conf"
TRIAL = """
grep ' hugetlbfs ' /proc/mounts | while read -r dummy place kind options rest; do
    mount -t hugetlbfs -o "$options" hugetlbfs "$place"
done
mount -t tmpfs tmpfs "$([ -d /run/libvirt ] && echo /run/libvirt || echo /run)"
exec virsh -q -c "qemu:///embed?root=$1" uri
"""
TIMEOUT = 60
OF_THE_DAEMON = "security drivers"  # AppArmor's is told by the daemon's own profile: conf_needs knows


def complaint(root: Root, before: str, after: str) -> t.Optional[str]:
    """Why libvirt's driver of QEMU doesn't start with the text ``after``, in its words.

    None where it does, where it can't be asked here, and where it says the same of the text ``before``.
    """
    if root.path != "/" or root.uid() != 0 or not (root.program("virsh") and root.program("unshare")):
        return None
    said = _said(after)
    return None if said is None or OF_THE_DAEMON in said or said == _said(before) else said


def _said(text: str) -> t.Optional[str]:
    """The last line of what it says with that text; None where it starts."""
    place = tempfile.mkdtemp(prefix="metal-kvm-")
    try:
        os.mkdir(f"{place}/etc")
        conf = f"{place}/etc/qemu.conf"
        with open(os.open(conf, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", TRIAL, "trial", place]
        done = run(words, timeout=TIMEOUT)
        if done.status == 0:
            return None
        return done.last_words.replace(conf, f"/{CONF}").replace(place, "").partition("error: ")[2]
    except OSError:  # it hung, or couldn't be started: then nothing is known
        return None
    finally:
        shutil.rmtree(place, ignore_errors=True)
