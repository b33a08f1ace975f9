"""Tests use what the product offers: nothing whose name begins with an underscore.

Attributes are ruff's rule SLF001; here is what it does not see.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PRIVATE = re.compile(r"_[A-Za-z]\w*")
PRIVATE_PATH = re.compile(r"pytest_fastenv(\.\w+)*\._[A-Za-z]\w*")
BY_NAME = {"setattr", "delattr", "getattr", "hasattr", "object"}

#: What is Python's own: an interpreter below its environment, and the fields of a named tuple.
ELSEWHERE = {"_base_executable", "_fields"}


def reaches(source: str) -> Iterator[str]:
    """Yield the private names that a test imports, patches or asks for by text."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pytest_fastenv"):
            yield from (alias.name for alias in node.names if PRIVATE.fullmatch(alias.name))
        elif isinstance(node, ast.Call):
            function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            texts = [argument.value for argument in node.args[:2] if isinstance(argument, ast.Constant)]
            if function in BY_NAME:
                yield from (text for text in texts if PRIVATE.fullmatch(str(text)))
            yield from (text for text in texts if PRIVATE_PATH.fullmatch(str(text)))


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("from pytest_fastenv.store.locks import hold, _enter", ["_enter"]),
        ("monkeypatch.setattr(locks, '_TURNS', {})", ["_TURNS"]),
        ("monkeypatch.setattr('pytest_fastenv.store.locks._TURNS', {})", ["pytest_fastenv.store.locks._TURNS"]),
        ("getattr(locks, '_TURNS', None)", ["_TURNS"]),
        ("monkeypatch.setattr(subprocess.Popen, '__init__', refuse)", []),
        ("from _pytest.pathlib import _ignore_error", []),
        ("monkeypatch.setattr(locks, 'SHOW_AFTER_S', 0)", []),
    ],
)
def test_reaching_in_is_noticed(code: str, found: list[str]) -> None:
    assert list(reaches(code)) == found


def test_no_test_reaches_in() -> None:
    found = {
        str(path.relative_to(TESTS)): names
        for path in sorted(TESTS.rglob("*.py"))
        if (names := set(reaches(path.read_text(encoding="utf-8"))) - ELSEWHERE)
    }
    assert found == {}
