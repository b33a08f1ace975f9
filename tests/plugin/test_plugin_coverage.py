"""Coverage of a session inside: of the project's sources, in one process and in several."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from importlib.metadata import version

import pytest
from kit.archives import make_project

from pytest_fastenv.model.link import LinkMode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conftest import Project

pytestmark = pytest.mark.slow

#: Four statements, and two in each branch.
MODULE = """\
import sys
def which(n):
    if n:
        value = n
        return value
    value = -1
    return value
if __name__ == "__main__":
    print(which(int(sys.argv[1])))
    print("done")
"""
TESTS = """\
import pytest
import mine.module

@pytest.mark.parametrize("n", [1, 2])
def test_which(n):
    assert mine.module.which(n) == n
"""
#: Lines of MODULE that the tests above do not reach.
MISSING = [6, 7, 9, 10]


@pytest.fixture
def measured(project: Project) -> Project:
    """A project whose package is found only where it is installed: the tests are in a directory of their own."""
    make_project(
        project.directory, "mine", requires=["library"], files={"mine/__init__.py": "", "mine/module.py": MODULE}
    )
    (project.directory / "test_inside.py").unlink()
    (project.directory / "tests").mkdir()
    write_tests(project, TESTS)
    return project


def write_tests(project: Project, text: str) -> None:
    (project.directory / "tests" / "test_mine.py").write_text(textwrap.dedent(text))


def configure(project: Project, text: str) -> None:
    """Add tables to pyproject.toml."""
    with open(project.directory / "pyproject.toml", "a") as file:
        file.write("\n" + textwrap.dedent(text))


def json_report(project: Project) -> dict[str, list[int]]:
    """Return the missing lines of each file in the report."""
    report = json.loads((project.directory / "coverage.json").read_text())
    return {name.replace("\\", "/"): file["missing_lines"] for name, file in report["files"].items()}


def fine(run: subprocess.CompletedProcess[str], *, passed: int = 2) -> str:
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{passed} passed" in run.stdout
    assert "CoverageWarning" not in run.stdout + run.stderr
    return run.stdout


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_editable_project(measured: Project, workers: tuple[str, ...]) -> None:
    """The files in the report are the project's own, no matter which worker ran them."""
    arguments = ("--fastenv", "requirements.txt", "--cov=mine", "--cov-report=json", "--cov-report=term-missing")
    output = fine(measured.run(*arguments, *workers))
    assert json_report(measured) == {"mine/__init__.py": [], "mine/module.py": MISSING}
    assert re.search(r"^mine.module\.py\s+10\s+4\s+60%\s+6-7, 9-10$", output, re.MULTILINE)
    assert not list(measured.directory.glob(".coverage.*")), "the workers' data was combined"


def test_configuration_file(measured: Project) -> None:
    configure(
        measured,
        """\
        [tool.coverage.run]
        branch = true
        source_pkgs = ["mine"]
        [tool.coverage.report]
        exclude_also = ["if __name__"]
        fail_under = 99
        """,
    )
    arguments = ("--fastenv", "requirements.txt", "--cov", "--cov-report=json")
    run = measured.run(*arguments)
    assert run.returncode == 1
    assert "Coverage failure: total of 67 is less than fail-under=99" in run.stdout + run.stderr, run.stdout
    assert json_report(measured)["mine/module.py"] == [6, 7]
    fine(measured.run(*arguments, "--cov-fail-under=60"))


@pytest.mark.parametrize("link", [LinkMode.AUTO, LinkMode.SYMLINK])
def test_of_a_project_that_is_not_editable(measured: Project, link: LinkMode) -> None:
    """Coverage's own setting tells that the installed files and the sources are the same."""
    configure(
        measured,
        """\
        [tool.coverage.run]
        source_pkgs = ["mine"]
        relative_files = true
        [tool.coverage.paths]
        sources = ["mine", "*/site-packages/mine", "*/wheels-*/*/*/tree/mine"]
        """,
    )
    how = (f"--fastenv-link={link}", "--fastenv-project=wheel")
    fine(measured.run("--fastenv", "requirements.txt", *how, "--cov", "--cov-report=json", "-n", "2"))
    assert json_report(measured)["mine/module.py"] == MISSING


def test_plugin_comes_along_where_the_command_line_needs_it(measured: Project) -> None:
    """In the version that is here, unless the requirements say another."""
    assert "pytest-cov" not in (measured.directory / "requirements.txt").read_text()
    write_tests(
        measured,
        f"""\
        from importlib.metadata import version

        def test_version():
            assert version("pytest-cov") == {version("pytest-cov")!r}
        """,
    )
    fine(measured.run("--fastenv", "requirements.txt", "--cov-report=", "--cov"), passed=1)
    measured.write(pytest__ini="[pytest]\naddopts = --cov --cov-report=json\n")
    fine(measured.run("--fastenv", "requirements.txt"), passed=1)
    fine(measured.run("--fastenv", "requirements.txt", "--no-cov"), passed=1)
    measured.write(requirements__txt="pytest-cov<1\n")
    run = measured.run("--fastenv", "requirements.txt")
    assert run.returncode == 4
    assert "pytest-cov<1" in run.stderr


SUBPROCESS_TESTS = """\
import subprocess
import sys
import mine.module

def test_subprocess():
    for command in ([sys.executable, "-m", "mine.module", "0"], ["python", "-m", "mine.module", "1"]):
        subprocess.run(command, check=True)
"""


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_subprocesses_of_tests(measured: Project, workers: tuple[str, ...]) -> None:
    configure(
        measured,
        """\
        [tool.coverage.run]
        source_pkgs = ["mine"]
        parallel = true
        patch = ["subprocess"]
        """,
    )
    write_tests(measured, SUBPROCESS_TESTS)
    fine(measured.run("--fastenv", "requirements.txt", "--cov", "--cov-report=json", *workers), passed=1)
    assert json_report(measured)["mine/module.py"] == []
    assert not list(measured.directory.glob(".coverage.*"))


def test_program_that_measures_pytest_has_no_data_of_the_inside(measured: Project) -> None:
    """``coverage run -m pytest`` measures the process outside; the session's own is what ``--cov`` measures."""
    command = [
        sys.executable,
        "-m",
        "coverage",
        "run",
        "--source=mine",
        "-m",
        "pytest",
        "--fastenv",
        "requirements.txt",
    ]
    run = measured.run_command([*command, "--cov=mine", "--cov-report=json"])
    assert run.returncode == 0, run.stdout + run.stderr
    assert "No data was collected" in run.stderr
    assert json_report(measured)["mine/module.py"] == MISSING


@pytest.mark.parametrize("link", [LinkMode.AUTO, *(mode for mode in LinkMode if mode.folds_directories)])
def test_every_worker_in_an_environment_of_its_own(measured: Project, link: LinkMode) -> None:
    """What is editable is the project's own files in all of them."""
    arguments = ("--fastenv", "requirements.txt", "--fastenv-scope=worker", f"--fastenv-link={link}", "-n2")
    fine(measured.run(*arguments, "--cov=mine", "--cov-report=json"))
    assert json_report(measured) == {"mine/__init__.py": [], "mine/module.py": MISSING}
    assert not list(measured.directory.glob(".coverage.*"))


def test_installed_project_in_environments_of_workers(measured: Project) -> None:
    """One path for each worker: coverage's setting makes them one file."""
    configure(
        measured,
        """\
        [tool.coverage.run]
        source_pkgs = ["mine"]
        [tool.coverage.paths]
        sources = ["mine", "*/site-packages/mine"]
        """,
    )
    arguments = ("--fastenv", "requirements.txt", "--fastenv-scope=worker", "--fastenv-project=wheel", "-n2")
    fine(measured.run(*arguments, "--cov", "--cov-report=json"))
    assert json_report(measured)["mine/module.py"] == MISSING


@pytest.mark.parametrize("how", ["patch", "variable"])
def test_subprocesses_in_a_fresh_environment(measured: Project, how: str) -> None:
    """In an environment of the fixture ``venv``, which has to hold coverage: its own start-up file begins there."""
    configure(
        measured,
        """\
        [tool.coverage.run]
        source_pkgs = ["mine"]
        parallel = true
        """
        + ("patch = ['subprocess']\n" if how == "patch" else ""),
    )
    root = measured.directory
    if how == "variable":
        measured.variables["COVERAGE_PROCESS_START"] = str(root / "pyproject.toml")
    write_tests(
        measured,
        f"""\
        import mine.module
        import pytest

        @pytest.mark.fastenv(requirements=["coverage"], project="editable")
        def test_subprocess(venv):
            for value in ("0", "1"):
                venv.run(["python", "-m", "mine.module", value], check=True, cwd={str(root)!r})
        """,
    )
    run = measured.run("--fastenv", "requirements.txt", "--cov", "--cov-report=json")
    fine(run, passed=1)
    assert json_report(measured)["mine/module.py"] == []
