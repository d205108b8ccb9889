# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what each task returned, a line of JSON each, into the file that KVM_RECORD names; prints what users see."""

from __future__ import annotations

import json
import os
import typing as t

from ansible.plugins.callback.default import CallbackModule as Default

DOCUMENTATION = r"""
name: record
type: stdout
short_description: record results as lines of JSON
description: For the integration tests of metal.kvm.
extends_documentation_fragment: [default_callback]
"""


class CallbackModule(Default):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "record"

    def _write(self, result: t.Any, outcome: str) -> None:
        values = {"task": result.task_name, "outcome": outcome, **result.result}
        with open(os.environ["KVM_RECORD"], "a", encoding="utf-8") as file:
            file.write(json.dumps(values, default=str) + "\n")

    def v2_runner_on_ok(self, result: t.Any) -> None:
        self._write(result, "ok")
        super().v2_runner_on_ok(result)

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        self._write(result, "failed")
        super().v2_runner_on_failed(result, ignore_errors)

    def v2_runner_on_skipped(self, result: t.Any) -> None:
        self._write(result, "skipped")
        super().v2_runner_on_skipped(result)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        self._write(result, "unreachable")
        super().v2_runner_on_unreachable(result)
