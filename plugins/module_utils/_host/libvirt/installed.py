# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt as files show it: its version, one daemon or several, what listens, its configuration. Nothing is asked."""

from __future__ import annotations

import re
import typing as t

from ..command import answers
from ..root import Root

MONOLITHIC = "libvirtd"
DRIVERS = ("virtqemud", "virtlxcd", "virtchd", "virtxend", "virtvboxd", "virtvzd", "virtnetworkd", "virtnodedevd",
           "virtnwfilterd", "virtsecretd", "virtstoraged", "virtinterfaced")  # fmt: skip
PROXY = "virtproxyd"
HELPERS = ("virtlogd", "virtlockd")
DAEMONS = (MONOLITHIC, *DRIVERS, PROXY, *HELPERS)
LIBRARIES = ("usr/lib64", "usr/lib", "lib64")
TLS_PORT = 16514
RUN = "/run/libvirt/"
# What only a connection tells; these keys are None without one.
UNASKED: dict[str, t.Any] = dict.fromkeys(
    ("uri", "reachable", "error", "hypervisor_version", "security", "pool_backends", "domcaps")
)
LISTENING = 0x10000  # /proc/net/unix: __SO_ACCEPTCON


def report(root: Root) -> dict[str, t.Any]:
    """The part of ``libvirt`` that needs no connection."""
    units = {name: _unit(root, name) for name in DAEMONS}
    units = {name: unit for name, unit in units.items() if any(unit.values())}
    return {
        "installed": any(units[name]["installed"] for name in units if name not in HELPERS),
        "version": version(root, units),
        "mode": mode(units),
        "default_boot_mode": boot_mode(units),
        "units": units,
        "drivers": drivers(root),
        "active_sockets": sorted(sockets(root)),
        "guests_service": enabled(root, "libvirt-guests.service"),
    }


def version(root: Root, units: t.Mapping[str, t.Any]) -> t.Optional[str]:
    """From the library's file name (``libvirt.so.0.9000.0`` is 9.0.0), else from a daemon."""
    for directory in _library_directories(root):
        found = re.search(r"\.so\.0\.(\d+)\.(\d+)$", root.link(f"{directory}/libvirt.so.0") or "")
        if found:
            return f"{int(found[1]) // 1000}.{int(found[1]) % 1000}.{found[2]}"
    return _daemon_version(root, units)


def _daemon_version(root: Root, units: t.Mapping[str, t.Any]) -> t.Optional[str]:
    daemon = next((name for name in units if units[name]["installed"]), None)
    path = daemon and root.program(daemon)
    if not path:
        return None
    found = re.search(r"(\d+\.\d+\.\d+)", answers(root, [(path, "--version")]).get((path, "--version"), ""))
    return found[1] if found else None


def _library_directories(root: Root) -> list[str]:
    return [*LIBRARIES, *(f"usr/lib/{name}" for name in root.names("usr/lib") if "linux-gnu" in name)]


def drivers(root: Root) -> list[str]:
    """libvirt's drivers that are installed: qemu, network, storage ..."""
    directories = [f"{directory}/libvirt/connection-driver" for directory in _library_directories(root)]
    found = [name for directory in directories for name in root.names(directory)]
    return sorted({name[len("libvirt_driver_") : -len(".so")] for name in found if name.startswith("libvirt_driver_")})


def mode(units: t.Mapping[str, t.Mapping[str, t.Any]]) -> str:
    """How libvirt runs now: ``none``, ``monolithic``, ``modular``, ``mixed``; idle, how it would."""
    one = _active(units, (MONOLITHIC,))
    many = _active(units, DRIVERS)
    if one and many:
        return "mixed"
    if one or many:
        return "monolithic" if one else "modular"
    return boot_mode(units)


def boot_mode(units: t.Mapping[str, t.Mapping[str, t.Any]]) -> str:
    """How libvirt comes up at boot: by what is enabled, else by what is installed."""
    for key in ("enabled", "installed"):
        one = bool(units.get(MONOLITHIC, {}).get(key))
        many = any(units.get(name, {}).get(key) for name in DRIVERS)
        if one and many and key == "enabled":
            return "mixed"
        if one or many:
            # Where both are installed and neither is enabled the newer layout is what the distribution means.
            return "modular" if many else "monolithic"
    return "none"


def hears_tls(root: Root) -> bool:
    """Whether something listens with TLS now, or does when it is wanted."""
    from ..network import listeners

    units = [f"{name}-tls.socket" for name in (MONOLITHIC, PROXY)]
    return any(one["port"] == TLS_PORT for one in listeners(root)) or any(enabled(root, unit) for unit in units)


def sockets(root: Root) -> set[str]:
    """Names below /run/libvirt on which something listens, systemd or a daemon."""
    found = set()
    for words in root.rows("proc/net/unix", 8):
        if re.fullmatch("[0-9A-Fa-f]+", words[3]) and int(words[3], 16) & LISTENING:
            path = words[7].replace("/var/run/", "/run/", 1)
            if path.startswith(RUN):
                found.add(path[len(RUN) :])
    return found


def _unit(root: Root, name: str) -> dict[str, t.Any]:
    """One daemon: ``installed``, ``running``, ``listening``, ``enabled`` (None without systemd's directories)."""
    listening = sockets(root)
    own = {MONOLITHIC: "libvirt-sock", PROXY: "libvirt-sock"}.get(name, f"{name}-sock")
    running = _running(root, name)
    answering = own in listening
    if own == "libvirt-sock" and answering and not running:
        answering = name == _owner(root, listening)
    return {
        "installed": root.program(name) is not None,
        "running": running,
        "listening": answering,
        "enabled": enabled(root, f"{name}.socket") or enabled(root, f"{name}.service"),
    }


def _owner(root: Root, listening: set[str]) -> str:
    """Whose the idle socket ``libvirt-sock`` is: both the one daemon and the proxy of the many use that name."""
    if _running(root, MONOLITHIC) or _running(root, PROXY):
        return MONOLITHIC if _running(root, MONOLITHIC) else PROXY
    if any(f"{name}-sock" in listening for name in DRIVERS):
        return PROXY
    return PROXY if enabled(root, f"{PROXY}.socket") and not enabled(root, f"{MONOLITHIC}.socket") else MONOLITHIC


def _running(root: Root, name: str) -> bool:
    pid = root.number(f"run/{name}.pid")
    return pid is not None and root.word(f"proc/{pid}/comm") == name[:15]


def enabled(root: Root, unit: str) -> bool:
    """Whether systemd starts the unit at boot: a link below one of its ``.wants`` directories."""
    base = "etc/systemd/system"
    return any(
        root.link(f"{base}/{name}/{unit}") is not None or root.exists(f"{base}/{name}/{unit}")
        for name in root.names(base)
        if name.endswith((".wants", ".requires"))
    )


def _active(units: t.Mapping[str, t.Mapping[str, t.Any]], names: t.Iterable[str]) -> bool:
    return any(units.get(name, {}).get("running") or units.get(name, {}).get("listening") for name in names)
