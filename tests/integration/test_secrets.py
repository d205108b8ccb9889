# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets stay secret: a marker stands wherever an option takes one, in tasks that succeed and tasks that fail, shown with
-vvvv and --diff; then output, system log, command lines, metadata and the files left behind are searched for it.

Where a secret is meant to be it may be found: in libvirt's own store and documents, and in the seed for cloud-init.
"""

from __future__ import annotations

import base64
import contextlib
import importlib
import json
import os
import pathlib
import socket
import stat
import threading
import time
import typing as t

import cycle as cycles
import libvirt
import pytest
from ansible_collections.metal.kvm.plugins.module_utils import _ansible

MARKER = "Qx7MarkerZ"
ENCODED = base64.b64encode(MARKER.encode()).decode()
LEAKS = (MARKER[:7], ENCODED[:8])  # what is searched for: VNC takes eight letters
NAME = f"{cycles.PREFIX}secret"
MODULES = sorted(path.stem for path in (cycles.ROOT / "plugins" / "modules").glob("*.py"))
XML = (
    f"<domain type='qemu'><name>{NAME}-xml</name><memory>65536</memory><os><type>hvm</type></os><devices>"
    f"<graphics type='vnc' passwd='{MARKER[:8]}'/></devices></domain>"
)
GUEST = {"name": NAME, "type": "qemu", "memory": "64 MiB", "hotplug_ports": 0}
SEED = {
    "pool": NAME,
    "user_data": {"password": MARKER, "chpasswd": {"users": [{"name": "root", "password": MARKER}]}},
    "meta_data": {"keys": MARKER},
    "network_config": {"version": 2, "wifis": {"w": {"access-points": {"net": {"password": MARKER}}}}},
}
NETWORK = (
    f"<network><name>{NAME}-net</name><metadata><x:a xmlns:x='urn:x' password='{MARKER}'/></metadata>"
    "<forward mode='nat'/><ip address='192.0.2.1' prefix='24'/></network>"
)
# Text that any option may be given, by people who put passwords there.
TEXTS = {
    "description": f"password: {MARKER}",
    "sysinfo": {
        "oem_strings": [f"io.systemd.credential:passwd.plaintext-password.root={MARKER}"],
        "fwcfg": [{"name": "opt/io.systemd.credentials/passwd.hashed-password.root", "value": MARKER}],
    },
    "qemu": {"env": {"ANY": MARKER}, "args": ["-object", f"secret,id=s,data={MARKER}"]},
}
# What the marker can be given to, by module: tasks that succeed, and tasks that fail after they've read it.
SECRETS: dict[str, dict[str, list[dict[str, t.Any]]]] = {
    "domain": {
        "succeed": [
            {**GUEST, "graphics": [{"type": "vnc", "password": MARKER[:8]}], "cloud_init": SEED},
            {**GUEST, "graphics": [{"type": "vnc", "password": MARKER[:7]}]},
            {**GUEST, "cloud_init": {**SEED, "user_data": f"#cloud-config\npassword: {MARKER}\n"}},
            {"name": NAME, "xml_patch": [{"path": "devices/graphics/@passwd", "set": MARKER[:8]}]},
            {
                "name": NAME,
                "xml_patch": [
                    {"path": "devices/graphics", "set": f"<graphics type='vnc' passwd='{MARKER[:7]}' nonsense='1'/>"}
                ],
            },
            {"name": f"{NAME}-texts", **{key: GUEST[key] for key in ("type", "memory", "hotplug_ports")}, **TEXTS},
            {"name": f"{NAME}-texts", "qemu": {"env": {"ANY": MARKER[:7]}, "args": []}},
            {
                "name": f"{NAME}-texts",
                "qemu": {"env": {}},
                "sysinfo": {"oem_strings": [], "fwcfg": []},
                "description": "x",
            },
            {"name": f"{NAME}-xml", "xml": XML},
            {"name": f"{NAME}-xml", "xml": XML.replace("65536", "131072").replace(MARKER[:8], MARKER[:7])},
        ],
        "fail": [
            {**GUEST, "graphics": [{"type": "vnc", "password": MARKER[:8], "listen": "no address"}], "memory": "-1"},
            {**GUEST, "graphics": [{"type": "vnc", "password": MARKER}], "machine": "none"},
            {"name": NAME, "cloud_init": {**SEED, "pool": f"{NAME}-none"}},
            {**GUEST, "cloud_init": SEED, "nonsense": MARKER},
            {**GUEST, "cloud_init": MARKER},
            {**GUEST, "cloud_init": {**SEED, "userdata": MARKER}, "apply": "at once"},
            {**GUEST, "graphics": [{"type": "vnc", "passwort": MARKER}]},
            {"xml": XML, "xml_patch": [{"path": "devices/graphics/@passwd", "set": MARKER}]},
            {"name": NAME, "install": {"preseed": f"d-i passwd/root-password password {MARKER}", "timeout": MARKER}},
            {
                **GUEST,
                "name": f"{NAME}-new",
                "install": {"iso": "/none.iso", "pool": NAME, "kickstart": f"rootpw {MARKER}\n"},
            },
            {
                **GUEST,
                "name": f"{NAME}-new",
                "install": {"iso": "/none.iso", "pool": NAME, "autoinstall": {"identity": {"password": MARKER}}},
            },
            {"name": f"{NAME}-xml", "xml": XML.replace("hvm", "vmx")},
            {"name": f"{NAME}-xml", "xml": XML.replace("</domain>", "")},
            {"name": NAME, "xml_patch": [{"path": "devices/graphics/@passwd/x", "set": MARKER[:8]}]},
        ],
    },
    "libvirt_conf": {
        "succeed": [
            {"name": "qemu", "sysroot": "{place}", "settings": {"vnc_password": MARKER, "spice_password": MARKER}},
            {"name": "qemu", "sysroot": "{place}", "settings": {"vnc_password": MARKER[:7]}},
        ],
        "fail": [{"name": "qemu", "sysroot": "{place}", "settings": {"vnc_password": MARKER, "vnc_pasword": MARKER}}],
    },
    "network": {
        "succeed": [
            {"name": f"{NAME}-net", "xml": NETWORK},
            {"name": f"{NAME}-net", "xml": NETWORK.replace("Z'", "'").replace("nat", "open")},
        ],
        "fail": [{"name": f"{NAME}-net", "xml": NETWORK, "xmlpatch": [MARKER]}],
    },
    "secret": {
        "succeed": [
            {"usage": "ceph", "name": NAME, "value": MARKER},
            {"usage": "ceph", "name": NAME, "value_base64": ENCODED, "update_value": "always"},
            {"usage": "ceph", "name": NAME, "state": "absent"},
        ],
        "fail": [
            {"usage": "ceph", "name": NAME, "value": MARKER, "uuid": "none"},
            {"usage": "ceph", "name": NAME, "value_base64": f"{ENCODED}!"},
            {"usage": "smb", "name": NAME, "value": MARKER},
            {"usage": "ceph", "name": NAME, "value": {"is": MARKER}, "private": "maybe"},
        ],
    },
    "volume": {
        "succeed": [],
        "fail": [{"pool": NAME, "name": "a.raw", "source": {"url": f"http://user:{MARKER}@127.0.0.1:9/a.raw"}}],
    },
}


def leaks(text: str) -> bool:
    return any(leak in text for leak in LEAKS)


class SpecError(Exception):
    """Instead of a module that runs: the argument spec that it was called with."""


def options_of(module: str, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
    """Every option of a module, the nested ones too."""

    def caught(argument_spec: dict[str, t.Any], **dummy: t.Any) -> t.NoReturn:
        raise SpecError(argument_spec)

    monkeypatch.setattr(_ansible, "_Module", caught)
    with pytest.raises(SpecError) as spec:
        importlib.import_module(f"ansible_collections.metal.kvm.plugins.modules.{module}").main()
    return nested(spec.value.args[0])


def nested(spec: t.Mapping[str, t.Any]) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
    for name, option in spec.items():
        yield name, option
        if option.get("options"):
            yield from nested(option["options"])


@pytest.mark.parametrize("module", MODULES)
def test_every_module_that_takes_a_secret_is_tried(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets are options of type no_log, and those that can hold one anywhere."""
    secret = [name for name, option in options_of(module, monkeypatch) if option.get("no_log")]
    if secret:
        said = json.dumps(SECRETS.get(module, {}))
        assert not [name for name in secret if f'"{name}"' not in said], "add tasks with them to SECRETS"


class Log:
    """A system log for as long as it's open, for the processes of commands that begin with ``words()`` alone."""

    def __init__(self, place: pathlib.Path) -> None:
        self.path = place / "log"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(0.2)
        self.text = ""
        self.open = True
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self) -> None:
        while self.open:
            with contextlib.suppress(TimeoutError):
                self.text += self.socket.recv(1 << 20).decode(errors="replace") + "\n"

    def words(self) -> list[str]:
        """What to begin a command with so that this is its /dev/log."""
        script = (
            'mkdir -p "$0/dev" "$0/work" && mount -t overlay -o "lowerdir=/dev,upperdir=$0/dev,workdir=$0/work" dev /dev'
            ' && ln -sfn "$0/log" /dev/log && exec "$@"'
        )
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, str(self.path.parent)]

    def close(self) -> None:
        time.sleep(0.5)
        self.open = False
        self.thread.join()
        self.socket.close()


class Watch:
    """Command lines and environments of all processes, looked at again and again."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self.looks = 0
        self.open = True
        self.thread = threading.Thread(target=self._look)
        self.thread.start()

    def _look(self) -> None:
        while self.open:
            self.looks += 1
            for process in pathlib.Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    with contextlib.suppress(OSError):
                        text = (process / name).read_bytes()
                        if leaks(text.decode(errors="replace")):
                            self.found.add(text.replace(b"\0", b" ").decode(errors="replace"))
            time.sleep(0.03)

    def close(self) -> None:
        self.open = False
        self.thread.join()


def placed(value: t.Any, place: pathlib.Path) -> t.Any:
    return json.loads(json.dumps(value).replace("{place}", str(place)))


def files_with_marker(since: float, *places: str) -> list[str]:
    """The files below these places, written since then, in which the marker stands. Not those of guests' disks."""
    found = []
    for file in (
        pathlib.Path(top) / name for place in places for top, dummy, names in os.walk(place) for name in names
    ):
        with contextlib.suppress(OSError):
            status = file.lstat()
            small = stat.S_ISREG(status.st_mode) and status.st_size < 1 << 22
            if small and status.st_mtime >= since and leaks(file.read_text(errors="replace")):
                found.append(str(file))
    return found


def background(player: cycles.Player, tasks: list[cycles.Task]) -> list[str]:
    """What asynchronous tasks leave in their result files."""
    results = player.play([task._replace(keywords={"async": 100, "poll": 0}) for task in tasks], verbosity=4)
    files = [pathlib.Path(result["results_file"]) for result in results]
    for dummy in range(200):
        texts = [file.read_text(encoding="utf-8") for file in files]
        if all('"invocation"' in text for text in texts):
            return texts
        time.sleep(0.5)
    raise AssertionError(f"asynchronous tasks don't end: {texts}")


@pytest.mark.timeout(900)
def test_no_secret_is_left_anywhere(player: cycles.Player, place: pathlib.Path, connection: t.Any) -> None:
    root = place / "root"
    (root / "etc" / "libvirt").mkdir(parents=True)
    (root / "etc" / "libvirt" / "qemu.conf").write_text('# vnc_password = ""\n# spice_password = ""\n')
    (place / "pool").mkdir()
    player.run("pool", name=NAME, type="dir", path=str(place / "pool"), state="active")
    started = time.time() - 1
    tasks, outcomes = [], []
    for module, cases in SECRETS.items():
        for outcome, arguments in cases.items():
            for args in arguments:
                for check in (True, False):
                    tasks.append(cycles.Task(module, placed(args, root), check))
                    outcomes.append((outcome, check))
    log, watch = Log(place), Watch()
    try:
        results = player.play(tasks, verbosity=4, before=log.words())
        output = player.output
        jobs = background(player, [task for task, (dummy, check) in zip(tasks, outcomes) if not check][::9])
    finally:
        watch.close()
        log.close()
    for task, (outcome, check), result in zip(tasks, outcomes, results):
        assert result.failed == (outcome == "fail") or check, (task, result.message)
    told = [(task.module, key) for task, one in zip(tasks, results) for key in one if leaks(json.dumps(one[key]))]
    assert not told
    assert jobs
    assert not [job for job in jobs if leaks(job)]
    assert not [line for line in (output + player.output).splitlines() if leaks(line)]
    assert output.count('"invocation"') > len(tasks) // 2
    assert "ansible-metal.kvm.domain" in log.text or "ansible-domain" in log.text, log.text[:2000]
    assert not [line for line in log.text.splitlines() if leaks(line)]
    assert watch.looks > 10
    assert not watch.found
    for domain in (one for one in connection.listAllDomains() if one.name().startswith(NAME)):
        assert not leaks(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    written = files_with_marker(
        started, "/tmp", "/var/tmp", "/run", "/root/.ansible", "/root/.ansible_async", "/var/lib/metal.kvm", "/var/log"
    )
    meant = [str(player.place), str(root / "etc"), str(place / "pool" / f"{NAME}-seed.iso")]
    left = [file for file in written if not file.startswith(tuple(meant))]
    # how Ansible takes arguments to an asynchronous task: a file that its wrapper deletes when the job is over
    assert not [file for file in left if not os.path.basename(file).startswith("AnsiballZ_")]
