# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kernel_tuning and kernel_command_line: on trees that stand for a running kernel and for boot loaders."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._host.kernel import boot_loader, command_line, tuning
from ansible_collections.metal.kvm.plugins.module_utils._host.root import Root
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError, Plan
from ansible_collections.metal.kvm.plugins.module_utils._run import run_steps

if t.TYPE_CHECKING:
    import pathlib

PAGES = "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
NODE_PAGES = "sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages"
KERNEL = {
    "proc/sys/vm/swappiness": "60\n",
    "proc/sys/net/ipv4/tcp_rmem": "4096\t131072\t6291456\n",
    "sys/kernel/mm/ksm/run": "0\n",
    "sys/kernel/mm/ksm/pages_to_scan": "100\n",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
    PAGES: "0\n",
    NODE_PAGES: "0\n",
    "proc/cmdline": "BOOT_IMAGE=/boot/vmlinuz root=/dev/vda1 ro quiet iommu=off\n",
    "proc/cpuinfo": "vendor_id\t: GenuineIntel\n",
}
SYSCTL, TMPFILES = tuning.SYSCTL_FILE, tuning.TMPFILES_FILE


def write(tree: pathlib.Path, files: dict[str, str], mode: int = 0o644) -> None:
    for path, text in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
        (tree / path).chmod(mode)


@pytest.fixture
def tree(tmp_path: pathlib.Path) -> pathlib.Path:
    write(tmp_path, KERNEL)
    return tmp_path


def tune(tree: pathlib.Path, live: bool = True, **params: t.Any) -> Plan:
    """Carry out, and see that nothing is left to do."""
    plan = tuning.make(Root(str(tree), live=live), params)
    run_steps(plan, tuning.operations(), None)
    assert not tuning.make(Root(str(tree), live=live), params).changed
    return plan


def test_now_and_at_the_next_boot(tree: pathlib.Path) -> None:
    plan = tune(
        tree,
        sysctl={"vm.swappiness": 10, "net/ipv4/tcp_rmem": "4096 131072  6291456"},
        ksm={"run": True, "pages_to_scan": 200},
        hugepages=[{"count": 64}, {"count": 8, "node": 0, "size": "2M"}],
    )
    assert (tree / "proc/sys/vm/swappiness").read_text() == "10"
    assert (tree / PAGES).read_text() == "64"
    assert (tree / NODE_PAGES).read_text() == "8"
    assert plan.actions[-4:-2] == ["set ksm.pages_to_scan to 200", "set ksm.run to 1"]
    assert plan.before["vm.swappiness"] == "60"
    assert "-vm.swappiness=10\n" in (tree / SYSCTL).read_text()
    kept = (tree / TMPFILES).read_text().splitlines()
    assert f"w- /{PAGES} - - - - 64" in kept
    assert kept[-1] == "w- /sys/kernel/mm/ksm/run - - - - 1"
    tune(tree, unset=["foo.run"])  # a sysctl's name, whatever ksm has of that
    assert "ksm/run" in (tree / TMPFILES).read_text()
    tune(tree, unset=["hugepages.2M on node 0"])
    assert NODE_PAGES not in (tree / TMPFILES).read_text()
    assert f"w- /{PAGES} " in (tree / TMPFILES).read_text()
    tune(tree, unset=["vm.swappiness", "ksm.run", "hugepages.2 MiB"])
    assert PAGES not in (tree / TMPFILES).read_text()
    assert "swappiness" not in (tree / SYSCTL).read_text()
    assert "ksm/run" not in (tree / TMPFILES).read_text()
    assert "pages_to_scan" in (tree / TMPFILES).read_text()


def test_a_choice_is_read_as_the_chosen_one(tree: pathlib.Path) -> None:
    assert tune(tree, transparent_hugepages={"enabled": "madvise"}).actions == [f"write /{TMPFILES}"]
    plan = tuning.make(Root(str(tree), live=True), {"transparent_hugepages": {"enabled": "never"}})
    assert plan.before["transparent_hugepages.enabled"] == "madvise"


def test_nothing_declared_is_nothing_done(tree: pathlib.Path) -> None:
    assert not tune(tree).changed
    assert not (tree / "etc").exists()


def test_what_the_kernel_lacks_is_said(tree: pathlib.Path) -> None:
    plan = tune(tree, sysctl={"net.bridge.bridge-nf-call-iptables": 0}, ksm={"advisor_mode": "none"})
    assert len(plan.warnings) == 2
    assert "-net.bridge.bridge-nf-call-iptables=0" in (tree / SYSCTL).read_text()
    assert not (tree / TMPFILES).exists()
    with pytest.raises(KvmError, match=r"no such hugepages.*Sizes here are 2048kB"):
        tune(tree, hugepages=[{"count": 1, "size": "1 GiB"}])


def test_too_little_memory_is_an_error_and_taken_back(tree: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that finds three pages where it was asked for more: its file takes what is written and says 3."""
    written = []

    def kernel(subject: t.Any, path: str, value: str) -> None:
        written.append(value)
        with open(path, "w", encoding="ascii") as file:
            file.write(str(min(int(value), 3)))

    monkeypatch.setattr(tuning, "write", kernel)
    with pytest.raises(KvmError, match="64 were asked for, and the kernel found memory in one piece for 3"):
        tune(tree, hugepages=[{"count": 64}])
    assert not (tree / TMPFILES).exists()


def test_another_root_gets_files_alone(tree: pathlib.Path) -> None:
    tune(tree, live=False, sysctl={"vm.swappiness": 1}, hugepages=[{"count": 3}])
    assert (tree / "proc/sys/vm/swappiness").read_text() == "60\n"
    assert (tree / TMPFILES).exists()


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"sysctl": {"../etc": 1}}, "no name of a setting"),
        ({"ksm": {"../x": 1}}, "no name of a setting"),
        ({"hugepages": [{"count": -1}]}, "less than none"),
        ({"hugepages": [{"count": 1, "size": "big"}]}, "is not a size with a unit"),
    ],
)
def test_what_cannot_be_meant_is_refused(tree: pathlib.Path, params: dict[str, t.Any], words: str) -> None:
    with pytest.raises(KvmError, match=words):
        tune(tree, **params)


# The command line

WANTED = {"iommu": "pt", "hugepages": [{"size": "1 GiB", "count": 4, "default": True}], "isolated_cpus": "2-3"}
WORDS = ["intel_iommu=on", "iommu=pt", "default_hugepagesz=1G", "hugepagesz=1G", "hugepages=4",
         "isolcpus=managed_irq,domain,2-3", "nohz_full=2-3", "rcu_nocbs=2-3"]  # fmt: skip
PROGRAM = "#!/bin/sh\n"
DEBIAN = {"boot/grub/grub.cfg": "", "etc/default/grub": 'GRUB_CMDLINE_LINUX="quiet"\n'}
LOADERS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "grub": (
        DEBIAN,
        {"usr/sbin/grub-mkconfig": f"{PROGRAM}for x in ${{sysconfdir}}/default/grub.d/*.cfg ; do :; done"},
    ),
    "grub as released": (DEBIAN, {"usr/sbin/grub2-mkconfig": PROGRAM}),
    "grubby": ({"boot/loader/entries/a.conf": ""}, {"usr/sbin/grubby": PROGRAM}),
    "kernel-install": (
        {"boot/loader/loader.conf": "", "etc/kernel/cmdline": "root=/dev/vda1 rw\n", "lib/modules/6.1/vmlinuz": ""},
        {"usr/bin/kernel-install": PROGRAM},
    ),
}


def loader(tree: pathlib.Path, name: str) -> pathlib.Path:
    files, programs = LOADERS[name]
    write(tree, files)
    write(tree, programs, 0o755)
    return tree


def boot(tree: pathlib.Path, **params: t.Any) -> Plan:
    """Write the files, and see that nothing is left to do. What the boot loader's program does is not tried here."""
    plan = command_line.make(Root(str(tree)), params)
    run_steps(plan, command_line.operations(), None)
    assert not command_line.make(Root(str(tree)), params).changed
    return plan


@pytest.mark.parametrize("name", LOADERS)
def test_words_come_and_go(tree: pathlib.Path, name: str) -> None:
    loader(tree, name)
    before = {path: path.read_text() for path in tree.rglob("*") if path.is_file()}
    plan = boot(tree, **WANTED)
    root = Root(str(tree))
    assert boot_loader.ours(root, boot_loader.kind(root) or "") == WORDS
    assert {entry["wanted"] for entry in plan.extra["pending"]} == set(WORDS)
    assert next(e["current"] for e in plan.extra["pending"] if e["wanted"] == "iommu=pt") == "iommu=off"
    boot(tree, words=["quiet2"])
    assert boot_loader.ours(Root(str(tree)), boot_loader.kind(root) or "") == ["quiet2"]
    boot(tree)
    assert {path: path.read_text() for path in tree.rglob("*") if path.is_file()} == before


def test_grub_evaluates_the_fragment_to_the_words(tree: pathlib.Path) -> None:
    """The files are shell: read in grub-mkconfig's order they give the words, after those that were there."""
    import subprocess

    loader(tree, "grub as released")
    boot(tree, **WANTED)
    hook = (tree / "etc/default/grub").read_text().replace(" /etc/", f" {tree}/etc/")
    done = subprocess.run(
        ["sh", "-c", f'{hook}\necho "$GRUB_CMDLINE_LINUX"'], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"quiet {' '.join(WORDS)}\n"


def test_programs_of_the_boot_loaders(tree: pathlib.Path) -> None:
    loader(tree, "grubby")
    boot(tree, words=["old", "kept"])
    root = Root(str(tree))
    assert boot_loader.command(root, "grubby", ["kept", "new"]) == [
        ["grubby", "--update-kernel=ALL", "--args=kept new", "--remove-args=old"]
    ]
    loader(tree, "grub")
    assert boot_loader.command(root, "grub", []) == [["/usr/sbin/grub-mkconfig", "-o", "/boot/grub/grub.cfg"]]
    loader(tree, "kernel-install")
    assert boot_loader.command(root, "kernel-install", []) == [
        ["kernel-install", "add", "6.1", "/lib/modules/6.1/vmlinuz"]
    ]


def test_no_boot_loader_is_said_and_nothing_done(tree: pathlib.Path) -> None:
    plan = boot(tree, **WANTED)
    assert not plan.changed
    assert "no boot loader here" in plan.warnings[0]
    assert len(plan.extra["pending"]) == len(WORDS)


@pytest.mark.parametrize(
    ("processor", "iommu", "words"),
    [
        ("GenuineIntel", "on", ["intel_iommu=on"]),
        ("AuthenticAMD", "on", []),  # on by itself; amd_iommu=on is nothing that the kernel knows
        ("AuthenticAMD", "pt", ["iommu=pt"]),
        ("AuthenticAMD", "off", ["amd_iommu=off"]),
        ("ARM", "pt", ["iommu.passthrough=1"]),
    ],
)
def test_the_iommu_by_processor(tree: pathlib.Path, processor: str, iommu: str, words: list[str]) -> None:
    write(tree, {"proc/cpuinfo": f"vendor_id\t: {processor}\n"})
    assert command_line.words(Root(str(tree)), {"iommu": iommu}) == words


def test_passthrough_is_refused_with_snp(tree: pathlib.Path) -> None:
    write(tree, {"sys/module/kvm_amd/parameters/sev_snp": "Y\n", "proc/cpuinfo": "AuthenticAMD"})
    with pytest.raises(KvmError, match="switches off SEV-SNP"):
        boot(tree, iommu="pt")


@pytest.mark.parametrize(
    "params", [{"words": ["a b"]}, {"words": ['x="y"']}, {"words": ["amd_iommu=on"]}, {"isolated_cpus": "2-"}]
)
def test_words_that_cannot_stand_there_are_refused(tree: pathlib.Path, params: dict[str, t.Any]) -> None:
    with pytest.raises(KvmError):
        boot(tree, **params)
