# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody else sees of a host, and does to it: through libvirt and on its files, without a line of the collection."""

from __future__ import annotations

import hashlib
import os
import pathlib
import shutil
import subprocess
import typing as t

import libvirt
from lxml import etree

URI = "qemu:///system"
Seen = dict[str, dict[str, t.Any]]

libvirt.registerErrorHandler(lambda context, error: None, None)


def ready() -> bool:
    """Whether the daemon answers."""
    try:
        return bool(libvirt.open(URI).isAlive())
    except libvirt.libvirtError:
        return False


def plain(node: t.Any) -> t.Any:
    """An element in a form that compares: without spaces around elements, attributes in the order of their names."""
    inner = [plain(one) for one in node if isinstance(one.tag, str)]
    return [node.tag, sorted(node.attrib.items()), (node.text or "").strip() if not inner else "", inner]


def _document(text: str, *without: str) -> str:
    """A document as text that compares, without what libvirt measures and the elements that ``without`` selects."""
    root = etree.fromstring(text)
    root.attrib.pop("connections", None)
    for path in without:
        for node in root.xpath(path):
            node.getparent().remove(node)
    for devices in root.iterfind("devices"):  # libvirt puts them into another order when it starts
        devices[:] = sorted(
            devices, key=lambda one: (one.get("type"), one.get("index")) if one.tag == "controller" else ("", "")
        )
    return str(plain(root))


def see(place: str) -> Seen:
    """All that is on the host: every definition and state, and every file in ``place``."""
    connection = libvirt.open(URI)
    seen: Seen = {}
    for domain in connection.listAllDomains():
        persistent, active = domain.isPersistent(), domain.isActive()
        text = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE | libvirt.VIR_DOMAIN_XML_INACTIVE)
        seen[f"domain {domain.name()}"] = {
            "definition": _document(text),
            "running": _document(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE), "//backingStore") if active else None,
            "state": [domain.state()[0], persistent, persistent and domain.hasManagedSaveImage(0)],
            "autostart": persistent and domain.autostart(),
            "text": text,
        }
    for network in connection.listAllNetworks():
        seen[f"network {network.name()}"] = {
            "definition": _document(network.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE)),
            "running": _document(network.XMLDesc(0)) if network.isActive() else None,
            "autostart": network.isPersistent() and network.autostart(),
        }
    for pool in connection.listAllStoragePools():
        measured = ("capacity", "allocation", "available", "target/permissions")
        text = pool.XMLDesc(libvirt.VIR_STORAGE_XML_INACTIVE)
        seen[f"pool {pool.name()}"] = {
            "definition": _document(text, *measured),
            "active": pool.isActive(),
            "autostart": pool.isPersistent() and pool.autostart(),
            "path": etree.fromstring(pool.XMLDesc(0)).findtext("target/path"),  # where it is now
        }
    for rule in connection.listAllNWFilters():
        seen[f"nwfilter {rule.name()}"] = {"definition": _document(rule.XMLDesc())}
    for secret in connection.listAllSecrets():
        try:
            value = secret.value().hex()
        except libvirt.libvirtError:
            value = ""
        seen[f"secret {secret.usageID()}"] = {"definition": _document(secret.XMLDesc()), "value": value}
    for file in sorted(pathlib.Path(place).rglob("*")):
        mode = oct(file.lstat().st_mode)
        content = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""
        seen[f"file {file}"] = {"mode": mode, "content": content}
    return seen


def clear(place: str) -> None:
    """Remove everything from the host."""
    connection = libvirt.open(URI)
    for domain in connection.listAllDomains():
        _end(domain, libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
    for there in (*connection.listAllNetworks(), *connection.listAllStoragePools()):
        _end(there)
    for dummy in range(3):  # filters that others refer to go last
        for rule in connection.listAllNWFilters():
            if rule.name().startswith("seq-"):
                _try(rule.undefine)
    for secret in connection.listAllSecrets():
        secret.undefine()
    for path in pathlib.Path(place).iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _end(there: t.Any, flags: t.Optional[int] = None) -> None:
    persistent = there.isPersistent()
    if there.isActive():
        there.destroy()
    if persistent:
        there.undefine() if flags is None else there.undefineFlags(flags)


def _try(act: t.Callable[..., t.Any], *arguments: t.Any) -> str:
    """Do it; what libvirt or the system says if it can't be done."""
    try:
        act(*arguments)
    except (libvirt.libvirtError, OSError) as error:
        return str(error)
    return ""


def edit_domain(name: str, what: str, value: str) -> str:
    """``virsh`` on a domain: returns what libvirt said if it refused."""
    connection = libvirt.open(URI)
    try:
        domain = connection.lookupByName(name)
    except libvirt.libvirtError as error:
        return str(error)
    if what in ("create", "destroy", "suspend", "resume", "undefine"):
        return _try(getattr(domain, what))
    if what == "snapshot":
        return _try(domain.snapshotCreateXML, f"<domainsnapshot><name>{value}</name></domainsnapshot>")
    root = etree.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE | libvirt.VIR_DOMAIN_XML_INACTIVE))
    EDITS[what](root, value)
    return _try(connection.defineXML, etree.tostring(root).decode())


def _put(root: t.Any, tag: str, text: str) -> None:
    node = root.find(tag)
    if node is None:
        node = etree.SubElement(root, tag)
    node.text = text


def _add(root: t.Any, parent: str, text: str) -> None:
    above = root.find(parent)
    if above is None:
        above = etree.SubElement(root, parent)
    above.append(etree.fromstring(text))


FOREIGN = "<k:info xmlns:k='{0}'><k:owner a='1'>{1}</k:owner><k:owner>x</k:owner></k:info>"
EDITS: dict[str, t.Callable[[t.Any, str], None]] = {
    "title": lambda root, value: _put(root, "title", f"by hand {value}"),
    "description": lambda root, value: _put(root, "description", f"by hand {value}"),
    "metadata": lambda root, value: _add(root, "metadata", FOREIGN.format(f"http://example.org/{value}", value)),
    "relative": lambda root, value: _add(root, "metadata", FOREIGN.format(f"kcli{value}", value)),
    "panic": lambda root, value: _add(root, "devices", "<panic model='isa'/>"),
    "watchdog": lambda root, value: _add(root, "devices", "<watchdog model='i6300esb' action='none'/>"),
    "sound": lambda root, value: _add(root, "devices", "<sound model='ich9'/>"),
    "vsock": lambda root, value: _add(root, "devices", "<vsock model='virtio'><cid auto='yes'/></vsock>"),
    "rng": lambda root, value: _add(
        root, "devices", "<rng model='virtio'><backend model='random'>/dev/random</backend></rng>"
    ),
    "nic": lambda root, value: _add(
        root,
        "devices",
        f"<interface type='user'><mac address='52:54:00:0e:00:0{value}'/><model type='e1000e'/></interface>",
    ),
    "disk": lambda root, value: _add(
        root,
        "devices",
        f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{value}'/>"
        "<target dev='vdx' bus='virtio'/></disk>",
    ),
}


def virsh(*words: str) -> str:
    """What virsh says where it fails."""
    done = subprocess.run(["virsh", "-q", *words], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr.strip()


def edit_definition(noun: str, name: str, old: str, new: str) -> str:
    """``virsh edit`` of a network or filter: another text in place of the first one."""
    connection = libvirt.open(URI)
    look_up, define = {
        "network": (connection.networkLookupByName, connection.networkDefineXML),
        "nwfilter": (connection.nwfilterLookupByName, connection.nwfilterDefineXML),
    }[noun]
    try:
        there = look_up(name)
        text = there.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE if noun == "network" else 0)
        define(text.replace(old, new, 1))
    except libvirt.libvirtError as error:
        return str(error)
    return ""


def file(path: str, what: str) -> str:
    """A file is written, made bigger or deleted, or an overlay is made on it."""
    if what == "delete":
        return _try(os.unlink, path)
    if what == "overlay":
        if not os.path.exists(path):
            return "there is no such file"
        form = "qcow2" if pathlib.Path(path).read_bytes()[:3] == b"QFI" else "raw"
        command = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", path, "-F", form, f"{path}-overlay.qcow2"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stderr
    if not os.path.isdir(os.path.dirname(path)):
        return "there is no such directory"
    with open(path, "ab") as there:
        there.write(os.urandom(512) + bytes(1024 * 1024 - 512))
    return ""
