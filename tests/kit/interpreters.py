"""Find the CPythons of the machine: pyenv's versions, ``pythonX.Y`` on PATH, and the one that runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

#: The interpreter that runs, outside of all environments.
BASE = os.path.realpath(getattr(sys, "_base_executable", sys.executable))

#: Full version and path of an interpreter.
Found = tuple[tuple[int, ...], Path]

#: The minor versions that tests would like to have.
EXPECTED = [(3, minor) for minor in range(8, 15)]

_FACTS = "import sys; print(sys.implementation.name, *sys.version_info[:3])"


def find_interpreters() -> list[Found]:
    """Return one CPython for each minor version from 3.8 on, oldest first; each was started once."""
    found: dict[tuple[int, ...], Path] = {}
    seen: set[Path] = set()
    for candidate in _candidates():
        real = candidate.resolve()
        if real in seen:
            continue
        seen.add(real)
        version = _version(candidate)
        if version is not None and version[:2] >= EXPECTED[0] and all(v[:2] != version[:2] for v in found):
            found[version] = candidate
    return sorted(found.items())


def hide_interpreters(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make this a machine without interpreters besides the one that runs; return the one directory that is on PATH.

    :param place: becomes the home, and the working directory.
    """
    (place / "bin").mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("PATH", str(place / "bin"))
    monkeypatch.setenv("HOME", str(place))
    for name in list(os.environ):
        if name.startswith(("PYENV_", "MISE_", "ASDF_", "UV_", "XDG_", "RYE_", "RUNNER_", "AGENT_")):
            monkeypatch.delenv(name)
    return place / "bin"


def _candidates() -> Iterator[Path]:
    name = "python.exe" if os.name == "nt" else "bin/python3"
    yield Path(sys.base_prefix) / name
    root = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    for directory in sorted(Path(root, "versions").glob("3.*")):
        yield directory / name
    for directory in os.environ.get("PATH", "").split(os.pathsep):
        if directory and Path(directory).name != "shims":  # a shim may lead to no interpreter at all
            yield from (Path(directory) / f"python{major}.{minor}" for major, minor in EXPECTED)


def _version(python: Path) -> tuple[int, ...] | None:
    if not os.access(python, os.X_OK) or not python.is_file():
        return None
    try:
        answer = subprocess.run(
            [python, "-I", "-S", "-c", _FACTS], capture_output=True, text=True, timeout=20, check=True
        ).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return None
    return tuple(map(int, answer[1:])) if answer[0] == "cpython" else None
