# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would keep a domain from starting on this host, found before anything is done.

What another task could still provide (an active network, a bridge, huge pages) is assumed: an error in a run, a warning in a
check. What no other task can change is refused; where the domain is only defined, which libvirt does, it is a warning.
"""

from __future__ import annotations

import os
import typing as t

from ..._guess import nearest
from ..._libvirt import code_is
from ..._plan import Plan, refuse
from ..._xml import document, units
from ..._xml.types import KIB
from .devices import card_model, is_seed
from .sharing import check_shared
from .surroundings import missing

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from .draft import DomainDraft

Element = document.Element

STARTS = {"domain.start", "domain.start_paused", "domain.start_again"}
SYS = "/sys"
MOUNTS = "/proc/mounts"
# type of an interface: the attribute of its source that names the host's device, and what that is
HOST_DEVICES = {"bridge": ("bridge", "bridge"), "direct": ("dev", "network device")}


Check = t.Callable[["World", Plan, Element], None]


def check_steps(draft: DomainDraft) -> None:
    """Refuse what the steps of the plan come to and can't do: starting the definition, weighing single devices."""
    world, plan = draft.world, draft.plan
    starts = _starts(plan)
    here = starts and world.local and world.uri.startswith("qemu:")
    due: tuple[tuple[t.Any, tuple[Check, ...]], ...] = (
        (world.local and (starts or _weighs(plan)), (_check_weights,)),
        (starts, (_check_unconnected, _check_vlans, _check_objects)),
        (here, (_check_devices, _check_disks, _check_huge_pages, _check_iommu)),
        (True, (check_shared,)),
        (starts or {"cpu.mode", "cpu.model", "type"} & set(plan.after), (_check_cpu,)),
        (starts or _changes_cards(plan), (_check_cards,)),
    )
    for is_due, checks in due:
        for check in checks if is_due else ():
            check(world, plan, draft.shown)


def _starts(plan: Plan) -> bool:
    return any(step.operation in STARTS for step in plan.steps)


def _weighs(plan: Plan) -> bool:
    """Whether a running guest is to get weights of single devices."""
    return any("device_weight" in step.arguments.get("values", ()) for step in plan.steps)


def _changes_cards(plan: Plan) -> bool:
    return any(path.startswith("interfaces[") for path in plan.after)


def _refuse_start(plan: Plan, option: str, why: str, remedy: str) -> None:
    """Refuse what can't start, or warn where it is only defined: libvirt takes the definition."""
    if _starts(plan) or any(step.operation == "install.boot" for step in plan.steps):
        refuse(option, why, remedy)
    plan.warnings.append(f"{option}: {why}, so it can't start. {remedy}")


def _check_unconnected(world: World, plan: Plan, root: Element) -> None:
    if root.find("devices/interface[@type='null']") is not None:
        why = "one is unconnected, and libvirt can't start such a guest of QEMU: its daemon would end"
        refuse("interfaces", why, "Give it user: true and link: down instead.")


def _check_weights(world: World, plan: Plan, root: Element) -> None:
    weighed = [node.findtext("path") for node in root.iterfind("blkiotune/device") if int(node.findtext("weight") or 0)]
    unweighable = [path for path in weighed if not _has_cfq(path)]
    if unweighable:
        refuse(
            "blkiotune.devices",
            f"{unweighable[0]} can't have a weight of its own: libvirt gives one through the I/O scheduler CFQ"
            " only, which Linux has had no more since 5.0; with control groups v2 its daemon ends (9.0) or drops the weight (11.3)",
            "Leave that weight out: blkiotune.weight is the guest's as a whole, read_bytes_sec and the others limit a device.",
        )


def _has_cfq(path: str) -> bool:
    """Whether the scheduler of the whole device can weigh, in control groups v1."""
    here = os.path.realpath(f"/sys/class/block/{os.path.basename(os.path.realpath(path))}")
    disk = os.path.dirname(here) if os.path.exists(f"{here}/partition") else here
    try:
        with open(f"{disk}/queue/scheduler", encoding="ascii") as file:
            return "[cfq]" in file.read()
    except OSError:
        return False


def _interfaces(root: Element) -> t.Iterator[tuple[str, Element, Element]]:
    """Option, element and source of each interface."""
    for index, node in enumerate(root.iterfind("devices/interface")):
        source = node.find("source")
        yield f"interfaces[{index}]", node, node.makeelement("source") if source is None else source


def _check_vlans(world: World, plan: Plan, root: Element) -> None:
    """Linux bridges have VLANs since libvirt 11.0; before, only Open vSwitch and SR-IOV have."""
    if world.version >= 11_000_000:
        return
    for option, node, source in _interfaces(root):
        port = node.find("virtualport")
        switched = port is not None and port.get("type") == "openvswitch"
        network = world.find("network", source.get("network")) if source.get("network") else None
        bridged = node.get("type") == "bridge" or (network is not None and _is_linux_bridge(network))
        if node.find("vlan") is not None and bridged and not switched:
            version = f"{world.version // 1_000_000}.{world.version // 1000 % 1000}"
            refuse(
                f"{option}.vlan",
                f"libvirt {version} sets VLAN tags on Open vSwitch ports and SR-IOV devices, not on a Linux bridge",
                "Use an Open vSwitch bridge, a bridge of the host's VLAN device, or libvirt 11.0 or newer.",
            )


def _is_linux_bridge(network: t.Any) -> bool:
    root = document.document(network.XMLDesc(0))
    mode = root.find("forward")
    bridged = mode is None or mode.get("mode") in (None, "nat", "route", "open", "bridge")
    return bridged and root.find("virtualport") is None and root.find("forward/interface") is None


def _check_objects(world: World, plan: Plan, root: Element) -> None:
    """Networks and pools that the domain uses are active."""
    for option, _node, source in _interfaces(root):
        _check_active(world, plan, "network", source.get("network"), f"{option}.network")
    for disk in root.iterfind("devices/disk"):
        source = disk.find("source")
        if source is not None and source.get("pool") and not source.get("startupPolicy"):
            _check_active(world, plan, "pool", source.get("pool"), f"disks[{disk.find('target').get('dev')}].pool")


def _check_active(world: World, plan: Plan, noun: str, name: t.Optional[str], option: str) -> None:
    there = world.find(noun, name) if name else None
    if there is not None and not there.isActive():
        remedy = f"Start it first: metal.kvm.{noun} with state: active (and autostart: true for the next boot)."
        missing(plan, option, f"{noun} {name} is not active, so a guest that uses it can't start", remedy)


def _check_devices(world: World, plan: Plan, root: Element) -> None:
    """Bridges and devices of the host that interfaces are connected to exist."""
    for option, node, source in _interfaces(root):
        kind = node.get("type")
        attribute, what = HOST_DEVICES.get(kind, ("", ""))
        name = source.get(attribute) if attribute and node.find("virtualport") is None else None
        if name and not os.path.exists(f"{SYS}/class/net/{name}"):
            remedy = "Create it first (metal.kvm.host_bridge makes bridges), or correct the name."
            missing(plan, f"{option}.{kind}", f"the host has no {what} named '{name}'", remedy)


def _check_disks(world: World, plan: Plan, root: Element) -> None:
    """Files and devices of disks exist, or this run makes them."""
    noted = {error.details.get("option") for error in plan.assumed}
    for option, path in _disk_files(root):
        if option not in noted and _is_missing(path) and not _made_by(plan, path):
            missing(plan, option, f"'{path}' does not exist", "Create it first, or correct the path.")


def _disk_files(root: Element) -> t.Iterator[tuple[str, str]]:
    """Option and path of each file and device that a disk can't be without."""
    for disk in root.iterfind("devices/disk"):
        source = disk.find("source")
        if source is None or source.get("startupPolicy") or is_seed(disk):
            continue
        for attribute, leaf in (("file", "file"), ("dev", "block")):
            if source.get(attribute):
                yield f"disks[{disk.find('target').get('dev')}].{leaf}", source.get(attribute)


def _is_missing(path: str) -> bool:
    try:
        os.stat(path)
    except FileNotFoundError:
        return True
    except OSError:  # not ours to see
        return False
    return False


def _made_by(plan: Plan, path: str) -> bool:
    names = {path, os.path.basename(path)}
    return any(not names.isdisjoint(map(str, step.arguments.values())) for step in plan.steps)


def _check_huge_pages(world: World, plan: Plan, root: Element) -> None:
    """A mounted hugetlbfs of each page size, and enough free pages where all memory is of one size."""
    backing = root.find("memoryBacking/hugepages")
    for size, needed in () if backing is None else _huge_pages(root, backing):
        shown = units.shown(size * 1024)
        free = _number(f"{SYS}/kernel/mm/hugepages/hugepages-{size}kB/free_hugepages")
        remedy = "Reserve them first: metal.kvm.kernel_tuning, or the role metal.kvm.tuning; for 1 GiB pages the role metal.kvm.kernel."
        if free < needed:
            why = f"the guest needs {needed} huge pages of {shown}, and the host has {free} free"
            missing(plan, "memory_backing.hugepages", why, remedy)
        elif not _mounted(size):
            why = f"no hugetlbfs with pages of {shown} is mounted on the host"
            missing(plan, "memory_backing.hugepages", why, remedy)


def _huge_pages(root: Element, backing: Element) -> list[tuple[int, int]]:
    """Page sizes in KiB, and how many of each the guest needs at least: all its memory only where it's of one size."""
    pages = backing.findall("page")
    sizes = [(KIB.get(page, "size") or 0) // 1024 for page in pages] or [_default_page()]
    if len(sizes) > 1 or any(page.get("nodeset") for page in pages):
        return [(size, 1) for size in sizes]
    memory = t.cast(int, KIB.get(root.find("memory"), "")) // 1024
    return [(sizes[0], -(-memory // sizes[0]))]


def _default_page() -> int:
    with open("/proc/meminfo", encoding="ascii") as file:
        sizes = [line.split()[1] for line in file if line.startswith("Hugepagesize:")]
    return int(sizes[0]) if sizes else 2048


def _number(path: str) -> int:
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


def _mounted(size: int) -> bool:
    """Whether there is a hugetlbfs with pages of ``size`` KiB."""
    try:
        with open(MOUNTS, encoding="utf-8") as file:
            mounts = [line.split() for line in file if " hugetlbfs " in line]
    except OSError:
        return False
    words = {f"pagesize={size // 1024}M", f"pagesize={size >> 20}G", f"pagesize={size}K"}
    default = _default_page() == size
    return any(words & set(mount[3].split(",")) or (default and "pagesize=" not in mount[3]) for mount in mounts)


def _check_iommu(world: World, plan: Plan, root: Element) -> None:
    lent = root.find("devices/hostdev[@type='pci']")
    card = root.find("devices/interface[@type='hostdev']")
    option = "hostdevs" if lent is not None else "interfaces" if card is not None else ""
    if option and not _names(f"{SYS}/kernel/iommu_groups"):
        remedy = "Enable VT-d or AMD-Vi in the firmware, and the IOMMU in the kernel (the role metal.kvm.kernel does), then reboot."
        missing(plan, option, "the host has no active IOMMU, so no PCI device can be passed through", remedy)


def _names(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []


def _check_cpu(world: World, plan: Plan, root: Element) -> None:
    """The CPU's mode works with the domain's type, and libvirt knows its model. What is only defined is a warning."""
    cpu, emulated = root.find("cpu"), root.get("type") == "qemu"
    if emulated and root.find("features/hyperv") is not None:
        plan.warnings.append("features.hyperv: has no effect under emulation (type: qemu); it needs KVM")
    mode = "" if cpu is None else cpu.get("mode", "custom")
    if emulated and mode == "host-passthrough":
        why = "host-passthrough needs KVM, and this domain is emulated (type: qemu)"
        remedy = "Use maximum (all that QEMU emulates) or a model, or a host with VT-x or AMD-V."
        _refuse_start(plan, "cpu.mode", why, remedy)
    if mode == "custom":
        _check_cpu_model(world, plan, root, (cpu.findtext("model") or "").strip())


def _check_cpu_model(world: World, plan: Plan, root: Element, model: str) -> None:
    known = _cpu_models(world, root.find("os/type").get("arch")) if model else []
    if known and model not in known:
        remedy = _nearest(model, known, "virsh cpu-models lists them")
        _refuse_start(plan, "cpu.model", f"libvirt knows no CPU model '{model}'", remedy)


def _cpu_models(world: World, arch: t.Optional[str]) -> list[str]:
    """The CPU models that libvirt knows of an architecture; none where it keeps no list."""
    try:
        return list(world.connection.getCPUModelNames(arch or "", 0))
    except Exception as error:
        if code_is(error, "VIR_ERR_NO_SUPPORT", "VIR_ERR_INVALID_ARG", "VIR_ERR_CONFIG_UNSUPPORTED"):
            return []
        raise


def _nearest(value: str, known: t.Iterable[str], otherwise: str) -> str:
    near = nearest(value, known)
    return f"Did you mean {near}?" if near else f"Correct it: {otherwise}."


COMMON_CARDS = ("virtio", "virtio-net", "virtio-transitional", "virtio-non-transitional", "e1000", "e1000e", "rtl8139")
WITH_BOARDS = ("arm", "aarch64")  # their boards have network cards that are no devices of QEMU's


def _check_cards(world: World, plan: Plan, root: Element) -> None:
    """The emulator has the models of the network cards. What is only defined is a warning."""
    arch = root.find("os/type").get("arch")
    emulator = root.findtext("devices/emulator") or f"/usr/bin/qemu-system-{arch}"
    if arch in WITH_BOARDS or not (world.local and os.path.exists(emulator)):
        return
    for option, node, _source in _interfaces(root):
        name = card_model(node)
        known = _cards(emulator) if name and name not in COMMON_CARDS else []
        if known and name not in known:
            remedy = _nearest(name, {*known, "virtio"}, f"{emulator} -device help lists them")
            _refuse_start(plan, f"{option}.model", f"{emulator} has no network card '{name}'", remedy)


def _cards(emulator: str) -> list[str]:
    """The network cards of an emulator, as ``-device help`` lists them."""
    from ..._command import run

    text = run([emulator, "-device", "help"]).text
    section = text.partition("Network devices:")[2].partition("\n\n")[0]
    return [line.split('"')[1] for line in section.splitlines() if line.startswith('name "')]
