#!/usr/bin/python
# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: volume_download
short_description: Copy a storage volume to a file
description:
  - Writes a volume's content to a file on the machine that runs the module, through libvirt, holes as holes; an overlay
    becomes one whole image. The file gets its name at once.
  - It's done again only when the volume or the file has changed since.
extends_documentation_fragment:
  - metal.kvm._attributes
  - metal.kvm._attributes.action_group
  - metal.kvm._connection
options:
  pool:
    description: The pool, which must be active.
    type: str
    required: true
  name:
    description: The volume's name.
    type: str
    required: true
  dest:
    description:
      - The path of the file on the machine that runs the module. The parent directory must exist.
      - If this is an existing directory, the file is written into it, with the volume's name.
    type: path
    required: true
  format:
    description: The format of the file; the volume's own where it's left out.
    type: str
    choices: [raw, qcow2, qcow, qed, vmdk, vpc, vdi]
  mode:
    description: The octal mode of the file, in quotes. An existing file gets it too.
    type: raw
    default: '0600'
  force:
    description: Copy the volume although a running domain may be writing to it; the copy may be of no use then.
    type: bool
    default: false
notes:
  - What a file was made from is recorded on that machine in C(/var/lib/metal.kvm/volumes).
author:
  - metal.kvm contributors (@metal-kvm)
seealso:
  - module: metal.kvm.volume
"""

EXAMPLES = r"""
- name: Take an image home
  metal.kvm.volume_download:
    pool: images
    name: web1.qcow2
    dest: /srv/export/web1.qcow2
"""

RETURN = r"""
actions:
  description: What was done, or in a check would be done.
  returned: success
  type: list
  elements: str
  sample: ["download volume web1.qcow2 of pool images to /srv/export/web1.qcow2"]
file:
  description: The file's path, format and mode.
  returned: success
  type: dict
  sample: {path: /srv/export/web1.qcow2, format: qcow2, mode: '0600'}
restart_required:
  description: Always empty.
  returned: success
  type: list
  elements: str
assumed:
  description: What the check planned on although it isn't there yet.
  returned: in check mode
  type: list
  elements: str
"""

from ansible_collections.metal.kvm.plugins.module_utils._ansible import run_module
from ansible_collections.metal.kvm.plugins.module_utils._objects.volume.download import (
    ARGUMENT_SPEC,
    describe,
    operations,
    plan_download,
)


def main() -> None:
    """Make a file a copy of a volume."""
    run_module(plan_download, ARGUMENT_SPEC, operations, describe)


if __name__ == "__main__":
    main()
