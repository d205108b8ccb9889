# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests on a real libvirtd share: the daemon, a player of tasks, and that nothing of ours is left behind."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import types
import typing as t

import libvirt
import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.metal.kvm.plugins.module_utils import _command

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import cycle as cycles
import daemons

LOCK = pathlib.Path("/run/lock/metal.kvm-tests")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Two runs on one machine would take each other's objects away: the second waits here for the first."""
    del session
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    held.append(LOCK.open("w"))
    try:
        fcntl.flock(held[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("waiting for another run of the tests on this machine", flush=True)  # noqa: T201
        fcntl.flock(held[0], fcntl.LOCK_EX)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First what opens connections of its own: there are no new ones once a test had libvirt's private driver opened here."""
    items.sort(key=lambda item: item.path.name not in ("test_domain_info.py", "test_domain_install.py"))


held: list[t.Any] = []  # open for as long as the process lives


@pytest.fixture(scope="session", autouse=True)
def daemon() -> t.Iterator[None]:
    """A libvirtd that answers: the one that is there, else one that lives as long as the tests."""
    libvirt.registerErrorHandler(lambda context, error: None, None)
    if not daemons.join("pytest"):
        for command in reversed(daemons.DAEMONS):
            subprocess.run([command, "-d"], check=False)  # fails if it runs already
        deadline = time.monotonic() + 30
        while not daemons.answers():
            assert time.monotonic() < deadline, "libvirtd doesn't answer"
            time.sleep(0.2)
    yield
    daemons.leave("pytest")


@pytest.fixture(scope="session", autouse=True)
def lent_runner() -> None:
    """Programs that modules run are run by Ansible's own code here too, where tests use their code in this process."""
    bare = types.SimpleNamespace(run_command_environ_update={}, _debug=False)
    _command.lend(functools.partial(AnsibleModule.run_command, t.cast(AnsibleModule, bare)))


@pytest.fixture(scope="session")
def connection(daemon: None) -> t.Iterator[t.Any]:
    """An own connection, to see what the modules did and to prepare what they find."""
    del daemon
    opened = libvirt.open(daemons.URI)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def tidy(connection: t.Any) -> t.Iterator[None]:
    """Nothing whose name begins with our prefix is there before a test, and nothing after."""
    remove_ours(connection)
    yield
    remove_ours(connection)


def remove_ours(connection: t.Any) -> None:
    for domain in ours(connection.listAllDomains()):
        persistent = domain.isPersistent()
        if domain.isActive():
            domain.destroy()
        if persistent:
            flags = ("MANAGED_SAVE", "SNAPSHOTS_METADATA", "CHECKPOINTS_METADATA", "NVRAM", "TPM")
            known = (getattr(libvirt, f"VIR_DOMAIN_UNDEFINE_{flag}", 0) for flag in flags)
            domain.undefineFlags(functools.reduce(int.__or__, known))
    for there in [*ours(connection.listAllNetworks()), *ours(connection.listAllStoragePools())]:
        persistent = there.isPersistent()
        if there.isActive():
            there.destroy()
        if persistent:
            there.undefine()
    remove_definitions(connection)


def remove_definitions(connection: t.Any) -> None:
    """Filters and secrets of ours."""
    filters = ours(connection.listAllNWFilters())
    while filters:  # those that others refer to go last
        for one in filters:
            with contextlib.suppress(libvirt.libvirtError):
                one.undefine()
        filters = ours(connection.listAllNWFilters())
    for secret in connection.listAllSecrets():
        if cycles.PREFIX in secret.usageID() or secret.UUIDString().startswith(cycles.UUID):
            secret.undefine()


def ours(objects: t.Iterable[t.Any]) -> list[t.Any]:
    return [one for one in objects if one.name().startswith(cycles.PREFIX)]


@pytest.fixture
def player(tmp_path_factory: pytest.TempPathFactory) -> cycles.Player:
    """Runs tasks: ``player.run("network", name=...)``, ``player.refuse(...)``, ``player.play([Task(...), ...])``."""
    return cycles.Player(tmp_path_factory.mktemp("play"))


@pytest.fixture
def cycle(player: cycles.Player) -> t.Callable[..., cycles.Cycle]:
    """The twelve steps: ``cycle("network", create={...}, change={...}, remove={...})``."""
    return functools.partial(cycles.cycle, player)


@pytest.fixture
def place() -> t.Iterator[pathlib.Path]:
    """A directory that QEMU's user can enter (pytest's own ones are closed), for pools and images."""
    path = pathlib.Path(tempfile.mkdtemp(prefix=cycles.PREFIX, dir="/var/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)
