# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two documents of a domain: its definition, and its running instance."""

from __future__ import annotations

import typing as t

from ..._libvirt import code_is, flags
from ..._xml import document

Element = document.Element

_TRANSIENT = "devices/disk[transient]"


def persistent_document(domain: t.Any, secrets: bool = True) -> Element:
    """The definition. What is defined again must come with its secrets, or the passwords are lost; readers go without."""
    root = _document(domain, secrets, "VIR_DOMAIN_XML_INACTIVE")
    cpu = root.find("cpu")
    if cpu is not None and cpu.get("check") == "full" and not domain.isPersistent():
        _put_asked(domain, root, cpu)  # a transient domain has no definition: libvirt shows what runs
    if root.find(_TRANSIENT) is not None and not domain.isPersistent():
        _put_images(root, _document(domain, False))
    return root


def running_document(domain: t.Any, secrets: bool = True) -> Element:
    """The running instance's document, its processor and its transient disks as they were asked for where that can be known."""
    root = _document(domain, secrets)
    _put_images(root, root)
    cpu = root.find("cpu")
    if cpu is not None and cpu.get("check") == "full":
        _put_asked(domain, root, cpu)
    return root


def _put_asked(domain: t.Any, root: Element, cpu: Element) -> None:
    """While the guest runs libvirt shows the processor that it got, every feature by name; what was asked for is in the
    document for a migration, which a reader without rights doesn't get."""
    try:
        asked = _document(domain, False, "VIR_DOMAIN_XML_MIGRATABLE").find("cpu")
    except Exception as error:
        if not code_is(error, "VIR_ERR_OPERATION_DENIED", "VIR_ERR_ACCESS_DENIED", "VIR_ERR_AUTH_DENIED"):
            raise
        cpu.set("expanded", "yes")
        return
    root.replace(cpu, asked)


def _put_images(root: Element, running: Element) -> None:
    """While the guest runs libvirt shows the file that a transient disk writes to; the image asked for lies below it."""
    disks = {disk.find("target").get("dev"): disk for disk in root.iterfind("devices/disk")}
    for there in running.iterfind(_TRANSIENT):
        image, disk = there.find("backingStore"), disks[there.find("target").get("dev")]
        file = disk.find("source").get("file")
        if image is not None and file == f"{image.find('source').get('file')}.TRANSIENT-{root.findtext('name')}":
            disk.find("source").set("file", image.find("source").get("file"))
            disk.find("driver").set("type", image.find("format").get("type"))


def _document(domain: t.Any, secrets: bool, *names: str) -> Element:
    names += ("VIR_DOMAIN_XML_SECURE",) if secrets else ()
    return document.document(domain.XMLDesc(flags(*names)))
