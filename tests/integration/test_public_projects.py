"""Other people's suites give the same counts under ``--fastenv`` as in a plain virtual environment filled by pip."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [pytest.mark.network, pytest.mark.slow]


@dataclass(frozen=True)
class Project:
    """A release whose source distribution carries its tests, and what they need beside the project itself."""

    name: str
    version: str
    needs: tuple[str, ...]
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}-{self.version}"


#: Each time two small ones, at night the large ones too.
PROJECTS = [
    Project("itsdangerous", "2.2.0", ("freezegun",)),
    Project("iniconfig", "2.3.1", ()),
]
LARGE_PROJECTS = [
    Project("pluggy", "1.7.0", ("pytest-benchmark",)),
    Project("click", "8.5.1", ()),
    Project("attrs", "26.1.0", ("cloudpickle", "hypothesis", "pympler"), ("-n", "2", "-p", "no:cacheprovider")),
]


@pytest.mark.parametrize(
    "project", [*PROJECTS, *(pytest.param(large, marks=pytest.mark.nightly) for large in LARGE_PROJECTS)], ids=str
)
def test_same_counts_as_with_pip(project: Project, tmp_path: Path) -> None:
    source = unpacked_sdist(project, tmp_path)
    requirements = tmp_path / "requirements.txt"
    outside = f"pytest=={pytest.__version__}"
    xdist = ["pytest-xdist"] if "-n" in project.options else []
    requirements.write_text("\n".join([*project.needs, *xdist, outside]) + "\n")

    plain = tmp_path / "plain"
    subprocess.run([sys.executable, "-m", "venv", str(plain)], check=True)
    python = plain / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "-r", requirements, "-e", source], check=True)
    expected = run_suite([python, "-m", "pytest", *project.options], source, tmp_path / "plain.xml")

    command = [sys.executable, "-m", "pytest", "--fastenv", str(requirements), *project.options]
    assert run_suite(command, source, tmp_path / "fastenv.xml") == expected
    assert expected["passed"] > 50
    assert expected["failure"] + expected["error"] <= FAILING_ANYWAY.get(project.name, 0)


#: Tests that fail in a plain environment too, because a newer Python or dependency came out after the release.
FAILING_ANYWAY = {"attrs": 3, "pluggy": 1}


def unpacked_sdist(project: Project, directory: Path) -> Path:
    """Download the release's source distribution with pip and unpack it."""
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
    subprocess.run([*pip, "-d", directory / "sdist", f"{project.name}=={project.version}"], check=True)
    [archive] = (directory / "sdist").iterdir()
    with tarfile.open(archive) as tar:
        tar.extractall(directory / "source", filter="data")
    [source] = (directory / "source").iterdir()
    return source


def run_suite(command: list[str | os.PathLike[str]], source: Path, report: Path) -> Counter[str]:
    """Run a suite and count its outcomes by kind."""
    ran = subprocess.run([*command, f"--junitxml={report}", "-q"], cwd=source, capture_output=True, text=True)
    assert ran.returncode in {0, 1}, ran.stdout + ran.stderr
    counts: Counter[str] = Counter()
    for case in ET.parse(report).getroot().iter("testcase"):
        outcomes = [child.tag for child in case if child.tag in {"failure", "error", "skipped"}]
        counts[outcomes[0] if outcomes else "passed"] += 1
    return counts
