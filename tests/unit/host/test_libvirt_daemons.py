# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's units: from what systemctl says to its verbs, carried out on a small systemd of rules, not recorded ones.

The rules are those of libvirt's unit files: Conflicts between the layouts, sockets refused while their service runs.
"""

from __future__ import annotations

import os
import typing as t

import pytest
from ansible_collections.metal.kvm.plugins.module_utils._command import Done
from ansible_collections.metal.kvm.plugins.module_utils._host.libvirt import control, daemons, drop_in, units
from ansible_collections.metal.kvm.plugins.module_utils._host.root import Root
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError, Step

if t.TYPE_CHECKING:
    import pathlib

AS_IS: dict[str, t.Optional[bool]] = {"tls": None, "tcp": None}


class Systemd:
    """Units with their states; verbs as systemd and libvirt's unit files have them."""

    def __init__(self, *installed: str) -> None:
        self.units = {
            name: units.Unit("loaded" if name.split(".")[0].split("-")[0] in installed else "not-found", "inactive", "")
            for name in units.names()
        }
        for name, unit in self.units.items():
            unit.enabled = not unit.loaded and name != ""
            if unit.loaded:
                unit.enabled = False
        self.stopped: list[str] = []

    def set(self, active: t.Sequence[str] = (), enabled: t.Sequence[str] = ()) -> Systemd:
        for name in active:
            self.units[name].active = True
        for name in enabled:
            self.units[name].enabled = True
        return self

    def run(self, verb: str, names: t.Sequence[str]) -> None:
        for name in names:
            unit = self.units[name]
            assert unit.loaded, f"{verb} {name}: not there"
            if verb in ("enable", "disable"):
                unit.enabled = verb == "enable"
            elif verb == "stop":
                unit.active = False
                self.stopped.append(name)
            elif verb == "reset-failed":
                unit.failed = False
            elif verb in ("start", "restart"):
                assert not unit.failed, f"{name} was started too often"
                self._start(name)

    def _start(self, name: str) -> None:
        service = units._service(name) if name.endswith(".socket") else ""
        assert not (service and self.units[service].active), f"{name} refused: {service} runs"
        mine = "monolithic" if name.startswith("libvirtd") else "modular"
        if not name.startswith(units.HELPERS):
            others = [u for u in self.units if u.startswith("libvirtd") == (mine == "modular")]
            for other in others:
                if not other.startswith(units.HELPERS):
                    self.units[other].active = False
        self.units[name].active = True

    def converge(
        self, wanted: str, listen: t.Optional[t.Mapping[str, t.Optional[bool]]] = None, **more: t.Any
    ) -> list[t.Any]:
        """Plan, carry out, plan again: the second time there is nothing left."""
        listen = AS_IS if listen is None else listen
        found = units.actions(self.units, wanted, listen, **more)
        for verb, names in found:
            self.run(verb, names)
        assert units.actions(self.units, wanted, listen) == []
        assert not any(name.startswith(units.HELPERS) for name in self.stopped)
        return found

    def up(self) -> set[str]:
        return {name for name, unit in self.units.items() if unit.active}


BOTH = ("libvirtd", *units.DRIVERS, "virtproxyd", *units.HELPERS)
RUNNING = ("libvirtd.service", "libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket", "virtlogd.socket",
           "virtlogd-admin.socket", "virtlockd.socket", "virtlockd-admin.socket")  # fmt: skip


def running() -> Systemd:
    return Systemd(*BOTH).set(RUNNING, RUNNING)


def test_fresh_install_comes_up_by_sockets_alone() -> None:
    systemd = Systemd("libvirtd", *units.HELPERS)
    systemd.converge("monolithic")
    assert "libvirtd.socket" in systemd.up()
    assert "libvirtd.service" not in systemd.up()
    assert systemd.units["libvirtd.service"].enabled  # guests with autostart come up with the machine


def test_idle_daemon_is_not_a_change() -> None:
    systemd = running()
    assert systemd.converge("monolithic") == []
    systemd.units["libvirtd.service"].active = False  # --timeout 120
    assert systemd.converge("monolithic", restart=["libvirtd"]) == []


def test_what_ended_too_often_is_started_again() -> None:
    systemd = running()
    for name in RUNNING[:4]:
        systemd.units[name].active, systemd.units[name].failed = False, True
    assert systemd.converge("monolithic")[0] == ("reset-failed", RUNNING[:4])
    assert "libvirtd-ro.socket" in systemd.up()


def test_to_one_daemon_per_driver_and_back() -> None:
    systemd = running()
    assert units.layout(systemd.units) == "monolithic"
    systemd.converge("modular")
    assert units.layout(systemd.units) == "modular"
    assert not any(name.startswith("libvirtd") and unit.enabled for name, unit in systemd.units.items() if unit.loaded)
    assert {"virtqemud.socket", "virtproxyd.socket", "virtnetworkd-ro.socket"} <= systemd.up()
    systemd.converge("monolithic")
    assert units.layout(systemd.units) == "monolithic"
    assert not any(name.startswith(units.DRIVERS) for name in systemd.up())


def test_mixed_is_seen_when_running_or_enabled() -> None:
    assert units.layout(running().set(enabled=["virtqemud.socket"]).units) == "monolithic"  # what runs counts
    assert units.layout(running().set(active=["virtnetworkd.socket"]).units) == "mixed"
    idle = Systemd(*BOTH).set(enabled=["libvirtd.socket", "virtqemud.socket"])
    assert units.layout(idle.units) == "mixed"
    idle.converge("modular")
    assert units.layout(idle.units) == "modular"


@pytest.mark.parametrize("active", [True, False])
def test_tls_socket_starts_though_the_service_runs(active: bool) -> None:
    systemd = running()
    systemd.units["libvirtd.service"].active = active
    found = systemd.converge("monolithic", {"tls": True, "tcp": None})
    assert "libvirtd-tls.socket" in systemd.up()
    assert systemd.units["libvirtd-tls.socket"].enabled
    assert systemd.units["libvirtd.service"].active == active
    assert [verb for verb, names in found] == ["enable", *(["stop"] if active else []), "start", *(["start"] * active)]
    systemd.converge("monolithic", {"tls": False, "tcp": None})
    assert "libvirtd-tls.socket" not in systemd.up()


def test_changed_drop_in_of_a_socket_restarts_it() -> None:
    systemd = running()
    found = systemd.converge("monolithic", changed_sockets=["libvirtd.socket"])
    assert found == [
        ("stop", ("libvirtd.service",)),
        ("restart", ("libvirtd.socket",)),
        ("start", ("libvirtd.service",)),
    ]


def test_restart_spares_the_log_daemon() -> None:
    systemd = running().set(["virtlogd.service"])
    assert systemd.converge("monolithic", restart=["libvirtd", "virtlogd"]) == [
        ("reload", ("virtlogd.service",)),
        ("restart", ("libvirtd.service",)),
    ]


def test_a_listener_that_systemd_lacks_is_refused() -> None:
    systemd = Systemd(*units.DRIVERS, *units.HELPERS)
    with pytest.raises(KvmError, match=r"systemd has no virtproxyd-tls\.socket"):
        units.actions(systemd.units, "modular", {"tls": True, "tcp": None})


@pytest.mark.parametrize(
    ("conf", "monolithic", "modular"),
    [
        ("qemu", "libvirtd", "virtqemud"),
        ("network", "libvirtd", "virtnetworkd"),
        ("virtlogd", "virtlogd", "virtlogd"),
        ("virtproxyd", None, "virtproxyd"),
        ("libvirt", None, None),
    ],
)
def test_who_reads_what(conf: str, monolithic: t.Optional[str], modular: t.Optional[str]) -> None:
    assert (units.reader(conf, "monolithic"), units.reader(conf, "modular")) == (monolithic, modular)


def test_systemctl_is_understood() -> None:
    found = units.parse(
        "Id=libvirtd.service\nLoadState=loaded\nActiveState=inactive\nUnitFileState=enabled\n\n"
        "Id=virtqemud.socket\nLoadState=masked\nActiveState=inactive\nUnitFileState=masked\n\n"
        "Id=virtlogd-admin.socket\nLoadState=loaded\nActiveState=active\nUnitFileState=disabled\n"
    )
    assert (found["libvirtd.service"].loaded, found["libvirtd.service"].active, found["libvirtd.service"].enabled) == (
        True,
        False,
        True,
    )
    assert found["virtqemud.socket"].masked
    assert found["virtlogd-admin.socket"].active
    assert not found["virtlogd-admin.socket"].enabled


def test_drop_ins_are_whole_files(tmp_path: pathlib.Path) -> None:
    wanted = {"libvirtd-tls.socket": {"Socket": {"ListenStream": ["", "192.0.2.1:16514"], "FreeBind": True}}}
    plans = list(drop_in.plan(Root(str(tmp_path)), wanted).values())
    assert len(plans) == 1
    found = plans[0]
    assert found[0] is None
    assert found[1] is not None
    assert found[1].endswith("[Socket]\nListenStream=\nListenStream=192.0.2.1:16514\nFreeBind=yes\n")
    with pytest.raises(KvmError, match="no name of a unit"):
        drop_in.plan(Root(str(tmp_path)), {"../x.service": {}})


# Without systemd


@pytest.fixture
def tree(tmp_path: pathlib.Path) -> pathlib.Path:
    """A machine with libvirtd and virtlogd installed and running, without systemd."""
    for name in ("libvirtd", "virtlogd"):
        program = tmp_path / "usr/sbin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/false\n")
        program.chmod(0o755)
        run_as(tmp_path, name, 18 if name == "libvirtd" else 19, f"{name}\0-d\0")
    return tmp_path


def run_as(tree: pathlib.Path, name: str, pid: int, words: str) -> None:
    (tree / f"proc/{pid}").mkdir(parents=True)
    (tree / f"proc/{pid}/comm").write_text(f"{name}\n")
    (tree / f"proc/{pid}/cmdline").write_text(words)
    (tree / "run").mkdir(exist_ok=True)
    (tree / f"run/{name}.pid").write_text(str(pid))


def by_hand(tree: pathlib.Path, **params: t.Any) -> list[str]:
    return daemons.make(Root(str(tree)), params).actions


def test_by_hand_what_runs_is_left(tree: pathlib.Path) -> None:
    assert by_hand(tree) == []
    (tree / "run/virtlogd.pid").unlink()
    assert by_hand(tree) == ["start virtlogd"]


def test_by_hand_listening_is_a_flag(tree: pathlib.Path) -> None:
    for name in daemons.PKI:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).touch()
    assert by_hand(tree, tls=True) == ["stop libvirtd", "start libvirtd --listen"]
    (tree / "proc/18/cmdline").write_text("libvirtd\0--listen\0-d\0")
    assert by_hand(tree, tls=True) == []
    assert by_hand(tree) == []
    assert by_hand(tree, tls=False, tcp=False) == ["stop libvirtd", "start libvirtd"]


def test_tls_without_certificates_is_refused(tree: pathlib.Path) -> None:
    plan = daemons.make(Root(str(tree)), {"tls": True})
    assert "/etc/pki/CA/cacert.pem is not there" in str(plan.assumed[0])


def test_a_file_written_after_the_start_is_read_by_a_restart(tree: pathlib.Path) -> None:
    conf, pid = tree / "etc/libvirt/qemu.conf", tree / "run/libvirtd.pid"
    conf.parent.mkdir(parents=True)
    conf.touch()
    os.utime(conf, ns=(5, 5))
    os.utime(pid, ns=(9, 9))
    assert by_hand(tree, restart_for=["qemu"]) == []
    os.utime(conf, ns=(10, 10))
    assert by_hand(tree, restart_for=["qemu"]) == ["stop libvirtd", "start libvirtd"]
    assert by_hand(tree, restart_for=["network"]) == []


def test_nothing_installed_is_an_error_that_a_check_plans_on(tmp_path: pathlib.Path) -> None:
    plan = daemons.make(Root(str(tmp_path)), {})
    assert not plan.changed
    assert "libvirt isn't installed" in str(plan.assumed[0])


def test_no_daemon_that_can_be_started_is_an_error(tree: pathlib.Path) -> None:
    """It ended in a KeyError."""
    (tree / "run/systemd/system").mkdir(parents=True)
    with pytest.raises(KvmError, match="none of its daemons that drive QEMU can be started here"):
        daemons.make(Root(str(tree)), {"layout": "keep"}, {})


def test_after_a_start_libvirt_is_asked(tree: pathlib.Path) -> None:
    (tree / "run/virtlogd.pid").unlink()
    assert [step.operation for step in daemons.make(Root(str(tree)), {}).steps] == ["daemon.start"]
    (tree / "run/libvirtd.pid").unlink()
    plan = daemons.make(Root(str(tree)), {})
    assert [step.operation for step in plan.steps] == ["daemon.start", "daemon.start", "daemon.answer"]
    assert plan.actions == ["start virtlogd", "start libvirtd"]


@pytest.mark.parametrize(
    ("verb", "name", "asked"),
    [
        ("restart", "libvirtd.service", True),
        ("start", "virtqemud.service", False),
        ("start", "libvirtd.socket", False),
        ("reload", "libvirtd.service", False),
    ],
)
def test_who_is_asked_under_systemd(verb: str, name: str, asked: bool) -> None:
    assert daemons._starts_daemon(Step("unit.run", "", verb=verb, names=(name,)), "monolithic") is asked


def test_a_daemon_that_ends_after_its_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "found", lambda program: True)
    monkeypatch.setattr(control, "run", lambda words, **given: Done(1, b"", b"error: Cannot recv data"))
    with pytest.raises(KvmError, match="doesn't answer: error: Cannot recv data"):
        control.answer(None)
    monkeypatch.setattr(control, "run", lambda words, **given: Done(0, b"qemu:///system", b""))
    assert control.answer(None) is None
    monkeypatch.setattr(control, "found", lambda program: False)
    assert "virsh isn't installed" in str(control.answer(None))
