"""Where is looked: PATH, what shims stand for, and the directories of tools that install interpreters."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_fastenv.interpreter.places import fingerprint, manager_places, managers, path_places, search_variables


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which nothing is, and a working directory below it."""
    place = tmp_path / "home"
    (place / "work").mkdir(parents=True)
    monkeypatch.chdir(place / "work")
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.setenv("PATH", "")
    for name in list(os.environ):
        if name.startswith(("PYENV_", "MISE_", "ASDF_", "UV_", "XDG_", "RYE_", "RUNNER_", "AGENT_")):
            monkeypatch.delenv(name)
    return place


def versions(root: Path, *names: str) -> None:
    """Install versions for a manager, as far as this room looks."""
    for name in names:
        (root / name / "bin").mkdir(parents=True)


def found() -> list[tuple[str, str]]:
    return [(place.where, Path(place.directory).parent.name) for place in manager_places()]


def test_path_from_left_to_right_without_what_is_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "b"), "", "bin", str(tmp_path / "a")]))
    assert [*path_places()] == [("PATH", str(tmp_path / "b")), ("PATH", str(tmp_path / "a"))]


@pytest.mark.skipif(os.name == "nt", reason="other places on Windows")
@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("pyenv", ".pyenv/versions"),
        ("uv", ".local/share/uv/python"),
        ("mise", ".local/share/mise/installs/python"),
        ("asdf", ".asdf/installs/python"),
        ("rye", ".rye/py"),
    ],
)
def test_managers_at_their_usual_place_newest_first(home: Path, name: str, place: str) -> None:
    versions(home / place, "3.9.18", "3.12.1", "3.10.2")
    assert found() == [(name, "3.12.1"), (name, "3.10.2"), (name, "3.9.18")]


def test_hatch_has_a_directory_more(home: Path) -> None:
    root = next(Path(manager.root) for manager in managers() if manager.name == "hatch")
    (root / "3.12" / "python" / "bin").mkdir(parents=True)
    assert [*manager_places()] == [("hatch", str(root / "3.12" / "python" / "bin"))]


@pytest.mark.parametrize(
    ("variable", "below"),
    [
        ("PYENV_ROOT", "versions"),
        ("UV_PYTHON_INSTALL_DIR", ""),
        ("MISE_DATA_DIR", "installs/python"),
        ("ASDF_DATA_DIR", "installs/python"),
        ("XDG_DATA_HOME", "uv/python"),
        ("RYE_HOME", "py"),
    ],
)
def test_variables_move_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, below: str) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
    versions(tmp_path / "elsewhere" / below, "3.12.1")
    assert [where for where, version in found() if version == "3.12.1"]
    assert str(tmp_path / "elsewhere") in search_variables()


def test_a_tool_cache_of_continuous_integration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNNER_TOOL_CACHE", str(tmp_path))
    (tmp_path / "Python" / "3.12.1" / "x64" / "bin").mkdir(parents=True)
    places = [directory for where, directory in manager_places() if where == "tool cache"]
    assert str(tmp_path / "Python" / "3.12.1" / "x64" / "bin") in places


class TestShims:
    """A directory of shims on PATH stands for the versions that are active."""

    @pytest.fixture(autouse=True)
    def pyenv(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        root = home / ".pyenv"
        versions(root / "versions", "3.9.18", "3.12.1", "3.12.11", "pypy3.10-7.3.15")
        (root / "shims").mkdir()
        monkeypatch.setenv("PATH", os.pathsep.join([str(root / "shims"), str(home / "bin")]))
        return root

    def active(self) -> list[tuple[str, str]]:
        *active, last = path_places()
        assert last.where == "PATH"
        return [(place.where, Path(place.directory).parent.name) for place in active]

    def test_none_is_active(self) -> None:
        assert self.active() == []

    def test_the_managers_own_file(self, pyenv: Path) -> None:
        (pyenv / "version").write_text("3.9.18\n")
        assert self.active() == [("pyenv", "3.9.18")]

    def test_the_nearest_file_counts_more(self, pyenv: Path, home: Path) -> None:
        (pyenv / "version").write_text("3.9.18\n")
        (home / ".python-version").write_text("# ours\npypy3.10-7.3.15\n3.12.1 # and this\n")
        assert self.active() == [("pyenv", "pypy3.10-7.3.15"), ("pyenv", "3.12.1")]
        (home / "work" / ".python-version").write_text("3.12.1\n")
        assert self.active() == [("pyenv", "3.12.1")]

    def test_the_variable_counts_most(self, pyenv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (pyenv / "version").write_text("3.9.18\n")
        monkeypatch.setenv("PYENV_VERSION", "3.12.1:system:3.9.18")
        assert self.active() == [("pyenv", "3.12.1"), ("pyenv", "3.9.18")]

    def test_a_minor_version_means_its_newest(self, pyenv: Path) -> None:
        (pyenv / "version").write_text("3.12\n")
        assert self.active() == [("pyenv", "3.12.11")]

    def test_what_is_no_version(self, pyenv: Path) -> None:
        for text in ("../../bin\n", "..\n", "3.7\n", "", "x" * 5000):
            (pyenv / "version").write_text(text)
            assert self.active() == []

    def test_tool_versions(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        versions(home / ".asdf" / "installs" / "python", "3.11.4", "3.10.9")
        monkeypatch.setenv("PATH", os.pathsep.join([str(home / ".asdf" / "shims"), str(home / "bin")]))
        (home / ".tool-versions").write_text("nodejs 20.1.0\npython 3.11.4 3.10.9 system\n")
        assert self.active() == [("asdf", "3.11.4"), ("asdf", "3.10.9")]


def test_what_changes_the_fingerprint(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("bin", ".pyenv/versions"):
        (home / name).mkdir(parents=True)
        os.utime(home / name, ns=(0, 0))
    monkeypatch.setenv("PATH", str(home / "bin"))
    seen = [fingerprint()]
    assert fingerprint() == seen[0]
    for path in ("bin/python3", ".pyenv/versions/3.12.1", ".pyenv/version", ".python-version", ".tool-versions"):
        (home / path).touch()
        assert fingerprint() not in seen, path
        seen.append(fingerprint())


def test_an_installation_that_is_not_complete_yet(home: Path) -> None:
    """Its directory comes first, and what is searched for last."""
    place = home / ".pyenv" / "versions" / "3.12.1"
    place.mkdir(parents=True)
    begun = fingerprint()
    (place / "bin").mkdir()
    os.utime(place / "bin", ns=(0, 0))
    half = fingerprint()
    (place / "bin" / "python3.12").touch()
    assert begun != half != fingerprint()
