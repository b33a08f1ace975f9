"""What a user is warned of belongs to the answer, and is told in every run that uses it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from kit.archives import make_wheel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conftest import Project

pytestmark = pytest.mark.slow

NO_EXTRA = "fastenv: warning: library 1.0 has no extra named nope"


def lines_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if "warning: " in line]


def test_header_of_every_run_has_them(project: Project) -> None:
    """Of an extra that is not there, of a place with nothing in it, of a wheel that is only just accepted."""
    odd = make_wheel(
        project.directory, "odd", "1.0", files={"odd.py": ""}, record=lambda rows: [*rows, ("gone.py", "", "")]
    )
    project.write(requirements__txt=f"library[nope]\n./{odd.name}\n")
    project.variables["FASTENV_FIND_LINKS"] = str(project.directory / "none")
    project.variables["FASTENV_CACHE_DIR"] = str(project.directory.parent / "store")
    arguments = ("--fastenv", "requirements.txt", "--fastenv-unchecked-records=odd")
    first = project.run(*arguments)
    assert first.returncode == 0, first.stdout + first.stderr
    told = lines_of(first.stdout)
    assert NO_EXTRA in told
    assert any("none is not there: skipped" in line for line in told), told
    assert any("odd is exempt from the check" in line for line in told)
    assert lines_of(first.stderr) == [], "they are told once, in one place"
    second = project.run(*arguments)
    assert "(reused" in second.stdout
    assert lines_of(second.stdout) == told
    # Another request for the same environment, whose answer has warnings of its own.
    del project.variables["FASTENV_FIND_LINKS"]
    project.write(requirements__txt=f"library\n./{odd.name}\n")
    for _ in range(2):
        third = project.run(*arguments)
        assert lines_of(third.stdout) == [line for line in told if "exempt" in line], third.stdout


@pytest.mark.parametrize("words", [("-q",), ("--no-header",), ("-qq", "--co")])
def test_without_a_header_they_are_on_standard_error(project: Project, words: tuple[str, ...]) -> None:
    for _ in range(2):
        run = project.run("--fastenv", "library[nope]", *words)
        assert run.returncode == 0
        assert run.stderr.splitlines() == [NO_EXTRA]
        assert NO_EXTRA not in run.stdout


@pytest.mark.parametrize("words", [(), ("-q",)])
def test_failure_that_they_may_explain(project: Project, words: tuple[str, ...]) -> None:
    project.write(requirements__txt="no-such-project\n")
    project.variables["FASTENV_FIND_LINKS"] = str(project.directory / "none")
    run = project.run("--fastenv", "requirements.txt", *words)
    assert run.returncode == 4
    (line,) = lines_of(run.stderr)
    assert "none is not there: skipped" in line
    assert "no-such-project" in run.stderr


def test_command(project: Project, tmp_path: Path) -> None:
    command = str(Path(sys.executable).with_name("fastenv"))
    for _ in range(2):
        run = project.run_command([command, "create", "-q", "library[nope]", str(tmp_path / "made")])
        assert (run.returncode, run.stdout, run.stderr) == (0, "", NO_EXTRA + "\n")
