# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's command line for the next boot, in the boot loader that is there; only words of our own.

GRUB reads a fragment that is ours; grubby and kernel-install keep one line for all, so a note of our words lies beside
it, to take away later what isn't wanted any more.
"""

from __future__ import annotations

import typing as t

from ..._command import SYSTEM, run
from ..._plan import KvmError

if t.TYPE_CHECKING:
    from ..root import Root

FRAGMENT, NOTE = "etc/default/grub.d/zz-metal-kvm.cfg", "var/lib/metal.kvm/kernel_command_line"
KERNEL_INSTALL = "etc/kernel/cmdline"
HEAD = "# Written by metal.kvm.kernel_command_line: changes are lost.\n"
HOOK = ". /etc/default/grub.d/zz-metal-kvm.cfg  # metal.kvm"
GRUB_CONFIGS = ("boot/grub/grub.cfg", "boot/grub2/grub.cfg")
LOADER_CONFIGS = ("boot/loader/loader.conf", "efi/loader/loader.conf", "boot/efi/loader/loader.conf")
OF_THIS_BOOT = ("BOOT_IMAGE", "initrd")
TIMEOUT = 900

Change = tuple[str, t.Optional[str], t.Optional[str]]


def kind(root: Root) -> t.Optional[str]:
    """grubby, grub or kernel-install; None where there is none of them."""
    if root.program("grubby") and root.names("boot/loader/entries"):
        return "grubby"
    if any(root.exists(path) for path in GRUB_CONFIGS) and _mkconfig(root):
        return "grub"
    if root.program("kernel-install") and (
        root.exists(KERNEL_INSTALL) or any(root.exists(path) for path in LOADER_CONFIGS)
    ):
        return "kernel-install"
    return None


def ours(root: Root, loader: str) -> list[str]:
    """The words that we have put there."""
    if loader != "grub":
        return (root.text(NOTE) or "").split()
    for line in root.lines(FRAGMENT):
        if line.startswith("GRUB_CMDLINE_LINUX="):
            return line.partition("=")[2].strip('"').split()[1:]
    return []


def changes(root: Root, loader: str, words: t.Sequence[str]) -> list[Change]:
    """Files to write, each with its text before and after (None: not there)."""
    if loader == "grub":
        return _grub(root, words)
    note = "".join(f"{word}\n" for word in words) or None
    found: list[Change] = [(NOTE, root.text(NOTE), note)]
    if loader == "kernel-install" or root.exists(KERNEL_INSTALL):
        found.append(_whole_line(root, loader, words))
    return [change for change in found if change[1] != change[2]]


def _whole_line(root: Root, loader: str, words: t.Sequence[str]) -> Change:
    """The line that kernel-install keeps for all: what others have put there, then our words."""
    before = root.text(KERNEL_INSTALL)
    start = running(root) if before is None else before.split()
    kept = [word for word in start if word not in ours(root, loader) and word not in words]
    return KERNEL_INSTALL, before, " ".join([*kept, *words]) + "\n"


def running(root: Root) -> list[str]:
    """The running kernel's words, without those of the boot loader itself."""
    words = (root.text("proc/cmdline") or "").split()
    return [word for word in words if word.partition("=")[0] not in OF_THIS_BOOT]


def _grub(root: Root, words: t.Sequence[str]) -> list[Change]:
    line = f'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX {" ".join(words)}"\n'
    found: list[Change] = [(FRAGMENT, root.text(FRAGMENT), HEAD + line if words else None)]
    if not _reads_fragments(root):
        path = "etc/default/grub"
        before = root.text(path) or ""
        lines = [line for line in before.splitlines() if line != HOOK]
        found.append((path, root.text(path), "".join(f"{line}\n" for line in [*lines, *([HOOK] if words else [])])))
    return [change for change in found if change[1] != change[2]]


def _reads_fragments(root: Root) -> bool:
    """Debian's grub-mkconfig reads /etc/default/grub.d; as its authors release it, it doesn't."""
    program = _mkconfig(root)
    return program is not None and "default/grub.d" in (root.text(program.lstrip("/")) or "")


def _mkconfig(root: Root) -> t.Optional[str]:
    return root.program("grub-mkconfig") or root.program("grub2-mkconfig")


def command(root: Root, loader: str, words: t.Sequence[str]) -> list[list[str]]:
    """What has the boot loader know."""
    if loader == "grub":
        config = next(path for path in GRUB_CONFIGS if root.exists(path))
        return [[_mkconfig(root) or "", "-o", f"/{config}"]]
    if loader == "grubby":
        return [_grubby_command(root, words)]
    kernels = [name for name in root.names("lib/modules") if root.exists(f"lib/modules/{name}/vmlinuz")]
    return [["kernel-install", "add", name, f"/lib/modules/{name}/vmlinuz"] for name in kernels]


def _grubby_command(root: Root, words: t.Sequence[str]) -> list[str]:
    gone = [word for word in ours(root, "grubby") if word not in words]
    args = [f"--args={' '.join(words)}"] if words else []
    return ["grubby", "--update-kernel=ALL", *args, *([f"--remove-args={' '.join(gone)}"] if gone else [])]


def update(subject: t.Any, commands: t.Sequence[t.Sequence[str]]) -> None:
    """Have the boot loader know."""
    for words in commands:
        try:
            done = run(words, timeout=TIMEOUT, environment=SYSTEM)
        except OSError as error:
            raise KvmError(f"{' '.join(words)}: {error.strerror}") from error
        if done.status:
            raise KvmError(f"{' '.join(words)} failed: {done.complaint}", "Run it by hand and see.")
