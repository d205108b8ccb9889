# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the module domain: those of the table, and those about the task itself."""

from __future__ import annotations

import typing as t

from ..._creation import spec as creation_spec
from ..._xml.rows import specs
from ..._xml.table import argument_spec
from .table import DOMAIN

Spec = dict[str, t.Any]

# What a task says beside the table's rows; "doc" as in the rows.
TASK: dict[str, Spec] = {
    "name": {"type": "str", "required": True, "doc": "The domain's name: its identity."},
    "state": {
        "type": "str",
        "choices": ["running", "stopped", "paused", "saved", "present", "absent"],
        "doc": [
            "The state to bring it to. Left out, or V(present), a missing domain is made (and is off), and one that is"
            " there keeps its state.",
            "V(saved) stops it with its memory on disk. V(absent) removes it from any state; see O(storage).",
        ],
    },
    "autostart": {"type": "bool", "doc": "Whether it starts with the host. A new domain doesn't unless told."},
    "apply": {
        "type": "str",
        "choices": ["live", "stage", "restart"],
        "default": "live",
        "doc": [
            "V(live) changes the definition, and the running guest where libvirt can; the rest is in RV(restart_required).",
            "V(stage) changes the definition only.",
            "V(restart) restarts a running guest gracefully if, and only if, something is left over.",
        ],
    },
    "force": {
        "type": "bool",
        "default": False,
        "doc": "Pull the plug instead of asking the guest, where a stop is asked for.",
    },
    "shutdown_timeout": {
        "type": "int",
        "default": 120,
        "doc": "How long a guest that was asked to shut down may take, in seconds. After that the task fails and it still runs.",
    },
    "discard_saved": {
        "type": "bool",
        "default": False,
        "doc": "Allow V(state=stopped) and V(state=absent) to throw saved memory away.",
    },
    "storage": {
        "type": "str",
        "choices": ["keep", "delete"],
        "default": "keep",
        "doc": "What V(state=absent) does with the disks. V(delete) never touches read-only, shareable, CD-ROM or backing"
        " images, nor what anything else uses or may use. A warning names what is kept and why.",
    },
    "hotplug_ports": {
        "type": "int",
        "default": 12,
        "doc": "Spare PCIe ports that a new domain gets, so that as many devices can be attached while it runs. V(0) leaves"
        " the ports to libvirt. A domain that changes from a O(machine) without such ports to one with them gets them too.",
    },
    "creation_only": creation_spec("domain", "interfaces[].network"),
    "unset": {
        "type": "list",
        "elements": "str",
        "doc": "Paths of options that go back to libvirt's own default, V(features.ioapic), V(disks[vda].cache).",
    },
    "cloud_init": {
        "type": "dict",
        "doc": [
            "The NoCloud seed: a small volume beside the first disk from which cloud-init configures the guest.",
            "The guest sees it as a read-only disk if its first disk is a virtio one, else as a CD-ROM drive on the bus of the"
            " first disk. The seed of a domain that exists stays where it is. O(wait_for.cloud_init) tells whether the guest"
            " has used it.",
        ],
        "options": {
            "user_data": {"type": "raw", "doc": "A dict for C(#cloud-config), or the text of the file."},
            "meta_data": {
                "type": "dict",
                "doc": "Added to C(instance-id) (the UUID) and C(local-hostname) (the name).",
            },
            "network_config": {
                "type": "raw",
                "doc": "A dict in version 1 or 2 of cloud-init's network format, or its text.",
            },
            "vendor_data": {
                "type": "raw",
                "doc": "What the site wants of all its guests, in the form of O(cloud_init.user_data), which goes before it.",
            },
            "pool": {"type": "str", "doc": "The pool for the seed, where it isn't the first disk's."},
            "reseed": {
                "type": "bool",
                "default": False,
                "doc": "Give a changed seed a new C(instance-id), so that cloud-init runs anew at the next boot.",
            },
            "show_user_data": {
                "type": "bool",
                "default": False,
                "doc": "Show the seed's files in diffs in full, instead of their keys and a digest. Values that look like"
                " passwords stay hidden.",
            },
            "state": {
                "type": "str",
                "choices": ["present", "absent"],
                "default": "present",
                "doc": "V(absent) removes the drive and deletes the seed.",
            },
        },
    },
    "source_domain": {
        "type": "dict",
        "doc": [
            "Make a domain that isn't there yet from another: its definition with a new UUID, new MAC addresses and its own"
            " NVRAM, and a new volume for each writable disk. The task's options go on top.",
            "The other domain must be off. On a domain that is there this option does nothing.",
        ],
        "options": {
            "name": {"type": "str", "required": True, "doc": "The domain to clone."},
            "disks": {
                "type": "str",
                "choices": ["copy", "overlay"],
                "default": "copy",
                "doc": "V(overlay) backs the new volumes by the old ones, which then must not be written any more.",
            },
        },
    },
    "install": {
        "type": "dict",
        "doc": [
            "Install a domain that isn't there yet: its first boot is from the installer's medium, with the answers given, and"
            " undoes itself. When the guest goes off, or reboots, the medium is gone, and the domain starts from its disk as"
            " O(state) says. The definition never has anything of it.",
            "A run that is killed on the way is finished by the next one. On a domain that is there, and not being installed,"
            " this option does nothing.",
            "Of the answers one kind is given at most. None of them is ever shown; the volume that carries them is deleted at"
            " the end.",
        ],
        "options": {
            "iso": {
                "type": "str",
                "doc": "The installer's medium: its path on the hypervisor, or the volume of O(install.media_pool).",
            },
            "drivers": {
                "type": "str",
                "doc": "A second medium, like virtio-win.iso for Windows, by path or volume like O(install.iso).",
            },
            "media_pool": {
                "type": "str",
                "doc": "The pool of which O(install.iso) and O(install.drivers) are volumes.",
            },
            "preseed": {
                "type": "str",
                "doc": "Answers for Debian's installer: the text of a preseed file. They're put into its initial RAM disk.",
            },
            "autoinstall": {
                "type": "raw",
                "doc": "Answers for Ubuntu's installer, a dict of autoinstall's keys or the text of C(user-data), on a volume"
                " labelled C(cidata).",
            },
            "kickstart": {
                "type": "str",
                "doc": "Answers for Anaconda (Fedora, RHEL and its family), on a volume labelled C(OEMDRV).",
            },
            "autounattend": {
                "type": "str",
                "doc": "Answers for Windows Setup: the text of C(autounattend.xml), on a volume of its own. Have them shut the"
                " machine down at the end.",
            },
            "kernel": {
                "type": "str",
                "doc": "The installer's kernel, a path on the hypervisor or, as C(iso:/path), on the medium. Where it's left out"
                " and words for it are needed, it's looked for where Debian, Ubuntu, Fedora and SUSE have it.",
            },
            "initrd": {"type": "str", "doc": "Its initial RAM disk, likewise."},
            "cmdline": {
                "type": "str",
                "doc": "Words for that kernel beyond those that the answers need, C(console=ttyS0).",
            },
            "bus": {
                "type": "str",
                "choices": ["sata", "scsi", "usb", "ide"],
                "doc": "Where the drives of the media are; V(sata) on x86, else V(scsi).",
            },
            "pool": {
                "type": "str",
                "doc": "The pool for the answers and the installer's kernel while it runs, where it isn't the first disk's.",
            },
            "reboots": {
                "type": "bool",
                "doc": "Whether the installer reboots on its way, so that only powering off is its end. The disk is then booted"
                " first, once it can be. True with O(install.autounattend), else a reboot is the end.",
            },
            "until": {
                "type": "str",
                "choices": ["off", "agent"],
                "default": "off",
                "doc": "V(agent) takes the answer of the guest's agent for the end, and shuts the guest down.",
            },
            "timeout": {"type": "int", "default": 3600, "doc": "How long it may take, in seconds."},
        },
    },
    "wait_for": {
        "type": "dict",
        "doc": "Wait until the running guest answers; the error of a wait that ends in vain shows the end of its serial log.",
        "options": {
            "agent": {"type": "bool", "default": False, "doc": "Until the QEMU guest agent answers."},
            "ip": {
                "type": "bool",
                "default": False,
                "doc": "Until an address is known, from a lease, the agent or ARP.",
            },
            "cloud_init": {
                "type": "bool",
                "default": False,
                "doc": [
                    "Until cloud-init in the guest has ended. The QEMU guest agent reads this from the guest's files.",
                    "It's an error if cloud-init ended with errors, or if its instance-id isn't the one of the seed"
                    " (O(cloud_init)): then the guest ignored its seed.",
                ],
            },
            "timeout": {"type": "int", "default": 300, "doc": "How long to wait, in seconds."},
        },
    },
    "xml": {
        "type": "str",
        "doc": [
            "The whole definition, instead of options. Beside it only O(name), O(state), O(autostart), O(apply) and O(wait_for).",
            "A UUID, MAC addresses, device addresses and our own metadata that it leaves out are kept; all else that it"
            " leaves out goes away.",
        ],
    },
    "xml_patch": {
        "type": "list",
        "elements": "dict",
        "doc": "Single places of the definition, for what has no option. Always staged.",
        "options": {
            "path": {
                "type": "str",
                "required": True,
                "doc": "XPath from the domain element; selects at most one node.",
            },
            "set": {
                "type": "str",
                "doc": "The text or attribute value to put there, or the whole element that the path names, as XML. Missing"
                " elements at the end of the path are made where they are plain.",
            },
            "delete": {"type": "bool", "doc": "Delete the node."},
            "namespaces": {"type": "dict", "doc": "Prefixes used in the path, and their namespaces."},
        },
    },
}

ARGUMENTS: Spec = argument_spec(DOMAIN, TASK)

_BESIDE_XML = (
    "name", "state", "autostart", "apply", "labels", "wait_for", "force", "shutdown_timeout", "discard_saved", "storage", "xml", "hotplug_ports",
    "install",
)  # fmt: skip
RULES: dict[str, t.Any] = {
    "mutually_exclusive": [
        *(("xml", name) for name in ARGUMENTS if name not in _BESIDE_XML),
        ("source_domain", "install"),
    ]
}


def option_docs() -> dict[str, Spec]:
    """All options with their docs, in the order in which they're shown."""
    table = specs(DOMAIN)
    first = ("name", "state", "memory", "vcpus", "disks", "interfaces")
    everything = {**TASK, **table}
    return {**{name: everything[name] for name in first}, **everything}
