# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module of the collection supports, in the words of Ansible's docs. Private to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    # Modules that change something. A check makes the same plan and leaves out its steps.
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and tells what it would change without changing it.
    support: full
  diff_mode:
    description: Returns what changed, or in C(check_mode) what would change, as the options that differ.
    support: full
  idempotent:
    description: When run twice in a row, the second run changes nothing.
    support: full
  platform:
    description: Where the module can run.
    platforms: linux
    support: full
"""

    # Modules that only read.
    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and answers the same, since it changes nothing.
    support: full
  diff_mode:
    description: Returns what changed; this module changes nothing.
    support: N/A
  idempotent:
    description: When run twice in a row, the second run changes nothing.
    support: full
  platform:
    description: Where the module can run.
    platforms: linux
    support: full
"""

    # Modules that connect to libvirt.
    ACTION_GROUP = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/metal.kvm.libvirt) in C(module_defaults) to set O(uri) for all modules that connect.
    membership: [metal.kvm.libvirt]
    support: full
"""
