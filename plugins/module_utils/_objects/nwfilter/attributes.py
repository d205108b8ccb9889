# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rules of network filters match: libvirt's attributes per protocol, and how their values are written.

A value is what its attribute takes, or a variable: ``$IP``, ``$PORT[1]``, ``$PORT[@2]``.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import typing as t

VARIABLE = re.compile(r"\$(\w*)\s*(?:\[\s*(@?)\s*(\d+)\s*\])?")
COMMENT_MAX = 256

Kind = tuple[t.Callable[[t.Any], t.Any], t.Callable[[str], t.Any]]  # from the user, from a document


def _number(most: int, names: t.Sequence[tuple[int, str]] = (), least: int = 0) -> Kind:
    """A number, or what has one its name; libvirt reads decimal, else hexadecimal."""

    def read(text: str) -> t.Any:
        known = {name.lower(): name for dummy, name in names}
        if text.strip().lower() in known:
            return known[text.strip().lower()]
        try:
            number = int(text, 10)
        except ValueError:
            number = int(text, 16)
        return dict(names).get(number, number)

    def parse(value: t.Any) -> t.Any:
        said = f"a number up to {most}" + "".join(f", {name}" for dummy, name in names)
        try:
            if isinstance(value, bool):
                raise ValueError
            number = read(str(value))
        except ValueError:
            raise ValueError(f"must be {said}") from None
        if isinstance(number, int) and not least <= number <= most:
            raise ValueError(f"must be {said}")
        return number

    return parse, read


def _address(version: int) -> Kind:
    def read(text: str) -> str:
        if version == 4:
            return socket.inet_ntoa(socket.inet_aton(text))
        plain, percent, zone = text.partition("%")
        return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, plain)) + percent + zone

    def parse(value: t.Any) -> str:
        try:
            address = ipaddress.ip_address(str(value))
        except ValueError:
            raise ValueError(f"must be an IPv{version} address") from None
        if address.version != version:
            raise ValueError(f"must be an IPv{version} address")
        return read(str(address))

    return parse, read


def _mask(version: int) -> Kind:
    """The length of a prefix; libvirt takes ``255.255.0.0`` and ``ffff::`` too."""
    length = 32 if version == 4 else 128

    def read(text: str) -> int:
        if text.strip().isdigit():
            return int(text)
        bits = f"{int(ipaddress.ip_address(text)):0{length}b}"
        return len(bits.rstrip("0"))

    def parse(value: t.Any) -> int:
        said = f"must be the length of an IPv{version} prefix, or a mask without holes"
        try:
            mask = read(str(value))
            whole = str(value).isdigit() or "0" not in f"{int(ipaddress.ip_address(str(value))):0{length}b}"[:mask]
        except ValueError:
            raise ValueError(said) from None
        if mask > length or not whole:
            raise ValueError(said)
        return mask

    return parse, read


def _mac(text: t.Any) -> str:
    """A MAC address or the mask of one; unlike a guest's own it may be of a group."""
    pairs = str(text).strip().lower().split(":")
    if len(pairs) != 6 or not all(re.fullmatch("[0-9a-f]{1,2}", pair) for pair in pairs):
        raise ValueError("must have six pairs of hexadecimal digits: 52:54:00:0a:0b:0c")
    return ":".join(pair.zfill(2) for pair in pairs)


def _mac_mask(text: t.Any) -> str:
    """The mask of a MAC address, ones and then zeros: libvirt takes no other."""
    mask = _mac(text)
    if "01" in f"{int(mask.replace(':', ''), 16):048b}":
        raise ValueError("must be a mask without holes: ff:ff:ff:00:00:00")
    return mask


def _items(text: str, known: t.Sequence[str], said: str) -> list[str]:
    """The words of ``known`` that a text has, in the order of ``known``; libvirt skips commas and spaces between them."""
    found, rest = set(), re.sub(r"^[\s,]+", "", text)
    while rest:
        word = next((word for word in known if rest.upper().startswith(word)), None)
        if word is None:
            raise ValueError(said)
        found.add(word)
        rest = re.sub(r"^[\s,]+", "", rest[len(word) :])
    return [word for word in known if word in found]


STATES = ("NEW", "ESTABLISHED", "RELATED", "INVALID", "NONE")
FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG")


def _state(text: t.Any) -> str:
    found = _items(str(text), STATES, "must be states of connections: NEW,ESTABLISHED,RELATED,INVALID or NONE")
    return "NONE" if "NONE" in found else ",".join(found)


def _flags(text: t.Any) -> str:
    said = "must be a mask and flags of TCP: SYN,ACK/SYN"
    mask, slash, flags = str(text).partition("/")
    if not slash:
        raise ValueError(said)
    sides = []
    for side in (mask, flags):
        found = _items(side, (*FLAGS, "ALL", "NONE"), said)
        chosen = FLAGS if "ALL" in found else [word for word in found if word != "NONE"]
        sides.append("ALL" if len(chosen) == len(FLAGS) else ",".join(chosen) or "NONE")
    return "/".join(sides)


def _comment(value: t.Any) -> str:
    if len(str(value)) > COMMENT_MAX or "\n" in str(value):
        raise ValueError(f"must be one line of at most {COMMENT_MAX} characters")
    return str(value)


def _truth(value: t.Any) -> bool:
    if str(value).lower() not in ("true", "false", "yes", "no"):
        raise ValueError("must be true or false")
    return str(value).lower() in ("true", "yes")


def _name(value: t.Any) -> str:
    if not re.fullmatch(r"[\w.:-]{1,31}(?: [\w.:-]+)*", str(value), re.ASCII):
        raise ValueError("must be the name of an ipset, at most 31 characters")
    return str(value)


ETHERNET = ((0x0800, "ipv4"), (0x0806, "arp"), (0x8035, "rarp"), (0x8100, "vlan"), (0x86DD, "ipv6"))
IP = ((1, "icmp"), (2, "igmp"), (6, "tcp"), (17, "udp"), (50, "esp"), (51, "ah"), (58, "icmpv6"), (132, "sctp"),
      (136, "udplite"))  # fmt: skip
ARP = ((1, "Request"), (2, "Reply"), (3, "Request_Reverse"), (4, "Reply_Reverse"), (5, "DRARP_Request"),
       (6, "DRARP_Reply"), (7, "DRARP_Error"), (8, "InARP_Request"), (9, "ARP_NAK"))  # fmt: skip

BYTE, SHORT, LONG = _number(0xFF), _number(0xFFFF), _number(0xFFFFFFFF)
MAC: Kind = (_mac, _mac)
MAC_MASK: Kind = (_mac_mask, _mac)
TEXT: Kind = (_comment, lambda text: text[:COMMENT_MAX])

_SOURCE: dict[str, Kind] = {"srcmacaddr": MAC, "srcmacmask": MAC_MASK}
_ETHERNET: dict[str, Kind] = {**_SOURCE, "dstmacaddr": MAC, "dstmacmask": MAC_MASK}
_COMMENT: dict[str, Kind] = {"comment": TEXT}
_PORTS: dict[str, Kind] = {"srcportstart": SHORT, "srcportend": SHORT, "dstportstart": SHORT, "dstportend": SHORT}
_ICMP: dict[str, Kind] = {"type": BYTE, "code": BYTE}
_DSCP = _number(63)


def _addresses(version: int) -> dict[str, Kind]:
    address, mask = _address(version), _mask(version)
    return {"srcipaddr": address, "srcipmask": mask, "dstipaddr": address, "dstipmask": mask}


def _layer3(version: int) -> dict[str, Kind]:
    """What ``ip`` and ``ipv6`` match."""
    more = {"dscp": _DSCP} if version == 4 else {"type": BYTE, "typeend": BYTE, "code": BYTE, "codeend": BYTE}
    return {
        **_ETHERNET, **_addresses(version), "protocol": _number(0xFF, IP), **_PORTS, **more, **_COMMENT
    }  # fmt: skip


def _layer4(version: int, *more: dict[str, Kind]) -> dict[str, Kind]:
    """What the protocols above them match."""
    address = _address(version)
    common: dict[str, Kind] = {
        "srcmacaddr": MAC,
        **_addresses(version),
        "srcipfrom": address,
        "srcipto": address,
        "dstipfrom": address,
        "dstipto": _address(4),  # libvirt takes no other here, also for IPv6
        "dscp": _DSCP,
        "connlimit-above": SHORT,
        "state": (_state, _state),
        "ipset": (_name, str),
    }
    return {**common, **{key: kind for one in more for key, kind in one.items()}, **_COMMENT}


_ARP: dict[str, Kind] = {
    **_ETHERNET,
    "hwtype": SHORT,
    "protocoltype": SHORT,
    "opcode": _number(0xFFFF, ARP),
    "arpsrcmacaddr": MAC,
    "arpdstmacaddr": MAC,
    "arpsrcipaddr": _address(4),
    "arpsrcipmask": _mask(4),
    "arpdstipaddr": _address(4),
    "arpdstipmask": _mask(4),
    "gratuitous": (_truth, lambda text: text in ("true", "1", "yes")),
    **_COMMENT,
}
_HIGH: dict[str, Kind] = {
    "root-priority": SHORT, "root-cost": LONG, "sender-priority": SHORT, "port": SHORT, "age": SHORT, "max-age": SHORT,
    "hello-time": SHORT, "forward-delay": SHORT,
}  # fmt: skip
_STP: dict[str, Kind] = {
    **_SOURCE,
    "type": BYTE,
    "flags": BYTE,
    **{name: kind for low, kind in _HIGH.items() for name in (low, f"{low}-hi")},
    "root-address": MAC,
    "root-address-mask": MAC_MASK,
    "sender-address": MAC,
    "sender-address-mask": MAC_MASK,
    **_COMMENT,
}
_OPTION: dict[str, Kind] = {"option": BYTE}

# By option; the element of tcp_ipv6 is tcp-ipv6.
PROTOCOLS: dict[str, dict[str, Kind]] = {
    "mac": {**_ETHERNET, "protocolid": _number(0xFFFF, ETHERNET, 0x600), **_COMMENT},
    "vlan": {**_ETHERNET, "vlanid": _number(0xFFF), "encap-protocol": _number(0xFFFF, ETHERNET, 0x3C), **_COMMENT},
    "stp": _STP,
    "arp": _ARP,
    "rarp": _ARP,
    "ip": _layer3(4),
    "ipv6": _layer3(6),
    "tcp": _layer4(4, _PORTS, _OPTION, {"flags": (_flags, _flags)}),
    "udp": _layer4(4, _PORTS),
    "sctp": _layer4(4, _PORTS),
    "icmp": _layer4(4, _ICMP),
    "igmp": _layer4(4),
    "esp": _layer4(4),
    "ah": _layer4(4),
    "udplite": _layer4(4),
    "all": _layer4(4),
    "tcp_ipv6": _layer4(6, _PORTS, _OPTION),
    "udp_ipv6": _layer4(6, _PORTS),
    "sctp_ipv6": _layer4(6, _PORTS),
    "icmpv6": _layer4(6, _ICMP),
    "esp_ipv6": _layer4(6),
    "ah_ipv6": _layer4(6),
    "udplite_ipv6": _layer4(6),
    "all_ipv6": _layer4(6),
}

_MASKS = {"srcipmask": "srcipaddr", "dstipmask": "dstipaddr"}
_ETHERNET_MASKS = {"srcmacmask": "srcmacaddr", "dstmacmask": "dstmacaddr"}
_RANGES = {"srcipto": "srcipfrom", "dstipto": "dstipfrom"}
_PORT_RANGES = dict.fromkeys(("srcportend", "dstportstart", "dstportend"), "srcportstart")


def leaders(protocol: str) -> dict[str, str]:
    """Attributes that libvirt negates when, and only when, another one is."""
    if protocol in ("arp", "rarp"):
        return {}
    if protocol in ("mac", "vlan"):
        return _ETHERNET_MASKS
    if protocol == "stp":
        addresses = {f"{name}-mask": name for name in ("root-address", "sender-address")}
        return {"srcmacmask": "srcmacaddr", **addresses, **{f"{low}-hi": low for low in _HIGH}}
    if protocol == "ip":
        return _MASKS
    if protocol == "ipv6":
        return {**_MASKS, **dict.fromkeys(("typeend", "code", "codeend"), "type")}
    ports = _PORT_RANGES if protocol.partition("_")[0] in ("tcp", "udp", "sctp") else {}
    codes = {"code": "type"} if protocol in ("icmp", "icmpv6") else {}
    return {**_MASKS, **_RANGES, **ports, **codes}


PORTED = ("tcp", "udp", 33, "sctp")  # protocols with ports; 33 is DCCP


def portless(protocol: str, match: t.Mapping[str, t.Any]) -> str:
    """The attribute of ``match`` that is a port, where nothing says a protocol that has ports; ``""`` else."""
    ports = [name for name in match if "port" in name] if protocol in ("ip", "ipv6") else []
    return ports[0] if ports and match.get("protocol") not in PORTED else ""


def read(protocol: str, attribute: str, text: str) -> t.Any:
    """The value of an attribute in a document; one that means nothing to libvirt raises ValueError."""
    return variable(text) if text.startswith("$") else PROTOCOLS[protocol][attribute][1](text)


def parse(protocol: str, attribute: str, value: t.Any) -> t.Any:
    """The value that a user gave; raises ValueError with what would be right."""
    if isinstance(value, str) and value.startswith("$"):
        return variable(value)
    return PROTOCOLS[protocol][attribute][0](value)


def variable(text: str) -> str:
    """A variable in libvirt's spelling."""
    match = VARIABLE.fullmatch(text.strip())
    if match is None:
        raise ValueError("a variable is written like $IP, $PORT[1] or $PORT[@2]")
    index = f"[{match[2]}{int(match[3])}]" if match[3] and not (match[2] and int(match[3]) == 0) else ""
    return f"${match[1]}{index}"


def write(value: t.Any) -> str:
    """A value as libvirt's documents have it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
