# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every change of kind that an object's options allow, made from its table and its cases.

A kind is an option with choices, a model, or the branch of a union. There are two ways from one kind to another: the same
options with another value, and the options of another case for the same thing.
"""

from __future__ import annotations

import copy
import itertools
import sys
import typing as t

import cycle as cycles
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.table import DOMAIN
from ansible_collections.metal.kvm.plugins.module_utils._xml.items import Items
from ansible_collections.metal.kvm.plugins.module_utils._xml.rows import Field, Group, Union

sys.path.insert(0, str(cycles.ROOT / "tools"))
from proofs import cases, runnable

Options = dict[str, t.Any]
Steps = tuple[t.Any, ...]

# kinds that libvirt names without an end of them
MODELS: dict[str, tuple[str, ...]] = {
    "machine": ("pc", "q35", "pc-q35-6.2"),
    "video[].model": ("virtio", "vga", "qxl", "bochs", "ramfb", "cirrus", "vmvga", "none"),
    "sound[].model": ("ich6", "ich7", "ich9", "ac97", "es1370", "sb16", "pcspk", "usb"),
    "interfaces[].model": ("virtio", "virtio-transitional", "virtio-non-transitional", "e1000", "e1000e", "rtl8139", "pcnet",
                           "ne2k_pci", "vmxnet3", "usb-net", "igb"),
    "disks[].format": ("raw", "qcow2"),
    "serials[].target_model": ("isa-serial", "usb-serial", "pci-serial", "isa-debugcon"),
    "hostdevs[].model": ("vfio-pci", "vfio-ap", "vfio-ccw", "virtio", "virtio-transitional", "virtio-non-transitional"),
    "controllers[].model of scsi": ("virtio-scsi", "virtio-transitional", "lsilogic", "lsisas1078", "vmpvscsi", "auto"),
    "controllers[].model of usb": ("qemu-xhci", "nec-xhci", "ich9-ehci1", "piix3-uhci", "piix4-uhci", "ehci", "pci-ohci", "none"),
    "controllers[].model of pci": ("pcie-root-port", "pcie-to-pci-bridge", "dmi-to-pci-bridge", "pci-bridge",
                                   "pcie-switch-upstream-port", "pcie-expander-bus"),
    "controllers[].model of virtio-serial": ("virtio", "virtio-transitional"),
}  # fmt: skip


_IMAGE = {"file": "{place}/a.raw", "format": "raw"}
# devices with nothing said of them but their kind, and with others beside them
PLAIN: tuple[Options, ...] = (
    {"disks": [{"target": "vda", "bus": "virtio", **_IMAGE}]},
    {"disks": [{"target": "vda", "bus": "virtio", **_IMAGE}, {"target": "sda", "device": "cdrom", "bus": "sata"}]},
    {"disks": [{"target": "vda", "bus": "sata", **_IMAGE}, {"target": "sda", "device": "cdrom", "bus": "scsi"},
               {"target": "vdb", "bus": "sata", "file": "{place}/b.raw", "format": "raw"}]},
    {"disks": [{"target": "sda", "device": "cdrom", "bus": "usb", "file": "{place}/a.iso"}]},
    {"machine": "pc", "disks": [{"target": "hda", "bus": "ide", **_IMAGE}, {"target": "hdb", "device": "cdrom", "bus": "ide"}]},
    {"machine": "pc", "disks": [{"target": "fda", "device": "floppy", "bus": "fdc"}]},
    {"disks": [{"target": "sda", "device": "cdrom", "bus": "sata", "file": "{place}/a.iso"}]},
    *({"video": [{"model": model}]} for model in ("vga", "qxl", "virtio", "ramfb")),
    {"graphics": [{"type": "vnc"}], "video": [{"model": "virtio"}, {"model": "qxl"}]},
    *({"sound": [{"model": model}]} for model in ("ich9", "usb", "sb16")),
    *({"serials": [{"port": 0, "type": "pty", "target_type": kind}]} for kind in ("isa-serial", "usb-serial", "pci-serial", "isa-debug")),
    {"machine": "pc", "serials": [{"port": 0, "type": "pty"}], "consoles": [{"type": "pty", "target_type": "virtio"}]},
    *({"machine": machine, "interfaces": [{"mac": "52:54:00:aa:bb:01", "user": True}, {"mac": "52:54:00:aa:bb:02", "user": True, "model": "e1000"}],
       "disks": [{"target": "vda", "bus": "virtio", **_IMAGE}, {"target": "sda", "bus": "sata", "file": "{place}/b.raw", "format": "raw"}],
       "inputs": [{"type": "tablet", "bus": "usb"}], "graphics": [{"type": "spice"}], "sound": [{"model": "ich9"}], "agent": True,
       "rng": [{"backend": "random"}], "watchdog": [{"model": "i6300esb"}], "filesystems": [{"source": "{place}/dir", "target": "t", "driver": "path"}]}
      for machine in ("pc", "q35")),
    {"machine": "q35", "features": {"smm": True, "smm_tseg": "48 MiB"}},
    {"machine": "q35", "iommu": [{"model": "intel"}], "features": {"ioapic": "qemu"}},
    {"machine": "q35", "firmware": "efi", "secure_boot": False},
    {"machine": "pc", "firmware": "efi", "secure_boot": False},
    *({"controllers": [{"type": "scsi", "index": 0, "model": model}], "disks": [{"target": "sda", "bus": "scsi", **_IMAGE}]}
      for model in ("virtio-scsi", "lsilogic")),
    *({"controllers": [{"type": "usb", "index": 0, "model": model}], "inputs": [{"type": "tablet", "bus": "usb"}, {"type": "keyboard", "bus": "usb"}]}
      for model in ("qemu-xhci", "piix3-uhci", "nec-xhci")),
    *({"controllers": [{"type": "pci", "index": 30, "model": model}]} for model in ("pcie-root-port", "pcie-to-pci-bridge")),
    {"panic": [{"model": "isa"}]},
    *({"memballoon": {"model": model}} for model in ("virtio", "none")),
    *({"cpu": {"mode": mode}} for mode in ("maximum", "host-model", "host-passthrough")),
    {"cpu": {"mode": "custom", "model": "qemu64"}},
    *({"clock": {"offset": offset}} for offset in ("utc", "localtime", "variable")),
    *({"tpm": [{"model": model}]} for model in ("tpm-crb", "tpm-tis")),
    *({"rng": [{"model": model}]} for model in ("virtio", "virtio-transitional")),
    *({"iommu": [{"model": model}]} for model in ("virtio", "intel")),
    {"seclabels": [{"model": "dac", "type": "dynamic"}]},
    {"seclabels": [{"model": "dac", "type": "none"}]},
)  # fmt: skip


class Transition(t.NamedTuple):
    """From the options ``one`` to the options ``other``."""

    path: str
    case: str
    one: Options
    other: Options
    values: tuple[t.Any, t.Any]

    @property
    def often(self) -> bool:
        """Whether it's worth a running guest: plain devices of which none comes or goes."""
        return self.case.startswith("plain") and not self.path.endswith("by case")

    def __str__(self) -> str:
        return f"{self.path} {self.values[0]}-{self.values[1]} ({self.case})"


class Subject:
    """What the transitions of one kind of object are made from.

    - ``table``: its rows. ``cases``: names and options of objects, ``base`` are options beside these.
    - ``models``: kinds that libvirt names without an end of them, by path; ``controllers[].model of usb`` are those of items
      of that type.
    - ``booleans``: whether true and false count as kinds; ``unset``: whether nothing said is one too.
    """

    def __init__(
        self,
        table: t.Sequence[t.Any],
        cases: list[Options],
        models: t.Mapping[str, t.Sequence[t.Any]],
        booleans: bool = False,
        unset: bool = False,
    ) -> None:
        self.table = table
        self.cases = cases
        self.models = models
        self.booleans = booleans
        self.unset = unset

    def transitions(self) -> list[Transition]:
        """All of them, the same ones every time."""
        unset = self._unset() if self.unset else ()
        return [*self._plain(), *self._by_value(), *self._by_case(), *unset]

    def places(self) -> t.Iterator[tuple[Options, str, t.Any, Steps, Options]]:
        """Each case with each of its places: path, row, keys, and the dict that it's in."""
        for case in self.cases:
            for path, row, keys, item in places({**case.get("base", {}), **case["options"]}, self.table):
                yield case, path, row, keys, item

    def _of(self, path: str, item: Options) -> str:
        own = f"{path} of {item.get('type')}"
        return own if own in self.models else path

    def _kinds(self, row: t.Any, path: str, item: Options) -> t.Sequence[t.Any]:
        own = self.models.get(self._of(path, item))
        if own or not isinstance(row, Field):
            return own or ()
        if self.booleans and row.type.spec == "bool":
            return (True, False)
        return row.choices or ()

    def _plain(self) -> t.Iterator[Transition]:
        """The plain options with one value replaced by another."""
        for case, path, row, keys, item in self.places():
            kinds = self._kinds(row, path, item) if case["case"].startswith("plain") else ()
            for other in kinds:
                if other != item[row.name]:
                    pair = case["options"], _with(case["options"], keys, other)
                    yield Transition(path, case["case"], *pair, (item[row.name], other))

    def _by_value(self) -> t.Iterator[Transition]:
        """The options of a case with one value replaced by another: of the first case that has the value, else of the first
        one."""
        first: dict[str, tuple[str, Options, Steps]] = {}
        own: dict[tuple[str, t.Any], tuple[str, Options, Steps]] = {}
        kinds: dict[str, t.Sequence[t.Any]] = {}
        for case, path, row, keys, item in self.places():
            said = self._kinds(row, path, item)
            if said:
                of = self._of(path, item)
                options = {**case.get("base", {}), **case["options"]}
                kinds[of] = said
                first.setdefault(of, (case["case"], options, keys))
                own.setdefault((of, item[row.name]), (case["case"], options, keys))
        for path, said in kinds.items():
            for one, other in itertools.permutations(said, 2):
                name, options, keys = own.get((path, one), first[path])
                pair = _with(options, keys, one), _with(options, keys, other)
                yield Transition(path, name, *pair, (one, other))

    def _by_case(self) -> t.Iterator[Transition]:
        """The options of one case, then those of another that says another kind of the same thing."""
        said: dict[str, dict[t.Any, tuple[str, Options, Options]]] = {}
        for case in self.cases:
            options = case["options"]
            for path, row, keys, item in places(options, self.table):
                if isinstance(row, Union):
                    kind = row.kind_of(item)
                elif self._kinds(row, path, item):
                    kind = item[row.name]
                else:
                    continue
                named = f"{path}type" if isinstance(row, Union) else path
                if kind not in ("", None) and all(key == 0 for key in keys if isinstance(key, int)):
                    said.setdefault(named, {}).setdefault(kind, (case["case"], case.get("base", {}), options))
        for path, kinds in said.items():
            for one, other in itertools.permutations(kinds, 2):
                (name, base, before), (_name, more, after) = kinds[one], kinds[other]
                if base == more:
                    yield Transition(f"{path} by case", name, {**base, **before}, after, (one, other))

    def _unset(self) -> t.Iterator[Transition]:
        """The options of the first case that has an option, which the second task unsets."""
        seen = set()
        for case, path, _row, keys, _item in self.places():
            if path not in seen and all(isinstance(key, str) for key in keys) and keys:
                seen.add(path)
                yield Transition(path, case["case"], case["options"], {"unset": [path]}, ("said", "unset"))


def places(options: t.Any, table: t.Iterable[t.Any], path: str = "", at: Steps = ()) -> t.Iterator[t.Any]:
    """Path, row, the keys that lead to it, and the dict that it's in, for each row that the options speak of."""
    if isinstance(options, list):
        for index, item in enumerate(options):
            yield from places(item, table, path, (*at, index))
        return
    for row in table:
        if isinstance(row, Union):
            yield path, row, at, options
            for branch in row.branches.values():
                yield from places(options, branch, path, at)
        elif isinstance(options, dict) and row.name in options:
            yield f"{path}{row.name}", row, (*at, row.name), options
            if isinstance(row, (Group, Items)):
                below = f"{path}{row.name}{'[]' if isinstance(row, Items) else ''}."
                yield from places(options[row.name], row.rows, below, (*at, row.name))


def _with(options: Options, keys: Steps, value: t.Any) -> Options:
    made = copy.deepcopy(options)
    there: t.Any = made
    for key in keys[:-1]:
        there = there[key]
    there[keys[-1]] = value
    return made


def of_domains() -> Subject:
    """Domains: the plain ones above, and the cases of rows_of_domain.yml."""
    plain = [{"case": f"plain {number}", "options": options} for number, options in enumerate(PLAIN)]
    return Subject(DOMAIN, plain + runnable(cases("rows")), MODELS)
