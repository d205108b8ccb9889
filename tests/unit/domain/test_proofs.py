# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gates: no row of the domain's table is without a case on a real libvirtd, and no row that says live without one on a
running guest. The cases are run by tests/integration."""

from __future__ import annotations

import sys
from pathlib import Path

from ansible_collections.metal.kvm.plugins.module_utils._objects.domain.table import DOMAIN

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tools"))
import proofs


def test_every_live_row_has_a_case_on_a_running_guest() -> None:
    seen = {id(row) for case in proofs.cases("live") for dummy, row in proofs.spoken(case["options"])}
    live = [(path, row) for path, row in proofs.every(DOMAIN) if getattr(row, "live", "")]
    assert len(live) > 80
    assert [path for path, row in live if id(row) not in seen] == []


def test_every_row_is_proven_or_says_what_it_would_need() -> None:
    assert [line for line in proofs.table().splitlines() if "**nowhere**" in line] == []


def test_cases_have_names_of_their_own() -> None:
    for file in ("rows", "live"):
        names = [case["case"] for case in proofs.cases(file)]
        assert len(names) == len(set(names)) > 40
