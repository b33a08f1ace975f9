"""Hints name options as the caller writes them: pytest's, the command's, or fields of the settings."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pytest_fastenv
from pytest_fastenv.errors import FailureGroup, NetworkError, UsageError, error_from_json, option
from pytest_fastenv.settings.layers import Origin
from pytest_fastenv.settings.naming import Naming
from pytest_fastenv.settings.options import OPTIONS

PACKAGE = Path(pytest_fastenv.__file__).parent
ROWS = {row.field: row for row in OPTIONS}
PYPROJECT = "/project/pyproject.toml"


@pytest.mark.parametrize(
    ("naming", "offline", "python"),
    [
        (Naming("pytest"), "--fastenv-offline", "--fastenv-python '>=3.9'"),
        (Naming("create"), "--offline", "--python '>=3.9'"),
        (Naming("install"), "--offline", ">=3.9"),
        (Naming("find"), "FASTENV_OFFLINE", ">=3.9"),
        (
            Naming("pytest", {"offline": Origin("FASTENV_OFFLINE"), "python": Origin("fastenv_python", "/p/tox.ini")}),
            "FASTENV_OFFLINE",
            "fastenv_python = >=3.9 in tox.ini",
        ),
        (
            Naming(
                "create",
                {name: Origin(name, PYPROJECT, "[tool.fastenv]") for name in ("offline", "python")},
            ),
            "offline in [tool.fastenv] of pyproject.toml",
            'python = ">=3.9" in [tool.fastenv] of pyproject.toml',
        ),
    ],
)
def test_an_option_is_named_as_its_reader_knows_it(naming: Naming, offline: str, python: str) -> None:
    error = NetworkError("no", hint=f"run without {option('offline')}, or with {option('python', '>=3.9')}")
    said = f"run without {offline}, or with {python}"
    assert error.diagnosis(naming) == f"no\n  next:  {said}"
    assert FailureGroup([error, UsageError("else")]).diagnosis(naming) == f"[1/2] no\n  next:  {said}\n[2/2] else"
    assert error_from_json(error.to_json(naming)).hint == said


def test_callers_of_provision_have_settings() -> None:
    error = NetworkError("no", hint=f"run without {option('offline')}, or with {option('python', '>=3.9')}")
    assert str(error) == "no\n  next:  run without Settings(offline=...), or with Settings(python='>=3.9')"
    assert error_from_json(error.to_json()).diagnosis(Naming("create")) == error.diagnosis(Naming("create"))


def test_variables_and_files_say_how_they_are_set() -> None:
    origin = Origin("x", "/project/fastenv.toml")
    names = ("concurrent_builds", "strict", "reports", "python")
    naming = Naming("create", dict.fromkeys(names, origin))
    said = [naming(name, value) for name, value in zip(names, ("1", "true", "a.html", "3.12"), strict=True)]
    assert said == [f"x = {value} in fastenv.toml" for value in ("1", "true", '["a.html"]', '"3.12"')]
    assert Naming("pytest", {"strict": Origin("x", "/pytest.ini")})("strict", "true") == "x = true in pytest.ini"
    assert Naming("create")("build_timeout_s", "1h") == "FASTENV_BUILD_TIMEOUT=1h"
    assert Naming("create")("cache_dir") == "FASTENV_CACHE_DIR"
    assert Naming("create")("scope") == "scope"


def test_a_text_that_only_looks_like_an_option_passes() -> None:
    assert NetworkError("no", why="\x02fo\x03 \x02fo=1\x03 \x02").diagnosis(Naming("create")).endswith("fo fo=1 \\x02")


def advised() -> Iterator[tuple[str, str]]:
    """Find every option that a text of the package names, with the module that does."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "option":
                (field, *_) = node.args
                assert isinstance(field, ast.Constant), f"{path}:{node.lineno}"
                yield str(field.value), path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("door", ["pytest", "create"])
def test_an_option_that_is_advised_is_there(door: Any) -> None:
    found = list(advised())
    assert len(found) > 20
    for field, module in found:
        assert field in ROWS, module
        # Sources are the words of a command.
        assert door in ROWS[field].doors or ROWS[field].variable or field == "sources", module


#: What is shown by one door alone, and so may speak its language.
DOORS = ("plugin/", "runtime/", "cli/", "settings/")


def test_no_text_names_an_option_by_itself() -> None:
    """In the words of one door it would be wrong in the others; `option` is there for that."""
    names = {row.pytest_flag for row in OPTIONS if row.key} | {row.variable for row in OPTIONS if row.variable}
    said = []
    for path in sorted(PACKAGE.rglob("*.py")):
        module = path.relative_to(PACKAGE).as_posix()
        if not module.startswith(DOORS):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            documented = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
            said += [
                f"{module}: {node.value}"
                for node in ast.walk(tree)
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented
                if any(name in node.value for name in names)
            ]
    assert said == ["index/config.py: FASTENV_HTTP_TIMEOUT"]
