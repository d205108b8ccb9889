#!/usr/bin/python
# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: domain_restart
short_description: Restart or reset a KVM guest
version_added: 0.1.0
description:
  - Restarts a running libvirt domain, each time it's asked for, so it always reports a change.
  - With O(only_if_required) it restarts only what has staged changes, and is idempotent.
author:
  - metal.kvm contributors (@metal-kvm)
extends_documentation_fragment:
  - metal.kvm._attributes
  - metal.kvm._attributes.action_group
  - metal.kvm._connection
options:
  name:
    description: The domain's name.
    type: str
    required: true
  how:
    description:
      - V(graceful) asks the guest to shut down, waits, and starts it; a guest that doesn't go down keeps running and the
        task fails.
      - V(force) powers it off and starts it. Both take up what was staged.
      - V(reset) is the reset button. The guest isn't asked, QEMU goes on, and staged changes go on waiting.
    type: str
    choices: [graceful, force, reset]
    default: graceful
  shutdown_timeout:
    description: How long the guest may take to shut down, in seconds.
    type: int
    default: 120
  only_if_required:
    description: Do nothing where nothing waits for a restart.
    type: bool
    default: false
seealso:
  - module: metal.kvm.domain
"""

EXAMPLES = r"""
- name: Restart a guest
  metal.kvm.domain_restart:
    name: web1

- name: Take up what was staged, if anything was
  metal.kvm.domain_restart:
    name: web1
    only_if_required: true
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: str
  sample: ["restart domain web1"]
restart_required:
  description: Paths of the options that still wait for a restart.
  returned: always
  type: list
  elements: str
domain:
  description: The domain, in the same shape as in M(metal.kvm.domain_info).
  returned: always
  type: dict
"""

from ansible_collections.metal.kvm.plugins.module_utils._ansible import run_module
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.act import ARGUMENTS, describe, plan_restart
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.plan import NOUN


def main() -> None:
    run_module(plan_restart, ARGUMENTS, NOUN.operations, describe)


if __name__ == "__main__":
    main()
