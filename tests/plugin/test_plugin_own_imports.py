"""Whatever a project calls its modules, the engine imports its own; and a defect ends in a diagnosis."""

from __future__ import annotations

import os
import re
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest

from pytest_fastenv.plugin.provisioning import REQUIRED_MODULES
from pytest_fastenv.runtime.launch import own_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conftest import Project

#: Modules that the engine imports and pytest itself does not.
SHADOWED = (
    "colorsys", "configparser", "filecmp", "fractions", "gzip", "http", "httpx", "idna", "isal", "mimetypes",
    "mmap", "nab_resolver", "netrc", "packaging", "pickle", "pkgutil", "python_discovery", "rich", "sysconfig",
    "tarfile", "tomllib",
)  # fmt: skip
MINE = "raise RuntimeError('a module of the project: ' + __name__)\n"


@pytest.fixture
def shadows(project: Project) -> Path:
    """A directory with modules of many names, and a store that has nothing."""
    directory = project.directory
    project.variables["FASTENV_CACHE_DIR"] = str(directory.parent / "store")
    for name in SHADOWED[::2]:
        (directory / f"{name}.py").write_text(MINE)
    for name in SHADOWED[1::2]:
        (directory / name).mkdir()
        (directory / name / "__init__.py").write_text(MINE)
    return directory


@pytest.mark.slow
@pytest.mark.parametrize("way", ["module", "PYTHONPATH", "pythonpath"])
def test_modules_of_the_project_are_not_the_engines(project: Project, shadows: Path, way: str) -> None:
    project.write(pytest__ini="[pytest]\npythonpath = .\n" if way == "pythonpath" else "[pytest]\n")
    if way == "PYTHONPATH":
        project.variables["PYTHONPATH"] = str(shadows)
    # The second run has its answer, and makes another environment for the test.
    project.write(test_venv__py="def test_venv(venv):\n    venv.install('library')\n")
    for _ in range(2):
        run = project.run("--fastenv", "requirements.txt", module=way == "module")
        assert "2 passed" in run.stdout, run.stdout + run.stderr


@pytest.mark.slow
def test_what_was_imported_before_is_put_aside(project: Project, shadows: Path) -> None:
    """A plugin of the command line comes before any other, and may have imported the project's modules."""
    project.write(early__py="import gzip\n\ndef pytest_configure():\n    assert gzip.MINE\n")
    (shadows / "gzip.py").write_text("MINE = True\n")
    run = project.run("-p", "early", "--fastenv", "requirements.txt", module=True)
    assert "1 passed" in run.stdout, run.stdout + run.stderr


@pytest.mark.slow
def test_projects_hooks_import_the_projects_modules(project: Project, shadows: Path) -> None:
    project.write(
        requirements__txt="",
        wanted__py="LINES = ['library']\n",
        conftest__py="""\
            def pytest_fastenv_requirements(config):
                import wanted
                return wanted.LINES
            """,
    )
    run = project.run("--fastenv", "requirements.txt", module=True)
    assert "1 passed" in run.stdout, run.stdout + run.stderr


@pytest.mark.slow
@pytest.mark.parametrize("verbose", [(), ("-v",)])
def test_a_defect_ends_in_a_diagnosis(project: Project, verbose: tuple[str, ...]) -> None:
    """Something is wrong with the installation: a module that the engine needs cannot be imported."""
    site = project.directory.parent / "site"
    (site / "broken-1.0.dist-info").mkdir(parents=True)  # directories with installed distributions stay on the path
    (site / "httpx.py").write_text("raise RuntimeError('no such thing')\n")
    project.variables |= {"PYTHONPATH": str(site), "FASTENV_CACHE_DIR": str(project.directory.parent / "store")}
    run = project.run("--fastenv", "requirements.txt", *verbose)
    assert run.returncode == 3, run.stdout + run.stderr
    assert "fastenv: error: pytest-fastenv has a defect: RuntimeError('no such thing')\n" in run.stderr
    assert f"where: {site / 'httpx.py'}:1" in run.stderr
    assert "maintainers of pytest-fastenv" in run.stderr
    assert ("Traceback (most recent call last)" in run.stderr) is bool(verbose)


def test_own_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed, project = tmp_path / "installed", tmp_path / "project"
    (installed / "a-1.0.dist-info").mkdir(parents=True)
    (project / "a.egg-info").mkdir(parents=True)
    library = os.path.dirname(os.__file__)
    theirs = ["", str(project), str(installed), str(tmp_path / "none.zip")]
    monkeypatch.setattr(sys, "path", [*theirs, library, "/site-packages", "/of-a-pth-file"])
    assert own_path() == [str(installed), library, "/site-packages", "/of-a-pth-file"]


def test_what_the_engine_requires_is_known() -> None:
    names = {re.split(r"[^\w.-]", line)[0] for line in requires("pytest-fastenv") or () if "extra ==" not in line}
    own = names - {"pytest"}
    found = {module for module, projects in packages_distributions().items() if own & set(projects)}
    assert {module for module in found if not module.startswith("_") and "__" not in module} <= REQUIRED_MODULES
