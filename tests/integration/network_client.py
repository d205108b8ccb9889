# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest would ask of its network, from within a network namespace: an address by DHCP, a name by DNS.

usage: network_client.py dhcp DEVICE MAC [ADDRESS]     prints the address that is leased
       network_client.py dns SERVER NAME [TXT]         prints the answers, one per line
       network_client.py ping ADDRESS                  until interrupted; prints how many were sent and came back
"""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import struct
import sys
import time
import typing as t

COOKIE = b"\x63\x82\x53\x63"
DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5
MESSAGE, SERVER, WANTED, NAME, END = 53, 54, 50, 12, 255


def option(code: int, value: bytes) -> bytes:
    return bytes([code, len(value)]) + value


def message(kind: int, transaction: bytes, mac: bytes, *options: bytes) -> bytes:
    head = struct.pack("!BBBB4sHH16x16s192x", 1, 1, 6, 0, transaction, 0, 0x8000, mac)
    return head + COOKIE + option(MESSAGE, bytes([kind])) + b"".join(options) + bytes([END])


def options_of(packet: bytes) -> dict[int, bytes]:
    found, rest = {}, packet[240:]
    while rest and rest[0] != END:
        if rest[0]:
            found[rest[0]] = rest[2 : 2 + rest[1]]
            rest = rest[2 + rest[1] :]
        else:
            rest = rest[1:]
    return found


def exchange(device: str, packet: bytes, kind: int, seconds: float = 30) -> tuple[str, dict[int, bytes]]:
    """Send until an answer of that kind comes: the address offered, and the options."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        line.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        line.bind(("", 68))
        line.settimeout(1)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            line.sendto(packet, ("255.255.255.255", 67))
            try:
                while True:
                    answer = line.recv(2048)
                    found = options_of(answer)
                    if answer[4:8] == packet[4:8] and found.get(MESSAGE) == bytes([kind]):
                        return socket.inet_ntoa(answer[16:20]), found
            except TimeoutError:
                continue
    sys.exit(f"no answer of kind {kind} in {seconds} s")


def lease(device: str, mac: str, wanted: t.Optional[str] = None) -> str:
    """The address that DHCP leases; with ``wanted``, that one again."""
    transaction, hardware = os.urandom(4), bytes.fromhex(mac.replace(":", ""))
    server = b""
    if wanted is None:
        wanted, found = exchange(device, message(DISCOVER, transaction, hardware), OFFER)
        server = option(SERVER, found[SERVER])
    asked = option(WANTED, ipaddress.ip_address(wanted).packed)
    address, _options = exchange(device, message(REQUEST, transaction, hardware, asked, server), ACK)
    return address


def resolve(server: str, name: str, kind: int) -> list[str]:
    """What a DNS server answers for a name: addresses (1) or texts (16)."""
    query = struct.pack("!HHHHHH", 4711, 0x0100, 1, 0, 0, 0)
    query += b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + struct.pack("!BHH", 0, kind, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(5)
        line.sendto(query, (server, 53))
        answer = line.recv(2048)
    count, rest, answers = struct.unpack("!H", answer[6:8])[0], answer[len(query) :], []
    for _number in range(count):
        size = struct.unpack("!H", rest[10:12])[0]
        value, rest = rest[12 : 12 + size], rest[12 + size :]
        answers.append(socket.inet_ntoa(value) if kind == 1 else value[1:].decode())
    return answers


def ping(address: str) -> tuple[int, int]:
    """Echo requests, five a second until SIGINT: how many were sent, how many came back within a second."""
    sent = received = 0
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores it
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as line:
        line.settimeout(1)
        try:
            while True:
                head = struct.pack("!BBHHH", 8, 0, 0, 4711, sent % 65536)
                total = sum(struct.unpack("!4H", head))
                total = (total >> 16) + (total & 0xFFFF)
                line.sendto(head[:2] + struct.pack("!H", ~total & 0xFFFF) + head[4:], (address, 0))
                sent += 1
                try:
                    while True:
                        answer = line.recv(256)
                        if answer[20] == 0 and struct.unpack("!HH", answer[24:28]) == (4711, (sent - 1) % 65536):
                            break
                    received += 1
                except TimeoutError:
                    continue
                time.sleep(0.2)
        except KeyboardInterrupt:
            return sent, received


if __name__ == "__main__":
    if sys.argv[1] == "dhcp":
        print(lease(*sys.argv[2:]))  # noqa: T201
    elif sys.argv[1] == "ping":
        print(*ping(sys.argv[2]))  # noqa: T201
    else:
        print("\n".join(resolve(sys.argv[2], sys.argv[3], 16 if sys.argv[4:] else 1)))  # noqa: T201
