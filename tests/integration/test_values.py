# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values at the edges of what options take, on a real libvirtd: refused by the check, with a remedy, or unchanged by a second
task. Those of domains are in test_any_domain.py. A part of the values is tried, another one each
day."""

from __future__ import annotations

import pathlib
import typing as t

import bench
import cycle as cycles
import documents
import pytest
import sample
import subjects
import values
import yaml

HERE = pathlib.Path(__file__).parent
PARTS = {"network": 10, "pool": 5}
OTHERS = {"volume": 12, "nwfilter": 40, "secret": 1, "node_device": 4}


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("noun", PARTS)
def test_values_of_what_has_documents(noun: str, place: pathlib.Path) -> None:
    """The options of each document of any_network.yml and any_pool.yml, as ``as: options`` returns them."""
    tasks = documents.Bench(noun)
    seen: set[str] = set()
    found = []
    for case in yaml.safe_load((HERE / f"any_{noun}.yml").read_text(encoding="utf-8")):
        if "needs" in case:
            continue
        tasks.done(xml=case["xml"].replace("{place}", str(place)))
        options = tasks.export()["options"]
        options.pop("uuid", None)
        tasks.gone()
        for path, value, args in values.part(options, tasks.plans.NOUN.rows, PARTS[noun]):
            if f"{path}={value!r}" not in seen:
                seen.add(f"{path}={value!r}")
                said = values.wrong(tasks, args)
                found += [f"{case['case']}: {path}: {value!r}: {said}"] if said else []
                tasks.gone()
    assert found == [], "\n".join(found)
    assert len(seen) > 20


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("noun", OTHERS)
def test_values_of_what_has_none(noun: str, place: pathlib.Path, connection: t.Any) -> None:
    """The options of the cases in subjects.py: each attribute of each protocol in a filter's rule, volumes of every kind."""
    subjects.surround(place, connection)
    tasks = subjects.Bench(noun, place)
    seen: set[str] = set()
    found = []
    for case in subjects.cases(noun):
        for path, value, args in values.part(case["options"], subjects.table(noun), OTHERS[noun]):
            tried = f"{path}={value!r} {args if noun == 'volume' else ''}"
            if tried not in seen and value != "8191 PiB":  # only the file system knows whether it has room for that
                seen.add(tried)
                said = values.wrong(tasks, tasks.said(args))
                found += [f"{case['case']}: {path}: {value!r}: {said}"] if said else []
                tasks.gone()
    assert found == [], "\n".join(found)
    assert len(seen) > 15 or not sample.WHOLE


def active(name: str, **options: t.Any) -> bench.Bench:
    tasks = bench.Bench("network", name=f"{cycles.PREFIX}{name}")
    tasks.run({**options, "state": "active"})
    return tasks


def test_what_is_libvirts_default_stays_on_an_active_network(connection: t.Any) -> None:
    """It's neither taken out and put back, nor in the way of another change."""
    del connection
    srv = {"service": "ldap", "protocol": "tcp", "target": "a.example", "domain": "example", "port": 389}
    options: t.Any = {
        "ips": [{"address": "10.94.1.1/24"}],
        "ipv6": False,
        "domain": "example",
        "dns": {"srv": [{**srv, "priority": 0, "weight": 0}]},
    }
    tasks = active("defaults", **options)
    assert not tasks.plan({**options, "state": "active"}).changed
    other = {**options, "dns": {"srv": [{**srv, "priority": 0, "weight": 0}], "txt": [{"name": "a", "value": "b"}]}}
    plan = tasks.run(other)
    assert [step.operation for step in plan.steps if step.changes and step.operation == "network.update"] == [
        "network.update"
    ]
    assert set(plan.after) == {"dns.txt[a=b]"}
    assert not tasks.plan(other).changed
