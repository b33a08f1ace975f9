"""A request's answer is used while nothing that it depends on has changed."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kit.damage import damaged
from kit.environment_bench import parts, provide, running_target

from pytest_fastenv.environment.places import Missing
from pytest_fastenv.environment.request_cache import (
    REQUESTS,
    CachedEnvironment,
    RequestCache,
    RequestKey,
    deciding_settings,
)
from pytest_fastenv.filesystem.observations import observe
from pytest_fastenv.model.observation import Observation
from pytest_fastenv.runtime.environment import Environment
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store

NOW = 1_800_000_000.0
KEY = "k" * 64


@pytest.fixture
def made(store: Store) -> Environment:
    """A whole environment."""
    return provide(store).environment


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A requirements file."""
    path = tmp_path / "requirements.txt"
    path.write_text("six\n")
    return path


def read(path: Path) -> Observation:
    return observe("file", path)


def remember(store: Store, made: Environment, *files: Observation) -> None:
    RequestCache(store).remember(KEY, files, made, resolved_at=NOW)


def lookup(store: Store, **changes: Any) -> CachedEnvironment | Missing:
    options = {"max_age_s": 3600.0, "now": NOW + 60, "target": running_target(store), "environ": {}, **changes}
    return RequestCache(store).lookup(KEY, **options)


def test_remembered(store: Store, made: Environment, file: Path) -> None:
    assert lookup(store) == Missing()
    remember(store, made, read(file))
    assert lookup(store) == CachedEnvironment(parts(), made.prefix, 60.0)
    options: dict[str, Any] = {"max_age_s": 1, "now": NOW, "target": running_target(store), "environ": {}}
    assert RequestCache(store).lookup("other", **options) == Missing()


def test_changed_files(store: Store, made: Environment, file: Path) -> None:
    remember(store, made, read(file))
    file.write_text("six\nattrs\n")
    assert lookup(store) == Missing(f"{file} changed", made.prefix)
    file.write_text("xis\n")
    os.utime(file, ns=(0, 0))
    assert lookup(store) == Missing(f"{file} changed", made.prefix)
    file.unlink()
    assert lookup(store) == Missing(f"{file} is gone", made.prefix)


def test_a_new_time_alone_is_no_change(store: Store, made: Environment, file: Path) -> None:
    """As after switching branches back and forth."""
    remember(store, made, read(file))
    file.unlink()
    file.write_text("six\n")
    os.utime(file, ns=(0, 0))
    assert isinstance(lookup(store), CachedEnvironment)


def test_a_file_that_changes_while_it_is_resolved(store: Store, made: Environment, file: Path) -> None:
    """What counts is what was read, not what is there when the answer is remembered."""
    before = read(file)
    file.write_text("xis\n")
    remember(store, made, before)
    assert lookup(store) == Missing(f"{file} changed", made.prefix)
    file.write_text("six\n")
    assert isinstance(lookup(store), CachedEnvironment)


def test_a_file_that_was_not_there(store: Store, made: Environment, tmp_path: Path) -> None:
    remember(store, made, read(tmp_path / "constraints.txt"), read(tmp_path / "a" / "b"))
    assert isinstance(lookup(store), CachedEnvironment)
    (tmp_path / "constraints.txt").write_text("")
    assert lookup(store) == Missing(f"{tmp_path / 'constraints.txt'} is new", made.prefix)


def test_a_directory_is_known_by_its_sources(store: Store, made: Environment, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "src").mkdir(parents=True)
    (project / "src" / "module.py").write_text("a = 1\n")
    remember(store, made, observe("tree", project))
    assert isinstance(lookup(store), CachedEnvironment)
    (project / "src" / "module.py").write_text("a = 2\n")
    assert lookup(store) == Missing(f"{project} changed", made.prefix)


def test_variables_that_were_read(store: Store, made: Environment) -> None:
    variables = [observe("variable", "TOKEN", {"TOKEN": "secret"}), observe("variable", "UNSET", {})]
    RequestCache(store).remember(KEY, variables, made, resolved_at=NOW)
    assert isinstance(lookup(store, environ={"TOKEN": "secret", "OTHER": "x"}), CachedEnvironment)
    assert lookup(store, environ={"TOKEN": "other"}) == Missing("the variable TOKEN changed", made.prefix)
    assert lookup(store, environ={"TOKEN": "secret", "UNSET": "1"}) == Missing(
        "the variable UNSET changed", made.prefix
    )
    assert not any(b"secret" in path.read_bytes() for path in (store.root / REQUESTS.directory).rglob("*.json"))


def test_a_directory_in_place_of_a_file(store: Store, made: Environment, file: Path) -> None:
    remember(store, made, read(file))
    file.unlink()
    file.mkdir()
    assert lookup(store) == Missing(f"{file} changed", made.prefix)


@pytest.mark.parametrize(
    ("age_s", "max_age_s", "reason"),
    [
        (0, 3600, None),
        (3599, 3600, None),
        (3600, 3600, "resolved 60 minutes ago"),
        (86400 * 3, 86400, "resolved 3 days ago"),
        (5 * 3600, 3600, "resolved 5 hours ago"),
        (0, 0, "resolved 0 seconds ago"),
        (119, 60, "resolved 119 seconds ago"),
        (120, 60, "resolved 2 minutes ago"),
        (2 * 3600 - 1, 60, "resolved 120 minutes ago"),
        (2 * 3600, 60, "resolved 2 hours ago"),
        (2 * 86400 - 1, 60, "resolved 48 hours ago"),
        (2 * 86400, 60, "resolved 2 days ago"),
        (-30, 3600, None),
        (-86400, 3600, "resolved in the future: the clock was set back"),
        (10.0**9, math.inf, None),
        (-(10.0**9), math.inf, None),
    ],
)
def test_age(store: Store, made: Environment, age_s: float, max_age_s: float, reason: str | None) -> None:
    remember(store, made)
    found = lookup(store, max_age_s=max_age_s, now=NOW + age_s)
    assert found == (CachedEnvironment(parts(), made.prefix, age_s) if reason is None else Missing(reason, made.prefix))


def test_another_interpreter(store: Store, made: Environment) -> None:
    remember(store, made)
    target = running_target(store)
    assert lookup(store, target=replace(target, identity="x")) == Missing(
        f"interpreter replaced: {target.python}", made.prefix
    )
    other = replace(target, identity="x", version="3.99.0")
    reason = f"interpreter changed: {target.short} → CPython 3.99.0"
    assert lookup(store, target=other) == Missing(reason, made.prefix)


def test_an_environment_that_is_gone(store: Store, made: Environment) -> None:
    remember(store, made)
    shutil.rmtree(made.prefix)
    assert lookup(store) == Missing(f"its environment is gone: {made.prefix}", made.prefix)


def test_a_damaged_record_is_none(store: Store, made: Environment, file: Path) -> None:
    remember(store, made, read(file))
    (record,) = (store.root / REQUESTS.directory).rglob("*.json")
    for damage in damaged(record):
        assert lookup(store) == Missing(), damage
    assert isinstance(lookup(store), CachedEnvironment)


def request_key(base: Path, settings: Settings, **more: Any) -> str:
    return RequestKey(base, deciding_settings(settings), base, **more).digest


def test_keys() -> None:
    base, settings = Path("/project"), Settings()
    key = request_key(base, settings)
    assert key == request_key(base, replace(settings, concurrent_builds=1, recreate=True))
    others = [
        request_key(base, replace(settings, sources=("other.txt",))),
        request_key(Path("/elsewhere"), settings),
        request_key(base, settings, requirements=("pytest==9",)),
        *(
            request_key(base, replace(settings, **change))
            for change in (
                {"python": "3.12"},
                {"link": "copy"},
                {"project": "none"},
                {"dir": Path("/envs")},
                {"index_url": "https://index.example.invalid/simple/"},
                {"unchecked_records": frozenset({"b", "a"})},
            )
        ),
    ]
    assert len({key, *others}) == len(others) + 1


def test_the_warm_path_imports_the_standard_library_only(store: Store, made: Environment, file: Path) -> None:
    remember(store, made, read(file))
    program = """
import sys
from pathlib import Path
before = {name.partition(".")[0] for name in sys.modules}
from pytest_fastenv.environment.request_cache import CachedEnvironment, RequestCache
from pytest_fastenv.environment.places import Found, Generations
from pytest_fastenv.interpreter.discovery import find_target
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.store.store import Store
store = Store(Path(sys.argv[1]), recorder=Recorder())
target = find_target(None, store)
answer = RequestCache(store).lookup("k" * 64, max_age_s=3600.0, now=1_800_000_000.0, target=target, environ={})
assert isinstance(answer, CachedEnvironment), answer
environments = Generations(store)
found = environments.find(answer.fingerprint)
assert isinstance(found, Found), found
assert environments.hold(found.environment) is not None
foreign = {name.partition(".")[0] for name in sys.modules} - before - {*sys.stdlib_module_names, "pytest_fastenv"}
heavy = {"asyncio", "packaging", "virtualenv", "httpx", "importlib.metadata", "email", "shutil"} & {*sys.modules}
print(*sorted(foreign), *sorted(heavy - before))
"""
    written = sorted(path for path in store.root.rglob("*") if path.is_file())
    done = subprocess.run([sys.executable, "-c", program, store.root], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
    assert sorted(path for path in store.root.rglob("*") if path.is_file()) == written
