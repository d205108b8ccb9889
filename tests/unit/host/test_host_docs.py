# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What docs/ say of hosts, against the code: the causes are all there, and so are the checks and the roles."""

from __future__ import annotations

import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
KVM = ROOT / "plugins" / "module_utils" / "_host" / "kvm"
GUIDE = (ROOT / "docs" / "hosts.md").read_text(encoding="utf-8")
sys.path.insert(0, str(ROOT / "tools"))


def test_each_cause_has_a_line() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in KVM.glob("*.py"))
    causes = set(re.findall(r'Cause\(\s*"(\w+)"', source))
    module = (ROOT / "plugins" / "modules" / "host_info.py").read_text(encoding="utf-8")
    documented = re.search(r"- One of (V\(cpu_unsupported\).*?)\.\n", module, re.DOTALL)
    assert documented
    assert set(re.findall(r"V\((\w+)\)", documented[1])) == causes
    section = GUIDE.partition("## Why KVM can't be used")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` ", section, re.MULTILINE)) == causes


def test_each_check_is_described() -> None:
    from ansible_collections.metal.kvm.plugins.module_utils._host.checks.table import CHECKS
    from host_checks import ABOUT

    assert [check.name for check in CHECKS] == list(ABOUT)


def test_the_playbook_uses_options_that_the_roles_have() -> None:
    (play,) = yaml.safe_load(re.findall(r"```yaml\n(- hosts.*?)```", GUIDE, re.DOTALL)[0])
    for role in play["roles"]:
        name = role["role"].rpartition(".")[2]
        specs = yaml.safe_load((ROOT / "roles" / name / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
        assert set(role.get("vars", {})) <= set(specs["argument_specs"]["main"]["options"]), name
