"""``[tool.fastenv]`` and ``fastenv.toml``: they ask for the environment, and what is wrong in them is told."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conftest import Project

pytestmark = pytest.mark.slow

HEADER = re.compile(r"^fastenv: \d+ distributions?\b", re.MULTILINE)
TABLE = "[tool.fastenv]\nsources = ['requirements.txt']\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [("pyproject__toml", TABLE), ("fastenv__toml", "sources = ['requirements.txt', 'early-plugin']\n")],
    ids=["pyproject.toml", "fastenv.toml"],
)
def test_sources_ask_for_the_environment(project: Project, name: str, text: str) -> None:
    """From a directory below as well: they are relative to their file."""
    project.write(**{name: text, "pytest__ini": "[pytest]\n"})
    below = project.directory / "below"
    below.mkdir()
    for run in (project.run(), project.run("..", cwd=below), project.run("-n", "2")):
        assert run.returncode == 0, run.stdout + run.stderr
        assert HEADER.search(run.stdout)


def test_what_is_said_elsewhere_is_stronger(project: Project) -> None:
    project.write(pyproject__toml=f"{TABLE}link = 'glue'\n", pytest__ini="[pytest]\nfastenv_link = copy\n")
    assert project.run().returncode == 0
    run = project.run("--fastenv=early-plugin", "-p", "no:cacheprovider")
    assert "No module named 'library'" in run.stdout
    assert project.run("-p", "no:fastenv").returncode == 2, "there is no library outside"


@pytest.mark.parametrize("arguments", [(), ("--fastenv", "requirements.txt"), ("-c", "other.ini")])
@pytest.mark.parametrize("name", ["pyproject.toml", "fastenv.toml"])
def test_an_unknown_key_is_told_to_everybody(project: Project, arguments: tuple[str, ...], name: str) -> None:
    project.write(other__ini="[pytest]\n", test_inside__py="def test_it():\n    pass\n")
    table = "[tool.fastenv]\n" if name == "pyproject.toml" else ""
    (project.directory / name).write_text(f"{table}lnik = 'copy'\n")
    run = project.run(*arguments)
    assert run.returncode == 4
    assert f"{name} has an unknown key: lnik" in run.stderr
    assert run.stderr.startswith("fastenv: error: ")
    assert f"where: {project.directory / name}" in run.stderr
    assert "did you mean link?" in run.stderr
    assert "Traceback" not in run.stdout + run.stderr


def test_settings_in_a_table_turn_nothing_on(project: Project) -> None:
    project.write(fastenv__toml="link = 'copy'\n", test_inside__py="def test_it():\n    pass\n")
    run = project.run()
    assert run.returncode == 0
    assert not HEADER.search(run.stdout)


@pytest.mark.parametrize(
    ("files", "arguments", "variables", "named"),
    [
        ({"fastenv__toml": "offline = true\n"}, (), {}, "offline in fastenv.toml"),
        (
            {"pyproject__toml": "[tool.fastenv]\noffline = true\n"},
            (),
            {},
            "offline in [tool.fastenv] of pyproject.toml",
        ),
        ({"pytest__ini": "[pytest]\nfastenv_offline = true\n"}, (), {}, "fastenv_offline in pytest.ini"),
        ({}, (), {"FASTENV_OFFLINE": "1"}, "FASTENV_OFFLINE"),
        ({}, ("--fastenv-offline",), {}, "--fastenv-offline"),
    ],
)
def test_a_hint_names_where_a_setting_was_given(
    project: Project, files: dict[str, str], arguments: tuple[str, ...], variables: dict[str, str], named: str
) -> None:
    project.write(**files)
    project.variables.update(variables, FASTENV_CACHE_DIR=str(project.directory / "store"))
    run = project.run("--fastenv", "requirements.txt", *arguments)
    assert run.returncode == 3
    assert f"  next:  run once without {named}\n" in run.stderr


def test_tests_are_told_where_a_setting_was_given(project: Project) -> None:
    """Their environments are made by another process, which has been told."""
    project.write(
        fastenv__toml="offline = true\n",
        test_inside__py="""\
            import pytest

            def test_inside(venv):
                with pytest.raises(venv.Error) as caught:
                    venv.install("library")
                assert str(caught.value).endswith("next:  run once without offline in fastenv.toml")
            """,
    )
    project.variables["FASTENV_CACHE_DIR"] = str(project.directory / "store")
    run = project.run()
    assert run.returncode == 0, run.stdout


SCRIPT = """
import json, sys
import pytest
code = pytest.main(["-q", "-p", "no:cacheprovider"])
print(json.dumps([int(code), sorted(name for name in sys.modules if name.startswith("pytest_fastenv"))]))
"""


@pytest.fixture
def imported(tmp_path: Path) -> Callable[..., set[str]]:
    """Run pytest without an environment in a directory with certain files; gives our modules that were imported."""

    def run(**files: str) -> set[str]:
        (tmp_path / "test_it.py").write_text("def test_it():\n    pass\n")
        for name, text in files.items():
            (tmp_path / name.replace("__", ".")).write_text(text)
        done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=True)
        code, modules = json.loads(done.stdout.splitlines()[-1])
        assert code == 0
        return set(modules)

    return run


def test_what_is_not_there_costs_nothing(imported: Callable[..., set[str]]) -> None:
    """A project that requires this one, or has ini values for it, has no table yet."""
    without = imported()
    assert "pytest_fastenv.settings.options" in without
    assert "pytest_fastenv.settings.tables" not in without
    mentioned = (
        "[project]\nname = 'x'\nversion = '1'\ndependencies = ['pytest-fastenv>=1', 'pytest_fastenv']\n"
        "[tool.pytest.ini_options]\nfastenv_link = 'copy'\n"
    )
    assert imported(pyproject__toml=mentioned) == without
    assert "pytest_fastenv.settings.tables" in imported(pyproject__toml="[tool.fastenv]\nlink = 'copy'\n")
