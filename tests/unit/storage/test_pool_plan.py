# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is planned for a pool, on libvirt's test driver."""

from __future__ import annotations

import typing as t

import libvirt
import pytest
from ansible_collections.metal.kvm.plugins.module_utils._objects import permissions
from ansible_collections.metal.kvm.plugins.module_utils._objects.pool import plan as pools
from ansible_collections.metal.kvm.plugins.module_utils._objects.pool.table import NEEDS, POOL, TYPES
from ansible_collections.metal.kvm.plugins.module_utils._plan import KvmError
from ansible_collections.metal.kvm.plugins.module_utils._xml import document, rows

if t.TYPE_CHECKING:
    import pathlib


def test_a_directory_is_made_where_it_is_missing(store: t.Any, tmp_path: pathlib.Path) -> None:
    missing = store.pool(name="p", type="dir", path=str(tmp_path / "p"), state="active", autostart=True)
    assert missing.actions == [
        "define pool p",
        f"make the directory {tmp_path}/p",
        "start pool p with the host",
        "start pool p",
    ]
    there = store.pool(name="p", type="dir", path=str(tmp_path))
    assert there.actions == ["define pool p"]


def test_devices_are_formatted_only_when_told(store: t.Any, tmp_path: pathlib.Path) -> None:
    source = {"devices": ["/dev/none"], "format": "ext4"}
    pool = {"name": "p", "type": "fs", "path": str(tmp_path), "source": source}
    assert not [step for step in store.pool(**pool).steps if step.operation == "pool.build"]
    for build, flag in (("new", "NO_OVERWRITE"), ("overwrite", "OVERWRITE")):
        (step,) = [step for step in store.pool(**pool, build=build).steps if step.operation == "pool.build"]
        assert step.arguments["flag"] == flag
        assert "/dev/none" in step.text
    store.run(store.pool(**pool))
    assert not store.pool(**pool, build="overwrite").steps, "it acts when the pool is made, only then"


@pytest.mark.parametrize(
    ("args", "option"),
    [
        ({}, "type"),
        ({"type": "dir"}, "path"),
        ({"type": "dir", "path": "a/b"}, "path"),
        ({"type": "fs", "path": "/a"}, "source.devices"),
        ({"type": "netfs", "path": "/a", "source": {"hosts": [{"name": "h"}]}}, "source.dir"),
        ({"type": "netfs", "path": "/a", "source": {"hosts": [], "dir": "/e"}}, "source.hosts"),
        ({"type": "rbd", "source": {"hosts": [{"name": "h"}]}}, "source.name"),
        ({"type": "dir", "path": "/a", "permissions": {"mode": "999"}}, "permissions.mode"),
        ({"type": "dir", "path": "/a", "permissions": {"group": "no such group"}}, "permissions.group"),
        ({"name": "a/b", "type": "dir", "path": "/a"}, "name"),
        ({"name": " ", "type": "dir", "path": "/a"}, "name"),
    ],
)
def test_what_a_new_pool_needs(store: t.Any, args: dict[str, t.Any], option: str) -> None:
    with pytest.raises(KvmError) as caught:
        store.pool(**{"name": "p", **args})
    assert caught.value.details["option"] == option
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("args", "option"),
    [
        ({"type": "dir", "path": "/a", "source": {"dir": "/b"}}, "source.dir"),
        ({"type": "dir", "path": "/a", "source": {"hosts": [{"name": "h"}]}}, "source.hosts[h:]"),
        (
            {"type": "netfs", "path": "/a", "source": {"hosts": [{"name": "h"}], "dir": "/b", "devices": ["/c"]}},
            "source.devices",
        ),
        ({"type": "rbd", "path": "/a", "source": {"name": "p", "hosts": [{"name": "h"}]}}, "path"),
        ({"type": "logical", "path": "/a", "source": {"name": "vg"}}, "path"),
    ],
)
def test_what_a_type_has_not_got(store: t.Any, args: dict[str, t.Any], option: str) -> None:
    """libvirt would drop it without a word, and each run would find it missing."""
    with pytest.raises(KvmError, match=f"a pool of type {args['type']} has") as caught:
        store.pool(name="p", **args)
    assert caught.value.details["option"] == option


def test_every_type_is_known_by_what_it_needs() -> None:
    assert set(NEEDS) <= set(TYPES)
    assert set(TYPES) - set(NEEDS) == {"logical"}


def test_the_type_cannot_change(store: t.Any, tmp_path: pathlib.Path) -> None:
    store.run(store.pool(name="p", type="dir", path=str(tmp_path)))
    with pytest.raises(KvmError, match="state: absent") as caught:
        store.pool(name="p", type="netfs")
    assert caught.value.details["option"] == "type"


def test_absence_keeps_the_data_unless_told(store: t.Any, tmp_path: pathlib.Path) -> None:
    store.run(store.pool(name="p", type="dir", path=str(tmp_path)))
    assert store.pool(name="p", state="absent").actions == ["undefine pool p"]
    assert store.pool(name="p", state="absent", storage="delete").actions == [
        "start pool p to see its volumes",
        "delete the volumes of pool p",
        "stop pool p",
        "delete what pool p stands on",
        "undefine pool p",
    ]
    assert not store.pool(name="q", state="absent", storage="delete").steps


XMLS = {
    "dir": "<pool type='dir'><name>p</name><target><path>/srv/p</path><permissions><mode>0711</mode><owner>0</owner>"
    "<group>107</group><label>virt_image_t</label></permissions></target></pool>",
    "netfs": "<pool type='netfs'><name>p</name><source><host name='h' port='2049'/><dir path='/e'/><format type='nfs'/>"
    "<protocol ver='4'/></source><target><path>/srv/p</path></target></pool>",
    "logical": "<pool type='logical'><name>p</name><source><device path='/dev/sda'/><device path='/dev/sdb'/>"
    "<name>vg</name>"
    "<format type='lvm2'/></source><target><path>/dev/vg</path></target></pool>",
    "iscsi": "<pool type='iscsi'><name>p</name><source><host name='h'/><device path='iqn.2020-01.x:y'/>"
    "<auth type='chap'"
    " username='u'><secret usage='s'/></auth></source><target><path>/dev/disk/by-path</path></target></pool>",
    "scsi": "<pool type='scsi'><name>p</name><source><adapter type='fc_host' wwnn='20000000c9831b4b'"
    " wwpn='10000000c9831b4b' managed='yes'/></source><target><path>/dev/disk/by-path</path></target></pool>",
    "rbd": "<pool type='rbd'><name>p</name><source><name>c</name><host name='a'/><host name='b' port='6789'/><auth"
    " type='ceph' username='admin'><secret uuid='2ec115d7-3a88-3ceb-bc12-0ac909a6fd87'/></auth></source></pool>",
}


@pytest.mark.parametrize("kind", XMLS)
def test_any_definition_is_applied_once_and_read_back(store: t.Any, tmp_path: pathlib.Path, kind: str) -> None:
    xml = XMLS[kind].replace("/srv/p", str(tmp_path))
    assert store.run(store.pool(name="p", xml=xml)).changed
    assert not store.pool(name="p", xml=xml).changed
    there = store.world.get("pool", "p")
    assert not store.pool(name="p", xml=there.XMLDesc(0)).changed
    read = rows.read(POOL, document.parse(there.XMLDesc(0)))
    plan = store.pool(name="p", **read)
    assert not [step for step in plan.steps if step.operation == "pool.define"], plan.actions
    for row in ("source", "permissions"):
        wanted = rows.read(POOL, document.parse(xml)).get(row, {})
        assert {key: read[row][key] for key in wanted} == wanted


def test_modes() -> None:
    for given in ("0711", "00711", "711", 0o711):
        assert permissions.MODE.parse(given) == "0711"
    for wrong in (711, "08", ""):
        with pytest.raises(ValueError, match=r"mode"):
            permissions.MODE.parse(wrong)


def test_owners_by_name_or_number() -> None:
    assert permissions.USER.parse("root") == 0
    assert permissions.USER.parse("65534") == 65534
    assert permissions.GROUP.parse(0) == 0


def test_a_port_that_libvirt_filled_in_is_nobodys_wish(store: t.Any) -> None:
    made = {
        "name": "p", "type": "iscsi", "path": "/dev/disk/by-path",
        "source": {"hosts": [{"name": "192.0.2.1"}], "devices": ["iqn.2024-01.com.example:a"]},
    }  # fmt: skip
    store.world.connection.storagePoolDefineXML(
        "<pool type='iscsi'><name>p</name><source><host name='192.0.2.1' port='3260'/>"
        "<device path='iqn.2024-01.com.example:a'/></source><target><path>/dev/disk/by-path</path></target></pool>"
    )
    assert not store.pool(**made).actions
    plan = store.pool(**{**made, "source": {"hosts": [{"name": "192.0.2.1", "port": 3261}]}})
    assert plan.actions
    assert "port" in str(plan.after)


class _Refusing:
    """A pool whose first start is refused."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.tries = 0

    def create(self) -> None:
        self.tries += 1
        if self.tries == 1:
            raise libvirt.libvirtError("refused")

    def XMLDesc(self, flags: int) -> str:  # noqa: N802 - libvirt's name
        return f"<pool type='iscsi'><source>{self.source}</source></pool>"


def test_only_a_login_by_an_initiator_of_its_own_is_tried_twice() -> None:
    start = pools.NOUN.start
    late = _Refusing("<auth type='chap'/><initiator><iqn name='iqn.2024-01.com.example:a'/></initiator>")
    start(None, late)
    assert late.tries == 2
    plain = _Refusing("<auth type='chap'/>")
    with pytest.raises(libvirt.libvirtError):
        start(None, plain)
    assert plain.tries == 1
