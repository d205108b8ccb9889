# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a domain: every option that isn't a device list, and all of them together."""

from __future__ import annotations

import typing as t
import uuid

from ..._xml import document, place, units
from ..._xml.items import Items
from ..._xml.rows import REFUSED, Field, Group, Map
from ..._xml.types import (
    COUNT,
    CPUSET,
    KIB,
    ON_OFF,
    PATH,
    POSITIVE,
    PRESENT,
    SOME,
    SOME_KIB,
    STR,
    TEXT,
    UUID,
    YES_NO,
    Type,
)
from .devices import AGENT, DEVICES
from .rows import later
from .rows.common import unsaid
from .rows.machine import BOOT, CLOCK, EVENT_ACTIONS, FEATURES, LOADER, NVRAM

Element = document.Element

LABELS = "metadata/metal:kvm/metal:label"
NEW = "new"


def _osinfo(value: t.Any) -> str:
    from .osinfo import osinfo

    return osinfo(value)


OSINFO = Type("str", str, parse=_osinfo)
GENID = Type("str", units.uuid, parse=lambda value: value if value == NEW else units.uuid(value))


def put_genid(domain: Element, value: str) -> None:
    """A new one is made from the domain's UUID: what a check foresees is what the run makes."""
    made = str(uuid.uuid5(uuid.UUID(domain.findtext("uuid")), "genid")) if value == NEW else value
    _child(domain, "genid").text = made


def _boot_memory(domain: Element) -> t.Optional[int]:
    for name in ("currentMemory", "memory"):
        node = domain.find(name)
        if node is not None:
            return t.cast(int, KIB.get(node, ""))
    return None


def _put_memory(domain: Element, value: int) -> None:
    """What the guest has: the boot value, and the maximum where it's lower."""
    current, maximum = _child(domain, "currentMemory"), _child(domain, "memory")
    KIB.put(current, "", value)
    if maximum.text is None or t.cast(int, KIB.get(maximum, "")) < value:
        KIB.put(maximum, "", value)


def _boot_vcpus(domain: Element) -> t.Optional[int]:
    vcpu = domain.find("vcpu")
    return None if vcpu is None else int(vcpu.get("current") or vcpu.text)


def _put_vcpus(domain: Element, value: int) -> None:
    vcpu = _child(domain, "vcpu")
    if vcpu.text is None or int(vcpu.text) <= value:
        vcpu.text = str(value)
        vcpu.attrib.pop("current", None)
    else:
        vcpu.set("current", str(value))


class _Maximum(Field):
    """A maximum that no document is without: unset, it's what the guest has, as ``least(domain)`` says."""

    __slots__ = ("least",)

    def __init__(self, *row: t.Any, least: t.Callable[[Element], int], **more: t.Any) -> None:
        super().__init__(*row, **more)
        self.least = least

    def delete(self, parent: Element) -> None:
        self.write(parent, self.least(parent))


def _put_vcpus_maximum(domain: Element, value: int) -> None:
    vcpu = _child(domain, "vcpu")
    current = _boot_vcpus(domain) if vcpu.text else None
    vcpu.text = str(value)
    if current is not None and current < value:
        vcpu.set("current", str(current))
    elif current is not None:
        vcpu.attrib.pop("current", None)


def _child(domain: Element, tag: str) -> Element:
    node = domain.find(tag)
    return document.child(domain, tag) if node is None else node


def _firmware(domain: Element) -> t.Optional[str]:
    system = domain.find("os")
    if system is None:
        return None
    loader = system.find("loader")
    pflash = loader is not None and loader.get("type") == "pflash"
    return "efi" if system.get("firmware") == "efi" or pflash else "bios"


def _put_firmware(domain: Element, value: str) -> None:
    system = _child(domain, "os")
    if value == "efi":
        system.set("firmware", "efi")
        return
    system.attrib.pop("firmware", None)
    for tag in ("firmware", "loader", "nvram"):
        for node in system.findall(tag):
            document.remove(node)


def _agent(domain: Element) -> bool:
    return any(node.get("name") == AGENT for node in domain.iterfind("devices/channel/target"))


def _put_agent(domain: Element, value: bool) -> None:
    devices = _child(domain, "devices")
    if value:
        channel = document.child(devices, "channel", type="unix")
        document.child(channel, "target", type="virtio", name=AGENT)
        return
    for target in devices.findall("channel/target"):
        if target.get("name") == AGENT:
            document.remove(target.getparent())


def _iothreads(domain: Element) -> t.Optional[int]:
    node = domain.find("iothreads")
    return None if node is None else int(node.text)


def iothread_ids(root: Element) -> set[int]:
    """The iothreads by number: those that are said, filled up to the count from 1."""
    ids = {int(node.get("id")) for node in root.iterfind("iothreadids/iothread")}
    count, number = int(root.findtext("iothreads") or 0), 0
    while len(ids) < count:
        number += 1
        ids.add(number)
    return ids


def _counted(persistent: Element, running: Element) -> bool:
    """Where iothreads are only counted, a running guest may show them by number; how many there are, their count says."""
    shown = iothread_ids(running)
    return persistent.find("iothreadids") is None and shown == set(range(1, len(shown) + 1))


def _put_iothreads(domain: Element, value: int) -> None:
    """The count; of those that are numbered the last ones go."""
    for node in domain.findall("iothreadids/iothread")[value:]:
        place.drop(domain, node)
    count = _child(domain, "iothreads")
    count.text = str(value)
    if not value:
        document.remove(count)


def _aligned(persistent: Element, running: Element) -> bool:
    """A start rounds memory up to what the machine can address: 1 MiB, on POWER 256 MiB."""
    step = 256 if (persistent.find("os/type").get("arch") or "").startswith("ppc64") else 1
    one, other = _child_size(persistent), _child_size(running)
    return one is not None and other is not None and 0 < other - one < step * 1024 * 1024


def _unsettled(persistent: Element, running: Element) -> bool:
    """A guest gives memory back when it comes to it: until then the running instance shows more than it's to have."""
    if any(node.get("model") == "virtio-mem" for node in running.iterfind("devices/memory")):
        return True  # the balloon's size follows what the guest takes of it
    wanted, there = _boot_memory(persistent), _boot_memory(running)
    if wanted is None or there is None:
        return _aligned(persistent, running)
    if has_balloon(running):
        return wanted < there or _without_nvdimms(running) <= there < wanted
    if not has_balloon(persistent) and wanted < there:  # without a balloon the guest has all of its memory
        return True
    return _aligned(persistent, running)


def has_balloon(domain: Element) -> bool:
    """Whether the guest has a memory balloon."""
    balloon = domain.find("devices/memballoon")
    return balloon is not None and balloon.get("model") != "none"


def _without_nvdimms(running: Element) -> int:
    """The most that a guest's balloon can be: libvirt counts NVDIMMs as memory, QEMU doesn't."""
    sizes = (node.find("target/size") for node in running.iterfind("devices/memory[@model='nvdimm']"))
    return (_child_size(running) or 0) - sum(t.cast(int, KIB.get(size, "")) for size in sizes)


def _child_size(domain: Element) -> t.Optional[int]:
    node = domain.find("memory")
    return None if node is None else KIB.get(node, "")


def _made_label(label: Element) -> bool:
    """libvirt makes a label of each driver at every start."""
    return bool(label.get("type") == "dynamic" and label.get("relabel") != "no" and label.find("baselabel") is None)


def machine_alias(one: str, other: str) -> bool:
    """``q35`` stands for the newest ``pc-q35-…``, ``virt`` for the newest ``virt-…``."""
    stems = {"q35": "pc-q35-", "pc": "pc-i440fx-"}
    short, long = sorted((one, other), key=len)
    return long.startswith(stems.get(short, short + "-"))


DOMAIN: tuple[t.Any, ...] = (
    Field("uuid", "uuid", UUID, "The domain's UUID. It can't be changed.", takes=REFUSED),
    Field("title", "title", TEXT, "A short title.", live="metadata"),
    Field("description", "description", TEXT, "A description, any text.", live="metadata"),
    Map("labels", LABELS, TEXT, doc="Labels of your own, kept in the domain's metadata: name to value. Full when given.",
        live="metadata"),
    Field("osinfo", "metadata/libosinfo:libosinfo/libosinfo:os@id", OSINFO, "The guest's system by libosinfo's id,"
          " V(http://debian.org/debian/12), or by its short id, V(debian12), where the host has osinfo-db.", live="metadata"),
    Field("genid", "genid", GENID, [
        "The VM generation ID, by which the guest knows that it was cloned or set back.",
        "V(new) makes one where there is none.",
    ], same=lambda a, b: NEW in (a, b), put=put_genid),
    Field("type", "@type", STR, [
        "Who runs the guest's processors: V(kvm) the hardware, V(qemu) emulation.",
        "V(auto) takes V(kvm) where VT-x or AMD-V is really there and the architecture is the host's, else V(qemu);"
        " it's decided when the domain is made, and that is the default then.",
    ], choices=("auto", "kvm", "qemu"), same=lambda a, b: "auto" in (a, b)),
    _Maximum("vcpus_maximum", "vcpu", SOME, "The number up to which vCPUs can be added while the guest runs.",
             put=_put_vcpus_maximum, least=lambda domain: _boot_vcpus(domain) or 1),
    Field("vcpus", "vcpu@current", SOME, "How many vCPUs the guest has. Raises the maximum where that is lower.",
          get=_boot_vcpus, put=_put_vcpus, live="vcpus"),
    Field("vcpus_placement", "vcpu@placement", STR, "Whether the vCPUs' places are given, or numad is asked.",
          choices=("static", "auto")),
    Field("vcpus_cpuset", "vcpu@cpuset", CPUSET, "The host's CPUs that vCPUs run on which O(cputune.vcpupin) doesn't name."),
    Items("vcpu_states", "vcpus/vcpu", later("tuning", "VCPU"), ("id",), "Single vCPUs, where some are to be there and others not.",
          ordered=False, volatile=lambda persistent, running: persistent.find("vcpus") is None),
    _Maximum("memory_maximum", "memory", SOME_KIB, "The memory up to which the guest can be given more while it runs.",
             volatile=_aligned, least=lambda domain: _boot_memory(domain) or 0),
    Field("memory", "currentMemory", SOME_KIB, "The memory that the guest has, V(2 GiB). Raises the maximum where that is lower.",
          get=_boot_memory, put=_put_memory, live="memory", volatile=_unsettled),
    Field("memory_dump_core", "memory@dumpCore", ON_OFF, "Whether a core dump of QEMU has the guest's memory in it."),
    Group("memory_hotplug", "maxMemory", (
        Field("maximum", "", KIB, "The memory that the guest can have with all O(memory_devices)."),
        Field("slots", "@slots", POSITIVE, "How many of them."),
    ), "Room for O(memory_devices) beyond O(memory_maximum). The guest needs a NUMA cell, O(cpu.numa)."),
    Group("memory_backing", "memoryBacking", later("tuning", "MEMORY_BACKING"), "What the guest's memory is made of."),
    Group("memtune", "memtune", later("tuning", "MEMTUNE"), "Limits of the memory on the host."),
    Group("numatune", "numatune", later("tuning", "NUMATUNE"), "The host's NUMA nodes that memory comes from."),
    Group("cputune", "cputune", later("tuning", "CPUTUNE"), "Where vCPUs and other threads run, and how much."),
    Group("blkiotune", "blkiotune", later("tuning", "BLKIOTUNE"), "How much the guest may use the host's block devices."),
    Field("iothreads", "iothreads", COUNT, "How many threads there are for disks that ask for one.", live="iothreads",
          get=_iothreads, put=_put_iothreads, silent=0),
    Items("iothread_ids", "iothreadids/iothread", later("tuning", "IOTHREAD"), ("id",), "The iothreads by number, where they"
          " aren't simply counted.", ordered=False, live="iothreads", volatile=_counted),
    Group("default_iothread", "defaultiothread", later("tuning", "THREAD_POOL"), "Worker threads of QEMU's main loop."),
    Field("partition", "resource/partition", STR, "The resource partition of the host, V(/machine).",
          volatile=unsaid("resource/partition")),
    Field("fibrechannel_appid", "resource/fibrechannel@appid", STR, "The name of the guest in Fibre Channel fabrics."),
    Field("arch", "os/type@arch", STR, "The guest's architecture, V(x86_64), V(aarch64) ...: the host's where it's left out.",
          takes=REFUSED, same=lambda a, b: "" in (a, b)),
    Field("machine", "os/type@machine", STR, [
        "The machine type; an alias like V(q35) stands for the newest of its kind.",
        "A domain can change from one kind to another, V(pc) to V(q35). Its devices then get other addresses, so that network"
        " interfaces in the guest may have other names. What the new machine can't have is refused by name.",
    ], same=machine_alias),
    Field("firmware", "os@firmware", STR,
          "The firmware: V(efi) is UEFI, of which libvirt chooses the files, V(bios) what the machine has without. New domains of"
          " x86 get V(bios) unless told, those of aarch64 V(efi).", choices=("bios", "efi"), get=_firmware, put=_put_firmware),
    Field("secure_boot", "os/firmware/feature[@name='secure-boot']@enabled", YES_NO,
          "Whether the firmware checks signatures (Secure Boot), with V(firmware=efi). New domains don't have it unless told."
          " Windows 11 asks for it and for O(tpm)."),
    Field("enrolled_keys", "os/firmware/feature[@name='enrolled-keys']@enabled", YES_NO,
          "Whether the firmware begins with the vendors' keys, with V(secure_boot=true)."),
    Group("loader", "os/loader", LOADER, "The firmware by file, where libvirt isn't to choose by O(firmware)."),
    Group("nvram", "os/nvram", NVRAM, "The variables of the firmware V(efi)."),
    Group("boot", "os", BOOT, "What the guest boots."),
    Group("cpu", "cpu", later("cpu", "CPU"), "The guest's processor."),
    Group("clock", "clock", CLOCK, "The guest's clock and timers."),
    Group("features", "features", FEATURES, "Features of the machine."),
    Field("on_poweroff", "on_poweroff", STR, "What follows when the guest powers off.", choices=EVENT_ACTIONS),
    Field("on_reboot", "on_reboot", STR, "What follows when the guest reboots.", choices=EVENT_ACTIONS),
    Field("on_crash", "on_crash", STR, "What follows when the guest crashes.",
          choices=(*EVENT_ACTIONS, "coredump-destroy", "coredump-restart")),
    Field("on_lockfailure", "on_lockfailure", STR, "What follows when a lock on its resources is lost.",
          choices=("poweroff", "restart", "pause", "ignore")),
    Field("suspend_to_mem", "pm/suspend-to-mem@enabled", YES_NO, "Whether the guest is offered sleep (S3)."),
    Field("suspend_to_disk", "pm/suspend-to-disk@enabled", YES_NO, "Whether the guest is offered hibernation (S4)."),
    Field("smbios", "os/smbios@mode", STR, "Where the guest's SMBIOS is from; V(sysinfo) with O(sysinfo).",
          choices=("emulate", "host", "sysinfo")),
    Group("sysinfo", "", later("guest", "SYSINFO"), "What SMBIOS and the firmware's configuration tell the guest.",
          seen=("sysinfo",)),
    Group("launch_security", "launchSecurity", later("guest", "LAUNCH_SECURITY"), "Memory that the host can't read."),
    Map("keywrap", "keywrap/cipher", ON_OFF, "Key wrapping by cipher, V(aes) and V(dea) (s390x). Full when given.", value_at="state"),
    Items("seclabels", "seclabel", later("guest", "SECLABEL"), ("model",), "Security labels beyond those that libvirt makes.",
          implied=_made_label, ordered=False),
    Map("perf", "perf/event", YES_NO, "Performance events that the host measures, by libvirt's names. Full when given.",
        value_at="enabled", live="perf", silent=False),
    Group("qemu", "", later("guest", "QEMU"), "Words to QEMU beyond libvirt's. They taint the domain.",
          seen=("qemu:commandline", "qemu:capabilities", "qemu:deprecation", "qemu:override")),
    Field("agent", "devices/channel", PRESENT, "Whether there's a channel for the QEMU guest agent.", get=_agent, put=_put_agent,
          live="agent"),
    Field("emulator", "devices/emulator", PATH, "The program that runs the guest, where it isn't the one that libvirt finds.",
          volatile=unsaid("devices/emulator")),
    *DEVICES,
)  # fmt: skip


def row_of(option: str) -> t.Any:
    """The row of an option."""
    return next(row for row in DOMAIN if row.name == option)
