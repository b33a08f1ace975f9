"""The backends that people use, each with metadata that it finds out by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from content_desk import ContentDesk
from front_doors import Desk
from kit.dynamic_backends import git

pytestmark = [pytest.mark.network, pytest.mark.slow]

_SCM = "[project]\nname = 'demo'\ndynamic = ['version']\n"
PROJECTS = {
    "setuptools": "[build-system]\nrequires = ['setuptools>=64']\nbuild-backend = 'setuptools.build_meta'\n"
    "[project]\nname = 'demo'\ndynamic = ['version']\n"
    "[tool.setuptools]\npy-modules = ['demo']\n[tool.setuptools.dynamic]\nversion = {file = 'VERSION'}\n",
    "flit": "[build-system]\nrequires = ['flit_core>=3.2']\nbuild-backend = 'flit_core.buildapi'\n"
    "[project]\nname = 'demo'\ndynamic = ['version', 'description']\n",
    "hatchling": "[build-system]\nrequires = ['hatchling']\nbuild-backend = 'hatchling.build'\n"
    f"{_SCM}[tool.hatch.version]\npath = 'demo.py'\n",
    "setuptools_scm": "[build-system]\nrequires = ['setuptools>=64', 'setuptools_scm>=8']\n"
    f"build-backend = 'setuptools.build_meta'\n{_SCM}[tool.setuptools]\npy-modules = ['demo']\n[tool.setuptools_scm]\n",
}


@pytest.mark.parametrize("backend", PROJECTS)
def test_dynamic_version(backend: str, tmp_path: Path) -> None:
    desk = Desk(tmp_path / "desk", tmp_path / "cache", {}, timeout_s=600)
    here = ContentDesk(desk)
    desk.write("pyproject.toml", PROJECTS[backend])
    desk.write(".gitignore", "look.txt\nfound.json\n__pycache__/\n*.egg-info/\n")

    def release(version: str) -> None:
        desk.write("demo.py", f'"""Demo."""\n__version__ = {version!r}\n')
        desk.write("VERSION", version)
        if backend == "setuptools_scm":
            git(desk.directory, "add", "-A")
            git(desk.directory, "commit", "-q", "-m", version)
            git(desk.directory, "tag", f"v{version}")

    git(desk.directory, "init", "-q")
    desk.write("look.txt", "")
    release("1.0")
    assert here.finds("demo", sources=("pytest",)) == {"demo": "1.0"}
    assert here.finds("demo", sources=("pytest",)) == {"demo": "1.0"}
    assert here.reused
    release("2.0")
    assert here.finds("demo", sources=("pytest",)) == {"demo": "2.0"}
