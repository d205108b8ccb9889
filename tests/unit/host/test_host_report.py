# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rest of the host, section by section, and that docs and result have the same keys."""

from __future__ import annotations

import importlib
import os
import subprocess
import time
import typing as t

import pytest
import yaml
from ansible_collections.metal.kvm.plugins.module_utils._host import network, pending, report
from ansible_collections.metal.kvm.plugins.module_utils._host.libvirt import installed as libvirt
from ansible_collections.metal.kvm.plugins.module_utils._host.libvirt_conf import reading
from ansible_collections.metal.kvm.plugins.module_utils._host.machine import capability, cpu, memory, system
from ansible_collections.metal.kvm.plugins.module_utils._host.pci import iommu
from ansible_collections.metal.kvm.plugins.module_utils._host.root import Root
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError

Write = t.Callable[[t.Any], Root]
MODULES = "ansible_collections.metal.kvm.plugins.modules"
GIB, MIB = 1 << 30, 1 << 20


def gather(root: Root, *names: str, **params: t.Any) -> dict[str, t.Any]:
    return report.gather(root, {"gather": list(names or ["all"]), "deep": "true", **params})


def never(uri: str) -> dict[str, t.Any]:
    raise AssertionError(f"{uri} was asked, and nobody gave it")


def pci(address: str, driver: t.Optional[str], group: int, kind: str = "0x020000", **files: str) -> dict[str, str]:
    base = f"sys/bus/pci/devices/{address}"
    found = {f"{base}/vendor": "0x8086\n", f"{base}/device": "0x10ca\n", f"{base}/class": f"{kind}\n"}
    if driver:
        found[f"{base}/driver"] = f"->../../drivers/{driver}"
    found[f"sys/kernel/iommu_groups/{group}/devices/{address}"] = f"->../../../../bus/pci/devices/{address}"
    return {**found, **{f"{base}/{name}": text for name, text in files.items()}}


def test_docs_have_the_keys_of_the_result(recording: t.Callable[[str], Root]) -> None:
    """What is returned is documented, and what is documented is returned, down to where the docs stop."""
    docs = yaml.safe_load(importlib.import_module(f"{MODULES}.host_info").RETURN)["host"]["contains"]
    assert differing(docs, gather(recording("microvm_kvm_pvm")), "host") == []


def differing(docs: dict[str, t.Any], value: dict[str, t.Any], path: str) -> list[str]:
    found = [f"{path}.{key}" for key in set(docs) ^ set(value)]
    for key in set(docs) & set(value):
        inner, part = docs[key].get("contains"), value[key]
        if inner and isinstance(part, list):
            part = part[0] if part else None
        if inner and part is not None:
            found += differing(inner, part, f"{path}.{key}")
    return found


def test_options_have_the_choices_of_the_docs() -> None:
    docs = yaml.safe_load(importlib.import_module(f"{MODULES}.host_info").DOCUMENTATION)["options"]
    for name, spec in report.argument_spec().items():
        for key in ("type", "elements", "choices", "default"):
            assert docs[name].get(key) == spec.get(key), f"{name}.{key}"


def test_only_what_is_asked_is_read(recording: t.Callable[[str], Root]) -> None:
    place = recording("microvm_kvm_pvm")
    host = gather(place, "qemu")
    assert {name for name in report.SECTIONS if host[name] is not None} == {"qemu", "kvm", "cpu"}
    assert (host["checks"], host["pending"]) == ([], [])
    assert [emulator["version"] for emulator in host["qemu"]] == ["7.2.22", "7.2.22"]
    assert gather(place, "checks")["checks"]


def test_recorded_host(recording: t.Callable[[str], Root]) -> None:
    host = gather(recording("microvm_kvm_pvm"))
    assert (host["libvirt"]["installed"], host["libvirt"]["version"], host["libvirt"]["mode"]) == (
        True,
        "9.0.0",
        "monolithic",
    )
    assert host["irq_clock"]["ioapic"] == ["kvm", "qemu"]
    assert (host["irq_clock"]["kvmclock"], host["irq_clock"]["kvmclock_tsc_stable"]) == (True, True)
    statuses = {check["id"]: check["status"] for check in host["checks"]}
    assert (statuses["kvm.device"], statuses["kvm.hardware"], statuses["iommu"]) == ("ok", "warn", "warn")
    assert "fail" not in statuses.values()


def test_requirements_make_failures(recording: t.Callable[[str], Root]) -> None:
    host = gather(recording("microvm_kvm_pvm"), require=["kvm", "hardware", "sev"])
    assert [check["id"] for check in host["checks"] if check["status"] == "fail"] == ["kvm.hardware", "secure.sev"]


def test_whole_report_of_this_machine() -> None:
    host = report.read({"sysroot": "/", "gather": ["all"]}, never)["host"]
    assert host["arch"] == os.uname().machine
    assert len(host["checks"]) > 40


def test_whole_report_takes_less_than_a_second() -> None:
    """Of the processor, whatever else the machine does; without the emulators, which all tell their version at once."""
    before = time.process_time()
    gather(Root("/"))
    assert time.process_time() - before < 1


def test_an_empty_tree_is_no_error(tmp_path: t.Any) -> None:
    host = gather(Root(str(tmp_path)))
    assert (host["kvm"]["usable"], host["kvm"]["cause"], host["libvirt"]["mode"]) == (False, "unsupported_arch", "none")
    assert all(check["status"] != "fail" or check["remedy"] for check in host["checks"])


def test_a_file_is_no_tree(tmp_path: t.Any) -> None:
    with pytest.raises(KvmError, match=r"sysroot: .* is not a directory"):
        report.read({"sysroot": str(tmp_path / "none"), "gather": ["all"]}, never)


def test_features_say_what_they_mean(hosts: t.Any, root: Write) -> None:
    host = gather(root(hosts.intel().loaded("kvm_intel", ept="Y", enable_shadow_vmcs="N", nested="Y").usable()), "kvm")
    features = {feature["name"]: feature for feature in host["cpu"]["features"]}
    assert (features["ept"]["present"], features["ept"]["parameter"], features["ept"]["effective"]) == (
        True,
        "ept",
        True,
    )
    assert (features["shadow_vmcs"]["present"], features["shadow_vmcs"]["effective"]) == (True, False)
    assert (features["ipi_virt"]["present"], features["ipi_virt"]["effective"]) == (False, None)
    assert all(feature["meaning"].endswith((".", ").")) for feature in features.values())
    assert host["cpu"]["paging"] == {"kind": "ept", "one_gb": True}


def test_old_kernels_have_no_vmx_line(hosts: t.Any, root: Write) -> None:
    host = hosts.intel()
    host.files["proc/cpuinfo"] = "".join(
        f"{line}\n" for line in host.files["proc/cpuinfo"].splitlines() if not line.startswith("vmx flags")
    )
    assert cpu.report(root(host))["vmx_flags"] == ["ept", "vpid"]


VIRT = {
    "bare metal": (lambda h: h.amd(), ("bare_metal", None)),
    "kvm": (lambda h: h.guest(h.intel()), ("guest", "kvm")),
    "firmware only": (
        lambda h: h.amd(cpuid={}).also({"sys/class/dmi/id/sys_vendor": "VMware, Inc.\n"}),
        ("guest", "vmware"),
    ),
    "cloud metal": (
        lambda h: h.amd().also(
            {"sys/class/dmi/id/sys_vendor": "Amazon EC2\n", "sys/class/dmi/id/product_name": "c5.metal\n"}
        ),
        ("bare_metal", None),
    ),
    "flag only": (
        lambda h: h.amd(cpuid={}).also({"proc/cpuinfo": "vendor_id\t: AuthenticAMD\nflags\t: hypervisor svm\n"}),
        ("guest", None),
    ),
    "logical partition": (lambda h: h.s390(), ("bare_metal", None)),
    "z/VM": (lambda h: h.s390().also({"proc/sysinfo": "VM00 Control Program: z/VM    7.2.0\n"}), ("guest", "zvm")),
    "PowerVM": (lambda h: h.power("pSeries").also({"sys/class/dmi/id/sys_vendor": None}), ("guest", None)),
    "OpenPOWER": (lambda h: h.power(), ("bare_metal", None)),
    "arm guest": (
        lambda h: h.arm().also(
            {"proc/device-tree/hypervisor/compatible": "linux,kvm\0", "sys/class/dmi/id/sys_vendor": None}
        ),
        ("guest", "kvm"),
    ),
    "container": (lambda h: h.amd().also({"proc/self/ns/pid": "->pid:[4026532567]"}), ("container", None)),
}


@pytest.mark.parametrize("name", VIRT)
def test_virtualisation(name: str, hosts: t.Any, root: Write) -> None:
    make, wanted = VIRT[name]
    found = system.virtualisation(root(make(hosts)))
    assert (found["role"], found["hypervisor"]) == wanted


@pytest.mark.parametrize(
    ("release", "family"),
    [
        ("ID=debian\n", "debian"),
        ('ID=ubuntu\nID_LIKE="debian"\n', "debian"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "redhat"),
        ("ID=fedora\n", "redhat"),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "suse"),
        ('ID="sles"\n', "suse"),
        ("ID=arch\n", "archlinux"),
        ("ID=void\n", "void"),
        ("", None),
    ],
)
def test_family(release: str, family: t.Optional[str], hosts: t.Any, root: Write) -> None:
    assert system.os_family(root(hosts.amd().also({"etc/os-release": release}))) == family


# units installed, sockets listening, links of systemd: how libvirt runs, how it comes up
MODES: list[tuple[list[str], list[str], list[str], str, str]] = [
    ([], [], [], "none", "none"),
    (["libvirtd"], [], [], "monolithic", "monolithic"),
    (["virtqemud", "virtnetworkd"], [], [], "modular", "modular"),
    (["libvirtd", "virtqemud"], [], ["libvirtd.socket"], "monolithic", "monolithic"),
    (["libvirtd", "virtqemud"], [], ["virtqemud.socket"], "modular", "modular"),
    (["libvirtd", "virtqemud"], [], ["virtqemud.socket", "libvirtd.service"], "mixed", "mixed"),
    (["libvirtd"], ["libvirt-sock"], ["libvirtd.socket"], "monolithic", "monolithic"),
    (["virtqemud", "virtproxyd"], ["libvirt-sock", "virtqemud-sock"], ["virtqemud.socket"], "modular", "modular"),
    (["libvirtd", "virtqemud", "virtproxyd"], ["libvirt-sock", "virtqemud-sock"], [], "modular", "modular"),
    (["libvirtd", "virtqemud"], ["libvirt-sock"], ["virtqemud.socket"], "monolithic", "modular"),
]


@pytest.mark.parametrize(("installed", "sockets", "links", "mode", "boot"), MODES)
def test_daemon_mode(
    installed: list[str], sockets: list[str], links: list[str], mode: str, boot: str, hosts: t.Any, root: Write
) -> None:
    host = hosts.amd().programs(*(f"/usr/sbin/{name}" for name in installed))
    lines = "".join(f"0: 00000002 00000000 00010000 0001 01 1 /run/libvirt/{name}\n" for name in sockets)
    stale = "0: 00000003 00000000 00000000 0001 03 1 /run/libvirt/virtlxcd-sock\n"
    host.also({"proc/net/unix": f"Num RefCount Protocol Flags Type St Inode Path\n{lines}{stale}"})
    host.also(
        {f"etc/systemd/system/sockets.target.wants/{name}": f"->/usr/lib/systemd/system/{name}" for name in links}
    )
    found = libvirt.report(root(host))
    assert (found["mode"], found["default_boot_mode"], found["installed"]) == (mode, boot, bool(installed))


def test_both_daemons_running_is_mixed(hosts: t.Any, root: Write) -> None:
    host = hosts.amd().programs("/usr/sbin/libvirtd", "/usr/sbin/virtqemud")
    host.also(
        {
            "run/libvirtd.pid": "7\n",
            "proc/7/comm": "libvirtd\n",
            "run/virtqemud.pid": "8\n",
            "proc/8/comm": "virtqemud\n",
        }
    )
    assert libvirt.report(root(host))["mode"] == "mixed"


@pytest.mark.parametrize(
    ("name", "version"),
    [("libvirt.so.0.9000.0", "9.0.0"), ("libvirt.so.0.11003.2", "11.3.2"), ("libvirt.so.0.10010.0", "10.10.0")],
)
def test_libvirt_version(name: str, version: str, hosts: t.Any, root: Write) -> None:
    host = hosts.amd().also({"usr/lib64/libvirt.so.0": f"->{name}"})
    assert libvirt.report(root(host))["version"] == version


def test_hugepages_by_node_against_what_is_configured(hosts: t.Any, root: Write) -> None:
    host = hosts.amd().also({"proc/meminfo": "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\nHugepagesize: 2048 kB\n"})
    for node, total in ((0, 512), (1, 100)):
        host.also(
            {
                f"sys/devices/system/node/node{node}/hugepages/hugepages-2048kB/nr_hugepages": f"{total}\n",
                f"sys/devices/system/node/node{node}/hugepages/hugepages-2048kB/free_hugepages": "0\n",
                f"sys/devices/system/node/node{node}/cpulist": f"{node * 4}-{node * 4 + 3}\n",
                f"sys/devices/system/node/node{node}/meminfo": f"Node {node} MemTotal: 4194304 kB\n",
            }
        )
    host.also({"proc/cmdline": "hugepagesz=1G hugepages=2\n", "etc/sysctl.d/huge.conf": "vm.nr_hugepages = 1024\n"})
    place = root(host)
    assert [(page["node"], page["size"], page["total"]) for page in memory.hugepages(place)] == [
        (0, 2 * MIB, 512),
        (1, 2 * MIB, 100),
    ]
    assert memory.asked(place) == {str(2 * MIB): 1024, str(GIB): 2}
    assert [(node["id"], node["cpus"], node["total"]) for node in memory.numa(place)["nodes"]] == [
        (0, [0, 1, 2, 3], 4 * GIB), (1, [4, 5, 6, 7], 4 * GIB)]  # fmt: skip
    (check,) = [check for check in gather(place)["checks"] if check["id"] == "hugepages"]
    assert check["status"] == "fail"
    assert "612 of 1024" in check["message"]
    assert "0 of 2" in check["message"]


def test_iommu_groups_and_virtual_functions(hosts: t.Any, root: Write) -> None:
    host = hosts.intel().also(
        {
            **pci("0000:01:00.0", "ixgbe", 1, sriov_totalvfs="64\n", sriov_numvfs="4\n"),
            **pci("0000:02:00.0", "vfio-pci", 12),
            **pci("0000:02:00.1", "snd_hda_intel", 12, "0x040300"),
            **pci("0000:03:00.0", "vfio-pci", 13),
            **pci("0000:00:01.0", "pcieport", 13, "0x060400"),
            "sys/bus/pci/devices/0000:01:00.0/net/eth0": hosts.directory,
            "sys/firmware/acpi/tables/DMAR": "x",
            "sys/class/iommu/dmar0": hosts.directory,
            "sys/kernel/iommu_groups/1/type": "DMA-FQ\n",
            "proc/interrupts": " 24:  0  0  IR-PCI-MSI-0000:01:00.0 eth0\n",
        }
    )
    place = root(host)
    found = iommu.report(place)
    assert (found["present"], found["enabled"], found["type"], found["interrupt_remapping"]) == (
        True,
        True,
        "intel",
        True,
    )
    assert found["passthrough"] is False
    assert [group["id"] for group in found["groups"]] == [1, 12, 13]
    assert found["groups"][0]["devices"] == [
        {"address": "0000:01:00.0", "driver": "ixgbe", "override": None, "class": "0x020000",
         "vendor_device": "8086:10ca"}]  # fmt: skip
    assert [group["id"] for group in iommu.torn_groups(found["groups"])] == [12], "a bridge in the group doesn't count"
    assert iommu.sriov(place) == [
        {"device": "0000:01:00.0", "interfaces": ["eth0"], "driver": "ixgbe", "total": 64, "current": 4}]  # fmt: skip


def test_secure_guests(hosts: t.Any, root: Write) -> None:
    host = hosts.amd().loaded("kvm_amd", sev="Y", sev_es="N", sev_snp="N").also({"proc/cmdline": "iommu=pt\n"})
    host.record["cpuid"]["0x8000001f"] = [0b11010, 0, 509, 100]
    host.record["nodes"]["/dev/sev"] = {}
    place = root(host)
    found = capability.secure(place, cpu.report(place))
    assert found["sev"] == {"supported": True, "enabled": True, "reason": None, "guests_max": 410}
    assert (found["sev_es"]["supported"], found["sev_es"]["enabled"], found["sev_es"]["guests_max"]) == (
        True,
        False,
        99,
    )
    assert "ASID" in found["sev_es"]["reason"]
    assert "iommu=pt" in found["sev_snp"]["reason"]
    assert found["tdx"] == {"supported": False, "enabled": False, "reason": None}


def test_secure_execution(hosts: t.Any, root: Write) -> None:
    host = hosts.s390()
    host.files["proc/cpuinfo"] += "facilities      : 0 1 2 158\n"
    place = root(host)
    assert "prot_virt=1" in capability.secure(place, cpu.report(place))["s390_pv"]["reason"]


MOUNTS = {
    "v2": ("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", ["cpu", "memory"]),
    "v1": (
        "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu,cpuacct 0 0\ncgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n",
        ["cpu", "cpuacct", "memory"],
    ),
    "hybrid": ("cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n", ["cpu"]),
    None: ("/dev/vda / ext4 rw 0 0\n", []),
}


@pytest.mark.parametrize("version", MOUNTS)
def test_cgroups(version: t.Optional[str], hosts: t.Any, root: Write) -> None:
    mounts, controllers = MOUNTS[version]
    names = "#subsys_name hierarchy num_cgroups enabled\ncpu 1 1 1\ncpuacct 1 1 1\nmemory 2 1 1\n"
    host = hosts.amd().also(
        {
            "proc/mounts": mounts,
            "proc/cgroups": names,
            "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
            "sys/fs/cgroup/cgroup.subtree_control": "memory\n",
        }
    )
    delegated = ["memory"] if version == "v2" else []
    assert capability.cgroup(root(host)) == {"version": version, "controllers": controllers, "delegated": delegated}


def test_network(hosts: t.Any, root: Write) -> None:
    route = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
    rows = ("eth0 00000000 0100000A 3 0 0 0 00000000 0 0 0", "eth1 007AA8C0 00000000 1 0 0 0 00FFFFFF 0 0 0",
            "virbr0 007AA8C0 00000000 1 0 0 0 00FFFFFF 0 0 0")  # fmt: skip
    tcp = "sl local_address rem_address st\n"
    host = hosts.amd().also(
        {
            "proc/net/route": route + "".join(f"{row}\n" for row in rows),
            "proc/net/tcp": f"{tcp} 0: 0100007F:170C 0:0 0A\n 1: 00000000:170D 0:0 0A\n 2: 0100007F:0016 1:1 01\n",
            "proc/net/tcp6": f"{tcp} 0: {'0' * 32}:4082 {'0' * 32}:0000 0A\n",
            "etc/hostname": "kvm1\n",
            "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 kvm1.example.org kvm1 # Debian\n",
            "sys/class/net/br0/bridge/stp_state": "0\n",
            "sys/class/net/br0/brif/eth1": hosts.directory,
            "sys/class/net/br0/operstate": "up\n",
        }
    )
    place = root(host)
    found = network.report(place)
    assert found["bridges"] == [{"name": "br0", "ports": ["eth1"], "stp": False, "vlan_filtering": None, "up": True}]
    assert found["hostname_address"] == "127.0.1.1"
    assert network.claims(found["routes"]) == ["eth1"], "neither the default route nor libvirt's own bridge"
    assert network.claims(found["routes"], "192.168.123.0/24") == []
    assert network.listeners(place) == [
        {"address": "127.0.0.1", "port": 5900}, {"address": "0.0.0.0", "port": 5901},
        {"address": "::", "port": 16514}]  # fmt: skip
    statuses = {check["id"]: (check["status"], check["message"]) for check in gather(place)["checks"]}
    assert statuses["net.subnet"][0] == "warn"
    assert (statuses["sec.listen"][0], "5901" in statuses["sec.listen"][1], "5900" in statuses["sec.listen"][1]) == (
        "warn",
        True,
        False,
    )
    assert statuses["host.identity"][0] == "warn"
    strict = {check["id"]: check["status"] for check in gather(place, strict=True, require=["migration"])["checks"]}
    assert (strict["sec.listen"], strict["host.identity"], strict["net.subnet"]) == ("fail", "fail", "warn")


CONF = """
# user = "nobody"
user = "root"
security_driver = [ "none", 'apparmor' ]
namespaces = [
  "mount",   # why not
]
vnc_password = "hunter2"
seccomp_sandbox = 0
max_queued = -1
no_such_key = "x"
"""


def test_configuration(hosts: t.Any, root: Write) -> None:
    assert reading.parse(CONF) == {
        "user": "root", "security_driver": ["none", "apparmor"], "namespaces": ["mount"], "vnc_password": "hunter2",
        "seccomp_sandbox": 0, "max_queued": -1, "no_such_key": "x"}  # fmt: skip
    known = ("user", "vnc_password", "security_driver", "namespaces", "seccomp_sandbox", "max_queued")
    lens = "".join(f'let {key}_entry = str_entry "{key}"\n' for key in known)
    host = hosts.amd().also({"etc/libvirt/qemu.conf": CONF, "usr/share/augeas/lenses/libvirtd_qemu.aug": lens})
    found = gather(root(host))
    assert found["libvirt"]["conf"]["qemu"]["unknown"] == ["no_such_key"]
    assert found["libvirt"]["conf"]["qemu"]["values"]["vnc_password"] is True
    assert "hunter2" not in str(found)
    checks = {check["id"]: check for check in found["checks"]}
    assert checks["conf.keys"]["status"] == "fail"
    assert checks["conf.needs"]["status"] == "fail"
    assert "qemu.conf, security_driver: apparmor can't confine guests here" in checks["conf.needs"]["message"]
    assert checks["conf.secrets"]["status"] == "warn"
    assert checks["sec.qemu_root"]["status"] == "warn"
    for word in ("root", "none", "seccomp"):
        assert word in checks["sec.qemu_root"]["message"]


def test_pending(hosts: t.Any, root: Write) -> None:
    host = hosts.amd().loaded("kvm_amd", nested="1", avic="N", npt="Y").usable()
    host.also(
        {
            "lib/modules/6.10.0-test/modules.dep": "\n",
            f"lib/modules/{hosts.kernel}/modules.dep": "\n",
            "proc/cmdline": "quiet intel_iommu=off hugepages=4\n",
            "proc/stat": "btime 1000\n",
            "etc/default/grub": 'GRUB_CMDLINE_LINUX_DEFAULT="logo"\nGRUB_CMDLINE_LINUX="intel_iommu=on hugepages=4"\n',
            "etc/default/grub.d/kvm.cfg": 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX default_hugepagesz=1G"\n',
            "etc/modprobe.d/kvm.conf": "options kvm_amd nested=0 npt=1 avic=1\noptions vfio_pci ids=1:2\n",
            "run/libvirtd.pid": "7\n",
            "proc/7/exe": "->/usr/sbin/libvirtd (deleted)",
            "run/libvirt/qemu/web1.pid": "9\n",
            "proc/9/exe": "->/usr/bin/qemu-system-x86_64 (deleted)",
            "run/libvirt/qemu/web2.pid": "10\n",
            "proc/10/exe": "->/usr/bin/qemu-system-x86_64",
        }
    )
    place = root(host)
    found = [(item["kind"], item["wanted"], item["current"]) for item in pending.report(place)]
    assert found == [
        ("reboot", "6.10.0-test", hosts.kernel),
        ("reboot", "intel_iommu=on", "intel_iommu=off"),
        ("reboot", "default_hugepagesz=1G", None),
        ("module_reload", "0", "1"),
        ("daemon_restart", None, None),
        ("guest_restart", None, None),
    ]
    statuses = {check["id"]: check["status"] for check in gather(place)["checks"]}
    assert (statuses["reboot"], statuses["kvm.vendor_module"]) == ("info", "warn")
    os.utime(place.at("etc/modprobe.d/kvm.conf"), (500, 500))
    assert "module_reload" not in [item["kind"] for item in pending.report(Root(place.path))], "loaded with it at boot"


@pytest.mark.parametrize(
    ("older", "newer"),
    [("6.1.0-9-amd64", "6.1.0-10-amd64"), ("5.14.0-70.el9", "5.14.0-427.el9"), ("6.1.0-test", "6.10.0-test")],
)
def test_kernels_in_order(older: str, newer: str) -> None:
    assert pending.release_order(older) < pending.release_order(newer)


def test_conflicts_and_weaknesses(hosts: t.Any, root: Write) -> None:
    host = hosts.amd().loaded("kvm_amd", nested="1", npt="N").loaded("vboxdrv").usable()
    base = "sys/devices/system/cpu/vulnerabilities"
    host.also(
        {
            f"{base}/mds": "Not affected\n",
            f"{base}/itlb_multihit": "KVM: Vulnerable\n",
            f"{base}/l1tf": "Mitigation: PTE\n",
        }
    )
    found = gather(root(host), strict=True)
    assert {name: entry["state"] for name, entry in found["cpu"]["mitigations"].items()} == {
        "mds": "not_affected", "itlb_multihit": "vulnerable", "l1tf": "mitigated"}  # fmt: skip
    statuses = {check["id"]: check["status"] for check in found["checks"]}
    assert (statuses["kvm.conflict"], statuses["cpu.mitigations"], statuses["cpu.paging"]) == ("warn", "fail", "warn")


def test_what_needs_rights_is_noted(hosts: t.Any, root: Write) -> None:
    place = root(hosts.amd())
    os.chmod(place.at("proc/misc"), 0)
    user = os.geteuid()
    os.seteuid(user or 65534)
    try:
        assert [place.text("proc/misc"), place.text("proc/misc")] == [None, None]
    finally:
        os.seteuid(user)
    assert gather(place)["notes"][0].startswith("/proc/misc could not be read for want of rights")


def test_certificates(hosts: t.Any, root: Write) -> None:
    place = root(hosts.amd().also({"etc/pki/CA/cacert.pem": "no certificate\n", "etc/pki/libvirt/x": ""}))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "10", "-subj", "/CN=kvm1",
         "-addext", "subjectAltName=DNS:kvm1.example.org", "-keyout", place.at("etc/pki/libvirt/key"),
         "-out", place.at("etc/pki/libvirt/servercert.pem")], check=True, capture_output=True)  # fmt: skip
    found = gather(place)
    broken, server = found["libvirt"]["tls"]["certificates"]
    assert (broken["use"], broken["not_after"]) == ("ca", None)
    assert (server["subject"], server["san"]) == ("commonName=kvm1", ["kvm1.example.org"])
    assert 9 * 86400 < server["not_after"] - time.time() <= 10 * 86400
    statuses = {check["id"]: check["status"] for check in found["checks"]}
    assert (statuses["sec.tls"], statuses["sec.tls_soon"]) == ("ok", "warn")


def finding(host: dict[str, t.Any], name: str) -> tuple[str, str, t.Any]:
    """Status, message and remedy of a check."""
    (found,) = [check for check in host["checks"] if check["id"] == name]
    return found["status"], found["message"], found["remedy"]


def test_settings_that_contradict_are_named(hosts: t.Any, root: Write) -> None:
    host = hosts.amd().loaded("kvm_amd", nested="1").usable()
    host.also(
        {
            "etc/modprobe.d/a.conf": "options kvm-amd nested=1 npt=Y\n",
            "usr/lib/modprobe.d/kvm.conf": "options kvm_amd nested=0 npt=1\n",
            "etc/modules": "kvm_intel\n",
        }
    )
    status, message, dummy = finding(gather(root(host)), "kvm.options")
    assert status == "warn"
    assert message == "Set in several places, and not alike: kvm_amd.nested=0 of /usr/lib/modprobe.d/kvm.conf counts."


def test_the_other_vendors_module_at_boot(hosts: t.Any, root: Write) -> None:
    host = hosts.amd().loaded("kvm_amd", nested="1").usable().also({"etc/modules": "kvm_intel\ntun\n"})
    found = gather(root(host))
    assert found["kvm"]["loads_at_boot"] == {"kvm_intel": "/etc/modules", "tun": "/etc/modules"}
    assert "for other processors: kvm_intel in /etc/modules" in finding(found, "kvm.options")[1]


def test_virtualbox_beside_kvm_of_6_12(hosts: t.Any, root: Write) -> None:
    host = hosts.intel().loaded("kvm_intel").loaded("kvm", enable_virt_at_load="Y").loaded("vboxdrv").usable()
    assert "kvm.enable_virt_at_load" in finding(gather(root(host)), "kvm.conflict")[2]


def test_devices_that_do_not_get_to_their_guests(hosts: t.Any, root: Write) -> None:
    base = {"proc/interrupts": " 24:  0  0  IR-PCI-MSI-0000:01:00.0 eth0\n", "sys/class/iommu/dmar0": hosts.directory}
    host = hosts.intel().also({**base, **pci("0000:01:00.0", "ixgbe", 1, driver_override="vfio-pci\n")})
    host.also({"proc/cmdline": "intel_iommu=on pcie_acs_override=downstream\n"})
    found = gather(root(host))
    assert finding(found, "vfio")[:2] == ("fail", "Meant for guests, but not bound to vfio-pci: 0000:01:00.0 (ixgbe).")
    assert "each other's memory" in finding(found, "iommu")[1]


def test_huge_pages_that_no_guest_can_have(hosts: t.Any, root: Write) -> None:
    base = "sys/kernel/mm/hugepages/hugepages-2048kB"
    host = hosts.amd().also({f"{base}/nr_hugepages": "8\n", f"{base}/free_hugepages": "8\n"})
    assert "no hugetlbfs is mounted" in finding(gather(root(host)), "hugepages")[1]


def test_a_server_of_another_authority(hosts: t.Any, root: Write) -> None:
    place = root(hosts.amd().also({"etc/pki/CA/x": "", "etc/pki/libvirt/x": ""}))
    for path, subject in (("CA/cacert.pem", "/CN=one"), ("libvirt/servercert.pem", "/CN=other")):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90",
             "-subj", subject, "-keyout", place.at("key"), "-out", place.at(f"etc/pki/{path}")],
            check=True, capture_output=True)  # fmt: skip
    status, message, dummy = finding(gather(place), "sec.tls")
    assert (status, "of the authority commonName=other" in message) == ("fail", True), message


def test_logs_that_nothing_bounds_and_drivers(hosts: t.Any, root: Write) -> None:
    host = hosts.amd().also(
        {
            "etc/libvirt/qemu.conf": 'stdio_handler = "file"\nmigration_address = "10.0.0.1"\n',
            "usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so": "",
            "etc/systemd/system/sockets.target.wants/virtproxyd-tls.socket": "->/dev/null",
        }
    )
    found = gather(root(host))
    assert finding(found, "logs")[0] == "warn"
    assert found["libvirt"]["drivers"] == ["qemu"]
    assert found["libvirt"]["tls"]["enabled"] is True
    (migration,) = [check for check in found["checks"] if check["id"] == "sec.migration"]
    assert migration["evidence"] == {"migration_address": "10.0.0.1"}
