# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and devices are changed by a program that goes on by itself, and goes back unless somebody says in time to stay.

It lives in a directory of its own below /var/lib, with the files of before and after, and writes down how far it is.
"""

from __future__ import annotations

import os
import shutil
import typing as t

from ..._command import SYSTEM, run
from ..._plan import KvmError
from ..._wait import until
from .. import files
from ..root import Root

PLACE = "var/lib/metal.kvm/bridge"
BOOT = "proc/sys/kernel/random/boot_id"
UNDONE = ("undone",)
PATIENCE = 30  # seconds for the commands themselves, beside the time to confirm in

# Reaches its end whatever becomes of the connection that it was started from. It begins after the module has answered.
PROGRAM = """cd '{place}' || exit
exec >log 2>&1
put() {{
    while read -r number mode path; do
        if [ -e "$1/$number" ]; then
            mkdir -p "${{path%/*}}"
            cp "$1/$number" "$path.metal-kvm" && chmod "$mode" "$path.metal-kvm" && mv "$path.metal-kvm" "$path"
        else
            rm -f "$path"
        fi
    done <files
}}
undo() {{
    echo "$1" >why
    {{
{back_before}
        put old
{back_after}
        :
    }}
    echo undone >state
    exit
}}
sleep 1
{{
{forth_before}
    :
}}
put new
{forth_after}
echo applied >state
count=0
while [ $count -lt {timeout} ]; do
    [ ! -e confirmed ] || {{ echo confirmed >state; exit; }}
    sleep 1
    count=$((count + 1))
done
undo 'nobody confirmed it within {timeout} seconds'
"""

Change = tuple[str, t.Optional[str], t.Optional[str], int]
Commands = tuple[t.Sequence[str], t.Sequence[str]]


def state(root: Root, name: str) -> t.Optional[str]:
    """How far a change is: waiting, applied, undone; None if there is none, or none since the machine was booted."""
    fresh = Root(root.path)
    now = fresh.word(BOOT)
    return fresh.word(f"{PLACE}-{name}/state") if fresh.word(f"{PLACE}-{name}/boot") == now else None


def reason(root: Root, name: str) -> str:
    """Why a change was taken back."""
    return root.word(f"{PLACE}-{name}/why") or "no reason is known"


def log(root: Root, name: str) -> list[str]:
    """What the commands said."""
    return root.lines(f"{PLACE}-{name}/log")


def render(place: str, forth: Commands, back: Commands, timeout: int) -> str:
    """The program. Going forth the first command that fails has it go back; going back it does all that it can."""
    strict = [f"{command} || undo 'this failed: {command}'" for command in forth[1]]
    return PROGRAM.format(
        place=place,
        timeout=timeout,
        forth_before=_block(forth[0]),
        forth_after="\n".join(strict),
        back_before=_block(back[0]),
        back_after=_block(back[1]),
    )


def _block(commands: t.Sequence[str]) -> str:
    return "\n".join(f"        {command}" for command in commands) or "        :"


def start(
    subject: t.Any, sysroot: str, name: str, files: t.Sequence[Change], forth: Commands, back: Commands, timeout: int
) -> None:
    """Lay everything ready, and let the program go."""
    root = Root(sysroot)
    place = root.at(f"{PLACE}-{name}")
    shutil.rmtree(place, ignore_errors=True)
    _lay(root, place, files)
    _write(f"{place}/program", render(place, forth, back, timeout))
    _write(f"{place}/boot", f"{root.word(BOOT)}\n")
    _write(f"{place}/state", "waiting\n")
    alone = ["systemd-run", "--collect", "--quiet", "--", "sh", f"{place}/program"]
    detached = ["sh", "-c", 'setsid sh "$0" </dev/null >/dev/null 2>&1 &', f"{place}/program"]
    try:
        done = run(alone if root.exists("run/systemd/system") else detached, environment=SYSTEM)
        failed = done.complaint if done.status else None
    except OSError as error:
        failed = str(error.strerror)
    if failed:
        shutil.rmtree(place, ignore_errors=True)
        raise KvmError(f"{name}: the program that would change it couldn't be started: {failed}")


def _lay(root: Root, place: str, changes: t.Sequence[Change]) -> None:
    listed = []
    for number, (path, before, after, mode) in enumerate(changes):
        listed.append(f"{number} {mode:o} {root.at(path)}\n")
        for side, text in (("old", before), ("new", after)):
            if text is not None:
                _write(f"{place}/{side}/{number}", text)
    _write(f"{place}/files", "".join(listed))


def _write(path: str, text: str) -> None:
    files.write(None, path, text, 0o600)


def confirm(subject: t.Any, sysroot: str, name: str) -> None:
    """Have what was changed stay, once it is in place."""
    root = Root(sysroot)
    place = root.at(f"{PLACE}-{name}")
    until(lambda: state(root, name) != "waiting", PATIENCE, 0.2)
    if state(root, name) == "applied":
        _write(f"{place}/confirmed", "")
    until(lambda: state(root, name) != "applied", PATIENCE, 0.2)
    if state(root, name) != "confirmed":
        raise KvmError(f"{name}: the change was not kept: {reason(Root(sysroot), name)}", log=log(Root(sysroot), name))
    shutil.rmtree(place, ignore_errors=True)
    os.sync()
