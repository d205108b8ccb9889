#!/usr/bin/python
# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: secret_info
short_description: Read secrets
description:
  - Returns the secrets of libvirt in the words of M(metal.kvm.secret). Their values are not read.
extends_documentation_fragment:
  - metal.kvm._attributes.info_module
  - metal.kvm._attributes.action_group
  - metal.kvm._connection
options:
  usage:
    description: With O(name), only the secret for that use. Where there is none, the list is empty.
    type: str
    choices: [ceph, iscsi, volume, tls, vtpm]
  name:
    description: What the secret is called by those who use it.
    type: str
  uuid:
    description: Only the secret of this UUID.
    type: str
  as:
    description:
      - V(options) returns the options of M(metal.kvm.secret) that make the secret again, for a playbook, without its
        value. Fed back they change nothing.
    type: str
    choices: [info, options]
    default: info
  identity:
    description: With O(as=options), whether the UUID is among them, or a V(new) one is made elsewhere. A secret that has
      nothing else to be known by keeps it.
    type: str
    choices: [keep, new]
    default: keep
author:
  - metal.kvm contributors (@metal-kvm)
seealso:
  - module: metal.kvm.secret
"""

EXAMPLES = r"""
- name: Read all secrets
  metal.kvm.secret_info:
  register: read

- name: Show what they are for
  ansible.builtin.debug:
    msg: "{{ read.secrets | map(attribute='name', default='') }}"

- name: The options that make a secret again
  metal.kvm.secret_info:
    usage: ceph
    name: client.libvirt
    as: options
  register: adopted
"""

RETURN = r"""
options:
  description: With O(as=options), the options that make the secret again; of all secrets, a list of them.
  returned: with O(as=options)
  type: raw
not_exported:
  description: What the secret has that no option says, as paths in its document.
  returned: with O(as=options)
  type: list
  elements: raw
secrets_needed:
  description: The secrets whose values must be added to the options, by usage and name.
  returned: with O(as=options)
  type: list
  elements: raw
  sample: [ceph client.libvirt]
secrets:
  description: The secrets, sorted by usage and name.
  returned: unless O(as=options)
  type: list
  elements: dict
  contains:
    name:
      description: What it is called by those who use it.
      type: str
      returned: for secrets with a usage
    usage:
      description: What it is for.
      type: str
      returned: for secrets with a usage
    uuid:
      description: Its UUID.
      type: str
      returned: always
    description:
      description: What it is, for people.
      type: str
      returned: where there is one
    ephemeral:
      description: Whether it's kept in memory only.
      type: bool
      returned: always
    private:
      description: Whether libvirt gives its value to nobody.
      type: bool
      returned: always
  sample:
    - {uuid: 8f0f7a52-7e5b-4d0c-9d2c-0d4a6c3b1f10, usage: ceph, name: client.libvirt, ephemeral: false, private: true}
"""

from ansible_collections.metal.kvm.plugins.module_utils._ansible import run_info
from ansible_collections.metal.kvm.plugins.module_utils._objects.export import ADOPT_SPEC
from ansible_collections.metal.kvm.plugins.module_utils._objects.secret.plan import (
    INFO_RULES,
    INFO_SPEC,
    NOUN,
)


def main() -> None:
    """Read secrets."""
    run_info(NOUN.info, {**INFO_SPEC, **ADOPT_SPEC}, **INFO_RULES)


if __name__ == "__main__":
    main()
