from __future__ import annotations

from pathlib import Path

import pytest

from pytest_fastenv.errors import BuildError
from pytest_fastenv.installer.build.pyproject import LEGACY_BACKEND, LEGACY_REQUIRES, BuildSystem, read_pyproject


def written(tmp_path: Path, text: str | bytes) -> Path:
    (tmp_path / "pyproject.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    return tmp_path


def test_a_whole_table_is_read(tmp_path: Path) -> None:
    (tmp_path / "backend").mkdir()
    text = (
        '[build-system]\nrequires = ["flit_core >=3.2,<4"]\n'
        'build-backend = "flit_core.buildapi"\nbackend-path = ["backend"]'
    )
    system = read_pyproject(written(tmp_path, text), "demo 1.0").build_system
    assert system == BuildSystem(("flit_core >=3.2,<4",), "flit_core.buildapi", ("backend",))


def test_setup_py_alone_means_setuptools_old_way(tmp_path: Path) -> None:
    (tmp_path / "setup.py").touch()
    assert read_pyproject(tmp_path, "demo 1.0").build_system == BuildSystem(LEGACY_REQUIRES, LEGACY_BACKEND)


@pytest.mark.parametrize(
    ("text", "requires"),
    [
        ("[project]\nname = 'demo'\n", ("setuptools>=40.8.0",)),
        ("[tool.other]\n", ("setuptools>=40.8.0",)),
        ("[build-system]\nrequires = ['wheel']\n", ("wheel", "setuptools>=40.8.0")),
        ("[build-system]\nrequires = ['Setuptools>=70']\n", ("Setuptools>=70",)),
        ("", ("setuptools>=40.8.0",)),
    ],
)
def test_no_build_backend_means_setuptools_old_way(tmp_path: Path, text: str, requires: tuple[str, ...]) -> None:
    system = read_pyproject(written(tmp_path, text), "demo 1.0").build_system
    assert system == BuildSystem(requires, LEGACY_BACKEND)


def test_nothing_to_build_with_says_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "Makefile").touch()
    with pytest.raises(BuildError, match=r"neither a pyproject.toml nor a setup.py") as caught:
        read_pyproject(tmp_path, "demo 1.0")
    assert "Makefile" in caught.value.diagnosis()


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("[build-system]\nrequires = [\n", 3, "is not valid TOML"),
        ("[project]\n\n[build-system\n", 3, "is not valid TOML"),
        (b"[project]\nname = '\xff'\n", 2, "is not UTF-8"),
        ("[project]\nname='x'\n\n[build-system]\nbuild-backend = 'x'\n", 4, "without requires"),
        ("[build-system]\nrequires = 'setuptools'\n", 2, "not a list of texts"),
        ("[build-system]\nrequires = ['a', 1]\n", 2, "not a list of texts"),
        ("[build-system]\nrequires = [\n'good',\n'not a requirement',\n]\n", 4, "'not a requirement'"),
        ("[build-system]\nrequires = []\nbuild-backend = 'a b'\n", 3, "no name of the form"),
        ("[build-system]\nrequires = []\nbuild-backend = 3\n", 3, "no name of the form"),
        ("[build-system]\nrequires = []\nbackend-path = ['.']\n", 3, "no build-backend"),
        ("[build-system]\nrequires = []\nbuild-backend='x'\nbackend-path = ['../']\n", 4, "leaves the source tree"),
        ("[build-system]\nrequires = []\nbuild-backend='x'\nbackend-path = ['/']\n", 4, "leaves the source tree"),
        ("[build-system]\nrequires = []\nbuild-backend='x'\nbackend-path = ['out']\n", 4, "leaves the source tree"),
        ("[build-system]\nrequires = []\nbuild-backend='x'\nbackend-path = ['gone']\n", 4, "not a directory"),
        ("build-system = 3\n", 1, "not a table"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_line(tmp_path: Path, text: str | bytes, line: int, part: str) -> None:
    if hasattr(Path, "symlink_to"):
        (tmp_path / "out").symlink_to("/")
    with pytest.raises(BuildError) as caught:
        read_pyproject(written(tmp_path, text), "demo 1.0")
    assert part in caught.value.what
    assert caught.value.what.startswith("demo 1.0: its pyproject.toml ")
    file, number, *_ = (caught.value.where or "").rpartition("pyproject.toml")[2].split(":")
    assert (file, int(number)) == ("", line)
