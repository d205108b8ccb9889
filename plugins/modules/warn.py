#!/usr/bin/python
# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: warn
short_description: Show warnings
description:
  - Shows each message as a warning of Ansible's, so that it's seen at the end of a playbook whatever callback is used.
extends_documentation_fragment:
  - metal.kvm._attributes.info_module
options:
  messages:
    description: The warnings.
    type: list
    elements: str
    required: true
author:
  - metal.kvm contributors (@metal-kvm)
"""

EXAMPLES = r"""
- name: Say what waits for a restart
  metal.kvm.warn:
    messages:
      - "Domain web1 waits for a restart: {{ web1.restart_required | join(', ') }}"
  when: web1.restart_required | length > 0
"""

RETURN = r"""
messages:
  description: The warnings that were shown.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.metal.kvm.plugins.module_utils._ansible import run_local_info


def main() -> None:
    """Show the messages."""
    run_local_info(
        lambda params: {"warnings": list(params["messages"]), "messages": params["messages"]},
        {"messages": {"type": "list", "elements": "str", "required": True}},
    )


if __name__ == "__main__":
    main()
