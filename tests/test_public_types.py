"""The public interface is typed: a type checker accepts good use and finds bad use."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("mypy") is None, reason="needs mypy, which the dev extra brings"),
]

USE = Path(__file__).with_name("public_types.py")


def check(text: str, directory: Path) -> list[str]:
    """Return the errors that mypy finds; away from this checkout, whose configuration users do not have."""
    (directory / "use.py").write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--cache-dir", str(directory / "cache")]
    ran = subprocess.run([*command, "use.py"], cwd=directory, capture_output=True, text=True)
    return [line for line in ran.stdout.splitlines() if line.startswith("use.py") and "error" in line]


def test_use(tmp_path: Path) -> None:
    assert check(USE.read_text(encoding="utf-8"), tmp_path) == []


def test_the_check_finds_what_is_wrong(tmp_path: Path) -> None:
    assert "arg-type" in "".join(check("import pytest_fastenv\n\npytest_fastenv.provision(3)\n", tmp_path))
