"""Words that pytest takes for test paths, though they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_fastenv.plugin.rootdir import was_misled


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "shared.txt").touch()
    (tmp_path / "project" / "tests" / "unit").mkdir(parents=True)
    (tmp_path / "project" / "requirements.txt").touch()
    return tmp_path / "project"


@pytest.mark.parametrize(
    ("words", "paths", "ini", "misled"),
    [
        (["--fastenv", "requirements.txt"], [], "pytest.ini", False),
        (["--fastenv", "../shared.txt"], [], "pytest.ini", True),
        (["--fastenv", "../shared.txt"], [], "setup.py", True),
        (["--fastenv", "../shared.txt"], [], "no-mark", False),
        (["--fastenv=../shared.txt"], [], "pytest.ini", False),
        (["--", "--fastenv", "../shared.txt"], [], "pytest.ini", False),
        (["--fastenv", "requirements.txt", "tests/unit"], ["tests/unit"], "pytest.ini", False),
        (["--fastenv", "requirements.txt", "tests/unit"], ["tests/unit"], "tests/pytest.ini", True),
        (["--fastenv", "django", "tests/unit"], ["tests/unit"], "tests/pytest.ini", False),
        (["--fastenv-dir", "..", "tests"], ["tests::x"], "tests/tox.ini", True),
    ],
)
def test_misled(project: Path, words: list[str], paths: list[str], ini: str, misled: bool) -> None:
    (project / ini).touch()
    assert was_misled(words, paths, str(project)) is misled
