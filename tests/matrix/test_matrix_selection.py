"""Which environments are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_fastenv.errors import UsageError
from pytest_fastenv.matrix.selection import declared, select

DECLARED = """
[tool.fastenv.envs.py312-django4]
tags = ["old", "nightly"]
[tool.fastenv.envs.py313-django5]
tags = ["new"]
[tool.fastenv.envs.lint]
run-by-default = false
"""


def selected(directory: Path, *words: str) -> list[str]:
    (directory / "pyproject.toml").write_text(DECLARED)
    return [environment.name for environment in select(declared(directory), words)]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["lint"], ["lint"]),
        (["lint", "py312-django4"], ["lint", "py312-django4"]),
        (["py3*"], ["py312-django4", "py313-django5"]),
        (["py3*-django[5-9]", "lint", "py3*"], ["py313-django5", "lint", "py312-django4"]),
        (["tag:new"], ["py313-django5"]),
        (["tag:n*"], ["py312-django4", "py313-django5"]),
        (["all"], ["py312-django4", "py313-django5", "lint"]),
        (["lint,py312-django4", "tag:new, lint"], ["lint", "py312-django4", "py313-django5"]),
        (["lint", "all"], ["lint", "py312-django4", "py313-django5"]),
        (["default"], ["py312-django4", "py313-django5"]),
    ],
)
def test_words(tmp_path: Path, words: list[str], names: list[str]) -> None:
    assert selected(tmp_path, *words) == names


@pytest.mark.parametrize("words", [[], [""], [" , "], ["", ","]])
def test_nothing_selects_nothing(tmp_path: Path, words: list[str]) -> None:
    """A variable of a script that is empty must not pass for a run that went well."""
    with pytest.raises(UsageError, match="no environment is named") as raised:
        selected(tmp_path, *words)
    assert raised.value.hint == "declared are py312-django4, py313-django5, lint; all means all of them"


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("lnt", "did you mean lint?"),
        ("tag:odl", "did you mean tag:old?"),
        ("pypy*", "declared are py312-django4, py313-django5, lint"),
        ("tag:", "known are"),
    ],
)
def test_what_matches_nothing_is_refused(tmp_path: Path, word: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        selected(tmp_path, word)
    assert word in raised.value.what
    assert hint.removeprefix("known are") in (raised.value.hint or "")
