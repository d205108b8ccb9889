# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new domain's first boot from the medium of an installer: a boot that undoes itself, and goes on where it was killed.

The definition never has anything of it but a mark. The running instance is started from another document, with the
medium, the answers and the installer's kernel; when the guest is off, what remains is the definition.
"""

from __future__ import annotations

import base64
import json
import os
import typing as t

from ..._libvirt import missing_object
from ..._plan import KvmError, refuse
from ..._xml import document
from .drives import pool_of_first_disk
from .history import history
from .mark import INSTALL, marked, put_mark
from .surroundings import missing

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from .draft import DomainDraft

Element = document.Element

SHUTDOWN = 1  # VIR_DOMAIN_SHUTOFF_SHUTDOWN: the guest went off by itself


class Answers(t.NamedTuple):
    """How one kind of installer is given its answers."""

    file: str  # the name under which it looks for them
    label: str = ""  # of the volume on which it looks; none: in the root of its initial RAM disk
    words: str = ""  # for the installer's kernel
    beside: t.Mapping[str, str] = {}  # other files that must be there
    reboots: bool = False  # whether it reboots on its way, and is at its end only when it's off


ANSWERS = {
    "preseed": Answers("preseed.cfg", words="auto=true priority=critical"),
    "autoinstall": Answers("user-data", "cidata", "autoinstall", {"meta-data": "{}\n"}),
    "kickstart": Answers("ks.cfg", "OEMDRV"),
    "autounattend": Answers("autounattend.xml", "UNATTEND", reboots=True),
}

# where a medium has the installer's kernel and initial RAM disk
LOCATIONS = (
    ("/install.amd/vmlinuz", "/install.amd/initrd.gz"),  # Debian
    ("/install.a64/vmlinuz", "/install.a64/initrd.gz"),
    ("/casper/vmlinuz", "/casper/initrd"),  # Ubuntu
    ("/images/pxeboot/vmlinuz", "/images/pxeboot/initrd.img"),  # Fedora, RHEL and its family
    ("/boot/x86_64/loader/linux", "/boot/x86_64/loader/initrd"),  # SUSE
    ("/boot/aarch64/linux", "/boot/aarch64/initrd"),
)
ON_MEDIUM = "iso:"

VOLUMES = ("install.iso", "install-kernel", "install-initrd")


def volumes(world: World, name: str, mark: t.Optional[Element]) -> list[str]:
    """The volumes that an installation of the domain made and that are still there, in the pool of its mark."""
    pool = None if mark is None else mark.get("pool")
    names = [f"{name}-{ending}" for ending in VOLUMES]
    return [one for one in names if pool and world.volume(pool, one) is not None]


def start_installing(draft: DomainDraft) -> t.Callable[[], None]:
    """Judges what is asked for and marks the definition; returns what adds the steps once that is defined."""
    install = _Install(draft)
    put_mark(draft.after, INSTALL, step="prepared", **({"pool": install.pool} if install.pool else {}))
    draft.plan.differs("install", None, install.title)
    return install.add_steps


def go_on(draft: DomainDraft) -> str:
    """Adds what is left to do of an installation whose mark is in the definition; returns the state after it."""
    mark: t.Any = marked(draft.shown, INSTALL)
    if draft.observed == "stopped":
        if mark.get("step") == "booted" and _is_installed(draft, mark):
            _add_finish_of(draft, mark)
        else:
            _Install(draft).add_steps()
        return "stopped"
    from .documents import running_document

    running = marked(running_document(draft.there, secrets=False), INSTALL)
    if running is None or running.get("step") != "boot":  # somebody started what was installed
        _add_finish_of(draft, mark)
        return draft.observed
    _Install(draft).add_wait()
    _add_finish_of(draft, mark)
    return "stopped"


def _is_installed(draft: DomainDraft, mark: Element) -> bool:
    """Whether the guest powered off by itself, or somebody has started it from its disk since."""
    booted = float(mark.get("at") or 0)
    if booted and history(draft.world, draft.there.name()).started > booted:
        return True
    return bool(draft.there.state()[1] == SHUTDOWN)


def _add_finish_of(draft: DomainDraft, mark: Element) -> None:
    """The step that ends an installation that an earlier run began."""
    _add_finish(draft, mark.get("pool"), volumes(draft.world, draft.name, mark))


def _add_finish(draft: DomainDraft, pool: t.Optional[str], made: list[str]) -> None:
    text = f"end the installation of {draft.title}"
    draft.plan.add("install.finish", text, name=draft.name, pool=pool, volumes=made)


class _Install:
    """One installation: what the task says of it, judged against the world."""

    def __init__(self, draft: DomainDraft) -> None:
        self.draft = draft
        self.world = draft.world
        self.plan = draft.plan
        self.name = draft.name
        self.wanted = draft.params["install"]
        self._check_kinds()
        self.kind = next((kind for kind in ANSWERS if self.wanted[kind] is not None), "")
        self.answers = ANSWERS.get(self.kind, Answers(""))
        self.reboots = self.answers.reboots if self.wanted["reboots"] is None else self.wanted["reboots"]
        self.cmdline = " ".join(filter(None, (self.answers.words, self.wanted["cmdline"])))
        self.media = [self._medium(option) for option in ("iso", "drivers") if self.wanted[option]]
        self.kernel, self.initrd = self._kernel()
        self.pool = self._pool(draft.shown)
        self._check()

    @property
    def title(self) -> str:
        return str(self.wanted["iso"] or self.wanted["kernel"])

    @property
    def injected(self) -> bool:
        """Whether the answers go into the initial RAM disk."""
        return bool(self.kind and not self.answers.label)

    @property
    def copied(self) -> bool:
        """Whether the kernel and its initial RAM disk must be made volumes."""
        return bool(self.kernel) and (self.injected or self.kernel.startswith(ON_MEDIUM))

    def _check_kinds(self) -> None:
        kinds = [kind for kind in ANSWERS if self.wanted[kind] is not None]
        if len(kinds) > 1:
            refuse("install", f"{' and '.join(kinds)} are answers for different installers", "Give one of them.")
        if not self.wanted["iso"] and not self.wanted["kernel"]:
            refuse("install", "there's nothing to boot", "Say iso, or kernel and initrd.")
        for kind in kinds:
            _text(kind, self.wanted[kind])

    def _check(self) -> None:
        if self.kernel and self.reboots:
            refuse(
                "install.reboots",
                "an installer that is started by its kernel would start again at each reboot",
                "Leave reboots out, or leave kernel and cmdline out so that the medium boots by itself.",
            )
        if self.copied and not self.world.local:
            why = "the installer's kernel and its answers must be read from files of the hypervisor"
            refuse("install", why, "Run this task on the hypervisor.")

    def _medium(self, option: str) -> dict[str, str]:
        """The medium as a drive's source; one that is missing is an error in a run."""
        value, pool = self.wanted[option], self.wanted["media_pool"]
        if pool and not value.startswith("/"):
            if self.world.volume(pool, value) is None:
                why = f"pool {pool} has no volume named '{value}', or isn't active"
                missing(
                    self.plan, f"install.{option}", why, "Declare it first (metal.kvm.volume), or correct the name."
                )
            return {"pool": pool, "volume": value}
        if not value.startswith("/"):
            refuse(
                f"install.{option}",
                f"'{value}' is no absolute path",
                "Give the path on the hypervisor, or name the pool that it's in with media_pool.",
            )
        self._need_file(value, f"install.{option}")
        return {"file": value}

    def _need_file(self, path: str, option: str) -> bool:
        if not self.world.local or os.path.exists(path):
            return True
        missing(self.plan, option, f"'{path}' does not exist", "Correct the path.")
        return False

    def medium_path(self) -> str:
        """Where the installer's medium is on this machine; ``""`` where there is none yet."""
        medium = self.media[0] if self.wanted["iso"] else {}
        if "volume" in medium:
            there = self.world.volume(medium["pool"], medium["volume"])
            return "" if there is None else str(there.path())
        return medium.get("file", "")

    def _kernel(self) -> tuple[str, str]:
        """Kernel and initial RAM disk, ``iso:/…`` where they're on the medium; empty where it boots by itself."""
        kernel, initrd = self.wanted["kernel"] or "", self.wanted["initrd"] or ""
        if bool(kernel) != bool(initrd):
            raise KvmError("install: kernel and initrd go together", "Say both, or none.", option="install.kernel")
        if not kernel and (self.cmdline or self.injected):
            return self._kernel_on_medium()
        for option, path in (("kernel", kernel), ("initrd", initrd)):
            if path and not path.startswith(ON_MEDIUM):
                self._need_file(path, f"install.{option}")
        return kernel, initrd

    def _kernel_on_medium(self) -> tuple[str, str]:
        """The places of both on a medium of a known system."""
        from .iso import first_there

        path = self.medium_path()
        if not path or not self.world.local or not os.path.exists(path):  # a check that plans on a missing medium
            return ON_MEDIUM, ON_MEDIUM
        found = first_there(path, LOCATIONS, "install.iso")
        if found is None:
            why = f"{path} has the installer's kernel at none of the known places"
            refuse("install.iso", why, "Say where they are on it: kernel: iso:/path, initrd: iso:/path.")
        return ON_MEDIUM + found[0], ON_MEDIUM + found[1]

    def _pool(self, root: Element) -> str:
        """The pool for what the installation needs for itself; ``""`` where that is nothing."""
        if not (self.copied or self.kind):
            return ""
        pool = self.wanted["pool"] or pool_of_first_disk(
            self.world, root, "install.pool", "what the installer is given"
        )
        there = self.world.find("pool", pool)
        if there is None:
            self.plan.assume(missing_object("pool", pool, "install.pool"))
        elif self.copied and not document.document(there.XMLDesc(0)).findtext("target/path", "").startswith("/"):
            why = f"pool {pool} keeps no files, and the installer's kernel must be one"
            refuse("install.pool", why, "Name a pool of type dir.")
        return str(pool)

    def add_steps(self) -> None:
        """Everything from the answers to the end."""
        name, media = self.name, list(self.media)
        if self.kind and not self.injected:
            media.append(self._add_answers())
        boot = {"kernel": self.kernel, "initrd": self.initrd, "pool": ""}
        if self.copied:
            self._add_kernel()
            boot = {"kernel": f"{name}-install-kernel", "initrd": f"{name}-install-initrd", "pool": self.pool}
        self.plan.add(
            "install.boot",
            f"install domain {name} from {self.title}",
            name=name,
            media=media,
            cmdline=self.cmdline,
            reboots=self.reboots,
            bus=self.wanted["bus"],
            **boot,
        )
        self.add_wait()
        _add_finish(self.draft, self.pool, [f"{name}-{ending}" for ending in VOLUMES] if self.pool else [])

    def _add_answers(self) -> dict[str, str]:
        """The step that makes a medium of the answers, which is returned as a drive's source."""
        medium = {"pool": self.pool, "volume": f"{self.name}-install.iso"}
        text = f"make the answers {medium['volume']}"
        self.plan.add("install.answers", text, label=self.answers.label, files=self._files(), **medium)
        return medium

    def _add_kernel(self) -> None:
        self.plan.add(
            "install.kernel",
            f"make the installer's kernel {self.name}-install-kernel",
            pool=self.pool,
            name=self.name,
            iso=self.medium_path(),
            kernel=self.kernel,
            initrd=self.initrd,
            files=self._files() if self.injected else "",
        )

    def add_wait(self) -> None:
        self.plan.add(
            "install.wait",
            f"wait for the end of the installation of domain {self.name}",
            changes=False,
            name=self.name,
            until=self.wanted["until"],
            timeout=self.wanted["timeout"],
        )

    def _files(self) -> str:
        """The files that answer, as one string of base64, so that no argument of a step has a secret to be seen."""
        value = self.wanted[self.kind]
        files = {self.answers.file: _text(self.kind, value), **self.answers.beside}
        return base64.b64encode(json.dumps(files).encode()).decode()


def _text(kind: str, value: t.Any) -> str:
    """Answers as a file: text as it is, a dict for autoinstall as the cloud-config around it."""
    if isinstance(value, str):
        return value if value.endswith("\n") else value + "\n"
    if kind == "autoinstall" and isinstance(value, dict):
        return (
            "#cloud-config\n" + json.dumps(value if "autoinstall" in value else {"autoinstall": value}, indent=1) + "\n"
        )
    why = f"install.{kind}: this is a {type(value).__name__}"
    raise KvmError(why, "Give the text of the file.", option=f"install.{kind}")
