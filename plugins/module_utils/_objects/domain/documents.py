# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two documents of a domain: its definition, and its running instance."""

from __future__ import annotations

import typing as t

from ..._libvirt import flags
from ..._xml import document

Element = document.Element


def persistent_document(domain: t.Any, secrets: bool = True) -> Element:
    """The definition. What is defined again must come with its secrets, or the passwords are lost; readers go without."""
    return _document(domain, secrets, "VIR_DOMAIN_XML_INACTIVE")


def running_document(domain: t.Any, secrets: bool = True) -> Element:
    """The running instance's document."""
    return _document(domain, secrets)


def _document(domain: t.Any, secrets: bool, *names: str) -> Element:
    names += ("VIR_DOMAIN_XML_SECURE",) if secrets else ()
    return document.document(domain.XMLDesc(flags(*names)))
