"""A kind that is new is found by mypy, in every place that has to say something about it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import pytest_fastenv

pytest.importorskip("mypy")

pytestmark = pytest.mark.nightly

ROOT = Path(pytest_fastenv.__file__).parents[1]
Found = Callable[..., dict[str, int]]


@pytest.fixture(scope="module")
def found_by_mypy(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """Changes a module of a copy of the package for one run of mypy, and tells how many errors it finds by module."""
    copy = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "pytest_fastenv", copy / "pytest_fastenv", ignore=shutil.ignore_patterns("__pycache__"))
    command = (sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), "--no-error-summary")

    def check() -> dict[str, int]:
        run = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
        errors = [match[1] for match in re.finditer(r"^pytest_fastenv/(\S+?):\d+: error:", run.stdout, re.MULTILINE)]
        assert errors or not run.returncode, run.stdout + run.stderr
        return {name: errors.count(name) for name in errors}

    def find(module: str, *changes: tuple[str, str]) -> dict[str, int]:
        path = copy / "pytest_fastenv" / module
        before = text = path.read_text()
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path.write_text(text)
        try:
            return check()
        finally:
            path.write_text(before)

    assert check() == {}
    return find


def test_a_fifth_link_mode(found_by_mypy: Found) -> None:
    found = found_by_mypy("model/link.py", ('SYMLINK = "symlink"\n', 'SYMLINK = "symlink"\n    GLUE = "glue"\n'))
    assert set(found) == {"installer/placement.py", "model/link.py"}
    assert found["model/link.py"] == 3


def test_a_fourth_source(found_by_mypy: Found) -> None:
    found = found_by_mypy(
        "model/plan.py",
        ("BuildSource = SdistSource | TreeSource\n", "BuildSource = SdistSource | TreeSource | BundleSource\n"),
        (
            "#: What a wheel has to be built of.\n",
            "@dataclass(frozen=True, slots=True)\nclass BundleSource:\n    bundle: str\n\n\n",
        ),
    )
    assert {
        "resolve/direct.py",
        "resolve/hashed.py",
        "installer/distributions.py",
        "installer/build/workspace.py",
    } <= set(found)


def test_a_fifth_reference(found_by_mypy: Found) -> None:
    image = "@dataclass(frozen=True, slots=True)\nclass ImageReference:\n    image: str\n\n\n"
    known = "Reference = IndexReference |"
    found = found_by_mypy("model/reference.py", (known, f"{image}Reference = ImageReference | IndexReference |"))
    assert {"requirements/specifiers.py", "resolve/direct.py", "provisioning/resolutions.py"} <= set(found)
