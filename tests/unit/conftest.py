# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What unit tests share: libvirt's own test driver, which runs in this process and touches nothing of the machine."""

from __future__ import annotations

import functools
import pathlib
import types
import typing as t

import hypothesis
import libvirt
import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.metal.kvm.plugins.module_utils import _command

hypothesis.settings.register_profile("suite", deadline=None)  # the machine may be busy
hypothesis.settings.load_profile("suite")

DATA = pathlib.Path(__file__).parent / "data"


@pytest.fixture(scope="session", autouse=True)
def quiet_libvirt() -> None:
    """Errors are raised as exceptions; libvirt prints them to stderr as well unless told otherwise."""
    libvirt.registerErrorHandler(lambda context, error: None, None)


@pytest.fixture(scope="session", autouse=True)
def lent_runner() -> None:
    """Programs are run by Ansible's own code, as in a module."""
    bare = types.SimpleNamespace(run_command_environ_update={}, _debug=False)
    _command.lend(functools.partial(AnsibleModule.run_command, t.cast(AnsibleModule, bare)))


@pytest.fixture
def test_uri(tmp_path: pathlib.Path) -> str:
    """The uri of a libvirt without any object. Each connection to it is a world of its own.

    (Connections to ``test:///default`` share one world with some objects, for as long as one of them is open.)
    """
    node = tmp_path / "node.xml"
    node.write_text("<node/>")
    return f"test://{node}"


@pytest.fixture
def connection(test_uri: str) -> t.Iterator[t.Any]:
    """An open connection to a libvirt without any object."""
    opened = libvirt.open(test_uri)
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def data() -> pathlib.Path:
    """Where recorded files are: tests/unit/data."""
    return DATA
