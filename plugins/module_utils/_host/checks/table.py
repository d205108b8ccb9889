# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of checks, and the one way from a finding to what the user sees."""

from __future__ import annotations

import typing as t

from . import libvirt, machine, upkeep
from .finding import Finding

Host = t.Mapping[str, t.Any]


class Check:
    """A row: the check's name, what it looks at, and how bad its bad is.

    ``severity`` (info, warn, fail) holds for everyone; ``required`` names the requirement that makes it a failure;
    ``strict`` says that strict mode does.
    """

    __slots__ = ("look", "name", "required", "severity", "strict")

    def __init__(
        self,
        name: str,
        look: t.Callable[[Host], Finding],
        severity: str,
        required: t.Optional[str] = None,
        strict: bool = False,
    ) -> None:
        self.name = name
        self.look = look
        self.severity = severity
        self.required = required
        self.strict = strict


CHECKS: tuple[Check, ...] = (
    Check("kvm.device", machine.kvm_device, "warn", "kvm"),
    Check("kvm.create", machine.kvm_create, "fail"),
    Check("kvm.cause", machine.kvm_cause, "warn", "kvm"),
    Check("kvm.hardware", machine.kvm_hardware, "warn", "hardware"),
    Check("kvm.vendor_module", machine.kvm_modules, "warn"),
    Check("kvm.options", machine.kvm_options, "warn"),
    Check("kvm.conflict", machine.kvm_conflict, "warn"),
    Check("cpu.paging", machine.cpu_paging, "warn"),
    Check("cpu.mitigations", machine.cpu_mitigations, "warn", strict=True),
    Check("nested", machine.nested, "info", "nested"),
    Check("secure.sev", machine.secure("sev"), "info", "sev"),
    Check("secure.sev_es", machine.secure("sev_es"), "info", "sev_es"),
    Check("secure.sev_snp", machine.secure("sev_snp"), "info", "sev_snp"),
    Check("secure.tdx", machine.secure("tdx"), "info", "tdx"),
    Check("secure.sgx", machine.secure("sgx"), "info", "sgx"),
    Check("secure.s390_pv", machine.secure("s390_pv"), "info", "s390_pv"),
    Check("irq_clock", machine.irq_clock, "info"),
    Check("clock_source", machine.clock_source, "warn"),
    Check("device.vhost_net", machine.device("vhost_net", "/dev/vhost-net", "vhost_net"), "warn", "vhost_net"),
    Check("device.tun", machine.device("tun", "/dev/net/tun", "tun"), "fail", "tun"),
    Check("device.vhost_vsock", machine.device("vhost_vsock", "/dev/vhost-vsock", "vhost_vsock"), "info"),
    Check("cgroups", machine.cgroups, "warn"),
    Check("iommu", machine.iommu, "warn", "iommu"),
    Check("vfio", machine.vfio, "fail", "vfio"),
    Check("hugepages", machine.hugepages, "fail", "hugepages"),
    Check("memory", machine.memory, "warn"),
    Check("memory.ksm", machine.ksm, "warn", strict=True),
    Check("numa", machine.numa, "info"),
    Check("daemons", libvirt.daemons, "warn"),
    Check("daemons.mode", libvirt.daemon_mode, "fail"),
    Check("daemon.reach", libvirt.reach, "fail"),
    Check("driver.capabilities", libvirt.drivers, "info"),
    Check("conf.keys", libvirt.conf_keys, "fail"),
    Check("conf.needs", libvirt.conf_needs, "fail"),
    Check("conf.secrets", libvirt.conf_secrets, "warn", strict=True),
    Check("sec.qemu_root", libvirt.qemu_root, "warn", strict=True),
    Check("sec.mac", libvirt.mac, "warn", strict=True),
    Check("sec.plaintext", libvirt.plaintext, "fail"),
    Check("sec.listen", libvirt.listen, "warn", strict=True),
    Check("sec.tls", libvirt.tls, "fail"),
    Check("sec.tls_soon", libvirt.tls_soon, "warn", strict=True),
    Check("sec.groups", libvirt.groups, "info"),
    Check("sec.migration", libvirt.migration, "info", strict=True),
    Check("net.forward", upkeep.forwarding, "info"),
    Check("net.bridge_nf", upkeep.bridge_filter, "warn"),
    Check("net.rp_filter", upkeep.reverse_path, "warn"),
    Check("net.firewall", upkeep.firewall, "warn"),
    Check("net.subnet", upkeep.subnet, "warn"),
    Check("net.bridges", upkeep.bridges, "warn"),
    Check("fw.ports", libvirt.ports, "info"),
    Check("host.identity", upkeep.identity, "warn", "migration"),
    Check("shutdown", upkeep.shutdown, "warn"),
    Check("logs", upkeep.disks, "warn"),
    Check("reboot", upkeep.reboot, "info"),
    Check("audit", upkeep.audit, "info"),
)


def run(host: Host, require: t.Collection[str], strict: bool) -> list[dict[str, t.Any]]:
    """Each check's result, in the table's order: ``id``, ``status``, ``message``, ``remedy``, ``evidence``."""
    return [result(check, check.look(host), require, strict) for check in CHECKS]


def result(check: Check, finding: Finding, require: t.Collection[str], strict: bool) -> dict[str, t.Any]:
    """What the user sees of a finding."""
    return {
        "id": check.name,
        "status": status(check, finding.kind, require, strict),
        "message": finding.message,
        "remedy": finding.remedy,
        "evidence": finding.evidence,
    }


def status(check: Check, kind: str, require: t.Collection[str], strict: bool) -> str:
    """``ok``, ``info``, ``warn``, ``fail`` or ``skipped``. Something absent that nobody requires is skipped."""
    if kind in ("good", "said", "skipped"):
        return {"good": "ok", "said": "info"}.get(kind, kind)
    if check.required in require:
        return "fail"
    if kind == "absent":
        return "skipped"
    return "fail" if strict and check.strict else check.severity
