# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of a domain's parts. A file is read when a task or a document speaks of what is in it."""

from __future__ import annotations

import importlib
import typing as t

from ...._xml.later import Later

if t.TYPE_CHECKING:  # so that Ansible packs them with the module
    import ansible_collections.metal.kvm.plugins.module_utils._objects.domain.rows.character
    import ansible_collections.metal.kvm.plugins.module_utils._objects.domain.rows.cpu
    import ansible_collections.metal.kvm.plugins.module_utils._objects.domain.rows.disk
    import ansible_collections.metal.kvm.plugins.module_utils._objects.domain.rows.disk_source
    import ansible_collections.metal.kvm.plugins.module_utils._objects.domain.rows.display
    import ansible_collections.metal.kvm.plugins.module_utils._objects.domain.rows.guest
    import ansible_collections.metal.kvm.plugins.module_utils._objects.domain.rows.hardware
    import ansible_collections.metal.kvm.plugins.module_utils._objects.domain.rows.interface
    import ansible_collections.metal.kvm.plugins.module_utils._objects.domain.rows.interface_source
    import ansible_collections.metal.kvm.plugins.module_utils._objects.domain.rows.passthrough
    import ansible_collections.metal.kvm.plugins.module_utils._objects.domain.rows.sound
    import ansible_collections.metal.kvm.plugins.module_utils._objects.domain.rows.tuning  # noqa: F401


def later(file: str, table: str) -> Later:
    """The rows ``table`` of rows/<file>.py, read when somebody first goes through them."""
    return Later(lambda: t.cast("t.Sequence[t.Any]", getattr(importlib.import_module(f"{__name__}.{file}"), table)))
