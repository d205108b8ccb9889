# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to libvirt: connect, look up, constants by name, and libvirt's errors in one paragraph with a remedy."""

from __future__ import annotations

import gc
import sys
import typing as t
import urllib.parse

from ._plan import KvmError
from ._uri import RIGHTS, why
from ._xml import document

try:
    import libvirt

    MISSING = document.MISSING and f"lxml ({document.MISSING})"
except ImportError as error:
    libvirt = None
    MISSING = f"libvirt ({error})"

# noun: the method that looks one up by name, the error that says there is none
KINDS = {
    "domain": ("lookupByName", "VIR_ERR_NO_DOMAIN"),
    "network": ("networkLookupByName", "VIR_ERR_NO_NETWORK"),
    "pool": ("storagePoolLookupByName", "VIR_ERR_NO_STORAGE_POOL"),
    "nwfilter": ("nwfilterLookupByName", "VIR_ERR_NO_NWFILTER"),
    "node_device": ("nodeDeviceLookupByName", "VIR_ERR_NO_NODE_DEVICE"),
}

REMEDIES = {
    "VIR_ERR_AUTH_DENIED": RIGHTS,
    "VIR_ERR_AUTH_FAILED": RIGHTS,
    "VIR_ERR_AUTH_UNAVAILABLE": RIGHTS,
    "VIR_ERR_OPERATION_DENIED": RIGHTS,
    "VIR_ERR_ACCESS_DENIED": RIGHTS,
    "VIR_ERR_XML_ERROR": "Correct the option that the message names.",
    "VIR_ERR_XML_INVALID_SCHEMA": "Correct the element that the message names.",
}


class World:
    """What libvirt says now: one connection, look-ups by noun and name."""

    def __init__(self, uri: str, readonly: bool = False) -> None:
        self.uri = uri
        self._readonly = readonly
        self._capabilities: t.Optional[document.Element] = None
        self.kept: dict[str, t.Any] = {}  # what was costly to get, by name
        self.notes: dict[str, t.Any] = {}  # what operations of this run found out: addresses, seconds waited
        self.defined: dict[str, str] = {}  # the definitions that this run made, by the object's title
        libvirt.registerErrorHandler(_silent, None)
        self.connection = _open(uri, readonly)

    @property
    def local(self) -> bool:
        """Whether libvirt's files are this machine's files."""
        return not urllib.parse.urlsplit(self.uri).netloc

    @property
    def version(self) -> int:
        """The version of the daemon, 9_000_000 for 9.0.0."""
        return int(self.connection.getLibVersion())

    def refuse_older(self, since: int, option: str) -> None:
        """Raise where this libvirt is older than the option: it would drop the value without a word."""
        if self.version < since:
            has, needs = (f"{one // 1_000_000}.{one // 1000 % 1000}" for one in (self.version, since))
            raise KvmError(f"{option}: needs libvirt {needs}, this is {has}", "Leave the option out.", option=option)

    def writable(self) -> t.Any:
        """The connection with the right to write: a reader's is reopened. None where that right is missing."""
        if self._readonly:
            try:
                self.connection = _open(self.uri, readonly=False)
            except KvmError:
                return None
            self._readonly = False
        return self.connection

    def streaming(self) -> World:
        """Another connection, whose messages a thread of its own carries: streams are some three times as fast there.

        This one beside an embedded driver, which takes each new ``qemu:///system`` of its process for its own.
        """
        if Embedded.opened:
            return self
        _begin_events()
        return World(self.uri)

    def capabilities(self) -> document.Element:
        """The host's capabilities document, asked for once."""
        if self._capabilities is None:
            self._capabilities = document.document(self.connection.getCapabilities())
        return self._capabilities

    def find(self, noun: str, name: str) -> t.Any:
        """The object of that noun and name, None where there is none."""
        lookup, missing = KINDS[noun]
        return found_or_none(lambda: getattr(self.connection, lookup)(name), missing)

    def find_uuid(self, uuid: str, noun: str = "domain") -> t.Any:
        """The object of that noun with that UUID, None where there is none."""
        lookup, missing = KINDS[noun]
        by_uuid = lookup.replace("ByName", "ByUUIDString")
        return found_or_none(lambda: getattr(self.connection, by_uuid)(uuid), missing)

    def get(self, noun: str, name: str, option: str = "name") -> t.Any:
        """The object of that noun and name; without it an error that names ``option``."""
        there = self.find(noun, name)
        if there is None:
            raise missing_object(noun, name, option)
        return there

    def volume(self, pool: str, name: str) -> t.Any:
        """The volume ``name`` of an active pool; None where the pool or the volume isn't there, or its file vanished."""
        there = self.find("pool", pool)
        if there is None or not there.isActive():
            return None
        return found_or_none(lambda: _readable(there.storageVolLookupByName(name)), "VIR_ERR_NO_STORAGE_VOL")


class Embedded(World):
    """libvirt's QEMU driver inside this process with a root of its own: judges documents, touches nothing of the host.

    ``root`` is a short path (sockets below it have 107 bytes); what QEMU can do is asked once and kept there.
    """

    opened = False  # whether this process has one

    def __init__(self, root: str) -> None:
        _begin_events()
        self.root = root
        super().__init__(f"qemu:///embed?root={root}")
        Embedded.opened = True


_events: list[t.Any] = []  # the thread, once there is one


def _begin_events() -> None:
    import threading

    if not _events:
        libvirt.virEventRegisterDefaultImpl()
        _events.append(threading.Thread(target=_run_events, daemon=True))
        _events[0].start()


def _run_events() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()


def _readable(volume: t.Any) -> t.Any:
    """The volume; libvirt's error for one that it lists although its file is gone."""
    volume.info()
    return volume


def missing_object(noun: str, name: str, option: str) -> KvmError:
    """The error for a reference to an object that isn't there."""
    return KvmError(
        f"{option}: there is no {noun.replace('_', ' ')} named '{name}'",
        f"Declare it first (metal.kvm.{noun}), or correct the name.",
        option=option,
    )


def found_or_none(look_up: t.Callable[[], t.Any], *missing: str) -> t.Any:
    """What ``look_up`` returns; None where libvirt answers with one of the ``missing`` codes.

    Python must not free an object of libvirt's between the call that fails and its error: that resets the error, which then
    has no code. So it doesn't search for garbage meanwhile.
    """
    searching = gc.isenabled()
    gc.disable()
    try:
        return look_up()
    except libvirt.libvirtError as error:
        if error.get_error_code() in [constant(name) for name in missing]:
            return None
        raise
    finally:
        if searching:
            gc.enable()


GONE = (
    "VIR_ERR_NO_DOMAIN",
    "VIR_ERR_NO_DOMAIN_BACKUP",
    "VIR_ERR_NO_DOMAIN_CHECKPOINT",
    "VIR_ERR_NO_DOMAIN_SNAPSHOT",
    "VIR_ERR_NO_NETWORK",
    "VIR_ERR_NO_NETWORK_PORT",
    "VIR_ERR_NO_NODE_DEVICE",
    "VIR_ERR_NO_NWFILTER",
    "VIR_ERR_NO_SECRET",
    "VIR_ERR_NO_STORAGE_POOL",
    "VIR_ERR_NO_STORAGE_VOL",
)
UNSUPPORTED = ("VIR_ERR_NO_SUPPORT", "VIR_ERR_OPERATION_UNSUPPORTED")


def tried(look: t.Callable[[], t.Any]) -> tuple[t.Any, str]:
    """What ``look`` returns about one of many objects, and why it can't be read, ``""`` if it can.

    For loops over objects that this task isn't about: None and ``""`` for one that is gone, or that this driver can't have.
    """
    try:
        return look(), ""
    except Exception as error:
        if code_is(error, *GONE, *UNSUPPORTED):
            return None, ""
        return None, _words(error) if is_error(error) else " ".join(str(error).split()) or type(error).__name__


def documents(
    noun: str, listing: t.Iterable[t.Any], missed: t.Optional[list[str]] = None
) -> t.Iterator[tuple[str, document.Element]]:
    """Name and document of each object that can be read; of the others a sentence goes to ``missed``."""
    for there in listing:
        found, why = tried(lambda one=there: (str(one.name()), document.document(one.XMLDesc(0))))  # type: ignore[misc]
        if found is not None:
            yield found
        elif why and missed is not None:
            missed.append(f"{noun} {tried(there.name)[0]} can't be read: {why}")


def constant(name: str) -> int:
    """libvirt's constant of that name; 0 for a flag that these bindings don't know."""
    return int(getattr(libvirt, name, 0))


def flags(*names: str) -> int:
    """Several flags in one number."""
    value = 0
    for name in names:
        value |= constant(name)
    return value


def code_is(error: BaseException, *names: str) -> bool:
    """Whether ``error`` is libvirt's and carries one of these codes."""
    return is_error(error) and t.cast("t.Any", error).get_error_code() in [constant(name) for name in names]


def is_error(error: t.Any) -> bool:
    """Whether ``error`` is libvirt's own."""
    return libvirt is not None and isinstance(error, libvirt.libvirtError)


def qemu_monitor(domain: t.Any, command: str) -> str:
    """The answer of the domain's QEMU monitor to a QMP command. Taints the domain."""
    import libvirt_qemu

    return str(libvirt_qemu.qemuMonitorCommand(domain, command, 0))


def agent_command(domain: t.Any, command: str, timeout: int) -> str:
    """The guest agent's answer to a command, waiting ``timeout`` seconds at most."""
    import libvirt_qemu

    return str(libvirt_qemu.qemuAgentCommand(domain, command, timeout, 0))


def explain(error: t.Any) -> KvmError:
    """libvirt's error as ours: its own words, the code by name, and the remedy where one is known."""
    code = error.get_error_code()
    name = next((key for key in REMEDIES if constant(key) == code), "")
    step = getattr(error, "step", "")
    words = _words(error)
    message = f"Failed to {step}: {words}" if step else words
    explained = KvmError(message, REMEDIES.get(name, ""), code=code)
    for key in ("step", "rolled_back", "rollback_failed"):
        if getattr(error, key, None):
            explained.details[key] = getattr(error, key)
    return explained


def refusal(error: t.Any) -> KvmError:
    """libvirt's error about a document that was only shown to it, before anything is done."""
    said = explain(error)
    return KvmError(
        f"libvirt refuses the definition: {said.message}",
        said.remedy or "Correct what the message names.",
        **said.details,
    )


def _words(error: t.Any) -> str:
    """What libvirt says, in one line: it passes on what programs said in several."""
    return " ".join(str(error.get_error_message() or error).split())


def missing_error() -> KvmError:
    """The error for bindings that this interpreter hasn't got: names the interpreter and the remedy."""
    return KvmError(
        f"The Python interpreter of this task, {sys.executable}, has no module {MISSING}",
        "Install python3-libvirt and python3-lxml (the role metal.kvm.host does) and point"
        " ansible_python_interpreter at the distribution's interpreter, usually /usr/bin/python3.",
        interpreter=sys.executable,
    )


def _open(uri: str, readonly: bool) -> t.Any:
    try:
        return libvirt.openReadOnly(uri) if readonly else libvirt.open(uri)
    except libvirt.libvirtError as error:
        words = _words(error)
        failure = why(uri, words)
        raise KvmError(
            f"uri: can't connect to {uri}: {words}",
            failure.remedy,
            option="uri",
            code=error.get_error_code(),
            unreachable=failure.unreachable,
        ) from error


def _silent(context: t.Any, error: t.Any) -> None:
    """Keep libvirt from writing errors to standard error: they are raised too."""
