# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""site.yml says what nothing else would: a variable is misspelt, a change waits for a restart, an earlier task will provide it."""

from __future__ import annotations

import json
import typing as t

import pytest
from cycle import PREFIX, ROOT, Args, Player

from playbooks import SITE, Ran, run_playbook, run_site

pytestmark = pytest.mark.timeout(900)
NAME, POOL = f"{PREFIX}guest", f"{PREFIX}pool"


def names(player: Player, **variables: t.Any) -> Ran:
    """What site.yml does first."""
    playbooks = ROOT / "playbooks"
    play = {
        "hosts": "hypervisors",
        "gather_facts": False,
        "vars_files": [str(playbooks / "vars" / "site.yml")],
        "tasks": [{"ansible.builtin.include_tasks": str(playbooks / "tasks" / "site_names.yml")}],
    }
    path = player.place / "names.yml"
    path.write_text(json.dumps([play]), encoding="utf-8")
    return run_playbook(player, path, variables=variables)


def test_a_misspelt_variable_is_refused(player: Player) -> None:
    ran = run_playbook(player, SITE, variables={"kvm_guest": [{"name": NAME}]})
    assert ran.code != 0
    (failed,) = [result for result in ran.failed if "kvm_guest" in result.message or "results" in result]
    assert "kvm_guest is not a variable of site.yml. Did you mean kvm_guests?" in json.dumps(failed)
    assert not ran.changed


def test_variables_that_nothing_uses(player: Player) -> None:
    known: Args = {"kvm_guests": [], "kvm_uri": "qemu:///system", "host_features": [], "kvm_vault_key": "x"}
    ran = names(player, **known, kvm_other=["kvm_vault_key"], host_something_of_mine=1)
    assert (ran.code, ran.warnings) == (0, []), ran.output
    ran = names(player, **known, host_feature=["uefi"])
    assert ran.code == 0, ran.output
    said = " ".join(ran.warnings)
    assert "kvm_vault_key is not a variable of site.yml, and nothing uses it" in said
    assert "host_feature is not a variable of the role host. Did you mean host_features?" in said


def test_what_waits_for_a_restart_is_summed_up(player: Player, connection: t.Any, place: t.Any) -> None:
    """And a check of what the same run declares says that an earlier task may provide it."""
    domain: Args = {"name": NAME, "memory": "64 MiB", "type": "qemu", "graphics": [], "state": "running"}
    disk = {"target": "vda", "pool": POOL, "volume": "one.qcow2"}
    declared: Args = {
        "kvm_pools": [{"name": POOL, "type": "dir", "path": str(place), "state": "active"}],
        "kvm_volumes": [{"pool": POOL, "name": "one.qcow2", "capacity": "1 MiB"}],
        "kvm_domains": [{**domain, "disks": [disk]}],
    }
    check = run_site(player, "--check", **declared)
    said = " ".join(check.warnings)
    assert check.code == 0, check.output[-3000:]
    assert f"there is no pool named '{POOL}'. The check goes on as if an earlier task of this run provided it." in said
    ran = run_site(player, **declared)
    assert (ran.code, ran.of("Warn of what waits for a restart")[-1]["outcome"]) == (0, "skipped"), ran.output[-3000:]
    declared["kvm_domains"][0]["features"] = {"pmu": False}
    ran = run_site(player, **declared)
    assert ran.code == 0, ran.output[-3000:]
    (told,) = ran.of("Warn of what waits for a restart")
    assert f"1 waiting for a restart: domain {NAME}: features.pmu." in told["warnings"][0]
    assert connection.lookupByName(NAME).isActive()
