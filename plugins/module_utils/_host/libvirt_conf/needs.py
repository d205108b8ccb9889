# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What settings need on the host: libvirt's daemon doesn't start, and its guests can't be reached, where that is missing.

Each row was seen to stop the daemon of libvirt 9.0.
"""

from __future__ import annotations

import grp
import pwd
import re
import typing as t

if t.TYPE_CHECKING:
    from ..root import Root
    from .editing import Value

PROFILES = "sys/kernel/security/apparmor/profiles"
PROFILE = re.compile(r"\S*(libvirtd|virtqemud) ")
WITHOUT = "Leave the key out (libvirt then takes what the host has)"
Unmet = t.Optional[tuple[str, str]]  # what is missing, and the remedy


def unmet(root: Root, values: t.Mapping[str, t.Optional[Value]]) -> list[tuple[str, str, str]]:
    """Each key whose value lacks something on this host: the key, what is missing, and the remedy."""
    found = []
    for key, value in values.items():
        need = next((need for names, need in NEEDS if names.fullmatch(key)), None)
        missing = need(root, value) if need and value is not None else None
        if missing:
            found.append((key, *missing))
    return found


def _lock_driver(root: Root, value: Value) -> Unmet:
    """A lock manager is a file that libvirt loads; ``nop`` is in libvirt itself."""
    if value == "nop":
        return None
    places = ["usr/lib64", "usr/lib", *(f"usr/lib/{inner}" for inner in root.names("usr/lib") if "-linux-gnu" in inner)]
    here = [f"{place}/libvirt" for place in places if root.names(f"{place}/libvirt")]
    if not here or any(root.exists(f"{place}/lock-driver/{value}.so") for place in here):
        return None
    return (
        f"libvirt's driver {value} for locks isn't installed (/{here[0]}/lock-driver/{value}.so)",
        "Install it: packages_features: [lock] (metal.kvm.packages) for lockd; else libvirt's package for it.",
    )


def _confinement(root: Root) -> list[str]:
    """The security drivers that libvirt can use here; AppArmor only with its own profile loaded, which not everybody may see."""
    hidden = root.exists(PROFILES) and root.text(PROFILES) is None
    usable = {
        "selinux": root.word("sys/fs/selinux/enforce") is not None,
        "apparmor": hidden or any(map(PROFILE.match, root.lines(PROFILES))),
    }
    return [name for name, there in usable.items() if there]


def _security_driver(root: Root, value: Value) -> Unmet:
    usable = [*_confinement(root), "none"]
    for name in value if isinstance(value, list) else [value]:
        if name not in usable:
            return (
                f"{name} can't confine guests here ({' and '.join(usable)} can be named)",
                f"{WITHOUT}, or {_enable(name)}.",
            )
    return None


def _enable(name: t.Any) -> str:
    known = {
        "selinux": "enable SELinux",
        "apparmor": "enable AppArmor and load the profile of libvirt's daemon (on Debian, install apparmor and start it)",
    }
    return known.get(str(name), "name selinux, apparmor or none")


def _required(root: Root, value: Value) -> Unmet:
    if not value or _confinement(root):
        return None
    return "nothing confines guests here", f"Leave the key out, or {_enable('selinux')}, or {_enable('apparmor')}."


def _directory(root: Root, value: Value) -> Unmet:
    if root.exists(str(value)):
        return None
    return f"{value} isn't there", "Make it with its certificates first (metal.kvm.remote, metal.kvm.certificate)."


def _huge_pages(root: Root, value: Value) -> Unmet:
    mounts = {words[1] for words in root.mounts("hugetlbfs")}
    for path in value if isinstance(value, list) else [value]:
        if not path:  # the comment in qemu.conf says that it turns them off; the code looks for a file system there
            return (
                "an empty path is none where huge pages are mounted",
                "Leave the key out: guests use them only if they say so.",
            )
        if str(path).rstrip("/") not in mounts:
            here = ", ".join(sorted(mounts)) or "nowhere"
            return f"{path} is not where huge pages are mounted", f"Mount hugetlbfs there first. Now: {here}."
    return None


def _user(root: Root, value: Value) -> Unmet:
    return _known(root, str(value), "user", "etc/passwd", pwd.getpwnam)


def _group(root: Root, value: Value) -> Unmet:
    return _known(root, str(value), "group", "etc/group", grp.getgrnam)


def _known(root: Root, name: str, noun: str, path: str, lookup: t.Callable[[str], object]) -> Unmet:
    """A name, or a number, perhaps with a plus before it. The running host is asked, for its names may come from elsewhere."""
    if re.fullmatch(r"\+?\d+", name) or any(line.startswith(f"{name}:") for line in root.lines(path)):
        return None
    if root.path == "/":
        try:
            lookup(name)
            return None
        except KeyError:
            pass
    return f"the host has no {noun} {name}", f"Make the {noun} first, or give its number."


NEEDS: list[tuple[re.Pattern[str], t.Callable[[Root, Value], Unmet]]] = [
    (re.compile("lock_manager"), _lock_driver),
    (re.compile("security_driver"), _security_driver),
    (re.compile("security_require_confined"), _required),
    (re.compile(r"\w+_tls_x509_cert_dir"), _directory),
    (re.compile("hugetlbfs_mount"), _huge_pages),
    (re.compile("(swtpm_)?user"), _user),
    (re.compile("((swtpm_)?|unix_sock_)group"), _group),
]
