"""Which program a word is, and whether a command may start it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_fastenv.commands.programs import declared_program
from pytest_fastenv.errors import UsageError
from pytest_fastenv.runtime.environment import Environment

pytestmark = pytest.mark.skipif(os.name == "nt", reason="programs there have an extension")


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """An environment with a program of its own; outside there are two more."""
    prefix = tmp_path / "env"
    for path in (prefix / "bin" / "own", tmp_path / "outside" / "tool", tmp_path / "outside" / "pytest"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o755)
    (prefix / "pyvenv.cfg").touch()
    paths = {name: prefix / name for name in ("purelib", "platlib")}
    return Environment(
        prefix=prefix,
        python=prefix / "bin" / "python",
        scripts=prefix / "bin",
        fingerprint="",
        python_version="3.12.0",
        interpreter="",
        identity="",
        **paths,
    )


def _found(environment: Environment, name: str, *allowlist: str) -> str:
    root = environment.prefix.parent
    variables = {"PATH": os.pathsep.join((str(environment.scripts), str(root / "outside")))}
    path = declared_program(name, environment, variables, allowlist, directory=root, where="commands of x")
    return os.path.relpath(path, root)


@pytest.mark.parametrize(
    ("name", "allowlist", "found"),
    [
        ("own", (), "env/bin/own"),
        ("env/bin/own", (), "env/bin/own"),
        ("tool", ("tool",), "outside/tool"),
        ("tool", ("t*l",), "outside/tool"),
        ("tool", ("*/outside/*",), "outside/tool"),
        ("outside/tool", ("outside/tool",), "outside/tool"),
        ("outside/tool", ("*/outside/*",), "outside/tool"),
        ("outside/tool", ("*",), "outside/tool"),
        ("pytest", ("pytest",), "outside/pytest"),
        ("pytest", ("*/outside/*",), "outside/pytest"),
    ],
)
def test_what_may_be_started(name: str, allowlist: tuple[str, ...], found: str, environment: Environment) -> None:
    assert _found(environment, name, *allowlist) == found


@pytest.mark.parametrize(
    ("name", "allowlist", "told"),
    [
        ("tool", (), "the environment has no tool"),
        ("tool", ("other",), "allowed are other"),
        ("outside/tool", (), "the environment has no outside/tool"),
        ("pytest", ("*",), "belongs to another installation"),
        ("gone", ("*",), "there is no program 'gone'"),
        ("outside/gone", ("*",), "a path starts at change-dir"),
    ],
)
def test_what_may_not(name: str, allowlist: tuple[str, ...], told: str, environment: Environment) -> None:
    with pytest.raises(UsageError) as raised:
        _found(environment, name, *allowlist)
    assert told in raised.value.diagnosis()
