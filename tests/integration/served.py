# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest's devices connect to: small servers on sockets in a directory, each for as long as its context lasts."""

from __future__ import annotations

import contextlib
import http.server
import os
import pathlib
import socket
import ssl
import struct
import subprocess
import threading
import time
import typing as t

Server = t.Callable[[pathlib.Path], t.ContextManager[None]]
Talk = t.Callable[[socket.socket], None]

VIRTIOFSDS = ("/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd")  # where QEMU had it, and where it is by itself
BUS = """<busconfig><type>session</type><listen>unix:path={bus}</listen><auth>EXTERNAL</auth><policy context="default">
<allow user="*"/><allow own="*"/><allow send_destination="*"/><allow eavesdrop="true"/></policy></busconfig>"""


@contextlib.contextmanager
def _program(made: pathlib.Path, *words: str) -> t.Iterator[None]:
    """A program that makes a socket; those in that directory anybody may use then."""
    made.unlink(missing_ok=True)
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:
        try:
            while not made.exists():
                assert process.poll() is None, f"{words[0]} doesn't run"
                time.sleep(0.05)
            for one in made.parent.glob("*.sock"):
                one.chmod(0o777)
            yield
        finally:
            process.terminate()


@contextlib.contextmanager
def _listening(family: int, address: t.Any, talk: Talk) -> t.Iterator[None]:
    """A socket on which ``talk`` is held with each who connects."""
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
        if isinstance(address, str):
            pathlib.Path(address).chmod(0o777)
        threading.Thread(target=_accept, args=(listener, talk), daemon=True).start()
        yield
        listener.shutdown(socket.SHUT_RDWR)
    if isinstance(address, str):
        pathlib.Path(address).unlink()


def _accept(listener: socket.socket, talk: Talk) -> None:
    with contextlib.suppress(OSError):  # the end of it
        while True:
            threading.Thread(target=_held, args=(listener.accept()[0], talk), daemon=True).start()


def _held(connected: socket.socket, talk: Talk) -> None:
    with connected, contextlib.suppress(OSError):
        talk(connected)
        while connected.recv(4096):
            pass


def _vhost_user(connected: socket.socket) -> None:
    """A switch that has nothing to say but that it's there, and has eight queues (QEMU's docs/interop/vhost-user.rst)."""
    features = {1: 1 << 22 | 1 << 30 | 1 << 32, 15: 1, 17: 8}  # of the device, of the protocol, number of queues
    while header := connected.recv(12, socket.MSG_WAITALL):
        request, _flags, size = struct.unpack("<III", header)
        body = connected.recv(size, socket.MSG_WAITALL) if size else b""
        if request in features:
            connected.sendall(struct.pack("<IIIQ", request, 5, 8, features[request]))
        elif request == 11:  # where a queue has come to
            connected.sendall(struct.pack("<III", request, 5, 8) + body)


def _ivshmem(connected: socket.socket) -> None:
    """Version, the peer's number, the memory, and its own four doorbells (QEMU's docs/specs/ivshmem-spec.txt)."""
    memory = os.memfd_create("ivshmem")
    os.truncate(memory, 4 << 20)
    bells = [os.eventfd(0) for _vector in range(4)]
    for number, descriptor in ((0, None), (0, None), (-1, memory), *((0, bell) for bell in bells)):
        socket.send_fds(connected, [struct.pack("<q", number)], [] if descriptor is None else [descriptor])
    for descriptor in (memory, *bells):
        os.close(descriptor)


def _silent(connected: socket.socket) -> None:
    """Somebody who listens."""


def _disks(place: pathlib.Path) -> t.ContextManager[None]:
    """An image by NBD on disks.sock, under the name ``one``, and another one as a virtio disk on blk.sock."""
    words = [f"--blockdev=driver=file,node-name={name},filename={place}/{name}.raw" for name in ("b", "c")]
    words += [
        f"--nbd-server=addr.type=unix,addr.path={place}/disks.sock",
        "--export=type=nbd,id=b,node-name=b,name=one,writable=on",
    ]
    blk = f"--export=type=vhost-user-blk,id=c,node-name=c,writable=on,num-queues=4,addr.type=unix,addr.path={place}/blk.sock"
    return _program(place / "blk.sock", "qemu-storage-daemon", *words, blk)


def _nbd(place: pathlib.Path) -> t.ContextManager[None]:
    socket_ = place / "nbd.sock"
    return _program(
        socket_, "qemu-nbd", "--persistent", "--shared=8", "--format=raw", f"--socket={socket_}", f"{place}/b.raw"
    )


def _tpm(place: pathlib.Path) -> t.ContextManager[None]:
    (place / "tpm").mkdir(exist_ok=True)
    control = f"type=unixio,path={place}/tpm.sock,mode=0777"
    return _program(place / "tpm.sock", "swtpm", "socket", "--tpm2", f"--tpmstate=dir={place}/tpm", f"--ctrl={control}")


def _virtiofs(place: pathlib.Path) -> t.ContextManager[None]:
    program = next(path for path in VIRTIOFSDS if os.path.exists(path))
    return _program(
        place / "fs.sock",
        program,
        f"--socket-path={place}/fs.sock",
        "-o",
        f"source={place}/dir",
        "-o",
        "sandbox=chroot",
    )


def _bus(place: pathlib.Path) -> t.ContextManager[None]:
    (place / "bus.conf").write_text(BUS.format(bus=place / "bus.sock"), encoding="utf-8")
    return _program(place / "bus.sock", "dbus-daemon", f"--config-file={place}/bus.conf", "--nofork")


@contextlib.contextmanager
def _certified(place: pathlib.Path) -> t.Iterator[pathlib.Path]:
    """A directory with an authority's certificate, where QEMU looks for one too, and a server's that it signed."""
    made, known = place / "tls", pathlib.Path("/etc/pki/qemu/ca-cert.pem")
    made.mkdir(exist_ok=True)
    assert not known.exists(), f"there is a {known} already"
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    signed = ["-CA", f"{made}/ca-cert.pem", "-CAkey", f"{made}/ca-key.pem", "-addext", "basicConstraints=CA:FALSE"]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    for name, more in (("ca", ["-addext", "keyUsage=keyCertSign"]), ("server", [*signed, *names])):
        files = ["-subj", f"/CN={name}", "-keyout", f"{made}/{name}-key.pem", "-out", f"{made}/{name}-cert.pem"]
        subprocess.run([*new, *files, *more], check=True, capture_output=True)
    known.parent.mkdir(parents=True, exist_ok=True)
    known.write_bytes((made / "ca-cert.pem").read_bytes())
    yield made
    known.unlink()


@contextlib.contextmanager
def _tls(place: pathlib.Path) -> t.Iterator[None]:
    """An image by NBD over TLS."""
    with _certified(place) as made:
        secured = f"tls-creds-x509,id=t,endpoint=server,dir={made},verify-peer=no"
        words = ["qemu-nbd", "--persistent", "--shared=8", "--format=raw", "--export-name=one", "--bind=127.0.0.1"]
        words += ["--object", secured, "--tls-creds=t", f"--pid-file={place}/tls.pid", f"{place}/b.raw"]
        with _program(place / "tls.pid", *words):
            yield


@contextlib.contextmanager
def _https(place: pathlib.Path) -> t.Iterator[None]:
    """The directory over HTTPS, in the parts that QEMU asks for."""
    with _certified(place) as made, http.server.ThreadingHTTPServer(("127.0.0.1", 4802), _Parts) as server:
        secured = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        secured.load_cert_chain(made / "server-cert.pem", made / "server-key.pem")
        server.socket = secured.wrap_socket(server.socket, server_side=True)
        _Parts.content = (place / "a.iso").read_bytes()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


class _Parts(http.server.BaseHTTPRequestHandler):
    """One content, whatever is asked for."""

    content = b""

    def do_HEAD(self) -> None:
        self._send(200, self.content, False)

    def do_GET(self) -> None:
        first, _to, last = self.headers.get("Range", "bytes=0-").partition("=")[2].partition("-")
        self._send(206, self.content[int(first) : int(last) + 1 if last else None], True)

    def _send(self, code: int, content: bytes, body: bool) -> None:
        self.send_response(code)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content if body else b"")

    def log_message(self, *_args: t.Any) -> None:
        """Not on the terminal."""


@contextlib.contextmanager
def _loop(place: pathlib.Path) -> t.Iterator[None]:
    """A block device, found at ``loop``."""
    words = ["losetup", "--find", "--show", str(place / "b.raw")]
    device = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    (place / "loop").symlink_to(device)
    yield
    (place / "loop").unlink()
    subprocess.run(["losetup", "--detach", device], check=True)


@contextlib.contextmanager
def _tap(place: pathlib.Path) -> t.Iterator[None]:
    del place
    subprocess.run(["ip", "tuntap", "add", "mkttap1", "mode", "tap"], check=True)
    yield
    subprocess.run(["ip", "link", "delete", "mkttap1"], check=True)


@contextlib.contextmanager
def _multicast(place: pathlib.Path) -> t.Iterator[None]:
    """A way to the group, where there is none."""
    del place
    subprocess.run(["ip", "route", "add", "230.0.0.1", "dev", "lo"], check=True)
    yield
    subprocess.run(["ip", "route", "delete", "230.0.0.1", "dev", "lo"], check=True)


@contextlib.contextmanager
def _pipe(place: pathlib.Path) -> t.Iterator[None]:
    os.mkfifo(place / "pipe")
    (place / "pipe").chmod(0o666)
    yield
    (place / "pipe").unlink()


# by the name that a case gives in ``served``
SERVERS: dict[str, Server] = {
    "disks": _disks,
    "nbd": _nbd,
    "tpm": _tpm,
    "virtiofs": _virtiofs,
    "bus": _bus,
    "tls": _tls,
    "https": _https,
    "loop": _loop,
    "tap": _tap,
    "multicast": _multicast,
    "pipe": _pipe,
    "switch": lambda place: _listening(socket.AF_UNIX, f"{place}/switch.sock", _vhost_user),
    "ivshmem": lambda place: _listening(socket.AF_UNIX, f"{place}/ivshmem.sock", _ivshmem),
    "listener": lambda place: _listening(socket.AF_UNIX, f"{place}/listener.sock", _silent),
    "tcp": lambda place: _listening(socket.AF_INET, ("127.0.0.1", 4801), _silent),
}
