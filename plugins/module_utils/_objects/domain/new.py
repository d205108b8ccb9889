# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain that isn't there yet: what it gets where the user said nothing, written once and never added later."""

from __future__ import annotations

import contextlib
import copy
import os
import typing as t

from ..._host.kvm.accelerator import accelerator
from ..._libvirt import explain, is_error
from ..._plan import KvmError, refuse
from ..._xml import document
from ..._xml.rows import Values

if t.TYPE_CHECKING:
    from ..._libvirt import World

Element = document.Element

# what every guest gets
DEFAULTS: Values = {
    "vcpus": 1,
    "agent": True,
    "memballoon": {"model": "virtio"},
    "rng": [{"model": "virtio", "backend": "random", "source": "/dev/urandom"}],
}
_X86 = {"machine": "q35", "features": {"acpi": True, "apic": True}}
# architecture: what its guests get
ARCHITECTURES: dict[str, Values] = {
    "x86_64": _X86,
    "i686": _X86,
    "aarch64": {"machine": "virt", "firmware": "efi", "features": {"acpi": True}},
    "armv7l": {"machine": "virt"},
    "riscv64": {"machine": "virt"},
    "loongarch64": {"machine": "virt"},
    "ppc64": {"machine": "pseries"},
    "ppc64le": {"machine": "pseries"},
    "s390x": {"machine": "s390-ccw-virtio"},
}
# a USB 3 controller in place of libvirt's older default
USB3 = ("x86_64", "i686", "aarch64", "armv7l", "riscv64", "loongarch64")
PCIE_MACHINES = ("q35", "pc-q35", "virt")


def host_arch(capabilities: Element) -> str:
    """The host's architecture, as libvirt says."""
    return str(capabilities.findtext("host/cpu/arch"))


def virt_type(capabilities: Element, arch: str, local: bool) -> str:
    """``kvm`` where hardware runs the guest, else ``qemu``.

    libvirt offers kvm wherever /dev/kvm answers; on this machine we ask for VT-x or AMD-V too.
    """
    offered = [
        domain.get("type")
        for guest in capabilities.iterfind("guest/arch")
        if guest.get("name") == arch
        for domain in guest.iterfind("domain")
    ]
    if not offered:
        why = f"no emulator for {arch} is installed on this host"
        refuse("arch", why, "Install QEMU for that architecture (role metal.kvm.host: host_architectures).")
    hardware = "kvm" in offered and arch == host_arch(capabilities) and (not local or accelerator() == "kvm")
    return "kvm" if hardware else "qemu"


def new_uuid(world: World, name: str, smbios: t.Optional[str] = None) -> str:
    """The UUID in the new domain's SMBIOS data, which libvirt takes for its own, else one that nobody has.

    It is made from the host and the name: what a check foresees is what the run makes.
    """
    import uuid

    with contextlib.suppress(ValueError):
        return str(uuid.UUID(smbios or ""))
    host = uuid.uuid5(uuid.NAMESPACE_URL, world.capabilities().findtext("host/uuid") or world.uri)
    new, number = uuid.uuid5(host, name), 1
    while world.find_uuid(str(new)) is not None:
        new, number = uuid.uuid5(host, f"{name}/{number}"), number + 1
    return str(new)


def new_options(world: World, wanted: Values, name: str) -> Values:
    """The options of a new domain: the wanted ones, and the defaults of its architecture under them."""
    capabilities = world.capabilities()
    arch = wanted.get("arch") or host_arch(capabilities)
    kind = wanted.get("type", "auto")
    if kind == "auto":
        kind = virt_type(capabilities, arch, world.local)
    defaults = {"arch": arch, "serials": [_serial(world, name)], **_defaults(arch, wanted)}
    full = merged(defaults, {**_with_usb(arch, wanted), "type": kind})
    _settle_firmware(full)
    cpu = full.get("cpu", {})
    if "mode" not in cpu and "model" not in cpu:
        mode = _cpu_mode(world, arch, full.get("machine"), kind)
        if mode:
            full["cpu"] = {**cpu, "mode": mode}
    if "memory" not in full:
        refuse("memory", f"domain {name} isn't there yet, and a new one needs it", "Say memory: 2 GiB, for example.")
    return full


def _defaults(arch: str, wanted: Values) -> Values:
    """What guests of the architecture get; those with a screen get an adapter and a tablet too."""
    defaults = copy.deepcopy({**DEFAULTS, **ARCHITECTURES.get(arch, {})})
    if wanted.get("graphics"):
        defaults["video"] = [{"model": "virtio"}]
        defaults["inputs"] = [{"type": "tablet", "bus": "virtio" if arch == "s390x" else "usb"}]
    if (wanted.get("boot") or {}).get("kernel"):
        defaults.pop("firmware", None)
    return defaults


def _with_usb(arch: str, wanted: Values) -> Values:
    """The wanted options, with a controller for USB 3 where they have none for USB."""
    controllers = wanted.get("controllers", [])
    if arch not in USB3 or any(item.get("type") == "usb" for item in controllers):
        return wanted
    return {**wanted, "controllers": [*controllers, {"type": "usb", "index": 0, "model": "qemu-xhci"}]}


def _settle_firmware(full: Values) -> None:
    """Secure Boot is off by default with EFI. Guests of aarch64 without EFI have no ACPI."""
    efi = full.get("firmware") == "efi"
    if efi:
        full.setdefault("secure_boot", False)
    elif full["arch"] == "aarch64":
        full["features"].pop("acpi", None)


def merged(under: Values, over: Values) -> Values:
    """``over`` on top of ``under``: dicts key by key, all else replaced."""
    out = dict(under)
    for key, value in over.items():
        out[key] = merged(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out


def skeleton(name: str, uuid: str) -> Element:
    """The document that a new domain's options are put into."""
    root = document.element("domain")
    document.child(root, "name").text = name
    document.child(root, "uuid").text = uuid
    kind = document.child(document.child(root, "os"), "type")
    kind.text = "hvm"
    document.child(root, "clock", offset="utc")
    document.child(root, "devices")
    return root


def add_hotplug_ports(root: Element, machine: str, spare: int) -> None:
    """Room for devices that come while the guest runs: a PCIe root port each, beyond those that are used from the start."""
    if not spare or not machine.startswith(PCIE_MACHINES):
        return
    devices = root.find("devices")
    taken = {node.get("index") for node in devices.iterfind("controller[@type='pci']")}
    used = len(devices.findall("interface")) + len(devices.findall("rng")) + 4
    used += sum(1 for target in devices.iterfind("disk/target") if target.get("bus") == "virtio")
    for index in range(used + spare + 1):
        if str(index) not in taken:
            model = "pcie-root-port" if index else "pcie-root"
            document.child(devices, "controller", type="pci", index=str(index), model=model)


def _serial(world: World, name: str) -> Values:
    """The serial console, with a log where the daemon's own logs are."""
    serial: Values = {"type": "pty"}
    if world.uri.endswith("/system"):
        serial["log"] = os.path.join("/var/log/libvirt/qemu", f"{name}-serial.log")
        serial["log_append"] = False
    return serial


def _machine_meant(world: World, arch: str, machine: str) -> str:
    """The remedy for a machine type that QEMU hasn't got."""
    from ..._guess import nearest

    known = {node.text for node in world.capabilities().iterfind(f"guest/arch[@name='{arch}']//machine")}
    meant = nearest(machine, sorted(known - {machine}))
    if meant:
        return f"Did you mean {meant}?"
    return "Say an arch and a machine that this host's QEMU has (virsh domcapabilities, virsh capabilities)."


def _cpu_mode(world: World, arch: str, machine: t.Optional[str], kind: str) -> str:
    """The closest that there is to the hardware's own processor: host-passthrough under KVM, else the emulator's largest."""
    try:
        capabilities = document.document(world.connection.getDomainCapabilities(None, arch, machine, kind, 0))
    except Exception as error:
        if not is_error(error):
            raise
        raise KvmError(
            f"machine: no {machine or 'machine'} for {arch} ({kind}) can be made here: {explain(error).message}",
            _machine_meant(world, arch, machine or ""),
            option="machine",
        ) from error
    supported = [mode.get("name") for mode in capabilities.iterfind("cpu/mode") if mode.get("supported") == "yes"]
    return next((mode for mode in ("host-passthrough", "maximum") if mode in supported), "")
