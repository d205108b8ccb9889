# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk images as a volume shall have them: converted, grown, refused; and what libvirt makes only at the second try."""

from __future__ import annotations

import typing as t

from ..._command import run
from ..._plan import refuse
from ..._xml import units
from ..formats import image_info, written

if t.TYPE_CHECKING:
    from ..._xml.rows import Values
    from .staging import Staging

Image = tuple[str, list[str]]  # a format, and options as qemu-img takes them

# To choose how often a LUKS key is hashed, qemu-img gauges the processor; a busy one now and then makes it give up.
GAUGED_IN_VAIN, TRIES = "Unable to get accurate CPU usage", 5


def patiently(make: t.Callable[..., t.Any], *arguments: t.Any) -> t.Any:
    """What libvirt makes, tried again where a processor was gauged in vain."""
    for dummy in range(TRIES - 1):
        try:
            return make(*arguments)
        except Exception as error:
            if GAUGED_IN_VAIN not in str(error):
                raise
    return make(*arguments)


def shaped(
    content: str, staging: Staging, given: t.Optional[str], wanted: Image, capacity: t.Optional[int], made: list[str]
) -> str:
    """The image in the format, with the options, and in the size asked for: the file itself, or a converted one."""
    info = image_info(content, "source")
    refuse_references(info, content)
    form, options = written(wanted[0]), wanted[1]
    has, size = written(given or str(info["format"])), int(info["virtual-size"])
    if capacity is not None and capacity < size:
        why = f"{units.shown(capacity)} is less than the {units.shown(size)} of the source"
        refuse("capacity", why, "Ask for at least as much, or leave capacity out.")
    if has != form or options or content not in made:
        converted = staging.image(form)
        made.append(converted)
        qemu_img("convert", "-f", has, "-O", form, *_option_arguments(form, options), content, converted)
        content = converted
    if capacity is not None and capacity > size:
        qemu_img("resize", "-f", form, content, str(capacity))
    return content


def _option_arguments(form: str, options: list[str]) -> t.Iterator[str]:
    """The options as arguments; a qcow2 image is of version 3 if they don't say otherwise."""
    for option in ["compat=1.1", *options] if form == "qcow2" else options:
        yield from ("-o", option)


def refuse_references(info: Values, content: str) -> None:
    """An image from elsewhere must not make a guest read other files of the hypervisor."""
    data = info.get("format-specific", {}).get("data", {})
    other = info.get("backing-filename") or data.get("data-file")
    if other:
        why = f"the image refers to another file, {other}, and isn't whole by itself"
        refuse("source", why, "Make one image of it first: qemu-img convert.")


def qemu_img(*arguments: str) -> None:
    done = run(["qemu-img", *arguments], keep_locks=True)
    if done.status:
        refuse("source", f"qemu-img {arguments[0]} failed: {done.last_words}", "")
