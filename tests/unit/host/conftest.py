# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts as trees of files: made from a few words here, or unpacked from what `record.py` wrote on a real one."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._host.root import Root

RECORDINGS = pathlib.Path(__file__).parent / "recordings"
KERNEL = "6.1.0-test"
FIRST_PID_NAMESPACE = "pid:[4026531836]"
DIRECTORY = object()
PROGRAM = "#!/bin/false\n"

VMX_FLAGS = (
    "vnmi preemption_timer posted_intr ept_ad ept_1gb flexpriority apicv tsc_offset vtpr ept vpid unrestricted_guest"
    " ple shadow_vmcs pml tsc_scaling"
)
X86_FLAGS = "fpu vme de pse tsc msr lm constant_tsc nonstop_tsc pdpe1gb"
SVM_FLAGS = (
    f"{X86_FLAGS} svm npt lbrv svm_lock nrip_save tsc_scale vmcb_clean flushbyasid decodeassists pausefilter vgif"
)

# eax, ebx, ecx, edx of the leaves that matter
VMX_LEAF, PLAIN_LEAF, GUEST_LEAF = [0, 0, 1 << 5, 0], [0, 0, 0, 0], [0, 0, 1 << 31, 0]
GUEST_VMX_LEAF = [0, 0, 1 << 31 | 1 << 5, 0]
SVM_LEAF = [0, 0, 1 << 2, 0]
KVM_SIGNATURE = [0x40000001, 0x4B4D564B, 0x564B4D56, 0x4D]


class Host:
    """A host in the making: files by path (text, ``DIRECTORY``, or ``->target`` for a link), and the record."""

    def __init__(self, machine: str, cpuinfo: str, **record: t.Any) -> None:
        self.files: dict[str, t.Any] = {
            "proc/cpuinfo": cpuinfo,
            "proc/cmdline": "root=/dev/vda1 ro quiet\n",
            "proc/misc": "183 hw_random\n",
            "proc/self/ns/pid": f"->{FIRST_PID_NAMESPACE}",
            "proc/self/status": "Name:\tpython3\nCapEff:\t000001ffffffffff\n",
            "etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
            "sys/class/dmi/id/sys_vendor": "Maker\n",
            f"lib/modules/{KERNEL}/modules.builtin": "kernel/fs/fuse.ko\n",
        }
        self.record: dict[str, t.Any] = {
            "uname": {"machine": machine, "release": KERNEL},
            "uid": 0,
            "kvm": {"open": 2},
            "cpuid": {},
            "msr": {},
            "nodes": {},
            "commands": {},
            **record,
        }

    def also(self, files: t.Optional[dict[str, t.Any]] = None, **record: t.Any) -> Host:
        """The same host with more files (None takes one away) and other records."""
        self.files.update(files or {})
        self.record.update(record)
        return self

    def available(self, *names: str) -> Host:
        """Modules that the running kernel's directory has."""
        path = f"lib/modules/{KERNEL}/modules.dep"
        self.files[path] = self.files.get(path, "") + "".join(
            f"kernel/{name.replace('_', '-')}.ko.xz:\n" for name in names
        )
        return self

    def loaded(self, name: str, refcnt: int = 0, holders: t.Sequence[str] = (), **parameters: str) -> Host:
        """A module that is loaded."""
        base = f"sys/module/{name}"
        self.files[f"{base}/initstate"] = "live\n"
        self.files[f"{base}/refcnt"] = f"{refcnt}\n"
        self.files[f"{base}/holders"] = DIRECTORY
        self.files.update({f"{base}/holders/{holder}": f"->../../{holder}" for holder in holders})
        self.files.update({f"{base}/parameters/{key}": f"{value}\n" for key, value in parameters.items()})
        return self

    def builtin(self, name: str, **parameters: str) -> Host:
        """A module that is part of the kernel."""
        self.files[f"sys/module/{name}/parameters"] = DIRECTORY
        self.files.update({f"sys/module/{name}/parameters/{key}": f"{value}\n" for key, value in parameters.items()})
        return self

    def usable(self, **caps: int) -> Host:
        """A host on which /dev/kvm works."""
        self.files["proc/misc"] = "232 kvm\n183 hw_random\n"
        self.record["nodes"]["/dev/kvm"] = {"major_minor": "10:232", "mode": "0660", "owner": "root", "group": "kvm"}
        self.record["kvm"] = {"open": 0, "api_version": 12, "create_vm": 0, "caps": caps}
        return self

    def programs(self, *paths: str) -> Host:
        """Programs that are there; running them fails."""
        self.files.update({path.lstrip("/"): PROGRAM for path in paths})
        return self

    def write(self, place: pathlib.Path) -> pathlib.Path:
        """Write the tree."""
        for name, content in sorted(self.files.items(), key=lambda item: item[0]):
            if content is None:
                continue
            path = place / name
            if content is DIRECTORY:
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if content.startswith("->"):
                path.symlink_to(content[2:])
            else:
                path.write_text(content)
                path.chmod(0o755 if content.startswith("#!") else 0o644)
        (place / ".metal-kvm").mkdir(exist_ok=True)
        (place / ".metal-kvm" / "host.json").write_text(json.dumps(self.record))
        return place


def cpuinfo(**entries: str) -> str:
    """Two processors' entries; blanks stand for underscores in the keys."""
    return "".join(
        "".join(f"{key.replace('_', ' ')}\t: {value}\n" for key, value in {"processor": str(number), **entries}.items())
        + "\n"
        for number in range(2)
    ).replace("vendor id", "vendor_id")


def intel(flag: bool = True, **record: t.Any) -> Host:
    """A machine with an Intel processor; without the flag as the kernel shows it when VT-x is off or missing."""
    vmx = {"vmx_flags": VMX_FLAGS} if flag else {}
    text = cpuinfo(
        vendor_id="GenuineIntel",
        model_name="Intel(R) Xeon(R) Gold",
        flags=f"{X86_FLAGS}{' vmx ept vpid' if flag else ''}",
        **vmx,
    )
    leaf = VMX_LEAF if flag else PLAIN_LEAF
    return Host("x86_64", text, **{"cpuid": {"0x1": leaf, "0x80000001": PLAIN_LEAF}, **record})


def amd(flag: bool = True, **record: t.Any) -> Host:
    """A machine with an AMD processor."""
    text = cpuinfo(vendor_id="AuthenticAMD", model_name="AMD EPYC 7543", flags=SVM_FLAGS if flag else X86_FLAGS)
    leaf = SVM_LEAF if flag else PLAIN_LEAF
    return Host("x86_64", text, **{"cpuid": {"0x1": PLAIN_LEAF, "0x80000001": leaf}, **record})


def guest(host: Host) -> Host:
    """The machine as a guest of KVM."""
    leaf = GUEST_VMX_LEAF if host.record["cpuid"]["0x1"] == VMX_LEAF else GUEST_LEAF
    host.record["cpuid"] = {**host.record["cpuid"], "0x1": leaf, "0x40000000": KVM_SIGNATURE}
    host.files["proc/cpuinfo"] = host.files["proc/cpuinfo"].replace("flags\t: ", "flags\t: hypervisor ")
    host.files["sys/class/dmi/id/sys_vendor"] = "QEMU\n"
    return host


def arm(**record: t.Any) -> Host:
    """An arm64 server."""
    return Host(
        "aarch64",
        cpuinfo(BogoMIPS="50.00", Features="fp asimd cpuid", CPU_implementer="0x41", CPU_part="0xd0c"),
        **record,
    )


def s390(sie: bool = True, **record: t.Any) -> Host:
    """A logical partition of an IBM Z."""
    text = f"vendor_id       : IBM/S390\nfeatures\t: esan3 zarch stfle{' sie' if sie else ''}\n"
    text += "processor 0: version = FF,  identification = 1,  machine = 8561\n"
    host = Host("s390x", text, **record)
    return host.also({"proc/sysinfo": "Manufacturer: IBM\nLPAR Name: LP1\n"})


def power(machine: str = "PowerNV 8335-GTH", cpu: str = "POWER9, altivec supported", **record: t.Any) -> Host:
    """An OpenPOWER machine."""
    text = f"processor\t: 0\ncpu\t\t: {cpu}\n\nplatform\t: {machine.split()[0]}\nmachine\t\t: {machine}\n"
    host = Host("ppc64le", text, **record)
    return host.also({"proc/device-tree/ibm,opal": DIRECTORY}) if machine.startswith("PowerNV") else host


def riscv(hypervisor: bool = True, **record: t.Any) -> Host:
    """A RISC-V board."""
    return Host(
        "riscv64", cpuinfo(isa=f"rv64imafdc{'h' if hypervisor else ''}_zicsr_zifencei", uarch="vendor,core"), **record
    )


class Hosts:
    """The builders, for tests (which can't import this file)."""

    intel = staticmethod(intel)
    amd = staticmethod(amd)
    arm = staticmethod(arm)
    s390 = staticmethod(s390)
    power = staticmethod(power)
    riscv = staticmethod(riscv)
    guest = staticmethod(guest)
    kernel = KERNEL
    directory = DIRECTORY


@pytest.fixture(scope="session")
def hosts() -> type[Hosts]:
    """Builders of hosts by architecture."""
    return Hosts


@pytest.fixture
def root(tmp_path: pathlib.Path) -> t.Callable[[Host], Root]:
    """Write a host's tree; the root to read it by."""
    return lambda host: Root(str(host.write(tmp_path)))


@pytest.fixture
def recording(tmp_path: pathlib.Path) -> t.Callable[[str], Root]:
    """Unpack a recorded host by name; the root to read it by."""

    def unpack(name: str) -> Root:
        kept = json.loads((RECORDINGS / f"{name}.json").read_text())
        host = Host("", "")
        host.files = {
            **dict.fromkeys(kept["directories"], DIRECTORY),
            **kept["files"],
            **{path: f"->{target}" for path, target in kept["links"].items()},
        }
        host.record = kept["record"]
        host.programs(*kept["programs"])
        return Root(str(host.write(tmp_path)))

    return unpack
