"""``fastenv devenv``: an environment to work in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kit.archives import make_wheel
from kit.server import IndexServer

pytestmark = pytest.mark.slow
PROGRAM = Path(sys.executable).with_name("fastenv")
Devenv = Callable[..., subprocess.CompletedProcess[str]]
BACKEND = """
import os, zipfile

def get_requires_for_build_editable(config_settings=None):
    return []

get_requires_for_build_wheel = get_requires_for_build_editable

def build_editable(directory, config_settings=None, metadata_directory=None):
    name = "mine-1.0-py3-none-any.whl"
    info = "mine-1.0.dist-info/"
    files = {
        "mine.pth": os.path.join(os.getcwd(), "src"),
        info + "METADATA": "Metadata-Version: 2.1\\nName: mine\\nVersion: 1.0\\n",
        info + "WHEEL": "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    with zipfile.ZipFile(os.path.join(directory, name), "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(info + "RECORD", "".join(f"{path},,\\n" for path in [*files, info + "RECORD"]))
    return name
"""


@pytest.fixture
def project(
    artifacts: Path, index_server: Callable[..., IndexServer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Path:
    for name in ("app", "lib", "pip"):
        make_wheel(artifacts, name, files={f"{name}.py": ""})
    monkeypatch.setenv("FASTENV_INDEX_URL", index_server().url)
    directory = tmp_path / "project"
    (directory / "src").mkdir(parents=True)
    (directory / "src" / "mine.py").write_text("VALUE = 1\n")
    (directory / "backend.py").write_text(BACKEND)
    (directory / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
        "[project]\nname = 'mine'\nversion = '1.0'\n[dependency-groups]\nDev = ['app']\n"
        "[tool.fastenv.envs.a]\nrequirements = ['lib']\nproject = 'wheel'\n[tool.fastenv.envs.b]\n"
    )
    return directory


@pytest.fixture
def devenv(project: Path) -> Devenv:
    def devenv(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(PROGRAM), "devenv", *words]
        return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120)

    return devenv


def _installed(directory: Path) -> list[str]:
    return sorted(path.name.partition("-")[0] for path in directory.glob("lib/python*/site-packages/*.dist-info"))


def test_the_project_and_its_group(project: Path, devenv: Devenv) -> None:
    made = devenv()
    assert made.returncode == 0, made.stderr
    assert _installed(project / ".venv") == ["app", "mine"]
    assert made.stdout.splitlines()[-1] == "fastenv: to activate it: source .venv/bin/activate"
    script = ". .venv/bin/activate && python -c 'import mine, sys; print(mine.VALUE, sys.prefix)'"
    (project / "src" / "mine.py").write_text("VALUE = 2\n")
    ran = subprocess.run(["sh", "-c", script], cwd=project, capture_output=True, text=True)
    assert ran.stdout == f"2 {project / '.venv'}\n", ran.stderr


def test_an_environment_by_name_has_the_project_editable(project: Path, devenv: Devenv) -> None:
    assert devenv("-e", "a", "work dir").returncode == 0
    assert _installed(project / "work dir") == ["lib", "mine"]
    assert list(project.glob("work dir/lib/python*/site-packages/mine.pth"))
    assert not (project / ".venv").exists()
    refused = devenv("-e", "all")
    assert refused.returncode == 4
    assert "all means 2" in refused.stderr
    assert "a and b means 2" in devenv("-e", "a", "-e", "b").stderr


def test_a_second_run_updates_what_the_first_made(project: Path, devenv: Devenv) -> None:
    devenv()
    inode = os.stat(project / ".venv").st_ino
    again = devenv()
    assert "reused" in again.stdout
    assert os.stat(project / ".venv").st_ino == inode
    assert devenv("--pip").returncode == 0
    assert _installed(project / ".venv") == ["app", "mine", "pip"]
    assert devenv("-q", "-e", "a").stdout == ""
    assert _installed(project / ".venv") == ["lib", "mine"]


def test_what_others_made_is_refused(project: Path, devenv: Devenv) -> None:
    (project / ".venv").mkdir()
    (project / ".venv" / "kept").touch()
    refused = devenv()
    assert refused.returncode == 4
    assert "holds something that pytest-fastenv did not make" in refused.stderr
    assert os.listdir(project / ".venv") == ["kept"]
    (project / "file").touch()
    assert "file is a file" in devenv("file").stderr
    assert "one directory is needed" in devenv("a", "b").stderr


def test_nothing_to_make_one_of(project: Path, devenv: Devenv) -> None:
    (project / "pyproject.toml").unlink()
    refused = devenv()
    assert refused.returncode == 4
    assert "there is nothing to make an environment of" in refused.stderr
