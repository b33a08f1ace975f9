"""Settings are taken apart in one place."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from pytest_fastenv.model.link import LinkMode
from pytest_fastenv.provisioning.run import Policies
from pytest_fastenv.settings.values import Settings

#: What provisioning itself looks at, and no room below it.
STORY = frozenset(
    {
        "sources", "groups", "extras", "constraints", "lock", "resolution", "environments",
        "scope", "python", "project", "dir", "reports", "inherit_pythonpath",
        "cache_dir", "cache_max_size", "cache_sync", "cache_unused_s", "shared_store",
        "concurrent",  # tells, together with the numbers of the pools, whether work is serial
    }
)  # fmt: skip
OTHER: dict[type, Any] = {bool: True, int: 7, float: 7.0, type(None): "http://other.invalid/", tuple: ("x",)}
CHOICES: dict[str, Any] = {
    "link": LinkMode.COPY,
    "bytecode": "own",
    "cache_sync": "never",
    "build_isolation": "process",
    "python_downloads": "never",
    "unchecked_records": frozenset({"x"}),
}


@pytest.mark.parametrize("name", sorted({field.name for field in fields(Settings)} - STORY))
def test_each_setting_arrives_in_some_room(name: str) -> None:
    """One that is added to the settings is passed on, or is provisioning's own."""
    plain = Settings()
    changed = replace(plain, **{name: CHOICES.get(name, OTHER.get(type(getattr(plain, name))))})
    assert Policies.of(changed) != Policies.of(plain)


@pytest.mark.parametrize("name", sorted(STORY - {"concurrent"}))
def test_what_is_provisionings_own_is_not_passed_on(name: str) -> None:
    words = {"resolution": "lowest", "scope": "worker", "project": "sdist", "dir": Path("x"), "cache_dir": Path("x"),
             "cache_sync": "never"}  # fmt: skip
    value = words.get(name, "x")
    assert Policies.of(replace(Settings(), **{name: value})) == Policies.of(Settings())


def test_serial() -> None:
    one = Settings(concurrent=1, concurrent_downloads=1, concurrent_builds=1, concurrent_installs=1)
    assert Policies.of(one).concurrency.serial
    assert not Policies.of(replace(one, concurrent=None)).concurrency.serial


def test_asking_anew() -> None:
    anew = Policies.of(Settings()).asking_anew()
    assert (anew.freshness.upgrade, anew.index.upgrade) == (True, True)
    offline = Policies.of(Settings(offline=True))
    assert offline.asking_anew() == offline
