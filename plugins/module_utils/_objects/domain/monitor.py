# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a running machine as QEMU and KVM keep it, by monitor commands, for diagnosis. Taints the domain."""

from __future__ import annotations

import json
import re
import typing as t

from ..._libvirt import qemu_monitor
from ..._xml.rows import Values
from .agent import file_in_guest

CLOCKS = "/sys/devices/system/clocksource/clocksource0/"

_CPU = re.compile(r"^CPU#(\d+)\s*$", re.MULTILINE)
_REGISTER = re.compile(r"(\w+)\s*=\s*(.*?)(?=\s+\w+\s*=|\s*$)", re.MULTILINE)
_REGION = re.compile(
    r"^\s+([0-9a-f]+)-([0-9a-f]+) \(prio -?\d+, ([^)]+)\): (.*?)(?: @[0-9a-f]+)?(?: KVM)?$", re.MULTILINE
)
_PIN = re.compile(r"^\s+pin (\d+)\s+(0x[0-9a-f]+) dest=(\w+)\s+vec=(\d+)\s+(.*)$", re.MULTILINE)
_PIC = re.compile(r"^(pic\d): (.*)$", re.MULTILINE)
_APIC_LINE = re.compile(r"^(\w+)[\t ]+(.*?)\s*$", re.MULTILINE)
_DEVICE = re.compile(r"^\s*/(\S+) \(([^)]+)\)$", re.MULTILINE)

# of the types that QEMU gives to the interrupt controllers: who keeps them
_IRQCHIPS = {("kvm-ioapic", "kvm-apic"): "kernel", ("ioapic", "kvm-apic"): "split", ("ioapic", "apic"): "qemu"}
# the device that keeps a clock: its name
_CLOCKS = {
    "kvmclock": "kvmclock",
    "hpet": "hpet",
    "mc146818rtc": "rtc",
    "isa-pit": "pit",
    "kvm-pit": "pit (in the kernel)",
}


def machine_state(domain: t.Any, timeout: int) -> Values:
    """``{accelerator, registers, memory_map, irqchip, ioapics, pics, local_apics, clock}``; None for what isn't there."""
    devices = _DEVICE.findall(_human(domain, "info qom-tree"))
    vcpus = registers(_human(domain, "info registers -a"))
    pic = _human(domain, "info pic")
    return {
        "accelerator": "kvm" if _asked(domain, "query-kvm")["enabled"] else "tcg",
        "registers": vcpus,
        "memory_map": memory_map(_human(domain, "info mtree -f")),
        "irqchip": irqchip(devices),
        "ioapics": ioapics(pic),
        "pics": [{"name": name, **dict(_REGISTER.findall(text))} for name, text in _PIC.findall(pic)],
        "local_apics": [
            local_apic(vcpu["vcpu"], _human(domain, f"info lapic {vcpu['vcpu']}")) for vcpu in vcpus
        ] if irqchip(devices) else [],
        "clock": _clock(domain, devices, timeout),
    }  # fmt: skip


def registers(text: str) -> list[Values]:
    """``info registers -a``: one ``{vcpu, registers: {RAX: 00…, …}}`` for each, in QEMU's own names and figures."""
    parts = _CPU.split(text)[1:]
    return [
        {"vcpu": int(number), "registers": dict(_REGISTER.findall(body))}
        for number, body in zip(parts[::2], parts[1::2])
    ]


def memory_map(text: str) -> list[Values]:
    """``info mtree -f``: what the processors see at which physical address."""
    for view in text.split("FlatView #")[1:]:
        if re.search(r'^ AS "memory"', view, re.MULTILINE):
            return [
                {"start": f"0x{start}", "end": f"0x{end}", "kind": kind, "name": name}
                for start, end, kind, name in _REGION.findall(view)
            ]
    return []


def irqchip(devices: list[tuple[str, str]]) -> t.Optional[str]:
    """Who keeps the interrupt controllers: the kernel, QEMU, or both (split). None on a machine without them."""
    kinds = {name: kind for name, kind in devices if name in ("ioapic", "lapic")}
    return _IRQCHIPS.get((kinds.get("ioapic", ""), kinds.get("lapic", "")))


def ioapics(text: str) -> list[Values]:
    """``info pic``: each I/O APIC with its pins."""
    found = []
    for part in re.split(r"^(?=ioapic)", text, flags=re.MULTILINE):
        head = re.match(r"(ioapic\d*): (.*)", part)
        if head:
            pins = [_pin(*match) for match in _PIN.findall(part)]
            found.append({"name": head[1], **dict(re.findall(r"(\w+)=(0x[0-9a-f]+)", head[2])), "pins": pins})
    return found


def _pin(number: str, value: str, destination: str, vector: str, words: str) -> Values:
    said = words.split()
    return {
        "pin": int(number),
        "value": value,
        "destination": destination,
        "vector": int(vector),
        "masked": "masked" in said,
        "mode": [word for word in said if word != "masked"],
    }


def local_apic(vcpu: int, text: str) -> Values:
    """``info lapic``: the registers of one local APIC."""
    lines = text.split("\n")[1:]  # the first says which CPU
    short = re.findall(r"(APR|TPR|DFR|LDR|PPR) (0x[0-9a-f]+)", text)
    found = dict(_APIC_LINE.findall("\n".join(line for line in lines if not line.startswith("APR "))))
    return {"vcpu": vcpu, "registers": {**found, **dict(short)}}


def _clock(domain: t.Any, devices: list[tuple[str, str]], timeout: int) -> Values:
    """The clock source that the guest's kernel uses (as its agent says), those it could use, and QEMU's own clocks."""
    current = file_in_guest(domain, CLOCKS + "current_clocksource", timeout) if timeout else None
    available = None if current is None else file_in_guest(domain, CLOCKS + "available_clocksource", timeout)
    time = _asked(domain, "qom-get", path="/machine", property="rtc-time")
    return {
        "source": None if current is None else current.strip(),
        "available": (available or "").split(),
        "devices": sorted({_CLOCKS[kind] for dummy, kind in devices if kind in _CLOCKS}),
        "rtc": time and "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}".format(
            1900 + time["tm_year"], 1 + time["tm_mon"], *(time[f"tm_{part}"] for part in ("mday", "hour", "min", "sec"))
        ),
    }  # fmt: skip


def _human(domain: t.Any, command: str) -> str:
    """The monitor's answer for people, lines ending as here; ``""`` for a command that this machine hasn't got."""
    text = str(_asked(domain, "human-monitor-command", **{"command-line": command}) or "").replace("\r", "")
    return "" if text.startswith(("unknown command", "Error")) else text


def _asked(domain: t.Any, command: str, **arguments: t.Any) -> t.Any:
    """What the monitor returns; None for an error (a property that this machine hasn't got)."""
    answer = qemu_monitor(domain, json.dumps({"execute": command, **({"arguments": arguments} if arguments else {})}))
    return json.loads(answer).get("return")
