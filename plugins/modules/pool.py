#!/usr/bin/python
# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pool
short_description: Declare a storage pool
description:
  - Defines, changes, builds, starts and stops a storage pool of libvirt. Only what differs is changed, in place.
  - A change of an active pool's definition takes effect when the pool is restarted, which O(apply=restart) does.
    Running guests keep the volumes that they have open.
extends_documentation_fragment:
  - metal.kvm._attributes
  - metal.kvm._attributes.action_group
  - metal.kvm._connection
  - metal.kvm._definition
options:
  name:
    description: The pool's name.
    type: str
    required: true
  state:
    description:
      - V(active) and V(inactive) start and stop the pool, V(present) makes it where it's missing and leaves it
        running or not, V(absent) removes it.
      - Left out it is like V(present).
    type: str
    choices: [active, inactive, present, absent]
  autostart:
    description: Whether the pool starts with the host. Left out, it stays as it is; off for a new one.
    type: bool
  apply:
    description:
      - V(live) and V(stage) change the definition; nothing of a pool can be changed while it runs.
      - V(restart) restarts a running pool if something is left that only a restart brings. It is refused while running
        guests use the pool's storage, see O(force).
    type: str
    choices: [live, stage, restart]
    default: live
  build:
    description:
      - What to do with the devices of a new pool of type V(fs), V(disk) or V(logical). It acts when the pool is made,
        and never again.
      - V(new) makes a file system, partition table or volume group where there is none, V(overwrite) also where there
        is one, which is lost. Left out, what is there is used.
      - The directory of a V(dir), V(fs) or V(netfs) pool is made in any case where it's missing.
    type: str
    choices: [new, overwrite]
  refresh:
    description: Have libvirt look for new and vanished volumes. That is no change.
    type: bool
    default: false
  force:
    description:
      - Stop, restart or remove the pool even though running guests use its storage. With O(storage=delete) what is used
        is kept in any case.
    type: bool
    default: false
  storage:
    description:
      - What becomes of the data with O(state=absent).
      - V(delete) deletes all volumes, and the directory or volume group itself. It is refused while anything else uses
        one of them, a domain, an overlay elsewhere or another pool, or may use it.
      - A directory that is a mount point, or that holds hidden files or directories with something in them, can't be
        deleted. V(delete) is refused then, before any volume is deleted.
    type: str
    choices: [keep, delete]
    default: keep
  # generated from the table by nox -s docs: do not edit below
  uuid:
    description: The pool's UUID. It can't be changed.
    type: str
  type:
    description:
      - What the pool is made of. A new pool needs it; it can't be changed.
      - V(dir) a directory; V(fs) a file system on a device; V(netfs) one on a server; V(logical) a volume
        group of LVM.
      - Which of the others there are depends on the libvirt at hand.
    type: str
    choices: [dir, fs, netfs, logical, disk, iscsi, iscsi-direct, scsi, mpath, rbd, gluster, zfs, sheepdog,
      vstorage]
  path:
    description: The directory of V(dir), the mount point of V(fs) and V(netfs), the directory of the
      devices of the others.
    type: str
  source:
    description: Where the pool's storage comes from.
    type: dict
    suboptions:
      hosts:
        description: The servers (V(netfs), V(iscsi), V(rbd), V(gluster) ...).
        type: list
        elements: dict
        suboptions:
          name:
            description: The server's name or address.
            type: str
            required: true
          port:
            description: Its port, where it isn't the usual one.
            type: int
      dir:
        description: The directory that the server exports (V(netfs), V(gluster)).
        type: str
      devices:
        description: Block devices (V(fs), V(logical), V(disk)), or the target's name (V(iscsi)).
        type: list
        elements: str
      part_separator:
        description: Whether a V(p) stands before the number of a partition (V(disk) on multipath devices).
        type: bool
      name:
        description: The volume group (V(logical)), the pool (V(rbd), V(zfs)) or the volume (V(gluster)).
        type: str
      format:
        description: What is on the source, V(ext4), V(xfs), V(nfs) ... Where it's left out libvirt finds
          out what is there.
        type: str
      initiator:
        description: The initiator's name (V(iscsi)).
        type: str
      protocol_version:
        description: The version of NFS to use (V(netfs)).
        type: str
      vendor:
        description: Who made the storage; only told.
        type: str
      product:
        description: What the storage is called; only told.
        type: str
      adapter:
        description: The adapter (V(scsi)).
        type: dict
        suboptions:
          type:
            description: How the adapter is named.
            type: str
            choices: [scsi_host, fc_host]
          name:
            description: The SCSI host, V(host1).
            type: str
          parent:
            description: The HBA that a virtual one is made on.
            type: str
          parent_wwnn:
            description: That HBA by its world wide node name.
            type: str
          parent_wwpn:
            description: That HBA by its world wide port name.
            type: str
          parent_fabric_wwn:
            description: That HBA by the fabric it is in.
            type: str
          parent_address:
            description: The SCSI host by its PCI address.
            type: str
          unique_id:
            description: Which of the SCSI hosts at that address.
            type: int
          wwnn:
            description: The virtual HBA's world wide node name.
            type: str
          wwpn:
            description: The virtual HBA's world wide port name.
            type: str
          managed:
            description: Whether the virtual HBA goes away with the pool.
            type: bool
      auth:
        description: How to log in at the source. The password itself is a secret of libvirt's.
        type: dict
        suboptions:
          type:
            description: 'How to log in: V(chap) (V(iscsi)) or V(ceph) (V(rbd)).'
            type: str
            choices: [chap, ceph]
          username:
            description: The user.
            type: str
          secret_usage:
            description: The usage of the secret that has the password.
            type: str
          secret_uuid:
            description: The UUID of the secret that has the password.
            type: str
          secret_type:
            description: The kind of that secret, which needn't be said.
            type: str
            choices: [ceph, iscsi]
  permissions:
    description: Who may do what with the pool's directory.
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
  volume_allocation:
    description: 'How much of a volume counts as allocated: what the storage says, or without asking it
      for all of the capacity (V(rbd), where asking takes long).'
    type: str
    choices: [default, capacity]
  cow:
    description: Whether files are copied on write (btrfs).
    type: bool
  mount_options:
    description: Options for mount (V(fs), V(netfs)).
    type: list
    elements: str
  rbd_options:
    description: 'Options for librados (V(rbd)): name to value. Full when given.'
    type: dict
  # end of generated options
author:
  - metal.kvm contributors (@metal-kvm)
seealso:
  - module: metal.kvm.pool_info
  - module: metal.kvm.volume
"""

EXAMPLES = r"""
- name: A directory for images
  metal.kvm.pool:
    name: images
    type: dir
    path: /srv/images
    state: active
    autostart: true

- name: A volume group that is there already
  metal.kvm.pool:
    name: vg0
    type: logical
    source: {name: vg0}
    state: active
    autostart: true

- name: A new file system on a whole disk, which must be empty
  metal.kvm.pool:
    name: fast
    type: fs
    path: /srv/fast
    source: {devices: [/dev/nvme1n1], format: xfs}
    build: new
    state: active

- name: A directory of an NFS server
  metal.kvm.pool:
    name: shared
    type: netfs
    path: /srv/shared
    source: {hosts: [{name: nfs.example.org}], dir: /export/images, format: nfs}
    state: active

- name: Forget the pool, keep its files
  metal.kvm.pool:
    name: images
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, or in a check would be done, in order.
  returned: success
  type: list
  elements: str
  sample: ["define pool images", "make the directory /srv/images", "start pool images"]
restart_required:
  description: The options that take effect when the pool is restarted.
  returned: success
  type: list
  elements: str
  sample: [path]
pool:
  description: The pool as RV(metal.kvm.pool_info#module:pools) shows it; null after V(state=absent).
  returned: success
  type: dict
assumed:
  description: What the check planned on although it isn't there yet.
  returned: in check mode
  type: list
  elements: str
"""

from ansible_collections.metal.kvm.plugins.module_utils._ansible import run_module
from ansible_collections.metal.kvm.plugins.module_utils._objects.pool.plan import ARGUMENT_SPEC, NOUN


def main() -> None:
    """Converge one pool."""
    run_module(NOUN.plan, ARGUMENT_SPEC, NOUN.operations, NOUN.describe)


if __name__ == "__main__":
    main()
