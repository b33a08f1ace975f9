"""Filters for warnings whose class only the environment has."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from kit.archives import make_wheel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conftest import Project

pytestmark = pytest.mark.slow

WARNS = "import warnings\n\nclass MyWarning(Warning):\n    pass\n\ndef warn():\n    warnings.warn('mine', MyWarning)\n"


@pytest.fixture
def warning(project: Project) -> Project:
    """A project whose tests warn, with a class of warnings that is nowhere but in its requirements."""
    wheel = make_wheel(project.directory, "mypkg", files={"mypkg.py": WARNS})
    project.write(
        requirements__txt=f"./{wheel.name}\n",
        test_inside__py="import mypkg\n\ndef test_it():\n    mypkg.warn()\n",
    )
    return project


def test_command_that_starts_no_pytest_outside(warning: Project) -> None:
    warning.write(pytest__ini="[pytest]\nfilterwarnings =\n  error\n  ignore::mypkg.MyWarning\n")
    program = str(Path(sys.executable).with_name("fastenv"))
    words = ["-p", "no:cacheprovider", "-p", "no:fastenv"]
    run = warning.run_command([program, "run", "requirements.txt", "pytest", "--", "pytest", *words])
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 passed" in run.stdout
    if pytest.version_tuple >= (9, 2):  # if that is over, the page can go
        outside = warning.run("--fastenv", "requirements.txt")
        assert (outside.returncode, "Traceback" in outside.stderr) == (1, True)


def test_settings_of_the_plugin_stand_in_its_own_table_then(warning: Project) -> None:
    """As the page says: a pytest without the plugin warns of a line in its ini file, and that is an error."""
    command = [
        str(Path(sys.executable).with_name("fastenv")),
        "run",
        "-q",
        "requirements.txt",
        "pytest",
        "--",
        "pytest",
    ]
    command += ["-p", "no:cacheprovider"]
    filters = "filterwarnings = ['error', 'ignore::mypkg.MyWarning']\n"
    ini = f"[tool.pytest.ini_options]\n{filters}"
    warning.write(pyproject__toml=f"{ini}fastenv = 'requirements.txt'\n")
    assert "INTERNALERROR" in (run := warning.run_command(command)).stdout + run.stderr
    warning.write(pyproject__toml=f"{ini}[tool.fastenv]\nsources = ['requirements.txt']\n")
    run = warning.run_command(command)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    ("lines", "conftest"),
    [
        (["ignore::mypkg.MyWarning"], ""),
        (["error", "ignore:mine"], ""),
        (["error", "ignore::Warning:mypkg"], ""),
        (
            ["error"],
            "def pytest_configure(config):\n    config.addinivalue_line('filterwarnings', 'ignore::mypkg.MyWarning')\n",
        ),
    ],
)
def test_other_ways_that_the_page_tells(warning: Project, lines: list[str], conftest: str) -> None:
    text = "".join(f"  {line}\n" for line in lines)
    warning.write(pytest__ini=f"[pytest]\nfilterwarnings =\n{text}", conftest__py=conftest)
    run = warning.run("--fastenv", "requirements.txt")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "fastenv: " in run.stdout
