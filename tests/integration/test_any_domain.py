# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any domain that this libvirt accepts: applied twice changes once, a check says what a run does, exported and fed back nothing
changes, made anew it is the same, one value changed is that value, and right after a start nothing waits for a restart.

Some documents of domains.xml are tried each time: a fixed few, and those that once found a defect. METAL_KVM_WHOLE=1 takes
every one on every base.
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import typing as t

import libvirt
import pytest
import sample

pytest.register_assert_rewrite("domain_documents")
import domain_documents as documents  # noqa: E402
import domain_schema  # noqa: E402
import values  # noqa: E402
from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.table import DOMAIN  # noqa: E402
from domain_bench import placed  # noqa: E402
from test_rows_of_domain import BASE  # noqa: E402

sys.path.insert(0, str(documents.cycles.ROOT / "tools"))
from proofs import cases  # noqa: E402

EVERY = documents.documents()
# buses and places that libvirt would choose anew, an ID that it makes, what has a double, what has no option or another place
FOUND = (
    "usb-nec-q35", "watchdog-q35", "hostdev-scsi-host-q35", "genid-empty-q35", "video-qxl-full", "efi-loader-q35", "serials-many-full",
    "twins-input-q35", "usb-ehci-q35", "channels-q35", "disk-volume-iscsi-q35", "disk-rbd-q35", "disk-luks-outer-q35", "spelling",
    "disk-transient-q35", "hostdev-usb-hex-q35", "metadata-foreign-q35", "qemu-commandline-q35", "pci-hole-pc-pc", "if-hostdev-q35", "virt-install", "base-q35",
    "numa-distances-full", "twins-mac-q35", "team-mac-q35", "vnc-port-q35", "genid-empty-pc", "pci-switch-full", "pci-ioh3420-q35",
    "sound-all-models-q35", "disk-sheepdog-tftp-q35", "comments-everywhere-q35", "foreign-s390x", "foreign-ppc64", "foreign-aarch64",
    "agent-second", "limits-crossed", "smbios-uuid", "running-elsewhere",
)  # fmt: skip
SOME = [
    document
    for number, document in enumerate(EVERY)
    if sample.WHOLE or document.name in FOUND or (number % 19 == 0 and not document.tried)
]
STARTED = [document for document in EVERY if document.start and not document.tried]
# The document says what only its secret makes meaningful, or libvirt numbers consoles anew when it reads its own document.
LOST = (
    "ovirt-like", "vnc-port", "consoles-many", "console-compat", "console-virtio-full", "console-target-type-full", "disk-http",
    "channel-agent-full", "channel-agent-source-full",  # two guest agents
    "disk-source-privatedata-full",  # disks that don't say their bus are sorted with others when it's read again
    "twins-mac",  # one address twice, and no team: no option takes that
)  # fmt: skip
# libvirt doesn't take its own rendering of these again, so that no task can change one value.
ONCE = (
    "serials-many-full",
    "serial-log-full",
    "serial-file-append-full",
    "serial-tcp-all-full",
    "hostdev-scsi-host",
    "snapshot-of-everything-full",
)
TWO_PORTS_ZERO = (
    "serials-many-full",
    "serial-log-full",
    "serial-file-append-full",
    "serial-tcp-all-full",
)  # and these not even without their addresses


@pytest.fixture(scope="module")
def bench() -> t.Iterator[documents.Bench]:
    place = pathlib.Path(tempfile.mkdtemp(prefix="mkd-any-", dir="/var/tmp"))
    place.chmod(0o755)
    for name in ("a.qcow2", "b.qcow2"):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(place / name), "10M"], check=True)
    for name in ("a.raw", "b.raw", "a.iso"):
        (place / name).touch()
        (place / name).open("r+b").truncate(10 << 20)
    (place / "dir").mkdir()
    yield documents.Bench(place)
    subprocess.run(["rm", "-r", str(place)], check=True)


@pytest.mark.parametrize("document", SOME, ids=[document.name for document in SOME])
def test_document(bench: documents.Bench, document: documents.Document) -> None:
    text = bench.text(document)
    if document.tried and not bench.accepts(text):
        pytest.skip("libvirt refuses this case on a base that it isn't written for")
    documents.converges(bench, text)
    if not document.name.startswith(ONCE):
        documents.one_value(bench)
    if not document.name.startswith(TWO_PORTS_ZERO):
        documents.exports(bench, document.name.startswith(LOST))


@pytest.mark.parametrize("document", STARTED, ids=[document.name for document in STARTED])
def test_start(bench: documents.Bench, document: documents.Document) -> None:
    text = bench.text(document)
    bench.task(xml=text)
    started = bench.task(xml=text, state="running")
    assert started.restart_required == []
    assert bench.task(check=True, xml=text) == (False, [], {}, {}, [], [])
    fed = bench.task(check=True, **bench.export()["options"])
    assert (fed.changed, fed.restart_required) == (False, [])


def judged(bench: documents.Bench, text: str) -> bool:
    """Hold a document to all of it; whether the export had to name something that it can't say."""
    documents.converges(bench, text)
    own = bench.world.get("domain", documents.NAME).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | documents.SECURE)
    if not bench.accepts(own):  # libvirt doesn't take its own rendering
        return False
    bench.task(xml=text)
    documents.one_value(bench)
    return bool(documents.exports(bench))


def test_domains_of_the_schema(bench: documents.Bench) -> None:
    """METAL_KVM_SEEDS=200-1000 takes others, and more."""
    first, _to, last = os.environ.get("METAL_KVM_SEEDS", "0-20").partition("-")
    bases = [bench.text(document) for document in EVERY if document.name in ("base-q35", "base-pc", "base-full")]
    schema = domain_schema.Domains(bench.place, bases, bench.accepts)
    others = named = 0
    for seed in range(int(first), int(last)):
        text = schema.domain(seed)
        if text in bases:
            continue
        try:
            named += judged(bench, text)
        except Exception as error:
            error.add_note(f"seed {seed}: {text}")
            raise
        others += 1
        bench.gone(documents.NAME)
        bench.gone(documents.COPY)
    seeds = int(last) - int(first)
    assert others > 0.8 * seeds, "too many that libvirt refuses"
    assert named < 0.1 * seeds, "too much that neither options nor xml_patch say"


def test_what_libvirt_writes_in_other_options_is_no_change(bench: documents.Bench) -> None:
    """It makes an offset of ``variable`` with a basis out of this."""
    bench.gone(documents.NAME)
    wanted = {"memory": "64 MiB", "clock": {"offset": "utc", "adjustment": "0"}}
    assert bench.task(**wanted).changed
    for check in (True, False):
        again = bench.task(check=check, **wanted)
        assert not again.changed, again.after
    bench.gone(documents.NAME)


NOTE = {"path": "metadata/n:note/@n", "namespaces": {"n": "urn:note"}}


def test_what_no_option_describes_waits_for_a_restart(bench: documents.Bench) -> None:
    base = next(document for document in EVERY if document.name == "base-full")
    bench.task(xml=bench.text(base), state="running")
    patch = [{**NOTE, "set": "1"}, {"path": "features/privnet", "set": ""}]
    staged = bench.task(xml_patch=patch)
    assert staged.changed
    assert sorted(staged.restart_required) == ["xml: features/privnet", "xml: metadata/note/@n"]
    assert bench.task(check=True, xml_patch=patch).restart_required == staged.restart_required
    running = bench.world.get("domain", documents.NAME).XMLDesc(0)
    assert "privnet" not in running
    assert bench.task(xml_patch=[{**NOTE, "delete": True}, {"path": "features/privnet", "delete": True}]).changed


def test_a_patched_value_that_libvirt_writes_in_its_own_way_counts_as_applied(bench: documents.Bench) -> None:
    base = next(document for document in EVERY if document.name == "base-full")
    bench.task(xml=bench.text(base))
    for patch, words in (
        ({"path": "devices/interface/mac/@address", "set": "52:54:00:0F:00:AA"}, "shows '52:54:00:0f:00:aa'"),
        ({"path": "devices/frobnicate/@level", "set": "3"}, "libvirt dropped it"),
    ):
        first = bench.task(xml_patch=[patch])
        assert [words in warning for warning in first.warnings] == [True]
        again = bench.task(xml_patch=[patch])
        assert (again.changed, again.after) == (False, {})
        assert bench.task(check=True, xml_patch=[patch]).changed is False
    with pytest.raises(Exception, match=r"xml_patch\[0\].path: .* selects . nodes"):
        bench.task(
            check=True, xml_patch=[{"path": "devices/controller[@model='pcie-root-port']/@index", "delete": True}]
        )
    for refused in (
        {"xml_patch": [{"path": "vcpu", "set": "many"}]},
        {"xml": bench.text(base).replace('<boot order="1"/>', '<boot order="first"/>')},
    ):
        with pytest.raises(Exception, match="libvirt refuses the definition"):
            bench.task(check=True, **refused)


LOGS = pathlib.Path("/var/log/libvirt/qemu")
# architecture: machine (of some version), firmware, the processor's model or mode, and what only firmware that runs there can say
MACHINES = {
    "aarch64": ("virt", "efi", "maximum", "UEFI Interactive Shell"),
    "riscv64": ("virt", "bios", None, ": riscv-virtio,qemu"),
    "ppc64le": ("pseries", "bios", "POWER9", "Welcome to Open Firmware"),
    "s390x": ("s390-ccw-virtio", "bios", "maximum", "Could not find a suitable boot device"),
}


@pytest.mark.parametrize("arch", MACHINES)
def test_a_guest_of_another_architecture(bench: documents.Bench, arch: str) -> None:
    """The task says only that, and its memory. (One for s390x goes off when it has nothing to boot.)"""
    machine, firmware, processor, words = MACHINES[arch]
    name = f"{documents.NAME}-{arch}"
    log = LOGS / f"{name}-serial.log"
    log.unlink(missing_ok=True)
    started = bench.task(name=name, arch=arch, memory="512 MiB", state="running")
    assert (started.changed, started.restart_required, started.warnings) == (True, [], [])
    deadline = time.monotonic() + 60
    while words not in (said := log.read_text(errors="replace")):
        assert time.monotonic() < deadline, f"{arch} said: {said}"
        time.sleep(0.2)
    there = (False, [], {}, {}, [], [])
    assert bench.task(check=True, name=name, arch=arch, memory="512 MiB") == there
    domain = bench.world.get("domain", name)
    export = documents.options_of(bench.world, domain, "keep")
    options, root = export["options"], bench.document(name)
    cpu = root.find("cpu")
    assert export["not_exported"] == []
    assert re.fullmatch(rf"{machine}(-\d+\.\d+)?", root.find("os/type").get("machine"))
    assert (root.find("os").get("firmware") or "bios") == firmware
    assert (None if cpu is None else cpu.findtext("model") or cpu.get("mode")) == processor
    assert bench.task(check=True, **options) == there
    text = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    bench.gone(name)
    bench.task(**options)
    assert bench.world.get("domain", name).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) == text


PARTS = 100  # of all values, of which each day has another one
ROWS = [case for case in cases("rows") if {"until", "system"}.isdisjoint(case)]


@pytest.mark.timeout(7200)
def test_values_of_options(bench: documents.Bench) -> None:
    """Values at the edges of what each option takes, for a new domain and for one that has another value: refused by the check
    with a remedy, or unchanged by a second task. A part of them, another one each day."""
    seen: set[str] = set()
    found = []
    for case in ROWS:
        base = placed({**BASE, **case.get("base", {}), **case["options"]}, str(bench.place))
        emulator = {"ppc64le": "ppc64", "i686": "i386"}.get(base.get("arch"), base.get("arch", "x86_64"))
        today = [one for one in values.part(case["options"], DOMAIN, PARTS) if f"{one[0]}={one[1]!r}" not in seen]
        if not today or shutil.which(f"qemu-system-{emulator}") is None or values.wrong(bench, base):
            continue
        there = bench.world.find("domain", documents.NAME)
        definition = None if there is None else there.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | documents.SECURE)
        for path, value, options in today:
            seen.add(f"{path}={value!r}")
            args = placed({**base, **options}, str(bench.place))
            for before in dict.fromkeys((None, definition)):
                bench.gone(documents.NAME)
                if before is not None:
                    bench.world.connection.defineXML(before)
                said = values.wrong(bench, args)
                found += [f"{case['case']}: {path}: {value!r}: {said}"] if said else []
        bench.gone(documents.NAME)
    assert found == [], "\n".join(found)
    assert len(seen) > 20
