#!/usr/bin/python
# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: libvirt_daemons
short_description: Have libvirt's daemons run
description:
  - Has libvirt run as one daemon or as one per driver, has it listen for other machines or not, and restarts what reads
    a file that changed. After a start or restart it sees whether libvirt answers.
  - Under systemd the sockets are what is enabled and started. A daemon that has gone idle is left alone, and guests run
    on whatever happens to their daemon. C(virtlogd) and C(virtlockd) are never stopped.
  - Without systemd, init scripts are used where there are any, else the daemons are started in the background.
extends_documentation_fragment:
  - metal.kvm._attributes
options:
  layout:
    description:
      - V(monolithic) is C(libvirtd), V(modular) is C(virtqemud) and its like. The units of the other are stopped and
        disabled.
      - V(keep) is the one that is found. It is an error if both are.
    type: str
    choices: [keep, monolithic, modular]
    default: keep
  tls:
    description:
      - Whether to listen with TLS. Null leaves it as it is. Needs certificates, which the role P(metal.kvm.remote#role)
        makes or places.
      - Without systemd the daemon's C(listen_tls) has to say the same (M(metal.kvm.libvirt_conf)).
    type: bool
  tcp:
    description: Whether to listen without encryption. Null leaves it as it is.
    type: bool
  drop_ins:
    description:
      - For units of systemd, what to set otherwise than in the unit, as section, key and value; a list sets the key
        several times, an empty text resets it before.
      - Each is a file of its own, C(metal-kvm.conf), and is written whole. An empty dict takes it away.
    type: dict
    default: {}
  restart_for:
    description:
      - Files that have to be read, by the name that M(metal.kvm.libvirt_conf) has for them; V(pki) are the certificates
        for TLS, V(sasl) is C(/etc/sasl2/libvirt.conf). A daemon that started before its file was last written is
        restarted.
    type: list
    elements: str
    default: []
author:
  - metal.kvm contributors (@metal-kvm)
seealso:
  - module: metal.kvm.libvirt_conf
"""

EXAMPLES = r"""
- name: Have libvirt run as it is installed
  metal.kvm.libvirt_daemons:

- name: Go from one daemon to one per driver; guests run on
  metal.kvm.libvirt_daemons:
    layout: modular

- name: Listen with TLS on one address alone
  metal.kvm.libvirt_daemons:
    tls: true
    drop_ins:
      libvirtd-tls.socket:
        Socket:
          ListenStream: ["", "192.0.2.10:16514"]

- name: Have the change of qemu.conf read
  metal.kvm.libvirt_daemons:
    restart_for: [qemu]
"""

RETURN = r"""
daemons:
  description: The daemons after the run.
  returned: success
  type: dict
  contains:
    layout:
      description: V(monolithic), V(modular), V(mixed) or V(none).
      type: str
      returned: always
    manager:
      description: Who starts them; V(systemd), V(service) (init scripts) or V(none).
      type: str
      returned: always
    units:
      description: By daemon, whether it is installed, running, listening, and enabled.
      type: dict
      returned: always
  sample:
    layout: monolithic
    manager: systemd
    units:
      libvirtd: {installed: true, running: true, listening: true, enabled: true}
actions:
  description: What was done, or in a check would be, in order.
  returned: success
  type: list
  elements: str
  sample: ["stop libvirtd.service", "start libvirtd-tls.socket", "start libvirtd.service"]
"""

from ansible_collections.metal.kvm.plugins.module_utils._ansible import run_local
from ansible_collections.metal.kvm.plugins.module_utils._host.libvirt.daemons import (
    argument_spec,
    describe,
    operations,
    plan,
)


def main() -> None:
    """Converge libvirt's daemons."""
    run_local(plan, argument_spec(), operations, describe)


if __name__ == "__main__":
    main()
