# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible refuses wrong arguments before a module of ours begins. Nothing secret stands in what it prints then, whatever
option the secret was given to, and wherever the mistake is."""

from __future__ import annotations

import base64
import datetime
import importlib
import json
import pathlib
import random
import typing as t

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.metal.kvm.plugins.module_utils import _ansible

MARKER = "Qx7MarkerZ"
TEXT = f"vnc_password: {MARKER}"
LEAKS = (MARKER[:7], base64.b64encode(MARKER.encode()).decode()[:8])
MODULES = sorted(path.stem for path in (pathlib.Path(__file__).parents[2] / "plugins" / "modules").glob("*.py"))
SAMPLE = 30  # mistakes of a kind and module that one day tries
SAMPLES = random.Random(datetime.date.today().isoformat())
Spec = t.Mapping[str, dict[str, t.Any]]


class SpecError(Exception):
    """Instead of a module that runs: the argument spec that it was called with."""


def main_of(module: str) -> t.Callable[[], None]:
    return t.cast(
        "t.Callable[[], None]",
        importlib.import_module(f"ansible_collections.metal.kvm.plugins.modules.{module}").main,
    )


@pytest.fixture
def spec(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Spec:
    def caught(argument_spec: dict[str, t.Any], **dummy: t.Any) -> t.NoReturn:
        raise SpecError(argument_spec)

    with monkeypatch.context() as patched:
        patched.setattr(_ansible, "_Module", caught)
        with pytest.raises(SpecError) as error:
            main_of(request.node.callspec.params["module"])()
    return t.cast(Spec, error.value.args[0])


def filled(spec: Spec) -> dict[str, t.Any]:
    """The marker in every option that takes text, at any depth."""
    values = {name: value_of(option) for name, option in spec.items()}
    return {name: value for name, value in values.items() if value is not None}


def value_of(option: dict[str, t.Any]) -> t.Any:
    if option.get("no_log"):
        return MARKER
    if option.get("choices"):
        return None
    if option.get("options"):
        below = filled(option["options"])
        return [below, below] if option["type"] == "list" else below
    texts = {"str": TEXT, "raw": {"password": MARKER}, "path": f"/{TEXT}", "dict": {"token": MARKER}, "list": [TEXT]}
    return texts.get(option.get("type", "str"))


def unknown_deep(spec: Spec) -> t.Iterator[dict[str, t.Any]]:
    for name, option in spec.items():
        if option.get("options"):
            below = {"pasword": MARKER, "nonsense": {"x": [MARKER]}}
            yield {name: [below] if option["type"] == "list" else below}


def wrong_type(spec: Spec) -> t.Iterator[dict[str, t.Any]]:
    for name, option in spec.items():
        if option.get("options") or option.get("no_log"):
            yield {name: MARKER if option.get("options") else {"x": [MARKER]}}
            yield {name: [[MARKER], MARKER, 1]}
        elif option.get("type") in ("bool", "int"):
            yield {name: TEXT}
        elif option.get("type") in ("dict", "list") and option.get("elements") != "str":
            yield {name: f"{TEXT} {{"}


def wrong_choice(spec: Spec) -> t.Iterator[dict[str, t.Any]]:
    for name, option in spec.items():
        if option.get("choices"):
            yield {name: [TEXT] if option.get("type") == "list" else TEXT}
        for below in wrong_choice(option.get("options") or {}):
            yield {name: [below] if option["type"] == "list" else below}


def mistakes(spec: Spec) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
    """Arguments of which each set has a mistake, and the marker in it and beside it."""
    full = filled(spec)
    needed = {name: full.get(name, TEXT) for name, option in spec.items() if option.get("required")}
    yield "unknown", {**full, "nonsense": {"user_data": [MARKER]}, "cloudinit": MARKER, "pasword": MARKER}
    if needed:
        yield "missing", {name: value for name, value in full.items() if name not in needed}
    for kind in (unknown_deep, wrong_type, wrong_choice):
        found = list(kind(spec))
        for given in found if len(found) < SAMPLE else SAMPLES.sample(found, SAMPLE):
            yield kind.__name__, {**needed, **given}
        for given in SAMPLES.sample(found, min(len(found), 3)):
            yield f"{kind.__name__} beside all", {**full, **given}


@pytest.mark.parametrize("module", MODULES)
def test_errors_of_arguments_show_no_secret(module: str, spec: Spec, capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for kind, arguments in mistakes(spec):
        with patch_module_args({**arguments, "_ansible_check_mode": True}), pytest.raises(SystemExit) as left:
            main_of(module)()
        out, err = capsys.readouterr()
        if any(leak in out + err for leak in LEAKS):
            told.append((kind, arguments if len(arguments) < 4 else list(arguments), out))
        result = json.loads(out)
        assert "module_args" in result["invocation"]
        assert left.value.code == 1, (kind, arguments)
    assert not told
