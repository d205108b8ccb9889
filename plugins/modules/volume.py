#!/usr/bin/python
# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: volume
short_description: Declare a storage volume
description:
  - Makes a volume of a storage pool, empty, on a backing volume, or as a copy of another volume, a file or a URL;
    lets it grow, also in a running guest; deletes it.
  - A download is prepared and verified outside the pool and gets its name at once, so that a volume is there whole or
    not at all. In pools whose volumes are no files, libvirt can't rename one; there it is made, written, and taken
    away if that fails.
  - Nothing is deleted or replaced that a domain or an overlay uses.
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
  state:
    description: V(present), which is meant where it's left out, makes the volume where it's missing; V(absent)
      deletes it.
    type: str
    choices: [present, absent]
  creation_only:
    description:
      - Options of this task that are for creation only. If the volume exists already, the task is run as if they were
        left out.
      - This is how a role gives defaults to a new volume without changing one that exists.
    type: list
    elements: str
  backing:
    description:
      - What a new volume is an overlay of. It can't be changed.
      - The name of a volume in the same pool, or a dict with C(pool) and C(volume), or one with C(path) and C(format).
      - In a V(logical) pool it makes LVM's snapshot of a volume there.
    type: raw
  source:
    description:
      - Where a new volume's content comes from. It acts when the volume is made, and then only with O(refresh=true).
      - Exactly one of O(source.url), O(source.file) and O(source.volume) says it.
    type: dict
    suboptions:
      url:
        description: An address that the hypervisor fetches. A download that broke off is resumed by the next run.
          How far it is tells RV(metal.kvm.volume_info#module:downloads).
        type: str
      file:
        description:
          - A file on the machine that runs the module. Over a remote O(uri), and into pools that have no path
            there, it is sent through libvirt.
          - So a file of the controller needs no copy on the hypervisor; delegate the task to C(localhost) and name the
            hypervisor in O(uri).
        type: path
      volume:
        description: A volume to copy.
        type: str
      pool:
        description: The pool of O(source.volume), where it's another one.
        type: str
      checksum:
        description:
          - V(sha256:) or V(sha512:) and the digits, or the address of a list like SHA256SUMS in which the file is
            found by its name.
        type: str
      format:
        description: The format of the source, where it shall not be read from it.
        type: str
      keyring:
        description: A keyring on the hypervisor; with it the list that O(source.checksum) names must be signed by one
          of its keys.
        type: path
      signature:
        description: Where the list's signature is. Left out, it's in the list itself.
        type: str
      reflink:
        description: Share the blocks with O(source.volume) instead of copying them. Both must be of the same format, and in one
          file system that can, such as btrfs and XFS; else the task fails. The volume is made as that one is, its backing volume
          included. Over a connection to another machine this is for raw volumes.
        type: bool
  refresh:
    description:
      - Replace the volume if its source is another one than it was made from. Refused while a domain or an overlay
        uses it.
      - Where the checksum doesn't tell, the server is asked for what identifies the file.
    type: bool
    default: false
  wipe:
    description: How to overwrite the content before the volume is deleted with O(state=absent). V(trim) is for
      volumes of Ceph (rbd); all others but V(zero) need the program C(scrub).
    type: str
    choices: [zero, nnsa, dod, bsi, gutmann, schneier, pfitzner7, pfitzner33, random, trim]
  preallocation:
    description: Whether a new qcow2 volume gets all its metadata at once.
    type: str
    choices: [none, metadata]
    default: none
  # generated from the table by nox -s docs: do not edit below
  capacity:
    description:
      - Its size as a guest sees it, V(20 GiB). A new volume needs it where it has no O(backing) and no
        O(source), whose size it takes otherwise.
      - A larger value than it has makes the volume grow, in a guest that is running too. It never shrinks.
    type: str
  allocation:
    description: How much of an empty volume is allocated when it's made. Never looked at again. libvirt
      allocates the whole capacity of a raw volume where this is left out.
    type: str
  format:
    description:
      - The format of a new volume; it can't be changed.
      - Left out, it is that of O(source), else what the name's ending says, else V(qcow2) in pools of
        files and V(raw) in others. It's never left to libvirt to choose.
    type: str
    choices: [raw, qcow2, qcow, qed, vmdk, vpc, vdi, bochs, cloop, dmg, iso, dir, ploop]
  permissions:
    description: Who may do what with the volume.
    type: dict
    suboptions:
      mode:
        description: 'The octal mode, in quotes: V(''0711'').'
        type: raw
      owner:
        description: The user who owns it, by number or name.
        type: str
      group:
        description: The group it belongs to, by number or name.
        type: str
      label:
        description: The security label.
        type: str
  compat:
    description: The version of a qcow2 volume; V(1.1) where it's left out.
    type: str
    choices: ['0.10', '1.1']
  cluster_size:
    description: The cluster size of a qcow2 volume, V(64 KiB).
    type: str
  lazy_refcounts:
    description: Whether a qcow2 volume writes its reference counts late.
    type: bool
  extended_l2:
    description: Whether a qcow2 volume's clusters are divided, so that small writes allocate less.
    type: bool
  nocow:
    description: Whether the file system's copy on write is off for the volume (btrfs).
    type: bool
  encryption:
    description: Encryption of a new volume. The passphrase itself is a secret of libvirt's.
    type: dict
    suboptions:
      format:
        description: How it is encrypted.
        type: str
        choices: [luks]
      secret_uuid:
        description: The UUID of libvirt's secret that has the passphrase.
        type: str
      secret_usage:
        description: The usage of libvirt's secret that has the passphrase.
        type: str
  # end of generated options
notes:
  - Where a volume came from is recorded on the hypervisor in C(/var/lib/metal.kvm/volumes).
author:
  - metal.kvm contributors (@metal-kvm)
seealso:
  - module: metal.kvm.volume_info
  - module: metal.kvm.pool
"""

EXAMPLES = r"""
- name: A cloud image
  metal.kvm.volume:
    pool: images
    name: debian.qcow2
    source:
      url: https://images.example.org/debian-12-genericcloud-amd64.qcow2
      checksum: https://images.example.org/SHA512SUMS

- name: A guest's disk on top of it
  metal.kvm.volume:
    pool: images
    name: web1.qcow2
    capacity: 20 GiB
    backing: debian.qcow2

- name: Let it grow, whether the guest is running or not
  metal.kvm.volume:
    pool: images
    name: web1.qcow2
    capacity: 30 GiB

- name: An empty logical volume
  metal.kvm.volume:
    pool: vg0
    name: data
    capacity: 100 GiB

- name: A copy of a volume
  metal.kvm.volume:
    pool: images
    name: test.qcow2
    source: {volume: web1.qcow2}

- name: An image of the controller, sent through libvirt
  metal.kvm.volume:
    uri: "qemu+ssh://root@{{ inventory_hostname }}/system"
    pool: images
    name: appliance.qcow2
    source:
      file: /srv/build/appliance.qcow2
  delegate_to: localhost

- name: Delete a volume
  metal.kvm.volume:
    pool: images
    name: test.qcow2
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, or in a check would be done, in order.
  returned: success
  type: list
  elements: str
  sample: ["make volume web1.qcow2 of pool images (20 GiB, qcow2, on /srv/images/debian.qcow2)"]
volume:
  description: The volume as RV(metal.kvm.volume_info#module:volumes) shows it; null after V(state=absent).
  returned: success
  type: dict
restart_required:
  description: Always empty; a volume needs no restart.
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
from ansible_collections.metal.kvm.plugins.module_utils._objects.volume.plan import ARGUMENT_SPEC, NOUN


def main() -> None:
    """Converge one volume."""
    run_module(NOUN.plan, ARGUMENT_SPEC, NOUN.operations, NOUN.describe)


if __name__ == "__main__":
    main()
