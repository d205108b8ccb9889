# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's own judgement of a qemu.conf before it is written: its driver of QEMU, started with it in a process of its own.

``qemu:///embed`` (libvirt 6.1) is that driver without a daemon, below a directory that is made for it. It starts no guest and
answers within a tenth of a second. All that it makes, and the file, lie in a mount namespace that ends with it.
"""

from __future__ import annotations

import re
import typing as t

from ..._command import run

if t.TYPE_CHECKING:
    from ..root import Root

CONF = "etc/libvirt/qemu.conf"
TRIAL = """
set -e
run=$([ -d /run/libvirt ] && echo /run/libvirt || echo /run)
mount -t tmpfs -o mode=0700 tmpfs "$run"
grep ' hugetlbfs ' /proc/mounts | while read -r dummy place kind options rest; do
    mount -t hugetlbfs -o "$options" hugetlbfs "$place"
done
mkdir -p "$run/trial/etc"
cat > "$run/trial/etc/qemu.conf"
exec virsh -q -c "qemu:///embed?root=$run/trial" uri
"""
PLACE = re.compile("/run(/libvirt)?/trial/etc/")
TIMEOUT = 60
OF_THE_DAEMON = "security drivers"  # AppArmor's is told by the daemon's own profile: needs.py knows


def complaint(root: Root, before: str, after: str) -> t.Optional[str]:
    """Why libvirt's driver of QEMU doesn't start with the text ``after``, in its words.

    None where it does, where it can't be asked here, and where it says the same of the text ``before``.
    """
    if root.path != "/" or root.uid() != 0 or not (root.program("virsh") and root.program("unshare")):
        return None
    said = _said(after)
    return None if said is None or OF_THE_DAEMON in said or said == _said(before) else said


def _said(text: str) -> t.Optional[str]:
    """The last line of what it says with that text; None where it starts, or nothing is known of it."""
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", TRIAL]
    try:
        done = run(words, given=text.encode(), timeout=TIMEOUT)
    except OSError:  # it hung, or couldn't be started
        return None
    return None if done.status == 0 else PLACE.sub("/etc/libvirt/", done.last_words).partition("error: ")[2]
