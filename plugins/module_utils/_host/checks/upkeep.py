# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the network, the host's identity and its upkeep. Each takes the host as read and returns a finding."""

from __future__ import annotations

import typing as t

from ..network import DEFAULT_NETWORK, claims
from .finding import Finding, bad, good, said, sentence
from .libvirt import value_of

Host = t.Mapping[str, t.Any]

DISK_FREE = 0.05
LOOPBACK = ("127.", "::1")
FORBIDDEN_UUIDS = ("00000000-0000-0000-0000-000000000000", "03000200-0400-0500-0006-000700080009")


def forwarding(host: Host) -> Finding:
    network = host["network"]
    if network["ip_forward"]:
        return good("IPv4 is forwarded, as NAT and routed networks need.", ip6_forward=network["ip6_forward"])
    return said("IPv4 isn't forwarded; libvirt switches it on with the first NAT or routed network.")


def bridge_filter(host: Host) -> Finding:
    network = host["network"]
    on = sorted(name for name, value in network["bridge_nf"].items() if value)
    if on and network["bridges"]:
        return bad(
            f"Bridged frames pass the host's firewall ({', '.join(on)}): guests' traffic can be dropped there.",
            "Set them to 0, unless nwfilter, Docker or Kubernetes on this host need them.",
            docker=network["docker"],
        )
    if network["docker"] and network["bridges"]:
        return bad(
            "Docker is here: it sets the policy of FORWARD to drop, and bridged guests may lose their traffic.",
            "Accept the bridges in the chain DOCKER-USER.",
        )
    return good("Bridged frames don't pass the host's firewall.", **network["bridge_nf"])


def reverse_path(host: Host) -> Finding:
    if host["network"]["rp_filter"] == 1:
        return bad(
            "Strict reverse path filtering drops what comes back another way to routed guests.",
            "Set rp_filter to 2 on the interfaces in question.",
        )
    return good("Reverse path filtering isn't strict.", rp_filter=host["network"]["rp_filter"])


def firewall(host: Host) -> Finding:
    found = host["network"]["firewall_programs"]
    if not found:
        return bad("Neither nft nor iptables is installed: NAT networks can't start.", "Install nftables or iptables.")
    backend = host["network"]["firewall_backend"]
    if backend and {"nftables": "nft"}.get(backend, backend) not in found:
        return bad(
            f"firewall_backend is {backend}, whose program isn't installed.", "Install it, or change network.conf."
        )
    return good(f"Firewall programs: {', '.join(found)}.", backend=backend, firewalld=host["network"]["firewalld"])


def subnet(host: Host) -> Finding:
    found = claims(host["network"]["routes"])
    if found:
        return bad(
            f"{DEFAULT_NETWORK}, libvirt's default network, is claimed by {', '.join(found)} too.",
            "Give libvirt's network default another subnet before it is started.",
        )
    return good(f"{DEFAULT_NETWORK} is free for libvirt's default network.")


def bridges(host: Host) -> Finding:
    empty = [bridge["name"] for bridge in host["network"]["bridges"]
             if not bridge["ports"] and not bridge["name"].startswith(("virbr", "docker", "br-"))]  # fmt: skip
    names = [bridge["name"] for bridge in host["network"]["bridges"]]
    if empty:
        return bad(
            f"Bridges without a port: {', '.join(empty)}; guests on them reach nobody else.",
            "Add the host's interface.",
        )
    return said(
        f"Bridges: {', '.join(names)}." if names else "The host has no bridges.", bridges=host["network"]["bridges"]
    )


def identity(host: Host) -> Finding:
    wrong = []
    address = host["network"]["hostname_address"]
    if address and address.startswith(LOOPBACK):
        wrong.append(f"the host's name is {address} in /etc/hosts, where a migration would be sent")
    uuid = host["security"]["host_uuid"]
    if uuid and uuid.lower() in FORBIDDEN_UUIDS:
        wrong.append(f"its UUID {uuid} isn't its own")
    if host["security"]["time_service"] is None:
        wrong.append("no time service runs")
    if wrong:
        return bad(
            sentence(wrong),
            "Give the name a reachable address, set host_uuid in libvirt's configuration, run chrony.",
            hostname=host["network"]["hostname"],
        )
    return good(
        "Other hosts can tell this one by name and UUID.", uuid=uuid, time_service=host["security"]["time_service"]
    )


def shutdown(host: Host) -> Finding:
    values = host["libvirt"]["conf"].get("qemu", {}).get("values", {})
    own = [key for key in ("auto_shutdown_try_save", "auto_shutdown_try_shutdown", "auto_shutdown_poweroff")
           if values.get(key) not in (None, 0, "none")]  # fmt: skip
    service = host["libvirt"]["guests_service"]
    if own and service:
        return bad(
            f"libvirt-guests.service and {', '.join(own)} both stop guests when the host goes down.",
            "Keep one of them.",
            keys=own,
        )
    if not own and not service:
        return said("Nothing stops guests in order when the host goes down.")
    return good(
        "Guests are stopped in order when the host goes down.", by="qemu.conf" if own else "libvirt-guests.service"
    )


def disks(host: Host) -> Finding:
    full = [disk["path"] for disk in host["security"]["disks"]
            if disk["total"] and disk["free"] < disk["total"] * DISK_FREE]  # fmt: skip
    if full:
        return bad(
            f"Nearly no room is left in {', '.join(full)}: guests pause when their disks can't grow.", "Make room."
        )
    conf = host["libvirt"]["conf"]
    if conf.get("qemu", {}).get("values", {}).get("stdio_handler") == "file":
        return bad(
            "A guest can fill the disk with what it writes to its console (stdio_handler file).",
            "Leave it to virtlogd, which keeps logs to max_size (metal.kvm.libvirt_conf unset stdio_handler).",
        )
    kept = conf.get("virtlogd", {}).get("values", {})
    return good("Images and logs have room.", disks=host["security"]["disks"], virtlogd=kept)


def reboot(host: Host) -> Finding:
    waits = [item for item in host["pending"] if item["kind"] != "module_reload"]
    if waits:
        return bad(
            "; ".join(item["reason"] for item in waits),
            f"{waits[0]['kind'].replace('_', ' ').capitalize()}.",
            pending=waits,
        )
    return good("Nothing waits for a reboot, a restart or a login.")


def audit(host: Host) -> Finding:
    level = value_of(host["libvirt"]["conf"], "audit_level", 1)
    if host["security"]["audit"] and level:
        return good("auditd runs, and libvirt reports to it.", audit_level=level)
    return said(
        "What libvirt does isn't audited." if not host["security"]["audit"] else "libvirt's audit_level is 0.",
        audit_level=level,
    )
