# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the processor's virtualisation can do, by VMX (Intel's VMCS) and SVM (AMD's VMCB), and what guests get of it.

A row: the word in /proc/cpuinfo, the module's parameter that uses it (or None), what it means for guests.
Words as in Linux' arch/x86/include/asm/{vmxfeatures,cpufeatures}.h.
"""

from __future__ import annotations

import typing as t

Row = tuple[str, t.Optional[str], str]

VMX: tuple[Row, ...] = (
    ("ept", "ept", "Two-level page tables in hardware. Without it each guest page table is shadowed, which is slow."),
    ("ept_ad", "eptad", "Accessed and dirty bits in the page tables: cheaper swapping, merging and migration."),
    ("ept_1gb", None, "Guest memory may be backed by 1 GiB pages."),
    ("ept_5level", None, "Guests may have more than 48 bits of physical addresses."),
    ("ept_mode_based_exec", None, "Windows guests run memory integrity (HVCI) without its software fallback."),
    ("unrestricted_guest", "unrestricted_guest", "Firmware and boot loaders in real mode need no emulation."),
    ("vpid", "vpid", "The TLB survives switches between guest and host."),
    ("vtpr", "flexpriority", "Writes of the task priority don't leave the guest (32-bit Windows)."),
    ("flexpriority", "flexpriority", "Reads and writes of the local APIC's task priority are cheap (32-bit Windows)."),
    ("apicv", "enable_apicv", "The local APIC is virtualised in hardware: interrupts without leaving the guest."),
    ("posted_intr", "enable_apicv", "Interrupts, with an IOMMU also of passed-through devices, reach a running guest."),
    ("ipi_virt", "enable_ipiv", "Interrupts between a guest's own processors don't leave the guest."),
    ("vnmi", "vnmi", "Non-maskable interrupts are tracked in hardware."),
    ("shadow_vmcs", "enable_shadow_vmcs", "Guests that are hypervisors use their VMCS directly: nesting is fast."),
    ("pml", "pml", "Written pages are logged in hardware: cheaper live migration and backups."),
    ("tsc_offset", None, "Each guest has a time stamp counter of its own."),
    ("tsc_scaling", None, "A guest keeps its TSC rate after migration to a host with another one."),
    ("preemption_timer", "preemption_timer", "The guest's timer runs in hardware while it runs."),
    ("ple", "ple_gap", "A guest processor that spins on a lock is noticed and descheduled: overcommitment hurts less."),
    ("usr_wait_pause", None, "Guests may use UMWAIT and TPAUSE."),
    ("notify_vm_exiting", None, "A guest that blocks the processor is thrown out instead of stalling the host."),
)  # fmt: skip

SVM: tuple[Row, ...] = (
    ("npt", "npt", "Two-level page tables in hardware. Without it each guest page table is shadowed, which is slow."),
    ("flushbyasid", None, "The TLB is flushed for one guest, not for all."),
    ("nrip_save", "nrips", "The next instruction's address is saved on exit: cheaper emulation, needed by SEV."),
    ("decodeassists", None, "The processor hands over the instruction it stopped at: cheaper emulated devices."),
    ("vmcb_clean", None, "Unchanged parts of the VMCB aren't loaded again: cheaper switches."),
    ("lbrv", "lbrv", "Last-branch records are switched in hardware: profiling in guests, needed by SEV-ES."),
    ("vgif", "vgif", "A nested hypervisor sets and clears the global interrupt flag without leaving the guest."),
    ("v_vmsave_vmload", "vls", "A nested hypervisor's VMSAVE and VMLOAD run without leaving the guest."),
    ("vnmi", "vnmi", "Non-maskable interrupts are tracked in hardware."),
    ("avic", "avic", "The local APIC is virtualised in hardware: interrupts without leaving the guest."),
    ("x2avic", "avic", "The same in x2APIC mode: guests with many processors."),
    ("tsc_scale", "tsc_scaling", "A guest keeps its TSC rate after migration to a host with another one."),
    ("pausefilter", "pause_filter_count", "A guest processor that spins on a lock is noticed and descheduled."),
    ("pfthreshold", "pause_filter_thresh", "The same, told from spinning that is only now and then."),
    ("v_spec_ctrl", None, "Guests set their own speculation control without leaving the guest."),
    ("svm_lock", None, "Firmware can lock SVM."),
    ("sev", "sev", "Memory of guests can be encrypted."),
    ("sev_es", "sev_es", "Registers of encrypted guests are encrypted too."),
    ("sev_snp", "sev_snp", "Encrypted guests whose memory the host can't rearrange either."),
    ("debug_swap", "debug_swap", "SEV-ES guests may use hardware breakpoints."),
)  # fmt: skip

BY_FLAG: dict[str, tuple[Row, ...]] = {"vmx": VMX, "svm": SVM}

# Parameters that the kernel sets back when the processor lacks the word: module to parameter to word.
NEEDS: dict[str, dict[str, str]] = {
    "kvm_intel": {
        **{parameter: word for word, parameter, dummy in VMX if parameter},
        "ept": "ept",
        "eptad": "ept_ad",
        "enable_apicv": "apicv",
        "flexpriority": "flexpriority",
        "sgx": "sgx",
        "tdx": "tdx_host_platform",
    },
    "kvm_amd": {**{parameter: word for word, parameter, dummy in SVM if parameter}, "avic": "avic"},
}


def features(
    flag: t.Optional[str], words: t.Collection[str], parameters: t.Mapping[str, t.Any]
) -> list[dict[str, t.Any]]:
    """Each known feature: ``name``, ``present``, the ``parameter`` that uses it, its effective value, ``meaning``."""
    return [
        {
            "name": name,
            "present": name in words,
            "parameter": parameter if parameter in parameters else None,
            "effective": parameters.get(parameter) if parameter else None,
            "meaning": meaning,
        }
        for name, parameter, meaning in BY_FLAG.get(flag or "", ())
    ]
