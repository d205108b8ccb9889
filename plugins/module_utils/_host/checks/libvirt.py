# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of libvirt and of how it keeps guests apart. Each takes the host as read and returns a finding."""

from __future__ import annotations

import time
import typing as t

from .finding import Finding, bad, count, good, said, sentence, skipped

Host = t.Mapping[str, t.Any]

DAY = 86400
EXPIRY_WARNING = 30 * DAY
PLAIN_PORT = 16509
CONSOLES = ("console", "VNC websocket")


def daemons(host: Host) -> Finding:
    libvirt = host["libvirt"]
    units = sorted(name for name, unit in libvirt["units"].items() if unit["running"] or unit["listening"])
    if not libvirt["installed"]:
        return bad("libvirt isn't installed.", "Apply the role metal.kvm.host.")
    if not units:
        return bad(f"libvirt is installed ({libvirt['mode']}), but nothing of it listens.", "Start its sockets.")
    return good(f"libvirt {libvirt['version']} runs, {libvirt['mode']}.", active=units)


def daemon_mode(host: Host) -> Finding:
    libvirt = host["libvirt"]
    if "mixed" in (libvirt["mode"], libvirt["default_boot_mode"]):
        return bad(
            "libvirtd and the modular daemons are both on; each start of one stops the other.",
            "Disable one kind: libvirtd.socket and libvirtd.service, or virtqemud.socket and its siblings.",
            units=libvirt["units"],
        )
    if not libvirt["installed"]:
        return skipped("libvirt isn't installed.")
    return good(f"libvirt comes up in one mode ({libvirt['default_boot_mode']}).")


def reach(host: Host) -> Finding:
    libvirt = host["libvirt"]
    if libvirt["uri"] is None:
        return skipped("No uri was given.")
    if libvirt["reachable"]:
        return good(f"{libvirt['uri']} answers.", hypervisor_version=libvirt["hypervisor_version"])
    return bad(f"{libvirt['uri']} doesn't answer: {libvirt['error']}", "Start libvirt, or mend the uri.")


def drivers(host: Host) -> Finding:
    backends, domcaps = host["libvirt"]["pool_backends"], host["libvirt"]["domcaps"]
    if backends is None and domcaps is None:
        return skipped("Only a connection tells; give a uri.")
    backends, domcaps = backends or {}, domcaps or {}
    return said(
        f"Storage backends: {', '.join(sorted(name for name, there in backends.items() if there))}.",
        missing_backends=sorted(name for name, there in backends.items() if not there),
        firmware=domcaps.get("firmware"),
        machine=domcaps.get("machine"),
    )


def conf_keys(host: Host) -> Finding:
    conf = host["libvirt"]["conf"]
    unknown = {name: entry["unknown"] for name, entry in conf.items() if entry["unknown"]}
    if unknown:
        named = "; ".join(f"{name}.conf: {', '.join(keys)}" for name, keys in unknown.items())
        return bad(
            f"libvirt's configuration has keys that this version doesn't know ({named}): a daemon may refuse to start.",
            "Correct or remove them.",
            unknown=unknown,
        )
    if not conf:
        return skipped("libvirt has no configuration here.")
    return good("libvirt's configuration is known to this version.")


def conf_needs(host: Host) -> Finding:
    unmet = {name: entry["unmet"] for name, entry in host["libvirt"]["conf"].items() if entry["unmet"]}
    if unmet:
        named = [f"{name}.conf, {key}: {why}" for name, each in unmet.items() for key, why in each.items()]
        return bad(
            f"libvirt's daemon doesn't start with its configuration here. {' '.join(named)}",
            "Mend these keys in /etc/libvirt, or take them out.",
            unmet=unmet,
        )
    return good("The host has what libvirt's configuration asks for.")


def conf_secrets(host: Host) -> Finding:
    loose = []
    for name, entry in host["libvirt"]["conf"].items():
        secret = any(value for key, value in entry["values"].items() if key.endswith("password"))
        if secret and int(entry["mode"] or "0", 8) & 0o077:
            loose.append(f"/etc/libvirt/{name}.conf")
    if loose:
        return bad(f"Others can read the passwords in {', '.join(loose)}.", "chmod 0600, and change the passwords.")
    return good("No password in libvirt's configuration is open to others.")


def qemu_root(host: Host) -> Finding:
    qemu = host["security"]["qemu"]
    wrong = []
    if qemu["user"] in ("root", "0", "+0"):
        wrong.append("QEMU runs as root")
    if qemu["drivers"] is not None and "none" in qemu["drivers"]:
        wrong.append("guests aren't confined (security_driver none)")
    if not qemu["default_confined"]:
        wrong.append("guests are unconfined unless they ask (security_default_confined 0)")
    if not qemu["seccomp"]:
        wrong.append("QEMU's system calls aren't filtered (seccomp_sandbox 0)")
    if not qemu["namespaces"]:
        wrong.append("QEMU sees the host's /dev (namespaces [])")
    if wrong:
        return bad(
            f"A guest that breaks out meets little: {'; '.join(wrong)}.",
            "Take these lines from /etc/libvirt/qemu.conf.",
            **qemu,
        )
    return good("QEMU runs with libvirt's confinement.", **qemu)


def mac(host: Host) -> Finding:
    profiles = host["security"]["apparmor_profiles"]
    if host["selinux"] == "enforcing":
        return good("SELinux is enforcing: guests are kept apart by sVirt.", drivers=host["libvirt"]["security"])
    if host["apparmor"] == "enabled" and profiles:
        return good("AppArmor has libvirt's profiles.", profiles=profiles)
    if host["apparmor"] == "enabled" and not host["libvirt"]["installed"]:
        return skipped("libvirt isn't installed, so it has no AppArmor profile yet.")
    return bad(
        "Neither SELinux enforces nor AppArmor has libvirt's profiles: only user and namespaces keep guests apart.",
        "Boot with SELinux enforcing, or with AppArmor and its profiles of libvirt.",
        selinux=host["selinux"],
        apparmor=host["apparmor"],
    )


def plaintext(host: Host) -> Finding:
    tcp = [entry for entry in host["security"]["listeners"] if entry["port"] == PLAIN_PORT]
    if tcp and value_of(host["libvirt"]["conf"], "auth_tcp", "sasl") == "none":
        return bad(
            "libvirt listens on TCP 16509 without authentication: who reaches it is root here.",
            "Use TLS or SSH, or SASL with GSSAPI.",
            listeners=tcp,
        )
    return good("libvirt can't be reached over the network without authentication.")


def listen(host: Host) -> Finding:
    wrong = _open_doors(host["libvirt"]["conf"])
    for entry in host["security"]["listeners"]:
        if entry["port"] == PLAIN_PORT:
            wrong.append("libvirt listens on TCP 16509, which is encrypted only if SASL does it")
        elif entry["anywhere"] and entry["use"] in CONSOLES:
            wrong.append(f"port {entry['port']} ({entry['use']}) is open to everyone")
    if wrong:
        seen = host["security"]["listeners"]
        return bad(sentence(wrong), "Use TLS or SSH, and consoles on 127.0.0.1.", listeners=seen)
    return good("Neither libvirt nor consoles are open without protection.")


def _open_doors(conf: t.Mapping[str, t.Any]) -> list[str]:
    qemu = conf.get("qemu", {}).get("values", {})
    wrong = []
    for kind in ("vnc", "spice"):
        if qemu.get(f"{kind}_listen") in ("0.0.0.0", "::") and not qemu.get(f"{kind}_tls"):
            wrong.append(f"{kind}_listen is {qemu[f'{kind}_listen']} without TLS")
    mode = str(value_of(conf, "unix_sock_rw_perms", "0770"))
    if value_of(conf, "auth_unix_rw", "polkit") == "none" and mode.endswith(("6", "7")):
        wrong.append("every local user may control libvirt (auth_unix_rw none, unix_sock_rw_perms " + mode + ")")
    return wrong


def value_of(conf: t.Mapping[str, t.Any], key: str, default: t.Any) -> t.Any:
    for name in ("libvirtd", "virtqemud", "virtproxyd"):
        if key in conf.get(name, {}).get("values", {}):
            return conf[name]["values"][key]
    return default


def tls(host: Host) -> Finding:
    found = host["libvirt"]["tls"]
    listening = [entry for entry in host["security"]["listeners"] if entry["use"] == "libvirt TLS"]
    if not found["certificates"]:
        if listening:
            return bad("libvirt listens on TLS, but has no certificates in the usual places.", "Give it a PKI.")
        return skipped("There are no certificates.")
    late = [entry["path"] for entry in found["certificates"] if _ends(entry, 0)]
    if late:
        return bad(f"Expired: {', '.join(late)}.", "Renew it.", certificates=found["certificates"])
    foreign = _foreign(found["certificates"])
    if foreign:
        return bad(
            foreign,
            "Have the certificate made by that authority, or place the right one.",
            certificates=found["certificates"],
        )
    if found["open_keys"]:
        keys = ", ".join(found["open_keys"])
        return bad(f"Everyone can read the private key {keys}.", "chmod 0600, and renew the certificate.")
    return good(
        f"{count(len(found['certificates']), 'certificate')} valid.",
        certificates=found["certificates"],
        allowed=value_of(host["libvirt"]["conf"], "tls_allowed_dn_list", None),
    )


def _foreign(certificates: t.Sequence[t.Mapping[str, t.Any]]) -> t.Optional[str]:
    """The sentence for a server's certificate that the authority beside it hasn't signed; None for any other."""
    by_use = {entry["use"]: entry for entry in certificates}
    ca, server = by_use.get("ca"), by_use.get("server")
    if not ca or not server or ca["count"] != 1 or server["count"] != 1 or server["issuer"] == ca["subject"]:
        return None
    return f"{server['path']} is of the authority {server['issuer']}, not of {ca['path']}'s ({ca['subject']})."


def tls_soon(host: Host) -> Finding:
    found = host["libvirt"]["tls"]["certificates"]
    soon = [entry["path"] for entry in found if _ends(entry, EXPIRY_WARNING) and not _ends(entry, 0)]
    if soon:
        return bad(f"Expires within 30 days: {', '.join(soon)}.", "Renew it.", certificates=found)
    nameless = [entry["path"] for entry in found if _nameless(entry)]
    if nameless:
        return bad(f"No subjectAltName in {', '.join(nameless)}: clients refuse it.", "Make it with the host's names.")
    return good("No certificate expires soon.") if found else skipped("There are no certificates.")


def _nameless(certificate: t.Mapping[str, t.Any]) -> bool:
    """Whether a server's certificate, which could be read, names no host in the way that clients look at."""
    return bool(certificate["use"].endswith("server") and certificate["subject"] and not certificate["san"])


def _ends(certificate: t.Mapping[str, t.Any], within: int) -> bool:
    return certificate["not_after"] is not None and certificate["not_after"] < time.time() + within


def groups(host: Host) -> Finding:
    members = host["security"]["groups"].get("libvirt", [])
    if not members:
        return good("Nobody but root controls libvirt by membership in a group.", **host["security"]["groups"])
    return said(
        f"Members of the group libvirt ({', '.join(members)}) are as mighty as root here.", **host["security"]["groups"]
    )


def migration(host: Host) -> Finding:
    if host["security"]["qemu"]["migrate_tls_force"]:
        return good("Migration is always encrypted (migrate_tls_force).")
    return bad(
        "Guests' memory may cross the network unencrypted when they migrate.",
        "Give QEMU a PKI and set migrate_tls_force = 1 in qemu.conf, or migrate on a network of its own.",
        migration_address=host["libvirt"]["conf"].get("qemu", {}).get("values", {}).get("migration_address"),
    )


def ports(host: Host) -> Finding:
    found = host["security"]["listeners"]
    wide = [entry for entry in found if entry["anywhere"]]
    if wide:
        return said(f"Open on every address: {', '.join(str(entry['port']) for entry in wide)}.", listeners=found)
    return good("No port of libvirt or its guests is open on every address.", listeners=found)
