# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What uses a piece of storage. Asked before anything is deleted, replaced, wiped, shrunk or formatted, and before a pool is stopped."""

from __future__ import annotations

import functools
import os
import typing as t

from ..._libvirt import tried
from ..._xml import document
from .. import storage
from ..pool.table import FILES
from .descriptions import descriptions
from .identity import Key, device_keys, keys_of, network_key, volume_key
from .images import NOTHING, Chain, FarImages, Images
from .references import of_source, references

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..._xml.rows import Element
    from .references import Reference


class Piece:
    """A piece of storage that is asked about: its keys; its path, below which all is meant if it's a directory."""

    __slots__ = ("directory", "keys", "path")

    def __init__(self, keys: set[Key], path: str = "", directory: bool = False) -> None:
        self.keys = keys
        self.path = path
        self.directory = directory


class User:
    """What uses storage: a domain, a pool, a volume or an image that is an overlay.

    ``doubt`` says why it isn't known what it uses: then it may be anything. ``own`` are the keys of an overlay itself.
    """

    __slots__ = ("doubt", "keys", "name", "noun", "own", "paths", "trees", "via")

    def __init__(self, noun: str, name: str, via: str = "", doubt: str = "") -> None:
        self.noun = noun
        self.name = name
        self.via = via
        self.keys: set[Key] = set()
        self.paths: list[str] = []
        self.trees: list[str] = []  # directories of which it uses everything
        self.own: set[Key] = set()
        self.doubt = doubt

    def __str__(self) -> str:
        via = f" ({self.via})" if self.via else ""
        if self.doubt:
            return f"perhaps {self.noun} {self.name}{via}, for {self.doubt}"
        return f"{self.noun} {self.name}{via}"

    @property
    def overlay(self) -> bool:
        """Whether it's an image that certainly needs what was asked about."""
        return self.noun in ("volume", "image") and not self.doubt

    def uses(self, piece: Piece) -> bool:
        """Whether it uses the piece, or may do so."""
        if self.doubt or not self.keys.isdisjoint(piece.keys):
            return True
        if piece.directory and any(_within(path, piece.path) for path in self.paths):
            return True
        return bool(piece.path) and any(_within(piece.path, tree) for tree in self.trees)


def _within(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


class Storage:
    """The storage of one host: what pieces of it are, and what uses them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.images: Images = Images() if world.local else FarImages(world)
        self._volumes: dict[tuple[str, str], tuple[str, str]] = {}

    def volume(self, one: storage.Volume) -> Piece:
        """A volume as a piece of storage."""
        keys = {volume_key(one.pool, one.name)}
        if one.root.get("type") in ("network", "netdir"):
            return Piece(keys | {network_key(one.path)})
        return self.at(one.path, keys, one.format == "dir")

    def source(self, source: Element) -> Piece:
        """What a disk's ``source`` names, without what is below it; without keys if it names nothing."""
        keys: set[Key] = set()
        path = ""
        for one in of_source(source):
            named, there, _doubt = self._named(one)
            keys |= named
            path = there or path
        return self.at(path, keys)

    def pool(self, root: Element) -> Piece:
        """What a pool stands on: its directory, its devices, what its source is called."""
        keys, path, kind = set(), root.findtext("target/path") or "", root.get("type")
        for device in root.iterfind("source/device"):
            if (device.get("path") or "").startswith("/"):
                keys |= keys_of(device.get("path"), self.images.local)
        if kind in ("logical", "zfs", "rbd", "gluster", "sheepdog"):
            keys.add((kind, root.findtext("source/name") or root.findtext("name")))
        if kind not in FILES:
            return Piece(keys)
        return self.at(path, keys, True)

    def users(
        self, pieces: t.Sequence[Piece], but: tuple[str, str] = ("", ""), running_only: bool = False
    ) -> list[User]:
        """All that uses any storage of the host, but the object ``but`` (noun and name).

        Images that no pool has are looked for in the directories of ``pieces``. With ``running_only`` only running domains.
        """
        found = [user for domain in self._domains(but) for user in self._domain(domain, running_only)]
        if running_only:
            return found
        overlays, directories = self._pools(found, but)
        if self.images.local:
            directories += _directories(pieces)
            overlays += self._beside(directories, {key for user in overlays for key in user.own})
        return found + [user for user in overlays if user.keys or user.doubt]

    def at(self, path: str, keys: t.Iterable[Key] = (), directory: bool = False) -> Piece:
        """The file, device or directory at a path, which other keys may stand for too."""
        if not path.startswith("/"):
            return Piece(set(keys))
        resolved = os.path.realpath(path) if self.images.local else path
        return Piece({*keys, *keys_of(path, self.images.local)}, resolved, directory)

    def _domains(self, but: tuple[str, str]) -> t.Iterator[t.Any]:
        for domain in self.world.connection.listAllDomains():
            if ("domain", tried(domain.name)[0]) != but:
                yield domain

    def _domain(self, domain: t.Any, running_only: bool) -> t.Iterator[User]:
        name = str(tried(domain.name)[0])
        for what, root, why in descriptions(domain, running_only):
            if root is None:
                yield User("domain", name, what, f"{what or 'its definition'} can't be read ({why})")
                continue
            user = User("domain", name, what)
            doubts: list[str] = []
            for one in references(root):
                doubts += self._refer(user, one)
            yield user
            for doubt in dict.fromkeys(doubts):
                yield User("domain", name, what, doubt)

    def _refer(self, user: User, one: Reference) -> list[str]:
        """Add what a reference leads to; returns what of it isn't known."""
        keys, path, doubt = self._named(one)
        user.keys |= keys
        doubts = [doubt] if doubt else []
        if path.startswith("/"):
            chain = self.images.chain(path)
            doubts += chain.doubts
            _take(user, chain)
            if one.directory:
                user.trees.append(chain.paths[0])
        elif path:
            user.keys.add(network_key(path))
        device = not self.images.local and path.startswith("/dev/")  # may have any name there
        return doubts if one.disk and (not one.raw or device) else []

    def _named(self, one: Reference) -> tuple[set[Key], str, str]:
        """The key of the volume or the name on a server that a reference is; its path, and why that isn't known."""
        if one.volume:
            return ({volume_key(one.pool, one.volume)}, *self._volume_path(one.pool, one.volume))
        return {network_key(one.network)} if one.network else set(), one.path, ""

    def _volume_path(self, pool: str, name: str) -> tuple[str, str]:
        """The path of a volume, and why it isn't known."""
        if (pool, name) not in self._volumes:
            found, why = tried(lambda: self._look_up(pool, name))
            self._volumes[pool, name] = found or (
                "",
                f"volume {name} of pool {pool} can't be read ({why})" if why else "",
            )
        return self._volumes[pool, name]

    def _look_up(self, pool: str, name: str) -> tuple[str, str]:
        there = self.world.find("pool", pool)
        if there is None:
            return "", ""
        if there.isActive():
            return str(there.storageVolLookupByName(name).path()), ""
        root = document.document(there.XMLDesc(0))
        path = os.path.join(root.findtext("target/path") or "", name)
        if root.get("type") == "dir" or (self.images.local and os.path.exists(path)):
            return path, ""
        return "", f"pool {pool}, which has its volume {name}, isn't active"

    def _pools(self, found: list[User], but: tuple[str, str]) -> tuple[list[User], list[str]]:
        """Adds the other pools to ``found``; returns the overlays among all volumes, and the pools' directories."""
        overlays: list[User] = []
        directories: list[str] = []
        for there in self.world.connection.listAllStoragePools():
            name = str(tried(there.name)[0])
            root, why = tried(lambda pool=there: document.document(pool.XMLDesc(0)))  # type: ignore[misc]
            piece = Piece(set()) if root is None else self.pool(root)
            if ("pool", name) != but:
                user = User("pool", name, doubt=f"its definition can't be read ({why})" if why else "")
                user.keys = piece.keys | self._device_keys(root)
                user.paths = [piece.path] if piece.path else []
                found.append(user)
            directories += [piece.path] if piece.path else []
            overlays += self._overlays(there, name, piece)
        return overlays, directories

    def _device_keys(self, pool: t.Optional[Element]) -> set[Key]:
        """What this machine calls the devices of a pool beside their paths."""
        devices = [] if pool is None or not self.images.local else pool.findall("source/device")
        return {key for device in devices for key in device_keys(device.get("path") or "")}

    def _overlays(self, pool: t.Any, name: str, piece: Piece) -> t.Iterator[User]:
        """A pool's volumes as users of what is below them; the pool as a doubt where nobody can tell."""
        listed, why = tried(functools.partial(_listed, pool))
        if why and not (piece.path and self.images.local):  # else its files are read
            yield User("pool", name, doubt=f"its volumes can't be listed ({why})")
        for volume in listed or ():
            yield from self._overlay(name, volume)

    def _overlay(self, pool: str, there: t.Any) -> t.Iterator[User]:
        """A volume as a user of what is below it."""
        name = str(tried(there.name)[0])
        one, why = tried(lambda: storage.volume(there, pool))
        if one is None and not why:
            return
        user = User("volume", f"{pool}/{name}")
        if one is None:
            user.doubt, user.own = f"it can't be read ({why})", {volume_key(pool, name)}
        else:
            self._below(user, one.path, [one.backing] if one.backing else [])
            user.own |= self.volume(one).keys
        yield user

    def _below(self, user: User, path: str, known: list[str]) -> None:
        """Make ``user``, an image, one of all that is below it; ``known`` is what libvirt says of that."""
        names = [*known, path] if path.startswith("/") else known
        for name in names:
            chain = self.images.chain(name)
            _take(user, chain)
            user.doubt = user.doubt or next(iter(chain.doubts), "")
        if path.startswith("/"):
            user.own = keys_of(path, self.images.local)
            user.keys -= user.own
            user.paths = [one for one in user.paths if one != os.path.realpath(path)]

    def _beside(self, directories: t.Iterable[str], seen: set[Key]) -> t.Iterator[User]:
        """Overlays that no pool has listed, in these directories; and the directories that can't be read."""
        for directory in sorted(set(directories)):
            try:
                entries = sorted(entry.path for entry in os.scandir(directory) if entry.is_file())
            except OSError as error:
                if error.errno not in NOTHING:
                    yield User("directory", directory, doubt=f"it can't be read ({error.strerror})")
                continue
            for path in entries:
                user = User("image", path)
                user.own = keys_of(path)
                if seen.isdisjoint(user.own):
                    seen |= user.own
                    self._below(user, path, [])
                    yield user


def _take(user: User, chain: Chain) -> None:
    user.keys |= chain.keys
    user.paths += chain.paths


def _directories(pieces: t.Sequence[Piece]) -> list[str]:
    """Where images that refer to the pieces may be: the directories with them, and those that they are."""
    paths = [os.path.dirname(piece.path) for piece in pieces if piece.path]
    return paths + [piece.path for piece in pieces if piece.path and piece.directory]


def _listed(pool: t.Any) -> list[t.Any]:
    return list(pool.listAllVolumes()) if pool.isActive() else []


def using(
    there: Storage,
    pieces: t.Sequence[Piece],
    but: tuple[str, str] = ("", ""),
    running_only: bool = False,
    users: t.Optional[t.Sequence[User]] = None,
) -> list[User]:
    """What uses any of these pieces, each once. The pieces themselves, which go together, don't count as overlays.

    ``users`` are those of the host if they're known already.
    """
    going = {key for piece in pieces for key in piece.keys}
    asked = there.users(pieces, but, running_only) if users is None else users
    return distinct(user for user in asked if user.own.isdisjoint(going) and any(map(user.uses, pieces)))


def distinct(users: t.Iterable[User]) -> list[User]:
    """Each once; those that certainly use it come first, and one that does is not doubted too."""
    once = {str(user): user for user in users}.values()
    kept: list[User] = []
    surest: dict[tuple[str, str], User] = {}  # the first user of an object, which may leave nothing to say about it
    for user in sorted(once, key=lambda user: (bool(user.doubt), user.noun, user.name, user.via)):
        first = surest.setdefault((user.noun, user.name), user)
        if user is first or first.doubt or (first.via and not user.doubt):
            kept.append(user)
    return kept


def shown(users: t.Iterable[User]) -> str:
    """Users in a sentence."""
    return ", ".join(map(str, users))


def running_users(world: World, wanted: storage.Volume) -> list[str]:
    """The running domains that have the volume open."""
    there = Storage(world)
    found = using(there, [there.volume(wanted)], running_only=True)
    return sorted({user.name for user in found if not user.doubt})
