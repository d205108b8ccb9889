# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state that a domain is in."""

from __future__ import annotations

import typing as t

OFF = ("stopped", "saved", "crashed")

# virDomainState, by number
_STATES = ("running", "running", "running", "paused", "stopping", "stopped", "crashed", "pmsuspended")


def observed(domain: t.Any) -> str:
    """The state of libvirt's domain object, by name; ``saved`` for one that is off with managed save."""
    number = domain.state()[0]
    name = _STATES[number] if number < len(_STATES) else "running"
    if name == "stopped" and domain.isPersistent() and domain.hasManagedSaveImage(0):
        return "saved"
    return name
