"""Words that pytest takes for test paths, though they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_fastenv.plugin.rootdir import was_misled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conftest import Project


@pytest.fixture
def directory(tmp_path: Path) -> Path:
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
        (["--fastenv", "../shared.txt"], [], "fastenv.toml", True),
        (["--fastenv", "../shared.txt"], [], "no-mark", False),
        (["--fastenv=../shared.txt"], [], "pytest.ini", False),
        (["--", "--fastenv", "../shared.txt"], [], "pytest.ini", False),
        (["--fastenv", "requirements.txt", "tests/unit"], ["tests/unit"], "pytest.ini", False),
        (["--fastenv", "requirements.txt", "tests/unit"], ["tests/unit"], "tests/pytest.ini", True),
        (["--fastenv", "django", "tests/unit"], ["tests/unit"], "tests/pytest.ini", False),
        (["--fastenv-dir", "..", "tests"], ["tests::x"], "tests/tox.ini", True),
    ],
)
def test_misled(directory: Path, words: list[str], paths: list[str], ini: str, misled: bool) -> None:
    (directory / ini).touch()
    assert was_misled(words, paths, str(directory), directory.anchor) is misled


@pytest.mark.parametrize("paths", [[], ["tests"]])
@pytest.mark.parametrize("value", ["own", "own/requirements.txt"])
def test_misled_where_no_directory_above_has_an_ini_file(tmp_path: Path, value: str, paths: list[str]) -> None:
    """Pytest then tries each of the directories by itself."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "requirements.txt").touch()
    (tmp_path / "tests").mkdir()
    here = str(tmp_path)
    assert was_misled(["--fastenv", value, *paths], paths, here, str(tmp_path / "own"))
    assert not was_misled([f"--fastenv={value}", *paths], paths, here, str(tmp_path / "own"))


@pytest.mark.slow
def test_a_sources_own_directory_is_no_root(project: Project) -> None:
    """The tables of its project are not read, however the option is written."""
    project.write(test_inside__py="")
    (project.directory / "tests").mkdir()
    (project.directory / "tests" / "test_it.py").write_text("def test_it():\n    pass\n")
    own = project.directory / "own"
    own.mkdir()
    (own / "requirements.txt").write_text("library\n")
    (own / "pyproject.toml").write_text("[tool.pytest.ini_options]\n[tool.fastenv]\nno-such-key = 1\n")
    for words in (("--fastenv", "own/requirements.txt"), ("--fastenv=own/requirements.txt",)):
        run = project.run(*words, "tests")
        assert run.returncode == 0, run.stdout + run.stderr
        assert f"rootdir: {project.directory}\n" in run.stdout
