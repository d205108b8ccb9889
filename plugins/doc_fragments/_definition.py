# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say a definition in other ways than by its options. Private to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  unset:
    description:
      - Options that go back to libvirt's own default, by their paths, like V(title) or V(dns.enable).
      - To set and unset an option in one task is an error.
    type: list
    elements: str
  xml:
    description:
      - The whole definition as libvirt's XML, in place of the options.
      - What identifies the object (its UUID, MAC addresses) and our metadata are carried over where the document leaves
        them out; everything else that it leaves out goes away.
    type: str
  xml_patch:
    description:
      - Edits of the definition by XPath, for what has no option. They change the definition, not the running object.
      - A value that libvirt writes in another way, or drops, is a warning.
      - To edit the place of an option that has another value in the same task is an error.
    type: list
    elements: dict
    suboptions:
      path:
        description:
          - The node, as seen from the document's root, V(dns/@enable). At most one node may be selected.
          - What is missing is made where the path is plain, of names, tests like V([@name='x']) and an attribute at
            the end.
        type: str
        required: true
      set:
        description: The value that the attribute or the element's text gets.
        type: str
      delete:
        description: Delete the node.
        type: bool
      namespaces:
        description: Prefixes in the path and their URIs, beside C(qemu), C(dnsmasq) and C(metal).
        type: dict
"""
