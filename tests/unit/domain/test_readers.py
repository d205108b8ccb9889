# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What domain_info makes of libvirt's flat answers and of the words of QEMU's monitor."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.monitor import (
    ioapics,
    irqchip,
    local_apic,
    memory_map,
    registers,
)
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.nested import nested
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.statistics import statistics

FLAT = {
    "state.state": 1,
    "vcpu.current": 2,
    "vcpu.maximum": 4,
    "vcpu.0.time": 7,
    "vcpu.2.time": 8,
    "vcpu.2.halt_exits.sum": 3,
    "net.count": 0,
    "block.count": 3,
    "block.0.name": "vda",
    "block.0.rd.bytes": 5,
    "block.1.name": "vda",
    "block.1.backingIndex": 2,
    "block.2.name": "vdb",
    "balloon.last-update": 9,
}


def test_flat_answers_become_dicts_and_lists() -> None:
    assert nested(FLAT) == {
        "state": {"state": 1},
        "vcpus": [{"id": 0, "time": 7}, {"id": 2, "time": 8, "halt_exits": {"sum": 3}}],
        "vcpu": {"current": 2, "maximum": 4},
        "interfaces": [],
        "disks": [
            {"name": "vda", "rd": {"bytes": 5}},
            {"name": "vda", "backingIndex": 2},
            {"name": "vdb"},
        ],
        "balloon": {"last_update": 9},
    }


def test_of_a_chain_statistics_have_the_top() -> None:
    assert statistics(FLAT)["disks"] == [{"name": "vda", "rd": {"bytes": 5}}, {"name": "vdb"}]
    assert statistics({}) == {}


def test_a_value_that_has_parts_too() -> None:
    assert nested({"a.b": 1, "a.b.c": 2}) == {"a": {"b": {"value": 1, "c": 2}}}


@pytest.mark.parametrize(
    ("ioapic", "lapic", "mode"),
    [
        ("kvm-ioapic", "kvm-apic", "kernel"),
        ("ioapic", "kvm-apic", "split"),
        ("ioapic", "apic", "qemu"),
        ("", "apic", None),
        ("", "", None),
    ],
)
def test_who_keeps_the_interrupt_controllers(ioapic: str, lapic: str, mode: t.Optional[str]) -> None:
    devices = [("ioapic", ioapic), ("lapic", lapic), ("rtc", "mc146818rtc")]
    assert irqchip([(name, kind) for name, kind in devices if kind]) == mode


def test_registers_of_several_processors() -> None:
    text = """
CPU#0
RAX=000000000001ad40 RBX=0000000000000000
R8 =0000000000000001 R9 =0000000000000007
RIP=ffffffff8bc17a0b RFL=00000246 [---Z-P-] CPL=0 HLT=1
CS =0010 0000000000000000 ffffffff 00af9b00 DPL=0 CS64 [-RA]
GDT=     fffffe0000001000 0000007f

CPU#1
RAX=0000000000000002
"""
    first, second = registers(text)
    assert first["vcpu"] == 0
    assert first["registers"]["R8"] == "0000000000000001"
    assert first["registers"]["RFL"] == "00000246 [---Z-P-]"
    assert first["registers"]["CS"] == "0010 0000000000000000 ffffffff 00af9b00"
    assert first["registers"]["GDT"] == "fffffe0000001000 0000007f"
    assert second == {"vcpu": 1, "registers": {"RAX": "0000000000000002"}}
    assert registers("") == []


def test_the_memory_that_processors_see() -> None:
    text = """FlatView #0
 AS "I/O", root: io
 Root memory region: io
  0000000000000000-0000000000000007 (prio 0, i/o): dma-chan
FlatView #1
 AS "memory", root: system
 AS "cpu-memory-0", root: system
 Root memory region: system
  0000000000000000-000000000009ffff (prio 0, ram): pc.ram KVM
  00000000000c0000-00000000000c0fff (prio 1, rom): pc.ram @00000000000c0000 KVM
  00000000fd800440-00000000fd80044f (prio 0, i/o): usb3 port #1
"""
    assert [(region["start"], region["kind"], region["name"]) for region in memory_map(text)] == [
        ("0x0000000000000000", "ram", "pc.ram"),
        ("0x00000000000c0000", "rom", "pc.ram"),
        ("0x00000000fd800440", "i/o", "usb3 port #1"),
    ]


def test_interrupt_controllers() -> None:
    text = """ioapic0: ver=0x20 id=0x00 sel=0x3a (redir[21])
  pin 0  0x0000000000010000 dest=0 vec=0   active-hi edge  masked fixed  physical
  pin 9  0x0200000000008821 dest=2 vec=33  active-hi level        fixed  logical
  IRR      (none)
pic1: irr=11 imr=ff isr=00
"""
    (ioapic,) = ioapics(text)
    assert (ioapic["name"], ioapic["ver"], ioapic["id"]) == ("ioapic0", "0x20", "0x00")
    assert [pin["masked"] for pin in ioapic["pins"]] == [True, False]
    assert ioapic["pins"][1] == {
        "pin": 9,
        "value": "0x0200000000008821",
        "destination": "2",
        "vector": 33,
        "masked": False,
        "mode": ["active-hi", "level", "fixed", "logical"],
    }
    text = "dumping local APIC state for CPU 3 \n\nLVT0\t 0x00010700 masked\nSPIV\t 0x1ff APIC enabled\n\nAPR 0x00 TPR 0x10\n"
    registers_of = {"LVT0": "0x00010700 masked", "SPIV": "0x1ff APIC enabled", "APR": "0x00", "TPR": "0x10"}
    assert local_apic(3, text) == {"vcpu": 3, "registers": registers_of}
