# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kvm_module: from a situation to actions, and the actions carried out on a tree of their own.

The trees stand for a running kernel. Loading is the one thing a tree can't do: there a script of a few lines takes
modprobe's place, which puts the module's files where the kernel would, with the options of modprobe.d.
"""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._host.kernel_module import operations
from ansible_collections.metal.kvm.plugins.module_utils._host.kernel_module import plan as kernel_module
from ansible_collections.metal.kvm.plugins.module_utils._host.root import Root
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError, Plan
from ansible_collections.metal.kvm.plugins.module_utils._run import run_steps

MODPROBE = r"""#!/bin/sh
root=${0%/usr/sbin/modprobe}
name=$1; shift
echo "modprobe $name $*" >> "$root/calls"
[ -d "$root/sys/module/$name" ] && exit 0
made=$root/made/$name
[ -d "$made" ] || { echo "modprobe: FATAL: Module $name not found in directory /lib/modules" >&2; exit 1; }
cp -r "$made" "$root/sys/module/$name"
for word in $(cat "$root"/etc/modprobe.d/*.conf 2>/dev/null | sed -n "s/^options $name //p") "$@"; do
  [ "${word#*=}" = bad ] && {
    rm -r "$root/sys/module/$name"; echo "modprobe: ERROR: could not insert '$name': Invalid argument" >&2; exit 1; }
  file=$root/sys/module/$name/parameters/${word%%=*}
  [ -e "$file" ] && [ ! -e "$root/lacks/${word%%=*}" ] && {
    chmod 644 "$file"; echo "${word#*=}" > "$file"; chmod 444 "$file"; }
done
exit 0
"""
RMMOD = r"""#!/bin/sh
root=${0%/usr/sbin/rmmod}
echo "rmmod $1" >> "$root/calls"
[ -e "$root/busy" ] && { echo "rmmod: ERROR: Module $1 is in use" >&2; exit 1; }
chmod -R u+w "$root/sys/module/$1"; rm -r "$root/sys/module/$1"
"""
OURS = "etc/modprobe.d/zz-metal-kvm-{}.conf"
BOOT = "etc/modules-load.d/metal-kvm-{}.conf"

Params = dict[str, t.Any]


class Place:
    """A tree that stands for the running kernel, and the module run on it."""

    def __init__(self, path: pathlib.Path, host: t.Any, live: bool = True) -> None:
        self.path = host.write(path)
        self.live = live
        for name in list(self.path.glob("sys/module/*/parameters/*")):
            # halt_poll_ns and ignore_msrs can be written, the rest is for the load
            name.chmod(0o644 if name.name in ("halt_poll_ns", "ignore_msrs") else 0o444)

    def made(self, name: str, **parameters: str) -> Place:
        """What loading the module brings, unless options say otherwise."""
        base = self.path / "made" / name
        (base / "parameters").mkdir(parents=True)
        (base / "holders").mkdir()
        (base / "initstate").write_text("live\n")
        (base / "refcnt").write_text("0\n")
        for key, value in parameters.items():
            (base / "parameters" / key).write_text(f"{value}\n")
            (base / "parameters" / key).chmod(0o444)
        (self.path / "sys" / "module").mkdir(parents=True, exist_ok=True)
        return self

    def plan(self, **params: t.Any) -> Plan:
        return kernel_module.make(Root(str(self.path), live=self.live), {"sysroot": str(self.path), **params})

    def run(self, **params: t.Any) -> tuple[Plan, list[str]]:
        """Plan and carry out; the plan and the remarks."""
        plan = self.plan(**params)
        if plan.assumed:
            raise plan.assumed[0]
        return plan, [*plan.warnings, *run_steps(plan, operations.operations(), None)]

    def text(self, name: str) -> t.Optional[str]:
        path = self.path / name
        return path.read_text() if path.exists() else None

    def raw(self, module: str, name: str) -> str:
        return (self.path / "sys" / "module" / module / "parameters" / name).read_text().strip()

    def calls(self) -> list[str]:
        return (self.text("calls") or "").splitlines()


@pytest.fixture
def place(tmp_path: pathlib.Path) -> t.Callable[..., Place]:
    def make(host: t.Any, live: bool = True) -> Place:
        host.also({"usr/sbin/modprobe": MODPROBE, "usr/sbin/rmmod": RMMOD})
        host.files = {"proc/sys/kernel/random/boot_id": "one\n", "proc/stat": "cpu 0\nbtime 1000\n", **host.files}
        return Place(tmp_path, host, live)

    return make


def amd(hosts: t.Any, **parameters: str) -> t.Any:
    """A machine with AMD-V on which KVM is loaded and idle."""
    values = {"nested": "1", "npt": "Y", "avic": "N", **parameters}
    host = hosts.amd().available("kvm", "kvm_amd", "vhost_net", "vfio_pci").loaded("kvm_amd", **values)
    return host.loaded("kvm", 1, ["kvm_amd"], halt_poll_ns="200000", ignore_msrs="N", tdp_mmu="Y").usable()


# what is asked of the idle AMD machine: the actions
ASKED: list[tuple[Params, list[str]]] = [
    ({"name": "vendor"}, []),
    ({"name": "vendor", "state": "loaded"}, ["write /etc/modules-load.d/metal-kvm-kvm_amd.conf"]),
    ({"name": "vendor", "state": "loaded", "persistent": False}, []),
    ({"name": "kvm_amd", "parameters": {"nested": True}}, ["write /etc/modprobe.d/zz-metal-kvm-kvm_amd.conf"]),
    ({"name": "kvm-amd", "parameters": {"nested": "off"}, "persistent": False}, ["unload kvm_amd", "load kvm_amd"]),
    (
        {"name": "kvm_amd", "parameters": {"nested": "off"}},
        ["unload kvm_amd", "write /etc/modprobe.d/zz-metal-kvm-kvm_amd.conf", "load kvm_amd"],
    ),
    (
        {"name": "kvm_amd", "parameters": {"nested": 0}, "reload": "never"},
        ["write /etc/modprobe.d/zz-metal-kvm-kvm_amd.conf"],
    ),
    (
        {"name": "kvm", "parameters": {"halt_poll_ns": 0}},
        ["write /etc/modprobe.d/zz-metal-kvm-kvm.conf", "set kvm.halt_poll_ns to 0"],
    ),
    ({"name": "kvm", "parameters": {"halt_poll_ns": 0}, "persistent": False}, ["set kvm.halt_poll_ns to 0"]),
    (
        {"name": "kvm", "parameters": {"tdp_mmu": False}, "persistent": False},
        ["unload kvm_amd, kvm", "load kvm, kvm_amd"],
    ),
    (
        {"name": "vhost-net", "state": "loaded"},
        ["write /etc/modules-load.d/metal-kvm-vhost_net.conf", "load vhost_net"],
    ),
    ({"name": "kvm_amd", "state": "unloaded"}, ["unload kvm_amd"]),
    ({"name": "kvm", "state": "absent"}, ["unload kvm_amd, kvm"]),
    ({"name": "kvm_intel", "state": "absent"}, []),
    ({"name": "vendor", "parameters": {}, "unset": ["nested"]}, []),
]


@pytest.mark.parametrize(("params", "actions"), ASKED, ids=[str(params) for params, actions in ASKED])
def test_actions(params: Params, actions: list[str], hosts: t.Any, place: t.Callable[..., Place]) -> None:
    plan = place(amd(hosts)).plan(**params)
    assert plan.actions == actions
    assert plan.changed is bool(actions)
    assert plan.assumed == []


# a refusal: the host, what is asked, words of the message, words of the remedy
REFUSED: dict[str, tuple[t.Callable[[t.Any], t.Any], Params, str, str]] = {
    "wrong vendor": (amd, {"name": "kvm_intel", "parameters": {"nested": True}}, "processors of Intel", "kvm_amd here"),
    "no such parameter": (amd, {"name": "kvm_amd", "parameters": {"nestd": True}}, "no such parameter", "nested"),
    "no name": (amd, {"name": "kvm amd"}, "no name of a kernel module", "vendor"),
    "set and unset": (
        amd,
        {"name": "kvm", "parameters": {"tdp_mmu": 1}, "unset": ["tdp_mmu"]},
        "also set",
        "not in both",
    ),
    "in use": (
        lambda h: amd(h).loaded("kvm_amd", 3),
        {"name": "kvm_amd", "state": "unloaded"},
        "3 users",
        "Stop the guests",
    ),
    "in use above": (
        lambda h: amd(h).loaded("kvm_amd", 1),
        {"name": "kvm", "state": "absent"},
        "kvm_amd has 1 user",
        "Stop",
    ),
    "built in, unload": (
        lambda h: h.amd().builtin("kvm_amd").usable(),
        {"name": "kvm_amd", "state": "unloaded"},
        "built into",
        "leave it",
    ),
    "built in, load-time parameter": (
        lambda h: h.amd().builtin("kvm_amd", nested="1").usable(),
        {"name": "vendor", "parameters": {"nested": False}},
        "built into this kernel",
        "kvm_amd.nested=0 on the kernel's command line",
    ),
    "nested off, parameter": (
        lambda h: h.guest(h.intel(flag=False)),
        {"name": "vendor", "parameters": {"nested": True}},
        "guest of kvm",
        "",
    ),
    "nested off, explicit": (
        lambda h: h.guest(h.intel(flag=False)),
        {"name": "kvm_intel", "state": "loaded"},
        "guest of kvm",
        "nested=1",
    ),
    "firmware": (
        lambda h: h.intel(flag=False, cpuid={"0x1": [0, 0, 32, 0]}),
        {"name": "kvm_intel", "state": "loaded"},
        "firmware",
        "Intel Virtualization",
    ),
    "install false": (
        lambda h: h.amd().available("tun").also({"etc/modprobe.d/x.conf": "install tun /bin/false\n"}),
        {"name": "tun", "state": "loaded"},
        "/etc/modprobe.d/x.conf",
        "Take that away",
    ),
    "nomodule": (
        lambda h: h.amd().available("tun").also({"proc/cmdline": "nomodule"}),
        {"name": "tun", "state": "loaded"},
        "started with nomodule",
        "reboot",
    ),
    "modules disabled": (
        lambda h: h.amd().available("tun").also({"proc/sys/kernel/modules_disabled": "1\n"}),
        {"name": "tun", "state": "loaded"},
        "modules_disabled",
        "reboot",
    ),
    "container": (
        lambda h: h.amd().available("tun").also({"proc/self/status": "CapEff:\t00000000a80425fb\n"}),
        {"name": "tun", "state": "loaded"},
        "CAP_SYS_MODULE",
        "host itself",
    ),
    "no such module": (amd, {"name": "vhost_nett", "state": "loaded"}, "no module vhost_nett", "Check the name"),
    "stale kernel": (
        lambda h: h.amd().also(
            {f"lib/modules/{h.kernel}/modules.builtin": None, "lib/modules/6.1.0-newer/modules.dep": "\n"}
        ),
        {"name": "vendor", "state": "loaded"},
        "are gone",
        "6.1.0-newer",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, hosts: t.Any, place: t.Callable[..., Place]) -> None:
    make, params, message, remedy = REFUSED[name]
    with pytest.raises(KvmError) as caught:
        place(make(hosts)).run(**params)
    assert message in caught.value.message
    assert remedy in caught.value.remedy
    assert caught.value.details["option"]
    assert "\n" not in str(caught.value)


def test_without_modprobe_a_check_goes_on(hosts: t.Any, place: t.Callable[..., Place]) -> None:
    here = place(amd(hosts))
    (here.path / "usr/sbin/modprobe").unlink()
    plan = here.plan(name="vhost_net", state="loaded")
    assert [error.remedy for error in plan.assumed] == ["Install the package kmod."]
    assert plan.actions[-1] == "load vhost_net"


def test_no_hardware_ends_gracefully(hosts: t.Any, place: t.Callable[..., Place]) -> None:
    """A role asks for the vendor's module everywhere; where there is none to load it is told why, and goes on."""
    here = place(hosts.guest(hosts.intel(flag=False)))
    plan, remarks = here.run(name="vendor", state="loaded")
    assert (plan.actions, here.calls()) == ([], [])
    assert "guest of kvm" in remarks[0]
    found = kernel_module.shown(
        Root(str(here.path), live=True), kernel_module.Wanted(Root(str(here.path)), {"name": "vendor"})
    )
    assert (found["name"], found["loaded"], found["usable"], found["cause"]) == (
        "kvm_intel",
        False,
        False,
        "nested_off",
    )


def test_pvm_recording(recording: t.Callable[[str], Root]) -> None:
    """A kernel with a vendor module of its own built in: there is nothing to do, and it is said to be usable."""
    root = Root(recording("microvm_kvm_pvm").path, live=True)
    plan = kernel_module.make(root, {"name": "vendor", "state": "loaded"})
    assert (plan.actions, plan.warnings, plan.assumed) == ([], [], [])
    assert plan.predicted is not None
    assert {key: plan.predicted[key] for key in ("name", "builtin", "loaded", "usable", "hardware", "cause")} == {
        "name": "kvm_pvm", "builtin": True, "loaded": True, "usable": True, "hardware": False,
        "cause": None}  # fmt: skip


def test_nested_off_and_back(hosts: t.Any, place: t.Callable[..., Place]) -> None:
    here = place(amd(hosts)).made("kvm_amd", nested="1", npt="Y", avic="N")
    plan, remarks = here.run(name="kvm_amd", parameters={"nested": False})
    assert plan.actions == ["unload kvm_amd", f"write /{OURS.format('kvm_amd')}", "load kvm_amd"]
    assert (here.raw("kvm_amd", "nested"), remarks) == ("0", [])
    assert plan.before["parameters.nested"] == "1"
    assert plan.after["parameters.nested"] == "0"
    assert plan.after[f"/{OURS.format('kvm_amd')}"] == ["options kvm_amd nested=0"]
    assert here.run(name="kvm_amd", parameters={"nested": False})[0].actions == []
    here.run(name="kvm_amd", parameters={"nested": "Y"})
    assert here.raw("kvm_amd", "nested") == "1"
    again, remarks = here.run(name="kvm_amd", parameters={"nested": True})
    assert (again.actions, remarks) == ([], [])
    assert here.calls() == ["rmmod kvm_amd", "modprobe kvm_amd "] * 2


def test_busy_is_pending_until_it_can(hosts: t.Any, place: t.Callable[..., Place]) -> None:
    here = place(amd(hosts)).made("kvm_amd", nested="1")
    users = here.path / "sys/module/kvm_amd/refcnt"
    users.write_text("2\n")
    plan, remarks = here.run(name="kvm_amd", parameters={"nested": False})
    assert plan.actions == [f"write /{OURS.format('kvm_amd')}"]
    (waits,) = plan.extra["pending"]
    assert (waits["kind"], waits["wanted"], waits["current"]) == ("module_reload", "0", "1")
    assert "kvm_amd has 2 users" in waits["reason"]
    plan, remarks = here.run(name="kvm_amd", parameters={"nested": False})
    assert (plan.actions, len(plan.extra["pending"]), remarks) == ([], 1, [])
    users.write_text("0\n")
    plan, remarks = here.run(name="kvm_amd", parameters={"nested": False})
    assert (plan.actions, plan.extra["pending"]) == (["unload kvm_amd", "load kvm_amd"], [])
    assert here.run(name="kvm_amd", parameters={"nested": False})[0].extra["pending"] == []


def test_taken_into_use_between_plan_and_run(hosts: t.Any, place: t.Callable[..., Place]) -> None:
    here = place(amd(hosts)).made("kvm_amd", nested="1")
    (here.path / "busy").touch()
    remarks = here.run(name="kvm_amd", parameters={"nested": False})[1]
    assert here.raw("kvm_amd", "nested") == "1"
    assert any("taken into use meanwhile" in remark for remark in remarks)


def test_what_the_hardware_lacks_is_asked_once(hosts: t.Any, place: t.Callable[..., Place]) -> None:
    """The processor hides the reason (no word in cpuinfo says so): one attempt, then a warning and no change."""
    here = place(amd(hosts, sev="N")).made("kvm_amd", nested="1", sev="N")
    (here.path / "lacks").mkdir()
    (here.path / "lacks" / "nested").touch()
    plan, remarks = here.run(name="kvm_amd", parameters={"nested": False})
    assert plan.changed
    assert "nested=0 reads 1" in remarks[0]
    plan, remarks = here.run(name="kvm_amd", parameters={"nested": False})
    assert (plan.actions, plan.extra["pending"]) == ([], [])
    assert "set it back" in remarks[0]
    (here.path / "proc/sys/kernel/random/boot_id").write_text("two\n")
    assert here.plan(name="kvm_amd", parameters={"nested": False}).changed, "another boot may be another matter"


def test_what_the_processor_says_it_lacks_is_never_tried(hosts: t.Any, place: t.Callable[..., Place]) -> None:
    here = place(amd(hosts))
    plan, remarks = here.run(name="kvm_amd", parameters={"avic": True})
    assert plan.actions == [f"write /{OURS.format('kvm_amd')}"]
    assert "avic=1 reads N" in remarks[0]
    plan, remarks = here.run(name="kvm_amd", parameters={"avic": True})
    assert (plan.actions, here.calls()) == ([], [])
    assert "avic=1 reads N" in remarks[0]


def test_loaded_with_it_at_boot(hosts: t.Any, place: t.Callable[..., Place]) -> None:
    """Our file is older than the boot: the kernel had the value and set it back."""
    here = place(amd(hosts).also({OURS.format("kvm_amd"): "options kvm_amd nested=0\n", "proc/stat": "btime 5000\n"}))
    os.utime(here.path / OURS.format("kvm_amd"), (4000, 4000))
    plan, remarks = here.run(name="kvm_amd", parameters={"nested": False})
    assert plan.actions == []
    assert "nested=0 reads 1" in remarks[0]


def test_a_load_that_fails_is_taken_back(hosts: t.Any, place: t.Callable[..., Place]) -> None:
    host = amd(hosts).also({OURS.format("kvm_amd"): "# Old\noptions kvm_amd nested=1\n"})
    here = place(host).made("kvm_amd", nested="1", npt="Y")
    with pytest.raises(KvmError, match="Invalid argument") as caught:
        here.run(name="kvm_amd", parameters={"nested": "bad"})
    assert here.text(OURS.format("kvm_amd")) == "# Old\noptions kvm_amd nested=1\n"
    assert here.raw("kvm_amd", "nested") == "1"
    assert caught.value.rolled_back == [f"put back /{OURS.format('kvm_amd')}", "load kvm_amd again"]  # type: ignore[attr-defined]


def test_live_parameter(hosts: t.Any, place: t.Callable[..., Place]) -> None:
    here = place(amd(hosts).loaded("kvm_amd", 5))
    plan, remarks = here.run(name="kvm", parameters={"halt_poll_ns": 0, "ignore_msrs": "no"})
    assert plan.actions == [f"write /{OURS.format('kvm')}", "set kvm.halt_poll_ns to 0"]
    assert (here.raw("kvm", "halt_poll_ns"), remarks, here.calls()) == ("0", [], [])
    assert here.text(OURS.format("kvm")).splitlines()[1:] == ["options kvm halt_poll_ns=0", "options kvm ignore_msrs=0"]  # type: ignore[union-attr]
    assert here.run(name="kvm", parameters={"halt_poll_ns": 0, "ignore_msrs": "no"})[0].actions == []


def test_merge_unset_and_foreign_files(hosts: t.Any, place: t.Callable[..., Place]) -> None:
    foreign = {
        "etc/modprobe.d/qemu-system-x86.conf": "options kvm_amd nested=1\n",
        "etc/modprobe.d/zzz-mine.conf": "options kvm_amd npt=0\n",
    }
    here = place(
        amd(hosts).also({**foreign, OURS.format("kvm_amd"): "options kvm_amd npt=1\noptions kvm_amd avic=0\n"})
    )
    plan, remarks = here.run(name="kvm_amd", parameters={"npt": True, "nested": True}, unset=["avic"], reload="never")
    assert here.text(OURS.format("kvm_amd")).splitlines()[1:] == ["options kvm_amd nested=1", "options kvm_amd npt=1"]  # type: ignore[union-attr]
    assert ["/etc/modprobe.d/zzz-mine.conf" in remark for remark in remarks] == [True], remarks
    assert [item["wanted"] for item in plan.extra["pending"]] == [None], "avic's default comes with the next load"
    assert {name: here.text(name) for name in foreign} == foreign


def test_command_line_wins(hosts: t.Any, place: t.Callable[..., Place]) -> None:
    here = place(amd(hosts).also({"proc/cmdline": "quiet kvm_amd.nested=1\n"}))
    plan, remarks = here.run(name="kvm_amd", parameters={"nested": False})
    assert "kernel command line" in remarks[0]
    assert plan.actions == [f"write /{OURS.format('kvm_amd')}"], "no reload that could change nothing"


def test_load_at_boot_once_and_never_both_vendors(hosts: t.Any, place: t.Callable[..., Place]) -> None:
    host = (
        hosts.amd()
        .available("kvm", "kvm_amd")
        .also({BOOT.format("kvm_intel"): "kvm_intel\n", "etc/modules": "# none\n"})
    )
    here = place(host).made("kvm_amd", nested="1")
    plan = here.run(name="vendor", state="loaded")[0]
    assert plan.actions == [f"remove /{BOOT.format('kvm_intel')}", f"write /{BOOT.format('kvm_amd')}", "load kvm_amd"]
    assert here.text(BOOT.format("kvm_amd")).splitlines()[-1] == "kvm_amd"  # type: ignore[union-attr]
    assert here.run(name="vendor", state="loaded")[0].actions == []
    (here.path / "etc/modules").write_text("vhost_net\n")
    assert not any("metal-kvm-vhost_net" in action for action in here.plan(name="vhost_net", state="present").actions)


def test_listed_elsewhere_is_enough(hosts: t.Any, place: t.Callable[..., Place]) -> None:
    host = amd(hosts).loaded("vhost_net").also({"etc/modules": "vhost_net\n"})
    here = place(host)
    assert here.plan(name="vhost_net", state="loaded").actions == []
    plan = here.plan(name="vhost_net", state="unloaded")
    assert any("/etc/modules still loads vhost_net" in warning for warning in plan.warnings)


def test_built_in_without_parameters(hosts: t.Any, place: t.Callable[..., Place]) -> None:
    """Nothing below /sys/module, but the kernel has registered its device: it is there, and can't be unloaded."""
    here = place(hosts.amd().also({"proc/misc": "200 tun\n", "proc/cmdline": "nomodule\n"}))
    plan = here.plan(name="tun", state="loaded")
    assert (plan.actions, plan.warnings) == ([], [])
    assert plan.predicted is not None
    assert (plan.predicted["loaded"], plan.predicted["builtin"]) == (True, True)
    with pytest.raises(KvmError, match="built into"):
        here.plan(name="tun", state="unloaded")


def test_absent_takes_both_files(hosts: t.Any, place: t.Callable[..., Place]) -> None:
    files = {OURS.format("kvm_amd"): "options kvm_amd nested=1\n", BOOT.format("kvm_amd"): "kvm_amd\n"}
    here = place(amd(hosts).also(files))
    here.run(name="kvm_amd", state="absent")
    assert [here.text(name) for name in files] == [None, None]
    assert not (here.path / "sys/module/kvm_amd").exists()
    assert here.run(name="kvm_amd", state="absent")[0].actions == []


def test_blacklist_is_named(hosts: t.Any, place: t.Callable[..., Place]) -> None:
    host = hosts.amd().available("kvm", "kvm_amd").also({"etc/modprobe.d/no.conf": "blacklist kvm_amd\n"})
    plan, remarks = place(host).made("kvm_amd", nested="1").run(name="vendor", state="loaded")
    assert plan.actions[-1] == "load kvm_amd"
    assert "/etc/modprobe.d/no.conf has kvm_amd on a blacklist" in remarks[0]


def test_another_tree_gets_files_only(hosts: t.Any, place: t.Callable[..., Place]) -> None:
    here = place(amd(hosts), live=False)
    plan = here.run(name="kvm_amd", state="loaded", parameters={"nested": False, "npt": True})[0]
    assert plan.actions == [f"write /{OURS.format('kvm_amd')}", f"write /{BOOT.format('kvm_amd')}"]
    assert (here.raw("kvm_amd", "nested"), here.calls()) == ("1", [])


def test_a_links_target_stays_below_the_root(
    hosts: t.Any, place: t.Callable[..., Place], tmp_path: pathlib.Path
) -> None:
    """An image's absolute link points into the image, not into this machine."""
    here = place(amd(hosts).also({"etc/modprobe.d": "->/etc/elsewhere", "etc/elsewhere": hosts.directory}), live=False)
    here.run(name="kvm_amd", parameters={"npt": True})
    assert (here.path / "etc/elsewhere/zz-metal-kvm-kvm_amd.conf").exists()
    assert not pathlib.Path("/etc/elsewhere").exists()


def test_initramfs_that_holds_the_module(hosts: t.Any, place: t.Callable[..., Place]) -> None:
    log = '#!/bin/sh\necho "$0 $*" >> "${0%/usr/sbin/update-initramfs}/calls"\n'
    host = amd(hosts).also(
        {"etc/initramfs-tools/modules": "# early\nvfio-pci ids=1:2\n", "usr/sbin/update-initramfs": log}
    )
    here = place(host)
    plan = here.run(name="vfio_pci", parameters={"ids": "8086:10ca"})[0]
    assert plan.actions == [f"write /{OURS.format('vfio_pci')}", "rebuild the initramfs, which holds vfio_pci"]
    assert here.calls() == [f"{here.path}/usr/sbin/update-initramfs -u"]
    assert here.run(name="vfio_pci", parameters={"ids": "8086:10ca"})[0].actions == []
    assert not any("initramfs" in action for action in here.plan(name="kvm_amd", parameters={"npt": True}).actions)


def test_parameter_that_sys_does_not_show(hosts: t.Any, place: t.Callable[..., Place]) -> None:
    """vfio_pci.ids is only for the load: reloaded once, then left alone."""
    here = place(amd(hosts).loaded("vfio_pci", disable_vga="N")).made("vfio_pci", disable_vga="N")
    plan, remarks = here.run(name="vfio_pci", parameters={"ids": "8086:10ca"})
    assert plan.actions == ["unload vfio_pci", f"write /{OURS.format('vfio_pci')}", "load vfio_pci"]
    plan, remarks = here.run(name="vfio_pci", parameters={"ids": "8086:10ca"})
    assert (plan.actions, plan.extra["pending"], remarks) == ([], [], [])


def test_written_file_keeps_mode(hosts: t.Any, place: t.Callable[..., Place]) -> None:
    here = place(amd(hosts).also({OURS.format("kvm"): "options kvm tdp_mmu=1\n"}))
    (here.path / OURS.format("kvm")).chmod(0o640)
    here.run(name="kvm", parameters={"ignore_msrs": False})
    assert (here.path / OURS.format("kvm")).stat().st_mode & 0o777 == 0o640
    here.run(name="kvm_amd", parameters={"npt": True})
    assert (here.path / OURS.format("kvm_amd")).stat().st_mode & 0o777 == 0o644
    assert [path.name for path in (here.path / "etc/modprobe.d").iterdir() if path.name.startswith(".")] == []


def test_without_rights(hosts: t.Any, place: t.Callable[..., Place]) -> None:
    here = place(amd(hosts))
    plan = here.plan(name="kvm_amd", parameters={"npt": True})
    (here.path / "etc/modprobe.d").mkdir(mode=0o555, exist_ok=True)
    user = os.geteuid()
    os.seteuid(user or 65534)
    try:
        with pytest.raises(KvmError, match="become: true"):
            run_steps(plan, operations.operations(), None)
    finally:
        os.seteuid(user)
