#!/usr/bin/python
# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kvm_module
short_description: Load KVM's kernel modules and set their parameters
description:
  - Loads and unloads the kernel's modules for virtualisation and its friends (C(kvm), C(kvm_intel), C(kvm_amd),
    C(vhost_net), C(vhost_vsock), C(vfio_pci), C(tun) and any other), sets their parameters, and keeps both for the
    next boot.
  - Parameters are compared with what is in effect. What can be written while the module is loaded is written; the rest
    needs the module to be loaded anew, which is done only while nothing uses it, and is reported in RV(pending)
    otherwise.
  - What the kernel sets back, since the processor or the firmware lacks it, is a warning. The next run changes nothing.
extends_documentation_fragment:
  - metal.kvm._attributes
options:
  name:
    description:
      - The module's name. Dashes and underscores are the same.
      - V(vendor) is the one of C(kvm_intel) and C(kvm_amd) (elsewhere C(kvm_hv) or C(kvm)) that is for this
        processor. On a machine that hasn't got what it drives nothing is done, which is no error; a warning,
        RV(kernel_module.cause) and RV(kernel_module.remedy) say why. Parameters asked for that can't be had are an error.
    type: str
    required: true
  state:
    description:
      - V(loaded) loads the module now and, with O(persistent), at boot.
      - V(unloaded) unloads it and takes it from this module's list for boot. It is an error if something uses it.
      - V(absent) does the same and takes away the parameters that this module has written.
      - V(present), or nothing, writes the parameters and leaves the module loaded or not.
    type: str
    choices: [present, loaded, unloaded, absent]
  parameters:
    description:
      - Values for the module's parameters. Those not named are left as they are, so are those set to null.
      - Booleans may be given in any spelling (V(true), V(1), V(Y), V(on)) whatever the kernel prints.
    type: dict
  unset:
    description: Parameters to take out of this module's file, so that a load leaves them at the kernel's default.
    type: list
    elements: str
  persistent:
    description:
      - Whether to write the parameters to C(/etc/modprobe.d/zz-metal-kvm-NAME.conf), and, with O(state=loaded), the
        name to C(/etc/modules-load.d/metal-kvm-NAME.conf). Other files are read, and named where they win, but not
        written.
    type: bool
    default: true
  reload:
    description:
      - What to do about parameters that only a load can set.
      - V(when_idle) unloads and loads the module, with those that use it, if no guest or other user holds one of them.
      - V(never) leaves it loaded and reports RV(pending).
    type: str
    choices: [when_idle, never]
    default: when_idle
  initramfs:
    description: Whether to rebuild the initramfs when the parameters of a module change that is told to be in it.
    type: str
    choices: [auto, never]
    default: auto
  sysroot:
    description:
      - The root of the host's files. Below any other than V(/) only files are written, and the running kernel is left
        alone.
    type: path
    default: /
notes:
  - A module that is built into the kernel takes load-time parameters only from the kernel's command line. Asking for
    one that isn't in effect is an error that says what to put there.
author:
  - metal.kvm contributors (@metal-kvm)
seealso:
  - module: metal.kvm.host_info
"""

EXAMPLES = r"""
- name: Load KVM with the module for this processor, now and at boot
  metal.kvm.kvm_module:
    name: vendor
    state: loaded

- name: Let guests be hypervisors; loads kvm_amd anew if no guest runs
  metal.kvm.kvm_module:
    name: kvm_amd
    parameters:
      nested: true
  register: kvm_amd

- name: Say what still waits
  ansible.builtin.debug:
    var: kvm_amd.pending

- name: Poll less, at once and at every load
  metal.kvm.kvm_module:
    name: kvm
    parameters:
      halt_poll_ns: 50000

- name: Speed up guests' networks
  metal.kvm.kvm_module:
    name: vhost_net
    state: loaded

- name: Go back to the kernel's own default
  metal.kvm.kvm_module:
    name: kvm
    unset: [halt_poll_ns]

- name: Prepare an image that is mounted
  metal.kvm.kvm_module:
    name: kvm_intel
    parameters: {nested: true}
    sysroot: /mnt/image
"""

RETURN = r"""
kernel_module:
  description: The module after the run; in a check, as it would be.
  returned: success
  type: dict
  contains:
    name:
      description: The module's name, with underscores. For O(name=vendor) the module that this is here.
      type: str
      returned: always
    loaded:
      description: Whether the running kernel has it, loaded or built in.
      type: bool
      returned: always
    builtin:
      description: Whether it is part of the kernel.
      type: bool
      returned: always
    available:
      description: Whether the running kernel's modules have it.
      type: bool
      returned: always
    refcnt:
      description: How many hold it; null for a built-in one.
      type: int
      returned: always
    holders:
      description: Loaded modules that use it.
      type: list
      elements: str
      returned: always
    vendor:
      description: For vendor modules of KVM, which (V(intel), V(amd), V(hv), V(pr), V(pvm)); else null.
      type: str
      returned: always
    parameters:
      description:
        - What is in effect, by name. C(value) is a boolean, a number or a text, C(raw) the kernel's own words,
          C(mode) the file's mode, C(live) whether it can be written while the module is loaded.
      type: dict
      returned: always
    configured:
      description: Who sets parameters at a load; file (or V(kernel command line)) to parameter to value. The last
        counts.
      type: dict
      returned: always
    loaded_at_boot:
      description: The file that has the module loaded at boot, or null.
      type: str
      returned: always
    blocked:
      description: What keeps it out (blacklists, C(install) commands, words on the kernel's command line).
      type: list
      elements: str
      returned: always
    usable:
      description: For KVM's own modules, whether C(/dev/kvm) can be used; else null. The following keys likewise, as in
        M(metal.kvm.host_info).
      type: bool
      returned: always
    hardware:
      description: Whether VT-x, AMD-V or the architecture's equivalent is there.
      type: bool
      returned: always
    cause:
      description: Why KVM can't be used, in one word; null where it can.
      type: str
      returned: always
    message:
      description: The same as a sentence.
      type: str
      returned: always
    remedy:
      description: What to do about it.
      type: str
      returned: always
  sample:
    name: kvm_amd
    loaded: true
    builtin: false
    available: true
    refcnt: 0
    holders: []
    vendor: amd
    parameters:
      nested: {value: 1, raw: "1", mode: "0444", live: false}
    configured:
      /etc/modprobe.d/zz-metal-kvm-kvm_amd.conf: {nested: "1"}
    loaded_at_boot: /etc/modules-load.d/metal-kvm-kvm_amd.conf
    blocked: []
    usable: true
    hardware: true
    cause: null
    message: "KVM is usable: AMD-V through kvm_amd."
    remedy: null
pending:
  description: What is written but waits, since it can't be had while the module is in use.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: What it waits for; V(module_reload).
      type: str
      returned: always
    reason:
      description: The parameter, and why it wasn't reloaded.
      type: str
      returned: always
    source:
      description: The file that has the value.
      type: str
      returned: always
    wanted:
      description: What it shall be; null for the kernel's default.
      type: str
      returned: always
    current:
      description: What it is now.
      type: str
      returned: always
actions:
  description: What was done, or in a check would be, in order.
  returned: success
  type: list
  elements: str
  sample: ["unload kvm_amd", "write /etc/modprobe.d/zz-metal-kvm-kvm_amd.conf", "load kvm_amd"]
"""

from ansible_collections.metal.kvm.plugins.module_utils._ansible import run_local
from ansible_collections.metal.kvm.plugins.module_utils._host.kernel_module.operations import operations
from ansible_collections.metal.kvm.plugins.module_utils._host.kernel_module.plan import argument_spec, describe, plan


def main() -> None:
    """Converge a kernel module."""
    run_local(plan, argument_spec(), operations, describe)


if __name__ == "__main__":
    main()
