# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's secrets: their definition by the common life, and their value, which is written and never shown."""

from __future__ import annotations

import base64
import binascii
import typing as t

from ... import _libvirt
from ..._plan import KvmError
from ..._xml import rows, table
from ..noun import DEFINITION_SPEC, ByRows, Params
from .table import SECRET, USAGES

if t.TYPE_CHECKING:
    from ..._libvirt import World
    from ..._plan import Operations
    from ..._xml.rows import Values
    from ..draft import Draft

NONE, HIDDEN = b"", b"\0hidden"  # what is there: no value, or one that libvirt shows nobody


class Secret(ByRows):
    """A secret: known by its usage and the name of that, else by its UUID."""

    name = "secret"
    rows = SECRET
    define_call = "secretDefineXML"
    list_call = "listAllSecrets"
    runs = False
    naming = ""
    selectors = ("name", "uuid")
    beside = ("name", "usage", "uuid")

    def key(self, params: Params) -> str:
        """``ceph client.libvirt``, or a UUID."""
        if params.get("name") is None:
            return str(rows.parse(SECRET, {"uuid": params["uuid"]})["uuid"])
        return f"{params['usage']} {params['name']}"

    def called(self, there: t.Any) -> str:
        """``ceph client.libvirt``, or a UUID."""
        values = rows.read(SECRET, self.stored_document(there))
        return f"{values['usage']} {values['name']}" if "name" in values else str(there.UUIDString())

    def find(self, world: World, key: str) -> t.Any:
        """The secret of that key, None where there is none."""
        return find(world, key)

    def complete(self, values: Values) -> Values:
        """The values with what libvirt fills in."""
        return {"ephemeral": False, "private": False, **values}

    def info(self, world: World, params: Params) -> Values:
        """With ``as: options`` the values are what a playbook must add."""
        result = super().info(world, params)
        if isinstance(result.get("options"), dict):
            result["secrets_needed"] = [self.key(result["options"])]
        elif "options" in result:
            result["secrets_needed"] = [[self.key(one)] for one in result["options"]]
        return result

    def own_operations(self) -> Operations:
        """The value."""
        return {"set_value": lambda world, there, value: there.setValue(value, 0)}

    def check(self, draft: Draft) -> None:
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
                    f"uuid: {said['uuid']} is the UUID of the secret {self.called(other)} already",
                    "Leave it out, or write that secret's name and usage.",
                    option="uuid",
                )

    def after_define(self, draft: Draft) -> None:
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


def find(world: World, name: str) -> t.Any:
    """The secret that is called so, ``ceph client.libvirt`` or a UUID; None where there is none."""
    usage, space, identifier = name.partition(" ")
    number = _libvirt.constant(f"VIR_SECRET_USAGE_TYPE_{usage.upper()}")
    if space:
        return _libvirt.found_or_none(
            lambda: world.connection.secretLookupByUsage(number, identifier), "VIR_ERR_NO_SECRET"
        )
    return _libvirt.found_or_none(lambda: world.connection.secretLookupByUUIDString(usage), "VIR_ERR_NO_SECRET")


def value_of(params: Params) -> t.Optional[bytes]:
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


NOUN = Secret()

ARGUMENT_SPEC: Values = {
    **DEFINITION_SPEC,
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
