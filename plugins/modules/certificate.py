#!/usr/bin/python
# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate
short_description: Make the certificates that libvirt and QEMU use for TLS
description:
  - Makes private keys, an authority of one's own, and certificates that it signs, and renews them before they expire.
    Uses the program C(openssl).
  - "There are several shapes. With O(authority) the certificate signs itself. With O(issuer_key) it is signed here, for
    a key that is here or for a O(request) from elsewhere. With neither, only the key is made, and
    RV(certificate.due) and RV(certificate.request) say what to take to the authority, whose answer O(content) places;
    so private keys never travel."
extends_documentation_fragment:
  - metal.kvm._attributes
options:
  path:
    description: The certificate's file.
    type: path
    required: true
  key:
    description: The private key's file, made if it isn't there, readable by its owner alone.
    type: path
  common_name:
    description: Whose certificate it is. Only O(content) speaks for itself.
    type: str
  names:
    description: Host names and addresses that it is good for. Clients compare them with the one that they connect to.
    type: list
    elements: str
    default: []
  usages:
    description: What it is good for. Hosts between which guests migrate need both.
    type: list
    elements: str
    choices: [server, client]
    default: [server, client]
  authority:
    description: Whether it is an authority's, signed by itself.
    type: bool
    default: false
  issuer:
    description: The authority's certificate. One that isn't signed by it is made anew.
    type: path
  issuer_key:
    description: The authority's key, to sign with.
    type: path
  request:
    description:
      - A request to sign, as text. Its name has to be O(common_name). What counts is O(names) and O(usages), whatever
        it asks for.
    type: str
  content:
    description: A certificate that the authority has made, to place at O(path). With O(key) it has to be for that key.
    type: str
  days:
    description: How long it is good for.
    type: int
    default: 365
  renew_before:
    description: A new one is made when the old one is good for less than this many days.
    type: int
    default: 30
  key_type:
    description: The kind of a key that has to be made; V(ec) is P-256, V(rsa) has 3072 bits.
    type: str
    choices: [ec, rsa]
    default: ec
  key_group:
    description: A group that may read the key, such as the one that QEMU runs with.
    type: str
author:
  - metal.kvm contributors (@metal-kvm)
"""

EXAMPLES = r"""
- name: Have an authority of one's own on the controller
  metal.kvm.certificate:
    path: /srv/pki/ca.pem
    key: /srv/pki/ca.key
    common_name: Our hypervisors
    authority: true
    days: 3650
  delegate_to: localhost

- name: Have a key on the host, and see whether its certificate is due
  metal.kvm.certificate:
    path: /etc/pki/libvirt/servercert.pem
    key: /etc/pki/libvirt/private/serverkey.pem
    issuer: /etc/pki/CA/cacert.pem
    common_name: hv1.example.org
    names: [hv1.example.org, 192.0.2.11]
  register: wanted

- name: Sign it on the controller
  metal.kvm.certificate:
    path: /srv/pki/issued/hv1.pem
    issuer: /srv/pki/ca.pem
    issuer_key: /srv/pki/ca.key
    request: "{{ wanted.certificate.request }}"
    common_name: hv1.example.org
    names: [hv1.example.org, 192.0.2.11]
  delegate_to: localhost
  when: wanted.certificate.request is not none
  register: signed

- name: Place it on the host
  metal.kvm.certificate:
    path: /etc/pki/libvirt/servercert.pem
    key: /etc/pki/libvirt/private/serverkey.pem
    content: "{{ signed.certificate.content }}"
  when: signed is not skipped
"""

RETURN = r"""
certificate:
  description: The certificate after the run.
  returned: success
  type: dict
  contains:
    path:
      description: Its file.
      type: str
      returned: always
    due:
      description: Why a new one has to be made; null if this one will do.
      type: str
      returned: always
    request:
      description: A request for the authority, where one is due and the authority is elsewhere; else null.
      type: str
      returned: always
    content:
      description: The certificate as text; null if there is none.
      type: str
      returned: always
    common_name:
      description: Whose it is.
      type: str
      returned: always
    names:
      description: Host names and addresses that it is good for.
      type: list
      elements: str
      returned: always
    usages:
      description: What it is good for.
      type: list
      elements: str
      returned: always
    not_after:
      description: Until when it is good.
      type: str
      returned: always
  sample:
    path: /etc/pki/libvirt/servercert.pem
    due: null
    request: null
    content: "-----BEGIN CERTIFICATE-----..."
    common_name: hv1.example.org
    names: [192.0.2.11, hv1.example.org]
    usages: [server, client]
    not_after: "2031-01-01T00:00:00Z"
actions:
  description: What was done, or in a check would be, in order.
  returned: success
  type: list
  elements: str
  sample: ["make /srv/pki/ca.key", "make /srv/pki/ca.pem (there is none)"]
"""

from ansible_collections.metal.kvm.plugins.module_utils._ansible import run_local
from ansible_collections.metal.kvm.plugins.module_utils._host.certificate.plan import (
    RULES,
    argument_spec,
    describe,
    operations,
    plan,
)


def main() -> None:
    """Converge a certificate."""
    run_local(plan, argument_spec(), operations, describe, **RULES)


if __name__ == "__main__":
    main()
