# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether cloud-init in a guest has ended, and ran from the seed that the guest was given; read by the guest's agent."""

from __future__ import annotations

import json
import typing as t

from ..._plan import KvmError, Remark, refuse
from .agent import allows, file_in_guest
from .documents import running_document
from .seed import instance_id

if t.TYPE_CHECKING:
    from ..._libvirt import World

TIMEOUT = 5  # seconds for an answer of the agent
RESULT = "/run/cloud-init/result.json"  # there once cloud-init has ended in this boot
DISABLED = "/run/cloud-init/disabled"  # there if it found nothing to do, and so doesn't run
INSTANCE = "/var/lib/cloud/data/instance-id"
OPTION = "wait_for.cloud_init"
ANEW = (
    "Look at /run/cloud-init/ds-identify.log in the guest. If its kernel has no driver for the seed's drive, shut the guest"
    " down, remove the seed (cloud_init: {state: absent}) and declare it again: it's then put where the kernel finds it."
)


class Ended(t.NamedTuple):
    """How cloud-init ended; ``remark`` is what is left over."""

    remark: t.Optional[Remark]


def ended(world: World, domain: t.Any) -> t.Optional[Ended]:
    """None while cloud-init still runs. Raises KvmError if it ran without the guest's seed, or with errors.

    The guest's agent must answer.
    """
    if not allows(domain, "guest-file-open", TIMEOUT):
        refuse(
            OPTION,
            f"the agent in the guest of domain {domain.name()} doesn't allow guest-file-open",
            "Allow it in the guest (/etc/sysconfig/qemu-ga or /etc/qemu/qemu-ga.conf), or leave wait_for.cloud_init out.",
        )
    text = file_in_guest(domain, RESULT, TIMEOUT)
    if text is None:
        if file_in_guest(domain, DISABLED, TIMEOUT) is not None:
            raise _failure(f"cloud-init in the guest of domain {domain.name()} found no seed and didn't run", ANEW)
        return None
    try:
        result = json.loads(text)["v1"]
    except ValueError:
        return None  # being written
    _check_errors(domain, result)
    return Ended(_compare(world, domain, result))


def _check_errors(domain: t.Any, result: t.Mapping[str, t.Any]) -> None:
    errors = "; ".join(str(error) for error in result.get("errors") or ())
    if errors:
        raise _failure(
            f"cloud-init in the guest of domain {domain.name()} ended with errors: {errors}",
            "Look at /var/log/cloud-init.log and /var/log/cloud-init-output.log in the guest, and correct cloud_init.",
        )


def _compare(world: World, domain: t.Any, result: t.Mapping[str, t.Any]) -> t.Optional[Remark]:
    """Whether the guest has taken its seed: by the instance-id in both."""
    wanted = instance_id(world, running_document(domain, secrets=False))
    found = (file_in_guest(domain, INSTANCE, TIMEOUT) or "").strip()
    if wanted is None or found == wanted:
        return None
    if found.startswith(domain.UUIDString()):
        return Remark(
            f"cloud-init in the guest of domain {domain.name()} has taken an earlier seed ({found});"
            f" it takes the present one ({wanted}) at the guest's next boot."
        )
    raise _failure(
        f"cloud-init in the guest of domain {domain.name()} didn't run from its seed: its instance-id is"
        f" '{found}' (by {result.get('datasource')}), and the seed says '{wanted}'",
        ANEW,
    )


def _failure(message: str, remedy: str) -> KvmError:
    return KvmError(f"{OPTION}: {message}", remedy, option=OPTION)
