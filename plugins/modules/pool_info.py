#!/usr/bin/python
# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pool_info
short_description: Read storage pools
description:
  - Returns the storage pools of libvirt in the words of M(metal.kvm.pool), with their status and their space.
extends_documentation_fragment:
  - metal.kvm._attributes.info_module
  - metal.kvm._attributes.action_group
  - metal.kvm._connection
options:
  name:
    description: Only the pool of this name. Where there is none, the list is empty.
    type: str
  as:
    description:
      - V(options) returns the fewest options of M(metal.kvm.pool) that make the pool again, for a playbook. Fed back
        they change nothing.
    type: str
    choices: [info, options]
    default: info
  identity:
    description: With O(as=options), whether the UUID and MAC address are among them, or V(new) ones are made elsewhere.
    type: str
    choices: [keep, new]
    default: keep
author:
  - metal.kvm contributors (@metal-kvm)
seealso:
  - module: metal.kvm.pool
  - module: metal.kvm.volume_info
"""

EXAMPLES = r"""
- name: The options that make a pool again
  metal.kvm.pool_info:
    name: images
    as: options
  register: adopted

- name: Read all pools
  metal.kvm.pool_info:
  register: read

- name: Pools with less than 10 GiB left
  ansible.builtin.debug:
    msg: "{{ read.pools | selectattr('active') | selectattr('available', 'lt', 10 * 1024 ** 3) | map(attribute='name')
    }}"
"""

RETURN = r"""
options:
  description: With O(as=options), the options that make the pool again; without O(name) a list of them.
  returned: with O(as=options)
  type: raw
not_exported:
  description: What the pool has that no option says, as paths in its document.
  returned: with O(as=options)
  type: list
  elements: raw
secrets_needed:
  description: Secrets of libvirt's that the options refer to.
  returned: with O(as=options)
  type: list
  elements: raw
pools:
  description: The pools, sorted by name.
  returned: unless O(as=options)
  type: list
  elements: dict
  contains:
    name:
      description: The pool's name.
      type: str
      returned: always
    type:
      description: What it is made of. This and all other options of M(metal.kvm.pool) are returned under their names,
        as far as the pool's definition says something about them.
      type: str
      returned: always
    path:
      description: Its directory.
      type: str
      returned: for pools with one
    active:
      description: Whether it runs.
      type: bool
      returned: always
    autostart:
      description: Whether it starts with the host.
      type: bool
      returned: always
    persistent:
      description: Whether it has a definition that outlives it.
      type: bool
      returned: always
    status:
      description: V(inactive), V(building), V(running), V(degraded) or V(inaccessible).
      type: str
      returned: always
    capacity:
      description: Its size, in bytes.
      type: int
      returned: for active pools
    allocation:
      description: How much of it is in use, in bytes.
      type: int
      returned: for active pools
    available:
      description: How much of it is free, in bytes.
      type: int
      returned: for active pools
    volumes:
      description: How many volumes it has.
      type: int
      returned: for active pools
  sample:
    - {name: images, type: dir, path: /srv/images, active: true, autostart: true, persistent: true, status: running,
       capacity: 107374182400, allocation: 21474836480, available: 85899345920, volumes: 4}
"""

from ansible_collections.metal.kvm.plugins.module_utils._ansible import run_info
from ansible_collections.metal.kvm.plugins.module_utils._objects.export import ADOPT_SPEC
from ansible_collections.metal.kvm.plugins.module_utils._objects.pool.plan import NOUN


def main() -> None:
    """Read pools."""
    run_info(NOUN.info, {"name": {"type": "str"}, **ADOPT_SPEC})


if __name__ == "__main__":
    main()
