# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk images as a volume shall have them: converted, grown, refused; and what libvirt makes only at the second try."""

from __future__ import annotations

import typing as t

from ..._command import run
from ..._plan import KvmError
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
    form, options = wanted
    has, form = written(given or str(info["format"])), written(form)
    size = int(info["virtual-size"])
    if capacity is not None and capacity < size:
        raise KvmError(
            f"capacity: {units.shown(capacity)} is less than the {units.shown(size)} of the source",
            "Ask for at least as much, or leave capacity out.",
            option="capacity",
        )
    own = content in made
    if has != form or options or not own:
        converted = staging.image(form)
        made.append(converted)
        told = ["compat=1.1", *options] if form == "qcow2" else options
        qemu_img("convert", "-f", has, "-O", form, *(word for one in told for word in ("-o", one)), content, converted)
        content = converted
    if capacity is not None and capacity > size:
        qemu_img("resize", "-f", form, content, str(capacity))
    return content


def refuse_references(info: Values, content: str) -> None:
    """An image from elsewhere must not make a guest read other files of the hypervisor."""
    data = info.get("format-specific", {}).get("data", {})
    other = info.get("backing-filename") or data.get("data-file")
    if other:
        raise KvmError(
            f"source: the image refers to another file, {other}, and isn't whole by itself",
            "Make one image of it first: qemu-img convert.",
            option="source",
        )


def qemu_img(*arguments: str) -> None:
    done = run(["qemu-img", *arguments], keep_locks=True)
    if done.status:
        raise KvmError(f"source: qemu-img {arguments[0]} failed: {done.last_words}", "", option="source")
