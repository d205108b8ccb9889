#!/usr/bin/python
# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: libvirt_conf
short_description: Set keys in libvirt's configuration files
description:
  - Edits single keys of C(/etc/libvirt/*.conf). The rest of the file, its comments and its mode stay as they are.
  - Keys are checked against what the installed libvirt knows (the grammar that it ships for Augeas, else the file as
    shipped), and values against the key's kind, so that a daemon doesn't fail to start for them later.
  - Daemons read their files when they start. Restart them after a change (M(metal.kvm.libvirt_daemons)).
extends_documentation_fragment:
  - metal.kvm._attributes
options:
  name:
    description: The file, without directory and ending, such as V(qemu), V(libvirtd), V(virtproxyd) or V(network).
    type: str
    required: true
  kind:
    description:
      - V(conf) is a file of libvirt's own below C(/etc/libvirt).
      - V(environment) is a file of shell variables below C(/etc/default) or C(/etc/sysconfig), such as
        C(libvirt-guests).
      - V(sasl) is a file of Cyrus SASL below C(/etc/sasl2).
    type: str
    choices: [conf, environment, sasl]
    default: conf
  settings:
    description:
      - Keys and their values. Keys that aren't named are left as they are, so are those set to null.
      - Switches may be given as booleans. Lists replace what is there. Permissions such as V("0770") need quotes.
      - What a setting needs on the host, without which libvirt's daemon would not start, has to be there. That is the package of a
        V(lock_manager), what confines guests for V(security_driver) and V(security_require_confined), a user, a group, a directory
        of certificates, and a mount of huge pages.
      - A C(qemu.conf) is judged by libvirt itself before it is written, in a check too. Its driver of QEMU is started with the file as
        it would be, without a daemon, in a directory and a process of its own. What it doesn't start with is refused in its words.
        That takes root, C(virsh) and C(unshare); without them it is left out.
    type: dict
    default: {}
  creation_only:
    description: Keys of O(settings) whose values are defaults. They are set only if the file doesn't set these keys yet.
    type: list
    elements: str
  unset:
    description: Keys to take out, so that libvirt's default holds.
    type: list
    elements: str
    default: []
  sysroot:
    description: The root of the host's files.
    type: path
    default: /
notes:
  - A file that holds a password is made readable by its owner alone. Passwords are never shown.
author:
  - metal.kvm contributors (@metal-kvm)
seealso:
  - module: metal.kvm.libvirt_daemons
"""

EXAMPLES = r"""
- name: Confine every guest, and let none have a core dump with its memory
  metal.kvm.libvirt_conf:
    name: qemu
    settings:
      security_require_confined: true
      dump_guest_core: false
      cgroup_device_acl: [/dev/null, /dev/full, /dev/zero, /dev/random, /dev/urandom, /dev/ptmx, /dev/kvm]

- name: Go back to libvirt's own choice of user
  metal.kvm.libvirt_conf:
    name: qemu
    unset: [user, group]

- name: Give guests two minutes at shutdown
  metal.kvm.libvirt_conf:
    name: libvirt-guests
    kind: environment
    settings:
      SHUTDOWN_TIMEOUT: 120
"""

RETURN = r"""
conf:
  description: The file after the run; in a check, as it would be.
  returned: success
  type: dict
  contains:
    path:
      description: The file.
      type: str
      returned: always
    exists:
      description: Whether it was there before.
      type: bool
      returned: always
    mode:
      description: Its permissions; null where it isn't there.
      type: str
      returned: always
    values:
      description: All that it sets. Passwords read V((set\)).
      type: dict
      returned: always
  sample:
    path: /etc/libvirt/qemu.conf
    exists: true
    mode: "0600"
    values: {security_require_confined: 1, dump_guest_core: 0}
actions:
  description: What was done, or in a check would be, in order.
  returned: success
  type: list
  elements: str
  sample: [write /etc/libvirt/qemu.conf]
"""

from ansible_collections.metal.kvm.plugins.module_utils._ansible import run_local
from ansible_collections.metal.kvm.plugins.module_utils._host.libvirt_conf.plan import (
    argument_spec,
    describe,
    operations,
    plan,
)


def main() -> None:
    """Converge a configuration file."""
    run_local(plan, argument_spec(), operations, describe)


if __name__ == "__main__":
    main()
