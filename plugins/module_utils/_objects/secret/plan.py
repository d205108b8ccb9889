# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's secrets: their definition by the common life, and their value, which is written and never shown."""

from __future__ import annotations

import base64
import binascii
import typing as t

from ... import _libvirt
from ..._plan import KvmError, Plan
from ..._xml import rows, table
from .. import kind, life
from .table import SECRET, USAGES

if t.TYPE_CHECKING:
    from ..._xml.rows import Values

NONE, HIDDEN = b"", b"\0hidden"  # what is there: no value, or one that libvirt shows nobody


def _called(params: kind.Params) -> str:
    """What a secret is known by: its usage and the name of that, else its UUID."""
    if params.get("name") is None:
        return str(rows.parse(SECRET, {"uuid": params["uuid"]})["uuid"])
    return f"{params['usage']} {params['name']}"


def _known(there: t.Any) -> str:
    values = rows.read(SECRET, kind.stored_document(KIND, there, False))
    return f"{values['usage']} {values['name']}" if "name" in values else str(there.UUIDString())


def find(world: t.Any, name: str) -> t.Any:
    """The secret that is called so, ``ceph client.libvirt`` or a UUID; None where there is none."""
    usage, space, identifier = name.partition(" ")
    number = _libvirt.constant(f"VIR_SECRET_USAGE_TYPE_{usage.upper()}")
    if space:
        return _libvirt.found_or_none(
            lambda: world.connection.secretLookupByUsage(number, identifier), "VIR_ERR_NO_SECRET"
        )
    return _libvirt.found_or_none(lambda: world.connection.secretLookupByUUIDString(usage), "VIR_ERR_NO_SECRET")


def _check(draft: kind.Draft) -> None:
    """The task, its document and what libvirt has are about the same secret."""
    params = draft.params
    said = rows.read(SECRET, draft.after)
    for option in ("name", "usage", "uuid"):
        told = None if params[option] is None else rows.parse(SECRET, params)[option]
        if told is not None and said.get(option) != told:
            raise KvmError(
                f"xml: the document's {option} is '{said.get(option, '')}', the task's is '{told}'",
                "Make them the same.",
                option="xml",
            )
    if draft.there is None and "uuid" in said:
        other = find(draft.world, said["uuid"])
        if other is not None:
            raise KvmError(
                f"uuid: {said['uuid']} is the UUID of the secret {_known(other)} already",
                "Leave it out, or write that secret's name and usage.",
                option="uuid",
            )


def value_of(params: kind.Params) -> t.Optional[bytes]:
    """The value that the task gives, as libvirt takes it; None where it gives none."""
    text, encoded = params["value"], params["value_base64"]
    if text is None and encoded is None:
        return None
    option = "value" if encoded is None else "value_base64"
    try:
        value = text.encode("utf-8") if encoded is None else base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        raise KvmError(
            f"{option}: this is not base64",
            "Encode it (`base64 -w0`, the filter b64encode), or use value.",
            option=option,
        ) from None
    if not value:
        raise KvmError(
            f"{option}: a secret's value can't be empty", "Give one, or leave the option out.", option=option
        )
    return value


def _stored(there: t.Any) -> bytes:
    """The value that libvirt has; NONE, or HIDDEN where it tells nobody."""
    try:
        return t.cast("bytes", there.value(0))
    except Exception as error:
        if _libvirt.code_is(error, "VIR_ERR_NO_SECRET"):
            return NONE
        if _libvirt.code_is(error, "VIR_ERR_INVALID_SECRET"):
            return HIDDEN
        raise


def _plan_value(draft: kind.Draft) -> None:
    """Add the step that sets the value: where there is none, where libvirt shows another one, or always."""
    value, policy = value_of(draft.params), draft.params["update_value"]
    if value is None:
        return
    before = NONE if draft.there is None else _stored(draft.there)
    if before == value or (before == HIDDEN and policy != "always") or (before != NONE and policy == "on_create"):
        return
    draft.add("set_value", f"set the value of {draft.title}", value=value)
    draft.plan.differs(
        "value", None if before == NONE else "(hidden)", "(hidden)" if before == NONE else "(hidden, another)"
    )


KIND = kind.Kind(
    "secret",
    SECRET,
    "secretDefineXML",
    runs=False,
    beside=("name", "usage", "uuid"),
    naming="",
    name=_called,
    called=_known,
    selectors=("name", "uuid"),
    find=find,
    normal=kind.rebuilt(lambda values: {"ephemeral": False, "private": False, **values}),
    check=_check,
    after_define=_plan_value,
    operations={"set_value": lambda world, there, value: there.setValue(value, 0)},
)

ARGUMENT_SPEC: Values = {
    **kind.DEFINITION_SPEC,
    "value": {"type": "str", "no_log": True},
    "value_base64": {"type": "str", "no_log": True},
    "update_value": {"type": "str", "choices": ["on_create", "different", "always"], "default": "different"},
    **table.argument_spec(SECRET),
}

RULES: Values = {
    "required_one_of": [("name", "uuid")],
    "required_together": [("name", "usage")],
    "mutually_exclusive": [("value", "value_base64")],
}

INFO_SPEC: Values = {
    "usage": {"type": "str", "choices": list(USAGES)},
    "name": {"type": "str"},
    "uuid": {"type": "str"},
}

INFO_RULES: Values = {"required_together": [("name", "usage")]}


def secrets(params: kind.Params) -> list[str]:
    """The value in the spellings in which it could turn up."""
    value = value_of(params) or b""
    return [base64.b64encode(value).decode("ascii"), value.decode("utf-8", "ignore")]


def plan_secret(world: t.Any, params: kind.Params) -> Plan:
    """What brings a secret to what the options say."""
    return life.plan_object(world, KIND, params)


def operations() -> kind.Operations:
    """What the steps of a secret's plan can do."""
    return kind.operations(KIND)


def describe(world: t.Any, params: kind.Params) -> t.Optional[Values]:
    """The secret after the run."""
    return kind.describe(world, KIND, params)


def read_secrets(world: t.Any, params: kind.Params) -> Values:
    """The result of secret_info; with ``as: options`` the values are what a playbook must add."""
    result = kind.read_all(world, KIND, params, "secrets", world.connection.listAllSecrets)
    if isinstance(result.get("options"), dict):
        result["secrets_needed"] = [_called(result["options"])]
    elif "options" in result:
        result["secrets_needed"] = [[_called(one)] for one in result["options"]]
    return result
