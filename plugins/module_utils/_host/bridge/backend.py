# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who keeps the host's network, and how each of them is told of a bridge."""

from __future__ import annotations

import typing as t

from ..._plan import KvmError
from ..root import Root
from . import ifupdown, netplan, network_manager, networkd
from .wanted import Bridge

HEAD = "# Written by metal.kvm.host_bridge: changes are lost.\n"


class File:
    """A file as it shall be: path below the root, text (None: not there), mode."""

    __slots__ = ("mode", "path", "text")

    def __init__(self, path: str, text: t.Optional[str], mode: int = 0o644) -> None:
        self.path = path
        self.text = text
        self.mode = mode


class Backend:
    """One row of the table; ``rules`` is the file that knows it:

    - ``runs(root)``: whether it keeps this host's network.
    - ``ours(root, name)``: paths of the files that say the bridge now; ``members(root, name)``: what they put into it.
    - ``files(root, bridge)``: the texts of those that shall, by path.
    - ``up(root, bridge)``, ``down(root, bridge)``: commands that do by the files, with the bridge and without it;
      ``free(port)``: those for a port that no longer is in it.

    ``edits(root, bridge, present)``: files of others that have to be changed along with ours; elsewhere they stay as
    they are. ``before(bridge)``: commands that let go of the devices, while the files of that moment are still there.
    """

    def __init__(
        self,
        name: str,
        rules: t.Any,
        mode: int = 0o644,
        edits: t.Callable[[Root, Bridge, bool], dict[str, t.Optional[str]]] = lambda root, bridge, present: {},
        before: t.Callable[[Bridge], list[str]] = lambda bridge: [],
    ) -> None:
        self.name = name
        self.rules = rules
        self.mode = mode
        self.edits = edits
        self.before = before


# In the order in which they are looked for: netplan has the next two work for it.
BACKENDS = {
    "netplan": Backend("netplan", netplan, 0o600),
    "networkmanager": Backend("networkmanager", network_manager, 0o600),
    "networkd": Backend("networkd", networkd),
    "ifupdown": Backend("ifupdown", ifupdown, edits=ifupdown.edits, before=ifupdown.before),
}


def choose(root: Root, name: str) -> Backend:
    """The backend of that name, or the one that the host runs."""
    if name != "auto":
        return BACKENDS[name]
    for backend in BACKENDS.values():
        if backend.rules.runs(root):
            return backend
    raise KvmError(
        "Nothing that keeps a network is found here: no netplan, NetworkManager, systemd-networkd or ifupdown runs",
        "Set backend to the one that shall.",
        option="backend",
    )


def files(root: Root, backend: Backend, bridge: Bridge, present: bool) -> list[File]:
    """All files that differ from what they shall be."""
    texts: dict[str, t.Optional[str]] = dict.fromkeys(backend.rules.ours(root, bridge.name))
    if present:
        texts.update({path: HEAD + text for path, text in backend.rules.files(root, bridge).items()})
    texts.update(backend.edits(root, bridge, present))
    return [File(path, text, backend.mode) for path, text in sorted(texts.items()) if root.text(path) != text]
