#!/usr/bin/python
# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: secret
short_description: Declare a secret
description:
  - Defines, changes and removes a secret of libvirt, the password or key that a pool, a disk, an encrypted volume or a
    TPM refers to, and sets its value.
  - The value is written and never shown, in no result, diff or log. It is compared where libvirt gives it away, which it
    does for secrets that aren't private.
  - A running guest has taken its secrets at its start. A new value is for the next one who asks.
extends_documentation_fragment:
  - metal.kvm._attributes
  - metal.kvm._attributes.action_group
  - metal.kvm._connection
  - metal.kvm._definition
options:
  state:
    description: V(present) makes the secret where it's missing, V(absent) removes it and its value. Left out it is like
      V(present).
    type: str
    choices: [present, absent]
  value:
    description: The value, as text. Left out, the one that is there stays, and a new secret has none.
    type: str
  value_base64:
    description:
      - The value in base64, for bytes that are no text.
      - The key of a Ceph user as Ceph prints it is base64 and belongs here.
    type: str
  update_value:
    description:
      - When the value is set. In any case it is where the secret has none.
      - V(different) sets it where libvirt shows another one. A private secret's value isn't shown, so that it stays.
      - V(always) sets it also where it isn't shown, and such a task changes something each time.
      - V(on_create) leaves a value that is there.
    type: str
    choices: [on_create, different, always]
    default: different
  # generated from the table by nox -s docs: do not edit below
  uuid:
    description: The secret's UUID. libvirt makes one where this is left out; it can't be changed. Guests
      that migrate with a disk that needs the secret find it by this, so that it should be the same on
      all their hosts.
    type: str
  usage:
    description:
      - What the secret is for, and with O(name) what tells it from others. It can't be changed.
      - V(ceph) and V(iscsi) log in at servers of storage, V(volume) opens an encrypted volume, V(tls)
        a private key, V(vtpm) the state of an emulated TPM.
    type: str
    choices: [ceph, iscsi, volume, tls, vtpm]
  name:
    description: 'What the secret is called by those who use it: O(metal.kvm.pool#module:source.auth.secret_usage)
      and the like. For V(usage=volume) libvirt takes the volume''s path. It can''t be changed.'
    type: str
  description:
    description: What it is, for people.
    type: str
  ephemeral:
    description: Whether libvirt keeps the secret in memory only, so that it's gone with the daemon.
    type: bool
  private:
    description: Whether libvirt gives the value to nobody who asks, so that it can be used and not read.
      It can't be made false again.
    type: bool
  # end of generated options
author:
  - metal.kvm contributors (@metal-kvm)
seealso:
  - module: metal.kvm.secret_info
  - module: metal.kvm.pool
  - module: metal.kvm.domain
"""

EXAMPLES = r"""
- name: The key with which guests open their disks in Ceph
  metal.kvm.secret:
    usage: ceph
    name: client.libvirt
    private: true
    value_base64: "{{ vault_ceph_key }}"

- name: A password for an iSCSI pool
  metal.kvm.secret:
    usage: iscsi
    name: san
    value: "{{ vault_chap_password }}"

- name: The passphrase of an encrypted volume
  metal.kvm.secret:
    usage: volume
    name: /srv/images/web1.qcow2
    description: Disk of web1
    value: "{{ vault_web1_disk }}"

- name: Rotate the value of a private secret
  metal.kvm.secret:
    usage: ceph
    name: client.libvirt
    value_base64: "{{ vault_ceph_key }}"
    update_value: always

- name: Remove a secret
  metal.kvm.secret:
    usage: iscsi
    name: san
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, or in a check would be done, in order.
  returned: success
  type: list
  elements: str
  sample: ["define secret iscsi san", "set the value of secret iscsi san"]
restart_required:
  description: Always empty, for nothing of a secret waits for a restart.
  returned: success
  type: list
  elements: str
  sample: []
secret:
  description: The secret as RV(metal.kvm.secret_info#module:secrets) shows it; null after V(state=absent).
  returned: success
  type: dict
assumed:
  description: What the check planned on although it isn't there yet.
  returned: in check mode
  type: list
  elements: str
"""

from ansible_collections.metal.kvm.plugins.module_utils._ansible import run_module
from ansible_collections.metal.kvm.plugins.module_utils._objects.secret.plan import ARGUMENT_SPEC, NOUN, RULES


def main() -> None:
    """Converge one secret."""
    run_module(NOUN.plan, ARGUMENT_SPEC, NOUN.operations, NOUN.describe, **RULES)


if __name__ == "__main__":
    main()
