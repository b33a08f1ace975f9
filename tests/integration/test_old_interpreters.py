"""Sessions under every CPython from 3.8 on: with the newest pytest that supports it, and with wheels built for it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from kit.archives import make_wheel
from kit.installed import supports
from kit.interpreters import EXPECTED, Found

pytestmark = [pytest.mark.network, pytest.mark.slow]

#: Releases with a wheel for each of the interpreters of the suite, and the compiled module of each.
COMPILED = {
    "markupsafe==3.0.2": "markupsafe._speedups",
    "pyyaml==6.0.2": "yaml._yaml",
    "cffi==1.17.1": "_cffi_backend",
}
SUITE_MINORS = [(3, 9), (3, 10), (3, 12), (3, 13)]

SUITE = """
    import importlib
    import json
    import os
    import platform
    import sys

    import pytest

    def test_where_it_runs(request):
        names = os.environ.get("COMPILED", "").split()
        found = {
            "version": platform.python_version(),
            "pytest": pytest.__version__,
            "prefix": sys.prefix,
            "base": os.path.realpath(sys.executable),
            "xdist": os.environ.get("PYTEST_XDIST_WORKER"),
            "files": {name: importlib.import_module(name).__file__ for name in names},
        }
        with open(os.environ["ANSWER"], "w") as file:
            json.dump(found, file)

    def test_what_it_needs():
        import library
        assert library.GREETING == "hello"
"""


def id_of(minor: tuple[int, int]) -> str:
    return "{}.{}".format(*minor)


def interpreter(interpreters: list[Found], minor: tuple[int, int]) -> Found:
    """Return the interpreter of a minor version; loudly skip the test where there is none."""
    found = next((item for item in interpreters if item[0][:2] == minor), None)
    if found is None:
        pytest.skip(f"no CPython {id_of(minor)} on this machine: sessions under it are NOT tested here")
    return found


def run(
    directory: Path, *arguments: str, **variables: str
) -> tuple[subprocess.CompletedProcess[str], Mapping[str, Any]]:
    """Run the suite by the real command and return what it found inside."""
    answer = directory / "answer.json"
    (directory / "test_inside.py").write_text(textwrap.dedent(SUITE))
    outside = ("PYTEST_", "COV_", "COVERAGE_", "FASTENV_INSIDE")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(outside)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=directory,
        env={**environ, "ANSWER": str(answer), **variables},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    found: Mapping[str, Any] = json.loads(answer.read_text())
    return done, found


def expected_pytest(minor: tuple[int, int], directory: Path) -> str:
    """Return the version that runs here where it supports the interpreter, else the one that pip takes for it."""
    if supports("pytest", minor):
        return pytest.__version__
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*pip, "--python-version", id_of(minor), "-d", directory, "pytest"], check=True)
    [wheel] = directory.glob("pytest-*.whl")
    return wheel.name.split("-")[1]


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A directory with a wheel that no index has, to be found beside what the index has."""
    place = tmp_path / "wheels"
    place.mkdir()
    make_wheel(place, "library", files={"library.py": "GREETING = 'hello'\n"})
    return place


@pytest.mark.parametrize("minor", EXPECTED, ids=id_of)
def test_a_session_under_each_interpreter(
    minor: tuple[int, int], interpreters: list[Found], tmp_path: Path, library: Path
) -> None:
    version, python = interpreter(interpreters, minor)
    full = ".".join(map(str, version))
    arguments = ("--fastenv", str(next(library.iterdir())), "--fastenv-python", str(python))
    done, found = run(tmp_path, *arguments)
    assert found["version"] == full
    assert found["pytest"] == expected_pytest(minor, tmp_path / "taken by pip")
    assert found["base"] == os.path.realpath(python)
    assert found["prefix"].startswith(str(tmp_path / "cache"))
    header = next(line for line in done.stdout.splitlines() if line.startswith("fastenv: "))
    assert f"CPython {full}" in header
    assert f"Python {full}, pytest-{found['pytest']}" in done.stdout

    again, found_again = run(tmp_path, *arguments)
    assert found_again == found
    assert "reused" in next(line for line in again.stdout.splitlines() if line.startswith("fastenv: "))


def test_workers_and_coverage_under_the_oldest(interpreters: list[Found], tmp_path: Path, library: Path) -> None:
    """The newest pytest-xdist and pytest-cov that support it come along, though others run here."""
    version, python = interpreters[0]
    arguments = ("--fastenv", str(next(library.iterdir())), "--fastenv-python", str(python))
    done, found = run(tmp_path, *arguments, "-n", "2", "--cov=.", "--cov-report=term")
    assert found["xdist"]
    assert found["version"] == ".".join(map(str, version))
    assert re.search(r"^test_inside.py +\d+ +\d+ +\d+%", done.stdout, re.MULTILINE), done.stdout


def test_the_same_suite_with_binary_wheels_for_each(interpreters: list[Found], tmp_path: Path, library: Path) -> None:
    """Extension modules are imported, and the file of each carries the tag of the interpreter that it is for."""
    minors = [minor for minor in SUITE_MINORS if any(item[0][:2] == minor for item in interpreters)]
    if len(minors) < 2:
        pytest.skip(
            f"fewer than two of {[*map(id_of, SUITE_MINORS)]} on this machine: binary wheels are NOT tested here"
        )
    (tmp_path / "requirements.txt").write_text("\n".join([*COMPILED, str(next(library.iterdir()))]) + "\n")
    prefixes = set()
    for minor in minors:
        _, found = run(
            tmp_path,
            "--fastenv",
            "requirements.txt",
            "--fastenv-python",
            id_of(minor),
            COMPILED=" ".join(COMPILED.values()),
        )
        assert found["version"].startswith(f"{id_of(minor)}.")
        tag = "{}{}".format(*minor)
        for module, file in found["files"].items():
            assert file.startswith(found["prefix"]), module
            assert f".cpython-{tag}-" in Path(file).name, module
        prefixes.add(found["prefix"])
    assert len(prefixes) == len(minors)
