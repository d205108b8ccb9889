#!/usr/bin/python
# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nwfilter_info
short_description: Read network filters
description:
  - Returns the network filters of libvirt in the words of M(metal.kvm.nwfilter).
extends_documentation_fragment:
  - metal.kvm._attributes.info_module
  - metal.kvm._attributes.action_group
  - metal.kvm._connection
options:
  name:
    description: Only the filter of this name. Where there is none, the list is empty.
    type: str
  as:
    description:
      - V(options) returns the fewest options of M(metal.kvm.nwfilter) that make the filter again, for a playbook. Fed
        back they change nothing. In a list, a filter comes after those that it refers to.
    type: str
    choices: [info, options]
    default: info
  identity:
    description: With O(as=options), whether the UUID is among them, or a V(new) one is made elsewhere.
    type: str
    choices: [keep, new]
    default: keep
author:
  - metal.kvm contributors (@metal-kvm)
seealso:
  - module: metal.kvm.nwfilter
"""

EXAMPLES = r"""
- name: The options that make a filter again
  metal.kvm.nwfilter_info:
    name: web
    as: options
  register: adopted

- name: Read all filters
  metal.kvm.nwfilter_info:
  register: read

- name: Show the chains
  ansible.builtin.debug:
    msg: "{{ read.nwfilters | items2dict(key_name='name', value_name='chain') }}"
"""

RETURN = r"""
options:
  description: With O(as=options), the options that make the filter again; without O(name) a list of them.
  returned: with O(as=options)
  type: raw
not_exported:
  description: What the filter has that no option says, as paths in its document.
  returned: with O(as=options)
  type: list
  elements: raw
secrets_needed:
  description: Always empty, for filters have no secrets.
  returned: with O(as=options)
  type: list
  elements: raw
nwfilters:
  description: The filters, sorted by name.
  returned: unless O(as=options)
  type: list
  elements: dict
  contains:
    name:
      description: The filter's name.
      type: str
      returned: always
    uuid:
      description: Its UUID.
      type: str
      returned: always
    chain:
      description: The chain that its rules are in.
      type: str
      returned: always
    priority:
      description: When the chain is asked.
      type: int
      returned: where it isn't 0
    rules:
      description: Its rules and references, in order, as O(metal.kvm.nwfilter#module:rules) takes them.
      type: list
      elements: dict
      returned: where there are any
  sample:
    - name: web
      uuid: 8f0f7a52-7e5b-4d0c-9d2c-0d4a6c3b1f10
      chain: root
      rules:
        - {filterref: clean-traffic}
        - {action: accept, direction: in, priority: 500, tcp: {dstportstart: 80}}
"""

from ansible_collections.metal.kvm.plugins.module_utils._ansible import run_info
from ansible_collections.metal.kvm.plugins.module_utils._objects.export import ADOPT_SPEC
from ansible_collections.metal.kvm.plugins.module_utils._objects.nwfilter.plan import NOUN


def main() -> None:
    """Read network filters."""
    run_info(NOUN.info, {"name": {"type": "str"}, **ADOPT_SPEC})


if __name__ == "__main__":
    main()
