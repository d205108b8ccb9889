#!/usr/bin/python
# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: volume_info
short_description: Read storage volumes
description:
  - Returns the volumes of active storage pools in the words of M(metal.kvm.volume), with their sizes and backing
    chains.
extends_documentation_fragment:
  - metal.kvm._attributes.info_module
  - metal.kvm._attributes.action_group
  - metal.kvm._connection
options:
  pool:
    description: Only volumes of this pool. One that isn't active shows none.
    type: str
  name:
    description: Only volumes of this name. Where there is none, the list is empty.
    type: str
author:
  - metal.kvm contributors (@metal-kvm)
seealso:
  - module: metal.kvm.volume
"""

EXAMPLES = r"""
- name: Read the volumes of a pool
  metal.kvm.volume_info:
    pool: images
  register: read

- name: Show how far downloads are
  ansible.builtin.debug:
    msg: "{{ item.url }}: {{ (100 * item.received / item.size) | round(1) }} %"
  loop: "{{ read.downloads | selectattr('size') }}"

- name: Show which are overlays
  ansible.builtin.debug:
    msg: "{{ read.volumes | selectattr('backing', 'defined') | map(attribute='name') }}"
"""

RETURN = r"""
volumes:
  description: The volumes, sorted by pool and name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The volume's name.
      type: str
      returned: always
    pool:
      description: The pool it is in.
      type: str
      returned: always
    path:
      description: Its file or device on the hypervisor.
      type: str
      returned: always
    type:
      description: V(file), V(block), V(dir), V(network) ...
      type: str
      returned: always
    format:
      description: Its format as libvirt reports it.
      type: str
      returned: always
    capacity:
      description: Its size as a guest sees it, in bytes.
      type: int
      returned: always
    allocation:
      description: The space that it takes, in bytes.
      type: int
      returned: always
    physical:
      description: The size of its file, in bytes.
      type: int
      returned: where libvirt knows it
    permissions:
      description: Its mode, owner and group.
      type: dict
      returned: for files and devices
    backing:
      description: The path and format of what it is an overlay of.
      type: dict
      returned: for overlays
    backing_chain:
      description: The paths below it, as far as libvirt knows the volumes there.
      type: list
      elements: str
      returned: for overlays
  sample:
    - {name: web1.qcow2, pool: images, path: /srv/images/web1.qcow2, type: file, format: qcow2, capacity: 21474836480,
       allocation: 200704, backing: {path: /srv/images/debian.qcow2, format: qcow2},
       backing_chain: [/srv/images/debian.qcow2]}
downloads:
  description:
    - What is being fetched for volumes of pools of files, or broke off and goes on with the next run of its task.
    - A task itself can't say how far it is. Ask with this module from another terminal, or beside a task with C(async).
  returned: success
  type: list
  elements: dict
  contains:
    url:
      description: Where it comes from.
      type: str
      returned: always
    received:
      description: The bytes that are here.
      type: int
      returned: always
    size:
      description: The bytes of the whole, null where the server doesn't say.
      type: int
      returned: always
  sample:
    - {url: "https://cloud.example/debian.qcow2", received: 104857600, size: 353894400}
"""

from ansible_collections.metal.kvm.plugins.module_utils._ansible import run_info
from ansible_collections.metal.kvm.plugins.module_utils._objects.volume.plan import INFO_SPEC, NOUN


def main() -> None:
    """Read volumes."""
    run_info(NOUN.info, INFO_SPEC)


if __name__ == "__main__":
    main()
